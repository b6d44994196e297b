// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Blake3} from "./Blake3.sol";
import {Ground} from "./Position.sol";
import {Program} from "./Program.sol";
import {Receipt} from "./Receipt.sol";

/// @title Openings: the chunks that a step reads, led to what was fixed before
/// @notice
///     openings = u8 count | opening*
///     opening  = u8 operand | u64 chunk | u16 n | n bytes of the chunk | u8 n | n siblings
///              | u16 n | n bytes of the leaf | u8 n | n words of the path
///
/// A chunk leads to the digest of its tensor; the digest is that of an operation's wire in the trace, of a constant in the
/// program, or of an input in the terms. They come sorted by operand and chunk, and each of them must be read.
///
/// @dev The bytes stay in calldata; an entry is operand | chunk | where the chunk begins, of 8, 64 and 32 bits.
library Openings {
    /// The bytes are no openings.
    error MalformedOpenings();
    /// An opening names no operand, or does not come after the one before it.
    error OpeningOrder(uint256 opening);
    /// An opening's digest is not that of its operand.
    error Unbound(uint256 opening);
    /// An opening's chunk is not in its operand.
    error OtherChunk(uint256 opening);
    /// The digests of the inputs are not those of the terms, or given where no input is opened.
    error OtherInputs();
    /// The step reads a chunk that is not opened.
    error Closed(uint256 operand, uint256 chunk);
    /// The step does not read an opening.
    error Unread(uint256 opening);

    /// Bytes of a chunk.
    uint256 internal constant CHUNK = 1024;

    /// What is opened.
    struct Opened {
        /// The entries, ascending.
        uint256[] entries;
        /// The entries that were read, as bits.
        uint256 read;
    }

    /// Where reading stands.
    struct Cursor {
        /// The next byte, and the end, in calldata.
        uint256 p;
        uint256 end;
        /// The opening's number and its operand.
        uint256 number;
        uint256 operand;
        /// Whether the inputs' digests are those of the terms.
        bool inputs;
    }

    /// @notice Checks openings, in a call that began with `Blake3.reserve`.
    function open(Program.Descriptor memory x, Ground calldata ground, bytes calldata inputs, bytes calldata packed)
        internal
        pure
        returns (Opened memory opened)
    {
        unchecked {
            if (packed.length == 0) revert MalformedOpenings();
            Cursor memory c;
            assembly ("memory-safe") {
                mstore(c, packed.offset)
            }
            c.end = c.p + packed.length;
            opened.entries = new uint256[](_load(c.p++) >> 248);
            uint256 least = 0;
            for (; c.number < opened.entries.length; ++c.number) {
                // u8 operand | u64 chunk, then the chunk after its length
                if (c.p + 9 > c.end) revert MalformedOpenings();
                uint256 key = _load(c.p) >> 184;
                if (key >> 64 >= x.operands.length || key < least) revert OpeningOrder(c.number);
                least = key + 1;
                c.operand = x.operands[key >> 64];
                opened.entries[c.number] = (key << 32) | (c.p + 11);
                c.p += 9;
                bytes32 root = _root(c, uint64(key));
                if (root != _digest(c, ground, inputs)) revert OtherChunk(c.number);
            }
            if (c.p != c.end) revert MalformedOpenings();
            if (!c.inputs && inputs.length > 0) revert OtherInputs();
        }
    }

    /// The digest to which a chunk and its siblings lead.
    function _root(Cursor memory c, uint64 index) private pure returns (bytes32) {
        bytes calldata chunk = _slice(c, 2, 1);
        bytes calldata siblings = _slice(c, 1, 32);
        return Blake3.rootFromChunk(chunk, index, Program.lengthOf(c.operand), siblings, true);
    }

    /// The digest of an operand as leaf and path bind it.
    function _digest(Cursor memory c, Ground calldata ground, bytes calldata inputs)
        private
        pure
        returns (bytes32 digest)
    {
        unchecked {
            bytes calldata leaf = _slice(c, 2, 1);
            bytes calldata path = _slice(c, 1, 32);
            uint256 kind = Program.kindOf(c.operand);
            uint256 source = Program.numberOf(c.operand);
            bool bound = false;
            if (kind == Program.INPUT) {
                if (!c.inputs && keccak256(inputs) != ground.inputs) revert OtherInputs();
                c.inputs = true;
                bound = leaf.length == 0 && path.length == 0 && inputs.length >= 32 * (source + 1);
                assembly ("memory-safe") {
                    digest := calldataload(add(inputs.offset, mul(32, source)))
                }
            } else if (leaf.length >= 32) {
                assembly ("memory-safe") {
                    digest := calldataload(sub(add(leaf.offset, leaf.length), 32))
                }
                bound = kind == Program.OPERATION
                    ? leaf.length == 32 && _isWire(ground, source, digest, path)
                    : _isConstant(ground, source, leaf, path);
            }
            if (!bound) revert Unbound(c.number);
        }
    }

    function _isWire(Ground calldata ground, uint256 operation, bytes32 digest, bytes calldata path)
        private
        pure
        returns (bool)
    {
        bytes32 leaf = Receipt.traceLeaf(operation, digest);
        return Program.isLeaf(ground.traceRoot, leaf, operation, Program.operations(ground.header), path);
    }

    function _isConstant(Ground calldata ground, uint256 number, bytes calldata leaf, bytes calldata path)
        private
        pure
        returns (bool)
    {
        bytes32 tree = Program.constantTree(ground.header);
        return Program.isLeaf(tree, Program.leaf(leaf), number, Program.constants(ground.header), path);
    }

    /// So many items as the next bytes, one or two, say.
    function _slice(Cursor memory c, uint256 counted, uint256 item) private pure returns (bytes calldata slice) {
        unchecked {
            uint256 start = c.p + counted;
            uint256 length = (_load(c.p) >> (256 - 8 * counted)) * item;
            c.p = start + length;
            if (c.p > c.end) revert MalformedOpenings();
            assembly ("memory-safe") {
                slice.offset := start
                slice.length := length
            }
        }
    }

    /// @notice Where the bytes of a chunk of an operand stand; it is read from now on.
    function find(Opened memory opened, uint256 operand, uint256 chunk) internal pure returns (uint256 place) {
        unchecked {
            uint256[] memory entries = opened.entries;
            uint256 key = (operand << 64) | chunk;
            for (uint256 i = 0; i < entries.length; ++i) {
                uint256 entry = entries[i];
                if (entry >> 32 != key) continue;
                opened.read |= uint256(1) << i;
                return uint32(entry);
            }
            revert Closed(operand, chunk);
        }
    }

    /// @notice Reverts where an opening was not read.
    function checkRead(Opened memory opened) internal pure {
        unchecked {
            uint256 all = (uint256(1) << opened.entries.length) - 1;
            if (opened.read == all) return;
            uint256 number = 0;
            for (uint256 read_ = opened.read; read_ & 1 == 1; read_ >>= 1) {
                ++number;
            }
            revert Unread(number);
        }
    }

    /// @notice The four bytes at a place of calldata as a little-endian number.
    function real(uint256 p) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            let x := calldataload(p)
            value := or(or(byte(0, x), shl(8, byte(1, x))), or(shl(16, byte(2, x)), shl(24, byte(3, x))))
        }
    }

    /// @notice `width` bytes at a place of calldata as a little-endian number.
    function element(uint256 p, uint256 width) internal pure returns (uint256 value) {
        unchecked {
            if (width == 4) return real(p);
            value = _load(p);
            if (width == 1) return value >> 248;
            value >>= 192;
            value = ((value & 0xff00ff00ff00ff00) >> 8) | ((value & 0x00ff00ff00ff00ff) << 8);
            if (width == 2) return value >> 48;
            value = ((value & 0xffff0000ffff0000) >> 16) | ((value & 0x0000ffff0000ffff) << 16);
            return (value >> 32) | ((value & 0xffffffff) << 32);
        }
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
