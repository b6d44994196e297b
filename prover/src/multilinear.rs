//! Multilinear extensions, the prover's side: split eq tables, folds of rows, batched inverses.

use crate::count;
use ark_ff::{AdditiveGroup, batch_inversion};
use assay_verifier::F;
use assay_verifier::multilinear::{SmallSum, eq_table};
use rayon::prelude::*;

/// Fewer pairs than this stay on one thread.
const GRAIN: usize = 1 << 9;

/// eq tables of every prefix of a point, as products of a high and a low half (Dao-Thaler, eprint 2024/1210).
pub struct EqHalves {
    split: usize,
    /// Tables of `point[..r]` for r up to the split.
    high: Vec<Vec<F>>,
    /// Tables of `point[split..r]` for r from the split on.
    low: Vec<Vec<F>>,
}

impl EqHalves {
    /// The tables of the prefixes of a point; about `2 sqrt(2^point.len())` multiplications.
    pub fn new(point: &[F]) -> Self {
        let split = point.len() / 2;
        let high = (0..=split).map(|r| eq_table(&point[..r])).collect();
        let low = (split..=point.len()).map(|r| eq_table(&point[split..r])).collect();
        EqHalves { split, high, low }
    }

    /// `sum over i < count of eq(point[..variables], i) * f(i)`, for both components of f.
    pub fn weighted_sums(
        &self,
        variables: usize,
        count: usize,
        f: impl Fn(usize) -> (F, F) + Sync,
    ) -> (F, F) {
        let add = |a: (F, F), b: (F, F)| (a.0 + b.0, a.1 + b.1);
        let (high, low): (&[F], &[F]) = match variables.checked_sub(self.split) {
            Some(rest) => (&self.high[self.split], &self.low[rest]),
            None => (&self.high[variables], &self.low[0]),
        };
        let block = |number: usize| {
            let first = number * low.len();
            let mut sum = (F::ZERO, F::ZERO);
            for (i, weight) in (first..count.min(first + low.len())).zip(low) {
                let (a, b) = f(i);
                sum = add(sum, (*weight * a, *weight * b));
            }
            (high[number] * sum.0, high[number] * sum.1)
        };
        let blocks = count.div_ceil(low.len());
        let grain = (GRAIN / low.len()).max(1);
        (0..blocks).into_par_iter().with_min_len(grain).map(block).reduce(|| (F::ZERO, F::ZERO), add)
    }
}

/// The inverses of nonzero elements; a zero stays zero.
pub fn inverses(elements: &[F]) -> Vec<F> {
    let mut inverses = elements.to_vec();
    batch_inversion(&mut inverses);
    inverses
}

/// `sum over rows of weight * row`, cell by cell: small integers by field elements, about 5 ns a cell.
pub fn fold_rows(rows: &[(F, &[i64])], length: usize) -> Vec<F> {
    const COLUMNS: usize = 32;
    let mut folded = vec![F::ZERO; length];
    count::small(rows.iter().map(|(_, row)| row.len()).sum());
    folded.par_chunks_mut(COLUMNS).with_min_len(4).enumerate().for_each(|(block, out)| {
        let first = block * COLUMNS;
        let mut sums = [SmallSum::default(); COLUMNS];
        for (weight, row) in rows {
            let cells = row.get(first..row.len().min(first + out.len())).unwrap_or_default();
            for (sum, &cell) in sums.iter_mut().zip(cells) {
                if cell != 0 {
                    sum.add(weight, cell);
                }
            }
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = sum.finish());
    });
    folded
}

/// `sum of a_i * b_i`.
pub fn dot(a: &[F], b: &[F]) -> F {
    count::full(a.len());
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::Field;

    fn point(variables: usize) -> Vec<F> {
        (0..variables as u64).map(|i| F::from(i + 3).pow([7])).collect()
    }

    #[test]
    fn split_eq_sums_are_plain_eq_sums() {
        for variables in 0..8 {
            let at = point(7);
            let eq = EqHalves::new(&at);
            for count in 0..=1usize << variables.min(7) {
                let plain = eq_table(&at[..variables.min(7)]);
                let expected: F = (0..count).map(|i| plain[i] * F::from(i as u64 + 1)).sum();
                let (sum, twice) = eq.weighted_sums(variables.min(7), count, |i| {
                    (F::from(i as u64 + 1), F::from(2 * i as u64 + 2))
                });
                assert_eq!(sum, expected);
                assert_eq!(twice, expected.double());
            }
        }
    }

    #[test]
    fn folded_rows_are_the_weighted_sum() {
        let rows: Vec<Vec<i64>> = (0..5).map(|r| (0..70).map(|c| (r * c) as i64 - 40).collect()).collect();
        let weights = point(5);
        let pairs: Vec<(F, &[i64])> = weights.iter().copied().zip(rows.iter().map(Vec::as_slice)).collect();
        let folded = fold_rows(&pairs, 80);
        for (column, value) in folded.iter().enumerate() {
            let cell = |row: &Vec<i64>| F::from(row.get(column).copied().unwrap_or(0));
            assert_eq!(*value, weights.iter().zip(&rows).map(|(w, row)| *w * cell(row)).sum::<F>());
        }
    }
}
