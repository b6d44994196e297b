//! Runs of programs of either precision: inputs in, a trace out.

use crate::execute::execute;
use crate::execute_f32::execute_f32;
use crate::trace::TensorBytes;
use assay_circuits::execute::{ExecuteError, Trace};
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_circuits::tensor::{RealTensor, Tensor};
use rayon::prelude::*;
use std::borrow::Cow;

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

    /// The digests of its inputs.
    pub fn input_digests(&self, program: &Program) -> Vec<Digest32> {
        (0..program.inputs.len()).map(|i| self.digest(program, Source::Input(i))).collect()
    }

    /// The digest of the wire of each operation, many at a time.
    pub fn wire_digests(&self, program: &Program) -> Vec<Digest32> {
        let wires = (0..program.operations.len()).into_par_iter();
        wires.map(|i| self.digest(program, Source::Operation(i))).collect()
    }

    /// BLAKE3 of a tensor's bytes.
    fn digest(&self, program: &Program, source: Source) -> Digest32 {
        let bytes = self.own_bytes(program, source).unwrap_or_default();
        *blake3::hash(&bytes).as_bytes()
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
