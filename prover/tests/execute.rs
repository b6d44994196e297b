//! The fast executor returns the bits, and the errors, of the plain one.

mod common;

use assay_circuits::execute as reference;
use assay_circuits::lower::Coverage;
use assay_circuits::plan::plan;
use assay_circuits::program::Program;
use assay_circuits::tensor::{Bounds, Tensor};
use assay_prover::execute::{Executor, execute};
use common::programs::{Numbers, inputs, recipes};
use proptest::prelude::*;
use std::sync::LazyLock;

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
        let expected = expected.clone().map(|trace| trace.outputs(program).cloned().collect::<Vec<_>>());
        assert_eq!(outputs, expected);
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
        plan(&program, &Coverage::All).unwrap();
        prop_assert_eq!(Program::decode(&program.encode()).unwrap(), program);
    }
}
