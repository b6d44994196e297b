//! Row commitments: `<row, G>` for many rows of small integers over one basis.

use ark_ec::{AffineRepr, CurveGroup};
use assay_verifier::{
    basis,
    point::{F, G1Affine},
};
use rayon::prelude::*;

/// A prefix of the transparent reference string, for rows up to its length.
#[derive(Clone, Debug)]
pub struct Basis {
    points: Vec<G1Affine>,
}

impl Basis {
    /// The first `len` points; those beyond the shipped ones are computed on all cores.
    pub fn new(len: usize) -> Self {
        let mut points = basis::shipped(len);
        let computed = (points.len() as u64..len as u64).into_par_iter().map(basis::point);
        points.par_extend(computed);
        Self { points }
    }

    /// The points `G_0 .. G_(len-1)`.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }
}

/// An integer that a row may hold.
pub trait Entry: Copy + Sync {
    /// The value; magnitudes below `2^63` are legal.
    fn value(self) -> i64;
}

impl Entry for i32 {
    fn value(self) -> i64 {
        i64::from(self)
    }
}

impl Entry for i64 {
    fn value(self) -> i64 {
        self
    }
}

/// The commitment `sum_i row[i] G_i` of each row. Rows may be shorter than the basis: missing entries are zero.
///
/// # Panics
/// If a row is longer than the basis.
pub fn commit_rows<E: Entry>(basis: &Basis, rows: &[&[E]]) -> Vec<G1Affine> {
    rows.par_iter()
        .map(|row| {
            assert!(row.len() <= basis.points.len(), "a row is longer than the basis");
            row.iter()
                .zip(&basis.points)
                .map(|(entry, point)| *point * F::from(entry.value()))
                .sum::<ark_bn254::G1Projective>()
                .into_affine()
        })
        .collect()
}
