//! Real networks compiled to integers: agreement with the float model, accuracy on digits, and what proving them
//! would cost. `ASSAY_DIGITS=10000` runs all digits; a few hundred otherwise.

mod common;

use assay_circuits::lower::Coverage;
use assay_circuits::plan::{Cost, plan};
use assay_circuits::program::Program;
use assay_circuits::tensor::Tensor as IntTensor;
use assay_prover::compile::{CompileOptions, compile, dequantise_output, quantise_input};
use assay_prover::execute::Executor;
use assay_prover::onnx::{Graph, Tensor, import, run};
use assay_prover::quantise::accuracy::first_greatest;
use common::{Case, shared};
use rayon::prelude::*;
use std::collections::BTreeMap;

type Sample = BTreeMap<String, Tensor>;

fn execute(executor: &Executor<'_>, program: &Program, sample: &Sample) -> Vec<IntTensor> {
    let inputs: Vec<_> = program
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| quantise_input(program, i, &sample[&input.name]))
        .collect();
    executor.outputs(&inputs).unwrap()
}

/// Rows of a batched tensor.
fn rows(tensor: &Tensor, shape: &[usize]) -> Vec<Tensor> {
    let values = tensor.to_f32();
    let cells: usize = shape.iter().product();
    values.chunks(cells).map(|row| Tensor::new(shape.to_vec(), row.to_vec()).unwrap()).collect()
}

/// The digits in the fixed order, and their labels; the last thousand were not trained on.
fn digits(graph: &Graph, pixel: impl Fn(u8) -> f32 + Sync) -> Option<(Vec<Sample>, Vec<u8>)> {
    let images = std::fs::read(shared("data/mnist10k-images-idx3-ubyte")?).unwrap();
    let labels = std::fs::read(shared("data/mnist10k-labels-idx1-ubyte")?).unwrap()[8..].to_vec();
    let input = &graph.inputs[0];
    let sample = |image: &[u8]| {
        let values: Vec<f32> = image.iter().map(|&byte| pixel(byte)).collect();
        BTreeMap::from([(input.name.clone(), Tensor::new(input.shape.clone(), values).unwrap())])
    };
    Some((images[16..].par_chunks(784).map(sample).collect(), labels))
}

struct Figures {
    agreement: f64,
    float_accuracy: f64,
    accuracy: f64,
}

/// For each sample: whether the two agree, and whether each is right.
fn verdicts(graph: &Graph, program: &Program, samples: &[Sample], labels: &[u8]) -> Vec<[bool; 3]> {
    let executor = Executor::new(program).unwrap();
    let one = |(sample, &label): (&Sample, &u8)| {
        let float = run(graph, sample).unwrap();
        let float = first_greatest(&float[&graph.outputs[0]].to_f32());
        let outputs = execute(&executor, program, sample);
        let integer = first_greatest(&dequantise_output(program, 0, &outputs[0]).to_f32());
        [float == integer, float == usize::from(label), integer == usize::from(label)]
    };
    samples.par_iter().zip(labels).map(one).collect()
}

fn figures(verdicts: &[[bool; 3]]) -> Figures {
    let share = |i: usize| verdicts.iter().filter(|v| v[i]).count() as f64 / verdicts.len().max(1) as f64;
    Figures { agreement: share(0), float_accuracy: share(1), accuracy: share(2) }
}

fn describe(name: &str, program: &Program, graph: &Graph) -> Cost {
    let cost = Cost::of(&plan(program).unwrap().system(program, &Coverage::All).unwrap());
    println!(
        "{name}: {} operations, {} MACs, {cost:?}",
        program.operations.len(),
        program.multiply_accumulates()
    );
    let divisors: Vec<String> = program
        .operations
        .iter()
        .map(|op| format!("{}:{:?}/{:?}", op.name, op.expression.divisor(), op.sums[0].bounds.magnitude()))
        .collect();
    if std::env::var_os("ASSAY_VERBOSE").is_some() {
        println!("  {}", divisors.join(" "));
        println!("  {:?}", program.accuracy);
    }
    assert_eq!(program.outputs.len(), graph.outputs.len());
    cost
}

fn load(name: &str) -> Option<(Case, Graph)> {
    let folder = shared(&format!("models/{name}"))?;
    let case = Case::from_folder(&folder).unwrap();
    let model = std::fs::read(folder.join("model.onnx")).unwrap();
    Some((case, import(&model, &BTreeMap::new()).unwrap()))
}

/// Every input within its bounds runs: also all at one bound, and alternating between them.
fn extremes_run(program: &Program) {
    let executor = Executor::new(program).unwrap();
    for pattern in 0..4usize {
        let inputs = program.inputs.iter().map(|input| {
            let pick = |i: usize| match (pattern, i % 2) {
                (0, _) | (2, 0) | (3, 1) => input.bounds.lo,
                _ => input.bounds.hi,
            };
            IntTensor { shape: input.shape.clone(), values: (0..input.shape.cells()).map(pick).collect() }
        });
        executor.outputs(&inputs.collect::<Vec<_>>()).unwrap();
    }
}

/// Compiles a model of digits, and checks accuracy and cost.
fn digit_model(name: &str, normalised: bool, most_bytes: Option<usize>) {
    let Some((_, graph)) = load(name) else {
        println!("skipped: {name} is not in the shared folder");
        return;
    };
    let pixel = |byte: u8| match normalised {
        true => (f32::from(byte) / 255.0 - 0.1307) / 0.3081,
        false => f32::from(byte) / 256.0,
    };
    let Some((samples, labels)) = digits(&graph, pixel) else {
        println!("skipped: the digits are not in the shared folder");
        return;
    };
    let started = std::time::Instant::now();
    let program = compile(&graph, &samples[..200], &CompileOptions::default()).unwrap();
    let compiled = started.elapsed();
    let cost = describe(name, &program, &graph);
    extremes_run(&program);
    let wanted = std::env::var("ASSAY_DIGITS").ok().and_then(|n| n.parse().ok());
    let quick = (4_000_000_000 / program.multiply_accumulates().max(1)).clamp(20, 1000) as usize;
    let count = wanted.unwrap_or(quick).min(samples.len());
    let first = samples.len() - count;
    let verdicts = verdicts(&graph, &program, &samples[first..], &labels[first..]);
    let last = count.min(1000);
    let (all, apart) = (figures(&verdicts), figures(&verdicts[count - last..]));
    for (what, n, f) in [("the last", count, &all), ("not trained on", last, &apart)] {
        println!(
            "{name}: {what} {n} digits: float {:.2} %, integer {:.2} %, top-1 agreement {:.2} % (compiled in {compiled:.2?})",
            100.0 * f.float_accuracy,
            100.0 * f.accuracy,
            100.0 * f.agreement
        );
    }
    let slack = 0.002 + 1.0 / count as f64;
    assert!(all.accuracy >= all.float_accuracy - slack, "{name} loses accuracy");
    if let Some(most) = most_bytes {
        assert!(cost.proof_bytes <= most, "{name}: a proof of {} bytes", cost.proof_bytes);
    }
}

#[test]
fn mnist_mlp_keeps_its_accuracy() {
    digit_model("mnist_mlp", false, Some(28 << 10));
    digit_model("mnist_mlp_qdq", false, None);
}

#[test]
fn mnist_lenet_keeps_its_accuracy() {
    digit_model("mnist_lenet", false, Some(28 << 10));
    digit_model("mnist_lenet_qdq", false, None);
    digit_model("mnist_lenet_qop", false, None);
}

#[test]
fn digit_recognizer_cnn_keeps_its_accuracy() {
    digit_model("digit_recognizer_cnn", true, Some(30 << 10));
    digit_model("digit_recognizer_cnn_qdq", true, None);
    digit_model("digit_recognizer_cnn_qop", true, None);
}

#[test]
fn credit_mlp_agrees_with_its_float_model() {
    let Some((case, graph)) = load("credit_mlp") else {
        println!("skipped: credit_mlp is not in the shared folder");
        return;
    };
    let input = &graph.inputs[0];
    let samples: Vec<Sample> = rows(&case.inputs[&input.name], &input.shape)
        .into_iter()
        .map(|row| BTreeMap::from([(input.name.clone(), row)]))
        .collect();
    let program = compile(&graph, &samples, &CompileOptions::default()).unwrap();
    describe("credit_mlp", &program, &graph);
    let labels = vec![0; samples.len()];
    let figures = figures(&verdicts(&graph, &program, &samples, &labels));
    println!("credit_mlp: {} samples, top-1 agreement {:.2} %", samples.len(), 100.0 * figures.agreement);
    assert!(figures.agreement >= 0.98);
}
