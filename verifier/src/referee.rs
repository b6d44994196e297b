//! The referee: one step of one element, computed from a provider's own openings.
//!
//! A provider answers a claim with the number of a step and what that step reads. Here the openings are led to digests
//! that the provider, the program or the terms fixed, and the step is computed with nothing else:
//!
//! ```text
//! descriptor <- program root        digest of operation k <- trace root      digest of constant k <- program root
//! chunk <- digest                   digest of input k     <- terms
//! advance(descriptor, element, window, state, openings) -> state
//! finish(descriptor, element, state, openings) -> value
//! ```
//!
//! Specification: `papers/dispute.md`, sections 2, 4 and 5. The contracts compute the same.

use crate::keccak::keccak256;
use crate::packed;
use crate::tensor_tree::{Tree, TreeError, Value};
use alloc::vec::Vec;
use assay_circuits::descriptor::{CHUNK, Descriptor};
use assay_circuits::element::{Elements, State};
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::program::{MAX_FACTORS, Precision, Source};
use assay_circuits::root::{Digest32, HEADER_BYTES, keccak, path_root};
use thiserror::Error;

/// The longest descriptor that is judged.
pub const MAX_DESCRIPTOR: usize = packed::MAX_BLOB;
/// The greatest number of terms of a sum that is judged.
pub const MAX_TERMS: usize = 1 << 10;
/// The greatest stride that is judged.
pub const MAX_STRIDE: u16 = 512;

/// Why the referee computes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefereeError {
    /// Bytes are no descriptor.
    #[error("no descriptor: {0}")]
    Descriptor(#[from] DecodeError),
    /// The descriptor is not that of the operation.
    #[error("the descriptor is not the program's of this operation")]
    OtherDescriptor,
    /// The descriptor is beyond what a referee judges; a checked program has none such.
    #[error("the descriptor is not one to judge: {0}")]
    Unjudgeable(&'static str),
    /// The list of input digests is not that of the terms, or is given where nothing reads it.
    #[error("these are not the digests of the inputs")]
    Inputs,
    /// An opening names no operand, or does not come after the one before it.
    #[error("opening {0} is out of order")]
    Order(usize),
    /// An opening's digest is not that of its operand.
    #[error("the digest of opening {0} is not bound")]
    Unbound(usize),
    /// An opening's chunk does not lead to its digest.
    #[error("opening {opening}: {error}")]
    Chunk {
        /// Its place in the list.
        opening: usize,
        /// What is wrong.
        error: TreeError,
    },
    /// An opening's chunk leads to another digest.
    #[error("the chunk of opening {0} is not in the tensor")]
    OtherChunk(usize),
    /// The step reads a chunk that is not opened.
    #[error("chunk {chunk} of operand {operand} is not opened")]
    Closed {
        /// The operand's place in the descriptor.
        operand: usize,
        /// The chunk.
        chunk: u64,
    },
    /// The step does not read an opening.
    #[error("opening {0} is not read")]
    Unread(usize),
    /// The step or element does not exist.
    #[error("there is no such step or element")]
    NoStep,
}

/// What a game stands on: the job, its program, the provider's trace and the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The job id.
    pub job: Digest32,
    /// The program's header, whose keccak is the program root.
    pub header: [u8; HEADER_BYTES],
    /// The root of the provider's trace.
    pub trace_root: Digest32,
    /// keccak256 of the digests of the inputs, one after the other.
    pub inputs: Digest32,
}

/// Bytes of an encoded [`Ground`].
pub const GROUND_BYTES: usize = HEADER_BYTES + 96;

impl Ground {
    /// What a position holds of it.
    pub fn hash(&self) -> Digest32 {
        keccak256(&[&self.job, &self.program_root(), &self.trace_root, &self.inputs])
    }

    /// The program root.
    pub fn program_root(&self) -> Digest32 {
        keccak(2, &self.header)
    }

    /// Number of operations of the program.
    pub fn operations(&self) -> u32 {
        u32::from_be_bytes(self.field(6))
    }

    fn constants(&self) -> u32 {
        u32::from_be_bytes(self.field(10))
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.header.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// True where the trace has this digest at this operation.
    pub fn has_wire(&self, operation: u32, digest: &Digest32, path: &[Digest32]) -> bool {
        let leaf = wire_leaf(operation, digest);
        path_root(leaf, operation as usize, self.operations() as usize, path) == Some(self.trace_root)
    }

    /// True where an operation is the program's output of this number, whose leaf has these bytes.
    pub fn has_output(&self, operation: u32, number: u32, leaf: &[u8], path: &[Digest32]) -> bool {
        let outputs = u32::from_be_bytes(self.field(18));
        let root = path_root(keccak(0, leaf), number as usize, outputs as usize, path);
        root == Some(self.field(118)) && output_operation(leaf) == Some(operation)
    }

    /// The descriptor of an operation, from bytes and their path in the program.
    ///
    /// # Errors
    /// Where the program has another, or a referee cannot judge it.
    pub fn descriptor(
        &self,
        operation: u32,
        bytes: &[u8],
        path: &[Digest32],
    ) -> Result<Descriptor, RefereeError> {
        let root = path_root(keccak(0, bytes), operation as usize, self.operations() as usize, path);
        match root == Some(self.field(22)) {
            true => judgeable(bytes),
            false => Err(RefereeError::OtherDescriptor),
        }
    }

    /// Appends job, header, trace root and inputs.
    pub fn encode(&self, w: &mut Writer) {
        w.bytes(&self.job);
        w.bytes(&self.header);
        w.bytes(&self.trace_root);
        w.bytes(&self.inputs);
    }

    /// Reads what [`Ground::encode`] wrote.
    ///
    /// # Errors
    /// Where the bytes end before.
    pub fn decode(r: &mut Reader<'_>) -> Result<Ground, DecodeError> {
        Ok(Ground {
            job: r.array("job")?,
            header: r.array("header")?,
            trace_root: r.array("trace root")?,
            inputs: r.array("inputs")?,
        })
    }
}

/// The operation that an output's leaf names, behind the output's own name.
fn output_operation(leaf: &[u8]) -> Option<u32> {
    let name = u32::from_le_bytes(*leaf.first_chunk()?) as usize;
    leaf.get(4..)?.get(name..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The leaf of an operation's wire in a trace.
pub fn wire_leaf(operation: u32, digest: &Digest32) -> Digest32 {
    keccak256(&[&[0], &operation.to_be_bytes(), &[1], digest])
}

/// A descriptor whose steps are short, whoever wrote it.
///
/// # Errors
/// Where the bytes are none, or beyond the limits of `papers/dispute.md`, section 4.
pub fn judgeable(bytes: &[u8]) -> Result<Descriptor, RefereeError> {
    if bytes.len() > MAX_DESCRIPTOR {
        return Err(RefereeError::Unjudgeable("it is too long"));
    }
    let descriptor = Descriptor::decode(bytes)?;
    let operation = &descriptor.operation;
    let most_sums = match descriptor.precision {
        Precision::Int8 => 4,
        Precision::F32 => 5,
    };
    let real_widths = descriptor.width == 4 && descriptor.operands.iter().all(|operand| operand.width == 4);
    let terms = || operation.sums.iter().flat_map(|sum| &sum.terms);
    let wrong = [
        (operation.sums.len() > most_sums, "it has too many sums"),
        (operation.sums.iter().any(|sum| sum.terms.len() > MAX_TERMS), "a sum has too many terms"),
        (terms().any(|term| term.factors.len() > MAX_FACTORS), "a term has too many factors"),
        (descriptor.strides.iter().flatten().any(|&stride| stride > MAX_STRIDE), "a stride is too long"),
        (descriptor.precision == Precision::F32 && !real_widths, "an f32 element has four bytes"),
        (!descriptor.operands.is_sorted_by(|a, b| a.source < b.source), "its operands are out of order"),
    ];
    match wrong.into_iter().find(|&(wrong, _)| wrong) {
        Some((_, rule)) => Err(RefereeError::Unjudgeable(rule)),
        None => Ok(descriptor),
    }
}

/// The tree of an operation's wire.
pub fn wire_tree(descriptor: &Descriptor) -> Option<Tree> {
    Tree::new(descriptor.operation.shape.cells() as u64 * descriptor.width as u64)
}

/// A chunk of a tensor that a step reads, with all that leads from it to what was fixed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The tensor: its place among the descriptor's operands.
    pub operand: u8,
    /// The chunk.
    pub chunk: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its siblings in the tensor's tree, from the chunk up.
    pub siblings: Vec<Value>,
    /// What ends in the tensor's digest: the digest of an operation's wire, the leaf of a constant, nothing of an input.
    pub leaf: Vec<u8>,
    /// From the leaf up to the trace root or the program's tree of constants; none of an input.
    pub path: Vec<Digest32>,
}

/// Appends openings.
pub fn encode_openings(openings: &[Opening], w: &mut Writer) {
    w.u8(openings.len() as u8);
    for opening in openings {
        w.u8(opening.operand);
        w.bytes(&opening.chunk.to_be_bytes());
        w.bytes(&(opening.bytes.len() as u16).to_be_bytes());
        w.bytes(&opening.bytes);
        w.u8(opening.siblings.len() as u8);
        w.bytes(opening.siblings.as_flattened());
        w.bytes(&(opening.leaf.len() as u16).to_be_bytes());
        w.bytes(&opening.leaf);
        w.u8(opening.path.len() as u8);
        w.bytes(opening.path.as_flattened());
    }
}

/// Reads what [`encode_openings`] wrote.
///
/// # Errors
/// Where the bytes end before.
pub fn decode_openings(r: &mut Reader<'_>) -> Result<Vec<Opening>, DecodeError> {
    let list = |r: &mut Reader<'_>, what| -> Result<Vec<[u8; 32]>, DecodeError> {
        let count = r.u8(what)?;
        (0..count).map(|_| r.array(what)).collect()
    };
    let count = r.u8("openings")?;
    let opening = |r: &mut Reader<'_>| -> Result<Opening, DecodeError> {
        let operand = r.u8("operand")?;
        let chunk = packed::u64(r, "chunk")?;
        let length = usize::from(packed::u16(r, "chunk's length")?);
        let bytes = r.bytes(length, "chunk's bytes")?.to_vec();
        let siblings = list(r, "siblings")?;
        let length = usize::from(packed::u16(r, "leaf's length")?);
        let leaf = r.bytes(length, "leaf")?.to_vec();
        Ok(Opening { operand, chunk, bytes, siblings, leaf, path: list(r, "path")? })
    };
    (0..count).map(|_| opening(r)).collect()
}

/// One element of one operation, and the openings from which one of its steps is computed.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the game stands on.
    pub ground: &'a Ground,
    /// The digests of the inputs, one after the other; empty where none is opened.
    pub inputs: &'a [u8],
    /// The operation.
    pub descriptor: &'a Descriptor,
    /// The element, in row-major order.
    pub element: u64,
    /// What the step reads.
    pub openings: &'a [Opening],
}

impl Case<'_> {
    /// The state after a window.
    ///
    /// # Errors
    /// Where an opening is wrong, missing or not read, or there is no such window or element.
    pub fn advance(&self, window: u64, state: State) -> Result<State, RefereeError> {
        let window = self.descriptor.window(window).ok_or(RefereeError::NoStep)?;
        let output = self.output()?;
        self.read(|opened| self.descriptor.advance(&output, window, state, opened))
    }

    /// The element's value, as its bytes read as a little-endian integer, from the state after the last window.
    ///
    /// # Errors
    /// Where an opening is wrong, missing or not read, or there is no such element.
    pub fn finish(&self, state: State) -> Result<u64, RefereeError> {
        let output = self.output()?;
        let value = self.read(|opened| self.descriptor.finish(&output, state, opened))?;
        Ok(value_bits(value, self.descriptor.width))
    }

    fn output(&self) -> Result<Vec<usize>, RefereeError> {
        match self.element < self.descriptor.operation.shape.cells() as u64 {
            true => Ok(self.descriptor.point(self.element)),
            false => Err(RefereeError::NoStep),
        }
    }

    fn read<T>(
        &self,
        step: impl FnOnce(&mut Opened<'_>) -> Result<T, RefereeError>,
    ) -> Result<T, RefereeError> {
        self.check_openings()?;
        let read = alloc::vec![false; self.openings.len()];
        let mut opened = Opened { descriptor: self.descriptor, openings: self.openings, read };
        let result = step(&mut opened)?;
        match opened.read.iter().position(|read| !read) {
            Some(opening) => Err(RefereeError::Unread(opening)),
            None => Ok(result),
        }
    }

    fn check_openings(&self) -> Result<(), RefereeError> {
        let source = |opening: &Opening| {
            self.descriptor.operands.get(usize::from(opening.operand)).map(|operand| operand.source)
        };
        let reads_input = self.openings.iter().any(|x| matches!(source(x), Some(Source::Input(_))));
        let right = match reads_input {
            true => keccak256(&[self.inputs]) == self.ground.inputs,
            false => self.inputs.is_empty(),
        };
        if !right {
            return Err(RefereeError::Inputs);
        }
        let mut before = None;
        for (number, opening) in self.openings.iter().enumerate() {
            let place = (opening.operand, opening.chunk);
            let operand = self.descriptor.operands.get(usize::from(opening.operand));
            let operand = operand.filter(|_| before.is_none_or(|before| before < place));
            let operand = operand.ok_or(RefereeError::Order(number))?;
            before = Some(place);
            let digest = self.digest(operand.source, opening).ok_or(RefereeError::Unbound(number))?;
            let tree = Tree::new(operand.shape.cells() as u64 * operand.width as u64);
            let tree = tree.ok_or(RefereeError::Unjudgeable("an operand is too large"))?;
            let root = tree
                .root_from_chunk(&opening.bytes, opening.chunk, &opening.siblings)
                .map_err(|error| RefereeError::Chunk { opening: number, error })?;
            if root != digest {
                return Err(RefereeError::OtherChunk(number));
            }
        }
        Ok(())
    }

    /// The digest of a tensor, where the opening binds it.
    fn digest(&self, source: Source, opening: &Opening) -> Option<Digest32> {
        let digest: Option<Digest32> = opening.leaf.last_chunk().copied();
        match source {
            Source::Operation(number) => {
                let digest = digest.filter(|_| opening.leaf.len() == 32)?;
                let number = u32::try_from(number).ok()?;
                self.ground.has_wire(number, &digest, &opening.path).then_some(digest)
            }
            Source::Constant(number) => {
                let count = self.ground.constants() as usize;
                let root = path_root(keccak(0, &opening.leaf), number, count, &opening.path);
                digest.filter(|_| root == Some(self.ground.field(54)))
            }
            Source::Input(number) => {
                let (words, _) = self.inputs.as_chunks::<32>();
                let bound = opening.leaf.is_empty() && opening.path.is_empty();
                words.get(number).copied().filter(|_| bound)
            }
        }
    }
}

/// The bits of an element of so many bytes.
pub fn value_bits(value: i64, width: usize) -> u64 {
    match width {
        1 | 2 | 4 => value as u64 & ((1 << (8 * width)) - 1),
        _ => value as u64,
    }
}

/// The element at a place of a chunk's bytes: an integer sign-extended, or the bits of a binary32.
pub fn element_of_chunk(bytes: &[u8], width: usize, real: bool, offset: usize) -> Option<i64> {
    let own = bytes.get(offset..offset.checked_add(width)?)?;
    let negative = !real && own.last().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1i64 } else { 0 };
    Some(own.iter().rev().fold(start, |value, &byte| value << 8 | i64::from(byte)))
}

struct Opened<'a> {
    descriptor: &'a Descriptor,
    openings: &'a [Opening],
    read: Vec<bool>,
}

impl Elements for Opened<'_> {
    type Error = RefereeError;

    fn element(&mut self, source: Source, place: u64) -> Result<i64, RefereeError> {
        let operands = self.descriptor.operands.iter().enumerate();
        let Some((operand, spec)) = operands.into_iter().find(|(_, operand)| operand.source == source) else {
            return Err(RefereeError::NoStep);
        };
        let byte = place * spec.width as u64;
        let (chunk, offset) = (byte / CHUNK as u64, (byte % CHUNK as u64) as usize);
        let closed = RefereeError::Closed { operand, chunk };
        let key = |opening: &Opening| (usize::from(opening.operand), opening.chunk);
        let Ok(number) = self.openings.binary_search_by_key(&(operand, chunk), key) else {
            return Err(closed);
        };
        let real = self.descriptor.precision == Precision::F32;
        let value = self
            .openings
            .get(number)
            .and_then(|opening| element_of_chunk(&opening.bytes, spec.width, real, offset));
        if let Some(read) = self.read.get_mut(number) {
            *read = true;
        }
        value.ok_or(closed)
    }
}

/// A state as a word: its four words of 64 bits, big-endian.
pub fn state_word(state: State) -> [u8; 32] {
    let mut word = [0; 32];
    for (slot, part) in word.chunks_exact_mut(8).zip(state) {
        slot.copy_from_slice(&part.to_be_bytes());
    }
    word
}

/// The state of a word.
pub fn word_state(word: &[u8; 32]) -> State {
    let mut state = [0; 4];
    for (slot, part) in state.iter_mut().zip(word.as_chunks::<8>().0) {
        *slot = u64::from_be_bytes(*part);
    }
    state
}

/// States as a move posts them: the first `words` words of each.
pub fn pack_states(states: &[State], words: usize) -> Vec<u8> {
    states.iter().flat_map(|state| state.iter().take(words).flat_map(|word| word.to_be_bytes())).collect()
}

/// `count` states of `words` words; `None` where their bytes are more or fewer.
pub fn unpack_states(bytes: &[u8], words: usize, count: usize) -> Option<Vec<State>> {
    if words > 4 || bytes.len() != words.checked_mul(8)?.checked_mul(count)? {
        return None;
    }
    if words == 0 {
        return Some(alloc::vec![[0; 4]; count]);
    }
    let state = |bytes: &[u8]| {
        let mut state = [0; 4];
        for (slot, part) in state.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *slot = u64::from_be_bytes(*part);
        }
        state
    };
    Some(bytes.chunks_exact(8 * words).map(state).collect())
}
