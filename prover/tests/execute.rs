//! The fast executor returns the bits, and the errors, of the plain one.

mod common;

use assay_circuits::execute as reference;
use assay_circuits::expression::Expression;
use assay_circuits::plan::plan;
use assay_circuits::program::{
    Access, Affine, Class, Constant, Input, Operation, Output, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};
use assay_prover::execute::{Executor, execute};
use common::programs::{Dice, Numbers, empty, inputs, recipes};
use proptest::prelude::*;
use std::sync::{LazyLock, Mutex};

static POOLS: LazyLock<Vec<rayon::ThreadPool>> = LazyLock::new(|| {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    [1, 2, 5].map(pool).into()
});

fn agrees(program: &Program, inputs: &[Tensor]) {
    program.check().unwrap();
    let expected = reference::execute(program, inputs);
    for pool in POOLS.iter() {
        let trace = pool.install(|| execute(program, inputs));
        assert_eq!(trace, expected);
        let outputs = pool.install(|| Executor::new(program).unwrap().outputs(inputs));
        let ends = expected.clone().map(|trace| trace.outputs(program).cloned().collect::<Vec<_>>());
        assert_eq!(outputs, ends);
        let seen = Mutex::new(vec![None; program.operations.len()]);
        let observe = |number: usize, bytes: &[u8]| {
            assert!(seen.lock().unwrap()[number].replace(bytes.to_vec()).is_none(), "seen once");
        };
        let executor = Executor::new(program).unwrap();
        let observed = pool.install(|| executor.outputs_observed(inputs, &observe));
        assert_eq!(observed, ends);
        let Ok(trace) = &expected else { continue };
        for (number, bytes) in seen.into_inner().unwrap().into_iter().enumerate() {
            let wire = trace.wires[number].to_bytes(&program.operations[number].bounds());
            assert_eq!(bytes, Some(wire));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn networks_of_narrow_integers_agree(recipe in recipes(Numbers::Provable)) {
        let (program, inputs) = recipe.program();
        agrees(&program, &inputs);
    }

    #[test]
    fn extreme_integers_agree(recipe in recipes(Numbers::Extreme)) {
        let (program, inputs) = recipe.program();
        agrees(&program, &inputs);
    }

    #[test]
    fn a_sum_out_of_bounds_is_the_same_error(
        recipe in recipes(Numbers::Provable),
        choice in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let (mut program, _) = recipe.program();
        let number = choice.index(program.operations.len());
        let sums = &mut program.operations[number].sums;
        let sum = choice.index(sums.len());
        let middle = sums[sum].bounds.lo / 2 + sums[sum].bounds.hi / 2;
        sums[sum].bounds = Bounds { lo: middle, hi: middle + 3 };
        let inputs = inputs(&program, seed);
        prop_assume!(program.check().is_ok());
        prop_assert_eq!(execute(&program, &inputs), reference::execute(&program, &inputs));
    }

    #[test]
    fn random_programs_have_a_plan(recipe in recipes(Numbers::Provable)) {
        let (program, _) = recipe.program();
        program.check().unwrap();
        plan(&program).unwrap();
        prop_assert_eq!(Program::decode(&program.encode()).unwrap(), program);
    }
}

/// A chain of a few large operations: enough cells and products for several threads.
fn large(seed: u64) -> (Program, Vec<Tensor>) {
    let mut dice = Dice(seed);
    let mut program = empty();
    let shape = |sizes: &[usize]| Shape::new(sizes.to_vec()).unwrap();
    let narrow = Bounds { lo: -128, hi: 127 };
    program.inputs.push(Input {
        name: "x".into(),
        shape: shape(&[2, 12, 21, 19]),
        bounds: narrow,
        scale: 1.0,
        visibility: Visibility::Public,
        image: None,
    });
    let mut constant = |program: &mut Program, sizes: &[usize]| {
        let values = dice.values(sizes.iter().product(), narrow);
        program.constants.push(Constant::new(Tensor { shape: shape(sizes), values }));
        Source::Constant(program.constants.len() - 1)
    };
    let plain =
        |source, axes: &[usize]| Access { source, index: axes.iter().map(|&a| Affine::axis(a)).collect() };
    let reach = |count: i64| Bounds { lo: -count << 14, hi: count << 14 };
    let operation = |shape: Shape, reduce: &[usize], factors: Vec<Access>, bounds, expression| Operation {
        name: "large".into(),
        class: Class::Fold,
        shape,
        reduce: reduce.to_vec(),
        sums: vec![Sum { terms: vec![Term { coefficient: 1, factors }], bounds }],
        expression,
    };
    let requantise = |divisor| Expression::requantise(divisor, narrow);

    let weights = constant(&mut program, &[20, 12, 3, 3]);
    let places = [
        Affine::axis(0),
        Affine::axis(4),
        Affine::new(-1, &[(2, 1), (5, 1)]),
        Affine::new(-2, &[(3, 1), (6, 2)]),
    ];
    let read = Access { source: Source::Input(0), index: places.into() };
    let factors = vec![plain(weights, &[1, 4, 5, 6]), read];
    program.operations.push(operation(
        shape(&[2, 20, 21, 19]),
        &[12, 3, 3],
        factors,
        reach(108),
        requantise(700),
    ));

    let weights = constant(&mut program, &[20, 3, 3]);
    let places = [
        Affine::axis(0),
        Affine::axis(1),
        Affine::new(-1, &[(2, 1), (4, 1)]),
        Affine::new(-1, &[(3, 1), (5, 1)]),
    ];
    let read = Access { source: Source::Operation(0), index: places.into() };
    let factors = vec![plain(weights, &[1, 4, 5]), read];
    program.operations.push(operation(shape(&[2, 20, 21, 19]), &[3, 3], factors, reach(9), requantise(99)));

    // Tokens by features: the product of a wire with itself, then a layer whose weights stand before.
    let rows = |axes: [usize; 4]| plain(Source::Operation(1), &axes);
    let factors = vec![rows([0, 1, 3, 4]), rows([0, 2, 3, 4])];
    program.operations.push(operation(shape(&[2, 20, 20]), &[21, 19], factors, reach(399), requantise(4000)));
    let weights = constant(&mut program, &[399, 70]);
    let places = vec![Affine::axis(0), Affine::axis(1), Affine::axis(3), Affine::axis(4)];
    let read = Access { source: Source::Operation(1), index: places };
    let spread = Access { source: weights, index: vec![Affine::new(0, &[(3, 19), (4, 1)]), Affine::axis(2)] };
    let factors = vec![read, spread];
    program.operations.push(operation(
        shape(&[2, 20, 70]),
        &[21, 19],
        factors,
        reach(399),
        Expression::Sum(0),
    ));

    // A wide picture: shifted reads, and the larger of neighbours.
    let wide = |offset| {
        let index = [Affine::axis(0), Affine::axis(1), Affine::new(offset, &[(2, 1)]), Affine::axis(3)];
        let read = Access { source: Source::Operation(1), index: index.into() };
        Sum {
            terms: vec![Term { coefficient: 3, factors: vec![read] }],
            bounds: Bounds { lo: -384, hi: 381 },
        }
    };
    let mut operation = operation(shape(&[2, 20, 21, 19, 40]), &[], vec![], reach(1), Expression::Sum(0));
    operation.sums = vec![wide(-2), wide(3)];
    operation.expression = Expression::Max(Box::new(Expression::Sum(0)), Box::new(Expression::Sum(1)));
    program.operations.push(operation);

    program.outputs = (2..5)
        .map(|operation| Output {
            name: format!("y{operation}"),
            operation,
            scale: 1.0,
            visibility: Visibility::Public,
        })
        .collect();
    let inputs = inputs(&program, seed);
    (program, inputs)
}

#[test]
fn large_programs_agree_on_any_number_of_threads() {
    let (program, inputs) = large(3);
    agrees(&program, &inputs);
}
