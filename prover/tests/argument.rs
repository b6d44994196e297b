//! The argument end to end on a small convolutional network built by hand.

use assay_circuits::execute::execute;
use assay_circuits::expression::Expression;
use assay_circuits::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};
use assay_prover::prove::Prover;
use assay_verifier::proof::Proof;
use assay_verifier::verify::verify;

fn shape(sizes: &[usize]) -> Shape {
    Shape::new(sizes.to_vec()).unwrap()
}

fn read(source: Source, index: &[Affine]) -> Access {
    Access { source, index: index.to_vec() }
}

fn term(coefficient: i64, factors: Vec<Access>) -> Term {
    Term { coefficient, factors }
}

fn axis(axis: usize) -> Affine {
    Affine::axis(axis)
}

fn pseudo_random(shape: Shape, seed: u64, lo: i64, hi: i64) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        lo + (state >> 33) as i64 % (hi - lo + 1)
    };
    let values = (0..shape.cells()).map(|_| next()).collect();
    Tensor::new(shape, values).unwrap()
}

/// conv 3x3 pad 1 with bias, requantise and ReLU; max-pool 2x2 by pairs; residual product; fully connected.
fn network(committed_model: bool, visibility: Visibility) -> Program {
    let operation = |name: &str,
                     class,
                     sizes: &[usize],
                     reduce: &[usize],
                     sums: Vec<(Vec<Term>, i64)>,
                     expression| {
        let sums = sums
            .into_iter()
            .map(|(terms, magnitude)| Sum { terms, bounds: Bounds { lo: -magnitude, hi: magnitude } })
            .collect();
        Operation { name: name.into(), class, shape: shape(sizes), reduce: reduce.to_vec(), sums, expression }
    };
    let relu = Bounds { lo: 0, hi: 127 };
    let conv = vec![
        term(
            1,
            vec![
                read(Source::Constant(0), &[axis(0), axis(3), axis(4), axis(5)]),
                read(
                    Source::Input(0),
                    &[axis(3), Affine::new(-1, &[(1, 1), (4, 1)]), Affine::new(-1, &[(2, 1), (5, 1)])],
                ),
            ],
        ),
        term(1, vec![read(Source::Constant(1), &[axis(0)])]),
    ];
    let max = Expression::Max(Box::new(Expression::Sum(0)), Box::new(Expression::Sum(1)));
    let along_x =
        |i| vec![term(1, vec![read(Source::Operation(0), &[axis(0), axis(1), Affine::new(i, &[(2, 2)])])])];
    let along_y =
        |i| vec![term(1, vec![read(Source::Operation(1), &[axis(0), Affine::new(i, &[(1, 2)]), axis(2)])])];
    let square = vec![term(
        1,
        vec![
            read(Source::Operation(2), &[axis(0), axis(1), axis(2)]),
            read(Source::Operation(2), &[axis(0), axis(1), axis(2)]),
        ],
    )];
    let gemm = vec![
        term(
            1,
            vec![
                read(Source::Constant(2), &[axis(0), axis(1), axis(2), axis(3)]),
                read(Source::Operation(3), &[axis(1), axis(2), axis(3)]),
            ],
        ),
        term(1, vec![read(Source::Constant(3), &[axis(0)])]),
    ];
    Program {
        precision: Precision::Int8,
        committed_model,
        inputs: vec![Input {
            name: "x".into(),
            shape: shape(&[2, 7, 6]),
            bounds: Bounds { lo: -128, hi: 127 },
            scale: 1.0,
            visibility,
            image: None,
        }],
        constants: vec![
            Constant::new(pseudo_random(shape(&[3, 2, 3, 3]), 1, -127, 127)),
            Constant::new(pseudo_random(shape(&[3]), 2, -3000, 3000)),
            Constant::new(pseudo_random(shape(&[5, 3, 3, 3]), 3, -127, 127)),
            Constant::new(pseudo_random(shape(&[5]), 4, -3000, 3000)),
        ],
        operations: vec![
            operation(
                "conv",
                Class::Fold,
                &[3, 7, 6],
                &[2, 3, 3],
                vec![(conv, 400_000)],
                Expression::requantise(512, relu),
            ),
            operation(
                "pool x",
                Class::Map,
                &[3, 7, 3],
                &[],
                vec![(along_x(0), 127), (along_x(1), 127)],
                max.clone(),
            ),
            operation("pool y", Class::Map, &[3, 3, 3], &[], vec![(along_y(0), 127), (along_y(1), 127)], max),
            operation(
                "square",
                Class::Fold,
                &[3, 3, 3],
                &[],
                vec![(square, 127 * 127)],
                Expression::requantise(128, Bounds { lo: -128, hi: 127 }),
            ),
            operation("gemm", Class::Fold, &[5], &[3, 3, 3], vec![(gemm, 1 << 20)], Expression::Sum(0)),
        ],
        outputs: vec![Output { name: "y".into(), operation: 4, scale: 1.0, visibility }],
        reshaped: Default::default(),
        accuracy: AccuracyReport::default(),
    }
}

#[test]
fn an_honest_proof_is_accepted_in_every_mode() {
    for committed_model in [false, true] {
        for visibility in [Visibility::Public, Visibility::Committed] {
            let program = network(committed_model, visibility);
            program.check().unwrap();
            let input = pseudo_random(shape(&[2, 7, 6]), 9, -128, 127);
            let trace = execute(&program, &[input]).unwrap();
            let prover = Prover::new(program).unwrap();
            let (statement, proof) = prover.prove(&trace).unwrap();
            let bytes = proof.encode();
            assert_eq!(bytes.len(), prover.key().argument().shape.bytes());
            let decoded = Proof::decode(&bytes, &prover.key().argument().shape).unwrap();
            assert_eq!(decoded, proof);
            verify(prover.key(), &statement, &decoded).unwrap();
        }
    }
}
