//! Each kind of operation that the compilers make, by its name.

use crate::cases::Bench;
use crate::common::networks;
use crate::common::programs::{Dice, inputs};
use crate::common::reals::{RealMaker, any_state, sum};
use crate::machine::Machine;
use crate::world::{Job, Run};
use assay_circuits::expression::Expression;
use assay_circuits::formula::{BINARY, Binary, Formula, UNARY, Unary};
use assay_circuits::program::{Access, Affine, Class, Source, Visibility};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, RealTensor};
use assay_prover::execute_f32::execute_f32;
use assay_prover::files::read_bytes;
use assay_prover::onnx::import;
use assay_prover::train::{Optimiser, step};
use networks::{Builder, affine, axis, read, term};
use std::collections::BTreeMap;
use std::path::Path;

const WINDOW: &str = "window from any state";
const EXPRESSION: &str = "expression of any state";

/// Compares steps of an operation: some elements from their start, and steps from any state, from changed openings too.
fn compare(bench: &mut Bench, operation: usize, elements: usize, dice: &mut Dice) {
    let descriptor = bench.descriptor(operation);
    let cells = descriptor.operation.shape.cells() as i64;
    for number in 0..elements {
        // The corners, where padding is, and others.
        let element = match number {
            0 => 0,
            1 => cells - 1,
            _ => dice.from(0..=cells - 1),
        } as u64;
        if descriptor.windows() <= 20 {
            bench.element(operation, element);
        }
        let window = descriptor.windows().checked_sub(1).map(|last| dice.from(0..=last as i64) as u64);
        for window in [None, window] {
            let state = any_state(descriptor.words(), dice);
            let honest = bench.step(operation, element, window, state);
            bench.compute(&honest, if window.is_some() { WINDOW } else { EXPRESSION });
            for _ in 0..2 {
                bench.corrupted(&honest, dice);
            }
        }
    }
}

/// A maker of programs of binary32.
fn maker(seed: u64) -> RealMaker {
    RealMaker { dice: Dice(seed), program: RealMaker::start(), inputs: Vec::new() }
}

fn at(source: Source, index: Vec<Affine>) -> Access {
    Access { source, index }
}

/// The operation of a formula of so many tensors of 6 rows of 60.
fn map_of(maker: &mut RealMaker, formula: Formula, reads: usize) {
    let sums = (0..reads).map(|_| sum(vec![maker.along(&[0, 1], &[6, 60])])).collect();
    maker.push(Class::Map, &[6, 60], &[], sums, formula);
}

fn folds(maker: &mut RealMaker) -> Vec<&'static str> {
    let whole = || Formula::Sum(0);
    // Rows of 300 numbers, 1,200 bytes: windows lie in two chunks.
    let (x, w) = (maker.source(&[5, 300]), maker.source(&[7, 300]));
    let row = |source, row| at(source, vec![Affine::axis(row), Affine::axis(2)]);
    maker.push(Class::Fold, &[5, 7], &[300], vec![sum(vec![row(x, 0), row(w, 1)])], whole());
    let v = maker.source(&[300, 7]);
    let column = at(v, vec![Affine::axis(2), Affine::axis(1)]);
    let bias = maker.source(&[7]);
    let sums = vec![sum(vec![row(x, 0), column]), sum(vec![at(bias, vec![Affine::axis(1)])])];
    let relu =
        Formula::Sum(0).binary(Binary::Add, Formula::Sum(1)).binary(Binary::Maximum, Formula::number(0.0));
    maker.push(Class::Fold, &[5, 7], &[300], sums, relu);
    // A convolution with stride 2, dilation 2 and padding.
    let (picture, taps) = (maker.source(&[3, 11, 13]), maker.source(&[4, 3, 3, 3]));
    let spatial = |o: usize, k: usize| Affine::new(-1, &[(o, 2), (k, 2)]);
    let picture = at(picture, vec![Affine::axis(3), spatial(1, 4), spatial(2, 5)]);
    let taps = at(taps, [0, 3, 4, 5].map(Affine::axis).to_vec());
    maker.push(Class::Fold, &[4, 5, 6], &[3, 3, 3], vec![sum(vec![picture, taps])], whole());
    maker.push(
        Class::Fold,
        &[5],
        &[300],
        vec![sum(vec![at(x, vec![Affine::axis(0), Affine::axis(1)])])],
        whole(),
    );
    let grid = maker.source(&[9, 200]);
    let padded = at(grid, vec![Affine::new(-1, &[(0, 1)]), Affine::new(-2, &[(1, 1)])]);
    maker.push(Class::Maximum, &[10], &[203], vec![sum(vec![padded.clone()])], whole());
    maker.push(Class::Rank, &[10], &[203], vec![sum(vec![padded])], whole());
    vec!["dot", "dot of a column, bias, relu", "convolution", "sum", "maximum", "rank"]
}

fn moves(maker: &mut RealMaker) -> Vec<&'static str> {
    let table = maker.source(&[40, 30]);
    let positions = maker.source(&[9]);
    if let Source::Input(number) = positions {
        let numbers = [3.0, 39.0, 0.0, -1.0, 40.0, 2.9, f32::NAN, 1e30, 17.0];
        maker.inputs[number].bits = numbers.map(f32::to_bits).to_vec();
    }
    let mut gathered = sum(vec![
        at(table, vec![Affine::new(0, &[]), Affine::axis(1)]),
        at(positions, vec![Affine::axis(0)]),
    ]);
    gathered.terms[0].coefficient = 0;
    maker.push(Class::Move, &[9, 30], &[], vec![gathered], Formula::Sum(0));
    // Rows of two tensors one after the other, and nothing behind them.
    let other = maker.source(&[25, 30]);
    let mut joined = sum(vec![at(table, vec![Affine::axis(0), Affine::axis(1)])]);
    let below = sum(vec![at(other, vec![Affine::new(-40, &[(0, 1)]), Affine::axis(1)])]);
    joined.terms.extend(below.terms);
    maker.push(Class::Move, &[70, 30], &[], vec![joined], Formula::Sum(0));
    let turned = at(table, vec![Affine::new(39, &[(1, -1)]), Affine::new(0, &[(0, 3)])]);
    maker.push(Class::Move, &[10, 40], &[], vec![sum(vec![turned])], Formula::Sum(0));
    vec!["gather", "concatenation", "turn"]
}

fn maps(maker: &mut RealMaker) -> Vec<String> {
    let mut names = Vec::new();
    let two = |f: Binary| Formula::Sum(0).binary(f, Formula::Sum(1));
    let of = |i| Box::new(Formula::Sum(i));
    let number = |x: f32| Box::new(Formula::number(x));
    let scale = Formula::Sum(2).binary(Binary::Add, Formula::number(1e-5)).unary(Unary::ReciprocalRoot);
    let normalised =
        two(Binary::Subtract).binary(Binary::Multiply, scale).binary(Binary::Multiply, Formula::Sum(3));
    let erf = Formula::Sum(0).binary(Binary::Multiply, Formula::number(std::f32::consts::FRAC_1_SQRT_2));
    let gelu = Formula::Sum(0)
        .binary(Binary::Multiply, Formula::Fma(number(0.5), Box::new(erf.unary(Unary::Erf)), number(0.5)));
    let moment = |moment: usize, decay: f32, x: Formula| {
        let new = Formula::number(1.0 - decay).binary(Binary::Multiply, x);
        Formula::Fma(number(decay), of(moment), Box::new(new))
    };
    let square = Formula::Sum(3).binary(Binary::Multiply, Formula::Sum(3));
    let root = moment(2, 0.999, square).unary(Unary::SquareRoot).binary(Binary::Add, Formula::number(1e-8));
    let by = moment(1, 0.9, Formula::Sum(3)).binary(Binary::Divide, root);
    let adam = Formula::Fma(number(-1e-3), Box::new(by), of(0));
    let named = [
        ("fused multiply-add", Formula::Fma(of(0), of(1), of(2)), 3),
        ("selection", Formula::Select(of(0), of(1), of(2)), 3),
        ("exp of a difference", two(Binary::Subtract).unary(Unary::Exp), 2),
        ("layer norm", normalised, 4),
        ("GELU", gelu, 1),
        ("Adam", adam, 4),
    ];
    for (name, formula, reads) in named {
        map_of(maker, formula, reads);
        names.push(name.to_string());
    }
    for function in UNARY {
        map_of(maker, Formula::Sum(0).unary(function), 1);
        names.push(format!("{function:?}"));
    }
    for function in BINARY {
        map_of(maker, two(function), 2);
        names.push(format!("{function:?}"));
    }
    names
}

/// Compares each operation of a program, and counts.
fn named(job: Job, names: &[String], elements: usize, dice: &mut Dice) -> usize {
    assert_eq!(job.operations(), names.len());
    let mut bench = Bench::with(Machine::new(), job);
    for (operation, name) in names.iter().enumerate() {
        let before: usize = bench.compared.values().sum();
        compare(&mut bench, operation, elements, dice);
        let compared = bench.compared.values().sum::<usize>() - before;
        assert!(compared >= 2 * elements, "{name}: {compared} steps");
    }
    let refused: usize = bench.refused.values().sum();
    assert_eq!(
        refused,
        2 * bench.compared.get(EXPRESSION).unwrap_or(&0) + 2 * bench.compared.get(WINDOW).unwrap_or(&0)
    );
    bench.compared.values().sum()
}

#[test]
fn every_kind_of_binary32_operation_agrees() {
    let mut dice = Dice(61);
    let mut compared = 0;
    for seed in 0..2 {
        for make in [folds, moves] {
            let mut maker = maker(seed);
            let names: Vec<String> = make(&mut maker).into_iter().map(String::from).collect();
            let (program, inputs) = maker.finish();
            let job = Job::new(program, inputs.iter().map(|tensor| tensor.to_bytes()).collect());
            compared += named(job, &names, 6, &mut dice);
        }
        let mut maker = maker(seed + 7);
        let names = maps(&mut maker);
        let (program, inputs) = maker.finish();
        let job = Job::new(program, inputs.iter().map(|tensor| tensor.to_bytes()).collect());
        compared += named(job, &names, 4, &mut dice);
    }
    assert!(compared > 600, "{compared} steps");
}

/// Operations of bytes that have several chunks.
fn integers() -> (Job, Vec<&'static str>) {
    let mut b = Builder::new(false);
    let byte = Bounds { lo: -128, hi: 127 };
    let (x, w) = (b.input(&[3, 1300], (-128, 127), Visibility::Public), b.constant(&[4, 1300], (-128, 127)));
    let bias = b.constant(&[4], (-100_000, 100_000));
    let dot = vec![
        term(1, &[read(x, &[axis(0), axis(2)]), read(w, &[axis(1), axis(2)])]),
        term(1, &[read(bias, &[axis(1)])]),
    ];
    b.operation(&[3, 4], &[1300], vec![dot], Expression::requantise(1 << 12, byte));
    let four =
        (0..4).map(|shift| term(1 + shift, &[read(x, &[axis(0), affine(shift, &[(1, 1)])])])).collect();
    b.operation(&[3, 1297], &[], vec![four], Expression::requantise(3, byte));
    let table = Expression::Table {
        first: -128,
        values: (0..256).map(|i| (i - 128) * (i - 128) / 64 - 100).collect(),
        of: Box::new(Expression::Sum(0)),
    };
    b.operation(&[3, 1300], &[], vec![vec![term(1, &[read(x, &[axis(0), axis(1)])])]], table);
    let pair = |i| vec![term(1, &[read(x, &[axis(0), affine(i, &[(1, 2)])])])];
    b.operation(&[3, 650], &[], vec![pair(0), pair(1)], networks::max(0, 1));
    b.rank(&[3], 1300, read(x, &[axis(0), axis(1)]));
    let taps = b.constant(&[2, 3, 7], (-127, 127));
    let windows = read(x, &[axis(2), affine(-3, &[(1, 2), (3, 1)])]);
    let conv = vec![term(1, &[read(taps, &[axis(0), axis(2), axis(3)]), windows])];
    b.operation(&[2, 650], &[3, 7], vec![conv], Expression::requantise(512, Bounds { lo: 0, hi: 127 }));
    let names = vec!["dot with bias", "requantised map", "table", "maximum", "rank", "convolution"];
    (0..names.len()).for_each(|number| b.output(Source::Operation(number), Visibility::Public));
    (job_of_integers(b.finish()), names)
}

fn job_of_integers(program: assay_circuits::program::Program) -> Job {
    let tensors = inputs(&program, 62);
    let bytes = program.inputs.iter().zip(&tensors).map(|(input, tensor)| tensor.to_bytes(&input.bounds));
    let bytes = bytes.collect();
    Job::new(program, bytes)
}

#[test]
fn every_kind_of_integer_operation_agrees() {
    let mut dice = Dice(62);
    let (job, names) = integers();
    let names: Vec<String> = names.into_iter().map(String::from).collect();
    let mut compared = named(job, &names, 8, &mut dice);
    for (name, program) in networks::all(false, Visibility::Public) {
        let job = job_of_integers(program);
        let names: Vec<String> = (0..job.operations()).map(|number| format!("{name} {number}")).collect();
        compared += named(job, &names, 4, &mut dice);
    }
    assert!(compared > 300, "{compared} steps");
}

/// A training step of LeNet by Adam: forward, gradients, moments, update.
fn training() -> Job {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/assets/mnist_lenet.onnx");
    let model = read_bytes(&model).expect("the model is there");
    let graph = import(&model, &BTreeMap::from([("N".to_string(), 2)])).expect("a model");
    let adam = Optimiser::Adam { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let step = step(&graph, None, adam, false).expect("a step");
    let real = |sizes: &[usize], numbers: Vec<f32>| {
        let shape = Shape::new(sizes.to_vec()).expect("sizes");
        RealTensor::new(shape, numbers.into_iter().map(f32::to_bits).collect()).expect("a tensor")
    };
    let mut inputs: Vec<Option<RealTensor>> = vec![None; step.program.inputs.len()];
    for (input, _, initial) in &step.state {
        inputs[*input] = Some(initial.clone());
    }
    let image = (0..2 * 784).map(|i| (i * 7919 % 256) as f32 / 256.0).collect();
    (inputs[0], inputs[1]) = (Some(real(&[2, 1, 28, 28], image)), Some(real(&[2], vec![3.0, 8.0])));
    let inputs: Vec<RealTensor> = inputs.into_iter().map(|input| input.expect("an input")).collect();
    let trace = execute_f32(&step.program, &inputs).expect("a run");
    let honest = Run {
        inputs: inputs.iter().map(|tensor| tensor.to_bytes()).collect(),
        wires: trace.wires.iter().map(|tensor| tensor.to_bytes()).collect(),
    };
    Job { program: step.program, honest }
}

#[test]
fn each_operation_of_a_training_step_agrees() {
    let (mut dice, job) = (Dice(63), training());
    let names: Vec<String> = job.program.operations.iter().map(|operation| operation.name.clone()).collect();
    assert!(names.len() > 40, "{} operations", names.len());
    let compared = named(job, &names, 2, &mut dice);
    assert!(compared > 300, "{compared} steps");
}
