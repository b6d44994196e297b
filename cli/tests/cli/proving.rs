//! `prove`, `verify`, `demo`: honest proofs, and the buyer's comparison with its own files.

use crate::models::{array, floats, proven};
use crate::world::World;
use assay_prover::files::npy;

#[test]
fn a_proof_is_verified_with_the_program_or_its_key_in_every_mode() {
    for options in ["", "--committed", "--commit-input x --commit-output y", "--committed --commit-input x"] {
        let world = proven(options);
        world.assay("key m.assay -o m.vk").done();
        world.assay("run m.assay --input xs.npy --sample 2 -o out").done();
        for model in ["--model m.assay", "--vk m.vk"] {
            let line = format!("verify p.proof {model} --input xs.npy --sample 2");
            assert!(world.assay(&line).done().starts_with("VERIFIED"));
            world.assay(&format!("{line} --output out/y.npy")).done();
            world.assay(&format!("{line} --output y=out/y.int.npy")).done();
            world.assay(&format!("verify p.proof {model} --input xs.npy --sample 3")).rejected(&["input x"]);
        }
    }
}

#[test]
fn the_verdict_as_json_is_one_object_with_everything_in_it() {
    let world = proven("--commit-input x");
    world.assay("run m.assay --input xs.npy --sample 2 -o out").done();
    let json = world.assay("verify p.proof --model m.assay --input xs.npy --sample 2 --json").json();
    assert_eq!(json["verdict"], "verified");
    assert!(json["reason"].is_null());
    assert_eq!(json["mode"]["model"], "public");
    assert_eq!(json["mode"]["inputs"]["x"], "committed");
    assert_eq!(json["mode"]["outputs"]["y"], "public");
    assert_eq!(json["reference"], "assay-transparent-bn254-v1");
    assert!(json["security_bits"].as_u64().unwrap() >= 100);
    assert_eq!(json["coverage"], "all");
    assert_eq!(json["inputs"]["x"]["visibility"], "committed");
    assert_eq!(json["inputs"]["x"]["equals"], "xs.npy");
    assert_eq!(json["inputs"]["x"]["commitment"][0].as_str().unwrap().len(), 64);
    let reals = npy::decode(&world.read("out/y.npy")).unwrap().to_f32();
    let stated: Vec<f32> = json["outputs"]["y"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect();
    assert_eq!(stated, reals);
    assert_eq!(json["file_bytes"].as_u64().unwrap() as usize, world.read("p.proof").len());
    let inspected = world.assay("inspect p.proof --json").json();
    assert_eq!(inspected["program_digest"], json["program_digest"]);
    assert_eq!(json["program_digest"].as_str().unwrap().len(), 64);
    assert!(json["times"]["verify_ms"].as_f64().unwrap() > 0.0);

    let rejected = world.assay("verify p.proof --model m.assay --input xs.npy --sample 1 --json");
    assert_eq!(rejected.code, 1);
    assert_eq!(rejected.json()["verdict"], "rejected");
    assert!(rejected.json()["reason"].as_str().unwrap().contains("input x"));
    let error = world.assay("verify p.proof --model none.assay --json");
    assert_eq!(error.code, 2);
    assert!(error.json()["error"].as_str().unwrap().contains("none.assay"));
}

#[test]
fn a_difference_from_the_buyers_files_names_the_element() {
    let world = proven("");
    world.assay("run m.assay --input xs.npy --sample 2 -o out").done();
    let changed = |file: &str, place: usize, delta: f32| {
        let tensor = npy::decode(&world.read(file)).unwrap();
        let mut values = tensor.to_f32();
        values[place] += delta;
        array(tensor.shape(), values)
    };
    world.write("x.npy", &changed("xs.npy", 2 * 4 + 3, 0.25));
    world.write("y.npy", &changed("out/y.npy", 1, 0.001));
    world.write("y.int.npy", &array(&[1, 3], vec![0i64; 3]));
    world
        .assay("verify p.proof --model m.assay --input x.npy --sample 2")
        .rejected(&["input x", "[0, 3]", "x.npy"]);
    world.assay("verify p.proof --model m.assay --output y.npy").rejected(&["output y", "[0, 1]", "y.npy"]);
    world
        .assay("verify p.proof --model m.assay --output y.int.npy")
        .rejected(&["output y", "0 in y.int.npy"]);
    world.assay("verify p.proof --model m.assay --output z=y.npy").refused(&["no output z"]);
    world.assay("verify p.proof --model m.assay --output xs.npy").refused(&["[8, 4]", "[1, 3]"]);
}

#[test]
fn inputs_that_do_not_fit_are_refused_and_nothing_is_written() {
    let world = proven("");
    std::fs::remove_file(world.path("p.proof")).unwrap();
    world.write("nan.npy", &array(&[1, 4], vec![0f32, f32::INFINITY, 0.0, 0.0]));
    world.write("wide.npy", &array(&[1, 5], vec![0f32; 5]));
    world.write("int.npy", &array(&[1, 4], vec![0i32; 4]));
    world.write("cut.npy", &world.read("xs.npy")[..100]);
    let before = world.files();
    for (input, words) in [
        ("none.npy", ["none.npy", "cannot read"]),
        ("xs.npy", ["8 samples", "--sample"]),
        ("xs.npy --sample 8", ["8 samples", "no sample 8"]),
        ("nan.npy", ["nan.npy", "inf"]),
        ("wide.npy", ["[1, 5]", "[1, 4]"]),
        ("int.npy", ["int.npy", "int32"]),
        ("cut.npy", ["cut.npy", "header"]),
        ("m.assay", ["m.assay", ".npy"]),
    ] {
        world.assay(&format!("prove m.assay --input {input} -o p.proof")).refused(&words);
    }
    assert_eq!(world.files(), before);
}

#[test]
fn inputs_far_out_of_the_calibrated_range_saturate_are_noted_and_proven() {
    let world = proven("");
    world.write("far.npy", &array(&[1, 4], vec![1e30f32, -1e30, 0.5, 4e9]));
    let text = world.assay("prove m.assay --input far.npy -o far.proof").done();
    assert!(text.contains("3 of 4 elements of input x"), "{text}");
    world.assay("verify far.proof --model m.assay --input far.npy").done();
}

#[test]
fn the_proof_has_the_same_bytes_on_any_number_of_threads() {
    let world = proven("");
    for threads in [1, 2, 5] {
        world
            .assay(&format!("prove m.assay --input xs.npy --sample 2 --threads {threads} -o t.proof"))
            .done();
        assert_eq!(world.read("t.proof"), world.read("p.proof"));
    }
}

#[test]
fn the_demo_shows_a_proof_and_two_rejections() {
    let world = World::new();
    let text = world.assay("demo").done();
    for words in
        ["█", "compile", "prove", "VERIFIED: the picture shows a 7", "One bit", "REJECTED", "claim a 8"]
    {
        assert!(text.contains(words), "{text}");
    }
    for digit in [0, 3, 9] {
        let json = world.assay(&format!("demo --digit {digit} --json")).json();
        assert_eq!((&json["predicted"], &json["verdict"]), (&digit.into(), &"verified".into()));
        assert!(json["rejections"]["flipped_bit"].as_str().is_some_and(|reason| !reason.is_empty()));
        assert!(json["rejections"]["changed_output"].as_str().is_some_and(|reason| !reason.is_empty()));
    }
    assert!(world.files().is_empty());
}

#[test]
fn help_shows_examples_for_every_subcommand() {
    let world = World::new();
    assert!(world.assay("--help").done().contains("Exit codes"));
    for command in ["compile", "run", "prove", "verify", "inspect", "key", "signer", "replay", "export"] {
        let help = world.assay(&format!("{command} --help")).done();
        assert!(help.contains(&format!("assay {command} ")), "{help}");
    }
    world.write("x.npy", &npy::encode(&floats(&[1], 0)));
}

#[test]
fn a_sample_is_committed_to_drawn_and_proven() {
    let world = proven("");
    world.write("nonce.hex", "5a".repeat(32).as_bytes());
    world.write("other.hex", "5b".repeat(32).as_bytes());
    let run = "prove m.assay --input xs.npy --sample 2";
    world.assay(&format!("{run} --commit-only -o x.commit")).done();
    world.assay(&format!("{run} --draw 2 --beacon nonce.hex -o s.proof")).done();
    let verify = "verify s.proof --model m.assay --input xs.npy --sample 2";
    let verdict = world.assay(&format!("{verify} --beacon nonce.hex --draw 2 --commitment x.commit")).done();
    assert!(verdict.contains("covers") && verdict.contains("worth"), "{verdict}");
    assert!(world.assay(verify).done().contains("--beacon"));
    let json = world.assay(&format!("{verify} --json")).json();
    assert_eq!(json["coverage"]["samples"], 2);
    assert!(!json["coverage"]["operations"].as_array().unwrap().is_empty());
    world.assay(&format!("{verify} --beacon other.hex --draw 2")).rejected(&["beacon", "5a5a"]);
    // Who asks for a draw says how many: a prover would choose the most that miss what it forged.
    world.assay(&format!("{verify} --beacon nonce.hex")).refused(&["--draw"]);
    world.assay(&format!("{verify} --beacon nonce.hex --draw 3")).rejected(&["2 draws", "fewer than the 3"]);
    world.assay(&format!("{verify} --beacon nonce.hex --draw 1")).done();
    world.assay(&format!("{verify} --commitment nonce.hex")).rejected(&["commitment"]);
    world.assay("verify p.proof --model m.assay --beacon nonce.hex --draw 2").refused(&["nothing was drawn"]);
    world.write("short.hex", b"5a");
    world.assay(&format!("{run} --draw 2 --beacon short.hex -o t.proof")).refused(&["32 bytes"]);
}
