//! The plain executor: computes a program's wires by its definition, one output element at a time.
//!
//! This is the specification that faster executors are compared with, bit for bit.

use crate::program::{Access, Class, Operation, Precision, Program, Source};
use crate::tensor::Tensor;
use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

/// Everything that one run of a program computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The inputs.
    pub inputs: Vec<Tensor>,
    /// The wire of each operation.
    pub wires: Vec<Tensor>,
    /// The values of each operation's sums, over the shape of its wire; of a rank, the greatest element.
    pub sums: Vec<Vec<Vec<i64>>>,
}

impl Trace {
    /// The program's outputs, in order.
    pub fn outputs<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = &'a Tensor> {
        program.outputs.iter().filter_map(|output| self.wires.get(output.operation))
    }
}

/// Why a program cannot be run on inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExecuteError {
    /// Another number of inputs.
    #[error("the program takes {expected} inputs, {given} were given")]
    InputCount {
        /// What the program takes.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// An input of another shape.
    #[error("input {name} has shape {given:?}, the program takes {expected:?}")]
    InputShape {
        /// The input.
        name: String,
        /// What the program takes.
        expected: Vec<usize>,
        /// What was given.
        given: Vec<usize>,
    },
    /// An integer of an input is out of its bounds.
    #[error("input {name}: element {index} is {value}, outside of [{lo}, {hi}]")]
    InputBounds {
        /// The input.
        name: String,
        /// Which element.
        index: usize,
        /// Its value.
        value: i64,
        /// The least valid value.
        lo: i64,
        /// The greatest valid value.
        hi: i64,
    },
    /// The program is of another precision.
    #[error("this executor runs {expected} programs only")]
    Precision {
        /// What it runs.
        expected: &'static str,
    },
    /// A constant's values are not there.
    #[error("constant {constant} has no values: this program is a verifying key's")]
    NoValues {
        /// The constant.
        constant: usize,
    },
    /// A sum left the bounds that the program states.
    #[error("operation {operation} ({name}): a sum is {value}, outside of the program's bounds")]
    SumBounds {
        /// The operation.
        operation: usize,
        /// Its name.
        name: String,
        /// The value.
        value: i64,
    },
}

/// Checks the inputs of a run: their number, shapes and bounds.
pub fn check_inputs(program: &Program, inputs: &[Tensor]) -> Result<(), ExecuteError> {
    if program.precision != Precision::Int8 {
        return Err(ExecuteError::Precision { expected: "int8" });
    }
    if inputs.len() != program.inputs.len() {
        return Err(ExecuteError::InputCount { expected: program.inputs.len(), given: inputs.len() });
    }
    for (spec, tensor) in program.inputs.iter().zip(inputs) {
        if spec.shape != tensor.shape || tensor.values.len() != spec.shape.cells() {
            return Err(ExecuteError::InputShape {
                name: spec.name.clone(),
                expected: spec.shape.sizes().to_vec(),
                given: tensor.shape.sizes().to_vec(),
            });
        }
        let outside = |value: &i64| !spec.bounds.contains(*value);
        if let Some(index) = tensor.values.iter().position(outside) {
            return Err(ExecuteError::InputBounds {
                name: spec.name.clone(),
                index,
                value: tensor.values[index],
                lo: spec.bounds.lo,
                hi: spec.bounds.hi,
            });
        }
    }
    Ok(())
}

/// Runs a program that [`Program::check`] accepts.
///
/// # Errors
/// Where the inputs do not fit, a constant has no values, or a sum leaves its stated bounds.
pub fn execute(program: &Program, inputs: &[Tensor]) -> Result<Trace, ExecuteError> {
    check_inputs(program, inputs)?;
    let mut constants = Vec::with_capacity(program.constants.len());
    for (number, constant) in program.constants.iter().enumerate() {
        constants.push(constant.values.as_deref().ok_or(ExecuteError::NoValues { constant: number })?);
    }
    let mut wires: Vec<Tensor> = Vec::with_capacity(program.operations.len());
    let mut all_sums = Vec::with_capacity(program.operations.len());
    for (number, operation) in program.operations.iter().enumerate() {
        let reader = Reader { program, inputs, constants: &constants, wires: &wires };
        let (wire, sums) = reader.operation(operation);
        for (sum, values) in operation.sums.iter().zip(&sums) {
            if let Some(&value) = values.iter().find(|&&value| !sum.bounds.contains(value)) {
                return Err(ExecuteError::SumBounds {
                    operation: number,
                    name: operation.name.clone(),
                    value,
                });
            }
        }
        wires.push(Tensor { shape: operation.shape.clone(), values: wire });
        all_sums.push(sums);
    }
    Ok(Trace { inputs: inputs.to_vec(), wires, sums: all_sums })
}

struct Reader<'a> {
    program: &'a Program,
    inputs: &'a [Tensor],
    constants: &'a [&'a [i64]],
    wires: &'a [Tensor],
}

impl Reader<'_> {
    /// The element that an access reads at a point of the loop; zero outside.
    fn read(&self, access: &Access, point: &[usize]) -> i64 {
        let values: &[i64] = match access.source {
            Source::Input(i) => &self.inputs[i].values,
            Source::Constant(i) => self.constants[i],
            Source::Operation(i) => &self.wires[i].values,
        };
        let Some(shape) = self.program.shape(access.source) else { return 0 };
        let mut cell = 0usize;
        for (affine, &size) in access.index.iter().zip(shape.sizes()) {
            let index = affine.at(point);
            if index < 0 || index >= size as i64 {
                return 0;
            }
            cell = cell * size + index as usize;
        }
        values[cell]
    }

    fn operation(&self, operation: &Operation) -> (Vec<i64>, Vec<Vec<i64>>) {
        let sizes = operation.loop_sizes();
        let rank = operation.shape.rank();
        if operation.class == Class::Rank {
            let access = &operation.sums[0].terms[0].factors[0];
            let (greatest, wire) = points(operation.shape.sizes())
                .map(|output| {
                    let along = (0..operation.reduce[0]).map(|place| {
                        let point: Vec<usize> = output.iter().copied().chain([place]).collect();
                        (self.read(access, &point), core::cmp::Reverse(place))
                    });
                    along.max().map_or((0, 0), |(value, place)| (value, place.0 as i64))
                })
                .unzip();
            return (wire, alloc::vec![greatest]);
        }
        let mut wire = Vec::with_capacity(operation.shape.cells());
        let mut sums: Vec<Vec<i64>> = operation.sums.iter().map(|_| Vec::new()).collect();
        for output in points(operation.shape.sizes()) {
            let mut at_output = Vec::with_capacity(sums.len());
            for sum in &operation.sums {
                let mut total = 0i64;
                for term in &sum.terms {
                    let axes = operation.reduce_axes(term);
                    let reduced: Vec<usize> = axes.iter().map(|&axis| sizes[axis]).collect();
                    let mut point = alloc::vec![0; sizes.len()];
                    point[..rank].copy_from_slice(&output);
                    for place in points(&reduced) {
                        for (&axis, &index) in axes.iter().zip(&place) {
                            point[axis] = index;
                        }
                        let product: i64 =
                            term.factors.iter().map(|access| self.read(access, &point)).product();
                        total += term.coefficient * product;
                    }
                }
                at_output.push(total);
            }
            wire.push(operation.expression.evaluate(&at_output));
            for (values, value) in sums.iter_mut().zip(at_output) {
                values.push(value);
            }
        }
        (wire, sums)
    }
}

/// All points of a space, last axis fastest.
pub fn points(sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let cells: usize = sizes.iter().product();
    (0..cells).map(move |mut cell| {
        let mut point = alloc::vec![0; sizes.len()];
        for (slot, &size) in point.iter_mut().zip(sizes).rev() {
            *slot = cell % size;
            cell /= size;
        }
        point
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::program::{AccuracyReport, Affine, Constant, Input, Output, Precision, Sum, Term, Visibility};
    use crate::shape::Shape;
    use crate::tensor::Bounds;
    use alloc::vec;

    /// out[y] = clamp(round((sum over k of w[k] x[2 y + k - 1]) / 4), 0, 5)
    fn strided_convolution() -> Program {
        let shape = |sizes: &[usize]| Shape::new(sizes.to_vec()).unwrap();
        let access = |source, affine| Access { source, index: vec![affine] };
        let term = Term {
            coefficient: 1,
            factors: vec![
                access(Source::Constant(0), Affine::axis(1)),
                access(Source::Input(0), Affine::new(-1, &[(0, 2), (1, 1)])),
            ],
        };
        Program {
            precision: Precision::Int8,
            committed_model: false,
            inputs: vec![Input {
                name: "x".into(),
                shape: shape(&[5]),
                bounds: Bounds { lo: -8, hi: 7 },
                scale: 1.0,
                visibility: Visibility::Public,
                image: None,
            }],
            constants: vec![Constant::new(Tensor::new(shape(&[3]), vec![1, -2, 3]).unwrap())],
            operations: vec![Operation {
                name: "conv".into(),
                class: Class::Fold,
                shape: shape(&[3]),
                reduce: vec![3],
                sums: vec![Sum { terms: vec![term], bounds: Bounds { lo: -60, hi: 60 } }],
                expression: Expression::requantise(4, Bounds { lo: 0, hi: 5 }),
            }],
            outputs: vec![Output {
                name: "y".into(),
                operation: 0,
                scale: 1.0,
                visibility: Visibility::Public,
            }],
            reshaped: Default::default(),
            accuracy: AccuracyReport::default(),
        }
    }

    #[test]
    fn reads_outside_give_zero_and_the_epilogue_saturates() {
        let program = strided_convolution();
        program.check().unwrap();
        let x = Tensor::new(Shape::new(vec![5]).unwrap(), vec![7, 7, -8, 2, 1]).unwrap();
        let trace = execute(&program, &[x]).unwrap();
        assert_eq!(trace.sums[0][0], vec![7, 29, 0]);
        assert_eq!(trace.wires[0].values, vec![2, 5, 0]);
    }

    #[test]
    fn programs_round_trip_and_name_what_is_wrong() {
        let program = strided_convolution();
        let bytes = program.encode();
        assert_eq!(Program::decode(&bytes).unwrap(), program);
        for end in 0..bytes.len() {
            assert!(Program::decode(&bytes[..end]).is_err());
        }
        let mut edited = program.clone();
        edited.operations[0].sums[0].terms[0].factors[1].source = Source::Operation(0);
        assert!(edited.check().is_err());
        let mut renamed = program.clone();
        renamed.operations[0].name = "other".into();
        assert_eq!(renamed.root(), program.root());
        renamed.operations[0].expression = Expression::requantise(5, Bounds { lo: 0, hi: 5 });
        assert_ne!(renamed.root(), program.root());
    }

    #[test]
    fn inputs_out_of_bounds_are_named() {
        let x = Tensor::new(Shape::new(vec![5]).unwrap(), vec![0, 0, 8, 0, 0]).unwrap();
        let error = execute(&strided_convolution(), &[x]).unwrap_err();
        assert!(matches!(error, ExecuteError::InputBounds { index: 2, value: 8, .. }));
    }
}
