//! Formulas over many elements, in the widest vectors that the processor has.
//!
//! A formula is a [`Map`]: operands of one element in, one element out. [`map`] runs it over slices in a loop that is
//! compiled three times, without instruction sets, for AVX2 with FMA, and for AVX-512; the compiler makes vectors of
//! the loop, because formulas have no branches. All three give the same bits, so which one runs is
//! not observable. A closure would not do: code inside one is not compiled again for the caller's instruction
//! set unless it is inlined, which `#[inline(always)]` on a method forces and nothing forces on a closure.
//!
//! ```
//! use assay_circuits::elementary::exp;
//! use assay_circuits::real::Real;
//! use assay_prover::kernels::elementary::{Map, map};
//!
//! /// exp(a) * b.
//! struct Weighted;
//!
//! impl Map<2> for Weighted {
//!     #[inline(always)]
//!     fn element<R: Real>(&self, [a, b]: [R; 2]) -> R {
//!         exp(a).mul(b)
//!     }
//! }
//!
//! let mut out = [0.0; 3];
//! map(&Weighted, [&[0.0, 0.0, f32::NEG_INFINITY], &[1.0, -0.0, 2.0]], &mut out);
//! assert_eq!(out.map(f32::to_bits), [1.0f32, -0.0, 0.0].map(f32::to_bits));
//! ```

use super::real::Hard;
use assay_circuits::real::Real;

/// A formula of `N` operands.
pub trait Map<const N: usize> {
    /// One element. Implementations are `#[inline(always)]`; the result is made canonical by the caller.
    fn element<R: Real>(&self, operands: [R; N]) -> R;
}

/// Which instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// What every processor of the architecture has; fused multiply-adds may be function calls.
    Portable,
    /// Vectors of 8.
    Avx2,
    /// Vectors of 16.
    Avx512,
}

impl Instructions {
    /// Those that this processor has, narrowest first.
    pub fn available() -> Vec<Instructions> {
        let all = [Instructions::Portable, Instructions::Avx2, Instructions::Avx512];
        all.into_iter().filter(|instructions| instructions.present()).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn present(self) -> bool {
        match self {
            Instructions::Portable => true,
            Instructions::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Instructions::Avx512 => {
                Instructions::Avx2.present()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn present(self) -> bool {
        self == Instructions::Portable
    }
}

/// `out[i] = canonical(formula(operands[0][i], ..))`, as far as the shortest slice goes.
pub fn map<const N: usize, M: Map<N>>(formula: &M, operands: [&[f32]; N], out: &mut [f32]) {
    let widest = if Instructions::Avx512.present() {
        Instructions::Avx512
    } else if Instructions::Avx2.present() {
        Instructions::Avx2
    } else {
        Instructions::Portable
    };
    map_with(widest, formula, operands, out);
}

/// [`map`] with given instructions, or portable ones where the processor lacks them.
pub fn map_with<const N: usize, M: Map<N>>(
    instructions: Instructions,
    formula: &M,
    operands: [&[f32]; N],
    out: &mut [f32],
) {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 if instructions.present() => {
            // SAFETY: the processor has these instructions.
            unsafe { avx512(formula, operands, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 if instructions.present() => {
            // SAFETY: the processor has these instructions.
            unsafe { avx2(formula, operands, out) }
        }
        _ => every(formula, operands, out),
    }
}

#[inline(always)]
fn every<const N: usize, M: Map<N>>(formula: &M, operands: [&[f32]; N], out: &mut [f32]) {
    let length = operands.iter().map(|operand| operand.len()).fold(out.len(), usize::min);
    // Slices of one length, so that no access within the loop is checked.
    let operands = operands.map(|operand| &operand[..length]);
    for (i, out) in out[..length].iter_mut().enumerate() {
        *out = formula.element(operands.map(|operand| Hard(operand[i]))).canonical().0;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<const N: usize, M: Map<N>>(formula: &M, operands: [&[f32]; N], out: &mut [f32]) {
    every(formula, operands, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<const N: usize, M: Map<N>>(formula: &M, operands: [&[f32]; N], out: &mut [f32]) {
    every(formula, operands, out);
}
