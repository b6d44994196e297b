//! `assay dispute post`: a receipt into the contract.

use super::agent::place;
use super::node::WalletArgs;
use super::{job_of, job_report};
use crate::error::CliError;
use crate::model::read_program;
use crate::receipt::{PinArgs, other_program, read, rejected};
use crate::report::Report;
use alloy::primitives::U256;
use assay_contracts::post;
use assay_verifier::keccak::keccak256;
use assay_verifier::referee::Ground;
use assay_verifier::signature::Signature;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `assay dispute post`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct PostArgs {
    /// The receipt, made with the terms.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    wallet: WalletArgs,
}

impl PostArgs {
    /// Posts.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let program = read_program(&self.model)?;
        let (evidence, signer) = match read(&self.receipt, &PinArgs::default())? {
            Ok(opened) => opened,
            Err(reason) => return Ok(rejected(reason, None)),
        };
        if let Some(reason) = other_program(&evidence, &program) {
            return Ok(rejected(reason, Some((&evidence, signer))));
        }
        let Some(agreed) = &evidence.agreement else {
            return Err(CliError::content(&self.receipt, "is for no job: make it with `assay run --terms`"));
        };
        let account = self.wallet.connect().await?;
        account.node.expect(&agreed.chain_id)?;
        // The provider's own transaction is its word; another's needs its signature.
        let signature = match &evidence.signature {
            _ if account.address.0.0 == agreed.terms.provider => Vec::new(),
            Signature::Eip712 { signature, .. } => signature.to_vec(),
            Signature::Ed25519 { .. } => {
                let problem = "is signed by Ed25519: a contract takes it from the provider's account alone";
                return Err(CliError::content(&self.receipt, problem));
            }
        };
        let receipt = &evidence.receipt;
        let header = program.header().try_into();
        let header = header.map_err(|_| CliError::Internal("a header of other length".to_string()))?;
        let inputs = keccak256(&[receipt.inputs.as_flattened()]);
        let ground = Ground { job: receipt.job, header, trace_root: receipt.trace_root, inputs };
        let leaves: Vec<Vec<u8>> =
            (0..program.outputs.len()).filter_map(|i| program.output_bytes(i)).collect();
        let call = post(&ground, agreed.nonce, &agreed.terms, receipt, &leaves, &signature);
        let call = call.ok_or_else(|| CliError::Internal("a receipt of other outputs".to_string()))?;
        let place = place(agreed, account.address);
        let mined = vec![account.send(place.contract, &call, U256::ZERO).await?];
        let job = job_of(&account.node, &place).await?;
        let mut lines = vec![format!("posted          job {}", place.job)];
        let json = job_report(&mut lines, &place, &job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
