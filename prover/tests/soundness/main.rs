//! Attacks on the succinct proof. Each module's tests are named after the claim that they make; the numbers are
//! those of `papers/soundness.md`.

#[path = "../common/mod.rs"]
mod common;

mod claims;
mod fiat_shamir;
mod lookups;
mod mutations;
mod padding;
mod random;
mod ranges;
mod sampled;
