//! Valid encodings of everything, from which mutations start.

use crate::SCENES;
use crate::common::networks::convolution;
use crate::common::programs::{Dice, inputs};
use crate::play::{CLOCKS, Player, Slanderer};
use crate::rare::three_factors;
use crate::world::{Job, Run};
use assay_circuits::encoding::Writer;
use assay_circuits::execute::execute;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{BINARY, Formula, UNARY};
use assay_circuits::program::Visibility;
use assay_circuits::tensor::Bounds;
use assay_prover::audit::answer;
use assay_prover::dispute::{Provider, Record, disclosure};
use assay_prover::envelope::{OutputFile, seal};
use assay_prover::onnx::Tensor;
use assay_prover::receipt::{receipt_of, wire_digests};
use assay_prover::signature::SigningKey;
use assay_prover::terms::to_json;
use assay_verifier::dispute::{Move, Next, Open, Sender, Side, open, play};
use assay_verifier::draw::draw;
use assay_verifier::referee::encode_openings;
use assay_verifier::signature::Signer;
use assay_verifier::terms::{Agreement, Terms, word_of};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};

/// Encodings by the name of their decoder.
pub type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// `openssl genpkey -algorithm ed25519`, `openssl ecparam -name secp256k1 -genkey -noout`.
const KEYS: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH3VzDVVtaM32JVmxfc6cce2dEuNDK2GyR0oW8lIuA5U\n-----END PRIVATE KEY-----\n",
    "-----BEGIN EC PRIVATE KEY-----\nMHQCAQEEIOuRKHbFGPqlr83Y9P3HUMuVxuxcha3/KXWBolclGuS1oAcGBSuBBAAK\noUQDQgAEAyH98VZp1Ggm6Y4OTFO8ghIbul2d3Abcnr7UXxtuENNhmYlbxLYoKbp4\netBRjPaQpWvpLJjMgy/Cj1+szI4WMA==\n-----END EC PRIVATE KEY-----\n",
];

/// Round 123 of quicknet, round 72,785 of the default chain.
const ROUNDS: [&str; 2] = [
    r#"{"round":123,"signature":"b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92"}"#,
    r#"{"round":72785,"randomness":"8b676484b5fb1f37f9ec5c413d7d29883504e5b669f604a1ce68b3388e9ae3d9","signature":"82f5d3d2de4db19d40a6980e8aa37842a0e55d1df06bd68bddc8d60002e8e959eb9cfa368b3c1b77d18f02a54fe047b80f0989315f83b12a74fd8679c4f12aae86eaf6ab5690b34f1fddd50ee3cc6f6cdf59e95526d5a5d82aaa84fa6f181e42","previous_signature":"a609e19a03c2fcc559e8dae14900aaefe517cb55c840f6e69bc8e4f66c8d18e8a609685d9917efbfb0c37f058c2de88f13d297c7e19e0ab24813079efe57a182554ff054c7638153f9b26a60e7111f71a0ff63d9571704905d3ca6df0b031747"}"#,
];

/// Seeds of every decoder.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut put = |name: &'static str, bytes: Vec<u8>| seeds.entry(name).or_default().push(bytes);
    for (scene, statement, proof) in SCENES.iter() {
        put("program", scene.program().encode());
        put("program", scene.program().without_values().encode());
        put("key", scene.prover.key().encode());
        put("statement", statement.encode(scene.program(), &scene.system().layout));
        put("proof", proof.encode());
        for number in 0..scene.program().operations.len() {
            put("descriptor", scene.program().descriptor(number).expect("an operation").encode());
        }
    }
    let encoded = |encode: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new();
        encode(&mut w);
        w.finish()
    };
    let table =
        Expression::Table { first: -3, values: vec![1, -2, 3, 4], of: Box::new(Expression::quotient(3)) };
    let clamped =
        Expression::Max(Box::new(table), Box::new(Expression::requantise(7, Bounds { lo: -128, hi: 127 })));
    put("expression", encoded(&|w| clamped.encode(w)));
    let unary = |x: Formula| UNARY.iter().fold(x, |x, &function| x.unary(function));
    let all = BINARY.iter().fold(Formula::number(0.5), |x, &function| x.binary(function, Formula::Sum(1)));
    let deep =
        Formula::Fma(Box::new(unary(Formula::Sum(0))), Box::new(all.clone()), Box::new(Formula::Sum(2)));
    put("formula", encoded(&|w| deep.encode(w)));
    put("formula", encoded(&|w| all.clone().select(Formula::Sum(0), Formula::Sum(1)).encode(w)));
    evidence(&mut put);
    disputes(&mut put);
    files(&mut put);
    KEYS.iter().for_each(|pem| put("pem", pem.as_bytes().to_vec()));
    ROUNDS.iter().for_each(|round| put("beacon", round.as_bytes().to_vec()));
    seeds
}

/// Receipts, terms, envelopes of both kinds of keys, an answer to an audit.
fn evidence(put: &mut impl FnMut(&'static str, Vec<u8>)) {
    let program = convolution(false, Visibility::Public);
    let trace = execute(&program, &inputs(&program, 3)).expect("a run");
    for pem in KEYS {
        let key = SigningKey::from_pem(pem).expect("a key");
        let provider = match key.signer().expect("a signer") {
            Signer::Address(address) => address,
            Signer::Ed25519(_) => [4; 20],
        };
        let receipt =
            receipt_of(&program, [0; 32], &trace, wire_digests(&program, &trace)).expect("a receipt");
        let terms =
            Terms { program: receipt.program, inputs: receipt.inputs.clone(), provider, ..Terms::default() };
        let (chain_id, nonce) = (word_of(31337), word_of(7));
        let agreement = Agreement { chain_id, contract: [5; 20], buyer: [6; 20], nonce, terms };
        let receipt = assay_verifier::receipt::Receipt { job: agreement.job(), ..receipt };
        let samples = draw(&program, &receipt.hash(), &[1; 32], 9);
        let opened = answer(&program, &receipt, &samples, &trace).expect("an answer");
        let outputs: Vec<OutputFile> =
            program.outputs.iter().map(|output| OutputFile::new(&output.name, b"bytes")).collect();
        put("receipt", receipt.encode());
        put("terms", to_json(&agreement).expect("JSON").into_bytes());
        put("envelope", seal(&receipt, &outputs, Some(&agreement), &key).expect("an envelope"));
        put("answer", opened.encode());
    }
}

/// Moves, openings and positions of games: on random programs, and on one whose sums are long enough to be split.
fn disputes(put: &mut impl FnMut(&'static str, Vec<u8>)) {
    let mut dice = Dice(91);
    let random = (0..16).map(|seed| if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) });
    for (number, job) in random.chain([three_factors()]).enumerate() {
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let operation = dice.from(0..=job.operations() as i64 - 1) as u32;
        put("descriptor", job.program.descriptor(operation as usize).expect("an operation").encode());
        let asked = disclosure(&job.program, &provider.record.digests, 0, 0).expect("an output");
        let wire = provider.record.own_wire(operation).expect("an operation");
        let doubted = if number % 4 < 2 { Open::Root } else { Open::Operation(wire) };
        for how in [asked, doubted] {
            put("opening", how.encode(&provider.ground, &[7; 32]));
            game(put, &provider, &how, &mut dice);
        }
    }
    put("move", Move::Timeout.encode());
}

/// What is played where a provider is slandered.
fn game(
    put: &mut impl FnMut(&'static str, Vec<u8>),
    provider: &Provider<'_, Run>,
    how: &Open,
    dice: &mut Dice,
) {
    let slanderer = Slanderer { provider };
    let ground = &provider.ground;
    let mut position = open(ground, how, CLOCKS, 100).expect("a game");
    let mut shown = Vec::new();
    'game: loop {
        let (player, sender): (&dyn Player, _) = match position.phase.mover() {
            Side::Provider => (provider, Sender::Provider),
            Side::Challenger => (&slanderer, Sender::Challenger),
        };
        for played in player.moves(&position, &shown, dice) {
            let Ok(next) = play(&position, sender, &played, 101) else { continue };
            put("position", position.encode());
            put("move", played.encode());
            put("game", [position.encode(), played.encode()].concat());
            if let Move::Rebut { openings, .. } = &played {
                let mut w = Writer::new();
                encode_openings(openings, &mut w);
                put("openings", w.finish());
            }
            if let Move::Claim { chunk, claim } = &played {
                let wire = provider.record.own_wire(position.operation).expect("an operation");
                let (bytes, claim) = (chunk.clone(), claim.clone());
                let how = Open::Chunk { wire, chunk: 0, bytes, siblings: vec![[1; 32]], claim };
                put("opening", how.encode(ground, &[7; 32]));
            }
            match next {
                Next::Position(next) => (position, shown) = (*next, played.shown().to_vec()),
                Next::Won(_) => return,
            }
            continue 'game;
        }
        return;
    }
}

/// Files of tensors.
fn files(put: &mut impl FnMut(&'static str, Vec<u8>)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    let tensor = Tensor::new(vec![2, 3], vec![1.5f32, -2.0, 0.0, f32::INFINITY, 4.0, 5.0]).expect("a tensor");
    assay_prover::files::write_tensor(&path, &tensor).expect("a file");
    let array = std::fs::read(&path).expect("a file");
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["a.npy", "b.npy"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        archive.write_all(&array).expect("a member");
    }
    put("npz", archive.finish().expect("an archive").into_inner());
    put("npy", array);
    let mut array =
        b"\x93NUMPY\x01\x00\x46\x00{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }".to_vec();
    array.resize(80, b' ');
    array.extend([0; 24]);
    put("npy", array);
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 5, 4);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = (0..60).collect();
    encoder.write_header().expect("a header").write_image_data(&pixels).expect("pixels");
    put("png", picture);
    let model =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/onnx-node/made_conv_1d_same_upper/model.onnx");
    put("onnx", std::fs::read(model).expect("a model"));
}
