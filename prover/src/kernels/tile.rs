//! Tiles of a product of binary32 matrices, in the order of additions that an f32 program defines.
//!
//! ```text
//! total[i, j] += sum over blocks of 64 k: (block = 0; block = fma(left[k, i], right[k, j], block) for k in order)
//! ```
//!
//! A tile holds the blocks of a few rows i and of all lanes j of a panel in registers: one output's sum has one
//! order, and many outputs are computed at once. Totals stay in memory between blocks.

use super::vector::{LANES, Row, Task, Vector};
use assay_circuits::element::BLOCK;

/// Terms of a block.
pub(crate) const DEPTH: usize = BLOCK as usize;

/// Panels of an operand, `depth` terms long, of which a range of terms is multiplied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels<'a> {
    /// Panel after panel; in a panel term after term; of a term all lanes.
    pub(crate) data: &'a [f32],
    /// Terms of a panel.
    pub(crate) depth: usize,
    /// The first term multiplied.
    pub(crate) first: usize,
}

impl<'a> Panels<'a> {
    /// `count` terms of the panel that begins with a lane, and has `lanes` of them.
    #[inline(always)]
    fn terms(&self, lane: usize, lanes: usize, count: usize) -> &'a [f32] {
        &self.data[lane * self.depth + self.first * lanes..][..count * lanes]
    }
}

/// Adds products of some rows with the lanes of one panel.
pub(crate) struct Tiles<'a> {
    /// Rows, in panels of [`panels`].
    pub(crate) left: Panels<'a>,
    /// Lanes, in panels of `width`.
    pub(crate) right: Panels<'a>,
    /// The first lane of the panel.
    pub(crate) lane: usize,
    /// Lanes of a panel: one or two vectors.
    pub(crate) width: usize,
    /// (first row, rows) of each panel.
    pub(crate) rows: &'a [(usize, usize)],
    /// Terms, after the first that `left` and `right` name.
    pub(crate) count: usize,
    /// `width` lanes of each row.
    pub(crate) totals: &'a mut [f32],
}

/// Splits rows into panels of nearly the same number of rows, at most `most`: (first row, rows).
pub(crate) fn panels(rows: usize, most: usize) -> Vec<(usize, usize)> {
    let count = rows.div_ceil(most).max(1);
    let (each, more) = (rows / count, rows % count);
    let mut next = 0;
    let mut panel = |number| {
        let (first, rows) = (next, each + usize::from(number < more));
        next += rows;
        (first, rows)
    };
    (0..count).map(&mut panel).collect()
}

impl Task for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, vector: V) {
        let right = self.right.terms(self.lane, self.width, self.count);
        let mut rest = self.totals;
        for &(first, rows) in self.rows {
            let left = self.left.terms(first, rows, self.count);
            let (totals, after) = rest.split_at_mut(rows * self.width);
            rest = after;
            match self.width / LANES {
                2 => by_rows::<V, 2>(vector, rows, left, right, totals),
                _ => by_rows::<V, 1>(vector, rows, left, right, totals),
            }
        }
    }
}

#[inline(always)]
fn by_rows<V: Vector, const VECTORS: usize>(
    vector: V,
    rows: usize,
    left: &[f32],
    right: &[f32],
    totals: &mut [f32],
) {
    macro_rules! case {
        ($($rows:literal)*) => {
            match rows {
                $($rows if $rows <= V::ROWS => tile::<V, $rows, VECTORS>(vector, left, right, totals),)*
                _ => {}
            }
        };
    }
    case!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[inline(always)]
fn tile<V: Vector, const ROWS: usize, const VECTORS: usize>(
    vector: V,
    left: &[f32],
    right: &[f32],
    totals: &mut [f32],
) {
    let left = left.as_chunks::<ROWS>().0;
    let (right, _) = right.as_chunks::<LANES>().0.as_chunks::<VECTORS>();
    let (totals, _) = totals.as_chunks_mut::<LANES>().0.as_chunks_mut::<VECTORS>();
    for (left, right) in left.chunks(DEPTH).zip(right.chunks(DEPTH)) {
        let blocks: [[V::Lanes; VECTORS]; ROWS] = block(vector, left, right);
        for (total, block) in totals.iter_mut().zip(blocks) {
            add(vector, total, block);
        }
    }
}

#[inline(always)]
fn block<V: Vector, const ROWS: usize, const VECTORS: usize>(
    vector: V,
    left: &[[f32; ROWS]],
    right: &[[Row; VECTORS]],
) -> [[V::Lanes; VECTORS]; ROWS] {
    let mut blocks = [[vector.splat(0.0); VECTORS]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let mut lanes = [vector.splat(0.0); VECTORS];
        for j in 0..VECTORS {
            lanes[j] = vector.load(&right[j]);
        }
        for i in 0..ROWS {
            let factor = vector.splat(left[i]);
            for j in 0..VECTORS {
                blocks[i][j] = vector.fma(factor, lanes[j], blocks[i][j]);
            }
        }
    }
    blocks
}

#[inline(always)]
fn add<V: Vector, const VECTORS: usize>(vector: V, total: &mut [Row; VECTORS], block: [V::Lanes; VECTORS]) {
    for j in 0..VECTORS {
        let sum = vector.add(vector.load(&total[j]), block[j]);
        vector.store(sum, &mut total[j]);
    }
}
