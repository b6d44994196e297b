//! `assay dispute disclose`: the buyer has a chunk of an output shown on the chain.

use super::agent::place;
use super::board::{Board, Game, Place};
use super::job_report;
use super::node::{Account, NodeError, WalletArgs};
use super::state::State;
use super::units::parse_span;
use crate::args::OutArgs;
use crate::error::CliError;
use crate::model::read_program;
use crate::receipt::{PinArgs, other_program, read};
use crate::report::Report;
use alloy::primitives::{Address, U256};
use assay_contracts::{Stage, Status};
use assay_prover::dispute::disclosure;
use assay_prover::files::write_atomically;
use assay_verifier::dispute::{Open, Phase};
use assay_verifier::escrow::DISCLOSE_GAS;
use assay_verifier::keccak::keccak256;
use assay_verifier::referee::Ground;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `assay dispute disclose`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct DiscloseArgs {
    /// The receipt, made with the terms.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    wallet: WalletArgs,
    /// The output.
    #[arg(long, value_name = "NAME")]
    output: String,
    /// The chunk: 1,024 bytes of it, numbered from 0 on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    chunk: u64,
    /// How often the chain is read.
    #[arg(long, value_name = "SPAN", default_value = "6s", value_parser = parse_span)]
    every: Duration,
    #[command(flatten)]
    out: OutArgs,
}

impl DiscloseArgs {
    /// Asks, waits, and writes what was shown; what was asked before is not asked again.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let program = read_program(&self.model)?;
        let (evidence, _) = match read(&self.receipt, &PinArgs::default())? {
            Ok(opened) => opened,
            Err(reason) => return Err(CliError::content(&self.receipt, reason)),
        };
        if let Some(reason) = other_program(&evidence, &program) {
            return Err(CliError::content(&self.receipt, reason));
        }
        let Some(agreed) = &evidence.agreement else {
            return Err(CliError::content(&self.receipt, "is for no job"));
        };
        let output = program.outputs.iter().position(|output| output.name == self.output);
        let output = output
            .ok_or_else(|| CliError::Usage(format!("--output {}: there is no such output", self.output)))?;
        let receipt = &evidence.receipt;
        let question = disclosure(&program, &receipt.leaves, output, self.chunk);
        let question = question.map_err(|error| CliError::content(&self.receipt, error.to_string()))?;
        let header = program.header().try_into();
        let ground = Ground {
            job: receipt.job,
            header: header.map_err(|_| CliError::Internal("a header of other length".to_string()))?,
            trace_root: receipt.trace_root,
            inputs: keccak256(&[receipt.inputs.as_flattened()]),
        };
        let account = self.wallet.connect().await?;
        account.node.expect(&agreed.chain_id)?;
        account.node.genuine(agreed.contract.into()).await?;
        let place = place(agreed, account.address);
        let mut state = State::new(receipt.job, "buyer", [0; 32]);
        let (mut mined, mut asked) = (Vec::new(), false);
        loop {
            let board = place.read(&account.node, &mut state).await?;
            let operation = program.outputs[output].operation as u32;
            let game = board.games.iter().find(|game| self.is_ours(game, operation, account.address));
            match game.map(|game| (game, game.status)) {
                Some((game, Status::Held)) => {
                    let bytes = place.disclosed(&account.node, game.id, &state).await?;
                    write_atomically(&self.out.out, &bytes)?;
                    let mut lines =
                        vec![format!("disclosed       {} bytes in {}", bytes.len(), self.out.out.display())];
                    let json = job_report(&mut lines, &place, &board.job, &mined);
                    return Ok(Report::done(lines.join("\n"), json));
                }
                Some((_, Status::Open)) if board.job.stage == Stage::Posted => {}
                // A node that lags does not know the question yet.
                None if asked && matches!(board.job.stage, Stage::None | Stage::Posted) => {}
                None if !asked && board.job.stage == Stage::Posted => {
                    self.ask(&account, &place, &board, &ground, &question, &mut mined).await?;
                    asked = true;
                    continue;
                }
                _ => {
                    let mut lines = vec!["REJECTED        the chunk was not shown".to_string()];
                    let json = job_report(&mut lines, &place, &board.job, &mined);
                    return Ok(Report { text: lines.join("\n"), json, rejected: true });
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }

    fn is_ours(&self, game: &Game, operation: u32, me: Address) -> bool {
        let asks = game.position.as_ref().is_some_and(|position| {
            (position.phase, position.operation, position.first) == (Phase::Disclose, operation, self.chunk)
        });
        asks && game.challenger == me
    }

    async fn ask(
        &self,
        account: &Account,
        place: &Place,
        board: &Board,
        ground: &Ground,
        question: &Open,
        mined: &mut Vec<super::node::Mined>,
    ) -> Result<(), NodeError> {
        let call = assay_contracts::open(ground, [0; 32], question);
        let bond = U256::from(DISCLOSE_GAS * 5) * board.job.gas_price_cap / U256::from(4);
        account.pay_in(place.contract, board.job.token, bond, &call, mined).await
    }
}
