//! The fast executor of f32 programs returns the bits of the plain one, for any instructions and number of threads.

mod common;

use assay_circuits::element::BLOCK;
use assay_circuits::execute::ExecuteError;
use assay_circuits::execute_f32 as reference;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{Access, Affine, Class, Program, Source};
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::{RealExecutor, execute_f32};
use assay_prover::kernels::elementary::Instructions;
use common::programs::{Dice, Numbers};
use common::reals::{RealMaker, real_recipes, sum};
use proptest::prelude::*;
use std::sync::{LazyLock, Mutex};

static POOLS: LazyLock<Vec<rayon::ThreadPool>> = LazyLock::new(|| {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    [1, 2, 5].map(pool).into()
});

static INSTRUCTIONS: LazyLock<Vec<Instructions>> = LazyLock::new(|| {
    let available: Vec<Instructions> = Instructions::available().collect();
    for instructions in [Instructions::Portable, Instructions::Avx2, Instructions::Avx512] {
        if !available.contains(&instructions) {
            eprintln!("skipped: this processor lacks {instructions:?}");
        }
    }
    available
});

fn agrees(program: &Program, inputs: &[RealTensor]) {
    program.check().unwrap();
    let expected = reference::execute_f32(program, inputs).unwrap();
    let outputs: Vec<RealTensor> = expected.outputs(program).cloned().collect();
    for &instructions in INSTRUCTIONS.iter() {
        let executor = RealExecutor::with_instructions(program, instructions).unwrap();
        for pool in POOLS.iter() {
            let trace = pool.install(|| executor.trace(inputs)).unwrap();
            for (number, (wire, expected)) in trace.wires.iter().zip(&expected.wires).enumerate() {
                let operation = &program.operations[number];
                assert_eq!(wire, expected, "{instructions:?}, {operation:?}");
            }
            assert_eq!(trace, expected);
            assert_eq!(pool.install(|| executor.outputs(inputs)).unwrap(), outputs);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_programs_agree(recipe in real_recipes()) {
        let (program, inputs) = recipe.program();
        agrees(&program, &inputs);
    }

    #[test]
    fn every_wire_is_observed_once(recipe in real_recipes()) {
        let (program, inputs) = recipe.program();
        let executor = RealExecutor::new(&program).unwrap();
        for pool in POOLS.iter() {
            let seen: Mutex<Vec<Option<RealTensor>>> = Mutex::new(vec![None; program.operations.len()]);
            let observe = |number: usize, wire: &RealTensor| {
                assert!(seen.lock().unwrap()[number].replace(wire.clone()).is_none());
            };
            let trace = pool.install(|| executor.run_observed(&inputs, &observe)).unwrap();
            let found = std::mem::take(&mut *seen.lock().unwrap());
            prop_assert_eq!(&found, &trace.wires.iter().cloned().map(Some).collect::<Vec<_>>());
            *seen.lock().unwrap() = vec![None; program.operations.len()];
            let outputs = pool.install(|| executor.outputs_observed(&inputs, &observe)).unwrap();
            prop_assert_eq!(outputs, trace.outputs(&program).cloned().collect::<Vec<_>>());
            prop_assert_eq!(found, std::mem::take(&mut *seen.lock().unwrap()));
        }
    }
}

fn maker(seed: u64) -> RealMaker {
    RealMaker { dice: Dice(seed), program: RealMaker::start(), inputs: Vec::new() }
}

/// A product of matrices that has more panels of each kind than one, and a bias and a function after it.
#[test]
fn products_of_several_panels_agree() {
    for (number, [rows, columns, depth]) in
        [[70, 70, 70], [3, 200, 600], [200, 3, 70], [127, 129, 20], [1, 300, 1100]].into_iter().enumerate()
    {
        let mut maker = maker(number as u64);
        let sizes = [rows, columns, depth];
        let factors = vec![maker.along(&[0, 2], &sizes), maker.along(&[1, 2], &sizes)];
        let bias = maker.along(&[1], &sizes);
        let added = Formula::Binary(Binary::Add, Formula::Sum(0).into(), Formula::Sum(1).into());
        let formula = Formula::Unary(Unary::Tanh, added.into());
        maker.push(Class::Fold, &sizes[..2], &sizes[2..], vec![sum(factors), sum(vec![bias])], formula);
        let (program, inputs) = maker.finish();
        agrees(&program, &inputs);
    }
}

/// Maps, moves, sums and maxima of enough cells for several threads.
#[test]
fn large_tensors_agree() {
    let mut maker = maker(7);
    let sizes = [3, 90, 140];
    let x = maker.along(&[0, 1, 2], &sizes);
    let y = maker.along(&[1], &sizes);
    let formula = maker.formula(2, 4);
    maker.push(Class::Map, &sizes, &[], vec![sum(vec![x]), sum(vec![y])], formula);
    let wire = |index: [Affine; 3]| Access { source: Source::Operation(0), index: index.to_vec() };
    let turned = wire([Affine::axis(2), Affine::new(89, &[(1, -1)]), Affine::axis(0)]);
    maker.push(Class::Move, &[140, 90, 3], &[], vec![sum(vec![turned])], Formula::Sum(0));
    for class in [Class::Fold, Class::Maximum, Class::Rank] {
        for (shape, index) in [([3, 90], [0, 1, 2]), ([3, 140], [0, 2, 1]), ([90, 140], [2, 0, 1])] {
            let read = wire(index.map(Affine::axis));
            let reduce = sizes.iter().product::<usize>() / (shape[0] * shape[1]);
            maker.push(class, &shape, &[reduce], vec![sum(vec![read])], Formula::Sum(0));
        }
    }
    let (program, inputs) = maker.finish();
    agrees(&program, &inputs);
}

/// Sums to few outputs, of one and of two factors.
#[test]
fn long_sums_agree() {
    for (seed, [outputs, terms]) in [[1, 40_000], [3, 70 * 64], [31, 300], [5, 257]].into_iter().enumerate() {
        let mut maker = maker(seed as u64);
        let sizes = [outputs, terms];
        let read = maker.along(&[0, 1], &sizes);
        let other = maker.along(&[0, 1], &sizes);
        for factors in [vec![read.clone()], vec![read.clone(), other], vec![read.clone(), read]] {
            maker.push(Class::Fold, &[outputs], &[terms], vec![sum(factors)], Formula::Sum(0));
        }
        let (program, inputs) = maker.finish();
        agrees(&program, &inputs);
    }
}

/// Sums in another order than that of the program have other bits: the agreement above is no accident.
#[test]
fn the_order_of_additions_is_observable() {
    let mut maker = maker(3);
    let depth = 2 * BLOCK as usize + 9;
    let sizes = [2, 2, depth];
    let factors = vec![maker.along(&[0, 2], &sizes), maker.along(&[2, 1], &sizes)];
    let values = |maker: &RealMaker, source: Source| -> Vec<f32> {
        let bits = match source {
            Source::Input(i) => &maker.inputs[i].bits,
            Source::Constant(i) => maker.program.constants[i].bits.as_ref().unwrap(),
            Source::Operation(_) => unreachable!(),
        };
        bits.iter().map(|&bits| f32::from_bits(bits)).collect()
    };
    let place = |access: &Access, point: [usize; 3]| {
        let own: Vec<usize> = access.index.iter().map(|affine| affine.at(&point) as usize).collect();
        own[0] * sizes[access.index[1].terms[0].0] + own[1]
    };
    let [a, b] = [&factors[0], &factors[1]];
    let (left, right) = (values(&maker, a.source), values(&maker, b.source));
    let in_one_go = (0..depth)
        .fold(0f32, |total, k| left[place(a, [0, 0, k])].mul_add(right[place(b, [0, 0, k])], total));
    maker.push(Class::Fold, &sizes[..2], &sizes[2..], vec![sum(factors.clone())], Formula::Sum(0));
    let (program, inputs) = maker.finish();
    let trace = execute_f32(&program, &inputs).unwrap();
    assert!(in_one_go.is_finite());
    assert_ne!(trace.wires[0].bits[0], in_one_go.to_bits());
    assert_eq!(trace, reference::execute_f32(&program, &inputs).unwrap());
}

#[test]
fn what_does_not_fit_is_the_error_of_the_plain_executor() {
    let mut maker = maker(1);
    let x = maker.along(&[0], &[5]);
    let y = loop {
        let access = maker.along(&[0], &[5]);
        if matches!(access.source, Source::Constant(_)) {
            break access;
        }
    };
    let formula = Formula::Binary(Binary::Add, Formula::Sum(0).into(), Formula::Sum(1).into());
    maker.push(Class::Map, &[5], &[], vec![sum(vec![x]), sum(vec![y])], formula);
    let (program, inputs) = maker.finish();
    let same = |program: &Program, inputs: &[RealTensor]| {
        let error = execute_f32(program, inputs).unwrap_err();
        assert_eq!(Err(&error), reference::execute_f32(program, inputs).as_ref());
        error
    };
    assert!(matches!(same(&program, &[]), ExecuteError::InputCount { .. }));
    let mut longer = inputs.clone();
    longer[0].bits.push(0);
    assert!(matches!(same(&program, &longer), ExecuteError::InputShape { .. }));
    let executor = RealExecutor::new(&program).unwrap();
    assert!(matches!(executor.outputs(&longer), Err(ExecuteError::InputShape { .. })));
    let bare = program.without_values();
    assert!(matches!(same(&bare, &inputs), ExecuteError::NoValues { constant: 0 }));
    let integers =
        common::programs::Recipe { seed: 1, operations: 2, numbers: Numbers::Provable }.program().0;
    assert!(matches!(RealExecutor::new(&integers), Err(ExecuteError::Precision { expected: "f32" })));
}
