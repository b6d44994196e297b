//! Small programs by hand that have every form of the lowering, in every mode.

use assay_circuits::expression::Expression;
use assay_circuits::program::{
    Access, Affine, Class, Constant, Input, Operation, Output, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};

use super::programs::{Dice, empty};

/// The model public or committed, and inputs and outputs public or committed.
pub const MODES: [(bool, Visibility); 4] = [
    (false, Visibility::Public),
    (false, Visibility::Committed),
    (true, Visibility::Public),
    (true, Visibility::Committed),
];

/// A program that grows by one part at a time; bounds of sums follow from those of operands.
pub struct Builder(pub Program);

pub fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).unwrap()
}

pub fn axis(axis: usize) -> Affine {
    Affine::axis(axis)
}

pub fn affine(constant: i64, terms: &[(usize, i64)]) -> Affine {
    Affine::new(constant, terms)
}

pub fn read(source: Source, index: &[Affine]) -> Access {
    Access { source, index: index.to_vec() }
}

/// A tensor read at the output's own axes.
pub fn whole(source: Source, rank: usize) -> Access {
    read(source, &(0..rank).map(axis).collect::<Vec<_>>())
}

pub fn term(coefficient: i64, factors: &[Access]) -> Term {
    Term { coefficient, factors: factors.to_vec() }
}

pub fn max(a: usize, b: usize) -> Expression {
    Expression::Max(Box::new(Expression::Sum(a)), Box::new(Expression::Sum(b)))
}

impl Builder {
    pub fn new(committed_model: bool) -> Self {
        Builder(Program { committed_model, ..empty() })
    }

    pub fn input(&mut self, sizes: &[usize], bounds: (i64, i64), visibility: Visibility) -> Source {
        let number = self.0.inputs.len();
        self.0.inputs.push(Input {
            name: format!("x{number}"),
            shape: shape(sizes),
            bounds: Bounds { lo: bounds.0, hi: bounds.1 },
            scale: 1.0,
            visibility,
            image: None,
        });
        Source::Input(number)
    }

    pub fn constant(&mut self, sizes: &[usize], bounds: (i64, i64)) -> Source {
        let number = self.0.constants.len();
        let bounds = Bounds { lo: bounds.0, hi: bounds.1 };
        let values = Dice(number as u64 + 77).values(shape(sizes).cells(), bounds);
        let mut constant = Constant::new(Tensor::new(shape(sizes), values).unwrap());
        let tensor = Tensor { shape: shape(sizes), values: constant.values.clone().unwrap() };
        (constant.bounds, constant.digest) = (bounds, tensor.digest(&bounds));
        self.0.constants.push(constant);
        Source::Constant(number)
    }

    /// An operation whose sums are bounded by the magnitudes of their operands.
    pub fn operation(
        &mut self,
        sizes: &[usize],
        reduce: &[usize],
        sums: Vec<Vec<Term>>,
        expression: Expression,
    ) -> Source {
        let number = self.0.operations.len();
        let mut operation = Operation {
            name: format!("operation {number}"),
            class: if reduce.is_empty() { Class::Map } else { Class::Fold },
            shape: shape(sizes),
            reduce: reduce.to_vec(),
            sums: Vec::new(),
            expression,
        };
        for terms in sums {
            let loops = operation.loop_sizes();
            let reach = |term: &Term| {
                let magnitudes = term.factors.iter().map(|f| self.0.source(f.source).unwrap().1.magnitude());
                let cells: usize = operation.reduce_axes(term).iter().map(|&axis| loops[axis]).product();
                term.coefficient.abs() * magnitudes.product::<i64>() * cells as i64
            };
            let magnitude: i64 = terms.iter().map(reach).sum();
            operation.sums.push(Sum { terms, bounds: Bounds { lo: -magnitude, hi: magnitude } });
        }
        self.0.operations.push(operation);
        Source::Operation(number)
    }

    pub fn rank(&mut self, sizes: &[usize], along: usize, access: Access) -> Source {
        let terms = vec![term(1, &[access])];
        let source = self.operation(sizes, &[along], vec![terms], Expression::Sum(0));
        self.0.operations.last_mut().unwrap().class = Class::Rank;
        source
    }

    pub fn output(&mut self, source: Source, visibility: Visibility) {
        let Source::Operation(operation) = source else { panic!("an output is a wire") };
        let name = format!("y{}", self.0.outputs.len());
        self.0.outputs.push(Output { name, operation, scale: 1.0, visibility });
    }

    pub fn finish(self) -> Program {
        self.0.check().unwrap();
        self.0
    }
}

const RELU: Bounds = Bounds { lo: 0, hi: 127 };
const BYTE: Bounds = Bounds { lo: -128, hi: 127 };

/// Convolution with padding and bias, requantised; a pool along x; a product of wires, transposed; a wide fully
/// connected output; the position of its greatest element. One input is read by nobody.
pub fn convolution(committed_model: bool, visibility: Visibility) -> Program {
    let mut b = Builder::new(committed_model);
    let x = b.input(&[2, 5, 6], (-128, 127), visibility);
    b.input(&[3], (-5, 5), visibility);
    let w = b.constant(&[3, 2, 3, 3], (-127, 127));
    let bias = b.constant(&[3], (-3000, 3000));
    let padded = read(x, &[axis(3), affine(-1, &[(1, 1), (4, 1)]), affine(-1, &[(2, 1), (5, 1)])]);
    let weights = read(w, &[axis(0), axis(3), axis(4), axis(5)]);
    let conv = vec![term(1, &[weights, padded]), term(1, &[read(bias, &[axis(0)])])];
    let a = b.operation(&[3, 5, 6], &[2, 3, 3], vec![conv], Expression::requantise(512, RELU));
    let along = |i| vec![term(1, &[read(a, &[axis(0), axis(1), affine(i, &[(2, 2)])])])];
    let pooled = b.operation(&[3, 5, 3], &[], vec![along(0), along(1)], max(0, 1));
    let product = vec![term(
        1,
        &[read(pooled, &[axis(0), axis(1), axis(2)]), read(pooled, &[axis(2), axis(1), axis(0)])],
    )];
    let square = b.operation(&[3, 5, 3], &[], vec![product], Expression::requantise(128, BYTE));
    let v = b.constant(&[5, 3, 5, 3], (-127, 127));
    let gemm = vec![term(
        1,
        &[read(v, &[axis(0), axis(1), axis(2), axis(3)]), read(square, &[axis(1), axis(2), axis(3)])],
    )];
    let y = b.operation(&[5], &[3, 5, 3], vec![gemm], Expression::Sum(0));
    let position = b.rank(&[3, 5], 3, read(square, &[axis(0), axis(1), axis(2)]));
    b.output(y, visibility);
    b.output(position, Visibility::Public);
    b.finish()
}

/// Every form of rounding on vectors of five: a wire that is a sum, a quotient that never leaves its clamp, a
/// clamp, a table, a maximum, with fan-out.
pub fn forms(committed_model: bool, visibility: Visibility) -> Program {
    let mut b = Builder::new(committed_model);
    let x = b.input(&[5], (-128, 127), visibility);
    let w = b.constant(&[5], (-700, 900));
    let at = |source| whole(source, 1);
    let tripled = b.operation(&[5], &[], vec![vec![term(3, &[at(x)]), term(-7, &[])]], Expression::Sum(0));
    let quarter =
        b.operation(&[5], &[], vec![vec![term(1, &[at(tripled)])]], Expression::requantise(4, BYTE));
    let square = vec![term(1, &[at(tripled), at(tripled)]), term(1, &[at(w)])];
    let clamped = b.operation(&[5], &[], vec![square], Expression::requantise(16, RELU));
    let table = Expression::Table {
        first: -20,
        values: (0..41).map(|i| (i - 20) * (i - 20) / 4 - 50).collect(),
        of: Box::new(Expression::quotient(3)),
    };
    let tabled = b.operation(&[5], &[], vec![vec![term(1, &[at(quarter)])]], table);
    let flipped = vec![term(1, &[read(tabled, &[affine(4, &[(0, -1)])])])];
    let larger = b.operation(&[5], &[], vec![vec![term(1, &[at(clamped)])], flipped], max(0, 1));
    let sum = vec![
        term(1, &[read(w, &[axis(1)]), read(larger, &[axis(1)])]),
        term(2, &[read(tabled, &[axis(0)])]),
        term(1, &[read(tripled, &[axis(0)])]),
    ];
    let y = b.operation(&[5], &[5], vec![sum], Expression::Sum(0));
    b.output(y, visibility);
    b.output(clamped, visibility);
    b.finish()
}

/// Attention-like products of wires with 5 keys and 3 features: no factor but the wires has the summed axis.
pub fn attention(committed_model: bool, visibility: Visibility) -> Program {
    let mut b = Builder::new(committed_model);
    let x = b.input(&[5, 3], (-128, 127), visibility);
    let w = b.constant(&[3, 3], (-127, 127));
    let project = vec![term(1, &[read(x, &[axis(0), axis(2)]), read(w, &[axis(1), axis(2)])])];
    let q = b.operation(&[5, 3], &[3], vec![project], Expression::requantise(300, BYTE));
    let scores = vec![term(1, &[read(q, &[axis(0), axis(2)]), read(x, &[axis(1), axis(2)])])];
    let p = b.operation(&[5, 5], &[3], vec![scores], Expression::requantise(64, RELU));
    let values = vec![term(1, &[read(p, &[axis(0), axis(2)]), read(q, &[axis(2), axis(1)])])];
    let o = b.operation(&[5, 3], &[5], vec![values], Expression::requantise(128, BYTE));
    let strided = vec![term(1, &[read(o, &[affine(0, &[(0, 2)]), affine(2, &[(1, -1)])])])];
    let y = b.operation(&[4, 3], &[], vec![strided], Expression::Sum(0));
    b.output(y, visibility);
    b.finish()
}

/// Each program with its name.
pub fn all(committed_model: bool, visibility: Visibility) -> [(&'static str, Program); 3] {
    [
        ("convolution", convolution(committed_model, visibility)),
        ("forms", forms(committed_model, visibility)),
        ("attention", attention(committed_model, visibility)),
    ]
}
