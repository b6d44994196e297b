//! Proof files that are not what they should be: damaged, cut, of another model, of a model edited since.

use crate::models::{perceptron, proven};
use assay_circuits::program::Program;
use assay_verifier::bundle;
use assay_verifier::key::VerifyingKey;

#[test]
fn a_flipped_byte_is_rejected_wherever_it_is() {
    let world = proven("");
    let file = world.read("p.proof");
    // The binary at some places, of every part of the file; the library, which the binary calls, at many more.
    let key = VerifyingKey::public(Program::decode(&world.read("m.assay")).unwrap()).unwrap();
    assert!(bundle::verify(&key, &file).is_ok());
    for place in (0..90).chain((90..file.len()).step_by(13)) {
        let mut damaged = file.clone();
        damaged[place] ^= 1 << (place % 8);
        assert!(bundle::verify(&key, &damaged).is_err(), "byte {place}");
    }
    for place in (0..file.len()).step_by(file.len() / 40) {
        let mut damaged = file.clone();
        damaged[place] ^= 0x10;
        world.write("d.proof", &damaged);
        world.assay("verify d.proof --model m.assay").rejected(&[]);
    }
}

#[test]
fn a_proof_cut_at_any_byte_or_with_bytes_after_it_is_rejected() {
    let world = proven("--committed --commit-output y");
    world.assay("key m.assay -o m.vk").done();
    let file = world.read("p.proof");
    let key = VerifyingKey::decode(&world.read("m.vk")).unwrap();
    for end in 0..file.len() {
        assert!(bundle::verify(&key, &file[..end]).is_err(), "cut at {end}");
    }
    for end in [0, 1, 7, 8, 11, 12, 43, 44, 48, 74, 80, file.len() / 2, file.len() - 1] {
        world.write("d.proof", &file[..end]);
        world.assay("verify d.proof --vk m.vk").rejected(&[]);
    }
    for more in [1, 32] {
        world.write("d.proof", &[file.as_slice(), &vec![0; more]].concat());
        world.assay("verify d.proof --vk m.vk").rejected(&["bytes"]);
    }
}

#[test]
fn a_proof_of_another_model_is_rejected_with_both_digests() {
    let world = proven("");
    world.write("other.onnx", &perceptron(1, 13));
    world.assay("compile other.onnx --calibrate xs.npy -o other.assay").done();
    let digest = |file: &str| -> String {
        let json = world.assay(&format!("inspect {file} --json")).json();
        json["program_digest"].as_str().unwrap().to_string()
    };
    let (ours, theirs) = (digest("m.assay"), digest("other.assay"));
    world.assay("verify p.proof --model other.assay").rejected(&[&ours, &theirs]);
    // The header alone does not decide: with the other digest in it the proof itself fails.
    let mut file = world.read("p.proof");
    let bytes: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&theirs[2 * i..2 * i + 2], 16).unwrap()).collect();
    file[12..44].copy_from_slice(&bytes);
    world.write("d.proof", &file);
    world.assay("verify d.proof --model other.assay").rejected(&[]);
}

#[test]
fn a_model_edited_after_compilation_is_refused_or_is_another_model() {
    let world = proven("");
    let program = world.read("m.assay");
    let original = Program::decode(&program).unwrap();
    let mut refused = 0;
    for place in (0..program.len()).step_by(program.len() / 60) {
        let mut edited = program.clone();
        edited[place] ^= 1;
        world.write("e.assay", &edited);
        let answer = world.assay("verify p.proof --model e.assay");
        refused += usize::from(answer.code == 2);
        match Program::decode(&edited) {
            Err(_) => answer.refused(&["e.assay"]),
            // A name or the accuracy report: no part of what a proof is about.
            Ok(program) if program.root() == original.root() => assert_eq!(answer.code, 0),
            Ok(_) => assert_ne!(answer.code, 0),
        }
    }
    assert!(refused > 10, "{refused}");
    let weights = original.constants.iter().find_map(|constant| constant.values.as_ref()).unwrap();
    let bytes: Vec<u8> = weights.iter().take(8).map(|&x| x as u8).collect();
    let place = program.windows(bytes.len()).position(|window| window == bytes).unwrap();
    let mut edited = program;
    edited[place] ^= 1;
    world.write("e.assay", &edited);
    for line in ["verify p.proof --model e.assay", "inspect e.assay", "key e.assay -o e.vk"] {
        world.assay(line).refused(&["e.assay", "constant digest"]);
    }
    world
        .assay("prove e.assay --input xs.npy --sample 2 -o e.proof")
        .refused(&["e.assay", "constant digest"]);
    assert!(!world.exists("e.vk") && !world.exists("e.proof"));
}

#[test]
fn a_key_that_was_changed_is_refused() {
    let world = proven("--committed");
    world.assay("key m.assay -o m.vk").done();
    let key = world.read("m.vk");
    for place in [0, 8, 20, key.len() / 2, key.len() - 200, key.len() - 1] {
        let mut edited = key.clone();
        edited[place] ^= 1;
        world.write("e.vk", &edited);
        assert_ne!(world.assay("verify p.proof --vk e.vk").code, 0, "byte {place}");
    }
    world.write("e.vk", &key[..key.len() - 1]);
    world.assay("verify p.proof --vk e.vk").refused(&["e.vk"]);
}
