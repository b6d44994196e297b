//! What a dispute about a program can cost, before anyone bonds: bounds of the gas of every move.
//!
//! A provider that accepts a program accepts that it may have to judge any of its elements before a contract. [`price`]
//! bounds that: the dearest move, and each side's dearest game, from the trace root to the last rebut. It refuses a program
//! with a move above [`MOST_GAS`], or an operation that the referee does not judge.
//!
//! ```text
//! G_P = trace reveals + leaf + tensor reveals + chunk + splits + rebut      G_C = open + picks + claim + refines + timeout
//! ```
//!
//! The figures stand in [`GAS`], one place: each is what `contracts/snapshots` measure, rounded up, the dearest of what it
//! stands for. `prover/tests/disputes/price.rs` reads the snapshots: no figure is below what was measured of its part, and
//! no bound below the game that was played of each kind of operation, nor far above it.
//!
//! Specification: `papers/dispute.md`, section 6.

use super::calldata::Calldata;
use assay_circuits::descriptor::{CHUNK, Descriptor, MAX_CHUNKS, Operand};
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{Access, Class, Precision, Program, Source, Term};
use assay_verifier::dispute::{Groups, MAX_STATES};
use assay_verifier::referee::{GROUND_BYTES, RefereeError, judgeable};
use assay_verifier::tensor_tree::LEVELS;
use thiserror::Error;

/// The most gas that a move may take. Chains with EIP-7825 take no transaction of more than 2^24.
pub const MOST_GAS: u64 = 8_000_000;
/// The most bytes that the data of a move may have: nodes pass on no transaction above 128 KiB.
pub const MOST_BYTES: u64 = (128 << 10) - 1024;
/// The most nodes of an expression of integers: a node of one byte costs a judge as much as an index map of many.
pub const MOST_NODES: usize = 64;
/// The price of what is longer than [`MOST_BYTES`].
const TOO_LONG: u64 = u64::MAX;

/// Gas of what the contracts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasTable {
    /// What every move does: reads and writes the game, asks the rules, tells the position, meters.
    pub turn: u64,
    /// What opening a game does beyond: its storage and the bond.
    pub open: u64,
    /// What winning a game does beyond: its bond is paid out and burned.
    pub end: u64,
    /// What the fall of a receipt does beyond: bonds, price, prize.
    pub fall: u64,
    /// A byte of the move, passed on, hashed and counted.
    pub byte: u64,
    /// A byte that the move shows in its event.
    pub shown: u64,
    /// A node of a keccak tree.
    pub keccak_node: u64,
    /// A chunk of a tensor: sixteen compressions.
    pub chunk: u64,
    /// A node of a tensor's tree.
    pub tensor_node: u64,
    /// What describing and judging do beyond: calls, checks of lists.
    pub judge: u64,
    /// A byte of the descriptor, tables aside, that is interpreted.
    pub descriptor_byte: u64,
    /// A term of a sum that has fewer bytes than it takes gas to interpret.
    pub term: u64,
    /// An axis of the loop, once a term.
    pub axis: u64,
    /// What posting a receipt does beyond its outputs: the job, its hashes, the event.
    pub post: u64,
    /// An output of a receipt that is posted, beyond the nodes of its paths.
    pub output: u64,
    /// A factor along a run of cells or a piece of it: where it lies, search of the opening.
    pub run: u64,
    /// A term of an index map, once a run.
    pub index_term: u64,
    /// An element of a run that is read.
    pub cell: u64,
    /// A product of two integers of at most two bytes, its factors read.
    pub narrow: u64,
    /// A multiplication and addition of integers, or a comparison.
    pub integer: u64,
    /// An addition, multiplication, fused multiply-add or comparison of binary32.
    pub real: u64,
    /// A division or square root of binary32.
    pub division: u64,
    /// An elementary function of binary32.
    pub function: u64,
}

/// What was measured of the contracts, rounded up.
pub const GAS: GasTable = GasTable {
    turn: 34_000,
    open: 145_000,
    end: 60_000,
    fall: 95_000,
    byte: 4,
    shown: 9,
    keccak_node: 300,
    chunk: 80_000,
    tensor_node: 5_500,
    judge: 18_000,
    descriptor_byte: 80,
    term: 700,
    axis: 120,
    post: 75_000,
    output: 8_000,
    run: 2_000,
    index_term: 400,
    cell: 350,
    narrow: 280,
    integer: 100,
    real: 1_700,
    division: 1_900,
    function: 25_000,
};

/// The bytes of a call beyond what a move shows: the position, of which at least 420 are zero, and the words of the ABI.
const CALL: Calldata = Calldata { zeros: 900, others: 330 };

/// A move of a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Play {
    Post,
    Open,
    Reveal,
    Pick,
    RevealLeaf,
    RevealChunk,
    Claim,
    Split,
    Refine,
    Rebut,
    Timeout,
}

/// Bounds of the gas of a program's disputes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The provider's moves of its dearest game: G_P.
    pub provider: u64,
    /// The challenger's moves of its dearest game: G_C.
    pub challenger: u64,
    /// The dearest move: its gas, what it is, the operation.
    pub dearest: (u64, Play, usize),
}

/// Why a program has no price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Priceless {
    /// A move takes too much gas.
    #[error("operation {operation}: {play:?} may take {gas} gas, more than {MOST_GAS}")]
    TooDear {
        /// The operation.
        operation: usize,
        /// The move.
        play: Play,
        /// A bound of its gas.
        gas: u64,
    },
    /// A move is longer than nodes pass on.
    #[error("operation {operation}: {play:?} may have more than {MOST_BYTES} bytes of data")]
    TooLong {
        /// The operation.
        operation: usize,
        /// The move.
        play: Play,
    },
    /// The referee judges no such operation.
    #[error("operation {operation}: {error}")]
    Unjudgeable {
        /// The operation.
        operation: usize,
        /// Why.
        error: RefereeError,
    },
}

/// Bounds the gas of every dispute about a program that [`Program::check`] accepts.
///
/// # Errors
/// Where a move, or posting the receipt, may take more than [`MOST_GAS`] or [`MOST_BYTES`], or an operation cannot be judged.
pub fn price(program: &Program, gas: &GasTable) -> Result<Price, Priceless> {
    let count = program.operations.len();
    let mut price = Price { provider: 0, challenger: 0, dearest: (0, Play::Timeout, 0) };
    bounded(0, Play::Post, post(program, gas))?;
    for operation in 0..count {
        let unjudgeable = |error| Priceless::Unjudgeable { operation, error };
        let missing = RefereeError::Unjudgeable("it has no descriptor");
        let bytes = program.descriptor(operation).ok_or(missing).map_err(unjudgeable)?.encode();
        let descriptor = judgeable(&bytes).map_err(unjudgeable)?;
        if nodes(&descriptor.operation.expression) > MOST_NODES {
            let many = RefereeError::Unjudgeable("its expression has too many nodes");
            return Err(unjudgeable(many));
        }
        let costs = Costs { program, gas, descriptor: &descriptor, bytes: bytes.len() as u64 };
        let (mut provider, mut challenger) = (0u64, 0u64);
        for (play, times, cost) in costs.moves() {
            bounded(operation, play, cost)?;
            if cost > price.dearest.0 {
                price.dearest = (cost, play, operation);
            }
            let total = cost.saturating_mul(times);
            match play {
                Play::Open | Play::Pick | Play::Claim | Play::Refine | Play::Timeout => challenger += total,
                _ => provider += total,
            }
        }
        price.provider = price.provider.max(provider);
        price.challenger = price.challenger.max(challenger);
    }
    Ok(price)
}

/// Refuses a move that a chain may not take.
fn bounded(operation: usize, play: Play, gas: u64) -> Result<(), Priceless> {
    match gas {
        TOO_LONG => Err(Priceless::TooLong { operation, play }),
        gas if gas > MOST_GAS => Err(Priceless::TooDear { operation, play, gas }),
        _ => Ok(()),
    }
}

/// Gas of a transaction with so many bytes that are not zero beyond those of a call.
fn transaction(gas: &GasTable, bytes: u64, execution: u64) -> u64 {
    let data = Calldata { others: CALL.others + bytes, ..CALL };
    match data.zeros + data.others > MOST_BYTES {
        true => TOO_LONG,
        false => data.gas(gas.turn + gas.byte * bytes + execution),
    }
}

/// Posting the receipt: ground, terms with the inputs' digests, and for each output its digest, its path in the trace, and its leaf
/// in the program.
fn post(program: &Program, gas: &GasTable) -> u64 {
    let (trace, outputs) = (depth(program.operations.len() as u64), program.outputs.len() as u64);
    let leaves = (0..program.outputs.len()).filter_map(|i| program.output_bytes(i));
    // Seven words of an output beside its path: operation, digest, four places and lengths, what fills up the leaf.
    let bytes: u64 = leaves.map(|leaf| leaf.len() as u64 + 32 * (7 + trace)).sum();
    let inputs = 32 * program.inputs.len() as u64;
    let each = gas.output + gas.keccak_node * (2 * trace + 4);
    transaction(gas, GROUND_BYTES as u64 + 32 * 24 + inputs + bytes, gas.post + outputs * each)
}

/// Nodes of an expression of integers; a formula's are bounded where it is read.
fn nodes(expression: &Expression) -> usize {
    match expression {
        Expression::Sum(_) | Expression::Formula(_) => 1,
        Expression::Divide { of, .. } | Expression::Clamp { of, .. } | Expression::Table { of, .. } => {
            1 + nodes(of)
        }
        Expression::Max(a, b) => 1 + nodes(a) + nodes(b),
    }
}

/// Depth of a tree of so many leaves, each level doubling.
fn depth(leaves: u64) -> u64 {
    u64::from(leaves.max(1).next_power_of_two().trailing_zeros())
}

fn operand_chunks(operand: &Operand) -> u64 {
    (operand.shape.cells() as u64 * operand.width as u64).div_ceil(CHUNK as u64)
}

struct Costs<'a> {
    program: &'a Program,
    gas: &'a GasTable,
    descriptor: &'a Descriptor,
    bytes: u64,
}

impl Costs<'_> {
    /// A transaction of so many bytes beyond the position, none of them zero, that executes so much.
    fn transaction(&self, bytes: u64, execution: u64) -> u64 {
        transaction(self.gas, bytes, execution)
    }

    /// The moves of a game about this operation, how often each is made at most, and their gas.
    fn moves(&self) -> Vec<(Play, u64, u64)> {
        let gas = self.gas;
        let wire = self.descriptor.operation.shape.cells() as u64 * self.descriptor.width as u64;
        let (trace, tensor) =
            (depth(self.program.operations.len() as u64), depth(wire.div_ceil(CHUNK as u64)));
        let levels = u64::from(LEVELS);
        let (trace_reveals, tensor_reveals) = (trace.div_ceil(levels), tensor.div_ceil(levels));
        let reveal = |height: u64, above: u64, node: u64| {
            let values = 1 << height.min(levels);
            self.transaction(32 * values, node * (values + above) + gas.shown * 32 * values)
        };
        let pick = self.transaction(32 << levels, 0);
        let leaf_bytes = GROUND_BYTES as u64 + 32 + self.bytes + 32 * trace;
        let describe = self.describe() + gas.keccak_node * (2 * trace + 8);
        let leaf = self.transaction(leaf_bytes, describe);
        let chunk = self.transaction(CHUNK as u64, gas.chunk + gas.shown * CHUNK as u64);
        let mut windows = self.descriptor.windows();
        let states = 8 * self.descriptor.words() as u64 * windows.min(MAX_STATES);
        let claim = self.transaction(CHUNK as u64 + states, gas.shown * states);
        let mut rounds = 0;
        while windows > MAX_STATES {
            windows = Groups { from: 0, to: windows }.size();
            rounds += 1;
        }
        let split = self.transaction(states, 0);
        let refine = self.transaction(states, gas.shown * states);
        let open = self.transaction(
            leaf_bytes + 32 * (trace + tensor) + CHUNK as u64 + states,
            gas.open + describe + gas.chunk + gas.tensor_node * tensor + gas.shown * states,
        );
        vec![
            (Play::Reveal, trace_reveals, reveal(trace, trace, gas.keccak_node)),
            (Play::Reveal, tensor_reveals, reveal(tensor, 0, gas.tensor_node)),
            (Play::RevealLeaf, 1, leaf),
            (Play::RevealChunk, 1, chunk),
            (Play::Split, rounds, split),
            (Play::Rebut, 1, self.rebut(states)),
            (Play::Open, 1, open),
            (Play::Pick, trace_reveals + tensor_reveals, pick),
            (Play::Claim, 1, claim),
            (Play::Refine, rounds, refine),
            (Play::Timeout, 1, self.transaction(0, gas.fall)),
        ]
    }

    /// Reading the descriptor.
    fn describe(&self) -> u64 {
        let operation = &self.descriptor.operation;
        let axes = operation.loop_sizes().len() as u64;
        // What a term with few factors, or none, takes beyond its bytes: a term has eleven at least, a factor ten.
        let beyond = |term: &Term| {
            let bytes = 11 + 10 * term.factors.len() as u64;
            (self.gas.term + self.gas.axis * axes).saturating_sub(self.gas.descriptor_byte * bytes)
        };
        let terms: u64 = operation.sums.iter().flat_map(|sum| &sum.terms).map(beyond).sum();
        self.gas.judge + self.gas.descriptor_byte * self.interpreted() + terms
    }

    /// Bytes of the descriptor that are interpreted: all but those of tables.
    fn interpreted(&self) -> u64 {
        fn tables(expression: &Expression) -> u64 {
            match expression {
                Expression::Table { values, of, .. } => 4 * values.len() as u64 + tables(of),
                Expression::Divide { of, .. } | Expression::Clamp { of, .. } => tables(of),
                Expression::Max(a, b) => tables(a) + tables(b),
                Expression::Sum(_) | Expression::Formula(_) => 0,
            }
        }
        self.bytes.saturating_sub(tables(&self.descriptor.operation.expression))
    }

    /// The dearest rebut.
    fn rebut(&self, states: u64) -> u64 {
        let fixed = GROUND_BYTES as u64 + self.bytes + states;
        let (opened, execution) = self.dearest_step();
        self.transaction(fixed + opened, self.gas.end + self.describe() + execution)
    }

    /// Bytes and gas of the dearest step: its openings and its arithmetic.
    fn dearest_step(&self) -> (u64, u64) {
        let operation = &self.descriptor.operation;
        let folds = self.descriptor.has_windows();
        let folded = match (folds, self.descriptor.precision) {
            (false, _) => 0,
            (true, Precision::Int8) => operation.sums.len(),
            (true, Precision::F32) => 1,
        };
        let windows = operation.sums.iter().zip(&self.descriptor.strides).take(folded);
        let windows = windows.flat_map(|(sum, strides)| sum.terms.iter().zip(strides));
        let windows = windows.map(|(term, &stride)| self.window(term, stride.into()));
        let rest: Vec<&Term> = operation.sums.iter().skip(folded).flat_map(|sum| &sum.terms).collect();
        windows
            .chain([self.end(&rest)])
            .max_by_key(|&(bytes, gas)| self.transaction(bytes, gas))
            .unwrap_or((0, 0))
    }

    /// A window of a term.
    fn window(&self, term: &Term, stride: u64) -> (u64, u64) {
        let mut factors: Vec<(u64, (u64, u64))> = term
            .factors
            .iter()
            .map(|access| (stride.min(self.whole(access.source)), self.opening(access.source)))
            .collect();
        factors.sort_by_key(|&(_, (bytes, gas))| std::cmp::Reverse(self.transaction(bytes, gas)));
        // One chunk of each factor, and of those that remain the dearest ones.
        let mut left = (MAX_CHUNKS as u64).saturating_sub(factors.len() as u64);
        let (mut bytes, mut gas) = (self.inputs(&term.factors), 0);
        for (most, (own_bytes, own_gas)) in factors {
            let more = left.min(most.saturating_sub(1));
            left -= more;
            bytes += (1 + more) * own_bytes;
            gas += (1 + more) * own_gas;
        }
        // A run ends with its axis, and a piece of it where a factor goes to its next chunk.
        let innermost = self.innermost(term);
        let runs = if innermost.is_multiple_of(stride) { 1 } else { 1 + stride.div_ceil(innermost) };
        let aims: u64 = term.factors.iter().map(|access| self.aim(access)).sum();
        let pieces = (runs * MAX_CHUNKS as u64).min(stride) * term.factors.len() as u64 * self.gas.run;
        let is_narrow =
            |access: &Access| self.descriptor.operand(access.source).is_some_and(|x| x.width <= 2);
        let cell = match self.descriptor.precision {
            Precision::Int8 if term.factors.len() == 2 && term.factors.iter().all(is_narrow) => {
                self.gas.narrow
            }
            Precision::Int8 => (self.gas.cell + self.gas.integer) * (1 + term.factors.len() as u64),
            Precision::F32 => self.gas.cell + self.gas.real,
        };
        (bytes, gas + runs * aims + pieces + stride * cell)
    }

    /// Cells of the innermost axis of a term's loop that has more than one.
    fn innermost(&self, term: &Term) -> u64 {
        let operation = &self.descriptor.operation;
        let axes = match self.descriptor.precision {
            Precision::Int8 => operation.reduce_axes(term),
            Precision::F32 => (operation.shape.rank()..operation.loop_sizes().len()).collect(),
        };
        let sizes = operation.loop_sizes();
        let last = axes.iter().rev().filter_map(|&axis| sizes.get(axis)).find(|&&size| size > 1);
        last.map_or(1, |&size| size as u64)
    }

    /// The last step, which reads these terms and evaluates the expression.
    fn end(&self, terms: &[&Term]) -> (u64, u64) {
        let all: Vec<&Access> = terms.iter().flat_map(|term| &term.factors).collect();
        let reads: u64 = all.iter().map(|access| self.aim(access) + self.gas.cell).sum();
        let openings = |accesses: &[&Access], most: usize| {
            let mut costs: Vec<(u64, u64)> = accesses.iter().map(|x| self.opening(x.source)).collect();
            costs.sort_by_key(|&(bytes, gas)| std::cmp::Reverse(self.transaction(bytes, gas)));
            costs.iter().take(most).fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1))
        };
        let (bytes, gas) = match (self.descriptor.operation.class, self.descriptor.precision) {
            (Class::Move, Precision::F32) => {
                // Every index that is tried, and the one element that is moved.
                let indices: Vec<&Access> = terms.iter().filter_map(|term| term.factors.get(1)).collect();
                let data: Vec<&Access> = terms.iter().filter_map(|term| term.factors.first()).collect();
                let (index, data) = (openings(&indices, indices.len()), openings(&data, 1));
                (index.0 + data.0, index.1 + data.1)
            }
            _ => openings(&all, self.together(&all)),
        };
        let inputs = all.iter().any(|access| matches!(access.source, Source::Input(_)));
        let list = if inputs { 32 * self.program.inputs.len() as u64 } else { 0 };
        (bytes + list, gas + reads + self.expression(&self.descriptor.operation.expression))
    }

    /// The most accesses that are inside of their tensors at one output element: fewer than all where tensors are joined
    /// along an axis.
    fn together(&self, accesses: &[&Access]) -> usize {
        let shape = &self.descriptor.operation.shape;
        let along = |axis: usize, size: usize| {
            // Where along the axis each access is inside, whatever the other axes are.
            let spans: Vec<(i64, i64)> =
                accesses.iter().map(|access| self.inside(access, axis, size as i64)).collect();
            let starts = spans.iter().map(|&(first, _)| first);
            let at = |place: i64| spans.iter().filter(|&&(first, end)| first <= place && place < end).count();
            starts.map(at).max().unwrap_or(0)
        };
        let axes = shape.sizes().iter().enumerate();
        axes.map(|(axis, &size)| along(axis, size)).min().unwrap_or(accesses.len())
    }

    /// The indices of an output axis at which an access may be inside of its tensor.
    fn inside(&self, access: &Access, axis: usize, size: i64) -> (i64, i64) {
        let Some(operand) = self.descriptor.operand(access.source) else { return (0, 0) };
        let mut span = (0, size);
        for (affine, &cells) in access.index.iter().zip(operand.shape.sizes()) {
            if affine.terms == [(axis, 1)] {
                let first = affine.constant.saturating_neg();
                span = (span.0.max(first), span.1.min(first.saturating_add(cells as i64)));
            }
        }
        span
    }

    /// Chunks of a source.
    fn whole(&self, source: Source) -> u64 {
        self.descriptor.operand(source).map_or(1, operand_chunks)
    }

    /// Bytes and gas of an opening of a chunk.
    fn opening(&self, source: Source) -> (u64, u64) {
        let siblings = depth(self.whole(source));
        let (leaf, path) = match source {
            Source::Input(_) => (0, 0),
            // Rank, eight axes, bounds, digest.
            Source::Constant(_) => (1 + 8 * 8 + 16 + 32, depth(self.program.constants.len() as u64)),
            Source::Operation(_) => (32, depth(self.program.operations.len() as u64)),
        };
        let bytes = 16 + CHUNK as u64 + 32 * siblings + leaf + 32 * path;
        let gas = self.gas.chunk + self.gas.tensor_node * siblings + self.gas.keccak_node * (path + 2);
        (bytes, gas)
    }

    /// Bytes of the list of inputs, where one is read.
    fn inputs(&self, accesses: &[Access]) -> u64 {
        let reads = accesses.iter().any(|access| matches!(access.source, Source::Input(_)));
        if reads { 32 * self.program.inputs.len() as u64 } else { 0 }
    }

    /// A factor along a run.
    fn aim(&self, access: &Access) -> u64 {
        let terms: usize = access.index.iter().map(|affine| 1 + affine.terms.len()).sum();
        self.gas.run + self.gas.index_term * terms as u64
    }

    fn expression(&self, expression: &Expression) -> u64 {
        match expression {
            Expression::Sum(_) => 3 * self.gas.integer,
            Expression::Divide { of, .. } | Expression::Clamp { of, .. } => {
                3 * self.gas.integer + self.expression(of)
            }
            Expression::Table { of, .. } => 5 * self.gas.integer + self.expression(of),
            Expression::Max(a, b) => 3 * self.gas.integer + self.expression(a) + self.expression(b),
            Expression::Formula(formula) => self.gas.real + self.formula(formula),
        }
    }

    fn formula(&self, formula: &Formula) -> u64 {
        let gas = self.gas;
        match formula {
            Formula::Sum(_) | Formula::Constant(_) => gas.integer,
            Formula::Unary(function, x) => {
                let own = match function {
                    Unary::Negate | Unary::Absolute | Unary::Floor | Unary::Ceil | Unary::Round => gas.real,
                    Unary::SquareRoot => gas.division,
                    _ => gas.function,
                };
                own + self.formula(x)
            }
            Formula::Binary(function, x, y) => {
                let own = if *function == Binary::Divide { gas.division } else { gas.real };
                own + self.formula(x) + self.formula(y)
            }
            Formula::Fma(x, y, z) | Formula::Select(x, y, z) => {
                gas.real + self.formula(x) + self.formula(y) + self.formula(z)
            }
        }
    }
}
