//! Multi-scalar multiplication: `sum_i s_i P_i` over some hundred to some thousand points with full-width scalars.

use crate::point::{F, G1Affine, G1Projective};
use ark_ec::VariableBaseMSM;

/// `sum_i s_i P_i`. The longer of the two lists is cut to the length of the shorter.
pub fn msm(points: &[G1Affine], scalars: &[F]) -> G1Projective {
    G1Projective::msm_unchecked(points, scalars)
}
