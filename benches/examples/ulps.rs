//! Every elementary function on all 2^32 inputs: its maximal error, and whether processor and referee agree.
//!
//! The reference is the same function in binary64 (`libm`; for sin and cos the platform's, which is faster on huge
//! arguments; errors of about one unit in 2^53), so that an error is
//! known to 10^-8 units of binary32: far below the digits that are printed, and no more precise reference is
//! needed. The unit is that of the exact result's binade, 2^-149 for subnormal ones; infinity counts as 2^128.
//! Where the exact result is a zero, an infinity or no number, the function's bits must be those.
//! Every 64th input (`--all`: every input) is also computed by the referee's integer arithmetic, and must have the same bits.
//!
//! `cargo run --release -p assay-benches --example ulps [-- [--all] [FUNCTION...]]`

use assay_circuits::elementary;
use assay_circuits::real::{Real, Soft};
use assay_prover::kernels::elementary::{Map, map};
use rayon::prelude::*;
use std::time::Instant;

/// Inputs that one task computes.
const CHUNK: u32 = 1 << 16;
/// How many inputs apart the referee computes without `--all`; odd offsets vary from chunk to chunk.
const SAMPLE: usize = 64;

/// The worst input so far.
#[derive(Clone, Copy, Default)]
struct Worst {
    error: f64,
    input: u32,
    disagreements: u64,
    wrong_limits: u64,
}

impl Worst {
    fn or(self, other: Worst) -> Worst {
        let worse = if (other.error, self.input) > (self.error, other.input) { other } else { self };
        Worst {
            disagreements: self.disagreements + other.disagreements,
            wrong_limits: self.wrong_limits + other.wrong_limits,
            ..worse
        }
    }
}

/// Distance in units of the exact result's binade; `None` if the exact result is a limit and missed.
fn error(computed: f32, exact: f64) -> Option<f64> {
    if exact.is_nan() {
        return computed.is_nan().then_some(0.0);
    }
    if exact == 0.0 || exact.is_infinite() {
        return (f64::from(computed).to_bits() == exact.to_bits()).then_some(0.0);
    }
    if computed.is_nan() {
        return None;
    }
    let beyond = 2f64.powi(128);
    let exponent = ((exact.to_bits() >> 52) & 0x7ff) as i64 - 1023;
    let unit = f64::from_bits(((exponent.clamp(-126, 127) - 23 + 1023) as u64) << 52);
    let bounded = exact.clamp(-beyond, beyond);
    Some((f64::from(computed).clamp(-beyond, beyond) - bounded).abs() / unit)
}

fn chunk<M: Map<1>>(function: &M, exact: fn(f64) -> f64, start: u32, all: bool) -> Worst {
    let inputs: Vec<f32> = (0..CHUNK).map(|i| f32::from_bits(start + i)).collect();
    let mut outputs = vec![0.0; inputs.len()];
    map(function, [&inputs], &mut outputs);
    let mut worst = Worst::default();
    for (&input, &output) in inputs.iter().zip(&outputs) {
        match error(output, exact(f64::from(input))) {
            Some(error) if error > worst.error => worst = Worst { error, input: input.to_bits(), ..worst },
            Some(_) => {}
            None => worst.wrong_limits += 1,
        }
    }
    let (offset, step) = if all { (0, 1) } else { ((start / CHUNK) as usize % SAMPLE, SAMPLE) };
    for (input, output) in inputs.iter().zip(&outputs).skip(offset).step_by(step) {
        let soft = function.element([Soft(input.to_bits())]).canonical();
        worst.disagreements += u64::from(soft.0 != output.to_bits());
    }
    worst
}

macro_rules! functions {
    ($($name:ident $operations:literal $exact:expr;)*) => {
        $(
            #[allow(non_camel_case_types)]
            struct $name;

            impl Map<1> for $name {
                #[inline(always)]
                fn element<R: Real>(&self, [x]: [R; 1]) -> R {
                    elementary::$name(x)
                }
            }
        )*

        fn main() {
            let arguments: Vec<String> = std::env::args().skip(1).collect();
            let all = arguments.iter().any(|argument| argument == "--all");
            let named: Vec<&String> = arguments.iter().filter(|argument| *argument != "--all").collect();
            println!("| function | operations | maximal error, ulp | at | bits | wrong limits | referee disagrees | s |");
            println!("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |");
            $(
                if named.is_empty() || named.iter().any(|name| *name == stringify!($name)) {
                    report(stringify!($name), $operations, &$name, $exact, all);
                }
            )*
        }
    };
}

fn report<M: Map<1> + Sync>(name: &str, operations: u32, function: &M, exact: fn(f64) -> f64, all: bool) {
    let start = Instant::now();
    let worst = (0..=u32::MAX / CHUNK)
        .into_par_iter()
        .map(|index| chunk(function, exact, index * CHUNK, all))
        .reduce(Worst::default, Worst::or);
    println!(
        "| {name} | {operations} | {:.4} | {:e} | `{:08x}` | {} | {} | {:.0} |",
        worst.error,
        f32::from_bits(worst.input),
        worst.input,
        worst.wrong_limits,
        worst.disagreements,
        start.elapsed().as_secs_f64()
    );
}

functions! {
    exp 12 libm::exp;
    log 15 libm::log;
    tanh 15 libm::tanh;
    erf 19 libm::erf;
    sigmoid 15 |x| 1.0 / (1.0 + libm::exp(-x));
    rsqrt 2 |x| 1.0 / libm::sqrt(x);
    sin 6 f64::sin;
    cos 6 f64::cos;
}
