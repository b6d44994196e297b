// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Escrow} from "../src/Escrow.sol";
import {Stage} from "../src/Job.sol";
import {GameId, JobId, Position} from "../src/Position.sol";
import {Terms} from "../src/Receipt.sol";
import {chain} from "./Chain.sol";
import {assertEqual} from "./Test.sol";
import {Token} from "./Tokens.sol";
import {World} from "./World.sol";

/// A payee that refuses, or comes back for more.
contract Payee {
    AssayDispute internal immutable dispute;
    bool internal immutable greedy;

    constructor(AssayDispute dispute_, bool greedy_) {
        (dispute, greedy) = (dispute_, greedy_);
    }

    function withdraw() external {
        dispute.withdraw(address(0), address(this));
    }

    function withdrawTo(address to) external {
        dispute.withdraw(address(0), to);
    }

    receive() external payable {
        require(greedy, "refused");
        dispute.withdraw(address(0), address(this));
    }
}

/// Tokens and payees of any behaviour.
contract TokensTest is World {
    Token internal coin = new Token();

    function setUp() public override {
        super.setUp();
        token = address(coin);
        address[6] memory all = [BUYER, provider, STRANGER, AGENT, CHALLENGER, OTHER];
        for (uint256 i = 0; i < all.length; ++i) {
            coin.mint(all[i], 1e30);
        }
    }

    function fails(bytes memory reason) internal {
        chain.expectRevert(reason);
    }

    function offerFails(uint256 paid, bytes memory reason) internal {
        Terms memory t = terms();
        fails(reason);
        asking(BUYER);
        dispute.offer{value: paid}(nonce, t);
    }

    function test_a_job_is_paid_in_tokens_from_offer_to_withdrawal() external {
        JobId id = posted();
        (GameId game, Position memory p) = claimed(CHALLENGER, provider, 3, 7, 1);
        rebut(provider, game, p);
        chain.warp(START + 500);
        dispute.finalise(id);
        assertEqual(coin.balanceOf(address(dispute)), 1_000_003 + 90_000_000_017 + 20_000_001, "held");
        uint256 owed = dispute.credits(token, provider);
        assertEqual(owed + dispute.burned(token), coin.balanceOf(address(dispute)), "to the last unit");
        address to = address(0x70);
        asking(provider);
        dispute.withdraw(token, to);
        assertEqual(coin.balanceOf(to), owed, "paid");
        assertEqual(coin.balanceOf(address(dispute)), dispute.burned(token), "the rest is burned");
    }

    function test_a_token_that_keeps_a_fee_is_refused() external {
        coin.set(1, false, false);
        offerFails(0, abi.encodeWithSelector(Escrow.WrongPayment.selector, 1_000_002, 1_000_003));
    }

    function test_a_token_that_begins_to_keep_a_fee_takes_no_more_deposits() external {
        posted();
        coin.set(1, false, false);
        (JobId id, bytes32 commitment) = (job(), bytes32(0));
        fails(abi.encodeWithSelector(Escrow.WrongPayment.selector, 20_000_000, 20_000_001));
        this.openAs(id, commitment);
    }

    function openAs(JobId, bytes32 commitment) external {
        openedRoot(CHALLENGER, commitment);
    }

    function test_a_token_that_refuses_pays_nothing_in_or_out() external {
        coin.set(0, false, true);
        offerFails(0, abi.encodeWithSelector(Escrow.TransferFailed.selector));
        coin.set(0, true, false);
        JobId id = posted();
        chain.warp(START + 500);
        dispute.finalise(id);
        coin.set(0, true, true);
        fails(abi.encodeWithSelector(Escrow.TransferFailed.selector));
        asking(provider);
        dispute.withdraw(token, provider);
        // A token that answers nothing is taken at its word.
        coin.set(0, true, false);
        asking(provider);
        dispute.withdraw(token, provider);
        assertEqual(dispute.credits(token, provider), 0, "withdrawn");
    }

    function test_no_token_is_no_token() external {
        token = address(0x1234);
        Terms memory t = terms();
        chain.expectRevert();
        asking(BUYER);
        dispute.offer(nonce, t);
    }

    function test_a_job_in_tokens_takes_no_coins() external {
        offerFails(5, abi.encodeWithSelector(Escrow.WrongPayment.selector, 5, 0));
    }

    function test_a_token_that_calls_back_neither_deposits_nor_withdraws() external {
        bytes memory reentered = abi.encodeWithSelector(Escrow.Reentered.selector);
        Terms memory t = terms();
        // An offer of its own within the buyer's: what it would pay in must not count twice.
        coin.setCall(address(dispute), abi.encodeCall(dispute.offer, (nonce, t)));
        coin.mint(address(coin), 1e30);
        JobId id = offered();
        assertEqual(keccak256(coin.answer()), keccak256(reentered), "offer");
        require(dispute.jobOf(id).stage == Stage.Offered);
        coin.setCall(address(dispute), abi.encodeCall(dispute.withdraw, (token, address(coin))));
        uint256 bond = terms().providerBond;
        asking(provider);
        dispute.accept(id);
        assertEqual(keccak256(coin.answer()), keccak256(reentered), "withdraw");
        assertEqual(coin.balanceOf(address(dispute)), 1_000_003 + bond, "held");
    }

    function test_a_refusing_payee_harms_nobody_and_may_name_another() external {
        token = address(0);
        Payee payee = new Payee(dispute, false);
        credit(address(payee));
        fails(abi.encodeWithSelector(Escrow.TransferFailed.selector));
        payee.withdraw();
        payee.withdrawTo(address(0x70));
        assertEqual(address(0x70).balance, 1_000_003, "paid");
    }

    function test_a_payee_that_comes_back_is_refused() external {
        token = address(0);
        Payee payee = new Payee(dispute, true);
        credit(address(payee));
        fails(abi.encodeWithSelector(Escrow.TransferFailed.selector));
        payee.withdraw();
        assertEqual(dispute.credits(address(0), address(payee)), 1_000_003, "still owed");
    }

    /// An account offers a job that nobody accepts, and is owed its price.
    function credit(address account) internal {
        Terms memory t = terms();
        chain.deal(account, t.price);
        chain.prank(account);
        JobId id = dispute.offer{value: t.price}(nonce, t);
        chain.warp(START + 10);
        dispute.expire(id);
    }
}
