//! Networks with pseudo-random weights: a LeNet, an MLP, and convolution stacks of a given number of cells.

use assay_circuits::expression::Expression;
use assay_circuits::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};

/// A linear congruential generator: the same numbers on every machine.
pub struct Random(pub u64);

impl Random {
    /// The next integer of `[lo, hi]`.
    pub fn between(&mut self, lo: i64, hi: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        lo + ((self.0 >> 33) as i64).rem_euclid(hi - lo + 1)
    }

    /// A tensor of integers of `[lo, hi]`.
    pub fn tensor(&mut self, sizes: &[usize], lo: i64, hi: i64) -> Tensor {
        let shape = shape(sizes);
        let values = (0..shape.cells()).map(|_| self.between(lo, hi)).collect();
        Tensor { shape, values }
    }
}

fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).expect("sizes of a bench fit")
}

/// A network under construction: each layer reads the wire of the one before.
pub struct Network {
    program: Program,
    random: Random,
    last: Source,
    sizes: Vec<usize>,
    bounds: Bounds,
}

const RELU: Bounds = Bounds { lo: 0, hi: 127 };

impl Network {
    /// A network that takes one image of u7 pixels.
    pub fn new(sizes: &[usize], seed: u64) -> Self {
        let bounds = RELU;
        let input = Input {
            name: "x".into(),
            shape: shape(sizes),
            bounds,
            scale: 1.0,
            visibility: Visibility::Public,
            image: None,
        };
        let program = Program {
            precision: Precision::Int8,
            committed_model: false,
            inputs: vec![input],
            constants: Vec::new(),
            operations: Vec::new(),
            outputs: Vec::new(),
            reshaped: Default::default(),
            accuracy: AccuracyReport::default(),
        };
        Network { program, random: Random(seed), last: Source::Input(0), sizes: sizes.to_vec(), bounds }
    }

    fn constant(&mut self, sizes: &[usize], magnitude: i64) -> Source {
        let tensor = self.random.tensor(sizes, -magnitude, magnitude);
        self.program.constants.push(Constant::new(tensor));
        Source::Constant(self.program.constants.len() - 1)
    }

    fn push(&mut self, operation: Operation) {
        self.sizes = operation.shape.sizes().to_vec();
        self.bounds = operation.bounds();
        self.program.operations.push(operation);
        self.last = Source::Operation(self.program.operations.len() - 1);
    }

    /// `out[o,..] = epilogue(sum over reduce of w[o, reduce] * x[..] + b[o])`.
    fn fold(&mut self, name: &str, sizes: &[usize], reduce: &[usize], x: Vec<Affine>, shift: Option<u32>) {
        let rank = sizes.len();
        let mut weight_sizes = vec![sizes[0]];
        weight_sizes.extend_from_slice(reduce);
        let weights = self.constant(&weight_sizes, 31);
        let bias = self.constant(&[sizes[0]], 200);
        let mut index = vec![Affine::axis(0)];
        index.extend((rank..rank + reduce.len()).map(Affine::axis));
        let product = Term {
            coefficient: 1,
            factors: vec![Access { source: weights, index }, Access { source: self.last, index: x }],
        };
        let bias =
            Term { coefficient: 1, factors: vec![Access { source: bias, index: vec![Affine::axis(0)] }] };
        let reach = reduce.iter().product::<usize>() as i64 * 31 * self.bounds.magnitude() + 200;
        let operation = Operation {
            name: name.into(),
            class: Class::Fold,
            shape: shape(sizes),
            reduce: reduce.to_vec(),
            sums: vec![Sum { terms: vec![product, bias], bounds: Bounds { lo: -reach, hi: reach } }],
            expression: shift.map_or(Expression::Sum(0), |s| Expression::requantise(1 << s, RELU)),
        };
        self.push(operation);
    }

    /// A convolution k x k with zero padding and ReLU.
    pub fn conv(mut self, filters: usize, k: usize, pad: usize, shift: u32) -> Self {
        let [channels, height, width] = self.sizes[..] else { panic!("a convolution takes an image") };
        let sizes = [filters, height + 2 * pad - k + 1, width + 2 * pad - k + 1];
        let spatial = |axis, tap| Affine::new(-(pad as i64), &[(axis, 1), (tap, 1)]);
        let x = vec![Affine::axis(3), spatial(1, 4), spatial(2, 5)];
        self.fold("conv", &sizes, &[channels, k, k], x, Some(shift));
        self
    }

    /// A 2 x 2 max-pool by pairs, along x, then along y.
    pub fn pool(mut self) -> Self {
        for axis in [2, 1] {
            let mut sizes = self.sizes.clone();
            sizes[axis] /= 2;
            let side = |i: i64| {
                let index =
                    (0..3).map(|a| if a == axis { Affine::new(i, &[(a, 2)]) } else { Affine::axis(a) });
                let factors = vec![Access { source: self.last, index: index.collect() }];
                Sum { terms: vec![Term { coefficient: 1, factors }], bounds: self.bounds }
            };
            let max = Expression::Max(Box::new(Expression::Sum(0)), Box::new(Expression::Sum(1)));
            let operation = Operation {
                name: "pool".into(),
                class: Class::Map,
                shape: shape(&sizes),
                reduce: Vec::new(),
                sums: vec![side(0), side(1)],
                expression: max,
            };
            self.push(operation);
        }
        self
    }

    /// A fully connected layer over everything before it; with a shift it rounds and has a ReLU.
    pub fn dense(mut self, outputs: usize, shift: Option<u32>) -> Self {
        let reduce = self.sizes.clone();
        let x = (1..=reduce.len()).map(Affine::axis).collect();
        self.fold("dense", &[outputs], &reduce, x, shift);
        self
    }

    /// The program, whose output is the last wire; and an input for it.
    pub fn finish(mut self) -> (Program, Vec<Tensor>) {
        let operation = self.program.operations.len() - 1;
        self.program.outputs =
            vec![Output { name: "y".into(), operation, scale: 1.0, visibility: Visibility::Public }];
        let sizes = self.program.inputs[0].shape.sizes().to_vec();
        let input = self.random.tensor(&sizes, 0, 127);
        (self.program, vec![input])
    }
}

/// LeNet-5 on a 28 x 28 image, as `mnist_lenet`.
pub fn lenet() -> (Program, Vec<Tensor>) {
    let network = Network::new(&[1, 28, 28], 1).conv(6, 5, 2, 9).pool().conv(16, 5, 0, 9).pool();
    network.dense(120, Some(10)).dense(84, Some(9)).dense(10, None).finish()
}

/// 28 x 28, two convolutions 3 x 3 of 32 and 64 channels, pooling, layers of 128 and 10.
pub fn convolutional() -> (Program, Vec<Tensor>) {
    let network = Network::new(&[1, 28, 28], 4).conv(32, 3, 0, 9).conv(64, 3, 0, 9).pool();
    network.dense(128, Some(9)).dense(10, None).finish()
}

/// 784-128-64-10, as `mnist_mlp`.
pub fn mlp() -> (Program, Vec<Tensor>) {
    Network::new(&[784], 2).dense(128, Some(9)).dense(64, Some(9)).dense(10, None).finish()
}

/// A stack of 3 x 3 convolutions over `channels` of `side` x `side`, `layers` deep: about
/// `2 * channels * side^2 * layers` committed cells.
pub fn stack(channels: usize, side: usize, layers: usize) -> (Program, Vec<Tensor>) {
    let network =
        (0..layers).fold(Network::new(&[channels, side, side], 3), |n, _| n.conv(channels, 3, 1, 9));
    network.dense(10, None).finish()
}

/// A name, and what makes a network of it.
pub type Named = (&'static str, fn() -> (Program, Vec<Tensor>));

/// The networks that phases are measured on.
pub const ALL: [Named; 5] = [
    ("mlp", mlp),
    ("lenet", lenet),
    ("convolutional", convolutional),
    ("stack 8 x 16^2 x 10", || stack(8, 16, 10)),
    ("stack 8 x 32^2 x 16", || stack(8, 32, 16)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_valid_and_have_the_work_that_their_names_say() {
        let networks = [(mlp(), 109_184), (lenet(), 416_520), (convolutional(), 11_992_448)];
        for ((program, _), products) in networks {
            program.check().unwrap();
            let folds = program.operations.iter().filter(|operation| operation.class == Class::Fold);
            let found: u64 = folds.map(|o| o.multiply_accumulates() - o.shape.cells() as u64).sum();
            assert_eq!(found, products);
        }
    }
}
