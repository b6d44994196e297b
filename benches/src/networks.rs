//! Networks of known shapes, with weights that are not trained: their cost is that of trained ones.

use assay_circuits::expression::Expression;
use assay_circuits::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};

/// 28 x 28, two convolutions 5 x 5 of 6 and 16 channels with pooling, layers of 120, 84 and 10: LeNet-5.
pub fn lenet() -> Program {
    let mut network = Network::new(&[1, 28, 28]);
    network.convolution(6, 5, 2);
    network.pool();
    network.convolution(16, 5, 0);
    network.pool();
    network.linear(120, true);
    network.linear(84, true);
    network.linear(10, false);
    network.finish()
}

/// 28 x 28, two convolutions 3 x 3 of 32 and 64 channels, pooling, layers of 128 and 10.
pub fn convolutional() -> Program {
    let mut network = Network::new(&[1, 28, 28]);
    network.convolution(32, 3, 0);
    network.convolution(64, 3, 0);
    network.pool();
    network.linear(128, true);
    network.linear(10, false);
    network.finish()
}

/// An input of a program, all of it determined by `seed`.
pub fn input(program: &Program, seed: u64) -> Vec<Tensor> {
    let tensor = |input: &Input| Tensor {
        shape: input.shape.clone(),
        values: noise(input.shape.cells(), input.bounds, seed),
    };
    program.inputs.iter().map(tensor).collect()
}

fn noise(count: usize, bounds: Bounds, seed: u64) -> Vec<i64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bounds.lo + ((state >> 33) % bounds.count()) as i64
    };
    (0..count).map(|_| next()).collect()
}

fn plain(source: Source, axes: impl IntoIterator<Item = usize>) -> Access {
    Access { source, index: axes.into_iter().map(Affine::axis).collect() }
}

struct Network {
    program: Program,
    /// The last layer's tensor.
    last: Source,
}

impl Network {
    fn new(sizes: &[usize]) -> Self {
        let input = Input {
            name: "image".into(),
            shape: shape(sizes),
            bounds: Bounds { lo: -128, hi: 127 },
            scale: 1.0 / 128.0,
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
            accuracy: AccuracyReport::default(),
        };
        Network { program, last: Source::Input(0) }
    }

    fn sizes(&self) -> Vec<usize> {
        self.program.source(self.last).map_or_else(Vec::new, |(shape, _)| shape.sizes().to_vec())
    }

    fn constant(&mut self, sizes: &[usize], reach: i64) -> Source {
        let bounds = Bounds { lo: -reach, hi: reach };
        let values = noise(sizes.iter().product(), bounds, self.program.constants.len() as u64);
        self.program.constants.push(Constant::new(Tensor { shape: shape(sizes), values }));
        Source::Constant(self.program.constants.len() - 1)
    }

    /// A weighted sum of `count` products and a bias of the first output axis.
    fn layer(&mut self, out: &[usize], reduce: &[usize], weights: Access, read: Access, clamps: bool) {
        let count: usize = reduce.iter().product();
        let bias = self.constant(&out[..1], 1000);
        let product = Term { coefficient: 1, factors: vec![weights, read] };
        let bias = Term { coefficient: 1, factors: vec![plain(bias, [0])] };
        let reach = 127 * 128 * count as i64 + 1000;
        let divisor = 73.0 * (count as f64).sqrt();
        self.push(Operation {
            name: format!("layer {}", self.program.operations.len()),
            class: Class::Fold,
            shape: shape(out),
            reduce: reduce.to_vec(),
            sums: vec![Sum { terms: vec![product, bias], bounds: Bounds { lo: -reach, hi: reach } }],
            expression: match clamps {
                true => Expression::requantise(divisor as u64, Bounds { lo: 0, hi: 127 }),
                false => Expression::Sum(0),
            },
        });
    }

    fn convolution(&mut self, channels: usize, width: usize, pad: usize) {
        let sizes = self.sizes();
        let side = |axis: usize| sizes[axis] + 2 * pad + 1 - width;
        let weights = self.constant(&[channels, sizes[0], width, width], 127);
        let place = |axis: usize| Affine::new(-(pad as i64), &[(axis, 1), (axis + 3, 1)]);
        let read = Access { source: self.last, index: vec![Affine::axis(3), place(1), place(2)] };
        let weights = plain(weights, [0, 3, 4, 5]);
        self.layer(&[channels, side(1), side(2)], &[sizes[0], width, width], weights, read, true);
    }

    fn linear(&mut self, made: usize, clamps: bool) {
        let sizes = self.sizes();
        let weights = self.constant(&[&[made], sizes.as_slice()].concat(), 127);
        let weights = plain(weights, 0..=sizes.len());
        let read = plain(self.last, 1..=sizes.len());
        self.layer(&[made], &sizes, weights, read, clamps);
    }

    /// The maximum of 2 x 2 places, one axis after the other.
    fn pool(&mut self) {
        for axis in [1, 2] {
            let mut sizes = self.sizes();
            sizes[axis] /= 2;
            let read = |offset: i64| {
                let index = (0..3).map(|at| match at == axis {
                    true => Affine::new(offset, &[(at, 2)]),
                    false => Affine::axis(at),
                });
                Term { coefficient: 1, factors: vec![Access { source: self.last, index: index.collect() }] }
            };
            let sum = |offset| Sum { terms: vec![read(offset)], bounds: Bounds { lo: 0, hi: 127 } };
            let sums = vec![sum(0), sum(1)];
            self.push(Operation {
                name: format!("pool {}", self.program.operations.len()),
                class: Class::Map,
                shape: shape(&sizes),
                reduce: Vec::new(),
                sums,
                expression: Expression::Max(Box::new(Expression::Sum(0)), Box::new(Expression::Sum(1))),
            });
        }
    }

    fn push(&mut self, operation: Operation) {
        self.last = Source::Operation(self.program.operations.len());
        self.program.operations.push(operation);
    }

    fn finish(mut self) -> Program {
        self.program.outputs.push(Output {
            name: "scores".into(),
            operation: self.program.operations.len() - 1,
            scale: 1.0,
            visibility: Visibility::Public,
        });
        self.program
    }
}

fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).expect("a network's sizes are small")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_valid_and_have_the_work_that_their_names_say() {
        for (program, products) in [(lenet(), 416_520), (convolutional(), 11_992_448)] {
            program.check().unwrap();
            let found: u64 = program
                .operations
                .iter()
                .filter(|operation| operation.class == Class::Fold)
                .map(|operation| operation.multiply_accumulates() - operation.shape.cells() as u64)
                .sum();
            assert_eq!(found, products);
        }
    }
}
