//! Runs of programs of either precision: inputs in, a trace out.

use crate::execute::execute;
use crate::execute_f32::{RealExecutor, execute_f32};
use crate::receipt::{digest, wire_digests};
use crate::trace::{TensorBytes, real_bytes};
use assay_circuits::execute::{ExecuteError, Trace};
use assay_circuits::execute_f32::{RealTrace, check_inputs};
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_circuits::tensor::{RealTensor, Tensor};
use std::borrow::Cow;
use std::sync::OnceLock;

/// The inputs of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Of an int8 program.
    Integers(Vec<Tensor>),
    /// Of an f32 program.
    Reals(Vec<RealTensor>),
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
    pub fn new(program: &Program, inputs: &Inputs) -> Result<Run, ExecuteError> {
        match inputs {
            Inputs::Integers(inputs) => execute(program, inputs).map(Run::Integers),
            Inputs::Reals(inputs) => execute_f32(program, inputs).map(Run::Reals),
        }
    }

    /// Runs a program, and hashes the wire of each operation beside the computation of later ones.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn hashed(program: &Program, inputs: &Inputs) -> Result<(Run, Vec<Digest32>), ExecuteError> {
        match inputs {
            Inputs::Integers(_) => {
                let run = Run::new(program, inputs)?;
                let digests = wire_digests(program, &run);
                Ok((run, digests))
            }
            Inputs::Reals(inputs) => {
                check_inputs(program, inputs)?;
                let slots: Vec<OnceLock<Digest32>> = vec![OnceLock::new(); program.operations.len()];
                let observe = |number: usize, wire: &RealTensor| {
                    if let Some(slot) = slots.get(number) {
                        slot.get_or_init(|| digest(&real_bytes(&wire.bits)));
                    }
                };
                let trace = RealExecutor::new(program)?.run_observed(inputs, &observe)?;
                let digests = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_default()).collect();
                Ok((Run::Reals(trace), digests))
            }
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
