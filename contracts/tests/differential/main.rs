//! The contracts' bytecode against the Rust referee, bit for bit.
//!
//! What is committed under `artifacts/` runs in an EVM, deployed by its own constructors, and is called through its external
//! functions alone: formulas, steps of elements, digests, positions of games. Each case is computed by both sides, and each test
//! counts what it compared.

#[path = "../../../prover/tests/common/mod.rs"]
mod common;
#[path = "../../../prover/tests/disputes/play.rs"]
#[allow(dead_code)]
mod play;
#[path = "../../../prover/tests/disputes/world.rs"]
#[allow(dead_code)]
mod world;

mod binary32;
mod cases;
mod digests;
mod elementary;
mod games;
mod machine;
mod numbers;
mod operations;
mod steps;
