//! Random f32 programs: a pure function from a [`RealRecipe`] to a program that [`Program::check`] accepts, and inputs.
//!
//! A program is a chain of operations of all classes. Folds are products of matrices in any order of axes, in batches,
//! convolutions with strides, dilations, padding and groups, and reads through indices of any form; so are maxima,
//! ranks, maps and moves, which also concatenate and gather. Numbers are calm, or of every kind that binary32
//! has: NaNs with payloads, infinities, both zeros, subnormals, huge ones. A loop has a few thousand points.

use super::programs::{Dice, empty};
use assay_circuits::element::State;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{BINARY, Formula, UNARY};
use assay_circuits::program::{
    Access, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source, Sum, Term,
    Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{REAL_BOUNDS, RealTensor};
use proptest::prelude::*;

/// What determines a program.
#[derive(Clone, Copy, Debug)]
pub struct RealRecipe {
    /// All choices.
    pub seed: u64,
    /// So many operations.
    pub operations: usize,
}

/// Recipes of 1 to 4 operations.
pub fn real_recipes() -> impl Strategy<Value = RealRecipe> {
    (1usize..=4, any::<u64>()).prop_map(|(operations, seed)| RealRecipe { seed, operations })
}

/// Most points of an operation's loop.
const LOOP: usize = 6000;

/// Bits of numbers: mostly small ones, or of every kind.
pub fn reals(dice: &mut Dice, count: usize) -> Vec<u32> {
    let wild = dice.of(&[0, 0, 2, 10, 60]);
    let mut one = || {
        if dice.from(0..=99) < wild {
            return match dice.from(0..=9) {
                0 => 0,
                1 => 0x8000_0000,
                2 => 0x7f80_0000,
                3 => 0xff80_0000,
                4 => dice.from(0x7f80_0001..=0x7fff_ffff) as u32,
                5 => dice.from(0xff80_0001..=0xffff_ffff) as u32,
                6 => dice.from(1..=0x007f_ffff) as u32,
                7 => dice.from(0x8000_0001..=0x807f_ffff) as u32,
                8 => dice.from(0x7e00_0000..=0x7f7f_ffff) as u32,
                _ => dice.from(0..=0xffff_ffff) as u32,
            };
        }
        match dice.from(0..=3) {
            0 => (dice.from(-5..=5) as f32).to_bits(),
            _ => dice.from(0x3d00_0000..=0x4080_0000) as u32 | (dice.from(0..=1) as u32) << 31,
        }
    };
    (0..count).map(|_| one()).collect()
}

/// A state of a chain of windows: pairs of numbers, small integers, or any bits.
pub fn any_state(words: usize, dice: &mut Dice) -> State {
    let mut state = [0; 4];
    for word in state.iter_mut().take(words) {
        *word = match dice.from(0..=3) {
            0 => dice.from(0..=u32::MAX.into()) as u64,
            1 => u64::from(reals(dice, 1)[0]) << 32 | u64::from(reals(dice, 1)[0]),
            2 => dice.from(-300..=300) as u64,
            _ => (dice.from(0..=i64::MAX) as u64) << 1 | dice.from(0..=1) as u64,
        };
    }
    state
}

/// A tensor of such numbers.
pub fn real_tensor(dice: &mut Dice, sizes: &[usize]) -> RealTensor {
    let shape = Shape::new(sizes.to_vec()).expect("small sizes");
    let bits = reals(dice, shape.cells());
    RealTensor { shape, bits }
}

impl RealRecipe {
    /// The program and its inputs.
    pub fn program(&self) -> (Program, Vec<RealTensor>) {
        let mut maker = RealMaker { dice: Dice(self.seed), program: RealMaker::start(), inputs: Vec::new() };
        maker.source(&[7, 5]);
        for _ in 0..self.operations {
            match maker.dice.from(0..=9) {
                0..=2 => maker.matrices(),
                3 | 4 => maker.convolution(),
                5 => maker.fold_of_any_form(),
                6 => maker.greatest(),
                7 | 8 => maker.movement(),
                _ => maker.map(),
            }
        }
        maker.finish()
    }
}

/// Makes a program of single operations.
pub struct RealMaker {
    /// The choices.
    pub dice: Dice,
    /// The program so far.
    pub program: Program,
    /// Its inputs so far.
    pub inputs: Vec<RealTensor>,
}

/// A sum of one product.
pub fn sum(factors: Vec<Access>) -> Sum {
    Sum { terms: vec![Term { coefficient: 1, factors }], bounds: REAL_BOUNDS }
}

impl RealMaker {
    /// A program of nothing.
    pub fn start() -> Program {
        Program { precision: Precision::F32, ..empty() }
    }

    /// Every operation that no other reads, and some others, are outputs.
    pub fn finish(mut self) -> (Program, Vec<RealTensor>) {
        let operations = &self.program.operations;
        let is_read = |number: usize| {
            let terms = operations.iter().flat_map(|op| &op.sums).flat_map(|sum| &sum.terms);
            terms.flat_map(|term| &term.factors).any(|access| access.source == Source::Operation(number))
        };
        for number in 0..operations.len() {
            if !is_read(number) || self.dice.one_in(3) {
                let name = format!("y{number}");
                let visibility = Visibility::Public;
                self.program.outputs.push(Output { name, operation: number, scale: 1.0, visibility });
            }
        }
        (self.program, self.inputs)
    }

    /// A new input or constant.
    pub fn source(&mut self, sizes: &[usize]) -> Source {
        let tensor = real_tensor(&mut self.dice, sizes);
        if self.inputs.is_empty() || self.dice.one_in(2) {
            let name = format!("x{}", self.inputs.len());
            let (shape, visibility) = (tensor.shape.clone(), Visibility::Public);
            let input = Input { name, shape, bounds: REAL_BOUNDS, scale: 1.0, visibility, image: None };
            self.program.inputs.push(input);
            self.inputs.push(tensor);
            return Source::Input(self.inputs.len() - 1);
        }
        self.program.constants.push(Constant::real(tensor));
        Source::Constant(self.program.constants.len() - 1)
    }

    /// Adds an operation.
    pub fn push(
        &mut self,
        class: Class,
        shape: &[usize],
        reduce: &[usize],
        sums: Vec<Sum>,
        formula: Formula,
    ) {
        let operation = Operation {
            name: format!("{class:?} {}", self.program.operations.len()),
            class,
            shape: Shape::new(shape.to_vec()).expect("small sizes"),
            reduce: reduce.to_vec(),
            sums,
            expression: Expression::Formula(formula),
        };
        self.program.operations.push(operation);
    }

    /// Any tensor, wires more often.
    fn any_source(&mut self) -> Source {
        let mut all: Vec<Source> = (0..self.program.inputs.len()).map(Source::Input).collect();
        all.extend((0..self.program.constants.len()).map(Source::Constant));
        for number in 0..self.program.operations.len() {
            all.extend([Source::Operation(number); 3]);
        }
        self.dice.of(&all)
    }

    /// A tensor of its own whose axes are loop axes, in any order.
    pub fn along(&mut self, axes: &[usize], sizes: &[usize]) -> Access {
        let mut axes = axes.to_vec();
        for place in (1..axes.len()).rev() {
            let other = self.dice.from(0..=place as i64) as usize;
            axes.swap(place, other);
        }
        let own: Vec<usize> = axes.iter().map(|&axis| sizes[axis]).collect();
        let source = self.source(&own);
        Access { source, index: axes.into_iter().map(Affine::axis).collect() }
    }

    /// Any tensor through indices of any form.
    fn any_access(&mut self, sizes: &[usize]) -> Access {
        let source = self.any_source();
        let tensor = self.program.shape(source).expect("it exists").sizes().to_vec();
        let mut index = Vec::new();
        for &size in &tensor {
            let count = if sizes.is_empty() { 0 } else { self.dice.of(&[0, 1, 1, 1, 1, 2]) };
            let mut terms = Vec::new();
            for _ in 0..count {
                let axis = self.dice.from(0..=sizes.len() as i64 - 1) as usize;
                terms.push((axis, self.dice.of(&[1, 1, 1, 1, 2, -1, -1, -2, 3])));
            }
            let plain = Affine::new(0, &terms);
            let range = plain.range(sizes);
            // Around the tensor, mostly at one of its ends.
            let (first, last) = (-range.lo, size as i64 - 1 - range.hi);
            let constant = match self.dice.from(0..=5) {
                0 | 1 => first,
                2 => last,
                3 => first - 1,
                4 => last + 1,
                _ => self.dice.from(first.min(last) - 1..=first.max(last) + 1),
            };
            index.push(Affine { constant, ..plain });
        }
        Access { source, index }
    }

    fn outer_sums(&mut self, shape: &[usize], folded: usize) -> (Vec<Sum>, Formula) {
        let count = self.dice.of(&[0, 0, 1, 1, 2, 4]).max(1 - folded as i64) as usize;
        let sums: Vec<Sum> = (0..count).map(|_| sum(vec![self.any_access(shape)])).collect();
        let formula = match folded + count {
            1 if self.dice.one_in(2) => Formula::Sum(0),
            all => self.formula(all, 4),
        };
        (sums, formula)
    }

    /// Any formula of so many sums.
    pub fn formula(&mut self, sums: usize, depth: usize) -> Formula {
        let choice = if depth == 0 { self.dice.from(0..=3) } else { self.dice.from(0..=9) };
        let below = |maker: &mut Self| Box::new(maker.formula(sums, depth - 1));
        match choice {
            0..=2 => Formula::Sum(self.dice.from(0..=sums as i64 - 1) as usize),
            3 => {
                let bits = reals(&mut self.dice, 1)[0];
                Formula::Constant(if f32::from_bits(bits).is_nan() { 0x7fc0_0000 } else { bits })
            }
            4 | 5 => Formula::Unary(self.dice.of(&UNARY), below(self)),
            6 | 7 => Formula::Binary(self.dice.of(&BINARY), below(self), below(self)),
            8 => Formula::Fma(below(self), below(self), below(self)),
            _ => Formula::Select(below(self), below(self), below(self)),
        }
    }

    /// Batches of products of matrices, whose output axes have any order.
    fn matrices(&mut self) {
        // Batch, row, column, then the reduce axes.
        let sizes = loop {
            let sizes = [
                self.dice.of(&[1, 1, 1, 2, 3, 20]),
                self.dice.of(&[1, 2, 3, 4, 5, 7, 15, 17]),
                self.dice.of(&[1, 2, 3, 7, 16, 17, 33, 40, 70]),
                self.dice.of(&[1, 1, 2, 3]),
                self.dice.of(&[1, 2, 5, 9, 63, 64, 65, 70, 130, 520, 600]),
            ];
            if sizes.iter().product::<usize>() <= LOOP {
                break sizes;
            }
        };
        let order = self.dice.of(&[[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]);
        let place = |axis: usize| order.iter().position(|&other| other == axis).unwrap_or(axis);
        let loops: Vec<usize> = order.iter().map(|&axis| sizes[axis]).chain([sizes[3], sizes[4]]).collect();
        let left = self.along(&[place(0), place(1), 3, 4], &loops);
        let with_batch = self.dice.one_in(2);
        let right = match with_batch {
            true => self.along(&[place(0), place(2), 3, 4], &loops),
            false => self.along(&[place(2), 3, 4], &loops),
        };
        let factors = if self.dice.one_in(2) { vec![left, right] } else { vec![right, left] };
        let (more, formula) = self.outer_sums(&loops[..3], 1);
        let sums = [vec![sum(factors)], more].concat();
        self.push(Class::Fold, &loops[..3], &loops[3..], sums, formula);
    }

    /// A convolution in groups; also as its gradient by the weights.
    fn convolution(&mut self) {
        let (images, groups) = (self.dice.of(&[1, 2]), self.dice.of(&[1, 1, 2, 5]));
        let (channels, filters) = (self.dice.of(&[1, 2, 3]), self.dice.of(&[1, 2, 4]));
        let (height, width) = (self.dice.of(&[1, 3, 6]), self.dice.of(&[4, 5, 9, 13]));
        let (stride, dilation, padding) =
            (self.dice.of(&[1, 1, 2]), self.dice.of(&[1, 1, 2]), self.dice.of(&[0, 1, 2]));
        let kernel = self.dice.of(&[1usize, 3]);
        let out = |size: usize| (size + 2 * padding).saturating_sub(dilation * (kernel - 1) + 1) / stride + 1;
        let (rows, columns) = (out(height), out(width));
        // Image, group, filter, row, column; channel, kernel row, kernel column.
        let loops = [images, groups, filters, rows, columns, channels, kernel, kernel];
        let picture = self.source(&[images, groups * channels, height, width]);
        let along = |at: usize, k: usize| {
            Affine::new(-(padding as i64), &[(at, stride as i64), (k, dilation as i64)])
        };
        let channel =
            |group: usize, own: usize, count: usize| Affine::new(0, &[(group, count as i64), (own, 1)]);
        let gradient = self.dice.one_in(3);
        if gradient {
            // By the weights: group, filter, channel, kernel row, kernel column; image, row, column.
            let loops = [groups, filters, channels, kernel, kernel, images, rows, columns];
            let index = vec![Affine::axis(5), channel(0, 2, channels), along(6, 3), along(7, 4)];
            let change = self.source(&[images, groups * filters, rows, columns]);
            let change = Access {
                source: change,
                index: vec![Affine::axis(5), channel(0, 1, filters), Affine::axis(6), Affine::axis(7)],
            };
            let factors = vec![Access { source: picture, index }, change];
            return self.push(Class::Fold, &loops[..5], &loops[5..], vec![sum(factors)], Formula::Sum(0));
        }
        let index = vec![Affine::axis(0), channel(1, 5, channels), along(3, 6), along(4, 7)];
        let weights = self.source(&[groups, filters, channels, kernel, kernel]);
        let weights = Access { source: weights, index: [1, 2, 5, 6, 7].map(Affine::axis).to_vec() };
        let (more, formula) = self.outer_sums(&loops[..5], 1);
        let sums = [vec![sum(vec![Access { source: picture, index }, weights])], more].concat();
        self.push(Class::Fold, &loops[..5], &loops[5..], sums, formula);
    }

    fn loops(&mut self) -> (Vec<usize>, Vec<usize>) {
        let shape = self.dice.sizes(0..=4, 200);
        let room = LOOP / shape.iter().product::<usize>();
        let mut reduce = self.dice.sizes(1..=3, room.min(90));
        if self.dice.one_in(6) {
            reduce = vec![self.dice.of(&[64, 65, 129, 200]).min(room)];
        }
        if self.dice.one_in(6) {
            // Few outputs of long sums.
            let shape = self.dice.of(&[vec![], vec![1], vec![2, 2], vec![5]]);
            return (shape, self.dice.of(&[vec![256], vec![300], vec![9, 50], vec![7, 11, 8], vec![1000]]));
        }
        (shape, reduce)
    }

    fn fold_of_any_form(&mut self) {
        let (shape, reduce) = self.loops();
        let loops = [shape.clone(), reduce.clone()].concat();
        let count = self.dice.from(1..=2);
        let factors = (0..count).map(|_| self.any_access(&loops)).collect();
        let (more, formula) = self.outer_sums(&shape, 1);
        let sums = [vec![sum(factors)], more].concat();
        self.push(Class::Fold, &shape, &reduce, sums, formula);
    }

    fn greatest(&mut self) {
        let (shape, reduce) = self.loops();
        let loops = [shape.clone(), reduce.clone()].concat();
        let first = sum(vec![self.any_access(&loops)]);
        if self.dice.one_in(2) {
            return self.push(Class::Rank, &shape, &reduce, vec![first], Formula::Sum(0));
        }
        let (more, formula) = self.outer_sums(&shape, 1);
        self.push(Class::Maximum, &shape, &reduce, [vec![first], more].concat(), formula);
    }

    fn map(&mut self) {
        let shape = self.dice.sizes(0..=4, 700);
        let (sums, formula) = self.outer_sums(&shape, 0);
        self.push(Class::Map, &shape, &[], sums, formula);
    }

    fn movement(&mut self) {
        let shape = self.dice.sizes(0..=4, 600);
        let count = self.dice.of(&[1, 1, 2, 3, 7]);
        let mut terms = Vec::new();
        for _ in 0..count {
            let data = self.any_access(&shape);
            let gathers = !data.index.is_empty() && self.dice.one_in(2);
            let mut term = Term { coefficient: 1, factors: vec![data] };
            if gathers {
                term.coefficient = self.dice.from(0..=term.factors[0].index.len() as i64 - 1);
                let axes: Vec<usize> = (0..shape.len()).filter(|_| self.dice.one_in(2)).collect();
                let index = match self.dice.one_in(3) {
                    true => self.any_access(&shape),
                    false => self.positions(&axes, &shape),
                };
                term.factors.push(index);
            }
            terms.push(term);
        }
        let sums = vec![Sum { terms, bounds: REAL_BOUNDS }];
        self.push(Class::Move, &shape, &[], sums, Formula::Sum(0));
    }

    /// A tensor of small numbers, some of them not whole.
    fn positions(&mut self, axes: &[usize], sizes: &[usize]) -> Access {
        let access = self.along(axes, sizes);
        let mut bits = |bits: &mut Vec<u32>| {
            for bits in bits.iter_mut() {
                if !self.dice.one_in(8) {
                    *bits = (self.dice.from(-4..=24) as f32 / 2.0).to_bits();
                }
            }
        };
        match access.source {
            Source::Input(i) => bits(&mut self.inputs[i].bits),
            Source::Constant(i) => {
                let constant = &mut self.program.constants[i];
                let mut own = constant.bits.take().unwrap_or_default();
                bits(&mut own);
                *constant = Constant::real(RealTensor { shape: constant.shape.clone(), bits: own });
            }
            Source::Operation(_) => {}
        }
        access
    }
}
