//! Programs: a job as a straight-line list of tensor operations with one defined result.
//!
//! An operation writes one wire. At output element o it computes
//!
//! ```text
//! out[o] = expression(S_0[o], .., S_m[o]),   S_j[o] = sum over terms of k * sum over r of F1[..] F2[..] ..
//! ```
//!
//! where each factor is read through one affine index per axis over the loop axes (o first, then r), reads
//! outside give zero, and a term sums over those of the operation's reduce axes that its factors read. All
//! layers of a network are lists of such operations; `ops` has one file a layer.
//!
//! A program of [`Precision::F32`] has the same form with fewer liberties (`check_f32.rs` has its rules): the
//! first sum of a fold is one term over all reduce axes, every other sum reads one element, and the expression is
//! a [`Formula`](crate::formula::Formula). `element.rs` gives the order of its additions.

use crate::encoding::{DecodeError, Reader, Writer};
use crate::expression::Expression;
use crate::shape::{MAX_AXES, Shape};
use crate::tensor::{
    Bounds, MAX_MAGNITUDE, REAL_BOUNDS, RealTensor, Tensor, bits_from_bytes, integers_from_bytes,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use thiserror::Error;

/// Version of the program format.
pub const FORMAT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"ASSAYPRG";

/// What the bits of a program's tensors mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Quantised integers, exact, saturating.
    Int8,
    /// IEEE-754 binary32 in a fixed order of evaluation; compared as bits. Receipts, audits and disputes, no proof.
    F32,
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The program's input of this number.
    Input(usize),
    /// The program's constant of this number.
    Constant(usize),
    /// The wire that the operation of this number writes.
    Operation(usize),
}

/// Whether a value stands in the statement, or only its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The statement holds the values.
    Public,
    /// The statement holds the commitments to the rows of the values.
    Committed,
}

/// An affine index over loop axes: `constant + sum of coefficient * axis`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Affine {
    /// The constant.
    pub constant: i64,
    /// (loop axis, coefficient), axes ascending, no coefficient zero.
    pub terms: Vec<(usize, i64)>,
}

impl Affine {
    /// The index that does not move.
    pub fn constant(constant: i64) -> Self {
        Affine { constant, terms: Vec::new() }
    }

    /// The index that is a loop axis.
    pub fn axis(axis: usize) -> Self {
        Affine { constant: 0, terms: alloc::vec![(axis, 1)] }
    }

    /// `constant + sum of coefficient * axis`, brought to canonical form.
    pub fn new(constant: i64, terms: &[(usize, i64)]) -> Self {
        let mut sorted: Vec<(usize, i64)> = Vec::new();
        for &(axis, coefficient) in terms {
            match sorted.iter_mut().find(|(a, _)| *a == axis) {
                Some((_, c)) => *c += coefficient,
                None => sorted.push((axis, coefficient)),
            }
        }
        sorted.retain(|&(_, c)| c != 0);
        sorted.sort_unstable();
        Affine { constant, terms: sorted }
    }

    /// The index at a point of the loop.
    pub fn at(&self, point: &[usize]) -> i64 {
        let moved: i64 =
            self.terms.iter().map(|&(axis, c)| c * point.get(axis).map_or(0, |&i| i as i64)).sum();
        self.constant + moved
    }

    /// The least and greatest index over axes of the given sizes.
    pub fn range(&self, sizes: &[usize]) -> Bounds {
        let mut range = Bounds { lo: self.constant, hi: self.constant };
        for &(axis, c) in &self.terms {
            let reach = c * (sizes.get(axis).map_or(1, |&n| n as i64) - 1);
            range = Bounds { lo: range.lo + reach.min(0), hi: range.hi + reach.max(0) };
        }
        range
    }
}

/// One factor of a term: a tensor read through an affine index for each of its axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The tensor.
    pub source: Source,
    /// One index for each axis of the tensor.
    pub index: Vec<Affine>,
}

/// One term of a sum: an integer times a product of factors; without factors, a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The integer; 1 in an f32 program, but where a move gathers: there the axis of the first factor's tensor to
    /// whose index the second factor's value is added.
    pub coefficient: i64,
    /// At most [`MAX_FACTORS`] factors.
    pub factors: Vec<Access>,
}

/// The most factors that a term has.
pub const MAX_FACTORS: usize = 3;
/// The most operations that a program has, and the most constants.
pub const MAX_OPERATIONS: usize = 1 << 16;
/// The most inputs that a program has, and the most outputs.
pub const MAX_ENDS: usize = 1 << 10;

/// A sum of terms, and exact bounds of its value over every valid input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The terms.
    pub terms: Vec<Term>,
    /// Bounds of the value.
    pub bounds: Bounds,
}

/// The class by which a referee judges an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A fixed expression of a few operand elements.
    Map,
    /// A loop over terms, then an expression.
    Fold,
    /// One operand element at a computed position.
    Move,
    /// The position of the first greatest element along the reduce axis.
    Rank,
    /// A fold by maximum over what is read inside, for f32 programs.
    Maximum,
}

/// An operation of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it was made from; a message's text, no part of the program's identity.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Shape of the wire that it writes; its axes are the first loop axes.
    pub shape: Shape,
    /// Sizes of the loop axes that are summed, after those of `shape`.
    pub reduce: Vec<usize>,
    /// The sums.
    pub sums: Vec<Sum>,
    /// The function of the sums.
    pub expression: Expression,
}

impl Operation {
    /// Sizes of all loop axes: output axes, then reduce axes.
    pub fn loop_sizes(&self) -> Vec<usize> {
        self.shape.sizes().iter().chain(&self.reduce).copied().collect()
    }

    /// Bounds of the wire; of an f32 program, none.
    pub fn bounds(&self) -> Bounds {
        if matches!(self.expression, Expression::Formula(_)) {
            return REAL_BOUNDS;
        }
        if self.class == Class::Rank {
            return Bounds { lo: 0, hi: self.reduce.iter().product::<usize>() as i64 - 1 };
        }
        let sums: Vec<Bounds> = self.sums.iter().map(|sum| sum.bounds).collect();
        self.expression.bounds(&sums)
    }

    /// The reduce axes, as loop axes, that a term reads, ascending: the term sums over exactly these.
    pub fn reduce_axes(&self, term: &Term) -> Vec<usize> {
        let first = self.shape.rank();
        (first..first + self.reduce.len())
            .filter(|axis| {
                let reads = |affine: &Affine| affine.terms.iter().any(|(a, _)| a == axis);
                term.factors.iter().any(|factor| factor.index.iter().any(reads))
            })
            .collect()
    }

    /// Number of multiplications of factors: output cells times the reduce cells of each term.
    pub fn multiply_accumulates(&self) -> u64 {
        let sizes = self.loop_sizes();
        let term =
            |term: &Term| -> u64 { self.reduce_axes(term).iter().map(|&axis| sizes[axis] as u64).product() };
        let reduced: u64 = self.sums.iter().flat_map(|sum| &sum.terms).map(term).sum();
        reduced.saturating_mul(self.shape.cells() as u64)
    }
}

/// The picture that an image model takes: pixel p of channel c becomes `(p * scale - mean[c]) / std[c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageInput {
    /// Multiplies each byte.
    pub scale: f64,
    /// Subtracted, one a channel or one for all.
    pub mean: Vec<f64>,
    /// Divides, one a channel or one for all.
    pub std: Vec<f64>,
}

/// An input of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Bounds of its integers; zero stands for the real zero.
    pub bounds: Bounds,
    /// The real value of one.
    pub scale: f64,
    /// Whether a statement shows it.
    pub visibility: Visibility,
    /// How bytes of an image become real values, where the model takes one.
    pub image: Option<ImageInput>,
}

/// A constant of a program: its values, or only their digest where a verifying key holds their commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its shape.
    pub shape: Shape,
    /// Bounds of its values.
    pub bounds: Bounds,
    /// BLAKE3 of its bytes, [`Tensor::digest`].
    pub digest: [u8; 32],
    /// The values, where they are known; of an int8 program.
    pub values: Option<Vec<i64>>,
    /// The bits of the values, where they are known; of an f32 program.
    pub bits: Option<Vec<u32>>,
}

impl Constant {
    /// A constant of known values, with their own bounds.
    pub fn new(tensor: Tensor) -> Self {
        let bounds = Bounds::of(&tensor.values);
        let digest = tensor.digest(&bounds);
        Constant { shape: tensor.shape, bounds, digest, values: Some(tensor.values), bits: None }
    }

    /// A constant of an f32 program.
    pub fn real(tensor: RealTensor) -> Self {
        let digest = tensor.digest();
        Constant { shape: tensor.shape, bounds: REAL_BOUNDS, digest, values: None, bits: Some(tensor.bits) }
    }
}

/// An output of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The operation that writes it.
    pub operation: usize,
    /// The real value of one.
    pub scale: f64,
    /// Whether a statement shows it.
    pub visibility: Visibility,
}

/// How far the integers of one output are from the float model's values, over the calibration set.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct OutputAccuracy {
    /// The output's name.
    pub name: String,
    /// Greatest absolute difference.
    pub max_error: f64,
    /// Mean absolute difference.
    pub mean_error: f64,
    /// Cosine of the angle between the two, over all samples.
    pub cosine: f64,
    /// Share of samples on which the greatest element of the last axis is the same.
    pub top1_agreement: f64,
}

/// What quantisation cost, measured when the program was compiled; no part of its identity.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct AccuracyReport {
    /// Number of samples.
    pub samples: u64,
    /// One entry an output.
    pub outputs: Vec<OutputAccuracy>,
    /// (operation's name, share of its elements that saturated), where any did.
    pub saturated: Vec<(String, f64)>,
}

/// A compiled job.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// What the bits mean.
    pub precision: Precision,
    /// True where proofs use commitments to the constants instead of their values.
    pub committed_model: bool,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The constants.
    pub constants: Vec<Constant>,
    /// The operations, each after those whose wires it reads.
    pub operations: Vec<Operation>,
    /// The outputs; an operation is at most one of them.
    pub outputs: Vec<Output>,
    /// The shape under which the wires of these operations are read, of as many elements in the same order; of f32
    /// programs.
    pub reshaped: BTreeMap<usize, Shape>,
    /// What quantisation cost.
    pub accuracy: AccuracyReport,
}

/// Why a program is not well formed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// The bytes are no program.
    #[error("not a program: {0}")]
    Decode(#[from] DecodeError),
    /// A rule of the format is broken.
    #[error("operation {operation} ({name}): {rule}")]
    Operation {
        /// Its number.
        operation: usize,
        /// Its name.
        name: String,
        /// The rule.
        rule: &'static str,
    },
    /// A rule of the format is broken outside of the operations.
    #[error("{part} {index}: {rule}")]
    Part {
        /// "input", "constant" or "output".
        part: &'static str,
        /// Its number.
        index: usize,
        /// The rule.
        rule: &'static str,
    },
}

impl Program {
    /// Shape and bounds of a source; `None` where there is no such source.
    pub fn source(&self, source: Source) -> Option<(&Shape, Bounds)> {
        match source {
            Source::Input(i) => self.inputs.get(i).map(|input| (&input.shape, input.bounds)),
            Source::Constant(i) => self.constants.get(i).map(|constant| (&constant.shape, constant.bounds)),
            Source::Operation(i) => self.operations.get(i).map(|op| (self.wire_shape(i, op), op.bounds())),
        }
    }

    /// The shape under which a wire is read.
    fn wire_shape<'a>(&'a self, number: usize, operation: &'a Operation) -> &'a Shape {
        self.reshaped.get(&number).unwrap_or(&operation.shape)
    }

    /// Shape of a source; `None` where there is no such source.
    pub fn shape(&self, source: Source) -> Option<&Shape> {
        match source {
            Source::Input(i) => self.inputs.get(i).map(|input| &input.shape),
            Source::Constant(i) => self.constants.get(i).map(|constant| &constant.shape),
            Source::Operation(i) => self.operations.get(i).map(|op| self.wire_shape(i, op)),
        }
    }

    /// The output that an operation's wire is, if it is one.
    pub fn output_of(&self, operation: usize) -> Option<usize> {
        self.outputs.iter().position(|output| output.operation == operation)
    }

    /// For each operation, the last one that reads its wire; itself where none does.
    pub fn last_readers(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.operations.len()).collect();
        for (number, operation) in self.operations.iter().enumerate() {
            let terms = operation.sums.iter().flat_map(|sum| &sum.terms);
            for access in terms.flat_map(|term| &term.factors) {
                if let Source::Operation(read) = access.source
                    && let Some(last) = last.get_mut(read)
                {
                    *last = number;
                }
            }
        }
        last
    }

    /// For each operation, the wires that a run may free after it: those that nothing reads any more and that are no
    /// output.
    pub fn freed_after(&self) -> Vec<Vec<usize>> {
        let mut freed = vec![Vec::new(); self.operations.len()];
        for (wire, reader) in self.last_readers().into_iter().enumerate() {
            if self.output_of(wire).is_none() {
                freed[reader].push(wire);
            }
        }
        freed
    }

    /// Number of multiply-accumulates of one run.
    pub fn multiply_accumulates(&self) -> u64 {
        self.operations.iter().map(Operation::multiply_accumulates).fold(0, u64::saturating_add)
    }

    /// The program without the values of its constants, as a verifying key of a committed model holds it.
    pub fn without_values(&self) -> Program {
        let mut program = self.clone();
        for constant in &mut program.constants {
            constant.values = None;
            constant.bits = None;
        }
        program
    }

    /// Checks every rule that prover and verifier rely on: sources come before their readers, indices fit,
    /// no inequality can wrap, sizes are bounded.
    pub fn check(&self) -> Result<(), ProgramError> {
        self.check_parts()?;
        if self.precision == Precision::F32 {
            return self.check_f32();
        }
        let mut reaches = Vec::with_capacity(self.operations.len());
        for (number, operation) in self.operations.iter().enumerate() {
            let reach = self.check_operation(number, operation, &reaches).map_err(|rule| {
                ProgramError::Operation { operation: number, name: operation.name.clone(), rule }
            })?;
            reaches.push(reach);
        }
        Ok(())
    }

    fn check_parts(&self) -> Result<(), ProgramError> {
        let part = |part, index, rule| ProgramError::Part { part, index, rule };
        let counts = [
            ("input", self.inputs.len(), MAX_ENDS),
            ("output", self.outputs.len(), MAX_ENDS),
            ("constant", self.constants.len(), MAX_OPERATIONS),
            ("operation", self.operations.len(), MAX_OPERATIONS),
        ];
        if let Some(&(which, count, _)) = counts.iter().find(|(_, count, most)| count > most) {
            return Err(part(which, count, "there are too many"));
        }
        let inputs = self.inputs.iter().enumerate().map(|(i, input)| ("input", i, &input.name));
        let outputs = self.outputs.iter().enumerate().map(|(i, output)| ("output", i, &output.name));
        let operations = self.operations.iter().enumerate().map(|(i, own)| ("operation", i, &own.name));
        let mut names = inputs.chain(outputs).chain(operations);
        if let Some((which, i, _)) = names.find(|(.., name)| name.chars().any(char::is_control)) {
            return Err(part(which, i, "its name has control characters"));
        }
        for (i, input) in self.inputs.iter().enumerate() {
            if !(input.scale.is_finite() && input.scale > 0.0) {
                return Err(part("input", i, "its scale is not a positive number"));
            }
            if Bounds::new(input.bounds.lo, input.bounds.hi).is_none() {
                return Err(part("input", i, "its bounds leave 2^62"));
            }
            if input.bounds.count() > 1 << 17 {
                return Err(part("input", i, "its bounds are wider than 17 bits"));
            }
            if self.inputs.iter().take(i).any(|other| other.name == input.name) {
                return Err(part("input", i, "its name is taken"));
            }
        }
        for (i, constant) in self.constants.iter().enumerate() {
            if Bounds::new(constant.bounds.lo, constant.bounds.hi).is_none() {
                return Err(part("constant", i, "its bounds leave 2^62"));
            }
            let (reals, integers) = (constant.bits.as_ref(), constant.values.as_ref());
            if reals.is_some() && self.precision != Precision::F32
                || integers.is_some() && self.precision == Precision::F32
            {
                return Err(part("constant", i, "its values are of another precision"));
            }
            if reals.is_some_and(|bits| bits.len() != constant.shape.cells()) {
                return Err(part("constant", i, "its number of values is not its shape's"));
            }
            let Some(values) = integers else { continue };
            if values.len() != constant.shape.cells() {
                return Err(part("constant", i, "its number of values is not its shape's"));
            }
            if values.iter().any(|&value| !constant.bounds.contains(value)) {
                return Err(part("constant", i, "a value leaves its bounds"));
            }
        }
        for (i, output) in self.outputs.iter().enumerate() {
            if output.operation >= self.operations.len() {
                return Err(part("output", i, "no operation writes it"));
            }
            if !(output.scale.is_finite() && output.scale > 0.0) {
                return Err(part("output", i, "its scale is not a positive number"));
            }
            let same = |other: &Output| other.operation == output.operation || other.name == output.name;
            if self.outputs.iter().take(i).any(same) {
                return Err(part("output", i, "its operation or name is taken"));
            }
        }
        if self.outputs.is_empty() {
            return Err(part("output", 0, "a program has at least one"));
        }
        for (&i, shape) in &self.reshaped {
            let cells = self.operations.get(i).map(|operation| operation.shape.cells());
            if self.precision != Precision::F32 || cells != Some(shape.cells()) {
                return Err(part(
                    "reshaped wire",
                    i,
                    "it is not one of an f32 program with as many elements",
                ));
            }
        }
        Ok(())
    }

    /// Checks an operation, and gives its [`Program::reach`]; `reaches` has those of the operations before it.
    fn check_operation(
        &self,
        number: usize,
        operation: &Operation,
        reaches: &[i128],
    ) -> Result<i128, &'static str> {
        let sizes = operation.loop_sizes();
        if sizes.len() > 2 * MAX_AXES {
            return Err("too many loop axes");
        }
        if Shape::new(operation.reduce.clone()).is_none() {
            return Err("its reduce axes are empty or too large");
        }
        if operation.shape.variables() + sizes.len() > 60 {
            return Err("its loop is too large");
        }
        if operation.sums.is_empty() || operation.sums.len() > 4 {
            return Err("it has no sum, or more than four");
        }
        let mut totals = Vec::with_capacity(operation.sums.len());
        for sum in &operation.sums {
            if Bounds::new(sum.bounds.lo, sum.bounds.hi).is_none() {
                return Err("a sum's bounds leave 2^62");
            }
            if sum.terms.len() > 1 << 10 {
                return Err("a sum has too many terms");
            }
            let mut total: i128 = 0;
            for term in &sum.terms {
                total = total.saturating_add(self.check_term(number, operation, term, &sizes, reaches)?);
            }
            if total >= i128::from(MAX_MAGNITUDE) {
                return Err("a sum can reach 2^62");
            }
            totals.push(total as i64);
        }
        if operation.class == Class::Maximum {
            return Err("a fold by maximum belongs to f32 programs");
        }
        if !operation.expression.is_valid(operation.sums.len()) {
            return Err("its expression is out of range");
        }
        let reads_one = |sum: &Sum| {
            sum.terms.len() == 1 && sum.terms.iter().all(|t| t.factors.len() == 1 && t.coefficient == 1)
        };
        let ranks = operation.reduce.len() == 1 && operation.sums.iter().all(reads_one);
        let plain = operation.expression == Expression::Sum(0) && operation.sums.len() == 1;
        if operation.class == Class::Rank && !(ranks && plain) {
            return Err("a rank reads one tensor along one axis, as it is");
        }
        Ok(Self::reach(operation, &totals))
    }

    /// The greatest magnitude of the wire that a proof admits, whatever a hostile program states as the bounds
    /// of its sums: `totals` are magnitudes of the sums that no operand can exceed.
    ///
    /// A wire that is a sum, or the larger of two, has no range of its own in the argument. Any other is a row
    /// of a table or range, wherever the sums are.
    fn reach(operation: &Operation, totals: &[i64]) -> i128 {
        let stated = i128::from(operation.bounds().magnitude());
        let unranged = match &operation.expression {
            Expression::Sum(_) | Expression::Max(..) => true,
            Expression::Clamp { of, .. } => **of == Expression::Sum(0),
            _ => false,
        };
        let possible = match operation.class {
            Class::Rank => 0,
            _ if unranged => totals.iter().copied().max().unwrap_or(0),
            _ => {
                let sums: Vec<Bounds> = totals.iter().map(|&t| Bounds { lo: -t, hi: t }).collect();
                operation.expression.bounds(&sums).magnitude()
            }
        };
        stated.max(possible.into())
    }

    /// The greatest magnitude of a source that a proof admits.
    fn magnitude(&self, source: Source, bounds: Bounds, reaches: &[i128]) -> i128 {
        let stated = i128::from(bounds.magnitude());
        match source {
            Source::Input(_) => stated,
            Source::Operation(i) => reaches.get(i).copied().unwrap_or(stated),
            // A verifying key proves the ranges of a wide constant's digits, not of the constant.
            Source::Constant(_) if self.committed_model => stated.max(crate::lower::digits_reach(bounds)),
            Source::Constant(_) => stated,
        }
    }

    /// Checks that an access has one canonical index for each axis of a tensor that exists.
    pub(crate) fn check_access(&self, access: &Access, sizes: &[usize]) -> Result<(), &'static str> {
        let shape = self.shape(access.source).ok_or("it reads a tensor that does not exist")?;
        if access.index.len() != shape.rank() {
            return Err("an access has not one index for each axis");
        }
        for affine in &access.index {
            let ascending = affine.terms.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let small = affine.terms.iter().all(|&(_, c)| c != 0 && c.unsigned_abs() <= 1 << 20);
            let known = affine.terms.iter().all(|&(axis, _)| axis < sizes.len());
            if !(ascending && small && known && affine.constant.unsigned_abs() <= 1 << 41) {
                return Err("an index is not canonical");
            }
        }
        Ok(())
    }

    /// The greatest magnitude that the term can reach, or any product of some of its factors.
    fn check_term(
        &self,
        number: usize,
        operation: &Operation,
        term: &Term,
        sizes: &[usize],
        reaches: &[i128],
    ) -> Result<i128, &'static str> {
        if term.factors.len() > MAX_FACTORS {
            return Err("a term has too many factors");
        }
        // A factor that is always zero counts as one, so that the other factors' product is bounded too.
        let mut magnitude = i128::from(term.coefficient).abs().max(1);
        for access in &term.factors {
            if matches!(access.source, Source::Operation(i) if i >= number) {
                return Err("it reads a wire that is not written before it");
            }
            let (_, bounds) = self.source(access.source).ok_or("it reads a tensor that does not exist")?;
            self.check_access(access, sizes)?;
            magnitude = magnitude.saturating_mul(self.magnitude(access.source, bounds, reaches).max(1));
        }
        for axis in operation.reduce_axes(term) {
            magnitude = magnitude.saturating_mul(sizes[axis] as i128);
        }
        Ok(magnitude)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC);
        w.u32(FORMAT_VERSION);
        encode_precision(self.precision, &mut w);
        w.u8(u8::from(self.committed_model));
        w.list(&self.inputs, |w, input| encode_input(input, w));
        w.list(&self.constants, |w, constant| {
            encode_constant_header(constant, w);
            w.u8(u8::from(constant.values.is_some() || constant.bits.is_some()));
            for bits in constant.bits.iter().flatten() {
                w.u32(*bits);
            }
            if let Some(values) = &constant.values {
                let width = constant.bounds.bytes();
                for value in values {
                    w.bytes(&value.to_le_bytes()[..width]);
                }
            }
        });
        w.list(&self.operations, |w, operation| {
            w.string(&operation.name);
            encode_operation(operation, w);
        });
        w.list(&self.outputs, |w, output| encode_output(output, w));
        encode_reshaped(&self.reshaped, &mut w);
        encode_accuracy(&self.accuracy, &mut w);
        w.finish()
    }

    /// Reads what [`Program::encode`] wrote, and checks it: [`Program::check`], and each constant's digest.
    pub fn decode(bytes: &[u8]) -> Result<Program, ProgramError> {
        let mut r = Reader::new(bytes);
        if &r.array::<8>("magic")? != MAGIC {
            return Err(DecodeError::Invalid { what: "magic", offset: 0 }.into());
        }
        if r.u32("format version")? != FORMAT_VERSION {
            return Err(r.invalid("format version").into());
        }
        let precision = match r.u8("precision")? {
            0 => Precision::Int8,
            1 => Precision::F32,
            _ => return Err(r.invalid("precision").into()),
        };
        let program = Program {
            precision,
            committed_model: decode_flag(&mut r, "committed model flag")?,
            inputs: decode_parts(&mut r, MAX_ENDS, 30, "inputs", decode_input)?,
            constants: decode_parts(&mut r, MAX_OPERATIONS, 50, "constants", |r| {
                decode_constant(precision, r)
            })?,
            operations: decode_parts(&mut r, MAX_OPERATIONS, 20, "operations", |r| {
                let name = r.string("operation name")?;
                decode_operation(name, r)
            })?,
            outputs: decode_parts(&mut r, MAX_ENDS, 17, "outputs", decode_output)?,
            reshaped: decode_reshaped(&mut r)?,
            accuracy: decode_accuracy(&mut r)?,
        };
        r.finish()?;
        program.check()?;
        Ok(program)
    }
}

/// A list of at most `most` elements, which take at least `least` bytes each.
fn decode_parts<T>(
    r: &mut Reader<'_>,
    most: usize,
    least: usize,
    what: &'static str,
    read: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let offset = r.offset();
    let count = r.peek_length();
    match count.is_some_and(|count| count > most) {
        true => Err(DecodeError::Invalid { what, offset }),
        false => r.list(least, what, read),
    }
}

fn decode_flag(r: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match r.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.invalid(what)),
    }
}

/// Appends the precision's tag.
pub(crate) fn encode_precision(precision: Precision, w: &mut Writer) {
    match precision {
        Precision::Int8 => w.u8(0),
        Precision::F32 => w.u8(1),
    }
}

fn encode_shape(sizes: &[usize], w: &mut Writer) {
    w.u8(sizes.len() as u8);
    for &size in sizes {
        w.u64(size as u64);
    }
}

fn decode_shape(r: &mut Reader<'_>) -> Result<Shape, DecodeError> {
    let rank = r.u8("rank")?;
    let mut size = || usize::try_from(r.u64("axis size")?).map_err(|_| r.invalid("axis size"));
    let sizes = (0..rank).map(|_| size()).collect::<Result<Vec<_>, _>>()?;
    Shape::new(sizes).ok_or_else(|| r.invalid("shape"))
}

fn encode_bounds(bounds: &Bounds, w: &mut Writer) {
    w.i64(bounds.lo);
    w.i64(bounds.hi);
}

fn decode_bounds(r: &mut Reader<'_>) -> Result<Bounds, DecodeError> {
    let (lo, hi) = (r.i64("low bound")?, r.i64("high bound")?);
    Bounds::new(lo, hi).ok_or_else(|| r.invalid("bounds"))
}

fn encode_visibility(visibility: Visibility, w: &mut Writer) {
    w.u8(u8::from(visibility == Visibility::Committed));
}

fn decode_visibility(r: &mut Reader<'_>) -> Result<Visibility, DecodeError> {
    Ok(if decode_flag(r, "visibility")? { Visibility::Committed } else { Visibility::Public })
}

/// Appends an input.
pub(crate) fn encode_input(input: &Input, w: &mut Writer) {
    w.string(&input.name);
    encode_shape(input.shape.sizes(), w);
    encode_bounds(&input.bounds, w);
    w.f64(input.scale);
    encode_visibility(input.visibility, w);
    w.u8(u8::from(input.image.is_some()));
    if let Some(image) = &input.image {
        w.f64(image.scale);
        w.list(&image.mean, |w, v| w.f64(*v));
        w.list(&image.std, |w, v| w.f64(*v));
    }
}

fn decode_input(r: &mut Reader<'_>) -> Result<Input, DecodeError> {
    Ok(Input {
        name: r.string("input name")?,
        shape: decode_shape(r)?,
        bounds: decode_bounds(r)?,
        scale: r.f64("input scale")?,
        visibility: decode_visibility(r)?,
        image: if decode_flag(r, "image flag")? {
            Some(ImageInput {
                scale: r.f64("image scale")?,
                mean: r.list(8, "image mean", |r| r.f64("mean"))?,
                std: r.list(8, "image std", |r| r.f64("std"))?,
            })
        } else {
            None
        },
    })
}

/// Appends what identifies a constant: shape, bounds, digest.
pub(crate) fn encode_constant_header(constant: &Constant, w: &mut Writer) {
    encode_shape(constant.shape.sizes(), w);
    encode_bounds(&constant.bounds, w);
    w.bytes(&constant.digest);
}

fn decode_constant(precision: Precision, r: &mut Reader<'_>) -> Result<Constant, DecodeError> {
    let (shape, bounds) = (decode_shape(r)?, decode_bounds(r)?);
    let digest = r.array("constant digest")?;
    if !decode_flag(r, "constant values flag")? {
        return Ok(Constant { shape, bounds, digest, values: None, bits: None });
    }
    let width = match precision {
        Precision::Int8 => bounds.bytes(),
        Precision::F32 => 4,
    };
    let bytes = r.bytes(shape.cells().saturating_mul(width), "constant values")?;
    if blake3::hash(bytes).as_bytes() != &digest {
        return Err(r.invalid("constant digest"));
    }
    let (values, bits) = match precision {
        Precision::Int8 => (Some(integers_from_bytes(bytes, width)), None),
        Precision::F32 => (None, Some(bits_from_bytes(bytes))),
    };
    Ok(Constant { shape, bounds, digest, values, bits })
}

/// Appends an operation without its name.
pub(crate) fn encode_operation(operation: &Operation, w: &mut Writer) {
    w.u8(match operation.class {
        Class::Map => 0,
        Class::Fold => 1,
        Class::Move => 2,
        Class::Rank => 3,
        Class::Maximum => 4,
    });
    encode_shape(operation.shape.sizes(), w);
    encode_shape(&operation.reduce, w);
    w.list(&operation.sums, |w, sum| {
        encode_bounds(&sum.bounds, w);
        w.list(&sum.terms, |w, term| {
            w.i64(term.coefficient);
            w.list(&term.factors, encode_access);
        });
    });
    operation.expression.encode(w);
}

fn encode_access(w: &mut Writer, access: &Access) {
    let (tag, number) = match access.source {
        Source::Input(i) => (0, i),
        Source::Constant(i) => (1, i),
        Source::Operation(i) => (2, i),
    };
    w.u8(tag);
    w.length(number);
    w.list(&access.index, |w, affine| {
        w.i64(affine.constant);
        w.list(&affine.terms, |w, &(axis, coefficient)| {
            w.u8(axis as u8);
            w.i64(coefficient);
        });
    });
}

fn decode_access(r: &mut Reader<'_>) -> Result<Access, DecodeError> {
    let tag = r.u8("source tag")?;
    let number = r.u32("source number")? as usize;
    let source = match tag {
        0 => Source::Input(number),
        1 => Source::Constant(number),
        2 => Source::Operation(number),
        _ => return Err(r.invalid("source tag")),
    };
    let index = r.list(12, "indices", |r| {
        Ok(Affine {
            constant: r.i64("index constant")?,
            terms: r.list(9, "index terms", |r| Ok((r.u8("axis")? as usize, r.i64("coefficient")?)))?,
        })
    })?;
    Ok(Access { source, index })
}

fn decode_operation(name: String, r: &mut Reader<'_>) -> Result<Operation, DecodeError> {
    let class = match r.u8("class")? {
        0 => Class::Map,
        1 => Class::Fold,
        2 => Class::Move,
        3 => Class::Rank,
        4 => Class::Maximum,
        _ => return Err(r.invalid("class")),
    };
    Ok(Operation {
        name,
        class,
        shape: decode_shape(r)?,
        reduce: decode_shape(r)?.sizes().to_vec(),
        sums: r.list(20, "sums", |r| {
            let bounds = decode_bounds(r)?;
            let terms = r.list(12, "terms", |r| {
                Ok(Term {
                    coefficient: r.i64("term coefficient")?,
                    factors: r.list(9, "factors", decode_access)?,
                })
            })?;
            Ok(Sum { terms, bounds })
        })?,
        expression: Expression::decode(r)?,
    })
}

/// Appends an output.
pub(crate) fn encode_output(output: &Output, w: &mut Writer) {
    w.string(&output.name);
    w.length(output.operation);
    w.f64(output.scale);
    encode_visibility(output.visibility, w);
}

fn decode_output(r: &mut Reader<'_>) -> Result<Output, DecodeError> {
    Ok(Output {
        name: r.string("output name")?,
        operation: r.u32("output operation")? as usize,
        scale: r.f64("output scale")?,
        visibility: decode_visibility(r)?,
    })
}

/// Appends the shapes under which wires are read.
pub(crate) fn encode_reshaped(reshaped: &BTreeMap<usize, Shape>, w: &mut Writer) {
    w.length(reshaped.len());
    for (&operation, shape) in reshaped {
        w.length(operation);
        encode_shape(shape.sizes(), w);
    }
}

fn decode_reshaped(r: &mut Reader<'_>) -> Result<BTreeMap<usize, Shape>, DecodeError> {
    let list = decode_parts(r, MAX_OPERATIONS, 5, "reshaped wires", |r| {
        Ok((r.u32("reshaped operation")? as usize, decode_shape(r)?))
    })?;
    if !list.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(r.invalid("order of reshaped wires"));
    }
    Ok(list.into_iter().collect())
}

fn encode_accuracy(accuracy: &AccuracyReport, w: &mut Writer) {
    w.u64(accuracy.samples);
    w.list(&accuracy.outputs, |w, output| {
        w.string(&output.name);
        for value in [output.max_error, output.mean_error, output.cosine, output.top1_agreement] {
            w.f64(value);
        }
    });
    w.list(&accuracy.saturated, |w, (name, share)| {
        w.string(name);
        w.f64(*share);
    });
}

fn decode_accuracy(r: &mut Reader<'_>) -> Result<AccuracyReport, DecodeError> {
    Ok(AccuracyReport {
        samples: r.u64("samples")?,
        outputs: r.list(36, "accuracy of outputs", |r| {
            Ok(OutputAccuracy {
                name: r.string("output name")?,
                max_error: r.f64("max error")?,
                mean_error: r.f64("mean error")?,
                cosine: r.f64("cosine")?,
                top1_agreement: r.f64("agreement")?,
            })
        })?,
        saturated: r.list(12, "saturated tensors", |r| Ok((r.string("name")?, r.f64("share")?)))?,
    })
}
