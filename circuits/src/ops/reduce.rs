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
