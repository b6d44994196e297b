//! Row commitments: `<row, G> = sum_i row[i] G_i` for many rows of small integers over one basis.
//!
//! This is where a proof's time goes, so nothing here is of full width. An entry is written in signed digits of `c` bits,
//! `|d| <= 2^(c-1)`; an activation mostly is one digit, and a zero digit costs nothing. A row is then a few *digit rows*
//! (one per digit position in use), each is summed on its own, and Horner's rule joins them, `c` doublings each. There
//! are two ways to sum a digit row of `n` digits that are not zero:
//!
//! | method | additions per digit row | set-up | pays for |
//! | --- | --- | --- | --- |
//! | table of `d G_i` | `n` | `2^(c-1) L` | many rows |
//! | buckets ([`assay_verifier::buckets`]) | `n + 2^(c-1)` | none | long rows |
//!
//! Method and `c` are those with the fewest additions, counted from a histogram of the entries' sizes. All additions are
//! affine, and rows share inversions ([`crate::batch_affine`]). A table is made for a block of columns at a time,
//! small enough for the second-level cache, used for all rows and dropped. Points are group elements in their unique
//! affine form, so that the result depends neither on the method nor on the number of threads.

mod plan;

use self::plan::{Method, Plan, largest};
use crate::batch_affine::Batch;
use ark_ec::CurveGroup;
use assay_verifier::basis;
use assay_verifier::batch_affine::{Additions, Run, sum_runs};
use assay_verifier::buckets::{bucket_sums, sort_by_digit, weighted_sums};
use assay_verifier::point::{G1Affine, G1Projective};
use core::ops::Range;
use rayon::prelude::*;

/// A prefix of the transparent reference string, for rows up to its length.
#[derive(Clone, Debug)]
pub struct Basis {
    points: Vec<G1Affine>,
}

impl Basis {
    /// The first `len` points; those beyond the shipped ones are computed on all cores.
    pub fn new(len: usize) -> Self {
        let mut points = basis::shipped(len);
        let computed = (points.len() as u64..len as u64).into_par_iter().map(basis::point);
        points.par_extend(computed);
        Self { points }
    }

    /// The points `G_0 .. G_(len-1)`.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }
}

/// An integer that a row may hold.
pub trait Entry: Copy + Sync {
    /// The entry's value.
    fn value(self) -> i64;
}

impl<T: Copy + Sync + Into<i64>> Entry for T {
    fn value(self) -> i64 {
        self.into()
    }
}

/// The commitment `sum_i row[i] G_i` of each row. Rows may be shorter than the basis: missing entries are zero.
///
/// # Panics
/// If a row is longer than the basis.
pub fn commit_rows<E: Entry>(basis: &Basis, rows: &[&[E]]) -> Vec<G1Affine> {
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    assert!(columns <= basis.points.len(), "a row of {columns} entries is longer than the basis");
    let plan = Plan::cheapest(rows, columns);
    plan.commit(&basis.points[..columns], rows)
}

/// One digit position of one row.
#[derive(Clone, Copy, Debug)]
struct DigitRow {
    row: usize,
    position: u32,
}

impl Plan {
    fn commit<E: Entry>(self, points: &[G1Affine], rows: &[&[E]]) -> Vec<G1Affine> {
        let digit_rows: Vec<DigitRow> = rows
            .iter()
            .enumerate()
            .flat_map(|(row, entries)| {
                (0..self.positions(largest(entries)) as u32).map(move |position| DigitRow { row, position })
            })
            .collect();
        let sums = match self.method {
            Method::Table => self.by_table(points, rows, &digit_rows),
            Method::Buckets => self.by_buckets(points, rows, &digit_rows),
        };
        self.join(&digit_rows, &sums, rows.len())
    }

    fn by_table<E: Entry>(
        self,
        points: &[G1Affine],
        rows: &[&[E]],
        digit_rows: &[DigitRow],
    ) -> Vec<G1Affine> {
        /// Multiples in a table: a megabyte of points.
        const TABLE: usize = 1 << 14;
        /// Points gathered before they are summed.
        const GATHERED: usize = 1 << 13;
        let block_len = (TABLE >> (self.width - 1)).max(1);
        let rows_at_once = (GATHERED / block_len.min(points.len()).max(1)).max(1);
        let threads = rayon::current_num_threads();
        let spans = (digit_rows.len() * points.len() / (4 * GATHERED)).clamp(threads, 4 * threads);
        let rows_per_span = digit_rows.len().div_ceil(spans).max(1);
        let mut sums = vec![G1Affine::identity(); digit_rows.len()];
        let mut workers = vec![Buffers::default(); spans];
        for (number, block) in points.chunks(block_len).enumerate() {
            let table = self.table(block);
            let columns = number * block_len..(number + 1) * block_len;
            let spans = sums.par_chunks_mut(rows_per_span).zip(digit_rows.par_chunks(rows_per_span));
            workers.par_iter_mut().zip(spans).for_each(|(buffers, (sums, digit_rows))| {
                for (sums, digit_rows) in sums.chunks_mut(rows_at_once).zip(digit_rows.chunks(rows_at_once)) {
                    self.add_block(&table, rows, columns.clone(), digit_rows, sums, buffers);
                }
            });
        }
        sums
    }

    /// Adds to the sums of some digit rows what the columns of one block contribute.
    fn add_block<E: Entry>(
        self,
        table: &[G1Affine],
        rows: &[&[E]],
        columns: Range<usize>,
        digit_rows: &[DigitRow],
        sums: &mut [G1Affine],
        buffers: &mut Buffers,
    ) {
        buffers.clear();
        for (digit_row, sum) in digit_rows.iter().zip(sums.iter()) {
            let row = rows[digit_row.row];
            let entries = &row[columns.start.min(row.len())..columns.end.min(row.len())];
            let start = buffers.points.len();
            if *sum != G1Affine::identity() {
                buffers.points.push(*sum);
            }
            for (entry, multiples) in entries.iter().zip(table.chunks_exact(1 << (self.width - 1))) {
                let digit = self.digit(*entry, digit_row.position);
                if digit != 0 {
                    let multiple = multiples[digit.unsigned_abs() as usize - 1];
                    buffers.points.push(if digit < 0 { -multiple } else { multiple });
                }
            }
            buffers.runs.push(Run { start, len: buffers.points.len() - start });
        }
        buffers.sum();
        bucket_sums(&buffers.points, &buffers.runs).zip(sums).for_each(|(from, to)| *to = from);
    }

    /// The multiples `1 .. 2^(c-1)` of each point, point by point.
    fn table(self, points: &[G1Affine]) -> Vec<G1Affine> {
        let multiples = 1usize << (self.width - 1);
        let points_per_task = points.len().div_ceil(rayon::current_num_threads()).max(16);
        let mut table = vec![G1Affine::identity(); points.len() * multiples];
        let tasks = table.par_chunks_mut(points_per_task * multiples).zip(points.par_chunks(points_per_task));
        tasks.for_each_init(Batch::default, |batch, (table, points)| {
            let starts = (0..table.len()).step_by(multiples);
            starts.clone().zip(points).for_each(|(start, point)| table[start] = *point);
            // A doubling is an exception to the wide implementation, so that only the first step is one: from the
            // multiples up to k come those up to 2 k - 1.
            let mut doublings = assay_verifier::batch_affine::Batch::default();
            if multiples > 1 {
                for (start, point) in starts.clone().zip(points) {
                    table[start + 1] = *point;
                    doublings.push(table, start + 1, point);
                }
                doublings.apply(table);
            }
            let mut known = 2;
            while known < multiples {
                let more = (known - 1).min(multiples - known);
                for start in starts.clone() {
                    let largest = table[start + known - 1];
                    table.copy_within(start..start + more, start + known);
                    (start + known..start + known + more)
                        .for_each(|place| batch.push(table, place, &largest));
                }
                batch.apply(table);
                known += more;
            }
        });
        table
    }

    fn by_buckets<E: Entry>(
        self,
        points: &[G1Affine],
        rows: &[&[E]],
        digit_rows: &[DigitRow],
    ) -> Vec<G1Affine> {
        const ROWS_PER_TASK: usize = 32;
        let size = 1 << (self.width - 1);
        let tasks = digit_rows
            .par_chunks(ROWS_PER_TASK.min(digit_rows.len().div_ceil(rayon::current_num_threads()).max(1)));
        let sums: Vec<Vec<G1Affine>> = tasks
            .map_init(Buffers::default, |buffers, digit_rows| {
                let mut buckets = Vec::with_capacity(digit_rows.len() * size);
                for digit_row in digit_rows {
                    buffers.clear();
                    let digits =
                        rows[digit_row.row].iter().map(|entry| self.digit(*entry, digit_row.position));
                    sort_by_digit(points.iter().zip(digits), size, &mut buffers.points, &mut buffers.runs);
                    buffers.sum();
                    buckets.extend(bucket_sums(&buffers.points, &buffers.runs));
                }
                G1Projective::normalize_batch(&weighted_sums(&buckets, size, &mut buffers.batch))
            })
            .collect();
        sums.concat()
    }

    /// Horner's rule over the digit rows of each row.
    fn join(self, digit_rows: &[DigitRow], sums: &[G1Affine], rows: usize) -> Vec<G1Affine> {
        const ROWS_PER_TASK: usize = 512;
        let mut joined = vec![G1Affine::identity(); rows];
        joined.par_chunks_mut(ROWS_PER_TASK).enumerate().for_each(|(task, joined)| {
            let first = task * ROWS_PER_TASK;
            let place = |row| digit_rows.partition_point(|digit_row| digit_row.row < row);
            let own = place(first)..place(first + joined.len());
            let (digit_rows, sums) = (&digit_rows[own.clone()], &sums[own]);
            let highest = digit_rows.iter().map(|digit_row| digit_row.position).max().unwrap_or(0);
            // Doublings are exceptions to the wide implementation.
            let mut batch = assay_verifier::batch_affine::Batch::default();
            for position in (0..=highest).rev() {
                for _ in 0..if position < highest { self.width } else { 0 } {
                    for row in 0..joined.len() {
                        let point = joined[row];
                        batch.push(joined, row, &point);
                    }
                    batch.apply(joined);
                }
                let added =
                    digit_rows.iter().zip(sums).filter(|(digit_row, _)| digit_row.position == position);
                added.for_each(|(digit_row, sum)| batch.push(joined, digit_row.row - first, sum));
                batch.apply(joined);
            }
        });
        joined
    }
}

/// What a worker sums in; kept from one chunk to the next.
#[derive(Clone, Default)]
struct Buffers {
    points: Vec<G1Affine>,
    runs: Vec<Run>,
    batch: Batch,
}

impl Buffers {
    fn clear(&mut self) {
        self.points.clear();
        self.runs.clear();
    }

    fn sum(&mut self) {
        sum_runs(&mut self.points, &mut self.runs, &mut self.batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_verifier::point::F;
    use proptest::prelude::*;

    fn naive<E: Entry>(basis: &Basis, row: &[E]) -> G1Affine {
        let terms = row.iter().zip(basis.points()).map(|(entry, point)| *point * F::from(entry.value()));
        terms.sum::<G1Projective>().into_affine()
    }

    fn any_entry() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => Just(0),
            8 => -128i64..128,
            1 => -(1i64 << 20)..1 << 20,
            1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(128), Just(-128), Just(255), any::<i64>()],
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_plan_commits_as_the_naive_sum(
            rows in prop::collection::vec(prop::collection::vec(any_entry(), 0..40), 0..12),
            width in 1u32..=12,
        ) {
            let basis = Basis::new(40);
            let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
            let expected: Vec<G1Affine> = rows.iter().map(|row| naive(&basis, row)).collect();
            for method in [Method::Table, Method::Buckets] {
                prop_assert_eq!(&Plan { method, width }.commit(basis.points(), &rows), &expected);
            }
            prop_assert_eq!(commit_rows(&basis, &rows), expected);
        }
    }

    fn ramp(rows: i32, columns: i32) -> Vec<Vec<i32>> {
        (0..rows).map(|r| (0..columns).map(|c| (r * 31 + c * 17) % 255 - 100).collect()).collect()
    }

    #[test]
    fn rows_longer_than_a_table_block_commit_as_the_naive_sum() {
        let rows = ramp(3, 300);
        let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let basis = Basis::new(300);
        let plan = Plan { method: Method::Table, width: 8 };
        assert_eq!(plan.commit(basis.points(), &rows), commit_rows(&basis, &rows));
        assert_eq!(plan.commit(basis.points(), &rows)[2], naive(&basis, rows[2]));
    }

    #[test]
    fn equal_basis_points_and_cancelling_entries_are_legal() {
        let point = basis::point(0);
        let plan = Plan { method: Method::Table, width: 4 };
        let rows: [&[i32]; 3] = [&[3, -3, 0, 0], &[1, 1, 1, 1], &[0, 0, 0, 0]];
        let expected = [G1Affine::identity(), (point * F::from(4)).into_affine(), G1Affine::identity()];
        assert_eq!(plan.commit(&[point; 4], &rows), expected);
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let rows = ramp(50, 64);
        let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let basis = Basis::new(64);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| commit_rows(&basis, &rows))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    #[should_panic(expected = "longer than the basis")]
    fn a_row_longer_than_the_basis_is_refused() {
        commit_rows(&Basis::new(2), &[&[1i32, 2, 3][..]]);
    }
}
