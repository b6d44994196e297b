//! Runs of programs as bytes, true and false ones.

use super::common::programs::{Dice, Numbers, Recipe};
use super::common::reals::RealRecipe;
use assay_circuits::descriptor::Descriptor;
use assay_circuits::program::{Precision, Program, Source};
use assay_circuits::root::Digest32;
use assay_prover::trace::{TensorBytes, constant_bytes, element};
use std::borrow::Cow;

/// The bytes of a run's inputs and wires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub inputs: Vec<Vec<u8>>,
    pub wires: Vec<Vec<u8>>,
}

impl TensorBytes for Run {
    fn own_bytes(&self, _: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        let bytes = match source {
            Source::Input(i) => self.inputs.get(i)?,
            Source::Operation(i) => self.wires.get(i)?,
            Source::Constant(_) => return None,
        };
        Some(Cow::Borrowed(bytes))
    }
}

/// The wire that a descriptor computes from a run's bytes.
pub fn wire(program: &Program, descriptor: &Descriptor, run: &Run) -> Vec<u8> {
    let operands: Vec<Cow<'_, [u8]>> = descriptor
        .operands
        .iter()
        .map(|operand| match operand.source {
            Source::Constant(i) => constant_bytes(&program.constants[i]).unwrap(),
            source => run.own_bytes(program, source).unwrap(),
        })
        .collect();
    let real = descriptor.precision == Precision::F32;
    let mut read = |source: Source, place: u64| -> Result<i64, ()> {
        let at = descriptor.operands.iter().position(|operand| operand.source == source).unwrap();
        element(&operands[at], descriptor.operands[at].width, real, place as usize).ok_or(())
    };
    let cells = descriptor.operation.shape.cells() as u64;
    (0..cells)
        .flat_map(|place| {
            let value = descriptor.element(&descriptor.point(place), &mut read).unwrap();
            value.to_le_bytes().into_iter().take(descriptor.width)
        })
        .collect()
}

/// A run of a program, each wire tampered with once it is computed; operations after read what was made of it.
pub fn run(program: &Program, inputs: &[Vec<u8>], mut tamper: impl FnMut(usize, &mut Vec<u8>)) -> Run {
    let mut run = Run { inputs: inputs.to_vec(), wires: Vec::new() };
    for number in 0..program.operations.len() {
        let descriptor = program.descriptor(number).unwrap();
        let mut bytes = wire(program, &descriptor, &run);
        tamper(number, &mut bytes);
        run.wires.push(bytes);
    }
    run
}

/// A program, the bytes of its inputs, and its true run.
pub struct Job {
    pub program: Program,
    pub honest: Run,
}

impl Job {
    pub fn new(program: Program, inputs: Vec<Vec<u8>>) -> Job {
        program.check().unwrap();
        let honest = run(&program, &inputs, |_, _| {});
        Job { program, honest }
    }

    /// A random int8 program.
    pub fn integers(seed: u64) -> Job {
        let numbers = if seed.is_multiple_of(2) { Numbers::Provable } else { Numbers::Extreme };
        let (program, inputs) = Recipe { seed, operations: 1 + seed as usize % 5, numbers }.program();
        let bytes = program.inputs.iter().zip(&inputs).map(|(input, tensor)| tensor.to_bytes(&input.bounds));
        let bytes = bytes.collect();
        Job::new(program, bytes)
    }

    /// A random f32 program.
    pub fn reals(seed: u64) -> Job {
        let (program, inputs) = RealRecipe { seed, operations: 1 + seed as usize % 4 }.program();
        Job::new(program, inputs.iter().map(|tensor| tensor.to_bytes()).collect())
    }

    pub fn operations(&self) -> usize {
        self.program.operations.len()
    }

    /// A run with one element or several of an operation changed, which those after have read or not.
    pub fn changed(&self, dice: &mut Dice) -> Run {
        let wrong: Vec<usize> =
            (0..dice.from(1..=2)).map(|_| dice.from(0..=self.operations() as i64 - 1) as usize).collect();
        let recomputed = dice.one_in(2);
        let mut tamper = |number: usize, bytes: &mut Vec<u8>| {
            for _ in wrong.iter().filter(|&&wrong| wrong == number) {
                for _ in 0..dice.of(&[1, 1, 1, 3]) {
                    let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
                    bytes[at] ^= 1 << dice.from(0..=7);
                }
            }
        };
        match recomputed {
            true => run(&self.program, &self.honest.inputs, tamper),
            false => {
                let mut changed = self.honest.clone();
                changed.wires.iter_mut().enumerate().for_each(|(number, bytes)| tamper(number, bytes));
                changed
            }
        }
    }

    /// A run with an operation computed by another rule: another index, coefficient or source.
    pub fn rewired(&self, dice: &mut Dice) -> Run {
        let wrong = dice.from(0..=self.operations() as i64 - 1) as usize;
        let mut own = Run { inputs: self.honest.inputs.clone(), wires: Vec::new() };
        for number in 0..self.operations() {
            let mut descriptor = self.program.descriptor(number).unwrap();
            if number == wrong {
                rewire(&mut descriptor, dice);
            }
            let bytes = wire(&self.program, &descriptor, &own);
            own.wires.push(bytes);
        }
        own
    }

    /// True where two runs have the same trace.
    pub fn is_honest(&self, other: &Run) -> bool {
        self.honest.wires == other.wires
    }
}

fn rewire(descriptor: &mut Descriptor, dice: &mut Dice) {
    let sources: Vec<Source> = descriptor.operands.iter().map(|operand| operand.source).collect();
    let real = descriptor.precision == Precision::F32;
    let operands = descriptor.operands.clone();
    let rank = |source: Source| operands.iter().find(|x| x.source == source).map(|x| x.shape.rank());
    let terms = descriptor.operation.sums.iter_mut().flat_map(|sum| &mut sum.terms);
    for term in terms {
        if !real && dice.one_in(3) {
            term.coefficient = term.coefficient.wrapping_add(1);
        }
        for access in &mut term.factors {
            let other = dice.of(&sources);
            if dice.one_in(2) && rank(other) == rank(access.source) {
                access.source = other;
            }
            for affine in &mut access.index {
                affine.constant += dice.of(&[-1, 0, 0, 0, 1]);
            }
        }
    }
}

/// A digest of nothing.
pub fn noise(dice: &mut Dice) -> Digest32 {
    std::array::from_fn(|_| dice.from(0..=255) as u8)
}
