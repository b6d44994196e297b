//! `signer`, `run --receipt`, `verify`, `replay`, `export`: receipts, honest and other.

use crate::models::{array, perceptron, proven};
use crate::world::World;
use assay_circuits::program::Program;
use assay_prover::audit::answer;
use assay_prover::compile::quantise_input;
use assay_prover::envelope::{OutputFile, open, seal};
use assay_prover::execute;
use assay_prover::files::npy;
use assay_prover::onnx::Tensor;
use assay_prover::receipt::{receipt_of, wire_digests};
use assay_prover::signature::SigningKey;
use assay_prover::spill::TraceWriter;
use assay_prover::terms::{parse_hex, to_json};
use assay_verifier::draw::draw;
use assay_verifier::keccak::keccak256;
use assay_verifier::receipt::Receipt;
use assay_verifier::signature::Signer;
use assay_verifier::terms::{Agreement, Terms, word_of};
use serde_json::Value;

const RUN: &str = "run m.assay --input xs.npy --sample 2 --receipt r.json --signer k.pem -o out";
const REPLAY: &str = "replay r.json --model m.assay --input xs.npy --sample 2";

/// The perceptron, a key, and what the key's holder is called.
fn with_key(options: &str) -> (World, String) {
    let world = proven("");
    let json = world.assay(&format!("signer new {options} -o k.pem --json")).json();
    (world, json["signer"].as_str().unwrap().to_string())
}

/// The perceptron with a receipt `r.json` for sample 2.
fn receipted(options: &str) -> (World, String) {
    let (world, signer) = with_key(options);
    world.assay(RUN).done();
    (world, signer)
}

fn key(world: &World) -> SigningKey {
    SigningKey::from_pem(&String::from_utf8(world.read("k.pem")).unwrap()).unwrap()
}

fn receipt(world: &World) -> Receipt {
    open(&world.read("r.json")).unwrap().0.receipt
}

/// Writes `r.json` and `trace` of a provider that changed one element of operation `wrong` and signs it.
fn forged(world: &World, wrong: usize) -> String {
    let program = Program::decode(&world.read("m.assay")).unwrap();
    let xs = npy::decode(&world.read("xs.npy")).unwrap();
    let row = Tensor::new(vec![1, 4], xs.data().select(8..12)).unwrap();
    let mut trace = execute(&program, &[quantise_input(&program, 0, &row)]).unwrap();
    let wire = trace.wires[wrong].values.last_mut().unwrap();
    *wire += if program.operations[wrong].bounds().hi > *wire { 1 } else { -1 };
    let receipt = receipt_of(&program, [0; 32], &trace, wire_digests(&program, &trace)).unwrap();
    let output = &trace.wires[program.outputs[0].operation];
    let bounds = program.operations[program.outputs[0].operation].bounds();
    let outputs = [OutputFile::new("y", &output.to_bytes(&bounds))];
    world.write("r.json", &seal(&receipt, &outputs, None, &key(world)).unwrap());
    let writer = TraceWriter::create(&world.path("trace")).unwrap();
    writer.run(&program, &trace);
    writer.finish(&program, &receipt).unwrap();
    program.operations[wrong].name.clone()
}

/// Terms for the perceptron's run on sample 2, whose provider is the key's account.
fn agreement(world: &World) -> Agreement {
    let receipt = receipt(world);
    let Signer::Address(provider) = key(world).signer().unwrap() else { panic!("an account is needed") };
    let terms = Terms { program: receipt.program, inputs: receipt.inputs, provider, ..Terms::default() };
    Agreement { chain_id: word_of(31337), contract: [5; 20], buyer: [6; 20], nonce: word_of(7), terms }
}

#[test]
fn a_new_key_is_private_shown_and_never_replaced() {
    for (options, start) in [("", "ed25519:"), ("--secp256k1", "0x")] {
        let (world, signer) = with_key(options);
        assert!(signer.starts_with(start), "{signer}");
        assert!(world.assay("signer show k.pem").done().contains(&signer));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(world.path("k.pem")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let before = world.read("k.pem");
        world.assay(&format!("signer new {options} -o k.pem")).refused(&["k.pem", "cannot write"]);
        assert_eq!(world.read("k.pem"), before);
        world.assay("signer show m.assay").refused(&["m.assay", "private key"]);
        world.assay("signer show none.pem").refused(&["none.pem"]);
    }
}

#[test]
fn a_receipt_is_verified_replayed_and_its_digests_are_those_of_the_outputs() {
    for options in ["", "--secp256k1"] {
        let (world, signer) = receipted(options);
        let text = world.assay("verify r.json").done();
        assert!(text.starts_with("VERIFIED") && text.contains(&signer), "{text}");
        let line = format!(
            "verify r.json --model m.assay --input xs.npy --sample 2 --output y=out/y.int.npy --from {signer}"
        );
        world.assay(&line).done();
        world.assay("verify r.json --model m.assay --output out/y.npy").done();
        assert!(world.assay(REPLAY).done().starts_with("REPLAYED"));
        let json = world.assay("verify r.json --json").json();
        assert_eq!((&json["verdict"], &json["receipt"]["signer"]), (&"verified".into(), &signer.into()));
        assert_eq!(json["receipt"]["profile"], "int8/1");
        assert_eq!(json["receipt"]["job"], "00".repeat(32));
        assert_eq!(json["receipt"]["outputs"][0]["name"], "y");
        assert_eq!(
            (&json["equals"]["inputs"][0], &json["equals"]["outputs"][0]),
            (&Value::Null, &Value::Null)
        );
        let json = world.assay(&format!("{line} --json")).json();
        assert_eq!(json["equals"]["inputs"][0], "xs.npy");
        let before = world.read("r.json");
        world.assay(RUN).done();
        assert_eq!(receipt(&world), open(&before).unwrap().0.receipt);
    }
}

#[test]
fn other_files_another_model_and_another_signer_are_rejected() {
    let (world, signer) = receipted("");
    world.write("other.onnx", &perceptron(1, 13));
    world.assay("compile other.onnx --calibrate xs.npy -o other.assay").done();
    world.write("y.npy", &array(&[1, 3], vec![0i32; 3]));
    world.write("far.npy", &array(&[1, 3], vec![1i64 << 40; 3]));
    world.assay("verify r.json --model other.assay").rejected(&["program"]);
    world.assay("verify r.json --model m.assay --input xs.npy --sample 3").rejected(&["input x", "xs.npy"]);
    world.assay("verify r.json --model m.assay --output y.npy").rejected(&["output y", "y.npy"]);
    world.assay("verify r.json --model m.assay --output far.npy").rejected(&["output y", "far.npy"]);
    world.assay("signer new -o other.pem").done();
    let json = world.assay("signer show other.pem --json").json();
    let other = json["signer"].as_str().unwrap();
    world.assay(&format!("verify r.json --from {other}")).rejected(&[&signer, other]);
    world
        .assay(&format!("replay r.json --model m.assay --input xs.npy --sample 2 --from {other}"))
        .rejected(&[other]);
    world.assay("replay r.json --model m.assay --input xs.npy --sample 1").rejected(&["input x"]);
    world.assay("replay r.json --model other.assay --input xs.npy --sample 2").rejected(&["program"]);
}

#[test]
fn usage_that_cannot_work_is_an_error() {
    let (world, _) = receipted("");
    world.assay("verify r.json --vk m.assay").refused(&["--model"]);
    world.assay("verify r.json --input xs.npy").refused(&["--model"]);
    world.assay("verify r.json --from 0x12").refused(&["0x12"]);
    world.assay("verify p.proof").refused(&["--model"]);
    world.assay("verify p.proof --model m.assay --terms t.json").refused(&["receipts"]);
    world.assay("verify r.json --terms none.json").refused(&["none.json"]);
    world.assay("inspect r.json").refused(&["assay verify"]);
    world.assay("run m.assay --input xs.npy --sample 2 --receipt q.json -o out").refused(&["--signer"]);
    world.assay("run m.assay --input xs.npy --sample 2 --trace-dir t -o out").refused(&["--receipt"]);
    world.assay("replay r.json --model m.assay").refused(&["--input"]);
    world.assay("export --format other r.json -o e.json").refused(&["ree"]);
    // JSON that is nothing of a receipt, and a receipt that is malformed.
    world.write("r2.json", b"{}");
    world.assay("verify r2.json").refused(&["no receipt"]);
    world.assay("replay r2.json --model m.assay --input xs.npy --sample 2").refused(&["no receipt"]);
    world.assay("export --format ree r2.json -o e.json").refused(&["no receipt"]);
    world.write("r2.json", br#"{"mediaType": "x"}"#);
    world.assay("verify r2.json").rejected(&["malformed"]);
    world.assay("replay r2.json --model m.assay --input xs.npy --sample 2").rejected(&["malformed"]);
    world.assay("export --format ree r2.json -o e.json").rejected(&["malformed"]);
    world.assay("verify r.json --beacon r2.json --draw 1").refused(&["proofs of a sample"]);
    world.assay("verify r.json --commitment r2.json").refused(&["proofs of a sample"]);
    world
        .assay("replay r.json --model m.assay --input xs.npy --sample 2 --trace-dir none")
        .refused(&["none"]);
    // Nothing of a run before is replaced where the new one's evidence cannot be written.
    let before = world.read("out/y.npy");
    let line = "run m.assay --input xs.npy --sample 1 --signer k.pem -o out --receipt";
    world.assay(&format!("{line} nowhere/q.json")).refused(&["nowhere"]);
    assert_eq!(world.read("out/y.npy"), before);
    assert!(!world.exists("e.json") && !world.exists("q.json") && !world.exists("t"));
}

#[test]
fn an_edited_receipt_is_rejected_wherever_it_is_edited() {
    let (world, _) = receipted("--secp256k1");
    let file = world.read("r.json");
    for place in (0..file.len()).step_by(file.len() / 40) {
        let mut edited = file.clone();
        edited[place] ^= 1;
        // White space between the fields of JSON says nothing.
        if !file[place].is_ascii_whitespace() || !edited[place].is_ascii_whitespace() {
            world.write("e.json", &edited);
            let answer = world.assay("verify e.json --model m.assay");
            assert_ne!(answer.code, 0, "byte {place}");
        }
    }
    world.write("e.json", &file[..file.len() / 2]);
    world.assay("verify e.json").rejected(&["malformed"]);
}

#[test]
fn a_receipt_without_leaves_is_called_incomplete() {
    let (world, _) = receipted("");
    let (evidence, _) = open(&world.read("r.json")).unwrap();
    let bare = Receipt { leaves: Vec::new(), ..evidence.receipt };
    world.write("bare.json", &seal(&bare, &evidence.outputs, None, &key(&world)).unwrap());
    world.assay("verify bare.json").rejected(&["incomplete"]);
    world.assay("replay bare.json --model m.assay --input xs.npy --sample 2").rejected(&["incomplete"]);
}

#[test]
fn replay_names_the_first_operation_and_element_that_differ() {
    let (world, _) = with_key("");
    let operations = Program::decode(&world.read("m.assay")).unwrap().operations.len();
    for wrong in 0..operations {
        let name = forged(&world, wrong);
        assert!(world.assay("verify r.json --model m.assay").code == 0, "a lie, well signed");
        let number = format!("operation {wrong} ({name})");
        world.assay(REPLAY).rejected(&[&number, "in the receipt"]);
        world.assay(&format!("{REPLAY} --trace-dir trace")).rejected(&[&number, "element [", "in the trace"]);
        let json = world.assay(&format!("{REPLAY} --trace-dir trace --json"));
        assert_eq!((json.code, &json.json()["operation"]["number"]), (1, &wrong.into()));
        let wire = format!("trace/op-{wrong}.bin");
        let mut bytes = world.read(&wire);
        bytes[0] ^= 1;
        world.write(&wire, &bytes);
        world.assay(&format!("{REPLAY} --trace-dir trace")).refused(&[&wire, "not the output"]);
        std::fs::remove_dir_all(world.path("trace")).unwrap();
    }
}

#[test]
fn a_trace_is_written_whole_into_a_new_folder() {
    let (world, _) = with_key("");
    world.assay(&format!("{RUN} --trace-dir trace")).done();
    let manifest: Value = serde_json::from_slice(&world.read("trace/trace.json")).unwrap();
    let receipt = receipt(&world);
    for (number, leaf) in receipt.leaves.iter().enumerate() {
        let bytes = world.read(&format!("trace/op-{number}.bin"));
        assert_eq!(assay_prover::receipt::digest(&bytes), *leaf);
        assert_eq!(manifest["operations"][number]["bytes"], bytes.len());
    }
    assert_eq!(std::fs::read_dir(world.path("trace")).unwrap().count(), receipt.leaves.len() + 1);
    world.assay(&format!("{REPLAY} --trace-dir trace")).done();
    // Openings are the same from the folder as from another run.
    world.assay(&format!("{DRAW} --nonce {} -n 5", "5a".repeat(32))).done();
    world.assay(ANSWER).done();
    world.assay(&format!("{ANSWER}2 --trace-dir trace")).done();
    assert_eq!(world.read("answer"), world.read("answer2"));
    let before = world.files();
    world.assay(&format!("{RUN} --trace-dir trace")).refused(&["trace", "is there already"]);
    assert_eq!(world.files(), before);
}

#[test]
fn terms_bind_a_receipt_to_its_job_and_its_provider() {
    let (world, _) = receipted("--secp256k1");
    let agreed = agreement(&world);
    world.write("t.json", to_json(&agreed).unwrap().as_bytes());
    world.assay(&format!("{RUN} --terms t.json")).done();
    assert_eq!(receipt(&world).job, agreed.job());
    world.assay("verify r.json --terms t.json --model m.assay").done();
    world.assay(&format!("{REPLAY} --terms t.json")).done();

    let mut elsewhere = agreed.clone();
    elsewhere.contract[0] ^= 1;
    world.write("elsewhere.json", to_json(&elsewhere).unwrap().as_bytes());
    world.assay("verify r.json --terms elsewhere.json").rejected(&["not for these terms"]);
    let mut dearer = agreed.clone();
    dearer.terms.price = word_of(1);
    world.write("dearer.json", to_json(&dearer).unwrap().as_bytes());
    world.assay("verify r.json --terms dearer.json").rejected(&["not for these terms"]);

    world
        .assay("run m.assay --input xs.npy --sample 1 --terms t.json --receipt q.json --signer k.pem -o out")
        .refused(&["t.json", "inputs"]);
    world.assay("signer new --secp256k1 -o other.pem").done();
    world
        .assay(
            "run m.assay --input xs.npy --sample 2 --terms t.json --receipt q.json --signer other.pem -o out",
        )
        .refused(&["t.json", "provider"]);
    // Ed25519 may sign for a job, but the terms do not say whose key it is.
    let json = world.assay("signer new -o any.pem --json").json();
    let any = json["signer"].as_str().unwrap();
    world
        .assay(&format!("{} --terms t.json", RUN.replace("k.pem", "any.pem").replace("r.json", "e.json")))
        .done();
    assert!(world.assay("verify e.json").done().contains("by a key that the terms do not name"));
    world.assay("verify e.json --terms t.json").rejected(&["do not name", "--from"]);
    world.assay(&format!("verify e.json --terms t.json --from {any}")).done();
    world.write("bad.json", b"{\"terms\": {}}");
    world.assay(&format!("{RUN} --terms bad.json")).refused(&["bad.json", "terms"]);
    assert!(!world.exists("q.json"));
}

/// Values that an output cannot have are not rounded to those that it has.
#[test]
fn outputs_are_compared_exactly() {
    let (world, _) = receipted("");
    let verify = |file: &str| world.assay(&format!("verify r.json --model m.assay --output {file}"));
    verify("out/y.npy").done();
    let program = Program::decode(&world.read("m.assay")).unwrap();
    let y = npy::decode(&world.read("out/y.npy")).unwrap().to_f32();
    let near = |by: f32| y.iter().map(|y| y + by * program.outputs[0].scale as f32).collect::<Vec<f32>>();
    world.write("near.npy", &array(&[1, 3], near(0.3)));
    world.write("nan.npy", &array(&[1, 3], vec![f32::NAN; 3]));
    verify("near.npy").rejected(&["output y", "near.npy"]);
    verify("nan.npy").rejected(&["output y", "nan.npy"]);
}

/// A link to where there is no end of bytes is no trace.
#[test]
#[cfg(target_os = "linux")]
fn a_trace_of_devices_is_refused() {
    let (world, _) = with_key("");
    forged(&world, 0);
    std::fs::remove_file(world.path("trace/op-0.bin")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", world.path("trace/op-0.bin")).unwrap();
    world.assay(&format!("{REPLAY} --trace-dir trace")).refused(&["op-0.bin", "regular"]);
    world.assay(&format!("{DRAW} --nonce {} -n 60", "00".repeat(32))).done();
    world.assay(&format!("{ANSWER} --trace-dir trace")).refused(&["trace"]);
}

#[test]
fn an_audit_is_of_the_buyers_inputs_and_of_the_randomness_that_the_terms_ask_for() {
    let (world, _) = receipted("--secp256k1");
    let nonce = format!("--nonce {}", "5a".repeat(32));
    world.assay(&format!("{DRAW} {nonce}")).done();
    world.assay(ANSWER).done();
    assert!(world.assay(CHECK).done().contains("inputs          not compared"));
    let with = |sample: usize| world.assay(&format!("{CHECK} --input xs.npy --sample {sample}"));
    assert!(with(2).done().contains("inputs          all equal to your files"));
    with(1).rejected(&["input x"]);
    // Where the terms name drand's default chain, neither a nonce nor another chain's round is a draw.
    let mut agreed = agreement(&world);
    let hash = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce";
    (agreed.terms.beacon_kind, agreed.terms.beacon) = (1, parse_hex(hash).unwrap());
    world.write("t.json", to_json(&agreed).unwrap().as_bytes());
    world.assay(&format!("{RUN} --terms t.json")).done();
    world.assay(&format!("{DRAW} {nonce}")).refused(&["name a beacon"]);
    let quicknet =
        "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92";
    world.write("round.json", format!("{{\"round\": 123, \"signature\": \"{quicknet}\"}}").as_bytes());
    let round = format!("{DRAW} --beacon round.json --after 1692803732");
    world.assay(&round).refused(&["another beacon"]);
    // Where they name quicknet it is, and a draw that says another round is none.
    let hash = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
    agreed.terms.beacon = parse_hex(hash).unwrap();
    world.write("t.json", to_json(&agreed).unwrap().as_bytes());
    world.assay(&format!("{RUN} --terms t.json")).done();
    world.assay(&round).done();
    world.assay(ANSWER).done();
    assert!(world.assay(&format!("{CHECK} --terms t.json")).done().contains("round 123 of drand's quicknet"));
    let honest = String::from_utf8(world.read("draw.json")).unwrap();
    for (from, to) in [("\"round\": 123", "\"round\": 124"), (&quicknet[..8], "b75c69d1")] {
        assert!(honest.contains(from));
        world.write("draw.json", honest.replacen(from, to, 1).as_bytes());
        world.assay(CHECK).refused(&["draw.json"]);
    }
    // Where they commit to a nonce, a round is no draw.
    agreed.terms.audit_commitment = keccak256(&[&[0x5a; 32]]);
    (agreed.terms.beacon_kind, agreed.terms.beacon) = (0, [0; 32]);
    world.write("t.json", to_json(&agreed).unwrap().as_bytes());
    world.assay(&format!("{RUN} --terms t.json")).done();
    world.assay(&round).refused(&["commit to a nonce"]);
    world.assay(&format!("{DRAW} --nonce {}", "5b".repeat(32))).refused(&["another nonce"]);
    world.assay(&format!("{DRAW} {nonce}")).done();
}

#[test]
fn a_receipt_is_exported_in_the_words_of_ree_and_unknown_ones_are_null() {
    let (world, _) = receipted("");
    world.assay("export --format ree r.json -o ree.json").done();
    let exported: Value = serde_json::from_slice(&world.read("ree.json")).unwrap();
    let receipt = world.assay("verify r.json --json").json()["receipt"].clone();
    assert_eq!(exported["commit_hash"], receipt["program"]);
    assert_eq!(exported["assay_receipt_hash"], receipt["hash"]);
    for field in ["config_hash", "prompt_hash", "tokens_hash", "receipt_hash"] {
        assert_eq!(exported[field].as_str().unwrap().len(), 64, "{field}");
    }
    for field in ["model_name", "prompt", "parameters", "parameters_hash", "token_count", "text_output"] {
        assert!(exported[field].is_null(), "{field}");
    }
    let text = |field: &str| exported[field].as_str().unwrap().to_string();
    let all = ["commit_hash", "config_hash", "prompt_hash", "tokens_hash"].map(text).concat();
    let whole = OutputFile::new("", all.as_bytes()).sha256;
    assert_eq!(text("receipt_hash"), assay_verifier::hex::Hex(&whole).to_string());
}

/// The perceptron's audit: the words after `assay` of each step.
const DRAW: &str = "audit draw r.json --model m.assay -o draw.json";
const ANSWER: &str =
    "audit answer draw.json --model m.assay --receipt r.json --input xs.npy --sample 2 -o answer";
const CHECK: &str = "audit check r.json draw.json answer --model m.assay";

#[test]
fn a_sample_of_a_receipt_is_drawn_answered_and_checked() {
    let (world, _) = receipted("");
    world.assay(&format!("{DRAW} --nonce {} -n 5", "5a".repeat(32))).done();
    world.assay(ANSWER).done();
    let said = world.assay(CHECK).done();
    assert!(said.starts_with("AUDITED") && said.contains("worth") && said.contains("bond"), "{said}");
    let json = world.assay(&format!("{CHECK} --json --price 2 --chance 0.05")).json();
    assert_eq!(json["verdict"], "audited");
    assert_eq!(json["samples"], 5);
    assert!(json["worth"]["bond_against_a_tenth"].as_f64().unwrap() > 2.0);

    let mut answer = world.read("answer");
    let (first, last) = (69, answer.len() - 1);
    answer[first] ^= 1;
    world.write("answer", &answer);
    world.assay(CHECK).rejected(&["digest"]);
    world.write("answer", &answer[..last]);
    world.assay(CHECK).rejected(&["malformed"]);
}

#[test]
fn an_edited_draw_another_receipt_and_a_round_too_early_are_refused() {
    let (world, _) = receipted("");
    world.assay(&format!("{DRAW} --nonce {} -n 5", "5a".repeat(32))).done();
    world.assay(ANSWER).done();
    let honest = world.read("draw.json");
    for (from, to) in
        [("\"samples\": 5", "\"samples\": 4"), ("5a5a5a", "5a5a5b"), ("\"chunk\": 0", "\"chunk\": 1")]
    {
        let edited = String::from_utf8(honest.clone()).unwrap().replacen(from, to, 1);
        world.write("draw.json", edited.as_bytes());
        world.assay(CHECK).refused(&["draw.json"]);
    }
    world.write("draw.json", &honest);
    // A second receipt of the same run is another job's: its draw is another one.
    world.assay("run m.assay --input xs.npy --sample 3 --receipt r.json --signer k.pem -o out").done();
    world.assay(CHECK).refused(&["another receipt"]);

    let signature =
        "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92";
    world.write("round.json", format!("{{\"round\": 123, \"signature\": \"{signature}\"}}").as_bytes());
    world.assay(&format!("{DRAW} --beacon round.json")).refused(&["--after"]);
    world.assay(&format!("{DRAW} --beacon round.json --after 1692803733")).refused(&["not after"]);
    world.assay(&format!("{DRAW} --beacon round.json --after 1692803732")).done();
    world
        .assay("audit answer draw.json --model m.assay --receipt r.json --input xs.npy --sample 3 -o answer")
        .done();
    world.assay(CHECK).done();
}

#[test]
fn a_wrong_wire_that_is_drawn_is_named() {
    let (world, _) = with_key("");
    forged(&world, 0);
    world.assay(&format!("{DRAW} --nonce {} -n 60", "00".repeat(32))).done();
    // The right trace is not the receipt's: no answer is written, and the buyer rejects one that is.
    world.assay(ANSWER).refused(&["not the receipt's"]);
    assert!(!world.exists("answer"));
    let program = Program::decode(&world.read("m.assay")).unwrap();
    let xs = npy::decode(&world.read("xs.npy")).unwrap();
    let row = Tensor::new(vec![1, 4], xs.data().select(8..12)).unwrap();
    let honest = execute(&program, &[quantise_input(&program, 0, &row)]).unwrap();
    let receipt = receipt(&world);
    let samples = draw(&program, &receipt.hash(), &[0; 32], 60);
    world.write("answer", &answer(&program, &receipt, &samples, &honest).unwrap().encode());
    world.assay(CHECK).rejected(&["digest"]);
    // So is the receipt's own trace, by what it holds.
    world.assay(&format!("{ANSWER} --trace-dir trace")).done();
    let json = world.assay(&format!("{CHECK} --json")).json();
    assert_eq!((&json["kind"], &json["verdict"]), (&"audit".into(), &"rejected".into()));
    world.assay(CHECK).rejected(&["operation 0", "element ["]);
}

#[test]
fn an_f32_program_is_run_receipted_replayed_and_audited_and_has_no_proof() {
    let world = World::new();
    world.write("m.onnx", &perceptron(7, 13));
    world.write("xs.npy", &array(&[4, 4], (0..16).map(|i| i as f32 / 3.0 - 2.0).collect::<Vec<_>>()));
    world.assay("compile m.onnx --precision f32 -o m.assay").done();
    world.assay("signer new -o k.pem").done();
    world.assay(&format!("{RUN} --trace-dir trace")).done();
    assert!(world.assay("inspect m.assay").done().contains("a receipt"));
    let verify = "verify r.json --model m.assay --input xs.npy --sample 2 --output out/y.npy";
    assert!(world.assay(verify).done().starts_with("VERIFIED"));
    world.assay("verify r.json --model m.assay --input xs.npy --sample 1").rejected(&["input"]);
    world.assay(&format!("{REPLAY} --trace-dir trace")).done();
    world.assay("replay r.json --model m.assay --input xs.npy --sample 1").rejected(&["input"]);
    world.assay(&format!("{DRAW} --nonce {}", "5a".repeat(32))).done();
    world.assay(ANSWER).done();
    world.assay(CHECK).done();
    world.assay("prove m.assay --input xs.npy --sample 2 -o p.proof").refused(&["f32", "no proof"]);
    world.assay("key m.assay -o m.vk").refused(&["f32", "no proof"]);
    world.assay("compile m.onnx --precision f32 --bits 8 -o n.assay").refused(&["--bits"]);
}
