//! `assay dispute respond`: what is due for a side now, once.

use super::job_report;
use super::seat::{SeatArgs, SideName};
use super::watch::turn;
use crate::error::CliError;
use crate::report::Report;
use clap::Args;

/// Arguments of `assay dispute respond`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct RespondArgs {
    #[command(flatten)]
    seat: SeatArgs,
    /// The side to play.
    #[arg(long = "as", value_name = "SIDE")]
    side: SideName,
}

impl RespondArgs {
    /// Makes the most urgent move.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let (program, run) = self.seat.run()?;
        let mut agent = self.seat.take(self.side, &program, &run).await?;
        let mut mined = Vec::new();
        let turn = turn(&mut agent, &mut mined).await?;
        if !turn.acted && !turn.refused.is_empty() {
            return Err(CliError::Usage(turn.refused.join("; ")));
        }
        let board = agent.read().await?;
        let mut lines = Vec::new();
        if mined.is_empty() {
            lines.push("nothing         is due".to_string());
        }
        let json = job_report(&mut lines, &agent.place, &board.job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
