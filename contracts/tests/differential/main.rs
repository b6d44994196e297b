//! The contracts that are deployed and their twins in Rust, on the same arguments: the same bits, or both refuse.
//!
//! The bytecode is that of `artifacts/`, run by revm under London's rules. `contracts/test/vectors` has some thousand
//! cases that forge plays too; here are as many as a minute holds.

mod evm;
mod formulas;
mod games;
mod steps;
mod trees;

/// What the tests of the prover make programs with.
#[allow(dead_code)]
#[path = "../../../prover/tests/common"]
mod common {
    pub mod programs;
    pub mod reals;
}
#[allow(dead_code)]
#[path = "../../../prover/tests/disputes/play.rs"]
mod play;
#[path = "../../../prover/tests/disputes/rare.rs"]
mod rare;
#[allow(dead_code)]
#[path = "../../../prover/tests/disputes/world.rs"]
mod world;
