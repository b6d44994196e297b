//! Steps of elements: every class of operation, in both precisions and of training steps, true and with wrong openings.

use super::common::programs::Dice;
use super::common::reals::reals;
use super::evm::Evm;
use super::world::Job;
use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolCall;
use assay_circuits::element::State;
use assay_circuits::encoding::Writer;
use assay_circuits::program::Program;
use assay_circuits::tensor::RealTensor;
use assay_contracts::abi::Referee;
use assay_contracts::ground;
use assay_prover::dispute::{Provider, Record};
use assay_prover::onnx::import;
use assay_prover::run::{Run, Tensors};
use assay_prover::trace::TensorBytes;
use assay_prover::train::{Optimiser, step};
use assay_verifier::dispute::{Move, Phase, Position};
use assay_verifier::referee::{Case, Opening, encode_openings, pack_states, state_word};
use std::collections::BTreeMap;
use std::path::Path;

/// What was compared, by precision and class of the operation: steps that both computed, steps that both refused.
type Tally = BTreeMap<String, [usize; 2]>;

/// Bits of states: like those of the computation, or any.
fn any_state(words: usize, dice: &mut Dice) -> State {
    let mut state = [0; 4];
    for word in state.iter_mut().take(words) {
        *word = match dice.from(0..=3) {
            0 => dice.from(0..=u32::MAX.into()) as u64,
            1 => u64::from(reals(dice, 1)[0]) << 32 | u64::from(reals(dice, 1)[0]),
            2 => dice.from(-300..=300) as u64,
            _ => (dice.from(0..=i64::MAX) as u64) << 1 | dice.from(0..=1) as u64,
        };
    }
    state
}

/// Something else than what a step reads.
fn wrong(openings: &[Opening], dice: &mut Dice) -> Vec<Opening> {
    let mut changed = openings.to_vec();
    let place = dice.from(0..=openings.len() as i64 - 1) as usize;
    match dice.from(0..=7) {
        0 => drop(changed.remove(place)),
        1 => changed.push(openings[place].clone()),
        2 => changed[place].bytes[0] ^= 1,
        3 => changed[place].chunk += 1,
        4 => changed[place].leaf.push(0),
        5 => changed[place].siblings.push([1; 32]),
        6 => changed[place].operand ^= 1,
        _ => changed.reverse(),
    }
    changed
}

fn compare<T: TensorBytes>(
    evm: &mut Evm,
    provider: &Provider<'_, T>,
    program: &Program,
    operation: usize,
    dice: &mut Dice,
    tally: &mut Tally,
) {
    let descriptor = program.descriptor(operation).unwrap();
    let (words, windows) = (descriptor.words(), descriptor.windows());
    let element = dice.from(0..=descriptor.operation.shape.cells() as i64 - 1) as u64;
    let finish = windows == 0 || dice.one_in(2);
    let window = if finish { windows } else { dice.from(0..=windows as i64 - 1) as u64 };
    let before = any_state(words, dice);
    // A claim of this window alone, or of none.
    let position = Position {
        phase: if finish { Phase::Answer } else { Phase::AnswerInner },
        operation: operation as u32,
        element,
        from: window,
        to: if finish { window } else { window + 1 },
        words: words as u8,
        before,
        ..Position::default()
    };
    let states = if finish { Vec::new() } else { pack_states(&[before], words) };
    let Move::Rebut { inputs, openings, .. } = provider.rebut_step(&position, &states, 0).unwrap() else {
        unreachable!()
    };
    let key = format!("{:?} {:?}", program.precision, descriptor.operation.class);
    let mut tried = vec![openings.clone()];
    if !openings.is_empty() {
        tried.push(wrong(&openings, dice));
    }
    for openings in tried {
        let case = Case {
            ground: &provider.ground,
            inputs: &inputs,
            descriptor: &descriptor,
            element,
            openings: &openings,
        };
        let mut encoded = Writer::new();
        encode_openings(&openings, &mut encoded);
        let (on, inputs) = (ground(&provider.ground), Bytes::from(inputs.clone()));
        let (descriptor, openings) = (Bytes::from(descriptor.encode()), Bytes::from(encoded.finish()));
        let state = U256::from_be_bytes(state_word(before));
        // The two ABIs name the same struct.
        let on =
            Referee::Ground { job: on.job, header: on.header, traceRoot: on.traceRoot, inputs: on.inputs };
        let (answer, twin) = if finish {
            let call = Referee::finishCall { ground: on, inputs, descriptor, openings, element, state };
            (evm.ask(evm.referee, call.abi_encode().into()), case.finish(before).map(U256::from))
        } else {
            let call =
                Referee::advanceCall { ground: on, inputs, descriptor, openings, element, window, state };
            let twin = case.advance(window, before).map(|state| U256::from_be_bytes(state_word(state)));
            (evm.ask(evm.referee, call.abi_encode().into()), twin)
        };
        let answer = answer.map(|word| U256::from_be_slice(&word));
        assert_eq!(answer, twin.clone().ok(), "{key}, operation {operation}, window {window}: {twin:?}");
        tally.entry(key.clone()).or_default()[usize::from(twin.is_err())] += 1;
    }
}

#[test]
fn steps_of_every_class_have_the_same_bits_or_are_refused_alike() {
    let (mut evm, mut dice, mut tally) = (Evm::new(), Dice(36), Tally::new());
    for seed in 1_000..2_000 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        for operation in 0..job.operations() {
            for _ in 0..3 {
                compare(&mut evm, &provider, &job.program, operation, &mut dice, &mut tally);
            }
        }
    }
    let classes =
        ["Int8 Map", "Int8 Fold", "Int8 Rank", "F32 Map", "F32 Fold", "F32 Move", "F32 Rank", "F32 Maximum"];
    for class in classes {
        let [computed, refused] = tally[class];
        assert!(computed > 50 && refused > 20, "{class}: {tally:?}");
    }
}

#[test]
fn steps_of_training_have_the_same_bits_or_are_refused_alike() {
    let (mut evm, mut dice, mut tally) = (Evm::new(), Dice(37), Tally::new());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/assets/mnist_lenet.onnx");
    let model = std::fs::read(path).unwrap();
    let graph = import(&model, &BTreeMap::from([("N".to_string(), 2)])).unwrap();
    let sgd = Optimiser::Sgd { learning_rate: 0.0625 };
    let adam = Optimiser::Adam { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    for optimiser in [sgd, adam] {
        let step = step(&graph, None, optimiser, false).unwrap();
        let program = &step.program;
        let mut inputs: Vec<RealTensor> = program
            .inputs
            .iter()
            .map(|input| {
                let bits = (0..input.shape.cells()).map(|_| (dice.from(0..=255) as f32 / 256.0).to_bits());
                RealTensor::new(input.shape.clone(), bits.collect()).unwrap()
            })
            .collect();
        let labels = program.inputs.iter().position(|input| input.name == "labels").unwrap();
        inputs[labels].bits = vec![3f32.to_bits(), 8f32.to_bits()];
        for (input, _, first) in &step.state {
            inputs[*input] = first.clone();
        }
        let run = Run::new(program, &Tensors::Reals(inputs)).unwrap();
        let provider = Provider::new(Record::new(program, &run).unwrap(), [5; 32]);
        for operation in 0..program.operations.len() {
            for _ in 0..8 {
                compare(&mut evm, &provider, program, operation, &mut dice, &mut tally);
            }
        }
    }
    assert!(tally.values().map(|[computed, _]| computed).sum::<usize>() > 400, "{tally:?}");
}
