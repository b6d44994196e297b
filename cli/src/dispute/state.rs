//! What an agent keeps in its file: which job it is about, which run it holds against the receipt, and what it has read of
//! the chain so far.
//!
//! Nothing that decides about money is only here: an agent that loses the file reads the chain again.

use crate::error::CliError;
use assay_circuits::root::Digest32;
use assay_prover::files::{read_bytes, write_atomically};
use assay_prover::terms::hex;
use assay_verifier::dispute::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The state of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The job.
    #[serde(with = "hex")]
    pub job: Digest32,
    /// `provider` or `challenger`.
    pub side: String,
    /// The trace root of its run.
    #[serde(with = "hex")]
    pub trace_root: Digest32,
    /// Where the receipt was posted.
    pub posted: Option<Posted>,
    /// The last block whose events were read.
    pub scanned: u64,
    /// What was read of each game.
    pub games: BTreeMap<u32, Seen>,
}

/// Where a receipt was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posted {
    /// The time, as the contract has it: of another time it is another receipt, or in another block.
    pub time: u64,
    /// The first block of that time.
    pub block: u64,
}

/// A game as its last event shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    #[serde(with = "bytes")]
    position: Vec<u8>,
    /// What the move showed.
    #[serde(with = "bytes")]
    pub shown: Vec<u8>,
}

impl Seen {
    /// A game at a position.
    pub fn new(position: &Position, shown: Vec<u8>) -> Seen {
        Seen { position: position.encode(), shown }
    }

    /// The position; the first one of all, which is no game's, where the file was edited.
    pub fn position(&self) -> Position {
        Position::decode(&self.position).unwrap_or_default()
    }
}

impl State {
    /// A state that has read nothing.
    pub fn new(job: Digest32, side: &str, trace_root: Digest32) -> State {
        State { job, side: side.to_string(), trace_root, posted: None, scanned: 0, games: BTreeMap::new() }
    }

    /// The state in a file, or a new one where there is no file.
    pub fn load(path: &Path, new: State) -> Result<State, CliError> {
        if !path.exists() {
            return Ok(new);
        }
        let state: State = serde_json::from_slice(&read_bytes(path)?)
            .map_err(|error| CliError::content(path, format!("is no state of an agent: {error}")))?;
        let same = (state.job, &state.side, state.trace_root) == (new.job, &new.side, new.trace_root);
        match same {
            true => Ok(state),
            false => Err(CliError::content(path, "is the state of another job, side or run")),
        }
    }

    /// Forgets what was read of the chain.
    pub fn forget(&mut self) {
        (self.posted, self.scanned) = (None, 0);
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), CliError> {
        let json = serde_json::to_vec(self).map_err(|error| CliError::Internal(error.to_string()))?;
        Ok(write_atomically(path, &json)?)
    }
}

/// Bytes as hexadecimal digits.
mod bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&alloy::hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        alloy::hex::decode(String::deserialize(d)?).map_err(Error::custom)
    }
}
