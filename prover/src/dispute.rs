//! The two honest players of a dispute: what each plays at each position, from its own run.
//!
//! ```text
//! provider:    opens its own tree; of a claim finds the first false step, splits it while it is long, then rebuts it
//! challenger:  goes to the first difference; states the true steps of one element that differs
//! ```
//!
//! Both need a program, a run whose tensors have bytes, and the position with what the other's last move showed. Neither
//! keeps anything between moves, so an agent that was killed goes on from the chain. The game itself and its rules are
//! `assay_verifier::dispute`.
//!
//! Specification: `papers/dispute.md`, section 3.

pub mod calldata;
mod challenger;
mod disclosure;
pub mod price;
mod provider;
mod record;

pub use challenger::Challenger;
pub use disclosure::disclosure;
pub use provider::Provider;
pub use record::{NoMove, Record};
