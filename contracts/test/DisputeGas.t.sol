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

    bytes internal vector;
    bool internal isDot;
    uint256 internal total;

    function setUp() public override {
        super.setUp();
        vector = chain.parseJsonBytesArray(cheats.readFile("test/vectors/dot.json"), ".games")[0];
    }

    function terms() internal view override returns (Terms memory t) {
        t = super.terms();
        if (!isDot) return t;
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
        if (!isDot) return super.ground();
        Reader memory r = Reader(vector, 0);
        g = r.ground();
        g.job = job();
    }

    function outputClaims() internal view override returns (OutputClaim[] memory claims) {
        if (!isDot) return super.outputClaims();
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

    function gasOf(string memory name) internal returns (uint256 gas) {
        gas = gasUsed;
        cheats.snapshotValue("dispute", name, gas);
        total += gas;
    }

    function test_gas_of_a_long_dot() external {
        isDot = true;
        JobId id = posted();
        GameId game = dispute.gameId(id, 0);
        Reader memory r = Reader(vector, 0);
        bytes memory call = Packed.openCall(start(r), id, bytes32("commitment"));
        uint256 bond = terms().challengerBond;
        chain.recordLogs();
        asking(CHALLENGER);
        (bool success,) = address(dispute).call{value: bond}(call);
        called();
        require(success, "open");
        gasOf("dot: openOperation");
        Position memory p = movedTo(game);
        string[13] memory names = [
            "dot: reveal 768 chunks",
            "",
            "dot: reveal 64 chunks",
            "dot: pick",
            "dot: reveal 4 chunks",
            "",
            "dot: revealChunk",
            "dot: claim of 64 states",
            "dot: rebut of 64 terms",
            "",
            "",
            "",
            ""
        ];
        for (uint256 i = 0; !r.isEnd(); ++i) {
            r.number(8);
            address sender = r.number(1) == 0 ? provider : CHALLENGER;
            call = Packed.moveCall(r.blob(), game, p, id);
            bool goesOn = r.number(1) == 1;
            if (goesOn) r.position();
            chain.recordLogs();
            asking(sender);
            (success,) = address(dispute).call(call);
            called();
            require(success, "move");
            gasOf(bytes(names[i]).length == 0 ? string.concat("dot: pick again") : names[i]);
            if (goesOn) p = movedTo(game);
        }
        require(dispute.gameOf(game).status == Status.Held, "held");
        cheats.snapshotValue("dispute", "dot: whole dispute", total);
        require(total < 1_900_000, "a dispute of 4,096 terms");
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
