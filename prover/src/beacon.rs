//! Public randomness: rounds of drand, whose BLS signature makes them unpredictable before their time.
//!
//! A round's randomness is SHA-256 of its signature. It is worth something for a sample only where the round begins after the
//! commitment; its time follows from its number and the chain's genesis and period, never from what anybody states.

use drand_verify::{G1Pubkey, G2PubkeyRfc, Pubkey, derive_randomness};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A chain of rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Its hash, which terms name.
    pub hash: &'static str,
    /// Its public key.
    public_key: &'static str,
    /// The time of round 1, seconds since 1970.
    pub genesis: u64,
    /// Seconds from a round to the next.
    pub period: u64,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Signatures on G2 that chain: each signs the one before.
    Chained,
    /// Signatures on G1 of the round's number alone, hashed to the curve as RFC 9380 says.
    Unchained,
}

/// The League of Entropy's quicknet: a round every three seconds.
pub const QUICKNET: Chain = Chain {
    name: "quicknet",
    hash: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    public_key: "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec75\
8c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    genesis: 1_692_803_367,
    period: 3,
    scheme: Scheme::Unchained,
};

/// The League of Entropy's default chain: a round every thirty seconds.
pub const DEFAULT: Chain = Chain {
    name: "default",
    hash: "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce",
    public_key: "868f005eb8e6e4ca0a47c8a77ceaa5309a47978a7c71bc5cce96366b5d7a569937c529eeda66c7293784a9402801af31",
    genesis: 1_595_431_050,
    period: 30,
    scheme: Scheme::Chained,
};

/// The chains that are known.
pub const CHAINS: [Chain; 2] = [QUICKNET, DEFAULT];

impl Chain {
    /// The time at which a round begins, seconds since 1970.
    pub fn time(&self, round: u64) -> Option<u64> {
        self.genesis.checked_add(round.checked_sub(1)?.checked_mul(self.period)?)
    }
}

/// A round as drand's interface gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its number, from 1 on.
    pub round: u64,
    /// Its signature in hexadecimal.
    pub signature: String,
    /// The signature of the round before, on a chain that chains.
    #[serde(default)]
    pub previous_signature: String,
    /// What the interface says of the randomness; recomputed, and compared where it is given.
    #[serde(default)]
    pub randomness: Option<String>,
}

/// Why a round is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BeaconError {
    /// A field is not what it should be.
    #[error("the round's {0} is malformed")]
    Malformed(&'static str),
    /// No known chain signed it.
    #[error("round {0} is signed by no drand chain that is known here")]
    Signature(u64),
    /// The stated randomness is not that of the signature.
    #[error("the stated randomness is not that of the signature")]
    Randomness,
    /// It began before what it is to sample.
    #[error("round {round} of {chain} began at {began}, not after {after}")]
    NotAfter {
        /// The round.
        round: u64,
        /// The chain.
        chain: &'static str,
        /// When it began, seconds since 1970.
        began: u64,
        /// When what it samples was there.
        after: u64,
    },
}

/// Verifies a round, and gives its chain and its randomness.
///
/// # Errors
/// Where no known chain signed it.
pub fn verify(round: &Round) -> Result<(Chain, [u8; 32]), BeaconError> {
    let signature = decode(&round.signature).ok_or(BeaconError::Malformed("signature"))?;
    let previous = decode(&round.previous_signature).ok_or(BeaconError::Malformed("previous signature"))?;
    let signed = |chain: &Chain| {
        let key = decode(chain.public_key).unwrap_or_default();
        match chain.scheme {
            Scheme::Unchained => G2PubkeyRfc::from_variable(&key)
                .is_ok_and(|key| key.verify(round.round, b"", &signature).unwrap_or(false)),
            Scheme::Chained => G1Pubkey::from_variable(&key)
                .is_ok_and(|key| key.verify(round.round, &previous, &signature).unwrap_or(false)),
        }
    };
    let chain = CHAINS.into_iter().find(signed).ok_or(BeaconError::Signature(round.round))?;
    let randomness = derive_randomness(&signature);
    if let Some(stated) = &round.randomness
        && decode(stated).as_deref() != Some(&randomness)
    {
        return Err(BeaconError::Randomness);
    }
    Ok((chain, randomness))
}

/// As [`verify`], for what was there at `after`, seconds since 1970.
///
/// # Errors
/// Where the round did not begin after that.
pub fn verify_after(round: &Round, after: u64) -> Result<(Chain, [u8; 32]), BeaconError> {
    let (chain, randomness) = verify(round)?;
    let began = chain.time(round.round).ok_or(BeaconError::Malformed("number"))?;
    if began <= after {
        return Err(BeaconError::NotAfter { round: round.round, chain: chain.name, began, after });
    }
    Ok((chain, randomness))
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(hex.get(place..place + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Round 123 of quicknet and round 72,785 of the default chain, as recorded from their interfaces.
    fn recorded() -> [Round; 2] {
        let quicknet = Round {
            round: 123,
            signature: "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92".into(),
            previous_signature: String::new(),
            randomness: None,
        };
        let default = Round {
            round: 72_785,
            signature: "82f5d3d2de4db19d40a6980e8aa37842a0e55d1df06bd68bddc8d60002e8e959eb9cfa368b3c1b77d18f02a54fe047b8\
0f0989315f83b12a74fd8679c4f12aae86eaf6ab5690b34f1fddd50ee3cc6f6cdf59e95526d5a5d82aaa84fa6f181e42".into(),
            previous_signature: "a609e19a03c2fcc559e8dae14900aaefe517cb55c840f6e69bc8e4f66c8d18e8a609685d9917efbfb0c37f05\
8c2de88f13d297c7e19e0ab24813079efe57a182554ff054c7638153f9b26a60e7111f71a0ff63d9571704905d3ca6df0b031747".into(),
            randomness: Some("8b676484b5fb1f37f9ec5c413d7d29883504e5b669f604a1ce68b3388e9ae3d9".into()),
        };
        [quicknet, default]
    }

    #[test]
    fn recorded_rounds_verify_and_name_their_chain() {
        let [quicknet, default] = recorded();
        assert_eq!(verify(&quicknet).unwrap().0, QUICKNET);
        assert_eq!(verify(&default).unwrap().0, DEFAULT);
    }

    #[test]
    fn an_edited_round_is_refused() {
        for honest in recorded() {
            let mut other = honest.clone();
            other.round += 1;
            assert_eq!(verify(&other), Err(BeaconError::Signature(other.round)));
            let mut other = honest.clone();
            other.signature.replace_range(4..5, if &honest.signature[4..5] == "0" { "1" } else { "0" });
            assert!(verify(&other).is_err());
            let mut other = honest.clone();
            other.randomness = Some("00".repeat(32));
            assert_eq!(verify(&other), Err(BeaconError::Randomness));
            let mut other = honest.clone();
            other.signature.push('0');
            assert_eq!(verify(&other), Err(BeaconError::Malformed("signature")));
        }
        let mut unchained = recorded()[1].clone();
        unchained.previous_signature.clear();
        assert!(verify(&unchained).is_err());
    }

    #[test]
    fn a_round_that_did_not_begin_after_the_receipt_is_refused() {
        let [quicknet, _] = recorded();
        let began = QUICKNET.time(123).unwrap();
        assert_eq!(began, 1_692_803_367 + 366);
        assert!(verify_after(&quicknet, began - 1).is_ok());
        assert!(matches!(verify_after(&quicknet, began), Err(BeaconError::NotAfter { .. })));
        assert_eq!(QUICKNET.time(0), None);
        assert_eq!(QUICKNET.time(u64::MAX), None);
    }
}
