//! The formula of an operation, over columns of its wire.
//!
//! A formula's tree becomes a list of steps over columns of [`CHUNK`] elements, which stay in the first cache. A column
//! is a sum of the operation, a constant, or the result of an earlier step.

use super::Sources;
use super::places::Places;
use crate::execute::read::Operand;
use crate::kernels::column::{Apply, Function};
use crate::kernels::elementary::Instructions;
use crate::kernels::vector::run;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{Operation, Program};
use std::borrow::Cow;
use std::ops::Range;

/// Elements of a column.
pub(super) const CHUNK: usize = 512;

/// A formula, and the sums that are read as they are.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    steps: Vec<Step>,
    result: Column,
    constants: Vec<f32>,
    registers: usize,
    /// Sums that someone else computes, before those that are read.
    folded: usize,
    reads: Vec<Flat>,
}

#[derive(Clone, Copy, Debug)]
enum Column {
    Sum(usize),
    Constant(usize),
    Register(usize),
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Unary(Unary, Column),
    Binary(Binary, Column, Column),
    Fma(Column, Column, Column),
    Select(Column, Column, Column),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    call: Call,
    to: usize,
}

/// One element for each output.
#[derive(Clone, Debug)]
struct Flat {
    operand: Operand,
    places: Places,
}

/// The arrays that an ending reads, of one run.
pub(super) struct Reads<'a> {
    data: Vec<Cow<'a, [f32]>>,
}

/// Memory for columns.
pub(super) struct Scratch {
    /// The folded sum of a chunk, before [`Ending::chunk`].
    pub(super) folded: Vec<f32>,
    sums: Vec<Vec<f32>>,
    registers: Vec<Vec<f32>>,
    constants: Vec<Vec<f32>>,
}

/// Makes steps of a tree.
struct Compiler {
    steps: Vec<Step>,
    constants: Vec<f32>,
    free: Vec<usize>,
    registers: usize,
}

impl Compiler {
    fn column(&mut self, formula: &Formula) -> Column {
        let mut of = |x: &Formula| self.column(x);
        let call = match formula {
            Formula::Sum(sum) => return Column::Sum(*sum),
            Formula::Constant(bits) => return self.constant(*bits),
            Formula::Unary(function, x) => Call::Unary(*function, of(x)),
            Formula::Binary(function, x, y) => Call::Binary(*function, of(x), of(y)),
            Formula::Fma(x, y, z) => Call::Fma(of(x), of(y), of(z)),
            Formula::Select(x, y, z) => Call::Select(of(x), of(y), of(z)),
        };
        let to = self.free.pop().unwrap_or(self.registers);
        self.registers = self.registers.max(to + 1);
        let read = match call {
            Call::Unary(_, x) => vec![x],
            Call::Binary(_, x, y) => vec![x, y],
            Call::Fma(x, y, z) | Call::Select(x, y, z) => vec![x, y, z],
        };
        let registers = read.into_iter().filter_map(|column| match column {
            Column::Register(register) => Some(register),
            _ => None,
        });
        self.free.extend(registers);
        self.steps.push(Step { call, to });
        Column::Register(to)
    }

    fn constant(&mut self, bits: u32) -> Column {
        let known = self.constants.iter().position(|constant| constant.to_bits() == bits);
        Column::Constant(known.unwrap_or_else(|| {
            self.constants.push(f32::from_bits(bits));
            self.constants.len() - 1
        }))
    }
}

impl Flat {
    fn new(program: &Program, operation: &Operation, sum: usize) -> Self {
        let sizes = operation.loop_sizes();
        let access = &operation.sums[sum].terms[0].factors[0];
        let operand = Operand::new::<i64>(program, access, &sizes);
        let axes = operation.shape.sizes().iter().copied().zip(operand.strides.iter().copied());
        let places = Places::new(axes);
        Flat { operand, places }
    }
}

impl Ending {
    /// The formula of an operation whose first `folded` sums someone else computes.
    pub(super) fn new(program: &Program, operation: &Operation, formula: &Formula, folded: usize) -> Self {
        let mut compiler = Compiler { steps: vec![], constants: vec![], free: vec![], registers: 0 };
        let result = compiler.column(formula);
        let reads = (folded..operation.sums.len()).map(|sum| Flat::new(program, operation, sum)).collect();
        let Compiler { steps, constants, registers, .. } = compiler;
        Ending { steps, result, constants, registers, folded, reads }
    }

    /// What an element costs, roughly, in elementary steps.
    pub(super) fn cost(&self) -> u64 {
        2 * (1 + self.steps.len() + self.reads.len()) as u64
    }

    /// The arrays of a run.
    pub(super) fn reads<'a>(&self, sources: &Sources<'a>) -> Reads<'a> {
        let data = |flat: &Flat| flat.operand.elements(sources.values(flat.operand.source), 0.0);
        Reads { data: self.reads.iter().map(data).collect() }
    }

    /// Memory for one thread.
    pub(super) fn scratch(&self) -> Scratch {
        let column = |value: f32| vec![value; CHUNK];
        Scratch {
            folded: column(0.0),
            sums: self.reads.iter().map(|_| column(0.0)).collect(),
            registers: (0..self.registers).map(|_| column(0.0)).collect(),
            constants: self.constants.iter().map(|&constant| column(constant)).collect(),
        }
    }

    /// Computes a range of elements, at most [`CHUNK`].
    pub(super) fn chunk(
        &self,
        instructions: Instructions,
        reads: &Reads<'_>,
        scratch: &mut Scratch,
        range: Range<usize>,
        to: &mut [f32],
    ) {
        let count = range.len();
        let Scratch { folded, sums, registers, constants } = scratch;
        let mut columns: Vec<&[f32]> = Vec::with_capacity(self.folded + sums.len());
        columns.extend((self.folded > 0).then_some(&folded[..count]));
        for ((flat, data), column) in self.reads.iter().zip(&reads.data).zip(sums) {
            let base = flat.operand.base;
            columns.push(flat.places.slice(data, base, range.clone()).unwrap_or_else(|| {
                flat.places.copy(data, base, range.clone(), &mut column[..count]);
                &column[..count]
            }));
        }
        for step in &self.steps {
            let mut result = std::mem::take(&mut registers[step.to]);
            let of = |column: Column| match column {
                Column::Sum(sum) => columns[sum],
                Column::Constant(constant) => &constants[constant][..count],
                Column::Register(register) => &registers[register][..count],
            };
            let function = match step.call {
                Call::Unary(function, x) => Function::Unary(function, of(x)),
                Call::Binary(function, x, y) => Function::Binary(function, of(x), of(y)),
                Call::Fma(x, y, z) => Function::Fma(of(x), of(y), of(z)),
                Call::Select(x, y, z) => Function::Select(of(x), of(y), of(z)),
            };
            run(instructions, Apply { function, to: &mut result[..count] });
            registers[step.to] = result;
        }
        let result = match self.result {
            Column::Sum(sum) => columns[sum],
            Column::Constant(constant) => &constants[constant][..count],
            Column::Register(register) => &registers[register][..count],
        };
        run(instructions, Apply { function: Function::Canonical(result), to });
    }
}
