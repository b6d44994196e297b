//! Hints: integers that a prover commits beside the wires, each a function of an operation's first sum.

use crate::expression::divide_round;

/// A hint's function of the sum x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// `x + floor(D/2) - D * mid`, in `[0, D)`, where mid is the rounded quotient.
    Remainder {
        /// D.
        divisor: u64,
    },
    /// `floor((mid - base) / 2^width)`: which window of the clamp mid is in.
    High {
        /// D.
        divisor: u64,
        /// Where window 0 starts.
        base: i64,
        /// log2 of a window's size.
        width: u32,
    },
    /// [`Hint::High`] clamped to `[-1, 1]`: below, within, above.
    Side {
        /// D.
        divisor: u64,
        /// Where window 0 starts.
        base: i64,
        /// log2 of a window's size.
        width: u32,
    },
}

impl Hint {
    /// The hint at sum x.
    pub fn evaluate(&self, x: i64) -> i64 {
        match *self {
            Hint::Remainder { divisor } => {
                let d = i128::from(divisor.max(1));
                (i128::from(x) + d / 2).rem_euclid(d) as i64
            }
            Hint::High { divisor, base, width } => (divide_round(x, divisor) - base) >> width,
            Hint::Side { divisor, base, width } => {
                Hint::High { divisor, base, width }.evaluate(x).clamp(-1, 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remainder_and_its_quotient_make_the_sum() {
        for x in -20..20 {
            for divisor in [1, 2, 3, 8] {
                let r = Hint::Remainder { divisor }.evaluate(x);
                assert!((0..divisor as i64).contains(&r));
                assert_eq!(divisor as i64 * divide_round(x, divisor) + r, x + divisor as i64 / 2);
            }
        }
    }

    #[test]
    fn sides_tell_below_within_above() {
        let side = |x| Hint::Side { divisor: 1, base: -4, width: 3 }.evaluate(x);
        assert_eq!([-100, -5, -4, 3, 4, 100].map(side), [-1, -1, 0, 0, 1, 1]);
    }
}
