//! The plain executor of f32 programs: every element by its steps, in integer arithmetic.
//!
//! This is the specification that faster executors are compared with, bit for bit.

use crate::element::Elements;
use crate::execute::ExecuteError;
use crate::program::{Precision, Program, Source};
use crate::tensor::RealTensor;
use alloc::vec::Vec;

/// Everything that one run of an f32 program computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealTrace {
    /// The inputs.
    pub inputs: Vec<RealTensor>,
    /// The wire of each operation.
    pub wires: Vec<RealTensor>,
}

impl RealTrace {
    /// The program's outputs, in order.
    pub fn outputs<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = &'a RealTensor> {
        program.outputs.iter().filter_map(|output| self.wires.get(output.operation))
    }
}

/// Checks the inputs of a run: the program's precision, their number and shapes.
///
/// # Errors
/// Where one does not fit, or the program is not of f32.
pub fn check_inputs(program: &Program, inputs: &[RealTensor]) -> Result<(), ExecuteError> {
    if program.precision != Precision::F32 {
        return Err(ExecuteError::Precision { expected: "f32" });
    }
    if inputs.len() != program.inputs.len() {
        return Err(ExecuteError::InputCount { expected: program.inputs.len(), given: inputs.len() });
    }
    for (spec, tensor) in program.inputs.iter().zip(inputs) {
        if spec.shape != tensor.shape || tensor.bits.len() != spec.shape.cells() {
            return Err(ExecuteError::InputShape {
                name: spec.name.clone(),
                expected: spec.shape.sizes().to_vec(),
                given: tensor.shape.sizes().to_vec(),
            });
        }
    }
    Ok(())
}

struct Values<'a> {
    inputs: &'a [RealTensor],
    constants: &'a [&'a [u32]],
    wires: &'a [RealTensor],
}

impl Elements for Values<'_> {
    type Error = core::convert::Infallible;
    fn element(&mut self, source: Source, place: u64) -> Result<i64, Self::Error> {
        let bits: Option<&[u32]> = match source {
            Source::Input(i) => self.inputs.get(i).map(|tensor| tensor.bits.as_slice()),
            Source::Constant(i) => self.constants.get(i).copied(),
            Source::Operation(i) => self.wires.get(i).map(|tensor| tensor.bits.as_slice()),
        };
        Ok(bits.and_then(|bits| bits.get(place as usize)).map_or(0, |&bits| bits.into()))
    }
}

/// Runs an f32 program that [`Program::check`] accepts.
///
/// # Errors
/// Where the inputs do not fit, or a constant has no values.
pub fn execute_f32(program: &Program, inputs: &[RealTensor]) -> Result<RealTrace, ExecuteError> {
    check_inputs(program, inputs)?;
    let constants = program.constants.iter().enumerate();
    let constants: Vec<&[u32]> = constants
        .map(|(constant, c)| c.bits.as_deref().ok_or(ExecuteError::NoValues { constant }))
        .collect::<Result<_, _>>()?;
    let mut wires: Vec<RealTensor> = Vec::with_capacity(program.operations.len());
    for (number, operation) in program.operations.iter().enumerate() {
        let Some(descriptor) = program.descriptor(number) else { continue };
        let mut values = Values { inputs, constants: &constants, wires: &wires };
        let element = |place: u64| match descriptor.element(&descriptor.point(place), &mut values) {
            Ok(bits) => bits as u32,
        };
        let bits = (0..operation.shape.cells() as u64).map(element).collect();
        wires.push(RealTensor { shape: operation.shape.clone(), bits });
    }
    Ok(RealTrace { inputs: inputs.to_vec(), wires })
}
