//! Item 6: the tree of lookups.

use crate::common::forge::{Claimed, Scene, tampered};
use crate::common::networks::{Builder, term, whole};
use crate::common::transcripts::RiggedAlpha;
use ark_ff::Field;
use assay_circuits::expression::Expression;
use assay_circuits::program::{Program, Visibility};
use assay_circuits::relation::{System, Values};
use assay_circuits::table::Table;
use assay_circuits::tensor::Bounds;
use assay_prover::witness::{Leaf, Witness};
use assay_verifier::F;
use assay_verifier::lookup::tag;
use assay_verifier::rejection::Rejection;
use assay_verifier::transcript::{MerlinTranscript, Transcript};
use assay_verifier::verify::transcript;

const BYTE: Bounds = Bounds { lo: -128, hi: 127 };

/// Two quotients that never leave a byte, by 4 and by 16, and one that does.
fn quotients() -> Program {
    let mut b = Builder::new(false);
    let x = b.input(&[5], (-128, 127), Visibility::Public);
    let read = || vec![vec![term(1, &[whole(x, 1)])]];
    let quarter = b.operation(&[5], &[], read(), Expression::requantise(4, BYTE));
    let sixteenth = b.operation(&[5], &[], read(), Expression::requantise(16, BYTE));
    let sum = vec![term(1, &[whole(quarter, 1)]), term(1, &[whole(sixteenth, 1)])];
    let y = b.operation(&[5], &[], vec![sum], Expression::Sum(0));
    b.output(y, Visibility::Public);
    b.finish()
}

/// Writes the counts of the claimed witness into its values, so that they can be edited.
fn count(system: &System, claimed: &mut Claimed) -> Vec<(usize, [i64; 3], usize)> {
    let witness: Witness<'_> = claimed.witness(system);
    let outside = |(number, leaves): (usize, &Vec<Leaf>)| {
        let table = system.lookups[number].table;
        let sums = leaves.iter().filter_map(|leaf| match leaf {
            Leaf::Outside(sums) => Some(*sums),
            _ => None,
        });
        sums.map(|sums| (table, sums, system.lookups[number].columns.len())).collect::<Vec<_>>()
    };
    let outside = witness.leaves.iter().enumerate().flat_map(outside).collect();
    let counts: Vec<(usize, Vec<i64>)> = system
        .tables
        .iter()
        .map(|spec| (spec.multiplicity, witness.tensor(spec.multiplicity).to_vec()))
        .collect();
    drop(witness);
    for (id, counts) in counts {
        claimed.values[id] = counts;
    }
    outside
}

#[test]
fn a_row_of_another_table_does_not_stand_for_a_missing_one() {
    let scene = Scene::new(quotients());
    let mut moved = 0;
    for cell in 0..5 {
        // One less, so that the remainder by 4 is from 4 to 7: a remainder by 16.
        let wrong = scene.trace.wires[0].values[cell] - 1;
        let trace = tampered(scene.program(), &scene.trace, 0, cell, wrong).unwrap();
        let edit = |system: &System, claimed: &mut Claimed| {
            for (table, tuple, columns) in count(system, claimed) {
                let other = system.tables.iter().enumerate().find_map(|(number, spec)| {
                    let row = spec.table.find(&tuple[..columns]).filter(|_| number != table)?;
                    Some((spec.multiplicity, row))
                });
                if let Some((multiplicity, row)) = other {
                    claimed.values[multiplicity][row] += 1;
                    moved += 1;
                }
            }
        };
        let forged = scene.forge_argument(scene.argument(), &trace, edit, &mut transcript());
        assert_eq!(scene.verify(&forged), Err(Rejection::Root));
    }
    assert_eq!(moved, 5);
}

#[test]
fn multiplicities_other_than_the_counts_are_rejected() {
    let scene = Scene::new(quotients());
    for shift in [1, -1, 1 << 40] {
        let rejection = scene.rejects(|system, claimed| {
            count(system, claimed);
            claimed.values[system.tables[0].multiplicity][1] += shift;
        });
        assert_eq!(rejection, Rejection::Root);
    }
}

/// A missing row repeats the first: counting a row there is the same.
#[test]
fn a_count_at_a_repeated_row_is_a_count_of_the_first() {
    let mut b = Builder::new(false);
    let x = b.input(&[5], (-128, 127), Visibility::Public);
    let third = vec![vec![term(1, &[whole(x, 1)])]];
    let third = b.operation(&[5], &[], third, Expression::requantise(3, BYTE));
    let y = b.operation(&[5], &[], vec![vec![term(1, &[whole(third, 1)])]], Expression::Sum(0));
    b.output(y, Visibility::Public);
    let scene = Scene::new(b.finish());
    let forged = scene.forge(|system, claimed| {
        count(system, claimed);
        let padded = |table: &Table| table.row(table.rows() - 1) == table.row(0);
        let spec = system.tables.iter().find(|spec| padded(&spec.table)).unwrap();
        let counts = &mut claimed.values[spec.multiplicity];
        let last = counts.len() - 1;
        counts[last] += counts[0] - 7;
        counts[0] = 7;
    });
    scene.verify(&forged).unwrap();
}

/// Two leaves equal to alpha make 0 = 0 of every sum of fractions; only the root's denominator tells.
#[test]
fn a_zero_denominator_is_rejected_under_chosen_challenges() {
    let scene = Scene::new(quotients());
    let system = scene.system();
    let single =
        |lookup: &&assay_circuits::relation::Lookup| lookup.columns.len() == 1 && lookup.operation == Some(0);
    let lookup = system.lookups.iter().find(single).expect("split tables");
    let (values, wrong) = match lookup.columns[0].terms.len() {
        1 => (Some(1000), 1000),
        _ => (None, 0),
    };
    assert_eq!(values, Some(1000), "the wire's own range");
    let forge = |transcript: &mut RiggedAlpha| {
        scene.forge_argument(
            scene.argument(),
            &scene.trace,
            |system, claimed| {
                let id = system.tensors.iter().position(|spec| spec.values == Values::Wire(0)).unwrap();
                claimed.values[id][0] = wrong;
                claimed.values[id][1] = wrong;
                count(system, claimed);
            },
            transcript,
        )
    };
    let rigged = || RiggedAlpha::new(tag(lookup.table), wrong);
    let forged = forge(&mut rigged());
    let root = forged.1.tree.root[0];
    let zero = F::from(0u64);
    assert_eq!(root[0] * root[3] + root[2] * root[1], zero);
    assert_eq!(scene.verify_on(&forged, rigged()), Err(Rejection::Root));
}

/// A tree of other leaves than the tensors': the forger's leaves satisfy every table, his tensors do not.
#[test]
fn leaves_that_are_not_the_tensors_are_rejected() {
    let scene = Scene::new(quotients());
    let trace = &scene.trace;
    let wrong = trace.wires[0].values[0] + 1;
    let forged_trace = tampered(scene.program(), trace, 0, 0, wrong).unwrap();
    let honest = Claimed::new(scene.program(), scene.system(), trace);
    // Leaves, multiplicities: the honest ones; everything that is committed or stated: the forger's.
    let leaves = honest.witness(scene.system()).leaves;
    let mut claimed = Claimed::new(scene.program(), scene.system(), &forged_trace);
    for spec in &scene.system().tables {
        claimed.values[spec.multiplicity] = honest.witness(scene.system()).tensor(spec.multiplicity).to_vec();
    }
    let mut witness = claimed.witness(scene.system());
    witness.leaves = leaves;
    let forged = scene.forge_witness(scene.argument(), &witness, &mut transcript());
    assert_eq!(scene.verify(&forged), Err(Rejection::Leaves));
}

/// The numerators of leaves are the verifier's own masks: nobody counts a leaf in padding, or leaves one out.
#[test]
fn a_leaf_that_is_not_counted_is_rejected() {
    let scene = Scene::new(quotients());
    let system = scene.system();
    let wrong = scene.trace.wires[0].values[0] + 1;
    let forged_trace = tampered(scene.program(), &scene.trace, 0, 0, wrong).unwrap();
    let claimed = Claimed::new(scene.program(), system, &forged_trace);
    let mut witness = claimed.witness(system);
    // The tuple that is in no table is passed off as padding.
    let mut hidden = 0;
    for leaf in witness.leaves.iter_mut().flatten() {
        if let Leaf::Outside(sums) = *leaf {
            *leaf = Leaf::Padding(sums);
            hidden += 1;
        }
    }
    assert_eq!(hidden, 1);
    let forged = scene.forge_witness(scene.argument(), &witness, &mut transcript());
    assert_eq!(scene.verify(&forged), Err(Rejection::Leaves));
}

/// A layer of the tree that is not the sum of the one below: the root is said to be zero.
#[test]
fn a_root_that_does_not_follow_from_its_layers_is_rejected() {
    let scene = Scene::new(quotients());
    let wrong = scene.trace.wires[0].values[0] + 1;
    let forged_trace = tampered(scene.program(), &scene.trace, 0, 0, wrong).unwrap();
    struct Lying(MerlinTranscript);
    impl Transcript for Lying {
        fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
            match label {
                b"root" => self.0.absorb(label, &lie(message)),
                _ => self.0.absorb(label, message),
            }
        }
        fn challenge(&mut self, label: &'static [u8]) -> F {
            self.0.challenge(label)
        }
    }
    /// p1 set so that the two fractions cancel.
    fn lie(message: &[u8]) -> Vec<u8> {
        let scalar = |i: usize| {
            let bytes = message[8 + 32 * i..40 + 32 * i].try_into().unwrap();
            assay_verifier::point::decode_scalar(bytes).unwrap()
        };
        let p1 = -scalar(0) * scalar(3) * scalar(1).inverse().unwrap();
        let mut message = message.to_vec();
        message[8 + 64..8 + 96].copy_from_slice(&assay_verifier::point::encode_scalar(&p1));
        message
    }
    let (statement, mut proof) =
        scene.forge_argument(scene.argument(), &forged_trace, |_, _| {}, &mut Lying(transcript()));
    let root = &mut proof.tree.root[0];
    root[2] = -root[0] * root[3] * root[1].inverse().unwrap();
    assert_eq!(scene.verify(&(statement, proof)), Err(Rejection::Layer { layer: 1 }));
}
