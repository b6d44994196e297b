// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "./Binary32.sol";
import {Blake3} from "./Blake3.sol";
import {Expression} from "./Expression.sol";
import {Formulas} from "./Formulas.sol";
import {Lines} from "./Lines.sol";
import {Openings} from "./Openings.sol";
import {Program} from "./Program.sol";

/// @title One element of one operation, computed by steps
/// @notice
///     state_0 -window 0-> state_1 -window 1-> .. -> state_n -expression-> element
///
/// The Rust twin and the definition of every step is `circuits/src/element.rs`. A state is one word here: four words of
/// 64 bits, the first in the highest place. Integers wrap at 64 bits.
///
/// @dev A window is taken in runs along the innermost axis of its term's loop (`Lines`).
library Element {
    /// There is no such window, or no such element.
    error NoStep();

    /// Terms of a block: the partial sums of an f32 fold.
    uint256 private constant BLOCK = 64;
    uint256 private constant WORD = type(uint64).max;
    /// All words of a state but the first.
    uint256 private constant OTHERS = type(uint192).max;

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
            Lines.Run memory run;
            run.point = _point(x, element);
            (uint256[] memory axes, uint256 size) = _axes(x, term, first, run);
            run.cell = first;
            while (true) {
                run.count = size - (run.axis == Lines.NO_AXIS ? 0 : run.point[run.axis]);
                if (run.count > rest) run.count = rest;
                Lines.aim(x, run, term);
                state = _cells(x, opened, run, sum, state);
                rest -= run.count;
                if (rest == 0) return state;
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
    function _axes(Program.Descriptor memory x, uint256 term, uint256 cell, Lines.Run memory run)
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
            (run.axis, last) = count == 0 ? (Lines.NO_AXIS, uint256(1)) : (axes[count - 1], x.sizes[axes[count - 1]]);
            for (; count > 0; --count) {
                uint256 size = x.sizes[axes[count - 1]];
                run.point[axes[count - 1]] = cell % size;
                cell /= size;
            }
        }
    }

    /// The point after a run to the end of its axis.
    function _carry(Program.Descriptor memory x, Lines.Run memory run, uint256[] memory axes) private pure {
        unchecked {
            run.point[run.axis] = 0;
            for (uint256 i = axes.length - 1; i > 0; --i) {
                uint256 axis = axes[i - 1];
                if (++run.point[axis] < x.sizes[axis]) return;
                run.point[axis] = 0;
            }
        }
    }

    /// The state after a run of cells.
    function _cells(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Lines.Run memory run,
        uint256 sum,
        uint256 state
    ) private pure returns (uint256) {
        unchecked {
            uint256 rest = run.count;
            for (uint256 k = 0; rest > 0;) {
                uint256 count = Lines.piece(opened, run, k, rest);
                state = _piece(x, run, sum, count, state);
                run.cell += count;
                k += count;
                rest -= count;
            }
            return state;
        }
    }

    function _piece(Program.Descriptor memory x, Lines.Run memory run, uint256 sum, uint256 count, uint256 state)
        private
        pure
        returns (uint256)
    {
        if (x.class == Program.MAXIMUM) return _maximum(x, run, count, state);
        if (x.class == Program.RANK) {
            return x.real ? _rankReal(x, run, count, state) : _rankInteger(x, run, count, state);
        }
        return x.real ? _fold(run, count, state) : _products(x, run, sum, count, state);
    }

    /// The products of a term's factors, added to a sum's total.
    function _products(Program.Descriptor memory x, Lines.Run memory run, uint256 sum, uint256 count, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 total = 0;
            Lines.Line[] memory lines = run.lines;
            uint256 factors = lines.length;
            if (factors == 2 && lines[0].width < 4 && lines[1].width < 4) {
                total = uint256(run.coefficient) * _narrowProducts(run, count);
                count = 0;
            }
            for (uint256 k = 0; k < count; ++k) {
                uint256 product = uint256(run.coefficient);
                for (uint256 i = 0; i < factors; ++i) {
                    product *= Lines.value(x, lines[i], k);
                }
                total += product;
            }
            uint256 shift = 192 - 64 * sum;
            total = (total + (state >> shift)) & WORD;
            return (state & ~(WORD << shift)) | (total << shift);
        }
    }

    /// The sum of products of two factors of one or two bytes each.
    function _narrowProducts(Lines.Run memory run, uint256 count) private pure returns (uint256 total) {
        (uint256 p, uint256 pStride) = _pointer(run, 0);
        (uint256 q, uint256 qStride) = _pointer(run, 1);
        (uint256 pSign, uint256 qSign) = (run.lines[0].width - 1, run.lines[1].width - 1);
        assembly ("memory-safe") {
            for {} count { count := sub(count, 1) } {
                // Of one byte, the second is not looked at.
                let a := calldataload(p)
                a := signextend(pSign, or(byte(0, a), shl(8, byte(1, a))))
                let b := calldataload(q)
                b := signextend(qSign, or(byte(0, b), shl(8, byte(1, b))))
                total := add(total, mul(a, b))
                p := add(p, pStride)
                q := add(q, qStride)
            }
        }
    }

    /// Fused multiply-adds in blocks of 64 cells: state is total | block. A single factor is added as it is.
    function _fold(Lines.Run memory run, uint256 count, uint256 state) private pure returns (uint256) {
        unchecked {
            uint256 total = state >> 224;
            uint256 block_ = (state >> 192) & 0xffffffff;
            uint256 cell = run.cell;
            (uint256 p, uint256 pStride) = _pointer(run, 0);
            (uint256 q, uint256 qStride) = _pointer(run, 1);
            bool single = run.lines.length == 1;
            while (count > 0) {
                if (cell % BLOCK == 0 && cell > 0) {
                    total = Binary32.add(total, block_);
                    block_ = 0;
                }
                // Up to the end of the block.
                uint256 rest = BLOCK - cell % BLOCK;
                if (rest > count) rest = count;
                count -= rest;
                cell += rest;
                if (single) {
                    for (; rest > 0; --rest) {
                        block_ = Binary32.add(block_, Openings.real(p));
                        p += pStride;
                    }
                }
                for (bool dense = pStride == 4 && qStride == 4; dense && rest >= 8; rest -= 8) {
                    block_ = _foldEight(p, q, block_);
                    p += 32;
                    q += 32;
                }
                for (; rest > 0; --rest) {
                    block_ = Binary32.fma(Openings.real(p), Openings.real(q), block_);
                    p += pStride;
                    q += qStride;
                }
            }
            return (total << 224) | (block_ << 192) | (state & OTHERS);
        }
    }

    /// Eight fused multiply-adds of elements that stand one after the other.
    function _foldEight(uint256 p, uint256 q, uint256 block_) private pure returns (uint256) {
        unchecked {
            (uint256 x, uint256 y) = (Blake3.swap(_load(p)), Blake3.swap(_load(q)));
            for (uint256 shift = 256; shift > 0;) {
                shift -= 32;
                block_ = Binary32.fma((x >> shift) & 0xffffffff, (y >> shift) & 0xffffffff, block_);
            }
            return block_;
        }
    }

    /// Where a factor's elements stand, and what a cell adds. Outside, and where there is no such factor, it is the end of
    /// calldata, behind which there are zeros.
    function _pointer(Lines.Run memory run, uint256 factor) private pure returns (uint256, uint256) {
        if (factor >= run.lines.length) return (msg.data.length, 0);
        Lines.Line memory line = run.lines[factor];
        return line.pointer == 0 ? (msg.data.length, 0) : (line.pointer, line.stride);
    }

    function _maximum(Program.Descriptor memory x, Lines.Run memory run, uint256 count, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (!_isInside(run)) return state;
            uint256 greatest = (state >> 192) & 0xffffffff;
            for (uint256 k = 0; k < count; ++k) {
                uint256 value = Lines.value(x, run.lines[0], k) & 0xffffffff;
                greatest = Binary32.canonical(Binary32.maximum(greatest, value));
            }
            return (greatest << 192) | (state & OTHERS);
        }
    }

    function _rankReal(Program.Descriptor memory x, Lines.Run memory run, uint256 count, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (!_isInside(run)) return state;
            for (uint256 k = 0; k < count; ++k) {
                uint256 value = Lines.value(x, run.lines[0], k);
                if (Binary32.less(state >> 224, value)) {
                    state = (state & OTHERS) | (((value << 32) | (run.cell + k)) << 192);
                }
            }
            return state;
        }
    }

    function _rankInteger(Program.Descriptor memory x, Lines.Run memory run, uint256 count, uint256 state)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 k = 0; k < count; ++k) {
                uint256 value = run.lines.length > 0 ? Lines.value(x, run.lines[0], k) : 0;
                if (int256(value) > int64(uint64(state >> 192))) {
                    state = ((value & WORD) << 192) | ((run.cell + k) << 128);
                }
            }
            return state;
        }
    }

    /// True where the first factor is inside of its tensor, all along the piece.
    function _isInside(Lines.Run memory run) private pure returns (bool) {
        return run.lines.length > 0 && run.lines[0].pointer != 0;
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
            Lines.Run memory run;
            run.point = _point(x, element);
            run.axis = Lines.NO_AXIS;
            run.count = 1;
            run.shiftedAxis = -1;
            uint256 value =
                x.real ? _finishReal(x, opened, formulas, run, state) : _finishInteger(x, opened, run, state);
            return uint64(value & ((uint256(1) << (8 * x.width)) - 1));
        }
    }

    function _finishInteger(
        Program.Descriptor memory x,
        Openings.Opened memory opened,
        Lines.Run memory run,
        uint256 state
    ) private pure returns (uint256) {
        unchecked {
            if (x.class == Program.RANK) return (state >> 128) & WORD;
            bool windows = Program.hasWindows(x);
            if (!windows) state = 0;
            int256[] memory values = new int256[](x.terms.length);
            for (uint256 sum = 0; sum < values.length; ++sum) {
                if (!windows) {
                    uint256[] memory terms = x.terms[sum];
                    for (uint256 i = 0; i < terms.length; ++i) {
                        Lines.aim(x, run, terms[i]);
                        Lines.piece(opened, run, 0, 1);
                        state = _products(x, run, sum, 1, state);
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
        Lines.Run memory run,
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
                    Lines.aim(x, run, terms[i]);
                    if (run.reads > 1) run.reads = 1;
                    Lines.piece(opened, run, 0, 1);
                    if (_isInside(run)) values[count] = Lines.value(x, run.lines[0], 0);
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

    /// Adds what a second factor reads to an index of the first.
    function _shift(Program.Descriptor memory x, Openings.Opened memory opened, Lines.Run memory run, uint256 term)
        private
        pure
    {
        unchecked {
            // The second alone is read first: where the first one lies depends on it.
            (run.lines[0].low, run.lines[0].high) = (0, 0);
            Lines.piece(opened, run, 0, 1);
            run.shift = Binary32.toInt(Lines.value(x, run.lines[1], 0));
            run.shiftedAxis = run.coefficient;
            Lines.aimLine(x, run, run.lines[0], Program.placeOf(term) + 9);
        }
    }

    /// What the first term reads that is inside of its tensor; a second factor is added to an index of the first.
    function _moved(Program.Descriptor memory x, Openings.Opened memory opened, Lines.Run memory run)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 sum = 0; sum < x.terms.length; ++sum) {
                uint256[] memory terms = x.terms[sum];
                for (uint256 i = 0; i < terms.length; ++i) {
                    run.shiftedAxis = -1;
                    Lines.aim(x, run, terms[i]);
                    if (run.lines.length == 2) _shift(x, opened, run, terms[i]);
                    if (run.reads > 1) run.reads = 1;
                    Lines.piece(opened, run, 0, 1);
                    if (_isInside(run)) return Lines.value(x, run.lines[0], 0);
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
