//! `assay dispute deploy`: the contracts onto a chain, where they have the addresses that they have on every chain. What
//! stands there already is not paid for again.

use super::node::WalletArgs;
use crate::args::OutArgs;
use crate::error::CliError;
use crate::report::Report;
use alloy::primitives::{Address, B256};
use assay_contracts::{Addresses, addresses, deploy};
use assay_prover::files::{read_bytes, write_atomically};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Arguments of `assay dispute deploy`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct DeployArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// The file that says where the contracts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contracts {
    /// The chain.
    pub chain_id: u64,
    /// The formulas of floating-point operations.
    pub formulas: Address,
    /// The referee.
    pub referee: Address,
    /// The rules of the game.
    pub rules: Address,
    /// The escrow.
    pub dispute: Address,
    /// The code hash of the referee, which terms name.
    pub referee_code: B256,
}

impl Contracts {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Contracts, CliError> {
        let error = |error| CliError::content(path, format!("is no file of `assay dispute deploy`: {error}"));
        serde_json::from_slice(&read_bytes(path)?).map_err(error)
    }
}

impl DeployArgs {
    /// Deploys, and writes where.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let account = self.wallet.connect().await?;
        let deployed = deploy(account.provider()).await;
        let referee_code = deployed.map_err(|error| account.node.failed(error))?;
        let Addresses { formulas, referee, rules, dispute } = addresses();
        let chain_id = account.node.chain_id;
        let contracts = Contracts { chain_id, formulas, referee, rules, dispute, referee_code };
        let json = serde_json::to_value(contracts).map_err(|error| CliError::Internal(error.to_string()))?;
        write_atomically(&self.out.out, format!("{json:#}\n").as_bytes())?;
        let text = format!(
            "deployed        on chain {chain_id}, see {}\n\
             escrow          {dispute}\n\
             referee         {referee}, code {referee_code}\n\
             rules           {rules}\n\
             formulas        {formulas}",
            self.out.out.display()
        );
        Ok(Report::done(text, json))
    }
}
