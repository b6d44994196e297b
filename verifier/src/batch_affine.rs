//! Many independent point additions at the price of one inversion.
//!
//! The affine addition `(x1, y1) + (x2, y2)` is `l = (y2 - y1) / (x2 - x1)`, `x3 = l^2 - x1 - x2`,
//! `y3 = l (x1 - x3) - y1`. Montgomery's trick inverts all denominators of a batch together, three products each and one
//! inversion: an addition costs five products and a squaring, against eleven for a mixed projective one, and its result
//! needs no normalisation. The inversion costs as much as 40 additions, so that batches of some hundreds pay.
//!
//! The exceptional cases are legal and cheap: the identity on either side, equal points (doubled, `l = 3 x^2 / 2 y`) and
//! opposite ones.
//!
//! ```
//! use assay_verifier::{basis, batch_affine::{Additions, Batch}};
//! let points = basis::basis(4);
//! let mut sums = vec![points[0], points[1]];
//! let mut batch = Batch::default();
//! batch.push(&mut sums, 0, &points[2]);
//! batch.push(&mut sums, 1, &points[3]);
//! batch.apply(&mut sums);
//! assert_eq!(sums[0], points[0] + points[2]);
//! ```

use crate::point::G1Affine;
use alloc::vec::Vec;
use ark_bn254::Fq;
use ark_ff::{AdditiveGroup, Field, Zero};

/// Additions that wait for a common inversion. The prover has a second implementation, for wide processors.
pub trait Additions: Default {
    /// Adds `sums[target] += addend` to the batch. No two additions of one batch may have the same target; targets outside
    /// `sums` are dropped. The sum may be written at once or by [`Additions::apply`].
    fn push(&mut self, sums: &mut [G1Affine], target: usize, addend: &G1Affine);

    /// How many additions wait.
    fn len(&self) -> usize;

    /// Whether no addition waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Performs the waiting additions. `sums` are those of the pushes.
    fn apply(&mut self, sums: &mut [G1Affine]);
}

/// The portable implementation. Its buffers are kept from one batch to the next.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    waiting: Vec<Addition>,
    /// Before each waiting addition, the product of the denominators of those ahead of it.
    prefixes: Vec<Fq>,
    product: Option<Fq>,
}

/// `sums[target] += addend`.
#[derive(Clone, Copy, Debug)]
struct Addition {
    addend: G1Affine,
    denominator: Fq,
    target: usize,
}

impl Additions for Batch {
    fn push(&mut self, sums: &mut [G1Affine], target: usize, addend: &G1Affine) {
        let Some(denominator) = sums.get_mut(target).and_then(|sum| denominator(sum, addend)) else { return };
        let product = self.product.unwrap_or(Fq::ONE);
        self.prefixes.push(product);
        self.product = Some(product * denominator);
        self.waiting.push(Addition { addend: *addend, denominator, target });
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }

    fn apply(&mut self, sums: &mut [G1Affine]) {
        let Some(mut inverse) = self.product.take().and_then(|product| product.inverse()) else { return };
        for (addition, prefix) in self.waiting.drain(..).zip(self.prefixes.drain(..)).rev() {
            let Some(sum) = sums.get_mut(addition.target) else { continue };
            let inverted = inverse * prefix;
            inverse *= addition.denominator;
            *sum = add(sum, &addition.addend, inverted);
        }
    }
}

/// The denominator of the slope, or `None` if `sum` needs no slope and holds the result already.
fn denominator(sum: &mut G1Affine, addend: &G1Affine) -> Option<Fq> {
    let difference = addend.x - sum.x;
    if !difference.is_zero() && !is_identity(sum) && !is_identity(addend) {
        return Some(difference);
    }
    if is_identity(sum) {
        *sum = *addend;
    } else if sum.x == addend.x && sum.y == addend.y {
        return Some(sum.y.double());
    } else if !is_identity(addend) {
        *sum = G1Affine::identity();
    }
    None
}

/// No point of the curve has `x = 0`, since 3 is no square.
fn is_identity(point: &G1Affine) -> bool {
    point.x.is_zero()
}

fn add(a: &G1Affine, b: &G1Affine, inverted_denominator: Fq) -> G1Affine {
    let numerator = if a.x == b.x {
        let square = a.x.square();
        square.double() + square
    } else {
        b.y - a.y
    };
    let slope = numerator * inverted_denominator;
    let x = slope.square() - a.x - b.x;
    let y = slope * (a.x - x) - a.y;
    G1Affine::new_unchecked(x, y)
}

/// A run of consecutive points that are to be summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Place of the run's first point.
    pub start: usize,
    /// Number of points.
    pub len: usize,
}

/// Sums each run into its first point, by halving all runs together; afterwards every run has at most one point.
/// Runs must not overlap. The other points of a run are overwritten.
pub fn sum_runs(points: &mut [G1Affine], runs: &mut [Run], batch: &mut impl Additions) {
    const FULL: usize = 2048;
    loop {
        let mut idle = true;
        for run in runs.iter_mut() {
            let half = run.len / 2;
            let kept = run.len - half;
            for k in 0..half {
                if let Some(addend) = points.get(run.start + kept + k).copied() {
                    batch.push(points, run.start + k, &addend);
                }
            }
            run.len = kept;
            idle &= half == 0;
            if batch.len() >= FULL {
                batch.apply(points);
            }
        }
        batch.apply(points);
        if idle {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis;
    use crate::point::G1Projective;
    use alloc::vec;
    use proptest::prelude::*;

    /// One of a few points, so that equal and opposite ones meet often.
    fn any_point() -> impl Strategy<Value = G1Affine> {
        let points = basis::basis(4);
        prop_oneof![
            4 => (0..4usize).prop_map({ let points = points.clone(); move |i| points[i] }),
            4 => (0..4usize).prop_map(move |i| -points[i]),
            1 => Just(G1Affine::identity()),
        ]
    }

    proptest! {
        #[test]
        fn a_batch_adds_as_the_group_does(pairs in prop::collection::vec((any_point(), any_point()), 0..40)) {
            let (mut sums, addends): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let mut batch = Batch::default();
            addends.iter().enumerate().for_each(|(k, addend)| batch.push(&mut sums, k, addend));
            batch.apply(&mut sums);
            let expected: Vec<G1Affine> = pairs.iter().map(|(a, b)| (*a + *b).into()).collect();
            prop_assert_eq!(sums, expected);
            prop_assert!(batch.is_empty());
        }

        #[test]
        fn runs_are_summed(runs in prop::collection::vec(prop::collection::vec(any_point(), 0..20), 0..8)) {
            let mut points = runs.concat();
            let mut start = 0;
            let mut places = Vec::new();
            for run in &runs {
                places.push(Run { start, len: run.len() });
                start += run.len();
            }
            sum_runs(&mut points, &mut places, &mut Batch::default());
            for (run, place) in runs.iter().zip(&places) {
                let expected: G1Projective = run.iter().sum();
                let found = if place.len == 0 { G1Affine::identity() } else { points[place.start] };
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_target_outside_is_dropped() {
        let point = basis::point(0);
        let mut sums = vec![point];
        let mut batch = Batch::default();
        batch.push(&mut sums, 1, &point);
        batch.apply(&mut sums);
        assert_eq!(sums, [point]);
    }
}
