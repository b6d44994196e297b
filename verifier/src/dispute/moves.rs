//! What is played: the moves of a game and their packed bytes.
//!
//! Specification: `papers/dispute.md`, section 5.

use crate::packed;
use crate::referee::{Ground, Opening, decode_openings, encode_openings};
use crate::tensor_tree::Value;
use alloc::vec::Vec;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::root::Digest32;

/// A move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// The nodes below the one at stake, of the trace or of a tensor.
    Reveal {
        /// From left to right.
        values: Vec<Value>,
    },
    /// One of the nodes that were revealed.
    Pick {
        /// The nodes again.
        values: Vec<Value>,
        /// Its place among them.
        place: u16,
    },
    /// The digest of an operation's wire, and the operation.
    RevealLeaf {
        /// What the game stands on.
        ground: Ground,
        /// The digest.
        digest: Digest32,
        /// The operation's descriptor.
        descriptor: Vec<u8>,
        /// Its path in the program.
        path: Vec<Digest32>,
    },
    /// The bytes of a chunk.
    RevealChunk {
        /// The bytes.
        chunk: Vec<u8>,
    },
    /// Another value of an element of the chunk.
    Claim {
        /// The bytes of the chunk again.
        chunk: Vec<u8>,
        /// The value and how it is reached.
        claim: Claim,
    },
    /// A step that is not as claimed.
    Rebut {
        /// The states of the claim again, packed.
        states: Vec<u8>,
        /// The step.
        step: u16,
        /// What the game stands on.
        ground: Ground,
        /// The digests of the inputs, one after the other; empty where none is opened.
        inputs: Vec<u8>,
        /// The operation's descriptor.
        descriptor: Vec<u8>,
        /// What the step reads.
        openings: Vec<Opening>,
    },
    /// A step whose inner states the challenger is to claim.
    Split {
        /// The states of the claim again, packed.
        states: Vec<u8>,
        /// The step.
        step: u16,
    },
    /// The states within a step that was split.
    Refine {
        /// The states, packed.
        states: Vec<u8>,
    },
    /// The clock of the side to move has run out.
    Timeout,
    /// The chunk that the buyer asked for.
    Answer {
        /// Its bytes.
        chunk: Vec<u8>,
        /// Its siblings in the wire's tree.
        siblings: Vec<Value>,
    },
}

/// A claim of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The element, in row-major order.
    pub element: u64,
    /// Its value, its bytes read as a little-endian integer.
    pub value: u64,
    /// The states that lead to it, packed.
    pub states: Vec<u8>,
}

/// How a game is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// At the trace root.
    Root,
    /// At an operation whose wire's digest the challenger knows.
    Operation(Wire),
    /// At a chunk that the challenger knows, with a claim.
    Chunk {
        /// The operation.
        wire: Wire,
        /// The chunk.
        chunk: u64,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its siblings in the wire's tree.
        siblings: Vec<Value>,
        /// The claim.
        claim: Claim,
    },
    /// By the buyer, which asks for a chunk of an output.
    Disclose {
        /// The output's operation.
        wire: Wire,
        /// The output in the program.
        output: Output,
        /// The chunk.
        chunk: u64,
    },
}

/// An output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its number among the outputs.
    pub number: u32,
    /// Its leaf's bytes.
    pub leaf: Vec<u8>,
    /// The path of its leaf in the header's tree of outputs.
    pub path: Vec<Digest32>,
}

/// The wire of an operation in a trace, and the operation in the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The operation.
    pub operation: u32,
    /// The digest of its wire.
    pub digest: Digest32,
    /// The path of its leaf in the trace.
    pub leaf_path: Vec<Digest32>,
    /// Its descriptor.
    pub descriptor: Vec<u8>,
    /// The path of its descriptor in the program.
    pub path: Vec<Digest32>,
}

fn put_words(w: &mut Writer, words: &[Digest32]) {
    packed::put_blob(w, words.as_flattened());
}

fn put_u16(w: &mut Writer, value: u16) {
    w.bytes(&value.to_be_bytes());
}

impl Claim {
    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.element.to_be_bytes());
        w.bytes(&self.value.to_be_bytes());
        packed::put_blob(w, &self.states);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Claim, DecodeError> {
        let (element, value) = (packed::u64(r, "element")?, packed::u64(r, "value")?);
        Ok(Claim { element, value, states: packed::blob(r, "states")? })
    }
}

impl Output {
    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.number.to_be_bytes());
        packed::put_blob(w, &self.leaf);
        put_words(w, &self.path);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Output, DecodeError> {
        Ok(Output {
            number: packed::u32(r, "output")?,
            leaf: packed::blob(r, "output's leaf")?,
            path: packed::words(r, "output's path")?,
        })
    }
}

impl Wire {
    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.operation.to_be_bytes());
        w.bytes(&self.digest);
        put_words(w, &self.leaf_path);
        packed::put_blob(w, &self.descriptor);
        put_words(w, &self.path);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Wire, DecodeError> {
        Ok(Wire {
            operation: packed::u32(r, "operation")?,
            digest: r.array("digest")?,
            leaf_path: packed::words(r, "leaf's path")?,
            descriptor: packed::blob(r, "descriptor")?,
            path: packed::words(r, "descriptor's path")?,
        })
    }
}

impl Move {
    /// What the move puts before the other side, packed: the next move repeats it.
    pub fn shown(&self) -> &[u8] {
        match self {
            Move::Reveal { values } => values.as_flattened(),
            Move::RevealChunk { chunk } => chunk,
            Move::Claim { claim, .. } => &claim.states,
            Move::Refine { states } => states,
            _ => &[],
        }
    }

    /// The packed bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Move::Reveal { values } => {
                w.u8(0);
                put_words(&mut w, values);
            }
            Move::Pick { values, place } => {
                w.u8(1);
                put_words(&mut w, values);
                put_u16(&mut w, *place);
            }
            Move::RevealLeaf { ground, digest, descriptor, path } => {
                w.u8(2);
                ground.encode(&mut w);
                w.bytes(digest);
                packed::put_blob(&mut w, descriptor);
                put_words(&mut w, path);
            }
            Move::RevealChunk { chunk } => {
                w.u8(3);
                packed::put_blob(&mut w, chunk);
            }
            Move::Claim { chunk, claim } => {
                w.u8(4);
                packed::put_blob(&mut w, chunk);
                claim.encode(&mut w);
            }
            Move::Rebut { states, step, ground, inputs, descriptor, openings } => {
                w.u8(5);
                packed::put_blob(&mut w, states);
                put_u16(&mut w, *step);
                ground.encode(&mut w);
                packed::put_blob(&mut w, inputs);
                packed::put_blob(&mut w, descriptor);
                encode_openings(openings, &mut w);
            }
            Move::Split { states, step } => {
                w.u8(6);
                packed::put_blob(&mut w, states);
                put_u16(&mut w, *step);
            }
            Move::Refine { states } => {
                w.u8(7);
                packed::put_blob(&mut w, states);
            }
            Move::Timeout => w.u8(8),
            Move::Answer { chunk, siblings } => {
                w.u8(12);
                packed::put_blob(&mut w, chunk);
                put_words(&mut w, siblings);
            }
        }
        w.finish()
    }

    /// Reads what [`Move::encode`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no move, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Move, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let played = match r.u8("move")? {
            0 => Move::Reveal { values: packed::words(r, "values")? },
            1 => Move::Pick { values: packed::words(r, "values")?, place: packed::u16(r, "place")? },
            2 => Move::RevealLeaf {
                ground: Ground::decode(r)?,
                digest: r.array("digest")?,
                descriptor: packed::blob(r, "descriptor")?,
                path: packed::words(r, "path")?,
            },
            3 => Move::RevealChunk { chunk: packed::blob(r, "chunk")? },
            4 => Move::Claim { chunk: packed::blob(r, "chunk")?, claim: Claim::decode(r)? },
            5 => Move::Rebut {
                states: packed::blob(r, "states")?,
                step: packed::u16(r, "step")?,
                ground: Ground::decode(r)?,
                inputs: packed::blob(r, "inputs")?,
                descriptor: packed::blob(r, "descriptor")?,
                openings: decode_openings(r)?,
            },
            6 => Move::Split { states: packed::blob(r, "states")?, step: packed::u16(r, "step")? },
            7 => Move::Refine { states: packed::blob(r, "states")? },
            8 => Move::Timeout,
            12 => Move::Answer { chunk: packed::blob(r, "chunk")?, siblings: packed::words(r, "siblings")? },
            _ => return Err(r.invalid("move")),
        };
        reader.finish()?;
        Ok(played)
    }
}

impl Open {
    /// What it puts before the provider, packed: the states of a claim.
    pub fn shown(&self) -> &[u8] {
        match self {
            Open::Chunk { claim, .. } => &claim.states,
            _ => &[],
        }
    }

    /// The packed bytes, with the ground on which the game is opened.
    pub fn encode(&self, ground: &Ground, commitment: &Digest32) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(match self {
            Open::Root => 9,
            Open::Operation(_) => 10,
            Open::Chunk { .. } => 11,
            Open::Disclose { .. } => 13,
        });
        ground.encode(&mut w);
        w.bytes(commitment);
        match self {
            Open::Root => {}
            Open::Operation(wire) => wire.encode(&mut w),
            Open::Chunk { wire, chunk, bytes, siblings, claim } => {
                wire.encode(&mut w);
                w.bytes(&chunk.to_be_bytes());
                packed::put_blob(&mut w, bytes);
                put_words(&mut w, siblings);
                claim.encode(&mut w);
            }
            Open::Disclose { wire, output, chunk } => {
                wire.encode(&mut w);
                output.encode(&mut w);
                w.bytes(&chunk.to_be_bytes());
            }
        }
        w.finish()
    }

    /// Reads what [`Open::encode`] wrote: the ground, the commitment, how it is opened.
    ///
    /// # Errors
    /// Where the bytes open no game, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<(Ground, Digest32, Open), DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let tag = r.u8("opening")?;
        let (ground, commitment) = (Ground::decode(r)?, r.array("commitment")?);
        let open = match tag {
            9 => Open::Root,
            10 => Open::Operation(Wire::decode(r)?),
            11 => Open::Chunk {
                wire: Wire::decode(r)?,
                chunk: packed::u64(r, "chunk")?,
                bytes: packed::blob(r, "chunk's bytes")?,
                siblings: packed::words(r, "siblings")?,
                claim: Claim::decode(r)?,
            },
            13 => Open::Disclose {
                wire: Wire::decode(r)?,
                output: Output::decode(r)?,
                chunk: packed::u64(r, "chunk")?,
            },
            _ => return Err(DecodeError::Invalid { what: "opening", offset: 0 }),
        };
        reader.finish()?;
        Ok((ground, commitment, open))
    }
}
