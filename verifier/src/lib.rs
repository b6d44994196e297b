//! How it is checked: the verifier of Assay's succinct proofs.
//!
//! [`verify::verify`] is a pure function of a [`key::VerifyingKey`], a [`statement::Statement`] and a
//! [`proof::Proof`]. It allocates nothing on an unchecked length and has no panic on any input. The prover's
//! side of each protocol stands in `assay-prover` under the same file name.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
extern crate alloc;

pub mod audit;
pub mod basis;
pub mod batch_affine;
pub mod buckets;
pub mod bundle;
pub mod dispute;
pub mod draw;
pub mod escrow;
pub mod glv;
pub mod hex;
pub mod indicator;
pub mod keccak;
pub mod key;
pub mod lookup;
pub mod msm;
pub mod multilinear;
pub mod opening;
pub mod packed;
pub mod point;
pub mod proof;
pub mod receipt;
pub mod referee;
pub mod rejection;
pub mod signature;
pub mod slice;
pub mod statement;
pub mod sumcheck;
pub mod tensor_tree;
pub mod terms;
pub mod transcript;
pub mod verify;

pub use point::F;
