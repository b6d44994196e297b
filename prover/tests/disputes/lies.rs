//! What a provider may lie about, and that an honest challenger alone convicts each.

use super::common::programs::{Dice, empty};
use super::play::{Liar, finish, open, posted};
use super::world::{Job, Run, noise};
use assay_circuits::program::{Class, Precision};
use assay_circuits::root::{Digest32, keccak};
use assay_circuits::shape::Shape;
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{self, Illegal, Move, Next, Open, Phase, Position, Sender, Side};
use assay_verifier::keccak::keccak256;
use assay_verifier::referee::RefereeError;

/// Plays an honest challenger against a liar, from the trace root and from the list of digests.
fn loses(job: &Job, liar: &Liar<'_>, dice: &mut Dice) {
    let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
    let ground = &liar.provider.ground;
    for digests in [None, Some(liar.provider.record.digests.as_slice())] {
        let how = challenger.open(ground, digests).unwrap();
        let mut escrow = posted(ground);
        let table = open(&mut escrow, 0, ground, &how, 100);
        let (side, end) = finish(&mut escrow, table, liar, &challenger, 100, dice);
        assert_eq!(side, Side::Challenger, "{end:?}");
    }
}

fn lie(job: &Job, run: &Run, dice: &mut Dice) {
    loses(job, &Liar::new(&job.program, run), dice);
}

fn jobs(count: u64) -> impl Iterator<Item = Job> {
    (0..count).map(|seed| if seed % 2 == 0 { Job::integers(900 + seed) } else { Job::reals(900 + seed) })
}

// 2
#[test]
fn one_flipped_bit_in_any_tensor_loses() {
    let mut dice = Dice(31);
    for job in jobs(30) {
        for number in 0..job.operations() {
            for _ in 0..3 {
                let mut run = job.honest.clone();
                let at = dice.from(0..=run.wires[number].len() as i64 - 1) as usize;
                run.wires[number][at] ^= 1 << dice.from(0..=7);
                lie(&job, &run, &mut dice);
            }
        }
    }
}

// 2
#[test]
fn every_flipped_byte_of_one_program_loses() {
    let mut dice = Dice(32);
    let job = Job::reals(5);
    for number in 0..job.operations() {
        for at in 0..job.honest.wires[number].len().min(400) {
            let mut run = job.honest.clone();
            run.wires[number][at] ^= 0x10;
            lie(&job, &run, &mut dice);
        }
    }
}

// 3
#[test]
fn a_digest_of_nothing_and_a_malformed_leaf_lose() {
    let mut dice = Dice(33);
    for job in jobs(40) {
        let wrong = dice.from(0..=job.operations() as i64 - 1) as usize;
        let digest = noise(&mut dice);
        let own = *blake3::hash(&job.honest.wires[wrong]).as_bytes();
        let number = (wrong as u32).to_be_bytes();
        let two_outputs = keccak256(&[&[0], &number, &[2], &own]);
        let other_place = keccak256(&[&[0], &(wrong as u32 + 1).to_be_bytes(), &[1], &own]);
        let without = keccak(0, &own);
        for leaf in [digest, two_outputs, other_place, without, [0; 32]] {
            let liar = Liar::new(&job.program, &job.honest).with_leaves(|leaves| leaves[wrong] = leaf);
            loses(&job, &liar, &mut dice);
        }
    }
}

// 3
#[test]
fn padding_that_is_not_padding_loses() {
    let mut dice = Dice(34);
    for job in jobs(80).filter(|job| !job.operations().is_power_of_two()) {
        let padded = job.operations().next_power_of_two();
        let liar = Liar::new(&job.program, &job.honest).with_leaves(|leaves: &mut Vec<Digest32>| {
            leaves.resize(padded, [0; 32]);
            leaves[padded - 1] = [7; 32];
        });
        loses(&job, &liar, &mut dice);
    }
}

type Change = &'static dyn Fn(&mut Vec<u8>);

// 3
#[test]
fn a_tensor_longer_or_shorter_or_of_another_layout_loses() {
    let mut dice = Dice(35);
    for job in jobs(40) {
        let wrong = dice.from(0..=job.operations() as i64 - 1) as usize;
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut run = job.honest.clone();
            change(&mut run.wires[wrong]);
            run
        };
        let changes: [Change; 5] = [
            &|bytes| bytes.push(0),
            &|bytes| bytes.truncate(bytes.len() - 1),
            &|bytes| bytes.extend([0; 1024]),
            &|bytes| bytes.extend(bytes.clone()),
            &|bytes| bytes.reverse(),
        ];
        for change in changes {
            let run = changed(change);
            if !job.is_honest(&run) && !run.wires[wrong].is_empty() {
                lie(&job, &run, &mut dice);
            }
        }
    }
}

// 3
#[test]
fn a_dimension_of_zero_is_refused() {
    assert!(Shape::new(vec![3, 0]).is_none());
    let job = Job::integers(900);
    let mut bytes = job.program.descriptor(0).unwrap().encode();
    // The first size, after eight bytes of head.
    bytes[8..12].fill(0);
    assert!(assay_verifier::referee::judgeable(&bytes).is_err());
    assert!(empty().check().is_err());
}

// 4
#[test]
fn an_operation_run_on_another_tensor_or_by_another_rule_loses() {
    let mut dice = Dice(36);
    let mut games = 0;
    for job in jobs(200) {
        let run = job.rewired(&mut dice);
        if !job.is_honest(&run) {
            lie(&job, &run, &mut dice);
            games += 1;
        }
    }
    assert!(games > 80);
}

/// The position of an honest provider that must reveal its leaf.
fn at_leaf(job: &Job) -> (Provider<'_, Run>, Position) {
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let clocks = super::play::CLOCKS;
    let mut position = dispute::open(&provider.ground, &Open::Root, clocks, 0).unwrap();
    while position.phase != Phase::RevealLeaf {
        let played = match position.phase {
            Phase::RevealTrace => provider.answer(&position, &[]).unwrap(),
            _ => {
                let mut before = position.clone();
                before.phase = Phase::RevealTrace;
                let Ok(Move::Reveal { values }) = provider.answer(&before, &[]) else { unreachable!() };
                Move::Pick { values, place: 0 }
            }
        };
        let Ok(Next::Position(next)) = dispute::play(&position, Sender::Challenger, &played, 0) else {
            panic!("{played:?}")
        };
        position = *next;
    }
    (provider, position)
}

// 4
#[test]
fn an_edited_descriptor_or_program_is_refused() {
    for job in jobs(20) {
        let (provider, position) = at_leaf(&job);
        let honest = provider.answer(&position, &[]).unwrap();
        let play = |played: &Move| dispute::play(&position, Sender::Provider, played, 0);
        assert!(play(&honest).is_ok());
        let Move::RevealLeaf { ground, digest, descriptor, path } = honest else { unreachable!() };
        for at in 0..descriptor.len() {
            let mut edited = descriptor.clone();
            edited[at] ^= 1;
            let path = path.clone();
            let played = Move::RevealLeaf { ground: ground.clone(), digest, descriptor: edited, path };
            assert_eq!(play(&played), Err(Illegal::Referee(RefereeError::OtherDescriptor)));
        }
        // Another program's header, with the tree in which the edited descriptor is.
        let mut other = ground.clone();
        other.header[22] ^= 1;
        let played = Move::RevealLeaf { ground: other, digest, descriptor, path };
        assert_eq!(play(&played), Err(Illegal::Ground));
    }
}

// 7
#[test]
fn other_bits_of_the_same_number_lose() {
    let mut dice = Dice(37);
    let (mut nans, mut zeros) = (0, 0);
    for seed in 0..400 {
        let job = Job::reals(seed);
        for number in 0..job.operations() {
            for (place, bits) in job.honest.wires[number].as_chunks::<4>().0.iter().enumerate() {
                let bits = u32::from_le_bytes(*bits);
                let is_nan = f32::from_bits(bits).is_nan();
                let other = match bits {
                    _ if is_nan && nans < 60 => bits ^ 1,
                    0 | 0x8000_0000 if zeros < 60 => bits ^ 0x8000_0000,
                    _ => continue,
                };
                if is_nan {
                    nans += 1
                } else {
                    zeros += 1
                }
                let mut run = job.honest.clone();
                run.wires[number][4 * place..4 * place + 4].copy_from_slice(&other.to_le_bytes());
                lie(&job, &run, &mut dice);
                break;
            }
        }
    }
    assert!(nans >= 40 && zeros >= 40, "{nans} NaNs, {zeros} zeros");
}

// 7
#[test]
fn arithmetic_gives_one_nan_and_moves_keep_bits() {
    let mut payloads = 0;
    for seed in 0..400 {
        let job = Job::reals(seed);
        assert_eq!(job.program.precision, Precision::F32);
        for (operation, bytes) in job.program.operations.iter().zip(&job.honest.wires) {
            let all = bytes.as_chunks::<4>().0.iter().map(|bits| u32::from_le_bytes(*bits));
            for bits in all.filter(|&bits| f32::from_bits(bits).is_nan()) {
                match operation.class {
                    Class::Move => payloads += usize::from(bits != 0x7fc0_0000),
                    _ => assert_eq!(bits, 0x7fc0_0000),
                }
            }
        }
    }
    assert!(payloads > 0);
}
