//! Concatenation: a Move with one term a part.
//!
//! ```text
//! out[.., i, ..] = sum over parts p of part_p[.., i - start_p, ..]          of which one is inside
//! ```

use crate::builder::{Accumulator, BuildError, Builder, View, axis_digits};
use crate::program::{Affine, Term};
use crate::tensor::Bounds;
use alloc::vec::Vec;

/// The accumulator of a concatenation along an axis.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn concat(b: &mut Builder, name: &str, parts: &[View], axis: usize) -> Result<Accumulator, BuildError> {
    let total: usize = parts.iter().map(|part| part.sizes()[axis]).sum();
    let mut plain = Vec::new();
    for part in parts {
        plain.push(b.plain_axis(name, part, axis)?);
    }
    // The other axes get common digits.
    let rank = plain[0].axes().len();
    let mut axes = alloc::vec![Vec::new(); rank];
    for (other, common) in axes.iter_mut().enumerate() {
        if other == axis {
            *common = axis_digits(total);
            continue;
        }
        let digits = plain.iter().try_fold(plain[0].axes()[other].clone(), |all, part| {
            crate::builder::align(&all, &part.axes()[other])
        });
        *common = digits.ok_or(BuildError::Unsupported("the parts' axes do not divide alike"))?;
        for part in &mut plain {
            *part = b.refine(name, part, other, common)?;
        }
    }
    let first: usize = axes[..axis].iter().map(Vec::len).sum();
    let outputs: usize = axes.iter().map(Vec::len).sum();
    let own = axes[axis].len();
    let mut terms = Vec::new();
    let mut known: Option<Bounds> = None;
    let mut start = 0;
    for part in &plain {
        let mut index: Vec<Affine> = (0..first).map(Affine::axis).collect();
        let along: &[(usize, i64)] = if own == 1 { &[(first, 1)] } else { &[] };
        index.push(Affine::new(-(start as i64), along));
        index.extend((first + own..outputs).map(Affine::axis));
        terms.push(Term { coefficient: 1, factors: alloc::vec![part.at(&index)] });
        start += part.sizes()[axis];
        let bounds = b.bounds(part);
        known = Some(known.map_or(bounds, |k| Bounds { lo: k.lo.min(bounds.lo), hi: k.hi.max(bounds.hi) }));
    }
    Ok(Accumulator { axes, reduce: Vec::new(), terms, known })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run};
    use super::*;

    #[test]
    fn parts_follow_each_other() {
        let (mut b, x, tensor) = input(&[2, 5]);
        let (left, right) = (x.sliced(1, 0, 1, 2).unwrap(), x.sliced(1, 1, 1, 4).unwrap());
        let acc = concat(&mut b, "concat", &[left, right.clone(), right], 1).unwrap();
        let found = run(b, acc, tensor.clone());
        let row = |r: usize| [0, 1, 1, 2, 3, 4, 1, 2, 3, 4].map(|i| tensor.values[r * 5 + i]);
        assert_eq!(found.values, [row(0), row(1)].concat());
    }
}
