//! Sampled proofs: the run is committed to first, operations are drawn later, and only these are proven.

use crate::common::forge::{Scene, tampered};
use crate::common::networks::attention;
use assay_circuits::lower::{Coverage, LowerError};
use assay_circuits::program::Visibility;
use assay_verifier::bundle::{self, Drawn};
use assay_verifier::draw::{draw, operations};
use assay_verifier::rejection::Rejection;
use assay_verifier::verify::{sampled, transcript, verify_covering};
use std::collections::BTreeSet;

const SAMPLES: u32 = 1;

fn scene() -> Scene {
    Scene::new(attention(false, Visibility::Public))
}

/// Randomness with which the draw covers this operation, or does not.
fn randomness(scene: &Scene, commitment: &[u8; 32], operation: usize, drawn: bool) -> [u8; 32] {
    (0..=u8::MAX)
        .map(|byte| [byte; 32])
        .find(|bytes| {
            operations(&draw(scene.program(), commitment, bytes, SAMPLES)).contains(&operation) == drawn
        })
        .unwrap()
}

#[test]
fn a_wrong_operation_is_rejected_where_it_is_drawn_and_passes_where_it_is_not() {
    let scene = scene();
    let key = scene.prover.key();
    let operation = 0;
    let wrong = scene.trace.wires[operation].values[0] - 1;
    let forged = tampered(scene.program(), &scene.trace, operation, 0, wrong).unwrap();
    let commitment = scene.prover.commitment(&forged);
    let mut verdicts = Vec::new();
    for is_drawn in [true, false] {
        let randomness = randomness(&scene, &commitment, operation, is_drawn);
        let drawn = Drawn { samples: SAMPLES, randomness, commitment };
        let argument = drawn.argument(key).unwrap();
        let (statement, proof) = scene.forge_argument(&argument, &forged, |_, _| {}, &mut transcript());
        let file = bundle::encode(key, Some(&drawn), &statement, &proof);
        verdicts.push(bundle::verify(key, &file).map(|(verdict, _)| verdict.coverage));
    }
    assert!(verdicts[0].is_err());
    // Such is a sample: what it does not cover it does not show, and the verdict says what it covers.
    let Ok(Coverage::Only(covered)) = &verdicts[1] else { panic!("{verdicts:?}") };
    assert!(!covered.contains(&operation));
}

#[test]
fn a_draw_for_other_wires_is_rejected() {
    let scene = scene();
    let key = scene.prover.key();
    let (drawn, statement, proof) = scene.prover.prove_drawn(&scene.trace, 3, [7; 32]).unwrap();
    let file = bundle::encode(key, Some(&drawn), &statement, &proof);
    let (verdict, _) = bundle::verify(key, &file).unwrap();
    let covered = operations(&draw(key.program(), &drawn.commitment, &[7; 32], 3));
    assert!(matches!(&verdict.coverage, Coverage::Only(set) if covered.is_subset(set)));

    // The prover shops for a draw: it proves other operations under a commitment that is not its wires'.
    let other = Drawn { commitment: [1; 32], ..drawn };
    let argument = other.argument(key).unwrap();
    let (statement, proof) = scene.prover.prove_argument(&argument, &scene.trace).unwrap();
    let file = bundle::encode(key, Some(&other), &statement, &proof);
    assert_eq!(bundle::verify(key, &file).unwrap_err(), Rejection::Commitment);
}

#[test]
fn every_field_of_a_draw_binds() {
    let scene = scene();
    let key = scene.prover.key();
    let (drawn, statement, proof) = scene.prover.prove_drawn(&scene.trace, 3, [7; 32]).unwrap();
    let edits = [
        Drawn { samples: 2, ..drawn },
        Drawn { randomness: [8; 32], ..drawn },
        Drawn { commitment: [0; 32], ..drawn },
        Drawn { samples: 0, ..drawn },
    ];
    for edited in edits {
        let same = edited.commitment == drawn.commitment
            && edited.argument(key).is_ok_and(|a| Ok(a.coverage) == drawn.argument(key).map(|a| a.coverage));
        let file = bundle::encode(key, Some(&edited), &statement, &proof);
        assert_eq!(bundle::verify(key, &file).is_ok(), same, "{edited:?}");
    }
    let file = bundle::encode(key, None, &statement, &proof);
    assert!(bundle::verify(key, &file).is_err(), "a sampled proof is not one of all operations");
}

#[test]
fn a_coverage_of_nothing_or_of_operations_that_are_not_there_is_refused() {
    let scene = scene();
    let key = scene.prover.key();
    let count = key.program().operations.len();
    let (statement, proof) = scene.honest();
    for set in [BTreeSet::new(), BTreeSet::from([count]), (0..=count).collect()] {
        let coverage = Coverage::Only(set);
        assert_eq!(sampled(key, coverage.clone()).unwrap_err(), LowerError::Coverage);
        let refused = verify_covering(key, coverage, &statement, &proof).unwrap_err();
        assert_eq!(refused, Rejection::Draw(LowerError::Coverage));
    }
}
