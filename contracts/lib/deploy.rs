//! Deployment: the formulas, the referee that reads them, the rules that ask the referee, and the escrow that asks the
//! rules. No contract has a library to link.

use crate::abi::{AssayDispute, Formulas, Referee, Rules};
use alloy::contract::Error;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;

/// Where the contracts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The formulas of floating-point operations.
    pub formulas: Address,
    /// The referee.
    pub referee: Address,
    /// The rules of the game.
    pub rules: Address,
    /// The escrow, where jobs and games are.
    pub dispute: Address,
    /// The code hash of the referee, which terms name.
    pub referee_code: B256,
}

/// Deploys the four contracts, one after the other.
///
/// # Errors
/// Where the node or the chain refuses one of them.
pub async fn deploy<P: Provider + Clone>(provider: P) -> Result<Deployed, Error> {
    let formulas = *Formulas::deploy(provider.clone()).await?.address();
    let referee = *Referee::deploy(provider.clone(), formulas).await?.address();
    let rules = *Rules::deploy(provider.clone(), referee).await?.address();
    let dispute = AssayDispute::deploy(provider, rules).await?;
    let referee_code = dispute.referee().call().await?;
    Ok(Deployed { formulas, referee, rules, dispute: *dispute.address(), referee_code })
}
