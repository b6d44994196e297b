// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "./Binary32.sol";
import {Elementary} from "./Elementary.sol";

/// @title Formulas: what an operation of binary32 does to its sums at one element
/// @notice Trees in prefix order, as `Program.parse` has accepted them. The Rust twin is `circuits/src/formula.rs`. A
/// contract of its own, since the referee with all of its arithmetic is too large for one. It has neither state nor owner.
contract Formulas {
    /// There is no such function.
    error Unknown(uint256 function_);

    /// @notice The value, canonical where it is a NaN.
    /// @param sums the bits of the operation's sums.
    function value(bytes calldata formula, uint256[] calldata sums) external pure returns (uint256 x) {
        uint256 p;
        assembly ("memory-safe") {
            p := formula.offset
        }
        (x,) = _real(p, sums);
        return Binary32.canonical(x);
    }

    function _real(uint256 p, uint256[] calldata sums) private pure returns (uint256 x, uint256) {
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

    function _elementary(uint256 function_, uint256 x) private pure returns (uint256) {
        if (function_ == 6) return Elementary.exp(x);
        if (function_ == 7) return Elementary.log(x);
        if (function_ == 8) return Elementary.tanh(x);
        if (function_ == 9) return Elementary.erf(x);
        if (function_ == 10) return Elementary.sigmoid(x);
        if (function_ == 11) return Elementary.rsqrt(x);
        if (function_ == 12) return Elementary.sin(x);
        if (function_ == 13) return Elementary.cos(x);
        revert Unknown(function_);
    }

    function _load(uint256 p) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(p)
        }
    }
}
