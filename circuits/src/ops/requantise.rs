//! Requantisation: an accumulator times a rational, rounded half up, saturated.
//!
//! ```text
//! out = clamp(floor((M * acc + floor(D / 2)) / D), lo, hi)
//! ```
//!
//! M goes into the coefficients of the sum, so that the operation that writes the wire is still one.

use crate::builder::{Accumulator, BuildError, Builder, View};
use crate::expression::Expression;
use crate::program::Class;
use crate::tensor::Bounds;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A positive rational: `multiplier / divisor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// M.
    pub multiplier: i64,
    /// D.
    pub divisor: u64,
}

/// What follows a rounded quotient: a window, and a function within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epilogue {
    /// The window that the quotient is clamped to.
    pub window: Bounds,
    /// The value at each place of the window, from its start; the place itself where absent.
    pub values: Option<Vec<i32>>,
}

impl Epilogue {
    /// A clamp.
    pub fn clamp(lo: i64, hi: i64) -> Epilogue {
        Epilogue { window: Bounds { lo, hi }, values: None }
    }

    /// The expression of a quotient by `divisor` and this.
    pub fn expression(&self, divisor: u64) -> Expression {
        match &self.values {
            None => Expression::requantise(divisor, self.window),
            Some(values) => Expression::Table {
                first: self.window.lo,
                values: values.clone(),
                of: Box::new(Expression::quotient(divisor)),
            },
        }
    }

    /// Bounds of the result.
    pub fn bounds(&self) -> Bounds {
        let Some(values) = &self.values else { return self.window };
        let lo = values.iter().copied().min().unwrap_or(0).into();
        Bounds { lo, hi: values.iter().copied().max().unwrap_or(0).into() }
    }

    /// `function` of the result.
    pub fn then(self, function: impl Fn(i64) -> i64) -> Epilogue {
        let places = self.window.lo..=self.window.hi;
        let values = match self.values {
            None => places.map(|x| function(x) as i32).collect(),
            Some(values) => values.into_iter().map(|x| function(x.into()) as i32).collect(),
        };
        Epilogue { window: self.window, values: Some(values) }
    }

    /// The result clamped once more.
    pub fn then_clamp(self, lo: i64, hi: i64) -> Epilogue {
        match self.values {
            None if lo <= self.window.hi && hi >= self.window.lo => {
                Epilogue::clamp(lo.max(self.window.lo), hi.min(self.window.hi))
            }
            _ => self.then(|x| x.max(lo).min(hi)),
        }
    }
}

/// The operation that rounds an accumulator.
///
/// # Errors
/// Where the wire has too many axes, or the sum is too large.
pub fn requantised(
    b: &mut Builder,
    name: &str,
    class: Class,
    accumulator: Accumulator,
    ratio: Ratio,
    epilogue: &Epilogue,
    ones: bool,
) -> Result<View, BuildError> {
    b.emit(name, class, accumulator.scaled(ratio.multiplier), epilogue.expression(ratio.divisor), ones)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finish, input};
    use super::*;

    #[test]
    fn quotients_round_half_up_and_saturate() {
        let (mut b, x, tensor) = input(&[24]);
        let ratio = Ratio { multiplier: 3, divisor: 4 };
        let epilogue = Epilogue::clamp(-5, 8);
        let acc = Accumulator::of(&x);
        let view = requantised(&mut b, "round", Class::Map, acc, ratio, &epilogue, true).unwrap();
        let found = finish(b, &view, tensor.clone());
        let expected = tensor.values.iter().map(|v| (3 * v + 2).div_euclid(4).clamp(-5, 8));
        assert_eq!(found.values, expected.collect::<Vec<_>>());
    }

    #[test]
    fn epilogues_compose_as_functions() {
        let both = Epilogue::clamp(-10, 10).then_clamp(0, 100).then(|x| 2 * x).then_clamp(3, 15);
        let expression = both.expression(1);
        for x in -20i64..20 {
            let expected = (2 * x.clamp(-10, 10).clamp(0, 100)).clamp(3, 15);
            assert_eq!(expression.evaluate(&[x]), expected);
        }
    }
}
