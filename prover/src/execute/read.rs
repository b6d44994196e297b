//! Affine reads of a tensor over a box of loop axes, zero outside of the tensor.
//!
//! ```text
//! read[i_0, .., i_n] = tensor[.., constant_t + sum over axes a of coefficient_(a,t) * i_a, ..]
//! ```
//!
//! Along the last loop axis the places inside the tensor are one interval, so a read is a list of runs: whole
//! stretches at one stride, with nothing to test within. An [`Operand`] is a read that is always inside: of the
//! tensor itself where that is so, else of a copy with the zeros in it.

use assay_circuits::program::{Access, Affine, Program, Source};
use std::borrow::Cow;
use std::ops::Range;

/// An integer that values are held in.
pub(crate) trait Integer: Copy + Default + Send + Sync + 'static {
    /// The value, which the caller's bounds say fits.
    fn narrow(value: i64) -> Self;
    /// The value in 16 bits, which the caller's bounds say hold it.
    fn narrow_to_16(self) -> i16;
    /// A slice of i64 as it is, where it needs no copy.
    fn borrow(_: &[i64]) -> Option<&[Self]> {
        None
    }
}

impl Integer for i16 {
    fn narrow_to_16(self) -> i16 {
        self
    }
    fn narrow(value: i64) -> Self {
        value as i16
    }
}

impl Integer for i32 {
    fn narrow_to_16(self) -> i16 {
        self as i16
    }
    fn narrow(value: i64) -> Self {
        value as i32
    }
}

impl Integer for i64 {
    fn narrow_to_16(self) -> i16 {
        self as i16
    }
    fn narrow(value: i64) -> Self {
        value
    }
    fn borrow(values: &[i64]) -> Option<&[Self]> {
        Some(values)
    }
}

/// A read over a box.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Sizes of the loop axes; at least one.
    axes: Vec<usize>,
    /// Sizes of the tensor.
    sizes: Vec<usize>,
    /// Row-major strides of the tensor.
    strides: Vec<usize>,
    /// The index of each tensor axis where all loop axes are zero.
    constants: Vec<i64>,
    /// For each loop axis, how far it moves the index of each tensor axis.
    coefficients: Vec<Vec<i64>>,
}

/// Neighbouring cells of a box that are read at one stride.
pub(crate) struct Run {
    /// The first cell's place in the box.
    pub(crate) cell: usize,
    /// The first element's place in the tensor.
    pub(crate) element: usize,
    /// From element to element.
    pub(crate) stride: isize,
    /// How many.
    pub(crate) count: usize,
}

impl Read {
    pub(crate) fn new(index: &[Affine], sizes: &[usize], strides: &[usize], axes: &[usize]) -> Self {
        let mut axes = axes.to_vec();
        let mut coefficients = vec![vec![0; sizes.len()]; axes.len()];
        for (t, affine) in index.iter().enumerate() {
            for &(axis, coefficient) in &affine.terms {
                coefficients[axis][t] = coefficient;
            }
        }
        if axes.is_empty() {
            axes.push(1);
            coefficients.push(vec![0; sizes.len()]);
        }
        Read {
            axes,
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
            constants: index.iter().map(|affine| affine.constant).collect(),
            coefficients,
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.axes.iter().product()
    }

    /// Length of the last loop axis.
    pub(crate) fn row(&self) -> usize {
        self.axes[self.axes.len() - 1]
    }

    /// The runs of a range of rows, a row being all cells along the last loop axis.
    pub(crate) fn runs(&self, rows: Range<usize>, mut visit: impl FnMut(Run)) {
        let outer = self.axes.len() - 1;
        let row = self.row();
        let step = &self.coefficients[outer];
        let stride: isize = step.iter().zip(&self.strides).map(|(&c, &s)| c as isize * s as isize).sum();
        let mut at = vec![0usize; outer];
        let mut index = self.constants.clone();
        let mut rest = rows.start;
        for axis in (0..outer).rev() {
            at[axis] = rest % self.axes[axis];
            rest /= self.axes[axis];
            for (i, c) in index.iter_mut().zip(&self.coefficients[axis]) {
                *i += c * at[axis] as i64;
            }
        }
        for number in rows {
            let inside = self.inside(&index, step, row);
            if !inside.is_empty() {
                let first = inside.start as i64;
                let along = index.iter().zip(step).zip(&self.strides);
                let element = along.map(|((i, c), &s)| (i + c * first) as usize * s).sum();
                let (cell, count) = (number * row + inside.start, inside.len());
                visit(Run { cell, element, stride, count });
            }
            for axis in (0..outer).rev() {
                let coefficients = &self.coefficients[axis];
                if at[axis] + 1 < self.axes[axis] {
                    at[axis] += 1;
                    index.iter_mut().zip(coefficients).for_each(|(i, c)| *i += c);
                    break;
                }
                index.iter_mut().zip(coefficients).for_each(|(i, c)| *i -= c * at[axis] as i64);
                at[axis] = 0;
            }
        }
    }

    /// The places along a row where every index is inside of the tensor.
    fn inside(&self, index: &[i64], step: &[i64], row: usize) -> Range<usize> {
        let (mut lo, mut hi) = (0i64, row as i64);
        for ((&i, &c), &size) in index.iter().zip(step).zip(&self.sizes) {
            let (last, size) = (i + c * (row as i64 - 1), size as i64);
            if i >= 0 && last >= 0 && i < size && last < size {
                continue;
            }
            // The least j with i + c j >= 0 (c > 0) or < size (c < 0), and the first beyond that is outside.
            let (enters, leaves) = match c.signum() {
                0 => return 0..0,
                1 => ((c - 1 - i).div_euclid(c), (size - 1 - i).div_euclid(c) + 1),
                _ => ((i - size).div_euclid(-c) + 1, i.div_euclid(-c) + 1),
            };
            (lo, hi) = (lo.max(enters), hi.min(leaves));
        }
        if lo < hi { lo as usize..hi as usize } else { 0..0 }
    }

    /// All cells of the box: `convert` of an element, or what lies outside of the tensor.
    fn gather<S: Copy, T: Copy>(&self, values: &[S], outside: T, convert: impl Fn(S) -> T) -> Vec<T> {
        let mut cells = vec![outside; self.cells()];
        self.runs(0..cells.len() / self.row(), |run| {
            let to = &mut cells[run.cell..run.cell + run.count];
            if run.stride == 1 {
                let from = &values[run.element..run.element + run.count];
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = convert(from));
            } else {
                let mut element = run.element as isize;
                for to in to {
                    *to = convert(values[element as usize]);
                    element += run.stride;
                }
            }
        });
        cells
    }
}

/// What an operand's elements are read from.
#[derive(Clone, Debug)]
enum Storage {
    /// The tensor.
    Tensor,
    /// A copy.
    Copy(Read),
}

/// A factor as an array read at `base + sum over loop axes of stride * index`, inside everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) source: Source,
    storage: Storage,
    pub(crate) base: isize,
    /// One for each loop axis of the operation.
    pub(crate) strides: Vec<isize>,
}

impl Operand {
    /// `axes`: sizes of the operation's loop axes. `T`: what the elements will be held in.
    pub(crate) fn new<T: Integer>(program: &Program, access: &Access, axes: &[usize]) -> Self {
        let (shape, _) = program.source(access.source).expect("a checked program reads tensors that exist");
        let (sizes, strides) = (shape.sizes(), shape.strides());
        let ranges: Vec<_> = access.index.iter().map(|affine| affine.range(axes)).collect();
        let is_inside =
            ranges.iter().zip(sizes).all(|(range, &size)| range.lo >= 0 && range.hi < size as i64);
        let mut used: Vec<usize> = access.index.iter().flat_map(|i| i.terms.iter().map(|t| t.0)).collect();
        used.sort_unstable();
        used.dedup();
        let own: usize = used.iter().map(|&axis| axes[axis]).product();
        let window = match is_inside {
            true => shape.cells(),
            false => ranges.iter().fold(1usize, |n, r| n.saturating_mul(r.count() as usize)),
        };
        let borrows = is_inside && T::borrow(&[]).is_some();
        let (storage, firsts, steps) = if !borrows && own < window {
            let sizes_used: Vec<usize> = used.iter().map(|&axis| axes[axis]).collect();
            let place = |axis| used.iter().position(|&a| a == axis).unwrap_or(0);
            let renamed = |affine: &Affine| Affine {
                constant: affine.constant,
                terms: affine.terms.iter().map(|&(axis, c)| (place(axis), c)).collect(),
            };
            let index: Vec<Affine> = access.index.iter().map(renamed).collect();
            let read = Read::new(&index, sizes, &strides, &sizes_used);
            let mut by_axis = vec![0isize; axes.len()];
            let mut stride = 1;
            for &axis in used.iter().rev() {
                by_axis[axis] = stride;
                stride *= axes[axis] as isize;
            }
            return Operand {
                source: access.source,
                storage: Storage::Copy(read),
                base: 0,
                strides: by_axis,
            };
        } else if is_inside {
            (Storage::Tensor, vec![0; sizes.len()], strides)
        } else {
            let firsts: Vec<i64> = ranges.iter().map(|range| range.lo).collect();
            let lengths: Vec<usize> = ranges.iter().map(|range| range.count() as usize).collect();
            let shifted = |(t, &first): (usize, &i64)| Affine { constant: first, terms: vec![(t, 1)] };
            let index: Vec<Affine> = firsts.iter().enumerate().map(shifted).collect();
            let read = Read::new(&index, sizes, &strides, &lengths);
            let mut steps = vec![1usize; lengths.len()];
            for t in (1..lengths.len()).rev() {
                steps[t - 1] = steps[t] * lengths[t];
            }
            (Storage::Copy(read), firsts, steps)
        };
        let mut base = 0;
        let mut by_axis = vec![0isize; axes.len()];
        for ((affine, first), &step) in access.index.iter().zip(firsts).zip(&steps) {
            base += (affine.constant - first) as isize * step as isize;
            for &(axis, c) in &affine.terms {
                by_axis[axis] += c as isize * step as isize;
            }
        }
        Operand { source: access.source, storage, base, strides: by_axis }
    }

    /// The array that it is read from.
    pub(crate) fn data<'a, T: Integer>(&self, values: &'a [i64]) -> Cow<'a, [T]> {
        match &self.storage {
            Storage::Copy(read) => Cow::Owned(read.gather(values, T::default(), T::narrow)),
            Storage::Tensor => match T::borrow(values) {
                Some(values) => Cow::Borrowed(values),
                None => Cow::Owned(values.iter().map(|&value| T::narrow(value)).collect()),
            },
        }
    }
    /// The array that it is read from, made of the tensor's elements as they are; for an operand that was made for a
    /// tensor of their own type.
    pub(crate) fn elements<'a, S: Copy>(&self, values: &'a [S], outside: S) -> Cow<'a, [S]> {
        match &self.storage {
            Storage::Copy(read) => Cow::Owned(read.gather(values, outside, |element| element)),
            Storage::Tensor => Cow::Borrowed(values),
        }
    }
}
