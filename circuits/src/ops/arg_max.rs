//! ArgMax: the position of the first greatest element along an axis. Provable as a public output only.
//!
//! ```text
//! out[rest] = min { i : x[rest, i] = max over j of x[rest, j] }
//! ```

use crate::builder::{Accumulator, BuildError, Builder, View};
use crate::expression::Expression;
use crate::program::Class;

/// The rank operation along `axis`, which stays as an axis of size 1 if `keep`.
///
/// # Errors
/// Where a wire has too many axes.
pub fn arg_max(b: &mut Builder, name: &str, x: &View, axis: usize, keep: bool) -> Result<View, BuildError> {
    let x = match x.axes()[axis].len() {
        1 => x.clone(),
        _ => b.materialised(name, x, true)?,
    };
    let summed = Accumulator::of(&x).summed(&[axis]);
    let mut summed = if keep { summed } else { summed.squeezed(&[axis]) };
    if summed.reduce.is_empty() {
        return Err(BuildError::Unsupported("ArgMax along an axis of one element"));
    }
    summed.known = Some(b.bounds(&x));
    b.emit(name, Class::Rank, summed, Expression::Sum(0), true)
}
