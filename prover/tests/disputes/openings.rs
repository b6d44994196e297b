//! What a move carries: nothing of it can be changed, cut, repeated or added.

use super::common::programs::{Dice, Numbers, Recipe};
use super::common::reals::RealRecipe;
use super::play::{CLOCKS, Slanderer};
use super::world::{Job, Run};
use assay_circuits::program::Source;
use assay_prover::dispute::{Provider, Record};
use assay_verifier::dispute::{self, Illegal, Move, Next, Open, Phase, Position, Sender, Side};
use assay_verifier::referee::{Case, Ground, RefereeError, judgeable};
use proptest::prelude::*;

/// The positions of games that slanderers opened, each with the honest provider's move, the last of which wins.
fn games(job: &Job, count: usize, mut visit: impl FnMut(&Provider<'_, Run>, &Position, &Move, &[u8])) {
    let mut dice = Dice(41);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let slanderer = Slanderer { provider: &provider };
    for _ in 0..count {
        let mut position = dispute::open(&provider.ground, &Open::Root, CLOCKS, 0).unwrap();
        let mut shown = Vec::new();
        for now in 1.. {
            let moves = match position.phase.mover() {
                Side::Provider => {
                    let played = provider.answer(&position, &shown).unwrap();
                    visit(&provider, &position, &played, &shown);
                    vec![played]
                }
                Side::Challenger => super::play::Player::moves(&slanderer, &position, &shown, &mut dice),
            };
            let sender = match position.phase.mover() {
                Side::Provider => Sender::Provider,
                Side::Challenger => Sender::Challenger,
            };
            let next = moves.into_iter().find_map(|played| {
                let next = dispute::play(&position, sender, &played, now).ok()?;
                Some((next, played.shown().to_vec()))
            });
            match next {
                Some((Next::Position(next), next_shown)) => (position, shown) = (*next, next_shown),
                Some((Next::Won(side), _)) => {
                    assert_eq!(side, Side::Provider);
                    break;
                }
                None => break,
            }
        }
    }
}

fn play(position: &Position, played: &Move) -> Result<Next, Illegal> {
    dispute::play(position, Sender::Provider, played, 1)
}

fn jobs() -> impl Iterator<Item = Job> {
    (0..24).map(|seed| if seed % 2 == 0 { Job::integers(700 + seed) } else { Job::reals(700 + seed) })
}

// 8
#[test]
fn a_move_with_one_byte_changed_is_refused() {
    let mut dice = Dice(42);
    let mut tried = 0;
    for job in jobs() {
        games(&job, 4, |_, position, played, _| {
            let bytes = played.encode();
            let at = (0..bytes.len()).filter(|_| bytes.len() < 600 || dice.one_in(bytes.len() as i64 / 300));
            let at: Vec<usize> = at.collect();
            for at in at {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << dice.from(0..=7);
                if let Ok(changed) = Move::decode(&changed) {
                    assert_ne!(&changed, played);
                    // A split may name another step; it only moves the game into that step.
                    let splits = matches!(changed, Move::Split { .. });
                    assert!(splits || play(position, &changed).is_err(), "byte {at} of {played:?}");
                    tried += 1;
                }
            }
        });
    }
    assert!(tried > 10_000, "{tried}");
}

// 8
#[test]
fn a_move_that_is_cut_or_longer_is_refused() {
    let job = Job::reals(701);
    games(&job, 6, |_, _, played, _| {
        let mut bytes = played.encode();
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            assert!(Move::decode(&bytes[..end]).is_err());
        }
        bytes.push(0);
        assert!(Move::decode(&bytes).is_err());
    });
}

// 8
#[test]
fn openings_that_are_missing_repeated_swapped_or_not_read_are_refused() {
    let (mut rebuts, mut swapped) = (0, 0);
    for job in jobs() {
        games(&job, 12, |provider, position, played, shown| {
            let Move::Rebut { openings, step, .. } = played else { return };
            assert_eq!(play(position, played), Ok(Next::Won(Side::Provider)));
            let with = |change: &dyn Fn(&mut Vec<assay_verifier::referee::Opening>)| {
                let mut other = played.clone();
                let Move::Rebut { openings, .. } = &mut other else { unreachable!() };
                change(openings);
                play(position, &other).unwrap_err()
            };
            rebuts += 1;
            if openings.is_empty() {
                return;
            }
            let missing = with(&|openings| drop(openings.pop()));
            let inputs = Illegal::Referee(RefereeError::Inputs);
            assert!(
                matches!(missing, Illegal::Referee(RefereeError::Closed { .. })) || missing == inputs,
                "{missing:?}"
            );
            let repeated = with(&|openings| openings.push(openings[openings.len() - 1].clone()));
            assert_eq!(repeated, Illegal::Referee(RefereeError::Order(openings.len())));
            if openings.len() > 1 {
                swapped += 1;
                assert!(matches!(
                    with(&|openings| openings.swap(0, 1)),
                    Illegal::Referee(RefereeError::Order(_))
                ));
            }
            if !openings[0].siblings.is_empty() {
                let shorter = with(&|openings| {
                    openings[0].siblings.pop();
                });
                assert!(matches!(shorter, Illegal::Referee(RefereeError::Chunk { opening: 0, .. })));
            }
            if !openings[0].path.is_empty() {
                let shorter = with(&|openings| {
                    openings[0].path.pop();
                });
                assert_eq!(shorter, Illegal::Referee(RefereeError::Unbound(0)));
            }
            let longer = with(&|openings| openings[0].bytes.push(0));
            assert!(matches!(longer, Illegal::Referee(RefereeError::Chunk { opening: 0, .. })));
            // All that another step reads, which this one does not.
            for other in 0..=position.groups().count() {
                let Ok(Move::Rebut { openings: more, inputs: digests, .. }) =
                    provider.rebut_step(position, shown, other)
                else {
                    continue;
                };
                let extra = more.iter().find(|extra| !openings.contains(extra));
                let Some(extra) = extra.filter(|_| other != usize::from(*step)) else { continue };
                let mut unread = played.clone();
                let Move::Rebut { openings, inputs, .. } = &mut unread else { unreachable!() };
                openings.push(extra.clone());
                openings.sort_by_key(|opening| (opening.operand, opening.chunk));
                if inputs.is_empty() {
                    *inputs = digests;
                }
                let refused = play(position, &unread).unwrap_err();
                assert!(
                    matches!(refused, Illegal::Referee(RefereeError::Unread(_) | RefereeError::Inputs)),
                    "{refused:?}"
                );
            }
        });
    }
    assert!(rebuts > 100 && swapped > 30, "{rebuts} rebuts, {swapped} of two openings");
}

// 8
#[test]
fn a_step_that_is_as_claimed_or_too_long_or_not_there_is_no_rebut() {
    let mut seen = [0; 4];
    let all = jobs().chain([super::rare::three_factors()]);
    for job in all {
        games(&job, 6, |provider, position, played, shown| {
            if position.phase < Phase::Answer {
                return;
            }
            let own = match played {
                Move::Rebut { step, .. } | Move::Split { step, .. } => usize::from(*step),
                _ => unreachable!(),
            };
            for step in (0..own).rev().take(3).chain([own]) {
                let rebut = provider.rebut_step(position, shown, step).unwrap();
                let refused = play(position, &rebut);
                let windows = position.groups().windows_of(step);
                if windows.is_some_and(|windows| windows.end - windows.start > 1) {
                    assert_eq!(refused, Err(Illegal::TooLong));
                    seen[0] += 1;
                } else if step < own {
                    assert_eq!(refused, Err(Illegal::AsClaimed));
                    seen[1] += 1;
                }
                let split = Move::Split { states: shown.to_vec(), step: step as u16 };
                if position.groups().size() == 1 {
                    assert_eq!(play(position, &split), Err(Illegal::Unsplittable));
                    seen[2] += 1;
                }
            }
            let mut beyond = provider.rebut_step(position, shown, own).unwrap();
            let Move::Rebut { step, .. } = &mut beyond else { unreachable!() };
            *step = position.groups().count() as u16 + 1;
            assert_eq!(play(position, &beyond), Err(Illegal::NoPlace));
            seen[3] += 1;
        });
    }
    assert!(seen.iter().all(|&count| count > 5), "{seen:?}");
}

// 8
#[test]
fn a_digest_bound_by_more_than_it_takes_is_refused() {
    let mut seen = [0; 4];
    for job in jobs() {
        games(&job, 12, |_, position, played, _| {
            let Move::Rebut { openings, inputs, descriptor, .. } = played else { return };
            let descriptor = judgeable(descriptor).unwrap();
            let with = |change: &dyn Fn(&mut Vec<assay_verifier::referee::Opening>, &mut Vec<u8>)| {
                let mut other = played.clone();
                let Move::Rebut { openings, inputs, .. } = &mut other else { unreachable!() };
                change(openings, inputs);
                play(position, &other).unwrap_err()
            };
            for (number, opening) in openings.iter().enumerate() {
                let unbound = Illegal::Referee(RefereeError::Unbound(number));
                let source = descriptor.operands[usize::from(opening.operand)].source;
                assert_eq!(with(&|openings, _| openings[number].path.push([0; 32])), unbound);
                assert_eq!(with(&|openings, _| openings[number].leaf.insert(0, 0)), unbound);
                seen[match source {
                    Source::Input(_) => 0,
                    Source::Constant(_) => 1,
                    Source::Operation(_) => 2,
                }] += 1;
            }
            // The list of inputs is the terms', and there only where it is read.
            let other = Illegal::Referee(RefereeError::Inputs);
            assert_eq!(with(&|_, inputs| inputs.push(0)), other);
            if !inputs.is_empty() {
                assert_eq!(with(&|_, inputs| inputs[0] ^= 1), other);
                seen[3] += 1;
            }
        });
    }
    assert!(seen.iter().all(|&count| count > 10), "{seen:?}");
}

// 8
#[test]
fn a_game_opens_only_at_what_the_provider_committed_to() {
    for job in jobs() {
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        let opens = |how: &Open| dispute::open(&provider.ground, how, CLOCKS, 0);
        let wire = provider.record.own_wire(0).unwrap();
        let opened = opens(&Open::Operation(wire.clone())).unwrap();
        let operation = |change: &dyn Fn(&mut dispute::Wire)| {
            let mut wire = wire.clone();
            change(&mut wire);
            opens(&Open::Operation(wire)).unwrap_err()
        };
        assert_eq!(operation(&|wire| wire.digest[0] ^= 1), Illegal::OtherWire);
        assert_eq!(operation(&|wire| wire.leaf_path.push([0; 32])), Illegal::OtherWire);
        assert_eq!(operation(&|wire| wire.operation += 1), Illegal::OtherWire);
        let other = Illegal::Referee(RefereeError::OtherDescriptor);
        assert_eq!(operation(&|wire| wire.path.push([0; 32])), other);
        assert_eq!(operation(&|wire| wire.descriptor[0] ^= 1), other);
        let (own, siblings) = provider.record.own_chunk(0, 0).unwrap();
        let mut dice = Dice(43);
        let claim = loop {
            let claim = slanderer.claim(&Position { chunks: 1, ..opened.clone() }, &mut dice);
            let (wire, bytes, siblings) = (wire.clone(), own.clone(), siblings.clone());
            if opens(&Open::Chunk { wire, chunk: 0, bytes, siblings, claim: claim.clone() }).is_ok() {
                break claim;
            }
        };
        let chunk = |number: u64, bytes: Vec<u8>, siblings: Vec<[u8; 32]>| {
            let (wire, claim) = (wire.clone(), claim.clone());
            opens(&Open::Chunk { wire, chunk: number, bytes, siblings, claim }).unwrap_err()
        };
        let mut bytes = own.clone();
        bytes[0] ^= 1;
        assert_eq!(chunk(0, bytes, siblings.clone()), Illegal::NotBelow);
        assert!(matches!(chunk(opened.chunks, own.clone(), siblings.clone()), Illegal::Tree(_)));
        assert!(matches!(chunk(0, own[1..].to_vec(), siblings.clone()), Illegal::Tree(_)));
        if let Some((_, fewer)) = siblings.split_last() {
            assert!(matches!(chunk(0, own.clone(), fewer.to_vec()), Illegal::Tree(_)));
            let mut edited = siblings.clone();
            edited[0][0] ^= 1;
            assert_eq!(chunk(0, own.clone(), edited), Illegal::NotBelow);
        }
    }
}

// 8
#[test]
fn a_position_with_a_number_beyond_its_type_is_refused() {
    let position = Position { phase: Phase::Answer, ..Position::default() };
    let bytes = position.encode();
    assert_eq!(Position::decode(&bytes), Ok(position));
    let refused = |at: usize, value: u8| {
        let mut other = bytes.clone();
        other[at] = value;
        assert!(Position::decode(&other).is_err(), "byte {at}");
    };
    for word in [0, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20] {
        refused(32 * word, 1);
        refused(32 * word + 23, 1);
    }
    [4, 6].iter().for_each(|word| refused(32 * word + 27, 1));
    [0, 5, 12, 13].iter().for_each(|word| refused(32 * word + 30, 1));
    [0, 12].iter().for_each(|&phase| refused(31, phase));
    assert!(Position::decode(&bytes[1..]).is_err());
    assert!(Position::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn an_element_that_is_not_there_has_no_steps() {
    let job = Job::reals(701);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let descriptor = job.program.descriptor(0).unwrap();
    let cells = descriptor.operation.shape.cells() as u64;
    for element in [cells, u64::MAX] {
        let case =
            Case { ground: &provider.ground, inputs: &[], descriptor: &descriptor, element, openings: &[] };
        assert_eq!(case.finish([0; 4]), Err(RefereeError::NoStep));
        assert_eq!(case.advance(0, [0; 4]), Err(RefereeError::NoStep));
    }
}

// 7
#[test]
fn a_claim_of_more_bits_than_the_element_or_of_the_own_value_is_refused() {
    for job in jobs() {
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        for operation in 0..job.operations() {
            let wire = provider.record.own_wire(operation as u32).unwrap();
            let (bytes, siblings) = provider.record.own_chunk(operation as u32, 0).unwrap();
            let opened = dispute::open(&provider.ground, &Open::Operation(wire.clone()), CLOCKS, 0).unwrap();
            let width = usize::from(opened.width);
            let own = bytes[..width].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            let count = opened.groups().count();
            let claim = |element, value, states: usize| {
                let states = vec![0; states * usize::from(opened.words) * 8];
                let claim = dispute::Claim { element, value, states };
                let (wire, bytes, siblings) = (wire.clone(), bytes.clone(), siblings.clone());
                let how = Open::Chunk { wire, chunk: 0, bytes, siblings, claim };
                dispute::open(&provider.ground, &how, CLOCKS, 0).map(|position| position.phase)
            };
            assert_eq!(claim(0, own, count), Err(Illegal::NoOtherValue));
            assert_eq!(claim(0, own ^ 1, count), Ok(Phase::Answer));
            if width < 8 {
                let wide = (own ^ 1) | 1 << (8 * width);
                assert_eq!(claim(0, wide, count), Err(Illegal::NoOtherValue));
            }
            if opened.words > 0 {
                assert_eq!(claim(0, own ^ 1, count + 1), Err(Illegal::States));
                assert_eq!(claim(0, own ^ 1, count - 1), Err(Illegal::States));
            }
            let elements = opened.length / width as u64;
            for outside in [elements, elements.max(1024 / width as u64), u64::MAX, u64::MAX / width as u64] {
                assert_eq!(claim(outside, own ^ 1, count), Err(Illegal::OutsideChunk));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    // 8
    #[test]
    fn hostile_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..900), tag in 0u8..13) {
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        if let Ok(played) = Move::decode(&bytes) {
            prop_assert_eq!(played.encode(), bytes.clone());
        }
        if let Ok((ground, commitment, how)) = Open::decode(&bytes) {
            prop_assert_eq!(how.encode(&ground, &commitment), bytes.clone());
        }
        let _ = Position::decode(&bytes);
        let _ = judgeable(&bytes);
    }

    // 8
    #[test]
    fn hostile_descriptors_are_judged_in_short_steps_without_a_panic(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let program = match dice.one_in(2) {
            true => Recipe { seed, operations: 2, numbers: Numbers::Extreme }.program().0,
            false => RealRecipe { seed, operations: 2 }.program().0,
        };
        for number in 0..program.operations.len() {
            let mut bytes = program.descriptor(number).unwrap().encode();
            for _ in 0..dice.from(1..=4) {
                let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
                bytes[at] = match dice.from(0..=6) {
                    0..=5 => dice.of(&[0, 1, 2, 0x7f, 0x80, 0xff]),
                    _ => dice.from(0..=255) as u8,
                };
            }
            let Ok(descriptor) = judgeable(&bytes) else { continue };
            let place = dice.from(0..=descriptor.operation.shape.cells() as i64 - 1) as u64;
            let output = descriptor.point(place);
            let state = [(); 4].map(|()| dice.from(i64::MIN..=i64::MAX) as u64);
            let values: Vec<i64> = (0..7).map(|_| dice.from(i64::MIN..=i64::MAX)).collect();
            let mut read = |source, place: u64| -> Result<i64, ()> {
                assert!(place < descriptor.operand(source).unwrap().shape.cells() as u64);
                Ok(values[place as usize % 7])
            };
            let windows = descriptor.windows();
            for window in [0, 1, windows / 2, windows.saturating_sub(1), windows, u64::MAX] {
                let Some(run) = descriptor.window(window) else { continue };
                assert!(run.cells <= 512);
                descriptor.advance(&output, run, state, &mut read).unwrap();
            }
            descriptor.finish(&output, state, &mut read).unwrap();
        }
    }

    // 8
    #[test]
    fn hostile_positions_are_played_without_a_panic(
        words in prop::collection::vec(prop_oneof![Just(0u64), Just(1), Just(u64::MAX), any::<u64>(), 0u64..300], 21),
        phase in 1u64..=10,
        values in prop::collection::vec(any::<[u8; 32]>(), 0..17),
        small in any::<u16>(),
    ) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| [[0; 24].as_slice(), &word.to_be_bytes()].concat()).collect();
        bytes[24..32].copy_from_slice(&phase.to_be_bytes());
        if let Ok(mut position) = Position::decode(&bytes) {
            prop_assert_eq!(position.encode(), bytes.clone());
            position.deadline = u64::MAX;
            let packed = values.as_flattened().to_vec();
            position.node = assay_verifier::keccak::keccak256(&[&packed]);
            let ground = Ground { job: [0; 32], header: [1; 182], trace_root: [0; 32], inputs: [0; 32] };
            position.ground = ground.hash();
            let claim = dispute::Claim { element: words[3], value: words[4], states: packed.clone() };
            let moves = [
                Move::Reveal { values: values.clone() },
                Move::Pick { values, place: small },
                Move::RevealLeaf { ground: ground.clone(), digest: [0; 32], descriptor: packed.clone(), path: vec![] },
                Move::RevealChunk { chunk: packed.clone() },
                Move::Claim { chunk: packed.clone(), claim },
                Move::Split { states: packed.clone(), step: small },
                Move::Refine { states: packed.clone() },
            ];
            for played in moves {
                let _ = dispute::play(&position, Sender::Provider, &played, words[5] / 2);
                let _ = dispute::play(&position, Sender::Challenger, &played, words[5] / 2);
            }
        }
    }
}
