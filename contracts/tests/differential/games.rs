//! Whole games, with what is not legal tried between the moves.

use super::common::programs::Dice;
use super::evm::Evm;
use super::play::{CLOCKS, Liar, Player, Slanderer};
use super::rare::{joined, strided, three_factors};
use super::world::Job;
use alloy::primitives::B256;
use alloy::sol_types::SolValue;
use assay_contracts::abi::AssayDispute;
use assay_contracts::{call, open, position_of};
use assay_prover::dispute::{Challenger, Provider, Record, disclosure};
use assay_verifier::dispute::{self, Move, Next, Open, Position, Sender, Side};
use assay_verifier::referee::Ground;
use std::collections::BTreeMap;

/// Moves by name that both took, and that both refused.
type Tally = BTreeMap<&'static str, [usize; 2]>;

/// What the rules answer to a call, without the sides' clocks, which are not theirs.
fn answer(evm: &mut Evm, data: alloy::primitives::Bytes) -> Option<Position> {
    let answer = evm.ask(evm.rules, data)?;
    let position = AssayDispute::Position::abi_decode(&answer).unwrap();
    Some(without_clocks(position_of(&position).unwrap()))
}

fn without_clocks(position: Position) -> Position {
    Position { deadline: 0, reserve: 0, ..position }
}

/// Tries a move on both sides, in time and by the side that may.
fn attempt(evm: &mut Evm, position: &Position, played: &Move, tally: &mut Tally) -> Option<Next> {
    let sender = match position.phase.mover() {
        Side::Provider => Sender::Provider,
        Side::Challenger => Sender::Challenger,
    };
    let now = position.deadline - 1;
    let next = dispute::play(position, sender, played, now).ok();
    evm.at(now);
    let call = call(B256::ZERO, position, played).unwrap();
    let answer = answer(evm, call.data);
    assert_eq!(answer.is_some(), next.is_some(), "{} at {position:?}", call.name);
    if let Some(Next::Position(next)) = &next {
        assert_eq!(answer, Some(without_clocks((**next).clone())), "{}", call.name);
    }
    tally.entry(call.name).or_default()[usize::from(next.is_none())] += 1;
    next
}

fn game(
    evm: &mut Evm,
    ground: &Ground,
    how: &Open,
    (provider, opponent): (&dyn Player, &dyn Player),
    dice: &mut Dice,
    tally: &mut Tally,
) {
    let opened = dispute::open(ground, how, CLOCKS, 100).ok();
    evm.at(100);
    let call = open(ground, [7; 32], how);
    assert_eq!(answer(evm, call.data), opened.clone().map(without_clocks), "{}", call.name);
    tally.entry(call.name).or_default()[usize::from(opened.is_none())] += 1;
    let Some(mut position) = opened else { return };
    let mut shown = how.shown().to_vec();
    loop {
        let player = match position.phase.mover() {
            Side::Provider => provider,
            Side::Challenger => opponent,
        };
        let mut ended = None;
        for played in player.moves(&position, &shown, dice) {
            if dice.one_in(3) {
                let mut changed = played.encode();
                let at = dice.from(1..=changed.len() as i64 - 1) as usize;
                changed[at] ^= 1 << dice.from(0..=7);
                if let Ok(changed) = Move::decode(&changed) {
                    attempt(evm, &position, &changed, tally);
                }
            }
            ended = attempt(evm, &position, &played, tally).map(|next| (next, played.shown().to_vec()));
            if ended.is_some() {
                break;
            }
        }
        match ended {
            Some((Next::Position(next), bytes)) => (position, shown) = (*next, bytes),
            _ => return,
        }
    }
}

#[test]
fn games_are_played_alike() {
    let (mut evm, mut dice, mut tally) = (Evm::new(), Dice(38), Tally::new());
    let long = (0..8).flat_map(|_| [three_factors(), strided(), joined()]);
    let random =
        (2_000..2_160).map(|seed| if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) });
    for job in long.chain(random) {
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        for _ in 0..3 {
            let how = slanderer.opening(&mut dice);
            game(&mut evm, &provider.ground, &how, (&provider, &slanderer), &mut dice, &mut tally);
        }
        let digests = &provider.record.digests;
        let chunk = dice.from(0..=1) as u64;
        let how = disclosure(&job.program, digests, 0, chunk).unwrap();
        game(&mut evm, &provider.ground, &how, (&provider, &slanderer), &mut dice, &mut tally);
        let run = job.changed(&mut dice);
        if job.is_honest(&run) {
            continue;
        }
        let liar = Liar::new(&job.program, &run);
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
        let digests = liar.provider.record.digests.clone();
        let digests = Some(digests.as_slice()).filter(|_| dice.one_in(2));
        let how = challenger.open(&liar.provider.ground, digests).unwrap();
        game(&mut evm, &liar.provider.ground, &how, (&liar, &challenger), &mut dice, &mut tally);
    }
    for name in ["reveal", "pick", "revealLeaf", "revealChunk", "claim", "rebut", "split", "refine", "answer"]
    {
        let [took, refused] = tally[name];
        assert!(took > 10 && refused > 10, "{name}: {tally:?}");
    }
}
