//! Signing keys of receipts, in PEM files, and what they sign.
//!
//! An Ed25519 key is kept as PKCS#8; a secp256k1 key as PKCS#8, and read from SEC1 too, so that `openssl` makes and
//! reads both. What is signed stands in the verifier's file of the same name, and in `envelope.rs` for the DSSE
//! envelope around it.

use assay_verifier::receipt::Receipt;
use assay_verifier::signature::{
    Domain, Signature, SignatureError, Signer, address, ed25519_message, eip712_digest,
};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use thiserror::Error;

/// A key that signs receipts.
#[derive(Clone)]
pub enum SigningKey {
    /// Ed25519: for envelopes, checked by anyone.
    Ed25519(ed25519_dalek::SigningKey),
    /// secp256k1: for envelopes, and for a contract.
    Secp256k1(k256::ecdsa::SigningKey),
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The text is no private key of a kind that signs receipts.
    #[error("is no PEM file of an Ed25519 or secp256k1 private key")]
    Pem,
    /// The key has no address.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl SigningKey {
    /// A new Ed25519 key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new_ed25519() -> Result<SigningKey, KeyError> {
        Ok(SigningKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&random()?)))
    }

    /// A new secp256k1 key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new_secp256k1() -> Result<SigningKey, KeyError> {
        loop {
            // One in 2^128 strings is no scalar.
            if let Ok(key) = k256::ecdsa::SigningKey::from_slice(&random()?) {
                return Ok(SigningKey::Secp256k1(key));
            }
        }
    }

    /// Reads a key from PEM.
    ///
    /// # Errors
    /// Where the text is no private key of one of the two kinds.
    pub fn from_pem(pem: &str) -> Result<SigningKey, KeyError> {
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(SigningKey::Ed25519(key));
        }
        let key = k256::SecretKey::from_pkcs8_pem(pem).or_else(|_| k256::SecretKey::from_sec1_pem(pem));
        key.map(|key| SigningKey::Secp256k1(key.into())).map_err(|_| KeyError::Pem)
    }

    /// The key as PEM.
    ///
    /// # Errors
    /// Never of a key that was made or read here.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = match self {
            SigningKey::Ed25519(key) => {
                // Without the public key, which older readers refuse.
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
            }
            SigningKey::Secp256k1(key) => k256::SecretKey::from(key).to_pkcs8_pem(LineEnding::LF),
        };
        pem.map(|pem| pem.to_string()).map_err(|_| KeyError::Pem)
    }

    /// Who signs with this key.
    ///
    /// # Errors
    /// Where the key has the zero address.
    pub fn signer(&self) -> Result<Signer, SignatureError> {
        match self {
            SigningKey::Ed25519(key) => Ok(Signer::Ed25519(key.verifying_key().to_bytes())),
            SigningKey::Secp256k1(key) => address(key.verifying_key()).map(Signer::Address),
        }
    }

    /// The scalar of a secp256k1 key, with which its account signs transactions; none of Ed25519.
    pub fn account(&self) -> Option<[u8; 32]> {
        match self {
            SigningKey::Ed25519(_) => None,
            SigningKey::Secp256k1(key) => Some(key.to_bytes().into()),
        }
    }

    /// Signs a receipt. The domain is where a secp256k1 signature counts; Ed25519 has none.
    pub fn sign(&self, receipt: &Receipt, domain: &Domain) -> Signature {
        match self {
            SigningKey::Ed25519(key) => Signature::Ed25519 {
                key: key.verifying_key().to_bytes(),
                signature: key.sign(&ed25519_message(&receipt.hash())).to_bytes(),
            },
            SigningKey::Secp256k1(key) => {
                let digest = eip712_digest(domain, &receipt.job, &receipt.hash());
                let (rs, id) = key.sign_prehash_recoverable(&digest);
                let mut signature = [0; 65];
                signature[..64].copy_from_slice(&rs.to_bytes());
                signature[64] = 27 + u8::from(id.is_y_odd());
                Signature::Eip712 { domain: *domain, signature }
            }
        }
    }

    /// Signs bytes as a DSSE envelope has it: Ed25519 as it is, secp256k1 over their SHA-256; 64 bytes.
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        match self {
            SigningKey::Ed25519(key) => key.sign(bytes).to_bytes(),
            SigningKey::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign(bytes);
                signature.to_bytes().into()
            }
        }
    }
}

fn random() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_files_and_no_two_are_the_same() {
        for new in [SigningKey::new_ed25519, SigningKey::new_secp256k1] {
            let key = new().unwrap();
            let pem = key.to_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            assert_eq!(SigningKey::from_pem(&pem).unwrap().signer(), key.signer());
            assert_ne!(new().unwrap().signer(), key.signer());
        }
    }

    #[test]
    fn keys_that_openssl_makes_are_read() {
        // `openssl genpkey -algorithm ed25519`, `openssl ecparam -name secp256k1 -genkey -noout`.
        for (pem, signer) in [
            (
                "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH3VzDVVtaM32JVmxfc6cce2dEuNDK2GyR0oW8lIuA5U\n-----END PRIVATE KEY-----\n",
                "ed25519:a287fc142dcab2a726ddcc16b49bf24fdbd70a8d87e0ca0079f0e8e6e3380cab",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nMHQCAQEEIOuRKHbFGPqlr83Y9P3HUMuVxuxcha3/KXWBolclGuS1oAcGBSuBBAAK\noUQDQgAEAyH98VZp1Ggm6Y4OTFO8ghIbul2d3Abcnr7UXxtuENNhmYlbxLYoKbp4\netBRjPaQpWvpLJjMgy/Cj1+szI4WMA==\n-----END EC PRIVATE KEY-----\n",
                "0x6fc60298ac4bccf09ca2876609af54da9f04e4f8",
            ),
        ] {
            assert_eq!(SigningKey::from_pem(pem).unwrap().signer().unwrap().to_string(), signer);
        }
    }

    #[test]
    fn other_text_is_no_key() {
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        for text in ["", "secret", public] {
            assert!(matches!(SigningKey::from_pem(text), Err(KeyError::Pem)));
        }
    }
}
