//! The plan: what a proof chooses nothing of.
//!
//! For a program and a set of covered operations it fixes tables, forms of rounding, row length, the number of
//! rounds of the last opening step, and where each committed tensor lies in rows. Prover and verifier compute
//! it by the same pure function, [`plan`], which lowers the program in each of a few ways and takes the
//! cheapest by counted cost.

use crate::lower::{Choices, Coverage, LowerError, lower};
use crate::program::Program;
use crate::relation::{Group, Kind, System, TensorSpec};
use crate::shape::{Shape, log_size};
use alloc::vec::Vec;

/// log2 of the shortest and of the longest row.
pub const ROW_LOGS: core::ops::RangeInclusive<usize> = 5..=13;

/// Where committed tensors lie: each group is a list of rows of `2^log_row` cells.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Layout {
    /// log2 of the row length.
    pub log_row: usize,
    /// Rounds of the inner-product argument before the folded row is sent.
    pub rounds: usize,
    /// Each committed tensor's place, in the order of tensors; `None` for the others.
    pub places: Vec<Option<Place>>,
    /// Number of rows of each group that has any.
    pub groups: Vec<(Group, usize)>,
}

/// Where one committed tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has rows of its own, those not wholly in padding, from this row of its group on.
    Rows {
        /// The first.
        first: usize,
    },
    /// It shares a row, from this cell on; a multiple of its padded size.
    Shared {
        /// The row.
        row: usize,
        /// The first cell.
        offset: usize,
    },
}

/// The rows, as numbers over the padded cube, that hold a true cell of a tensor.
///
/// Row i holds the cells whose high bits are i. Rows wholly in padding are not committed and count as zero.
pub fn live_rows(shape: &Shape, log_row: usize) -> Vec<usize> {
    let mut below = shape.variables();
    let mut rows = alloc::vec![0usize];
    for &size in shape.sizes() {
        let bits = log_size(size);
        below -= bits;
        if below + bits <= log_row {
            break;
        }
        let inner = log_row.saturating_sub(below);
        let count = size.div_ceil(1 << inner);
        let shift = bits - inner;
        rows = rows.iter().flat_map(|row| (0..count).map(move |i| (row << shift) | i)).collect();
    }
    rows
}

/// Number of [`live_rows`], without listing them.
pub fn count_live_rows(shape: &Shape, log_row: usize) -> usize {
    let mut below = shape.variables();
    let mut count = 1usize;
    for &size in shape.sizes() {
        let bits = log_size(size);
        below -= bits;
        if below + bits <= log_row {
            break;
        }
        count = count.saturating_mul(size.div_ceil(1 << log_row.saturating_sub(below)));
    }
    count
}

impl Layout {
    /// Lays the committed tensors out in rows of `2^log_row` cells.
    ///
    /// Tensors of at least a row have rows of their own, in order; smaller ones of the same group share rows,
    /// larger first, so that each lies at a multiple of its size.
    pub fn new(tensors: &[TensorSpec], log_row: usize, rounds: usize) -> Layout {
        let mut layout =
            Layout { log_row, rounds, places: alloc::vec![None; tensors.len()], groups: Vec::new() };
        let mut groups: Vec<Group> = tensors.iter().filter_map(group).collect();
        groups.sort_unstable();
        groups.dedup();
        for of in groups {
            let members = || (0..tensors.len()).filter(|&id| group(&tensors[id]) == Some(of));
            let mut rows = 0;
            for id in members().filter(|&id| tensors[id].shape.variables() >= log_row) {
                layout.places[id] = Some(Place::Rows { first: rows });
                rows += count_live_rows(&tensors[id].shape, log_row);
            }
            let mut small: Vec<usize> =
                members().filter(|&id| tensors[id].shape.variables() < log_row).collect();
            small.sort_by_key(|&id| core::cmp::Reverse(tensors[id].shape.variables()));
            let mut cell = 0;
            for id in small {
                let (row, offset) = (rows + (cell >> log_row), cell & ((1 << log_row) - 1));
                layout.places[id] = Some(Place::Shared { row, offset });
                cell += tensors[id].shape.padded_cells();
            }
            rows += cell.div_ceil(1 << log_row);
            layout.groups.push((of, rows));
        }
        layout
    }

    /// Number of rows of a group.
    pub fn rows(&self, group: Group) -> usize {
        self.groups.iter().find(|(of, _)| *of == group).map_or(0, |(_, rows)| *rows)
    }
}

fn group(tensor: &TensorSpec) -> Option<Group> {
    match tensor.kind {
        Kind::Committed(group) => Some(group),
        _ => None,
    }
}

/// Counts of a system, and the sizes that follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Committed cells at true sizes, multiplicities included.
    pub committed_cells: usize,
    /// Rows committed in the proof.
    pub rows: usize,
    /// Leaves of lookups at true cells.
    pub leaves: usize,
    /// Leaves of lookups, padded.
    pub padded_leaves: usize,
    /// Rows of tables.
    pub table_rows: usize,
    /// log2 of the size of the tree over all leaves.
    pub log_tree: usize,
    /// Rounds of the batched sumcheck.
    pub einsum_rounds: usize,
    /// Bytes of the proof.
    pub proof_bytes: usize,
    /// Bytes of the rows in the proof, part of `proof_bytes`.
    pub row_bytes: usize,
    /// Estimated prover time in nanoseconds on one core.
    pub prover_ns: u64,
}

/// A leaf of the tree: about twelve field multiplications.
const LEAF_NS: u64 = 260;
/// A committed cell, dense or mostly zero.
const CELL_NS: u64 = 160;
/// A point of a full-width multi-scalar multiplication.
const POINT_NS: u64 = 8_000;

impl Cost {
    /// Counts a system.
    pub fn of(system: &System) -> Cost {
        let mut cost = Cost::default();
        let layout = &system.layout;
        for tensor in &system.tensors {
            if let Kind::Committed(Group::Wires | Group::Hints) = tensor.kind {
                cost.committed_cells += tensor.shape.cells();
            }
        }
        cost.rows = layout.rows(Group::Wires) + layout.rows(Group::Hints);
        for lookup in &system.lookups {
            cost.leaves += lookup.axes.iter().product::<usize>();
            cost.padded_leaves += 1usize << lookup.variables();
        }
        cost.table_rows = system.tables.iter().map(|spec| spec.table.rows()).sum();
        let leaves = cost.padded_leaves + cost.table_rows;
        cost.log_tree = log_size(leaves);
        let readings = system.readings();
        let claims = system.claims(&readings);
        let mut factors = 0;
        for claim in &claims {
            for term in &system.einsums[claim.einsum].terms {
                cost.einsum_rounds = cost.einsum_rounds.max(term.rounds());
                factors += term.factors.iter().filter(|f| !system.is_public(f.tensor)).count();
            }
        }
        let tree_rounds = cost.log_tree * cost.log_tree.saturating_sub(1) / 2;
        let degree = system.einsum_degree(&claims);
        let sent = readings.iter().filter(|reading| !system.is_public(reading.tensor)).count()
            + system.equalities.iter().filter(|e| !system.is_public(e.stated)).count();
        cost.row_bytes = 32 * cost.rows;
        cost.proof_bytes = 32
            * (cost.rows
                + 4 * cost.log_tree
                + 2 * tree_rounds
                + sent
                + degree * cost.einsum_rounds
                + factors
                + 2 * layout.log_row
                + 2 * layout.rounds
                + (1 << (layout.log_row - layout.rounds)));
        let points = 2 * layout.rounds as u64 * (1 << layout.log_row) / 2;
        cost.prover_ns = LEAF_NS * leaves as u64
            + CELL_NS * cost.committed_cells as u64
            + POINT_NS * points
            + system.multiply_accumulates() * 6;
        cost
    }

    /// What the planner minimises: a byte of proof counts as three microseconds of the prover.
    fn score(&self) -> u64 {
        self.proof_bytes as u64 * 3_000 + self.prover_ns
    }
}

/// Plans and lowers: the system of the cheapest choices.
///
/// # Errors
/// Where an operation has no lowering.
pub fn plan(program: &Program, coverage: &Coverage) -> Result<System, LowerError> {
    let mut best: Option<(u64, System)> = None;
    for choices in Choices::candidates() {
        let mut system = match (lower(program, coverage, choices), &best) {
            (Ok(system), _) => system,
            (Err(_), Some(_)) => continue,
            (Err(error), None) => return Err(error),
        };
        for log_row in ROW_LOGS {
            for rounds in 0..=log_row.saturating_sub(4).min(6) {
                system.layout = Layout::new(&system.tensors, log_row, rounds);
                let score = Cost::of(&system).score();
                if best.as_ref().is_none_or(|(least, _)| score < *least) {
                    best = Some((score, system.clone()));
                }
            }
        }
    }
    best.map(|(_, system)| system).ok_or(LowerError::NothingToPlan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn by_enumeration(shape: &Shape, log_row: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = shape.padded_indices().map(|cell| cell >> log_row).collect();
        rows.dedup();
        rows
    }

    #[test]
    fn live_rows_are_those_with_a_true_cell() {
        for sizes in [vec![3, 5, 7], vec![16, 10, 10], vec![120], vec![1, 28, 28], vec![5], vec![2, 1, 9, 3]] {
            let shape = Shape::new(sizes).unwrap();
            for log_row in 0..=shape.variables() {
                assert_eq!(live_rows(&shape, log_row), by_enumeration(&shape, log_row));
                assert_eq!(count_live_rows(&shape, log_row), live_rows(&shape, log_row).len());
            }
        }
    }
}
