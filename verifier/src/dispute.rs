//! The game of a dispute: a pure state machine.
//!
//! A challenger leads a provider down its own trace to one chunk, then states the honest computation of one element; the
//! provider must show one step of it false. A party that cannot move loses when its clock runs out.
//!
//! ```text
//! open -> RevealTrace <-> ChooseTrace -> RevealLeaf -> RevealTensor <-> ChooseTensor -> RevealChunk -> ChooseChunk
//!      -> Answer -> Refine <-> AnswerInner                     rebut: the provider wins; timeout: who did not move loses
//! ```
//!
//! A disclosure is a game of one move: the buyer asks for a chunk of an output, and anyone shows it.
//!
//! [`open`] gives the first position, [`play`] the next one. A move that is not legal changes nothing.
//!
//! Specification: `papers/dispute.md`, section 3. The contracts compute the same.

mod claim;
mod moves;
mod position;

pub use claim::{Groups, MAX_STATES};
pub use moves::{Claim, Move, Open, Output, Wire};
pub use position::{POSITION_BYTES, Phase, Position, Side};

use crate::keccak::keccak256;
use crate::referee::{
    Case, Ground, RefereeError, element_of_chunk, judgeable, pack_states, unpack_states, value_bits,
    wire_leaf, wire_tree,
};
use crate::tensor_tree::{LEVELS, TreeError, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use assay_circuits::descriptor::{CHUNK, Descriptor};
use assay_circuits::element::State;
use assay_circuits::root::{Digest32, keccak};
use thiserror::Error;

/// Who sends a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// The provider, or the agent that it named.
    Provider,
    /// The challenger of this game.
    Challenger,
    /// Anyone else.
    Stranger,
}

/// The time that each side of a game has, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The provider's.
    pub provider: u64,
    /// The challenger's.
    pub challenger: u64,
}

/// What a move leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The game goes on.
    Position(Box<Position>),
    /// This side has won.
    Won(Side),
}

/// Why a move is not legal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Illegal {
    /// The clock of the side to move has run out.
    #[error("the clock has run out")]
    Late,
    /// The clock of the side to move has not run out.
    #[error("the clock has not run out")]
    Early,
    /// It is not a move of this phase.
    #[error("no move of the phase {0:?}")]
    Phase(Phase),
    /// The sender may not make it.
    #[error("the sender may not make this move")]
    Sender,
    /// The ground is not that of the game.
    #[error("the game stands on another ground")]
    Ground,
    /// What is repeated is not what was revealed or claimed.
    #[error("this is not what was revealed or claimed")]
    Repeated,
    /// What is revealed is not below the node.
    #[error("this is not what is below the node")]
    NotBelow,
    /// There is no such place.
    #[error("there is no such place")]
    NoPlace,
    /// The wire of the operation is not in the trace.
    #[error("the trace has another digest at this operation")]
    OtherWire,
    /// The operation is not the program's output of this number.
    #[error("the operation is not that output of the program")]
    OtherOutput,
    /// A part of the tensor's tree is not one.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// The referee refuses what it is given.
    #[error("{0}")]
    Referee(#[from] RefereeError),
    /// The element is not in the chunk.
    #[error("the element is not in the chunk")]
    OutsideChunk,
    /// The claimed value is the provider's own, or has more bits than the element.
    #[error("the claim is no other value of the element")]
    NoOtherValue,
    /// The states are more or fewer than the claim has.
    #[error("the claim has another number of states")]
    States,
    /// The last state is not the one that was claimed.
    #[error("the last state is another than claimed")]
    OtherEnd,
    /// The step covers one window or none.
    #[error("the step cannot be split")]
    Unsplittable,
    /// The step covers more than one window.
    #[error("the step is too long to judge")]
    TooLong,
    /// The referee computes what is claimed.
    #[error("the step is as claimed")]
    AsClaimed,
}

/// The first position of a game.
///
/// # Errors
/// Where it does not stand on the ground.
pub fn open(ground: &Ground, how: &Open, clocks: Clocks, now: u64) -> Result<Position, Illegal> {
    let start = Position {
        phase: Phase::RevealTrace,
        ground: ground.hash(),
        deadline: now.saturating_add(clocks.provider),
        reserve: clocks.challenger,
        operations: ground.operations(),
        height: u64::from(ground.operations()).next_power_of_two().trailing_zeros() as u8,
        node: ground.trace_root,
        ..Position::default()
    };
    match how {
        Open::Root if start.operations == 0 => Err(Illegal::NoPlace),
        Open::Root => Ok(at_leaf(start)),
        Open::Operation(wire) => open_wire(start, ground, wire),
        Open::Chunk { wire, chunk, bytes, siblings, claim } => {
            let position = open_wire(start, ground, wire)?;
            let tree = position.tree().ok_or(Illegal::NoPlace)?;
            if tree.root_from_chunk(bytes, *chunk, siblings)? != wire.digest {
                return Err(Illegal::NotBelow);
            }
            let revealed = Position { first: *chunk, chunks: 1, ..position };
            claimed(revealed, bytes, claim, now)
        }
        Open::Disclose { wire, output, chunk } => {
            if !ground.has_output(wire.operation, output.number, &output.leaf, &output.path) {
                return Err(Illegal::OtherOutput);
            }
            let position = open_wire(start, ground, wire)?;
            match *chunk < position.chunks {
                true => Ok(Position { phase: Phase::Disclose, first: *chunk, chunks: 1, ..position }),
                false => Err(Illegal::NoPlace),
            }
        }
    }
}

fn open_wire(position: Position, ground: &Ground, wire: &Wire) -> Result<Position, Illegal> {
    if !ground.has_wire(wire.operation, &wire.digest, &wire.leaf_path) {
        return Err(Illegal::OtherWire);
    }
    let descriptor = ground.descriptor(wire.operation, &wire.descriptor, &wire.path)?;
    at_wire(position, wire.operation, &wire.digest, &wire.descriptor, &descriptor)
}

/// The position after a move.
///
/// # Errors
/// Where the move is not legal. Nothing has changed then.
pub fn play(position: &Position, sender: Sender, played: &Move, now: u64) -> Result<Next, Illegal> {
    let mover = position.phase.mover();
    if *played == Move::Timeout {
        return match now >= position.deadline {
            true => Ok(Next::Won(mover.other())),
            false => Err(Illegal::Early),
        };
    }
    if now >= position.deadline {
        return Err(Illegal::Late);
    }
    let may = match mover {
        Side::Challenger => sender == Sender::Challenger,
        Side::Provider => !matches!(played, Move::Split { .. }) || sender == Sender::Provider,
    };
    if !may {
        return Err(Illegal::Sender);
    }
    let next = match (position.phase, played) {
        (Phase::RevealTrace, Move::Reveal { values }) => reveal_trace(position, values),
        (Phase::ChooseTrace, Move::Pick { values, place }) => pick_trace(position, values, *place),
        (Phase::RevealLeaf, Move::RevealLeaf { ground, digest, descriptor, path }) => {
            reveal_leaf(position, ground, digest, descriptor, path)
        }
        (Phase::RevealTensor, Move::Reveal { values }) => reveal_tensor(position, values),
        (Phase::ChooseTensor, Move::Pick { values, place }) => pick_tensor(position, values, *place),
        (Phase::RevealChunk, Move::RevealChunk { chunk }) => reveal_chunk(position, chunk),
        (Phase::ChooseChunk, Move::Claim { chunk, claim }) => {
            if keccak256(&[chunk]) != position.node {
                return Err(Illegal::Repeated);
            }
            claimed(position.clone(), chunk, claim, now)
        }
        (Phase::Answer | Phase::AnswerInner, Move::Split { states, step }) => split(position, states, *step),
        (Phase::Answer | Phase::AnswerInner, Move::Rebut { .. }) => {
            return rebut(position, played).map(|()| Next::Won(Side::Provider));
        }
        (Phase::Refine, Move::Refine { states }) => refine(position, states),
        (Phase::Disclose, Move::Answer { chunk, siblings }) => {
            let tree = position.tree().ok_or(Illegal::NoPlace)?;
            return match tree.root_from_chunk(chunk, position.first, siblings)? == position.node {
                true => Ok(Next::Won(Side::Provider)),
                false => Err(Illegal::NotBelow),
            };
        }
        (phase, _) => Err(Illegal::Phase(phase)),
    }?;
    // A side that moves again does so on its own clock.
    let (deadline, reserve) = match next.phase.mover() == position.phase.mover() {
        true => (position.deadline, position.reserve),
        false => (now.saturating_add(position.reserve), position.deadline - now),
    };
    Ok(Next::Position(Box::new(Position { deadline, reserve, ..next })))
}

/// The root of the tree over `2^height` zero words.
fn zero_node(height: u32) -> Digest32 {
    (0..height).fold([0; 32], |node, _| keccak(1, [node, node].as_flattened()))
}

/// A node of a single leaf is that leaf.
fn at_leaf(position: Position) -> Position {
    match position.height {
        0 => Position { phase: Phase::RevealLeaf, operations: 0, ..position },
        _ => Position { phase: Phase::RevealTrace, ..position },
    }
}

/// Levels that a reveal of the trace covers, and the height of the nodes that it shows.
fn trace_levels(position: &Position) -> (u32, u32) {
    let height = u32::from(position.height);
    let levels = height.min(LEVELS);
    (levels, height - levels)
}

/// The first leaf below a node that is revealed.
fn first_leaf(position: &Position, place: usize) -> u64 {
    let (levels, height) = trace_levels(position);
    ((u64::from(position.operation) << levels) + place as u64) << height.min(32)
}

fn reveal_trace(position: &Position, values: &[Value]) -> Result<Position, Illegal> {
    let (levels, height) = trace_levels(position);
    if values.len() != 1 << levels {
        return Err(Illegal::NotBelow);
    }
    let mut level: Vec<Value> = values.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|pair| keccak(1, pair.as_flattened())).collect();
    }
    let padding = zero_node(height);
    let padded = values.iter().enumerate().all(|(place, value)| {
        first_leaf(position, place) < u64::from(position.operations) || *value == padding
    });
    match level.first() == Some(&position.node) && padded {
        true => Ok(Position {
            phase: Phase::ChooseTrace,
            node: keccak256(&[values.as_flattened()]),
            ..position.clone()
        }),
        false => Err(Illegal::NotBelow),
    }
}

/// The node of this place, where the values are those that were revealed.
fn picked(position: &Position, values: &[Value], place: u16) -> Result<Value, Illegal> {
    if keccak256(&[values.as_flattened()]) != position.node {
        return Err(Illegal::Repeated);
    }
    values.get(usize::from(place)).copied().ok_or(Illegal::NoPlace)
}

fn pick_trace(position: &Position, values: &[Value], place: u16) -> Result<Position, Illegal> {
    let node = picked(position, values, place)?;
    if first_leaf(position, place.into()) >= u64::from(position.operations) {
        return Err(Illegal::NoPlace);
    }
    let (levels, height) = trace_levels(position);
    let operation = (position.operation << levels) | u32::from(place);
    Ok(at_leaf(Position { node, operation, height: height as u8, ..position.clone() }))
}

fn reveal_leaf(
    position: &Position,
    ground: &Ground,
    digest: &Digest32,
    bytes: &[u8],
    path: &[Digest32],
) -> Result<Position, Illegal> {
    if ground.hash() != position.ground {
        return Err(Illegal::Ground);
    }
    if wire_leaf(position.operation, digest) != position.node {
        return Err(Illegal::NotBelow);
    }
    let descriptor = ground.descriptor(position.operation, bytes, path)?;
    at_wire(position.clone(), position.operation, digest, bytes, &descriptor)
}

/// At the root of an operation's wire.
fn at_wire(
    position: Position,
    operation: u32,
    digest: &Digest32,
    bytes: &[u8],
    descriptor: &Descriptor,
) -> Result<Position, Illegal> {
    let tree = wire_tree(descriptor).ok_or(RefereeError::Unjudgeable("its wire is too large"))?;
    Ok(at_chunk(Position {
        operations: 0,
        height: 0,
        operation,
        node: *digest,
        descriptor: keccak(0, bytes),
        length: descriptor.operation.shape.cells() as u64 * descriptor.width as u64,
        first: 0,
        chunks: tree.chunks(),
        width: descriptor.width as u8,
        words: descriptor.words() as u8,
        from: 0,
        to: descriptor.windows(),
        before: descriptor.start(),
        ..position
    }))
}

/// A node of a single chunk is that chunk.
fn at_chunk(position: Position) -> Position {
    let phase = if position.chunks == 1 { Phase::RevealChunk } else { Phase::RevealTensor };
    Position { phase, ..position }
}

fn reveal_tensor(position: &Position, values: &[Value]) -> Result<Position, Illegal> {
    let tree = position.tree().ok_or(Illegal::NoPlace)?;
    match tree.merge(position.tensor_node(), LEVELS, values)? == position.node {
        true => Ok(Position {
            phase: Phase::ChooseTensor,
            node: keccak256(&[values.as_flattened()]),
            ..position.clone()
        }),
        false => Err(Illegal::NotBelow),
    }
}

fn pick_tensor(position: &Position, values: &[Value], place: u16) -> Result<Position, Illegal> {
    let node = picked(position, values, place)?;
    let below = position.tensor_node().below(LEVELS);
    let chosen = below.get(usize::from(place)).ok_or(Illegal::NoPlace)?;
    Ok(at_chunk(Position { node, first: chosen.first, chunks: chosen.chunks, ..position.clone() }))
}

fn reveal_chunk(position: &Position, chunk: &[u8]) -> Result<Position, Illegal> {
    let tree = position.tree().ok_or(Illegal::NoPlace)?;
    match tree.chunk_value(chunk, position.first)? == position.node {
        true => Ok(Position { phase: Phase::ChooseChunk, node: keccak256(&[chunk]), ..position.clone() }),
        false => Err(Illegal::NotBelow),
    }
}

/// After the claim of an element of a chunk that is open.
fn claimed(position: Position, chunk: &[u8], claim: &Claim, now: u64) -> Result<Position, Illegal> {
    let width = usize::from(position.width);
    let byte = claim.element.checked_mul(width as u64).ok_or(Illegal::OutsideChunk)?;
    if byte >= position.length || byte / CHUNK as u64 != position.first {
        return Err(Illegal::OutsideChunk);
    }
    let own = element_of_chunk(chunk, width, false, (byte % CHUNK as u64) as usize);
    let own = own.map(|own| value_bits(own, width)).ok_or(Illegal::OutsideChunk)?;
    if claim.value == own || claim.value != value_bits(claim.value as i64, width) {
        return Err(Illegal::NoOtherValue);
    }
    states_of(&position, &claim.states)?;
    Ok(Position {
        phase: Phase::Answer,
        node: keccak256(&[&claim.states]),
        first: 0,
        chunks: 0,
        element: claim.element,
        value: claim.value,
        claimed: now,
        ..position
    })
}

/// The states of a claim on the position's windows.
fn states_of(position: &Position, packed: &[u8]) -> Result<Vec<State>, Illegal> {
    unpack_states(packed, position.words.into(), position.groups().count()).ok_or(Illegal::States)
}

/// The states of the claim that stands, the state before it first.
fn standing(position: &Position, packed: &[u8]) -> Result<Vec<State>, Illegal> {
    if keccak256(&[packed]) != position.node {
        return Err(Illegal::Repeated);
    }
    let mut states = alloc::vec![position.before];
    states.extend(states_of(position, packed)?);
    Ok(states)
}

fn split(position: &Position, packed: &[u8], step: u16) -> Result<Position, Illegal> {
    let states = standing(position, packed)?;
    let step = usize::from(step);
    let windows = position.groups().windows_of(step).ok_or(Illegal::Unsplittable)?;
    let (Some(&before), Some(&after)) = (states.get(step), states.get(step + 1)) else {
        return Err(Illegal::Unsplittable);
    };
    if windows.end - windows.start < 2 {
        return Err(Illegal::Unsplittable);
    }
    Ok(Position {
        phase: Phase::Refine,
        node: [0; 32],
        from: windows.start,
        to: windows.end,
        before,
        after,
        ..position.clone()
    })
}

fn refine(position: &Position, packed: &[u8]) -> Result<Position, Illegal> {
    let states = states_of(position, packed)?;
    match states.last() == Some(&position.after) {
        true => Ok(Position { phase: Phase::AnswerInner, node: keccak256(&[packed]), ..position.clone() }),
        false => Err(Illegal::OtherEnd),
    }
}

fn rebut(position: &Position, played: &Move) -> Result<(), Illegal> {
    let Move::Rebut { states, step, ground, inputs, descriptor, openings } = played else {
        return Err(Illegal::Phase(position.phase));
    };
    if ground.hash() != position.ground {
        return Err(Illegal::Ground);
    }
    if keccak(0, descriptor) != position.descriptor {
        return Err(RefereeError::OtherDescriptor.into());
    }
    let descriptor = judgeable(descriptor)?;
    let states = standing(position, states)?;
    let step = usize::from(*step);
    let state = *states.get(step).ok_or(Illegal::NoPlace)?;
    let case = Case { ground, inputs, descriptor: &descriptor, element: position.element, openings };
    let as_claimed = match position.groups().windows_of(step) {
        Some(windows) if windows.end - windows.start > 1 => return Err(Illegal::TooLong),
        Some(windows) => {
            let after = case.advance(windows.start, state)?;
            let words = usize::from(position.words);
            let claimed = states.get(step + 1).ok_or(Illegal::NoPlace)?;
            pack_states(&[after], words) == pack_states(&[*claimed], words)
        }
        None if position.phase == Phase::Answer => case.finish(state)? == position.value,
        None => return Err(Illegal::NoPlace),
    };
    match as_claimed {
        true => Err(Illegal::AsClaimed),
        false => Ok(()),
    }
}
