//! Item 3: what stands in padding is ignored or rejected, in every operation, at sizes that are no powers of two.

use crate::common::forge::{Claimed, Scene};
use crate::common::networks::{MODES, all, attention};
use crate::common::programs::{Dice, Numbers, recipes};
use assay_circuits::plan::live_rows;
use assay_circuits::program::Visibility;
use assay_circuits::relation::{Group, Kind, System, Values};
use assay_verifier::verify::{transcript, verify};
use proptest::prelude::*;

use super::ranges::forge_key;

/// Garbage in the padding of everything but the model's rows, and all that follows from it.
fn with_garbage(system: &System, claimed: &mut Claimed, seed: u64) {
    let mut dice = Dice(seed);
    let key: Vec<(usize, Vec<i64>)> =
        key_tensors(system).map(|id| (id, claimed.values[id].clone())).collect();
    let key_shapes: Vec<_> = key.iter().map(|(id, _)| (*id, claimed.shapes[*id].clone())).collect();
    claimed.spread(system);
    claimed.fill_padding(system, || dice.from(-900..=900));
    for (id, values) in key {
        claimed.values[id] = values;
    }
    for (id, shape) in key_shapes {
        claimed.shapes[id] = shape;
    }
    finish(system, claimed);
}

fn key_tensors(system: &System) -> impl Iterator<Item = usize> + '_ {
    (0..system.tensors.len()).filter(|&id| system.tensors[id].kind == Kind::Committed(Group::Key))
}

/// Defines virtual tensors, and lets each committed tensor that equals one follow it into the padding.
fn finish(system: &System, claimed: &mut Claimed) {
    for _ in 0..=system.equalities.len() {
        claimed.define(system);
        for equality in &system.equalities {
            if matches!(system.tensors[equality.stated].kind, Kind::Committed(_)) {
                let defined = claimed.values[equality.defined].clone();
                let spec = &system.tensors[equality.stated];
                let log_row = system.layout.log_row.min(spec.shape.variables());
                for row in live_rows(&spec.shape, log_row) {
                    let cells = row << log_row..(row + 1) << log_row;
                    claimed.values[equality.stated][cells.clone()].copy_from_slice(&defined[cells]);
                }
            }
        }
    }
}

/// Virtual tensors at true cells are those of the trace, whatever stands in padding.
fn sums_are_unchanged(scene: &Scene, system: &System, claimed: &Claimed) {
    let honest = Claimed::new(scene.program(), system, &scene.trace);
    for (id, spec) in system.tensors.iter().enumerate() {
        if matches!(spec.values, Values::Sum { .. }) {
            let cells: Vec<i64> = match claimed.shapes[id] == spec.shape {
                true => claimed.values[id].clone(),
                false => spec.shape.padded_indices().map(|cell| claimed.values[id][cell]).collect(),
            };
            assert_eq!(cells, honest.values[id], "a true cell of tensor {id} reads padding");
        }
    }
}

/// Garbage is ignored (accepted with the same outputs) or rejected; tells which.
fn garbage_is_harmless(scene: &Scene, seed: u64) -> bool {
    let (honest, _) = scene.honest();
    let forged = scene.forge(|system, claimed| {
        with_garbage(system, claimed, seed);
        sums_are_unchanged(scene, system, claimed);
    });
    let accepted = scene.verify(&forged).is_ok();
    for (forged, honest) in forged.0.outputs.iter().zip(&honest.outputs) {
        if let (assay_verifier::statement::Value::Public(a), assay_verifier::statement::Value::Public(b)) =
            (forged, honest)
        {
            assert_eq!(a, b);
        }
    }
    accepted
}

#[test]
fn garbage_in_padding_is_ignored_by_every_network_in_every_mode() {
    for (committed, visibility) in MODES {
        for (name, program) in all(committed, visibility) {
            let scene = Scene::new(program);
            let accepted = (1..3).map(|seed| garbage_is_harmless(&scene, seed)).filter(|&a| a).count();
            println!("{name}, committed model {committed}, {visibility:?}: {accepted} of 2 accepted");
        }
    }
}

/// The product of wires over five keys: nothing but the mask keeps padding out of the sum.
#[test]
fn attention_over_five_keys_does_not_read_the_sixth() {
    let scene = Scene::new(attention(false, Visibility::Public));
    assert!(garbage_is_harmless(&scene, 3), "masked garbage is ignored");
    let masked = scene.system().einsums.iter().flat_map(|e| &e.terms).any(|term| !term.masked.is_empty());
    assert!(masked);
}

/// A forger adds what stands in padding to the sum, as if nothing masked it.
#[test]
fn a_sum_over_padding_is_rejected() {
    let scene = Scene::new(attention(false, Visibility::Public));
    let mut unmasked = scene.argument().clone();
    let mut removed = 0;
    for term in unmasked.system.einsums.iter_mut().flat_map(|einsum| &mut einsum.terms) {
        removed += std::mem::take(&mut term.masked).len();
    }
    assert!(removed > 0);
    let forged = scene.forge_argument(
        &unmasked,
        &scene.trace,
        |system, claimed| with_garbage(system, claimed, 11),
        &mut transcript(),
    );
    assert!(scene.verify(&forged).is_err());
}

#[test]
fn garbage_in_a_keys_padding_is_ignored() {
    for (name, program) in all(true, Visibility::Public) {
        let scene = Scene::new(program.clone());
        let argument = scene.argument();
        let mut dice = Dice(4);
        let (key, _) = forge_key(&program, |claimed| {
            let constants = assay_verifier::verify::sampled(
                scene.prover.key(),
                assay_circuits::lower::Coverage::Constants,
            )
            .unwrap();
            claimed.spread(&constants.system);
            claimed.fill_padding(&constants.system, || dice.from(-900..=900));
        })
        .unwrap_or_else(|e| panic!("{name}: {e}"));
        // The same garbage in the job's proof.
        let mut dice = Dice(4);
        let mut claimed = Claimed::new(&program, &argument.system, &scene.trace);
        claimed.spread(&argument.system);
        let only_key = {
            let mut system = argument.system.clone();
            for spec in &mut system.tensors {
                if spec.kind != Kind::Committed(Group::Key) && matches!(spec.kind, Kind::Committed(_)) {
                    spec.shape = assay_circuits::shape::Shape::scalar();
                }
            }
            system
        };
        claimed.fill_padding(&only_key, || dice.from(-900..=900));
        finish(&argument.system, &mut claimed);
        sums_are_unchanged(&scene, &argument.system, &claimed);
        let witness = claimed.witness(&argument.system);
        let basis = assay_prover::commitment::Basis::new(1 << argument.system.layout.log_row);
        let message = key.message();
        let job = assay_prover::prove::Job {
            program: &program,
            argument,
            basis: &basis,
            key_message: &message,
            begins: &|_| {},
        };
        let rows = witness.rows(&argument.system, Group::Key);
        let (statement, proof) = job.prove_witness(&rows, &witness, &mut transcript()).unwrap();
        let accepted = verify(&key, &statement, &proof);
        println!("{name}: {accepted:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn garbage_in_padding_never_changes_an_accepted_output(
        recipe in recipes(Numbers::Provable),
        seed in any::<u64>(),
    ) {
        let (program, inputs) = recipe.program();
        garbage_is_harmless(&Scene::with(program, &inputs), seed);
    }
}
