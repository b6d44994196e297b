// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "./Binary32.sol";

/// @title exp, log, tanh, erf, sigmoid, rsqrt, sin, cos of binary32
/// @notice Each is one sequence of correctly rounded operations, the one of the Rust twin `circuits/src/elementary.rs`, and
/// gives the same bits; there stand the formulas' reasons and their errors. Every function is total and returns no NaN but
/// `Binary32.NAN`. Where the twin selects between two computed values, here only the chosen one is computed.
///
/// @dev About ten fused multiply-adds each, 5 to 17 k gas.
library Elementary {
    /// 1.5 * 2^23: a small number plus it has the nearest integer in its lowest bits.
    uint256 private constant SHIFTER = 0x4b400000;
    /// log2(e).
    uint256 private constant LOG2_E = 0x3fb8aa3b;
    /// The binary32 nearest to ln 2, and ln 2 less that.
    uint256 private constant LN2 = 0x3f317218;
    uint256 private constant LN2_LOW = 0xb102e308;
    uint256 private constant TWO = 0x40000000;
    uint256 private constant WORD = 0xffffffff;

    // Coefficients of polynomials: those below the highest power in words, the lowest power first, and the highest.

    /// exp(r), |r| <= ln(2)/2.
    uint256 private constant EXP = 0x3f8000003f8000003efffffe3e2aaa463d2aac2c3c091ef0;
    uint256 private constant EXP_HIGHEST = 0x3ab563a5;
    /// (tanh(t) - t) / t^3 in t^2, 0 <= t <= 0.6.
    uint256 private constant TANH_NEAR = 0xbeaaaa9f3e0884dfbd5c4d5e3caa61ef;
    uint256 private constant TANH_NEAR_HIGHEST = 0xbbc14419;
    /// (log(1 + f) - f) / f^2, -1/3 <= f <= 1/3.
    uint256 private constant LOG = 0xbf0000003eaaaa83be7fff7b3e4ce831be2ace633e0f69e9bdf997503e0f3aa7;
    uint256 private constant LOG_HIGHEST = 0xbe03e1cd;
    /// erf(t) / t - 1 in t^2, 0 <= t <= 475/512.
    uint256 private constant ERF_NEAR = 0x000000003e0375d3bec093723de70cf3bcdb40d73ba37dd7;
    uint256 private constant ERF_NEAR_HIGHEST = 0xba1c7f75;
    /// -log(1 - erf(t)) / t - 1, 475/512 <= t <= 4.
    uint256 private constant ERF_FAR = 0x3e03bd973f22981a3dd9a23cbcc2de003b6f7fa0b9aac903;
    uint256 private constant ERF_FAR_HIGHEST = 0x37415c92;
    /// (sin(r) - r) / r^3 in r^2, 0 <= r <= pi/4.
    uint256 private constant SIN = 0xbe2aaaab3c0888bab9502caa;
    uint256 private constant SIN_HIGHEST = 0x363e1627;
    /// (cos(r) - 1) / r^2 in r^2, 0 <= r <= pi/4.
    uint256 private constant COS = 0xbf0000003d2aaaa5bab60614;
    uint256 private constant COS_HIGHEST = 0x37ccf406;

    /// 2/pi: 32 zeros before the point, 224 bits behind it.
    uint256 private constant TWO_OVER_PI = 0x00000000a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163ab;
    /// pi/2 in units of 2^-63.
    uint256 private constant HALF_PI = 0xc90fdaa22168c235;
    /// The binary32 nearest to pi/4.
    uint256 private constant QUARTER_PI = 0x3f490fdb;

    /// @notice e^x. 0 below -103.98, infinity above 88.73.
    function exp(uint256 x) internal pure returns (uint256) {
        unchecked {
            // -105 and 89.
            if (Binary32.less(x, 0xc2d20000)) x = 0xc2d20000;
            else if (Binary32.less(0x42b20000, x)) x = 0x42b20000;
            (int256 n, uint256 rest) = _exponentAndRest(x);
            int256 half = n >> 1;
            uint256 scaled = Binary32.mul(_polynomial(EXP_HIGHEST, EXP, rest), _powerOfTwo(half));
            return Binary32.mul(scaled, _powerOfTwo(n - half));
        }
    }

    /// @notice The natural logarithm. -infinity of both zeros, NaN below.
    function log(uint256 x) internal pure returns (uint256) {
        unchecked {
            if (x & ~Binary32.SIGN == 0) return Binary32.SIGN | Binary32.INFINITY;
            if (x > Binary32.INFINITY) return Binary32.NAN;
            if (x == Binary32.INFINITY) return x;
            bool subnormal = x < 0x00800000;
            if (subnormal) x = Binary32.mul(x, 0x4b000000);
            // x = 2^n (1 + f) with 2/3 <= 1 + f < 4/3.
            int256 n = (int256(x) - 0x3f2aaaab) >> 23;
            uint256 f = Binary32.sub(uint256(int256(x) - (n << 23)), Binary32.ONE);
            if (subnormal) n -= 23;
            uint256 power = Binary32.sub(uint256(int256(SHIFTER) + n), SHIFTER);
            uint256 near = Binary32.fma(_polynomial(LOG_HIGHEST, LOG, f), Binary32.mul(f, f), f);
            return Binary32.fma(power, LN2, Binary32.fma(power, LN2_LOW, near));
        }
    }

    /// @notice The hyperbolic tangent. -0 of -0.
    function tanh(uint256 x) internal pure returns (uint256) {
        unchecked {
            uint256 sign = x & Binary32.SIGN;
            // 9.5, from where on the result is 1.
            uint256 t = _atMost(x ^ sign, 0x41180000);
            // 0.6, where it goes from the polynomial to the exponential.
            if (!Binary32.less(0x3f19999a, t)) {
                uint256 square = Binary32.mul(t, t);
                uint256 near = Binary32.mul(_polynomial(TANH_NEAR_HIGHEST, TANH_NEAR, square), square);
                return Binary32.canonical(Binary32.fma(near, t, t) ^ sign);
            }
            (int256 n, uint256 r) = _exponentAndRest(Binary32.add(t, t));
            uint256 exponential = uint256(int256(_polynomial(EXP_HIGHEST, EXP, r)) + (n << 23));
            return Binary32.sub(Binary32.ONE, Binary32.div(TWO, Binary32.add(exponential, Binary32.ONE))) ^ sign;
        }
    }

    /// @notice The error function. -0 of -0.
    function erf(uint256 x) internal pure returns (uint256) {
        unchecked {
            uint256 sign = x & Binary32.SIGN;
            // 4, where the result is 1.
            uint256 t = _atMost(x ^ sign, 0x40800000);
            // 475/512, where it goes from the one polynomial to the other.
            if (!Binary32.less(0x3f6d8000, t)) {
                uint256 near = _polynomial(ERF_NEAR_HIGHEST, ERF_NEAR, Binary32.mul(t, t));
                return Binary32.canonical(Binary32.fma(near, t, t) ^ sign);
            }
            uint256 sum = Binary32.fma(_polynomial(ERF_FAR_HIGHEST, ERF_FAR, t), t, t);
            (int256 n, uint256 r) = _exponentAndRest(sum ^ Binary32.SIGN);
            uint256 exponential = uint256(int256(_polynomial(EXP_HIGHEST, EXP, r)) + (n << 23));
            return Binary32.sub(Binary32.ONE, exponential) ^ sign;
        }
    }

    /// @notice 1 / (1 + e^-x).
    function sigmoid(uint256 x) internal pure returns (uint256) {
        uint256 z = exp(x | Binary32.SIGN);
        uint256 q = Binary32.div(z, Binary32.add(Binary32.ONE, z));
        uint256 leading = Binary32.less(x, 0) ? z : Binary32.ONE;
        return Binary32.fma(q ^ Binary32.SIGN, leading, leading);
    }

    /// @notice 1 / sqrt(x). Infinity with the sign of x of a zero, NaN below.
    function rsqrt(uint256 x) internal pure returns (uint256) {
        return Binary32.div(Binary32.ONE, Binary32.sqrt(x));
    }

    /// @notice The sine. -0 of -0; NaN of infinities.
    function sin(uint256 x) internal pure returns (uint256) {
        if (x & ~Binary32.SIGN >= Binary32.INFINITY) return Binary32.NAN;
        return _quarterWaves(x & ~Binary32.SIGN, 0) ^ (x & Binary32.SIGN);
    }

    /// @notice The cosine. NaN of infinities.
    function cos(uint256 x) internal pure returns (uint256) {
        if (x & ~Binary32.SIGN >= Binary32.INFINITY) return Binary32.NAN;
        return _quarterWaves(x & ~Binary32.SIGN, 1);
    }

    /// sin(magnitude + quarters pi/2) of a finite magnitude.
    function _quarterWaves(uint256 magnitude, uint256 quarters) private pure returns (uint256) {
        unchecked {
            uint256 r = magnitude;
            uint256 odd = 0;
            if (magnitude >= QUARTER_PI) {
                (uint256 whole, uint256 rest) = _reduce(magnitude);
                quarters += whole;
                odd = rest & Binary32.SIGN;
                r = rest ^ odd;
            }
            uint256 sign = (quarters & 2) << 30;
            uint256 square = Binary32.mul(r, r);
            if (quarters & 1 == 1) {
                return Binary32.fma(_polynomial(COS_HIGHEST, COS, square), square, Binary32.ONE) ^ sign;
            }
            return Binary32.fma(_polynomial(SIN_HIGHEST, SIN, square), Binary32.mul(square, r), r) ^ sign ^ odd;
        }
    }

    /// Whole quarters of a circle in a magnitude from pi/4 on, modulo 4, or 4, and what is left in radians, signed.
    function _reduce(uint256 magnitude) private pure returns (uint256 quarters, uint256 rest) {
        unchecked {
            uint256 significand = magnitude & 0x007fffff | 0x00800000;
            // Bits of 2/pi of more weight contribute multiples of 4.
            uint256 window = TWO_OVER_PI << ((magnitude >> 23) - 120) >> 160;
            uint256 product = significand * window;
            // Modulo 4, in units of 2^-94.
            uint256 part = product & ((1 << 94) - 1);
            uint256 above = part >> 93;
            uint256 distance = above == 1 ? (1 << 94) - part : part;
            quarters = ((product >> 94) & 3) + above;
            rest = Binary32.round(above << 31, 300 - 64 - 63, (distance >> 30) * HALF_PI);
        }
    }

    /// A magnitude, or the limit if it is beyond; a NaN is not.
    function _atMost(uint256 magnitude, uint256 limit) private pure returns (uint256) {
        return Binary32.less(limit, magnitude) ? limit : magnitude;
    }

    /// n = x / ln 2 to the nearest integer, and x - n ln 2, for x of magnitude below 2^15; of a NaN something and NaN.
    function _exponentAndRest(uint256 x) private pure returns (int256 n, uint256 rest) {
        unchecked {
            uint256 shifted = Binary32.fma(x, LOG2_E, SHIFTER);
            n = int256(shifted) - int256(SHIFTER);
            // The first difference is exact.
            uint256 back = Binary32.sub(shifted, SHIFTER) ^ Binary32.SIGN;
            rest = Binary32.fma(back, LN2_LOW, Binary32.fma(back, LN2, x));
        }
    }

    /// 2^n for -126 <= n <= 127; of others something.
    function _powerOfTwo(int256 n) private pure returns (uint256) {
        unchecked {
            return (uint256(n + 127) << 23) & WORD;
        }
    }

    /// highest x^k + .. + c1 x + c0, from the highest power down.
    function _polynomial(uint256 highest, uint256 others, uint256 x) private pure returns (uint256 sum) {
        sum = highest;
        for (; others != 0; others >>= 32) {
            sum = Binary32.fma(sum, x, others & WORD);
        }
    }
}
