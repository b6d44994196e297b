//! `assay dispute open`: a challenger opens a game, if it computed other bits.

use super::due::Due;
use super::job_report;
use super::seat::{SeatArgs, SideName};
use crate::error::CliError;
use crate::report::Report;
use assay_verifier::dispute::Open;
use clap::Args;

/// Arguments of `assay dispute open`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct OpenArgs {
    #[command(flatten)]
    seat: SeatArgs,
}

impl OpenArgs {
    /// Opens a game.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let (program, run) = self.seat.run()?;
        let mut agent = self.seat.take(SideName::Challenger, &program, &run).await?;
        let board = agent.read().await?;
        agent.admit(&board).await?;
        let due = agent.due(&board)?;
        let Some(due @ Due::Open(how)) = due.iter().find(|due| matches!(due, Due::Open(_))) else {
            let me = agent.account.address;
            let why = if board.games.iter().any(|game| game.doubts(me)) {
                "this account has opened a game already"
            } else if agent.ground.is_none() {
                "no receipt is posted"
            } else if !agent.differs() {
                "this run has the receipt's bits: there is nothing to dispute"
            } else {
                "the time in which games open is over"
            };
            return Err(CliError::Usage(why.to_string()));
        };
        let mut mined = Vec::new();
        agent.act(&board, due, &mut mined).await?;
        let at = match how {
            Open::Operation(wire) => {
                let name = &program.operations[wire.operation as usize].name;
                format!("operation {} ({name})", wire.operation)
            }
            _ => "the root of the trace".to_string(),
        };
        let board = agent.read().await?;
        let mut lines = vec![format!("opened          a game at {at}")];
        let json = job_report(&mut lines, &agent.place, &board.job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
