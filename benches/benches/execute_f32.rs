//! Programs of one f32 operation, and ordinary products of f32 matrices on the same numbers: what a fixed order of
//! additions costs.
//!
//! Before Criterion's own figures it prints two tables: of products the least time of each in turns, beside
//! `matrixmultiply`, by way of ndarray; and of other operations. A peer of a convolution makes the matrix of its
//! windows first; "product alone" is without that.

use assay_benches::networks::Random;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{REAL_BOUNDS, RealTensor};
use assay_prover::execute_f32::RealExecutor;
use assay_prover::kernels::elementary::Instructions;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn tensor(sizes: &[usize], seed: u64) -> RealTensor {
    let shape = Shape::new(sizes.to_vec()).expect("sizes of a bench fit");
    let mut random = Random(seed);
    let bits = (0..shape.cells()).map(|_| (random.between(-1000, 1000) as f32 / 512.0).to_bits()).collect();
    RealTensor { shape, bits }
}

fn read(source: Source, index: Vec<Affine>) -> Sum {
    product(vec![Access { source, index }])
}

fn product(factors: Vec<Access>) -> Sum {
    Sum { terms: vec![Term { coefficient: 1, factors }], bounds: REAL_BOUNDS }
}

/// A program of one operation.
fn program(
    class: Class,
    [shape, reduce]: [&[usize]; 2],
    sums: Vec<Sum>,
    formula: Formula,
    inputs: &[RealTensor],
    constants: &[RealTensor],
) -> Program {
    let input = |(number, tensor): (usize, &RealTensor)| Input {
        name: format!("x{number}"),
        shape: tensor.shape.clone(),
        bounds: REAL_BOUNDS,
        scale: 1.0,
        visibility: Visibility::Public,
        image: None,
    };
    let operation = Operation {
        name: "y".into(),
        class,
        shape: Shape::new(shape.to_vec()).expect("sizes of a bench fit"),
        reduce: reduce.to_vec(),
        sums,
        expression: Expression::Formula(formula),
    };
    let program = Program {
        precision: Precision::F32,
        committed_model: false,
        inputs: inputs.iter().enumerate().map(input).collect(),
        constants: constants.iter().cloned().map(Constant::real).collect(),
        operations: vec![operation],
        outputs: vec![Output { name: "y".into(), operation: 0, scale: 1.0, visibility: Visibility::Public }],
        reshaped: Default::default(),
        accuracy: AccuracyReport::default(),
    };
    program.check().expect("the bench's program is well formed");
    program
}

/// An operation, and the product of matrices that an ordinary library makes of it.
struct Case {
    name: String,
    program: Program,
    inputs: Vec<RealTensor>,
    /// Rows, columns, depth.
    sizes: [usize; 3],
    /// For a convolution: channels, size, kernel, padding, size of the output.
    windows: Option<[usize; 5]>,
}

/// Rows times columns; the second factor is a weight, or another input.
fn matrices(sizes: [usize; 3], weights: bool) -> Case {
    let [rows, columns, depth] = sizes;
    let (left, right) = (tensor(&[rows, depth], 1), tensor(&[depth, columns], 2));
    let second = if weights { Source::Constant(0) } else { Source::Input(1) };
    let factors = vec![
        Access { source: Source::Input(0), index: vec![Affine::axis(0), Affine::axis(2)] },
        Access { source: second, index: vec![Affine::axis(2), Affine::axis(1)] },
    ];
    let (inputs, constants) = match weights {
        true => (vec![left], vec![right]),
        false => (vec![left, right], vec![]),
    };
    let loops: [&[usize]; 2] = [&[rows, columns], &[depth]];
    let formula = Formula::Sum(0);
    Case {
        name: format!("{rows}x{depth}x{columns}{}", if weights { ", weights" } else { "" }),
        program: program(Class::Fold, loops, vec![product(factors)], formula, &inputs, &constants),
        inputs,
        sizes,
        windows: None,
    }
}

fn convolution(channels: usize, filters: usize, size: usize, kernel: usize, padding: usize) -> Case {
    let out = size + 2 * padding - kernel + 1;
    let picture = tensor(&[1, channels, size, size], 3);
    let weights = tensor(&[filters, channels, kernel, kernel], 4);
    let along = |at, k| Affine::new(-(padding as i64), &[(at, 1), (k, 1)]);
    let index = vec![Affine::axis(0), Affine::axis(4), along(2, 5), along(3, 6)];
    let factors = vec![
        Access { source: Source::Input(0), index },
        Access { source: Source::Constant(0), index: [1, 4, 5, 6].map(Affine::axis).to_vec() },
    ];
    let loops: [&[usize]; 2] = [&[1, filters, out, out], &[channels, kernel, kernel]];
    let inputs = vec![picture];
    let (sums, formula) = (vec![product(factors)], Formula::Sum(0));
    Case {
        name: format!("convolution {kernel}x{kernel}, {channels} to {filters}, {out}x{out}"),
        program: program(Class::Fold, loops, sums, formula, &inputs, &[weights]),
        inputs,
        sizes: [filters, out * out, channels * kernel * kernel],
        windows: Some([channels, size, kernel, padding, out]),
    }
}

/// The matrix of a convolution's windows: (channel, kernel row, kernel column) by (row, column).
fn columns([channels, size, kernel, padding, out]: [usize; 5], picture: &[f32], to: &mut [f32]) {
    let mut rows = to.chunks_exact_mut(out * out);
    for channel in picture.chunks_exact(size * size).take(channels) {
        for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
            let Some(row) = rows.next() else { return };
            for (y, to) in row.chunks_exact_mut(out).enumerate() {
                let Some(y) = (y + i).checked_sub(padding).filter(|&y| y < size) else {
                    to.fill(0.0);
                    continue;
                };
                let from = &channel[y * size..][..size];
                let first = padding.saturating_sub(j);
                let end = out.min(size + padding - j);
                to[..first].fill(0.0);
                to[end..].fill(0.0);
                to[first..end].copy_from_slice(&from[first + j - padding..end + j - padding]);
            }
        }
    }
}

/// An ordinary product of row-major matrices, bands of rows on so many threads.
fn ordinary(threads: usize, [m, n, k]: [usize; 3], left: &[f32], right: &[f32], to: &mut [f32]) {
    let Ok(right) = ArrayView2::from_shape((k, n), right) else { return };
    let band = m.div_ceil(threads);
    let multiply = |(left, to): (&[f32], &mut [f32])| {
        let rows = left.len() / k;
        let (Ok(left), Ok(mut to)) =
            (ArrayView2::from_shape((rows, k), left), ArrayViewMut2::from_shape((rows, n), to))
        else {
            return;
        };
        general_mat_mul(1.0, &left, &right, 0.0, &mut to);
    };
    left.par_chunks(band * k).zip(to.par_chunks_mut(band * n)).for_each(multiply);
}

impl Case {
    /// The two matrices that the peer multiplies, without those of windows.
    fn operands(&self) -> (Vec<f32>, Vec<f32>) {
        let [m, n, k] = self.sizes;
        let floats = |seed, sizes: &[usize]| -> Vec<f32> {
            tensor(sizes, seed).bits.into_iter().map(f32::from_bits).collect()
        };
        (floats(1, &[m, k]), floats(2, &[k, n]))
    }
}

fn duration(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sizes in [[128, 384, 384], [128, 1536, 384], [128, 384, 1536], [512; 3], [1024; 3]] {
        cases.extend([matrices(sizes, false), matrices(sizes, true)]);
    }
    cases.push(matrices([1, 4096, 1024], true));
    cases.push(convolution(1, 6, 28, 5, 0));
    cases.push(convolution(6, 16, 12, 5, 0));
    cases.push(convolution(64, 64, 56, 3, 1));
    cases
}

fn table() {
    let all = rayon::current_num_threads();
    println!(
        "| case | threads, instructions | exact, ms | GFLOP/s | ordinary / exact | product alone / exact |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let available: Vec<Instructions> =
        Instructions::available().filter(|&i| i != Instructions::Portable).collect();
    let settings: Vec<(usize, Instructions)> =
        [1, all].iter().flat_map(|&threads| available.iter().map(move |&i| (threads, i))).collect();
    for case in cases() {
        let [m, n, k] = case.sizes;
        let (left, right) = case.operands();
        let (mut windows, mut to) = (vec![0f32; k * n], vec![0f32; m * n]);
        let picture: Vec<f32> = case.inputs[0].bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        for &(threads, instructions) in &settings {
            let executor = RealExecutor::with_instructions(&case.program, instructions).expect("constants");
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let mut times = [Duration::MAX; 3];
            pool.install(|| {
                for _ in 0..rounds(m * n * k) {
                    let exact = || {
                        black_box(executor.outputs(black_box(&case.inputs))).expect("inputs fit");
                    };
                    times[0] = times[0].min(duration(exact));
                    if let Some(sizes) = case.windows {
                        let with_windows = || {
                            columns(sizes, black_box(&picture), &mut windows);
                            ordinary(threads, case.sizes, black_box(&left), &windows, black_box(&mut to));
                        };
                        times[1] = times[1].min(duration(with_windows));
                    }
                    let alone = || {
                        ordinary(threads, case.sizes, black_box(&left), &right, black_box(&mut to));
                    };
                    times[2] = times[2].min(duration(alone));
                }
            });
            let [exact, ordinary, alone] = times.map(|time| time.as_secs_f64());
            let ordinary = if case.windows.is_some() { ordinary } else { alone };
            println!(
                "| {} | {threads}, {instructions:?} | {:.3} | {:.0} | {:.0} % | {:.0} % |",
                case.name,
                exact * 1e3,
                2.0 * (m * n * k) as f64 / exact / 1e9,
                100.0 * ordinary / exact,
                100.0 * alone / exact,
            );
        }
    }
}

fn rounds(products: usize) -> usize {
    (2_000_000_000 / products).clamp(15, 300)
}

/// Operations without a product: a function of each element, sums and maxima along an axis, another order of axes.
fn elementwise() -> Vec<(String, Program, Vec<RealTensor>)> {
    let sizes = [1024, 1024];
    let x = tensor(&sizes, 5);
    let plain = || read(Source::Input(0), vec![Affine::axis(0), Affine::axis(1)]);
    let mut cases = Vec::new();
    let sum = || Box::new(Formula::Sum(0));
    let half_erf = Formula::Binary(
        Binary::Multiply,
        Box::new(Formula::Binary(Binary::Multiply, Box::new(Formula::Constant(0x3f00_0000)), sum())),
        Box::new(Formula::Binary(
            Binary::Add,
            Box::new(Formula::Constant(0x3f80_0000)),
            Box::new(Formula::Unary(
                Unary::Erf,
                Box::new(Formula::Binary(Binary::Multiply, sum(), Box::new(Formula::Constant(0x3f35_04f3)))),
            )),
        )),
    );
    let formulas = [
        ("a + a", Formula::Binary(Binary::Add, sum(), sum())),
        ("exp", Formula::Unary(Unary::Exp, sum())),
        ("tanh", Formula::Unary(Unary::Tanh, sum())),
        ("erf", Formula::Unary(Unary::Erf, sum())),
        ("gelu", half_erf),
    ];
    for (name, formula) in formulas {
        let inputs = vec![x.clone()];
        let program = program(Class::Map, [&sizes, &[]], vec![plain()], formula, &inputs, &[]);
        cases.push((name.to_owned(), program, inputs));
    }
    for class in [Class::Fold, Class::Maximum, Class::Rank] {
        for (name, index) in [("last", [0, 1]), ("first", [1, 0])] {
            let inputs = vec![x.clone()];
            let sums = vec![read(Source::Input(0), index.map(Affine::axis).to_vec())];
            let program = program(class, [&[1024], &[1024]], sums, Formula::Sum(0), &inputs, &[]);
            cases.push((format!("{class:?} along the {name} axis"), program, inputs));
        }
    }
    let all = read(Source::Input(0), [0, 1].map(Affine::axis).to_vec());
    let inputs = vec![x.clone()];
    let program_of_all = program(Class::Fold, [&[], &sizes], vec![all], Formula::Sum(0), &inputs, &[]);
    cases.push(("Fold of all".to_owned(), program_of_all, inputs));
    let inputs = vec![tensor(&[1, 64, 128, 128], 5)];
    let along = |at, k| Affine::new(-1, &[(at, 1), (k, 1)]);
    let factors = vec![
        Access {
            source: Source::Input(0),
            index: vec![Affine::axis(0), Affine::axis(1), along(2, 4), along(3, 5)],
        },
        Access { source: Source::Constant(0), index: [1, 4, 5].map(Affine::axis).to_vec() },
    ];
    let loops: [&[usize]; 2] = [&[1, 64, 128, 128], &[3, 3]];
    let weights = [tensor(&[64, 3, 3], 6)];
    let depthwise = program(Class::Fold, loops, vec![product(factors)], Formula::Sum(0), &inputs, &weights);
    cases.push(("convolution 3x3 of 64 channels, each by itself".to_owned(), depthwise, inputs));
    for (name, index) in [("copy", [0, 1]), ("transposition", [1, 0])] {
        let inputs = vec![x.clone()];
        let sums = vec![read(Source::Input(0), index.map(Affine::axis).to_vec())];
        let program = program(Class::Move, [&sizes, &[]], sums, Formula::Sum(0), &inputs, &[]);
        cases.push((name.to_owned(), program, inputs));
    }
    cases
}

fn elementwise_table() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads start");
    println!("\n| 1,048,576 elements, 1 thread | AVX2, ns an element | AVX-512 |\n| --- | --- | --- |");
    for (name, program, inputs) in elementwise() {
        let time = |instructions| {
            let executor = RealExecutor::with_instructions(&program, instructions).expect("constants");
            let run = || {
                duration(|| {
                    black_box(executor.outputs(black_box(&inputs))).expect("inputs fit");
                })
            };
            let least = pool.install(|| (0..30).map(|_| run()).min());
            least.map_or(0.0, |least| least.as_secs_f64() * 1e9 / inputs[0].bits.len() as f64)
        };
        println!("| {name} | {:.2} | {:.2} |", time(Instructions::Avx2), time(Instructions::Avx512));
    }
}

fn run(criterion: &mut Criterion) {
    table();
    elementwise_table();
    for case in cases() {
        let executor = RealExecutor::new(&case.program).expect("constants");
        let mut group = criterion.benchmark_group(format!("execute_f32/{}", case.name));
        group.throughput(Throughput::Elements(case.program.multiply_accumulates()));
        for threads in [1, rayon::current_num_threads()] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            group.bench_function(format!("{threads} threads"), |bencher| {
                pool.install(|| bencher.iter(|| executor.outputs(black_box(&case.inputs))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
