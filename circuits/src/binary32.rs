//! IEEE-754 binary32 on its bits, in integer arithmetic: the reference that a referee repeats.
//!
//! A finite number is (-1)^sign * significand * 2^exponent with a significand below 2^24 and an exponent of at least
//! -149. An operation computes the exact result, or its leading bits and whether anything nonzero follows
//! ("sticky"), and rounds once, to nearest and ties to even, in one function, `round_pack`. Subnormal
//! numbers and the sign of zero are kept. Every function is total and never panics, and every NaN that one returns is
//! [`NAN`]: payloads and signs of NaNs are not observable. Intermediate values fit 128 bits.
//!
//! ```
//! use assay_circuits::binary32::{add, div, NAN};
//! assert_eq!(add(0.1f32.to_bits(), 0.2f32.to_bits()), (0.1f32 + 0.2f32).to_bits());
//! assert_eq!(div(0, 0), NAN);
//! ```

/// The only NaN that arithmetic returns: quiet, positive, without payload.
pub const NAN: u32 = 0x7fc0_0000;
/// Positive infinity.
pub const INFINITY: u32 = 0x7f80_0000;
/// Negative infinity.
pub const NEGATIVE_INFINITY: u32 = 0xff80_0000;
/// The bit that holds the sign; alone it is -0.
pub const SIGN: u32 = 0x8000_0000;
/// 1.
pub const ONE: u32 = 0x3f80_0000;
/// 2^23: from here on every number is an integer.
const TWO_23: u32 = 0x4b00_0000;
/// Significands farther apart than this are moved together: the lower one only decides on which side of the higher
/// one the sum lies. The higher one has an ulp of the result at most 2^25 times smaller than its own unit, the lower
/// one is below 2^-28 of that unit; and 48 + 76 bits fit 128.
const GAP: i32 = 76;

/// Whether it is any NaN.
pub const fn is_nan(a: u32) -> bool {
    a & !SIGN > INFINITY
}

/// Whether it is an infinity of either sign.
pub const fn is_infinite(a: u32) -> bool {
    a & !SIGN == INFINITY
}

/// Whether it is a zero of either sign.
pub const fn is_zero(a: u32) -> bool {
    a & !SIGN == 0
}

/// The same number; [`NAN`] for every NaN.
pub const fn canonical(a: u32) -> u32 {
    if is_nan(a) { NAN } else { a }
}

/// Significand and exponent of a finite number.
const fn unpack(a: u32) -> (u32, i32) {
    let biased = (a >> 23) & 0xff;
    let fraction = a & 0x007f_ffff;
    if biased == 0 { (fraction, -149) } else { (fraction | 0x0080_0000, biased as i32 - 150) }
}

/// The binary32 nearest to `significand * 2^exponent`, plus something positive below 2^exponent if `sticky`, with
/// `sign`, which is 0 or [`SIGN`]. With `sticky` the significand has at least 26 bits.
pub(crate) const fn round_pack(sign: u32, exponent: i32, significand: u128, sticky: bool) -> u32 {
    if significand == 0 {
        return sign;
    }
    let length = 128 - significand.leading_zeros() as i32;
    // The result's unit is 2^(exponent + shift): 24 bits remain, fewer below the least normal number.
    let subnormal = -149 - exponent;
    let shift = if length - 24 > subnormal { length - 24 } else { subnormal };
    if shift > length {
        return sign;
    }
    let steps = exponent + shift + 149;
    if steps >= 254 {
        return sign | INFINITY;
    }
    let rounded = if shift <= 0 {
        (significand << -shift) as u32
    } else {
        let doubled = significand >> (shift - 1);
        let half = doubled & 1 == 1;
        let rest = sticky || significand != doubled << (shift - 1);
        let down = (doubled >> 1) as u32;
        if half && (rest || down & 1 == 1) { down + 1 } else { down }
    };
    // A carry out of the significand raises the exponent by itself, up to infinity.
    sign | (((steps as u32) << 23) + rounded)
}

/// A finite number, or a product of two before rounding: a significand below 2^48.
#[derive(Clone, Copy)]
struct Term {
    sign: u32,
    exponent: i32,
    significand: u128,
}

impl Term {
    const fn of(a: u32) -> Term {
        let (significand, exponent) = unpack(a);
        Term { sign: a & SIGN, exponent, significand: significand as u128 }
    }

    const fn product(a: u32, b: u32) -> Term {
        let ((x, i), (y, j)) = (unpack(a), unpack(b));
        Term { sign: (a ^ b) & SIGN, exponent: i + j, significand: x as u128 * y as u128 }
    }

    const fn rounded(self) -> u32 {
        round_pack(self.sign, self.exponent, self.significand, false)
    }

    const fn plus(self, other: Term) -> u32 {
        if self.significand == 0 && other.significand == 0 {
            return self.sign & other.sign;
        }
        if self.significand == 0 {
            return other.rounded();
        }
        if other.significand == 0 {
            return self.rounded();
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let gap = high.exponent - low.exponent;
        let (gap, least) = if gap > GAP { (GAP, 1) } else { (gap, low.significand) };
        let exponent = high.exponent - gap;
        let most = high.significand << gap;
        if high.sign == low.sign {
            round_pack(high.sign, exponent, most + least, false)
        } else if most > least {
            round_pack(high.sign, exponent, most - least, false)
        } else if most < least {
            round_pack(low.sign, exponent, least - most, false)
        } else {
            0
        }
    }
}

/// a + b.
pub const fn add(a: u32, b: u32) -> u32 {
    if is_nan(a) || is_nan(b) || (is_infinite(a) && b == a ^ SIGN) {
        NAN
    } else if is_infinite(a) {
        a
    } else if is_infinite(b) {
        b
    } else {
        Term::of(a).plus(Term::of(b))
    }
}

/// a - b.
pub const fn sub(a: u32, b: u32) -> u32 {
    add(a, b ^ SIGN)
}

/// a * b.
pub const fn mul(a: u32, b: u32) -> u32 {
    if is_nan(a) || is_nan(b) {
        NAN
    } else if is_infinite(a) || is_infinite(b) {
        if is_zero(a) || is_zero(b) { NAN } else { (a ^ b) & SIGN | INFINITY }
    } else {
        Term::product(a, b).rounded()
    }
}

/// a * b + c, rounded once.
pub const fn fma(a: u32, b: u32, c: u32) -> u32 {
    if is_nan(a) || is_nan(b) || is_nan(c) {
        NAN
    } else if is_infinite(a) || is_infinite(b) {
        add(mul(a, b), c)
    } else if is_infinite(c) {
        c
    } else {
        Term::product(a, b).plus(Term::of(c))
    }
}

/// a / b; a nonzero number over zero is an infinity.
pub const fn div(a: u32, b: u32) -> u32 {
    let sign = (a ^ b) & SIGN;
    if is_nan(a) || is_nan(b) || (is_infinite(a) && is_infinite(b)) || (is_zero(a) && is_zero(b)) {
        NAN
    } else if is_infinite(a) || is_zero(b) {
        sign | INFINITY
    } else if is_infinite(b) {
        sign
    } else {
        let ((x, i), (y, j)) = (unpack(a), unpack(b));
        // At least 2^64 / 2^24: 40 bits.
        let (dividend, divisor) = ((x as u128) << 64, y as u128);
        round_pack(sign, i - j - 64, dividend / divisor, dividend % divisor != 0)
    }
}

/// The square root; NaN below zero, -0 of -0.
pub const fn sqrt(a: u32) -> u32 {
    if is_zero(a) {
        a
    } else if is_nan(a) || a & SIGN != 0 {
        NAN
    } else if is_infinite(a) {
        a
    } else {
        let (x, i) = unpack(a);
        let odd = i & 1;
        // At least 2^64: its root has 33 bits.
        let square = (x as u128) << (64 + odd);
        let root = square.isqrt();
        round_pack(0, (i - odd - 64) / 2, root, root * root != square)
    }
}

/// Bits in the order of the numbers, -0 below +0.
const fn key(a: u32) -> u32 {
    if a & SIGN != 0 { !a } else { a | SIGN }
}

/// a < b; false if either is NaN.
pub const fn less(a: u32, b: u32) -> bool {
    let zeros = is_zero(a) && is_zero(b);
    !(is_nan(a) || is_nan(b) || zeros) && key(a) < key(b)
}

/// a = b: zeros are equal, a NaN equals nothing.
pub const fn equal(a: u32, b: u32) -> bool {
    !is_nan(a) && (a == b || (is_zero(a) && is_zero(b)))
}

/// a <= b; false if either is NaN.
pub const fn less_equal(a: u32, b: u32) -> bool {
    less(a, b) || equal(a, b)
}

/// The greater one, +0 above -0; NaN if either is NaN.
pub const fn maximum(a: u32, b: u32) -> u32 {
    if is_nan(a) || is_nan(b) {
        NAN
    } else if key(a) < key(b) {
        b
    } else {
        a
    }
}

/// The lesser one, -0 below +0; NaN if either is NaN.
pub const fn minimum(a: u32, b: u32) -> u32 {
    if is_nan(a) || is_nan(b) {
        NAN
    } else if key(a) < key(b) {
        a
    } else {
        b
    }
}

/// -a.
pub const fn neg(a: u32) -> u32 {
    canonical(a ^ SIGN)
}

/// |a|.
pub const fn abs(a: u32) -> u32 {
    canonical(a & !SIGN)
}

/// The integer towards zero, with the sign of a.
pub const fn trunc(a: u32) -> u32 {
    if is_nan(a) {
        return NAN;
    }
    let (_, exponent) = unpack(a);
    if exponent >= 0 {
        a
    } else if exponent <= -24 {
        a & SIGN
    } else {
        a & (u32::MAX << -exponent)
    }
}

/// The greatest integer not above a; -0 of -0.
pub const fn floor(a: u32) -> u32 {
    let towards_zero = trunc(a);
    if a & SIGN != 0 && less(a, towards_zero) { sub(towards_zero, ONE) } else { towards_zero }
}

/// The least integer not below a, with the sign of a.
pub const fn ceil(a: u32) -> u32 {
    neg(floor(neg(a)))
}

/// The nearest integer, the even one of two, with the sign of a.
pub const fn round_even(a: u32) -> u32 {
    let magnitude = a & !SIGN;
    if magnitude >= TWO_23 {
        return canonical(a);
    }
    // Between 2^23 and 2^24 the unit is 1.
    a & SIGN | sub(add(magnitude, TWO_23), TWO_23)
}

/// The nearest binary32 to an integer.
pub const fn from_i64(value: i64) -> u32 {
    round_pack(if value < 0 { SIGN } else { 0 }, 0, value.unsigned_abs() as u128, false)
}

/// The integer towards zero, the nearest one in range if there is none; 0 for NaN.
pub const fn to_i64(a: u32) -> i64 {
    if is_nan(a) {
        return 0;
    }
    let (significand, exponent) = unpack(a);
    let negative = a & SIGN != 0;
    if exponent >= 40 {
        return if negative { i64::MIN } else { i64::MAX };
    }
    let magnitude = if exponent >= 0 {
        (significand as i64) << exponent
    } else if exponent <= -24 {
        0
    } else {
        (significand >> -exponent) as i64
    };
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u32 = 1;
    const LEAST_NORMAL: u32 = 0x0080_0000;
    const GREATEST: u32 = 0x7f7f_ffff;
    const HALF: u32 = 0x3f00_0000;
    const TWO: u32 = 0x4000_0000;
    const SIGNALLING: u32 = 0xff80_0001;

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let half_unit = 0x3380_0000;
        assert_eq!(add(ONE, half_unit), ONE);
        assert_eq!(add(ONE + 1, half_unit), ONE + 2);
        assert_eq!(fma(half_unit, ONE + 1, ONE), ONE + 1);
        assert_eq!(mul(LEAST, HALF), 0);
        assert_eq!(mul(3, HALF), 2);
        assert_eq!(div(5, TWO), 2);
    }

    #[test]
    fn a_fused_product_is_not_rounded() {
        let above = ONE + 1;
        let square = mul(above, above);
        assert_eq!(fma(above, above, square ^ SIGN), 0x2880_0000);
        assert_eq!(fma(LEAST, LEAST, ONE), ONE);
        assert_eq!(fma(LEAST, LEAST ^ SIGN, ONE), ONE);
        assert_eq!(fma(GREATEST, GREATEST, NEGATIVE_INFINITY), NEGATIVE_INFINITY);
    }

    #[test]
    fn subnormal_numbers_are_kept() {
        assert_eq!(sub(LEAST_NORMAL, LEAST), 0x007f_ffff);
        assert_eq!(add(0x007f_ffff, LEAST), LEAST_NORMAL);
        assert_eq!(mul(LEAST_NORMAL, HALF), 0x0040_0000);
        assert_eq!(sqrt(LEAST), 0x1a35_04f3);
        assert_eq!(div(LEAST, GREATEST), 0);
    }

    #[test]
    fn results_beyond_the_greatest_number_are_infinite() {
        assert_eq!(add(GREATEST, GREATEST), INFINITY);
        // Half a unit of the greatest number is a tie, which goes up; less does not.
        assert_eq!(add(GREATEST, 0x7300_0000), INFINITY);
        assert_eq!(add(GREATEST, 0x72ff_ffff), GREATEST);
        assert_eq!(mul(GREATEST ^ SIGN, TWO), NEGATIVE_INFINITY);
        assert_eq!(div(ONE, SIGN), NEGATIVE_INFINITY);
    }

    #[test]
    fn zeros_keep_their_sign() {
        assert_eq!(add(SIGN, SIGN), SIGN);
        assert_eq!(add(SIGN, 0), 0);
        assert_eq!(sub(ONE, ONE), 0);
        assert_eq!(mul(SIGN, ONE), SIGN);
        assert_eq!(fma(ONE, SIGN, SIGN), SIGN);
        assert_eq!(fma(ONE, ONE, ONE ^ SIGN), 0);
        assert_eq!(sqrt(SIGN), SIGN);
        assert_eq!((ceil(HALF ^ SIGN), round_even(HALF ^ SIGN), trunc(HALF ^ SIGN)), (SIGN, SIGN, SIGN));
        assert_eq!((maximum(SIGN, 0), maximum(0, SIGN)), (0, 0));
        assert_eq!((minimum(SIGN, 0), minimum(0, SIGN)), (SIGN, SIGN));
        assert!(equal(0, SIGN) && !less(SIGN, 0) && less_equal(0, SIGN));
    }

    #[test]
    fn invalid_operations_return_the_canonical_nan() {
        assert_eq!(sub(INFINITY, INFINITY), NAN);
        assert_eq!(mul(INFINITY, SIGN), NAN);
        assert_eq!(fma(0, INFINITY, ONE), NAN);
        assert_eq!(fma(INFINITY, ONE, NEGATIVE_INFINITY), NAN);
        assert_eq!(div(0, SIGN), NAN);
        assert_eq!(div(INFINITY, INFINITY), NAN);
        assert_eq!(sqrt(LEAST ^ SIGN), NAN);
    }

    #[test]
    fn no_nan_keeps_its_payload() {
        for nan in [SIGNALLING, NAN ^ SIGN, 0x7fff_ffff] {
            let two: [fn(u32, u32) -> u32; 6] = [add, sub, mul, div, maximum, minimum];
            for operation in two {
                assert_eq!((operation(nan, ONE), operation(ONE, nan)), (NAN, NAN));
            }
            let one: [fn(u32) -> u32; 8] = [sqrt, floor, ceil, trunc, round_even, neg, abs, canonical];
            for operation in one {
                assert_eq!(operation(nan), NAN);
            }
            assert_eq!((fma(nan, ONE, ONE), fma(ONE, nan, ONE), fma(INFINITY, 0, nan)), (NAN, NAN, NAN));
            assert!(!less(nan, ONE) && !less(ONE, nan) && !less_equal(nan, nan) && !equal(nan, nan));
        }
    }

    #[test]
    fn integers_are_rounded_in_and_saturate_out() {
        assert_eq!(from_i64(i64::MAX), 0x5f00_0000);
        assert_eq!(from_i64(i64::MIN), 0xdf00_0000);
        assert_eq!(from_i64((1 << 24) + 1), 0x4b80_0000);
        assert_eq!((to_i64(0x5f00_0000), to_i64(0xdf00_0000)), (i64::MAX, i64::MIN));
        assert_eq!(
            (to_i64(0x5eff_ffff), to_i64(NAN), to_i64(NEGATIVE_INFINITY)),
            (i64::MAX - 0x7f_ffff_ffff, 0, i64::MIN)
        );
        assert_eq!((to_i64(0x3fff_ffff), to_i64(0xbfff_ffff)), (1, -1));
    }
}
