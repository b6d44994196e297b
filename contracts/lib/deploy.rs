//! Deployment: the formulas, the referee that reads them, the rules that ask the referee, and the escrow that asks the
//! rules. No contract has a library to link.
//!
//! All four are made by CREATE2 through a proxy that stands at one address on every chain, so that each has one address on
//! every chain too. An address that follows from the creation code cannot hold anything else: neither other code, nor the same
//! code over storage that somebody filled before (EIP-1014). So an escrow is known by its address alone.

use crate::abi::{AssayDispute, Formulas, Referee, Rules};
use alloy::contract::Error;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, address};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolValue;
use alloy::transports::TransportErrorKind;

/// The proxy: it takes 32 bytes of salt and a creation code. See
/// <https://github.com/Arachnid/deterministic-deployment-proxy>.
pub const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
const SALT: B256 = B256::ZERO;

/// Where the contracts stand, on every chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The formulas of floating-point operations.
    pub formulas: Address,
    /// The referee.
    pub referee: Address,
    /// The rules of the game.
    pub rules: Address,
    /// The escrow, where jobs and games are.
    pub dispute: Address,
}

/// A contract with what makes it.
struct Made {
    creation: Vec<u8>,
    at: Address,
}

impl Made {
    /// From its creation code and the address that its constructor takes.
    fn new(code: &Bytes, argument: Option<Address>) -> Made {
        let argument = argument.map(|address| address.abi_encode()).unwrap_or_default();
        let creation = [code.as_ref(), &argument].concat();
        let at = DEPLOYER.create2_from_code(SALT, &creation);
        Made { creation, at }
    }

    /// All four, each after what it stands on.
    fn all() -> [Made; 4] {
        let formulas = Made::new(&Formulas::BYTECODE, None);
        let referee = Made::new(&Referee::BYTECODE, Some(formulas.at));
        let rules = Made::new(&Rules::BYTECODE, Some(referee.at));
        let dispute = Made::new(&AssayDispute::BYTECODE, Some(rules.at));
        [formulas, referee, rules, dispute]
    }
}

/// Where this version's contracts stand, or will.
pub fn addresses() -> Addresses {
    let [formulas, referee, rules, dispute] = Made::all().map(|made| made.at);
    Addresses { formulas, referee, rules, dispute }
}

/// Deploys what is not there yet, one contract after the other; gives the code hash of the referee, which terms name.
///
/// # Errors
/// Where the node or the chain refuses one of them, or the chain lacks the proxy.
pub async fn deploy<P: Provider + Clone>(provider: P) -> Result<B256, Error> {
    let refused = |why: String| Error::from(TransportErrorKind::custom_str(&why));
    if provider.get_code_at(DEPLOYER).await?.is_empty() {
        return Err(refused(format!("the chain lacks the deterministic deployment proxy at {DEPLOYER}")));
    }
    for made in Made::all() {
        if !provider.get_code_at(made.at).await?.is_empty() {
            continue;
        }
        let input = [SALT.as_slice(), &made.creation].concat();
        let request = TransactionRequest::default().with_to(DEPLOYER).with_input(input);
        provider.send_transaction(request).await?.get_receipt().await?;
        if provider.get_code_at(made.at).await?.is_empty() {
            return Err(refused(format!("no contract came to stand at {}", made.at)));
        }
    }
    AssayDispute::new(addresses().dispute, provider).referee().call().await
}

/// Whether an escrow is the one of this version, and stands.
///
/// # Errors
/// Where the node does not answer.
pub async fn is_genuine<P: Provider>(provider: P, escrow: Address) -> Result<bool, Error> {
    Ok(escrow == addresses().dispute && !provider.get_code_at(escrow).await?.is_empty())
}
