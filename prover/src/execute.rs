//! The fast executor: the bits of [`assay_circuits::execute`](mod@assay_circuits::execute), sooner.
//!
//! An [`Executor`] looks at each term of each sum once and chooses how to compute it: a matrix product of
//! 16-bit integers, nested loops over strided arrays, or a list of runs where one element is moved. It knows
//! terms, and no layer by name. Every accumulator is exact: it is 32 bits wide only where the bounds that the
//! program states prove that enough.
//!
//! ```no_run
//! # use assay_circuits::{program::Program, tensor::Tensor};
//! # fn digits(program: &Program, digits: &[Vec<Tensor>]) -> Result<(), Box<dyn std::error::Error>> {
//! let trace = assay_prover::execute::execute(program, &digits[0])?;
//! let executor = assay_prover::execute::Executor::new(program)?;
//! for digit in digits {
//!     let outputs = executor.outputs(digit)?;
//! }
//! # Ok(())
//! # }
//! ```

mod elementwise;
mod matrix;
pub(crate) mod parallel;
mod product;
pub(crate) mod read;
pub(crate) mod walk;

use crate::trace::{WireObserver, integer_bytes};
use assay_circuits::execute::{ExecuteError, Trace, check_inputs};
use assay_circuits::program::{Class, Operation, Precision, Program, Source, Sum, Term};
use assay_circuits::tensor::{Bounds, Tensor};
use elementwise::Elementwise;
use matrix::Matrix;
use product::Product;
use read::{Operand, Read};
use walk::{Axis, Walk, merge};

/// Runs a program that [`Program::check`] accepts.
///
/// # Errors
/// Where the inputs do not fit, a constant has no values, or a sum leaves its stated bounds: the error of the
/// plain executor.
pub fn execute(program: &Program, inputs: &[Tensor]) -> Result<Trace, ExecuteError> {
    check_inputs(program, inputs)?;
    Executor::new(program)?.run(inputs)
}

/// A program prepared for many runs.
#[derive(Debug)]
pub struct Executor<'p> {
    program: &'p Program,
    constants: Vec<&'p [i64]>,
    steps: Vec<Step<'p>>,
}

/// An operation, ready to run.
#[derive(Debug)]
enum Step<'p> {
    Rank { operand: Operand, outputs: Vec<Axis<1>>, along: Axis<1> },
    Sums { sums: Vec<Vec<Method<'p>>>, expression: Elementwise<'p> },
}

/// How a term is computed.
#[derive(Debug)]
enum Method<'p> {
    Constant(i64),
    Runs { coefficient: i64, source: Source, read: Read },
    Narrow(Product<'p, i32>),
    Wide(Product<'p, i64>),
    Matrix(Box<Matrix>),
}

/// Where the values of a run are.
struct Sources<'a> {
    inputs: &'a [Tensor],
    constants: &'a [&'a [i64]],
    wires: &'a [Tensor],
}

impl<'a> Sources<'a> {
    fn values(&self, source: Source) -> &'a [i64] {
        match source {
            Source::Input(i) => &self.inputs[i].values,
            Source::Constant(i) => self.constants[i],
            Source::Operation(i) => &self.wires[i].values,
        }
    }
}

/// The values of a source that is a constant.
fn constant<'p>(constants: &[&'p [i64]], source: Source) -> Option<&'p [i64]> {
    match source {
        Source::Constant(i) => constants.get(i).copied(),
        _ => None,
    }
}

impl<'p> Executor<'p> {
    /// Prepares a program that [`Program::check`] accepts.
    ///
    /// # Errors
    /// Where a constant has no values, or the program is of f32.
    pub fn new(program: &'p Program) -> Result<Self, ExecuteError> {
        if program.precision != Precision::Int8 {
            return Err(ExecuteError::Precision { expected: "int8" });
        }
        let values = program.constants.iter().enumerate().map(|(number, constant)| {
            constant.values.as_deref().ok_or(ExecuteError::NoValues { constant: number })
        });
        let constants: Vec<&'p [i64]> = values.collect::<Result<_, _>>()?;
        let steps =
            program.operations.iter().map(|operation| Step::new(program, operation, &constants)).collect();
        Ok(Executor { program, constants, steps })
    }

    /// Everything that one run computes.
    ///
    /// # Errors
    /// Where the inputs do not fit, or a sum leaves its stated bounds.
    pub fn trace(&self, inputs: &[Tensor]) -> Result<Trace, ExecuteError> {
        check_inputs(self.program, inputs)?;
        self.run(inputs)
    }

    /// The outputs of one run, without its sums.
    ///
    /// # Errors
    /// As [`Executor::trace`].
    pub fn outputs(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecuteError> {
        self.ends(inputs, |_, _| ())
    }

    /// [`Executor::outputs`], which calls `observe` once with the bytes of each operation's wire, beside the computation
    /// of later ones where there are threads for it. A wire is freed once nothing reads it any more.
    ///
    /// # Errors
    /// As [`Executor::trace`].
    pub fn outputs_observed(
        &self,
        inputs: &[Tensor],
        observe: &WireObserver<'_>,
    ) -> Result<Vec<Tensor>, ExecuteError> {
        let bytes = |number: usize, wire: &Tensor| {
            let width = self.program.width(Source::Operation(number)).unwrap_or(8);
            integer_bytes(&wire.values, width)
        };
        if rayon::current_num_threads() == 1 {
            return self.ends(inputs, |number, wire| observe(number, &bytes(number, wire)));
        }
        rayon::scope(|scope| {
            self.ends(inputs, |number, wire| {
                let bytes = bytes(number, wire);
                scope.spawn(move |_| observe(number, &bytes));
            })
        })
    }

    fn ends(
        &self,
        inputs: &[Tensor],
        mut finished: impl FnMut(usize, &Tensor),
    ) -> Result<Vec<Tensor>, ExecuteError> {
        check_inputs(self.program, inputs)?;
        let freed_after = self.program.freed_after();
        let empty = || Tensor { shape: Default::default(), values: Vec::new() };
        let mut wires = self.wires(inputs, |number, wires, _| {
            finished(number, &wires[number]);
            freed_after[number].iter().for_each(|&unread| wires[unread] = empty());
        })?;
        let outputs = self.program.outputs.iter();
        Ok(outputs.map(|output| std::mem::replace(&mut wires[output.operation], empty())).collect())
    }

    fn run(&self, inputs: &[Tensor]) -> Result<Trace, ExecuteError> {
        let mut sums = Vec::with_capacity(self.steps.len());
        let wires = self.wires(inputs, |_, _, of_one| sums.push(of_one))?;
        Ok(Trace { inputs: inputs.to_vec(), wires, sums })
    }

    /// The wire of each operation. After each, `finished` has its number, all wires so far, and the values of its sums.
    fn wires(
        &self,
        inputs: &[Tensor],
        mut finished: impl FnMut(usize, &mut [Tensor], Vec<Vec<i64>>),
    ) -> Result<Vec<Tensor>, ExecuteError> {
        let mut wires: Vec<Tensor> = Vec::with_capacity(self.steps.len());
        for (number, (operation, step)) in self.program.operations.iter().zip(&self.steps).enumerate() {
            let sources = Sources { inputs, constants: &self.constants, wires: &wires };
            let outside =
                |value| ExecuteError::SumBounds { operation: number, name: operation.name.clone(), value };
            let (values, sums) = step.run(operation, &sources).map_err(outside)?;
            wires.push(Tensor { shape: operation.shape.clone(), values });
            finished(number, &mut wires, sums);
        }
        Ok(wires)
    }
}

impl<'p> Step<'p> {
    fn new(program: &Program, operation: &'p Operation, constants: &[&'p [i64]]) -> Self {
        if operation.class == Class::Rank {
            let access = &operation.sums[0].terms[0].factors[0];
            let operand = Operand::new::<i64>(program, access, &operation.loop_sizes());
            let strides = operand.strides.iter().map(|&stride| [stride]);
            let mut axes =
                operation.loop_sizes().into_iter().zip(strides).map(|(size, strides)| Axis { size, strides });
            let outputs = merge(axes.by_ref().take(operation.shape.rank()));
            let along = axes.next().unwrap_or(Axis { size: 1, strides: [0] });
            return Step::Rank { operand, outputs, along };
        }
        let method = |term: &Term| Method::new(program, operation, term, constants);
        let methods = |sum: &Sum| -> Vec<Method<'p>> { sum.terms.iter().filter_map(method).collect() };
        let bounds: Vec<Bounds> = operation.sums.iter().map(|sum| sum.bounds).collect();
        Step::Sums {
            sums: operation.sums.iter().map(methods).collect(),
            expression: Elementwise::new(&operation.expression, &bounds),
        }
    }

    /// The wire and the sums, or the first sum that is out of bounds.
    fn run(&self, operation: &Operation, sources: &Sources<'_>) -> Result<(Vec<i64>, Vec<Vec<i64>>), i64> {
        let cells = operation.shape.cells();
        match self {
            Step::Rank { operand, outputs, along } => {
                let data = operand.data::<i64>(sources.values(operand.source));
                let mut walk = Walk::new(outputs, [operand.base]);
                let (mut wire, mut greatest) = (Vec::with_capacity(cells), Vec::with_capacity(cells));
                for _ in 0..cells {
                    let at =
                        |place: usize| data[(walk.offsets[0] + place as isize * along.strides[0]) as usize];
                    let mut best = (at(0), 0);
                    for place in 1..along.size {
                        if at(place) > best.0 {
                            best = (at(place), place as i64);
                        }
                    }
                    greatest.push(best.0);
                    wire.push(best.1);
                    walk.step();
                }
                check_bounds(&greatest, operation.sums[0].bounds)?;
                Ok((wire, vec![greatest]))
            }
            Step::Sums { sums: methods, expression } => {
                let mut sums = Vec::with_capacity(methods.len());
                for (sum, methods) in operation.sums.iter().zip(methods) {
                    let mut values = vec![0; cells];
                    methods.iter().for_each(|method| method.add_to(sources, &mut values));
                    check_bounds(&values, sum.bounds)?;
                    sums.push(values);
                }
                Ok((expression.wire(&sums, cells), sums))
            }
        }
    }
}

/// The first value outside, if there is one, as an error.
fn check_bounds(values: &[i64], bounds: Bounds) -> Result<(), i64> {
    let is_outside = |value: i64| (value < bounds.lo) | (value > bounds.hi);
    for block in values.chunks(1024) {
        if block.iter().fold(false, |any, &value| any | is_outside(value)) {
            return block.iter().copied().find(|&value| is_outside(value)).map_or(Ok(()), Err);
        }
    }
    Ok(())
}

impl<'p> Method<'p> {
    /// `None` of a term that is zero everywhere.
    fn new(program: &Program, operation: &Operation, term: &Term, constants: &[&'p [i64]]) -> Option<Self> {
        let sizes = operation.loop_sizes();
        let reduce_axes = operation.reduce_axes(term);
        let magnitudes = term.factors.iter().map(|access| {
            program.source(access.source).map_or(0, |(_, bounds)| i128::from(bounds.magnitude()))
        });
        let product = magnitudes.clone().fold(1i128, i128::saturating_mul);
        if term.coefficient == 0 || magnitudes.clone().any(|magnitude| magnitude == 0) {
            return None;
        }
        let [first, rest @ ..] = term.factors.as_slice() else {
            return Some(Method::Constant(term.coefficient));
        };
        if rest.is_empty() && reduce_axes.is_empty() {
            let (shape, _) = program.source(first.source)?;
            let inside = first.index.iter().zip(shape.sizes()).all(|(affine, &size)| {
                let range = affine.range(&sizes);
                range.lo >= 0 && range.hi < size as i64
            });
            if inside {
                return Some(Method::Wide(Product::new(program, operation, term, constants)));
            }
            let read = Read::new(&first.index, shape.sizes(), &shape.strides(), operation.shape.sizes());
            return Some(Method::Runs { coefficient: term.coefficient, source: first.source, read });
        }
        if let Some(matrix) = Matrix::new(program, operation, term, constants) {
            return Some(Method::Matrix(Box::new(matrix)));
        }
        let reach =
            reduce_axes.iter().fold(product, |reach, &axis| reach.saturating_mul(sizes[axis] as i128));
        Some(match reach <= i32::MAX.into() {
            true => Method::Narrow(Product::new(program, operation, term, constants)),
            false => Method::Wide(Product::new(program, operation, term, constants)),
        })
    }

    /// Adds the term to the values of its sum.
    fn add_to(&self, sources: &Sources<'_>, out: &mut [i64]) {
        match self {
            Method::Constant(value) => out.iter_mut().for_each(|cell| *cell += value),
            Method::Runs { coefficient, source, read } => {
                let values = sources.values(*source);
                parallel::blocks(out, read.row(), 1, |first, out| {
                    let rows = first / read.row()..(first + out.len()) / read.row();
                    read.runs(rows, |run| {
                        let to = &mut out[run.cell - first..run.cell - first + run.count];
                        if run.stride == 1 {
                            let from = &values[run.element..run.element + run.count];
                            to.iter_mut().zip(from).for_each(|(to, from)| *to += coefficient * from);
                        } else {
                            let mut element = run.element as isize;
                            for to in to {
                                *to += coefficient * values[element as usize];
                                element += run.stride;
                            }
                        }
                    });
                });
            }
            Method::Narrow(product) => product.add_to(sources, out),
            Method::Wide(product) => product.add_to(sources, out),
            Method::Matrix(matrix) => matrix.add_to(sources, out),
        }
    }
}
