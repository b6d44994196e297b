//! `assay dispute offer`: the buyer's terms, and its money into the escrow.

use super::agent::place;
use super::deploy::Contracts;
use super::limits::least_bonds;
use super::node::{NodeError, WalletArgs};
use super::side::JobOfArgs;
use super::units::{amount, parse_amount, parse_span};
use super::{job_of, job_report};
use crate::args::OutArgs;
use crate::error::CliError;
use crate::report::Report;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use assay_contracts::abi::AssayDispute as A;
use assay_contracts::{Call, terms};
use assay_prover::files::write_atomically;
use assay_prover::receipt::input_digests;
use assay_prover::terms::to_json;
use assay_verifier::terms::{Agreement, Terms, word_of};
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments of `assay dispute offer`.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub struct OfferArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Where the contracts are, from `assay dispute deploy`.
    #[arg(long, value_name = "CONTRACTS.json")]
    contracts: PathBuf,
    #[command(flatten)]
    job: JobOfArgs,
    /// The account that does the job.
    #[arg(long, value_name = "ADDRESS")]
    provider: Address,
    /// What you pay for it: 0.5ether, 20gwei, or a whole number of the smallest unit.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    price: U256,
    /// What the provider locks; four times what the dearest dispute costs a challenger unless given.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    provider_bond: Option<U256>,
    /// What a challenger locks; twice what the dearest dispute costs the provider unless given.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    challenger_bond: Option<U256>,
    /// The gas price up to which the loser pays for the winner's moves; four times the present one unless given.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    gas_price_cap: Option<U256>,
    /// How long the provider may take to accept.
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = parse_span)]
    accept_within: Duration,
    /// How long it may then take to post the receipt.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_span)]
    post_within: Duration,
    /// How long disputes may be opened after that.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_span)]
    window: Duration,
    /// The time that each side has in a dispute: twice a run, and the longest outage to survive.
    #[arg(long, value_name = "SPAN", default_value = "8h", value_parser = parse_span)]
    clock: Duration,
    /// What you get where no receipt is posted in time.
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = parse_amount)]
    late_fee: U256,
    /// The token of all amounts; the chain's own money unless given.
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// keccak256 of the nonce that you will draw an audit from.
    #[arg(long, value_name = "HEX", default_value_t = B256::ZERO, hide_default_value = true)]
    audit_commitment: B256,
    /// The chain hash of the drand beacon that an audit is drawn from.
    #[arg(long, value_name = "HEX")]
    drand: Option<B256>,
    #[command(flatten)]
    out: OutArgs,
}

impl OfferArgs {
    /// Writes the terms, then pays in.
    pub async fn execute(&self) -> Result<Report, CliError> {
        self.out.is_new()?;
        if self.window.as_secs() == 0 || self.clock.as_secs() == 0 {
            return Err(CliError::Usage("--window, --clock: nobody could dispute the receipt".to_string()));
        }
        let contracts = Contracts::read(&self.contracts)?;
        let (program, inputs) = self.job.read()?;
        let account = self.wallet.connect().await?;
        account.node.expect(&word_of(contracts.chain_id))?;
        account.node.genuine(contracts.dispute).await?;
        let cap = match self.gas_price_cap {
            Some(cap) => cap,
            None => U256::from(account.node.gas_price().await?.max(1)) * U256::from(4),
        };
        let (provider_least, challenger_least) = least_bonds(&program, cap)?;
        let bond = |name: &str, given: Option<U256>, least: U256| match given {
            Some(given) if given < least => {
                let own = self.token.is_zero();
                let (given, least) = (amount(given, own), amount(least, own));
                Err(CliError::Usage(format!(
                    "--{name} {given} does not pay for the dearest dispute of the program, which asks for {least}"
                )))
            }
            _ => Ok(given.unwrap_or(least)),
        };
        let provider_bond = bond("provider-bond", self.provider_bond, provider_least)?;
        let challenger_bond = bond("challenger-bond", self.challenger_bond, challenger_least)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let latest = account.node.block(alloy::eips::BlockNumberOrTag::Latest).await?.header.timestamp;
        let accept_by = now.max(latest) + self.accept_within.as_secs();
        let terms_ = Terms {
            program: program.root(),
            inputs: input_digests(&program, &inputs),
            provider: self.provider.into(),
            price: self.price.to_be_bytes(),
            provider_bond: provider_bond.to_be_bytes(),
            challenger_bond: challenger_bond.to_be_bytes(),
            accept_by,
            post_by: accept_by + self.post_within.as_secs(),
            window: self.window.as_secs(),
            provider_clock: self.clock.as_secs(),
            challenger_clock: self.clock.as_secs(),
            gas_price_cap: cap.to_be_bytes(),
            late_fee: self.late_fee.to_be_bytes(),
            token: self.token.into(),
            audit_commitment: self.audit_commitment.0,
            beacon_kind: u8::from(self.drand.is_some()),
            beacon: self.drand.unwrap_or_default().0,
            referee: contracts.referee_code.0,
        };
        // A number that no offer of the account had: its offers are transactions.
        let node = &account.node;
        let nonce =
            node.rpc.get_transaction_count(account.address).await.map_err(|error| node.failed(error))?;
        let agreed = Agreement {
            chain_id: word_of(contracts.chain_id),
            contract: contracts.dispute.into(),
            buyer: account.address.into(),
            nonce: word_of(nonce),
            terms: terms_,
        };
        let json = to_json(&agreed).map_err(|error| CliError::Internal(error.to_string()))?;
        // The terms first: without them what is paid in could not be found again.
        write_atomically(&self.out.out, format!("{json}\n").as_bytes())?;
        let offer = Call::of(&A::offerCall { nonce: U256::from(nonce), terms: terms(&agreed.terms) });
        let mut mined = Vec::new();
        let paid = account.pay_in(contracts.dispute, self.token, self.price, &offer, &mut mined).await;
        if let Err(error @ (NodeError::Reverted { .. } | NodeError::NotSent { .. })) = paid {
            // There is no such job, and never will be.
            let _ = std::fs::remove_file(&self.out.out);
            return Err(error.into());
        }
        paid?;
        let place = place(&agreed, account.address);
        let own = self.token.is_zero();
        let mut lines = vec![
            format!("offered         job {}, see {}", place.job, self.out.out.display()),
            format!("price           {}", amount(self.price, own)),
            format!(
                "bonds           provider {}, challenger {}",
                amount(provider_bond, own),
                amount(challenger_bond, own)
            ),
        ];
        let job = job_of(&account.node, &place).await?;
        let json = job_report(&mut lines, &place, &job, &mined);
        Ok(Report::done(lines.join("\n"), json))
    }
}
