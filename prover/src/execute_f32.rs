//! The fast executor of f32 programs: the bits of [`assay_circuits::execute_f32`](mod@assay_circuits::execute_f32), sooner.
//!
//! A [`RealExecutor`] looks at each operation once. A fold of two factors is a product of matrices where outputs
//! share factors; other folds run over many neighbouring outputs at once; a move copies runs; formulas run over
//! columns of elements. Every output's additions have the order that the program defines, so instruction sets and
//! threads, which take different outputs, cannot change a bit.
//!
//! ```no_run
//! # use assay_circuits::{program::Program, tensor::RealTensor};
//! # fn steps(program: &Program, batches: &[Vec<RealTensor>]) -> Result<(), Box<dyn std::error::Error>> {
//! let executor = assay_prover::execute_f32::RealExecutor::new(program)?;
//! for inputs in batches {
//!     let trace = executor.run_observed(inputs, &|number, wire| println!("{number}: {:x?}", wire.digest()))?;
//! }
//! # Ok(())
//! # }
//! ```

mod ending;
mod fold;
mod movement;
mod pack;
mod places;
mod product;

use crate::execute::parallel::blocks;
use crate::kernels::elementary::Instructions;
use assay_circuits::execute::ExecuteError;
use assay_circuits::execute_f32::{RealTrace, check_inputs};
use assay_circuits::expression::Expression;
use assay_circuits::formula::Formula;
use assay_circuits::program::{Class, Operation, Precision, Program, Source};
use assay_circuits::tensor::RealTensor;
use ending::{CHUNK, Ending};
use fold::Columns;
use movement::Movement;
use product::Product;
use std::sync::Arc;

/// Runs an f32 program that [`Program::check`] accepts.
///
/// # Errors
/// Where the inputs do not fit, or a constant has no values: the error of the plain executor.
pub fn execute_f32(program: &Program, inputs: &[RealTensor]) -> Result<RealTrace, ExecuteError> {
    check_inputs(program, inputs)?;
    RealExecutor::new(program)?.trace(inputs)
}

/// Called with the number of an operation and its wire, from any thread.
pub type Observer<'a> = dyn Fn(usize, &RealTensor) + Sync + 'a;

/// An f32 program prepared for many runs.
#[derive(Debug)]
pub struct RealExecutor<'p> {
    program: &'p Program,
    constants: Vec<&'p [u32]>,
    steps: Vec<Step>,
    /// For each operation, the wires that may be freed after it.
    freed_after: Vec<Vec<usize>>,
}

/// What steps are made for.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    instructions: Instructions,
}

/// An operation, ready to run.
#[derive(Debug)]
enum Step {
    Map(Ending, Geometry),
    Move(Movement),
    Product(Box<Product>, Ending),
    Fold(Columns, Ending),
}

/// Where the values of a run are.
struct Sources<'a> {
    inputs: &'a [RealTensor],
    constants: &'a [&'a [u32]],
    wires: &'a [Option<Arc<RealTensor>>],
}

impl<'a> Sources<'a> {
    fn bits(&self, source: Source) -> &'a [u32] {
        match source {
            Source::Input(i) => &self.inputs[i].bits,
            Source::Constant(i) => self.constants[i],
            Source::Operation(i) => self.wires[i].as_ref().map_or(&[], |wire| &wire.bits),
        }
    }

    fn values(&self, source: Source) -> &'a [f32] {
        bytemuck::cast_slice(self.bits(source))
    }
}

/// The bits of a source that is a constant.
fn constant<'p>(constants: &[&'p [u32]], source: Source) -> Option<&'p [u32]> {
    match source {
        Source::Constant(i) => constants.get(i).copied(),
        _ => None,
    }
}

impl<'p> RealExecutor<'p> {
    /// Prepares a program that [`Program::check`] accepts, for the widest instructions that the processor has.
    ///
    /// # Errors
    /// Where a constant has no values, or the program is not of f32.
    pub fn new(program: &'p Program) -> Result<Self, ExecuteError> {
        let widest = Instructions::widest();
        Self::with_instructions(program, widest)
    }

    /// [`RealExecutor::new`] for given instructions, or portable ones where the processor lacks them.
    ///
    /// # Errors
    /// As [`RealExecutor::new`].
    pub fn with_instructions(program: &'p Program, instructions: Instructions) -> Result<Self, ExecuteError> {
        if program.precision != Precision::F32 {
            return Err(ExecuteError::Precision { expected: "f32" });
        }
        let constants = program.constants.iter().enumerate();
        let constants: Vec<&'p [u32]> = constants
            .map(|(constant, c)| c.bits.as_deref().ok_or(ExecuteError::NoValues { constant }))
            .collect::<Result<_, _>>()?;
        let geometry = Geometry { instructions };
        let steps =
            program.operations.iter().map(|op| Step::new(program, op, &constants, geometry)).collect();
        Ok(RealExecutor { program, constants, steps, freed_after: program.freed_after() })
    }

    /// Everything that one run computes.
    ///
    /// # Errors
    /// Where the inputs do not fit.
    pub fn trace(&self, inputs: &[RealTensor]) -> Result<RealTrace, ExecuteError> {
        let wires = self.run(inputs, true, None)?;
        Ok(RealTrace { inputs: inputs.to_vec(), wires })
    }

    /// The outputs of one run; wires are freed once nothing reads them any more.
    ///
    /// # Errors
    /// Where the inputs do not fit.
    pub fn outputs(&self, inputs: &[RealTensor]) -> Result<Vec<RealTensor>, ExecuteError> {
        self.run(inputs, false, None)
    }

    /// [`RealExecutor::trace`], which calls `observe` once for each wire as it is finished, beside the computation of
    /// later wires where there are threads for it. Returns when all calls have returned.
    ///
    /// # Errors
    /// Where the inputs do not fit.
    pub fn run_observed(
        &self,
        inputs: &[RealTensor],
        observe: &Observer<'_>,
    ) -> Result<RealTrace, ExecuteError> {
        let wires = self.run(inputs, true, Some(observe))?;
        Ok(RealTrace { inputs: inputs.to_vec(), wires })
    }

    /// [`RealExecutor::outputs`], observed like [`RealExecutor::run_observed`]: a wire is freed once it is neither read
    /// nor observed any more.
    ///
    /// # Errors
    /// Where the inputs do not fit.
    pub fn outputs_observed(
        &self,
        inputs: &[RealTensor],
        observe: &Observer<'_>,
    ) -> Result<Vec<RealTensor>, ExecuteError> {
        self.run(inputs, false, Some(observe))
    }

    /// All wires, or the outputs.
    fn run(
        &self,
        inputs: &[RealTensor],
        all: bool,
        observe: Option<&Observer<'_>>,
    ) -> Result<Vec<RealTensor>, ExecuteError> {
        check_inputs(self.program, inputs)?;
        let wires = match observe {
            None => self.wires(inputs, all, |_, _| ()),
            Some(observe) if rayon::current_num_threads() == 1 => {
                self.wires(inputs, all, |number, wire| observe(number, wire))
            }
            Some(observe) => rayon::scope(|scope| {
                self.wires(inputs, all, |number, wire| {
                    let wire = Arc::clone(wire);
                    scope.spawn(move |_| observe(number, &wire));
                })
            }),
        };
        let own = |wire: Arc<RealTensor>| Arc::try_unwrap(wire).unwrap_or_else(|shared| (*shared).clone());
        if all {
            return Ok(wires.into_iter().flatten().map(own).collect());
        }
        let mut wires = wires;
        let outputs = self.program.outputs.iter();
        Ok(outputs.filter_map(|output| wires[output.operation].take()).map(own).collect())
    }

    fn wires(
        &self,
        inputs: &[RealTensor],
        all: bool,
        mut finished: impl FnMut(usize, &Arc<RealTensor>),
    ) -> Vec<Option<Arc<RealTensor>>> {
        let mut wires: Vec<Option<Arc<RealTensor>>> = Vec::with_capacity(self.steps.len());
        for (number, (operation, step)) in self.program.operations.iter().zip(&self.steps).enumerate() {
            let sources = Sources { inputs, constants: &self.constants, wires: &wires };
            let bits = step.run(operation, &sources);
            let wire = Arc::new(RealTensor { shape: operation.shape.clone(), bits });
            finished(number, &wire);
            wires.push(Some(wire));
            if !all {
                self.freed_after[number].iter().for_each(|&unread| wires[unread] = None);
            }
        }
        wires
    }
}

impl Step {
    fn new(program: &Program, operation: &Operation, constants: &[&[u32]], geometry: Geometry) -> Self {
        let identity = Formula::Sum(0);
        let formula = match &operation.expression {
            Expression::Formula(formula) => formula,
            _ => &identity,
        };
        match operation.class {
            Class::Map => Step::Map(Ending::new(program, operation, formula, 0), geometry),
            Class::Move => Step::Move(Movement::new(program, operation)),
            Class::Fold | Class::Maximum | Class::Rank => {
                let ending = Ending::new(program, operation, formula, 1);
                match Product::new(program, operation, constants, geometry) {
                    Some(product) => Step::Product(Box::new(product), ending),
                    None => Step::Fold(Columns::new(program, operation, geometry), ending),
                }
            }
        }
    }

    fn run(&self, operation: &Operation, sources: &Sources<'_>) -> Vec<u32> {
        let mut bits = vec![0u32; operation.shape.cells()];
        match self {
            Step::Move(movement) => movement.run(sources, &mut bits),
            Step::Product(product, ending) => {
                product.totals(sources).finish(ending, sources, bytemuck::cast_slice_mut(&mut bits));
            }
            Step::Fold(columns, ending) => {
                columns.run(ending, sources, bytemuck::cast_slice_mut(&mut bits));
            }
            Step::Map(ending, geometry) => {
                let reads = ending.reads(sources);
                let wire: &mut [f32] = bytemuck::cast_slice_mut(&mut bits);
                blocks(wire, CHUNK, ending.cost(), |first, block| {
                    let mut scratch = ending.scratch();
                    for (number, to) in block.chunks_mut(CHUNK).enumerate() {
                        let start = first + number * CHUNK;
                        ending.chunk(
                            geometry.instructions,
                            &reads,
                            &mut scratch,
                            start..start + to.len(),
                            to,
                        );
                    }
                });
            }
        }
        bits
    }
}
