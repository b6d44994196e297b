// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Job, Record, Stage, Status} from "../src/Job.sol";
import {Formulas} from "../src/Formulas.sol";
import {Claim, Operation, Rebuttal} from "../src/Game.sol";
import {GameId, Ground, JobId, Phase, Position, Positions} from "../src/Position.sol";
import {Program} from "../src/Program.sol";
import {OutputClaim, Receipt, Terms} from "../src/Receipt.sol";
import {Referee} from "../src/Referee.sol";
import {Rules} from "../src/Rules.sol";
import {Log, chain} from "./Chain.sol";

/// The parts of a program of copies, as bytes: operation i is `y[k] = x[k]` of 8-bit integers, x the input.
library Copies {
    uint256 internal constant COUNT = 5;
    uint256 internal constant CELLS = 40;

    function descriptor() internal pure returns (bytes memory) {
        // int8 map of one axis, one source, one sum of one term; the expression is the sum.
        return abi.encodePacked(
            hex"0100000101000101",
            uint32(CELLS),
            hex"0000000000",
            hex"0101",
            uint32(CELLS),
            hex"000100010000000000000001",
            hex"0100",
            hex"0000000000000000010000000001",
            hex"0000"
        );
    }

    function tree(bytes32[] memory leaves) internal pure returns (bytes32) {
        return node(leaves, 3, 0);
    }

    /// The node of a tree of eight leaves at a height.
    function node(bytes32[] memory leaves, uint256 height, uint256 index) internal pure returns (bytes32) {
        if (height == 0) return index < leaves.length ? leaves[index] : bytes32(0);
        return keccak256(
            abi.encodePacked(bytes1(0x01), node(leaves, height - 1, 2 * index), node(leaves, height - 1, 2 * index + 1))
        );
    }

    function path(bytes32[] memory leaves, uint256 index) internal pure returns (bytes memory) {
        return abi.encodePacked(
            node(leaves, 0, index ^ 1), node(leaves, 1, (index >> 1) ^ 1), node(leaves, 2, (index >> 2) ^ 1)
        );
    }

    function operationLeaves() internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](COUNT);
        for (uint256 i = 0; i < COUNT; ++i) {
            leaves[i] = keccak256(abi.encodePacked(bytes1(0x00), descriptor()));
        }
    }

    /// The leaf of an output: little-endian length of the name, the name, little-endian operation, scale, visibility.
    function outputLeaf(uint256 operation) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"0100000079", uint8(operation), hex"000000", hex"000000000000f03f", hex"00");
    }

    /// Outputs are operations 4 and 1.
    function outputs() internal pure returns (uint256[2] memory) {
        return [uint256(4), 1];
    }

    function header() internal pure returns (bytes memory) {
        bytes32 first = keccak256(abi.encodePacked(bytes1(0x00), outputLeaf(4)));
        bytes32 second = keccak256(abi.encodePacked(bytes1(0x00), outputLeaf(1)));
        return abi.encodePacked(
            uint32(2),
            hex"0000",
            uint32(COUNT),
            uint32(0),
            uint32(1),
            uint32(2),
            tree(operationLeaves()),
            bytes32(0),
            bytes32(0),
            keccak256(abi.encodePacked(bytes1(0x01), first, second)),
            bytes32("bounds")
        );
    }
}

/// A chain with the contracts, a buyer, a provider and challengers, and a job on a program of copies.
contract World {
    address internal constant BUYER = address(0xb0001);
    uint256 internal constant PROVIDER_KEY = 0x9;
    address internal constant STRANGER = address(0x57a);
    address internal constant AGENT = address(0xa9e);
    address internal constant CHALLENGER = address(0xc01);
    address internal constant OTHER = address(0xc02);
    uint256 internal constant GAS_PRICE = 7;
    uint64 internal constant START = 1_000_000;
    bytes32 internal constant MOVED = keccak256(
        "Moved(bytes32,(uint8,bytes32,uint64,uint64,uint32,uint8,uint32,bytes32,bytes32,uint64,uint64,uint64,uint8,uint8,uint64,uint64,uint256,uint256,uint64,uint64,uint64),bytes)"
    );

    address internal provider;
    Referee internal referee;
    Rules internal rules;
    AssayDispute internal dispute;
    address internal token;
    uint256 internal nonce = 3;
    uint256 internal challengerBond = 20_000_001;
    /// The bytes of the input, and of the wires that the provider says to have computed.
    bytes internal input;
    bytes[] internal wires;
    /// The last leaf of the trace, where no operation is; a provider may have committed to anything.
    bytes32 internal padding;

    function setUp() public virtual {
        provider = chain.addr(PROVIDER_KEY);
        referee = new Referee(new Formulas());
        rules = new Rules(referee);
        dispute = new AssayDispute(rules);
        chain.warp(START);
        chain.txGasPrice(GAS_PRICE);
        input = new bytes(Copies.CELLS);
        for (uint256 i = 0; i < Copies.CELLS; ++i) {
            input[i] = bytes1(uint8(3 * i + 100));
        }
        for (uint256 i = 0; i < Copies.COUNT; ++i) {
            wires.push(input);
        }
        address[6] memory all = [BUYER, provider, STRANGER, AGENT, CHALLENGER, OTHER];
        for (uint256 i = 0; i < all.length; ++i) {
            chain.deal(all[i], 1e30);
        }
    }

    // What is agreed and computed.

    function terms() internal view virtual returns (Terms memory t) {
        t.program = keccak256(abi.encodePacked(bytes1(0x02), Copies.header()));
        t.inputs = new bytes32[](1);
        t.inputs[0] = digest(input);
        t.provider = provider;
        t.price = 1_000_003;
        t.providerBond = 90_000_000_017;
        t.challengerBond = challengerBond;
        t.acceptBy = START + 10;
        t.postBy = START + 20;
        t.window = 500;
        t.providerClock = 1000;
        t.challengerClock = 700;
        t.gasPriceCap = 5;
        t.lateFee = 5000;
        t.token = token;
        t.referee = address(referee).codehash;
    }

    function digest(bytes memory data) internal view returns (bytes32) {
        return referee.chunkValue(data, 0, uint64(data.length));
    }

    function traceLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](padding == 0 ? wires.length : 8);
        leaves[leaves.length - 1] = padding;
        for (uint256 i = 0; i < wires.length; ++i) {
            leaves[i] = Receipt.traceLeaf(i, digest(wires[i]));
        }
    }

    function job() internal view returns (JobId) {
        return dispute.jobId(BUYER, nonce, terms());
    }

    function ground() internal view virtual returns (Ground memory) {
        return Ground({
            job: job(),
            header: Copies.header(),
            traceRoot: Copies.tree(traceLeaves()),
            inputs: keccak256(abi.encodePacked(digest(input)))
        });
    }

    function outputClaims() internal view virtual returns (OutputClaim[] memory claims) {
        claims = new OutputClaim[](2);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 operation = Copies.outputs()[i];
            claims[i] = OutputClaim({
                operation: uint32(operation),
                digest: digest(wires[operation]),
                path: Copies.path(traceLeaves(), operation),
                leaf: Copies.outputLeaf(operation)
            });
        }
    }

    function operationOf(uint256 number) internal view returns (Operation memory) {
        return Operation({
            number: uint32(number),
            digest: digest(wires[number]),
            leafPath: Copies.path(traceLeaves(), number),
            descriptor: Copies.descriptor(),
            path: Copies.path(Copies.operationLeaves(), number)
        });
    }

    // Calls.

    /// After each call: its gas can be looked up.
    function called() internal virtual {}

    function asking(address sender) internal {
        chain.prank(sender, sender);
    }

    function value(uint256 amount) internal view returns (uint256) {
        return token == address(0) ? amount : 0;
    }

    function offered() internal returns (JobId id) {
        Terms memory t = terms();
        asking(BUYER);
        return dispute.offer{value: value(t.price)}(nonce, t);
    }

    function accepted() internal returns (JobId id) {
        id = offered();
        uint256 bond = value(terms().providerBond);
        asking(provider);
        dispute.accept{value: bond}(id);
    }

    function posted() internal returns (JobId id) {
        id = accepted();
        Ground memory g = ground();
        Terms memory t = terms();
        OutputClaim[] memory claims = outputClaims();
        asking(provider);
        dispute.post(g, nonce, t, claims, "");
    }

    function commitmentOf(address challenger, bytes32 root) internal pure returns (bytes32) {
        return keccak256(abi.encode(challenger, root, bytes32("salt")));
    }

    /// A game that is opened at the root.
    function openedRoot(address challenger, bytes32 commitment) internal returns (GameId game, Position memory p) {
        (JobId id, Ground memory g) = (job(), ground());
        uint256 bond = value(terms().challengerBond);
        chain.recordLogs();
        asking(challenger);
        game = dispute.openRoot{value: bond}(id, g, commitment);
        called();
        p = movedTo(game);
    }

    /// A game that is opened at an operation.
    function openedOperation(address challenger, uint256 number) internal returns (GameId game, Position memory p) {
        (JobId id, Ground memory g, Operation memory o) = (job(), ground(), operationOf(number));
        uint256 bond = value(terms().challengerBond);
        chain.recordLogs();
        asking(challenger);
        game = dispute.openOperation{value: bond}(id, g, bytes32(0), o);
        p = movedTo(game);
    }

    /// The position of the last event of a game.
    function movedTo(GameId game) internal returns (Position memory p) {
        Log[] memory logs = chain.getRecordedLogs();
        bool found = false;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != MOVED || logs[i].topics[1] != GameId.unwrap(game)) continue;
            (p,) = abi.decode(logs[i].data, (Position, bytes));
            found = true;
        }
        require(found && Positions.hash(p) == dispute.gameOf(game).position, "the event tells the position");
    }

    function traceValues() internal view returns (bytes memory values) {
        bytes32[] memory leaves = traceLeaves();
        for (uint256 i = 0; i < 8; ++i) {
            values = abi.encodePacked(values, Copies.node(leaves, 0, i));
        }
    }

    function reveal(address sender, GameId game, Position memory p) internal returns (Position memory) {
        bytes memory values = traceValues();
        chain.recordLogs();
        asking(sender);
        dispute.reveal(game, p, values);
        called();
        return movedTo(game);
    }

    function pick(address sender, GameId game, Position memory p, uint256 place) internal returns (Position memory) {
        bytes memory values = traceValues();
        chain.recordLogs();
        asking(sender);
        dispute.pick(game, p, values, place);
        called();
        return movedTo(game);
    }

    function revealLeaf(address sender, GameId game, Position memory p) internal returns (Position memory) {
        (Ground memory g, Operation memory o) = (ground(), operationOf(p.operation));
        chain.recordLogs();
        asking(sender);
        dispute.revealLeaf(game, p, g, o.digest, o.descriptor, o.path);
        called();
        return movedTo(game);
    }

    function revealChunk(address sender, GameId game, Position memory p) internal returns (Position memory) {
        bytes memory chunk = wires[p.operation];
        chain.recordLogs();
        asking(sender);
        dispute.revealChunk(game, p, chunk);
        called();
        return movedTo(game);
    }

    function claim(address sender, GameId game, Position memory p, uint64 element, uint64 other)
        internal
        returns (Position memory)
    {
        bytes memory chunk = wires[p.operation];
        chain.recordLogs();
        asking(sender);
        dispute.claim(game, p, chunk, Claim({element: element, value: other, states: ""}));
        called();
        return movedTo(game);
    }

    /// The rebuttal of any claim of an element: it opens the input.
    function rebuttal() internal view returns (Rebuttal memory b) {
        b.inputs = abi.encodePacked(digest(input));
        b.descriptor = Copies.descriptor();
        b.openings = abi.encodePacked(hex"01000000000000000000", uint16(input.length), input, hex"00000000");
    }

    function rebut(address sender, GameId game, Position memory p) internal {
        (Ground memory g, Rebuttal memory b) = (ground(), rebuttal());
        asking(sender);
        dispute.rebut(game, p, g, b);
        called();
    }

    function timeout(address sender, GameId game, Position memory p) internal {
        chain.warp(p.deadline);
        asking(sender);
        dispute.timeout(game, p);
        called();
    }

    /// A game in which the challenger has claimed an element of an operation; all provider's moves by one account.
    function claimed(address challenger, address mover, uint256 operation, uint64 element, uint64 other)
        internal
        returns (GameId game, Position memory p)
    {
        (game, p) = openedRoot(challenger, commitmentOf(challenger, bytes32("root")));
        p = reveal(mover, game, p);
        p = pick(challenger, game, p, operation);
        p = revealLeaf(mover, game, p);
        p = revealChunk(mover, game, p);
        p = claim(challenger, game, p, element, other);
    }
}
