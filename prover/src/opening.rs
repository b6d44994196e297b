//! Openings, the prover's side: fold rows first, reduce later.
//!
//! Steps are those of [`assay_verifier::opening`]. Each claim costs one pass of small integers by field
//! elements over its tensor's rows; nothing else touches all committed cells. The sumcheck that unifies column
//! points has the length of one row, and only the last step's points are full-width.

use crate::count;
use crate::msm::msm;
use crate::multilinear::{dot, fold_rows};
use ark_bn254::G1Affine;
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::relation::{Group, System};
use assay_verifier::F;
use assay_verifier::multilinear::{eq, eq_table};
use assay_verifier::opening::{RowClaim, distinct_columns, powers};
use assay_verifier::proof::OpeningProof;
use assay_verifier::sumcheck::{Claim, next_claim};
use assay_verifier::transcript::Transcript;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The rows of each group.
pub type Rows = BTreeMap<Group, Vec<Vec<i64>>>;

/// A claim's tensor folded by its row variables.
pub struct Folded {
    /// Where its rows are.
    pub claim: RowClaim,
    /// `sum over rows of eq(row variables, row) * row`.
    pub row: Vec<F>,
}

impl Folded {
    /// Folds the rows of a committed tensor for a claim at a point; `None` where it is not committed.
    pub fn new(system: &System, rows: &Rows, tensor: usize, point: &[F]) -> Option<Folded> {
        let claim = Claim { tensor, point: point.to_vec(), value: F::ZERO };
        let claim = RowClaim::new(system, &claim)?;
        let group = rows.get(&claim.group)?;
        let weights = claim.row_weights(&system.tensors[tensor].shape, system.layout.log_row);
        let pairs: Vec<(F, &[i64])> =
            weights.into_iter().map(|(row, weight)| (weight, group[row].as_slice())).collect();
        Some(Folded { row: fold_rows(&pairs, 1 << system.layout.log_row), claim })
    }

    /// The tensor's value at the point.
    pub fn value(&self) -> F {
        dot(&self.row, &eq_table(&self.claim.column))
    }
}

/// Proves all claims, whose folds and values are given in the order of the verifier's claims.
pub fn prove<T: Transcript>(
    system: &System,
    folds: &[Folded],
    values: &[F],
    basis: &[G1Affine],
    transcript: &mut T,
) -> OpeningProof {
    let layout = &system.layout;
    let claims: Vec<RowClaim> = folds.iter().map(|fold| fold.claim.clone()).collect();
    let (columns, numbers) = distinct_columns(&claims);
    // Step 1: one claim from all; one row for each distinct column point.
    let rho = transcript.challenge(b"openings");
    let rho_powers = powers(rho, folds.len());
    let length = 1usize << layout.log_row;
    // Rows are weighted, then two tables of each column point summed and bound.
    count::full(length * (folds.len() + (1 + 2 + 2 + 1) * columns.len()));
    let mut claim = dot(values, &rho_powers);
    let rows: Vec<Vec<F>> = (0..columns.len())
        .into_par_iter()
        .map(|column| {
            let mut row = vec![F::ZERO; 1 << layout.log_row];
            let members =
                folds.iter().zip(&rho_powers).zip(&numbers).filter(|(_, number)| **number == column);
            for ((fold, power), _) in members {
                row.iter_mut().zip(&fold.row).for_each(|(sum, cell)| *sum += *power * cell);
            }
            row
        })
        .collect();
    // Step 2: one column point.
    let mut tables: Vec<(Vec<F>, Vec<F>)> =
        rows.par_iter().zip(&columns).map(|(row, column)| (row.clone(), eq_table(column))).collect();
    let mut point = Vec::with_capacity(layout.log_row);
    let mut unify = Vec::with_capacity(layout.log_row);
    for _ in 0..layout.log_row {
        let (c0, c2) = tables
            .par_iter()
            .map(|(row, eq)| {
                let half = row.len() / 2;
                let (mut c0, mut c2) = (F::ZERO, F::ZERO);
                for i in 0..half {
                    c0 += row[i] * eq[i];
                    c2 += (row[i + half] - row[i]) * (eq[i + half] - eq[i]);
                }
                (c0, c2)
            })
            .reduce(|| (F::ZERO, F::ZERO), |a, b| (a.0 + b.0, a.1 + b.1));
        let message = [c0, c2];
        transcript.absorb_scalars(b"unify", &message);
        let x = transcript.challenge(b"unify");
        claim = next_claim(claim, &message, x);
        tables.par_iter_mut().for_each(|(row, eq)| {
            bind(row, x);
            bind(eq, x);
        });
        unify.push(message);
        point.push(x);
    }
    // Step 3: the one folded row that is left.
    let mut row = vec![F::ZERO; 1 << layout.log_row];
    for (folded, column) in rows.iter().zip(&columns) {
        let weight = eq(column, &point);
        row.iter_mut().zip(folded).for_each(|(sum, cell)| *sum += weight * cell);
    }
    let (fold, row) = fold_row(row, eq_table(&point), layout.rounds, basis, transcript);
    OpeningProof { unify, fold, row }
}

fn bind(table: &mut Vec<F>, x: F) {
    let half = table.len() / 2;
    let (low, high) = table.split_at_mut(half);
    low.iter_mut().zip(&*high).for_each(|(low, high)| *low += x * (*high - *low));
    table.truncate(half);
}

/// The last step: the inner-product argument, stopped after `rounds`. The basis is never folded: G_i keeps the
/// product of x_j^-1 over the set high bits j of i.
fn fold_row<T: Transcript>(
    mut row: Vec<F>,
    mut weights: Vec<F>,
    rounds: usize,
    basis: &[G1Affine],
    transcript: &mut T,
) -> (Vec<[G1Affine; 2]>, Vec<F>) {
    let mut messages = Vec::with_capacity(rounds);
    if rounds == 0 {
        return (messages, row);
    }
    let xi = transcript.challenge(b"xi");
    let q = assay_verifier::basis::inner_product_point();
    let mut coefficients = vec![F::ONE];
    for _ in 0..rounds {
        let half = row.len() / 2;
        let (low, high) = row.split_at(half);
        let (b_low, b_high) = weights.split_at(half);
        // <u_half, the other half of the folded basis> + <u_half, other half of b> xi Q.
        let side = |cells: &[F], offset: usize, inner: F| {
            let mut points = Vec::with_capacity(coefficients.len() * half + 1);
            let mut scalars = Vec::with_capacity(points.capacity());
            for (block, coefficient) in coefficients.iter().enumerate() {
                let first = block * 2 * half + offset;
                points.extend_from_slice(&basis[first..first + half]);
                scalars.extend(cells.iter().map(|cell| *coefficient * cell));
            }
            points.push(q);
            scalars.push(xi * inner);
            msm(&points, &scalars)
        };
        let (left, right) =
            rayon::join(|| side(low, half, dot(low, b_high)), || side(high, 0, dot(high, b_low)));
        let pair = [left.into_affine(), right.into_affine()];
        transcript.absorb_points(b"fold", &pair);
        let x = transcript.challenge(b"fold");
        let inverse = x.inverse().unwrap_or_default();
        let folded = low.iter().zip(high).map(|(l, h)| *l + x * h).collect();
        weights = b_low.iter().zip(b_high).map(|(l, h)| *l + inverse * h).collect();
        row = folded;
        coefficients = coefficients.iter().flat_map(|c| [*c, *c * inverse]).collect();
        messages.push(pair);
    }
    (messages, row)
}
