//! Formulas: what an f32 operation does to its sums at one output element.
//!
//! A tree over correctly rounded operations of binary32 and the elementary functions of [`elementary`].
//! All of them are total. A NaN's payload is unobservable within a tree, and the value of a formula is the canonical
//! NaN where it is one. Written over [`Real`], so that the reference, the kernels and the referee evaluate one source.
//!
//! ```text
//! gelu(x) = 0.5 * x * (1 + erf(x * 0.70710677))
//!   Multiply(Multiply(Constant(0.5), Sum(0)), Add(Constant(1), Erf(Multiply(Sum(0), Constant(0.70710677)))))
//! ```

use crate::binary32::NAN;
use crate::elementary;
use crate::encoding::{DecodeError, Reader, Writer};
use crate::real::Real;
use alloc::boxed::Box;

/// The deepest tree that decodes.
pub const MAX_DEPTH: usize = 16;
/// The most nodes of a tree.
pub const MAX_NODES: usize = 64;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unary {
    /// `-x`.
    Negate = 0,
    /// `|x|`.
    Absolute = 1,
    /// The square root, correctly rounded.
    SquareRoot = 2,
    /// The greatest whole number not above x.
    Floor = 3,
    /// The least whole number not below x.
    Ceil = 4,
    /// The nearest whole number, halves to even.
    Round = 5,
    /// `e^x`.
    Exp = 6,
    /// The natural logarithm.
    Log = 7,
    /// The hyperbolic tangent.
    Tanh = 8,
    /// The error function.
    Erf = 9,
    /// `1 / (1 + e^-x)`.
    Sigmoid = 10,
    /// `1 / sqrt(x)`.
    ReciprocalRoot = 11,
    /// The sine.
    Sin = 12,
    /// The cosine.
    Cos = 13,
}

/// All functions of one number, by their tags.
pub const UNARY: [Unary; 14] = [
    Unary::Negate,
    Unary::Absolute,
    Unary::SquareRoot,
    Unary::Floor,
    Unary::Ceil,
    Unary::Round,
    Unary::Exp,
    Unary::Log,
    Unary::Tanh,
    Unary::Erf,
    Unary::Sigmoid,
    Unary::ReciprocalRoot,
    Unary::Sin,
    Unary::Cos,
];

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Binary {
    /// `x + y`.
    Add = 0,
    /// `x - y`.
    Subtract = 1,
    /// `x * y`.
    Multiply = 2,
    /// `x / y`.
    Divide = 3,
    /// The larger; NaN where either is; +0 is above -0.
    Maximum = 4,
    /// The smaller; NaN where either is; -0 is below +0.
    Minimum = 5,
    /// 1 where `x < y`, else 0.
    Less = 6,
    /// 1 where `x = y`, else 0.
    Equal = 7,
}

/// All functions of two numbers, by their tags.
pub const BINARY: [Binary; 8] = [
    Binary::Add,
    Binary::Subtract,
    Binary::Multiply,
    Binary::Divide,
    Binary::Maximum,
    Binary::Minimum,
    Binary::Less,
    Binary::Equal,
];

/// A function of an operation's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// The operation's sum of this number.
    Sum(usize),
    /// A number, by its bits; no NaN but the canonical one.
    Constant(u32),
    /// A function of one number.
    Unary(Unary, Box<Formula>),
    /// A function of two numbers.
    Binary(Binary, Box<Formula>, Box<Formula>),
    /// `x * y + z`, rounded once.
    Fma(Box<Formula>, Box<Formula>, Box<Formula>),
    /// The second where the first is not zero (a NaN is not zero), else the third.
    Select(Box<Formula>, Box<Formula>, Box<Formula>),
}

impl Formula {
    /// The constant of a number.
    pub fn number(value: f32) -> Formula {
        Formula::Constant(if value.is_nan() { NAN } else { value.to_bits() })
    }

    /// A function of this formula.
    pub fn unary(self, function: Unary) -> Formula {
        Formula::Unary(function, Box::new(self))
    }

    /// A function of this formula and another.
    pub fn binary(self, function: Binary, other: Formula) -> Formula {
        Formula::Binary(function, Box::new(self), Box::new(other))
    }

    /// `if self is not zero { yes } else { no }`.
    pub fn select(self, yes: Formula, no: Formula) -> Formula {
        Formula::Select(Box::new(self), Box::new(yes), Box::new(no))
    }

    /// The formula with each sum replaced by another formula; a sum without one stays.
    pub fn substitute(&self, sums: &[Formula]) -> Formula {
        let of = |x: &Formula| Box::new(x.substitute(sums));
        match self {
            Formula::Sum(i) => sums.get(*i).cloned().unwrap_or(Formula::Sum(*i)),
            Formula::Constant(bits) => Formula::Constant(*bits),
            Formula::Unary(function, x) => Formula::Unary(*function, of(x)),
            Formula::Binary(function, x, y) => Formula::Binary(*function, of(x), of(y)),
            Formula::Fma(x, y, z) => Formula::Fma(of(x), of(y), of(z)),
            Formula::Select(x, y, z) => Formula::Select(of(x), of(y), of(z)),
        }
    }

    /// The value at one output element, canonical where it is NaN.
    pub fn value<R: Real>(&self, sums: &[R]) -> R {
        self.evaluate(sums).canonical()
    }

    fn evaluate<R: Real>(&self, sums: &[R]) -> R {
        match self {
            Formula::Sum(i) => sums.get(*i).copied().unwrap_or(R::from_bits(0)),
            Formula::Constant(bits) => R::from_bits(*bits),
            Formula::Unary(function, x) => function.apply(x.evaluate(sums)),
            Formula::Binary(function, x, y) => function.apply(x.evaluate(sums), y.evaluate(sums)),
            Formula::Fma(x, y, z) => x.evaluate(sums).fma(y.evaluate(sums), z.evaluate(sums)),
            Formula::Select(x, y, z) => {
                let zero = x.evaluate(sums).equal(R::from_bits(0));
                R::select(zero, z.evaluate(sums), y.evaluate(sums))
            }
        }
    }

    /// True where every sum that is named is one of `count`, no constant is a NaN with a payload, and the tree is
    /// within [`MAX_DEPTH`] and [`MAX_NODES`].
    pub fn is_valid(&self, count: usize) -> bool {
        self.nodes() <= MAX_NODES && self.is_valid_at(count, 0)
    }

    fn is_valid_at(&self, count: usize, depth: usize) -> bool {
        let below = |x: &Formula| x.is_valid_at(count, depth + 1);
        depth <= MAX_DEPTH
            && match self {
                Formula::Sum(i) => *i < count,
                Formula::Constant(bits) => !f32::from_bits(*bits).is_nan() || *bits == NAN,
                Formula::Unary(_, x) => below(x),
                Formula::Binary(_, x, y) => below(x) && below(y),
                Formula::Fma(x, y, z) | Formula::Select(x, y, z) => below(x) && below(y) && below(z),
            }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        match self {
            Formula::Sum(_) | Formula::Constant(_) => 1,
            Formula::Unary(_, x) => 1 + x.nodes(),
            Formula::Binary(_, x, y) => 1 + x.nodes() + y.nodes(),
            Formula::Fma(x, y, z) | Formula::Select(x, y, z) => 1 + x.nodes() + y.nodes() + z.nodes(),
        }
    }

    /// Appends the canonical encoding, in prefix order: `00` and the sum's number (one byte); `01` and the constant
    /// (four bytes, big-endian); `02`, the function, its argument; `03`, the function, its arguments; `04` a fused
    /// multiply-add and its arguments; `05` a selection and its arguments.
    pub fn encode(&self, w: &mut Writer) {
        match self {
            Formula::Sum(i) => w.bytes(&[0, *i as u8]),
            Formula::Constant(bits) => {
                w.u8(1);
                w.bytes(&bits.to_be_bytes());
            }
            Formula::Unary(function, x) => {
                w.bytes(&[2, *function as u8]);
                x.encode(w);
            }
            Formula::Binary(function, x, y) => {
                w.bytes(&[3, *function as u8]);
                x.encode(w);
                y.encode(w);
            }
            Formula::Fma(x, y, z) | Formula::Select(x, y, z) => {
                w.u8(if matches!(self, Formula::Fma(..)) { 4 } else { 5 });
                x.encode(w);
                y.encode(w);
                z.encode(w);
            }
        }
    }

    /// Reads what [`Formula::encode`] wrote.
    ///
    /// # Errors
    /// Where a tag is unknown, or the tree is too deep or too large.
    pub fn decode(r: &mut Reader<'_>) -> Result<Formula, DecodeError> {
        Self::decode_at(r, 0, &mut 0)
    }

    fn decode_at(r: &mut Reader<'_>, depth: usize, nodes: &mut usize) -> Result<Formula, DecodeError> {
        *nodes += 1;
        if depth > MAX_DEPTH || *nodes > MAX_NODES {
            return Err(r.invalid("formula size"));
        }
        let tag = r.u8("formula tag")?;
        let mut below = |r: &mut Reader<'_>| Self::decode_at(r, depth + 1, nodes).map(Box::new);
        match tag {
            0 => Ok(Formula::Sum(r.u8("sum number")?.into())),
            1 => Ok(Formula::Constant(u32::from_be_bytes(r.array("constant")?))),
            2 => {
                let function = UNARY.get(usize::from(r.u8("function")?)).copied();
                Ok(Formula::Unary(function.ok_or_else(|| r.invalid("function"))?, below(r)?))
            }
            3 => {
                let function = BINARY.get(usize::from(r.u8("function")?)).copied();
                Ok(Formula::Binary(function.ok_or_else(|| r.invalid("function"))?, below(r)?, below(r)?))
            }
            4 => Ok(Formula::Fma(below(r)?, below(r)?, below(r)?)),
            5 => Ok(Formula::Select(below(r)?, below(r)?, below(r)?)),
            _ => Err(r.invalid("formula tag")),
        }
    }
}

impl Unary {
    /// The function's value.
    #[inline(always)]
    pub fn apply<R: Real>(self, x: R) -> R {
        match self {
            Unary::Negate => x.neg(),
            Unary::Absolute => x.abs(),
            Unary::SquareRoot => x.sqrt(),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round_even(),
            Unary::Exp => elementary::exp(x),
            Unary::Log => elementary::log(x),
            Unary::Tanh => elementary::tanh(x),
            Unary::Erf => elementary::erf(x),
            Unary::Sigmoid => elementary::sigmoid(x),
            Unary::ReciprocalRoot => elementary::rsqrt(x),
            Unary::Sin => elementary::sin(x),
            Unary::Cos => elementary::cos(x),
        }
    }
}

impl Binary {
    /// The function's value.
    #[inline(always)]
    pub fn apply<R: Real>(self, x: R, y: R) -> R {
        let flag = |holds: bool| R::select(holds, R::from_bits(0x3f80_0000), R::from_bits(0));
        match self {
            Binary::Add => x.add(y),
            Binary::Subtract => x.sub(y),
            Binary::Multiply => x.mul(y),
            Binary::Divide => x.div(y),
            Binary::Maximum => x.maximum(y),
            Binary::Minimum => x.minimum(y),
            Binary::Less => flag(x.less(y)),
            Binary::Equal => flag(x.equal(y)),
        }
    }
}
