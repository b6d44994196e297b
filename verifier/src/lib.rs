//! How it is checked: the verifier of Assay's succinct proofs.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod basis;
pub mod batch_affine;
pub mod buckets;
pub mod glv;
pub mod msm;
pub mod point;
