// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Formulas} from "../src/Formulas.sol";
import {GameId, Ground, JobId, Position, Positions} from "../src/Position.sol";
import {Referee, Wire} from "../src/Referee.sol";
import {Rules} from "../src/Rules.sol";
import {Packed, Reader} from "./Packed.sol";
import {chain} from "./Chain.sol";
import {assertEqual, cheats} from "./Test.sol";

/// Contracts and Rust agree: `test/vectors/README.md`.
contract VectorsTest {
    using Packed for Reader;

    error Disagree(string what, uint256 entry, uint256 attempt, bytes answer);

    Formulas internal formulas = new Formulas();
    Referee internal referee = new Referee(formulas);
    Rules internal rules = new Rules(referee);

    function entries(string memory file, string memory key) internal view returns (bytes[] memory) {
        return chain.parseJsonBytesArray(cheats.readFile(string.concat("test/vectors/", file)), key);
    }

    function test_formulas_have_the_same_bits() external view {
        bytes[] memory all = entries("formulas.json", ".formulas");
        for (uint256 i = 0; i < all.length; ++i) {
            Reader memory r = Reader(all[i], 0);
            bytes memory formula = r.blob();
            uint256[] memory sums = new uint256[](2);
            (sums[0], sums[1]) = (r.number(4), r.number(4));
            uint256 value = formulas.value(formula, sums);
            if (value != r.number(4)) revert Disagree("formula", i, value, all[i]);
        }
        require(all.length > 500, "formulas");
    }

    function test_descriptors_are_described_or_refused_alike() external view {
        bytes[] memory all = entries("descriptors.json", ".descriptors");
        uint256 legal = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            Reader memory r = Reader(all[i], 0);
            bytes memory descriptor = r.blob();
            bool expected = r.number(1) == 1;
            try referee.describe(descriptor) returns (Wire memory wire) {
                if (!expected) revert Disagree("refused", i, 0, descriptor);
                ++legal;
                assertEqual(wire.length, r.number(8), "length");
                assertEqual(wire.width, r.number(1), "width");
                assertEqual(wire.words, r.number(1), "words");
                assertEqual(wire.windows, r.number(8), "windows");
                assertEqual(wire.start, r.number(32), "start");
            } catch (bytes memory why) {
                if (expected) revert Disagree("described", i, 0, why);
            }
        }
        require(legal > 100 && legal < all.length - 100, "both kinds");
    }

    function stepCall(Reader memory r) internal pure returns (bytes memory) {
        Ground memory ground = r.ground();
        bytes memory inputs = r.blob();
        bytes memory descriptor = r.blob();
        uint64 element = uint64(r.number(8));
        uint64 window = uint64(r.number(8));
        uint256 state = r.number(32);
        bytes memory openings = r.blob();
        return window == type(uint64).max
            ? abi.encodeCall(Referee.finish, (ground, inputs, descriptor, openings, element, state))
            : abi.encodeCall(Referee.advance, (ground, inputs, descriptor, openings, element, window, state));
    }

    function test_steps_have_the_same_results_or_are_refused_alike() external view {
        bytes[] memory all = entries("steps.json", ".steps");
        for (uint256 i = 0; i < all.length; ++i) {
            Reader memory r = Reader(all[i], 0);
            bytes memory call = stepCall(r);
            (bool success, bytes memory answer) = address(referee).staticcall(call);
            bool legal = r.number(1) == 1;
            bool agrees = success == legal && (!legal || abi.decode(answer, (bytes32)) == r.word());
            if (!agrees) revert Disagree(legal ? "legal" : "refused", i, 0, answer);
        }
        require(all.length > 300, "steps");
    }

    function test_games_are_played_alike() external {
        play("games.json");
    }

    function test_a_long_dot_is_played_alike() external {
        play("dot.json");
    }

    function play(string memory file) internal {
        bytes[] memory all = entries(file, ".games");
        for (uint256 i = 0; i < all.length; ++i) {
            Reader memory r = Reader(all[i], 0);
            JobId job = r.ground().job;
            (uint64 provider, uint64 challenger) = (uint64(r.number(8)), uint64(r.number(8)));
            uint64 time = uint64(r.number(8));
            chain.warp(time);
            Position memory p = ask(Packed.openCall(r.blob(), job, bytes32(0)), i, 0);
            (p.deadline, p.reserve) = (time + provider, challenger);
            assertEqual(Positions.hash(p), Positions.hash(r.position()), "first position");
            for (uint256 attempt = 1; !r.isEnd(); ++attempt) {
                p = playOne(r, p, i, attempt);
            }
        }
    }

    function playOne(Reader memory r, Position memory p, uint256 game, uint256 attempt)
        internal
        returns (Position memory)
    {
        uint64 time = uint64(r.number(8));
        uint256 sender = r.number(1);
        bytes memory move = r.blob();
        uint256 outcome = r.number(1);
        chain.warp(time);
        if (uint8(move[0]) == Packed.TIMEOUT) {
            require((outcome > 1) == (time >= p.deadline), "time");
            return p;
        }
        // Who may move, and when, is for the contract that asks the rules.
        bool may = time < p.deadline
            && (Positions.isChallengers(p.phase) ? sender == 1 : uint8(move[0]) != Packed.SPLIT || sender == 0);
        bytes memory call = Packed.moveCall(move, GameId.wrap(0), p, JobId.wrap(0));
        if (outcome == 0) {
            (bool success,) = address(rules).staticcall(call);
            if (success && may) revert Disagree("refused", game, attempt, call);
            return p;
        }
        require(may, "sender");
        Position memory next = ask(call, game, attempt);
        if (outcome > 1) return p;
        (next.deadline, next.reserve) = Positions.isChallengers(next.phase) == Positions.isChallengers(p.phase)
            ? (p.deadline, p.reserve)
            : (time + p.reserve, p.deadline - time);
        if (Positions.hash(next) != Positions.hash(r.position())) {
            revert Disagree("position", game, attempt, abi.encode(next));
        }
        return next;
    }

    function ask(bytes memory call, uint256 game, uint256 attempt) internal view returns (Position memory) {
        (bool success, bytes memory answer) = address(rules).staticcall(call);
        if (!success) revert Disagree("legal", game, attempt, answer);
        return abi.decode(answer, (Position));
    }
}
