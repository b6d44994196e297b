// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Job, Mover, Record, Stage, Status} from "../src/Job.sol";
import {Game, Operation} from "../src/Game.sol";
import {GameId, Ground, JobId, Phase, Position} from "../src/Position.sol";
import {Receipt, Terms} from "../src/Receipt.sol";
import {Shown} from "../src/Rules.sol";
import {chain} from "./Chain.sol";
import {assertEqual} from "./Test.sol";
import {Copies, World} from "./World.sol";

/// Who gets what at each end, to the last wei.
contract MoneyTest is World {
    uint256 internal constant PRICE = 1_000_003;
    uint256 internal constant PROVIDER_BOND = 90_000_000_017;
    uint256 internal constant CHALLENGER_BOND = 20_000_001;

    function fails(bytes memory reason) internal {
        chain.expectRevert(reason);
    }

    function owed(address account) internal view returns (uint256) {
        return dispute.credits(address(0), account);
    }

    /// All that the contract holds is owed or burned.
    function settled() internal view {
        address[6] memory all = [BUYER, provider, STRANGER, AGENT, CHALLENGER, OTHER];
        uint256 sum = dispute.burned(address(0));
        for (uint256 i = 0; i < 6; ++i) {
            sum += owed(all[i]);
        }
        assertEqual(address(dispute).balance, sum, "to the last wei");
    }

    function test_a_receipt_that_stands_pays_the_provider() external {
        JobId id = posted();
        chain.warp(START + 499);
        fails(abi.encodeWithSelector(AssayDispute.TooEarly.selector, START + 500));
        dispute.finalise(id);
        chain.warp(START + 500);
        dispute.finalise(id);
        assertEqual(owed(provider), PRICE + PROVIDER_BOND, "provider");
        settled();
    }

    function test_an_open_game_holds_the_end() external {
        JobId id = posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = reveal(provider, game, p);
        chain.warp(START + 500);
        fails(abi.encodeWithSelector(AssayDispute.GamesOpen.selector, 1));
        dispute.finalise(id);
        timeout(STRANGER, game, p);
        dispute.finalise(id);
        settled();
    }

    function test_a_won_game_pays_the_provider_then_others_and_halves_the_rest() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = pick(CHALLENGER, game, reveal(provider, game, p), 3);
        p = revealLeaf(provider, game, p);
        p = revealChunk(STRANGER, game, p);
        p = claim(CHALLENGER, game, p, 7, 1);
        uint256 before = dispute.gameOf(game).providerGas;
        rebut(provider, game, p);
        uint256 own = dispute.gameOf(game).providerGas;
        require(own > before, "after a stranger too");
        Mover[] memory movers = dispute.moversOf(game);
        require(movers.length == 1 && movers[0].account == STRANGER, "movers");
        uint256 rest = CHALLENGER_BOND - own - movers[0].gas;
        assertEqual(owed(STRANGER), movers[0].gas, "stranger");
        assertEqual(owed(provider), own + rest / 2, "provider");
        assertEqual(dispute.burned(address(0)), rest - rest / 2, "burned");
        chain.warp(START + 500);
        dispute.finalise(job());
        settled();
    }

    function test_a_strangers_dear_moves_take_nothing_of_the_providers_gas() external {
        challengerBond = 700_000;
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = pick(CHALLENGER, game, reveal(STRANGER, game, p), 3);
        p = revealLeaf(provider, game, p);
        p = revealChunk(STRANGER, game, p);
        p = claim(CHALLENGER, game, p, 7, 1);
        rebut(provider, game, p);
        uint256 own = dispute.gameOf(game).providerGas;
        Mover[] memory movers = dispute.moversOf(game);
        require(movers.length == 1 && own < 700_000 && own + movers[0].gas > 700_000, "does not suffice for both");
        assertEqual(owed(provider), own, "provider");
        assertEqual(owed(STRANGER), 700_000 - own, "stranger");
    }

    function test_movers_share_a_bond_that_does_not_suffice_in_their_order() external {
        challengerBond = 900_000;
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        p = reveal(provider, game, p);
        p = pick(CHALLENGER, game, p, 3);
        p = revealLeaf(STRANGER, game, p);
        p = revealChunk(AGENT, game, p);
        p = claim(CHALLENGER, game, p, 7, 1);
        rebut(AGENT, game, p);
        uint256 own = dispute.gameOf(game).providerGas;
        Mover[] memory movers = dispute.moversOf(game);
        assertEqual(movers.length, 2, "moves in a row are one entry");
        require(own + movers[0].gas < 900_000 && own + movers[0].gas + movers[1].gas > 900_000, "does not suffice");
        assertEqual(owed(provider), own, "provider");
        assertEqual(owed(STRANGER), movers[0].gas, "stranger");
        assertEqual(owed(AGENT), 900_000 - own - movers[0].gas, "agent");
        assertEqual(dispute.burned(address(0)), 0, "burned");
    }

    function test_gas_is_metered_up_to_the_cap_and_never_above_what_is_paid() external {
        posted();
        uint256[3] memory prices = [uint256(0), 3, 1_000_000];
        uint256 last = 0;
        for (uint256 i = 0; i < 3; ++i) {
            chain.txGasPrice(prices[i]);
            (GameId game,) = openedRoot(CHALLENGER, bytes32(0));
            uint256 metered = dispute.gameOf(game).gas;
            if (i == 0) assertEqual(metered, 0, "free");
            if (i == 1) last = metered / 3;
            // The cap is 5.
            if (i == 2) require(metered / 5 <= last && metered > 0, "cap");
        }
    }

    function test_a_contract_is_not_paid_for_data_that_it_does_not_pay_for() external {
        posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        bytes memory call = abi.encodeCall(dispute.reveal, (game, p, traceValues()));
        uint256 before = Snapshots(address(chain)).snapshotState();
        chain.prank(provider, provider);
        (bool success,) = address(dispute).call(call);
        require(success);
        uint256 direct = dispute.gameOf(game).providerGas;
        Snapshots(address(chain)).revertToState(before);
        // By a contract, and by an account that delegates to code; with as much data as it likes.
        chain.prank(provider, STRANGER);
        (success,) = address(dispute).call(abi.encodePacked(call, new bytes(10_000)));
        uint256 inner = dispute.gameOf(game).providerGas;
        require(success && inner + 21_000 * 5 < direct, "a contract");
        Snapshots(address(chain)).revertToState(before);
        chain.etch(provider, abi.encodePacked(hex"ef0100", STRANGER));
        chain.prank(provider, provider);
        (success,) = address(dispute).call(abi.encodePacked(call, new bytes(10_000)));
        inner = dispute.gameOf(game).providerGas;
        require(success && inner + 21_000 * 5 < direct, "a delegate");
    }

    function test_a_fallen_receipt_pays_gas_prize_buyer_and_burns_the_rest() external {
        wires[3][7] ^= 0x01;
        JobId id = posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, uint8(input[7]));
        uint256 gas = dispute.gameOf(game).gas;
        timeout(STRANGER, game, p);
        assertEqual(dispute.gameOf(game).gas, gas, "a stranger's timeout is not the challenger's");
        uint256 prize = PROVIDER_BOND / 4;
        assertEqual(owed(CHALLENGER), gas + CHALLENGER_BOND, "challenger");
        assertEqual(owed(BUYER), 2 * PRICE, "buyer: price, and a part of the bond of at most the price");
        assertEqual(dispute.burned(address(0)), PROVIDER_BOND - gas - prize - PRICE, "burned");
        fails(abi.encodeWithSelector(AssayDispute.TooEarly.selector, p.deadline + 700));
        dispute.payPrize(id);
        chain.warp(p.deadline + 700);
        dispute.payPrize(id);
        assertEqual(owed(CHALLENGER), gas + CHALLENGER_BOND + prize, "prize");
        fails(abi.encodeWithSelector(AssayDispute.NoPrize.selector));
        dispute.payPrize(id);
        settled();
    }

    function test_a_prize_without_a_claim_is_the_winners_at_once() external {
        JobId id = posted();
        (GameId game, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        timeout(CHALLENGER, game, p);
        require(dispute.jobOf(id).claim == 0);
        dispute.payPrize(id);
        settled();
    }

    function test_other_open_games_are_closed_with_bond_and_gas() external {
        posted();
        (GameId first, Position memory p) = openedRoot(CHALLENGER, bytes32(0));
        (GameId second,) = openedRoot(OTHER, bytes32(0));
        (GameId third,) = openedRoot(AGENT, bytes32(0));
        fails(abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Posted));
        dispute.close(second);
        timeout(STRANGER, first, p);
        assertEqual(dispute.burned(address(0)), 0, "burned");
        fails(abi.encodeWithSelector(AssayDispute.NoGame.selector, Status.Lost));
        dispute.close(first);
        dispute.close(second);
        assertEqual(owed(OTHER), CHALLENGER_BOND + dispute.gameOf(second).gas, "other");
        assertEqual(dispute.burned(address(0)), 0, "burned");
        dispute.close(third);
        assertEqual(owed(AGENT), CHALLENGER_BOND + dispute.gameOf(third).gas, "agent");
        require(dispute.burned(address(0)) > 0);
        fails(abi.encodeWithSelector(AssayDispute.NoGame.selector, Status.Closed));
        dispute.close(third);
        dispute.payPrize(job());
        settled();
    }

    // The prize.

    bytes32 internal honestRoot;
    bytes internal honestPath;

    /// A receipt with one wrong element, and what an honest trace would be.
    function wrongReceipt() internal returns (JobId id) {
        honestRoot = Copies.tree(traceLeaves());
        honestPath = Copies.path(traceLeaves(), 3);
        wires[3][7] ^= 0x01;
        return posted();
    }

    function shown() internal view returns (Shown memory) {
        return Shown({
            traceRoot: honestRoot,
            salt: bytes32("salt"),
            digest: digest(input),
            leafPath: honestPath,
            chunk: input,
            siblings: ""
        });
    }

    /// Three games of honest challengers, then one of a copyist that wins.
    function copied() internal returns (GameId[3] memory older, GameId copy, Position memory p) {
        wrongReceipt();
        address[3] memory accounts = [STRANGER, CHALLENGER, AGENT];
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 root = i == 0 ? bytes32("no idea") : honestRoot;
            (older[i],) = openedRoot(accounts[i], commitmentOf(accounts[i], root));
        }
        chain.warp(START + 1);
        (copy, p) = claimed(OTHER, provider, 3, 7, uint8(input[7]));
        timeout(OTHER, copy, p);
    }

    function contestFails(GameId game, Position memory p, Ground memory g, Shown memory s, bytes memory reason)
        internal
    {
        fails(reason);
        dispute.contest(game, p, g, s);
    }

    function test_the_earliest_that_knew_the_claim_has_the_prize() external {
        (GameId[3] memory older, GameId copy, Position memory p) = copied();
        (Ground memory g, Shown memory s) = (ground(), shown());
        bytes memory none = abi.encodeWithSelector(AssayDispute.NoPrize.selector);
        contestFails(copy, p, g, s, none);
        contestFails(older[0], p, g, s, none);
        uint256 prize = PROVIDER_BOND / 4;
        dispute.contest(older[2], p, g, s);
        dispute.contest(older[1], p, g, s);
        contestFails(older[2], p, g, s, none);
        contestFails(older[1], p, g, s, none);
        chain.warp(p.deadline + 700);
        dispute.payPrize(job());
        assertEqual(owed(CHALLENGER), prize, "prize");
    }

    function test_what_is_shown_is_the_claim_in_the_committed_trace() external {
        (GameId[3] memory older,, Position memory p) = copied();
        (Ground memory g, Shown memory s) = (ground(), shown());
        bytes memory none = abi.encodeWithSelector(AssayDispute.NoPrize.selector);
        s.salt = bytes32("other");
        contestFails(older[1], p, g, s, none);
        s = shown();
        s.traceRoot = g.traceRoot;
        contestFails(older[1], p, g, s, none);
        s = shown();
        s.digest = digest(wires[3]);
        contestFails(older[1], p, g, s, abi.encodeWithSelector(Game.OtherWire.selector));
        s = shown();
        s.chunk = wires[3];
        contestFails(older[1], p, g, s, abi.encodeWithSelector(Game.NotBelow.selector));
        s = shown();
        g.traceRoot = bytes32(0);
        contestFails(older[1], p, g, s, abi.encodeWithSelector(Game.OtherGround.selector));
        g = ground();
        p.value += 1;
        contestFails(older[1], p, g, s, none);
        p.value -= 1;
        chain.warp(p.deadline + 700);
        contestFails(older[1], p, g, s, abi.encodeWithSelector(AssayDispute.TooLate.selector, p.deadline + 700));
        chain.warp(p.deadline + 699);
        dispute.contest(older[1], p, g, s);
    }

    function test_a_committed_trace_with_another_value_takes_no_prize() external {
        // The wrong trace itself was committed to.
        wires[3][7] ^= 0x01;
        posted();
        bytes32 root = Copies.tree(traceLeaves());
        (GameId game,) = openedRoot(STRANGER, commitmentOf(STRANGER, root));
        chain.warp(START + 1);
        (GameId winner, Position memory p) = claimed(OTHER, provider, 3, 7, uint8(input[7]));
        timeout(OTHER, winner, p);
        Shown memory s = shown();
        (s.traceRoot, s.digest, s.chunk) = (root, digest(wires[3]), wires[3]);
        s.leafPath = Copies.path(traceLeaves(), 3);
        contestFails(game, p, ground(), s, abi.encodeWithSelector(Game.NoOtherValue.selector));
    }

    function test_a_game_of_the_same_second_as_the_claim_is_not_older() external {
        wrongReceipt();
        (GameId game,) = openedRoot(CHALLENGER, commitmentOf(CHALLENGER, honestRoot));
        (GameId winner, Position memory p) = claimed(OTHER, provider, 3, 7, uint8(input[7]));
        timeout(OTHER, winner, p);
        contestFails(game, p, ground(), shown(), abi.encodeWithSelector(AssayDispute.NoPrize.selector));
    }

    function test_a_game_of_another_job_takes_no_prize() external {
        wrongReceipt();
        (GameId older,) = openedRoot(CHALLENGER, commitmentOf(CHALLENGER, honestRoot));
        Ground memory g = ground();
        nonce = 4;
        posted();
        (GameId winner, Position memory p) = claimed(OTHER, provider, 3, 7, uint8(input[7]));
        timeout(OTHER, winner, p);
        contestFails(older, p, g, shown(), abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Posted));
    }

    // Disclosure.

    function asked(uint256 operation, uint256 output, uint64 chunk, bytes memory reason)
        internal
        returns (GameId game, Position memory p)
    {
        bytes memory call = disclosure(operation, output, chunk);
        chain.recordLogs();
        asking(BUYER);
        (bool success, bytes memory answer) = address(dispute).call{value: value(uint256(500_000) * 5 * 5 / 4)}(call);
        require(success == (reason.length == 0) && (success || keccak256(answer) == keccak256(reason)), "reason");
        if (!success) return (game, p);
        game = abi.decode(answer, (GameId));
        p = movedTo(game);
    }

    function disclosure(uint256 operation, uint256 output, uint64 chunk) internal view returns (bytes memory) {
        (JobId id, Ground memory g, Operation memory o) = (job(), ground(), operationOf(operation));
        bytes memory leaf = Copies.outputLeaf(Copies.outputs()[output]);
        bytes memory sibling = abi.encodePacked(bytes1(0x00), Copies.outputLeaf(Copies.outputs()[1 - output]));
        return abi.encodeCall(dispute.disclose, (id, g, o, output, leaf, abi.encodePacked(keccak256(sibling)), chunk));
    }

    function test_a_buyer_asks_for_a_chunk_of_an_output_and_pays_five_quarters() external {
        JobId id = posted();
        asked(3, 0, 0, abi.encodeWithSelector(Receipt.OtherOutput.selector, 0));
        asked(4, 0, 1, abi.encodeWithSelector(Game.NoPlace.selector, 1));
        (GameId game, Position memory p) = asked(4, 0, 0, "");
        require(p.phase == Phase.Disclose && p.node == digest(wires[4]));
        bytes memory chunk = wires[4];
        chunk[0] ^= 0x01;
        fails(abi.encodeWithSelector(Game.NotBelow.selector));
        dispute.answer(game, p, chunk, "");
        chain.warp(p.deadline - 1);
        chunk = wires[4];
        asking(STRANGER);
        dispute.answer(game, p, chunk, "");
        uint256 paid = owed(STRANGER);
        require(paid > 0 && owed(BUYER) == 3_125_000 - paid, "five quarters");
        dispute.finalise(id);
        settled();
    }

    function test_a_buyer_has_so_many_disclosures_open_and_no_more() external {
        JobId id = posted();
        (GameId game, Position memory p) = asked(4, 0, 0, "");
        for (uint256 i = 1; i < dispute.MAX_DISCLOSURES(); ++i) {
            asked(4, 0, 0, "");
        }
        bytes memory refusal = abi.encodeWithSelector(AssayDispute.TooManyDisclosures.selector);
        asked(4, 0, 0, refusal);
        require(dispute.jobOf(id).disclosures == 8 && dispute.jobOf(id).games == 8, "eight");
        // Who doubts the receipt is not kept from it, and what is answered makes room.
        openedRoot(OTHER, bytes32(0));
        bytes memory chunk = wires[4];
        asking(STRANGER);
        dispute.answer(game, p, chunk, "");
        require(dispute.jobOf(id).disclosures == 7, "one is answered");
        asked(4, 0, 0, "");
        asked(4, 0, 0, refusal);
    }

    function test_a_chunk_that_is_not_disclosed_fells_the_receipt() external {
        JobId id = posted();
        (GameId game, Position memory p) = asked(1, 1, 0, "");
        chain.warp(p.deadline - 1);
        fails(abi.encodeWithSelector(AssayDispute.GamesOpen.selector, 1));
        dispute.finalise(id);
        timeout(STRANGER, game, p);
        require(dispute.jobOf(id).stage == Stage.Fallen && dispute.jobOf(id).claim == 0);
        dispute.payPrize(id);
        settled();
    }

    function test_only_the_buyer_asks() external {
        JobId id = posted();
        (Ground memory g, Operation memory o) = (ground(), operationOf(4));
        fails(abi.encodeWithSelector(AssayDispute.NotYours.selector, STRANGER));
        asking(STRANGER);
        dispute.disclose(id, g, o, 0, "", "", 0);
    }

    // Withdrawals.

    function test_an_owner_withdraws_once_to_where_it_likes() external {
        JobId id = posted();
        chain.warp(START + 500);
        dispute.finalise(id);
        address to = address(0x70);
        asking(provider);
        dispute.withdraw(address(0), to);
        assertEqual(to.balance, PRICE + PROVIDER_BOND, "paid");
        asking(provider);
        dispute.withdraw(address(0), to);
        assertEqual(to.balance, PRICE + PROVIDER_BOND, "paid once");
        assertEqual(address(dispute).balance, 0, "nothing is left");
    }
}

interface Snapshots {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}
