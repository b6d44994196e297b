//! Rounded division of many numbers by one divisor.
//!
//! `floor((x + floor(D/2)) / D)` as a multiplication by a reciprocal: with y = x + floor(D/2) - D b for a b that
//! makes y nonnegative, and y < 2^31, the quotient of y is `(y m) >> (31 + l)` with l = ceil(log2 D) and
//! `m = floor(2^(31+l) / D) + 1` (Granlund and Montgomery, "Division by invariant integers using
//! multiplication", theorem 4.2). Wider x are divided as they are.

use assay_circuits::shape::log_size;
use assay_circuits::tensor::Bounds;

/// Division by a divisor of numbers within stated bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quotient {
    /// Multiplication by a reciprocal.
    Reciprocal { base: i64, offset: i64, multiplier: u64, shift: u32 },
    /// The machine's division.
    Plain { divisor: i64 },
}

impl Quotient {
    /// For x within `bounds`, which lie within ±2^62, and `divisor` in 1..=2^32.
    pub(crate) fn new(divisor: u64, bounds: Bounds) -> Self {
        let divisor = divisor.max(1) as i64;
        let half = divisor / 2;
        let base = (bounds.lo + half).div_euclid(divisor);
        let offset = half - base * divisor;
        let bits = log_size(divisor as usize) as u32;
        if bounds.hi.saturating_add(offset) >= 1 << 31 || divisor >= 1 << 31 {
            return Quotient::Plain { divisor };
        }
        let shift = 31 + bits;
        let multiplier = (1u64 << shift) / divisor as u64 + 1;
        Quotient::Reciprocal { base, offset, multiplier, shift }
    }

    /// Divides each value in place.
    pub(crate) fn apply(&self, values: &mut [i64]) {
        match *self {
            Quotient::Reciprocal { base, offset, multiplier, shift } => {
                for value in values {
                    *value = base + (((*value + offset) as u64 * multiplier) >> shift) as i64;
                }
            }
            Quotient::Plain { divisor } => {
                for value in values {
                    *value = (*value + divisor / 2).div_euclid(divisor);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_circuits::expression::divide_round;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quotients_are_those_of_the_definition(
            divisor in prop_oneof![1u64..=70, 1u64..=1 << 32, (0u32..=32).prop_map(|bits| 1 << bits)],
            lo in prop_oneof![-5000i64..5000, -(1i64 << 33)..1 << 33, Just(1 - (1i64 << 62))],
            span in prop_oneof![0i64..10_000, (1i64 << 31) - 100_000..1 << 31, 0i64..1 << 40],
            places in prop::collection::vec(0.0f64..=1.0, 30),
        ) {
            let bounds = Bounds { lo, hi: lo + span };
            let mut values: Vec<i64> = places.iter().map(|place| lo + (place * span as f64) as i64).collect();
            values.extend([lo, lo + span]);
            values.extend((lo..=lo + span).take(100));
            values.extend((lo..=lo + span).rev().take(100));
            let expected: Vec<i64> = values.iter().map(|&x| divide_round(x, divisor)).collect();
            Quotient::new(divisor, bounds).apply(&mut values);
            prop_assert_eq!(values, expected);
        }
    }
}
