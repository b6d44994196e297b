//! The plan: what a proof chooses nothing of.
//!
//! For a program and a set of covered operations it fixes tables, forms of rounding, row length, the number of
//! rounds of the last opening step, and where each committed tensor lies in rows. Prover and verifier compute
//! it by the same pure function, [`plan`], which lowers the program in each of a few ways and takes the
//! cheapest by counted cost.

use crate::lower::{Choices, Coverage, LowerError, lower};
use crate::program::Program;
use crate::relation::{Group, Kind, Schedule, System, TensorSpec};
use crate::shape::{Shape, log_size};
use alloc::collections::BTreeMap;
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
        let mut groups: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
        for (id, tensor) in tensors.iter().enumerate() {
            if let Kind::Committed(of) = tensor.kind {
                groups.entry(of).or_default().push(id);
            }
        }
        for (of, members) in groups {
            let members = || members.iter().copied();
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
    /// Estimated memory of the prover at its peak, the process included.
    pub memory_bytes: u64,
}

/// Bytes of a proof up to which the prover's time weighs more than size.
const SMALL_PROOF: usize = 24 << 10;
/// A leaf of the tree: about twelve field multiplications.
const LEAF_NS: u64 = 260;
/// A committed cell, dense or mostly zero.
const CELL_NS: u64 = 160;
/// A point of a full-width multi-scalar multiplication.
const POINT_NS: u64 = 8_000;

/// Memory of a process that proves next to nothing.
const PROCESS_BYTES: u64 = 10_000_000;
/// Memory of a leaf: numerator and denominator in each layer of the tree, and the leaf itself.
const LEAF_BYTES: u64 = 110;
/// Memory of a tensor's cell: in the trace, over the padded cube, in rows.
const CELL_BYTES: u64 = 30;

impl Cost {
    /// Counts a system.
    pub fn of(system: &System) -> Cost {
        Cost::with(system, &Schedule::new(system))
    }

    /// Counts a system whose schedule is known.
    fn with(system: &System, schedule: &Schedule) -> Cost {
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
        cost.einsum_rounds = schedule.rounds;
        cost.row_bytes = 32 * cost.rows;
        cost.proof_bytes = ProofShape::new(system, schedule).bytes();
        let points = 2 * layout.rounds as u64 * (1 << layout.log_row) / 2;
        let passes = system.multiply_accumulates().saturating_mul(6);
        let others = LEAF_NS * leaves as u64 + CELL_NS * cost.committed_cells as u64 + POINT_NS * points;
        cost.prover_ns = passes.saturating_add(others);
        let cells: usize = system.tensors.iter().map(|tensor| tensor.shape.padded_cells()).sum();
        cost.memory_bytes = PROCESS_BYTES + LEAF_BYTES * leaves as u64 + CELL_BYTES * cells as u64;
        cost
    }

    /// What the planner minimises: a byte of proof counts as a microsecond of the prover, and as three beyond
    /// [`SMALL_PROOF`].
    fn score(&self) -> u64 {
        let beyond = self.proof_bytes.saturating_sub(SMALL_PROOF) as u64;
        (self.proof_bytes as u64 * 1_000).saturating_add(beyond * 2_000).saturating_add(self.prover_ns)
    }
}

/// How many of each thing a proof holds: fixed by the plan, read from no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ProofShape {
    /// Rows of wires.
    pub wires: usize,
    /// Rows of hints and multiplicities.
    pub hints: usize,
    /// Depth of the tree of lookups: layer k has k rounds of two scalars, and four scalars.
    pub depth: usize,
    /// Values where the tree ends.
    pub readings: usize,
    /// Values of committed tensors at equalities.
    pub stated: usize,
    /// Rounds of the batched sumcheck.
    pub rounds: usize,
    /// Scalars of each of its messages.
    pub degree: usize,
    /// Values in which it ends.
    pub values: usize,
    /// Rounds of two scalars of the sumcheck that unifies column points.
    pub unify: usize,
    /// Rounds of two points of the last step.
    pub fold: usize,
    /// Scalars of the folded row.
    pub row: usize,
}

impl ProofShape {
    /// The shape of a system's proofs.
    pub fn new(system: &System, schedule: &Schedule) -> ProofShape {
        let layout = &system.layout;
        let opened = |count: usize| if schedule.opens { count } else { 0 };
        ProofShape {
            wires: layout.rows(Group::Wires),
            hints: layout.rows(Group::Hints),
            depth: schedule.depth,
            readings: schedule.sent_readings,
            stated: schedule.sent_stated,
            rounds: schedule.rounds,
            degree: schedule.degree,
            values: schedule.values,
            unify: opened(layout.log_row),
            fold: opened(layout.rounds),
            row: opened(1 << (layout.log_row - layout.rounds)),
        }
    }

    /// Bytes of a proof: 32 for each scalar and point.
    pub fn bytes(&self) -> usize {
        let tree = 4 * self.depth + self.depth * self.depth.saturating_sub(1);
        let points = self.wires + self.hints + 2 * self.fold;
        32 * (points
            + tree
            + self.readings
            + self.stated
            + self.rounds * self.degree
            + self.values
            + 2 * self.unify
            + self.row)
    }
}

/// What the planner chose: with the program it determines every system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Forms of lookups.
    pub choices: Choices,
    /// log2 of the row length.
    pub log_row: usize,
    /// Rounds of the last opening step.
    pub rounds: usize,
}

impl Plan {
    /// The system of the covered operations under this plan; wires lie in the same rows whatever is covered.
    ///
    /// # Errors
    /// Where an operation has no lowering.
    pub fn system(&self, program: &Program, coverage: &Coverage) -> Result<System, LowerError> {
        let mut system = lower(program, coverage, self.choices)?;
        system.layout = Layout::new(&system.tensors, self.log_row, self.rounds);
        Ok(system)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> [u8; 4] {
        let numbers = [usize::from(self.choices.packed), self.choices.log_clamp, self.log_row, self.rounds];
        numbers.map(|number| number as u8)
    }
}

/// Plans a program: the cheapest choices for a proof of all of its operations.
///
/// # Errors
/// Where an operation has no lowering.
pub fn plan(program: &Program) -> Result<Plan, LowerError> {
    let mut best: Option<(u64, Plan)> = None;
    let mut refused = LowerError::NothingToPlan;
    for choices in Choices::candidates() {
        let mut system = match lower(program, &Coverage::All, choices) {
            Ok(system) => system,
            Err(error) => {
                refused = error;
                continue;
            }
        };
        let schedule = Schedule::new(&system);
        for log_row in ROW_LOGS {
            for rounds in 0..=log_row.saturating_sub(4).min(6) {
                system.layout = Layout::new(&system.tensors, log_row, rounds);
                let score = Cost::with(&system, &schedule).score();
                if best.as_ref().is_none_or(|(least, _)| score < *least) {
                    best = Some((score, Plan { choices, log_row, rounds }));
                }
            }
        }
    }
    best.map(|(_, plan)| plan).ok_or(refused)
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
        for sizes in [vec![3, 5, 7], vec![16, 10, 10], vec![120], vec![1, 28, 28], vec![5], vec![2, 1, 9, 3]]
        {
            let shape = Shape::new(sizes).unwrap();
            for log_row in 0..=shape.variables() {
                assert_eq!(live_rows(&shape, log_row), by_enumeration(&shape, log_row));
                assert_eq!(count_live_rows(&shape, log_row), live_rows(&shape, log_row).len());
            }
        }
    }
}
