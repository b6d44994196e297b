// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Programs as a referee sees them
/// @notice The header whose keccak is a program's root, trees of keccak, and descriptors: all that is to know of one operation.
///
///     leaf = keccak256(0x00, bytes)     node = keccak256(0x01, left, right)     padded with zero words
///     root = keccak256(0x02, header)
///
/// The format of a descriptor is that of `circuits/src/descriptor.rs`; what is refused here is what `judgeable` of
/// `verifier/src/referee.rs` refuses, and operands out of order. Numbers are big-endian.
///
/// @dev A descriptor stays in calldata. A `Descriptor` holds where its parts begin, as absolute positions in calldata.
library Program {
    /// The header has another number of bytes.
    error HeaderLength(uint256 given);
    /// The bytes are no descriptor, or not the canonical one.
    error NotADescriptor();
    /// The descriptor is beyond what a referee judges; a checked program has none such.
    error Unjudgeable();

    /// An operation with all that it refers to.
    struct Descriptor {
        /// Whether elements are numbers of binary32; else they are integers.
        bool real;
        /// What it does, one of the constants below.
        uint256 class;
        /// Bytes of an element of its wire.
        uint256 width;
        /// Axes of its wire.
        uint256 rank;
        /// Cells of its wire.
        uint256 cells;
        /// Sizes of the wire's axes, then of the reduce axes.
        uint256[] sizes;
        /// The tensors that it reads, packed by `_operand`.
        uint256[] operands;
        /// The terms of each sum, packed by `_term`.
        uint256[][] terms;
        /// Factors of all terms.
        uint256 factors;
        /// Where its expression begins, and where it ends with the descriptor.
        uint256 expression;
        uint256 end;
    }

    uint256 internal constant MAP = 0;
    uint256 internal constant FOLD = 1;
    uint256 internal constant MOVE = 2;
    uint256 internal constant RANK = 3;
    uint256 internal constant MAXIMUM = 4;

    /// Where operands come from.
    uint256 internal constant INPUT = 0;
    uint256 internal constant CONSTANT = 1;
    uint256 internal constant OPERATION = 2;

    /// Tags of expressions.
    uint256 internal constant SUM = 0;
    uint256 internal constant DIVIDE = 1;
    uint256 internal constant CLAMP = 2;
    uint256 internal constant TABLE = 3;
    uint256 internal constant MAX = 4;
    uint256 internal constant FORMULA = 5;

    uint256 internal constant HEADER_BYTES = 182;
    uint256 private constant MAX_DESCRIPTOR = 1 << 20;
    uint256 private constant MAX_TERMS = 1 << 10;
    uint256 private constant MAX_FACTORS = 3;
    uint256 private constant MAX_STRIDE = 512;
    uint256 private constant MAX_AXES = 8;
    uint256 private constant MAX_VARIABLES = 40;
    uint256 private constant MAX_TABLE = 1 << 17;
    uint256 private constant MAX_DEPTH = 16;
    uint256 private constant MAX_NODES = 64;
    /// A map of at most so many reads has no window.
    uint256 private constant MAX_READS = 4;

    // The header.

    /// @notice The program root.
    function root(bytes calldata header) internal pure returns (bytes32) {
        if (header.length != HEADER_BYTES) revert HeaderLength(header.length);
        return keccak256(abi.encodePacked(bytes1(0x02), header));
    }

    /// @notice The precision: 0 of integers, 1 of binary32.
    function precision(bytes calldata header) internal pure returns (uint256) {
        return uint8(header[4]);
    }

    /// @notice The number of operations.
    function operations(bytes calldata header) internal pure returns (uint256) {
        return uint32(bytes4(header[6:10]));
    }

    /// @notice The number of constants.
    function constants(bytes calldata header) internal pure returns (uint256) {
        return uint32(bytes4(header[10:14]));
    }

    /// @notice The number of outputs.
    function outputs(bytes calldata header) internal pure returns (uint256) {
        return uint32(bytes4(header[18:22]));
    }

    /// @notice The root of the tree of operations.
    function operationTree(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(header[22:54]);
    }

    /// @notice The root of the tree of constants.
    function constantTree(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(header[54:86]);
    }

    /// @notice The root of the tree of outputs.
    function outputTree(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(header[118:150]);
    }

    // Trees.

    /// @notice The leaf of a byte string.
    function leaf(bytes calldata data) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), data));
    }

    /// @notice A node from its children.
    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            value := keccak256(free, 65)
        }
    }

    /// @notice The smallest b with `size <= 2^b`, of a size of at most 2^32.
    function log2(uint256 size) internal pure returns (uint256 bits) {
        assembly ("memory-safe") {
            // The number of bits of what is below the size.
            let rest := sub(size, iszero(iszero(size)))
            bits := shl(4, lt(0xffff, rest))
            bits := or(bits, shl(3, lt(0xff, shr(bits, rest))))
            bits := or(bits, shl(2, lt(0xf, shr(bits, rest))))
            rest := shr(bits, rest)
            // Of up to four bits.
            bits := add(bits, add(add(lt(0, rest), lt(1, rest)), add(lt(3, rest), lt(7, rest))))
        }
    }

    /// @notice True where a path leads from a leaf of a tree of `count` leaves to its root.
    /// @param path words from the leaf up.
    function isLeaf(bytes32 tree, bytes32 value, uint256 index, uint256 count, bytes calldata path)
        internal
        pure
        returns (bool)
    {
        unchecked {
            if (index >= count || path.length != 32 * log2(count)) return false;
            for (uint256 offset = 0; offset < path.length; offset += 32) {
                bytes32 sibling;
                assembly ("memory-safe") {
                    sibling := calldataload(add(path.offset, offset))
                }
                value = index & 1 == 0 ? node(value, sibling) : node(sibling, value);
                index >>= 1;
            }
            return value == tree;
        }
    }

    // Descriptors.

    /// @notice Reads a descriptor.
    function parse(bytes calldata bytes_) internal pure returns (Descriptor memory x) {
        unchecked {
            if (bytes_.length > MAX_DESCRIPTOR) revert Unjudgeable();
            uint256 p;
            assembly ("memory-safe") {
                p := bytes_.offset
            }
            uint256 end = p + bytes_.length;
            // version | precision | class | width | rank | reduce axes | sources | sums
            uint256 head = _take(p, 8, end) >> 192;
            p += 8;
            x.real = (head >> 48) & 0xff == 1;
            x.class = (head >> 40) & 0xff;
            x.width = (head >> 32) & 0xff;
            if (head >> 49 != 0x80 || x.class > MAXIMUM || !_isWidth(x.width)) revert NotADescriptor();
            p = _parseShape(x, (head >> 24) & 0xff, (head >> 16) & 0xff, p, end);
            p = _parseOperands(x, (head >> 8) & 0xff, p, end);
            x.terms = new uint256[][](head & 0xff);
            for (uint256 i = 0; i < x.terms.length; ++i) {
                p = _parseSum(x, i, p, end);
            }
            (x.expression, x.end) = (p, end);
            if (_skipExpression(p, end, 0) != end) revert NotADescriptor();
            if (x.terms.length > (x.real ? 5 : 4)) revert Unjudgeable();
            if (x.real && x.width != 4) revert Unjudgeable();
        }
    }

    /// @notice Bytes of the operation's wire.
    function length(Descriptor memory x) internal pure returns (uint64) {
        unchecked {
            return uint64(x.cells * x.width);
        }
    }

    /// @notice True where an element is computed in windows before its expression.
    function hasWindows(Descriptor memory x) internal pure returns (bool) {
        if (x.class == MOVE) return false;
        return x.class != MAP || (!x.real && x.factors > MAX_READS);
    }

    /// @notice Words of a state.
    function words(Descriptor memory x) internal pure returns (uint256) {
        if (!hasWindows(x)) return 0;
        if (x.real) return 1;
        return x.class == RANK ? 2 : x.terms.length;
    }

    /// @notice The sums that windows compute; those after it are read by the expression.
    function folded(Descriptor memory x) internal pure returns (uint256) {
        if (!hasWindows(x)) return 0;
        return x.real && x.terms.length > 1 ? 1 : x.terms.length;
    }

    /// @notice The state before the first window: four words of 64 bits, the first in the highest place.
    function start(Descriptor memory x) internal pure returns (uint256) {
        if (x.class == MAXIMUM) return 0xff800000 << 192;
        if (x.class == RANK) return uint256(x.real ? 0xff800000 << 32 : 1 << 63) << 192;
        return 0;
    }

    /// @notice The number of windows.
    function windows(Descriptor memory x) internal pure returns (uint256 count) {
        unchecked {
            uint256 sums = folded(x);
            for (uint256 i = 0; i < sums; ++i) {
                uint256[] memory terms = x.terms[i];
                for (uint256 j = 0; j < terms.length; ++j) {
                    count += windowsOf(terms[j]);
                }
            }
        }
    }

    /// @notice The number of windows of a term.
    function windowsOf(uint256 term) internal pure returns (uint256) {
        unchecked {
            uint256 stride = strideOf(term);
            return (cellsOf(term) + stride - 1) / stride;
        }
    }

    /// @notice Where a term's coefficient stands in calldata; its factors follow.
    function placeOf(uint256 term) internal pure returns (uint256) {
        return uint32(term);
    }

    /// @notice Cells of a window of a term.
    function strideOf(uint256 term) internal pure returns (uint256) {
        return uint16(term >> 32);
    }

    /// @notice The loop axes that a term runs over, as bits.
    function axesOf(uint256 term) internal pure returns (uint256) {
        return uint16(term >> 48);
    }

    /// @notice Cells of a term's loop.
    function cellsOf(uint256 term) internal pure returns (uint256) {
        return term >> 64;
    }

    /// @notice Where the sizes of an operand's axes stand in calldata.
    function sizesOf(uint256 operand) internal pure returns (uint256) {
        return uint32(operand);
    }

    /// @notice Axes of an operand.
    function rankOf(uint256 operand) internal pure returns (uint256) {
        return uint8(operand >> 32);
    }

    /// @notice Bytes of an element of an operand.
    function widthOf(uint256 operand) internal pure returns (uint256) {
        return uint8(operand >> 40);
    }

    /// @notice Number of an operand's source among those of its kind.
    function numberOf(uint256 operand) internal pure returns (uint256) {
        return uint32(operand >> 48);
    }

    /// @notice Kind of an operand's source.
    function kindOf(uint256 operand) internal pure returns (uint256) {
        return uint8(operand >> 80);
    }

    /// @notice Bytes of an operand.
    function lengthOf(uint256 operand) internal pure returns (uint64) {
        return uint64(operand >> 88);
    }

    // Reading.

    /// A word of calldata, of which `count` bytes are the descriptor's.
    function _take(uint256 p, uint256 count, uint256 end) private pure returns (uint256 word) {
        unchecked {
            if (p + count > end) revert NotADescriptor();
        }
        return _load(p);
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }

    function _isWidth(uint256 width) private pure returns (bool) {
        return width == 1 || width == 2 || width == 4 || width == 8;
    }

    /// The cells of a shape whose sizes stand at p.
    function _cells(uint256 rank, uint256 p, uint256 end) private pure returns (uint256 cells) {
        unchecked {
            if (rank > MAX_AXES || p + 4 * rank > end) revert NotADescriptor();
            uint256 variables = 0;
            cells = 1;
            for (uint256 stop = p + 4 * rank; p < stop; p += 4) {
                uint256 size = _load(p) >> 224;
                cells *= size;
                variables += log2(size);
            }
            if (cells == 0 || variables > MAX_VARIABLES) revert NotADescriptor();
        }
    }

    function _parseShape(Descriptor memory x, uint256 rank, uint256 reduces, uint256 p, uint256 end)
        private
        pure
        returns (uint256)
    {
        unchecked {
            x.rank = rank;
            x.cells = _cells(rank, p, end);
            _cells(reduces, p + 4 * rank, end);
            uint256[] memory sizes = new uint256[](rank + reduces);
            for (uint256 i = 0; i < sizes.length; ++i) {
                sizes[i] = _load(p) >> 224;
                p += 4;
            }
            x.sizes = sizes;
            return p;
        }
    }

    function _parseOperands(Descriptor memory x, uint256 count, uint256 p, uint256 end) private pure returns (uint256) {
        unchecked {
            uint256[] memory operands = new uint256[](count);
            uint256 least = 0;
            for (uint256 i = 0; i < count; ++i) {
                // kind | u32 number | width | rank
                uint256 head = _take(p, 7, end) >> 200;
                p += 7;
                uint256 source = head >> 16;
                uint256 width = (head >> 8) & 0xff;
                uint256 rank = head & 0xff;
                if (source >> 32 > OPERATION || source < least || !_isWidth(width)) revert NotADescriptor();
                if (x.real && width != 4) revert Unjudgeable();
                least = source + 1;
                uint256 bytes_ = _cells(rank, p, end) * width;
                operands[i] = (bytes_ << 88) | (source << 48) | (width << 40) | (rank << 32) | p;
                p += 4 * rank;
            }
            x.operands = operands;
            return p;
        }
    }

    function _parseSum(Descriptor memory x, uint256 sum, uint256 p, uint256 end) private pure returns (uint256) {
        unchecked {
            uint256 count = _take(p, 2, end) >> 240;
            p += 2;
            if (count > MAX_TERMS) revert Unjudgeable();
            uint256[] memory terms = new uint256[](count);
            for (uint256 i = 0; i < count; ++i) {
                // u16 stride | i64 coefficient | u8 factors
                uint256 head = _take(p, 11, end) >> 168;
                uint256 stride = head >> 72;
                uint256 factors = head & 0xff;
                if (stride == 0) revert NotADescriptor();
                if (stride > MAX_STRIDE || factors > MAX_FACTORS) revert Unjudgeable();
                uint256 place = p + 2;
                p += 11;
                uint256 axes = 0;
                for (uint256 j = 0; j < factors; ++j) {
                    uint256 read;
                    (read, p) = _skipFactor(x, p, end);
                    axes |= read;
                }
                x.factors += factors;
                uint256 cells;
                (axes, cells) = _loop(x, axes);
                terms[i] = (cells << 64) | (axes << 48) | (stride << 32) | place;
            }
            x.terms[sum] = terms;
            return p;
        }
    }

    /// The loop axes that a factor reads, as bits, and where it ends.
    function _skipFactor(Descriptor memory x, uint256 p, uint256 end) private pure returns (uint256 axes, uint256) {
        unchecked {
            uint256 operand = _load(p) >> 248;
            if (p >= end || operand >= x.operands.length) revert NotADescriptor();
            ++p;
            for (uint256 rank = rankOf(x.operands[operand]); rank > 0; --rank) {
                // i64 constant | u8 n | n * (u8 axis | i32 coefficient)
                uint256 stop = p + 9 + 5 * ((_load(p) >> 184) & 0xff);
                p += 9;
                if (stop > end) revert NotADescriptor();
                for (; p < stop; p += 5) {
                    axes |= uint256(1) << (_load(p) >> 248);
                }
            }
            return (axes, p);
        }
    }

    /// The reduce axes that a term runs over, of those that it reads, and its cells.
    function _loop(Descriptor memory x, uint256 axes) private pure returns (uint256, uint256 cells) {
        unchecked {
            uint256 count = x.sizes.length;
            uint256 reduces = (uint256(1) << count) - (uint256(1) << x.rank);
            axes = x.real ? reduces : reduces & axes;
            cells = 1;
            for (uint256 i = x.rank; i < count; ++i) {
                if ((axes >> i) & 1 == 1) cells *= x.sizes[i];
            }
            return (axes, cells);
        }
    }

    /// Where an expression ends.
    function _skipExpression(uint256 p, uint256 end, uint256 depth) private pure returns (uint256) {
        unchecked {
            if (depth > MAX_DEPTH) revert NotADescriptor();
            uint256 head = _take(p, 1, end);
            uint256 tag = head >> 248;
            if (tag == SUM) return p + 2;
            if (tag == FORMULA && depth == 0) {
                (p,) = _skipFormula(p + 1, end, 0, 0);
                return p;
            }
            if (tag == DIVIDE) return _skipExpression(p + 9, end, depth + 1);
            if (tag == CLAMP) return _skipExpression(p + 17, end, depth + 1);
            if (tag == TABLE) {
                uint256 count = uint32(_take(p, 13, end) >> 152);
                if (count > MAX_TABLE) revert NotADescriptor();
                return _skipExpression(p + 13 + 4 * count, end, depth + 1);
            }
            if (tag != MAX) revert NotADescriptor();
            return _skipExpression(_skipExpression(p + 1, end, depth + 1), end, depth + 1);
        }
    }

    /// Where a formula ends, and its nodes with those before it.
    function _skipFormula(uint256 p, uint256 end, uint256 depth, uint256 nodes)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            ++nodes;
            if (depth > MAX_DEPTH || nodes > MAX_NODES) revert NotADescriptor();
            uint256 head = _take(p, 1, end);
            uint256 tag = head >> 248;
            if (tag == 0) return (p + 2, nodes);
            if (tag == 1) return (p + 5, nodes);
            uint256 arguments = 3;
            ++p;
            if (tag < 4) {
                arguments = tag - 1;
                uint256 known = tag == 2 ? 14 : 8;
                if ((head >> 240) & 0xff >= known) revert NotADescriptor();
                ++p;
            } else if (tag > 5) {
                revert NotADescriptor();
            }
            for (; arguments > 0; --arguments) {
                (p, nodes) = _skipFormula(p, end, depth + 1, nodes);
            }
            return (p, nodes);
        }
    }
}
