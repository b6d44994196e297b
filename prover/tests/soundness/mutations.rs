//! Item 10 and structured mutation: every field of proofs, statements and keys, and bytes.

use crate::common::forge::Scene;
use crate::common::networks::{MODES, attention, convolution, forms};
use assay_circuits::encoding::Reader;
use assay_circuits::program::{Program, Visibility};
use assay_verifier::F;
use assay_verifier::basis;
use assay_verifier::key::VerifyingKey;
use assay_verifier::point::{self, G1Affine};
use assay_verifier::proof::Proof;
use assay_verifier::statement::{Statement, Value};
use assay_verifier::verify::verify;

/// Every scalar and point of a proof, in order, given to a function that may change it.
fn scalars(proof: &mut Proof) -> Vec<&mut F> {
    let Proof { tree, readings, stated, rounds, values, opening, .. } = proof;
    let mut all: Vec<&mut F> = tree.root.iter_mut().flatten().collect();
    for layer in &mut tree.layers {
        all.extend(layer.rounds.iter_mut().flatten());
        all.extend(layer.ends.iter_mut());
    }
    all.extend(readings.iter_mut().chain(stated).chain(rounds.iter_mut().flatten()).chain(values));
    all.extend(opening.unify.iter_mut().flatten());
    all.extend(opening.row.iter_mut());
    all
}

fn points(proof: &mut Proof) -> Vec<&mut G1Affine> {
    let Proof { wires, hints, opening, .. } = proof;
    wires.iter_mut().chain(hints).chain(opening.fold.iter_mut().flatten()).collect()
}

fn mutate_scalar(all: &mut [&mut F], at: usize, kind: usize) {
    match kind {
        0 => *all[at] += F::from(1u64),
        1 => *all[at] = -*all[at],
        2 => *all[at] = F::from(0u64),
        _ => {
            let next = (at + 1) % all.len();
            (*all[at], *all[next]) = (*all[next], *all[at]);
        }
    }
}

fn mutate_point(all: &mut [&mut G1Affine], at: usize, kind: usize) {
    match kind {
        0 => *all[at] = (ark_bn254::G1Projective::from(*all[at]) + basis::point(0)).into(),
        1 => *all[at] = -*all[at],
        2 => *all[at] = G1Affine::identity(),
        _ => {
            let next = (at + 1) % all.len();
            (*all[at], *all[next]) = (*all[next], *all[at]);
        }
    }
}

/// Mutates each field of a proof in one of four ways, in turn; from `first` on, every `step`-th.
fn every_field_is_checked(program: Program, first: usize, step: usize) {
    let scene = Scene::new(program);
    let (statement, honest) = scene.honest();
    let counts = (scalars(&mut honest.clone()).len(), points(&mut honest.clone()).len());
    for at in (first % step..counts.0).step_by(step) {
        let mut proof = honest.clone();
        mutate_scalar(&mut scalars(&mut proof), at, at / step % 4);
        if proof != honest {
            assert!(verify(scene.prover.key(), &statement, &proof).is_err(), "scalar {at}");
        }
    }
    for at in (first % step..counts.1).step_by(step) {
        let mut proof = honest.clone();
        mutate_point(&mut points(&mut proof), at, at / step % 4);
        if proof != honest {
            assert!(verify(scene.prover.key(), &statement, &proof).is_err(), "point {at}");
        }
    }
}

#[test]
fn every_field_of_a_proof_is_checked_in_every_mode() {
    for (mode, (committed, visibility)) in MODES.into_iter().enumerate() {
        for kind in 0..2 {
            every_field_is_checked(forms(committed, visibility), mode + kind, 2);
        }
        every_field_is_checked(convolution(committed, visibility), mode, 5);
        every_field_is_checked(attention(committed, visibility), mode, 5);
    }
}

#[test]
fn every_list_of_a_proof_has_its_length() {
    for (committed, visibility) in MODES {
        let scene = Scene::new(forms(committed, visibility));
        let (statement, honest) = scene.honest();
        type Edit = fn(&mut Proof, bool);
        fn resize<T: Clone>(list: &mut Vec<T>, longer: bool) {
            match longer {
                true => list.extend(list.last().cloned()),
                false => _ = list.pop(),
            }
        }
        let edits: [Edit; 13] = [
            |p, longer| resize(&mut p.wires, longer),
            |p, longer| resize(&mut p.hints, longer),
            |p, longer| resize(&mut p.tree.root, longer),
            |p, longer| resize(&mut p.tree.layers, longer),
            |p, longer| resize(&mut p.tree.layers[0].rounds, longer),
            |p, longer| resize(&mut p.tree.layers.last_mut().unwrap().rounds, longer),
            |p, longer| resize(&mut p.readings, longer),
            |p, longer| resize(&mut p.stated, longer),
            |p, longer| resize(&mut p.rounds, longer),
            |p, longer| resize(p.rounds.last_mut().unwrap(), longer),
            |p, longer| resize(&mut p.values, longer),
            |p, longer| resize(&mut p.opening.unify, longer),
            |p, longer| resize(&mut p.opening.row, longer),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            for longer in [false, true] {
                let mut proof = honest.clone();
                edit(&mut proof, longer);
                let rejection = verify(scene.prover.key(), &statement, &proof);
                assert!(rejection.is_err(), "list {number}, longer {longer}");
            }
        }
        let mut proof = honest.clone();
        proof.opening.fold.push([basis::point(0); 2]);
        assert!(verify(scene.prover.key(), &statement, &proof).is_err());
        assert!(verify(scene.prover.key(), &statement, &Proof::default()).is_err());
    }
}

#[test]
fn every_field_of_a_statement_is_checked() {
    for (committed, visibility) in MODES {
        for program in [forms(committed, visibility), attention(committed, visibility)] {
            let scene = Scene::new(program);
            let (honest, proof) = scene.honest();
            let refuse = |statement: &Statement, what: &str| {
                assert!(verify(scene.prover.key(), statement, &proof).is_err(), "{what}");
            };
            for output in [false, true] {
                let count = if output { honest.outputs.len() } else { honest.inputs.len() };
                for number in 0..count {
                    let edit = |edit: &dyn Fn(&mut Value)| {
                        let mut statement = honest.clone();
                        let parts = if output { &mut statement.outputs } else { &mut statement.inputs };
                        edit(&mut parts[number]);
                        if statement != honest {
                            refuse(&statement, "an edit");
                        }
                    };
                    let cells = match if output { &honest.outputs[number] } else { &honest.inputs[number] } {
                        Value::Public(tensor) => tensor.values.len(),
                        Value::Committed(rows) => rows.len(),
                    };
                    for cell in 0..cells {
                        for kind in 0..4 {
                            edit(&|value| match value {
                                Value::Public(tensor) => {
                                    let next = (cell + 1) % tensor.values.len();
                                    match kind {
                                        0 => tensor.values[cell] += 1,
                                        1 => tensor.values[cell] = -tensor.values[cell],
                                        2 => tensor.values[cell] = i64::MIN,
                                        _ => tensor.values.swap(cell, next),
                                    }
                                }
                                Value::Committed(rows) => {
                                    let mut rows: Vec<&mut G1Affine> = rows.iter_mut().collect();
                                    mutate_point(&mut rows, cell, kind);
                                }
                            });
                        }
                    }
                    // Shape, length, visibility.
                    edit(&|value| match value {
                        Value::Public(tensor) => _ = tensor.values.pop(),
                        Value::Committed(rows) => _ = rows.pop(),
                    });
                    edit(&|value| match value {
                        Value::Public(tensor) => tensor.values.push(0),
                        Value::Committed(rows) => rows.push(G1Affine::identity()),
                    });
                    edit(&|value| {
                        if let Value::Public(tensor) = value {
                            let mut sizes = tensor.shape.sizes().to_vec();
                            sizes.insert(0, 1);
                            tensor.shape = assay_circuits::shape::Shape::new(sizes).unwrap();
                        }
                    });
                    edit(&|value| {
                        *value = match value {
                            Value::Public(_) => Value::Committed(vec![G1Affine::identity()]),
                            Value::Committed(_) => Value::Public(scene.trace.inputs[0].clone()),
                        };
                    });
                }
            }
            let mut statement = honest.clone();
            statement.inputs.pop();
            refuse(&statement, "an input less");
            let mut statement = honest.clone();
            statement.outputs.push(statement.outputs[0].clone());
            refuse(&statement, "an output more");
            refuse(&Statement::default(), "nothing");
        }
    }
}

#[test]
fn bytes_cut_flipped_or_added_are_rejected() {
    let scene = Scene::new(forms(false, Visibility::Committed));
    let (statement, proof) = scene.honest();
    let (key, shape) = (scene.prover.key(), &scene.argument().shape);
    let bytes = proof.encode();
    for end in 0..bytes.len() {
        assert!(Proof::decode(&bytes[..end], shape).is_err());
    }
    for extra in [&[0][..], &[0; 32]] {
        assert!(Proof::decode(&[&bytes, extra].concat(), shape).is_err());
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let Ok(decoded) = Proof::decode(&flipped, shape) else { continue };
        assert_eq!(decoded.encode(), flipped, "two encodings of one proof");
        if at % 3 == 0 {
            assert!(verify(key, &statement, &decoded).is_err(), "byte {at}");
        }
    }
    let layout = &scene.system().layout;
    let bytes = statement.encode(key.program(), layout);
    for end in 0..bytes.len() {
        assert!(Statement::decode(&mut Reader::new(&bytes[..end]), key.program(), layout).is_err());
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(other) = Statement::decode(&mut Reader::new(&flipped), key.program(), layout) {
            assert!(verify(key, &other, &proof).is_err(), "byte {at} of the statement");
        }
    }
}

/// A scalar at or above p, an x at or above q, an x beside the curve, flags that contradict: at every place.
#[test]
fn what_is_not_canonical_is_refused_at_every_place() {
    let scene = Scene::new(forms(false, Visibility::Public));
    let (_, proof) = scene.honest();
    let shape = &scene.argument().shape;
    let bytes = proof.encode();
    let first_scalar = 32 * (shape.wires + shape.hints);
    let beside = (0u8..).map(|low| {
        let mut bytes = [0; 32];
        bytes[0] = low;
        bytes
    });
    let beside = beside.into_iter().find(|bytes| point::decode(bytes).is_err()).unwrap();
    for place in (0..bytes.len()).step_by(32) {
        let mut bad = vec![[0xff; 32]];
        let is_point = place < first_scalar;
        if is_point {
            let mut flagged = [0; 32];
            (flagged[0], flagged[31]) = (1, 0x40);
            bad.extend([beside, flagged]);
        } else if place < first_scalar + 32 {
            let modulus = point::encode_scalar(&-F::from(1u64));
            let mut above = modulus;
            above[0] += 1;
            bad.push(above);
        }
        for replacement in bad {
            let mut changed = bytes.clone();
            changed[place..place + 32].copy_from_slice(&replacement);
            assert!(Proof::decode(&changed, shape).is_err(), "place {place}");
        }
    }
}

/// The identity is a legal row where zeros are committed, and no other row.
#[test]
fn the_identity_is_the_row_of_zeros() {
    let mut program = forms(false, Visibility::Committed);
    program.committed_model = false;
    let inputs =
        vec![assay_circuits::tensor::Tensor::new(crate::common::networks::shape(&[5]), vec![0; 5]).unwrap()];
    let scene = Scene::with(program, &inputs);
    let (statement, proof) = scene.honest();
    let Value::Committed(rows) = &statement.inputs[0] else { panic!() };
    assert!(rows.iter().all(|row| *row == G1Affine::identity()));
    let decoded = Proof::decode(&proof.encode(), &scene.argument().shape).unwrap();
    verify(scene.prover.key(), &statement, &decoded).unwrap();
    let scene = Scene::new(forms(false, Visibility::Committed));
    let (mut statement, proof) = scene.honest();
    let Value::Committed(rows) = &mut statement.inputs[0] else { panic!() };
    rows[0] = G1Affine::identity();
    assert!(verify(scene.prover.key(), &statement, &proof).is_err());
}

/// A key with any bit changed is refused, or is another key; only texts may change without a trace.
#[test]
fn a_changed_key_is_refused_or_another_key() {
    for committed in [false, true] {
        let scene = Scene::new(forms(committed, Visibility::Public));
        let (statement, proof) = scene.honest();
        let key = scene.prover.key();
        let bytes = key.encode();
        assert_eq!(VerifyingKey::decode(&bytes).unwrap(), *key);
        for end in (0..bytes.len()).step_by(7) {
            assert!(VerifyingKey::decode(&bytes[..end]).is_err());
        }
        assert!(VerifyingKey::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let Ok(other) = VerifyingKey::decode(&flipped) else { continue };
            assert_eq!(other.encode(), flipped, "two encodings of one key");
            let same = other.digest() == key.digest() && other.rows() == key.rows();
            let verdict = verify(&other, &statement, &proof);
            assert_eq!(verdict.is_ok(), same, "byte {at}");
            if same {
                let mut texts = other.program().clone();
                texts.accuracy = key.program().accuracy.clone();
                for (operation, of) in texts.operations.iter_mut().zip(&key.program().operations) {
                    operation.name.clone_from(&of.name);
                }
                assert_eq!(texts, *key.program(), "more than a text");
            }
        }
    }
}

#[test]
fn rows_and_range_proof_of_a_key_are_checked() {
    let scene = Scene::new(forms(true, Visibility::Public));
    let key = scene.prover.key();
    let program = scene.program();
    let (_, _, ranges) = parts(key);
    for number in 0..key.rows().len() {
        for kind in 0..3 {
            let mut rows = key.rows().to_vec();
            mutate_point(&mut rows.iter_mut().collect::<Vec<_>>(), number, kind);
            if rows != key.rows() {
                assert!(VerifyingKey::committed(program.clone(), rows, ranges.clone()).is_err());
            }
        }
    }
    let mut fewer = key.rows().to_vec();
    fewer.pop();
    assert!(VerifyingKey::committed(program.clone(), fewer, ranges.clone()).is_err());
    let count = scalars(&mut ranges.clone()).len();
    for at in (0..count).step_by(3) {
        let mut changed = ranges.clone();
        mutate_scalar(&mut scalars(&mut changed), at, at % 4);
        if changed != ranges {
            assert!(VerifyingKey::committed(program.clone(), key.rows().to_vec(), changed).is_err());
        }
    }
    assert!(VerifyingKey::public(program.clone()).is_err());
    let public = Scene::new(forms(false, Visibility::Public));
    assert!(VerifyingKey::committed(public.program().clone(), vec![], ranges).is_err());
}

/// Program, rows and range proof of a key, from its encoding.
fn parts(key: &VerifyingKey) -> (Program, Vec<G1Affine>, Proof) {
    let coverage = assay_circuits::lower::Coverage::Constants;
    let shape = assay_verifier::verify::sampled(key, coverage).unwrap().shape;
    let bytes = key.encode();
    let ranges = Proof::decode(&bytes[bytes.len() - shape.bytes()..], &shape).unwrap();
    (key.program().clone(), key.rows().to_vec(), ranges)
}
