//! Products of tensors that broadcast: a fold with no reduce axis.
//!
//! ```text
//! acc[i] = a[i] * b[i]
//! ```
//!
//! With one operand a constant along channels this is the affine part of a batch normalisation.

use super::add::{broadcast, loop_index};
use crate::builder::{Accumulator, BuildError, Builder, View};
use crate::program::Term;

/// The accumulator of a product.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn product(b: &mut Builder, name: &str, left: &View, right: &View) -> Result<Accumulator, BuildError> {
    let (axes, views) = broadcast(b, name, &[left.clone(), right.clone()])?;
    let factors = views.iter().map(|view| view.at(&loop_index(&axes, view))).collect();
    let terms = alloc::vec![Term { coefficient: 1, factors }];
    Ok(Accumulator { axes, reduce: alloc::vec![], terms, known: None })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run};
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn a_constant_by_channel_scales_its_channel() {
        let (mut b, x, tensor) = input(&[3, 5]);
        let factors = b.constant_of(&[3, 1], vec![2, -7, 0]).unwrap();
        let acc = product(&mut b, "scale", &factors, &x).unwrap();
        let found = run(b, acc, tensor.clone());
        let expected = tensor.values.iter().enumerate().map(|(i, v)| v * [2, -7, 0][i / 5]);
        assert_eq!(found.values, expected.collect::<Vec<_>>());
    }
}
