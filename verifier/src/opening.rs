//! Openings: committed tensors have the claimed values (`papers/protocol.md`, section 4).
//!
//! Each tensor is a matrix of rows, each row a Pedersen commitment over one transparent basis. Claims are
//! combined by powers of rho; claims with the same column point fold into one row; a sumcheck over the columns
//! unifies the few column points into one; the last step opens the one folded row that is left, by an
//! inner-product argument that stops after the plan's number of rounds and sends the rest. With no round it is
//! Hyrax. Commitments bind, they do not hide.

use crate::F;
use crate::basis;
use crate::msm::msm;
use crate::multilinear::{eq, eq_table};
use crate::proof::OpeningProof;
use crate::rejection::Rejection;
use crate::sumcheck::{Claim, next_claim};
use crate::transcript::Transcript;
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::plan::{Layout, Place, live_rows};
use assay_circuits::relation::{Group, Kind, System};
use assay_circuits::shape::Shape;

/// The part of a claim that picks rows, and the part that picks a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowClaim {
    /// The tensor's group.
    pub group: Group,
    /// The first row of the tensor in its group.
    pub first: usize,
    /// The row variables; empty where the tensor shares a row.
    pub rows: Vec<F>,
    /// The column variables: log2 of the row length of them.
    pub column: Vec<F>,
}

impl RowClaim {
    /// Splits a claim's point; `None` where the tensor is not committed.
    pub fn new(system: &System, claim: &Claim) -> Option<RowClaim> {
        let layout = &system.layout;
        let Kind::Committed(group) = system.tensors.get(claim.tensor)?.kind else { return None };
        match (*layout.places.get(claim.tensor)?)? {
            Place::Rows { first } => {
                let (rows, column) =
                    claim.point.split_at_checked(claim.point.len().checked_sub(layout.log_row)?)?;
                Some(RowClaim { group, first, rows: rows.to_vec(), column: column.to_vec() })
            }
            Place::Shared { row, offset } => {
                let fixed = layout.log_row.checked_sub(claim.point.len())?;
                let high = offset >> claim.point.len();
                let mut column: Vec<F> =
                    (0..fixed).rev().map(|bit| F::from((high >> bit & 1) as u64)).collect();
                column.extend_from_slice(&claim.point);
                Some(RowClaim { group, first: row, rows: Vec::new(), column })
            }
        }
    }

    /// (row of the group, eq of the row variables) for each committed row of the tensor.
    pub fn row_weights(&self, shape: &Shape, log_row: usize) -> Vec<(usize, F)> {
        if self.rows.is_empty() {
            return alloc::vec![(self.first, F::ONE)];
        }
        let weights = eq_table(&self.rows);
        let live = live_rows(shape, log_row).into_iter().enumerate();
        live.map(|(i, row)| (self.first + i, weights.get(row).copied().unwrap_or(F::ZERO))).collect()
    }
}

/// Claims grouped by column point: the distinct points, and for each claim the number of its point.
pub fn distinct_columns(claims: &[RowClaim]) -> (Vec<Vec<F>>, Vec<usize>) {
    let mut points: Vec<Vec<F>> = Vec::new();
    let numbers = claims
        .iter()
        .map(|claim| match points.iter().position(|point| *point == claim.column) {
            Some(number) => number,
            None => {
                points.push(claim.column.clone());
                points.len() - 1
            }
        })
        .collect();
    (points, numbers)
}

/// Powers of rho: 1, rho, rho^2, ...
pub fn powers(rho: F, count: usize) -> Vec<F> {
    core::iter::successors(Some(F::ONE), |power| Some(*power * rho)).take(count).collect()
}

/// The factor of b in the last step: `prod (1 - s_j + x_j^-1 s_j)` over the rounds.
fn folded_weight(point: &[F], inverses: &[F]) -> F {
    point.iter().zip(inverses).map(|(s, inverse)| F::ONE - s + *inverse * s).product()
}

/// Checks all claims on committed tensors against the commitments to their rows.
///
/// `commitments` gives the rows of a group.
pub fn verify<'a, T: Transcript>(
    system: &System,
    claims: &[Claim],
    commitments: impl Fn(Group) -> &'a [G1Affine],
    proof: &OpeningProof,
    transcript: &mut T,
) -> Result<(), Rejection> {
    let layout: &Layout = &system.layout;
    let split = claims.iter().map(|claim| RowClaim::new(system, claim)).collect::<Option<Vec<_>>>();
    let split = split.ok_or(Rejection::Opening("a claim's point does not fit its tensor"))?;
    let (columns, numbers) = distinct_columns(&split);
    // Step 1: one claim from all.
    let rho = transcript.challenge(b"openings");
    let rho_powers = powers(rho, claims.len());
    let mut claim: F = claims.iter().zip(&rho_powers).map(|(claim, power)| claim.value * power).sum();
    // Step 2: one column point.
    let mut point = Vec::with_capacity(layout.log_row);
    for message in &proof.unify {
        transcript.absorb_scalars(b"unify", message);
        let x = transcript.challenge(b"unify");
        claim = next_claim(claim, message, x);
        point.push(x);
    }
    // Step 3: the folded row's commitment, as a combination of the rows'.
    let at_point: Vec<F> = columns.iter().map(|column| eq(column, &point)).collect();
    let mut points: Vec<G1Affine> = Vec::new();
    let mut scalars: Vec<F> = Vec::new();
    let mut offsets = Vec::new();
    for (group, rows) in &layout.groups {
        offsets.push((*group, points.len(), *rows));
        let committed = commitments(*group);
        if committed.len() != *rows {
            return Err(Rejection::Opening("a group has another number of rows"));
        }
        points.extend_from_slice(committed);
    }
    scalars.resize(points.len(), F::ZERO);
    for (((claim, original), power), number) in split.iter().zip(claims).zip(&rho_powers).zip(&numbers) {
        let weight = *power * at_point.get(*number).copied().unwrap_or(F::ZERO);
        let (_, offset, _) = offsets
            .iter()
            .find(|(group, _, _)| *group == claim.group)
            .ok_or(Rejection::Opening("a claim's group has no rows"))?;
        let shape = &system.tensors.get(original.tensor).ok_or(Rejection::Opening("no such tensor"))?.shape;
        for (row, eq) in claim.row_weights(shape, layout.log_row) {
            let slot =
                scalars.get_mut(offset + row).ok_or(Rejection::Opening("a claim's row does not exist"))?;
            *slot += weight * eq;
        }
    }
    verify_row(layout.log_row, claim, &point, points, scalars, proof, transcript)
}

/// The last step: the row that `scalars` combine from `points` has value `claim` at `point`.
fn verify_row<T: Transcript>(
    log_row: usize,
    claim: F,
    point: &[F],
    mut points: Vec<G1Affine>,
    mut scalars: Vec<F>,
    proof: &OpeningProof,
    transcript: &mut T,
) -> Result<(), Rejection> {
    let rounds = proof.fold.len();
    let (folded, rest) = point.split_at_checked(rounds).ok_or(Rejection::Opening("too many rounds"))?;
    let mut inverses = Vec::with_capacity(rounds);
    let mut xi = F::ZERO;
    if rounds > 0 {
        xi = transcript.challenge(b"xi");
    }
    for pair in &proof.fold {
        transcript.absorb_points(b"fold", pair);
        let x = transcript.challenge(b"fold");
        let inverse = x.inverse().ok_or(Rejection::Opening("a challenge is zero"))?;
        let [left, right] = *pair;
        points.extend([left, right]);
        scalars.extend([inverse, x]);
        inverses.push(inverse);
    }
    let weights = eq_table(rest);
    if proof.row.len() != weights.len() {
        return Err(Rejection::Opening("the folded row has another length"));
    }
    let inner: F = proof.row.iter().zip(&weights).map(|(u, b)| *u * b).sum();
    let inner = inner * folded_weight(folded, &inverses);
    if rounds == 0 {
        if inner != claim {
            return Err(Rejection::Opening("the folded row does not have the claimed value"));
        }
    } else {
        points.push(basis::inner_product_point());
        scalars.push(xi * (claim - inner));
    }
    // The basis, folded: the coefficient of G_i is the product of x_j^-1 over the set high bits j of i.
    let mut coefficients = alloc::vec![F::ONE];
    for inverse in &inverses {
        coefficients = coefficients.iter().flat_map(|c| [*c, *c * inverse]).collect();
    }
    let row_length = 1usize.checked_shl(log_row as u32).ok_or(Rejection::Opening("rows are too long"))?;
    points.extend(basis::basis(row_length));
    scalars.extend(coefficients.iter().flat_map(|c| proof.row.iter().map(move |u| -(*c * u))));
    match msm(&points, &scalars) == ark_bn254::G1Projective::default() {
        true => Ok(()),
        false => Err(Rejection::Opening("the folded row is not what was committed")),
    }
}
