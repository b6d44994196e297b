//! Sums along axes: ReduceSum, ReduceMean and global average pools, whose division is their reader's.
//!
//! ```text
//! acc[rest] = sum over the axes of x
//! ```

use crate::builder::{Accumulator, View};

/// The accumulator of a sum along axes, which stay as axes of size 1 if `keep`.
pub fn sum(x: &View, axes: &[usize], keep: bool) -> Accumulator {
    let summed = Accumulator::of(x).summed(axes);
    if keep { summed } else { summed.squeezed(axes) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run};
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn sums_run_along_any_axes() {
        let (b, x, tensor) = input(&[3, 5, 2]);
        let found = run(b, sum(&x, &[0, 2], false), tensor.clone());
        let cell = |j: usize, i: usize, k: usize| tensor.values[(i * 5 + j) * 2 + k];
        let expected = (0..5).map(|j| (0..6).map(|r| cell(j, r / 2, r % 2)).sum());
        assert_eq!(found.shape.sizes(), [5]);
        assert_eq!(found.values, expected.collect::<Vec<i64>>());
    }
}
