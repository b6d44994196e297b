//! [`Vector`] by AVX2 and FMA: two registers.

use super::{LANES, Row, Task, Vector};
use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
};

/// Proof that the processor has AVX2 and FMA: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

impl Vector for Avx2 {
    type Lanes = [__m256; 2];
    const ROWS: usize = 6;
    const WIDTH: usize = LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        // SAFETY: the processor has AVX, as `self` proves.
        let lanes = unsafe { _mm256_set1_ps(value) };
        [lanes, lanes]
    }

    #[inline(always)]
    fn load(self, row: &Row) -> [__m256; 2] {
        let (low, high) = row.split_at(LANES / 2);
        // SAFETY: the processor has AVX, as `self` proves; each half is 32 bytes long.
        unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] }
    }

    #[inline(always)]
    fn store(self, [a, b]: [__m256; 2], row: &mut Row) {
        let (low, high) = row.split_at_mut(LANES / 2);
        // SAFETY: the processor has AVX, as `self` proves; each half is 32 bytes long.
        unsafe {
            _mm256_storeu_ps(low.as_mut_ptr(), a);
            _mm256_storeu_ps(high.as_mut_ptr(), b);
        }
    }

    #[inline(always)]
    fn add(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the processor has AVX, as `self` proves.
        unsafe { [_mm256_add_ps(a, c), _mm256_add_ps(b, d)] }
    }

    #[inline(always)]
    fn fma(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2], [e, f]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the processor has FMA, as `self` proves.
        unsafe { [_mm256_fmadd_ps(a, c, e), _mm256_fmadd_ps(b, d, f)] }
    }
}

/// Runs a task, compiled for AVX2 and FMA.
pub(super) fn run<T: Task>(vector: Avx2, task: T) -> T::Output {
    // SAFETY: the processor has these instructions, as `vector` proves.
    unsafe { compiled(vector, task) }
}

#[target_feature(enable = "avx2,fma")]
fn compiled<T: Task>(vector: Avx2, task: T) -> T::Output {
    task.run(vector)
}
