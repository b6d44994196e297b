//! `assay dispute accept`: the provider checks the terms against its own files, and locks its bond.

use super::agent::place;
use super::limits::{LimitArgs, Payer};
use super::node::WalletArgs;
use super::side::{JobOfArgs, check_terms};
use super::units::{amount, parse_amount, parse_span, span};
use super::{job_of, job_report};
use crate::error::CliError;
use crate::receipt::read_terms;
use crate::report::Report;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::U256;
use assay_contracts::abi::AssayDispute as A;
use assay_contracts::{Call, Stage};
use assay_prover::receipt::input_digests;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `assay dispute accept`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct AcceptArgs {
    /// The terms.
    #[arg(value_name = "TERMS.json")]
    terms: PathBuf,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    job: JobOfArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// The most that you lose where you post no receipt in time.
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = parse_amount)]
    most_late_fee: U256,
    /// The least time that you must have to run the program and post the receipt.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = parse_span)]
    least_to_post: Duration,
}

impl AcceptArgs {
    /// Checks, then pays in.
    pub async fn execute(&self) -> Result<Report, CliError> {
        let agreed = read_terms(&self.terms)?;
        let (program, inputs) = self.job.read()?;
        check_terms(&self.terms, &agreed.terms, &program, &input_digests(&program, &inputs))?;
        let account = self.wallet.connect().await?;
        account.node.expect(&agreed.chain_id)?;
        account.node.genuine(agreed.contract.into()).await?;
        let terms = &agreed.terms;
        let refuse = |problem: String| Err(CliError::content(&self.terms, problem));
        if account.address.0.0 != terms.provider {
            return refuse(format!("the provider is another account than {}", account.address));
        }
        let place = place(&agreed, account.address);
        let before = job_of(&account.node, &place).await?;
        match before.stage {
            Stage::Offered => {}
            Stage::None => return refuse("there is no such job in the contract".to_string()),
            stage => return refuse(format!("the job is {stage:?}, not offered")),
        }
        let price = U256::from(account.node.gas_price().await?);
        self.limits.check(&before, &program, Payer::Provider, price)?;
        let now = account.node.block(BlockNumberOrTag::Latest).await?.header.timestamp;
        let to_post = terms.post_by.saturating_sub(now);
        if to_post < self.least_to_post.as_secs() {
            let problem = "the receipt would have to be posted within";
            return refuse(format!("{problem} {to_post} s (--least-to-post)"));
        }
        let own = before.token.is_zero();
        if before.late_fee > self.most_late_fee {
            let fee = amount(before.late_fee, own);
            return refuse(format!("without a receipt in time you would lose {fee} (--most-late-fee)"));
        }
        let (bond, token) = (U256::from_be_bytes(terms.provider_bond), before.token);
        let accept = Call::of(&A::acceptCall { id: place.job });
        let mut mined = Vec::new();
        account.pay_in(place.contract, token, bond, &accept, &mut mined).await?;
        let mut lines = vec![
            format!("accepted        job {}", place.job),
            format!(
                "bond            {}, of which {} where no receipt comes",
                amount(bond, own),
                amount(before.late_fee, own)
            ),
            format!("to post         {} left", span(to_post)),
        ];
        let job = job_of(&account.node, &place).await?;
        let json = job_report(&mut lines, &place, &job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
