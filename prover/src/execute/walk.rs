//! Loops over several axes with the offsets of a few arrays kept up to date.

/// A loop axis: its size, and how far one step moves in each of N arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis<const N: usize> {
    pub(crate) size: usize,
    pub(crate) strides: [isize; N],
}

/// Drops axes of one cell, and joins neighbours that are one axis in every array.
pub(crate) fn merge<const N: usize>(axes: impl IntoIterator<Item = Axis<N>>) -> Vec<Axis<N>> {
    let mut merged: Vec<Axis<N>> = Vec::new();
    for axis in axes {
        if axis.size == 1 {
            continue;
        }
        match merged.last_mut() {
            Some(outer) if outer.strides == axis.strides.map(|stride| stride * axis.size as isize) => {
                *outer = Axis { size: outer.size * axis.size, strides: axis.strides };
            }
            _ => merged.push(axis),
        }
    }
    merged
}

/// Number of points.
pub(crate) fn points<const N: usize>(axes: &[Axis<N>]) -> usize {
    axes.iter().map(|axis| axis.size).product()
}

/// The offsets at every point, last axis fastest.
pub(crate) fn offsets(axes: &[Axis<1>]) -> Vec<isize> {
    let mut walk = Walk::new(axes, [0]);
    let mut next = || {
        let offset = walk.offsets[0];
        walk.step();
        offset
    };
    (0..points(axes)).map(|_| next()).collect()
}

/// A position in a loop, last axis fastest.
#[derive(Clone)]
pub(crate) struct Walk<'a, const N: usize> {
    axes: &'a [Axis<N>],
    at: Vec<usize>,
    pub(crate) offsets: [isize; N],
}

impl<'a, const N: usize> Walk<'a, N> {
    /// The first point, where the arrays are at `offsets`.
    pub(crate) fn new(axes: &'a [Axis<N>], offsets: [isize; N]) -> Self {
        Walk { axes, at: vec![0; axes.len()], offsets }
    }

    /// Starts again elsewhere.
    pub(crate) fn restart(&mut self, offsets: [isize; N]) {
        self.at.fill(0);
        self.offsets = offsets;
    }

    /// From the first point to the point of this number.
    pub(crate) fn seek(&mut self, mut number: usize) {
        for (at, axis) in self.at.iter_mut().zip(self.axes).rev() {
            *at = number % axis.size;
            number /= axis.size;
            for (offset, stride) in self.offsets.iter_mut().zip(axis.strides) {
                *offset += *at as isize * stride;
            }
        }
    }

    /// To the next point; from the last one to the first.
    pub(crate) fn step(&mut self) {
        for (at, axis) in self.at.iter_mut().zip(self.axes).rev() {
            if *at + 1 < axis.size {
                *at += 1;
                self.offsets.iter_mut().zip(axis.strides).for_each(|(offset, stride)| *offset += stride);
                return;
            }
            let back = *at as isize;
            *at = 0;
            self.offsets.iter_mut().zip(axis.strides).for_each(|(offset, stride)| *offset -= back * stride);
        }
    }
}
