//! exp, log, tanh, erf, sigmoid, rsqrt, sin, cos: each one sequence of correctly rounded operations.
//!
//! A function is written once over [`Real`], without branches: a processor runs it on many elements at once, the
//! referee on one, and both get the same bits. Polynomials are minimax fits whose coefficients
//! were rounded to binary32 one after another, the rest fitted anew; they stand here as bits, lowest power first.
//! Functions are total; where a limit exists (infinities, zeros) they return it. A NaN goes in and comes out with
//! whatever payload: a formula ends with [`Real::canonical`].
//!
//! Operations are additions, multiplications, divisions, square roots and fused multiply-adds; selections
//! and integer operations on bits are not counted. The maximal error is that over all 2^32 inputs, in units
//! of the exact result's binade, as `benches/examples/ulps.rs` measures it; `benches/RESULTS.md` has the arguments.
//!
//! | function | operations | maximal error, ulp |
//! | --- | ---: | ---: |
//! | [`exp`] | 12 | 0.8914 |
//! | [`log`] | 15 | 0.9339 |
//! | [`tanh`] | 15 | 1.4059 |
//! | [`erf`] | 19 | 1.1156 |
//! | [`sigmoid`] | 15 | 1.6465 |
//! | [`rsqrt`] | 2 | 1.4904 |
//! | [`sin`] | 6 | 1.4925 |
//! | [`cos`] | 6 | 1.4951 |

use crate::binary32::{INFINITY, NAN, NEGATIVE_INFINITY, ONE, SIGN, round_pack};
use crate::real::Real;

/// 1.5 * 2^23: a small number plus it has the nearest integer in its lowest bits.
pub const SHIFTER: u32 = 0x4b40_0000;
/// log2(e).
pub const LOG2_E: u32 = 0x3fb8_aa3b;
/// The binary32 nearest to ln 2: a product with a small integer n is exact in x - n ln 2.
pub const LN2: u32 = 0x3f31_7218;
/// ln 2 - [`LN2`].
pub const LN2_LOW: u32 = 0xb102_e308;

/// exp(r) = 1 + r + r^2 (c0 + c1 r + ..), |r| <= ln(2)/2, within 2^-28.2.
pub const EXP: [u32; 5] = [0x3eff_fffe, 0x3e2a_aa46, 0x3d2a_ac2c, 0x3c09_1ef0, 0x3ab5_63a5];
/// tanh(t) = t + t^3 (c0 + c1 t^2 + ..), 0 <= t <= [`TANH_SPLIT`], relative error 2^-28.4.
pub const TANH_NEAR: [u32; 5] = [0xbeaa_aa9f, 0x3e08_84df, 0xbd5c_4d5e, 0x3caa_61ef, 0xbbc1_4419];
/// 0.6, where tanh goes from the polynomial to the exponential.
pub const TANH_SPLIT: u32 = 0x3f19_999a;
/// log(1 + f) = f + f^2 (c0 + c1 f + ..), -1/3 <= f <= 1/3.
pub const LOG: [u32; 9] = [
    0xbf00_0000,
    0x3eaa_aa83,
    0xbe7f_ff7b,
    0x3e4c_e831,
    0xbe2a_ce63,
    0x3e0f_69e9,
    0xbdf9_9750,
    0x3e0f_3aa7,
    0xbe03_e1cd,
];
/// erf(t) = t + t (c0 + c1 t^2 + ..), 0 <= t <= [`ERF_SPLIT`].
pub const ERF_NEAR: [u32; 7] =
    [0x3e03_75d3, 0xbec0_9372, 0x3de7_0cf3, 0xbcdb_40d7, 0x3ba3_7dd7, 0xba1c_7f75, 0x0000_0000];
/// -log(1 - erf(t)) = t + t (c0 + c1 t + ..), [`ERF_SPLIT`] <= t <= 4.
pub const ERF_FAR: [u32; 7] =
    [0x3e03_bd97, 0x3f22_981a, 0x3dd9_a23c, 0xbcc2_de00, 0x3b6f_7fa0, 0xb9aa_c903, 0x3741_5c92];
/// 475/512, where erf goes from the one polynomial to the other.
pub const ERF_SPLIT: u32 = 0x3f6d_8000;
/// sin(r) = r + r^3 (c0 + c1 r^2 + ..), 0 <= r <= pi/4.
pub const SIN: [u32; 4] = [0xbe2a_aaab, 0x3c08_88ba, 0xb950_2caa, 0x363e_1627];
/// cos(r) = 1 + r^2 (c0 + c1 r^2 + ..), 0 <= r <= pi/4.
pub const COS: [u32; 4] = [0xbf00_0000, 0x3d2a_aaa5, 0xbab6_0614, 0x37cc_f406];
/// 2/pi = 0.1010001..: 32 zeros before the point, 224 bits behind it.
pub const TWO_OVER_PI: [u32; 8] =
    [0x0000_0000, 0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab];
/// pi/2 in units of 2^-63.
pub const HALF_PI: u64 = 0xc90f_daa2_2168_c235;
/// The binary32 nearest to pi/4.
pub const QUARTER_PI: u32 = 0x3f49_0fdb;

#[inline(always)]
fn constant<R: Real>(bits: u32) -> R {
    R::from_bits(bits)
}

/// c0 + c1 x + c2 x^2 + .., from the highest power down.
#[inline(always)]
fn polynomial<R: Real, const N: usize>(coefficients: [R; N], x: R) -> R {
    let mut down = coefficients.into_iter().rev();
    let highest = down.next().unwrap_or(x);
    down.fold(highest, |sum, coefficient| sum.fma(x, coefficient))
}

/// One of two tables.
#[inline(always)]
fn chosen<R: Real, const N: usize>(condition: bool, a: [u32; N], b: [u32; N]) -> [R; N] {
    let mut table = a.map(constant);
    for (chosen, b) in table.iter_mut().zip(b) {
        *chosen = R::select(condition, *chosen, constant(b));
    }
    table
}

/// 2^n for -126 <= n <= 127.
#[inline(always)]
fn power_of_two<R: Real>(n: i32) -> R {
    R::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// n = x / ln 2 to the nearest integer, and x - n ln 2, for x of magnitude below 2^15.
#[inline(always)]
fn exponent_and_rest<R: Real>(x: R) -> (i32, R) {
    let shifted = x.fma(constant(LOG2_E), constant(SHIFTER));
    let n = shifted.sub(constant(SHIFTER));
    // The first difference is exact.
    let back = n.neg();
    let rest = back.fma(constant(LN2_LOW), back.fma(constant(LN2), x));
    (shifted.to_bits().wrapping_sub(SHIFTER) as i32, rest)
}

/// exp(r) for |r| <= ln(2)/2.
#[inline(always)]
fn exp_near<R: Real>(r: R) -> R {
    let [c0, c1, c2, c3, c4] = EXP.map(constant);
    polynomial([constant(ONE), constant(ONE), c0, c1, c2, c3, c4], r)
}

/// e^x. 12 operations, at most 0.8914 ulp off. 0 below -103.98, infinity above 88.73, subnormal results rounded once more
/// at the end.
///
/// x = n ln 2 + r with |r| <= ln(2)/2; a polynomial in r; times 2^n in two steps, of which only the second rounds.
#[inline(always)]
pub fn exp<R: Real>(x: R) -> R {
    let (least, most): (R, R) = (constant(0xc2d2_0000), constant(0x42b2_0000)); // -105, 89
    let x = R::select(x.less(least), least, R::select(most.less(x), most, x));
    let (n, rest) = exponent_and_rest(x);
    let half = n >> 1;
    // Of a NaN n means nothing, but the polynomial is NaN and any product with it.
    exp_near(rest).mul(power_of_two(half)).mul(power_of_two(n.wrapping_sub(half)))
}

/// The natural logarithm. 15 operations, at most 0.9339 ulp off. -infinity of both zeros, NaN below.
///
/// x = 2^n (1 + f) with 2/3 <= 1 + f < 4/3; log x = n ln 2 + log(1 + f).
#[inline(always)]
pub fn log<R: Real>(x: R) -> R {
    let subnormal = x.to_bits() < 0x0080_0000;
    let scaled = R::select(subnormal, x.mul(constant(0x4b00_0000)), x).to_bits(); // 2^23
    let n = (scaled.wrapping_sub(0x3f2a_aaab) as i32) >> 23; // 2/3
    let f = R::from_bits(scaled.wrapping_sub((n << 23) as u32)).sub(constant(ONE));
    let n = n.wrapping_sub(if subnormal { 23 } else { 0 });
    let n = R::from_bits(SHIFTER.wrapping_add(n as u32)).sub(constant(SHIFTER));
    let near = polynomial(LOG.map(constant), f).fma(f.mul(f), f);
    let result = n.fma(constant(LN2), n.fma(constant(LN2_LOW), near));
    // What is left is +infinity and a NaN, which are their own logarithms.
    let finite = R::select(x.less(constant(INFINITY)), result, x);
    let positive = R::select(x.less(constant(0)), constant(NAN), finite);
    R::select(x.equal(constant(0)), constant(NEGATIVE_INFINITY), positive)
}

/// The hyperbolic tangent. 15 operations, at most 1.4059 ulp off. -0 of -0.
///
/// Below [`TANH_SPLIT`] a polynomial in x^2, beyond it 1 - 2 / (exp(2|x|) + 1); the two polynomials are evaluated as one with
/// selected coefficients.
#[inline(always)]
pub fn tanh<R: Real>(x: R) -> R {
    let sign = x.to_bits() & SIGN;
    let most: R = constant(0x4118_0000); // 9.5, from where on the result is 1
    let t = R::select(most.less(x.abs()), most, x.abs());
    let far = constant::<R>(TANH_SPLIT).less(t);
    let one: R = constant(ONE);
    let (n, r) = exponent_and_rest(t.add(t));
    let variable = R::select(far, r, t.mul(t));
    let outer = R::select(far, r, t);
    let inner =
        polynomial(chosen(far, EXP, TANH_NEAR), variable).fma(variable, R::select(far, one, constant(0)));
    let sum = inner.fma(outer, R::select(far, one, t));
    // 2^27 is the greatest power: the exponent stays in range.
    let exponential = R::from_bits(sum.to_bits().wrapping_add((n << 23) as u32));
    let result = R::select(far, one.sub(constant::<R>(0x4000_0000).div(exponential.add(one))), sum);
    R::from_bits(result.to_bits() ^ sign)
}

/// The error function. 19 operations, at most 1.1156 ulp off. -0 of -0.
///
/// Below [`ERF_SPLIT`] a polynomial in x^2, beyond it 1 - exp(-p(|x|)); one evaluation with selected coefficients.
#[inline(always)]
pub fn erf<R: Real>(x: R) -> R {
    let sign = x.to_bits() & SIGN;
    let most: R = constant(0x4080_0000); // 4, where the result is 1
    let t = R::select(most.less(x.abs()), most, x.abs());
    let far = constant::<R>(ERF_SPLIT).less(t);
    let variable = R::select(far, t, t.mul(t));
    let sum = polynomial(chosen(far, ERF_FAR, ERF_NEAR), variable).fma(t, t);
    let (n, r) = exponent_and_rest(sum.neg());
    // 2^-26 is the least power: the exponent stays in range.
    let exponential = R::from_bits(exp_near(r).to_bits().wrapping_add((n << 23) as u32));
    let result = R::select(far, constant::<R>(ONE).sub(exponential), sum);
    R::from_bits(result.to_bits() ^ sign)
}

/// 1 / (1 + e^-x). 15 operations, at most 1.6465 ulp off.
///
/// With z = e^-|x|, which never overflows, and q = z / (1 + z) it is z - z q for negative x, else 1 - q.
#[inline(always)]
pub fn sigmoid<R: Real>(x: R) -> R {
    let z = exp(R::from_bits(x.to_bits() | SIGN));
    let one: R = constant(ONE);
    let q = z.div(one.add(z));
    let leading = R::select(x.less(constant(0)), z, one);
    q.neg().fma(leading, leading)
}

/// 1 / sqrt(x). 2 operations, at most 1.4904 ulp off. Infinity with the sign of x of a zero, NaN below.
#[inline(always)]
pub fn rsqrt<R: Real>(x: R) -> R {
    constant::<R>(ONE).div(x.sqrt())
}

/// The sine. 6 operations after an exact reduction, at most 1.4925 ulp off. -0 of -0; NaN of infinities.
#[inline(always)]
pub fn sin<R: Real>(x: R) -> R {
    let sign = x.to_bits() & SIGN;
    R::from_bits(quarter_waves(x, 0).to_bits() ^ sign)
}

/// The cosine. 6 operations after an exact reduction, at most 1.4951 ulp off. NaN of infinities.
#[inline(always)]
pub fn cos<R: Real>(x: R) -> R {
    quarter_waves(x, 1)
}

/// sin(|x| + quarters pi/2).
///
/// |x| = q pi/2 + r with |r| <= pi/4; then sin or cos of |r| by the parity of q, with the sign of the quadrant.
#[inline(always)]
fn quarter_waves<R: Real>(x: R, quarters: u32) -> R {
    let magnitude = x.to_bits() & !SIGN;
    let reduced = reduce(magnitude);
    let small = magnitude < QUARTER_PI;
    let r = R::from_bits(if small { magnitude } else { reduced.rest & !SIGN });
    let (quadrant, odd) =
        if small { (quarters, 0) } else { (reduced.quarters + quarters, reduced.rest & SIGN) };
    let even = quadrant & 1 == 1;
    let base = R::select(even, constant(ONE), r);
    let square = r.mul(r);
    let result = polynomial(chosen(even, COS, SIN), square).fma(square.mul(base), base);
    let sign = (quadrant << 30) & SIGN ^ if even { 0 } else { odd };
    let signed = R::from_bits(result.to_bits() ^ sign);
    R::select(magnitude < INFINITY, signed, constant(NAN))
}

/// A magnitude, in quarters of a circle.
struct Reduced {
    /// Whole quarters, the nearest integer modulo 4, or 4.
    quarters: u32,
    /// What is left, in radians, signed.
    rest: u32,
}

/// Payne and Hanek's reduction in integers, of bits of a magnitude from pi/4 on; of smaller ones, infinity and NaN
/// something.
///
/// x = m 2^e. Bits of 2/pi that weigh more than 2^(1 - e) contribute multiples of 4 to m 2^e (2/pi), so that
/// the 96 bits from there on leave the product modulo 4 with an error below 2^-70. No binary32 is closer to a multiple
/// of pi/2 than 2^-30 of it, and 34 bits or more remain.
#[inline]
fn reduce(magnitude: u32) -> Reduced {
    let significand = magnitude & 0x007f_ffff | 0x0080_0000;
    // e + 30: between 6 and 134 for finite numbers from pi/4 on.
    let start = (magnitude >> 23).wrapping_sub(120);
    let limb = |next: u32| u128::from(TWO_OVER_PI[((start >> 5).wrapping_add(next) & 7) as usize]);
    let limbs = limb(0) << 96 | limb(1) << 64 | limb(2) << 32 | limb(3);
    let window = (limbs << (start & 31)) >> 32;
    let product = u128::from(significand) * window;
    // Modulo 4, in units of 2^-94.
    let (whole, part) = ((product >> 94) as u32 & 3, product & ((1 << 94) - 1));
    let above = part >> 93 == 1;
    let distance = if above { (1 << 94) - part } else { part };
    let rest =
        round_pack(if above { SIGN } else { 0 }, -64 - 63, (distance >> 30) * u128::from(HALF_PI), false);
    Reduced { quarters: whole + u32::from(above), rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::Soft;

    const LEAST: u32 = 1;
    const GREATEST: u32 = 0x7f7f_ffff;

    fn at(function: fn(Soft) -> Soft, bits: u32) -> u32 {
        function(Soft(bits)).canonical().0
    }

    #[test]
    fn limits_are_exact() {
        assert_eq!([INFINITY, NEGATIVE_INFINITY, 0, SIGN].map(|x| at(exp, x)), [INFINITY, 0, ONE, ONE]);
        assert_eq!([0, SIGN].map(|x| at(log, x)), [NEGATIVE_INFINITY; 2]);
        assert_eq!([INFINITY, NEGATIVE_INFINITY, ONE].map(|x| at(log, x)), [INFINITY, NAN, 0]);
        for function in [tanh, erf] {
            assert_eq!([INFINITY, NEGATIVE_INFINITY].map(|x| at(function, x)), [ONE, ONE | SIGN]);
        }
        assert_eq!(
            [INFINITY, NEGATIVE_INFINITY, 0, SIGN].map(|x| at(sigmoid, x)),
            [ONE, 0, 0x3f00_0000, 0x3f00_0000]
        );
        assert_eq!([0, SIGN].map(|x| at(rsqrt, x)), [INFINITY, NEGATIVE_INFINITY]);
        assert_eq!([INFINITY, NEGATIVE_INFINITY].map(|x| at(rsqrt, x)), [0, NAN]);
        for function in [sin, cos] {
            assert_eq!([INFINITY, NEGATIVE_INFINITY].map(|x| at(function, x)), [NAN; 2]);
        }
        assert_eq!([0, SIGN].map(|x| at(cos, x)), [ONE; 2]);
    }

    #[test]
    fn every_nan_gives_the_canonical_nan() {
        for function in [exp, log, tanh, erf, sigmoid, rsqrt, sin, cos] {
            for nan in [NAN, NAN | SIGN, INFINITY + 1, 0xffff_ffff, 0x7fab_cdef] {
                assert_eq!(at(function, nan), NAN);
            }
        }
    }

    #[test]
    fn odd_functions_keep_the_sign_and_the_least_numbers() {
        for x in [0, LEAST, 0x0000_1234, 0x0080_0000] {
            for signed in [x, x | SIGN] {
                assert_eq!((at(tanh, signed), at(sin, signed)), (signed, signed));
            }
        }
        // 2/sqrt(pi) times it.
        assert_eq!(
            [0, SIGN, LEAST, 1000, 1000 | SIGN].map(|x| at(erf, x)),
            [0, SIGN, LEAST, 1128, 1128 | SIGN]
        );
    }

    #[test]
    fn exp_has_subnormal_results() {
        // -103.97, -103.98: on both sides of half the least number.
        assert_eq!([0xc2cf_f1b4, 0xc2cf_f1b5].map(|x| at(exp, x)), [LEAST, 0]);
        assert_eq!(at(exp, 0xc2c8_0000), 27); // e^-100
        assert_eq!([0x42b1_7217, 0x42b1_7218].map(|x| at(exp, x)), [0x7f7f_ff84, INFINITY]);
        assert_eq!(at(sigmoid, 0xc2c8_0000), 27);
    }

    #[test]
    fn known_values() {
        assert_eq!(at(exp, ONE), 0x402d_f854);
        assert_eq!(at(log, 0x4000_0000), LN2);
        assert_eq!(at(log, LEAST), 0xc2ce_8ed0); // -149 ln 2
        assert_eq!(at(erf, ONE), 0x3f57_bb3d);
        assert_eq!(at(rsqrt, 0x4080_0000), 0x3f00_0000);
    }

    #[test]
    fn the_reduction_is_right_for_huge_arguments() {
        let near =
            |found: u32, exact: u32| assert!(found.abs_diff(exact) <= 1, "{found:08x}, not {exact:08x}");
        // 2^127, the greatest number, and the number nearest to a multiple of pi/2 with twice it.
        near(at(sin, 0x7f00_0000), 0x3f1f_9631);
        near(at(sin, GREATEST), 0xbf05_99b3);
        near(at(cos, GREATEST), 0x3f5a_5f96);
        near(at(sin, 0x6f79_be45), ONE);
        near(at(cos, 0x6f79_be45), 0xb0dd_eea9);
        near(at(sin, 0x6ff9_be45), 0xb15d_eea9);
        near(at(cos, 0x6ff9_be45), ONE | SIGN);
    }
}
