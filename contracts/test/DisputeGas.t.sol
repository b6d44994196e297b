// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Status} from "../src/Job.sol";
import {Operation} from "../src/Game.sol";
import {GameId, Ground, JobId, Position} from "../src/Position.sol";
import {OutputClaim, Terms} from "../src/Receipt.sol";
import {chain} from "./Chain.sol";
import {Packed, Reader} from "./Packed.sol";
import {cheats} from "./Test.sol";
import {World} from "./World.sol";

/// The gas of each move of whole disputes, each move a transaction of its own, and of what a job without a dispute takes.
/// Forge runs them at a gas price of zero, so that what is metered is zero: a move takes up to 2,800 more where it is not.
/// forge-config: default.isolate = true
contract DisputeGasTest is World {
    using Packed for Reader;

    /// The game that is played; without one, the world's own program.
    bytes internal vector;
    uint256 internal total;
    /// Gas of the challenger's moves of the game that was played.
    uint256 internal challengers;

    function terms() internal view override returns (Terms memory t) {
        t = super.terms();
        if (vector.length == 0) return t;
        Reader memory r = Reader(vector, 0);
        t.program = keccak256(abi.encodePacked(bytes1(0x02), r.ground().header));
        t.inputs = inputDigests();
        t.challengerBond = 1e15;
        t.providerBond = 1e15;
    }

    /// The digests of the inputs, which the rebuttal repeats.
    function inputDigests() internal view returns (bytes32[] memory digests) {
        Reader memory r = Reader(vector, 0);
        bytes memory move = lastMove(r);
        r = Reader(move, 0);
        r.number(1);
        r.blob();
        r.number(2);
        r.ground();
        bytes memory inputs = r.blob();
        digests = new bytes32[](inputs.length / 32);
        r = Reader(inputs, 0);
        for (uint256 i = 0; i < digests.length; ++i) {
            digests[i] = r.word();
        }
    }

    function lastMove(Reader memory r) internal pure returns (bytes memory move) {
        start(r);
        while (!r.isEnd()) {
            r.number(9);
            move = r.blob();
            if (r.number(1) == 1) r.position();
        }
    }

    /// Reads up to the first attempt; the call that opens.
    function start(Reader memory r) internal pure returns (bytes memory opening) {
        r.ground();
        r.take(24);
        opening = r.blob();
        r.position();
    }

    function ground() internal view override returns (Ground memory g) {
        if (vector.length == 0) return super.ground();
        Reader memory r = Reader(vector, 0);
        g = r.ground();
        g.job = job();
    }

    function outputClaims() internal view override returns (OutputClaim[] memory claims) {
        if (vector.length == 0) return super.outputClaims();
        Reader memory r = Reader(vector, 0);
        r = Reader(start(r), 0);
        r.number(1);
        r.ground();
        r.word();
        Operation memory o = r.operation();
        claims = new OutputClaim[](1);
        bytes memory leaf = abi.encodePacked(hex"010000007900000000", hex"000000000000f03f", hex"00");
        claims[0] = OutputClaim({operation: 0, digest: o.digest, path: "", leaf: leaf});
    }

    uint256 internal gasUsed;

    function called() internal override {
        gasUsed = chain.lastCallGas().gasTotalUsed;
    }

    /// What a call's data costs at least, whatever is executed (EIP-7623); the chain of these tests has no such rule.
    function atLeast(bytes memory call) internal {
        uint256 floor = 21_000;
        for (uint256 i = 0; i < call.length; ++i) {
            floor += call[i] == 0 ? 10 : 40;
        }
        if (gasUsed < floor) gasUsed = floor;
    }

    function gasOf(string memory name) internal returns (uint256 gas) {
        gas = gasUsed;
        cheats.snapshotValue("dispute", name, gas);
        total += gas;
    }

    function test_gas_of_a_long_dot() external {
        vector = chain.parseJsonBytesArray(cheats.readFile("test/vectors/dot.json"), ".games")[0];
        string[12] memory names = [
            "dot: openOperation",
            "dot: reveal 768 chunks",
            "dot: pick again",
            "dot: reveal 64 chunks",
            "dot: pick",
            "dot: reveal 4 chunks",
            "dot: pick again",
            "dot: revealChunk",
            "dot: claim of 64 states",
            "dot: rebut of 64 terms",
            "",
            ""
        ];
        // Some game before this one has burned something, else this one's would cost 17,100 more.
        chain.store(address(dispute), keccak256(abi.encode(address(0), 1)), bytes32(uint256(1)));
        require(dispute.burned(address(0)) == 1, "where what is burned is counted");
        uint256[] memory spent = played();
        for (uint256 i = 0; i < spent.length; ++i) {
            gasUsed = spent[i];
            gasOf(names[i]);
        }
        cheats.snapshotValue("dispute", "dot: whole dispute", total);
        require(total < 1_600_000, "a dispute of 4,096 terms");
    }

    /// Plays the game that is the vector to its end; the gas of each move.
    function played() internal returns (uint256[] memory spent) {
        JobId id = posted();
        GameId game = dispute.gameId(id, 0);
        Reader memory r = Reader(vector, 0);
        bytes memory call = Packed.openCall(start(r), id, bytes32("commitment"));
        uint256 bond = terms().challengerBond;
        spent = new uint256[](32);
        uint256 count = 0;
        chain.recordLogs();
        asking(CHALLENGER);
        (bool success,) = address(dispute).call{value: bond}(call);
        called();
        atLeast(call);
        require(success, "open");
        spent[count++] = gasUsed;
        challengers = gasUsed;
        Position memory p = movedTo(game);
        while (!r.isEnd()) {
            r.number(8);
            bool isChallengers = r.number(1) == 1;
            call = Packed.moveCall(r.blob(), game, p, id);
            bool goesOn = r.number(1) == 1;
            if (goesOn) r.position();
            chain.recordLogs();
            asking(isChallengers ? CHALLENGER : provider);
            (success,) = address(dispute).call(call);
            called();
            atLeast(call);
            require(success, "move");
            spent[count++] = gasUsed;
            if (isChallengers) challengers += gasUsed;
            if (goesOn) p = movedTo(game);
        }
        require(dispute.gameOf(game).status == Status.Held, "held");
        assembly ("memory-safe") {
            mstore(spent, count)
        }
    }

    /// The dearest rebuttal of each kind of operation, and whole disputes from the operation on.
    function gasOfKind(uint256 number, string memory name) internal {
        vector = chain.parseJsonBytesArray(cheats.readFile("test/vectors/kinds.json"), ".games")[number];
        uint256[] memory spent = played();
        uint256 sum = 0;
        for (uint256 i = 0; i < spent.length; ++i) {
            require(spent[i] < 1_100_000, name);
            sum += spent[i];
        }
        cheats.snapshotValue("kinds", string.concat(name, ": rebut"), spent[spent.length - 1]);
        cheats.snapshotValue("kinds", string.concat(name, ": challenger"), challengers);
        cheats.snapshotValue("kinds", string.concat(name, ": provider"), sum - challengers);
        cheats.snapshotValue("kinds", string.concat(name, ": whole"), sum);
    }

    function test_gas_of_a_dot() external {
        gasOfKind(0, "dot");
    }

    function test_gas_of_a_strided_dot() external {
        gasOfKind(1, "dot, strided");
    }

    function test_gas_of_a_convolution() external {
        gasOfKind(2, "convolution");
    }

    function test_gas_of_a_sum() external {
        gasOfKind(3, "sum");
    }

    function test_gas_of_an_exp_of_a_difference() external {
        gasOfKind(4, "exp of a difference");
    }

    function test_gas_of_a_layer_norm() external {
        gasOfKind(5, "layer norm");
    }

    function test_gas_of_adam() external {
        gasOfKind(6, "Adam");
    }

    function test_gas_of_gelu() external {
        gasOfKind(7, "GELU");
    }

    function test_gas_of_a_gather() external {
        gasOfKind(8, "gather");
    }

    function test_gas_of_a_rank() external {
        gasOfKind(9, "rank");
    }

    function test_gas_of_an_int8_dot() external {
        gasOfKind(10, "int8 dot");
    }

    function test_gas_of_an_int8_map() external {
        gasOfKind(11, "int8 map");
    }

    /// Contracts of more than 24,576 bytes are not deployed.
    function test_code_is_not_too_large() external {
        sizeOf("Formulas", address(referee.formulas()));
        sizeOf("Referee", address(referee));
        sizeOf("Rules", address(rules));
        sizeOf("AssayDispute", address(dispute));
    }

    function sizeOf(string memory name, address account) internal {
        cheats.snapshotValue("dispute", string.concat("code size: ", name), account.code.length);
        require(account.code.length <= 24_576, name);
    }

    function test_gas_of_a_job() external {
        JobId id = offered();
        called();
        gasOf("offer");
        uint256 bond = terms().providerBond;
        asking(provider);
        dispute.accept{value: bond}(id);
        called();
        gasOf("accept");
        (Ground memory g, Terms memory t, OutputClaim[] memory claims) = (ground(), terms(), outputClaims());
        asking(provider);
        dispute.post(g, nonce, t, claims, "");
        called();
        gasOf("post");
        chain.warp(START + 500);
        asking(provider);
        dispute.finalise(id);
        called();
        gasOf("finalise");
        asking(provider);
        dispute.withdraw(address(0), provider);
        called();
        gasOf("withdraw");
    }

    function test_gas_of_a_game_from_the_root() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32("commitment"));
        gasOf("openRoot");
        p = reveal(provider, game, p);
        gasOf("reveal 8 operations");
        p = pick(CHALLENGER, game, p, 3);
        gasOf("pick operation");
        p = revealLeaf(provider, game, p);
        gasOf("revealLeaf");
        p = revealChunk(provider, game, p);
        gasOf("revealChunk of 40 bytes");
        p = claim(CHALLENGER, game, p, 7, 1);
        gasOf("claim");
        rebut(provider, game, p);
        gasOf("rebut of a copy");
        (game, p) = openedRoot(CHALLENGER, bytes32("commitment"));
        timeout(CHALLENGER, game, p);
        gasOf("timeout");
        JobId id = job();
        asking(CHALLENGER);
        dispute.payPrize(id);
        called();
        gasOf("payPrize");
    }
}
