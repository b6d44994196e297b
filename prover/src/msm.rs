//! Multi-scalar multiplication on all cores, for the last step of an opening: a few thousand points, scalars of full width.
//!
//! The terms are cut into chunks, each of which is the verifier's algorithm ([`assay_verifier::msm`]) with
//! the additions of [`crate::batch_affine`]. Chunks are no
//! shorter than 512 terms, since each pays for its own buckets.

use crate::batch_affine::Batch;
use assay_verifier::msm::msm_by;
use assay_verifier::point::{F, G1Affine, G1Projective};
use rayon::prelude::*;

/// `sum_i s_i P_i`. The longer of the two lists is cut to the length of the shorter.
pub fn msm(points: &[G1Affine], scalars: &[F]) -> G1Projective {
    const SHORTEST: usize = 512;
    let terms = points.len().min(scalars.len());
    let chunk = terms.div_ceil(rayon::current_num_threads()).max(SHORTEST);
    let chunks = points[..terms].par_chunks(chunk).zip(scalars[..terms].par_chunks(chunk));
    chunks.map(|(points, scalars)| msm_by(points, scalars, &mut Batch::default())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commitment::Basis;
    use ark_ff::Field;

    #[test]
    fn the_sum_over_chunks_is_the_naive_sum() {
        let basis = Basis::new(1500);
        let scalars: Vec<F> = (1..1500).map(|i| F::from(i).pow([5]) - F::from(1u64 << 50)).collect();
        let naive: G1Projective =
            basis.points().iter().zip(&scalars).map(|(point, scalar)| *point * scalar).sum();
        assert_eq!(msm(basis.points(), &scalars), naive);
        assert_eq!(msm(&[], &scalars), G1Projective::default());
    }
}
