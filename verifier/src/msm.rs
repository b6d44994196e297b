//! Multi-scalar multiplication: `sum_i s_i P_i` over some hundred to some thousand points with scalars of full width.
//!
//! Pippenger's bucket method (Bernstein, Doumen, Lange, Oosterwijk, INDOCRYPT 2012, section 4) with the usual savings:
//!
//! 1. The endomorphism ([`crate::glv`]) turns `n` scalars into `2 n` of 127 bits: half the doublings, half the windows.
//! 2. A scalar is written in `w` signed digits of `c` bits, `|d| <= 2^(c-1)`: half the buckets.
//! 3. In each window the points are sorted by digit; bucket `d` is the sum of the points with digit `d`, less those with
//!    `-d`. All buckets of several windows are summed together, affine, with shared inversions ([`crate::batch_affine`]).
//! 4. The window's value `sum_d d B_d` comes from running sums, which are affine and shared too ([`crate::buckets`]).
//! 5. The windows are joined by Horner's rule, `c` doublings each.
//!
//! About `w (2 n + 2^(c-1))` additions, `c` chosen to make that least.
//!
//! ```
//! use assay_verifier::{basis, msm::msm, point::F};
//! let points = basis::basis(2);
//! assert_eq!(msm(&points, &[F::from(3), -F::from(1)]), points[0] * F::from(3) - points[1]);
//! ```

use crate::batch_affine::{Additions, Batch, sum_runs};
use crate::buckets::{bucket_sums, sort_by_digit, weighted_sums};
use crate::glv;
use crate::point::{F, G1Affine, G1Projective, is_identity};
use alloc::{vec, vec::Vec};
use ark_ec::AdditiveGroup;
use ark_ff::Zero;

/// Bits of a half scalar with its sign.
const HALF_SCALAR_BITS: usize = 128;

/// `sum_i s_i P_i`. The longer of the two lists is cut to the length of the shorter.
pub fn msm(points: &[G1Affine], scalars: &[F]) -> G1Projective {
    msm_by(points, scalars, &mut Batch::default())
}

/// [`msm`] with the additions done by `batch`.
pub fn msm_by(points: &[G1Affine], scalars: &[F], batch: &mut impl Additions) -> G1Projective {
    let halves = split_all(points, scalars);
    let windows = Windows::for_terms(halves.len());
    let buckets = windows.fill_buckets(&halves, batch);
    let sums = weighted_sums(&buckets, windows.buckets(), batch);
    sums.iter().rev().fold(G1Projective::zero(), |mut total, sum| {
        for _ in 0..windows.width {
            total.double_in_place();
        }
        total + sum
    })
}

/// A point with a scalar of half the width.
type Term = (G1Affine, i128);

fn split_all(points: &[G1Affine], scalars: &[F]) -> Vec<Term> {
    let mut halves = Vec::with_capacity(2 * points.len().min(scalars.len()));
    for (point, scalar) in points.iter().zip(scalars) {
        if !is_identity(point) {
            let (low, high) = glv::split(scalar);
            halves.extend([(*point, low), (glv::endomorphism(point), high)]);
        }
    }
    halves
}

/// How half scalars are cut into digits.
#[derive(Clone, Copy, Debug)]
struct Windows {
    width: usize,
    count: usize,
}

impl Windows {
    /// The cut with the fewest additions.
    fn for_terms(terms: usize) -> Self {
        // Running sums cost two additions a bucket, and filling it saves one; joining a window costs about fifty.
        let additions = |w: &Self| w.count * (terms + w.buckets() + 50);
        let cut = |width| Self { width, count: HALF_SCALAR_BITS.div_ceil(width) };
        (3..=14).map(cut).min_by_key(additions).unwrap_or(cut(8))
    }

    fn buckets(&self) -> usize {
        1 << (self.width - 1)
    }

    /// The digits of a scalar, least significant first: `scalar = sum_j d_j 2^(width j)`, `|d_j| <= 2^(width-1)`.
    fn digits(&self, scalar: i128) -> impl Iterator<Item = i32> {
        let (width, half) = (self.width, 1i128 << (self.width - 1));
        let mut rest = scalar;
        (0..self.count).map(move |_| {
            let digit = ((rest + half) & (2 * half - 1)) - half;
            rest = (rest - digit) >> width;
            digit as i32
        })
    }

    /// The buckets of all windows, window by window, bucket `d` at place `d - 1` of its window.
    fn fill_buckets(&self, terms: &[Term], batch: &mut impl Additions) -> Vec<G1Affine> {
        /// Points that are sorted and summed at a time: they should stay in the second-level cache.
        const CHUNK: usize = 1 << 14;
        let mut digits = vec![0i32; self.count * terms.len()];
        for (i, (_, scalar)) in terms.iter().enumerate() {
            digits
                .iter_mut()
                .skip(i)
                .step_by(terms.len())
                .zip(self.digits(*scalar))
                .for_each(|(to, d)| *to = d);
        }
        let mut buckets = Vec::with_capacity(self.count * self.buckets());
        let mut sorted = Vec::new();
        let mut runs = Vec::new();
        for digits in digits.chunks(terms.len().max(1) * (CHUNK / terms.len().max(1)).max(1)) {
            sorted.clear();
            runs.clear();
            for window in digits.chunks(terms.len().max(1)) {
                let signed = terms.iter().zip(window).map(|((point, _), digit)| (point, *digit));
                sort_by_digit(signed, self.buckets(), &mut sorted, &mut runs);
            }
            sum_runs(&mut sorted, &mut runs, batch);
            buckets.extend(bucket_sums(&sorted, &runs));
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis;
    use ark_ff::{Field, PrimeField};
    use proptest::prelude::*;

    /// A bit more than `glv::split` produces.
    const LIMIT: i128 = 7 << 124;

    fn naive(points: &[G1Affine], scalars: &[F]) -> G1Projective {
        points.iter().zip(scalars).map(|(point, scalar)| *point * scalar).sum()
    }

    /// Points with many coincidences: equal ones, opposite ones, the identity.
    fn any_point() -> impl Strategy<Value = G1Affine> {
        let points = basis::basis(200);
        prop_oneof![
            4 => (0..200usize).prop_map({ let points = points.clone(); move |i| points[i] }),
            2 => (0..3usize).prop_map({ let points = points.clone(); move |i| points[i] }),
            2 => (0..3usize).prop_map(move |i| -points[i]),
            1 => Just(G1Affine::identity()),
        ]
    }

    fn any_scalar() -> impl Strategy<Value = F> {
        prop_oneof![
            4 => any::<[u8; 32]>().prop_map(|bytes| F::from_le_bytes_mod_order(&bytes)),
            1 => Just(F::ZERO),
            1 => Just(F::ONE),
            1 => Just(-F::ONE),
            1 => any::<i16>().prop_map(F::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_sum_is_the_naive_sum(terms in prop::collection::vec((any_point(), any_scalar()), 0..400)) {
            let (points, scalars): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
            prop_assert_eq!(msm(&points, &scalars), naive(&points, &scalars));
        }

        #[test]
        fn digits_recompose(scalar in -LIMIT..LIMIT, width in 3usize..=14) {
            let windows = Windows { width, count: HALF_SCALAR_BITS.div_ceil(width) };
            let digits: Vec<i32> = windows.digits(scalar).collect();
            prop_assert!(digits.iter().all(|d| d.unsigned_abs() as usize <= windows.buckets()));
            let value = digits.iter().rev().fold(F::ZERO, |v, d| v * F::from(1u64 << width) + F::from(*d));
            prop_assert_eq!(value, F::from(scalar));
        }
    }

    #[test]
    fn many_equal_terms_sum() {
        let points = vec![basis::point(7); 1000];
        let scalars = vec![-F::from(5); 1000];
        assert_eq!(msm(&points, &scalars), points[0] * F::from(-5000));
    }

    #[test]
    fn the_longer_list_is_cut() {
        let points = basis::basis(3);
        assert_eq!(msm(&points, &[F::ONE]), points[0]);
        assert_eq!(msm(&points[..1], &[F::ONE, F::ONE]), points[0]);
        assert_eq!(msm(&[], &[]), G1Projective::zero());
    }
}
