//! Nanoseconds an element of elementary functions, with each set of instructions that the processor has.

use assay_circuits::elementary::{cos, erf, exp, log, rsqrt, sigmoid, tanh};
use assay_circuits::real::{Real, Soft};
use assay_prover::kernels::elementary::{Instructions, Map, map_with};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Elements a call: operand and result stay in the second-level cache.
const LENGTH: usize = 1 << 14;

struct Function<const F: usize>;

impl<const F: usize> Map<1> for Function<F> {
    #[inline(always)]
    fn element<R: Real>(&self, [x]: [R; 1]) -> R {
        match F {
            0 => exp(x),
            1 => log(x),
            2 => tanh(x),
            3 => erf(x),
            4 => sigmoid(x),
            5 => rsqrt(x),
            _ => cos(x),
        }
    }
}

fn bench<const F: usize>(criterion: &mut Criterion, name: &str) {
    let x: Vec<f32> = (0..LENGTH).map(|i| (i as f32 - 6000.0) * 1e-3).collect();
    let mut out = vec![0.0; LENGTH];
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(LENGTH as u64));
    for instructions in Instructions::available() {
        group.bench_function(format!("{instructions:?}"), |bencher| {
            bencher.iter(|| map_with(instructions, &Function::<F>, [black_box(&x)], black_box(&mut out)));
        });
    }
    group.bench_function("Referee", |bencher| {
        bencher.iter(|| {
            for (out, x) in out.iter_mut().zip(black_box(&x)) {
                *out = f32::from_bits(Function::<F>.element([Soft(x.to_bits())]).canonical().0);
            }
            black_box(&out);
        });
    });
}

fn functions(criterion: &mut Criterion) {
    bench::<0>(criterion, "exp");
    bench::<1>(criterion, "log");
    bench::<2>(criterion, "tanh");
    bench::<3>(criterion, "erf");
    bench::<4>(criterion, "sigmoid");
    bench::<5>(criterion, "rsqrt");
    bench::<6>(criterion, "cos");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1)).warm_up_time(std::time::Duration::from_millis(300));
    targets = functions
}
criterion_main!(benches);
