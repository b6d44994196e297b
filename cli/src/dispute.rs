//! `assay dispute`: a job from its terms to its end, before the contracts.
//!
//! ```text
//! deploy                          once a chain
//! offer, accept, post             buyer, provider, provider
//! watch                           an agent of the provider or of a challenger, to the end
//! open, respond, settle, status   the same by hand
//! disclose                        the buyer, where an output is kept from it
//! ```
//!
//! What is due for a side follows from the chain and its own run alone (`due.rs`). An agent reads the chain again after
//! each step, and its transactions replace one another (`node.rs`), so it can be killed at any point and loses nothing
//! by it.

mod accept;
mod agent;
mod board;
mod deploy;
mod disclose;
mod due;
mod limits;
mod node;
mod offer;
mod open;
mod post;
mod respond;
mod seat;
mod settle;
mod side;
mod state;
mod status;
mod units;
mod watch;

pub use node::NodeError;
pub use side::RunOfArgs;

use crate::error::CliError;
use crate::report::{Report, count};
use assay_contracts::Job;
use board::Place;
use clap::{Args, Subcommand};
use node::{Mined, Node};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples, after `assay signer new --secp256k1` made the keys, and with RPC=http://127.0.0.1:8545:
  assay dispute deploy --rpc $RPC --wallet buyer.pem -o contracts.json
  assay dispute offer --rpc $RPC --wallet buyer.pem --contracts contracts.json --model m.assay --input x.npy \\
    --provider 0x.. --price 0.1ether -o terms.json
  assay dispute accept terms.json --rpc $RPC --wallet provider.pem --model m.assay --input x.npy
  assay run m.assay --input x.npy --receipt r.json --signer provider.pem --terms terms.json --trace-dir trace -o out
  assay dispute post r.json --model m.assay --rpc $RPC --wallet provider.pem
  assay dispute watch terms.json --as provider --rpc $RPC --wallet provider.pem --model m.assay --input x.npy \\
    --trace-dir trace --agent-state provider.json
  assay dispute watch terms.json --as challenger --rpc $RPC --wallet other.pem --model m.assay --input x.npy \\
    --receipt r.json --agent-state challenger.json
  assay dispute status terms.json --rpc $RPC

An agent can be killed and started again at any point. Exit codes of `watch`: 0 its side has won, or there is nothing \
to dispute, 1 it has lost, 2 an error of usage or input.";

/// Arguments of `assay dispute`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct DisputeArgs {
    #[command(subcommand)]
    command: DisputeCommand,
}

#[derive(Subcommand)]
enum DisputeCommand {
    /// Deploys the contracts.
    Deploy(deploy::DeployArgs),
    /// Offers a job: writes its terms and pays its price in.
    Offer(Box<offer::OfferArgs>),
    /// Accepts a job: checks its terms and locks the provider's bond.
    Accept(accept::AcceptArgs),
    /// Posts the receipt of a job.
    Post(post::PostArgs),
    /// Plays a side until the job has ended.
    Watch(watch::WatchArgs),
    /// Has a chunk of an output shown on the chain, where the provider hands it over in no other way.
    Disclose(disclose::DiscloseArgs),
    /// Opens a dispute about a receipt that is wrong.
    Open(open::OpenArgs),
    /// Makes the one move that is due for a side.
    Respond(respond::RespondArgs),
    /// Does what anyone may: timeouts, the end of the job, what is owed.
    Settle(settle::SettleArgs),
    /// Shows how far a job and its disputes are.
    Status(status::StatusArgs),
}

impl DisputeArgs {
    /// Does it.
    pub fn execute(&self) -> Result<Report, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::Internal(error.to_string()))?;
        runtime.block_on(async {
            match &self.command {
                DisputeCommand::Deploy(args) => args.execute().await,
                DisputeCommand::Offer(args) => args.execute().await,
                DisputeCommand::Accept(args) => args.execute().await,
                DisputeCommand::Post(args) => args.execute().await,
                DisputeCommand::Watch(args) => args.execute().await,
                DisputeCommand::Disclose(args) => args.execute().await,
                DisputeCommand::Open(args) => args.execute().await,
                DisputeCommand::Respond(args) => args.execute().await,
                DisputeCommand::Settle(args) => args.execute().await,
                DisputeCommand::Status(args) => args.execute().await,
            }
        })
    }
}

/// The job of a place.
async fn job_of(node: &Node, place: &Place) -> Result<Job, CliError> {
    let job = assay_contracts::job(&node.rpc, place.contract, place.job).await;
    Ok(job.map_err(|error| node.failed(error))?)
}

/// Adds to the lines what was sent and how far the job is; the same as JSON.
fn job_report(lines: &mut Vec<String>, place: &Place, job: &Job, mined: &[Mined]) -> Value {
    lines.push(format!("stage           {:?}", job.stage));
    for sent in mined {
        lines.push(format!("{:<15} {} gas, transaction {}", sent.call, count(sent.gas), sent.hash));
    }
    let sent = mined.iter().map(
        |sent| json!({ "call": sent.call, "gas": sent.gas, "block": sent.block, "transaction": sent.hash }),
    );
    json!({
        "job": place.job,
        "contract": place.contract,
        "stage": format!("{:?}", job.stage),
        "open_games": job.open,
        "transactions": sent.collect::<Vec<_>>(),
    })
}
