//! The two halves of Pippenger's bucket method: `sum_i d_i P_i` for signed digits `|d_i| <= size` as `sum_d d B_d`, where
//! bucket `B_d` is the sum of the points with digit `d` less those with digit `-d`.
//!
//! [`sort_by_digit`] lays the points of one sum out by bucket, for [`crate::batch_affine::sum_runs`]; [`weighted_sums`]
//! takes the weighted sum of the buckets. Both append or work on many sums at once, so that inversions are shared.

use crate::batch_affine::{Additions, Run};
use crate::point::{G1Affine, G1Projective};
use alloc::{vec, vec::Vec};
use ark_ec::AdditiveGroup;
use ark_ff::Zero;

/// Appends the points, signed and sorted by digit, to `sorted`, and to `runs` one run for each bucket `1 ..= size`. Points
/// with digit 0 are left out, as are those with a digit beyond `size`.
pub fn sort_by_digit<'a>(
    terms: impl Iterator<Item = (&'a G1Affine, i32)> + Clone,
    size: usize,
    sorted: &mut Vec<G1Affine>,
    runs: &mut Vec<Run>,
) {
    let first = runs.len();
    runs.resize(first + size, Run { start: 0, len: 0 });
    let Some(runs) = runs.get_mut(first..) else { return };
    let bucket = |digit: i32| (digit.unsigned_abs() as usize).wrapping_sub(1);
    for (_, digit) in terms.clone() {
        if let Some(run) = runs.get_mut(bucket(digit)) {
            run.len += 1;
        }
    }
    let mut start = sorted.len();
    for run in runs.iter_mut() {
        run.start = start;
        start += run.len;
        run.len = 0;
    }
    sorted.resize(start, G1Affine::identity());
    for (point, digit) in terms {
        let Some(run) = runs.get_mut(bucket(digit)) else { continue };
        if let Some(place) = sorted.get_mut(run.start + run.len) {
            *place = if digit < 0 { -*point } else { *point };
        }
        run.len += 1;
    }
}

/// The buckets that [`sort_by_digit`] laid out, after their runs were summed.
pub fn bucket_sums(sorted: &[G1Affine], runs: &[Run]) -> impl Iterator<Item = G1Affine> {
    runs.iter().map(|run| match run.len {
        0 => G1Affine::identity(),
        _ => sorted.get(run.start).copied().unwrap_or_default(),
    })
}

/// For each group of `size` consecutive buckets `B_1 .. B_size` the sum of `d B_d`.
///
/// Running sums from the top: `R = B_size + .. + B_d` is added to the total for each `d`. A group is cut into lanes of at
/// most 16 buckets whose running sums step together, all lanes of all groups in one batch. A lane that starts after
/// bucket `o` lacks `o R`; as `o` is 16 times the lane's number, that is a running sum over the lanes.
pub fn weighted_sums(buckets: &[G1Affine], size: usize, batch: &mut impl Additions) -> Vec<G1Projective> {
    const LOG_LANE: usize = 4;
    let lane_len = size.clamp(1, 1 << LOG_LANE);
    let lanes: Vec<&[G1Affine]> =
        buckets.chunks(size.max(1)).flat_map(|group| group.chunks(lane_len)).collect();
    // Place 2 k holds the running sum of lane k, place 2 k + 1 its total.
    let mut sums = vec![G1Affine::identity(); 2 * lanes.len()];
    for step in (0..=lane_len).rev() {
        for (k, lane) in lanes.iter().enumerate() {
            // The total first: it takes the running sum of the step before.
            if let Some(running) = sums.get(2 * k).copied() {
                batch.push(&mut sums, 2 * k + 1, &running);
            }
            if let Some(bucket) = step.checked_sub(1).and_then(|d| lane.get(d)) {
                batch.push(&mut sums, 2 * k, bucket);
            }
        }
        batch.apply(&mut sums);
    }
    let lanes_per_group = size.div_ceil(lane_len).max(1);
    sums.chunks(2 * lanes_per_group)
        .map(|group| {
            let (lanes, _) = group.as_chunks::<2>();
            let (mut offsets, mut running, mut totals) =
                (G1Projective::zero(), G1Projective::zero(), G1Projective::zero());
            for (number, [lane_running, total]) in lanes.iter().enumerate().rev() {
                totals += total;
                if number > 0 {
                    running += lane_running;
                    offsets += running;
                }
            }
            for _ in 0..LOG_LANE {
                offsets.double_in_place();
            }
            offsets + totals
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis;
    use crate::batch_affine::{Batch, sum_runs};
    use crate::point::F;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn weighted_sums_are_the_naive_ones(size in 1usize..70, groups in 0usize..4) {
            let buckets = basis::basis(size * groups);
            let expected: Vec<G1Projective> = buckets
                .chunks(size)
                .map(|group| group.iter().zip(1u64..).map(|(point, d)| *point * F::from(d)).sum())
                .collect();
            prop_assert_eq!(weighted_sums(&buckets, size, &mut Batch::default()), expected);
        }

        #[test]
        fn buckets_give_the_sum_of_digits_times_points(digits in prop::collection::vec(-9i32..=9, 0..50)) {
            let points = basis::basis(digits.len());
            let (mut sorted, mut runs) = (Vec::new(), Vec::new());
            sort_by_digit(points.iter().zip(digits.iter().copied()), 9, &mut sorted, &mut runs);
            sum_runs(&mut sorted, &mut runs, &mut Batch::default());
            let buckets: Vec<G1Affine> = bucket_sums(&sorted, &runs).collect();
            let expected: G1Projective = points.iter().zip(&digits).map(|(point, d)| *point * F::from(*d)).sum();
            prop_assert_eq!(weighted_sums(&buckets, 9, &mut Batch::default()), [expected]);
        }
    }
}
