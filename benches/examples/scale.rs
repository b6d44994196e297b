//! How cost grows: proves networks of a generator and prints committed cells, times, sizes and peak memory.
//!
//! `cargo run --release -p assay-benches --example scale [NAME | CHANNELS SIDE LAYERS]`

use assay_benches::networks;

use assay_circuits::plan::Cost;
use assay_prover::{Prover, execute};
use assay_verifier::proof::Proof;
use assay_verifier::verify::verify;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, inputs) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["lenet"] => networks::lenet(),
        ["mlp"] => networks::mlp(),
        [c, s, l] => {
            let number = |text: &str| text.parse().expect("a number");
            networks::stack(number(c), number(s), number(l))
        }
        _ => panic!("scale [lenet | mlp | CHANNELS SIDE LAYERS]"),
    };
    let trace = execute(&program, &inputs).expect("the network runs");
    let start = Instant::now();
    let prover = Prover::new(program).expect("the network plans");
    println!("prepare {:?}", start.elapsed());
    println!("{:?}", Cost::of(&prover.key().argument().system));
    println!("{:?}", prover.key().plan());
    let runs = 20;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        let (statement, proof) = prover.prove(&trace).expect("the trace is honest");
        let proving = start.elapsed();
        let bytes = proof.encode();
        let start = Instant::now();
        let proof = Proof::decode(&bytes, &prover.key().argument().shape).expect("the proof decodes");
        verify(prover.key(), &statement, &proof).expect("the proof verifies");
        times.push((proving, start.elapsed(), bytes.len()));
    }
    times.sort();
    let (proving, verifying, bytes) = times[runs / 2];
    println!("prove {proving:?}, verify {verifying:?}, {bytes} bytes (median of {runs})");
}
