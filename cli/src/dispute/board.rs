//! What a chain says of a job: how far it is, and where each of its games stands.
//!
//! The contract keeps only the hash of a game's position; the position itself, and what the last move showed, come from its
//! events. They are read from the block on in which the receipt was posted, each block once, the last ones again in case
//! the chain has replaced them. A position that is not the contract's is never used.

use super::node::{Node, NodeError};
use super::state::{Posted, Seen, State};
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use assay_circuits::root::Digest32;
use assay_contracts::abi::AssayDispute::{self as A, Record};
use assay_contracts::{Job, Stage, Status, game_id, job, position_of};
use assay_verifier::dispute::Position;
use assay_verifier::referee::Ground;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// Blocks that are asked for at once.
const BLOCKS: u64 = 5_000;
/// Games that are asked about at once, in one filter of events or side by side: nodes take up to 1,000 topics.
const GAMES: usize = 100;
/// Blocks that are read again, in case the chain has replaced them.
const REPLACEABLE: u64 = 64;

/// A job and its games.
pub struct Board {
    /// The job.
    pub job: Job,
    /// Its games, in order.
    pub games: Vec<Game>,
    /// The time of the latest block: what is not late by it may still be in time.
    pub block_time: u64,
    /// The blocks on top of that of the receipt.
    pub confirmations: u64,
    /// The same, or this machine's clock where that is later: a chain without transactions may have no new block.
    pub now: u64,
    /// What the account may withdraw.
    pub credit: U256,
    /// What it has on the chain.
    pub balance: U256,
}

/// A game.
pub struct Game {
    /// Its id.
    pub id: B256,
    /// Its number among the job's.
    pub number: u32,
    /// Who opened it.
    pub challenger: Address,
    /// How it stands.
    pub status: Status,
    /// True where the buyer asked for a chunk of an output: nobody doubts the receipt in it.
    pub disclosure: bool,
    /// When it was opened.
    pub opened: u64,
    /// Its last position; none where the events do not have it.
    pub position: Option<Position>,
    /// What the last move showed.
    pub shown: Vec<u8>,
}

/// A job on a chain.
pub struct Place {
    /// The contract.
    pub contract: Address,
    /// The job's id.
    pub job: B256,
    /// The account that is asked about.
    pub account: Address,
}

impl Place {
    /// Reads the job and its games. The state remembers what was read of the events.
    pub async fn read(&self, node: &Node, state: &mut State) -> Result<Board, NodeError> {
        let failed = |error| node.failed(error);
        let latest = node.block(BlockNumberOrTag::Latest).await?.header;
        let job = job(&node.rpc, self.contract, self.job).await.map_err(failed)?;
        let credit = self.credit(node, job.token).await?;
        let balance = node.rpc.get_balance(self.account).await.map_err(|error| node.failed(error))?;
        if state.posted.is_some_and(|posted| posted.time != job.posted) {
            state.forget();
        }
        if job.posted > 0 && state.posted.is_none() {
            let block = first_block_at(node, job.posted, latest.number).await?;
            state.posted = Some(Posted { time: job.posted, block });
        }
        self.read_events(node, state, job.games, latest.number).await?;
        let mut games = Vec::new();
        for (number, record) in self.records(node, job.games).await? {
            let seen = state.games.get(&number).filter(|seen| seen.position().hash() == record.position.0);
            games.push(Game {
                id: game_id(self.job, number),
                number,
                challenger: record.challenger,
                status: Status::of(record.status).unwrap_or(Status::None),
                disclosure: record.disclosure,
                opened: record.opened.into(),
                position: seen.map(Seen::position),
                shown: seen.map(|seen| seen.shown.clone()).unwrap_or_default(),
            });
        }
        // What was read before the chain replaced it.
        if games.iter().any(|game| game.status == Status::Open && game.position.is_none()) {
            state.forget();
        }
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (block_time, now) = (latest.timestamp, latest.timestamp.max(clock));
        let confirmations = state.posted.map_or(0, |posted| latest.number.saturating_sub(posted.block));
        Ok(Board { job, games, block_time, confirmations, now, credit, balance })
    }

    /// What the contract has of each game, in order.
    async fn records(&self, node: &Node, games: u32) -> Result<Vec<(u32, Record)>, NodeError> {
        let mut records = Vec::new();
        let numbers: Vec<u32> = (0..games).collect();
        for some in numbers.chunks(GAMES) {
            let mut asked = JoinSet::new();
            for &number in some {
                let (contract, id) = (A::new(self.contract, node.rpc.clone()), game_id(self.job, number));
                asked.spawn(async move { (number, contract.gameOf(id).call().await) });
            }
            for (number, record) in asked.join_all().await {
                records.push((number, record.map_err(|error| node.failed(error))?));
            }
        }
        records.sort_by_key(|(number, _)| *number);
        Ok(records)
    }

    async fn read_events(
        &self,
        node: &Node,
        state: &mut State,
        games: u32,
        latest: u64,
    ) -> Result<(), NodeError> {
        let Some(Posted { block: posted, .. }) = state.posted else { return Ok(()) };
        let ids: Vec<B256> = (0..games).map(|number| game_id(self.job, number)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut from = state.scanned.saturating_sub(REPLACEABLE).max(posted);
        while from <= latest {
            let to = latest.min(from + BLOCKS - 1);
            for some in ids.chunks(GAMES) {
                let filter = Filter::new().address(self.contract).from_block(from).to_block(to);
                let filter = filter.event_signature(A::Moved::SIGNATURE_HASH).topic1(some.to_vec());
                for log in node.rpc.get_logs(&filter).await.map_err(|error| node.failed(error))? {
                    let Some(moved) = decoded::<A::Moved>(&log) else { continue };
                    let number = ids.iter().position(|id| *id == moved.game);
                    let (Some(number), Some(position)) = (number, position_of(&moved.position)) else {
                        continue;
                    };
                    state.games.insert(number as u32, Seen::new(&position, moved.shown.to_vec()));
                }
            }
            from = to + 1;
            state.scanned = to;
        }
        Ok(())
    }

    /// What the account may withdraw of a token.
    pub async fn credit(&self, node: &Node, token: Address) -> Result<U256, NodeError> {
        let credits = A::new(self.contract, &node.rpc).credits(token, self.account).call().await;
        credits.map_err(|error| node.failed(error))
    }

    /// What nobody gets of a token.
    pub async fn burned(&self, node: &Node, token: Address) -> Result<U256, NodeError> {
        let burned = A::new(self.contract, &node.rpc).burned(token).call().await;
        burned.map_err(|error| node.failed(error))
    }

    /// The chunk that the answer to a disclosure showed; the contract has checked it against the receipt.
    pub async fn disclosed(&self, node: &Node, game: B256, state: &State) -> Result<Vec<u8>, NodeError> {
        let posted = state.posted.map_or(0, |posted| posted.block);
        let filter = Filter::new().address(self.contract).from_block(posted);
        let filter = filter.event_signature(A::Disclosed::SIGNATURE_HASH).topic1(game);
        let logs = node.rpc.get_logs(&filter).await.map_err(|error| node.failed(error))?;
        let shown = logs.iter().find_map(decoded::<A::Disclosed>).map(|event| event.chunk.to_vec());
        shown.ok_or_else(|| node.failed("the answer to the disclosure is not in its events"))
    }

    /// What all games of the job stand on, as its poster stated it.
    pub async fn ground(&self, node: &Node, board: &Board, state: &mut State) -> Result<Ground, NodeError> {
        let missing = || node.failed(format!("there is no receipt of job {} in its events", self.job));
        let from = state.posted.ok_or_else(missing)?.block;
        let filter = Filter::new().address(self.contract).from_block(from).to_block(from + BLOCKS - 1);
        let filter = filter.event_signature(A::Posted::SIGNATURE_HASH).topic1(self.job);
        let logs = node.rpc.get_logs(&filter).await.map_err(|error| node.failed(error))?;
        let grounds = logs.iter().filter_map(decoded::<A::Posted>).filter_map(|posted| {
            Some(Ground {
                job: posted.ground.job.0,
                header: posted.ground.header.to_vec().try_into().ok()?,
                trace_root: posted.ground.traceRoot.0,
                inputs: posted.ground.inputs.0,
            })
        });
        let hash: Digest32 = board.job.ground.0;
        let found = grounds.into_iter().find(|ground| ground.hash() == hash);
        if found.is_none() {
            // The chain may have it in another block by now.
            state.forget();
        }
        found.ok_or_else(missing)
    }
}

fn decoded<E: SolEvent>(log: &Log) -> Option<E> {
    E::decode_log(&log.inner).ok().map(|log| log.data)
}

/// The first block of this time or later.
async fn first_block_at(node: &Node, time: u64, latest: u64) -> Result<u64, NodeError> {
    let (mut from, mut to) = (0, latest);
    while from < to {
        let middle = from + (to - from) / 2;
        match node.block(BlockNumberOrTag::Number(middle)).await?.header.timestamp < time {
            true => from = middle + 1,
            false => to = middle,
        }
    }
    Ok(from)
}

impl Game {
    /// True where this account doubts the receipt in it.
    pub fn doubts(&self, account: Address) -> bool {
        self.challenger == account && !self.disclosure
    }
}

impl Board {
    /// The least that is left of a clock of an open game.
    pub fn least_left(&self) -> Option<u64> {
        let open = self.games.iter().filter(|game| game.status == Status::Open);
        let left = open.filter_map(|game| game.position.as_ref()?.deadline.checked_sub(self.now));
        left.filter(|&left| left > 0).min()
    }

    /// When games can no longer be opened; none before the receipt is posted.
    pub fn window_end(&self) -> Option<u64> {
        (self.job.posted > 0).then(|| self.job.posted.saturating_add(self.job.window))
    }

    /// True where nothing about the job's outcome changes any more.
    pub fn decided(&self) -> bool {
        matches!(self.job.stage, Stage::Final | Stage::Fallen | Stage::Expired)
    }
}
