//! The envelope that a receipt travels in: a Sigstore bundle v0.3 with a DSSE envelope around an in-toto Statement v1.
//!
//! ```text
//! bundle     {mediaType, verificationMaterial: {publicKey: {hint: signer}}, dsseEnvelope}
//! envelope   {payload: base64, payloadType: application/vnd.in-toto+json, signatures: [{sig: base64}]}
//! payload    {_type, subject: [{name: output/NAME, digest: {sha256, blake3}}], predicateType, predicate}
//! predicate  {receipt: base64, receipt_hash, program, profile, job, agreement, signature}
//! sig        signs PAE = "DSSEv1 " len(type) " " type " " len(payload) " " payload, over the decoded payload
//! ```
//!
//! Two signatures of one key, for two readers. The one in the predicate signs the hash of the canonical receipt; it is the
//! one that counts, lives without the envelope and, of a secp256k1 key, goes to the contract. The one in the envelope is
//! what DSSE prescribes; it binds what the receipt does not hold, the outputs' names and SHA-256, to the same key. Text is
//! never hashed for soundness: all that the payload says about the receipt is recomputed from the receipt's bytes and
//! must agree.
//!
//! [`open`] gives nothing that it has not checked, and accepts one form: unknown or repeated fields, several
//! signatures, other types and lax base64 are refused. That an envelope opens says that its signer signed it; who
//! that is, the caller must know.

use crate::signature::SigningKey;
use crate::terms::{Carried, decimal, hex};
use assay_circuits::root::Digest32;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::{Receipt, ReceiptError, profile_name};
use assay_verifier::signature::{Domain, Signature, SignatureError, Signer, low_s, recover, verify_ed25519};
use assay_verifier::signature::{address, eip712_digest};
use assay_verifier::terms::{Address, Agreement, TermsError, Word};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k256::ecdsa::signature::Verifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The media type of the bundle.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The type of the envelope's payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The type of the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "https://assay.dev/evidence/v1";

/// What an envelope holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The receipt.
    pub receipt: Receipt,
    /// The outputs' names and SHA-256, in the program's order; that they are the receipt's is the signer's word.
    pub outputs: Vec<OutputFile>,
    /// The terms, where there are any.
    pub agreement: Option<Agreement>,
    /// The signature on the receipt.
    pub signature: Signature,
}

/// What is said of an output beyond its digest in the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// The output's name.
    pub name: String,
    /// SHA-256 of the bytes whose BLAKE3 is in the receipt.
    pub sha256: Digest32,
}

impl OutputFile {
    /// An output from its bytes.
    pub fn new(name: &str, bytes: &[u8]) -> OutputFile {
        OutputFile { name: name.to_string(), sha256: Sha256::digest(bytes).into() }
    }
}

/// Why an envelope is refused.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// The bytes are no JSON of the one form.
    #[error("the envelope is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// A part is not what it must be.
    #[error("the envelope is malformed: {0}")]
    Form(&'static str),
    /// A type that this verifier does not know.
    #[error("the envelope has {what} {found:?}, which this verifier does not know")]
    Type {
        /// Which type.
        what: &'static str,
        /// What it is.
        found: String,
    },
    /// What the payload says of the receipt is not what the receipt's bytes say.
    #[error("the envelope says something else than its receipt: {0}")]
    Differs(&'static str),
    /// The envelope's own signature is not valid.
    #[error("the envelope's signature: {0}")]
    Envelope(SignatureError),
    /// The receipt's signature is not valid.
    #[error("the receipt's signature: {0}")]
    Signature(#[from] SignatureError),
    /// The receipt is not what the terms ask for.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The receipt is not right by itself.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: PublicKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: DigestSet,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DigestSet {
    sha256: String,
    blake3: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    receipt: String,
    #[serde(with = "hex")]
    receipt_hash: Digest32,
    #[serde(with = "hex")]
    program: Digest32,
    profile: String,
    #[serde(with = "hex")]
    job: Digest32,
    agreement: Option<Carried>,
    signature: SignatureForm,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "scheme", deny_unknown_fields)]
enum SignatureForm {
    #[serde(rename = "ed25519")]
    Ed25519 {
        #[serde(with = "hex")]
        key: [u8; 32],
        #[serde(with = "hex")]
        value: [u8; 64],
    },
    #[serde(rename = "eip712")]
    Eip712 {
        #[serde(with = "hex")]
        address: Address,
        #[serde(with = "decimal")]
        chain_id: Word,
        #[serde(with = "hex")]
        contract: Address,
        #[serde(with = "hex")]
        value: [u8; 65],
    },
}

/// DSSE's pre-authentication encoding, which the envelope's signature signs.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let header = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [header.as_bytes(), payload].concat()
}

/// Signs a receipt and puts it into an envelope; the file's bytes.
///
/// # Errors
/// Where the receipt is not right, not what the terms ask for, or the key not the provider's of the terms.
pub fn seal(
    receipt: &Receipt,
    outputs: &[OutputFile],
    agreement: Option<&Agreement>,
    key: &SigningKey,
) -> Result<Vec<u8>, EnvelopeError> {
    let signer = key.signer()?;
    check_agreement(receipt, agreement, &signer)?;
    if outputs.len() != receipt.outputs.len() {
        return Err(EnvelopeError::Differs("the number of outputs"));
    }
    let domain = agreement.map(Agreement::domain).unwrap_or_default();
    let signature = match (key.sign(receipt, &domain), signer) {
        (Signature::Ed25519 { key, signature: value }, _) => SignatureForm::Ed25519 { key, value },
        (Signature::Eip712 { domain, signature: value }, Signer::Address(address)) => {
            let Domain { chain_id, contract } = domain;
            SignatureForm::Eip712 { address, chain_id, contract, value }
        }
        (Signature::Eip712 { .. }, Signer::Ed25519(_)) => return Err(SignatureError::Invalid.into()),
    };
    let subject = outputs.iter().zip(&receipt.outputs).map(|(output, claim)| Subject {
        name: format!("output/{}", output.name),
        digest: DigestSet { sha256: Hex(&output.sha256).to_string(), blake3: Hex(&claim.digest).to_string() },
    });
    let statement = Statement {
        kind: STATEMENT_TYPE.to_string(),
        subject: subject.collect(),
        predicate_type: PREDICATE_TYPE.to_string(),
        predicate: Predicate {
            receipt: STANDARD.encode(receipt.encode()),
            receipt_hash: receipt.hash(),
            program: receipt.program,
            profile: profile_name(receipt.profile).unwrap_or_default().to_string(),
            job: receipt.job,
            agreement: agreement.cloned().map(Carried),
            signature,
        },
    };
    let payload = serde_json::to_vec(&statement)?;
    Ok(serde_json::to_vec_pretty(&bundle(&payload, &signer, key))?)
}

fn bundle(payload: &[u8], signer: &Signer, key: &SigningKey) -> Bundle {
    let sig = key.sign_bytes(&pre_authentication_encoding(PAYLOAD_TYPE, payload));
    Bundle {
        media_type: MEDIA_TYPE.to_string(),
        verification_material: Material { public_key: PublicKey { hint: signer.to_string() } },
        dsse_envelope: Envelope {
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD_TYPE.to_string(),
            signatures: vec![EnvelopeSignature { sig: STANDARD.encode(sig) }],
        },
    }
}

/// Opens an envelope: checks its form, both signatures, the terms and the receipt; what it holds, and who signed.
///
/// # Errors
/// What is wrong first. A receipt without its leaves is [`ReceiptError::Incomplete`], after all else.
pub fn open(bytes: &[u8]) -> Result<(Evidence, Signer), EnvelopeError> {
    let bundle: Bundle = serde_json::from_slice(bytes)?;
    expect("media type", &bundle.media_type, MEDIA_TYPE)?;
    let Envelope { payload, payload_type, signatures } = &bundle.dsse_envelope;
    expect("payload type", payload_type, PAYLOAD_TYPE)?;
    let [EnvelopeSignature { sig }] = signatures.as_slice() else {
        return Err(EnvelopeError::Form("there should be one signature"));
    };
    let base64 = |text| STANDARD.decode(text).map_err(|_| EnvelopeError::Form("it holds what is no base64"));
    let (payload, sig) = (base64(payload)?, base64(sig)?);
    let statement: Statement = serde_json::from_slice(&payload)?;
    expect("statement type", &statement.kind, STATEMENT_TYPE)?;
    expect("predicate type", &statement.predicate_type, PREDICATE_TYPE)?;
    let predicate = statement.predicate;
    let receipt = Receipt::decode(&base64(&predicate.receipt)?)?;

    let signature = match predicate.signature {
        SignatureForm::Ed25519 { key, value } => Signature::Ed25519 { key, signature: value },
        SignatureForm::Eip712 { chain_id, contract, value, .. } => {
            Signature::Eip712 { domain: Domain { chain_id, contract }, signature: value }
        }
    };
    let signer = signature.verify(&receipt)?;
    if matches!(predicate.signature, SignatureForm::Eip712 { address, .. } if Signer::Address(address) != signer)
    {
        return Err(SignatureError::Invalid.into());
    }
    if bundle.verification_material.public_key.hint != signer.to_string() {
        return Err(EnvelopeError::Differs("the signer"));
    }
    let encoding = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    verify_bytes(&signature, &receipt, &encoding, &sig).map_err(EnvelopeError::Envelope)?;

    let said = [
        (predicate.receipt_hash == receipt.hash(), "the receipt hash"),
        (predicate.program == receipt.program, "the program"),
        (Some(predicate.profile.as_str()) == profile_name(receipt.profile), "the profile"),
        (predicate.job == receipt.job, "the job"),
        (statement.subject.len() == receipt.outputs.len(), "the number of outputs"),
    ];
    if let Some(&(_, what)) = said.iter().find(|(same, _)| !same) {
        return Err(EnvelopeError::Differs(what));
    }
    let mut outputs = Vec::with_capacity(statement.subject.len());
    for (subject, claim) in statement.subject.iter().zip(&receipt.outputs) {
        if subject.digest.blake3 != Hex(&claim.digest).to_string() {
            return Err(EnvelopeError::Differs("the digest of an output"));
        }
        let name = subject.name.strip_prefix("output/");
        let name = name.ok_or(EnvelopeError::Form("a subject is no output"))?.to_string();
        if name.chars().any(char::is_control) {
            return Err(EnvelopeError::Form("an output's name has control characters"));
        }
        let sha256 = crate::terms::parse_hex(&subject.digest.sha256)
            .filter(|digest| Hex(digest).to_string() == subject.digest.sha256)
            .ok_or(EnvelopeError::Form("a SHA-256 should be 64 lower-case digits"))?;
        outputs.push(OutputFile { name, sha256 });
    }
    let agreement = predicate.agreement.map(|Carried(agreement)| agreement);
    let domain = agreement.as_ref().map(Agreement::domain).unwrap_or_default();
    if matches!(signature, Signature::Eip712 { domain: stated, .. } if stated != domain) {
        return Err(TermsError::OtherDomain.into());
    }
    check_agreement(&receipt, agreement.as_ref(), &signer)?;
    receipt.check()?;
    Ok((Evidence { receipt, outputs, agreement, signature }, signer))
}

fn expect(what: &'static str, found: &str, expected: &str) -> Result<(), EnvelopeError> {
    match found == expected {
        true => Ok(()),
        false => Err(EnvelopeError::Type { what, found: found.to_string() }),
    }
}

fn check_agreement(
    receipt: &Receipt,
    agreement: Option<&Agreement>,
    signer: &Signer,
) -> Result<(), TermsError> {
    match agreement {
        Some(agreement) => agreement.check(receipt).and_then(|()| agreement.check_signer(signer)),
        None if receipt.job == [0; 32] => Ok(()),
        None => Err(TermsError::NoTerms),
    }
}

/// Checks the envelope's signature with the key of the receipt's.
fn verify_bytes(
    signature: &Signature,
    receipt: &Receipt,
    bytes: &[u8],
    sig: &[u8],
) -> Result<(), SignatureError> {
    let sig: &[u8; 64] = sig.try_into().map_err(|_| SignatureError::Invalid)?;
    match signature {
        Signature::Ed25519 { key, .. } => verify_ed25519(key, bytes, sig),
        Signature::Eip712 { domain, signature } => {
            let key = recover(&eip712_digest(domain, &receipt.job, &receipt.hash()), signature)?;
            address(&key)?;
            key.verify(bytes, &low_s(sig)?).map_err(|_| SignatureError::Invalid)
        }
    }
}
