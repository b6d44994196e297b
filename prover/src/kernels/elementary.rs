//! Formulas over many elements, in the widest vectors that the processor has.
//!
//! A [`Loop`] is compiled three times, without instruction sets, for AVX2 with FMA, and for AVX-512, and
//! [`Instructions::run`] takes one of them; the compiler makes vectors of the loop if its body has no branches. All
//! three give the same bits, so which one runs is not observable. A [`Map`] is the usual body: operands of one element in,
//! one element out, which [`map`] runs over slices. Closures would not do: code is compiled for the
//! caller's instruction set only where it is inlined, which `#[inline(always)]` forces on a method and nothing on a
//! closure.
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

/// A loop to be compiled for each set of instructions.
pub trait Loop {
    /// What it returns.
    type Output;
    /// The loop. Implementations and all that they call are `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

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
    pub fn available() -> impl DoubleEndedIterator<Item = Instructions> {
        let all = [Instructions::Portable, Instructions::Avx2, Instructions::Avx512];
        all.into_iter().filter(|instructions| instructions.present())
    }

    /// The widest that this processor has.
    pub fn widest() -> Instructions {
        Instructions::available().next_back().unwrap_or(Instructions::Portable)
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

    /// Runs a loop with these instructions, or portable ones where the processor lacks them.
    pub fn run<L: Loop>(self, kernel: L) -> L::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 if self.present() => {
                // SAFETY: the processor has these instructions.
                unsafe { avx512(kernel) }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if self.present() => {
                // SAFETY: the processor has these instructions.
                unsafe { avx2(kernel) }
            }
            _ => kernel.run(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<L: Loop>(kernel: L) -> L::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<L: Loop>(kernel: L) -> L::Output {
    kernel.run()
}

/// `out[i] = canonical(formula(operands[0][i], ..))`, as far as the shortest slice goes.
pub fn map<const N: usize, M: Map<N>>(formula: &M, operands: [&[f32]; N], out: &mut [f32]) {
    map_with(Instructions::widest(), formula, operands, out);
}

/// [`map`] with given instructions.
pub fn map_with<const N: usize, M: Map<N>>(
    instructions: Instructions,
    formula: &M,
    operands: [&[f32]; N],
    out: &mut [f32],
) {
    instructions.run(Elements { formula, operands, out });
}

struct Elements<'a, const N: usize, M> {
    formula: &'a M,
    operands: [&'a [f32]; N],
    out: &'a mut [f32],
}

impl<const N: usize, M: Map<N>> Loop for Elements<'_, N, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let length = self.operands.iter().map(|operand| operand.len()).fold(self.out.len(), usize::min);
        // Slices of one length, so that no access within the loop is checked.
        let operands = self.operands.map(|operand| &operand[..length]);
        for (i, out) in self.out[..length].iter_mut().enumerate() {
            *out = self.formula.element(operands.map(|operand| Hard(operand[i]))).canonical().0;
        }
    }
}
