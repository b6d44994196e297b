//! Envelopes: one form, every field of it counts, and nothing that it says differs from what was signed.

use assay_prover::envelope::{
    EnvelopeError, MEDIA_TYPE, OutputFile, PAYLOAD_TYPE, open, pre_authentication_encoding, seal,
};
use assay_prover::signature::SigningKey;
use assay_verifier::receipt::{INT8, OutputClaim, Receipt, ReceiptError, VERSION, paths, trace_root};
use assay_verifier::signature::{SignatureError, Signer};
use assay_verifier::terms::{Agreement, Terms, TermsError, word_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn receipt() -> Receipt {
    let leaves: Vec<[u8; 32]> = (0..5).map(|i| [i; 32]).collect();
    let claim = |path| OutputClaim { operation: 4, digest: leaves[4], path };
    Receipt {
        version: VERSION,
        job: [0; 32],
        program: [8; 32],
        profile: INT8,
        inputs: vec![[9; 32]],
        trace_root: trace_root(&leaves),
        operations: 5,
        outputs: paths(&leaves, &[4]).into_iter().map(claim).collect(),
        leaves: leaves.clone(),
    }
}

fn outputs() -> Vec<OutputFile> {
    vec![OutputFile::new("y", b"bytes")]
}

fn keys() -> [SigningKey; 2] {
    [SigningKey::new_ed25519().unwrap(), SigningKey::new_secp256k1().unwrap()]
}

/// Terms whose provider is the key's account, and the receipt for them.
fn agreed(key: &SigningKey) -> (Agreement, Receipt) {
    let provider = match key.signer().unwrap() {
        Signer::Address(address) => address,
        Signer::Ed25519(_) => [4; 20],
    };
    let terms = Terms { program: [8; 32], inputs: vec![[9; 32]], provider, ..Terms::default() };
    let agreement =
        Agreement { chain_id: word_of(31337), contract: [5; 20], buyer: [6; 20], nonce: word_of(7), terms };
    let receipt = Receipt { job: agreement.job(), ..receipt() };
    (agreement, receipt)
}

fn sealed(key: &SigningKey) -> Vec<u8> {
    let (agreement, receipt) = agreed(key);
    seal(&receipt, &outputs(), Some(&agreement), key).unwrap()
}

fn payload(file: &[u8]) -> Value {
    let bundle: Value = serde_json::from_slice(file).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// The envelope with another payload, signed again with the same key.
fn signed_again(file: &[u8], payload: &Value, key: &SigningKey) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(file).unwrap();
    let bytes = serde_json::to_vec(payload).unwrap();
    let sig = key.sign_bytes(&pre_authentication_encoding(PAYLOAD_TYPE, &bytes));
    bundle["dsseEnvelope"]["payload"] = STANDARD.encode(bytes).into();
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode(sig).into();
    serde_json::to_vec(&bundle).unwrap()
}

/// Pointers to every value that is no object and no list.
fn fields(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(map) => map.iter().flat_map(|(k, v)| fields(v, &format!("{at}/{k}"))).collect(),
        Value::Array(list) => {
            list.iter().enumerate().flat_map(|(i, v)| fields(v, &format!("{at}/{i}"))).collect()
        }
        _ => vec![at.to_string()],
    }
}

/// Pointers to every object.
fn objects(value: &Value, at: &str) -> Vec<String> {
    let children: Vec<String> = match value {
        Value::Object(map) => map.iter().flat_map(|(k, v)| objects(v, &format!("{at}/{k}"))).collect(),
        Value::Array(list) => {
            list.iter().enumerate().flat_map(|(i, v)| objects(v, &format!("{at}/{i}"))).collect()
        }
        _ => Vec::new(),
    };
    value.is_object().then(|| at.to_string()).into_iter().chain(children).collect()
}

/// Another value of the same kind: text changed in its last digit or letter, a number by one.
fn changed(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let place = text.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
            let other = if text.as_bytes()[place] == b'1' { "2" } else { "1" };
            format!("{}{other}{}", &text[..place], &text[place + 1..]).into()
        }
        Value::Number(n) => (n.as_u64().unwrap() + 1).into(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_specification_of_dsse_gives_the_same_encoding() {
    let encoding = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoding, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn an_envelope_opens_to_what_was_sealed_with_and_without_terms() {
    for key in keys() {
        let (evidence, signer) = open(&seal(&receipt(), &outputs(), None, &key).unwrap()).unwrap();
        assert_eq!((evidence.receipt, signer), (receipt(), key.signer().unwrap()));
        assert_eq!((evidence.agreement, evidence.outputs), (None, outputs()));
        let (agreement, receipt) = agreed(&key);
        let (evidence, signer) = open(&sealed(&key)).unwrap();
        assert_eq!((evidence.receipt, signer), (receipt, key.signer().unwrap()));
        assert_eq!(evidence.agreement, Some(agreement));
    }
}

#[test]
fn it_is_a_sigstore_bundle_with_an_in_toto_statement() {
    let file = sealed(&keys()[0]);
    let bundle: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(bundle["mediaType"], MEDIA_TYPE);
    let statement = payload(&file);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["name"], "output/y");
    // sha256sum of "bytes".
    let sha256 = "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9";
    assert_eq!(statement["subject"][0]["digest"]["sha256"], sha256);
    assert_eq!(statement["subject"][0]["digest"]["blake3"], "04".repeat(32));
}

#[test]
fn every_field_of_the_bundle_counts() {
    for key in keys() {
        let file = sealed(&key);
        let honest: Value = serde_json::from_slice(&file).unwrap();
        let names = fields(&honest, "");
        assert_eq!(names.len(), 5, "{names:?}");
        for field in names {
            let mut bundle = honest.clone();
            let value = bundle.pointer_mut(&field).unwrap();
            *value = changed(value);
            assert!(open(&serde_json::to_vec(&bundle).unwrap()).is_err(), "{field}");
        }
    }
}

#[test]
fn every_field_of_the_payload_counts_and_agrees_with_the_receipt_even_where_the_signer_signs_the_edit() {
    for key in keys() {
        let file = sealed(&key);
        let honest = payload(&file);
        assert!(open(&signed_again(&file, &honest, &key)).is_ok());
        let names = fields(&honest, "");
        assert!(names.len() > 30, "{names:?}");
        for field in names {
            let mut edited = honest.clone();
            let value = edited.pointer_mut(&field).unwrap();
            *value = changed(value);
            // Not signed again.
            let mut bundle: Value = serde_json::from_slice(&file).unwrap();
            bundle["dsseEnvelope"]["payload"] = STANDARD.encode(serde_json::to_vec(&edited).unwrap()).into();
            assert!(open(&serde_json::to_vec(&bundle).unwrap()).is_err(), "{field}");
            // Signed again: only what nothing else in the envelope says may be another.
            let free = ["/subject/0/name", "/subject/0/digest/sha256"].contains(&field.as_str());
            assert_eq!(open(&signed_again(&file, &edited, &key)).is_ok(), free, "{field}");
        }
    }
}

#[test]
fn unknown_missing_and_repeated_fields_are_refused_everywhere() {
    let key = &keys()[1];
    let file = sealed(key);
    let (bundle, statement): (Value, Value) = (serde_json::from_slice(&file).unwrap(), payload(&file));
    for at in objects(&bundle, "") {
        let mut edited = bundle.clone();
        edited.pointer_mut(&at).unwrap()["more"] = json!(1);
        assert!(open(&serde_json::to_vec(&edited).unwrap()).is_err(), "{at}");
    }
    for at in objects(&statement, "") {
        let mut edited = statement.clone();
        edited.pointer_mut(&at).unwrap()["more"] = json!(1);
        assert!(open(&signed_again(&file, &edited, key)).is_err(), "{at}");
        let names: Vec<String> =
            statement.pointer(&at).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut edited = statement.clone();
            edited.pointer_mut(&at).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(open(&signed_again(&file, &edited, key)).is_err(), "{at}/{name}");
        }
    }
    let text = String::from_utf8(file.clone()).unwrap();
    let twice = text.replacen("\"payloadType\"", "\"payloadType\": \"x\", \"payloadType\"", 1);
    assert!(matches!(open(twice.as_bytes()), Err(EnvelopeError::Json(_))));
    assert!(matches!(open(format!("{text} x").as_bytes()), Err(EnvelopeError::Json(_))));
    for end in (0..file.len()).step_by(50) {
        assert!(open(&file[..end]).is_err());
    }
}

#[test]
fn exactly_one_signature_of_the_right_length_is_needed() {
    for key in keys() {
        let file = sealed(&key);
        let mut bundle: Value = serde_json::from_slice(&file).unwrap();
        let honest = bundle["dsseEnvelope"]["signatures"].clone();
        for wrong in [json!([]), json!([honest[0], honest[0]])] {
            bundle["dsseEnvelope"]["signatures"] = wrong;
            let refused = open(&serde_json::to_vec(&bundle).unwrap());
            assert!(matches!(refused, Err(EnvelopeError::Form(_))), "{refused:?}");
        }
        bundle["dsseEnvelope"]["signatures"] = json!([{ "sig": STANDARD.encode([1; 65]) }]);
        let refused = open(&serde_json::to_vec(&bundle).unwrap());
        assert!(matches!(refused, Err(EnvelopeError::Envelope(SignatureError::Invalid))), "{refused:?}");
    }
}

#[test]
fn types_that_are_not_known_are_refused_by_name() {
    let key = &keys()[0];
    let file = sealed(key);
    let mut bundle: Value = serde_json::from_slice(&file).unwrap();
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.2+json".into();
    let refused = open(&serde_json::to_vec(&bundle).unwrap());
    assert!(matches!(refused, Err(EnvelopeError::Type { what: "media type", .. })));
    let mut bundle: Value = serde_json::from_slice(&file).unwrap();
    bundle["dsseEnvelope"]["payloadType"] = "text/plain".into();
    let refused = open(&serde_json::to_vec(&bundle).unwrap());
    assert!(matches!(refused, Err(EnvelopeError::Type { what: "payload type", .. })));
}

#[test]
fn an_envelope_signed_by_another_key_than_the_receipt_is_refused() {
    for (key, other) in keys().into_iter().zip(keys()) {
        let file = sealed(&key);
        let refused = open(&signed_again(&file, &payload(&file), &other));
        assert!(matches!(refused, Err(EnvelopeError::Envelope(_))), "{refused:?}");
    }
}

#[test]
fn a_receipt_without_its_leaves_is_incomplete_and_nothing_else() {
    for key in keys() {
        let mut bare = receipt();
        bare.leaves.clear();
        let refused = open(&seal(&bare, &outputs(), None, &key).unwrap());
        let incomplete = ReceiptError::Incomplete { operations: 5 };
        assert!(matches!(refused, Err(EnvelopeError::Receipt(error)) if error == incomplete));
    }
}

#[test]
fn a_job_without_its_terms_terms_without_their_job_and_strangers_as_provider_are_refused() {
    let [ed25519, account] = keys();
    let (agreement, of_job) = agreed(&account);
    let sealing = |receipt: &Receipt, agreement: Option<&Agreement>, key: &SigningKey| match seal(
        receipt,
        &outputs(),
        agreement,
        key,
    ) {
        Err(EnvelopeError::Terms(error)) => Some(error),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(sealing(&of_job, None, &account), Some(TermsError::NoTerms));
    assert_eq!(sealing(&receipt(), Some(&agreement), &account), Some(TermsError::OtherJob));
    assert_eq!(sealing(&of_job, Some(&agreement), &keys()[1]), Some(TermsError::OtherProvider));
    assert_eq!(sealing(&of_job, Some(&agreement), &ed25519), None);
    let other = Receipt { inputs: vec![[1; 32]], ..of_job };
    assert_eq!(sealing(&other, Some(&agreement), &account), Some(TermsError::OtherInputs));
}

#[test]
fn an_outputs_name_of_several_lines_is_refused() {
    for (name, taken) in [("y", true), ("y\nVERIFIED", false), ("y\u{1b}[2K", false)] {
        let sealed = seal(&receipt(), &[OutputFile::new(name, b"bytes")], None, &keys()[0]).unwrap();
        assert_eq!(open(&sealed).is_ok(), taken, "{name:?}");
    }
}
