//! Random programs: a pure function from a [`Recipe`] to a program that [`Program::check`] accepts, and inputs.
//!
//! A program is a chain of operations with fan-out. Each reads inputs, constants and earlier wires, through
//! plain, strided, dilated, padded, flipped, sliced, transposed, broadcast and diagonal accesses. Operations that
//! no other reads are outputs. Bounds of sums follow by interval arithmetic. Tensors have at most a few
//! hundred cells.
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn holds(recipe in recipes(Numbers::Provable)) {
//!         let (program, inputs) = recipe.program();
//!     }
//! }
//! ```
#![allow(dead_code)]

mod dice;
mod drafts;

use assay_circuits::expression::Expression;
use assay_circuits::plan::plan;
use assay_circuits::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use assay_circuits::shape::{Shape, log_size};
use assay_circuits::tensor::{Bounds, Tensor};
pub use dice::Dice;
use drafts::term;
use proptest::prelude::*;

/// Which numbers a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Those of quantised networks: wires of at most 10 bits, expressions that have a lowering.
    Provable,
    /// The ends of i8, i16, i32 and of 2^62, expressions of any form.
    Extreme,
}

/// What determines a program.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// All choices.
    pub seed: u64,
    /// At most so many operations.
    pub operations: usize,
    /// Which numbers.
    pub numbers: Numbers,
}

/// Recipes of 1 to 6 operations.
pub fn recipes(numbers: Numbers) -> impl Strategy<Value = Recipe> {
    (1usize..=6, any::<u64>()).prop_map(move |(operations, seed)| Recipe { seed, operations, numbers })
}

/// Most bits of a provable term's space: its loop axes, and one more axis for each index that is not plain.
const SPACE: usize = 22;
/// Most points of an operation's loop.
const LOOP: usize = 6000;

impl Recipe {
    /// The program and its inputs.
    pub fn program(&self) -> (Program, Vec<Tensor>) {
        let mut maker = Maker { dice: Dice(self.seed), numbers: self.numbers, program: empty() };
        for number in 0..maker.dice.from(1..=2) {
            maker.input(number as usize);
        }
        maker.program.committed_model = maker.dice.one_in(2);
        for _ in 0..self.operations {
            maker.operation();
        }
        while maker.program.operations.is_empty() {
            maker.operation();
        }
        if maker.dice.one_in(3) {
            maker.rank();
        }
        maker.outputs();
        let inputs = inputs(&maker.program, self.seed ^ 1);
        (maker.program, inputs)
    }
}

/// Inputs of a program, its bounds' ends among them.
pub fn inputs(program: &Program, seed: u64) -> Vec<Tensor> {
    let mut dice = Dice(seed);
    let tensor = |input: &Input| Tensor {
        shape: input.shape.clone(),
        values: dice.values(input.shape.cells(), input.bounds),
    };
    program.inputs.iter().map(tensor).collect()
}

/// A program of nothing.
pub fn empty() -> Program {
    Program {
        precision: Precision::Int8,
        committed_model: false,
        inputs: Vec::new(),
        constants: Vec::new(),
        operations: Vec::new(),
        outputs: Vec::new(),
        reshaped: Default::default(),
        accuracy: AccuracyReport::default(),
    }
}

fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).expect("small sizes")
}

/// An operation without its expression.
struct Draft {
    shape: Vec<usize>,
    reduce: Vec<usize>,
    sums: Vec<Vec<Term>>,
}

struct Maker {
    dice: Dice,
    numbers: Numbers,
    program: Program,
}

impl Maker {
    fn input(&mut self, number: usize) {
        let sizes = self.dice.sizes(1..=3, 150);
        let visibility = self.visibility();
        let bounds = match self.numbers {
            Numbers::Provable => self.dice.of(&[(-128, 127), (0, 255), (-8, 7), (-512, 511), (0, 1)]),
            Numbers::Extreme => {
                let start = self.dice.of(&[
                    -128,
                    -(1 << 15),
                    i64::from(i32::MIN),
                    (1 << 31) - 9,
                    1 << 61,
                    1 - (1 << 62),
                ]);
                (start, start + self.dice.of(&[0, 9, 255, 65535]))
            }
        };
        self.program.inputs.push(Input {
            name: format!("x{number}"),
            shape: shape(&sizes),
            bounds: Bounds { lo: bounds.0, hi: bounds.1 },
            scale: 1.0,
            visibility,
            image: None,
        });
    }

    fn constant(&mut self, sizes: &[usize]) -> Source {
        let (lo, hi) = match self.numbers {
            Numbers::Provable => self.dice.of(&[(-128, 127), (-128, 127), (-7, 7), (0, 1), (-700, 900)]),
            Numbers::Extreme => self.dice.of(&[
                (-128, 127),
                (-128, -128),
                (-32768, 32767),
                (-32768, -32768),
                (-40000, 3),
                (i32::MIN.into(), i32::MAX.into()),
                (-(1 << 50), 1 << 50),
                (0, 0),
            ]),
        };
        let values = self.dice.values(sizes.iter().product(), Bounds { lo, hi });
        self.program.constants.push(Constant::new(Tensor { shape: shape(sizes), values }));
        Source::Constant(self.program.constants.len() - 1)
    }

    fn visibility(&mut self) -> Visibility {
        if self.dice.one_in(2) { Visibility::Public } else { Visibility::Committed }
    }

    /// An input or a wire that is narrow enough to be read; the newest wires more often.
    fn tensor(&mut self) -> Source {
        let narrow = |source: &Source| {
            let (_, bounds) = self.program.source(*source).expect("it exists");
            self.numbers == Numbers::Extreme || bounds.count() <= 1 << 10
        };
        let inputs = (0..self.program.inputs.len()).map(Source::Input);
        let wires: Vec<Source> =
            (0..self.program.operations.len()).map(Source::Operation).filter(narrow).collect();
        match wires.last() {
            Some(&last) if self.dice.one_in(2) => last,
            _ => self.dice.of(&inputs.chain(wires).collect::<Vec<_>>()),
        }
    }

    fn any_source(&mut self) -> Source {
        if self.dice.one_in(3) {
            let sizes = self.dice.sizes(0..=3, 60);
            return self.constant(&sizes);
        }
        self.tensor()
    }

    fn sizes(&self, source: Source) -> Vec<usize> {
        self.program.source(source).expect("it exists").0.sizes().to_vec()
    }

    /// Adds an operation; drafts that break a rule, or have no lowering where one is wanted, are thrown away.
    fn operation(&mut self) {
        for _ in 0..40 {
            let constants = self.program.constants.len();
            let draft = match self.dice.from(0..=9) {
                0..=2 => self.convolution(),
                3 | 4 => self.linear(),
                5 => self.joined(),
                6 => self.maximum(),
                _ => self.arbitrary(),
            };
            if let Some(operation) = self.finish(draft) {
                self.program.operations.push(operation);
                return;
            }
            self.program.constants.truncate(constants);
        }
    }

    /// The interval of a term over its loop.
    fn reach(&self, operation: &Operation, term: &Term) -> Option<(i128, i128)> {
        let sizes = operation.loop_sizes();
        let mut interval = (1i128, 1i128);
        // Partial products stay below 2^62 even where a later factor is zero.
        let mut partial = 1i128;
        for access in &term.factors {
            let (shape, bounds) = self.program.source(access.source)?;
            let inside = access.index.iter().zip(shape.sizes()).all(|(affine, &size)| {
                let range = affine.range(&sizes);
                range.lo >= 0 && range.hi < size as i64
            });
            let bounds = if inside { bounds } else { bounds.with_zero() };
            let ends = [
                (interval.0, bounds.lo),
                (interval.0, bounds.hi),
                (interval.1, bounds.lo),
                (interval.1, bounds.hi),
            ];
            let ends = ends.map(|(a, b)| a.checked_mul(b.into()));
            let ends = ends.into_iter().collect::<Option<Vec<_>>>()?;
            interval = (*ends.iter().min()?, *ends.iter().max()?);
            partial = partial.checked_mul(bounds.magnitude().max(1).into()).filter(|&x| x < 1 << 62)?;
        }
        let cells: usize = operation.reduce_axes(term).iter().map(|&axis| sizes[axis]).product();
        let factor = i128::from(term.coefficient) * cells as i128;
        let (a, b) = (interval.0.checked_mul(factor)?, interval.1.checked_mul(factor)?);
        Some((a.min(b), a.max(b)))
    }

    /// True where a proof of the term stays small.
    fn is_small(&self, operation: &Operation, term: &Term) -> bool {
        let sizes = operation.loop_sizes();
        let reduced: usize = operation.reduce_axes(term).iter().map(|&axis| sizes[axis]).product();
        let bits: usize = sizes.iter().map(|&size| log_size(size)).sum();
        let indices =
            term.factors.iter().flat_map(|access| access.index.iter().zip(self.sizes(access.source)));
        let apart = indices.filter(|(affine, size)| {
            let range = affine.range(&sizes);
            affine.constant != 0 || affine.terms.len() > 1 || range.lo < 0 || range.hi >= *size as i64
        });
        let space = bits + apart.map(|(_, size)| log_size(size)).sum::<usize>();
        operation.shape.cells() * reduced <= LOOP && (self.numbers == Numbers::Extreme || space <= SPACE)
    }

    fn finish(&mut self, draft: Draft) -> Option<Operation> {
        let number = self.program.operations.len();
        let mut operation = Operation {
            name: format!("operation {number}"),
            class: if draft.reduce.is_empty() { Class::Map } else { Class::Fold },
            shape: Shape::new(draft.shape)?,
            reduce: draft.reduce,
            sums: Vec::new(),
            expression: Expression::Sum(0),
        };
        if operation.shape.cells() > 400 || operation.shape.rank() > 5 {
            return None;
        }
        for terms in draft.sums {
            let mut bounds = (0i128, 0i128);
            for term in &terms {
                let (lo, hi) = self.reach(&operation, term)?;
                bounds = (bounds.0 + lo, bounds.1 + hi);
                if !self.is_small(&operation, term) {
                    return None;
                }
            }
            let bounds = Bounds::new(i64::try_from(bounds.0).ok()?, i64::try_from(bounds.1).ok()?)?;
            operation.sums.push(Sum { terms, bounds });
        }
        operation.expression = match self.numbers {
            Numbers::Provable => self.provable(&mut operation.sums),
            Numbers::Extreme => self.tree(operation.sums.len(), 0),
        };
        self.admits(&operation).then_some(operation)
    }

    /// True where the program with the operation is valid, and has a plan where one is wanted.
    fn admits(&self, operation: &Operation) -> bool {
        let mut candidate = self.program.clone();
        candidate.operations.push(operation.clone());
        candidate.outputs = vec![Output {
            name: "y".into(),
            operation: self.program.operations.len(),
            scale: 1.0,
            visibility: Visibility::Public,
        }];
        let has_plan = || self.numbers == Numbers::Extreme || plan(&candidate).is_ok();
        candidate.check().is_ok() && has_plan()
    }

    /// An expression that has a lowering; sums that it does not read are dropped.
    fn provable(&mut self, sums: &mut Vec<Sum>) -> Expression {
        if sums.len() == 2 {
            let [a, b] = self.dice.of(&[[0, 1], [1, 0]]);
            return Expression::Max(Box::new(Expression::Sum(a)), Box::new(Expression::Sum(b)));
        }
        sums.truncate(1);
        let bounds = sums[0].bounds;
        let mut divisor = self.dice.of(&[1, 1, 2, 3, 16, 100, 257, 1000]);
        while bounds.magnitude() / divisor > 1 << 14 && divisor < 1 << 10 {
            divisor = (divisor * 2).min(1 << 10);
        }
        let quotient = Expression::quotient(divisor as u64);
        let of = Box::new(quotient.clone());
        let window = self.dice.of(&[(-128, 127), (0, 255), (0, 127), (-5, 90), (-500, 500)]);
        match self.dice.from(0..=5) {
            0 if bounds.count() <= 1 << 10 || self.dice.one_in(3) => Expression::Sum(0),
            1 => {
                let first = self.dice.from(-200..=3);
                let count = self.dice.from(1..=300) as usize;
                let values = self.dice.values(count, Bounds { lo: -128, hi: 127 });
                Expression::Table { first, values: values.iter().map(|&v| v as i32).collect(), of }
            }
            2 if quotient.bounds(&[bounds]).count() <= 1 << 10 => {
                Expression::Clamp { bounds: quotient.bounds(&[bounds]), of }
            }
            _ => Expression::Clamp { bounds: Bounds { lo: window.0, hi: window.1 }, of },
        }
    }

    /// Any tree.
    fn tree(&mut self, sums: usize, depth: usize) -> Expression {
        if depth > 3 {
            return Expression::Sum(self.dice.from(0..=sums as i64 - 1) as usize);
        }
        match self.dice.from(0..=5) {
            0 | 1 => self.tree(sums, 4),
            2 => {
                let divisor = self.dice.of(&[2, 3, 1000, 1 << 20, (1 << 31) - 1, 1 << 32]);
                Expression::Divide { divisor, of: Box::new(self.tree(sums, depth + 1)) }
            }
            3 => {
                let bounds = self.dice.of(&[(-128, 127), (i64::from(i32::MIN), i64::from(i32::MAX)), (5, 5)]);
                let bounds = Bounds { lo: bounds.0, hi: bounds.1 };
                Expression::Clamp { bounds, of: Box::new(self.tree(sums, depth + 1)) }
            }
            4 => {
                let (first, count) = (self.dice.from(-40..=40), self.dice.from(1..=90) as usize);
                let values = self.dice.values(count, Bounds { lo: i32::MIN.into(), hi: i32::MAX.into() });
                let values = values.iter().map(|&v| v as i32).collect();
                Expression::Table { first, values, of: Box::new(self.tree(sums, depth + 1)) }
            }
            _ => Expression::Max(Box::new(self.tree(sums, depth + 1)), Box::new(self.tree(sums, depth + 1))),
        }
    }

    /// The position of the first greatest element along an axis of a tensor.
    fn rank(&mut self) {
        let source = self.tensor();
        let sizes = self.sizes(source);
        if sizes.is_empty() {
            return;
        }
        let along = self.dice.from(0..=sizes.len() as i64 - 1) as usize;
        let rank = sizes.len() - 1;
        let axis = |place: usize| match place.cmp(&along) {
            std::cmp::Ordering::Less => place,
            std::cmp::Ordering::Equal => rank,
            std::cmp::Ordering::Greater => place - 1,
        };
        let mut index: Vec<Affine> = (0..sizes.len()).map(|place| Affine::axis(axis(place))).collect();
        if self.numbers == Numbers::Extreme && self.dice.one_in(3) {
            index[along] = Affine::new(sizes[along] as i64, &[(rank, -1)]);
        }
        let (_, bounds) = self.program.source(source).expect("it exists");
        let terms = vec![term(1, vec![Access { source, index }])];
        let mut shape_sizes = sizes.clone();
        shape_sizes.remove(along);
        let operation = Operation {
            name: "rank".into(),
            class: Class::Rank,
            shape: shape(&shape_sizes),
            reduce: vec![sizes[along]],
            sums: vec![Sum { terms, bounds: bounds.with_zero() }],
            expression: Expression::Sum(0),
        };
        if self.admits(&operation) {
            self.program.operations.push(operation);
        }
    }

    /// Every wire that no operation reads is an output, and sometimes another.
    fn outputs(&mut self) {
        let mut read = vec![false; self.program.operations.len()];
        let sums = self.program.operations.iter().flat_map(|operation| &operation.sums);
        for access in sums.flat_map(|sum| &sum.terms).flat_map(|term| &term.factors) {
            if let Source::Operation(i) = access.source {
                read[i] = true;
            }
        }
        for (operation, read) in read.into_iter().enumerate() {
            let is_rank = self.program.operations[operation].class == Class::Rank;
            let visibility = if is_rank { Visibility::Public } else { self.visibility() };
            if !read || self.dice.one_in(6) {
                let name = format!("y{operation}");
                self.program.outputs.push(Output { name, operation, scale: 1.0, visibility });
            }
        }
    }
}
