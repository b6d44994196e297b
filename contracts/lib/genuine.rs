//! Whether an escrow that somebody names is the one that this crate deploys: money is paid into nothing else.

use crate::abi::{AssayDispute, Formulas, Referee, Rules};
use alloy::contract::Error;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolValue;

/// The first contract behind an escrow, the escrow itself included, whose code is not what this crate would have deployed
/// there; none where all are genuine.
///
/// The node runs each constructor without a transaction (`eth_call`) and the code that this gives is compared with the code
/// that stands there, addresses of the contracts below included. It costs eleven requests and no gas. What the node says is
/// believed.
///
/// # Errors
/// Where the node does not answer.
pub async fn forged<P: Provider + Clone>(
    provider: P,
    dispute: Address,
) -> Result<Option<(&'static str, Address)>, Error> {
    let Some(rules) = answered(AssayDispute::new(dispute, &provider).rules().call().await)? else {
        return Ok(Some(("escrow", dispute)));
    };
    let Some(referee) = answered(Rules::new(rules, &provider).referee().call().await)? else {
        return Ok(Some(("rules", rules)));
    };
    let Some(formulas) = answered(Referee::new(referee, &provider).formulas().call().await)? else {
        return Ok(Some(("referee", referee)));
    };
    // From below, since a constructor asks what it stands on.
    let contracts = [
        ("formulas", formulas, &Formulas::BYTECODE, None),
        ("referee", referee, &Referee::BYTECODE, Some(formulas)),
        ("rules", rules, &Rules::BYTECODE, Some(referee)),
        ("escrow", dispute, &AssayDispute::BYTECODE, Some(rules)),
    ];
    for (name, at, creation, argument) in contracts {
        if !stands(&provider, at, creation, argument).await? {
            return Ok(Some((name, at)));
        }
    }
    Ok(None)
}

/// What a call gave; none where the chain refused it or gave something else.
fn answered<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Error::TransportError(error)) if error.as_error_resp().is_none() => {
            Err(Error::TransportError(error))
        }
        Err(_) => Ok(None),
    }
}

/// Whether what stands at an address is what the creation code makes, with the address that its constructor takes.
async fn stands<P: Provider>(
    provider: &P,
    at: Address,
    creation: &Bytes,
    argument: Option<Address>,
) -> Result<bool, Error> {
    let argument = argument.map(|address| address.abi_encode()).unwrap_or_default();
    let code = [creation.as_ref(), &argument].concat();
    let made = provider.call(TransactionRequest::default().with_deploy_code(code)).await;
    let Some(made) = answered(made.map_err(Error::from))? else { return Ok(false) };
    Ok(!made.is_empty() && provider.get_code_at(at).await? == made)
}
