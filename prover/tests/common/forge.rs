//! A dishonest prover: any values of any tensor, proven as they are.

use assay_circuits::execute::{Trace, execute, points};
use assay_circuits::expression::Expression;
use assay_circuits::lower::Coverage;
use assay_circuits::plan::live_rows;
use assay_circuits::program::{Class, Input, Program, Source, Sum, Visibility};
use assay_circuits::relation::{EinsumTerm, Group, Kind, System, TensorId, Values, Variable, View};
use assay_circuits::shape::{Shape, log_size};
use assay_circuits::tensor::{Bounds, MAX_MAGNITUDE, Tensor};
use assay_prover::commitment::Basis;
use assay_prover::prove::{Job, Prover};
use assay_prover::witness::{Witness, padded};
use assay_verifier::key::Argument;
use assay_verifier::proof::Proof;
use assay_verifier::rejection::Rejection;
use assay_verifier::statement::Statement;
use assay_verifier::transcript::Transcript;
use assay_verifier::verify::{sampled, transcript, verify_with};
use std::borrow::Cow;

use super::networks::{axis, read, term};
use super::programs::inputs;

/// A program made ready, and an honest trace of it.
pub struct Scene {
    pub prover: Prover,
    pub trace: Trace,
}

impl Scene {
    pub fn new(program: Program) -> Scene {
        let inputs = inputs(&program, 5);
        Scene::with(program, &inputs)
    }

    pub fn with(program: Program, inputs: &[Tensor]) -> Scene {
        let trace = execute(&program, inputs).unwrap();
        Scene { prover: Prover::new(program).unwrap(), trace }
    }

    pub fn program(&self) -> &Program {
        self.prover.program()
    }

    pub fn argument(&self) -> &Argument {
        self.prover.key().argument()
    }

    pub fn system(&self) -> &System {
        &self.argument().system
    }

    pub fn covering(&self, operations: impl IntoIterator<Item = usize>) -> Argument {
        sampled(self.prover.key(), Coverage::Only(operations.into_iter().collect())).unwrap()
    }

    pub fn honest(&self) -> (Statement, Proof) {
        self.prover.prove(&self.trace).unwrap()
    }

    pub fn verify(&self, (statement, proof): &(Statement, Proof)) -> Result<(), Rejection> {
        self.verify_argument(self.argument(), (statement, proof))
    }

    pub fn verify_argument(
        &self,
        argument: &Argument,
        (statement, proof): (&Statement, &Proof),
    ) -> Result<(), Rejection> {
        statement.check(self.program(), &argument.system.layout)?;
        verify_with(self.prover.key(), argument, statement, proof, transcript())
    }

    /// A proof of all operations with values changed by `edit`.
    pub fn forge(&self, edit: impl FnOnce(&System, &mut Claimed)) -> (Statement, Proof) {
        self.forge_argument(self.argument(), &self.trace, edit, &mut transcript())
    }

    /// Asserts that values changed by `edit` make a proof that is rejected, and gives the reason.
    pub fn rejects(&self, edit: impl FnOnce(&System, &mut Claimed)) -> Rejection {
        self.verify(&self.forge(edit)).expect_err("a forgery is accepted")
    }

    pub fn forge_argument<T: Transcript>(
        &self,
        argument: &Argument,
        trace: &Trace,
        edit: impl FnOnce(&System, &mut Claimed),
        transcript: &mut T,
    ) -> (Statement, Proof) {
        let system = &argument.system;
        let mut claimed = Claimed::new(self.program(), system, trace);
        edit(system, &mut claimed);
        self.forge_witness(argument, &claimed.witness(system), transcript)
    }

    pub fn forge_witness<T: Transcript>(
        &self,
        argument: &Argument,
        witness: &Witness<'_>,
        transcript: &mut T,
    ) -> (Statement, Proof) {
        let system = &argument.system;
        let basis = Basis::new(1 << system.layout.log_row);
        let key_message = self.prover.key().message();
        let job = Job {
            program: self.program(),
            argument,
            basis: &basis,
            key_message: &key_message,
            begins: &|_| {},
        };
        job.prove_witness(&witness.rows(system, Group::Key), witness, transcript).unwrap()
    }

    /// Verifies on a transcript of one's own.
    pub fn verify_on<T: Transcript>(
        &self,
        (statement, proof): &(Statement, Proof),
        transcript: T,
    ) -> Result<(), Rejection> {
        statement.check(self.program(), &self.system().layout)?;
        verify_with(self.prover.key(), self.argument(), statement, proof, transcript)
    }
}

/// Values that a forger claims for the tensors of a system, and the sizes at which they stand.
pub struct Claimed {
    pub shapes: Vec<Shape>,
    pub values: Vec<Vec<i64>>,
}

impl Claimed {
    pub fn new(program: &Program, system: &System, trace: &Trace) -> Claimed {
        let values = Witness::trace_values(program, system, trace);
        Claimed {
            shapes: system.tensors.iter().map(|spec| spec.shape.clone()).collect(),
            values: values.into_iter().map(Cow::into_owned).collect(),
        }
    }

    pub fn witness(&self, system: &System) -> Witness<'_> {
        let values = self.values.iter().map(|values| Cow::Borrowed(values.as_slice())).collect();
        Witness::claimed(system, self.shapes.clone(), values).unwrap()
    }

    /// Spreads every committed and virtual tensor over its padded cube.
    pub fn spread(&mut self, system: &System) {
        for (id, spec) in system.tensors.iter().enumerate() {
            if matches!(spec.values, Values::Multiplicity(_)) || matches!(spec.kind, Kind::Public(_)) {
                continue;
            }
            self.values[id] = padded(&spec.shape, &self.values[id]).into_owned();
            let sizes = spec.shape.sizes().iter().map(|&size| 1 << log_size(size)).collect();
            self.shapes[id] = Shape::new(sizes).unwrap();
        }
    }

    /// Fills the padded cells that stand in committed rows; a row wholly in padding is never sent.
    pub fn fill_padding(&mut self, system: &System, mut garbage: impl FnMut() -> i64) {
        for (id, spec) in system.tensors.iter().enumerate() {
            if !matches!(spec.kind, Kind::Committed(_)) || matches!(spec.values, Values::Multiplicity(_)) {
                continue;
            }
            let mut inside = vec![false; spec.shape.padded_cells()];
            spec.shape.padded_indices().for_each(|cell| inside[cell] = true);
            let log_row = system.layout.log_row.min(spec.shape.variables());
            for row in live_rows(&spec.shape, log_row) {
                let cells = row << log_row..(row + 1) << log_row;
                for (value, inside) in self.values[id][cells.clone()].iter_mut().zip(&inside[cells]) {
                    if !inside {
                        *value = garbage();
                    }
                }
            }
        }
    }

    /// Computes every virtual tensor from its definition, padded cells included.
    pub fn define(&mut self, system: &System) {
        for einsum in &system.einsums {
            let shape = self.shapes[einsum.output].clone();
            let mut sums = vec![0; shape.cells()];
            for term in &einsum.terms {
                self.add_term(system, term, &shape, &mut sums);
            }
            self.values[einsum.output] = sums;
        }
    }

    fn add_term(&self, system: &System, term: &EinsumTerm, shape: &Shape, sums: &mut [i64]) {
        let outputs = shape.rank();
        let bits: Vec<usize> = term.axes.iter().map(|&size| log_size(size)).collect();
        let factors: Vec<(&View, Cow<'_, [i64]>)> = term
            .factors
            .iter()
            .map(|f| (&f.view, padded(&self.shapes[f.tensor], &self.values[f.tensor])))
            .collect();
        debug_assert!(system.tensors.len() == self.values.len());
        // The last axis of an indicator is the tensor's own where it is fresh: solved for, not enumerated.
        let solved: Vec<(usize, usize)> = term
            .indicators
            .iter()
            .enumerate()
            .filter_map(|(i, indicator)| Some((i, indicator.terms.last()?.0)))
            .collect();
        let free: Vec<usize> = (0..term.axes.len())
            .filter(|axis| {
                let looped = *axis < outputs || term.summed.contains(axis);
                looped && !solved.iter().any(|(_, fresh)| fresh == axis)
            })
            .collect();
        let extents: Vec<usize> = free.iter().map(|&axis| 1 << bits[axis]).collect();
        let padded_output: Vec<usize> = shape.sizes().to_vec();
        'points: for place in points(&extents) {
            let mut at = vec![0i64; term.axes.len()];
            free.iter().zip(&place).for_each(|(&axis, &i)| at[axis] = i as i64);
            if term.masked.iter().chain(&term.absent).any(|&axis| at[axis] >= term.axes[axis] as i64) {
                continue;
            }
            for &(number, fresh) in &solved {
                let indicator = &term.indicators[number];
                let mut sum = indicator.constant;
                for &(axis, coefficient) in &indicator.terms {
                    if axis == fresh {
                        continue;
                    }
                    if at[axis] >= term.axes[axis] as i64 {
                        continue 'points;
                    }
                    sum += coefficient * at[axis];
                }
                if sum < 0 || sum >= term.axes[fresh] as i64 {
                    continue 'points;
                }
                at[fresh] = sum;
            }
            let product: i64 = factors.iter().map(|(view, values)| values[cell(view, &at)]).product();
            let mut out = 0;
            for (axis, &size) in padded_output.iter().enumerate() {
                if at[axis] as usize >= size {
                    continue 'points;
                }
                out = out * size + at[axis] as usize;
            }
            sums[out] += term.coefficient * product;
        }
    }
}

fn cell(view: &View, at: &[i64]) -> usize {
    view.0.iter().fold(0, |cell, variable| {
        let bit = match *variable {
            Variable::Bit(bit) => usize::from(bit),
            Variable::Axis { axis, bit } => (at[axis] >> bit & 1) as usize,
        };
        cell << 1 | bit
    })
}

/// The tensor of a system that is a wire, an input, a hint.
pub fn find(system: &System, wanted: impl Fn(&Values) -> bool) -> TensorId {
    system.tensors.iter().position(|spec| wanted(&spec.values)).expect("the system has such a tensor")
}

pub fn wire(system: &System, operation: usize) -> TensorId {
    find(system, |values| *values == Values::Wire(operation))
}

/// The trace in which one element of one wire is another value, and every later operation is computed from it;
/// `None` where a later sum leaves its bounds.
pub fn tampered(
    program: &Program,
    trace: &Trace,
    operation: usize,
    cell: usize,
    value: i64,
) -> Option<Trace> {
    let mut wire = trace.wires[operation].clone();
    wire.values[cell] = value;
    let mut changed = program.clone();
    let wide = Bounds { lo: 1 - MAX_MAGNITUDE, hi: MAX_MAGNITUDE - 1 };
    changed.inputs.push(Input {
        name: "wire".into(),
        shape: wire.shape.clone(),
        bounds: wide,
        scale: 1.0,
        visibility: Visibility::Public,
        image: None,
    });
    let given = Source::Input(changed.inputs.len() - 1);
    let index: Vec<_> = (0..wire.shape.rank()).map(axis).collect();
    let replaced = &mut changed.operations[operation];
    replaced.class = Class::Map;
    replaced.reduce.clear();
    replaced.sums = vec![Sum { terms: vec![term(1, &[read(given, &index)])], bounds: wide }];
    replaced.expression = Expression::Sum(0);
    let mut inputs = trace.inputs.clone();
    inputs.push(wire);
    let mut forged = execute(&changed, &inputs).ok()?;
    forged.inputs.pop();
    forged.sums[operation].clone_from(&trace.sums[operation]);
    Some(forged)
}
