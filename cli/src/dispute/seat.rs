//! What a side needs to play: the terms, its run, its account, the file of its state.

use super::agent::{Agent, place};
use super::due::Side;
use super::limits::LimitArgs;
use super::node::WalletArgs;
use super::side::{RunOfArgs, check_terms, record};
use super::state::State;
use crate::error::CliError;
use crate::receipt::{PinArgs, read, read_terms};
use assay_circuits::program::Program;
use assay_prover::dispute::{Challenger, Provider};
use assay_prover::spill::KeptRun;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideName {
    /// Who posted the receipt, or moves for it.
    Provider,
    /// Who computed other bits, or checks whether it does.
    Challenger,
}

/// What a side needs to play.
#[derive(Args)]
pub struct SeatArgs {
    /// The terms.
    #[arg(value_name = "TERMS.json")]
    terms: PathBuf,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    run: RunOfArgs,
    /// The receipt, which names every operation's output: a challenger then opens at the first that differs.
    #[arg(long, value_name = "RECEIPT.json")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    /// The file that the agent keeps: what it has read of the chain. Without it the chain is read anew.
    #[arg(long, value_name = "FILE")]
    agent_state: Option<PathBuf>,
}

impl SeatArgs {
    /// Reads program and run.
    pub fn run(&self) -> Result<(Program, KeptRun), CliError> {
        self.run.read()
    }

    /// Takes the seat, with a run that was read.
    pub async fn take<'a>(
        &self,
        side: SideName,
        program: &'a Program,
        run: &'a KeptRun,
    ) -> Result<Agent<'a>, CliError> {
        let agreed = read_terms(&self.terms)?;
        let record = record(program, run, self.run.trace_dir.as_deref())?;
        let inputs = record.input_digests().as_chunks::<32>().0;
        check_terms(&self.terms, &agreed.terms, program, inputs)?;
        let account = self.wallet.connect().await?;
        account.node.expect(&agreed.chain_id)?;
        let job = agreed.job();
        let trace_root = record.ground(job).trace_root;
        let leaves = match &self.receipt {
            None => None,
            Some(path) => match read(path, &PinArgs::default())? {
                Ok((evidence, _)) if evidence.receipt.job == job => Some(evidence.receipt.leaves),
                Ok(_) => return Err(CliError::content(path, "is the receipt of another job than the terms")),
                Err(reason) => return Err(CliError::content(path, reason)),
            },
        };
        let side = match side {
            SideName::Provider => Side::Provider(Box::new(Provider::new(record, job))),
            SideName::Challenger => {
                let player = Box::new(Challenger::new(record));
                Side::Challenger { player, salt: account.salt(&job), leaves }
            }
        };
        let new = State::new(job, side.name(), trace_root);
        let state = match &self.agent_state {
            Some(path) => State::load(path, new)?,
            None => new,
        };
        let place = place(&agreed, account.address);
        let (path, ground) = (self.agent_state.clone(), None);
        let limits = matches!(side, Side::Challenger { .. }).then(|| self.limits.clone());
        Ok(Agent { account, place, side, state, path, ground, limits, found: false })
    }
}
