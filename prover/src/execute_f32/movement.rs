//! Moves: each output is the first of its operands' elements that lies inside of its tensor, bits as they are.
//!
//! Operands are copied in reverse order, each where it is inside, so that the first has the last word. What one reads is
//! a box where every index moves along one axis; then whole runs are copied without a test.

use super::Sources;
use super::places::{Places, strided};
use crate::execute::parallel::blocks;
use crate::execute::read::{Operand, Read};
use crate::execute::walk::{Axis, Walk, merge, points};
use crate::kernels::real::Hard;
use assay_circuits::program::{Access, Affine, Operation, Program, Source, Term};
use assay_circuits::real::Real;
use std::borrow::Cow;
use std::ops::Range;

/// A move.
#[derive(Debug)]
pub(super) struct Movement {
    pieces: Vec<Piece>,
    /// Sizes of the output's axes.
    sizes: Vec<usize>,
}

/// One operand.
#[derive(Debug)]
struct Piece {
    source: Source,
    sizes: Vec<usize>,
    strides: Vec<usize>,
    index: Vec<Affine>,
    /// The axis that an index moves along, and the index.
    gathers: Option<Gathers>,
}

#[derive(Debug)]
struct Gathers {
    axis: usize,
    operand: Operand,
    places: Places,
    /// Output axes before the first of those behind all that the index reads.
    outer: usize,
}

/// What moves an index farther than this moves it outside: an index is below 2^61, as coefficients are at most 2^20 and
/// a box has at most 2^40 points.
const FAR: u64 = 1 << 61;

/// The part of a box that a range of its leading axis is, the first axis that is longer than one.
struct Part<'a> {
    sizes: &'a [usize],
    leading: usize,
    range: Range<usize>,
}

impl<'a> Part<'a> {
    /// Of points that are whole steps of the leading axis.
    fn new(sizes: &'a [usize], points: Range<usize>) -> Self {
        let leading = sizes.iter().position(|&size| size > 1).unwrap_or(0);
        let mut part = Part { sizes, leading, range: points };
        let unit = part.unit();
        part.range = part.range.start / unit..part.range.end / unit;
        part
    }

    /// Points of a step of the leading axis.
    fn unit(&self) -> usize {
        self.sizes.iter().skip(self.leading + 1).product()
    }

    /// The points, in row-major order.
    fn points(&self) -> Range<usize> {
        self.range.start * self.unit()..self.range.end * self.unit()
    }
}

impl Movement {
    pub(super) fn new(program: &Program, operation: &Operation) -> Self {
        let sizes = operation.shape.sizes().to_vec();
        let pieces = operation.sums[0].terms.iter().map(|term| Piece::new(program, term, &sizes)).collect();
        Movement { pieces, sizes }
    }

    /// The wire.
    pub(super) fn run(&self, sources: &Sources<'_>, wire: &mut [u32]) {
        let unit = Part::new(&self.sizes, 0..0).unit();
        let index = |piece: &Piece| {
            let gathers = piece.gathers.as_ref()?;
            let values = sources.bits(gathers.operand.source);
            Some(gathers.operand.elements(values, 0))
        };
        let indices: Vec<Option<Cow<'_, [u32]>>> = self.pieces.iter().map(index).collect();
        blocks(wire, unit, self.pieces.len() as u64, |first, block| {
            let part = Part::new(&self.sizes, first..first + block.len());
            for (piece, index) in self.pieces.iter().zip(&indices).rev() {
                let data = sources.bits(piece.source);
                match (&piece.gathers, index) {
                    (Some(gathers), Some(index)) => piece.gather(gathers, &part, index, data, block),
                    _ => piece.copy(&piece.index, &part, data, block),
                }
            }
        });
    }
}

impl Piece {
    fn new(program: &Program, term: &Term, sizes: &[usize]) -> Self {
        let access = &term.factors[0];
        let shape = program.shape(access.source).expect("a checked program reads tensors that exist");
        let gathers = term.factors.get(1).map(|index: &Access| {
            let operand = Operand::new::<i64>(program, index, sizes);
            let outer = operand.strides.iter().rposition(|&stride| stride != 0).map_or(0, |axis| axis + 1);
            let axes = sizes.iter().copied().zip(operand.strides.iter().copied()).take(outer);
            Gathers { axis: term.coefficient as usize, places: Places::new(axes), operand, outer }
        });
        Piece {
            source: access.source,
            sizes: shape.sizes().to_vec(),
            strides: shape.strides(),
            index: access.index.clone(),
            gathers,
        }
    }

    /// Copies what is inside of the tensor, to a part of the output.
    fn copy(&self, index: &[Affine], part: &Part<'_>, data: &[u32], to: &mut [u32]) {
        let Some(region) = self.region(index, part) else { return };
        let (sizes, first) = (part.sizes, part.points().start);
        let mut steps = vec![1usize; sizes.len()];
        for axis in (1..sizes.len()).rev() {
            steps[axis - 1] = steps[axis] * sizes[axis];
        }
        let start: usize = region.iter().zip(&steps).map(|(axis, &step)| axis.start * step).sum();
        let moved: Vec<Affine> = index.iter().map(|affine| shifted(affine, &region)).collect();
        let lengths: Vec<usize> = region.iter().map(Range::len).collect();
        let inside = moved.iter().zip(&self.sizes).all(|(affine, &size)| {
            let range = affine.range(&lengths);
            range.lo >= 0 && range.hi < size as i64
        });
        if !inside {
            let read = Read::new(&moved, &self.sizes, &self.strides, &lengths);
            let row = read.row();
            let outputs = Places::new(lengths.iter().copied().zip(steps.iter().map(|&step| step as isize)));
            return read.runs(0..read.cells() / row, |run| {
                // A row's cells are neighbours along the last axis, whose step is 1.
                let at = start + outputs.at(run.cell) as usize - first;
                strided(data, run.element as isize, run.stride, &mut to[at..at + run.count]);
            });
        }
        let mut base = 0;
        let mut strides = vec![0isize; sizes.len()];
        for (affine, &stride) in moved.iter().zip(&self.strides) {
            base += affine.constant as isize * stride as isize;
            for &(axis, c) in &affine.terms {
                strides[axis] += c as isize * stride as isize;
            }
        }
        // Runs of both arrays: the last axes that are one in the output and one in the operand.
        let axes: Vec<(usize, isize, isize)> = lengths
            .iter()
            .zip(&steps)
            .zip(&strides)
            .map(|((&length, &step), &stride)| (length, step as isize, stride))
            .collect();
        copy_axes(&axes, data, base, to, start as isize - first as isize);
    }

    /// The part of the output where indices that move along one axis are inside; `None` where there is none.
    fn region(&self, index: &[Affine], part: &Part<'_>) -> Option<Vec<Range<usize>>> {
        let mut region: Vec<Range<usize>> = part.sizes.iter().map(|&size| 0..size).collect();
        if let Some(axis) = region.get_mut(part.leading) {
            *axis = part.range.clone();
        }
        for (affine, &size) in index.iter().zip(&self.sizes) {
            let last = size as i64 - 1 - affine.constant;
            match affine.terms.as_slice() {
                [] if affine.constant < 0 || last < 0 => return None,
                &[(axis, c)] => {
                    // 0 <= constant + c i <= size - 1.
                    let (least, most) =
                        if c > 0 { (-affine.constant, last) } else { (-last, affine.constant) };
                    let c = c.abs();
                    let first = (least + c - 1).div_euclid(c).max(region[axis].start as i64);
                    let end = (most.div_euclid(c) + 1).min(region[axis].end as i64);
                    if first >= end {
                        return None;
                    }
                    region[axis] = first as usize..end as usize;
                }
                _ => {}
            }
        }
        Some(region)
    }

    /// [`Piece::copy`] for each value of the index.
    fn gather(&self, gathers: &Gathers, part: &Part<'_>, index: &[u32], data: &[u32], to: &mut [u32]) {
        let (sizes, cells) = (part.sizes, part.points());
        let outer: usize = sizes[..gathers.outer].iter().product();
        let inner: usize = sizes[gathers.outer..].iter().product();
        for point in cells.start / inner..cells.end.div_ceil(inner).min(outer) {
            let place = gathers.operand.base + gathers.places.at(point);
            let by = Hard(f32::from_bits(index[place as usize])).to_i64();
            if by.unsigned_abs() > FAR {
                continue;
            }
            let mut at = vec![0usize; gathers.outer];
            let mut rest = point;
            for (slot, &size) in at.iter_mut().zip(sizes).rev() {
                *slot = rest % size;
                rest /= size;
            }
            let fixed = |(axis, affine): (usize, &Affine)| {
                let mut fixed = affine.clone();
                fixed.constant += if axis == gathers.axis { by } else { 0 };
                for &(axis, c) in &affine.terms {
                    fixed.constant += at.get(axis).map_or(0, |&index| c * index as i64);
                }
                fixed.terms.retain(|&(axis, _)| axis >= gathers.outer);
                fixed.terms.iter_mut().for_each(|term| term.0 -= gathers.outer);
                fixed
            };
            let fixed: Vec<Affine> = self.index.iter().enumerate().map(fixed).collect();
            let first = (point * inner).max(cells.start);
            let end = ((point + 1) * inner).min(cells.end);
            let within = Part::new(&sizes[gathers.outer..], first - point * inner..end - point * inner);
            self.copy(&fixed, &within, data, &mut to[first - cells.start..end - cells.start]);
        }
    }
}

/// The index over a part of the box.
fn shifted(affine: &Affine, region: &[Range<usize>]) -> Affine {
    let moved: i64 = affine.terms.iter().map(|&(axis, c)| c * region[axis].start as i64).sum();
    Affine { constant: affine.constant + moved, terms: affine.terms.clone() }
}

/// Copies a box of (size, step in the output, step in the operand).
fn copy_axes(axes: &[(usize, isize, isize)], data: &[u32], base: isize, to: &mut [u32], start: isize) {
    let axes = axes.iter().map(|&(size, step, stride)| Axis { size, strides: [step, stride] });
    let mut axes = merge(axes);
    let last = axes.pop().unwrap_or(Axis { size: 1, strides: [1, 0] });
    // An axis along which the operand's elements are neighbours, when those of the last one are not.
    let turned = (last.strides[1].unsigned_abs() > 1 && last.size >= SQUARE)
        .then(|| axes.iter().rposition(|axis| axis.strides[1] == 1 && axis.size >= SQUARE))
        .flatten()
        .map(|place| axes.remove(place));
    let mut walk = Walk::new(&axes, [start, base]);
    for _ in 0..points(&axes) {
        let [output, element] = walk.offsets;
        match turned {
            Some(rows) => turn(rows, last, data, element, to, output),
            None => copy_row(last, data, element, to, output),
        }
        walk.step();
    }
}

fn copy_row(axis: Axis<2>, data: &[u32], element: isize, to: &mut [u32], output: isize) {
    let [step, stride] = axis.strides;
    if step == 1 {
        return strided(data, element, stride, &mut to[output as usize..][..axis.size]);
    }
    let to = to[output as usize..].iter_mut().step_by(step as usize).take(axis.size);
    for (number, to) in to.enumerate() {
        *to = data[(element + number as isize * stride) as usize];
    }
}

/// Side of the squares of a transposition: their rows in both arrays stay in the cache.
const SQUARE: usize = 16;

/// Copies two axes in squares: the last one, and one along which the operand's elements are neighbours.
fn turn(rows: Axis<2>, last: Axis<2>, data: &[u32], element: isize, to: &mut [u32], output: isize) {
    for first in (0..rows.size).step_by(SQUARE) {
        let count = (rows.size - first).min(SQUARE) as isize;
        for column in (0..last.size).step_by(SQUARE) {
            let part = Axis { size: (last.size - column).min(SQUARE), ..last };
            for row in first as isize..first as isize + count {
                let element = element + row + column as isize * last.strides[1];
                let output = output + row * rows.strides[0] + column as isize * last.strides[0];
                copy_row(part, data, element, to, output);
            }
        }
    }
}
