//! The Rust types as the contract has them, and back.
//!
//! `AssayDispute` reads what a job, a game and a move are from its calldata; here is what Rust's own types become there. A
//! position comes back from the events of a game.

use crate::abi::AssayDispute as A;
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolValue};
use assay_verifier::dispute::{Claim, Move, Open, Position, Wire};
use assay_verifier::escrow::Shown;
use assay_verifier::receipt::{OutputClaim, Receipt};
use assay_verifier::referee::{Ground, encode_openings};
use assay_verifier::terms::Terms;

/// A call of the contract, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function's name.
    pub name: &'static str,
    /// The calldata.
    pub data: Bytes,
}

impl Call {
    /// A call of a function.
    pub fn of<C: SolCall>(call: &C) -> Call {
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        Call { name, data: call.abi_encode().into() }
    }
}

fn words(words: &[[u8; 32]]) -> Bytes {
    words.as_flattened().to_vec().into()
}

/// Terms.
pub fn terms(terms: &Terms) -> A::Terms {
    A::Terms {
        program: terms.program.into(),
        inputs: terms.inputs.iter().map(B256::from).collect(),
        provider: terms.provider.into(),
        price: U256::from_be_bytes(terms.price),
        providerBond: U256::from_be_bytes(terms.provider_bond),
        challengerBond: U256::from_be_bytes(terms.challenger_bond),
        acceptBy: terms.accept_by,
        postBy: terms.post_by,
        window: terms.window,
        providerClock: terms.provider_clock,
        challengerClock: terms.challenger_clock,
        gasPriceCap: U256::from_be_bytes(terms.gas_price_cap),
        lateFee: U256::from_be_bytes(terms.late_fee),
        token: terms.token.into(),
        auditCommitment: terms.audit_commitment.into(),
        beaconKind: terms.beacon_kind,
        beacon: terms.beacon.into(),
        referee: terms.referee.into(),
    }
}

/// What a game stands on.
pub fn ground(ground: &Ground) -> A::Ground {
    A::Ground {
        job: ground.job.into(),
        header: ground.header.to_vec().into(),
        traceRoot: ground.trace_root.into(),
        inputs: ground.inputs.into(),
    }
}

/// A position, whose words are the same on both sides; none where the contract has no such type of words.
pub fn position(position: &Position) -> Option<A::Position> {
    A::Position::abi_decode(&position.encode()).ok()
}

/// The position that an event carries; none where Rust has no such phase.
pub fn position_of(position: &A::Position) -> Option<Position> {
    Position::decode(&position.abi_encode()).ok()
}

fn claim(claim: &Claim) -> A::Claim {
    A::Claim { element: claim.element, value: claim.value, states: claim.states.clone().into() }
}

fn operation(wire: &Wire) -> A::Operation {
    A::Operation {
        number: wire.operation,
        digest: wire.digest.into(),
        leafPath: words(&wire.leaf_path),
        descriptor: wire.descriptor.clone().into(),
        path: words(&wire.path),
    }
}

/// The posting of a receipt. `leaves` are the outputs' leaves in the program, in its order; none where there is another
/// number of them.
pub fn post(
    on: &Ground,
    nonce: [u8; 32],
    agreed: &Terms,
    receipt: &Receipt,
    leaves: &[Vec<u8>],
    signature: &[u8],
) -> Option<Call> {
    if leaves.len() != receipt.outputs.len() {
        return None;
    }
    let output = |(output, leaf): (&OutputClaim, &Vec<u8>)| A::OutputClaim {
        operation: output.operation,
        digest: output.digest.into(),
        path: words(&output.path),
        leaf: leaf.clone().into(),
    };
    let outputs = receipt.outputs.iter().zip(leaves).map(output).collect();
    Some(Call::of(&A::postCall {
        ground: ground(on),
        nonce: U256::from_be_bytes(nonce),
        _2: terms(agreed),
        _3: outputs,
        signature: signature.to_vec().into(),
    }))
}

/// The opening of a game.
pub fn open(on: &Ground, commitment: [u8; 32], how: &Open) -> Call {
    let (id, commitment) = (on.job.into(), commitment.into());
    let on = ground(on);
    match how {
        Open::Root => Call::of(&A::openRootCall { id, ground: on, commitment }),
        Open::Operation(wire) => {
            Call::of(&A::openOperationCall { id, ground: on, commitment, _3: operation(wire) })
        }
        Open::Chunk { wire, chunk, bytes, siblings, claim: claimed } => Call::of(&A::openChunkCall {
            id,
            ground: on,
            commitment,
            _3: operation(wire),
            _4: A::Chunk { index: *chunk, data: bytes.clone().into(), siblings: words(siblings) },
            claim_: claim(claimed),
        }),
        Open::Disclose { wire, output, chunk } => Call::of(&A::discloseCall {
            id,
            ground: on,
            _2: operation(wire),
            _3: U256::from(output.number),
            _4: output.leaf.clone().into(),
            _5: words(&output.path),
            _6: *chunk,
        }),
    }
}

/// What takes the prize of a game that fell at a position; none where the contract has no such position.
pub fn contest(game: B256, at: &Position, on: &Ground, shown: &Shown) -> Option<Call> {
    let shown = A::Shown {
        traceRoot: shown.trace_root.into(),
        salt: shown.salt.into(),
        digest: shown.digest.into(),
        leafPath: words(&shown.leaf_path),
        chunk: shown.chunk.clone().into(),
        siblings: words(&shown.siblings),
    };
    Some(Call::of(&A::contestCall { game, position: position(at)?, _2: ground(on), shown }))
}

/// A move of a game at a position; none where the contract has no such position.
pub fn call(game: B256, at: &Position, played: &Move) -> Option<Call> {
    let position = position(at)?;
    Some(match played {
        Move::Reveal { values } => Call::of(&A::revealCall { game, position, values: words(values) }),
        Move::Pick { values, place } => {
            Call::of(&A::pickCall { game, position, _2: words(values), _3: U256::from(*place) })
        }
        Move::RevealLeaf { ground: on, digest, descriptor, path } => Call::of(&A::revealLeafCall {
            game,
            position,
            _2: ground(on),
            _3: digest.into(),
            _4: descriptor.clone().into(),
            _5: words(path),
        }),
        Move::RevealChunk { chunk } => {
            Call::of(&A::revealChunkCall { game, position, chunk: chunk.clone().into() })
        }
        Move::Claim { chunk, claim: claimed } => {
            Call::of(&A::claimCall { game, position, _2: chunk.clone().into(), claim_: claim(claimed) })
        }
        Move::Rebut { states, step, ground: on, inputs, descriptor, openings } => {
            let mut packed = assay_circuits::encoding::Writer::new();
            encode_openings(openings, &mut packed);
            let rebuttal = A::Rebuttal {
                states: states.clone().into(),
                step: U256::from(*step),
                inputs: inputs.clone().into(),
                descriptor: descriptor.clone().into(),
                openings: packed.finish().into(),
            };
            Call::of(&A::rebutCall { game, position, _2: ground(on), _3: rebuttal })
        }
        Move::Split { states, step } => {
            Call::of(&A::splitCall { game, position, _2: states.clone().into(), _3: U256::from(*step) })
        }
        Move::Refine { states } => Call::of(&A::refineCall { game, position, states: states.clone().into() }),
        Move::Answer { chunk, siblings } => {
            Call::of(&A::answerCall { game, position, chunk: chunk.clone().into(), _3: words(siblings) })
        }
        Move::Timeout => Call::of(&A::timeoutCall { game, position }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_verifier::dispute::Phase;

    fn example() -> Position {
        let (node, before) = ([7; 32], [1, 2, 3, u64::MAX]);
        Position {
            phase: Phase::Refine,
            node,
            before,
            height: 9,
            to: 1 << 40,
            value: 5,
            ..Position::default()
        }
    }

    #[test]
    fn a_position_survives_the_way_to_the_contract_and_back() {
        let there = position(&example()).expect("words of a position");
        assert_eq!(there.before, U256::from_be_bytes(assay_verifier::referee::state_word(example().before)));
        assert_eq!(position_of(&there), Some(example()));
        let later = A::Position { deadline: 1, ..there };
        assert_ne!(position_of(&later), Some(example()));
    }

    #[test]
    fn a_position_of_a_phase_without_a_twin_is_none() {
        let there = position(&example()).expect("words of a position");
        for phase in [0, 12, 255] {
            assert_eq!(position_of(&A::Position { phase, ..there.clone() }), None);
        }
    }

    #[test]
    fn what_takes_a_prize_is_the_call_of_contest() {
        let shown = Shown {
            trace_root: [1; 32],
            salt: [2; 32],
            digest: [3; 32],
            leaf_path: vec![[4; 32]; 3],
            chunk: vec![5; 7],
            siblings: vec![[6; 32]; 2],
        };
        let on = Ground { job: [7; 32], header: [8; 182], trace_root: [9; 32], inputs: [10; 32] };
        let call = contest(B256::ZERO, &example(), &on, &shown).expect("a call");
        assert_eq!(call.name, "contest");
        let read = A::contestCall::abi_decode(&call.data).expect("a contest");
        assert_eq!(position_of(&read.position), Some(example()));
        assert_eq!(
            (read.shown.salt.0, read.shown.leafPath.len(), read.shown.siblings.len()),
            ([2; 32], 96, 64)
        );
        assert_eq!(read._2.traceRoot.0, [9; 32]);
    }

    #[test]
    fn a_move_is_the_call_of_its_function() {
        let values = vec![[3; 32]; 2];
        let call = call(B256::ZERO, &example(), &Move::Pick { values, place: 1 }).expect("a call");
        assert_eq!(call.name, "pick");
        let read = A::pickCall::abi_decode(&call.data).expect("a pick");
        assert_eq!((read._2.len(), read._3), (64, U256::from(1)));
    }
}
