//! [`Vector`] by AVX-512: one register.

use super::{LANES, Row, Task, Vector};
use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

/// Proof that the processor has AVX-512 F, BW, DQ and VL, AVX2 and FMA: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        present.then_some(Avx512(()))
    }
}

impl Vector for Avx512 {
    type Lanes = __m512;
    const ROWS: usize = 14;
    const WIDTH: usize = 2 * LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: the processor has AVX-512 F, as `self` proves.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, row: &Row) -> __m512 {
        // SAFETY: the processor has AVX-512 F, as `self` proves; a row is 64 bytes long.
        unsafe { _mm512_loadu_ps(row.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, lanes: __m512, row: &mut Row) {
        // SAFETY: the processor has AVX-512 F, as `self` proves; a row is 64 bytes long.
        unsafe { _mm512_storeu_ps(row.as_mut_ptr(), lanes) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the processor has AVX-512 F, as `self` proves.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the processor has AVX-512 F, as `self` proves.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
}

/// Runs a task, compiled for AVX-512.
pub(super) fn run<T: Task>(vector: Avx512, task: T) -> T::Output {
    // SAFETY: the processor has these instructions, as `vector` proves.
    unsafe { compiled(vector, task) }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn compiled<T: Task>(vector: Avx512, task: T) -> T::Output {
    task.run(vector)
}
