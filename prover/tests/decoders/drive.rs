//! What each decoder of untrusted bytes is put through, here and by the fuzzer: it may refuse, it may not panic, and what it takes
//! it writes again as the same bytes.
#![allow(dead_code)]

use assay_circuits::descriptor::Descriptor;
use assay_circuits::encoding::{Reader, Writer};
use assay_circuits::expression::Expression;
use assay_circuits::formula::Formula;
use assay_circuits::plan::plan;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::keccak;
use assay_prover::beacon::{self, CHAINS, Round};
use assay_prover::signature::SigningKey;
use assay_prover::{envelope, terms};
use assay_verifier::audit::Answer;
use assay_verifier::dispute::{Move, Open, POSITION_BYTES, Position, Sender, play};
use assay_verifier::draw::{chunks, draw};
use assay_verifier::keccak::keccak256;
use assay_verifier::key::VerifyingKey;
use assay_verifier::receipt::Receipt;
use assay_verifier::referee::{decode_openings, encode_openings, judgeable};
use std::convert::Infallible;

/// Puts a decoder through some bytes.
pub type Decoder = fn(&[u8]);

/// All decoders but those of statements and proofs, which need a key.
pub const DECODERS: [(&str, Decoder); 20] = [
    ("program", program),
    ("key", key),
    ("expression", expression),
    ("formula", formula),
    ("descriptor", descriptor),
    ("receipt", receipt),
    ("envelope", envelope),
    ("terms", agreement),
    ("move", moves),
    ("opening", opens),
    ("position", position),
    ("game", game),
    ("openings", openings),
    ("answer", answer),
    ("beacon", round),
    ("pem", pem),
    ("onnx", onnx),
    ("npy", npy),
    ("npz", npz),
    ("png", png),
];

/// A program, taken as far as a verifier takes a valid one.
pub fn program(bytes: &[u8]) {
    let Ok(program) = Program::decode(bytes) else { return };
    assert_eq!(program.encode(), bytes, "two encodings of one program");
    let _ = plan(&program);
    let seed = bytes.first().map_or([0; 32], |&byte| [byte; 32]);
    for sample in draw(&program, &seed, &[1; 32], 5) {
        assert!(sample.chunk < chunks(&program, sample.operation).max(1));
    }
}

/// A verifying key.
pub fn key(bytes: &[u8]) {
    if let Ok(key) = VerifyingKey::decode(bytes) {
        assert_eq!(key.encode(), bytes, "two encodings of one key");
    }
}

/// An expression of a program.
pub fn expression(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(expression) = Expression::decode(&mut reader) else { return };
    let mut w = Writer::new();
    expression.encode(&mut w);
    assert_eq!(w.finish(), bytes[..reader.offset()], "two encodings of one expression");
}

/// A formula.
pub fn formula(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(formula) = Formula::decode(&mut reader) else { return };
    let mut w = Writer::new();
    formula.encode(&mut w);
    assert_eq!(w.finish(), bytes[..reader.offset()], "two encodings of one formula");
}

/// A descriptor, and a few steps of what it describes if a referee judges it, on any numbers.
pub fn descriptor(bytes: &[u8]) {
    if let Ok(descriptor) = Descriptor::decode(bytes) {
        assert_eq!(descriptor.encode(), bytes, "two encodings of one descriptor");
    }
    let Ok(descriptor) = judgeable(bytes) else { return };
    let mut read = |_: Source, place: u64| -> Result<i64, Infallible> {
        Ok((place ^ 0x55).wrapping_mul(0x9e37_79b9_7f4a_7c15) as u32 as i32 as i64)
    };
    let last = descriptor.operation.shape.cells() as u64 - 1;
    for element in [0, last] {
        let point = descriptor.point(element);
        let mut state = descriptor.start();
        for number in [0, descriptor.windows() / 2, descriptor.windows().saturating_sub(1)] {
            if let Some(window) = descriptor.window(number) {
                state = match descriptor.advance(&point, window, state, &mut read) {
                    Ok(state) => state,
                };
            }
        }
        let _ = descriptor.finish(&point, state, &mut read);
    }
}

/// A receipt.
pub fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes, "two encodings of one receipt");
        let _ = receipt.check();
    }
}

/// A bundle with a signed statement about a receipt: JSON, base64 and JSON again, two signatures, terms.
pub fn envelope(bytes: &[u8]) {
    if let Ok((evidence, signer)) = envelope::open(bytes) {
        assert_eq!(evidence.receipt.check(), Ok(()));
        assert_eq!(evidence.signature.verify(&evidence.receipt).as_ref(), Ok(&signer));
    }
}

/// Terms as JSON.
pub fn agreement(bytes: &[u8]) {
    if let Ok(agreement) = terms::from_json(bytes) {
        let text = terms::to_json(&agreement).expect("JSON of terms");
        assert_eq!(terms::from_json(text.as_bytes()).expect("terms again"), agreement);
        let _ = (agreement.job(), agreement.terms.hash());
    }
}

/// A move of a dispute.
pub fn moves(bytes: &[u8]) {
    if let Ok(played) = Move::decode(bytes) {
        assert_eq!(played.encode(), bytes, "two encodings of one move");
    }
}

/// The opening of a dispute, which is opened.
pub fn opens(bytes: &[u8]) {
    let Ok((ground, commitment, how)) = Open::decode(bytes) else { return };
    assert_eq!(how.encode(&ground, &commitment), bytes, "two encodings of one opening");
    let clocks = assay_verifier::dispute::Clocks { provider: 5, challenger: u64::MAX };
    let _ = assay_verifier::dispute::open(&ground, &how, clocks, 7);
}

/// A position of a dispute.
pub fn position(bytes: &[u8]) {
    if let Ok(position) = Position::decode(bytes) {
        assert_eq!(position.encode(), bytes, "two encodings of one position");
        let _ = (position.groups().count(), position.tree());
    }
}

/// A position and a move, which is played: as it stands, and where what it repeats is what was said.
pub fn game(bytes: &[u8]) {
    let Some((position, played)) = bytes.split_at_checked(POSITION_BYTES) else { return };
    let (Ok(position), Ok(played)) = (Position::decode(position), Move::decode(played)) else { return };
    let mut repeated = position.clone();
    match &played {
        Move::Pick { values, .. } => repeated.node = keccak256(&[values.as_flattened()]),
        Move::RevealLeaf { ground, .. } => repeated.ground = ground.hash(),
        Move::Claim { chunk, .. } => repeated.node = keccak256(&[chunk]),
        Move::Rebut { states, ground, descriptor, .. } => {
            repeated.ground = ground.hash();
            repeated.descriptor = keccak(0, descriptor);
            repeated.node = keccak256(&[states]);
        }
        Move::Split { states, .. } => repeated.node = keccak256(&[states]),
        Move::Refine { states } => {
            if let Some(last) = states.last_chunk() {
                repeated.after = assay_verifier::referee::word_state(last);
            }
        }
        Move::Reveal { .. } | Move::RevealChunk { .. } | Move::Answer { .. } | Move::Timeout => {}
    }
    for position in [position, repeated] {
        for sender in [Sender::Provider, Sender::Challenger, Sender::Stranger] {
            for now in [0, position.deadline.saturating_sub(1), position.deadline] {
                let _ = play(&position, sender, &played, now);
            }
        }
    }
}

/// The openings of a rebuttal.
pub fn openings(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(openings) = decode_openings(&mut reader) else { return };
    let mut w = Writer::new();
    encode_openings(&openings, &mut w);
    assert_eq!(w.finish(), bytes[..reader.offset()], "two encodings of the same openings");
}

/// An answer to an audit, and the digests of its slices as of tensors of some lengths.
pub fn answer(bytes: &[u8]) {
    let Ok(answer) = Answer::decode(bytes) else { return };
    assert_eq!(answer.encode(), bytes, "two encodings of one answer");
    for (_, slice) in &answer.slices {
        for length in [0, 1, 1024, 1025, 150_000, 1 << 43, u64::MAX] {
            let _ = slice.digest(length);
        }
        let _ = (slice.bytes(0, 4), slice.bytes(u64::MAX, usize::MAX));
    }
}

/// A round of drand as JSON.
pub fn round(bytes: &[u8]) {
    if let Ok(round) = serde_json::from_slice::<Round>(bytes)
        && let Ok((chain, _)) = beacon::verify(&round)
    {
        assert!(CHAINS.contains(&chain));
        let _ = beacon::verify_after(&round, 0);
    }
}

/// A private key as PEM.
pub fn pem(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = SigningKey::from_pem(text) else { return };
    let own = key.to_pem().expect("PEM of a key");
    let again = SigningKey::from_pem(&own).expect("the key again");
    assert_eq!(again.signer(), key.signer());
}

/// A model.
pub fn onnx(bytes: &[u8]) {
    let _ = assay_prover::import(bytes, &Default::default());
}

/// A NumPy array; what is written again is the same array.
pub fn npy(bytes: &[u8]) {
    file(bytes, "npy");
}

/// An archive of arrays.
pub fn npz(bytes: &[u8]) {
    file(bytes, "npz");
}

/// A picture.
pub fn png(bytes: &[u8]) {
    file(bytes, "png");
}

fn file(bytes: &[u8], ending: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("x.{ending}"));
    std::fs::write(&path, bytes).expect("a file");
    let Ok(tensors) = assay_prover::files::read_named(&path) else { return };
    for (_, tensor) in tensors {
        let own = folder.path().join("y.npy");
        assay_prover::files::write_tensor(&own, &tensor).expect("a file again");
        let again = assay_prover::files::read_tensor(&own).expect("the tensor again");
        // Numbers that are no numbers equal nothing.
        assert_eq!(format!("{again:?}"), format!("{tensor:?}"));
    }
}
