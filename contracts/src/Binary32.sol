// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IEEE-754 binary32 on its bits
/// @notice The arithmetic of exact f32 programs in integers, rounded to nearest and ties to even. Subnormal numbers and the
/// sign of zero are kept, and each NaN that is returned is `NAN`. Every function is total. Numbers are held in the lowest
/// 32 bits of a uint256; callers leave the others zero. The Rust twin is `circuits/src/binary32.rs`.
///
/// @dev A finite number is (-1)^sign * significand * 2^(exponent - 150), its exponent field at least 1. An operation computes
/// the exact result, or leading bits of it and one bit that says whether anything follows, and rounds once, in `round`.
library Binary32 {
    /// The only NaN that arithmetic returns.
    uint256 internal constant NAN = 0x7fc00000;
    /// Positive infinity.
    uint256 internal constant INFINITY = 0x7f800000;
    /// The bit that holds the sign; alone it is -0.
    uint256 internal constant SIGN = 0x80000000;
    /// 1.
    uint256 internal constant ONE = 0x3f800000;

    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant GREATEST = 0x7f7fffff;
    uint256 private constant FRACTION = 0x007fffff;
    uint256 private constant HIDDEN = 0x00800000;
    /// The exponent fields of normal numbers, as bits: neither 0 nor 255.
    uint256 private constant NORMAL = (1 << 255) - 2;
    /// 1/2.
    uint256 private constant HALF = 0x3f000000;
    /// Significands farther apart than this are moved together: the lower one only decides on which side of the higher
    /// one the sum lies. The higher one has an ulp of the result at most 2^25 times smaller than its own unit, the lower
    /// one is below 2^-28 of that unit; and 48 + 76 bits are what `round` takes.
    uint256 private constant GAP = 76;
    /// Number of bits but one of each number below 32; for 0 it is 0.
    uint256 private constant LENGTHS = 0x0000010102020202030303030303030304040404040404040404040404040404;

    /// @notice Whether it is any NaN.
    function isNan(uint256 a) internal pure returns (bool) {
        return a & MAGNITUDE > INFINITY;
    }

    /// @notice The same number; `NAN` for every NaN.
    function canonical(uint256 a) internal pure returns (uint256) {
        return isNan(a) ? NAN : a;
    }

    /// @notice a + b.
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            uint256 j = (b >> 23) & 0xff;
            if ((NORMAL >> i) & (NORMAL >> j) & 1 == 0) return _addEdge(a, b);
            return _sum(
                (1 - (a >> 30 & 2)) * (a & FRACTION | HIDDEN) << 24,
                i + 126,
                (1 - (b >> 30 & 2)) * (b & FRACTION | HIDDEN) << 24,
                j + 126
            );
        }
    }

    /// @notice a - b.
    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    /// @notice a * b.
    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            uint256 j = (b >> 23) & 0xff;
            if ((NORMAL >> i) & (NORMAL >> j) & 1 == 0) return _mulEdge(a, b);
            uint256 product = (a & FRACTION | HIDDEN) * (b & FRACTION | HIDDEN);
            return _roundAt((a ^ b) & SIGN, i + j, product, 46 + (product >> 47));
        }
    }

    /// @notice a * b + c, rounded once.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            uint256 j = (b >> 23) & 0xff;
            uint256 k = (c >> 23) & 0xff;
            if ((NORMAL >> i) & (NORMAL >> j) & (NORMAL >> k) & 1 == 0) return _fmaEdge(a, b, c);
            return _sum(
                (1 - ((a ^ b) >> 30 & 2)) * (a & FRACTION | HIDDEN) * (b & FRACTION | HIDDEN),
                i + j,
                (1 - (c >> 30 & 2)) * (c & FRACTION | HIDDEN) << 24,
                k + 126
            );
        }
    }

    /// @notice a / b; a nonzero number over zero is an infinity.
    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            uint256 j = (b >> 23) & 0xff;
            if ((NORMAL >> i) & (NORMAL >> j) & 1 == 0) return _divEdge(a, b);
            uint256 quotient = _quotient(a & FRACTION | HIDDEN, b & FRACTION | HIDDEN);
            return _roundAt((a ^ b) & SIGN, 300 - 65 + i - j, quotient, 64 + (quotient >> 65));
        }
    }

    /// @notice The square root; NaN below zero, -0 of -0.
    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (a & MAGNITUDE == 0) return a;
            if (a > INFINITY) return NAN;
            if (a == INFINITY) return a;
            (uint256 x, uint256 i) = _unpack(a);
            if (x < HIDDEN) {
                uint256 shift = 23 - _log2(x);
                x <<= shift;
                i -= shift;
            }
            // x 2^27 or x 2^28, from 2^50 up to 2^52, so that an even power of two remains.
            uint256 odd = i & 1;
            x <<= 28 - odd;
            uint256 root;
            assembly {
                // A chord that is at most 1/24 off, and above the root after one step of Newton.
                root := add(div(x, 0x6000000), 0x16aaaab)
                root := shr(1, add(root, div(x, root)))
                root := shr(1, add(root, div(x, root)))
                root := shr(1, add(root, div(x, root)))
                root := sub(root, lt(div(x, root), root))
                root := or(shl(1, root), lt(mul(root, root), x))
            }
            // (i - 150 - 28 + odd) / 2 - 1, plus 300.
            return _roundAt(0, (i + odd + 420) >> 1, root, 26);
        }
    }

    /// @notice a < b; false if either is NaN.
    function less(uint256 a, uint256 b) internal pure returns (bool) {
        return !isNan(a) && !isNan(b) && (a | b) & MAGNITUDE != 0 && _key(a) < _key(b);
    }

    /// @notice a = b: zeros are equal, a NaN equals nothing.
    function equal(uint256 a, uint256 b) internal pure returns (bool) {
        return !isNan(a) && (a == b || (a | b) & MAGNITUDE == 0);
    }

    /// @notice a <= b; false if either is NaN.
    function lessEqual(uint256 a, uint256 b) internal pure returns (bool) {
        return less(a, b) || equal(a, b);
    }

    /// @notice The greater one, +0 above -0; NaN if either is NaN.
    function maximum(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNan(a) || isNan(b)) return NAN;
        return _key(a) < _key(b) ? b : a;
    }

    /// @notice The lesser one, -0 below +0; NaN if either is NaN.
    function minimum(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNan(a) || isNan(b)) return NAN;
        return _key(a) < _key(b) ? a : b;
    }

    /// @notice -a.
    function neg(uint256 a) internal pure returns (uint256) {
        return canonical(a ^ SIGN);
    }

    /// @notice |a|.
    function abs(uint256 a) internal pure returns (uint256) {
        return canonical(a & MAGNITUDE);
    }

    /// @notice The integer towards zero, with the sign of a.
    function trunc(uint256 a) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            if (i >= 150) return canonical(a);
            // Below 1.
            if (i < 127) return a & SIGN;
            return a >> (150 - i) << (150 - i);
        }
    }

    /// @notice The greatest integer not above a; -0 of -0.
    function floor(uint256 a) internal pure returns (uint256) {
        uint256 towardsZero = trunc(a);
        return a & SIGN != 0 && a != towardsZero ? sub(towardsZero, ONE) : towardsZero;
    }

    /// @notice The least integer not below a, with the sign of a.
    function ceil(uint256 a) internal pure returns (uint256) {
        return neg(floor(neg(a)));
    }

    /// @notice The nearest integer, the even one of two, with the sign of a.
    function roundEven(uint256 a) internal pure returns (uint256) {
        unchecked {
            uint256 i = (a >> 23) & 0xff;
            if (i >= 150) return canonical(a);
            if (i < 127) return a & MAGNITUDE > HALF ? a & SIGN | ONE : a & SIGN;
            // The integer ends in the bit of weight `unit`; below 2 that is the exponent's last bit, 1 like the hidden one.
            uint256 unit = 1 << (150 - i);
            uint256 odd = (a & unit) >> (150 - i);
            return (a + (unit >> 1) - 1 + odd) & ~(unit - 1);
        }
    }

    /// @notice The nearest number to an integer from -2^127 up to 2^127.
    function fromInt(int256 value) internal pure returns (uint256) {
        unchecked {
            return value < 0 ? round(SIGN, 300, uint256(-value)) : round(0, 300, uint256(value));
        }
    }

    /// @notice The integer towards zero, the nearest one of 64 bits if there is none; 0 for NaN.
    function toInt(uint256 a) internal pure returns (int256) {
        unchecked {
            if (isNan(a)) return 0;
            (uint256 significand, uint256 i) = _unpack(a);
            bool negative = a & SIGN != 0;
            if (i >= 190) return negative ? int256(type(int64).min) : int256(type(int64).max);
            int256 magnitude = int256(i >= 150 ? significand << (i - 150) : significand >> (150 - i));
            return negative ? -magnitude : magnitude;
        }
    }

    /// @notice The number nearest to significand * 2^(exponent - 300), with `sign`, which is 0 or `SIGN`.
    /// @param sign the sign's bit
    /// @param exponent modulo 2^256; with the significand's length at least 107
    /// @param significand below 2^128
    function round(uint256 sign, uint256 exponent, uint256 significand) internal pure returns (uint256) {
        if (significand == 0) return sign;
        return _roundAt(sign, exponent, significand, _log2(significand));
    }

    /// The same for a significand from 2^length on, below 2^(length + 1).
    function _roundAt(uint256 sign, uint256 exponent, uint256 significand, uint256 length)
        private
        pure
        returns (uint256 bits)
    {
        assembly {
            // 24 bits more, so that there is always something to shift away: 24 bits remain, fewer below the least
            // normal number.
            significand := shl(24, significand)
            let shift := add(length, 1)
            let steps := add(exponent, shift)
            if slt(steps, 175) {
                shift := sub(175, exponent)
                steps := 175
            }
            bits := shr(shift, significand)
            let rest := shl(sub(256, shift), significand)
            bits := add(bits, gt(rest, sub(shl(255, 1), and(bits, 1))))
            // A carry out of the significand raises the exponent by itself, up to infinity.
            bits := add(shl(23, sub(steps, 175)), bits)
            if gt(bits, GREATEST) { bits := INFINITY }
            bits := or(bits, sign)
        }
    }

    /// Number of bits but one of a number from 1 up to 2^128.
    function _log2(uint256 x) private pure returns (uint256 length) {
        assembly {
            length := shl(6, lt(0xffffffffffffffff, x))
            length := or(length, shl(5, lt(0xffffffff, shr(length, x))))
            length := or(length, shl(4, lt(0xffff, shr(length, x))))
            length := or(length, shl(3, lt(0xff, shr(length, x))))
            length := add(length, mul(3, lt(0x1f, shr(length, x))))
            length := add(length, byte(shr(length, x), LENGTHS))
        }
    }

    /// The number nearest to p 2^(i - 300) + c 2^(k - 300) of two integers that are not zero, of magnitudes below 2^48. Where
    /// both are 2^46 or more, which they are for normal numbers, it is cheaper.
    function _sum(uint256 p, uint256 i, uint256 c, uint256 k) private pure returns (uint256 bits) {
        bool plain;
        uint256 length;
        assembly {
            if lt(i, k) {
                let other := p
                p := c
                c := other
                other := i
                i := k
                k := other
            }
            length := sub(i, k)
            if gt(length, GAP) {
                length := GAP
                k := sub(i, GAP)
                c := or(sar(255, c), 1)
            }
            p := add(shl(length, p), c)
            // Sign and magnitude.
            c := sar(255, p)
            p := sub(xor(p, c), c)
            c := and(c, SIGN)
            // Without cancellation at most 3 bits from where the higher one ends.
            length := add(length, 45)
            let top := shr(length, p)
            length := add(length, byte(top, LENGTHS))
            // The exponent field, less one; the result is no subnormal number where it is positive.
            i := add(k, sub(length, 174))
            plain := and(sgt(i, 0), gt(top, 0))
        }
        if (!plain) return round(c, k, p);
        // As `_roundAt` does for normal numbers.
        assembly {
            p := shl(sub(255, length), p)
            bits := shr(232, p)
            bits := add(bits, gt(shl(24, p), sub(shl(255, 1), and(bits, 1))))
            bits := add(shl(23, i), bits)
            if gt(bits, GREATEST) { bits := INFINITY }
            bits := or(bits, c)
        }
    }

    /// The integer with the sign of a number.
    function _signed(uint256 a, uint256 magnitude) private pure returns (uint256) {
        unchecked {
            return (1 - (a >> 30 & 2)) * magnitude;
        }
    }

    /// 2^65 x / y, with the last bit set if anything follows.
    function _quotient(uint256 x, uint256 y) private pure returns (uint256 quotient) {
        assembly {
            x := shl(64, x)
            quotient := or(shl(1, div(x, y)), iszero(iszero(mod(x, y))))
        }
    }

    /// Significand and exponent of a finite number.
    function _unpack(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        assembly {
            exponent := and(shr(23, a), 0xff)
            significand := or(and(a, FRACTION), shl(23, iszero(iszero(exponent))))
            exponent := add(exponent, iszero(exponent))
        }
    }

    /// Bits in the order of the numbers, -0 below +0.
    function _key(uint256 a) private pure returns (uint256) {
        return a & SIGN == 0 ? a | SIGN : a ^ 0xffffffff;
    }

    /// Sums with zeros, subnormal numbers, infinities, NaNs.
    function _addEdge(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            uint256 p = a & MAGNITUDE;
            uint256 q = b & MAGNITUDE;
            if (p > INFINITY || q > INFINITY || (p == INFINITY && b == a ^ SIGN)) return NAN;
            if (p == INFINITY) return a;
            if (q == INFINITY) return b;
            if (p == 0) return q == 0 ? a & b : b;
            if (q == 0) return a;
            uint256 i;
            uint256 j;
            (p, i) = _unpack(a);
            (q, j) = _unpack(b);
            return _sum(_signed(a, p), i + 150, _signed(b, q), j + 150);
        }
    }

    /// Products of zeros, subnormal numbers, infinities, NaNs.
    function _mulEdge(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            uint256 p = a & MAGNITUDE;
            uint256 q = b & MAGNITUDE;
            if (p > INFINITY || q > INFINITY) return NAN;
            if (p == INFINITY || q == INFINITY) return p == 0 || q == 0 ? NAN : (a ^ b) & SIGN | INFINITY;
            uint256 i;
            uint256 j;
            (p, i) = _unpack(a);
            (q, j) = _unpack(b);
            return round((a ^ b) & SIGN, i + j, p * q);
        }
    }

    /// Quotients of zeros, subnormal numbers, infinities, NaNs.
    function _divEdge(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            uint256 sign = (a ^ b) & SIGN;
            uint256 p = a & MAGNITUDE;
            uint256 q = b & MAGNITUDE;
            if (p > INFINITY || q > INFINITY || (p == q && (p == 0 || p == INFINITY))) return NAN;
            if (p == INFINITY || q == 0) return sign | INFINITY;
            if (p == 0 || q == INFINITY) return sign;
            uint256 i;
            uint256 j;
            (p, i) = _unpack(a);
            (q, j) = _unpack(b);
            // At least 2^65 / 2^24.
            return round(sign, 300 - 65 + i - j, _quotient(p, q));
        }
    }

    /// a * b + c with zeros, subnormal numbers, infinities, NaNs.
    function _fmaEdge(uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        unchecked {
            if (isNan(a) || isNan(b) || isNan(c)) return NAN;
            if (a & MAGNITUDE == INFINITY || b & MAGNITUDE == INFINITY) return add(_mulEdge(a, b), c);
            if (c & MAGNITUDE == INFINITY) return c;
            (uint256 p, uint256 i) = _unpack(a);
            (uint256 q, uint256 j) = _unpack(b);
            p *= q;
            i += j;
            (q, j) = _unpack(c);
            if (p == 0) return q == 0 ? (a ^ b) & c : c;
            if (q == 0) return round((a ^ b) & SIGN, i, p);
            return _sum(_signed(a ^ b, p), i, _signed(c, q), j + 150);
        }
    }
}
