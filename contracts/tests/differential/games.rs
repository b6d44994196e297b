//! Claims and whole games: each move through the deployed rules leads where the Rust game leads, and is refused where it refuses.

use crate::common::programs::Dice;
use crate::common::reals::{RealMaker, sum};
use crate::machine::Machine;
use crate::play::{CLOCKS, Liar, Player, Slanderer};
use crate::world::Job;
use alloy::primitives::B256;
use alloy::sol_types::SolValue;
use assay_circuits::formula::Formula;
use assay_circuits::program::{Access, Affine, Class};
use assay_contracts::{call, open};
use assay_prover::dispute::{Challenger, Provider, Record, disclosure};
use assay_verifier::dispute::{
    Claim, Illegal, Move, Next, Open, Output, Phase, Position, Sender, Side, Wire, open as open_game,
    play as play_move,
};
use assay_verifier::referee::{Ground, pack_states};
use std::collections::BTreeMap;

/// A game's position with what rules leave to the escrow at zero: clocks, and the time of a claim.
fn timeless(position: &Position) -> Position {
    Position { deadline: 0, reserve: 0, claimed: 0, ..position.clone() }
}

/// The position in what the rules return.
fn returned(bytes: &[u8]) -> Position {
    let words = <[B256; 21]>::abi_decode(bytes).expect("21 words");
    Position::decode(words.concat().as_slice()).expect("a position")
}

/// Rules in an EVM, beside the Rust game.
struct Table {
    machine: Machine,
    /// Moves by name and outcome.
    moves: BTreeMap<String, usize>,
}

impl Table {
    fn count(&mut self, name: &str, legal: bool) {
        let outcome = if legal { "legal" } else { "refused" };
        *self.moves.entry(format!("{name} {outcome}")).or_default() += 1;
    }

    fn at_least(&self, name: &str, count: usize) {
        let found = self.moves.get(name).copied().unwrap_or(0);
        assert!(found >= count, "{found} of {name} in {:?}", self.moves);
    }

    fn open(&mut self, ground: &Ground, how: &Open) -> Result<Position, Illegal> {
        let own = open_game(ground, how, CLOCKS, 100);
        let opening = open(ground, [7; 32], how);
        let theirs = self.machine.call(self.machine.rules, opening.data.to_vec());
        self.count(opening.name, own.is_ok());
        match (&own, &theirs) {
            (Ok(own), Ok(theirs)) => assert_eq!(timeless(&returned(theirs)), timeless(own), "{how:?}"),
            (Err(_), Err(_)) => {}
            _ => panic!("{how:?}: Rust {own:?}, Solidity {theirs:?}"),
        }
        own
    }

    /// A move by whoever may make it, in time.
    fn play(&mut self, position: &Position, played: &Move) -> Result<Next, Illegal> {
        let sender = match position.phase.mover() {
            Side::Provider => Sender::Provider,
            Side::Challenger => Sender::Challenger,
        };
        let own = play_move(position, sender, played, position.deadline - 1);
        let calldata = call(B256::ZERO, position, played).expect("a call");
        let theirs = self.machine.call(self.machine.rules, calldata.data.to_vec());
        self.count(calldata.name, own.is_ok());
        match (&own, &theirs) {
            (Ok(Next::Position(own)), Ok(theirs)) => assert_eq!(timeless(&returned(theirs)), timeless(own)),
            // What ends a game leaves the position as it is.
            (Ok(Next::Won(Side::Provider)), Ok(theirs)) => {
                assert_eq!(timeless(&returned(theirs)), timeless(position));
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{played:?} at {position:?}: Rust {own:?}, Solidity {theirs:?}"),
        }
        own
    }

    /// A move with one bit changed.
    fn changed(&mut self, position: &Position, played: &Move, dice: &mut Dice) {
        let mut bytes = played.encode();
        let at = dice.from(1..=bytes.len() as i64 - 1) as usize;
        bytes[at] ^= 1 << dice.from(0..=7);
        if let Ok(changed) = Move::decode(&bytes)
            && changed != *played
        {
            let _ = self.play(position, &changed);
        }
    }

    /// Plays a game to its end, or to where a side has no legal move.
    fn game(
        &mut self,
        ground: &Ground,
        how: &Open,
        provider: &dyn Player,
        opponent: &dyn Player,
        dice: &mut Dice,
    ) -> Option<Side> {
        let Ok(mut position) = self.open(ground, how) else { return None };
        let mut shown = how.shown().to_vec();
        for _ in 0..200 {
            let mover = position.phase.mover();
            let player = if mover == Side::Provider { provider } else { opponent };
            let mut next = None;
            for played in player.moves(&position, &shown, dice) {
                self.changed(&position, &played, dice);
                if let Ok(found) = self.play(&position, &played) {
                    next = Some((found, played.shown().to_vec()));
                    break;
                }
            }
            match next {
                Some((Next::Position(next), values)) => (position, shown) = (*next, values),
                Some((Next::Won(side), _)) => return Some(side),
                None => return Some(mover.other()),
            }
        }
        panic!("a game without an end")
    }
}

fn job(seed: u64) -> Job {
    if seed.is_multiple_of(2) { Job::integers(seed) } else { Job::reals(seed) }
}

#[test]
fn moves_of_whole_games_lead_to_the_same_positions_and_are_refused_by_both() {
    let mut table = Table { machine: Machine::new(), moves: BTreeMap::new() };
    let mut dice = Dice(71);
    for seed in 0..60 {
        let job = job(seed);
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let operation = dice.from(0..=job.operations() as i64 - 1) as u32;
        let wire = provider.record.own_wire(operation).expect("an operation");
        for how in [Open::Root, Open::Operation(wire)] {
            let end = table.game(&provider.ground, &how, &provider, &slanderer, &mut dice);
            assert_eq!(end, Some(Side::Provider));
        }
        let run = job.changed(&mut dice);
        if job.is_honest(&run) {
            continue;
        }
        let liar = Liar::new(&job.program, &run);
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).expect("a run"));
        let digests = Some(liar.provider.record.digests.as_slice()).filter(|_| dice.one_in(2));
        let how = challenger.open(&liar.provider.ground, digests).expect("a difference");
        let end = table.game(&liar.provider.ground, &how, &liar, &challenger, &mut dice);
        assert_eq!(end, Some(Side::Challenger));
    }
    println!("{:?}", table.moves);
    for name in ["openRoot", "openOperation", "reveal", "pick", "revealLeaf", "revealChunk", "claim", "rebut"]
    {
        table.at_least(&format!("{name} legal"), 20);
    }
    for name in ["reveal", "pick", "revealLeaf", "revealChunk", "claim", "rebut"] {
        table.at_least(&format!("{name} refused"), 20);
    }
}

/// Sums of 1,200 products along a column whose rows lie in chunks of their own: a claim's steps cover several windows.
fn long(seed: u64) -> Job {
    let mut maker = RealMaker { dice: Dice(seed), program: RealMaker::start(), inputs: Vec::new() };
    let (x, w) = (maker.source(&[2, 1200]), maker.source(&[1200, 260]));
    let row = Access { source: x, index: vec![Affine::axis(0), Affine::axis(2)] };
    let column = Access { source: w, index: vec![Affine::axis(2), Affine::new(0, &[(1, 100)])] };
    maker.push(Class::Fold, &[2, 3], &[1200], vec![sum(vec![row, column])], Formula::Sum(0));
    let (program, inputs) = maker.finish();
    Job::new(program, inputs.iter().map(|tensor| tensor.to_bytes()).collect())
}

#[test]
fn splits_and_refinements_lead_to_the_same_positions_and_are_refused_by_both() {
    let mut table = Table { machine: Machine::new(), moves: BTreeMap::new() };
    let mut dice = Dice(73);
    for seed in 0..12 {
        let job = long(seed);
        assert!(job.program.descriptor(0).expect("an operation").windows() > 2 * 256);
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let end = table.game(&provider.ground, &Open::Root, &provider, &slanderer, &mut dice);
        assert_eq!(end, Some(Side::Provider));
        let run = job.changed(&mut dice);
        let liar = Liar::new(&job.program, &run);
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).expect("a run"));
        let end = table.game(&liar.provider.ground, &Open::Root, &liar, &challenger, &mut dice);
        assert_eq!(end, Some(Side::Challenger));
    }
    println!("{:?}", table.moves);
    for name in ["split legal", "split refused", "refine legal", "refine refused", "rebut refused"] {
        table.at_least(name, 5);
    }
}

#[test]
fn a_chunk_of_an_output_is_asked_for_and_shown_alike() {
    let mut table = Table { machine: Machine::new(), moves: BTreeMap::new() };
    let mut dice = Dice(74);
    for seed in 300..340 {
        let job = job(seed);
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let number = dice.from(0..=job.program.outputs.len() as i64 - 1) as usize;
        let operation = job.program.outputs[number].operation as u32;
        let chunks = (job.honest.wires[operation as usize].len() as u64).div_ceil(1024);
        let chunk = dice.from(0..=chunks as i64 - 1) as u64;
        let how = disclosure(&job.program, &provider.record.digests, number, chunk).expect("an output");
        let Open::Disclose { wire, output, .. } = how.clone() else { panic!("no disclosure: {how:?}") };
        let position = table.open(&provider.ground, &how).expect("a game");
        let other = dice.from(0..=3) as u32;
        for how in [
            Open::Disclose { wire: wire.clone(), output: output.clone(), chunk: chunks },
            Open::Disclose { wire: wire.clone(), output: Output { number: other, ..output.clone() }, chunk },
            Open::Disclose { wire: Wire { operation: other, ..wire }, output, chunk },
        ] {
            let _ = table.open(&provider.ground, &how);
        }
        let (bytes, siblings) = provider.record.own_chunk(operation, chunk).expect("a chunk");
        let played = Move::Answer { chunk: bytes, siblings };
        assert_eq!(table.play(&position, &played), Ok(Next::Won(Side::Provider)));
        for _ in 0..4 {
            table.changed(&position, &played, &mut dice);
        }
    }
    println!("{:?}", table.moves);
    for name in ["disclose legal", "disclose refused", "answer legal", "answer refused"] {
        table.at_least(name, 40);
    }
}

/// What is false of a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Nothing,
    State(usize),
    Value,
}

#[test]
fn each_step_of_a_claim_is_rebutted_exactly_where_it_is_false() {
    let mut table = Table { machine: Machine::new(), moves: BTreeMap::new() };
    let mut dice = Dice(72);
    let (mut won, mut held) = (0, 0);
    for seed in 200..290 {
        let job = job(seed);
        // The provider's own trace has another value of the element, so that the true one can be claimed.
        let operation = dice.from(0..=job.operations() as i64 - 1) as usize;
        let mut run = job.honest.clone();
        let width = job.program.descriptor(operation).expect("an operation").width;
        let element = dice.from(0..=(run.wires[operation].len() / width) as i64 - 1) as u64;
        run.wires[operation][element as usize * width] ^= 0x10;
        let provider = Provider::new(Record::new(&job.program, &run).expect("a run"), [5; 32]);
        let record = &provider.record;
        let wire = record.own_wire(operation as u32).expect("an operation");
        let at = open_game(&provider.ground, &Open::Operation(wire.clone()), CLOCKS, 0).expect("a game");
        let chunk = element * width as u64 / 1024;
        let (bytes, siblings) = record.own_chunk(operation as u32, chunk).expect("a chunk");
        let groups = Position { element, ..at.clone() }.groups();
        let words = usize::from(at.words);
        for lie in [Lie::Nothing, Lie::State(dice.from(0..=255) as usize), Lie::Value] {
            let mut states = Vec::new();
            let mut state = at.before;
            for group in 0..groups.count() {
                let windows = groups.windows_of(group).expect("a group");
                state = record.advance(operation as u32, element, windows, state).expect("a state");
                if matches!(lie, Lie::State(place) if place % groups.count() == group) {
                    state[dice.from(0..=words as i64 - 1) as usize] ^= 1 << dice.from(0..=63);
                }
                states.push(state);
            }
            let mut value = record.finish(operation as u32, element, state).expect("a value");
            if lie == Lie::Value {
                value ^= 1 << dice.from(0..=8 * width as i64 - 1);
            }
            let packed = pack_states(&states, words);
            let claim = Claim { element, value, states: packed.clone() };
            let how = Open::Chunk {
                wire: wire.clone(),
                chunk,
                bytes: bytes.clone(),
                siblings: siblings.clone(),
                claim,
            };
            // No other value than the provider's, by chance.
            let Ok(position) = table.open(&provider.ground, &how) else { continue };
            assert_eq!(position.phase, Phase::Answer);
            let false_step = match lie {
                Lie::Nothing => None,
                Lie::Value => Some(groups.count()),
                Lie::State(_) if groups.count() == 0 => None,
                Lie::State(place) => Some(place % groups.count()),
            };
            let mut steps: Vec<usize> =
                (0..4).map(|_| dice.from(0..=groups.count() as i64) as usize).collect();
            steps.extend(false_step);
            steps.sort_unstable();
            steps.dedup();
            for step in steps {
                let played = provider.rebut_step(&position, &packed, step).expect("a step");
                table.changed(&position, &played, &mut dice);
                let verdict = table.play(&position, &played);
                let long = groups.windows_of(step).is_some_and(|windows| windows.end - windows.start > 1);
                match verdict {
                    Ok(Next::Won(Side::Provider)) => {
                        assert_eq!((Some(step), long), (false_step, false), "{lie:?}");
                        won += 1;
                    }
                    Err(Illegal::AsClaimed | Illegal::TooLong) => {
                        assert!(false_step != Some(step) || long, "{lie:?} at {step}");
                        held += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    println!("{won} rebuts won, {held} refused: {:?}", table.moves);
    assert!(won >= 100 && held >= 200, "{won} won, {held} refused");
}
