//! One run of a network: prepared, from scratch, by the plain executor; and a product of f32 matrices for scale.

use assay_benches::networks;
use assay_circuits::execute as reference;
use assay_prover::execute::{Executor, execute};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use std::hint::black_box;

fn run(criterion: &mut Criterion) {
    for (name, (program, inputs)) in
        [("lenet", networks::lenet()), ("convolutional", networks::convolutional())]
    {
        let executor = Executor::new(&program).expect("its constants have values");
        assert_eq!(executor.trace(&inputs), reference::execute(&program, &inputs));
        let mut group = criterion.benchmark_group(format!("execute/{name}"));
        group.throughput(Throughput::Elements(program.multiply_accumulates()));
        for threads in [1, rayon::current_num_threads()] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            group.bench_function(format!("execute, {threads} threads"), |bencher| {
                pool.install(|| bencher.iter(|| execute(black_box(&program), black_box(&inputs))));
            });
            group.bench_function(format!("outputs of a prepared program, {threads} threads"), |bencher| {
                pool.install(|| bencher.iter(|| executor.outputs(black_box(&inputs))));
            });
        }
        group.sample_size(10);
        group.bench_function("reference", |bencher| {
            bencher.iter(|| reference::execute(black_box(&program), black_box(&inputs)));
        });
        group.finish();
    }
}

/// The second convolution of `convolutional` as one product of f32 matrices, im2col not counted.
fn float_product(criterion: &mut Criterion) {
    let (channels, depth, places) = (64, 288, 576);
    let weights = Array2::from_shape_fn((channels, depth), |(i, j)| (i * 7 + j) as f32 / 64.0);
    let columns = Array2::from_shape_fn((depth, places), |(i, j)| (i + 3 * j) as f32 / 64.0);
    let mut group = criterion.benchmark_group("execute/for scale");
    group.throughput(Throughput::Elements((channels * depth * places) as u64));
    group.bench_function("f32 dot", |bencher| bencher.iter(|| black_box(&weights).dot(black_box(&columns))));
    group.finish();
}

criterion_group!(benches, run, float_product);
criterion_main!(benches);
