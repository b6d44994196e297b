//! A chain through its node, and the transactions of one account.
//!
//! A transaction always takes the account's next number that no block has yet. So one that an agent sent before it was
//! killed is replaced by the next or mined in its place. The number is read before the chain is. Of several that waited together a move may be sent twice then: the
//! second finds another position, and costs the gas of finding that.

use super::units::amount;
use crate::error::CliError;
use crate::signer::read_signer;
use alloy::consensus::TxEnvelope;
use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use alloy::rpc::types::{Block, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::http::reqwest::Url;
use alloy::transports::{RpcError, TransportErrorKind};
use assay_contracts::{Call, addresses, is_genuine, reason};
use assay_prover::signature::SigningKey;
use clap::Args;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a transaction may wait before it is sent again at a higher price.
const PATIENCE: Duration = Duration::from_secs(45);
/// How often the receipt of a transaction is asked for once its number is spent: for some five seconds.
const RECEIPT_READS: u32 = 8;
/// How often a transaction's price is raised before it is given up.
const RAISES: u32 = 12;

/// Why a chain does not do what it is asked to.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum NodeError {
    #[error("{url}: {problem}")]
    Rpc { url: String, problem: String },
    #[error("{call}: the contract refuses it: {reason}")]
    Reverted { call: &'static str, reason: String },
    #[error("{call}: the node does not take it: {reason}; {account} has {balance}")]
    NotSent { call: &'static str, reason: String, account: Address, balance: String },
    #[error("{call}: transaction {hash} was mined and failed: what it found had changed")]
    Failed { call: &'static str, hash: B256 },
    #[error("{call}: a transaction with the same number was mined in its place")]
    Superseded { call: &'static str },
    #[error("{call}: the transaction {hash} is not mined, at {price} wei a gas")]
    Stuck { call: &'static str, hash: B256, price: u128 },
    #[error("the token {token} was told to allow the amount, and does not: pay nothing in it")]
    Token { token: Address },
    #[error("{url} is chain {here}, the terms are of chain {terms}")]
    OtherChain { url: String, here: u64, terms: U256 },
}

/// The node.
#[derive(Args)]
pub struct RpcArgs {
    /// The node's JSON-RPC.
    #[arg(long, value_name = "URL")]
    rpc: String,
}

/// The node, and the account that pays.
#[derive(Args)]
pub struct WalletArgs {
    #[command(flatten)]
    rpc: RpcArgs,
    /// The key of the account that sends and pays, from `assay signer new --secp256k1`.
    #[arg(long, value_name = "KEY.pem")]
    wallet: PathBuf,
}

/// What became of a transaction.
pub struct Mined {
    /// The call.
    pub call: &'static str,
    /// The transaction's hash.
    pub hash: B256,
    /// The block that has it.
    pub block: u64,
    /// Gas that it took.
    pub gas: u64,
}

/// A chain.
pub struct Node {
    url: Url,
    /// The RPC.
    pub rpc: RootProvider,
    /// Its id.
    pub chain_id: u64,
}

/// A chain, and an account of it.
pub struct Account {
    /// The chain.
    pub node: Node,
    /// The account.
    pub address: Address,
    wallet: EthereumWallet,
    key: SigningKey,
    /// The number of the next transaction, where it was read before what the transaction follows from.
    number: Cell<Option<u64>>,
}

/// What a unit of gas may cost.
#[derive(Clone, Copy)]
struct Fees {
    most: u128,
    /// The miner's part; none on a chain without a base fee.
    tip: Option<u128>,
}

/// A transaction with its number, and what was sent of it so far.
struct Pending {
    call: &'static str,
    request: TransactionRequest,
    number: u64,
    fees: Fees,
    sent: Vec<B256>,
}

impl Pending {
    fn stuck(&self) -> NodeError {
        let hash = self.sent.last().copied().unwrap_or_default();
        NodeError::Stuck { call: self.call, hash, price: self.fees.most }
    }
}

impl Fees {
    /// The transaction at this price.
    fn of(self, request: TransactionRequest) -> TransactionRequest {
        match self.tip {
            Some(tip) => request.with_max_fee_per_gas(self.most).with_max_priority_fee_per_gas(tip),
            None => request.with_gas_price(self.most),
        }
    }

    /// A quarter more, and one, which a node asks for at least before it replaces a transaction.
    fn raised(self) -> Fees {
        let more = |price: u128| price.saturating_add(price / 4).saturating_add(1);
        Fees { most: more(self.most), tip: self.tip.map(more) }
    }
}

impl RpcArgs {
    /// Asks the node for its chain.
    pub async fn connect(&self) -> Result<Node, CliError> {
        let url: Result<Url, _> = self.rpc.parse();
        let url = url.map_err(|error| CliError::Usage(format!("--rpc {}: {error}", self.rpc)))?;
        let rpc = ProviderBuilder::new().disable_recommended_fillers().connect_http(url.clone());
        let mut node = Node { url, rpc, chain_id: 0 };
        node.chain_id = node.rpc.get_chain_id().await.map_err(|error| node.failed(error))?;
        Ok(node)
    }
}

impl WalletArgs {
    /// Reads the key, and asks the node for its chain.
    pub async fn connect(&self) -> Result<Account, CliError> {
        let key = read_signer(&self.wallet)?;
        let other = || wrong_key(&self.wallet);
        let signer = PrivateKeySigner::from_slice(&key.account().ok_or_else(other)?).map_err(|_| other())?;
        let address = signer.address();
        let number = Cell::new(None);
        Ok(Account { node: self.rpc.connect().await?, address, wallet: signer.into(), key, number })
    }
}

fn wrong_key(path: &Path) -> CliError {
    CliError::content(path, "is no key of an account: it should be from `assay signer new --secp256k1`")
}

impl Node {
    /// An error of the node, without what its URL may hold of a secret.
    pub fn failed(&self, error: impl std::fmt::Display) -> NodeError {
        let problem = error.to_string();
        let problem = problem.replace(&format!(" for url ({})", self.url), ": no node answers there");
        NodeError::Rpc { url: self.shown(), problem: problem.replace(self.url.as_str(), "the URL") }
    }

    /// The URL without path, query and password, which may be secret.
    fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    /// Refuses terms of another chain.
    pub fn expect(&self, chain_id: &[u8; 32]) -> Result<(), NodeError> {
        let terms = U256::from_be_bytes(*chain_id);
        match terms == U256::from(self.chain_id) {
            true => Ok(()),
            false => Err(NodeError::OtherChain { url: self.shown(), here: self.chain_id, terms }),
        }
    }

    /// Refuses an escrow that is not Assay's, whatever its code is.
    pub async fn genuine(&self, escrow: Address) -> Result<(), CliError> {
        if is_genuine(&self.rpc, escrow).await.map_err(|error| self.failed(error))? {
            return Ok(());
        }
        let own = addresses().dispute;
        let problem = "is not the escrow of this version of assay: pay nothing into it. That stands at";
        Err(CliError::Usage(format!("{escrow} {problem} {own}")))
    }

    /// A block.
    pub async fn block(&self, number: BlockNumberOrTag) -> Result<Block, NodeError> {
        let block = self.rpc.get_block_by_number(number).await.map_err(|error| self.failed(error))?;
        block.ok_or_else(|| self.failed(format!("there is no block {number}")))
    }

    /// What gas costs now: twice the base fee, so that a transaction outlives some full blocks, and the miner's part.
    async fn fees(&self) -> Result<Fees, NodeError> {
        let base = self.block(BlockNumberOrTag::Latest).await?.header.base_fee_per_gas;
        let asked = match base {
            Some(_) => self.rpc.get_max_priority_fee_per_gas().await,
            None => self.rpc.get_gas_price().await,
        };
        let asked = asked.map_err(|error| self.failed(error))?;
        Ok(match base {
            Some(base) => Fees { most: 2 * u128::from(base) + asked, tip: Some(asked) },
            None => Fees { most: asked, tip: None },
        })
    }

    /// What a unit of gas costs now.
    pub async fn gas_price(&self) -> Result<u128, NodeError> {
        self.rpc.get_gas_price().await.map_err(|error| self.failed(error))
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, NodeError> {
        self.rpc.get_transaction_receipt(hash).await.map_err(|error| self.failed(error))
    }

    async fn next_number(&self, account: Address) -> Result<u64, NodeError> {
        self.rpc.get_transaction_count(account).await.map_err(|error| self.failed(error))
    }
}

impl Account {
    /// 32 bytes that only this key gives for a job: they hide what a commitment is about, and need not be kept.
    pub fn salt(&self, job: &[u8; 32]) -> [u8; 32] {
        let message = [b"Assay salt of a dispute v1".as_slice(), job].concat();
        alloy::primitives::keccak256(self.key.sign_bytes(&message)).0
    }

    /// Sends a call with some of the chain's money, and waits until it is mined.
    ///
    /// # Errors
    /// Where the contract refuses it, which costs nothing; where the node fails; where another transaction of the account
    /// came first.
    pub async fn send(&self, to: Address, call: &Call, value: U256) -> Result<Mined, NodeError> {
        let request = TransactionRequest::default().with_to(to).with_input(call.data.clone());
        self.send_request(call.name, request.with_value(value)).await
    }

    /// A provider that signs and numbers by itself, for what no restart needs to take up again.
    pub fn provider(&self) -> impl Provider + Clone + use<> {
        ProviderBuilder::new().wallet(self.wallet.clone()).connect_http(self.node.url.clone())
    }

    /// Reads the next number, for a transaction that follows from what is read of the chain after this. One that was sent before
    /// and is mined in between has the number then, and nothing is done twice.
    pub async fn begin(&self) -> Result<(), NodeError> {
        self.number.set(Some(self.node.next_number(self.address).await?));
        Ok(())
    }

    async fn next_number(&self) -> Result<u64, NodeError> {
        match self.number.get() {
            Some(number) => Ok(number),
            None => self.node.next_number(self.address).await,
        }
    }

    /// Sends calls without money, numbered one after the other, and waits until all are mined: what each became, those that the
    /// contract refuses first.
    pub async fn send_all(&self, to: Address, calls: &[Call]) -> Vec<Result<Mined, NodeError>> {
        let (fees, first) = match (self.node.fees().await, self.next_number().await) {
            (Ok(fees), Ok(first)) => (fees, first),
            (Err(error), _) | (_, Err(error)) => return vec![Err(error)],
        };
        let (mut results, mut pending) = (Vec::new(), Vec::new());
        for call in calls {
            let request = TransactionRequest::default().with_to(to).with_input(call.data.clone());
            let number = first + pending.len() as u64;
            match self.prepare(call.name, request, number, fees).await {
                Err(error) => results.push(Err(error)),
                Ok(mut sent) => match self.submit(&mut sent).await {
                    Ok(()) => pending.push(sent),
                    // What has a later number would wait for this one.
                    Err(error) => {
                        results.push(Err(error));
                        break;
                    }
                },
            }
        }
        for sent in pending {
            let mined = self.deliver(sent).await;
            let stuck = matches!(mined, Err(NodeError::Stuck { .. }));
            results.push(mined);
            // What has a later number is behind it: the next turn begins again, at the price of that time.
            if stuck {
                break;
            }
        }
        results
    }

    async fn send_request(
        &self,
        call: &'static str,
        request: TransactionRequest,
    ) -> Result<Mined, NodeError> {
        let fees = self.node.fees().await?;
        let number = self.next_number().await?;
        let mut pending = self.prepare(call, request, number, fees).await?;
        self.submit(&mut pending).await?;
        self.deliver(pending).await
    }

    /// Numbers a transaction; nothing is sent where the contract refuses it.
    async fn prepare(
        &self,
        call: &'static str,
        request: TransactionRequest,
        number: u64,
        fees: Fees,
    ) -> Result<Pending, NodeError> {
        let node = &self.node;
        let request = request.with_from(self.address).with_chain_id(node.chain_id);
        // At a price: what a contract writes down of the gas it meters takes gas too.
        let gas = match node.rpc.estimate_gas(fees.of(request.clone())).await {
            Ok(gas) => gas,
            Err(error) => return Err(self.refused(call, error).await),
        };
        // A move's own price depends on what it finds; what is left over is not paid. Chains with EIP-7825 take no more.
        let limit = (gas + gas / 4).min(gas.max(1 << 24));
        let request = request.with_gas_limit(limit).with_nonce(number);
        Ok(Pending { call, request, number, fees, sent: Vec::new() })
    }

    /// Sends a transaction at its price, or at the least above it that the node takes.
    async fn submit(&self, pending: &mut Pending) -> Result<(), NodeError> {
        let node = &self.node;
        // What the contract refuses before this leaves the number to what is tried next.
        self.number.set(None);
        for _ in 0..RAISES {
            let priced = pending.fees.of(pending.request.clone());
            let signed: TxEnvelope = priced.build(&self.wallet).await.map_err(|error| node.failed(error))?;
            match node.rpc.send_raw_transaction(&signed.encoded_2718()).await {
                Ok(_) => pending.sent.push(*signed.tx_hash()),
                Err(error) => match Refusal::of(&error.to_string()) {
                    Refusal::Known => pending.sent.push(*signed.tx_hash()),
                    Refusal::Underpriced => {
                        pending.fees = pending.fees.raised();
                        continue;
                    }
                    Refusal::Spent => {}
                    Refusal::Other => return Err(node.failed(error)),
                },
            }
            return Ok(());
        }
        Err(pending.stuck())
    }

    /// Waits until a transaction is mined, and raises its price while it is not.
    async fn deliver(&self, mut pending: Pending) -> Result<Mined, NodeError> {
        for _ in 0..RAISES {
            if let Some(mined) = self.wait(pending.call, pending.number, &pending.sent).await? {
                return Ok(mined);
            }
            pending.fees = pending.fees.raised();
            self.submit(&mut pending).await?;
        }
        Err(pending.stuck())
    }

    /// Waits for one of the transactions that were sent with a number.
    async fn wait(&self, call: &'static str, number: u64, sent: &[B256]) -> Result<Option<Mined>, NodeError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(20);
        let mut without_receipt = 0;
        while start.elapsed() < PATIENCE {
            let spent = self.node.next_number(self.address).await? > number;
            for &hash in sent {
                let Some(receipt) = self.node.receipt(hash).await? else { continue };
                if !receipt.status() {
                    return Err(NodeError::Failed { call, hash });
                }
                let block = receipt.block_number.unwrap_or_default();
                return Ok(Some(Mined { call, hash, block, gas: receipt.gas_used }));
            }
            // A node may count a transaction before it has its receipt.
            without_receipt += u32::from(spent);
            if without_receipt > RECEIPT_READS {
                return Err(NodeError::Superseded { call });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        Ok(None)
    }

    /// Why a transaction was not sent.
    async fn refused(&self, call: &'static str, error: RpcError<TransportErrorKind>) -> NodeError {
        let Some(response) = error.as_error_resp() else { return self.node.failed(error) };
        if let Some(data) = response.as_revert_data() {
            return NodeError::Reverted { call, reason: reason(&data) };
        }
        let (reason, account) = (response.message.to_string(), self.address);
        let balance = self.node.rpc.get_balance(account).await;
        let balance = balance.map_or("an unknown balance".to_string(), |balance| amount(balance, true));
        NodeError::NotSent { call, reason, account, balance }
    }
}

/// Why a node does not take a transaction. Nodes say it in words alone.
enum Refusal {
    /// It has it.
    Known,
    /// It has one with the same number that pays as much.
    Underpriced,
    /// A block has one with the same number.
    Spent,
    Other,
}

impl Refusal {
    fn of(words: &str) -> Refusal {
        let words = words.to_lowercase();
        let has = |some: &[&str]| some.iter().any(|part| words.contains(part));
        if has(&["already known", "already imported", "known transaction", "alreadyknown"]) {
            Refusal::Known
        } else if has(&["underpriced", "less than block base fee", "fee too low"]) {
            Refusal::Underpriced
        } else if has(&["nonce too low", "old nonce", "nonce is too low"]) {
            Refusal::Spent
        } else {
            Refusal::Other
        }
    }
}
