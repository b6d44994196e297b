//! `assay dispute status`: how far a job and its games are.

use super::agent::place;
use super::board::Game;
use super::job_report;
use super::node::RpcArgs;
use super::state::State;
use super::units::{amount, span};
use crate::error::CliError;
use crate::receipt::read_terms;
use crate::report::Report;
use alloy::primitives::Address;
use alloy::providers::Provider;
use assay_contracts::Stage;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `assay dispute status`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct StatusArgs {
    /// The terms.
    #[arg(value_name = "TERMS.json")]
    terms: PathBuf,
    #[command(flatten)]
    rpc: RpcArgs,
    /// An account whose money is shown; buyer and provider are shown anyway.
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    of: Vec<Address>,
}

impl StatusArgs {
    /// Reads, and says.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let agreed = read_terms(&self.terms)?;
        let node = self.rpc.connect().await?;
        node.expect(&agreed.chain_id)?;
        let mut accounts: Vec<(&str, Address)> =
            vec![("buyer", agreed.buyer.into()), ("provider", agreed.terms.provider.into())];
        accounts.extend(self.of.iter().map(|&account| ("account", account)));
        let mut state = State::new(agreed.job(), "anyone", [0; 32]);
        let board = place(&agreed, accounts[0].1).read(&node, &mut state).await?;
        if board.job.stage == Stage::None {
            return Err(CliError::content(&self.terms, "there is no such job in the contract"));
        }
        let place = place(&agreed, accounts[0].1);
        let mut lines = vec![format!("job             {}", place.job)];
        let mut json = job_report(&mut lines, &place, &board.job, &[]);
        let own = board.job.token.is_zero();
        lines.push(format!("price           {}", amount(board.job.price, own)));
        let bonds = [board.job.provider_bond, board.job.challenger_bond].map(|bond| amount(bond, own));
        lines.push(format!("bonds           provider {}, challenger {}", bonds[0], bonds[1]));
        let until = |time: u64| match time.saturating_sub(board.block_time) {
            0 => "over (assay dispute settle)".to_string(),
            left => format!("{} left", span(left)),
        };
        match (board.job.stage, board.window_end()) {
            (Stage::Offered, _) => lines.push(format!("to accept       {}", until(board.job.accept_by))),
            (Stage::Accepted, _) => lines.push(format!("to post         {}", until(board.job.post_by))),
            (Stage::Posted, Some(end)) => lines.push(format!("window          {}", until(end))),
            _ => {}
        }
        let mut games = Vec::new();
        for game in &board.games {
            let (line, value) = told(game, board.block_time);
            lines.push(line);
            games.push(value);
        }
        json["games"] = games.into();
        let mut money = Vec::new();
        for (name, account) in accounts {
            let here = super::board::Place { account, ..super::agent::place(&agreed, account) };
            let credit = here.credit(&node, board.job.token).await?;
            let balance = node.rpc.get_balance(account).await.map_err(|error| node.failed(error))?;
            lines.push(format!(
                "{name:<15} {account}, {} on the chain, {} to withdraw",
                amount(balance, true),
                amount(credit, own)
            ));
            money.push(json!({ "name": name, "account": account, "balance": balance.to_string(), "credit": credit.to_string() }));
        }
        json["accounts"] = money.into();
        json["price"] = board.job.price.to_string().into();
        json["provider_bond"] = board.job.provider_bond.to_string().into();
        json["gas_price_cap"] = board.job.gas_price_cap.to_string().into();
        json["challenger_bond"] = board.job.challenger_bond.to_string().into();
        let burned = place.burned(&node, board.job.token).await?;
        lines.push(format!("burned          {} of all jobs", amount(burned, own)));
        json["burned"] = burned.to_string().into();
        Ok(Report::done(lines.join("\n"), json))
    }
}

/// A game in words.
fn told(game: &Game, now: u64) -> (String, Value) {
    let mut line = format!("game {:<10} {:?}, by {}", game.number, game.status, game.challenger);
    let mut json = json!({
        "number": game.number, "id": game.id, "challenger": game.challenger, "status": format!("{:?}", game.status),
    });
    if let Some(position) = &game.position {
        let (phase, mover) = (position.phase, position.phase.mover());
        if game.status == assay_contracts::Status::Open {
            let left = span(position.deadline.saturating_sub(now));
            line +=
                &format!(", {phase:?} of operation {}, {mover:?} to move, {left} left", position.operation);
        }
        json["phase"] = format!("{phase:?}").into();
        json["mover"] = format!("{mover:?}").into();
        json["deadline"] = position.deadline.into();
        json["operation"] = position.operation.into();
    }
    (line, json)
}
