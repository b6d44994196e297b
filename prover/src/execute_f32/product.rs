//! A fold of two factors as a product of matrices.
//!
//! Output axes that only one factor reads are rows, those that only the other reads are lanes, the others number
//! batches. Both operands are packed in panels through their index maps, so that matrices in any order,
//! convolutions, their gradients and heads of attention are one loop: see [`crate::kernels::tile`].

use super::ending::{CHUNK, Ending, Scratch};
use super::pack::{Grid, Lines, copy};
use super::places::{Places, strided};
use super::{Geometry, Sources, constant};
use crate::execute::parallel::blocks;
use crate::execute::read::Operand;
use crate::execute::walk::{Axis, Walk, merge};
use crate::kernels::tile::{Panels, Tiles, panels};
use crate::kernels::vector::{LANES, run, tile};
use assay_circuits::program::{Operation, Program};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Terms that are packed and multiplied at once: a multiple of a block, and a panel of them stays in the cache.
const TERMS: usize = 512;
/// Rows that are multiplied by several panels before the next ones: with [`TERMS`] they stay in the second cache.
const ROWS: usize = 112;
/// Panels of lanes that are multiplied by the same rows.
const GROUP: usize = 4;

/// A product of matrices, in batches.
#[derive(Debug)]
pub(super) struct Product {
    left: Factor,
    right: Factor,
    rows: usize,
    lanes: usize,
    batches: usize,
    depth: usize,
    /// Lanes of a panel.
    width: usize,
    panels: Vec<(usize, usize)>,
    /// The output's axes, as steps of (batch, row, lane).
    axes: Vec<Axis<3>>,
    geometry: Geometry,
}

#[derive(Debug)]
struct Factor {
    operand: Operand,
    batches: Places,
    lanes: Places,
    terms: Places,
    /// All panels of all batches, of a constant.
    packed: Option<Lines>,
}

/// Which output axes are which.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Batch,
    Row,
    Lane,
}

/// Sums of all outputs: of a batch panel after panel, of a panel row after row, of a row all lanes.
pub(super) struct Totals<'p> {
    product: &'p Product,
    data: Lines,
}

impl Product {
    /// The product that a fold of two factors is; `None` where too few of its outputs share a factor.
    pub(super) fn new(
        program: &Program,
        operation: &Operation,
        constants: &[&[u32]],
        geometry: Geometry,
    ) -> Option<Self> {
        let [first, second] = operation.sums[0].terms[0].factors.as_slice() else { return None };
        let sizes = operation.loop_sizes();
        let operands = [first, second].map(|access| Operand::new::<i64>(program, access, &sizes));
        let rank = operation.shape.rank();
        let only = |own: usize, axis: usize| {
            operands[own].strides[axis] != 0 && operands[1 - own].strides[axis] == 0
        };
        let count = |own: usize| -> usize { (0..rank).filter(|&a| only(own, a)).map(|a| sizes[a]).product() };
        let counts = [count(0), count(1)];
        // The last axis in the lanes is best for writing, unless there are few of them.
        let longer = usize::from(counts[1] >= counts[0]);
        let last = (0..rank).rev().find(|&axis| sizes[axis] > 1 && (only(0, axis) || only(1, axis)));
        let right = match last {
            Some(axis) if counts[0].min(counts[1]) >= 2 * LANES => usize::from(only(1, axis)),
            _ => longer,
        };
        let role = |axis: usize| match () {
            _ if only(right, axis) => Role::Lane,
            _ if only(1 - right, axis) => Role::Row,
            _ => Role::Batch,
        };
        let [rows, lanes] = [counts[1 - right], counts[right]];
        let batches = operation.shape.cells() / (rows * lanes);
        let depth = operation.reduce.iter().product();
        let (tile_rows, tile_width) = tile(geometry.instructions);
        let width = if lanes <= LANES { LANES } else { tile_width };
        // One by one, an output's term is two copies; in a product a row of lanes is packed, then used for each row.
        let vectors = |lanes: usize| lanes.div_ceil(LANES);
        let as_product = batches * (vectors(lanes) * (rows + 6) + rows);
        if as_product > 2 * batches * rows * lanes || (lanes == 1 && rows == 1) {
            return None;
        }
        let axes_of = |wanted: Role, operand: &Operand| {
            let axes = (0..rank).filter(|&axis| role(axis) == wanted);
            Places::new(axes.map(|axis| (sizes[axis], operand.strides[axis])))
        };
        let factor = |operand: &Operand, own: Role| Factor {
            batches: axes_of(Role::Batch, operand),
            lanes: axes_of(own, operand),
            terms: Places::new((rank..sizes.len()).map(|axis| (sizes[axis], operand.strides[axis]))),
            operand: operand.clone(),
            packed: None,
        };
        let mut product = Product {
            left: factor(&operands[1 - right], Role::Row),
            right: factor(&operands[right], Role::Lane),
            rows,
            lanes,
            batches,
            depth,
            width,
            panels: panels(rows, tile_rows),
            axes: Vec::new(),
            geometry,
        };
        let mut strides = [1isize; 3];
        for axis in (0..rank).rev() {
            let place = match role(axis) {
                Role::Batch => 0,
                Role::Row => 1,
                Role::Lane => 2,
            };
            let mut own = [0; 3];
            own[place] = strides[place];
            strides[place] *= sizes[axis] as isize;
            product.axes.push(Axis { size: sizes[axis], strides: own });
        }
        product.axes.reverse();
        product.axes = merge(product.axes);
        for left in [true, false] {
            let (factor, lanes) = match left {
                true => (&product.left, rows),
                false => (&product.right, lanes.next_multiple_of(width)),
            };
            let Some(bits) = constant(constants, factor.operand.source) else { continue };
            if batches * lanes * depth > 4 * bits.len().max(1 << 12) {
                continue;
            }
            let data = factor.operand.elements(bytemuck::cast_slice(bits), 0.0);
            let packed = if left { product.pack_left(&data) } else { product.pack_right(&data) };
            if left {
                product.left.packed = Some(packed);
            } else {
                product.right.packed = Some(packed);
            }
        }
        Some(product)
    }

    /// All panels of rows, of all batches.
    fn pack_left(&self, data: &[f32]) -> Lines {
        let mut packed = Lines::zeros(self.batches * self.rows * self.depth);
        let mut parts: Vec<(usize, (usize, usize), &mut [f32])> = Vec::new();
        let mut rest: &mut [f32] = &mut packed;
        for batch in 0..self.batches {
            for &(first, rows) in &self.panels {
                let (part, after) = rest.split_at_mut(rows * self.depth);
                rest = after;
                parts.push((batch, (first, rows), part));
            }
        }
        let pack = |(batch, (first, rows), to): (usize, (usize, usize), &mut [f32])| {
            self.left.grid(data, batch).pack(first..first + rows, 0..self.depth, rows, to);
        };
        match parts.len() > 1 && self.batches * self.rows * self.depth > 1 << 16 {
            true => parts.into_par_iter().for_each(pack),
            false => parts.into_iter().for_each(pack),
        }
        packed
    }

    /// All panels of lanes, of all batches.
    fn pack_right(&self, data: &[f32]) -> Lines {
        let panels = self.lanes.div_ceil(self.width);
        let size = self.width * self.depth;
        let mut packed = Lines::zeros(self.batches * panels * size);
        packed[..self.batches * panels * size].par_chunks_mut(size).enumerate().for_each(|(number, to)| {
            let (batch, first) = (number / panels, number % panels * self.width);
            let lanes = first..(first + self.width).min(self.lanes);
            self.right.grid(data, batch).pack(lanes, 0..self.depth, self.width, to);
        });
        packed
    }

    fn work(&self) -> usize {
        self.batches * self.rows * self.lanes.next_multiple_of(LANES) / LANES * self.depth
    }

    /// The sums of all outputs.
    pub(super) fn totals(&self, sources: &Sources<'_>) -> Totals<'_> {
        let panels = self.lanes.div_ceil(self.width);
        let panel = self.rows * self.width;
        let mut data = Lines::zeros(self.batches * panels * panel);
        let right = match &self.right.packed {
            Some(_) => Cow::Borrowed(&[][..]),
            None => self.right.operand.elements(sources.values(self.right.operand.source), 0.0),
        };
        let own_left;
        let left = match &self.left.packed {
            Some(packed) => packed,
            None => {
                let data = self.left.operand.elements(sources.values(self.left.operand.source), 0.0);
                own_left = self.pack_left(&data);
                &own_left
            }
        };
        let threads = if self.work() < 1 << 14 { 1 } else { rayon::current_num_threads() };
        let wanted = if threads == 1 { 1 } else { 4 * threads };
        let group = (self.batches * panels / wanted).clamp(1, GROUP);
        let splits = match group {
            1 => wanted.div_ceil(self.batches * panels).min(self.panels.len()),
            _ => 1,
        };
        let mut tasks: Vec<Block<'_>> = Vec::new();
        let mut rest: &mut [f32] = &mut data;
        for batch in 0..self.batches {
            for first in (0..panels).step_by(group) {
                let columns = first..(first + group).min(panels);
                let size = self.panels.len().div_ceil(splits);
                for rows in self.panels.chunks(size) {
                    let count: usize = rows.iter().map(|panel| panel.1).sum();
                    let (totals, after) = rest.split_at_mut(columns.len() * count * self.width);
                    rest = after;
                    tasks.push(Block { batch, columns: columns.clone(), rows, totals });
                }
            }
        }
        let block = |packed: &mut Lines, task| self.block(task, left, &right, packed);
        match threads {
            1 => {
                let mut packed = Lines::default();
                tasks.into_iter().for_each(|task| block(&mut packed, task));
            }
            _ => tasks.into_par_iter().for_each_init(Lines::default, block),
        }
        Totals { product: self, data }
    }

    fn block(&self, task: Block<'_>, left: &[f32], right: &[f32], packed: &mut Lines) {
        let Block { batch, columns, rows, totals } = task;
        let left = &left[batch * self.rows * self.depth..][..self.rows * self.depth];
        let all = self.lanes.div_ceil(self.width);
        let count: usize = rows.iter().map(|panel| panel.1).sum();
        for first in (0..self.depth).step_by(TERMS) {
            let terms = first..(first + TERMS).min(self.depth);
            let own = match &self.right.packed {
                Some(packed) => Panels {
                    data: &packed[(batch * all + columns.start) * self.width * self.depth..],
                    depth: self.depth,
                    first,
                },
                None => {
                    let size = self.width * terms.len();
                    let own = packed.at_least(size * columns.len());
                    for (column, to) in columns.clone().zip(own.chunks_exact_mut(size)) {
                        let lane = column * self.width;
                        let lanes = lane..(lane + self.width).min(self.lanes);
                        self.right.grid(right, batch).pack(lanes, terms.clone(), self.width, to);
                    }
                    Panels { data: packed, depth: terms.len(), first: 0 }
                }
            };
            for rows in rows.chunk_by(|a, b| (a.0 - rows[0].0) / ROWS == (b.0 - rows[0].0) / ROWS) {
                let above = rows[0].0 - task.rows[0].0;
                let own_count: usize = rows.iter().map(|panel| panel.1).sum();
                for (number, totals) in totals.chunks_exact_mut(count * self.width).enumerate() {
                    let tiles = Tiles {
                        left: Panels { data: left, depth: self.depth, first },
                        right: own,
                        lane: number * self.width,
                        width: self.width,
                        rows,
                        count: terms.len(),
                        totals: &mut totals[above * self.width..][..own_count * self.width],
                    };
                    run(self.geometry.instructions, tiles);
                }
            }
        }
    }
}

/// Some panels of lanes and some panels of rows.
struct Block<'a> {
    batch: usize,
    columns: Range<usize>,
    rows: &'a [(usize, usize)],
    totals: &'a mut [f32],
}

impl Factor {
    fn grid<'a>(&'a self, data: &'a [f32], batch: usize) -> Grid<'a> {
        let base = self.operand.base + self.batches.at(batch);
        Grid { data, base, lanes: &self.lanes, terms: &self.terms }
    }
}

impl Totals<'_> {
    /// Where a sum is.
    fn place(&self, [batch, row, lane]: [isize; 3]) -> isize {
        let Product { rows, lanes, width, .. } = *self.product;
        let (rows, width) = (rows as isize, width as isize);
        let panels = lanes.div_ceil(width as usize) as isize;
        ((batch * panels + lane / width) * rows + row) * width + lane % width
    }

    /// Copies the sums of a range of outputs.
    fn copy(&self, range: Range<usize>, to: &mut [f32]) {
        let (outer, last) = match self.product.axes.split_last() {
            Some((last, outer)) => (outer, *last),
            None => (&[][..], Axis { size: 1, strides: [0; 3] }),
        };
        let mut walk = Walk::new(outer, [0; 3]);
        walk.seek(range.start / last.size);
        let mut within = range.start % last.size;
        let mut done = 0;
        while done < range.len() {
            let count = (last.size - within).min(range.len() - done);
            let mut at = walk.offsets;
            at.iter_mut().zip(last.strides).for_each(|(at, stride)| *at += within as isize * stride);
            let to = &mut to[done..done + count];
            if last.strides[2] == 0 {
                let next: [isize; 3] = std::array::from_fn(|i| at[i] + last.strides[i]);
                let (start, next) = (self.place(at), self.place(next));
                strided(&self.data, start, next - start, to);
            } else {
                self.copy_lanes(at, to);
            }
            done += count;
            within = 0;
            walk.step();
        }
    }

    /// Copies neighbouring lanes; the lanes of the last axis are neighbours, as lanes are numbered in its order.
    fn copy_lanes(&self, at: [isize; 3], to: &mut [f32]) {
        let width = self.product.width;
        let mut at = at;
        let mut rest = to;
        while !rest.is_empty() {
            let count = (width - at[2] as usize % width).min(rest.len());
            let (now, after) = rest.split_at_mut(count);
            copy(&self.data, self.place(at) as usize, now, count);
            at[2] += count as isize;
            rest = after;
        }
    }

    /// The wire.
    pub(super) fn finish(&self, ending: &Ending, sources: &Sources<'_>, wire: &mut [f32]) {
        let reads = ending.reads(sources);
        let instructions = self.product.geometry.instructions;
        blocks(wire, CHUNK, ending.cost() + 2, |first, block| {
            let mut scratch: Scratch = ending.scratch();
            for (number, to) in block.chunks_mut(CHUNK).enumerate() {
                let start = first + number * CHUNK;
                let range = start..start + to.len();
                self.copy(range.clone(), &mut scratch.folded[..to.len()]);
                ending.chunk(instructions, &reads, &mut scratch, range, to);
            }
        });
    }
}
