//! The contracts for Rust: their ABI and bytecode as `forge build` makes them, the words of the Rust types in them, and
//! their deployment.
//!
//! `artifacts/` is written by `tools/artifacts.mjs`. No crate that proves or verifies depends on this one.

mod deploy;
mod reverts;
mod views;
mod words;

pub use deploy::{Addresses, DEPLOYER, addresses, deploy, is_genuine};
pub use reverts::reason;
pub use views::{Job, Stage, Status, game_id, job};
pub use words::{Call, call, contest, ground, open, position, position_of, post, terms};

/// The bindings that `sol!` makes of the artifacts.
#[allow(missing_docs, clippy::all)]
pub mod abi {
    use alloy::sol;

    sol!(
        #[sol(rpc, extra_derives(Debug))]
        Formulas,
        "artifacts/Formulas.json"
    );
    sol!(
        #[sol(rpc, extra_derives(Debug))]
        Referee,
        "artifacts/Referee.json"
    );
    sol!(
        #[sol(rpc, extra_derives(Debug))]
        Rules,
        "artifacts/Rules.json"
    );
    sol!(
        #[sol(rpc, extra_derives(Debug))]
        AssayDispute,
        "artifacts/AssayDispute.json"
    );
}
