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

#[cfg(test)]
mod tests {
    use super::super::testing::{finish, input};
    use super::*;

    #[test]
    fn the_first_greatest_place_wins() {
        let (mut b, x, mut tensor) = input(&[3, 5]);
        tensor.values[5..10].copy_from_slice(&[1, 7, 7, 2, 7]);
        let view = arg_max(&mut b, "top", &x, 1, false).unwrap();
        let found = finish(b, &view, tensor);
        assert_eq!(found.values[1], 1);
    }
}
