// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {JobId} from "./Position.sol";
import {Program} from "./Program.sol";

/// What buyer and provider agree on. Amounts are in the token's smallest unit, times in seconds.
struct Terms {
    /// The program root.
    bytes32 program;
    /// Digests of the inputs, in the program's order.
    bytes32[] inputs;
    /// Who posts the receipt, or whose signature it carries.
    address provider;
    /// What the buyer pays.
    uint256 price;
    /// What the provider locks.
    uint256 providerBond;
    /// What a challenger locks for a game.
    uint256 challengerBond;
    /// Until when the provider accepts.
    uint64 acceptBy;
    /// Until when a receipt is posted.
    uint64 postBy;
    /// How long after posting games open.
    uint64 window;
    /// The provider's clock in a game.
    uint64 providerClock;
    /// A challenger's clock in a game.
    uint64 challengerClock;
    /// The gas price above which gas is not metered.
    uint256 gasPriceCap;
    /// What the buyer gets of a receipt that is not posted in time.
    uint256 lateFee;
    /// The token of all amounts; zero for the chain's own.
    address token;
    /// The hash of the buyer's nonce for the audit, or zero.
    bytes32 auditCommitment;
    /// The beacon for the audit: 0 none, 1 drand.
    uint8 beaconKind;
    /// The beacon's identity, or zero.
    bytes32 beacon;
    /// The code hash of the referee.
    bytes32 referee;
}

/// An output as a receipt names it.
struct OutputClaim {
    /// The number of the operation that computes it.
    uint32 operation;
    /// Its digest.
    bytes32 digest;
    /// The siblings from its leaf up to the trace root, one after the other.
    bytes path;
    /// The output's leaf in the program: name, operation, scale, visibility.
    bytes leaf;
}

/// A contract that signs.
interface ERC1271 {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}

/// @title Receipts: what a provider signs to have computed
/// @notice The bytes that are hashed, the leaves of a trace, the terms' hash, and signatures. The Rust twins are `receipt.rs`,
/// `terms.rs` and `signature.rs` of `verifier/src`.
library Receipt {
    /// The signature is not 65 bytes r, s, v with a low s and v 27 or 28, or nobody made it.
    error BadSignature();
    /// Someone else signed.
    error OtherSigner(address signer);
    /// An output is not the program's of this number.
    error OtherOutput(uint256 output);
    /// An output's path does not lead to the trace root.
    error OutputPath(uint256 output);
    /// The receipt has more or fewer outputs than the program, or none, or too many inputs to count.
    error Count();

    bytes32 private constant TERMS_TYPE = keccak256(
        "Terms(bytes32 program,bytes32[] inputs,address provider,uint256 price,uint256 providerBond,uint256 challengerBond,uint64 acceptBy,uint64 postBy,uint64 window,uint64 providerClock,uint64 challengerClock,uint256 gasPriceCap,uint256 lateFee,address token,bytes32 auditCommitment,uint8 beaconKind,bytes32 beacon,bytes32 referee)"
    );
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant RECEIPT_TYPE = keccak256("Receipt(bytes32 job,bytes32 receipt)");
    /// Half of the order of secp256k1, rounded down.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice keccak256 of digests, one after the other.
    function inputsHash(bytes32[] calldata inputs) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(inputs));
    }

    /// @notice The hash of terms: EIP-712's `hashStruct`.
    function termsHash(Terms calldata terms) internal pure returns (bytes32) {
        // In two parts, which abi.encode of static members leaves one after the other.
        bytes memory first = abi.encode(
            TERMS_TYPE,
            terms.program,
            inputsHash(terms.inputs),
            terms.provider,
            terms.price,
            terms.providerBond,
            terms.challengerBond,
            terms.acceptBy,
            terms.postBy
        );
        bytes memory second = abi.encode(
            terms.window,
            terms.providerClock,
            terms.challengerClock,
            terms.gasPriceCap,
            terms.lateFee,
            terms.token,
            terms.auditCommitment,
            terms.beaconKind,
            terms.beacon,
            terms.referee
        );
        return keccak256(bytes.concat(first, second));
    }

    /// @notice The leaf of an operation's wire in a trace.
    function traceLeaf(uint256 operation, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), uint32(operation), bytes1(0x01), digest));
    }

    /// @notice Checks that outputs are the program's and lie in the trace; the bytes that a receipt has of them.
    function checkOutputs(bytes calldata header, bytes32 traceRoot, OutputClaim[] calldata outputs)
        internal
        pure
        returns (bytes memory packed)
    {
        uint256 count = outputs.length;
        if (count == 0 || count > type(uint16).max || count != Program.outputs(header)) revert Count();
        bytes32[] memory leaves = new bytes32[](uint256(1) << Program.log2(count));
        packed = new bytes(36 * count);
        uint256 operations = Program.operations(header);
        for (uint256 i = 0; i < count; ++i) {
            OutputClaim calldata output = outputs[i];
            leaves[i] = Program.leaf(output.leaf);
            if (_operationOf(output.leaf) != output.operation) revert OtherOutput(i);
            bytes32 value = traceLeaf(output.operation, output.digest);
            if (!Program.isLeaf(traceRoot, value, output.operation, operations, output.path)) revert OutputPath(i);
            (uint32 operation, bytes32 digest) = (output.operation, output.digest);
            assembly ("memory-safe") {
                let offset := add(add(packed, 32), mul(36, i))
                // The digest's last word ends where the next output begins, which is written later.
                let rest := mload(add(offset, 4))
                mstore(offset, or(shl(224, operation), shr(32, shl(32, rest))))
                mstore(add(offset, 4), digest)
            }
        }
        for (uint256 width = leaves.length / 2; width > 0; width /= 2) {
            for (uint256 i = 0; i < width; ++i) {
                leaves[i] = Program.node(leaves[2 * i], leaves[2 * i + 1]);
            }
        }
        if (leaves[0] != Program.outputTree(header)) revert OtherOutput(count);
    }

    /// @notice Checks that an operation is the program's output of this number.
    function checkOutput(
        bytes calldata header,
        uint256 operation,
        uint256 output,
        bytes calldata leaf,
        bytes calldata path
    ) internal pure {
        bytes32 tree = Program.outputTree(header);
        bool own = Program.isLeaf(tree, Program.leaf(leaf), output, Program.outputs(header), path)
            && _operationOf(leaf) == operation;
        if (!own) revert OtherOutput(output);
    }

    /// The operation that an output's leaf names: u32 bytes of the name, the name, u32 operation; these little-endian.
    function _operationOf(bytes calldata leaf) private pure returns (uint256) {
        if (leaf.length < 8) return type(uint256).max;
        uint256 offset = 4 + uint256(_little(bytes4(leaf[:4])));
        if (leaf.length < offset + 4) return type(uint256).max;
        return _little(bytes4(leaf[offset:offset + 4]));
    }

    function _little(bytes4 word) private pure returns (uint32) {
        uint32 x = uint32(word);
        x = ((x & 0xff00ff00) >> 8) | ((x & 0x00ff00ff) << 8);
        return (x >> 16) | (x << 16);
    }

    /// @notice The hash of a receipt.
    /// @param outputs what `checkOutputs` returned.
    function hash(JobId job, bytes calldata header, bytes32 traceRoot, bytes32[] calldata inputs, bytes memory outputs)
        internal
        pure
        returns (bytes32)
    {
        if (inputs.length > type(uint16).max) revert Count();
        bytes memory head = abi.encodePacked(
            "ASSAYRCT",
            uint16(1),
            job,
            Program.root(header),
            uint32(Program.precision(header)),
            uint32(Program.operations(header)),
            traceRoot
        );
        return keccak256(abi.encodePacked(head, uint16(inputs.length), inputs, uint16(outputs.length / 36), outputs));
    }

    /// @notice The EIP-712 domain separator.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("Assay"), keccak256("1"), block.chainid, address(this)));
    }

    /// @notice What is signed for a receipt.
    function signedDigest(JobId job, bytes32 receipt) internal view returns (bytes32) {
        bytes32 structure = keccak256(abi.encode(RECEIPT_TYPE, job, receipt));
        return keccak256(abi.encodePacked(bytes2(0x1901), domainSeparator(), structure));
    }

    /// @notice Checks that `signer` signed a digest: by its code where it is a contract, else by ECDSA.
    function checkSignature(address signer, bytes32 signed, bytes calldata signature) internal view {
        if (signer.code.length > 0) {
            (bool success, bytes memory answer) =
                signer.staticcall(abi.encodeCall(ERC1271.isValidSignature, (signed, signature)));
            bool valid = success && answer.length >= 32
                && abi.decode(answer, (bytes32)) == bytes32(ERC1271.isValidSignature.selector);
            if (!valid) revert BadSignature();
            return;
        }
        if (signature.length != 65) revert BadSignature();
        uint8 v = uint8(signature[64]);
        uint256 s = uint256(bytes32(signature[32:64]));
        if ((v != 27 && v != 28) || s > HALF_ORDER) revert BadSignature();
        address recovered = ecrecover(signed, v, bytes32(signature[:32]), bytes32(s));
        if (recovered == address(0)) revert BadSignature();
        if (recovered != signer) revert OtherSigner(recovered);
    }
}
