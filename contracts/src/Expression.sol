// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Program} from "./Program.sol";

/// @title Expressions: what an operation of integers does to its sums at one element
/// @notice Trees in prefix order in calldata, as `Program.parse` has accepted them. The Rust twin is
/// `circuits/src/expression.rs`. Every function is total.
library Expression {
    /// @notice The value of an integer expression of sums; zero of a formula.
    function value(uint256 p, int256[] memory sums) internal pure returns (int256 x) {
        (x,) = _value(p, sums);
    }

    function _value(uint256 p, int256[] memory sums) private pure returns (int256 x, uint256) {
        unchecked {
            uint256 head = _load(p);
            uint256 tag = head >> 248;
            if (tag == Program.SUM) {
                uint256 number = (head >> 240) & 0xff;
                return (number < sums.length ? sums[number] : int256(0), p + 2);
            }
            if (tag == Program.DIVIDE) {
                int256 divisor = int256((head >> 184) & type(uint64).max);
                (x, p) = _value(p + 9, sums);
                return (_divideRound(x, divisor == 0 ? int256(1) : divisor), p);
            }
            if (tag == Program.CLAMP) {
                int256 low = int64(uint64(head >> 184));
                int256 high = int64(uint64(head >> 120));
                (x, p) = _value(p + 17, sums);
                if (x < low) x = low;
                return (x > high ? high : x, p);
            }
            if (tag == Program.TABLE) return _table(p, head, sums);
            if (tag == Program.MAX) {
                int256 y;
                (x, p) = _value(p + 1, sums);
                (y, p) = _value(p, sums);
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
            (x, p) = _value(uint256(int256(values + 4) + 4 * last), sums);
            if (last < 0) return (0, p);
            x -= int64(uint64(head >> 184));
            if (x < 0) x = 0;
            if (x > last) x = last;
            return (int32(uint32(_load(values + 4 * uint256(x)) >> 224)), p);
        }
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
