//! Folds whose outputs share no factor: sums, greatest elements, their positions, products element by element.
//!
//! [`WIDTH`] neighbouring outputs are folded at once, each in its own order. Where their elements lie side by side they
//! are read in place, else packed a block of terms at a time. Of few outputs with long sums, blocks of terms are
//! summed at once instead, and then the blocks in order: that is how a sum is defined.

use super::ending::{CHUNK, Ending};
use super::pack::Grid;
use super::places::Places;
use super::{Geometry, Sources};
use crate::execute::parallel::blocks;
use crate::execute::read::Operand;
use crate::kernels::column::{Fold, Kind, Rows, State, WIDTH};
use crate::kernels::tile::DEPTH;
use crate::kernels::vector::run;
use assay_circuits::program::{Class, Operation, Program};
use std::borrow::Cow;
use std::ops::Range;

/// A fold, output by output.
#[derive(Debug)]
pub(super) struct Columns {
    kind: Kind,
    factors: Vec<Factor>,
    outputs: usize,
    terms: usize,
    geometry: Geometry,
}

#[derive(Debug)]
struct Factor {
    operand: Operand,
    outputs: Places,
    terms: Places,
}

/// Memory for one thread.
struct Packed {
    data: Vec<f32>,
    starts: Vec<usize>,
}

impl Columns {
    pub(super) fn new(program: &Program, operation: &Operation, geometry: Geometry) -> Self {
        let sizes = operation.loop_sizes();
        let rank = operation.shape.rank();
        let factors = &operation.sums[0].terms[0].factors;
        let factor = |access| {
            let operand = Operand::new::<i64>(program, access, &sizes);
            let places =
                |axes: Range<usize>| Places::new(axes.map(|axis| (sizes[axis], operand.strides[axis])));
            Factor { outputs: places(0..rank), terms: places(rank..sizes.len()), operand }
        };
        let kind = match (operation.class, factors.len()) {
            (Class::Maximum, _) => Kind::Maximum,
            (Class::Rank, _) => Kind::Rank,
            (_, 2) => Kind::Dot,
            _ => Kind::Sum,
        };
        Columns {
            kind,
            factors: factors.iter().map(factor).collect(),
            outputs: operation.shape.cells(),
            terms: operation.reduce.iter().product(),
            geometry,
        }
    }

    /// The wire.
    pub(super) fn run(&self, ending: &Ending, sources: &Sources<'_>, wire: &mut [f32]) {
        let outside = match self.kind {
            Kind::Sum | Kind::Dot => 0.0,
            Kind::Maximum | Kind::Rank => f32::NEG_INFINITY,
        };
        let data = |factor: &Factor| factor.operand.elements(sources.values(factor.operand.source), outside);
        let data: Vec<Cow<'_, [f32]>> = self.factors.iter().map(data).collect();
        let reads = ending.reads(sources);
        if self.outputs < WIDTH && self.terms >= 4 * DEPTH && matches!(self.kind, Kind::Sum | Kind::Dot) {
            let mut scratch = ending.scratch();
            let blocks = self.block_sums(&data);
            let totals = blocks.chunks_exact(self.terms.div_ceil(DEPTH));
            for (to, blocks) in scratch.folded.iter_mut().zip(totals) {
                *to = blocks.iter().fold(0.0, |total, block| total + block);
            }
            return ending.chunk(self.geometry.instructions, &reads, &mut scratch, 0..wire.len(), wire);
        }
        let steps = ending.cost().saturating_add((self.terms * self.factors.len()) as u64);
        blocks(wire, WIDTH, steps, |first, block| {
            let mut scratch = ending.scratch();
            let packed = || Packed { data: vec![0.0; DEPTH * WIDTH], starts: vec![0; DEPTH] };
            let mut packed: Vec<Packed> = self.factors.iter().map(|_| packed()).collect();
            for (number, to) in block.chunks_mut(CHUNK).enumerate() {
                let start = first + number * CHUNK;
                let range = start..start + to.len();
                for (number, to) in scratch.folded[..to.len()].chunks_mut(WIDTH).enumerate() {
                    let start = start + number * WIDTH;
                    let value = self.fold(&data, start..start + to.len(), &mut packed);
                    to.copy_from_slice(&value[..to.len()]);
                }
                ending.chunk(self.geometry.instructions, &reads, &mut scratch, range, to);
            }
        });
    }

    /// The sums of all blocks of terms, output by output.
    ///
    /// Zeros fill the last block. They and a total that begins with zero turn at most a -0 into +0, which
    /// added to a total, never -0 itself, is the same.
    fn block_sums(&self, data: &[Cow<'_, [f32]>]) -> Vec<f32> {
        let count = self.terms.div_ceil(DEPTH);
        let mut sums = vec![0f32; self.outputs * count];
        blocks(&mut sums, WIDTH, (DEPTH * self.factors.len()) as u64, |first, sums| {
            let mut packed: Vec<Vec<f32>> = self.factors.iter().map(|_| vec![0.0; DEPTH * WIDTH]).collect();
            let starts: [usize; DEPTH] = std::array::from_fn(|term| term * WIDTH);
            for (number, sums) in sums.chunks_mut(WIDTH).enumerate() {
                let first = first + number * WIDTH;
                for ((factor, data), packed) in self.factors.iter().zip(data).zip(&mut packed) {
                    for (lane, block) in (first..first + sums.len()).enumerate() {
                        let term = block % count * DEPTH;
                        let terms = term..(term + DEPTH).min(self.terms);
                        factor.lane(data, block / count, terms, &mut packed[lane..]);
                    }
                }
                let mut rows = packed.iter().map(|data| Rows { data, starts: &starts });
                let Some(first) = rows.next() else { return };
                let second = rows.next().unwrap_or(first);
                let mut state = State::start(self.kind);
                let fold = Fold { kind: self.kind, first, second, term: 0, count: DEPTH, state: &mut state };
                run(self.geometry.instructions, fold);
                sums.copy_from_slice(&state.value[..sums.len()]);
            }
        });
        sums
    }

    /// At most [`WIDTH`] outputs.
    fn fold(&self, data: &[Cow<'_, [f32]>], outputs: Range<usize>, packed: &mut [Packed]) -> [f32; WIDTH] {
        let mut state = State::start(self.kind);
        for term in (0..self.terms).step_by(DEPTH) {
            let terms = term..(term + DEPTH).min(self.terms);
            let parts = self.factors.iter().zip(data).zip(&mut *packed);
            let mut rows = parts
                .map(|((factor, data), packed)| factor.rows(data, outputs.clone(), terms.clone(), packed));
            let Some(first) = rows.next() else { break };
            let second = rows.next().unwrap_or(first);
            let fold = Fold { kind: self.kind, first, second, term, count: terms.len(), state: &mut state };
            run(self.geometry.instructions, fold);
        }
        match self.kind {
            Kind::Rank => state.position.map(|position| position as f32),
            _ => state.value,
        }
    }
}

impl Factor {
    /// A block of one output's terms, [`WIDTH`] apart, with zeros after the last.
    fn lane(&self, data: &[f32], output: usize, terms: Range<usize>, to: &mut [f32]) {
        let start = self.operand.base + self.outputs.at(output);
        let step = self.terms.stride();
        let count = terms.len();
        self.terms.runs(terms, |run| {
            let lanes = to[run.point * WIDTH..].iter_mut().step_by(WIDTH).take(run.count);
            if step == 1 {
                let from = &data[(start + run.place) as usize..][..run.count];
                return lanes.zip(from).for_each(|(to, &from)| *to = from);
            }
            for (number, to) in lanes.enumerate() {
                *to = data[(start + run.place + number as isize * step) as usize];
            }
        });
        to.iter_mut().step_by(WIDTH).take(DEPTH).skip(count).for_each(|to| *to = 0.0);
    }

    /// Rows of outputs, of at most a block of terms.
    fn rows<'a>(
        &self,
        data: &'a [f32],
        outputs: Range<usize>,
        terms: Range<usize>,
        packed: &'a mut Packed,
    ) -> Rows<'a> {
        let Packed { data: own, starts } = packed;
        let side_by_side = self.outputs.slice(data, self.operand.base, outputs.clone()).is_some();
        if side_by_side && outputs.len() == WIDTH {
            let first = self.operand.base + self.outputs.at(outputs.start);
            let step = self.terms.stride();
            self.terms.runs(terms, |run| {
                for (number, start) in starts[run.point..run.point + run.count].iter_mut().enumerate() {
                    *start = (first + run.place + number as isize * step) as usize;
                }
            });
            return Rows { data, starts };
        }
        let grid = Grid { data, base: self.operand.base, lanes: &self.outputs, terms: &self.terms };
        starts.iter_mut().enumerate().for_each(|(term, start)| *start = term * WIDTH);
        grid.pack(outputs, terms, WIDTH, own);
        Rows { data: own, starts }
    }
}
