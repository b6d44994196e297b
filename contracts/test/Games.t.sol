// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Stage, Status} from "../src/Job.sol";
import {Chunk, Claim, Game, Operation, Rebuttal} from "../src/Game.sol";
import {Openings} from "../src/Openings.sol";
import {GameId, Ground, JobId, Phase, Position} from "../src/Position.sol";
import {chain} from "./Chain.sol";
import {assertEqual} from "./Test.sol";
import {Copies, World} from "./World.sol";

/// The moves of a game: which are legal, when, and by whom.
contract GamesTest is World {
    function fails(bytes memory reason) internal {
        chain.expectRevert(reason);
    }

    function fails(bytes4 reason) internal {
        chain.expectRevert(abi.encodeWithSelector(reason));
    }

    function statusOf(GameId game) internal view returns (Status) {
        return dispute.gameOf(game).status;
    }

    // Who is right wins.

    function test_a_provider_rebuts_a_false_claim() external {
        posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, 1);
        rebut(provider, game, p);
        require(statusOf(game) == Status.Held);
        require(dispute.jobOf(job()).stage == Stage.Posted);
    }

    function test_a_true_claim_cannot_be_rebutted_and_time_runs_out() external {
        wires[3][7] ^= 0x01;
        posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, uint8(input[7]));
        rebutFails(game, p, ground(), rebuttal(), abi.encodeWithSelector(Game.AsClaimed.selector));
        timeout(STRANGER, game, p);
        require(statusOf(game) == Status.Lost);
        require(dispute.jobOf(job()).stage == Stage.Fallen);
    }

    function test_a_silent_provider_loses_at_each_of_its_phases() external {
        posted();
        for (uint256 moves = 0; moves < 3; ++moves) {
            uint256 before = snapshot();
            (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
            if (moves > 0) p = pick(CHALLENGER, game, reveal(provider, game, p), 1);
            if (moves > 1) p = revealLeaf(provider, game, p);
            timeout(STRANGER, game, p);
            require(statusOf(game) == Status.Lost);
            restore(before);
        }
    }

    function test_a_silent_challenger_loses_at_each_of_its_phases() external {
        posted();
        for (uint256 moves = 0; moves < 2; ++moves) {
            (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
            p = reveal(provider, game, p);
            if (moves > 0) p = revealChunk(provider, game, revealLeaf(provider, game, pick(CHALLENGER, game, p, 4)));
            timeout(STRANGER, game, p);
            require(statusOf(game) == Status.Held);
            chain.warp(START);
        }
    }

    function snapshot() internal returns (uint256) {
        return Snapshots(address(chain)).snapshotState();
    }

    function restore(uint256 id) internal {
        Snapshots(address(chain)).revertToState(id);
    }

    // When.

    function test_a_provider_that_moves_twice_does_so_on_its_own_clock() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = reveal(provider, game, p);
        // The challenger leaves itself one second, which is nobody else's.
        chain.warp(p.deadline - 1);
        p = pick(CHALLENGER, game, p, 3);
        (uint64 deadline, uint64 reserve) = (p.deadline, p.reserve);
        require(deadline == block.timestamp + 1000 && reserve == 1, "the provider has its whole clock");
        chain.warp(block.timestamp + 12);
        p = revealLeaf(provider, game, p);
        require(p.phase == Phase.RevealChunk && p.deadline == deadline && p.reserve == reserve, "its clock runs on");
        chain.warp(deadline - 1);
        p = revealChunk(provider, game, p);
        require(p.deadline == block.timestamp + 1 && p.reserve == 1, "each has what it left itself");
    }

    function test_a_move_is_legal_until_the_deadline_and_a_timeout_from_it_on() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        assertEqual(p.deadline, START + 1000, "deadline");
        assertEqual(p.reserve, 700, "reserve");
        chain.warp(p.deadline - 1);
        fails(abi.encodeWithSelector(AssayDispute.TooEarly.selector, p.deadline));
        asking(STRANGER);
        dispute.timeout(game, p);
        uint256 before = snapshot();
        Position memory next = reveal(provider, game, p);
        assertEqual(next.deadline, START + 999 + 700, "deadline");
        assertEqual(next.reserve, 1, "reserve");
        chain.warp(next.deadline - 1);
        next = pick(CHALLENGER, game, next, 0);
        assertEqual(next.deadline, block.timestamp + 1, "one second is left");
        assertEqual(next.reserve, 1, "one second is left");
        restore(before);
        chain.warp(p.deadline);
        bytes memory values = traceValues();
        fails(abi.encodeWithSelector(AssayDispute.TooLate.selector, p.deadline));
        asking(provider);
        dispute.reveal(game, p, values);
        timeout(STRANGER, game, p);
    }

    function test_games_open_within_the_window() external {
        posted();
        chain.warp(START + 500);
        (JobId id, Ground memory g) = (job(), ground());
        fails(abi.encodeWithSelector(AssayDispute.TooLate.selector, START + 500));
        asking(CHALLENGER);
        dispute.openRoot{value: 20_000_001}(id, g, bytes32(0));
        chain.warp(START + 499);
        openedRoot(CHALLENGER, bytes32(0));
    }

    // Who.

    function test_only_the_challenger_moves_for_its_side() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = reveal(STRANGER, game, p);
        bytes memory values = traceValues();
        address[3] memory others = [provider, STRANGER, OTHER];
        for (uint256 i = 0; i < 3; ++i) {
            fails(abi.encodeWithSelector(AssayDispute.NotYours.selector, others[i]));
            asking(others[i]);
            dispute.pick(game, p, values, 2);
        }
        p = revealLeaf(STRANGER, game, pick(CHALLENGER, game, p, 2));
        p = claim(CHALLENGER, game, revealChunk(STRANGER, game, p), 0, 1);
        rebut(STRANGER, game, p);
        require(statusOf(game) == Status.Held);
    }

    function test_only_the_provider_and_its_agent_split() external {
        posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, 1);
        fails(abi.encodeWithSelector(AssayDispute.NotYours.selector, AGENT));
        asking(AGENT);
        dispute.split(game, p, "", 0);
        JobId id = job();
        asking(provider);
        dispute.nameAgent(id, AGENT);
        // A copy has no window.
        fails(Game.Unsplittable.selector);
        asking(AGENT);
        dispute.split(game, p, "", 0);
        fails(Game.Unsplittable.selector);
        asking(provider);
        dispute.split(game, p, "", 0);
    }

    // Where.

    function test_a_move_names_the_position_that_stands() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        Position memory next = reveal(provider, game, p);
        bytes memory values = traceValues();
        fails(AssayDispute.OtherPosition.selector);
        asking(provider);
        dispute.reveal(game, p, values);
        next.reserve += 1;
        fails(AssayDispute.OtherPosition.selector);
        asking(CHALLENGER);
        dispute.pick(game, next, values, 0);
        fails(AssayDispute.OtherPosition.selector);
        asking(CHALLENGER);
        dispute.timeout(game, next);
    }

    function test_a_game_that_is_over_or_does_not_exist_takes_no_move() external {
        posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, 1);
        rebut(provider, game, p);
        (Ground memory g, Rebuttal memory b) = (ground(), rebuttal());
        fails(abi.encodeWithSelector(AssayDispute.NoGame.selector, Status.Held));
        asking(provider);
        dispute.rebut(game, p, g, b);
        fails(abi.encodeWithSelector(AssayDispute.NoGame.selector, Status.Held));
        dispute.timeout(game, p);
        fails(abi.encodeWithSelector(AssayDispute.NoGame.selector, Status.None));
        dispute.timeout(GameId.wrap(bytes32(uint256(1))), p);
    }

    function test_no_move_after_the_receipt_has_fallen() external {
        posted();
        (GameId first, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        (GameId second, Position memory q) = openedRoot(OTHER, bytes32(0));
        bytes memory values = traceValues();
        timeout(STRANGER, first, p);
        bytes memory fallen = abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Fallen);
        fails(fallen);
        dispute.timeout(second, q);
        fails(fallen);
        dispute.reveal(second, q, values);
        (JobId id, Ground memory g) = (job(), ground());
        fails(fallen);
        dispute.openRoot(id, g, bytes32(0));
        fails(fallen);
        dispute.finalise(id);
    }

    function test_each_phase_takes_its_own_move_only() external {
        posted();
        Position memory p;
        Ground memory g = ground();
        Claim memory c;
        GameId game;
        for (uint8 i = 0; i <= uint8(type(Phase).max); ++i) {
            p.phase = Phase(i);
            bytes memory wrong = abi.encodeWithSelector(Game.WrongPhase.selector, p.phase);
            if (p.phase != Phase.RevealTrace && p.phase != Phase.RevealTensor) {
                fails(wrong);
                rules.reveal(game, p, "");
            }
            if (p.phase != Phase.ChooseTrace && p.phase != Phase.ChooseTensor) {
                fails(wrong);
                rules.pick(game, p, "", 0);
            }
            if (p.phase != Phase.RevealLeaf) {
                fails(wrong);
                rules.revealLeaf(game, p, g, bytes32(0), "", "");
            }
            if (p.phase != Phase.RevealChunk) {
                fails(wrong);
                rules.revealChunk(game, p, "");
            }
            if (p.phase != Phase.ChooseChunk) {
                fails(wrong);
                rules.claim(game, p, "", c);
            }
            if (p.phase != Phase.Refine) {
                fails(wrong);
                rules.refine(game, p, "");
            }
            if (p.phase != Phase.Disclose) {
                fails(wrong);
                rules.answer(game, p, "", "");
            }
            if (p.phase != Phase.Answer && p.phase != Phase.AnswerInner) {
                fails(wrong);
                rules.split(game, p, "", 0);
            }
        }
    }

    // What.

    function test_openings_stand_on_the_receipt() external {
        posted();
        (JobId id, Ground memory g, Operation memory o) = (job(), ground(), operationOf(2));
        g.traceRoot = bytes32(0);
        fails(AssayDispute.OtherJob.selector);
        openAt(id, g, o);
        g = ground();
        o.digest = bytes32(0);
        fails(Game.OtherWire.selector);
        openAt(id, g, o);
        o = operationOf(2);
        o.number = 3;
        fails(Game.OtherWire.selector);
        openAt(id, g, o);
        o = operationOf(2);
        o.descriptor[3] = 0x02;
        fails(Game.OtherDescriptor.selector);
        openAt(id, g, o);
        o = operationOf(2);
        o.path = abi.encodePacked(o.path, bytes32(0));
        fails(Game.OtherDescriptor.selector);
        openAt(id, g, o);
        (, Position memory p) = openedOperation(CHALLENGER, 2);
        require(p.phase == Phase.RevealChunk && p.operation == 2 && p.node == digest(wires[2]));
    }

    function openAt(JobId id, Ground memory g, Operation memory o) internal {
        asking(CHALLENGER);
        dispute.openOperation{value: 20_000_001}(id, g, bytes32(0), o);
    }

    function test_a_game_opens_at_a_chunk_with_a_claim() external {
        wires[1][9] = 0x05;
        posted();
        (JobId id, Ground memory g, Operation memory o) = (job(), ground(), operationOf(1));
        Chunk memory chunk = Chunk({index: 0, data: wires[1], siblings: ""});
        Claim memory c = Claim({element: 9, value: 5, states: ""});
        fails(Game.NoOtherValue.selector);
        dispute.openChunk{value: 20_000_001}(id, g, bytes32(0), o, chunk, c);
        c.value = uint8(input[9]);
        chunk.data = input;
        fails(Game.NotBelow.selector);
        dispute.openChunk{value: 20_000_001}(id, g, bytes32(0), o, chunk, c);
        chunk.data = wires[1];
        chain.recordLogs();
        asking(CHALLENGER);
        GameId game = dispute.openChunk{value: 20_000_001}(id, g, bytes32(0), o, chunk, c);
        Position memory p = movedTo(game);
        require(p.phase == Phase.Answer && p.element == 9 && p.value == uint8(input[9]));
        rebutFails(game, p, ground(), rebuttal(), abi.encodeWithSelector(Game.AsClaimed.selector));
    }

    function test_what_is_revealed_lies_below_the_node() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        bytes memory values = traceValues();
        fails(Game.NotBelow.selector);
        dispute.reveal(game, p, abi.encodePacked(values, bytes32(0)));
        values[255] = 0x01;
        fails(Game.NotBelow.selector);
        dispute.reveal(game, p, values);
        values[255] = 0x00;
        values[0] ^= 0x01;
        fails(Game.NotBelow.selector);
        dispute.reveal(game, p, values);
        p = pick(CHALLENGER, game, reveal(provider, game, p), 2);
        (Ground memory g, Operation memory o) = (ground(), operationOf(2));
        fails(Game.NotBelow.selector);
        dispute.revealLeaf(game, p, g, bytes32(0), o.descriptor, o.path);
        fails(Game.OtherDescriptor.selector);
        dispute.revealLeaf(game, p, g, o.digest, abi.encodePacked(o.descriptor, hex"00"), o.path);
        g.inputs = bytes32(0);
        fails(Game.OtherGround.selector);
        dispute.revealLeaf(game, p, g, o.digest, o.descriptor, o.path);
        p = revealLeaf(provider, game, p);
        bytes memory chunk = wires[2];
        chunk[1] ^= 0x01;
        fails(Game.NotBelow.selector);
        dispute.revealChunk(game, p, chunk);
    }

    function test_padding_of_a_trace_is_padding_whatever_was_committed() external {
        padding = bytes32("something");
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        bytes memory values = traceValues();
        fails(Game.NotBelow.selector);
        dispute.reveal(game, p, values);
    }

    function test_a_pick_repeats_what_was_revealed_and_names_an_operation() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = reveal(provider, game, p);
        bytes memory values = traceValues();
        uint256[3] memory places = [uint256(5), 8, type(uint256).max];
        for (uint256 i = 0; i < 3; ++i) {
            fails(abi.encodeWithSelector(Game.NoPlace.selector, places[i]));
            asking(CHALLENGER);
            dispute.pick(game, p, values, places[i]);
        }
        values[3] ^= 0x01;
        fails(Game.NotRepeated.selector);
        asking(CHALLENGER);
        dispute.pick(game, p, values, 2);
    }

    function test_a_claim_is_of_another_value_of_an_element_of_the_chunk() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = pick(CHALLENGER, game, reveal(provider, game, p), 2);
        p = revealChunk(provider, game, revealLeaf(provider, game, p));
        claimFails(game, p, wires[2], Claim(40, 1, ""), abi.encodeWithSelector(Game.OutsideChunk.selector));
        claimFails(
            game, p, wires[2], Claim(type(uint64).max, 1, ""), abi.encodeWithSelector(Game.OutsideChunk.selector)
        );
        bytes memory same = abi.encodeWithSelector(Game.NoOtherValue.selector);
        claimFails(game, p, wires[2], Claim(39, uint8(input[39]), ""), same);
        claimFails(game, p, wires[2], Claim(39, 256, ""), same);
        bytes memory count = abi.encodeWithSelector(Game.StateCount.selector, 8, 0);
        claimFails(game, p, wires[2], Claim(39, 1, new bytes(8)), count);
        bytes memory other = wires[2];
        other[0] ^= 0x01;
        claimFails(game, p, other, Claim(39, 1, ""), abi.encodeWithSelector(Game.NotRepeated.selector));
        p = claim(CHALLENGER, game, p, 39, 1);
        assertEqual(p.claimed, block.timestamp, "time of the claim");
    }

    function claimFails(GameId game, Position memory p, bytes memory chunk, Claim memory c, bytes memory reason)
        internal
    {
        fails(reason);
        asking(CHALLENGER);
        dispute.claim(game, p, chunk, c);
    }

    function test_a_rebuttal_stands_on_ground_descriptor_states_and_a_step() external {
        posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, 1);
        (Ground memory g, Rebuttal memory b) = (ground(), rebuttal());
        g.traceRoot = bytes32(0);
        rebutFails(game, p, g, b, abi.encodeWithSelector(Game.OtherGround.selector));
        g = ground();
        b.descriptor[3] = 0x02;
        rebutFails(game, p, g, b, abi.encodeWithSelector(Game.OtherDescriptor.selector));
        b = rebuttal();
        b.states = new bytes(8);
        rebutFails(game, p, g, b, abi.encodeWithSelector(Game.NotRepeated.selector));
        b = rebuttal();
        b.step = 1;
        rebutFails(game, p, g, b, abi.encodeWithSelector(Game.NoPlace.selector, 1));
        b = rebuttal();
        b.inputs = new bytes(32);
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.OtherInputs.selector));
        b = rebuttal();
        b.openings = hex"00";
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.OtherInputs.selector));
        b.inputs = "";
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.Closed.selector, 0, 0));
        b = rebuttal();
        b.openings = abi.encodePacked(b.openings, hex"00");
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.MalformedOpenings.selector));
        b.openings = "";
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.MalformedOpenings.selector));
        b = rebuttal();
        b.openings[1] = 0x01;
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.OpeningOrder.selector, 0));
        b = rebuttal();
        b.openings[12] ^= 0x01;
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.OtherChunk.selector, 0));
        b = rebuttal();
        // A path of one word where an input has none.
        b.openings[b.openings.length - 1] = 0x01;
        b.openings = abi.encodePacked(b.openings, bytes32(0));
        rebutFails(game, p, g, b, abi.encodeWithSelector(Openings.Unbound.selector, 0));
        rebut(provider, game, p);
    }

    function rebutFails(GameId game, Position memory p, Ground memory g, Rebuttal memory b, bytes memory reason)
        internal
    {
        fails(reason);
        asking(provider);
        dispute.rebut(game, p, g, b);
    }

    // Claims of windows, on positions that are made here.

    function answering(uint64 from, uint64 to, bytes memory states) internal pure returns (Position memory p) {
        (p.phase, p.from, p.to, p.words) = (Phase.Answer, from, to, 1);
        (p.before, p.node) = (uint256(5) << 192, keccak256(states));
    }

    function test_a_step_of_several_windows_is_split_and_one_of_one_window_is_not() external {
        GameId game;
        bytes memory states = new bytes(8 * 150);
        states[7] = 0x01;
        states[15] = 0x02;
        // Windows 10 to 310 in 150 groups of two.
        Position memory p = answering(10, 310, states);
        Position memory next = rules.split(game, p, states, 1);
        require(next.phase == Phase.Refine && next.from == 12 && next.to == 14 && next.node == 0);
        require(next.before == uint256(1) << 192 && next.afterwards == uint256(2) << 192);
        next = rules.split(game, p, states, 0);
        require(next.before == uint256(5) << 192 && next.from == 10);
        fails(Game.Unsplittable.selector);
        rules.split(game, p, states, 150);
        p.to = 309;
        fails(Game.Unsplittable.selector);
        rules.split(game, p, states, 149);
        p = answering(0, 150, states);
        fails(Game.Unsplittable.selector);
        rules.split(game, p, states, 1);
        fails(Game.NotRepeated.selector);
        rules.split(game, p, new bytes(8), 1);
    }

    function test_inner_states_end_where_the_step_was_claimed_to_end() external {
        GameId game;
        Position memory p = answering(12, 14, "");
        (p.phase, p.afterwards) = (Phase.Refine, uint256(2) << 192);
        bytes memory states = abi.encodePacked(uint64(9), uint64(2));
        Position memory next = rules.refine(game, p, states);
        require(next.phase == Phase.AnswerInner && next.node == keccak256(states) && next.afterwards == p.afterwards);
        fails(Game.OtherEnd.selector);
        rules.refine(game, p, abi.encodePacked(uint64(9), uint64(3)));
        fails(abi.encodeWithSelector(Game.StateCount.selector, 8, 16));
        rules.refine(game, p, abi.encodePacked(uint64(2)));
    }

    function test_a_step_of_several_windows_is_not_judged_nor_the_end_of_an_inner_claim() external {
        GameId game;
        bytes memory states = new bytes(8 * 150);
        Position memory p = answering(0, 300, states);
        Ground memory g = ground();
        Rebuttal memory b = rebuttal();
        b.states = states;
        p.ground = keccak256(abi.encode(g.job, terms().program, g.traceRoot, g.inputs));
        p.descriptor = keccak256(abi.encodePacked(bytes1(0x00), b.descriptor));
        fails(Game.TooLong.selector);
        rules.rebut(game, p, g, b);
        p.phase = Phase.AnswerInner;
        b.step = 150;
        fails(abi.encodeWithSelector(Game.NoPlace.selector, 150));
        rules.rebut(game, p, g, b);
    }

    function test_calls_and_rules_have_the_same_names_and_arguments() external view {
        require(dispute.openRoot.selector == rules.openRoot.selector);
        require(dispute.openOperation.selector == rules.openOperation.selector);
        require(dispute.openChunk.selector == rules.openChunk.selector);
        require(dispute.disclose.selector == rules.disclose.selector);
        require(dispute.reveal.selector == rules.reveal.selector);
        require(dispute.pick.selector == rules.pick.selector);
        require(dispute.revealLeaf.selector == rules.revealLeaf.selector);
        require(dispute.revealChunk.selector == rules.revealChunk.selector);
        require(dispute.claim.selector == rules.claim.selector);
        require(dispute.split.selector == rules.split.selector);
        require(dispute.refine.selector == rules.refine.selector);
        require(dispute.rebut.selector == rules.rebut.selector);
        require(dispute.answer.selector == rules.answer.selector);
        require(dispute.contest.selector == rules.contest.selector);
        require(dispute.post.selector == rules.post.selector);
    }
}

interface Snapshots {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}
