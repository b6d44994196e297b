// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Openings} from "./Openings.sol";
import {Program} from "./Program.sol";

/// @title What the factors of a term read along a run of cells
/// @notice Along one axis of a loop each index of a factor is linear, so a run of cells needs the index maps once: where a factor
/// begins, how far it steps, and between which cells it is inside of its tensor. A run is cut into pieces, so short that each factor
/// reads from one chunk all along a piece, or is outside all along it: then an element is a place in calldata.
library Lines {
    /// A run that runs along no axis has one cell.
    uint256 internal constant NO_AXIS = type(uint256).max;

    /// A factor along a run of cells.
    struct Line {
        /// The operand's place in the descriptor.
        uint256 operand;
        /// Bytes of an element.
        uint256 width;
        /// The place in row-major order at the run's first cell.
        int256 place;
        /// What a cell adds to it.
        int256 step;
        /// The first cell of the run that is inside of the tensor, and the first after it that is not.
        int256 low;
        int256 high;
        /// Where the element of the piece's first cell stands in calldata; 0 outside of the tensor.
        uint256 pointer;
        /// What a cell adds to it.
        uint256 stride;
    }

    /// A run of cells.
    struct Run {
        /// The loop's point at the first cell.
        uint256[] point;
        /// The axis along which it runs.
        uint256 axis;
        /// Number of the first cell in the term's loop, and how many.
        uint256 cell;
        uint256 count;
        /// The term's coefficient.
        int256 coefficient;
        /// What is added to the index of one axis of the first factor: a gather's.
        int256 shiftedAxis;
        int256 shift;
        /// The term's factors.
        Line[] lines;
        /// So many of them, the first ones, are read.
        uint256 reads;
    }

    /// @notice Sets a run's lines to a term's factors.
    function aim(Program.Descriptor memory x, Run memory run, uint256 term) internal pure {
        unchecked {
            uint256 p = Program.placeOf(term);
            uint256 head = _load(p);
            run.coefficient = int64(uint64(head >> 192));
            uint256 factors = (head >> 184) & 0xff;
            if (run.lines.length != factors) {
                run.lines = new Line[](factors);
            }
            run.reads = factors;
            if (x.class == Program.MAXIMUM || x.class == Program.RANK) {
                if (factors > 1) run.reads = 1;
            } else if (x.real && factors > 2) {
                run.reads = 2;
            }
            p += 9;
            for (uint256 i = 0; i < factors; ++i) {
                p = aimLine(x, run, run.lines[i], p);
            }
        }
    }

    /// @notice Sets a line to the factor at p; where it ends.
    function aimLine(Program.Descriptor memory x, Run memory run, Line memory line, uint256 p)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 operand = _load(p) >> 248;
            ++p;
            line.operand = operand;
            operand = x.operands[operand];
            line.width = Program.widthOf(operand);
            (line.place, line.step, line.low, line.high) = (0, 0, 0, int256(run.count));
            uint256 rank = Program.rankOf(operand);
            uint256 sizes = Program.sizesOf(operand);
            for (uint256 axis = 0; axis < rank; ++axis) {
                int256 index;
                int256 step;
                (index, step, p) = _index(run, p);
                if (run.shiftedAxis == int256(axis)) index += run.shift;
                int256 size = int256(_load(sizes + 4 * axis) >> 224);
                _bound(line, index, step, size);
                line.place = line.place * size + index;
                line.step = line.step * size + step;
            }
            return p;
        }
    }

    /// The index at p at the run's first cell, what a cell adds to it, and where it ends.
    function _index(Run memory run, uint256 p) private pure returns (int256 index, int256 step, uint256) {
        unchecked {
            uint256 head = _load(p);
            index = int64(uint64(head >> 192));
            uint256[] memory point = run.point;
            uint256 runs = run.axis;
            p += 9;
            for (uint256 count = (head >> 184) & 0xff; count > 0; --count) {
                head = _load(p);
                p += 5;
                uint256 axis = head >> 248;
                int256 coefficient = int32(uint32(head >> 216));
                if (axis < point.length) index += coefficient * int256(point[axis]);
                if (axis == runs) step += coefficient;
            }
            return (index, step, p);
        }
    }

    /// Cuts a line to the cells where an index lies within [0, size).
    function _bound(Line memory line, int256 index, int256 step, int256 size) private pure {
        unchecked {
            if (step == 0) {
                if (index < 0 || index >= size) line.high = 0;
                return;
            }
            // Cells k with low <= k < high: index + k step >= 0 and index + k step < size.
            (int256 low, int256 high) = step > 0
                ? (_ceil(-index, step), _ceil(size - index, step))
                : (_ceil(index - size + 1, -step), _ceil(index + 1, -step));
            if (low > line.low) line.low = low;
            if (high < line.high) line.high = high;
        }
    }

    /// The least integer not below a / b, of a positive b; of a negative a zero or more than that, which bounds nothing.
    function _ceil(int256 a, int256 b) private pure returns (int256) {
        unchecked {
            return a <= 0 ? int256(0) : (a + b - 1) / b;
        }
    }

    /// @notice Sets the lines that are read to the run's cells from k on; how many of them, at most `most`, are in one piece.
    function piece(Openings.Opened memory opened, Run memory run, uint256 k, uint256 most)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 reads = run.reads;
            for (uint256 i = 0; i < reads; ++i) {
                most = _settle(opened, run.lines[i], int256(k), most);
            }
            return most;
        }
    }

    function _settle(Openings.Opened memory opened, Line memory line, int256 k, uint256 most)
        private
        pure
        returns (uint256)
    {
        unchecked {
            (line.pointer, line.stride) = (0, 0);
            if (k >= line.high) return most;
            if (k < line.low) return _least(most, uint256(line.low - k));
            most = _least(most, uint256(line.high - k));
            uint256 width = line.width;
            uint256 offset = uint256(line.place + k * line.step) * width;
            uint256 within = offset % Openings.CHUNK;
            line.pointer = Openings.find(opened, line.operand, offset / Openings.CHUNK) + within;
            int256 stride = line.step * int256(width);
            line.stride = uint256(stride);
            // Elements are aligned: none lies in two chunks.
            if (stride > 0) return _least(most, (Openings.CHUNK - within - 1) / uint256(stride) + 1);
            return stride == 0 ? most : _least(most, within / uint256(-stride) + 1);
        }
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @notice What a factor reads at a cell of a piece: an integer, or the bits of a binary32; zero outside of its tensor.
    function value(Program.Descriptor memory x, Line memory line, uint256 k) internal pure returns (uint256 bits) {
        unchecked {
            uint256 pointer = line.pointer;
            if (pointer == 0) return 0;
            uint256 width = line.width;
            bits = Openings.element(pointer + k * line.stride, width);
            if (x.real) return bits;
            assembly ("memory-safe") {
                bits := signextend(sub(width, 1), bits)
            }
        }
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
