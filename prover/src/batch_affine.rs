//! Many independent point additions at the price of one inversion: the prover's twin of
//! [`assay_verifier::batch_affine`], which has the formulas. Results are equal to the last bit, since a point's affine
//! form is unique.
//!
//! On processors with AVX-512 IFMA eight additions go side by side (`ifma.rs`), two to three times as fast; elsewhere the
//! verifier's code does the work. This is the only place that chooses.

use crate::count;
#[cfg(target_arch = "x86_64")]
use crate::ifma;
use assay_verifier::batch_affine::{self as portable, Additions};
use assay_verifier::point::G1Affine;

/// Additions that wait for a common inversion. Its buffers are kept from one batch to the next.
#[derive(Clone, Debug)]
pub struct Batch(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Portable(portable::Batch),
    #[cfg(target_arch = "x86_64")]
    Vector(ifma::Batch),
}

impl Default for Batch {
    /// An empty batch for this processor.
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        if ifma::is_available() {
            return Self(Engine::Vector(ifma::Batch::default()));
        }
        Self::portable()
    }
}

impl Batch {
    /// An empty batch that uses no instructions beyond the common ones.
    pub fn portable() -> Self {
        Self(Engine::Portable(portable::Batch::default()))
    }
}

impl Additions for Batch {
    fn push(&mut self, sums: &mut [G1Affine], target: usize, addend: &G1Affine) {
        match &mut self.0 {
            Engine::Portable(batch) => batch.push(sums, target, addend),
            #[cfg(target_arch = "x86_64")]
            Engine::Vector(batch) => {
                let Some(sum) = sums.get_mut(target) else { return };
                if sum.x == addend.x || is_identity(sum) || is_identity(addend) {
                    *sum = (*sum + *addend).into();
                } else {
                    batch.push(target, sum, addend);
                }
            }
        }
    }

    fn len(&self) -> usize {
        match &self.0 {
            Engine::Portable(batch) => batch.len(),
            #[cfg(target_arch = "x86_64")]
            Engine::Vector(batch) => batch.len(),
        }
    }

    fn apply(&mut self, sums: &mut [G1Affine]) {
        count::additions(self.len());
        match &mut self.0 {
            Engine::Portable(batch) => batch.apply(sums),
            #[cfg(target_arch = "x86_64")]
            Engine::Vector(batch) => batch.apply(sums),
        }
    }
}

/// No point of the curve has `x = 0`, since 3 is no square.
#[cfg(target_arch = "x86_64")]
fn is_identity(point: &G1Affine) -> bool {
    point.x.0.0 == [0; 4]
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_verifier::basis;
    use assay_verifier::batch_affine::{Run, sum_runs};
    use assay_verifier::point::G1Projective;
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
        fn both_engines_add_as_the_group_does(pairs in prop::collection::vec((any_point(), any_point()), 0..40)) {
            let expected: Vec<G1Affine> = pairs.iter().map(|(a, b)| (*a + *b).into()).collect();
            for mut batch in [Batch::default(), Batch::portable()] {
                let (mut sums, addends): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
                addends.iter().enumerate().for_each(|(k, addend)| batch.push(&mut sums, k, addend));
                batch.apply(&mut sums);
                prop_assert_eq!(&sums, &expected);
                prop_assert!(batch.is_empty());
            }
        }

        #[test]
        fn runs_are_summed(runs in prop::collection::vec(prop::collection::vec(any_point(), 0..20), 0..8)) {
            for mut batch in [Batch::default(), Batch::portable()] {
                let mut points = runs.concat();
                let mut start = 0;
                let mut places = Vec::new();
                for run in &runs {
                    places.push(Run { start, len: run.len() });
                    start += run.len();
                }
                sum_runs(&mut points, &mut places, &mut batch);
                for (run, place) in runs.iter().zip(&places) {
                    let expected: G1Projective = run.iter().sum();
                    let found = if place.len == 0 { G1Affine::identity() } else { points[place.start] };
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn long_sums_of_different_points_agree() {
        let basis = basis::basis(1024);
        let expected: G1Projective = basis.iter().sum();
        for mut batch in [Batch::default(), Batch::portable()] {
            let mut points = basis.clone();
            sum_runs(&mut points, &mut [Run { start: 0, len: 1024 }], &mut batch);
            assert_eq!(points[0], expected);
        }
    }
}
