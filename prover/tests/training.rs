//! Training steps as f32 programs: gradients and losses of recorded runs, and what a chain of steps learns.

mod common;

use assay_circuits::program::Program;
use assay_circuits::shape::Shape;
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::{RealExecutor, execute_f32};
use assay_prover::files::{read_bytes, read_named, read_tensor};
use assay_prover::onnx::{Graph, Tensor, import};
use assay_prover::reals;
use assay_prover::train::{Optimiser, Step, step};
use common::shared;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

const BATCH: usize = 32;
const SGD: Optimiser = Optimiser::Sgd { learning_rate: 0.0625 };
const ADAM: Optimiser = Optimiser::Adam { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

fn real(shape: &[usize], values: impl IntoIterator<Item = f32>) -> RealTensor {
    RealTensor::new(Shape::new(shape.to_vec()).unwrap(), values.into_iter().map(f32::to_bits).collect())
        .unwrap()
}

fn floats(tensor: &RealTensor) -> Vec<f32> {
    tensor.bits.iter().map(|&bits| f32::from_bits(bits)).collect()
}

/// The greatest difference, relative to the greatest expected magnitude.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let reach = expected.iter().fold(1e-12f32, |m, x| m.max(x.abs()));
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / reach
}

/// A network for batches, its training step, and what was recorded of its training.
struct Run {
    graph: Graph,
    step: Step,
    trace: BTreeMap<String, Tensor>,
    log: Vec<f32>,
    /// Images and labels of all digits, in the order of the recorded run: the last 1,000 are held out.
    images: Vec<u8>,
    labels: Vec<u8>,
}

fn run_of(name: &str, gradients: bool) -> Option<Run> {
    let Some(root) = shared("training") else {
        println!("skipped: no shared folder");
        return None;
    };
    let data = shared("data").unwrap();
    let model = shared("models").unwrap().join(format!("mnist_{name}/model.onnx"));
    let graph = import(&read_bytes(&model).unwrap(), &BTreeMap::from([("N".to_string(), BATCH)])).unwrap();
    let step = step(&graph, None, SGD, gradients).unwrap();
    let trace = read_named(&root.join(format!("{name}_trace.npz"))).unwrap();
    let trace = trace.into_iter().filter_map(|(name, tensor)| Some((name?, tensor))).collect();
    let log = std::fs::read_to_string(root.join(format!("{name}_log.csv"))).unwrap();
    let log = log.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let read = |name: &str, header: usize| read_bytes(&data.join(name)).unwrap().split_off(header);
    let images = read("mnist10k-images-idx3-ubyte", 16);
    let labels = read("mnist10k-labels-idx1-ubyte", 8);
    Some(Run { graph, step, trace, log, images, labels })
}

fn pixels(bytes: impl IntoIterator<Item = f32>) -> Vec<f32> {
    bytes.into_iter().map(|x| x / 256.0).collect()
}

impl Run {
    /// The recorded name of a weight: `l3.weight` is `l3.w`.
    fn recorded(&self, step: usize, weight: &str, what: &str) -> Vec<f32> {
        let (layer, kind) = weight.split_once('.').unwrap();
        let kind = &kind[..1];
        let name = match what {
            "gradient" => format!("s{step}.{layer}.d{kind}"),
            "next" => format!("s{step}.{layer}.{kind}_next"),
            _ => format!("s{step}.{layer}.{kind}"),
        };
        self.trace[&name].to_f32()
    }

    fn weights(&self, step: usize) -> Vec<RealTensor> {
        let weights = self.step.weights.iter();
        weights.map(|w| real(w.initial.shape.sizes(), self.recorded(step, &w.name, "weight"))).collect()
    }

    fn batch(&self, indices: &[usize]) -> [RealTensor; 2] {
        let image = indices.iter().flat_map(|&i| &self.images[784 * i..784 * (i + 1)]).map(|&x| f32::from(x));
        let labels = indices.iter().map(|&i| f32::from(self.labels[i]));
        [real(&[BATCH, 1, 28, 28], pixels(image)), real(&[BATCH], labels)]
    }

    /// Batches in the recorded order.
    fn order(&self) -> Vec<Vec<usize>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/training/order.npy");
        let order = read_tensor(&path).unwrap();
        let epochs = order.integers().unwrap();
        let epoch = |epoch: &[i64]| -> Vec<Vec<usize>> {
            epoch.chunks_exact(BATCH).map(|batch| batch.iter().map(|&i| i as usize).collect()).collect()
        };
        epochs.chunks(9000).flat_map(epoch).collect()
    }

    /// The held-out digits that weights tell apart, of 1,000.
    fn correct(&self, weights: &[RealTensor]) -> usize {
        let mut graph = self.graph.clone();
        for (weight, tensor) in self.step.weights.iter().zip(weights) {
            let shape = graph.constants[&weight.name].shape().to_vec();
            graph.constants.insert(weight.name.clone(), Tensor::new(shape, floats(tensor)).unwrap());
        }
        let program = reals::compile(&graph, None).unwrap();
        let executor = RealExecutor::new(&program).unwrap();
        let mut correct = 0;
        for first in (9000..10_000).step_by(BATCH) {
            let indices: Vec<usize> = (first..first + BATCH).map(|i| i.min(9999)).collect();
            let [image, _] = self.batch(&indices);
            let logits = floats(&executor.outputs(&[image]).unwrap()[0]);
            for (place, row) in logits.chunks(10).enumerate().filter(|(place, _)| first + place < 10_000) {
                let best = (1..10).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                correct += usize::from(best == usize::from(self.labels[first + place]));
            }
        }
        correct
    }
}

fn outputs(program: &Program, inputs: &[RealTensor]) -> Vec<RealTensor> {
    execute_f32(program, inputs).unwrap().outputs(program).cloned().collect()
}

fn gradients_of_recorded_steps(name: &str) {
    let Some(run) = run_of(name, true) else { return };
    for number in 0.. {
        let Some(images) = run.trace.get(&format!("s{number}.image")) else { break };
        let labels = run.trace[&format!("s{number}.label")].to_f32();
        let mut inputs = vec![real(&[BATCH, 1, 28, 28], pixels(images.to_f32())), real(&[BATCH], labels)];
        inputs.extend(run.weights(number));
        let trace = execute_f32(&run.step.program, &inputs).unwrap();
        let loss = f32::from_bits(trace.outputs(&run.step.program).next().unwrap().bits[0]);
        let expected = run.trace[&format!("s{number}.loss")].to_f32()[0];
        assert!((loss - expected).abs() < 1e-5 * expected, "{loss} {expected}");
        for (weight, (_, output, _)) in run.step.weights.iter().zip(&run.step.state) {
            let found = floats(&trace.wires[weight.gradient.unwrap()]);
            let by = error(&found, &run.recorded(number, &weight.name, "gradient"));
            println!("{name} step {number}: gradient of {} within {by:e}", weight.name);
            assert!(by < 1e-4, "{}: {by}", weight.name);
            let next = floats(&trace.wires[run.step.program.outputs[*output].operation]);
            let by = error(&next, &run.recorded(number, &weight.name, "next"));
            assert!(by < 1e-5, "{}: {by}", weight.name);
        }
    }
}

#[test]
fn gradients_of_the_perceptrons_recorded_steps_agree() {
    gradients_of_recorded_steps("mlp");
}

#[test]
fn gradients_of_lenets_recorded_steps_agree() {
    gradients_of_recorded_steps("lenet");
}

/// Trains from the recorded first weights; the losses, and the weights at the end.
fn train(run: &Run, steps: usize) -> (Vec<f32>, Vec<RealTensor>) {
    let executor = RealExecutor::new(&run.step.program).unwrap();
    let mut weights = run.weights(0);
    let mut losses = Vec::new();
    for batch in run.order().iter().take(steps) {
        let inputs: Vec<RealTensor> = run.batch(batch).into_iter().chain(weights).collect();
        let mut next = executor.outputs(&inputs).unwrap();
        losses.push(f32::from_bits(next[0].bits[0]));
        weights = next.split_off(1);
    }
    (losses, weights)
}

/// Losses are the recorded ones for `alike` steps. `correct` is what the recorded run's own script tells of 1,000 held-out
/// digits after this many epochs.
fn learns_as_recorded(name: &str, alike: usize, epochs: usize, correct: usize) {
    let Some(run) = run_of(name, false) else { return };
    let start = Instant::now();
    let (losses, weights) = train(&run, epochs * (9000 / BATCH));
    println!(
        "{name}: {} operations, {} steps in {:?}",
        run.step.program.operations.len(),
        losses.len(),
        start.elapsed()
    );
    let by = |losses: &[f32]| losses.iter().zip(&run.log).fold(0f32, |m, (a, b)| m.max((a - b).abs() / b));
    let mean = |losses: &[f32]| losses.iter().take(200).sum::<f32>() / 200.0;
    let of_mean = (mean(&losses) - mean(&run.log)).abs() / mean(&run.log);
    println!(
        "{name}: losses within {:.5} % for {alike} steps, {:.3} % for 200; their mean within {:.3} %",
        100.0 * by(&losses[..alike]),
        100.0 * by(&losses[..200]),
        100.0 * of_mean
    );
    assert!(by(&losses[..alike]) < 1e-5 && of_mean < 0.01);
    let found = run.correct(&weights);
    println!("{name}: {found} of 1,000 held-out digits, recorded {correct}");
    assert!(found.abs_diff(correct) <= 5, "{found} {correct}");
}

#[test]
fn the_perceptron_learns_as_recorded() {
    learns_as_recorded("mlp", 200, 3, 928);
}

/// In step 75 of the recorded run a maximum is decided by the last bits of two numbers; from there on it and this one part,
/// as the same script in double precision parts from it, whose losses this run keeps to.
#[test]
fn lenet_learns_as_recorded() {
    learns_as_recorded("lenet", 75, 1, 943);
}

/// A small network whose gradients are compared with differences of its loss.
#[test]
fn adam_keeps_its_moments_and_lowers_the_loss() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/assets/mnist_lenet.onnx");
    let graph = import(&read_bytes(&model).unwrap(), &BTreeMap::from([("N".to_string(), 4)])).unwrap();
    let step = step(&graph, None, ADAM, false).unwrap();
    step.program.check().unwrap();
    assert_eq!(Program::decode(&step.program.encode()).as_ref(), Ok(&step.program));
    let mut inputs: Vec<Option<RealTensor>> = vec![None; step.program.inputs.len()];
    for (input, _, initial) in &step.state {
        inputs[*input] = Some(initial.clone());
    }
    let image = (0..4 * 784).map(|i| (i * 7919 % 256) as f32 / 256.0);
    inputs[0] = Some(real(&[4, 1, 28, 28], image));
    inputs[1] = Some(real(&[4], [1.0, 2.0, 3.0, 4.0]));
    let mut losses = Vec::new();
    for _ in 0..12 {
        let given: Vec<RealTensor> = inputs.iter().map(|input| input.clone().unwrap()).collect();
        let next = outputs(&step.program, &given);
        losses.push(f32::from_bits(next[0].bits[0]));
        for (input, output, _) in &step.state {
            inputs[*input] = Some(next[*output].clone());
        }
    }
    assert!(losses[11] < 0.2 * losses[0], "{losses:?}");
}
