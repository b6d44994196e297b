//! Multi-scalar multiplication on all cores, for the last step of an opening: a few thousand points, full-width scalars.

use assay_verifier::point::{F, G1Affine, G1Projective};

/// `sum_i s_i P_i`. The longer of the two lists is cut to the length of the shorter.
pub fn msm(points: &[G1Affine], scalars: &[F]) -> G1Projective {
    assay_verifier::msm::msm(points, scalars)
}
