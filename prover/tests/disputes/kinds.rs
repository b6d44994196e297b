//! One large operation of each kind, and the element and step whose rebuttal opens the most: what a dispute costs at worst.
//!
//! Rows of 4,104 numbers begin 32 bytes further into a chunk than those before, so that windows lie in two chunks. Most
//! tensors have 24,624 chunks, fifteen levels.

use super::common::programs::empty;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{
    Access, Affine, Class, Input, Operation, Output, Precision, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, REAL_BOUNDS};

const BYTE: Bounds = Bounds { lo: -128, hi: 127 };
/// Rows and columns of most matrices of binary32.
const MATRIX: [usize; 2] = [1536, 4104];
/// Those of bytes.
const BYTES: [usize; 2] = [1536, 16416];

/// A program of one operation, and where a challenger errs.
pub struct Kind {
    /// What the operation is.
    pub name: &'static str,
    /// The program.
    pub program: Program,
    /// The element that is claimed.
    pub element: u64,
    /// The state of its claim that is false.
    pub step: usize,
}

/// Input number `source` at indices of one loop axis each, or of a sum of axes.
fn read(source: usize, index: &[&[usize]]) -> Access {
    let affine = |axes: &&[usize]| Affine::new(0, &axes.iter().map(|&axis| (axis, 1)).collect::<Vec<_>>());
    Access { source: Source::Input(source), index: index.iter().map(affine).collect() }
}

fn term(factors: Vec<Access>) -> Vec<Term> {
    vec![Term { coefficient: 1, factors }]
}

struct Loop<'a> {
    class: Class,
    shape: &'a [usize],
    reduce: &'a [usize],
}

fn kind(
    name: &'static str,
    inputs: &[&[usize]],
    axes: Loop<'_>,
    terms: Vec<Vec<Term>>,
    expression: Expression,
    (element, step): (usize, usize),
) -> Kind {
    let real = matches!(expression, Expression::Formula(_));
    let shape = |sizes: &[usize]| Shape::new(sizes.to_vec()).unwrap();
    let (precision, bounds) = if real { (Precision::F32, REAL_BOUNDS) } else { (Precision::Int8, BYTE) };
    let of_sum = if real { REAL_BOUNDS } else { Bounds { lo: -(1 << 40), hi: 1 << 40 } };
    let mut program = Program { precision, ..empty() };
    for (number, sizes) in inputs.iter().enumerate() {
        let (name, visibility) = (format!("x{number}"), Visibility::Public);
        program.inputs.push(Input { name, shape: shape(sizes), bounds, scale: 1.0, visibility, image: None });
    }
    program.operations = vec![Operation {
        name: name.to_string(),
        class: axes.class,
        shape: shape(axes.shape),
        reduce: axes.reduce.to_vec(),
        sums: terms.into_iter().map(|terms| Sum { terms, bounds: of_sum }).collect(),
        expression,
    }];
    let (scale, visibility) = (1.0, Visibility::Public);
    program.outputs.push(Output { name: "y".to_string(), operation: 0, scale, visibility });
    program.check().unwrap();
    Kind { name, program, element: element as u64, step }
}

fn number(value: f32) -> Box<Formula> {
    Box::new(Formula::number(value))
}

fn boxed(formula: Formula) -> Box<Formula> {
    Box::new(formula)
}

/// The kinds, in the order of `contracts/test/vectors/kinds.json`.
pub fn kinds() -> Vec<Kind> {
    let fold = |shape, reduce| Loop { class: Class::Fold, shape, reduce };
    let map = |shape| Loop { class: Class::Map, shape, reduce: &[] };
    let sum = || Expression::Formula(Formula::Sum(0));
    let root = |x: Formula| x.unary(Unary::SquareRoot);
    let [rows, columns] = MATRIX;
    // Both rows are the second of a run of 32.
    let element = 97 * rows + 769;
    let along = |source| read(source, &[&[0], &[1]]);
    let each = |count: usize| (0..count).map(|source| term(vec![along(source)])).collect::<Vec<_>>();
    let normalised = |x: Formula, mean, variance: Formula| {
        let scale = variance.binary(Binary::Add, Formula::number(1e-5)).unary(Unary::ReciprocalRoot);
        x.binary(Binary::Subtract, mean).binary(Binary::Multiply, scale)
    };
    let moment = |moment, decay: f32, x: Formula| {
        Formula::Fma(
            number(decay),
            boxed(moment),
            boxed(Formula::number(1.0 - decay).binary(Binary::Multiply, x)),
        )
    };
    let gradient = Formula::Sum(3);
    let square = gradient.clone().binary(Binary::Multiply, gradient.clone());
    let first = moment(Formula::Sum(1), 0.9, gradient);
    let second = moment(Formula::Sum(2), 0.999, square);
    let step = first.binary(Binary::Divide, root(second).binary(Binary::Add, Formula::number(1e-8)));
    let adam = Formula::Fma(number(-1e-3), boxed(step), boxed(Formula::Sum(0)));
    let gelu = Formula::Sum(0).binary(
        Binary::Multiply,
        Formula::Fma(
            number(0.5),
            boxed(
                Formula::Sum(0)
                    .binary(Binary::Multiply, Formula::number(std::f32::consts::FRAC_1_SQRT_2))
                    .unary(Unary::Erf),
            ),
            number(0.5),
        ),
    );
    vec![
        kind(
            "dot",
            &[&[128, columns], &MATRIX],
            fold(&[128, rows], &[columns]),
            vec![term(vec![read(0, &[&[0], &[2]]), read(1, &[&[1], &[2]])])],
            sum(),
            (element, 35),
        ),
        kind(
            "dot, strided",
            &[&[128, 4096], &[4096, rows]],
            fold(&[128, rows], &[4096]),
            vec![term(vec![read(0, &[&[0], &[2]]), read(1, &[&[2], &[1]])])],
            sum(),
            (element, 35),
        ),
        kind(
            "convolution",
            &[&[256, 130, 130], &[12, 256, 3, 3]],
            fold(&[12, 128, 128], &[256, 3, 3]),
            vec![term(vec![read(0, &[&[3], &[1, 4], &[2, 5]]), read(1, &[&[0], &[3], &[4], &[5]])])],
            sum(),
            (7 * 128 * 128 + 90 * 128 + 126, 35),
        ),
        kind("sum", &[&MATRIX], fold(&[rows], &[columns]), vec![term(vec![along(0)])], sum(), (769, 35)),
        kind(
            "exp of a difference",
            &[&MATRIX, &[rows]],
            map(&MATRIX),
            vec![term(vec![along(0)]), term(vec![read(1, &[&[0]])])],
            Expression::Formula(Formula::Sum(0).binary(Binary::Subtract, Formula::Sum(1)).unary(Unary::Exp)),
            (1000 * columns + 1000, 0),
        ),
        kind(
            "layer norm",
            &[&MATRIX, &[rows], &[rows], &[columns]],
            map(&MATRIX),
            vec![
                term(vec![along(0)]),
                term(vec![read(1, &[&[0]])]),
                term(vec![read(2, &[&[0]])]),
                term(vec![read(3, &[&[1]])]),
            ],
            Expression::Formula(
                normalised(Formula::Sum(0), Formula::Sum(1), Formula::Sum(2))
                    .binary(Binary::Multiply, Formula::Sum(3)),
            ),
            (1000 * columns + 1000, 0),
        ),
        kind(
            "Adam",
            &[&MATRIX, &MATRIX, &MATRIX, &MATRIX],
            map(&MATRIX),
            each(4),
            Expression::Formula(adam),
            (1000 * columns + 1000, 0),
        ),
        kind(
            "GELU",
            &[&MATRIX],
            map(&MATRIX),
            each(1),
            Expression::Formula(gelu),
            (1000 * columns + 1000, 0),
        ),
        kind(
            "gather",
            &[&[24576, 256], &[768]],
            Loop { class: Class::Move, shape: &[768, 256], reduce: &[] },
            vec![vec![Term { coefficient: 0, factors: vec![read(0, &[&[], &[1]]), read(1, &[&[0]])] }]],
            sum(),
            (700 * 256 + 99, 0),
        ),
        kind(
            "rank",
            &[&MATRIX],
            Loop { class: Class::Rank, shape: &[rows], reduce: &[columns] },
            vec![term(vec![along(0)])],
            sum(),
            (769, 35),
        ),
        kind(
            "int8 dot",
            &[&[128, BYTES[1]], &BYTES],
            fold(&[128, rows], &[BYTES[1]]),
            vec![term(vec![read(0, &[&[0], &[2]]), read(1, &[&[1], &[2]])])],
            Expression::requantise(1 << 12, BYTE),
            (element, 29),
        ),
        kind(
            "int8 map",
            &[&BYTES, &BYTES, &BYTES, &BYTES],
            map(&BYTES),
            vec![(0..4).flat_map(|source| term(vec![along(source)])).collect()],
            Expression::requantise(3, BYTE),
            (1000 * BYTES[1] + 1000, 0),
        ),
    ]
}
