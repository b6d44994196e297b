//! The Fiat-Shamir transcript: one absorb for every message, one challenge for every coin.
//!
//! Labels are static and name the message; indices and lengths are messages. A vector is one message: its
//! count as u64, then its items, 32 bytes each, little-endian; points as compressed in the proof. A challenge
//! is 64 bytes reduced modulo p, full width, so its bias is 2^-258.
//!
//! Order of absorption in a proof (`verify.rs` and `prove.rs` call it in this order, nothing else does):
//!
//! | label | message |
//! | --- | --- |
//! | `key` | program digest (root, plan, reference string), commitments of a committed model |
//! | `coverage` | the covered operations |
//! | `statement` | for each input and output: its digest, or its rows |
//! | `wires`, `hints` | rows |
//! | `beta`, `alpha` | challenges |
//! | `root`, `layer` (`lambda`, `round`, `end`, `line`) | the tree of lookups |
//! | `readings` | values where the tree ends |
//! | `tau`, `stated` | the point of equalities; values of committed tensors there |
//! | `rho`, `round`, `values` | the batched sumcheck |
//! | `openings`, `unify` | the openings' sumcheck |
//! | `xi`, `fold`, `row` | the last step |

use crate::F;
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use ark_ff::PrimeField;

/// A transcript: what was absorbed determines every later challenge.
pub trait Transcript {
    /// Absorbs a message.
    fn absorb(&mut self, label: &'static [u8], message: &[u8]);

    /// Draws a full-width challenge.
    fn challenge(&mut self, label: &'static [u8]) -> F;

    /// Absorbs a vector of field elements as one message.
    fn absorb_scalars(&mut self, label: &'static [u8], scalars: &[F]) {
        let mut message = Vec::with_capacity(8 + 32 * scalars.len());
        message.extend_from_slice(&(scalars.len() as u64).to_le_bytes());
        for scalar in scalars {
            message.extend_from_slice(&crate::point::encode_scalar(scalar));
        }
        self.absorb(label, &message);
    }

    /// Absorbs a vector of points as one message.
    fn absorb_points(&mut self, label: &'static [u8], points: &[G1Affine]) {
        let mut message = Vec::with_capacity(8 + 32 * points.len());
        message.extend_from_slice(&(points.len() as u64).to_le_bytes());
        for point in points {
            message.extend_from_slice(&crate::point::encode(point));
        }
        self.absorb(label, &message);
    }

    /// Draws `count` challenges.
    fn challenges(&mut self, label: &'static [u8], count: usize) -> Vec<F> {
        (0..count).map(|_| self.challenge(label)).collect()
    }
}

/// The transcript of proofs off chain: merlin (STROBE over keccak-f\[1600\]).
pub struct MerlinTranscript(merlin::Transcript);

impl MerlinTranscript {
    /// The empty transcript of a protocol.
    pub fn new(protocol: &'static [u8]) -> Self {
        MerlinTranscript(merlin::Transcript::new(protocol))
    }
}

impl Transcript for MerlinTranscript {
    fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
        self.0.append_message(label, message);
    }

    fn challenge(&mut self, label: &'static [u8]) -> F {
        let mut bytes = [0; 64];
        self.0.challenge_bytes(label, &mut bytes);
        F::from_le_bytes_mod_order(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_depends_on_every_message_and_its_order() {
        let run = |messages: &[&[u8]]| {
            let mut transcript = MerlinTranscript::new(b"test");
            messages.iter().for_each(|message| transcript.absorb(b"message", message));
            transcript.challenge(b"challenge")
        };
        assert_eq!(run(&[b"a", b"b"]), run(&[b"a", b"b"]));
        assert_ne!(run(&[b"a", b"b"]), run(&[b"b", b"a"]));
        assert_ne!(run(&[b"a", b"b"]), run(&[b"ab"]));
    }

    #[test]
    fn the_challenges_are_pinned_by_a_vector() {
        let mut transcript = MerlinTranscript::new(b"assay test vector");
        transcript.absorb_scalars(b"scalars", &[F::from(1u64), -F::from(1u64)]);
        let first = transcript.challenge(b"challenge");
        assert_eq!(
            crate::hex::Hex(&crate::point::encode_scalar(&first)).to_string(),
            "e4c5f2d9983263587dc680e69440a08dc8675ed0275a0a72515b95be94b07f0a"
        );
        assert_ne!(first, transcript.challenge(b"challenge"));
    }
}
