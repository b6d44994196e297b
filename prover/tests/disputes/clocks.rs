//! Time: silence loses, a move counts up to its deadline and not at it, and every game ends.

use super::common::programs::Dice;
use super::play::{CLOCKS, GAS, PROVIDER, Player, STRANGER, Slanderer, challenger, deal, open, posted};
use super::world::Job;
use assay_prover::dispute::{Provider, Record};
use assay_verifier::dispute::{Illegal, Move, Next, Open, Side};
use assay_verifier::escrow::{Refused, Stage, Status};

// 9
#[test]
fn a_move_is_legal_until_its_deadline_and_only_a_timeout_from_then_on() {
    let mut dice = Dice(51);
    let mut ends = [0; 2];
    for seed in 0..120 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let mut escrow = posted(&provider.ground);
        let mut table = open(&mut escrow, 0, &provider.ground, &Open::Root, 100);
        // Each side hands over for the first time in its last second. One falls silent sooner or later.
        let patience = dice.from(0..=12);
        let mut handed_over = [false; 2];
        for moved in 0.. {
            let mover = table.position.phase.mover();
            let deadline = table.position.deadline;
            let (player, sender): (&dyn Player, _) = match mover {
                Side::Provider => (&provider, PROVIDER),
                Side::Challenger => (&slanderer, challenger(0)),
            };
            let early = escrow.play(table.game, &table.position, STRANGER, &Move::Timeout, deadline - 1, GAS);
            assert_eq!(early, Err(Refused::Illegal(Illegal::Early)));
            let moves = player.moves(&table.position, &table.shown, &mut dice);
            for played in &moves {
                for late in [deadline, deadline + 1, u64::MAX] {
                    let late = escrow.play(table.game, &table.position, sender, played, late, GAS);
                    assert_eq!(late, Err(Refused::Illegal(Illegal::Late)));
                }
            }
            let last_second = !handed_over[mover as usize];
            let now = if last_second { deadline - 1 } else { deadline.saturating_sub(CLOCKS.challenger / 2) };
            let mut next = None;
            for played in moves.iter().filter(|_| moved < patience) {
                if let Ok(found) = escrow.play(table.game, &table.position, sender, played, now, GAS) {
                    next = Some((found, played.shown().to_vec()));
                    break;
                }
            }
            match next {
                Some((Next::Position(next), shown)) => {
                    if next.phase.mover() != mover {
                        assert!(!last_second || next.reserve == 1);
                        handed_over[mover as usize] = true;
                    }
                    assert!(next.deadline > now);
                    (table.position, table.shown) = (*next, shown);
                }
                Some((Next::Won(side), _)) => {
                    assert_eq!(side, Side::Provider);
                    break;
                }
                None => {
                    let won =
                        escrow.play(table.game, &table.position, STRANGER, &Move::Timeout, deadline, GAS);
                    assert_eq!(won, Ok(Next::Won(mover.other())));
                    ends[mover as usize] += 1;
                    break;
                }
            }
        }
        // No move after the end.
        let game = &escrow.games[table.game];
        assert!(matches!(game.status, Status::Won(_)));
        for played in [Move::Timeout, Move::RevealChunk { chunk: vec![] }] {
            let after = escrow.play(table.game, &table.position, PROVIDER, &played, u64::MAX, GAS);
            assert!(matches!(after, Err(Refused::NoGame | Refused::Stage(Stage::Fallen))));
        }
    }
    assert!(ends.iter().all(|&count| count > 5), "{ends:?}");
}

// 9
#[test]
fn a_side_that_moves_again_does_so_on_its_own_clock() {
    let mut dice = Dice(53);
    let (mut again, mut other) = (0, 0);
    for seed in 0..60 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let mut escrow = posted(&provider.ground);
        let mut table = open(&mut escrow, 0, &provider.ground, &Open::Root, 100);
        let mut clocks = [CLOCKS.provider, CLOCKS.challenger];
        let mut now = 100;
        loop {
            let mover = table.position.phase.mover();
            // What each side has left is its own, whoever moves next and however long the other took.
            assert_eq!(table.position.deadline - now, clocks[mover as usize]);
            assert_eq!(table.position.reserve, clocks[mover.other() as usize]);
            let spent = dice.from(0..=clocks[mover as usize] as i64 - 1) as u64;
            (now, clocks[mover as usize]) = (now + spent, clocks[mover as usize] - spent);
            let (player, sender): (&dyn Player, _) = match mover {
                Side::Provider => (&provider, PROVIDER),
                Side::Challenger => (&slanderer, challenger(0)),
            };
            let moves = player.moves(&table.position, &table.shown, &mut dice);
            let played = moves.iter().find_map(|played| {
                let next = escrow.play(table.game, &table.position, sender, played, now, GAS).ok()?;
                Some((next, played.shown().to_vec()))
            });
            let Some((Next::Position(next), shown)) = played else { break };
            match next.phase.mover() == mover {
                true => again += 1,
                false => other += 1,
            }
            (table.position, table.shown) = (*next, shown);
        }
    }
    assert!(again > 20 && other > 100, "{again}, {other}");
}

// 10
#[test]
fn every_receipt_is_settled_by_window_and_both_clocks_whatever_is_played() {
    let mut dice = Dice(52);
    for seed in 0..60 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let mut escrow = posted(&provider.ground);
        let last = 15 + deal(&provider.ground).window;
        let settled = last + CLOCKS.provider + CLOCKS.challenger;
        for number in 0..5 {
            let now = dice.from(15..=last as i64 - 1) as u64;
            let mut table = open(&mut escrow, number, &provider.ground, &Open::Root, now);
            let mut now = now;
            loop {
                let (mover, deadline) = (table.position.phase.mover(), table.position.deadline);
                assert!(deadline <= settled);
                // As slowly as can be: the challenger takes any part of its clock, the provider most of it at some move.
                now = dice.from(now as i64..=deadline as i64 - 1) as u64;
                let (player, sender): (&dyn Player, _) = match mover {
                    Side::Provider => (&provider, PROVIDER),
                    Side::Challenger => (&slanderer, challenger(number)),
                };
                let mut next = None;
                for played in player.moves(&table.position, &table.shown, &mut dice) {
                    if let Ok(found) = escrow.play(table.game, &table.position, sender, &played, now, GAS) {
                        next = Some((found, played.shown().to_vec()));
                        break;
                    }
                }
                match next {
                    Some((Next::Position(next), shown)) => (table.position, table.shown) = (*next, shown),
                    Some((Next::Won(side), _)) => {
                        assert_eq!(side, Side::Provider);
                        break;
                    }
                    None => {
                        assert_eq!(mover, Side::Challenger);
                        let timeout = Move::Timeout;
                        escrow.play(table.game, &table.position, PROVIDER, &timeout, deadline, GAS).unwrap();
                        break;
                    }
                }
            }
        }
        let late = escrow.open(challenger(9), &provider.ground, [0; 32], &Open::Root, last, GAS);
        assert_eq!(late.unwrap_err(), Refused::Time);
        escrow.finalise(settled).unwrap();
        assert_eq!(escrow.stage, Stage::Final);
    }
}

// 9
#[test]
fn a_game_that_is_open_keeps_a_receipt_from_being_final() {
    let job = Job::reals(3);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let mut escrow = posted(&provider.ground);
    assert_eq!(escrow.finalise(514), Err(Refused::Time));
    open(&mut escrow, 0, &provider.ground, &Open::Root, 514);
    assert_eq!(escrow.finalise(515), Err(Refused::GamesOpen));
}
