//! Sums and differences of tensors that broadcast: one affine sum.
//!
//! ```text
//! acc[i] = sum over operands t of k_t * t[i]
//! ```

use crate::builder::{Accumulator, BuildError, Builder, View, align};
use crate::program::{Affine, Term};
use alloc::vec::Vec;

/// Broadcasts operands to one shape: each gets the same rank, and each axis the same digits or none.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn broadcast(
    b: &mut Builder,
    name: &str,
    operands: &[View],
) -> Result<(Vec<Vec<usize>>, Vec<View>), BuildError> {
    let rank = operands.iter().map(|view| view.axes().len()).max().unwrap_or(0);
    let mut views: Vec<View> = operands.iter().map(|view| view.with_rank(rank)).collect();
    let mut axes = Vec::new();
    for axis in 0..rank {
        let common = |views: &[View]| {
            let digits =
                views.iter().map(|view| view.axes()[axis].clone()).filter(|digits| !digits.is_empty());
            let mut digits = digits;
            digits.try_fold(Vec::new(), |all, own| if all.is_empty() { Some(own) } else { align(&all, &own) })
        };
        let digits = match common(&views) {
            Some(digits) => digits,
            None => {
                for view in &mut views {
                    *view = b.materialised(name, view, false)?;
                }
                common(&views).ok_or(BuildError::Unsupported("the operands do not broadcast"))?
            }
        };
        for view in &mut views {
            if !view.axes()[axis].is_empty() {
                *view = b.refine(name, view, axis, &digits)?;
            }
        }
        axes.push(digits);
    }
    Ok((axes, views))
}

/// For each digit of a view that [`broadcast`] made, its loop axis.
pub fn loop_index(axes: &[Vec<usize>], view: &View) -> Vec<Affine> {
    let mut index = Vec::new();
    let mut next = 0;
    for (axis, digits) in axes.iter().enumerate() {
        if !view.axes()[axis].is_empty() {
            index.extend((next..next + digits.len()).map(Affine::axis));
        }
        next += digits.len();
    }
    index
}

/// The accumulator of a weighted sum.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn weighted_sum(
    b: &mut Builder,
    name: &str,
    operands: &[(i64, View)],
) -> Result<Accumulator, BuildError> {
    let views: Vec<View> = operands.iter().map(|(_, view)| view.clone()).collect();
    let (axes, views) = broadcast(b, name, &views)?;
    let terms = operands.iter().zip(&views).map(|((coefficient, _), view)| Term {
        coefficient: *coefficient,
        factors: alloc::vec![view.at(&loop_index(&axes, view))],
    });
    let terms = terms.collect();
    Ok(Accumulator { axes, reduce: Vec::new(), terms, known: None })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run};
    use super::*;

    #[test]
    fn operands_broadcast_and_split_digits_alike() {
        let (mut b, x, tensor) = input(&[4, 6]);
        // [24] as [2, 12] against a row of 12: the row's digits are those of the columns.
        let wide = x.reshaped(&[2, 12]).unwrap();
        let row = wide.sliced(0, 1, 1, 1).unwrap();
        let acc = weighted_sum(&mut b, "add", &[(3, wide), (-2, row)]).unwrap();
        let found = run(b, acc, tensor.clone());
        let expected = (0..24).map(|i| 3 * tensor.values[i] - 2 * tensor.values[12 + i % 12]);
        assert_eq!(found.values, expected.collect::<Vec<_>>());
    }
}
