//! [`Dots`] by AVX2: one instruction multiplies 16 pairs of 16-bit integers and adds neighbours.

use super::{Dots, LANES};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_setzero_si256,
};

/// Proof that the processor has AVX2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }
}

impl Dots for Avx2 {
    #[inline]
    fn dots<const P: usize, const Q: usize>(self, left: [&[i16]; P], right: [&[i16]; Q]) -> [[i32; Q]; P] {
        // SAFETY: the processor has AVX2, as `self` proves.
        unsafe { dots(left, right) }
    }
}

#[target_feature(enable = "avx2")]
fn dots<const P: usize, const Q: usize>(left: [&[i16]; P], right: [&[i16]; Q]) -> [[i32; Q]; P] {
    let left = left.map(blocks);
    let right = right.map(blocks);
    let count = left.iter().chain(&right).map(|row| row.len()).min().unwrap_or(0);
    let mut sums = [[_mm256_setzero_si256(); Q]; P];
    for block in 0..count {
        let b: [__m256i; Q] = std::array::from_fn(|q| bytemuck::cast(right[q][block]));
        for p in 0..P {
            let a: __m256i = bytemuck::cast(left[p][block]);
            for q in 0..Q {
                sums[p][q] = _mm256_add_epi32(sums[p][q], _mm256_madd_epi16(a, b[q]));
            }
        }
    }
    let mut dots = [[0; Q]; P];
    for p in 0..P {
        for q in 0..Q {
            dots[p][q] = total(sums[p][q]);
        }
    }
    dots
}

fn blocks(row: &[i16]) -> &[[i16; LANES]] {
    row.as_chunks().0
}

#[target_feature(enable = "avx2")]
fn total(sums: __m256i) -> i32 {
    let four: __m128i = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}
