//! Audits: an honest answer passes, and whatever is wrong in what is drawn or opened fails.

mod common;

use assay_circuits::execute::{Trace, execute};
use assay_circuits::program::{Program, Source, Visibility};
use assay_circuits::tensor::Tensor;
use assay_prover::audit::{answer, check};
use assay_prover::receipt::{receipt_of, wire_digests};
use assay_verifier::audit::{self, Answer, AuditError};
use assay_verifier::draw::{Sample, chunks, draw};
use assay_verifier::receipt::Receipt;
use common::networks::{attention, convolution, forms};
use common::programs::{Numbers, inputs, recipes};
use proptest::prelude::*;

struct Job {
    program: Program,
    trace: Trace,
    receipt: Receipt,
}

impl Job {
    fn new(program: Program, inputs: &[Tensor]) -> Job {
        let trace = execute(&program, inputs).unwrap();
        Job::with(program, trace)
    }

    /// The job of a provider that commits to this trace, whatever it is.
    fn with(program: Program, trace: Trace) -> Job {
        let receipt = receipt_of(&program, [0; 32], &trace, wire_digests(&program, &trace)).unwrap();
        Job { program, trace, receipt }
    }

    /// Every chunk of every wire.
    fn all(&self) -> Vec<Sample> {
        let of =
            |operation| (0..chunks(&self.program, operation)).map(move |chunk| Sample { operation, chunk });
        (0..self.program.operations.len()).flat_map(of).collect()
    }

    fn answer(&self, samples: &[Sample]) -> Answer {
        answer(&self.program, &self.receipt, samples, &self.trace).unwrap()
    }

    /// The verdict, by the executor and by the definition: they are one.
    fn check(&self, samples: &[Sample], answer: &Answer) -> Result<(), AuditError> {
        let answer = Answer::decode(&answer.encode()).unwrap();
        let fast = check(&self.program, &self.receipt, samples, &answer);
        let plain = audit::check(&self.program, &self.receipt, samples, &answer, &mut audit::recompute);
        assert_eq!(fast, plain);
        fast
    }
}

fn job() -> Job {
    let program = convolution(false, Visibility::Public);
    let inputs = inputs(&program, 3);
    Job::new(program, &inputs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_honest_answer_passes(recipe in recipes(Numbers::Provable), seed in any::<[u8; 32]>()) {
        let (program, inputs) = recipe.program();
        let job = Job::new(program, &inputs);
        let samples = draw(&job.program, &job.receipt.hash(), &seed, 10);
        prop_assert_eq!(job.check(&samples, &job.answer(&samples)), Ok(()));
        let all = job.all();
        prop_assert_eq!(job.check(&all, &job.answer(&all)), Ok(()));
    }

    #[test]
    fn a_wrong_element_of_any_wire_fails_where_its_chunk_is_drawn(
        recipe in recipes(Numbers::Provable),
        operation in any::<prop::sample::Index>(),
        cell in any::<prop::sample::Index>(),
    ) {
        let (program, inputs) = recipe.program();
        let mut trace = execute(&program, &inputs).unwrap();
        let operation = operation.index(trace.wires.len());
        let cell = cell.index(trace.wires[operation].values.len());
        let width = program.width(Source::Operation(operation)).unwrap();
        trace.wires[operation].values[cell] ^= 1;
        let job = Job::with(program, trace);
        let samples = [Sample { operation, chunk: (cell * width / 1024) as u64 }];
        let verdict = job.check(&samples, &job.answer(&samples));
        let wrong = matches!(verdict, Err(AuditError::Wrong { operation: o, element: e, .. })
            if o == operation && e == cell as u64);
        prop_assert!(wrong, "{verdict:?}");
    }
}

#[test]
fn the_networks_of_every_form_pass() {
    for network in [convolution, attention, forms] {
        let program = network(false, Visibility::Public);
        let inputs = inputs(&program, 9);
        let job = Job::new(program, &inputs);
        let all = job.all();
        assert_eq!(job.check(&all, &job.answer(&all)), Ok(()));
    }
}

#[test]
fn an_answer_for_another_receipt_or_another_draw_fails() {
    let job = job();
    let samples = draw(&job.program, &job.receipt.hash(), &[1; 32], 1);
    let honest = job.answer(&samples);
    assert_eq!(job.check(&samples, &honest), Ok(()));
    let other = Answer { receipt: [7; 32], ..honest.clone() };
    assert_eq!(job.check(&samples, &other), Err(AuditError::OtherReceipt));
    // The provider answers the draw that it likes better.
    let liked = (0..=u8::MAX)
        .map(|byte| draw(&job.program, &job.receipt.hash(), &[byte; 32], 1))
        .find(|drawn| drawn[0].operation != samples[0].operation)
        .unwrap();
    assert!(matches!(job.check(&samples, &job.answer(&liked)), Err(AuditError::Opened { .. })));
    assert!(matches!(
        job.check(&samples, &Answer { slices: Vec::new(), ..honest }),
        Err(AuditError::Opened { .. })
    ));
}

#[test]
fn every_part_of_an_answer_is_checked() {
    let job = job();
    let samples = job.all();
    let honest = job.answer(&samples);
    for number in 0..honest.slices.len() {
        let mut missing = honest.clone();
        missing.slices.remove(number);
        assert!(matches!(job.check(&samples, &missing), Err(AuditError::Opened { .. })));
        let mut fewer = honest.clone();
        fewer.slices[number].1.chunks.pop();
        assert!(job.check(&samples, &fewer).is_err());
        for byte in [0, 5] {
            let mut flipped = honest.clone();
            flipped.slices[number].1.chunks[0].1[byte] ^= 1;
            assert!(matches!(job.check(&samples, &flipped), Err(AuditError::Digest { .. })));
        }
        let mut sibling = honest.clone();
        sibling.slices[number].1.siblings.push([0; 32]);
        assert!(matches!(job.check(&samples, &sibling), Err(AuditError::Digest { .. })));
    }
    // More than is needed is refused too: one answer to a draw.
    let one = &samples[..1];
    assert!(matches!(job.check(one, &honest), Err(AuditError::Opened { .. })));
    let beyond = Sample { operation: job.program.operations.len(), chunk: 0 };
    assert_eq!(job.check(&[beyond], &honest), Err(AuditError::Sample { sample: 0 }));
    let beyond = Sample { operation: 0, chunk: 1 << 40 };
    assert_eq!(job.check(&[beyond], &honest), Err(AuditError::Sample { sample: 0 }));
}

#[test]
fn a_receipt_of_another_program_or_with_an_edited_leaf_fails() {
    let job = job();
    let samples = draw(&job.program, &job.receipt.hash(), &[1; 32], 4);
    let honest = job.answer(&samples);
    let mut edited = job.receipt.clone();
    edited.leaves[0][0] ^= 1;
    assert!(matches!(check(&job.program, &edited, &samples, &honest), Err(AuditError::Receipt(_))));
    let other = attention(false, Visibility::Public);
    assert!(matches!(check(&other, &job.receipt, &samples, &honest), Err(AuditError::Receipt(_))));
}

#[test]
fn an_answer_cut_anywhere_or_with_bytes_after_it_is_refused() {
    let job = job();
    let samples = draw(&job.program, &job.receipt.hash(), &[1; 32], 4);
    let mut bytes = job.answer(&samples).encode();
    for end in (0..bytes.len()).step_by(7) {
        assert!(Answer::decode(&bytes[..end]).is_err());
    }
    bytes.push(0);
    assert!(Answer::decode(&bytes).is_err());
}
