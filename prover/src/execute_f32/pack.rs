//! Packing: terms of a reduce loop for some outputs, term after term, whatever the order in the tensor.
//!
//! ```text
//! to[k * width + l] = data[base + lanes[l] + terms[k]]
//! ```

use super::places::{Places, Run};
use crate::kernels::vector::LANES;
use std::ops::Range;

/// An array that is read at the sum of a place of an output and a place of a term.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub(super) data: &'a [f32],
    pub(super) base: isize,
    pub(super) lanes: &'a Places,
    pub(super) terms: &'a Places,
}

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
        let mut runs: Vec<Run> = Vec::new();
        self.lanes.runs(lanes, |run| runs.push(run));
        let step = self.terms.stride();
        self.terms.runs(terms, |term| {
            for number in 0..term.count {
                let place = self.base + term.place + number as isize * step;
                let row = (term.point + number) * width;
                for run in &runs {
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
fn copy(data: &[f32], start: usize, to: &mut [f32], count: usize) {
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
