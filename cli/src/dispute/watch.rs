//! `assay dispute watch`: a daemon that plays a side to the end.

use super::agent::Agent;
use super::board::Board;
use super::due::{Due, Outcome};
use super::job_report;
use super::node::NodeError;
use super::seat::{SeatArgs, SideName};
use super::units::parse_span;
use crate::error::CliError;
use crate::report::Report;
use clap::Args;
use std::io::Write;
use std::time::Duration;

/// Arguments of `assay dispute watch`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct WatchArgs {
    #[command(flatten)]
    seat: SeatArgs,
    /// The side to play.
    #[arg(long = "as", value_name = "SIDE")]
    side: SideName,
    /// How often the chain is read.
    #[arg(long, value_name = "SPAN", default_value = "6s", value_parser = parse_span)]
    every: Duration,
}

/// Moves that are made at once: their gas fits in a block.
const MOVES: usize = 16;
/// The longest wait after transactions that failed and were paid for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Tells of something on standard error, where a daemon's log is.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl WatchArgs {
    /// Plays until nothing is left to do.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let (program, run) = self.seat.run()?;
        let mut agent = self.seat.take(self.side, &program, &run).await?;
        tell(&format!("watching job {} as {} {}", agent.place.job, agent.side.name(), agent.account.address));
        let (mut mined, mut stage, mut told) = (Vec::new(), None, String::new());
        let mut wait = self.every;
        loop {
            // A node that does not answer is asked again; nothing else ends an agent before the job has ended.
            match turn(&mut agent, &mut mined).await {
                Ok(Turn { board, acted: false, .. }) if stage != Some(board.job.stage) => {
                    stage = Some(board.job.stage);
                    tell(&format!("the job is {:?}", board.job.stage));
                    continue;
                }
                Ok(Turn { acted: true, .. }) => {
                    told.clear();
                    wait = self.every;
                    continue;
                }
                Ok(Turn { board, refused, outcome: Some(outcome), .. }) if refused.is_empty() => {
                    return Ok(finished(&agent, &board, outcome, &mined));
                }
                Ok(Turn { board, refused, failed, .. }) => {
                    // Each try of what fails once it is mined costs its gas; a clock that runs out costs more.
                    let patience = Duration::from_secs(board.least_left().unwrap_or(u64::MAX) / 16);
                    wait = if failed { (wait * 2).min(LONGEST_WAIT).min(patience) } else { self.every };
                    wait = wait.max(self.every);
                    let words = refused.join("\n");
                    if !words.is_empty() && words != told {
                        tell(&words);
                        told = words;
                    }
                }
                Err(CliError::Node(error)) => {
                    let words = error.to_string();
                    if words != told {
                        tell(&words);
                        told = words;
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// What one reading of the chain led to.
pub struct Turn {
    /// What was read.
    pub board: Board,
    /// True where something was sent and mined: the chain is another now.
    pub acted: bool,
    /// What the contract or the node refused.
    pub refused: Vec<String>,
    /// True where a transaction was mined and failed.
    pub failed: bool,
    /// How the job has ended, where nothing is due.
    pub outcome: Option<Outcome>,
}

/// Reads the chain and does the first thing that is due and possible, or the first moves.
pub async fn turn(agent: &mut Agent<'_>, mined: &mut Vec<super::node::Mined>) -> Result<Turn, CliError> {
    let board = agent.read().await?;
    agent.admit(&board).await?;
    let (mut refused, mut failed) = (Vec::new(), false);
    let due = agent.due(&board).unwrap_or_else(|error| {
        refused.push(error.to_string());
        Vec::new()
    });
    let at_once = |group: &'_ [Due]| if group[0].is_play() { MOVES } else { 1 };
    let groups = due.chunk_by(|a, b| a.is_play() && b.is_play());
    for some in groups.flat_map(|group| group.chunks(at_once(group))) {
        let before = mined.len();
        let errors = match some {
            [other] if !other.is_play() => {
                agent.act(&board, other, mined).await.err().map(CliError::from).into_iter().collect()
            }
            plays => agent.play(plays, mined).await,
        };
        for sent in &mined[before..] {
            tell(&format!("{} in block {}, {} gas", sent.call, sent.block, sent.gas));
        }
        let paid = mined.len() > before;
        let mut acted = paid && errors.len() < some.len();
        for error in errors {
            match error {
                // This machine's clock is ahead of the chain's.
                CliError::Node(NodeError::Reverted { reason, .. }) if reason.starts_with("TooEarly") => {}
                CliError::Node(NodeError::Superseded { .. }) => acted = true,
                // One game that cannot be played keeps no other from being played.
                error => {
                    failed |= paid && !acted || matches!(error, CliError::Node(NodeError::Failed { .. }));
                    refused.push(error.to_string());
                }
            }
        }
        if acted {
            return Ok(Turn { board, acted, refused, failed, outcome: None });
        }
    }
    // What waits for the chain's clock is still to come.
    let waits = due.iter().any(|due| !matches!(due, Due::Timeout { .. }));
    let outcome = if refused.is_empty() && !waits { agent.outcome(&board) } else { None };
    Ok(Turn { board, acted: false, refused, failed, outcome })
}

/// The report of a job that has ended.
fn finished(agent: &Agent<'_>, board: &Board, outcome: Outcome, mined: &[super::node::Mined]) -> Report {
    let won = agent.side.has_won(outcome);
    let words = match outcome {
        Outcome::Stands => "the receipt stands",
        Outcome::Fell => "the receipt has fallen",
        Outcome::Survived => "the receipt has other bits than this run, and was not brought down",
        Outcome::Expired => "no receipt was posted in time",
    };
    let mut lines = vec![format!("{}   {words}", if won { "WON         " } else { "LOST        " })];
    let mut json = job_report(&mut lines, &agent.place, &board.job, mined);
    json["won"] = won.into();
    json["outcome"] = words.into();
    Report { text: lines.join("\n"), json, rejected: !won }
}
