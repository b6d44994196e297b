//! The command line of Assay: compile a network, run it, prove the run or sign a receipt for it, verify either, dispute
//! a receipt.
//!
//! Each subcommand is a file that turns its arguments into a [`report::Report`]; this one prints the report, as
//! text or as JSON, and says how the process ends: 0 done or verified, 1 rejected, 2 an error of usage or input.

mod args;
mod audit;
mod beacon;
mod compile;
mod demo;
mod dispute;
mod error;
mod export;
mod flip;
mod inspect;
mod key;
mod model;
mod progress;
mod prove;
mod receipt;
mod replay;
mod report;
mod run;
mod signer;
mod tensors;
mod train;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { json, command } = Cli::parse();
    let result = match &command {
        Command::Compile(args) => args.execute(),
        Command::Run(args) => args.execute(),
        Command::Prove(args) => args.execute(),
        Command::Verify(args) => args.execute(),
        Command::Inspect(args) => args.execute(),
        Command::Key(args) => args.execute(),
        Command::Signer(args) => args.execute(),
        Command::Replay(args) => args.execute(),
        Command::Export(args) => args.execute(),
        Command::Demo(args) => args.execute(),
        Command::Audit(args) => args.execute(),
        Command::Dispute(args) => args.execute(),
    };
    report::finish(result, json)
}
