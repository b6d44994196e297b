//! Where a game stands: the words of which a contract stores the hash.
//!
//! Specification: `papers/dispute.md`, section 5, which has the table of words.

use super::claim::Groups;
use crate::keccak::keccak256;
use crate::referee::{state_word, word_state};
use crate::tensor_tree::{Node, Tree};
use alloc::vec::Vec;
use assay_circuits::element::State;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::root::Digest32;

/// What the side to move must do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The provider reveals nodes of its trace.
    #[default]
    RevealTrace = 1,
    /// The challenger picks one of them.
    ChooseTrace = 2,
    /// The provider reveals the digest of an operation's wire, and the operation.
    RevealLeaf = 3,
    /// The provider reveals nodes of the wire's tree.
    RevealTensor = 4,
    /// The challenger picks one of them.
    ChooseTensor = 5,
    /// The provider reveals the bytes of a chunk.
    RevealChunk = 6,
    /// The challenger claims another value of one of its elements.
    ChooseChunk = 7,
    /// The provider refutes or splits a claim of the whole element.
    Answer = 8,
    /// The provider refutes or splits a claim of some windows.
    AnswerInner = 9,
    /// The challenger claims the states within a step.
    Refine = 10,
    /// The provider, or anyone, shows the chunk of an output that the buyer asked for.
    Disclose = 11,
}

const PHASES: [Phase; 11] = [
    Phase::RevealTrace,
    Phase::ChooseTrace,
    Phase::RevealLeaf,
    Phase::RevealTensor,
    Phase::ChooseTensor,
    Phase::RevealChunk,
    Phase::ChooseChunk,
    Phase::Answer,
    Phase::AnswerInner,
    Phase::Refine,
    Phase::Disclose,
];

/// One of the two parties of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who posted the receipt.
    Provider,
    /// Who doubts it.
    Challenger,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Provider => Side::Challenger,
            Side::Challenger => Side::Provider,
        }
    }
}

impl Phase {
    /// The side to move.
    pub fn mover(self) -> Side {
        match self {
            Phase::ChooseTrace | Phase::ChooseTensor | Phase::ChooseChunk | Phase::Refine => Side::Challenger,
            _ => Side::Provider,
        }
    }
}

/// Where a game stands. Fields that a phase does not use are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// What the side to move must do.
    pub phase: Phase,
    /// The hash of what the game stands on.
    pub ground: Digest32,
    /// When the clock of the side to move has run out.
    pub deadline: u64,
    /// Seconds that the other side has left.
    pub reserve: u64,
    /// Leaves of the trace, while one is sought.
    pub operations: u32,
    /// Levels of the trace below the node.
    pub height: u8,
    /// The node's index among those of its height; the operation, once it is found.
    pub operation: u32,
    /// The value to open, or the hash of what was revealed or claimed.
    pub node: Digest32,
    /// The leaf of the operation in the program.
    pub descriptor: Digest32,
    /// Bytes of the operation's wire.
    pub length: u64,
    /// First chunk of the node.
    pub first: u64,
    /// Chunks of the node.
    pub chunks: u64,
    /// Bytes of an element.
    pub width: u8,
    /// Words of a state.
    pub words: u8,
    /// First window of the claim.
    pub from: u64,
    /// End of its windows.
    pub to: u64,
    /// The state before them.
    pub before: State,
    /// The state after them, where it is claimed already.
    pub after: State,
    /// The element, in row-major order.
    pub element: u64,
    /// The value that is claimed.
    pub value: u64,
    /// When it was claimed.
    pub claimed: u64,
}

/// Bytes of an encoded position.
pub const POSITION_BYTES: usize = 21 * 32;

impl Position {
    /// The hash that a contract stores.
    pub fn hash(&self) -> Digest32 {
        keccak256(&[&self.encode()])
    }

    /// The node of the wire's tree.
    pub fn tensor_node(&self) -> Node {
        Node { first: self.first, chunks: self.chunks }
    }

    /// The wire's tree.
    pub fn tree(&self) -> Option<Tree> {
        Tree::new(self.length)
    }

    /// The groups of windows of the claim.
    pub fn groups(&self) -> Groups {
        Groups { from: self.from, to: self.to }
    }

    /// The words, as `abi.encode` has them.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let number = |w: &mut Writer, value: u64| {
            w.bytes(&[0; 24]);
            w.bytes(&value.to_be_bytes());
        };
        number(&mut w, self.phase as u64);
        w.bytes(&self.ground);
        let small =
            [self.deadline, self.reserve, self.operations.into(), self.height.into(), self.operation.into()];
        small.into_iter().for_each(|value| number(&mut w, value));
        w.bytes(&self.node);
        w.bytes(&self.descriptor);
        let small =
            [self.length, self.first, self.chunks, self.width.into(), self.words.into(), self.from, self.to];
        small.into_iter().for_each(|value| number(&mut w, value));
        w.bytes(&state_word(self.before));
        w.bytes(&state_word(self.after));
        [self.element, self.value, self.claimed].into_iter().for_each(|value| number(&mut w, value));
        w.finish()
    }

    /// Reads what [`Position::encode`] wrote.
    ///
    /// # Errors
    /// Where a number leaves its type, or bytes are missing or left.
    pub fn decode(bytes: &[u8]) -> Result<Position, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let phase = number(r, u8::MAX.into(), "phase")?;
        let phase =
            PHASES.into_iter().find(|&known| known as u64 == phase).ok_or_else(|| r.invalid("phase"))?;
        let position = Position {
            phase,
            ground: r.array("ground")?,
            deadline: number(r, u64::MAX, "deadline")?,
            reserve: number(r, u64::MAX, "reserve")?,
            operations: number(r, u32::MAX.into(), "operations")? as u32,
            height: number(r, u8::MAX.into(), "height")? as u8,
            operation: number(r, u32::MAX.into(), "operation")? as u32,
            node: r.array("node")?,
            descriptor: r.array("descriptor")?,
            length: number(r, u64::MAX, "length")?,
            first: number(r, u64::MAX, "first chunk")?,
            chunks: number(r, u64::MAX, "chunks")?,
            width: number(r, u8::MAX.into(), "width")? as u8,
            words: number(r, u8::MAX.into(), "words")? as u8,
            from: number(r, u64::MAX, "first window")?,
            to: number(r, u64::MAX, "end of windows")?,
            before: word_state(&r.array("state before")?),
            after: word_state(&r.array("state after")?),
            element: number(r, u64::MAX, "element")?,
            value: number(r, u64::MAX, "value")?,
            claimed: number(r, u64::MAX, "time of the claim")?,
        };
        reader.finish()?;
        Ok(position)
    }
}

fn number(r: &mut Reader<'_>, most: u64, what: &'static str) -> Result<u64, DecodeError> {
    let padding: [u8; 24] = r.array(what)?;
    let value = u64::from_be_bytes(r.array(what)?);
    match padding == [0; 24] && value <= most {
        true => Ok(value),
        false => Err(r.invalid(what)),
    }
}
