//! A term of two factors as matrix products: `out[b, p, q] += c * sum over k of L[b, p, k] R[b, q, k]`.
//!
//! Output axes that only one factor reads are that factor's rows: a convolution's channels and its places, a
//! linear layer's outputs and its samples. The last output axes that are rows of one factor and then rows of
//! the other make P and Q; what stands before them is looped over. Both factors are packed as rows of 16-bit
//! integers along the reduce axes, constants once for all runs (im2col where the rows overlap), and
//! [`dot`](crate::kernels::dot) multiplies them.

use super::parallel;
use super::read::{Integer, Operand};
use super::walk::{Axis, Walk, merge, offsets, points};
use super::{Sources, constant};
use crate::kernels::dot::{LANES, Rows, TILE_ROWS};
use assay_circuits::program::{Operation, Program, Term};
use assay_circuits::tensor::Bounds;
use std::borrow::Cow;

/// Elements of packed rows that stay in a cache.
const PACKED: usize = 1 << 18;
/// Fewer products a cell than this are not worth packing.
const MIN_DEPTH: usize = 8;

/// One factor.
#[derive(Debug)]
struct Side {
    operand: Operand,
    /// Offset of each row.
    rows: Vec<isize>,
    /// Offset of each element of a row.
    columns: Vec<isize>,
    /// The rows of each batch, or of all batches where they are the same, of a constant.
    packed: Option<Vec<i16>>,
}

/// A term, ready to run.
#[derive(Debug)]
pub(super) struct Matrix {
    coefficient: i64,
    /// What stands before P and Q: strides of the left and the right factor.
    batches: Vec<Axis<2>>,
    left: Side,
    right: Side,
    /// Length of packed rows.
    depth: usize,
    /// How many products a 32-bit sum holds.
    chunk: usize,
}

impl Matrix {
    /// The term as matrix products, where it is one and that pays.
    pub(super) fn new(
        program: &Program,
        operation: &Operation,
        term: &Term,
        constants: &[&[i64]],
    ) -> Option<Self> {
        let [first, second] = term.factors.as_slice() else { return None };
        let sizes = operation.loop_sizes();
        let reduce_axes = operation.reduce_axes(term);
        let length: usize = reduce_axes.iter().map(|&axis| sizes[axis]).product();
        if length < MIN_DEPTH {
            return None;
        }
        let bounds = [program.source(first.source)?.1, program.source(second.source)?.1];
        let chunk = exact_chunk(bounds, length)?;
        let operands = [first, second].map(|access| Operand::new::<i16>(program, access, &sizes));
        let pair = |axis: usize| Axis {
            size: sizes[axis],
            strides: [operands[0].strides[axis], operands[1].strides[axis]],
        };
        let outputs = merge((0..operation.shape.rank()).map(pair));
        let reduces = merge(reduce_axes.into_iter().map(pair));

        // The longest suffix of the output axes that is P then Q, P read by one factor and Q by the other.
        let only = |axis: &Axis<2>, side: usize| axis.strides[1 - side] == 0;
        let trailing =
            |axes: &[Axis<2>], side: usize| axes.iter().rev().take_while(|axis| only(axis, side)).count();
        let split = |side: usize| {
            let q = trailing(&outputs, 1 - side);
            (trailing(&outputs[..outputs.len() - q], side), q)
        };
        let cells = |(p, q): (usize, usize)| points(&outputs[outputs.len() - p - q..]);
        let left = usize::from(cells(split(1)) > cells(split(0)));
        let (p, q) = split(left);
        let (before, q_axes) = outputs.split_at(outputs.len() - q);
        let (batches, p_axes) = before.split_at(before.len() - p);
        let (p_axes, q_axes, left) = match points(p_axes) {
            1 => (q_axes, p_axes, 1 - left),
            _ => (p_axes, q_axes, left),
        };
        let (rows, columns) = (points(p_axes), points(q_axes));
        let in_place = |side: usize| {
            let single = matches!(reduces.as_slice(), [axis] if axis.strides[side] == 1);
            single || constant(constants, operands[side].source).is_some()
        };
        if rows * columns < 4 || (rows.min(columns) < 3 && !(in_place(0) && in_place(1))) {
            return None;
        }

        let depth = length.next_multiple_of(LANES);
        let [a, b] = operands;
        let (one, other) = if left == 0 { (a, b) } else { (b, a) };
        let turned =
            |axis: &Axis<2>| Axis { size: axis.size, strides: [axis.strides[left], axis.strides[1 - left]] };
        let batches: Vec<Axis<2>> = batches.iter().map(turned).collect();
        let of = |axes: &[Axis<2>], side: usize| -> Vec<isize> {
            let one = |axis: &Axis<2>| Axis { size: axis.size, strides: [axis.strides[side]] };
            offsets(&axes.iter().map(one).collect::<Vec<_>>())
        };
        let side = |operand: Operand, rows: &[Axis<2>], side: usize, batch: usize| {
            let mut made = Side { rows: of(rows, side), columns: of(&reduces, side), packed: None, operand };
            if let Some(values) = constant(constants, made.operand.source) {
                let data = made.operand.data::<i64>(values);
                let mut starts = Walk::new(&batches, [0, 0]);
                let count = if moves(&batches, batch) { points(&batches) } else { 1 };
                let cells = made.rows.len() * depth;
                let mut packed = vec![0; count * cells];
                for rows in packed.chunks_exact_mut(cells) {
                    made.pack(&data, starts.offsets[batch], 0, depth, rows);
                    starts.step();
                }
                made.packed = Some(packed);
            }
            made
        };
        let left_side = side(one, p_axes, left, 0);
        let right_side = side(other, q_axes, 1 - left, 1);
        let coefficient = term.coefficient;
        Some(Matrix { coefficient, batches, left: left_side, right: right_side, depth, chunk })
    }

    /// Adds the term to the values of its sum.
    pub(super) fn add_to(&self, sources: &Sources<'_>, out: &mut [i64]) {
        let (left, right) = (self.left.array(sources), self.right.array(sources));
        let (p, q) = (self.left.rows.len(), self.right.rows.len());
        let columns = (PACKED / self.depth).max(1).min(q);
        let mut batch = Walk::new(&self.batches, [0, 0]);
        let mut left_rows = Packing::default();
        let mut right_rows = Packing::default();
        for (number, out) in out.chunks_exact_mut(p * q).enumerate() {
            let [left_start, right_start] = batch.offsets;
            let moved = [moves(&self.batches, 0), moves(&self.batches, 1)]
                .map(|moves| if moves { number } else { 0 });
            let left = left_rows.get(&self.left, &left, left_start, moved[0], 0..p, self.depth);
            for start in (0..q).step_by(columns) {
                let end = (start + columns).min(q);
                let right =
                    right_rows.get(&self.right, &right, right_start, moved[1], start..end, self.depth);
                let unit = q * TILE_ROWS;
                parallel::blocks(out, unit, (self.depth / LANES) as u64, |first, block| {
                    let row = first / q;
                    let rows = Rows {
                        left: &left[row * self.depth..(row + block.len() / q) * self.depth],
                        right,
                        depth: self.depth,
                        chunk: self.chunk,
                        coefficient: self.coefficient,
                    };
                    rows.multiply(&mut block[start..], q);
                });
            }
            batch.step();
        }
    }
}

/// True where an array moves from batch to batch.
fn moves(batches: &[Axis<2>], side: usize) -> bool {
    batches.iter().any(|axis| axis.strides[side] != 0)
}

/// How many products of two factors a 32-bit sum holds; `None` where that is too few, or a factor is wider
/// than 16 bits.
fn exact_chunk(bounds: [Bounds; 2], length: usize) -> Option<usize> {
    if bounds.iter().any(|bounds| bounds.bytes() > 2) {
        return None;
    }
    let product = (bounds[0].magnitude() * bounds[1].magnitude()).max(1);
    let held = (i32::MAX as i64 / product) as usize;
    match held {
        _ if held >= length => Some(length.next_multiple_of(LANES)),
        _ => Some(held / LANES * LANES).filter(|&chunk| chunk > 0),
    }
}

/// The array of a side for one run.
enum Array<'a> {
    Packed(&'a [i16]),
    Narrow(Cow<'a, [i16]>),
}

/// Packed rows, kept while the same ones are asked for.
#[derive(Default)]
struct Packing {
    of: Option<(isize, usize, usize)>,
    rows: Vec<i16>,
}

impl Packing {
    fn get<'a>(
        &'a mut self,
        side: &Side,
        array: &'a Array<'_>,
        start: isize,
        batch: usize,
        rows: std::ops::Range<usize>,
        depth: usize,
    ) -> &'a [i16] {
        match array {
            Array::Packed(packed) => {
                let first = batch * side.rows.len();
                &packed[(first + rows.start) * depth..(first + rows.end) * depth]
            }
            Array::Narrow(values) => {
                let wanted = Some((start, rows.start, rows.end));
                if self.of != wanted {
                    self.rows.clear();
                    self.rows.resize(rows.len() * depth, 0);
                    side.pack(values, start, rows.start, depth, &mut self.rows);
                    self.of = wanted;
                }
                &self.rows
            }
        }
    }
}

impl Side {
    fn array<'a>(&'a self, sources: &Sources<'a>) -> Array<'a> {
        match &self.packed {
            Some(packed) => Array::Packed(packed),
            None => Array::Narrow(self.operand.data(sources.values(self.operand.source))),
        }
    }

    /// Fills `packed`, which is zero, with the rows from `first_row` on of a batch, each `depth` long.
    fn pack<T: Integer>(
        &self,
        values: &[T],
        start: isize,
        first_row: usize,
        depth: usize,
        packed: &mut [i16],
    ) {
        let is_whole = self.columns.iter().enumerate().all(|(k, &column)| column == k as isize);
        parallel::blocks(packed, depth, 1, |first, block| {
            let row_offsets = &self.rows[first_row + first / depth..];
            for (row, &offset) in block.chunks_exact_mut(depth).zip(row_offsets) {
                let at = self.operand.base + start + offset;
                if is_whole {
                    let from = &values[at as usize..at as usize + self.columns.len()];
                    row.iter_mut().zip(from).for_each(|(cell, &value)| *cell = value.narrow_to_16());
                } else {
                    for (cell, &column) in row.iter_mut().zip(&self.columns) {
                        *cell = values[(at + column) as usize].narrow_to_16();
                    }
                }
            }
        });
    }
}
