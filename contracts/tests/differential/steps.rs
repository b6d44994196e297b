//! Steps of random programs of both precisions, honest ones and changed ones; and descriptors.

use crate::cases::{Bench, add};
use crate::common::programs::Dice;
use crate::common::reals::any_state;
use crate::machine::Machine;
use crate::world::Job;
use alloy::primitives::U256;
use assay_contracts::abi::Referee;
use assay_verifier::referee::{judgeable, state_word, wire_tree};
use std::collections::BTreeMap;

/// Steps of some elements of each operation, from true and from any states.
fn steps_of(bench: &mut Bench, elements: usize, dice: &mut Dice) {
    for operation in 0..bench.job.operations() {
        let descriptor = bench.descriptor(operation);
        let (cells, windows, words) =
            (descriptor.operation.shape.cells() as i64, descriptor.windows() as i64, descriptor.words());
        for number in 0..elements {
            let element = dice.from(0..=cells - 1) as u64;
            if number == 0 && windows <= 12 {
                bench.element(operation, element);
            }
            if windows > 0 {
                let window = dice.from(0..=windows - 1) as u64;
                let state = any_state(words, dice);
                bench.advance(operation, element, window, state);
                let step = bench.step(operation, element, Some(window), state);
                bench.corrupted(&step, dice);
                bench.moved(&step, dice);
            }
            let state = any_state(words, dice);
            bench.finish(operation, element, state);
            let step = bench.step(operation, element, None, state);
            bench.corrupted(&step, dice);
            bench.moved(&step, dice);
        }
    }
}

/// Runs random programs; steps that were compared, by precision, class and step.
fn random(jobs: impl Iterator<Item = Job>, seed: u64) -> BTreeMap<String, usize> {
    let mut dice = Dice(seed);
    let (mut compared, mut refused, mut moved) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut machine = Machine::new();
    for job in jobs {
        let mut bench = Bench::with(machine, job);
        steps_of(&mut bench, 3, &mut dice);
        add(&mut compared, bench.compared);
        add(&mut refused, bench.refused);
        add(&mut moved, bench.moved);
        machine = bench.machine;
    }
    println!("{compared:?}\n{refused:?}\n{moved:?}");
    assert!(refused.len() == 12 && refused.values().all(|&count| count >= 40), "{refused:?}");
    for what in ["element", "window", "header", "trace root", "descriptor"] {
        for verdict in ["refused", "computed"] {
            let count = moved.get(&format!("another {what}, {verdict}")).copied().unwrap_or(0);
            assert!(count >= 20, "{count} of another {what} {verdict}");
        }
    }
    compared
}

#[test]
fn steps_of_random_binary32_programs_agree_and_changed_ones_are_refused_by_both() {
    let compared = random((0..200).map(Job::reals), 51);
    for what in
        ["Fold advance", "Maximum advance", "Rank advance", "Map finish", "Move finish", "Fold finish"]
    {
        let count = compared.get(&format!("F32 {what}")).copied().unwrap_or(0);
        assert!(count >= 40, "{count} of {what}");
    }
}

#[test]
fn steps_of_random_integer_programs_agree_and_changed_ones_are_refused_by_both() {
    let compared = random((0..200).map(Job::integers), 52);
    for what in ["Fold advance", "Rank advance", "Map advance", "Map finish", "Fold finish", "Rank finish"] {
        let count = compared.get(&format!("Int8 {what}")).copied().unwrap_or(0);
        assert!(count >= 40, "{count} of {what}");
    }
}

#[test]
fn both_describe_the_same_operations_and_refuse_the_same_bytes() {
    let (mut machine, mut dice) = (Machine::new(), Dice(53));
    let (mut described, mut refused) = (0, 0);
    for seed in 1000..1250 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let number = dice.from(0..=job.operations() as i64 - 1) as usize;
        let own = job.program.descriptor(number).expect("an operation").encode();
        for change in 0..8 {
            let mut bytes = own.clone();
            let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
            match (change, dice.from(0..=6)) {
                (0, _) => {}
                (_, 0) => bytes.truncate(at),
                (_, 1) => bytes.push(dice.from(0..=255) as u8),
                (_, 2) => bytes[at] = 0xff,
                (_, 3) => bytes[at] = bytes[at].wrapping_add(1),
                _ => bytes[at] ^= 1 << dice.from(0..=7),
            }
            let call = Referee::describeCall { descriptor: bytes.clone().into() };
            let theirs = machine.ask(machine.referee, &call);
            let Ok(descriptor) = judgeable(&bytes) else {
                assert!(theirs.is_err(), "only Solidity describes {}", alloy::hex::encode(&bytes));
                refused += 1;
                continue;
            };
            // A wire beyond the largest tree has no game in Rust.
            if wire_tree(&descriptor).is_none() {
                continue;
            }
            let theirs = theirs.unwrap_or_else(|why| panic!("{why}: {}", alloy::hex::encode(&bytes)));
            assert_eq!(theirs.length, descriptor.operation.shape.cells() as u64 * descriptor.width as u64);
            assert_eq!(usize::from(theirs.width), descriptor.width);
            assert_eq!(usize::from(theirs.words), descriptor.words());
            assert_eq!(theirs.windows, descriptor.windows());
            assert_eq!(theirs.start, U256::from_be_bytes(state_word(descriptor.start())));
            described += 1;
        }
    }
    assert!(described >= 250 && refused >= 400, "{described} described, {refused} refused");
}
