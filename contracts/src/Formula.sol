// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "./Binary32.sol";
import {Program} from "./Program.sol";

/// @title Expressions and formulas: what an operation does to its sums at one element
/// @notice Trees in prefix order in calldata, as `Program.parse` has accepted them. The Rust twins are `expression.rs` and
/// `formula.rs` of `circuits/src`. Every function is total.
library Formula {
    /// @notice The value of an integer expression of sums; zero of a formula.
    function integer(uint256 p, int256[] memory sums) internal pure returns (int256 value) {
        (value,) = _integer(p, sums);
    }

    function _integer(uint256 p, int256[] memory sums) private pure returns (int256 x, uint256) {
        unchecked {
            uint256 head = _load(p);
            uint256 tag = head >> 248;
            if (tag == Program.SUM) {
                uint256 number = (head >> 240) & 0xff;
                return (number < sums.length ? sums[number] : int256(0), p + 2);
            }
            if (tag == Program.DIVIDE) {
                int256 divisor = int256((head >> 184) & type(uint64).max);
                (x, p) = _integer(p + 9, sums);
                return (_divideRound(x, divisor == 0 ? int256(1) : divisor), p);
            }
            if (tag == Program.CLAMP) {
                int256 low = int64(uint64(head >> 184));
                int256 high = int64(uint64(head >> 120));
                (x, p) = _integer(p + 17, sums);
                if (x < low) x = low;
                return (x > high ? high : x, p);
            }
            if (tag == Program.TABLE) return _table(p, head, sums);
            if (tag == Program.MAX) {
                int256 y;
                (x, p) = _integer(p + 1, sums);
                (y, p) = _integer(p, sums);
                return (x > y ? x : y, p);
            }
            return (0, p);
        }
    }

    /// `floor((x + floor(d / 2)) / d)`.
    function _divideRound(int256 x, int256 d) private pure returns (int256 q) {
        unchecked {
            x += d / 2;
            q = x / d;
            if (x < 0 && q * d != x) --q;
        }
    }

    function _table(uint256 p, uint256 head, int256[] memory sums) private pure returns (int256 x, uint256) {
        unchecked {
            int256 last = int256(uint256(uint32(head >> 152))) - 1;
            uint256 values = p + 13;
            (x, p) = _integer(uint256(int256(values + 4) + 4 * last), sums);
            if (last < 0) return (0, p);
            x -= int64(uint64(head >> 184));
            if (x < 0) x = 0;
            if (x > last) x = last;
            return (int32(uint32(_load(values + 4 * uint256(x)) >> 224)), p);
        }
    }

    /// @notice The value of an expression of numbers of binary32, canonical where it is a NaN; zero of one of integers.
    function real(uint256 p, uint256[] memory sums) internal pure returns (uint256 value) {
        if (_load(p) >> 248 != Program.FORMULA) return 0;
        (value,) = _real(p + 1, sums);
        return Binary32.canonical(value);
    }

    function _real(uint256 p, uint256[] memory sums) private pure returns (uint256 x, uint256) {
        unchecked {
            uint256 head = _load(p);
            uint256 tag = head >> 248;
            uint256 detail = (head >> 240) & 0xff;
            if (tag == 0) return (detail < sums.length ? sums[detail] : 0, p + 2);
            if (tag == 1) return (uint32(head >> 216), p + 5);
            (x, p) = _real(tag < 4 ? p + 2 : p + 1, sums);
            if (tag == 2) return (_unary(detail, x), p);
            uint256 y;
            (y, p) = _real(p, sums);
            if (tag == 3) return (_binary(detail, x, y), p);
            uint256 z;
            (z, p) = _real(p, sums);
            if (tag == 4) return (Binary32.fma(x, y, z), p);
            return (Binary32.equal(x, 0) ? z : y, p);
        }
    }

    function _unary(uint256 function_, uint256 x) private pure returns (uint256) {
        if (function_ == 0) return Binary32.neg(x);
        if (function_ == 1) return Binary32.abs(x);
        if (function_ == 2) return Binary32.sqrt(x);
        if (function_ == 3) return Binary32.floor(x);
        if (function_ == 4) return Binary32.ceil(x);
        if (function_ == 5) return Binary32.roundEven(x);
        return _elementary(function_, x);
    }

    function _binary(uint256 function_, uint256 x, uint256 y) private pure returns (uint256) {
        if (function_ == 0) return Binary32.add(x, y);
        if (function_ == 1) return Binary32.sub(x, y);
        if (function_ == 2) return Binary32.mul(x, y);
        if (function_ == 3) return Binary32.div(x, y);
        if (function_ == 4) return Binary32.maximum(x, y);
        if (function_ == 5) return Binary32.minimum(x, y);
        return (function_ == 6 ? Binary32.less(x, y) : Binary32.equal(x, y)) ? 0x3f800000 : 0;
    }

    /// exp, log, tanh, erf, sigmoid, reciprocal root, sin, cos: 6 to 13.
    function _elementary(uint256 function_, uint256 x) private pure returns (uint256) {
        revert Unknown(function_, x);
    }

    error Unknown(uint256 function_, uint256 x);

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
