//! Random programs: honest proofs verify, whatever they cover, and a trace that is wrong anywhere does not.

use crate::common::forge::{Scene, tampered};
use crate::common::networks::{MODES, all};
use crate::common::programs::{Dice, Numbers, Recipe, recipes};
use assay_circuits::lower::{Coverage, LowerError};
use assay_circuits::program::{Program, Visibility};
use assay_circuits::tensor::Tensor;
use assay_verifier::proof::Proof;
use assay_verifier::verify::{sampled, transcript, verify_covering};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Proves and verifies all operations, each alone, and some subsets.
fn honest_proofs_verify(scene: &Scene, subsets: impl IntoIterator<Item = BTreeSet<usize>>) {
    let singles = (0..scene.program().operations.len()).map(|i| BTreeSet::from([i]));
    let coverages = singles.chain(subsets).map(Coverage::Only);
    for coverage in std::iter::once(Coverage::All).chain(coverages) {
        let argument = match sampled(scene.prover.key(), coverage.clone()) {
            Ok(argument) => argument,
            // A wide sum that nobody covered writes has no range table.
            Err(LowerError::TooWide { .. }) if coverage != Coverage::All => continue,
            Err(error) => panic!("{error}"),
        };
        let (statement, proof) = scene.prover.prove_argument(&argument, &scene.trace).unwrap();
        let bytes = proof.encode();
        assert_eq!(bytes.len(), argument.shape.bytes());
        let proof = Proof::decode(&bytes, &argument.shape).unwrap();
        let verdict = verify_covering(scene.prover.key(), coverage.clone(), &statement, &proof);
        assert_eq!(verdict.unwrap().coverage, coverage);
    }
}

/// One element of one wire is wrong; later operations follow it or not.
fn a_wrong_element_is_rejected(scene: &Scene, operation: usize, cell: usize, step: i64) {
    let wire = &scene.trace.wires[operation].values;
    let wrong = wire[cell] + step;
    let followed = tampered(scene.program(), &scene.trace, operation, cell, wrong);
    let mut left = scene.trace.clone();
    left.wires[operation].values[cell] = wrong;
    for trace in followed.into_iter().chain([left]) {
        let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
        assert!(
            scene.verify(&forged).is_err(),
            "operation {operation}, cell {cell}, {} instead of {}",
            wrong,
            wire[cell]
        );
        assert!(scene.prover.prove(&trace).map_or(true, |forged| scene.verify(&forged).is_err()));
    }
}

#[test]
fn networks_verify_whatever_is_covered() {
    for (committed, visibility) in MODES {
        for (_, program) in all(committed, visibility) {
            let scene = Scene::new(program);
            let count = scene.program().operations.len();
            let halves = [(0..count).step_by(2).collect(), (1..count).step_by(2).collect()];
            honest_proofs_verify(&scene, halves);
        }
    }
}

#[test]
fn a_wrong_element_of_any_wire_of_any_network_is_rejected() {
    for (number, (committed, visibility)) in MODES.into_iter().enumerate() {
        for (_, program) in all(committed, visibility) {
            let scene = Scene::new(program);
            let mut dice = Dice(number as u64);
            for operation in 0..scene.trace.wires.len() {
                let cells = scene.trace.wires[operation].values.len() as i64;
                for step in [1, -1, 256] {
                    let cell = dice.from(0..=cells - 1) as usize;
                    a_wrong_element_is_rejected(&scene, operation, cell, step);
                }
            }
        }
    }
}

/// The same program in another mode.
fn in_mode(mut program: Program, committed: bool, visibility: Visibility) -> Program {
    program.committed_model = committed;
    for input in &mut program.inputs {
        input.visibility = visibility;
    }
    for output in &mut program.outputs {
        if program.operations[output.operation].class != assay_circuits::program::Class::Rank {
            output.visibility = visibility;
        }
    }
    program
}

fn scene(program: Program, inputs: &[Tensor]) -> Option<Scene> {
    // A constant may be too wide to be multiplied as digits.
    program.check().ok()?;
    assay_circuits::plan::plan(&program).ok()?;
    Some(Scene::with(program, inputs))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_programs_verify_in_every_mode(
        recipe in recipes(Numbers::Provable),
        picks in prop::collection::vec(any::<bool>(), 8),
        mode in 0usize..4,
    ) {
        let (program, inputs) = recipe.program();
        let subset: BTreeSet<usize> =
            (0..program.operations.len()).filter(|i| picks[i % 8]).collect();
        let (committed, visibility) = MODES[mode];
        if let Some(scene) = scene(in_mode(program, committed, visibility), &inputs) {
            honest_proofs_verify(&scene, Some(subset).filter(|subset| !subset.is_empty()));
        }
    }

    #[test]
    fn a_wrong_element_anywhere_is_rejected(
        recipe in recipes(Numbers::Provable),
        operation in any::<prop::sample::Index>(),
        cell in any::<prop::sample::Index>(),
        step in prop::sample::select(vec![1i64, -1, 2, -128, 255, 1 << 20]),
    ) {
        let (program, inputs) = recipe.program();
        let scene = Scene::with(program, &inputs);
        let operation = operation.index(scene.trace.wires.len());
        let cell = cell.index(scene.trace.wires[operation].values.len());
        a_wrong_element_is_rejected(&scene, operation, cell, step);
    }
}

#[test]
fn proofs_are_the_same_bytes_on_one_two_and_five_threads() {
    for (committed, visibility) in MODES {
        for (name, program) in all(committed, visibility) {
            let proofs: Vec<(Vec<u8>, Vec<u8>)> = [1, 2, 5]
                .map(|threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        let scene = Scene::new(program.clone());
                        let (statement, proof) = scene.honest();
                        let layout = &scene.system().layout;
                        let mut bytes = proof.encode();
                        bytes.extend(statement.encode(scene.program(), layout));
                        (bytes, scene.prover.key().encode())
                    })
                })
                .into();
            assert!(proofs.iter().all(|proof| *proof == proofs[0]), "{name}");
        }
    }
}

/// The diagonals of one tensor, read twice: sums over one axis of products that both have another.
#[test]
fn diagonals_of_a_wire_verify() {
    let recipe = Recipe { seed: 7735071701023523912, operations: 3, numbers: Numbers::Provable };
    let (program, inputs) = recipe.program();
    for (committed, visibility) in MODES {
        honest_proofs_verify(&Scene::with(in_mode(program.clone(), committed, visibility), &inputs), []);
    }
}
