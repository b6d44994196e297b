//! Runs of programs of either precision: inputs in; out comes all that was computed, or the outputs alone.

use crate::execute::{Executor, execute};
use crate::execute_f32::{RealExecutor, execute_f32};
use crate::receipt::digest;
use crate::trace::{TensorBytes, WireObserver, integer_bytes, real_bytes};
use assay_circuits::execute::{ExecuteError, Trace};
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_circuits::tensor::{RealTensor, Tensor};
use std::borrow::Cow;
use std::sync::OnceLock;

/// The inputs of a run, or its outputs, in the program's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tensors {
    /// Of an int8 program.
    Integers(Vec<Tensor>),
    /// Of an f32 program.
    Reals(Vec<RealTensor>),
}

impl Tensors {
    /// The row-major little-endian bytes of one of them, in elements of `width` bytes.
    fn bytes(&self, number: usize, width: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Tensors::Integers(tensors) => {
                tensors.get(number).map(|tensor| Cow::Owned(integer_bytes(&tensor.values, width)))
            }
            Tensors::Reals(tensors) => tensors.get(number).map(|tensor| real_bytes(&tensor.bits)),
        }
    }
}

impl TensorBytes for Tensors {
    /// Those of a run's inputs.
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        match source {
            Source::Input(i) => self.bytes(i, program.width(source)?),
            _ => None,
        }
    }
}

/// Everything that a run computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// Of an int8 program.
    Integers(Trace),
    /// Of an f32 program.
    Reals(RealTrace),
}

impl Run {
    /// Runs a program that [`Program::check`] accepts.
    ///
    /// # Errors
    /// Where the inputs do not fit the program, or its constants have no values.
    pub fn new(program: &Program, inputs: &Tensors) -> Result<Run, ExecuteError> {
        match inputs {
            Tensors::Integers(inputs) => execute(program, inputs).map(Run::Integers),
            Tensors::Reals(inputs) => execute_f32(program, inputs).map(Run::Reals),
        }
    }
}

impl TensorBytes for Run {
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        match self {
            Run::Integers(trace) => trace.own_bytes(program, source),
            Run::Reals(trace) => trace.own_bytes(program, source),
        }
    }
}

/// What is left of a run whose wires were seen one by one: its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The inputs.
    pub inputs: Tensors,
    /// The outputs.
    pub outputs: Tensors,
}

impl Outcome {
    /// Runs a program that [`Program::check`] accepts. A wire is freed once nothing reads it any more.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn new(program: &Program, inputs: Tensors) -> Result<Outcome, ExecuteError> {
        let outputs = match &inputs {
            Tensors::Integers(inputs) => Tensors::Integers(Executor::new(program)?.outputs(inputs)?),
            Tensors::Reals(inputs) => Tensors::Reals(RealExecutor::new(program)?.outputs(inputs)?),
        };
        Ok(Outcome { inputs, outputs })
    }

    /// [`Outcome::new`], which calls `observe` once for each operation, beside the computation of later ones where there
    /// are threads for it.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn observed(
        program: &Program,
        inputs: Tensors,
        observe: &WireObserver<'_>,
    ) -> Result<Outcome, ExecuteError> {
        let outputs = match &inputs {
            Tensors::Integers(inputs) => {
                Tensors::Integers(Executor::new(program)?.outputs_observed(inputs, observe)?)
            }
            Tensors::Reals(inputs) => {
                let observe = |number: usize, wire: &RealTensor| observe(number, &real_bytes(&wire.bits));
                Tensors::Reals(RealExecutor::new(program)?.outputs_observed(inputs, &observe)?)
            }
        };
        Ok(Outcome { inputs, outputs })
    }

    /// [`Outcome::observed`], and the digest of each operation's wire.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn hashed(
        program: &Program,
        inputs: Tensors,
        observe: &WireObserver<'_>,
    ) -> Result<(Outcome, Vec<Digest32>), ExecuteError> {
        let slots: Vec<OnceLock<Digest32>> = vec![OnceLock::new(); program.operations.len()];
        let both = |number: usize, bytes: &[u8]| {
            if let Some(slot) = slots.get(number) {
                slot.get_or_init(|| digest(bytes));
            }
            observe(number, bytes);
        };
        let outcome = Outcome::observed(program, inputs, &both)?;
        let digests = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_default()).collect();
        Ok((outcome, digests))
    }

    /// The ends of a run that was kept.
    pub fn of(program: &Program, run: Run) -> Outcome {
        match run {
            Run::Integers(trace) => {
                let outputs = trace.outputs(program).cloned().collect();
                Outcome { inputs: Tensors::Integers(trace.inputs), outputs: Tensors::Integers(outputs) }
            }
            Run::Reals(trace) => {
                let outputs = trace.outputs(program).cloned().collect();
                Outcome { inputs: Tensors::Reals(trace.inputs), outputs: Tensors::Reals(outputs) }
            }
        }
    }
}

impl TensorBytes for Outcome {
    /// `None` of a wire that is no output.
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        match source {
            Source::Operation(i) => self.outputs.bytes(program.output_of(i)?, program.width(source)?),
            _ => self.inputs.own_bytes(program, source),
        }
    }
}
