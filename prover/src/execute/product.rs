//! A term by nested loops: `out[o] += c * sum over r of F1[o, r] F2[o, r] ..`.
//!
//! Every factor is an [`Operand`], so each step of a loop moves an offset and nothing is tested. The innermost
//! loop runs along one axis: an output axis, where rows are added up, or a reduce axis, where it is a dot
//! product. Sums are 32 bits wide where the stated bounds allow it.

use super::parallel;
use super::read::{Integer, Operand};
use super::walk::{Axis, Walk, merge, points};
use super::{Sources, constant};
use assay_circuits::program::{MAX_FACTORS, Operation, Program, Term};
use std::borrow::Cow;
use std::ops::{AddAssign, Mul};

/// Cells of a row that are added up at a time.
const BLOCK: usize = 512;
/// Rows at least this long are added up; shorter ones are not worth it where dot products are longer.
const LONG_ROW: usize = 16;

/// An integer wide enough for a term's sums.
pub(super) trait Accumulator: Integer + Mul<Output = Self> + AddAssign + Into<i64> {}
impl Accumulator for i32 {}
impl Accumulator for i64 {}

/// Where the innermost loop runs.
#[derive(Clone, Copy, Debug)]
enum Inner {
    Output(Axis<MAX_FACTORS>),
    Reduce(Axis<MAX_FACTORS>),
}

/// A term, ready to run.
#[derive(Debug)]
pub(super) struct Product<'p, W: Accumulator> {
    coefficient: i64,
    operands: Vec<Operand>,
    /// For each operand its array, where that is a constant's.
    constants: Vec<Option<Cow<'p, [W]>>>,
    /// Output axes without the innermost.
    outputs: Vec<Axis<MAX_FACTORS>>,
    /// Reduce axes without the innermost.
    reduces: Vec<Axis<MAX_FACTORS>>,
    inner: Inner,
}

impl<'p, W: Accumulator> Product<'p, W> {
    pub(super) fn new(
        program: &Program,
        operation: &Operation,
        term: &Term,
        constants: &[&'p [i64]],
    ) -> Self {
        let sizes = operation.loop_sizes();
        let operands: Vec<Operand> =
            term.factors.iter().map(|access| Operand::new::<W>(program, access, &sizes)).collect();
        let axis = |axis: usize| {
            let mut strides = [0; MAX_FACTORS];
            strides.iter_mut().zip(&operands).for_each(|(stride, operand)| *stride = operand.strides[axis]);
            Axis { size: sizes[axis], strides }
        };
        let mut outputs = merge((0..operation.shape.rank()).map(axis));
        let mut reduces = merge(operation.reduce_axes(term).into_iter().map(axis));
        let row = outputs.last().copied().unwrap_or(Axis { size: 1, strides: [0; MAX_FACTORS] });
        let inner = match reduces.last().copied() {
            Some(along) if along.size > row.size && row.size < LONG_ROW => {
                reduces.pop();
                Inner::Reduce(along)
            }
            _ => {
                outputs.pop();
                Inner::Output(row)
            }
        };
        let constants =
            operands.iter().map(|operand| Some(operand.data(constant(constants, operand.source)?)));
        let constants = constants.collect();
        Product { coefficient: term.coefficient, operands, constants, outputs, reduces, inner }
    }

    /// Adds the term to the values of its sum.
    pub(super) fn add_to(&self, sources: &Sources<'_>, out: &mut [i64]) {
        let arrays: Vec<Cow<'_, [W]>> = self
            .operands
            .iter()
            .zip(&self.constants)
            .map(|(operand, constant)| match constant {
                Some(values) => Cow::Borrowed(values.as_ref()),
                None => operand.data(sources.values(operand.source)),
            })
            .collect();
        let mut factors: [&[W]; MAX_FACTORS] = [&[]; MAX_FACTORS];
        factors.iter_mut().zip(&arrays).for_each(|(factor, array)| *factor = array);
        let steps = points(&self.reduces) * if let Inner::Reduce(axis) = self.inner { axis.size } else { 1 };
        parallel::blocks(out, 1, steps as u64, |first, out| match (self.inner, self.operands.len()) {
            (Inner::Output(axis), 1) => {
                self.rows(first, out, axis, |sums, at| row_of_one(sums, factors, at, axis))
            }
            (Inner::Output(axis), 2) => {
                self.rows(first, out, axis, |sums, at| row_of_two(sums, factors, at, axis))
            }
            (Inner::Output(axis), _) => {
                self.rows(first, out, axis, |sums, at| row_of_three(sums, factors, at, axis))
            }
            (Inner::Reduce(axis), 1) => self.dots(first, out, |at| dot_of_one(factors, at, axis)),
            (Inner::Reduce(axis), 2) => self.dots(first, out, |at| dot_of_two(factors, at, axis)),
            (Inner::Reduce(axis), _) => self.dots(first, out, |at| dot_of_three(factors, at, axis)),
        });
    }

    fn bases(&self) -> [isize; MAX_FACTORS] {
        let mut bases = [0; MAX_FACTORS];
        bases.iter_mut().zip(&self.operands).for_each(|(base, operand)| *base = operand.base);
        bases
    }

    /// Cells from `first` on, each row by `add_row(sums, offsets)` at every reduce point.
    #[inline(always)]
    fn rows(
        &self,
        first: usize,
        out: &mut [i64],
        inner: Axis<MAX_FACTORS>,
        add_row: impl Fn(&mut [W], [isize; MAX_FACTORS]),
    ) {
        let mut outer = Walk::new(&self.outputs, self.bases());
        outer.seek(first / inner.size);
        let mut place = first % inner.size;
        let reduced = points(&self.reduces);
        let mut reduce = Walk::new(&self.reduces, [0; MAX_FACTORS]);
        let mut sums = [W::default(); BLOCK];
        let mut rest = out;
        while !rest.is_empty() {
            let count = (inner.size - place).min(rest.len()).min(BLOCK);
            let (block, after) = rest.split_at_mut(count);
            let sums = &mut sums[..count];
            sums.fill(W::default());
            let mut start = outer.offsets;
            start
                .iter_mut()
                .zip(inner.strides)
                .for_each(|(offset, stride)| *offset += place as isize * stride);
            reduce.restart(start);
            for _ in 0..reduced {
                add_row(sums, reduce.offsets);
                reduce.step();
            }
            for (cell, &sum) in block.iter_mut().zip(&*sums) {
                *cell += self.coefficient * sum.into();
            }
            rest = after;
            place += count;
            if place == inner.size {
                place = 0;
                outer.step();
            }
        }
    }

    /// Cells from `first` on, each as the sum of `dot(offsets)` over the outer reduce points.
    #[inline(always)]
    fn dots(&self, first: usize, out: &mut [i64], dot: impl Fn([isize; MAX_FACTORS]) -> W) {
        let mut outer = Walk::new(&self.outputs, self.bases());
        outer.seek(first);
        let reduced = points(&self.reduces);
        let mut reduce = Walk::new(&self.reduces, [0; MAX_FACTORS]);
        for cell in out {
            reduce.restart(outer.offsets);
            let mut sum = W::default();
            for _ in 0..reduced {
                sum += dot(reduce.offsets);
                reduce.step();
            }
            *cell += self.coefficient * sum.into();
            outer.step();
        }
    }
}

/// `count` elements from an offset on at a stride.
#[inline(always)]
fn along<W: Accumulator>(
    values: &[W],
    offset: isize,
    stride: isize,
    count: usize,
) -> impl Iterator<Item = W> {
    (0..count as isize).map(move |j| values[(offset + stride * j) as usize])
}

#[inline(always)]
fn contiguous<W>(values: &[W], offset: isize, count: usize) -> &[W] {
    &values[offset as usize..offset as usize + count]
}

#[inline(always)]
fn row_of_one<W: Accumulator>(
    sums: &mut [W],
    [a, ..]: [&[W]; MAX_FACTORS],
    [at, ..]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) {
    let count = sums.len();
    match inner.strides[0] {
        1 => sums.iter_mut().zip(contiguous(a, at, count)).for_each(|(sum, &x)| *sum += x),
        stride => sums.iter_mut().zip(along(a, at, stride, count)).for_each(|(sum, x)| *sum += x),
    }
}

#[inline(always)]
fn row_of_two<W: Accumulator>(
    sums: &mut [W],
    [a, b, _]: [&[W]; MAX_FACTORS],
    [at, bt, _]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) {
    let count = sums.len();
    match inner.strides {
        [1, 1, _] => {
            let pairs = contiguous(a, at, count).iter().zip(contiguous(b, bt, count));
            sums.iter_mut().zip(pairs).for_each(|(sum, (&x, &y))| *sum += x * y);
        }
        [0, 1, _] => {
            let x = a[at as usize];
            sums.iter_mut().zip(contiguous(b, bt, count)).for_each(|(sum, &y)| *sum += x * y);
        }
        [1, 0, _] => {
            let y = b[bt as usize];
            sums.iter_mut().zip(contiguous(a, at, count)).for_each(|(sum, &x)| *sum += x * y);
        }
        [s, t, _] => {
            let pairs = along(a, at, s, count).zip(along(b, bt, t, count));
            sums.iter_mut().zip(pairs).for_each(|(sum, (x, y))| *sum += x * y);
        }
    }
}

#[inline(always)]
fn row_of_three<W: Accumulator>(
    sums: &mut [W],
    [a, b, c]: [&[W]; MAX_FACTORS],
    [at, bt, ct]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) {
    let (count, [s, t, u]) = (sums.len(), inner.strides);
    let pairs = along(a, at, s, count).zip(along(b, bt, t, count));
    let triples = pairs.zip(along(c, ct, u, count));
    sums.iter_mut().zip(triples).for_each(|(sum, ((x, y), z))| *sum += x * y * z);
}

#[inline(always)]
fn total<W: Accumulator>(values: impl Iterator<Item = W>) -> W {
    let mut total = W::default();
    values.for_each(|value| total += value);
    total
}

#[inline(always)]
fn dot_of_one<W: Accumulator>(
    [a, ..]: [&[W]; MAX_FACTORS],
    [at, ..]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) -> W {
    match inner.strides[0] {
        1 => total(contiguous(a, at, inner.size).iter().copied()),
        stride => total(along(a, at, stride, inner.size)),
    }
}

#[inline(always)]
fn dot_of_two<W: Accumulator>(
    [a, b, _]: [&[W]; MAX_FACTORS],
    [at, bt, _]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) -> W {
    let count = inner.size;
    match inner.strides {
        [1, 1, _] => {
            let pairs = contiguous(a, at, count).iter().zip(contiguous(b, bt, count));
            total(pairs.map(|(&x, &y)| x * y))
        }
        [s, t, _] => total(along(a, at, s, count).zip(along(b, bt, t, count)).map(|(x, y)| x * y)),
    }
}

#[inline(always)]
fn dot_of_three<W: Accumulator>(
    [a, b, c]: [&[W]; MAX_FACTORS],
    [at, bt, ct]: [isize; MAX_FACTORS],
    inner: Axis<MAX_FACTORS>,
) -> W {
    let (count, [s, t, u]) = (inner.size, inner.strides);
    let pairs = along(a, at, s, count).zip(along(b, bt, t, count));
    total(pairs.zip(along(c, ct, u, count)).map(|((x, y), z)| x * y * z))
}
