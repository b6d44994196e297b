// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Escrow} from "../src/Escrow.sol";
import {Stage} from "../src/Job.sol";
import {Ground, JobId} from "../src/Position.sol";
import {Program} from "../src/Program.sol";
import {ERC1271, OutputClaim, Receipt, Terms} from "../src/Receipt.sol";
import {Rules} from "../src/Rules.sol";
import {chain} from "./Chain.sol";
import {World} from "./World.sol";
import {assertEqual} from "./Test.sol";

/// A wallet that signs what it is told to.
contract Wallet is ERC1271 {
    bytes32 internal immutable signed;

    constructor(bytes32 signed_) {
        signed = signed_;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == signed ? ERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// Hashes of `Receipt` behind calls.
contract Hashes {
    function terms(Terms calldata t) external pure returns (bytes32) {
        return Receipt.termsHash(t);
    }

    function signed(JobId job, bytes32 receipt) external view returns (bytes32) {
        return Receipt.signedDigest(job, receipt);
    }
}

/// Offers, acceptances, receipts, and their times.
contract JobsTest is World {
    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function fails(bytes memory reason) internal {
        chain.expectRevert(reason);
    }

    function stageOf(JobId id) internal view returns (Stage) {
        return dispute.jobOf(id).stage;
    }

    // Offers.

    function offerFails(Terms memory t, uint256 paid, bytes memory reason) internal {
        fails(reason);
        asking(BUYER);
        dispute.offer{value: paid}(nonce, t);
    }

    function test_an_offer_pays_its_price_exactly() external {
        Terms memory t = terms();
        bytes4 wrong = Escrow.WrongPayment.selector;
        offerFails(t, t.price - 1, abi.encodeWithSelector(wrong, t.price - 1, t.price));
        offerFails(t, t.price + 1, abi.encodeWithSelector(wrong, t.price + 1, t.price));
        assertEqual(JobId.unwrap(offered()), JobId.unwrap(job()), "id");
        require(stageOf(job()) == Stage.Offered);
    }

    function test_a_job_is_offered_once() external {
        offered();
        offerFails(terms(), terms().price, abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Offered));
    }

    function test_terms_of_another_referee_beacon_or_amount_are_refused() external {
        Terms memory t = terms();
        t.referee = bytes32("another");
        offerFails(t, t.price, abi.encodeWithSelector(AssayDispute.OtherReferee.selector, t.referee));
        t = terms();
        t.beaconKind = 2;
        offerFails(t, t.price, abi.encodeWithSelector(AssayDispute.BadBeacon.selector));
        t.beaconKind = 0;
        t.beacon = bytes32("b");
        offerFails(t, t.price, abi.encodeWithSelector(AssayDispute.BadBeacon.selector));
        bytes memory bad = abi.encodeWithSelector(AssayDispute.BadAmount.selector);
        t = terms();
        t.lateFee = t.providerBond + 1;
        offerFails(t, t.price, bad);
        t = terms();
        t.price = 1 << 96;
        offerFails(t, t.price, bad);
        t = terms();
        t.providerBond = 1 << 96;
        offerFails(t, t.price, bad);
        t = terms();
        t.challengerBond = 1 << 96;
        offerFails(t, t.price, bad);
        t = terms();
        t.gasPriceCap = 1 << 96;
        offerFails(t, t.price, bad);
    }

    // Acceptance.

    function test_only_the_provider_accepts_with_its_bond_and_in_time() external {
        JobId id = offered();
        uint256 bond = terms().providerBond;
        fails(abi.encodeWithSelector(AssayDispute.NotYours.selector, STRANGER));
        asking(STRANGER);
        dispute.accept{value: bond}(id);
        fails(abi.encodeWithSelector(Escrow.WrongPayment.selector, bond - 1, bond));
        asking(provider);
        dispute.accept{value: bond - 1}(id);
        chain.warp(START + 10);
        fails(abi.encodeWithSelector(AssayDispute.TooLate.selector, START + 10));
        asking(provider);
        dispute.accept{value: bond}(id);
        chain.warp(START + 9);
        asking(provider);
        dispute.accept{value: bond}(id);
        fails(abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Accepted));
        asking(provider);
        dispute.accept{value: bond}(id);
    }

    function test_only_the_provider_names_its_agent() external {
        JobId id = offered();
        fails(abi.encodeWithSelector(AssayDispute.NotYours.selector, AGENT));
        asking(AGENT);
        dispute.nameAgent(id, AGENT);
        asking(provider);
        dispute.nameAgent(id, AGENT);
        require(dispute.jobOf(id).agent == AGENT);
    }

    // Expiry.

    function test_nobody_accepts_and_the_buyer_has_its_price_back() external {
        JobId id = offered();
        chain.warp(START + 9);
        fails(abi.encodeWithSelector(AssayDispute.TooEarly.selector, START + 10));
        dispute.expire(id);
        chain.warp(START + 10);
        dispute.expire(id);
        assertEqual(dispute.credits(address(0), BUYER), terms().price, "buyer");
        fails(abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Expired));
        dispute.expire(id);
    }

    function test_no_receipt_in_time_costs_the_late_fee() external {
        JobId id = accepted();
        chain.warp(START + 19);
        fails(abi.encodeWithSelector(AssayDispute.TooEarly.selector, START + 20));
        dispute.expire(id);
        chain.warp(START + 20);
        postFails(
            ground(), nonce, terms(), "", provider, abi.encodeWithSelector(AssayDispute.TooLate.selector, START + 20)
        );
        dispute.expire(id);
        assertEqual(dispute.credits(address(0), BUYER), terms().price + 5000, "buyer");
        assertEqual(dispute.credits(address(0), provider), terms().providerBond - 5000, "provider");
        require(stageOf(id) == Stage.Expired);
    }

    // Receipts.

    function postFails(
        Ground memory g,
        uint256 nonce_,
        Terms memory t,
        bytes memory signature,
        address sender,
        bytes memory reason
    ) internal {
        OutputClaim[] memory claims = outputClaims();
        fails(reason);
        asking(sender);
        dispute.post(g, nonce_, t, claims, signature);
    }

    function test_a_receipt_is_posted_at_the_last_second_and_once() external {
        JobId id = accepted();
        chain.warp(START + 19);
        (Ground memory g, Terms memory t, OutputClaim[] memory claims) = (ground(), terms(), outputClaims());
        asking(provider);
        dispute.post(g, nonce, t, claims, "");
        require(stageOf(id) == Stage.Posted);
        assertEqual(dispute.jobOf(id).posted, START + 19, "time");
        wires[3][0] = 0x00;
        postFails(
            ground(), nonce, t, "", provider, abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.Posted)
        );
    }

    function test_a_receipt_is_of_the_job_the_program_and_the_inputs() external {
        accepted();
        (Ground memory g, Terms memory t) = (ground(), terms());
        bytes memory other = abi.encodeWithSelector(AssayDispute.OtherJob.selector);
        bytes memory otherReceipt = abi.encodeWithSelector(Rules.OtherReceipt.selector);
        postFails(g, nonce + 1, t, "", provider, other);
        t.price += 1;
        postFails(g, nonce, t, "", provider, other);
        t.price -= 1;
        g.header[181] ^= 0x01;
        postFails(g, nonce, t, "", provider, otherReceipt);
        g = ground();
        g.header = abi.encodePacked(g.header, hex"00");
        postFails(g, nonce, t, "", provider, abi.encodeWithSelector(Program.HeaderLength.selector, 183));
        g = ground();
        g.inputs = bytes32(0);
        postFails(g, nonce, t, "", provider, otherReceipt);
        g = ground();
        t.inputs[0] = bytes32(0);
        postFails(g, nonce, t, "", provider, otherReceipt);
        g.job = JobId.wrap(bytes32("another"));
        postFails(g, nonce, terms(), "", provider, abi.encodeWithSelector(AssayDispute.WrongStage.selector, Stage.None));
    }

    function outputsFail(OutputClaim[] memory claims, bytes memory reason) internal {
        (Ground memory g, Terms memory t) = (ground(), terms());
        fails(reason);
        asking(provider);
        dispute.post(g, nonce, t, claims, "");
    }

    function test_outputs_are_those_of_program_and_trace() external {
        accepted();
        OutputClaim[] memory claims = outputClaims();
        claims[1].digest = bytes32(0);
        outputsFail(claims, abi.encodeWithSelector(Receipt.OutputPath.selector, 1));
        claims = outputClaims();
        claims[0].path = abi.encodePacked(claims[0].path, bytes32(0));
        outputsFail(claims, abi.encodeWithSelector(Receipt.OutputPath.selector, 0));
        claims = outputClaims();
        claims[1].operation = 2;
        outputsFail(claims, abi.encodeWithSelector(Receipt.OtherOutput.selector, 1));
        claims = outputClaims();
        (claims[0], claims[1]) = (claims[1], claims[0]);
        outputsFail(claims, abi.encodeWithSelector(Receipt.OtherOutput.selector, 2));
        claims = outputClaims();
        claims[0].leaf[4] = "z";
        outputsFail(claims, abi.encodeWithSelector(Receipt.OtherOutput.selector, 2));
        claims[0].leaf = hex"ffffffff00";
        outputsFail(claims, abi.encodeWithSelector(Receipt.OtherOutput.selector, 0));
        claims = new OutputClaim[](1);
        claims[0] = outputClaims()[0];
        outputsFail(claims, abi.encodeWithSelector(Receipt.Count.selector));
        outputsFail(new OutputClaim[](0), abi.encodeWithSelector(Receipt.Count.selector));
    }

    // Signatures.

    /// The hash of the receipt, from its layout.
    function receiptHash() internal view returns (bytes32) {
        Ground memory g = ground();
        Terms memory t = terms();
        OutputClaim[] memory claims = outputClaims();
        bytes memory head = abi.encodePacked(
            "ASSAYRCT", uint16(1), g.job, t.program, uint32(0), uint32(5), g.traceRoot, uint16(1), t.inputs
        );
        return keccak256(abi.encodePacked(head, uint16(2), uint32(4), claims[0].digest, uint32(1), claims[1].digest));
    }

    function signedDigest() internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                address(dispute)
            )
        );
        bytes32 structure =
            keccak256(abi.encode(keccak256("Receipt(bytes32 job,bytes32 receipt)"), job(), receiptHash()));
        return keccak256(abi.encodePacked(hex"1901", domain, structure));
    }

    function signatureFails(bytes memory signature, address sender, bytes memory reason) internal {
        postFails(ground(), nonce, terms(), signature, sender, reason);
    }

    function test_anyone_posts_with_the_providers_signature() external {
        JobId id = accepted();
        (uint8 v, bytes32 r, bytes32 s) = chain.sign(PROVIDER_KEY, signedDigest());
        bytes memory bad = abi.encodeWithSelector(Receipt.BadSignature.selector);
        signatureFails("", STRANGER, bad);
        signatureFails(abi.encodePacked(r, s), STRANGER, bad);
        signatureFails(abi.encodePacked(r, s, v, uint8(0)), STRANGER, bad);
        signatureFails(abi.encodePacked(r, s, uint8(v - 27)), STRANGER, bad);
        signatureFails(abi.encodePacked(r, ORDER - uint256(s), uint8(55 - v)), STRANGER, bad);
        signatureFails(abi.encodePacked(bytes32(0), s, v), STRANGER, bad);
        // A provider that hands over a signature has it checked too.
        signatureFails(abi.encodePacked(r, s), provider, bad);
        otherSigns();
        Ground memory g = ground();
        OutputClaim[] memory claims = outputClaims();
        Terms memory t = terms();
        asking(STRANGER);
        dispute.post(g, nonce, t, claims, abi.encodePacked(r, s, v));
        require(stageOf(id) == Stage.Posted);
    }

    function otherSigns() internal {
        (uint8 v, bytes32 r, bytes32 s) = chain.sign(0x77, signedDigest());
        bytes memory other = abi.encodeWithSelector(Receipt.OtherSigner.selector, chain.addr(0x77));
        signatureFails(abi.encodePacked(r, s, v), STRANGER, other);
    }

    function test_a_contract_signs_by_its_code() external {
        JobId id = accepted();
        (Ground memory g, Terms memory t, OutputClaim[] memory claims) = (ground(), terms(), outputClaims());
        chain.etch(provider, address(new Wallet(bytes32("other"))).code);
        postFails(g, nonce, t, "x", STRANGER, abi.encodeWithSelector(Receipt.BadSignature.selector));
        chain.etch(provider, hex"00");
        postFails(g, nonce, t, "x", STRANGER, abi.encodeWithSelector(Receipt.BadSignature.selector));
        chain.etch(provider, address(new Wallet(signedDigest())).code);
        asking(STRANGER);
        dispute.post(g, nonce, t, claims, "");
        require(stageOf(id) == Stage.Posted);
    }

    /// The values that `verifier/src/terms.rs` and `signature.rs` have from other tools.
    function test_hashes_are_those_of_rust() external {
        address at13 = address(bytes20(hex"1313131313131313131313131313131313131313"));
        chain.etch(at13, address(new Hashes()).code);
        Terms memory t;
        t.program = bytes32(uint256(0x0101010101010101010101010101010101010101010101010101010101010101));
        t.inputs = new bytes32[](2);
        t.inputs[0] = bytes32(uint256(t.program) * 2);
        t.inputs[1] = bytes32(uint256(t.program) * 3);
        t.provider = address(bytes20(hex"0404040404040404040404040404040404040404"));
        (t.price, t.providerBond, t.challengerBond, t.acceptBy, t.postBy) = (5, 6, 7, 8, 9);
        (t.window, t.providerClock, t.challengerClock, t.gasPriceCap, t.lateFee) = (10, 11, 12, 13, 14);
        t.token = address(bytes20(hex"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"));
        t.auditCommitment = bytes32(uint256(t.program) * 16);
        t.beaconKind = 1;
        t.beacon = bytes32(uint256(t.program) * 17);
        t.referee = bytes32(uint256(t.program) * 18);
        bytes32 hash = Hashes(at13).terms(t);
        assertEqual(hash, 0x9a1501aaf5f81576091fad9697aef3e6a095e6e647467b87b7d0a414f9330b7b, "terms");
        address buyer = address(bytes20(hex"1414141414141414141414141414141414141414"));
        bytes32 id = keccak256(abi.encode(uint256(31337), at13, buyer, uint256(21), hash));
        assertEqual(id, 0x281c1e4a803432f757817b79082578b439e2d0727619f383a13894cb0465b6c5, "job");
        bytes32 signed =
            Hashes(at13).signed(JobId.wrap(bytes32(uint256(t.program) * 7)), bytes32(uint256(t.program) * 8));
        assertEqual(signed, 0x450c98e43887c66e9b0aa2e6bc39dc17f497b512450ad1a6adaf661e1d373f3c, "signed");
    }

    function test_a_job_id_is_of_chain_contract_buyer_nonce_and_terms() external {
        Terms memory t = terms();
        bytes32 id = JobId.unwrap(job());
        bytes32 hash = new Hashes().terms(t);
        assertEqual(id, keccak256(abi.encode(block.chainid, address(dispute), BUYER, nonce, hash)), "id");
    }
}
