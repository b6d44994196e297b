//! Expressions as hints and lookups: rounding with bounds (`papers/protocol.md`, section 3), and pairwise maxima.
//!
//! With S the first sum, e = floor(D/2), mid = floor((S + e) / D) and f the rest of the expression:
//!
//! | case | commit | leaves |
//! | --- | --- | --- |
//! | f is nothing, D = 1 | out | none: out equals S |
//! | f is a clamp that mid never leaves | out | (out, S + e - D out), in one table or two |
//! | f within a table of the bounds of mid | out, r | r; (mid, out) with mid = (S + e - r) / D |
//! | that table would be too large | out, r, h, c | r; (h, c); (c, l, out) with l = mid - base - 2^w h |
//! | max(S, T) | out | (S - T, out - T) in {(d, max(d, 0))} |

use super::Lowering;
use crate::encoding::Writer;
use crate::expression::Expression;
use crate::hint::Hint;
use crate::program::{Class, Operation, Program};
use crate::relation::{Column, TensorId, View};
use crate::shape::{Shape, log_size};
use crate::table::{MAX_LOG_ROWS, Table};
use crate::tensor::Bounds;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The least t with `-2^t <= lo` and `hi < 2^t`.
fn log_symmetric(bounds: Bounds) -> usize {
    let magnitude = (bounds.hi + 1).max(-bounds.lo).max(1);
    log_size(usize::try_from(magnitude).unwrap_or(usize::MAX))
}

/// `function` at every x of `[-2^t, 2^t)`.
fn symmetric_table(t: usize, function: impl Fn(i64) -> i64) -> Table {
    let first = -(1i64 << t);
    Table::Function { first, values: (first..-first).map(|x| function(x) as i32).collect() }
}

impl Column {
    /// One tensor, read whole.
    fn tensor(tensor: TensorId, shape: &Shape) -> Column {
        Column { terms: alloc::vec![(1, tensor, View::identity(shape.sizes()))], constant: 0, divisor: 1 }
    }

    /// `self + factor * other`, under the divisor of `self`; `other` has divisor 1.
    fn plus(mut self, factor: i64, other: &Column) -> Column {
        self.constant += factor * other.constant;
        self.terms.extend(other.terms.iter().map(|(c, tensor, view)| (factor * c, *tensor, view.clone())));
        self
    }
}

/// Windows of tables that operations of a program share.
#[derive(Default)]
pub(super) struct Windows {
    /// log2 of the half of the widest difference that a maximum looks up.
    maxima: usize,
    /// For each function of a rounded quotient, log2 of the half of the widest window that fits one table.
    functions: BTreeMap<Vec<u8>, usize>,
}

impl Windows {
    pub(super) fn new(program: &Program, log_clamp: usize) -> Windows {
        let mut windows = Windows::default();
        for operation in program.operations.iter().filter(|operation| operation.class != Class::Rank) {
            windows.maxima = windows.maxima.max(maximum_window(operation));
            let Some(divisor) = operation.expression.divisor() else { continue };
            let mid = Expression::quotient(divisor).bounds(&[operation.sums[0].bounds]);
            let t = log_symmetric(mid);
            if t < log_clamp {
                let widest = windows.functions.entry(function(operation)).or_default();
                *widest = t.max(*widest);
            }
        }
        windows
    }
}

/// An operation's function of its rounded quotient, as bytes.
fn function(operation: &Operation) -> Vec<u8> {
    let mut w = Writer::new();
    operation.expression.without_division().encode(&mut w);
    w.finish()
}

/// log2 of the half of the window of the differences that a maximum looks up; 0 of any other operation.
fn maximum_window(operation: &Operation) -> usize {
    let Expression::Max(a, b) = &operation.expression else { return 0 };
    let bounds = |of: &Expression| match of {
        Expression::Sum(i) => operation.sums.get(*i).map(|sum| sum.bounds),
        _ => None,
    };
    match (bounds(a), bounds(b)) {
        (Some(a), Some(b)) => log_symmetric(difference(a, b)),
        _ => 0,
    }
}

/// Bounds of `a - b`.
fn difference(a: Bounds, b: Bounds) -> Bounds {
    Bounds { lo: a.lo - b.hi, hi: a.hi - b.lo }
}

impl Lowering<'_> {
    /// An operation that is no rank.
    pub(super) fn rounding(&mut self, number: usize, operation: &Operation) -> Result<(), &'static str> {
        if operation.expression == Expression::Sum(0) {
            return self.equality(number, operation);
        }
        if let Expression::Max(a, b) = &operation.expression
            && let (Expression::Sum(a), Expression::Sum(b)) = (a.as_ref(), b.as_ref())
        {
            return self.maximum(number, operation, *a, *b);
        }
        let divisor =
            operation.expression.divisor().ok_or("its expression is neither a rounding nor a maximum")?;
        if divisor > 1 << MAX_LOG_ROWS {
            return Err("its divisor is wider than a range table");
        }
        let sum = operation.sums[0].bounds;
        let mid = Expression::quotient(divisor).bounds(&[sum]);
        let clamps = match &operation.expression {
            Expression::Clamp { bounds, of } => of.is_quotient().then_some(*bounds),
            _ => None,
        };
        match clamps {
            Some(bounds) if bounds.covers(&mid) => match divisor {
                1 => self.equality(number, operation),
                _ => self.unclamped(number, operation, divisor, bounds),
            },
            _ => {
                let t = self.shared_window(operation, mid);
                match t < self.choices.log_clamp {
                    true => self.one_level(number, operation, divisor, t),
                    false => self.two_levels(number, operation, divisor, mid),
                }
            }
        }
    }

    fn maximum(
        &mut self,
        number: usize,
        operation: &Operation,
        a: usize,
        b: usize,
    ) -> Result<(), &'static str> {
        let t = self.windows.maxima.max(maximum_window(operation));
        if t >= MAX_LOG_ROWS {
            return Err("the elements that it compares are wider than a table");
        }
        let (left, right) = (self.sum_column(number, operation, a)?, self.sum_column(number, operation, b)?);
        let out = Column::tensor(self.wires[number], &operation.shape);
        let columns = alloc::vec![left.plus(-1, &right), out.plus(-1, &right)];
        self.lookup(Some(number), operation.shape.sizes(), symmetric_table(t, |d| d.max(0)), columns)
    }

    /// The quotient never leaves the clamp: the wire is the quotient, and the remainder is virtual.
    fn unclamped(
        &mut self,
        number: usize,
        operation: &Operation,
        divisor: u64,
        bounds: Bounds,
    ) -> Result<(), &'static str> {
        let axes = operation.shape.sizes();
        let out = Column::tensor(self.wires[number], &operation.shape);
        let mut remainder = self.sum_column(number, operation, 0)?.plus(-(divisor as i64), &out);
        remainder.constant += (divisor / 2) as i64;
        let (first, count) = (bounds.lo, bounds.count());
        if self.choices.packed {
            let table = Table::Pair { first, count, inner: divisor };
            if table.log_rows() > MAX_LOG_ROWS {
                return Err("its table of pairs is too large");
            }
            self.lookup(Some(number), axes, table, alloc::vec![out, remainder])
        } else {
            if count > 1 << MAX_LOG_ROWS {
                return Err("its wire is wider than a range table");
            }
            self.lookup(Some(number), axes, Table::Range { first, count }, alloc::vec![out])?;
            let table = Table::Range { first: 0, count: divisor };
            self.lookup(Some(number), axes, table, alloc::vec![remainder])
        }
    }

    /// log2 of the half of the window that holds mid: the largest over all operations with the same
    /// function, so that they share one table.
    fn shared_window(&self, operation: &Operation, mid: Bounds) -> usize {
        let shared = self.windows.functions.get(&function(operation)).copied();
        shared.unwrap_or(0).max(log_symmetric(mid))
    }

    /// The remainder's range, and mid = (S + e - r) / D; with D = 1 there is no remainder.
    fn quotient_column(
        &mut self,
        number: usize,
        operation: &Operation,
        divisor: u64,
    ) -> Result<Column, &'static str> {
        let mut mid = self.sum_column(number, operation, 0)?;
        if divisor > 1 {
            let bounds = Bounds { lo: 0, hi: divisor as i64 - 1 };
            let r = self.hint(number, &operation.shape, Hint::Remainder { divisor }, bounds);
            let r = Column::tensor(r, &operation.shape);
            let table = Table::Range { first: 0, count: divisor };
            self.lookup(Some(number), operation.shape.sizes(), table, alloc::vec![r.clone()])?;
            mid = mid.plus(-1, &r);
            mid.constant += (divisor / 2) as i64;
            mid.divisor = divisor;
        }
        Ok(mid)
    }

    fn one_level(
        &mut self,
        number: usize,
        operation: &Operation,
        divisor: u64,
        t: usize,
    ) -> Result<(), &'static str> {
        let mid = self.quotient_column(number, operation, divisor)?;
        let out = Column::tensor(self.wires[number], &operation.shape);
        let table = symmetric_table(t, |x| operation.expression.after_division(x));
        self.lookup(Some(number), operation.shape.sizes(), table, alloc::vec![mid, out])
    }

    fn two_levels(
        &mut self,
        number: usize,
        operation: &Operation,
        divisor: u64,
        bounds: Bounds,
    ) -> Result<(), &'static str> {
        let axes = operation.shape.sizes();
        let saturation = operation.expression.saturation().ok_or("it does not saturate")?;
        let half = log_symmetric(saturation);
        let (base, width) = (-(1i64 << half), half + 1);
        let h = Bounds { lo: (bounds.lo - base) >> width, hi: (bounds.hi - base) >> width };
        let t = log_symmetric(h);
        if width + 2 > MAX_LOG_ROWS || t >= MAX_LOG_ROWS {
            return Err("its sum is too wide for two levels of tables");
        }
        let (high, side) = (
            Hint::High { divisor, base, width: width as u32 },
            Hint::Side { divisor, base, width: width as u32 },
        );
        let symmetric = Bounds { lo: -(1 << t), hi: (1 << t) - 1 };
        let high = self.hint(number, &operation.shape, high, symmetric);
        let side = self.hint(number, &operation.shape, side, Bounds { lo: -1, hi: 1 });
        let (high, side) = (Column::tensor(high, &operation.shape), Column::tensor(side, &operation.shape));
        let mut low = self.quotient_column(number, operation, divisor)?;
        low = low.plus(-(divisor as i64) * (1 << width), &high);
        low.constant -= divisor as i64 * base;
        let out = Column::tensor(self.wires[number], &operation.shape);
        let coarse = symmetric_table(t, |h| h.clamp(-1, 1));
        self.lookup(Some(number), axes, coarse, alloc::vec![high, side.clone()])?;
        let values: Vec<i32> = (base..-base).map(|x| operation.expression.after_division(x) as i32).collect();
        self.lookup(Some(number), axes, Table::Window { values }, alloc::vec![side, low, out])
    }
}
