//! Random adversaries against the honest player of either side, over random programs of every class.

use super::common::programs::Dice;
use super::play::{Liar, Slanderer, finish, open, posted, step};
use super::world::{Job, Run, noise};
use assay_circuits::program::{Class, Precision};
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{Open, Phase, Position, Side};
use assay_verifier::escrow::{self, Stage};
use std::collections::BTreeMap;

/// Games by class and precision of the operation in whose claim they ended.
type Tally = BTreeMap<String, usize>;

fn count(tally: &mut Tally, job: &Job, position: &Position) {
    *tally.entry("all".to_string()).or_default() += 1;
    if position.phase >= Phase::Answer {
        let operation = &job.program.operations[position.operation as usize];
        *tally.entry(format!("{:?} {:?}", job.program.precision, operation.class)).or_default() += 1;
    }
}

/// An honest provider against this many slanderers, one game after another.
fn survives(job: &Job, games: usize, dice: &mut Dice, tally: &mut Tally) {
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let slanderer = Slanderer { provider: &provider };
    let mut escrow = posted(&provider.ground);
    let mut opened = 0;
    while opened < games {
        let how = slanderer.opening(dice);
        // A claim that happens to be true cannot open.
        let account = super::play::challenger(opened);
        let Ok((game, position)) =
            escrow.open(account, &provider.ground, [0; 32], &how, 100, super::play::GAS)
        else {
            continue;
        };
        opened += 1;
        let table = super::play::Table { game, position, shown: how.shown().to_vec() };
        let (side, end) = finish(&mut escrow, table, &provider, &slanderer, 100, dice);
        assert_eq!(side, Side::Provider, "an honest provider lost at {end:?}");
        count(tally, job, &end);
    }
    escrow.finalise(515).unwrap();
    assert_eq!(escrow.stage, Stage::Final);
    assert_eq!(escrow.ledger.held, 0);
}

/// A false run of one kind or another; none where it happens to be true.
fn lie(job: &Job, dice: &mut Dice) -> Option<Run> {
    let run = match dice.from(0..=4) {
        0 => job.rewired(dice),
        1 => {
            let mut run = job.honest.clone();
            let wrong = dice.from(0..=job.operations() as i64 - 1) as usize;
            let bytes = &mut run.wires[wrong];
            match dice.one_in(2) {
                true => bytes.push(0),
                false => drop(bytes.pop()),
            }
            run
        }
        _ => job.changed(dice),
    };
    (!job.is_honest(&run)).then_some(run).filter(|run| run.wires.iter().all(|bytes| !bytes.is_empty()))
}

/// An honest challenger against receipts that are wrong, one game each.
fn convicts(job: &Job, games: usize, dice: &mut Dice, tally: &mut Tally) {
    let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
    for _ in 0..games {
        let unopenable = dice.one_in(6);
        let run = if unopenable { Some(job.honest.clone()) } else { lie(job, dice) };
        let Some(run) = run else { continue };
        let mut liar = Liar::new(&job.program, &run);
        if unopenable {
            let wrong = dice.from(0..=job.operations() as i64 - 1) as usize;
            let noise = noise(dice);
            liar = liar.with_leaves(|leaves| leaves[wrong] = noise);
        }
        let digests = liar.provider.record.digests.clone();
        let ground = liar.provider.ground.clone();
        let how = challenger.open(&ground, Some(digests.as_slice()).filter(|_| dice.one_in(2))).unwrap();
        let mut escrow = posted(&ground);
        let table = open(&mut escrow, 0, &ground, &how, 100);
        let (side, end) = finish(&mut escrow, table, &liar, &challenger, 100, dice);
        assert_eq!(side, Side::Challenger, "a wrong receipt stood at {end:?}");
        assert_eq!(escrow.stage, Stage::Fallen);
        escrow.pay_prize(u64::MAX).unwrap();
        assert_eq!(escrow.ledger.held, 0);
        count(tally, job, &end);
    }
}

fn classes(tally: &Tally, precision: Precision, classes: &[Class]) {
    for class in classes {
        let games = tally.get(&format!("{precision:?} {class:?}")).copied().unwrap_or(0);
        assert!(games >= 20, "only {games} games on {class:?}: {tally:?}");
    }
}

const REAL: [Class; 5] = [Class::Map, Class::Fold, Class::Move, Class::Rank, Class::Maximum];
const INTEGER: [Class; 3] = [Class::Map, Class::Fold, Class::Rank];

// 1
#[test]
fn an_honest_provider_survives_every_challenger_on_integers() {
    let (mut dice, mut tally) = (Dice(11), Tally::new());
    (0..600).for_each(|seed| survives(&Job::integers(seed), 14, &mut dice, &mut tally));
    assert!(tally["all"] >= 8000, "{tally:?}");
    classes(&tally, Precision::Int8, &INTEGER);
}

// 1
#[test]
fn an_honest_provider_survives_every_challenger_on_reals() {
    let (mut dice, mut tally) = (Dice(12), Tally::new());
    (0..600).for_each(|seed| survives(&Job::reals(seed), 14, &mut dice, &mut tally));
    assert!(tally["all"] >= 8000, "{tally:?}");
    classes(&tally, Precision::F32, &REAL);
}

// 1, 2, 3, 4
#[test]
fn an_honest_challenger_beats_every_wrong_receipt_on_integers() {
    let (mut dice, mut tally) = (Dice(13), Tally::new());
    (0..600).for_each(|seed| convicts(&Job::integers(seed), 14, &mut dice, &mut tally));
    assert!(tally["all"] >= 7000, "{tally:?}");
    classes(&tally, Precision::Int8, &INTEGER);
}

// 1, 2, 3, 4
#[test]
fn an_honest_challenger_beats_every_wrong_receipt_on_reals() {
    let (mut dice, mut tally) = (Dice(14), Tally::new());
    (0..600).for_each(|seed| convicts(&Job::reals(seed), 14, &mut dice, &mut tally));
    assert!(tally["all"] >= 7000, "{tally:?}");
    classes(&tally, Precision::F32, &REAL);
}

// 1, 10
#[test]
fn an_honest_provider_survives_many_games_at_once() {
    let mut dice = Dice(15);
    for seed in 0..60 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let mut escrow = posted(&provider.ground);
        let mut tables: Vec<_> =
            (0..7).map(|i| open(&mut escrow, i, &provider.ground, &Open::Root, 100)).collect();
        let mut now = 100;
        let mut won = 0;
        while !tables.is_empty() {
            let at = dice.from(0..=tables.len() as i64 - 1) as usize;
            let mut then = now;
            if let Some(side) =
                step(&mut escrow, &mut tables[at], &provider, &slanderer, &mut then, &mut dice)
            {
                assert_eq!(side, Side::Provider);
                won += 1;
                tables.remove(at);
            }
            // A clock that ran out in one game is no time that passed in the others.
            now += 1;
            assert!(escrow.ledger.adds_up());
        }
        assert_eq!(won, 7);
        escrow.finalise(600).unwrap();
        assert_eq!(escrow.ledger.held, 0);
    }
}

// 1, 11
#[test]
fn a_wrong_receipt_falls_to_one_honest_challenger_among_false_ones() {
    let mut dice = Dice(16);
    for seed in 0..60 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let Some(run) = lie(&job, &mut dice) else { continue };
        let liar = Liar::new(&job.program, &run);
        let ground = liar.provider.ground.clone();
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
        let mut escrow = posted(&ground);
        // The liar's own puppets come first and do not move.
        let puppets: Vec<_> = (0..3).map(|i| open(&mut escrow, i, &ground, &Open::Root, 100)).collect();
        let how = challenger.open(&ground, None).unwrap();
        let table = open(&mut escrow, 3, &ground, &how, 100);
        let (side, _) = finish(&mut escrow, table, &liar, &challenger, 100, &mut dice);
        assert_eq!((side, escrow.stage), (Side::Challenger, Stage::Fallen));
        puppets.iter().for_each(|puppet| escrow.close(puppet.game).unwrap());
        escrow.pay_prize(u64::MAX).unwrap();
        assert_eq!(escrow.ledger.held, 0);
        assert!(escrow.ledger.adds_up());
        assert!(escrow.games.iter().all(|game| game.status != escrow::Status::Open));
    }
}
