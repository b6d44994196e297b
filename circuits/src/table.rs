//! Lookup tables: a power of two of rows, each a tuple of small integers.
//!
//! Missing rows repeat the first, which is legal; its multiplicity is counted at its first place.

use crate::shape::log_size;
use alloc::vec::Vec;

/// The largest table: 2^20 rows.
pub const MAX_LOG_ROWS: usize = 20;

/// A table's rows, by formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// (v) for v in `[first, first + count)`.
    Range {
        /// The least value.
        first: i64,
        /// How many.
        count: u64,
    },
    /// (a, b) for a in `[first, first + count)` and b in `[0, inner)`.
    Pair {
        /// The least a.
        first: i64,
        /// How many a.
        count: u64,
        /// How many b.
        inner: u64,
    },
    /// (x, values[x - first]).
    Function {
        /// The least x.
        first: i64,
        /// The function's values.
        values: Vec<i32>,
    },
    /// (side, l, out) for l in `[0, values.len())`: side 0 gives `values[l]`, -1 the first value, 1 the last.
    Window {
        /// The values within the window; their number is a power of two.
        values: Vec<i32>,
    },
}

impl Table {
    /// Number of distinct rows.
    fn distinct(&self) -> u64 {
        match self {
            Table::Range { count, .. } => *count,
            Table::Pair { count, inner, .. } => count.saturating_mul(*inner),
            Table::Function { values, .. } => values.len() as u64,
            Table::Window { values } => 3 * values.len() as u64,
        }
    }

    /// log2 of the number of rows, repetitions included.
    pub fn log_rows(&self) -> usize {
        log_size(usize::try_from(self.distinct()).unwrap_or(usize::MAX))
    }

    /// Number of rows, repetitions included.
    pub fn rows(&self) -> usize {
        1 << self.log_rows()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        match self {
            Table::Range { .. } => 1,
            Table::Pair { .. } | Table::Function { .. } => 2,
            Table::Window { .. } => 3,
        }
    }

    /// A row's tuple, in its first [`Table::columns`] places; zero in the rest.
    pub fn row(&self, row: usize) -> [i64; 3] {
        let row = if (row as u64) < self.distinct() { row } else { 0 };
        match self {
            Table::Range { first, .. } => [first + row as i64, 0, 0],
            Table::Pair { first, inner, .. } => {
                let inner = (*inner).max(1) as usize;
                [first + (row / inner) as i64, (row % inner) as i64, 0]
            }
            Table::Function { first, values } => {
                [first + row as i64, values.get(row).copied().unwrap_or(0).into(), 0]
            }
            Table::Window { values } => {
                let (side, l) = (row / values.len().max(1), row % values.len().max(1));
                let (side, value) = match side {
                    0 => (0, values.get(l)),
                    1 => (-1, values.first()),
                    _ => (1, values.last()),
                };
                [side, l as i64, value.copied().unwrap_or(0).into()]
            }
        }
    }

    /// The first row that is the tuple; `None` where there is none.
    pub fn find(&self, tuple: &[i64]) -> Option<usize> {
        let at = |value: i64, first: i64, count: u64| {
            let offset = value.checked_sub(first)?;
            (offset >= 0 && (offset as u64) < count).then_some(offset as usize)
        };
        let row = match (self, tuple) {
            (Table::Range { first, count }, [v]) => at(*v, *first, *count)?,
            (Table::Pair { first, count, inner }, [a, b]) => {
                at(*a, *first, *count)? * *inner as usize + at(*b, 0, *inner)?
            }
            (Table::Function { first, values }, [x, _]) => at(*x, *first, values.len() as u64)?,
            (Table::Window { values }, [side, l, _]) => {
                let block = match side {
                    0 => 0,
                    -1 => 1,
                    1 => 2,
                    _ => return None,
                };
                block * values.len() + at(*l, 0, values.len() as u64)?
            }
            _ => return None,
        };
        (self.row(row).get(..tuple.len()) == Some(tuple)).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn every_row_is_found_at_its_first_place() {
        let tables = [
            Table::Range { first: -3, count: 6 },
            Table::Pair { first: -1, count: 3, inner: 5 },
            Table::Function { first: -2, values: vec![0, 0, 1, 2, 2] },
            Table::Window { values: vec![-1, 0, 1, 1] },
        ];
        for table in tables {
            for row in 0..table.rows() {
                let tuple = &table.row(row)[..table.columns()];
                let found = table.find(tuple).unwrap();
                assert!(found <= row);
                assert_eq!(&table.row(found)[..table.columns()], tuple);
            }
        }
    }

    #[test]
    fn a_tuple_outside_is_not_found() {
        assert_eq!(Table::Range { first: 0, count: 6 }.find(&[6]), None);
        assert_eq!(Table::Pair { first: 0, count: 2, inner: 3 }.find(&[0, 3]), None);
        assert_eq!(Table::Function { first: 0, values: vec![4] }.find(&[0, 5]), None);
        assert_eq!(Table::Window { values: vec![4, 5] }.find(&[1, 0, 4]), None);
        assert_eq!(Table::Range { first: i64::MIN, count: 1 }.find(&[1 << 40]), None);
    }
}
