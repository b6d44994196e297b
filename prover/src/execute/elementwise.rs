//! The expression of an operation over all of its cells, a block at a time.

use super::parallel;
use crate::kernels::divide::Quotient;
use assay_circuits::expression::Expression;
use assay_circuits::tensor::Bounds;

/// Cells of a block: small enough that every pass over it stays in the first cache.
const BLOCK: usize = 1024;

/// An expression with its divisions prepared.
#[derive(Debug)]
pub(super) enum Elementwise<'p> {
    Sum(usize),
    Divide(Quotient, Box<Elementwise<'p>>),
    Clamp(Bounds, Box<Elementwise<'p>>),
    Table(i64, &'p [i32], Box<Elementwise<'p>>),
    Max(Box<Elementwise<'p>>, Box<Elementwise<'p>>),
}

impl<'p> Elementwise<'p> {
    /// `sums`: bounds of the sums.
    pub(super) fn new(expression: &'p Expression, sums: &[Bounds]) -> Self {
        let prepare = |of: &'p Expression| Box::new(Elementwise::new(of, sums));
        match expression {
            Expression::Sum(index) => Elementwise::Sum(*index),
            Expression::Divide { divisor, of } => {
                Elementwise::Divide(Quotient::new(*divisor, of.bounds(sums)), prepare(of))
            }
            Expression::Clamp { bounds, of } => Elementwise::Clamp(*bounds, prepare(of)),
            Expression::Table { first, values, of } => Elementwise::Table(*first, values, prepare(of)),
            Expression::Max(a, b) => Elementwise::Max(prepare(a), prepare(b)),
            // The executor refuses f32 programs, and `Program::check` formulas in others.
            Expression::Formula(_) => Elementwise::Sum(0),
        }
    }

    /// The wire, from sums that are within their bounds.
    pub(super) fn wire(&self, sums: &[Vec<i64>], cells: usize) -> Vec<i64> {
        let mut wire = vec![0; cells];
        parallel::blocks(&mut wire, BLOCK, 4, |first, part| {
            for (number, block) in part.chunks_mut(BLOCK).enumerate() {
                self.block(sums, first + number * BLOCK, block);
            }
        });
        wire
    }

    fn block(&self, sums: &[Vec<i64>], first: usize, out: &mut [i64]) {
        match self {
            Elementwise::Sum(index) => out.copy_from_slice(&sums[*index][first..first + out.len()]),
            Elementwise::Divide(quotient, of) => {
                of.block(sums, first, out);
                quotient.apply(out);
            }
            Elementwise::Clamp(bounds, of) => {
                of.block(sums, first, out);
                out.iter_mut().for_each(|x| *x = (*x).max(bounds.lo).min(bounds.hi));
            }
            Elementwise::Table(start, values, of) => {
                of.block(sums, first, out);
                let last = values.len() as i64 - 1;
                out.iter_mut().for_each(|x| *x = i64::from(values[(*x - start).clamp(0, last) as usize]));
            }
            Elementwise::Max(a, b) => {
                a.block(sums, first, out);
                let mut other = [0; BLOCK];
                let other = &mut other[..out.len()];
                b.block(sums, first, other);
                out.iter_mut().zip(&*other).for_each(|(x, &y)| *x = (*x).max(y));
            }
        }
    }
}
