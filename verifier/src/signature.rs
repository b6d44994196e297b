//! Signatures on receipts: Ed25519, and secp256k1 as a contract checks it.
//!
//! Both sign the receipt's hash, never its text:
//!
//! ```text
//! Ed25519     sign("Assay receipt v1", 16 bytes, then the receipt hash)
//! secp256k1   sign(keccak256(0x19 0x01, domain separator, keccak256(type hash, job id, receipt hash)))      EIP-712
//!   domain    EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)
//!             name "Assay", version "1"
//!   type      Receipt(bytes32 job,bytes32 receipt)
//! ```
//!
//! A signature is refused where another one of the same key for the same receipt would be accepted: Ed25519 is checked
//! strictly (canonical s, no point of small order), and of secp256k1's two only that with the low s passes, as 65 bytes
//! r, s, v with v 27 or 28. A signer whose address is zero, which is what `ecrecover` answers on failure, is refused.
//! What a contract uses up is the job id, never a signature's hash.

use crate::hex::Hex;
use crate::keccak::keccak256;
use crate::receipt::Receipt;
use crate::terms::{Address, Word, word};
use alloc::vec::Vec;
use assay_circuits::root::Digest32;
use core::fmt;
use ed25519_dalek::VerifyingKey as Ed25519Key;
use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, VerifyingKey as Secp256k1Key};
use thiserror::Error;

/// What stands before the receipt's hash in the message that Ed25519 signs.
pub const ED25519_CONTEXT: &[u8; 16] = b"Assay receipt v1";
const DOMAIN_TYPE: &[u8] =
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const RECEIPT_TYPE: &[u8] = b"Receipt(bytes32 job,bytes32 receipt)";

/// Where an EIP-712 signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Domain {
    /// The chain id; zero without terms.
    pub chain_id: Word,
    /// The contract; zero without terms.
    pub contract: Address,
}

/// Who signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// An Ed25519 public key.
    Ed25519([u8; 32]),
    /// The address of a secp256k1 key.
    Address(Address),
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signer::Ed25519(key) => write!(f, "ed25519:{}", Hex(key)),
            Signer::Address(address) => write!(f, "0x{}", Hex(address)),
        }
    }
}

/// A signature on a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// By Ed25519.
    Ed25519 {
        /// The public key.
        key: [u8; 32],
        /// R and s.
        signature: [u8; 64],
    },
    /// By secp256k1, over EIP-712 typed data.
    Eip712 {
        /// Where it counts.
        domain: Domain,
        /// r, s, v.
        signature: [u8; 65],
    },
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The bytes are no public key.
    #[error("the signer's public key is not valid")]
    Key,
    /// The last byte of 65 is neither 27 nor 28.
    #[error("the signature's v is {0}, should be 27 or 28")]
    RecoveryId(u8),
    /// The s of a secp256k1 signature lies in the upper half.
    #[error("the signature is malleable: its s is not the low one")]
    HighS,
    /// The recovered address is zero.
    #[error("the signer is the zero address")]
    ZeroSigner,
    /// The signature is not the signer's for this message.
    #[error("the signature is not valid")]
    Invalid,
}

impl Signature {
    /// Checks the signature on a receipt; who signed.
    ///
    /// # Errors
    /// Where the signature is not one that this signer makes for this receipt.
    pub fn verify(&self, receipt: &Receipt) -> Result<Signer, SignatureError> {
        let hash = receipt.hash();
        match self {
            Signature::Ed25519 { key, signature } => {
                verify_ed25519(key, &ed25519_message(&hash), signature)?;
                Ok(Signer::Ed25519(*key))
            }
            Signature::Eip712 { domain, signature } => {
                let key = recover(&eip712_digest(domain, &receipt.job, &hash), signature)?;
                address(&key).map(Signer::Address)
            }
        }
    }
}

/// The message that Ed25519 signs for a receipt.
pub fn ed25519_message(receipt_hash: &Digest32) -> Vec<u8> {
    [ED25519_CONTEXT.as_slice(), receipt_hash].concat()
}

/// The EIP-712 domain separator.
pub fn domain_separator(domain: &Domain) -> Digest32 {
    let (name, version) = (keccak256(&[b"Assay"]), keccak256(&[b"1"]));
    keccak256(&[&keccak256(&[DOMAIN_TYPE]), &name, &version, &domain.chain_id, &word(&domain.contract)])
}

/// The digest that secp256k1 signs for a receipt.
pub fn eip712_digest(domain: &Domain, job: &Digest32, receipt_hash: &Digest32) -> Digest32 {
    let receipt = keccak256(&[&keccak256(&[RECEIPT_TYPE]), job, receipt_hash]);
    keccak256(&[&[0x19, 0x01], &domain_separator(domain), &receipt])
}

/// Checks an Ed25519 signature strictly.
///
/// # Errors
/// Where the key is no point, or the signature is not this key's, or not the one canonical one.
pub fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
    let key = Ed25519Key::from_bytes(key).map_err(|_| SignatureError::Key)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
}

/// The key that made a signature of 65 bytes on a digest.
///
/// # Errors
/// Where v is neither 27 nor 28, s is high, or no key made it.
pub fn recover(digest: &Digest32, signature: &[u8; 65]) -> Result<Secp256k1Key, SignatureError> {
    let [rs @ .., v] = signature;
    let id = match v {
        27 | 28 => RecoveryId::new(*v == 28, false),
        other => return Err(SignatureError::RecoveryId(*other)),
    };
    let signature = low_s(rs)?;
    Secp256k1Key::recover_from_prehash(digest, &signature, id).map_err(|_| SignatureError::Invalid)
}

/// A secp256k1 signature from r and s, with the low s only.
///
/// # Errors
/// Where r or s is no scalar, or s is high.
pub fn low_s(rs: &[u8]) -> Result<EcdsaSignature, SignatureError> {
    let signature = EcdsaSignature::from_slice(rs).map_err(|_| SignatureError::Invalid)?;
    if signature.normalize_s() == signature { Ok(signature) } else { Err(SignatureError::HighS) }
}

/// The Ethereum address of a key.
///
/// # Errors
/// Where it is zero.
pub fn address(key: &Secp256k1Key) -> Result<Address, SignatureError> {
    let point = key.to_sec1_point(false);
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    let hash = keccak256(&[coordinates]);
    let mut address = [0; 20];
    address.copy_from_slice(hash.get(12..).unwrap_or(&[0; 20]));
    not_zero(address)
}

fn not_zero(address: Address) -> Result<Address, SignatureError> {
    if address == [0; 20] { Err(SignatureError::ZeroSigner) } else { Ok(address) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::tests::example;
    use alloc::string::ToString;
    use ed25519_dalek::Signer as _;
    use k256::ecdsa::SigningKey;

    fn one() -> SigningKey {
        let mut scalar = [0; 32];
        scalar[31] = 1;
        SigningKey::from_slice(&scalar).unwrap()
    }

    fn typed(receipt: &Receipt, domain: Domain) -> Signature {
        let digest = eip712_digest(&domain, &receipt.job, &receipt.hash());
        let (signature, id) = one().sign_prehash_recoverable(&digest);
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + u8::from(id.is_y_odd());
        Signature::Eip712 { domain, signature: bytes }
    }

    fn ed25519(receipt: &Receipt) -> Signature {
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let signature = key.sign(&ed25519_message(&receipt.hash())).to_bytes();
        Signature::Ed25519 { key: key.verifying_key().to_bytes(), signature }
    }

    fn domain() -> Domain {
        Domain { chain_id: crate::terms::word_of(31337), contract: [19; 20] }
    }

    #[test]
    fn both_signatures_name_their_signer() {
        let receipt = example(5);
        let signer = typed(&receipt, domain()).verify(&receipt).unwrap();
        // The address of the private key 1.
        assert_eq!(signer.to_string(), "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
        let signer = ed25519(&receipt).verify(&receipt).unwrap();
        assert!(signer.to_string().starts_with("ed25519:"));
    }

    #[test]
    fn a_signature_is_for_one_receipt_one_chain_and_one_contract() {
        let receipt = example(5);
        let signer = typed(&receipt, domain()).verify(&receipt);
        let mut other = receipt.clone();
        other.job[0] ^= 1;
        assert_ne!(typed(&receipt, domain()).verify(&other), signer);
        assert_eq!(ed25519(&receipt).verify(&other), Err(SignatureError::Invalid));
        for edit in [|d: &mut Domain| d.chain_id[31] ^= 1, |d: &mut Domain| d.contract[0] ^= 1] {
            let mut domain = domain();
            edit(&mut domain);
            let Signature::Eip712 { signature, .. } = typed(&receipt, self::domain()) else { unreachable!() };
            assert_ne!(Signature::Eip712 { domain, signature }.verify(&receipt), signer);
        }
    }

    #[test]
    fn every_bit_of_a_signature_counts() {
        let receipt = example(5);
        let Signature::Ed25519 { key, signature } = ed25519(&receipt) else { unreachable!() };
        for bit in 0..512 {
            let mut edited = signature;
            edited[bit / 8] ^= 1 << (bit % 8);
            assert!(Signature::Ed25519 { key, signature: edited }.verify(&receipt).is_err());
        }
        for bit in 0..256 {
            let mut edited = key;
            edited[bit / 8] ^= 1 << (bit % 8);
            assert!(Signature::Ed25519 { key: edited, signature }.verify(&receipt).is_err());
        }
        let honest = typed(&receipt, domain());
        let Signature::Eip712 { domain, signature } = honest else { unreachable!() };
        let signer = honest.verify(&receipt);
        for bit in 0..520 {
            let mut edited = signature;
            edited[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Signature::Eip712 { domain, signature: edited }.verify(&receipt), signer, "bit {bit}");
        }
    }

    #[test]
    fn the_other_s_is_refused() {
        use core::ops::Neg;
        let receipt = example(5);
        let Signature::Eip712 { domain, mut signature } = typed(&receipt, domain()) else { unreachable!() };
        let low = EcdsaSignature::from_slice(&signature[..64]).unwrap();
        let high = EcdsaSignature::from_scalars(low.r(), low.s().neg()).unwrap();
        signature[..64].copy_from_slice(&high.to_bytes());
        signature[64] = 27 + 28 - signature[64];
        assert_eq!(Signature::Eip712 { domain, signature }.verify(&receipt), Err(SignatureError::HighS));
    }

    #[test]
    fn v_is_27_or_28() {
        let receipt = example(5);
        let Signature::Eip712 { domain, mut signature } = typed(&receipt, domain()) else { unreachable!() };
        for v in [0, 1, 26, 29, 30, 255] {
            signature[64] = v;
            let refused = Signature::Eip712 { domain, signature }.verify(&receipt);
            assert_eq!(refused, Err(SignatureError::RecoveryId(v)));
        }
    }

    #[test]
    fn the_zero_address_zero_scalars_and_weak_keys_sign_nothing() {
        assert_eq!(not_zero([0; 20]), Err(SignatureError::ZeroSigner));
        let receipt = example(5);
        let Signature::Eip712 { domain, signature } = typed(&receipt, domain()) else { unreachable!() };
        for part in [0..32, 32..64] {
            let mut zero = signature;
            zero[part].fill(0);
            assert!(Signature::Eip712 { domain, signature: zero }.verify(&receipt).is_err());
        }
        // The neutral element as key and as R with s = 0: lax verification accepts it for every message.
        let mut key = [0; 32];
        key[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(Signature::Ed25519 { key, signature }.verify(&receipt).is_err());
    }

    /// Made by `eth_account.messages.encode_typed_data`, which shares no code with this crate.
    #[test]
    fn typed_data_has_the_digest_that_other_tools_give() {
        let digest = eip712_digest(&domain(), &[7; 32], &[8; 32]);
        assert_eq!(
            Hex(&digest).to_string(),
            "450c98e43887c66e9b0aa2e6bc39dc17f497b512450ad1a6adaf661e1d373f3c"
        );
    }
}
