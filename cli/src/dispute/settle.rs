//! `assay dispute settle`: what anyone may do to bring a job to its end, which needs no run.

use super::agent::place;
use super::due::chores;
use super::job_report;
use super::node::{NodeError, WalletArgs};
use super::state::State;
use crate::error::CliError;
use crate::receipt::read_terms;
use crate::report::Report;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `assay dispute settle`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct SettleArgs {
    /// The terms.
    #[arg(value_name = "TERMS.json")]
    terms: PathBuf,
    #[command(flatten)]
    wallet: WalletArgs,
}

impl SettleArgs {
    /// Does all that is due.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let agreed = read_terms(&self.terms)?;
        let account = self.wallet.connect().await?;
        account.node.expect(&agreed.chain_id)?;
        let place = place(&agreed, account.address);
        let mut state = State::new(agreed.job(), "anyone", [0; 32]);
        let (mut mined, mut refused) = (Vec::new(), Vec::new());
        let board = loop {
            let board = place.read(&account.node, &mut state).await?;
            let before = mined.len();
            refused.clear();
            for due in chores(&board, account.address, true) {
                match account.act(&place, &board.job, &due, &mut mined).await {
                    Ok(()) => break,
                    Err(NodeError::Reverted { reason, .. }) if reason.starts_with("TooEarly") => {}
                    Err(error) => refused.push(error.to_string()),
                }
            }
            if mined.len() == before {
                break board;
            }
        };
        if mined.is_empty() && !refused.is_empty() {
            return Err(CliError::Usage(refused.join("; ")));
        }
        let mut lines = Vec::new();
        if mined.is_empty() {
            lines.push("nothing         is due".to_string());
        }
        let json = job_report(&mut lines, &place, &board.job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
