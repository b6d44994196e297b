//! Relations: all that prover and verifier see of a program.
//!
//! A [`System`] lists tensors (public, committed or virtual) and three kinds of statements over them:
//! - an [`Einsum`] defines a virtual tensor as a sum of products of tensors and affine indicators;
//! - an [`Equality`] says that a virtual tensor equals a public or committed one;
//! - a [`Lookup`] says that a tuple of affine columns lies in a table, at every cell of an index space.
//!
//! Exact statements are in `papers/protocol.md`. Padding has one rule: a padded cell of a committed tensor may
//! hold anything, an honest prover writes zero, and every reader masks.

use crate::hint::Hint;
use crate::plan::Layout;
use crate::shape::{Shape, log_size};
use crate::table::Table;
use crate::tensor::Bounds;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Number of a tensor of a [`System`].
pub type TensorId = usize;

/// What a tensor is to the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The verifier has it.
    Public(Public),
    /// Its rows are committed, in a group.
    Committed(Group),
    /// Defined by an einsum; never materialised in the argument.
    Virtual {
        /// The operation whose sum it is.
        operation: usize,
        /// The number of that sum.
        sum: usize,
    },
}

/// Where the verifier has a public tensor from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// The statement's input.
    Input(usize),
    /// The statement's output.
    Output(usize),
    /// The program's constant.
    Constant(usize),
    /// The one-hot rows that a public position output selects along the last axis.
    Selected(usize),
    /// One at each place of the last axis before the position that a public output gives.
    Before(usize),
}

/// Tensors of one group share rows, and travel together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A committed input: its rows are in the statement.
    Input(usize),
    /// A committed output: its rows are in the statement.
    Output(usize),
    /// Constants: their rows are in the verifying key.
    Key,
    /// Wires: their rows open the proof.
    Wires,
    /// Hints and multiplicities: their rows follow the wires'.
    Hints,
}

/// A tensor of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its true sizes.
    pub shape: Shape,
    /// Bounds of its integers.
    pub bounds: Bounds,
    /// What it is to the verifier.
    pub kind: Kind,
    /// How the prover gets its values.
    pub values: Values,
}

/// How the prover gets a tensor's values from the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// The program's input.
    Input(usize),
    /// The program's constant.
    Constant(usize),
    /// A balanced digit, base 256, of a constant too wide for one range table.
    Digit {
        /// The constant.
        constant: usize,
        /// The digit's place, 0 the least significant.
        place: u32,
    },
    /// The wire of an operation.
    Wire(usize),
    /// A sum of an operation.
    Sum {
        /// The operation.
        operation: usize,
        /// The number of the sum.
        sum: usize,
    },
    /// A hint.
    Hint {
        /// The operation whose first sum it is computed from.
        operation: usize,
        /// The function.
        hint: Hint,
    },
    /// How often each row of a table is looked up.
    Multiplicity(usize),
    /// See [`Public::Selected`].
    Selected(usize),
    /// See [`Public::Before`].
    Before(usize),
}

/// One variable of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// A bit that does not move.
    Bit(bool),
    /// Bit `bit` (0 is the least significant) of an axis of the index space.
    Axis {
        /// The axis.
        axis: usize,
        /// The bit.
        bit: usize,
    },
}

/// A tensor's variables, most significant first, as variables of an index space: the same tensor at another
/// point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct View(pub Vec<Variable>);

impl View {
    /// The view of a space's own tensor: its axes in order.
    pub fn identity(sizes: &[usize]) -> View {
        let axis = |(axis, &size): (usize, &usize)| {
            (0..log_size(size)).rev().map(move |bit| Variable::Axis { axis, bit })
        };
        View(sizes.iter().enumerate().flat_map(axis).collect())
    }

    /// True where the view reads `axis`.
    pub fn reads(&self, axis: usize) -> bool {
        self.0.iter().any(|variable| matches!(variable, Variable::Axis { axis: a, .. } if *a == axis))
    }
}

/// Splits the variables of an index space by axis: (first variable, number of variables) for each.
pub fn axis_variables(sizes: &[usize]) -> Vec<(usize, usize)> {
    let mut first = 0;
    sizes
        .iter()
        .map(|&size| {
            let bits = log_size(size);
            first += bits;
            (first - bits, bits)
        })
        .collect()
}

/// A tensor read through a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The tensor.
    pub tensor: TensorId,
    /// Its variables over the term's loop axes.
    pub view: View,
}

/// `[0 = constant + sum of coefficient * axis]`, every axis within its true size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indicator {
    /// The constant.
    pub constant: i64,
    /// (loop axis, coefficient).
    pub terms: Vec<(usize, i64)>,
}

/// One term of an einsum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EinsumTerm {
    /// Sizes of its loop axes: those of the output first.
    pub axes: Vec<usize>,
    /// The integer in front.
    pub coefficient: i64,
    /// The tensors.
    pub factors: Vec<Factor>,
    /// The affine indices that are no views.
    pub indicators: Vec<Indicator>,
    /// The axes that are summed by the sumcheck, in the order of its rounds.
    pub summed: Vec<usize>,
    /// The output axes among them: several factors read each, so its factor `eq` joins.
    pub equal: Vec<usize>,
    /// The summed axes that nothing else masks: the factor `[axis < size]` joins.
    pub masked: Vec<usize>,
    /// The output axes that no factor reads: the scalar `[axis < size]` at the claim's point.
    pub absent: Vec<usize>,
}

impl EinsumTerm {
    /// Number of variables that the sumcheck binds for this term.
    pub fn rounds(&self) -> usize {
        self.summed.iter().map(|&axis| log_size(self.axes[axis])).sum()
    }

    /// Number of factors that have `axis`: the degree in its variables.
    pub fn degree(&self, axis: usize) -> usize {
        self.occurrences(axis)
            + usize::from(self.equal.contains(&axis))
            + usize::from(self.masked.contains(&axis))
    }

    /// Number of tensors and indicators that read `axis`.
    pub fn occurrences(&self, axis: usize) -> usize {
        let factors = self.factors.iter().filter(|factor| factor.view.reads(axis)).count();
        factors + self.indicators.iter().filter(|i| i.terms.iter().any(|&(a, _)| a == axis)).count()
    }
}

/// The definition of a virtual tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Einsum {
    /// The tensor.
    pub output: TensorId,
    /// The terms.
    pub terms: Vec<EinsumTerm>,
}

/// A virtual tensor equals a public or committed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equality {
    /// The virtual tensor.
    pub defined: TensorId,
    /// The other.
    pub stated: TensorId,
}

/// An affine combination of views, divided by an integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// (coefficient, tensor, view over the lookup's axes).
    pub terms: Vec<(i64, TensorId, View)>,
    /// The constant; it is constant over the padded cube too.
    pub constant: i64,
    /// The divisor, at least 1; at true cells an honest sum is a multiple of it.
    pub divisor: u64,
}

/// A tuple of columns lies in a table at every cell of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The operation that it belongs to; `None` for the range of a tensor that no covered operation writes.
    pub operation: Option<usize>,
    /// Number of the table.
    pub table: usize,
    /// True sizes of the space.
    pub axes: Vec<usize>,
    /// The columns.
    pub columns: Vec<Column>,
}

impl Lookup {
    /// Number of variables of the space.
    pub fn variables(&self) -> usize {
        self.axes.iter().map(|&n| log_size(n)).sum()
    }
}

/// A table in use, and the tensor of its multiplicities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The rows.
    pub table: Table,
    /// How often each row is looked up.
    pub multiplicity: TensorId,
}

/// Everything that prover and verifier see of a program and a set of covered operations.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// The tensors.
    pub tensors: Vec<TensorSpec>,
    /// The definitions of the virtual ones.
    pub einsums: Vec<Einsum>,
    /// Equalities.
    pub equalities: Vec<Equality>,
    /// Lookups.
    pub lookups: Vec<Lookup>,
    /// Tables in use; the tag of table t in a fingerprint is t + 1.
    pub tables: Vec<TableSpec>,
    /// Where committed tensors lie in rows.
    pub layout: Layout,
    /// A text for each operation, for messages.
    pub names: Vec<String>,
}

/// A tensor at a suffix of the point in which the lookups' tree ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// The tensor.
    pub tensor: TensorId,
    /// Its variables over the block's variables; axes are those of the block.
    pub view: View,
    /// Sizes of the block's axes.
    pub axes: Vec<usize>,
}

/// One power-of-two block of leaves of the lookups' tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What its leaves are.
    pub kind: BlockKind,
    /// log2 of their number.
    pub variables: usize,
    /// Number of leaves before it; a multiple of its size.
    pub offset: usize,
}

/// What the leaves of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The cells of a lookup.
    Lookup(usize),
    /// The rows of a table.
    Table(usize),
}

/// Where the claim on a virtual tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The reading of this number.
    Reading(usize),
    /// The equality of this number.
    Equality(usize),
}

/// A claim on a virtual tensor, to be settled by the batched sumcheck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EinsumClaim {
    /// The definition.
    pub einsum: usize,
    /// Where its point and value come from.
    pub origin: Origin,
}

impl System {
    /// True where the verifier has the tensor.
    pub fn is_public(&self, tensor: TensorId) -> bool {
        self.tensors.get(tensor).is_some_and(|spec| matches!(spec.kind, Kind::Public(_)))
    }

    /// The einsum that defines a virtual tensor.
    pub fn definition(&self, tensor: TensorId) -> Option<usize> {
        self.einsums.iter().position(|einsum| einsum.output == tensor)
    }

    /// The blocks of the tree: larger first, then lookups before tables, then in program order.
    pub fn blocks(&self) -> Vec<Block> {
        let lookups = self.lookups.iter().enumerate();
        let mut blocks: Vec<Block> = lookups
            .map(|(i, lookup)| Block { kind: BlockKind::Lookup(i), variables: lookup.variables(), offset: 0 })
            .collect();
        blocks.extend(self.tables.iter().enumerate().map(|(i, spec)| Block {
            kind: BlockKind::Table(i),
            variables: spec.table.log_rows(),
            offset: 0,
        }));
        blocks.sort_by_key(|block| core::cmp::Reverse(block.variables));
        let mut offset = 0;
        for block in &mut blocks {
            block.offset = offset;
            offset += 1 << block.variables;
        }
        blocks
    }

    /// Multiply-accumulates of the prover's passes over tensors: a measure of the batched sumcheck's cost.
    pub fn multiply_accumulates(&self) -> u64 {
        let terms = self.einsums.iter().flat_map(|einsum| &einsum.terms);
        let factors = terms.flat_map(|term| &term.factors);
        let passes = factors.map(|factor| 2 * self.tensors[factor.tensor].shape.padded_cells() as u64);
        passes.fold(0, u64::saturating_add)
    }
}

/// The order of everything that a proof of a system holds: counts and places, nothing of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The blocks of the tree.
    pub blocks: Vec<Block>,
    /// log2 of the tree's leaves; 0 where there is no lookup.
    pub depth: usize,
    /// What the verifier needs where the tree ends: each tensor's value at its suffix, once per tensor and
    /// point, in the order of the blocks.
    pub readings: Vec<Reading>,
    /// For each lookup, column and term: the number of its reading.
    pub lookups: Vec<Vec<Vec<usize>>>,
    /// For each table: the reading of its multiplicities.
    pub multiplicities: Vec<usize>,
    /// The claims of the batched sumcheck: virtual tensors at readings, then at equalities.
    pub claims: Vec<EinsumClaim>,
    /// Rounds of the batched sumcheck.
    pub rounds: usize,
    /// The largest degree of its messages.
    pub degree: usize,
    /// Number of values of committed tensors in which it ends.
    pub values: usize,
    /// Number of readings whose value the proof holds: those that are not public.
    pub sent_readings: usize,
    /// Number of equalities with a committed tensor.
    pub sent_stated: usize,
    /// True where a claim on a committed tensor arises, so that there is something to open.
    pub opens: bool,
}

impl Schedule {
    /// The schedule of a system.
    pub fn new(system: &System) -> Schedule {
        let blocks = system.blocks();
        let leaves: usize = blocks.iter().map(|block| 1usize << block.variables).sum();
        let mut schedule = Schedule {
            depth: log_size(leaves),
            readings: Vec::new(),
            lookups: alloc::vec![Vec::new(); system.lookups.len()],
            multiplicities: alloc::vec![0; system.tables.len()],
            claims: Vec::new(),
            rounds: 0,
            degree: 0,
            values: 0,
            sent_readings: 0,
            sent_stated: 0,
            opens: false,
            blocks,
        };
        let mut numbers: BTreeMap<Reading, usize> = BTreeMap::new();
        let mut add = |readings: &mut Vec<Reading>, reading: Reading| {
            *numbers.entry(reading).or_insert_with_key(|reading| {
                readings.push(reading.clone());
                readings.len() - 1
            })
        };
        for block in &schedule.blocks {
            match block.kind {
                BlockKind::Lookup(i) => {
                    let lookup = &system.lookups[i];
                    let mut read = |(_, tensor, view): &(i64, TensorId, View)| {
                        let reading =
                            Reading { tensor: *tensor, view: view.clone(), axes: lookup.axes.clone() };
                        add(&mut schedule.readings, reading)
                    };
                    schedule.lookups[i] = lookup
                        .columns
                        .iter()
                        .map(|column| column.terms.iter().map(&mut read).collect())
                        .collect();
                }
                BlockKind::Table(i) => {
                    let axes = alloc::vec![system.tables[i].table.rows()];
                    let tensor = system.tables[i].multiplicity;
                    let reading = Reading { tensor, view: View::identity(&axes), axes };
                    schedule.multiplicities[i] = add(&mut schedule.readings, reading);
                }
            }
        }
        schedule.claim(system);
        schedule
    }

    fn claim(&mut self, system: &System) {
        let mut claims = Vec::new();
        let definitions: BTreeMap<TensorId, usize> =
            system.einsums.iter().enumerate().map(|(i, einsum)| (einsum.output, i)).collect();
        for (i, reading) in self.readings.iter().enumerate() {
            if let Some(&einsum) = definitions.get(&reading.tensor) {
                claims.push(EinsumClaim { einsum, origin: Origin::Reading(i) });
            }
        }
        for (i, equality) in system.equalities.iter().enumerate() {
            if let Some(&einsum) = definitions.get(&equality.defined) {
                claims.push(EinsumClaim { einsum, origin: Origin::Equality(i) });
            }
        }
        for term in claims.iter().flat_map(|claim| &system.einsums[claim.einsum].terms) {
            self.rounds = self.rounds.max(term.rounds());
            self.degree = term.summed.iter().map(|&axis| term.degree(axis)).fold(self.degree, usize::max);
            self.values += term.factors.iter().filter(|factor| !system.is_public(factor.tensor)).count();
        }
        self.claims = claims;
        self.sent_readings = self.readings.iter().filter(|r| !system.is_public(r.tensor)).count();
        self.sent_stated = system.equalities.iter().filter(|e| !system.is_public(e.stated)).count();
        self.opens = self.values + self.sent_stated > 0
            || self.readings.iter().any(|r| matches!(system.tensors[r.tensor].kind, Kind::Committed(_)));
    }
}
