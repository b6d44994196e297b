// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title BLAKE3 of tensors
/// @notice One chunk of a tensor, opened under the tensor's digest, and the values of the tree's nodes.
///
/// BLAKE3 is a binary tree over chunks of 1,024 bytes. The value of a chunk depends on its bytes and its number, that of
/// an inner node on its two children, and the root is computed under a flag of its own:
///
///     node of n > 1 chunks = parent(node of the first p, node of the other n - p),  p the greatest power of two below n
///
/// The tree's form follows from the tensor's length alone. Callers take the length from the program, never from whoever
/// opens: then a chunk is not taken for a node, nor a node for the root, nor a chunk for another. A path proves no
/// length, since that of another tree may fit it too. Only hashing without a key is here, and a length of zero is
/// refused. The Rust twin is `verifier/src/tensor_tree.rs`.
///
/// @dev A row of four 32-bit words of the state is one word of the EVM, each in the low half of a 64-bit lane, column 0
/// highest. Sums may grow into the upper halves; a rotation masks, doubles (times 2^32 + 1), shifts, masks. Rotations of
/// whole lanes are products modulo 2^256 - 1. A compression costs about 4.5 k gas, a chunk 79 k, a parent 5 k.
///
/// Compression keeps the block's words at fixed addresses, so `_enter` saves what is allocated of memory below 0x220 and
/// `_leave` puts it back, unless `reserve` kept it free; between the two nothing else may touch memory. This is not memory-safe in the compiler's sense
/// and not marked so, which keeps the compiler from moving variables to memory in a contract that uses it.
library Blake3 {
    /// There is no such chunk in a tensor of so many bytes.
    error NoChunk(uint64 chunk, uint64 length);
    /// A chunk of so many bytes, where the tensor's length says another number.
    error ChunkLength(uint256 given, uint256 expected);
    /// Values of nodes that are more or fewer than the tree has, or not whole.
    error ValuesLength(uint256 given, uint256 expected);
    /// There is no such node below.
    error NoNode(uint256 place);
    /// Memory is allocated already.
    error TooLate();

    /// Bytes of a chunk; the last one of a tensor may have fewer.
    uint256 internal constant CHUNK = 1024;

    uint256 private constant CHUNK_START = 1;
    uint256 private constant CHUNK_END = 2;
    uint256 private constant PARENT = 4;
    uint256 private constant ROOT = 8;

    /// The lower halves of the four lanes.
    uint256 private constant LANES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    /// The initial values, as two rows.
    uint256 private constant IV_LOW = 0x000000006a09e66700000000bb67ae85000000003c6ef37200000000a54ff53a;
    uint256 private constant IV_HIGH = 0x00000000510e527f000000009b05688c000000001f83d9ab000000005be0cd19;

    /// 2^32 + 1.
    uint256 private constant TWICE = 0x100000001;
    /// 2^64, 2^128 and 2^192: factors modulo 2^256 - 1 that move each lane to the left by one, two, three.
    uint256 private constant LEFT_1 = 0x10000000000000000;
    uint256 private constant LEFT_2 = 0x100000000000000000000000000000000;
    uint256 private constant LEFT_3 = 0x1000000000000000000000000000000000000000000000000;
    /// (2^32 + 1) 2^57 and (2^32 + 1) 2^185: rotate right by 7 bits in each lane and move it left by one, or three.
    uint256 private constant RIGHT_7_LEFT_1 = 0x20000000200000000000000;
    uint256 private constant RIGHT_7_LEFT_3 = 0x2000000020000000000000000000000000000000000000000000000;

    /// @notice Keeps the memory that compression uses free for the rest of a call, in which nothing is allocated yet.
    function reserve() internal pure {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
            mstore(0x40, 0x220)
        }
        if (free != 0x80) revert TooLate();
    }

    /// @notice Number of chunks of a tensor of `length` bytes.
    function chunksOf(uint64 length) internal pure returns (uint64) {
        unchecked {
            return uint64((uint256(length) + (CHUNK - 1)) / CHUNK);
        }
    }

    /// @notice The value of chunk `index` of a tensor of `length` bytes; the digest itself where it is the only one.
    function chunkValue(bytes calldata chunk, uint64 index, uint64 length) internal pure returns (bytes32 value) {
        _checkChunk(chunk, index, length);
        uint256 free = _enter(false);
        value = bytes32(swap(_chunk(chunk, index, length <= CHUNK ? ROOT : 0)));
        _leave(free, false);
    }

    /// @notice The value of an inner node with these children; the digest where it is the root.
    function parentValue(bytes32 left, bytes32 right, bool root) internal pure returns (bytes32 value) {
        uint256 free = _enter(false);
        value = bytes32(swap(_parent(swap(uint256(left)), swap(uint256(right)), root ? ROOT : 0)));
        _leave(free, false);
    }

    /// @notice The digest to which a chunk and its siblings lead in a tensor of `length` bytes.
    /// @param chunk its bytes
    /// @param index its number
    /// @param length bytes of the tensor
    /// @param siblings values of 32 bytes one after the other, from the chunk up
    /// @param reserved whether `reserve` was called, so that nothing has to be saved.
    function rootFromChunk(bytes calldata chunk, uint64 index, uint64 length, bytes calldata siblings, bool reserved)
        internal
        pure
        returns (bytes32 digest)
    {
        unchecked {
            _checkChunk(chunk, index, length);
            uint256 free = _enter(reserved);
            uint256 value = _chunk(chunk, index, length <= CHUNK ? ROOT : 0);
            // The nodes of one level, and which of them is above the chunk. A last one without a neighbour goes up as it is.
            uint256 nodes = chunksOf(length);
            uint256 place = index;
            uint256 used = 0;
            while (nodes > 1) {
                if (place ^ 1 < nodes) {
                    uint256 sibling = swap(_value(siblings, used));
                    uint256 flag = nodes == 2 ? ROOT : 0;
                    value = place & 1 == 0 ? _parent(value, sibling, flag) : _parent(sibling, value, flag);
                    used += 32;
                }
                place >>= 1;
                nodes = (nodes + 1) >> 1;
            }
            digest = bytes32(swap(value));
            _leave(free, reserved);
            if (used != siblings.length) revert ValuesLength(siblings.length, used);
        }
    }

    /// @notice The value of a node above `chunks` chunks from the values of the nodes `levels` below it, or the digest
    /// where the node is the root. A chunk that is fewer levels below stands for itself.
    /// @param chunks chunks below the node
    /// @param levels how many levels to go up
    /// @param root whether the node is the root
    /// @param values values of 32 bytes one after the other, from left to right, in the order of `nodeBelow`.
    function merge(bytes calldata values, uint64 chunks, uint256 levels, bool root)
        internal
        pure
        returns (bytes32 value)
    {
        if (chunks == 0) revert NoNode(0);
        uint256 free = _enter(false);
        (uint256 node, uint256 used) = _merge(values, 0, chunks, levels, root ? ROOT : 0);
        value = bytes32(swap(node));
        _leave(free, false);
        if (used != values.length) revert ValuesLength(values.length, used);
    }

    /// @notice The node number `place` of those `levels` below a node above chunks [first, first + chunks).
    function nodeBelow(uint64 first, uint64 chunks, uint256 levels, uint256 place)
        internal
        pure
        returns (uint64, uint64)
    {
        unchecked {
            uint256 rest = place;
            for (; levels > 0 && chunks > 1; --levels) {
                uint64 left = _leftOf(chunks);
                uint256 before = _countBelowFull(left, levels - 1);
                if (rest < before) {
                    chunks = left;
                } else {
                    rest -= before;
                    first += left;
                    chunks -= left;
                }
            }
            if (rest > 0 || chunks == 0) revert NoNode(place);
            return (first, chunks);
        }
    }

    /// The number of nodes `levels` below a node above a power of two of chunks, as a left child has.
    function _countBelowFull(uint64 chunks, uint256 levels) private pure returns (uint256) {
        unchecked {
            return levels > 63 || chunks < uint256(1) << levels ? chunks : uint256(1) << levels;
        }
    }

    /// The greatest power of two below a number of at least 2.
    function _leftOf(uint64 chunks) private pure returns (uint64) {
        unchecked {
            uint64 below = chunks - 1;
            below |= below >> 1;
            below |= below >> 2;
            below |= below >> 4;
            below |= below >> 8;
            below |= below >> 16;
            below |= below >> 32;
            return below ^ (below >> 1);
        }
    }

    function _checkChunk(bytes calldata chunk, uint64 index, uint64 length) private pure {
        unchecked {
            if (index >= chunksOf(length)) revert NoChunk(index, length);
            uint256 expected = uint256(length) - uint256(index) * CHUNK;
            if (expected > CHUNK) expected = CHUNK;
            if (chunk.length != expected) revert ChunkLength(chunk.length, expected);
        }
    }

    /// The value at a byte of packed values; beyond their end anything, which the caller refuses.
    function _value(bytes calldata values, uint256 offset) private pure returns (uint256 value) {
        assembly {
            value := calldataload(add(values.offset, offset))
        }
    }

    /// The node above `chunks` chunks, its words swapped, and the byte after the last value that it used.
    function _merge(bytes calldata values, uint256 offset, uint64 chunks, uint256 levels, uint256 flag)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            if (levels == 0 || chunks < 2) return (swap(_value(values, offset)), offset + 32);
            uint64 half = _leftOf(chunks);
            uint256 count = _countBelowFull(half, levels - 1);
            uint256 left = _mergeFull(values, offset, count);
            offset += 32 * count;
            uint256 right;
            (right, offset) = _merge(values, offset, chunks - half, levels - 1, 0);
            return (_parent(left, right, flag), offset);
        }
    }

    /// The node above `count` values, a power of two, which is not the root; its words swapped.
    function _mergeFull(bytes calldata values, uint256 offset, uint256 count) private pure returns (uint256) {
        unchecked {
            if (count == 1) return swap(_value(values, offset));
            if (count == 2) {
                uint256 place;
                assembly {
                    place := add(values.offset, offset)
                }
                (uint256 left, uint256 right) = _block(place);
                return _parent(left, right, 0);
            }
            count >>= 1;
            return _parent(_mergeFull(values, offset, count), _mergeFull(values, offset + 32 * count, count), 0);
        }
    }

    /// The value of a parent, all words swapped.
    function _parent(uint256 left, uint256 right, uint256 flag) private pure returns (uint256) {
        (uint256 low, uint256 high) =
            _compress(left, right, IV_LOW, IV_HIGH, (64 << 64) | PARENT | flag, LANES, type(uint256).max);
        return _pack(low, high);
    }

    /// The value of a chunk of 1 to 1,024 bytes, its words swapped.
    function _chunk(bytes calldata chunk, uint256 index, uint256 flag) private pure returns (uint256) {
        unchecked {
            uint256 low = IV_LOW;
            uint256 high = IV_HIGH;
            uint256 start = CHUNK_START;
            // The counter's two words.
            uint256 counter = ((index & 0xffffffff) << 192) | ((index >> 32) << 128);
            uint256 rest = chunk.length;
            uint256 offset;
            assembly {
                offset := chunk.offset
            }
            for (; rest > 64; rest -= 64) {
                (uint256 x, uint256 y) = _block(offset);
                (low, high) = _compress(x, y, low, high, counter | (64 << 64) | start, LANES, type(uint256).max);
                start = 0;
                offset += 64;
            }
            (uint256 first, uint256 second) = _lastBlock(offset, rest);
            (low, high) = _compress(
                first, second, low, high, counter | (rest << 64) | start | CHUNK_END | flag, LANES, type(uint256).max
            );
            return _pack(low, high);
        }
    }

    /// 64 bytes of calldata as words, swapped as `swap` does.
    function _block(uint256 offset) private pure returns (uint256 first, uint256 second) {
        assembly {
            let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            first := calldataload(offset)
            first := or(and(shr(8, first), m), shl(8, and(first, m)))
            second := calldataload(add(offset, 32))
            second := or(and(shr(8, second), m), shl(8, and(second, m)))
            m := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            first := or(and(shr(16, first), m), shl(16, and(first, m)))
            second := or(and(shr(16, second), m), shl(16, and(second, m)))
        }
    }

    /// `length` bytes of calldata, 1 to 64, and zeros.
    function _lastBlock(uint256 offset, uint256 length) private pure returns (uint256 first, uint256 second) {
        assembly {
            // Shifts by 256 bits or more give 0.
            first := calldataload(offset)
            if lt(length, 32) { first := and(first, not(shr(shl(3, length), not(0)))) }
            if gt(length, 32) {
                second := and(calldataload(add(offset, 32)), not(shr(shl(3, sub(length, 32)), not(0))))
            }
        }
        return (swap(first), swap(second));
    }

    /// @notice Bytes of each 32-bit word in the other order.
    function swap(uint256 x) internal pure returns (uint256 y) {
        assembly {
            let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            y := or(and(shr(8, x), m), shl(8, and(x, m)))
            m := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            y := or(and(shr(16, y), m), shl(16, and(y, m)))
        }
    }

    /// Two rows as one word of eight.
    function _pack(uint256 low, uint256 high) private pure returns (uint256 words) {
        assembly {
            let m := 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff
            low := and(or(low, shr(32, low)), m)
            high := and(or(high, shr(32, high)), m)
            // Two words in each half; the upper two are moved next to the lower two.
            words := or(
                shl(128, or(shr(64, low), low)),
                and(or(shr(64, high), high), 0xffffffffffffffffffffffffffffffff)
            )
        }
    }

    /// Saves what is allocated of the memory that `_compress` uses, and clears what lies between the words of a block.
    function _enter(bool reserved) private pure returns (uint256 free) {
        assembly {
            free := mload(0x40)
            if iszero(reserved) {
                // The copy lies above both.
                let copy := free
                if lt(copy, 0x220) { copy := 0x220 }
                for { let i := 0x80 } lt(i, free) { i := add(i, 0x20) } {
                    if eq(i, 0x220) { break }
                    mstore(add(copy, i), mload(i))
                }
            }
            mstore(0x000, 0)
            mstore(0x100, 0)
            mstore(0x200, 0)
        }
    }

    /// Puts it back; `free` is what `_enter` returned.
    function _leave(uint256 free, bool reserved) private pure {
        assembly {
            if iszero(reserved) {
                let copy := free
                if lt(copy, 0x220) { copy := 0x220 }
                for { let i := 0x80 } lt(i, free) { i := add(i, 0x20) } {
                    if eq(i, 0x220) { break }
                    mstore(i, mload(add(copy, i)))
                }
            }
            mstore(0x40, free)
            mstore(0x60, 0)
        }
    }

    /// The compression function: the first half of its output as two rows.
    /// @param w0 the block's words 0 to 7
    /// @param w1 its words 8 to 15
    /// @param a the first row of the chaining value
    /// @param b the second
    /// @param d the last row: counter, length of the block, flags
    /// @param m LANES; a variable takes one byte of code where a constant takes 33
    /// @param n 2^256 - 1, the modulus of rotations
    function _compress(uint256 w0, uint256 w1, uint256 a, uint256 b, uint256 d, uint256 m, uint256 n)
        private
        pure
        returns (uint256 low, uint256 high)
    {
        assembly {
            // Each word alone, at byte 28 + 32 i.
            mstore(0x01c, and(w0, 0xffffffff00000000000000000000000000000000000000000000000000000000))
            mstore(0x038, and(w0, 0xffffffff000000000000000000000000000000000000000000000000))
            mstore(0x054, and(w0, 0xffffffff0000000000000000000000000000000000000000))
            mstore(0x070, and(w0, 0xffffffff00000000000000000000000000000000))
            mstore(0x08c, and(w0, 0xffffffff000000000000000000000000))
            mstore(0x0a8, and(w0, 0xffffffff0000000000000000))
            mstore(0x0c4, and(w0, 0xffffffff00000000))
            mstore(0x0e0, and(w0, 0xffffffff))
            mstore(0x11c, and(w1, 0xffffffff00000000000000000000000000000000000000000000000000000000))
            mstore(0x138, and(w1, 0xffffffff000000000000000000000000000000000000000000000000))
            mstore(0x154, and(w1, 0xffffffff0000000000000000000000000000000000000000))
            mstore(0x170, and(w1, 0xffffffff00000000000000000000000000000000))
            mstore(0x18c, and(w1, 0xffffffff000000000000000000000000))
            mstore(0x1a8, and(w1, 0xffffffff0000000000000000))
            mstore(0x1c4, and(w1, 0xffffffff00000000))
            mstore(0x1e0, and(w1, 0xffffffff))
            let c := IV_LOW
            {
                // round 0, columns: words 0 1 2 3 4 5 6 7
                let a1 := add(add(a, b), and(shr(32, w0), m))
                let d1 := and(shr(16, mul(and(xor(d, a1), m), TWICE)), m)
                let c1 := add(c, d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), and(w0, m))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 0, diagonals: words 8 9 10 11 12 13 14 15
                let a1 := add(add(a, b), and(shr(32, w1), m))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), and(w1, m))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 1, columns: words 2 6 3 10 7 0 4 13
                let a1 := add(add(a, b), add(add(mload(0x058), mload(0x070)), add(mload(0x0e8), mload(0x080))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x0d8), mload(0x150)), add(mload(0x008), mload(0x1a0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 1, diagonals: words 1 11 12 5 9 14 15 8
                let a1 := add(add(a, b), add(add(mload(0x038), mload(0x190)), add(mload(0x128), mload(0x1e0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x178), mload(0x0b0)), add(mload(0x1c8), mload(0x100))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 2, columns: words 3 4 10 12 13 2 7 14
                let a1 := add(add(a, b), add(add(mload(0x078), mload(0x150)), add(mload(0x1a8), mload(0x0e0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x098), mload(0x190)), add(mload(0x048), mload(0x1c0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 2, diagonals: words 6 5 9 0 11 15 8 1
                let a1 := add(add(a, b), add(add(mload(0x0d8), mload(0x130)), add(mload(0x168), mload(0x100))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x0b8), mload(0x010)), add(mload(0x1e8), mload(0x020))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 3, columns: words 10 7 12 9 14 3 13 15
                let a1 := add(add(a, b), add(add(mload(0x158), mload(0x190)), add(mload(0x1c8), mload(0x1a0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x0f8), mload(0x130)), add(mload(0x068), mload(0x1e0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 3, diagonals: words 4 0 11 2 5 8 1 6
                let a1 := add(add(a, b), add(add(mload(0x098), mload(0x170)), add(mload(0x0a8), mload(0x020))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x018), mload(0x050)), add(mload(0x108), mload(0x0c0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 4, columns: words 12 13 9 11 15 10 14 8
                let a1 := add(add(a, b), add(add(mload(0x198), mload(0x130)), add(mload(0x1e8), mload(0x1c0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x1b8), mload(0x170)), add(mload(0x148), mload(0x100))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 4, diagonals: words 7 2 5 3 0 1 6 4
                let a1 := add(add(a, b), add(add(mload(0x0f8), mload(0x0b0)), add(mload(0x008), mload(0x0c0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x058), mload(0x070)), add(mload(0x028), mload(0x080))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 5, columns: words 9 14 11 5 8 12 15 1
                let a1 := add(add(a, b), add(add(mload(0x138), mload(0x170)), add(mload(0x108), mload(0x1e0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x1d8), mload(0x0b0)), add(mload(0x188), mload(0x020))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 5, diagonals: words 13 3 0 10 2 6 4 7
                let a1 := add(add(a, b), add(add(mload(0x1b8), mload(0x010)), add(mload(0x048), mload(0x080))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x078), mload(0x150)), add(mload(0x0c8), mload(0x0e0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            {
                // round 6, columns: words 11 15 5 0 1 9 8 6
                let a1 := add(add(a, b), add(add(mload(0x178), mload(0x0b0)), add(mload(0x028), mload(0x100))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_1, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x1f8), mload(0x010)), add(mload(0x128), mload(0x0c0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_1, n), m)
            }
            {
                // round 6, diagonals: words 14 10 2 12 3 4 7 13
                let a1 := add(add(a, b), add(add(mload(0x1d8), mload(0x050)), add(mload(0x068), mload(0x0e0))))
                let d1 := and(shr(16, mul(and(xor(mulmod(d, LEFT_3, n), a1), m), TWICE)), m)
                let c1 := add(mulmod(c, LEFT_2, n), d1)
                let b1 := and(shr(12, mul(and(xor(b, c1), m), TWICE)), m)
                a := add(add(a1, b1), add(add(mload(0x158), mload(0x190)), add(mload(0x088), mload(0x1a0))))
                d := and(shr(8, mul(and(xor(d1, a), m), TWICE)), m)
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), RIGHT_7_LEFT_3, n), m)
            }
            // Rows c and d go back to their columns; b has.
            low := and(xor(a, mulmod(c, LEFT_2, n)), m)
            high := xor(b, mulmod(d, LEFT_1, n))
        }
    }
}
