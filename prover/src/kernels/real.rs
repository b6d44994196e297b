//! The processor's own binary32 arithmetic, for formulas over [`Real`].
//!
//! Bit for bit what [`Soft`](assay_circuits::real::Soft) computes, except for NaNs, which
//! [`Real::canonical`] makes one. Everything is inlined, so that a loop over elements within a function
//! with a `target_feature` becomes vector instructions: see [`elementary`](super::elementary).

use assay_circuits::real::Real;

/// An `f32` whose operations are the processor's, each rounded once.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Hard(pub f32);

impl Real for Hard {
    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        Hard(f32::from_bits(bits))
    }

    #[inline(always)]
    fn to_bits(self) -> u32 {
        self.0.to_bits()
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Hard(self.0 + other.0)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Hard(self.0 - other.0)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Hard(self.0 * other.0)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Hard(self.0 / other.0)
    }

    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        Hard(self.0.mul_add(factor.0, addend.0))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Hard(self.0.sqrt())
    }

    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }

    #[inline(always)]
    fn less_equal(self, other: Self) -> bool {
        self.0 <= other.0
    }

    #[inline(always)]
    fn equal(self, other: Self) -> bool {
        self.0 == other.0
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Hard(self.0.floor())
    }

    #[inline(always)]
    fn ceil(self) -> Self {
        Hard(self.0.ceil())
    }

    #[inline(always)]
    fn trunc(self) -> Self {
        Hard(self.0.trunc())
    }

    #[inline(always)]
    fn round_even(self) -> Self {
        Hard(self.0.round_ties_even())
    }

    #[inline(always)]
    fn from_i64(value: i64) -> Self {
        Hard(value as f32)
    }

    #[inline(always)]
    fn to_i64(self) -> i64 {
        self.0 as i64
    }
}
