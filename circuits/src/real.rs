//! One formula, two kinds of arithmetic: integers on the bits ([`Soft`]), or the processor's own.
//!
//! A formula is written once over [`Real`]. The referee runs it with [`Soft`], the prover with a type of its own
//! whose operations are the processor's, many elements at once. Both agree because every operation is
//! correctly rounded. Only NaNs differ: which payload and sign one has inside a formula depends on the processor. So
//! a formula must not let a NaN's bits reach a number, by [`Real::to_bits`], and its result, once computed, passes
//! [`Real::canonical`]. Formulas have no branches but [`Real::select`].

use crate::binary32;

/// A binary32 number and the correctly rounded operations on it.
pub trait Real: Copy {
    /// The number with these bits.
    fn from_bits(bits: u32) -> Self;
    /// Its bits, for a NaN any NaN's.
    fn to_bits(self) -> u32;
    /// self + other.
    fn add(self, other: Self) -> Self;
    /// self - other.
    fn sub(self, other: Self) -> Self;
    /// self * other.
    fn mul(self, other: Self) -> Self;
    /// self / other.
    fn div(self, other: Self) -> Self;
    /// self * factor + addend, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// self < other; false if either is NaN.
    fn less(self, other: Self) -> bool;
    /// self <= other; false if either is NaN.
    fn less_equal(self, other: Self) -> bool;
    /// self = other; false if either is NaN.
    fn equal(self, other: Self) -> bool;
    /// The greatest integer not above.
    fn floor(self) -> Self;
    /// The least integer not below.
    fn ceil(self) -> Self;
    /// The integer towards zero.
    fn trunc(self) -> Self;
    /// The nearest integer, the even one of two.
    fn round_even(self) -> Self;
    /// The nearest number to an integer.
    fn from_i64(value: i64) -> Self;
    /// The integer towards zero, the nearest one in range if there is none; 0 for NaN.
    fn to_i64(self) -> i64;

    /// `a` if the condition holds, else `b`, bits as they are.
    #[inline(always)]
    fn select(condition: bool, a: Self, b: Self) -> Self {
        if condition { a } else { b }
    }

    /// Whether it is any NaN.
    #[inline(always)]
    fn is_nan(self) -> bool {
        !self.equal(self)
    }

    /// -self.
    #[inline(always)]
    fn neg(self) -> Self {
        Self::from_bits(self.to_bits() ^ binary32::SIGN)
    }

    /// Its magnitude.
    #[inline(always)]
    fn abs(self) -> Self {
        Self::from_bits(self.to_bits() & !binary32::SIGN)
    }

    /// The greater one, +0 above -0; NaN if either is NaN.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        // Of equal numbers only zeros differ, in the sign.
        let equal = Self::from_bits(self.to_bits() & other.to_bits());
        let ordered = Self::select(self.less(other), other, Self::select(self.equal(other), equal, self));
        Self::select(other.is_nan(), other, ordered)
    }

    /// The lesser one, -0 below +0; NaN if either is NaN.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        let equal = Self::from_bits(self.to_bits() | other.to_bits());
        let ordered = Self::select(other.less(self), other, Self::select(self.equal(other), equal, self));
        Self::select(other.is_nan(), other, ordered)
    }

    /// The same number; the one canonical NaN for every NaN. The last step of every formula.
    #[inline(always)]
    fn canonical(self) -> Self {
        Self::select(self.is_nan(), Self::from_bits(binary32::NAN), self)
    }
}

/// A binary32 number whose operations are those of [`binary32`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soft(pub u32);

impl Real for Soft {
    fn from_bits(bits: u32) -> Self {
        Soft(bits)
    }

    fn to_bits(self) -> u32 {
        self.0
    }

    fn add(self, other: Self) -> Self {
        Soft(binary32::add(self.0, other.0))
    }

    fn sub(self, other: Self) -> Self {
        Soft(binary32::sub(self.0, other.0))
    }

    fn mul(self, other: Self) -> Self {
        Soft(binary32::mul(self.0, other.0))
    }

    fn div(self, other: Self) -> Self {
        Soft(binary32::div(self.0, other.0))
    }

    fn fma(self, factor: Self, addend: Self) -> Self {
        Soft(binary32::fma(self.0, factor.0, addend.0))
    }

    fn sqrt(self) -> Self {
        Soft(binary32::sqrt(self.0))
    }

    fn less(self, other: Self) -> bool {
        binary32::less(self.0, other.0)
    }

    fn less_equal(self, other: Self) -> bool {
        binary32::less_equal(self.0, other.0)
    }

    fn equal(self, other: Self) -> bool {
        binary32::equal(self.0, other.0)
    }

    fn floor(self) -> Self {
        Soft(binary32::floor(self.0))
    }

    fn ceil(self) -> Self {
        Soft(binary32::ceil(self.0))
    }

    fn trunc(self) -> Self {
        Soft(binary32::trunc(self.0))
    }

    fn round_even(self) -> Self {
        Soft(binary32::round_even(self.0))
    }

    fn from_i64(value: i64) -> Self {
        Soft(binary32::from_i64(value))
    }

    fn to_i64(self) -> i64 {
        binary32::to_i64(self.0)
    }
}
