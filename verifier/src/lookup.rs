//! Lookups: one LogUp-GKR tree over the leaves of all lookups and tables (eprint 2023/1284).
//!
//! ```text
//! sum over leaves of mask / (alpha - fingerprint)  -  sum over table rows of m / (alpha - fingerprint)  =  0
//! fingerprint = tag + beta c_1 + beta^2 c_2 + ..
//! ```
//!
//! A node of layer k is the sum of the fractions of its children (x,0), (x,1) in layer k + 1; layer 1 has two
//! nodes, and the leaves are layer n. Blocks are power-of-two aligned, so that a block's leaves are read at a
//! suffix of the point in which the tree ends. The mask of a lookup is zero in padding and is the verifier's
//! own; a multiplicity is committed before beta. Soundness: see `papers/soundness.md`.

use crate::F;
use crate::multilinear::{SmallSum, eq_index, eq_table, in_bounds};
use crate::proof::TreeProof;
use crate::rejection::Rejection;
use crate::transcript::Transcript;
use alloc::vec::Vec;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::relation::{BlockKind, Schedule, System};
use assay_circuits::table::Table;

/// The claim in which the tree ends: numerator and denominator of the leaves at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEnd {
    /// The point, most significant bit first.
    pub point: Vec<F>,
    /// The numerators' extension there.
    pub numerator: F,
    /// The denominators' extension there.
    pub denominator: F,
}

/// The line through a node's two children at g: the claim on the layer below.
pub fn line(ends: &[F; 4], g: F) -> (F, F) {
    let [p0, q0, p1, q1] = ends;
    (*p0 + g * (*p1 - p0), *q0 + g * (*q1 - q0))
}

/// Checks the tree from its root to the claim on its leaves.
pub fn verify<T: Transcript>(
    depth: usize,
    proof: &TreeProof,
    transcript: &mut T,
) -> Result<TreeEnd, Rejection> {
    let [root] = proof.root.as_slice() else { return Err(Rejection::Root) };
    // Step 1: the root is zero, and no denominator below it is.
    let [p0, q0, p1, q1] = *root;
    if p0 * q1 + p1 * q0 != F::ZERO || q0 * q1 == F::ZERO {
        return Err(Rejection::Root);
    }
    transcript.absorb_scalars(b"root", root);
    let x = transcript.challenge(b"line");
    let (mut numerator, mut denominator) = line(root, x);
    let mut point = alloc::vec![x];
    // Step 2: each layer's claim, by sumcheck, from the layer below.
    for (k, layer) in (1..depth).zip(&proof.layers) {
        let lambda = transcript.challenge(b"lambda");
        let mut claim = numerator + lambda * denominator;
        let mut next = point.clone();
        // Rounds bind the least significant bit first.
        for ((y, slot), message) in point.iter().zip(next.iter_mut()).rev().zip(&layer.rounds) {
            let [h1, h2] = *message;
            transcript.absorb_scalars(b"round", message);
            let h0 = claim - *y * (h1 + h2);
            let x = transcript.challenge(b"round");
            claim = h0 + x * (h1 + x * h2);
            *slot = x;
        }
        let [p0, q0, p1, q1] = layer.ends;
        if p0 * q1 + p1 * q0 + lambda * q0 * q1 != claim {
            return Err(Rejection::Layer { layer: k });
        }
        transcript.absorb_scalars(b"end", &layer.ends);
        let g = transcript.challenge(b"line");
        (numerator, denominator) = line(&layer.ends, g);
        next.push(g);
        point = next;
    }
    Ok(TreeEnd { point, numerator, denominator })
}

/// The last `variables` coordinates of a point.
pub fn suffix(point: &[F], variables: usize) -> &[F] {
    point.get(point.len().saturating_sub(variables)..).unwrap_or(point)
}

/// `sum of beta^i * column_i + tag`, at a point, for the rows of a table.
pub fn table_fingerprint(table: &Table, tag: F, beta: F, point: &[F]) -> F {
    let rows = table.rows();
    let mut fingerprint = tag;
    let mut power = beta;
    if let Table::Range { first, count } = table
        && *count == rows as u64
    {
        let index = point.iter().fold(F::ZERO, |index, bit| index.double() + bit);
        return fingerprint + power * (F::from(*first) + index);
    }
    let weights = eq_table(point);
    for column in 0..table.columns() {
        let mut sum = SmallSum::default();
        for (row, weight) in weights.iter().enumerate() {
            sum.add(weight, table.row(row).get(column).copied().unwrap_or(0));
        }
        fingerprint += power * sum.finish();
        power *= beta;
    }
    fingerprint
}

/// The tag of a table: never zero.
pub fn tag(table: usize) -> F {
    F::from(table as u64 + 1)
}

/// Step 3: the leaves, as the verifier forms them from the tensors' values, are those of the claim.
///
/// `readings` holds one value for each of the schedule's readings.
pub fn verify_leaves(
    system: &System,
    schedule: &Schedule,
    readings: &[F],
    alpha: F,
    beta: F,
    end: &TreeEnd,
) -> Result<(), Rejection> {
    let reading = |number: usize| readings.get(number).copied().unwrap_or(F::ZERO);
    let (mut numerator, mut denominator) = (F::ZERO, F::ONE);
    for block in &schedule.blocks {
        let at = suffix(&end.point, block.variables);
        let high = end.point.len().saturating_sub(block.variables);
        let (head, _) = end.point.split_at(high);
        let weight = eq_index(head, block.offset >> block.variables);
        let (n, d) = match block.kind {
            BlockKind::Lookup(number) => {
                let (Some(lookup), Some(places)) = (system.lookups.get(number), schedule.lookups.get(number))
                else {
                    return Err(Rejection::Leaves);
                };
                let mut fingerprint = tag(lookup.table);
                let mut power = beta;
                for (column, places) in lookup.columns.iter().zip(places) {
                    let mut value = F::from(column.constant);
                    for ((coefficient, _, _), place) in column.terms.iter().zip(places) {
                        value += F::from(*coefficient) * reading(*place);
                    }
                    if column.divisor != 1 {
                        value *= F::from(column.divisor).inverse().ok_or(Rejection::Leaves)?;
                    }
                    fingerprint += power * value;
                    power *= beta;
                }
                (in_bounds(&lookup.axes, at), alpha - fingerprint)
            }
            BlockKind::Table(number) => {
                let (Some(spec), Some(place)) =
                    (system.tables.get(number), schedule.multiplicities.get(number))
                else {
                    return Err(Rejection::Leaves);
                };
                (-reading(*place), alpha - table_fingerprint(&spec.table, tag(number), beta, at))
            }
        };
        numerator += weight * n;
        denominator += weight * (d - F::ONE);
    }
    match numerator == end.numerator && denominator == end.denominator {
        true => Ok(()),
        false => Err(Rejection::Leaves),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multilinear::evaluate;
    use alloc::vec;
    use assay_circuits::shape::Shape;

    fn column_at(table: &Table, column: usize, point: &[F]) -> F {
        let values: Vec<i64> = (0..table.rows()).map(|row| table.row(row)[column]).collect();
        evaluate(&Shape::new(vec![table.rows()]).unwrap(), &values, point)
    }

    #[test]
    fn a_fingerprint_is_the_extension_of_the_rows() {
        let tables = [
            Table::Range { first: -4, count: 8 },
            Table::Range { first: -4, count: 5 },
            Table::Pair { first: -2, count: 3, inner: 4 },
            Table::Function { first: -4, values: vec![0, 0, 0, 0, 0, 1, 2, 3] },
            Table::Window { values: vec![3, 1] },
        ];
        for table in tables {
            let at: Vec<F> = (0..table.log_rows()).map(|i| F::from(i as u64 + 5).square()).collect();
            let beta = F::from(77u64);
            let expected = (0..table.columns())
                .map(|column| beta.pow([column as u64 + 1]) * column_at(&table, column, &at))
                .sum::<F>();
            assert_eq!(table_fingerprint(&table, tag(2), beta, &at), tag(2) + expected);
        }
    }
}
