//! The indicator automaton: the extension of `[0 = c + sum s_i a_i]`, every a_i within its true size.
//!
//! Reads the variables least significant bit first with the carry as state (`papers/protocol.md`, section 2):
//! after t bits, `c + sum s_i a_i` over the bits read is `2^t * carry`, or the path is dead. A flag for each
//! variable whose size is no power of two tells whether the bits read are below the size's. Each bit is read
//! once and each assignment has one path, so the total weight of accepting paths is multilinear and is the
//! extension of the whole conjunction. Work: bits times states times 2^variables.

use crate::F;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::shape::log_size;

/// One axis of an indicator: its coefficient, true size and point (most significant bit first).
#[derive(Clone, Copy, Debug)]
pub struct IndicatorAxis<'a> {
    /// s_i.
    pub coefficient: i64,
    /// The true size; a_i is below it.
    pub size: usize,
    /// `log_size(size)` coordinates.
    pub point: &'a [F],
}

/// The extension of `[0 = constant + sum of coefficient * axis]` at the axes' points.
pub fn evaluate(constant: i64, axes: &[IndicatorAxis<'_>]) -> F {
    let bits = axes.iter().map(|axis| log_size(axis.size)).max().unwrap_or(0);
    let mut states: BTreeMap<(i64, u32), F> = BTreeMap::from([((constant, 0), F::ONE)]);
    for bit in 0..bits {
        let mut weighted: Vec<((i64, u32), F)> = states.into_iter().collect();
        for (number, axis) in axes.iter().enumerate() {
            weighted = read(weighted, number, axis, bit);
        }
        let mut next = BTreeMap::new();
        for ((sum, flags), weight) in weighted {
            if sum & 1 == 0 {
                *next.entry((sum >> 1, flags)).or_insert(F::ZERO) += weight;
            }
        }
        states = next;
    }
    let padded = axes.iter().enumerate().filter(|(_, axis)| !axis.size.is_power_of_two());
    let accepted = padded.fold(0u32, |flags, (number, _)| flags | 1 << number);
    states.get(&(0, accepted)).copied().unwrap_or(F::ZERO)
}

/// Reads one bit of one axis: adds its coefficient to the running sum where the bit is one.
fn read(
    states: Vec<((i64, u32), F)>,
    number: usize,
    axis: &IndicatorAxis<'_>,
    bit: usize,
) -> Vec<((i64, u32), F)> {
    if bit >= log_size(axis.size) {
        return states;
    }
    let x = axis.point.len().checked_sub(bit + 1).and_then(|i| axis.point.get(i)).copied().unwrap_or(F::ZERO);
    let bound = axis.size >> bit & 1;
    let mut next: BTreeMap<(i64, u32), F> = BTreeMap::new();
    for ((sum, flags), weight) in states {
        for value in [0usize, 1] {
            let flags = match (axis.size.is_power_of_two(), value.cmp(&bound)) {
                (true, _) | (false, core::cmp::Ordering::Equal) => flags,
                (false, core::cmp::Ordering::Less) => flags | 1 << number,
                (false, core::cmp::Ordering::Greater) => flags & !(1 << number),
            };
            let factor = if value == 1 { x } else { F::ONE - x };
            let moved = sum + axis.coefficient * value as i64;
            *next.entry((moved, flags)).or_insert(F::ZERO) += weight * factor;
        }
    }
    next.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multilinear::eq_table;
    use proptest::prelude::*;

    fn by_enumeration(constant: i64, axes: &[IndicatorAxis<'_>]) -> F {
        let sizes: Vec<usize> = axes.iter().map(|axis| axis.size).collect();
        let tables: Vec<Vec<F>> = axes.iter().map(|axis| eq_table(axis.point)).collect();
        let mut sum = F::ZERO;
        for place in assay_circuits::execute::points(&sizes) {
            let total: i64 = axes.iter().zip(&place).map(|(axis, &i)| axis.coefficient * i as i64).sum();
            if constant + total == 0 {
                sum += tables.iter().zip(&place).map(|(table, &i)| table[i]).product::<F>();
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn the_automaton_is_the_enumeration(
            constant in -12i64..12,
            axes in prop::collection::vec((-5i64..6, 1usize..10), 1..4),
            seed in any::<u64>(),
        ) {
            let points: Vec<Vec<F>> = axes
                .iter()
                .enumerate()
                .map(|(i, (_, size))| (0..log_size(*size)).map(|j| F::from(seed ^ (17 * i + j) as u64).square()).collect())
                .collect();
            let axes: Vec<IndicatorAxis<'_>> = axes
                .iter()
                .zip(&points)
                .map(|(&(coefficient, size), point)| IndicatorAxis { coefficient, size, point })
                .collect();
            prop_assert_eq!(evaluate(constant, &axes), by_enumeration(constant, &axes));
        }
    }

    #[test]
    fn sizes_around_powers_of_two_are_exact() {
        for size in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17] {
            let at: Vec<F> = (0..log_size(size)).map(|i| F::from(i as u64 + 3).square()).collect();
            for constant in [-1, 0, 1, size as i64 - 1, size as i64] {
                let axes = [IndicatorAxis { coefficient: -1, size, point: &at }];
                assert_eq!(evaluate(constant, &axes), by_enumeration(constant, &axes), "{size} {constant}");
            }
        }
    }
}
