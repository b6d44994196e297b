//! Expressions: what an operation does to its sums at one output element.
//!
//! A canonical tree over elementary total functions. The executor interprets it; the lowering matches on it.

use crate::encoding::{DecodeError, Reader, Writer};
use crate::formula::Formula;
use crate::tensor::{Bounds, REAL_BOUNDS};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The deepest tree that decodes.
const MAX_DEPTH: usize = 16;
/// The largest table: 2^17 values.
pub const MAX_TABLE: usize = 1 << 17;
/// The largest divisor: 2^32.
pub const MAX_DIVISOR: u64 = 1 << 32;

/// An integer function of an operation's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// The operation's sum of this number.
    Sum(usize),
    /// `floor((x + floor(D/2)) / D)`: division by D, round half up, exact for negative x too.
    Divide {
        /// D, at least 1.
        divisor: u64,
        /// x.
        of: Box<Expression>,
    },
    /// `min(max(x, lo), hi)`.
    Clamp {
        /// The window.
        bounds: Bounds,
        /// x.
        of: Box<Expression>,
    },
    /// `values[x - first]`; x is clamped to the table's ends.
    Table {
        /// The argument of the first value.
        first: i64,
        /// The values, at least one.
        values: Vec<i32>,
        /// x.
        of: Box<Expression>,
    },
    /// The larger of two.
    Max(Box<Expression>, Box<Expression>),
    /// A function of binary32 numbers: all of an f32 operation's expression, and of no other's.
    Formula(Formula),
}

/// `floor((x + floor(D/2)) / D)`, the rounding of every requantisation (`papers/protocol.md`, section 3).
pub fn divide_round(x: i64, divisor: u64) -> i64 {
    let d = i128::from(divisor.max(1));
    (i128::from(x) + d / 2).div_euclid(d) as i64
}

impl Expression {
    /// A requantisation: division by `divisor`, then saturation to `bounds`.
    pub fn requantise(divisor: u64, bounds: Bounds) -> Self {
        Expression::Clamp { bounds, of: Box::new(Expression::quotient(divisor)) }
    }

    /// The rounded quotient of the first sum, without any window.
    pub fn quotient(divisor: u64) -> Self {
        match divisor {
            1 => Expression::Sum(0),
            _ => Expression::Divide { divisor, of: Box::new(Expression::Sum(0)) },
        }
    }

    /// True of [`Expression::quotient`] of any divisor.
    pub fn is_quotient(&self) -> bool {
        match self {
            Expression::Sum(0) => true,
            Expression::Divide { of, .. } => **of == Expression::Sum(0),
            _ => false,
        }
    }

    /// The divisor, where the expression is a function of the first sum's rounded quotient.
    pub fn divisor(&self) -> Option<u64> {
        match self {
            Expression::Clamp { of, .. } | Expression::Table { of, .. } => of.divisor(),
            Expression::Divide { divisor, .. } if self.is_quotient() => Some(*divisor),
            Expression::Sum(0) => Some(1),
            _ => None,
        }
    }

    /// The value where the rounded quotient is x.
    pub fn after_division(&self, x: i64) -> i64 {
        match self {
            Expression::Clamp { bounds, of } => of.after_division(x).max(bounds.lo).min(bounds.hi),
            Expression::Table { first, values, of } => table_value(*first, values, of.after_division(x)),
            _ => x,
        }
    }

    /// The function of the rounded quotient, the same for every divisor.
    pub fn without_division(&self) -> Expression {
        match self {
            Expression::Clamp { bounds, of } => {
                Expression::Clamp { bounds: *bounds, of: Box::new(of.without_division()) }
            }
            Expression::Table { first, values, of } => Expression::Table {
                first: *first,
                values: values.clone(),
                of: Box::new(of.without_division()),
            },
            Expression::Divide { .. } if self.is_quotient() => Expression::Sum(0),
            other => other.clone(),
        }
    }

    /// The window of the rounded quotient beyond which the value is that at the window's ends.
    pub fn saturation(&self) -> Option<Bounds> {
        match self {
            Expression::Clamp { bounds, of } if of.is_quotient() => Some(*bounds),
            Expression::Table { first, values, of } if of.is_quotient() => {
                Some(Bounds { lo: *first, hi: *first + values.len() as i64 - 1 })
            }
            Expression::Clamp { of, .. } | Expression::Table { of, .. } => of.saturation(),
            _ => None,
        }
    }

    /// The value at one output element, from the values of the sums; zero of a formula, which has none in integers.
    pub fn evaluate(&self, sums: &[i64]) -> i64 {
        match self {
            Expression::Sum(index) => sums.get(*index).copied().unwrap_or(0),
            Expression::Divide { divisor, of } => divide_round(of.evaluate(sums), *divisor),
            Expression::Clamp { bounds, of } => of.evaluate(sums).max(bounds.lo).min(bounds.hi),
            Expression::Table { first, values, of } => table_value(*first, values, of.evaluate(sums)),
            Expression::Max(a, b) => a.evaluate(sums).max(b.evaluate(sums)),
            Expression::Formula(_) => 0,
        }
    }

    /// Bounds of the value, from the bounds of the sums.
    pub fn bounds(&self, sums: &[Bounds]) -> Bounds {
        match self {
            Expression::Sum(index) => sums.get(*index).copied().unwrap_or(Bounds { lo: 0, hi: 0 }),
            Expression::Divide { divisor, of } => {
                let of = of.bounds(sums);
                Bounds { lo: divide_round(of.lo, *divisor), hi: divide_round(of.hi, *divisor) }
            }
            Expression::Clamp { bounds, of } => {
                let of = of.bounds(sums);
                let clamp = |x: i64| x.max(bounds.lo).min(bounds.hi);
                Bounds { lo: clamp(of.lo), hi: clamp(of.hi) }
            }
            Expression::Table { values, .. } => {
                let lo = values.iter().copied().min().unwrap_or(0);
                Bounds { lo: i64::from(lo), hi: i64::from(values.iter().copied().max().unwrap_or(0)) }
            }
            Expression::Max(a, b) => {
                let (a, b) = (a.bounds(sums), b.bounds(sums));
                Bounds { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) }
            }
            Expression::Formula(_) => REAL_BOUNDS,
        }
    }

    /// True where every sum that is named is one of `count`, and the numbers are in range; of integers only.
    pub fn is_valid(&self, count: usize) -> bool {
        match self {
            Expression::Sum(index) => *index < count,
            Expression::Divide { divisor, of } => (2..=MAX_DIVISOR).contains(divisor) && of.is_valid(count),
            Expression::Clamp { bounds, of } => {
                let within = bounds.lo >= i32::MIN.into() && bounds.hi <= i32::MAX.into();
                within && bounds.lo <= bounds.hi && of.is_valid(count)
            }
            Expression::Table { first, values, of } => {
                (1..=MAX_TABLE).contains(&values.len())
                    && first.unsigned_abs() < 1 << 40
                    && of.is_valid(count)
            }
            Expression::Max(a, b) => a.is_valid(count) && b.is_valid(count),
            Expression::Formula(_) => false,
        }
    }

    /// Appends the canonical encoding: a tag, the numbers, the subtrees.
    pub fn encode(&self, w: &mut Writer) {
        match self {
            Expression::Sum(index) => {
                w.u8(0);
                w.length(*index);
            }
            Expression::Divide { divisor, of } => {
                w.u8(1);
                w.u64(*divisor);
                of.encode(w);
            }
            Expression::Clamp { bounds, of } => {
                w.u8(2);
                w.i64(bounds.lo);
                w.i64(bounds.hi);
                of.encode(w);
            }
            Expression::Table { first, values, of } => {
                w.u8(3);
                w.i64(*first);
                w.list(values, |w, v| w.bytes(&v.to_le_bytes()));
                of.encode(w);
            }
            Expression::Max(a, b) => {
                w.u8(4);
                a.encode(w);
                b.encode(w);
            }
            Expression::Formula(formula) => {
                w.u8(5);
                formula.encode(w);
            }
        }
    }

    /// Reads what [`Expression::encode`] wrote.
    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_at(r, 0)
    }

    fn decode_at(r: &mut Reader<'_>, depth: usize) -> Result<Self, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(r.invalid("expression depth"));
        }
        let below = |r: &mut Reader<'_>| Self::decode_at(r, depth + 1).map(Box::new);
        match r.u8("expression tag")? {
            0 => Ok(Expression::Sum(r.u32("sum number")? as usize)),
            1 => Ok(Expression::Divide { divisor: r.u64("divisor")?, of: below(r)? }),
            2 => {
                let (lo, hi) = (r.i64("clamp low")?, r.i64("clamp high")?);
                let bounds = Bounds::new(lo, hi).ok_or_else(|| r.invalid("clamp window"))?;
                Ok(Expression::Clamp { bounds, of: below(r)? })
            }
            3 => {
                let first = r.i64("table start")?;
                let values =
                    r.list(4, "table values", |r| Ok(i32::from_le_bytes(r.array("table value")?)))?;
                Ok(Expression::Table { first, values, of: below(r)? })
            }
            4 => Ok(Expression::Max(below(r)?, below(r)?)),
            5 if depth == 0 => Ok(Expression::Formula(Formula::decode(r)?)),
            _ => Err(r.invalid("expression tag")),
        }
    }
}

/// The table's value at x, clamped to its ends.
pub fn table_value(first: i64, values: &[i32], x: i64) -> i64 {
    let last = values.len().saturating_sub(1) as i64;
    let index = x.saturating_sub(first).clamp(0, last) as usize;
    values.get(index).map_or(0, |&value| i64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn rounding_is_half_up_on_both_sides_of_zero() {
        let rounded: Vec<i64> = [-6, -5, -3, -2, -1, 1, 2, 3].map(|x| divide_round(x, 4)).to_vec();
        assert_eq!(rounded, vec![-1, -1, -1, 0, 0, 0, 1, 1]);
        assert_eq!(divide_round(-3, 2), -1);
        assert_eq!(divide_round(i64::MIN + 1, 3), -3_074_457_345_618_258_602);
    }

    #[test]
    fn encoding_round_trips() {
        let tree = Expression::Max(
            Box::new(Expression::Table {
                first: -2,
                values: vec![5, -7],
                of: Box::new(Expression::requantise(9, Bounds { lo: -2, hi: -1 })),
            }),
            Box::new(Expression::Sum(1)),
        );
        let mut w = Writer::new();
        tree.encode(&mut w);
        let bytes = w.finish();
        let mut r = Reader::new(&bytes);
        assert_eq!(Expression::decode(&mut r).unwrap(), tree);
        r.finish().unwrap();
    }

    #[test]
    fn a_tree_too_deep_is_refused() {
        let mut bytes = vec![4u8; 40];
        bytes.extend([0; 5]);
        assert!(Expression::decode(&mut Reader::new(&bytes)).is_err());
    }
}
