// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "./Binary32.sol";
import {Expression} from "./Expression.sol";
import {Formulas} from "./Formulas.sol";
import {Openings} from "./Openings.sol";
import {Program} from "./Program.sol";

/// @title One element of one operation, computed by steps
/// @notice
///     state_0 -window 0-> state_1 -window 1-> .. -> state_n -expression-> element
///
/// The Rust twin and the definition of every step is `circuits/src/element.rs`. A state is one word here: four words of
/// 64 bits, the first in the highest place. Integers wrap at 64 bits.
///
/// @dev A window is a run over cells of a term's loop. Along its innermost axis each index of each factor is linear, so a run
/// needs the index maps once: where each factor begins, how far it steps, and between which cells it is inside its tensor.
library Element {
    /// There is no such window, or no such element.
    error NoStep();

    /// Terms of a block: the partial sums of an f32 fold.
    uint256 private constant BLOCK = 64;
    uint256 private constant NO_AXIS = type(uint256).max;
    uint256 private constant WORD = type(uint64).max;
    /// All words of a state but the first.
    uint256 private constant OTHERS = type(uint192).max;

    /// A factor along a run of cells.
    struct Line {
        /// The operand's place in the descriptor.
        uint256 operand;
        /// The place in row-major order at the run's first cell.
        int256 place;
        /// What a cell adds to it.
        int256 step;
        /// The first cell of the run that is inside of the tensor, and the first beyond that is not.
        int256 low;
        int256 high;
        /// Bytes of an element.
        uint256 width;
        /// The chunk that was read last: its first byte in the operand, and where it stands in calldata; 0 where none was.
        uint256 first;
        uint256 chunk;
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
    }

    /// @notice The state after a window.
    function advance(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        uint256 element,
        uint256 window,
        uint256 state
    ) internal pure returns (uint256) {
        unchecked {
            (uint256 sum, uint256 term, uint256 first) = _window(x, window);
            uint256 rest = Program.cellsOf(term) - first;
            uint256 stride = Program.strideOf(term);
            if (rest > stride) rest = stride;
            Run memory run;
            run.point = _point(x, element);
            (uint256[] memory axes, uint256 size) = _axes(x, term, first, run);
            run.cell = first;
            while (true) {
                run.count = size - (run.axis == NO_AXIS ? 0 : run.point[run.axis]);
                if (run.count > rest) run.count = rest;
                _aim(x, run, term);
                state = _cells(x, opened, run, sum, state);
                rest -= run.count;
                if (rest == 0) return state;
                run.cell += run.count;
                _carry(x, run, axes);
            }
            return state;
        }
    }

    /// The window of this number: its sum, its term, its first cell.
    function _window(Program.Descriptor memory x, uint256 rest)
        private
        pure
        returns (uint256 sum, uint256 term, uint256 first)
    {
        unchecked {
            uint256 sums = Program.folded(x);
            for (; sum < sums; ++sum) {
                uint256[] memory terms = x.terms[sum];
                for (uint256 i = 0; i < terms.length; ++i) {
                    uint256 count = Program.windowsOf(terms[i]);
                    if (rest < count) return (sum, terms[i], rest * Program.strideOf(terms[i]));
                    rest -= count;
                }
            }
            revert NoStep();
        }
    }

    /// The loop's point of an element, its reduce axes at zero.
    function _point(Program.Descriptor memory x, uint256 element) private pure returns (uint256[] memory point) {
        unchecked {
            if (element >= x.cells) revert NoStep();
            point = new uint256[](x.sizes.length);
            for (uint256 i = x.rank; i > 0; --i) {
                uint256 size = x.sizes[i - 1];
                point[i - 1] = element % size;
                element /= size;
            }
        }
    }

    /// The term's axes of more than one cell; sets the point to a cell and the run's axis, whose size it gives.
    function _axes(Program.Descriptor memory x, uint256 term, uint256 cell, Run memory run)
        private
        pure
        returns (uint256[] memory axes, uint256 last)
    {
        unchecked {
            uint256 bits = Program.axesOf(term);
            uint256 count = 0;
            axes = new uint256[](x.sizes.length - x.rank);
            for (uint256 i = x.rank; i < x.sizes.length; ++i) {
                if ((bits >> i) & 1 == 1 && x.sizes[i] > 1) axes[count++] = i;
            }
            assembly ("memory-safe") {
                mstore(axes, count)
            }
            (run.axis, last) = count == 0 ? (NO_AXIS, uint256(1)) : (axes[count - 1], x.sizes[axes[count - 1]]);
            for (; count > 0; --count) {
                uint256 size = x.sizes[axes[count - 1]];
                run.point[axes[count - 1]] = cell % size;
                cell /= size;
            }
        }
    }

    /// The point after a run to the end of its axis.
    function _carry(Program.Descriptor memory x, Run memory run, uint256[] memory axes) private pure {
        unchecked {
            run.point[run.axis] = 0;
            for (uint256 i = axes.length - 1; i > 0; --i) {
                uint256 axis = axes[i - 1];
                if (++run.point[axis] < x.sizes[axis]) return;
                run.point[axis] = 0;
            }
        }
    }

    /// Sets the run's lines to a term's factors.
    function _aim(Program.Descriptor memory x, Run memory run, uint256 term) private pure {
        unchecked {
            uint256 p = Program.placeOf(term);
            uint256 head = _load(p);
            run.coefficient = int64(uint64(head >> 192));
            uint256 factors = (head >> 184) & 0xff;
            if (run.lines.length != factors) {
                run.lines = new Line[](factors);
            }
            p += 9;
            for (uint256 i = 0; i < factors; ++i) {
                p = _line(x, run, run.lines[i], p);
            }
        }
    }

    /// Sets a line to the factor at p; where it ends.
    function _line(Program.Descriptor memory x, Run memory run, Line memory line, uint256 p)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 operand = _load(p) >> 248;
            ++p;
            if (operand != line.operand) (line.operand, line.chunk) = (operand, 0);
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

    /// The state after a run of cells.
    function _cells(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Run memory run,
        uint256 sum,
        uint256 state
    ) private pure returns (uint256) {
        if (x.class == Program.MAXIMUM) return _maximum(x, opened, run, state);
        if (x.class == Program.RANK) {
            return x.real ? _rankReal(x, opened, run, state) : _rankInteger(x, opened, run, state);
        }
        return x.real ? _fold(x, opened, run, state) : _products(x, opened, run, sum, state);
    }

    /// The products of a term's factors, added to a sum's total.
    function _products(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Run memory run,
        uint256 sum,
        uint256 state
    ) private pure returns (uint256) {
        unchecked {
            uint256 total = 0;
            Line[] memory lines = run.lines;
            uint256 factors = lines.length;
            uint256 count = run.count;
            for (uint256 k = 0; k < count; ++k) {
                uint256 product = uint256(run.coefficient);
                for (uint256 i = 0; i < factors; ++i) {
                    product *= _read(x, opened, lines[i], int256(k));
                }
                total += product;
            }
            uint256 shift = 192 - 64 * sum;
            total = (total + (state >> shift)) & WORD;
            return (state & ~(WORD << shift)) | (total << shift);
        }
    }

    /// Fused multiply-adds in blocks of 64 cells: state is total | block.
    function _fold(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 total = state >> 224;
            uint256 block_ = (state >> 192) & 0xffffffff;
            Line[] memory lines = run.lines;
            uint256 cell = run.cell;
            uint256 count = run.count;
            for (uint256 k = 0; k < count; ++k) {
                if (cell % BLOCK == 0 && cell > 0) {
                    total = Binary32.add(total, block_);
                    block_ = 0;
                }
                ++cell;
                uint256 a = lines.length > 0 ? _read(x, opened, lines[0], int256(k)) : 0;
                if (lines.length == 1) {
                    block_ = Binary32.add(block_, a);
                } else {
                    uint256 b = lines.length > 1 ? _read(x, opened, lines[1], int256(k)) : 0;
                    block_ = Binary32.fma(a, b, block_);
                }
            }
            return (total << 224) | (block_ << 192) | (state & OTHERS);
        }
    }

    function _maximum(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 greatest = (state >> 192) & 0xffffffff;
            uint256 high = state;
            for (uint256 k = 0; k < run.count; ++k) {
                if (!_isInside(run, int256(k))) continue;
                uint256 value = _read(x, opened, run.lines[0], int256(k)) & 0xffffffff;
                greatest = Binary32.canonical(Binary32.maximum(greatest, value));
                high = greatest << 192;
            }
            return (high & ~OTHERS) | (state & OTHERS);
        }
    }

    function _rankReal(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 k = 0; k < run.count; ++k) {
                if (!_isInside(run, int256(k))) continue;
                uint256 value = _read(x, opened, run.lines[0], int256(k));
                if (Binary32.less(state >> 224, value)) {
                    state = (state & OTHERS) | (((value << 32) | (run.cell + k)) << 192);
                }
            }
            return state;
        }
    }

    function _rankInteger(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 k = 0; k < run.count; ++k) {
                uint256 value = run.lines.length > 0 ? _read(x, opened, run.lines[0], int256(k)) : 0;
                if (int256(value) > int64(uint64(state >> 192))) {
                    state = ((value & WORD) << 192) | ((run.cell + k) << 128);
                }
            }
            return state;
        }
    }

    /// True where the first factor is inside of its tensor at a cell of the run.
    function _isInside(Run memory run, int256 k) private pure returns (bool) {
        return run.lines.length > 0 && k >= run.lines[0].low && k < run.lines[0].high;
    }

    /// What a factor reads at a cell of a run: an integer, or the bits of a binary32; zero outside of its tensor.
    function _read(Program.Descriptor memory x, Openings.Opened memory opened, Line memory line, int256 k)
        private
        pure
        returns (uint256 value)
    {
        unchecked {
            if (k < line.low || k >= line.high) return 0;
            uint256 width = line.width;
            uint256 offset = uint256(line.place + k * line.step) * width;
            uint256 within = offset - line.first;
            if (within >= Openings.CHUNK || line.chunk == 0) {
                within = offset % Openings.CHUNK;
                line.first = offset - within;
                line.chunk = Openings.find(opened, line.operand, offset / Openings.CHUNK);
            }
            value = Openings.element(line.chunk + within, width);
            if (x.real) return value;
            assembly ("memory-safe") {
                value := signextend(sub(width, 1), value)
            }
        }
    }

    /// @notice The element, as its bytes read as a little-endian integer, from the state after the last window.
    function finish(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Formulas formulas,
        uint256 element,
        uint256 state
    ) internal pure returns (uint64) {
        unchecked {
            Run memory run;
            run.point = _point(x, element);
            run.axis = NO_AXIS;
            run.count = 1;
            run.shiftedAxis = -1;
            uint256 value =
                x.real ? _finishReal(x, opened, formulas, run, state) : _finishInteger(x, opened, run, state);
            return uint64(value & ((uint256(1) << (8 * x.width)) - 1));
        }
    }

    function _finishInteger(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (x.class == Program.RANK) return (state >> 128) & WORD;
            bool windows = Program.hasWindows(x);
            if (!windows) state = 0;
            int256[] memory values = new int256[](x.terms.length);
            for (uint256 sum = 0; sum < values.length; ++sum) {
                if (!windows) {
                    uint256[] memory terms = x.terms[sum];
                    for (uint256 i = 0; i < terms.length; ++i) {
                        _aim(x, run, terms[i]);
                        state = _products(x, opened, run, sum, state);
                    }
                }
                values[sum] = int64(uint64(state >> (192 - 64 * sum)));
            }
            return uint256(Expression.value(x.expression, values));
        }
    }

    function _finishReal(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Formulas formulas,
        Run memory run,
        uint256 state
    ) private pure returns (uint256) {
        unchecked {
            if (x.class == Program.RANK) return Binary32.fromInt(int256((state >> 192) & 0xffffffff));
            if (x.class == Program.MOVE) return _moved(x, opened, run);
            uint256 skipped = Program.folded(x);
            uint256 folds = x.class == Program.MAP ? 0 : 1;
            uint256 count = folds;
            for (uint256 sum = skipped; sum < x.terms.length; ++sum) {
                count += x.terms[sum].length;
            }
            uint256[] memory values = new uint256[](count);
            if (x.class == Program.MAXIMUM) values[0] = (state >> 192) & 0xffffffff;
            if (x.class == Program.FOLD) {
                values[0] = Binary32.add(state >> 224, (state >> 192) & 0xffffffff);
            }
            count = folds;
            for (uint256 sum = skipped; sum < x.terms.length; ++sum) {
                uint256[] memory terms = x.terms[sum];
                for (uint256 i = 0; i < terms.length; ++i) {
                    _aim(x, run, terms[i]);
                    if (run.lines.length > 0) values[count] = _read(x, opened, run.lines[0], 0);
                    ++count;
                }
            }
            return _formula(x, formulas, values);
        }
    }

    /// The value of an expression of numbers; zero of one of integers.
    function _formula(Program.Descriptor memory x, Formulas formulas, uint256[] memory values)
        private
        pure
        returns (uint256)
    {
        uint256 p = x.expression;
        if (_load(p) >> 248 != Program.FORMULA) return 0;
        bytes calldata formula;
        uint256 length = x.end - p - 1;
        assembly ("memory-safe") {
            formula.offset := add(p, 1)
            formula.length := length
        }
        return formulas.value(formula, values);
    }

    /// What the first term reads that is inside of its tensor; a second factor is added to an index of the first.
    function _moved(Program.Descriptor memory x, Openings.Opened memory opened, Run memory run)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 sum = 0; sum < x.terms.length; ++sum) {
                uint256[] memory terms = x.terms[sum];
                for (uint256 i = 0; i < terms.length; ++i) {
                    run.shiftedAxis = -1;
                    _aim(x, run, terms[i]);
                    if (run.lines.length == 2) {
                        run.shift = Binary32.toInt(_read(x, opened, run.lines[1], 0));
                        run.shiftedAxis = run.coefficient;
                        // Only the first factor is shifted, and the second is read.
                        _line(x, run, run.lines[0], Program.placeOf(terms[i]) + 9);
                    }
                    if (_isInside(run, 0)) return _read(x, opened, run.lines[0], 0);
                }
            }
            return 0;
        }
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
