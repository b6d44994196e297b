//! Loops over columns: slices of one length that hold one value for each of many outputs.
//!
//! [`Function`] is a node of a formula over columns. [`Step`] folds a few terms of the reduce loop into the state of
//! many outputs, each output in the order that an f32 program defines.

use super::real::Hard;
use super::vector::{Task, Vector};
use assay_circuits::element::BLOCK;
use assay_circuits::formula::{Binary, Unary};
use assay_circuits::real::Real;

/// Outputs that a [`Fold`] computes at once.
pub(crate) const WIDTH: usize = 32;

/// One node of a formula, for every element.
pub(crate) enum Function<'a> {
    /// The bits, one NaN for every NaN.
    Canonical(&'a [f32]),
    /// A function of one column.
    Unary(Unary, &'a [f32]),
    /// A function of two columns.
    Binary(Binary, &'a [f32], &'a [f32]),
    /// `x * y + z`.
    Fma(&'a [f32], &'a [f32], &'a [f32]),
    /// y where x is not zero, else z.
    Select(&'a [f32], &'a [f32], &'a [f32]),
}

/// Writes a function's values.
pub(crate) struct Apply<'a> {
    /// The function.
    pub(crate) function: Function<'a>,
    /// As long as the columns.
    pub(crate) to: &'a mut [f32],
}

#[inline(always)]
fn unary(function: Unary, x: &[f32], to: &mut [f32]) {
    for (to, &x) in to.iter_mut().zip(x) {
        *to = function.apply(Hard(x)).0;
    }
}

#[inline(always)]
fn binary(function: Binary, [x, y]: [&[f32]; 2], to: &mut [f32]) {
    for ((to, &x), &y) in to.iter_mut().zip(x).zip(y) {
        *to = function.apply(Hard(x), Hard(y)).0;
    }
}

impl Task for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, _: V) {
        let to = self.to;
        // Each loop is compiled for its own function: no choice within.
        macro_rules! loops {
            ($called:ident, $kind:ident, $function:ident, $columns:expr; $($name:ident)*) => {
                match $function {
                    $($kind::$name => $called($kind::$name, $columns, to),)*
                }
            };
        }
        match self.function {
            Function::Canonical(x) => {
                for (to, &x) in to.iter_mut().zip(x) {
                    *to = Hard(x).canonical().0;
                }
            }
            Function::Unary(function, x) => loops!(unary, Unary, function, x;
                Negate Absolute SquareRoot Floor Ceil Round Exp Log Tanh Erf Sigmoid ReciprocalRoot Sin Cos),
            Function::Binary(function, x, y) => loops!(binary, Binary, function, [x, y];
                Add Subtract Multiply Divide Maximum Minimum Less Equal),
            Function::Fma(x, y, z) => {
                for (((to, &x), &y), &z) in to.iter_mut().zip(x).zip(y).zip(z) {
                    *to = Hard(x).fma(Hard(y), Hard(z)).0;
                }
            }
            Function::Select(x, y, z) => {
                for (((to, &x), &y), &z) in to.iter_mut().zip(x).zip(y).zip(z) {
                    *to = Hard::select(Hard(x).equal(Hard(0.0)), Hard(z), Hard(y)).0;
                }
            }
        }
    }
}

/// What a fold does with the terms of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Adds them, in blocks.
    Sum,
    /// Adds products of two, in blocks.
    Dot,
    /// Keeps the greatest; -infinity stands for none.
    Maximum,
    /// Keeps the position of the first greatest; -infinity stands for none.
    Rank,
}

/// Rows of [`WIDTH`] outputs: where the row of each term begins.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The operand, or a part of it in another order.
    pub(crate) data: &'a [f32],
    /// The start of each term's row.
    pub(crate) starts: &'a [usize],
}

impl Rows<'_> {
    #[inline(always)]
    fn get(&self, term: usize) -> &[f32; WIDTH] {
        let start = self.starts[term];
        match self.data[start..start + WIDTH].first_chunk() {
            Some(row) => row,
            None => &[0.0; WIDTH],
        }
    }
}

/// The state of a fold of [`WIDTH`] outputs after some terms, a multiple of a block of them.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// The total, or the greatest.
    pub(crate) value: [f32; WIDTH],
    /// The position of the greatest.
    pub(crate) position: [u32; WIDTH],
}

impl State {
    /// Before the first term.
    pub(crate) fn start(kind: Kind) -> Self {
        let value = match kind {
            Kind::Sum | Kind::Dot => 0.0,
            Kind::Maximum | Kind::Rank => f32::NEG_INFINITY,
        };
        State { value: [value; WIDTH], position: [0; WIDTH] }
    }
}

/// Folds at most a block of terms.
pub(crate) struct Fold<'a> {
    /// How.
    pub(crate) kind: Kind,
    /// The first factor of each term.
    pub(crate) first: Rows<'a>,
    /// The second factor, of a dot product.
    pub(crate) second: Rows<'a>,
    /// The number of the first term.
    pub(crate) term: usize,
    /// The number of terms.
    pub(crate) count: usize,
    /// What is folded into.
    pub(crate) state: &'a mut State,
}

impl Task for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self, _: V) {
        debug_assert!(self.count <= BLOCK as usize);
        let State { value, position } = self.state;
        match self.kind {
            Kind::Sum => {
                let mut block = [0f32; WIDTH];
                for term in 0..self.count {
                    let row = self.first.get(term);
                    for lane in 0..WIDTH {
                        block[lane] += row[lane];
                    }
                }
                value.iter_mut().zip(block).for_each(|(total, block)| *total += block);
            }
            Kind::Dot => {
                let mut block = [0f32; WIDTH];
                for term in 0..self.count {
                    let (x, y) = (self.first.get(term), self.second.get(term));
                    for lane in 0..WIDTH {
                        block[lane] = x[lane].mul_add(y[lane], block[lane]);
                    }
                }
                value.iter_mut().zip(block).for_each(|(total, block)| *total += block);
            }
            Kind::Maximum => {
                let mut greatest = value.map(key);
                for term in 0..self.count {
                    let row = self.first.get(term);
                    for lane in 0..WIDTH {
                        greatest[lane] = greatest[lane].max(key(row[lane]));
                    }
                }
                *value = greatest.map(of_key);
            }
            Kind::Rank => {
                for term in 0..self.count {
                    let row = self.first.get(term);
                    for lane in 0..WIDTH {
                        let greater = value[lane] < row[lane];
                        value[lane] = if greater { row[lane] } else { value[lane] };
                        position[lane] = if greater { (self.term + term) as u32 } else { position[lane] };
                    }
                }
            }
        }
    }
}

/// An integer in the order of the numbers, -0 below +0, any NaN above all.
#[inline(always)]
fn key(x: f32) -> i32 {
    let bits = Hard(x).canonical().to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

#[inline(always)]
fn of_key(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32)
}
