//! Folds of more windows than a claim has states, and classes that random programs do not have.

use super::common::programs::Dice;
use super::play::{Liar, Player, Slanderer, open, posted, step};
use super::rare::{joined, strided, three_factors};
use super::world::{Job, run};
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{Open, Phase, Side};

/// Plays a game; gives who wins, and how often the challenger went within a step.
fn rounds(
    escrow: &mut assay_verifier::escrow::Job,
    ground: &assay_verifier::referee::Ground,
    how: &Open,
    provider: &dyn Player,
    opponent: &dyn Player,
    dice: &mut Dice,
) -> (Side, usize) {
    let number = escrow.games.len();
    let mut table = open(escrow, number, ground, how, 100);
    let (mut now, mut refined) = (100, 0);
    loop {
        refined += usize::from(table.position.phase == Phase::Refine);
        now += 1;
        if let Some(side) = step(escrow, &mut table, provider, opponent, &mut now, dice) {
            return (side, refined);
        }
    }
}

fn both_sides(job: &Job, games: usize, most: usize) {
    let mut dice = Dice(21);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let slanderer = Slanderer { provider: &provider };
    let mut escrow = posted(&provider.ground);
    let mut deepest = 0;
    for _ in 0..games {
        let (side, refined) =
            rounds(&mut escrow, &provider.ground, &Open::Root, &provider, &slanderer, &mut dice);
        assert_eq!(side, Side::Provider);
        deepest = deepest.max(refined);
    }
    assert_eq!(deepest, most);
    let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
    for _ in 0..games {
        let wrong = run(&job.program, &job.honest.inputs, |_, bytes| {
            let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
            bytes[at] ^= 1 << dice.from(0..=7);
        });
        let liar = Liar::new(&job.program, &wrong);
        let how = challenger.open(&liar.provider.ground, None).unwrap();
        let mut escrow = posted(&liar.provider.ground);
        let (side, _) = rounds(&mut escrow, &liar.provider.ground, &how, &liar, &challenger, &mut dice);
        assert_eq!(side, Side::Challenger);
    }
}

// 1
#[test]
fn a_fold_of_seventy_thousand_windows_is_narrowed_in_two_splits() {
    let job = three_factors();
    assert_eq!(job.program.descriptor(0).unwrap().windows(), 70_400);
    both_sides(&job, 12, 2);
}

// 1
#[test]
fn a_strided_fold_is_narrowed_to_one_term() {
    let job = strided();
    let descriptor = job.program.descriptor(0).unwrap();
    assert_eq!((descriptor.windows(), descriptor.strides[0][0]), (300, 1));
    both_sides(&job, 30, 1);
}

// 1
#[test]
fn a_move_of_integers_is_judged() {
    both_sides(&joined(), 60, 0);
}
