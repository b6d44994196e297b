//! How entries are cut into digits, and how their rows are summed: what costs the fewest additions.
//!
//! A magnitude is cut from below into digits of `c` bits; a digit above `2^(c-1)` borrows from the next, so that
//! `-2^(c-1) < d <= 2^(c-1)`. The entry's sign goes to its digits, hence `-128` is one digit of 8 bits, as is `128`.

use super::Entry;
use rayon::prelude::*;

/// How digit rows are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Table,
    Buckets,
}

/// What [`commit_rows`] decides before it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) method: Method,
    /// Bits of a digit.
    pub(super) width: u32,
}

impl Plan {
    /// The plan with the fewest additions, by a count of the entries' sizes.
    pub(super) fn cheapest<E: Entry>(rows: &[&[E]], columns: usize) -> Self {
        let sizes = Sizes::of(rows);
        let tables = (1..=9).map(|width| {
            let cost = sizes.additions(width) + (columns << (width - 1));
            (cost, Self { method: Method::Table, width })
        });
        let buckets = (4..=12).map(|width| {
            let cost = sizes.additions(width) + sizes.digit_rows(width) * ((1 << (width - 1)) + 20);
            (cost, Self { method: Method::Buckets, width })
        });
        tables
            .chain(buckets)
            .min_by_key(|(cost, _)| *cost)
            .map_or(Self { method: Method::Table, width: 8 }, |(_, p)| p)
    }

    /// Digits that an entry of this magnitude has.
    pub(super) fn positions(self, mut magnitude: u64) -> usize {
        let mut count = 0;
        while magnitude > 0 {
            magnitude = self.cut(magnitude).1;
            count += 1;
        }
        count
    }

    /// The lowest digit of a magnitude, and what is left above it.
    fn cut(self, magnitude: u64) -> (i32, u64) {
        let low = magnitude & ((1 << self.width) - 1);
        let carry = u64::from(low > 1 << (self.width - 1));
        (low as i32 - ((carry as i32) << self.width), (magnitude >> self.width) + carry)
    }

    /// Digit `position` of an entry.
    pub(super) fn digit<E: Entry>(self, entry: E, position: u32) -> i32 {
        let value = entry.value();
        let mut rest = value.unsigned_abs();
        for _ in 0..position {
            rest = self.cut(rest).1;
        }
        let digit = self.cut(rest).0;
        if value < 0 { -digit } else { digit }
    }
}

/// How many entries have a magnitude of 0, 1, .. 64 bits, and how many rows a largest entry of as many.
struct Sizes {
    entries: [usize; 65],
    rows: [usize; 65],
}

impl Sizes {
    fn of<E: Entry>(rows: &[&[E]]) -> Self {
        const ROWS_PER_TASK: usize = 64;
        let none = || Self { entries: [0; 65], rows: [0; 65] };
        let counted = rows.par_chunks(ROWS_PER_TASK).map(|rows| {
            let mut sizes = none();
            for row in rows {
                row.iter().for_each(|entry| sizes.entries[bits(entry.value().unsigned_abs())] += 1);
                sizes.rows[bits(largest(row))] += 1;
            }
            sizes
        });
        counted.reduce(none, |mut a, b| {
            a.entries.iter_mut().zip(b.entries).for_each(|(a, b)| *a += b);
            a.rows.iter_mut().zip(b.rows).for_each(|(a, b)| *a += b);
            a
        })
    }

    fn digit_rows(&self, width: u32) -> usize {
        digits(&self.rows, width)
    }

    /// Additions of digits, and the doublings that join digit rows, which cost about three times as much.
    fn additions(&self, width: u32) -> usize {
        let rows: usize = self.rows.iter().skip(1).sum();
        digits(&self.entries, width) + 3 * width as usize * (self.digit_rows(width) - rows)
    }
}

/// Digits of all integers that are counted by their bits.
fn digits(counts: &[usize; 65], width: u32) -> usize {
    counts.iter().enumerate().skip(1).map(|(bits, n)| n * (bits + 1).div_ceil(width as usize)).sum()
}

fn bits(magnitude: u64) -> usize {
    (u64::BITS - magnitude.leading_zeros()) as usize
}

/// The largest magnitude of a row.
pub(super) fn largest<E: Entry>(row: &[E]) -> u64 {
    row.iter().map(|entry| entry.value().unsigned_abs()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_recompose(entry: i64, width in 1u32..=12) {
            let plan = Plan { method: Method::Table, width };
            let positions = plan.positions(entry.unsigned_abs()) as u32;
            let digits: Vec<i32> = (0..positions).map(|position| plan.digit(entry, position)).collect();
            prop_assert!(digits.iter().all(|digit| digit.unsigned_abs() <= 1 << (width - 1)));
            prop_assert_ne!(digits.last(), Some(&0));
            let value = digits.iter().rev().fold(0i128, |value, digit| (value << width) + i128::from(*digit));
            prop_assert_eq!(value, i128::from(entry));
        }
    }

    #[test]
    fn a_byte_is_one_digit_of_eight_bits() {
        let plan = Plan { method: Method::Table, width: 8 };
        assert!((-128i64..=128).all(|entry| plan.positions(entry.unsigned_abs()) <= 1));
        assert_eq!(plan.positions(129), 2);
    }

    #[test]
    fn many_short_rows_take_a_table_and_few_long_ones_buckets() {
        let method = |rows: i32, columns: i32| {
            let row = |r| (0..columns).map(|c| (r * 31 + c * 17) % 255 - 100).collect::<Vec<i32>>();
            let rows: Vec<Vec<i32>> = (0..rows).map(row).collect();
            let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
            Plan::cheapest(&rows, columns as usize).method
        };
        assert_eq!(method(300, 128), Method::Table);
        assert_eq!(method(10, 4096), Method::Buckets);
    }
}
