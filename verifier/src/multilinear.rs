//! Multilinear extensions: eq, bounds of axes, and integer tensors at a point.
//!
//! Points list coordinates most significant bit first, as [`assay_circuits::shape`] lists variables.

use crate::F;
use alloc::vec::Vec;
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use assay_circuits::shape::{Shape, log_size};

/// `eq(point, x)` at every x of the cube, `2^point.len()` values.
pub fn eq_table(point: &[F]) -> Vec<F> {
    eq_prefix(point, 1usize.checked_shl(point.len() as u32).unwrap_or(usize::MAX))
}

/// The first `count` values of [`eq_table`].
pub fn eq_prefix(point: &[F], count: usize) -> Vec<F> {
    let mut table = alloc::vec![F::ONE];
    for (i, coordinate) in point.iter().enumerate() {
        let needed = count.div_ceil(1usize.checked_shl((point.len() - 1 - i) as u32).unwrap_or(usize::MAX));
        let mut next = Vec::with_capacity(needed + 1);
        for value in &table {
            let high = *value * coordinate;
            next.push(*value - high);
            next.push(high);
        }
        next.truncate(needed);
        table = next;
    }
    table
}

/// `eq(a, b) = prod (a_i b_i + (1 - a_i) (1 - b_i))`.
pub fn eq(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).map(|(a, b)| F::ONE - a - b + (*a * b).double()).product()
}

/// `eq(point, index)` for an index of the cube.
pub fn eq_index(point: &[F], index: usize) -> F {
    let bits = (0..point.len()).rev().map(|bit| index >> bit & 1 == 1);
    point.iter().zip(bits).map(|(x, bit)| if bit { *x } else { F::ONE - x }).product()
}

/// The extension of `[x < bound]` at a point.
pub fn less_than(bound: usize, point: &[F]) -> F {
    if log_size(bound + 1) > point.len() {
        return F::ONE;
    }
    let mut less = F::ZERO;
    let mut equal = F::ONE;
    for (i, x) in point.iter().enumerate() {
        if bound >> (point.len() - 1 - i) & 1 == 1 {
            less += equal * (F::ONE - x);
            equal *= x;
        } else {
            equal *= F::ONE - x;
        }
    }
    less
}

/// The extension of the in-bounds mask of a space.
pub fn in_bounds(sizes: &[usize], point: &[F]) -> F {
    let mut rest = point;
    let mut mask = F::ONE;
    for &size in sizes {
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        if !size.is_power_of_two() {
            mask *= less_than(size, head);
        }
        rest = tail;
    }
    mask
}

/// A sum of products of field elements and small integers, reduced once.
///
/// Holds each limb's sum as a signed 128-bit integer: exact for up to 2^31 products of integers below 2^31 in
/// magnitude; larger integers take the field's own multiplication.
#[derive(Clone, Copy, Default)]
pub struct SmallSum {
    limbs: [i128; 4],
    wide: F,
}

impl SmallSum {
    /// Adds `scalar * integer`.
    #[inline(always)]
    pub fn add(&mut self, scalar: &F, integer: i64) {
        if let Ok(small) = i32::try_from(integer) {
            for (sum, limb) in self.limbs.iter_mut().zip(scalar.0.0) {
                *sum += i128::from(limb) * i128::from(small);
            }
        } else {
            self.wide += *scalar * F::from(integer);
        }
    }

    /// The sum.
    pub fn finish(&self) -> F {
        // Carry into five limbs: |sum| < 2^64 * 2^62, so the top carry is below 2^63 in magnitude.
        let mut carry = 0i128;
        let mut limbs = [0u64; 4];
        for (out, sum) in limbs.iter_mut().zip(self.limbs) {
            let (low, high) = (sum & i128::from(u64::MAX), sum >> 64);
            let total = low + (carry & i128::from(u64::MAX));
            *out = total as u64;
            carry = high + (carry >> 64) + (total >> 64);
        }
        // The limbs are of Montgomery forms, so the value is again one: reduce and take it as it is. The carry
        // counts 2^256, which is the Montgomery form of one.
        let mut value = from_montgomery_limbs(limbs);
        let top = F::from(carry.unsigned_abs() as u64);
        value += if carry < 0 { -top } else { top };
        value + self.wide
    }
}

/// The element whose Montgomery form is the integer of these limbs modulo p.
fn from_montgomery_limbs(mut limbs: [u64; 4]) -> F {
    // The integer is below 2^256 < 6 p.
    let modulus = F::MODULUS;
    while BigInt::new(limbs) >= modulus {
        let mut borrow = false;
        for (limb, m) in limbs.iter_mut().zip(modulus.0) {
            let (once, first) = limb.overflowing_sub(m);
            let (twice, second) = once.overflowing_sub(u64::from(borrow));
            *limb = twice;
            borrow = first | second;
        }
    }
    F::new_unchecked(BigInt::new(limbs))
}

/// The extension of an integer tensor at a point: one pass, about 5 ns an element.
///
/// `values` are row-major at true sizes; `point` has the shape's number of variables.
pub fn evaluate(shape: &Shape, values: &[i64], point: &[F]) -> F {
    let mut rest = point;
    let mut tables = Vec::with_capacity(shape.rank());
    for &size in shape.sizes() {
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        tables.push(eq_prefix(head, size));
        rest = tail;
    }
    let Some(mut last) = tables.pop() else {
        return values.first().map_or(F::ZERO, |&value| F::from(value));
    };
    // Short last axes go together, so that each sum of small products is long and reduced once.
    while let Some(outer) = tables.pop_if(|outer| outer.len().saturating_mul(last.len()) <= 1 << 10) {
        last = outer.iter().flat_map(|a| last.iter().map(move |b| *a * b)).collect();
    }
    let mut folded: Vec<F> = values
        .chunks(last.len().max(1))
        .map(|row| {
            let mut sum = SmallSum::default();
            row.iter().zip(&last).for_each(|(&value, weight)| sum.add(weight, value));
            sum.finish()
        })
        .collect();
    while let Some(weights) = tables.pop() {
        folded = folded
            .chunks(weights.len().max(1))
            .map(|row| row.iter().zip(&weights).map(|(value, weight)| *value * weight).sum())
            .collect();
    }
    folded.first().copied().unwrap_or(F::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::Zero;
    use proptest::prelude::*;

    fn scalar(seed: u64) -> F {
        F::from(seed).pow([5]) + F::from(seed)
    }

    fn point(variables: usize, seed: u64) -> Vec<F> {
        (0..variables as u64).map(|i| scalar(seed.wrapping_mul(31).wrapping_add(i + 2))).collect()
    }

    #[test]
    fn eq_is_one_at_its_own_index() {
        let at = point(3, 7);
        let table = eq_table(&at);
        for (index, value) in table.iter().enumerate() {
            assert_eq!(*value, eq_index(&at, index));
        }
        assert_eq!(eq_prefix(&at, 5), table[..5]);
        assert_eq!(table.iter().sum::<F>(), F::ONE);
    }

    #[test]
    fn less_than_is_a_prefix_of_eq() {
        let at = point(4, 3);
        for bound in 0..=16 {
            assert_eq!(less_than(bound, &at), eq_table(&at)[..bound].iter().sum::<F>());
        }
    }

    proptest! {
        #[test]
        fn a_small_sum_is_the_field_sum(items in prop::collection::vec((any::<u64>(), any::<i64>(), 1u32..63), 0..60)) {
            let mut small = SmallSum::default();
            let mut expected = F::zero();
            for (seed, value, shift) in items {
                let value = value >> shift;
                small.add(&scalar(seed), value);
                expected += scalar(seed) * F::from(value);
            }
            prop_assert_eq!(small.finish(), expected);
        }

        #[test]
        fn evaluation_is_the_sum_over_the_cube(sizes in prop::collection::vec(1usize..6, 0..4), seed in any::<u64>()) {
            let shape = Shape::new(sizes).unwrap();
            let values: Vec<i64> = (0..shape.cells() as u64).map(|i| (seed.rotate_left(i as u32) as i8).into()).collect();
            let at = point(shape.variables(), seed);
            let table = eq_table(&at);
            let expected: F = shape.padded_indices().zip(&values).map(|(i, &v)| table[i] * F::from(v)).sum();
            prop_assert_eq!(evaluate(&shape, &values, &at), expected);
        }
    }
}
