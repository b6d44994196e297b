//! Programs of forms that random ones do not have.

use super::common::programs::{Dice, empty};
use super::common::reals::RealMaker;
use super::world::Job;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Formula, Unary};
use assay_circuits::program::{
    Access, Affine, Class, Constant, Input, Operation, Output, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, REAL_BOUNDS, RealTensor, Tensor};

fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).unwrap()
}

fn input(name: &str, sizes: &[usize], bounds: Bounds) -> Input {
    let visibility = Visibility::Public;
    Input { name: name.to_string(), shape: shape(sizes), bounds, scale: 1.0, visibility, image: None }
}

fn with_output(mut program: Program) -> Program {
    let operation = program.operations.len() - 1;
    let visibility = Visibility::Public;
    program.outputs.push(Output { name: "y".to_string(), operation, scale: 1.0, visibility });
    program
}

fn bytes(dice: &mut Dice, count: usize) -> Vec<u8> {
    (0..count).map(|_| dice.from(-9..=9) as u8).collect()
}

/// `y[i] = clamp(sum over j, k of x[j + k] x[j + k + i] w[j + k])`, one cell a window: 64 * 1,100 windows.
pub fn three_factors() -> Job {
    let mut dice = Dice(3);
    let bounds = Bounds { lo: -128, hi: 127 };
    let index = |terms: &[(usize, i64)]| vec![Affine::new(0, terms)];
    let (x, w) = (Source::Input(0), Source::Constant(0));
    let factors = vec![
        Access { source: x, index: index(&[(1, 1), (2, 1)]) },
        Access { source: x, index: index(&[(0, 1), (1, 1), (2, 1)]) },
        Access { source: w, index: index(&[(1, 1), (2, 1)]) },
    ];
    let values = (0..1163).map(|_| dice.from(-128..=127)).collect();
    let sum =
        Sum { terms: vec![Term { coefficient: 1, factors }], bounds: Bounds { lo: -(1 << 40), hi: 1 << 40 } };
    let mut program = empty();
    program.inputs = vec![input("x", &[1170], bounds)];
    program.constants = vec![Constant::new(Tensor { shape: shape(&[1163]), values })];
    program.operations = vec![Operation {
        name: "three".to_string(),
        class: Class::Fold,
        shape: shape(&[3]),
        reduce: vec![64, 1100],
        sums: vec![sum],
        expression: Expression::requantise(1 << 20, bounds),
    }];
    Job::new(with_output(program), vec![bytes(&mut dice, 1170)])
}

/// `y[i] = tanh(sum over k of x[256 k] x[256 k + i])`: each cell in chunks of its own, one a window.
pub fn strided() -> Job {
    let mut dice = Dice(4);
    let x = Source::Input(0);
    let read = |terms: &[(usize, i64)]| Access { source: x, index: vec![Affine::new(0, terms)] };
    let bits: Vec<u32> = (0..300 * 256).map(|_| (dice.from(-9..=9) as f32 / 7.0).to_bits()).collect();
    let mut program = RealMaker::start();
    program.inputs = vec![input("x", &[300 * 256], REAL_BOUNDS)];
    let factors = vec![read(&[(1, 256)]), read(&[(0, 1), (1, 256)])];
    program.operations = vec![Operation {
        name: "strided".to_string(),
        class: Class::Fold,
        shape: shape(&[2]),
        reduce: vec![300],
        sums: vec![Sum { terms: vec![Term { coefficient: 1, factors }], bounds: REAL_BOUNDS }],
        expression: Expression::Formula(Formula::Sum(0).unary(Unary::Tanh)),
    }];
    let tensor = RealTensor { shape: shape(&[300 * 256]), bits };
    Job::new(with_output(program), vec![tensor.to_bytes()])
}

/// Two tensors of integers one after the other, as a move.
pub fn joined() -> Job {
    let mut dice = Dice(5);
    let bounds = Bounds { lo: -128, hi: 127 };
    let read = |number: usize, constant: i64| Term {
        coefficient: 1,
        factors: vec![Access {
            source: Source::Input(number),
            index: vec![Affine::new(constant, &[(0, 1)])],
        }],
    };
    let mut program = empty();
    program.inputs = vec![input("a", &[1500], bounds), input("b", &[900], bounds)];
    program.operations = vec![Operation {
        name: "joined".to_string(),
        class: Class::Move,
        shape: shape(&[2400]),
        reduce: vec![],
        sums: vec![Sum { terms: vec![read(0, 0), read(1, -1500)], bounds }],
        expression: Expression::Sum(0),
    }];
    Job::new(with_output(program), vec![bytes(&mut dice, 1500), bytes(&mut dice, 900)])
}
