//! Packing: terms of a reduce loop for some outputs, term after term, whatever the order in the tensor.
//!
//! ```text
//! to[k * width + l] = data[base + lanes[l] + terms[k]]
//! ```

use super::places::{Places, Run};
use crate::kernels::vector::LANES;
use std::ops::{Deref, DerefMut, Range};

/// An array that is read at the sum of a place of an output and a place of a term.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub(super) data: &'a [f32],
    pub(super) base: isize,
    pub(super) lanes: &'a Places,
    pub(super) terms: &'a Places,
}

/// Numbers at the start of a cache line, so that no vector of them lies on two.
#[derive(Debug, Default)]
pub(super) struct Lines {
    data: Vec<f32>,
    start: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl Lines {
    /// So many zeros.
    pub(super) fn zeros(count: usize) -> Self {
        let data = vec![0f32; count + LINE / size_of::<f32>()];
        let start = data.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        Lines { data, start }
    }

    /// At least so many numbers, of whatever values.
    pub(super) fn at_least(&mut self, count: usize) -> &mut [f32] {
        if self.data.len() < self.start + count {
            *self = Lines::zeros(count);
        }
        &mut self[..count]
    }
}

impl Deref for Lines {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[self.start..]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..]
    }
}

/// Runs of lanes that need no memory of their own.
const RUNS: usize = 8;

/// Terms that are packed before the next lane, so that they stay in the cache.
const TERMS: usize = 64;

impl Grid<'_> {
    /// Packs ranges of outputs and terms. What `to` has beyond the outputs of a term is of no meaning.
    pub(super) fn pack(&self, lanes: Range<usize>, terms: Range<usize>, width: usize, to: &mut [f32]) {
        if self.lanes.stride() == 1 && self.lanes.run() >= 4 {
            self.by_terms(lanes, terms, width, to);
        } else if self.terms.stride() == 1 && self.terms.run() >= 4 {
            for first in terms.clone().step_by(TERMS) {
                let block = first..(first + TERMS).min(terms.end);
                self.by_lanes(lanes.clone(), block, width, &mut to[(first - terms.start) * width..]);
            }
        } else {
            self.one_by_one(lanes, terms, width, to);
        }
    }

    /// Copies of whole runs of lanes.
    fn by_terms(&self, lanes: Range<usize>, terms: Range<usize>, width: usize, to: &mut [f32]) {
        let mut own = [Run { point: 0, place: 0, count: 0 }; RUNS];
        let mut more = Vec::new();
        let mut found = 0;
        self.lanes.runs(lanes, |run| {
            match own.get_mut(found) {
                Some(slot) => *slot = run,
                None => more.push(run),
            }
            found += 1;
        });
        let own = &own[..found.min(RUNS)];
        let step = self.terms.stride();
        self.terms.runs(terms, |term| {
            for number in 0..term.count {
                let place = self.base + term.place + number as isize * step;
                let row = (term.point + number) * width;
                for run in own.iter().chain(&more) {
                    copy(self.data, (place + run.place) as usize, &mut to[row + run.point..], run.count);
                }
            }
        });
    }

    /// Runs of terms, a lane at a time.
    fn by_lanes(&self, lanes: Range<usize>, terms: Range<usize>, width: usize, to: &mut [f32]) {
        for (lane, point) in lanes.enumerate() {
            let start = self.base + self.lanes.at(point);
            self.terms.runs(terms.clone(), |run| {
                let from = &self.data[(start + run.place) as usize..][..run.count];
                let to = to[run.point * width + lane..].iter_mut().step_by(width);
                to.zip(from).for_each(|(to, &from)| *to = from);
            });
        }
    }

    fn one_by_one(&self, lanes: Range<usize>, terms: Range<usize>, width: usize, to: &mut [f32]) {
        let places: Vec<isize> = lanes.map(|lane| self.base + self.lanes.at(lane)).collect();
        let step = self.terms.stride();
        self.terms.runs(terms, |term| {
            for number in 0..term.count {
                let place = term.place + number as isize * step;
                let row = &mut to[(term.point + number) * width..];
                for (to, lane) in row.iter_mut().zip(&places) {
                    *to = self.data[(place + lane) as usize];
                }
            }
        });
    }
}

/// Copies `count` elements to the front of `to`, and perhaps some of those that follow: whole vectors are cheaper.
#[inline(always)]
pub(super) fn copy(data: &[f32], start: usize, to: &mut [f32], count: usize) {
    let from = &data[start..];
    let mut done = 0;
    while done < count {
        let pair = (from.get(done..done + LANES), to.get_mut(done..done + LANES));
        match pair {
            (Some(from), Some(to)) => to.copy_from_slice(from),
            _ => return to[done..count].copy_from_slice(&from[done..count]),
        }
        done += LANES;
    }
}
