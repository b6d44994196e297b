//! Items 7, 8, 12 and 13: claims on tensors, counts and degrees, the reference string, and no switch.

use crate::common::forge::{Claimed, Scene, tampered, wire};
use crate::common::networks::{all, convolution, forms};
use assay_circuits::program::Visibility;
use assay_circuits::relation::{Group, Values};
use assay_prover::commitment::Basis;
use assay_prover::prove::Job;
use assay_verifier::F;
use assay_verifier::key::{Argument, KeyError, VerifyingKey};
use assay_verifier::rejection::Rejection;
use assay_verifier::verify::{SECURITY_BITS, transcript, verify};

/// Operation 1 of `forms` reads the wire of operation 0, and so does operation 2: each is fed another wire.
#[test]
fn two_consumers_read_the_same_tensor() {
    let scene = Scene::new(forms(false, Visibility::Public));
    let other = tampered(scene.program(), &scene.trace, 0, 1, 50).unwrap();
    assert_ne!(other.wires[0], scene.trace.wires[0]);
    // Everything after operation 1 follows the true wire; operation 1 another one.
    let mut trace = tampered(scene.program(), &scene.trace, 1, 1, other.wires[1].values[1]).unwrap();
    trace.sums[1].clone_from(&other.sums[1]);
    for commit_other in [false, true] {
        let forged = scene.forge_argument(
            scene.argument(),
            &trace,
            |system, claimed| {
                if commit_other {
                    claimed.values[wire(system, 0)].clone_from(&other.wires[0].values);
                }
            },
            &mut transcript(),
        );
        assert!(scene.verify(&forged).is_err());
    }
}

/// A sum that is not the sum of its factors: lookups hold, and the sumcheck does not.
#[test]
fn a_sum_of_other_operands_is_rejected() {
    for (name, program) in all(false, Visibility::Public) {
        let scene = Scene::new(program);
        let system = scene.system();
        for (id, spec) in system.tensors.iter().enumerate() {
            let Values::Sum { operation, sum } = spec.values else { continue };
            // Of a sum that a wire equals nothing is sent but the wire.
            if system.equalities.iter().any(|equality| equality.defined == id) {
                continue;
            }
            let mut trace = scene.trace.clone();
            trace.sums[operation][sum][0] += 1;
            let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
            let rejection = scene.verify(&forged).expect_err(name);
            assert!(
                matches!(rejection, Rejection::Einsum | Rejection::Root | Rejection::Opening(_)),
                "{name} {id}: {rejection}"
            );
        }
    }
}

#[test]
fn a_sum_that_satisfies_every_lookup_is_still_the_sum() {
    let scene = Scene::new(forms(false, Visibility::Public));
    let trace = &scene.trace;
    // Operation 2 rounds by 16: a sum that is one more or less rounds to the same output.
    let step = if (trace.sums[2][0][0] + 8).rem_euclid(16) == 15 { -1 } else { 1 };
    let mut forged = trace.clone();
    forged.sums[2][0][0] += step;
    let forged = scene.forge_argument(scene.argument(), &forged, |_, _| {}, &mut transcript());
    assert_eq!(scene.verify(&forged), Err(Rejection::Einsum));
}

/// Two elements of a wire change places, and what reads them does not.
#[test]
fn swapped_elements_and_swapped_rows_are_rejected() {
    let scene = Scene::new(convolution(false, Visibility::Public));
    for operation in 0..3 {
        let values = &scene.trace.wires[operation].values;
        let Some(i) = (1..values.len()).find(|&i| values[i] != values[0]) else { continue };
        scene.rejects(|system, claimed| claimed.values[wire(system, operation)].swap(0, i));
    }
    let (statement, proof) = scene.honest();
    for i in 1..proof.wires.len() {
        let mut swapped = proof.clone();
        swapped.wires.swap(0, i);
        if swapped != proof {
            assert!(scene.verify(&(statement.clone(), swapped)).is_err());
        }
    }
}

#[test]
fn a_swap_of_hints_that_no_lookup_sees_is_rejected() {
    let scene = Scene::new(convolution(false, Visibility::Public));
    let hints = |claimed: &Claimed, system: &assay_circuits::relation::System| {
        let of = system.tensors.iter().enumerate().filter_map(|(id, spec)| {
            let values = &claimed.values[id];
            let i = (1..values.len()).find(|&i| values[i] != values[0])?;
            matches!(spec.values, Values::Hint { .. }).then_some((id, i))
        });
        of.collect::<Vec<_>>()
    };
    let count = hints(&Claimed::new(scene.program(), scene.system(), &scene.trace), scene.system()).len();
    assert!(count > 0);
    for number in 0..count {
        scene.rejects(|system, claimed| {
            let (id, i) = hints(claimed, system)[number];
            claimed.values[id].swap(0, i);
        });
    }
}

/// A message with a coefficient more, even zero, and a round more, even of nothing.
#[test]
fn messages_have_their_degree_and_their_number() {
    for (name, program) in all(false, Visibility::Public) {
        let scene = Scene::new(program);
        let honest =
            |argument: &Argument| scene.forge_argument(argument, &scene.trace, |_, _| {}, &mut transcript());
        let mut longer = scene.argument().clone();
        longer.schedule.degree += 1;
        let forged = honest(&longer);
        assert!(forged.1.rounds.iter().all(|message| message.last() == Some(&F::from(0u64))));
        assert!(matches!(scene.verify(&forged), Err(Rejection::Length { .. })), "{name}");
        let mut rounds = scene.argument().clone();
        rounds.schedule.rounds += 1;
        assert!(matches!(scene.verify(&honest(&rounds)), Err(Rejection::Length { .. })), "{name}");
    }
}

#[test]
fn another_row_length_or_number_of_rounds_is_rejected() {
    let scene = Scene::new(convolution(false, Visibility::Public));
    let plan = scene.prover.key().plan();
    for (log_row, rounds) in [(plan.log_row + 1, plan.rounds), (plan.log_row, plan.rounds + 1)] {
        let mut other = *plan;
        (other.log_row, other.rounds) = (log_row, rounds);
        let coverage = assay_circuits::lower::Coverage::All;
        let argument = Argument::new(scene.program(), &other, coverage).unwrap();
        let forged = scene.forge_argument(&argument, &scene.trace, |_, _| {}, &mut transcript());
        assert!(scene.verify(&forged).is_err());
    }
}

#[test]
fn a_key_of_another_reference_string_is_refused() {
    let scene = Scene::new(forms(true, Visibility::Public));
    let bytes = scene.prover.key().encode();
    let name = assay_verifier::basis::REFERENCE.as_bytes();
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    let mut other = bytes.clone();
    other[at + name.len() - 1] = b'2';
    assert!(matches!(VerifyingKey::decode(&other), Err(KeyError::Decode(_))));
    assert!(VerifyingKey::decode(&bytes).is_ok());
}

/// The digest names the reference string, so that a proof under one is none under another.
#[test]
fn a_proof_of_another_program_is_rejected() {
    let scene = Scene::new(forms(false, Visibility::Public));
    let (statement, proof) = scene.honest();
    let mut renamed = scene.program().clone();
    renamed.outputs[0].name.push('!');
    let key = VerifyingKey::public(renamed).unwrap();
    assert_ne!(key.digest(), scene.prover.key().digest());
    assert!(verify(&key, &statement, &proof).is_err());
}

/// No feature, no environment variable and no build setting changes what a verifier accepts.
#[test]
fn the_verifier_has_no_switch() {
    for folder in ["../verifier", "../circuits"] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let features = manifest.split("[features]").nth(1).unwrap_or("").split("\n[").next().unwrap();
        for line in features.lines().filter(|line| line.contains('=')) {
            let name = line.split('=').next().unwrap().trim();
            // `pure` chooses who computes BLAKE3; no line of ours asks for it, as the words below show.
            assert!(["default", "std", "pure"].contains(&name), "{folder} has a feature {name}");
        }
        let mut folders = vec![root.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                for word in ["env!", "env::var", "debug_assertions", "cfg!(", "feature = \"pure\""] {
                    assert!(!text.contains(word), "{} uses {word}", path.display());
                }
            }
        }
    }
    assert_eq!(SECURITY_BITS, 100);
}

/// A committed model's proof with other weights than the key's, under an opening without rounds and with some:
/// everything holds but that the rows have the values.
#[test]
fn weights_other_than_the_keys_are_rejected() {
    let scene = Scene::new(forms(true, Visibility::Public));
    let honest_rows = {
        let claimed = Claimed::new(scene.program(), scene.system(), &scene.trace);
        claimed.witness(scene.system()).rows(scene.system(), Group::Key)
    };
    let mut other = scene.program().clone();
    let values = other.constants[0].values.as_mut().unwrap();
    values[0] = if values[0] == 3 { 4 } else { 3 };
    let trace = assay_circuits::execute::execute(&other, &scene.trace.inputs).unwrap();
    assert_ne!(trace.wires, scene.trace.wires);
    for rounds in [0, 1, 3] {
        let mut plan = *scene.prover.key().plan();
        plan.rounds = rounds;
        let coverage = assay_circuits::lower::Coverage::All;
        let argument = Argument::new(scene.program(), &plan, coverage).unwrap();
        let (statement, proof) = scene.forge_argument(&argument, &scene.trace, |_, _| {}, &mut transcript());
        scene.verify_argument(&argument, (&statement, &proof)).unwrap();
        let claimed = Claimed::new(&other, &argument.system, &trace);
        let witness = claimed.witness(&argument.system);
        let basis = Basis::new(1 << plan.log_row);
        let message = scene.prover.key().message();
        let job = Job {
            program: scene.program(),
            argument: &argument,
            basis: &basis,
            key_message: &message,
            begins: &|_| {},
        };
        let (statement, proof) = job.prove_witness(&honest_rows, &witness, &mut transcript()).unwrap();
        let rejection = scene.verify_argument(&argument, (&statement, &proof));
        assert!(matches!(rejection, Err(Rejection::Opening(_))), "{rounds}: {rejection:?}");
    }
}
