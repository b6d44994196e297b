//! Where the points of a box lie in an array, as runs at one stride; and copies of them.

use crate::execute::walk::{Axis, Walk, merge, points};
use std::ops::Range;

/// The places of the points of a box, last axis fastest: runs of one length at one stride.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The first place of each run.
    starts: Vec<isize>,
    /// Points of a run.
    run: usize,
    /// From point to point of a run.
    stride: isize,
}

/// Neighbouring points of a box.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The first, counted from the start of the range that was asked for.
    pub(super) point: usize,
    /// Its place.
    pub(super) place: isize,
    /// How many.
    pub(super) count: usize,
}

impl Places {
    /// `axes`: the sizes of the box, and how far a step along each moves.
    pub(super) fn new(axes: impl IntoIterator<Item = (usize, isize)>) -> Self {
        let mut axes = merge(axes.into_iter().map(|(size, stride)| Axis { size, strides: [stride] }));
        let last = axes.pop().unwrap_or(Axis { size: 1, strides: [0] });
        let mut walk = Walk::new(&axes, [0]);
        let mut starts = Vec::with_capacity(points(&axes));
        for _ in 0..points(&axes) {
            starts.push(walk.offsets[0]);
            walk.step();
        }
        Places { starts, run: last.size, stride: last.strides[0] }
    }

    /// The step within every run; 0 where there is one point only.
    pub(super) fn stride(&self) -> isize {
        self.stride
    }

    /// Points of a run.
    pub(super) fn run(&self) -> usize {
        self.run
    }

    /// The place of a point.
    pub(super) fn at(&self, point: usize) -> isize {
        self.starts[point / self.run] + (point % self.run) as isize * self.stride
    }

    /// The runs of a range of points.
    #[inline]
    pub(super) fn runs(&self, range: Range<usize>, mut visit: impl FnMut(Run)) {
        if range.is_empty() {
            return;
        }
        let (mut number, mut within) = (range.start / self.run, range.start % self.run);
        let mut point = 0;
        while point < range.len() {
            let count = (self.run - within).min(range.len() - point);
            let place = self.starts[number] + within as isize * self.stride;
            visit(Run { point, place, count });
            point += count;
            number += 1;
            within = 0;
        }
    }

    /// The points of a range as they lie in an array, if they lie side by side.
    pub(super) fn slice<'a>(&self, data: &'a [f32], base: isize, range: Range<usize>) -> Option<&'a [f32]> {
        let within = range.start % self.run;
        let together = self.stride == 1 && within + range.len() <= self.run;
        together.then(|| &data[(base + self.at(range.start)) as usize..][..range.len()])
    }

    /// Copies a range of points.
    pub(super) fn copy<T: Copy>(&self, data: &[T], base: isize, range: Range<usize>, to: &mut [T]) {
        self.runs(range, |run| {
            let to = &mut to[run.point..run.point + run.count];
            strided(data, base + run.place, self.stride, to);
        });
    }
}

/// Copies elements at one stride.
pub(super) fn strided<T: Copy>(data: &[T], start: isize, stride: isize, to: &mut [T]) {
    match stride {
        0 => to.fill(data[start as usize]),
        1 => to.copy_from_slice(&data[start as usize..][..to.len()]),
        2.. => {
            let from = data[start as usize..].iter().step_by(stride as usize);
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
        _ => {
            let from = data[..=start as usize].iter().rev().step_by(stride.unsigned_abs());
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}
