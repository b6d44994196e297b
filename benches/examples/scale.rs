//! How cost grows: proves networks of a generator, each in a process of its own, and fits a power law.
//!
//! `cargo run --release -p assay-benches --example scale` proves the series, up to the size whose number of committed
//! cells is given by `--largest` (ten million unless given), and prints a table and the fits.
//! `... --example scale -- lenet | mlp | convolutional | CHANNELS SIDE LAYERS` proves one network.

use assay_benches::clock::{Time, median, peak_memory};
use assay_benches::fit::PowerLaw;
use assay_benches::networks;
use assay_circuits::plan::Cost;
use assay_circuits::program::Program;
use assay_circuits::tensor::Tensor;
use assay_prover::execute::execute;
use assay_prover::prove::Prover;
use assay_verifier::proof::Proof;
use assay_verifier::verify::verify;
use std::process::Command;
use std::time::Duration;

/// Channels, side and layers of the stacks, from ten thousand to ten million committed cells.
const SERIES: [[usize; 3]; 7] =
    [[8, 16, 3], [8, 16, 10], [8, 32, 8], [16, 32, 12], [16, 64, 10], [16, 64, 30], [16, 128, 19]];

/// Runs of a network: as many as fit this time, at least one and at most nine.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one network costs; times are medians.
#[derive(Default)]
struct Row {
    cells: usize,
    leaves: usize,
    rows: usize,
    log_row: usize,
    plan: f64,
    prove: f64,
    prove_processor: f64,
    verify: f64,
    verify_processor: f64,
    proof: usize,
    peak: u64,
}

impl Row {
    fn line(&self) -> String {
        let megabytes = self.peak as f64 / (1 << 20) as f64;
        format!(
            "{} {} {} {} {:.6} {:.6} {:.6} {:.6} {:.6} {} {megabytes:.1}",
            self.cells,
            self.leaves,
            self.rows,
            self.log_row,
            self.plan,
            self.prove,
            self.prove_processor,
            self.verify,
            self.verify_processor,
            self.proof
        )
    }
}

fn measure(program: Program, inputs: &[Tensor]) -> Row {
    let trace = execute(&program, inputs).expect("the network runs");
    let (planning, prover) = Time::of(|| Prover::new(program).expect("the network plans"));
    let cost = Cost::of(&prover.key().argument().system);
    let mut row = Row {
        cells: cost.committed_cells,
        leaves: cost.leaves,
        rows: cost.rows,
        log_row: prover.key().plan().log_row,
        plan: planning.wall.as_secs_f64(),
        ..Row::default()
    };
    let (mut proving, mut verifying, mut spent) = (Vec::new(), Vec::new(), Duration::ZERO);
    while proving.is_empty() || (spent < PATIENCE && proving.len() < 9) {
        let (time, (statement, proof)) = Time::of(|| prover.prove(&trace).expect("the trace is honest"));
        proving.push(time);
        spent += time.wall;
        let bytes = proof.encode();
        row.proof = bytes.len();
        let (time, verdict) = Time::of(|| {
            let proof = Proof::decode(&bytes, &prover.key().argument().shape).expect("the proof decodes");
            verify(prover.key(), &statement, &proof)
        });
        verdict.expect("the proof verifies");
        verifying.push(time);
    }
    let middle =
        |times: &[Time], of: fn(&Time) -> Duration| median(times.iter().map(of).collect()).as_secs_f64();
    row.prove = middle(&proving, |time| time.wall);
    row.prove_processor = middle(&proving, |time| time.processor);
    row.verify = middle(&verifying, |time| time.wall);
    row.verify_processor = middle(&verifying, |time| time.processor);
    row.peak = peak_memory().unwrap_or(0);
    row
}

const HEAD: &str = "\
| network | committed cells | leaves | rows x length | plan | prove: wall, processor | verify: wall, processor | proof | peak memory |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

fn series(largest: f64) {
    println!("{HEAD}");
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for [channels, side, layers] in SERIES {
        if 2.0 * (channels * side * side * layers) as f64 > 1.05 * largest {
            break;
        }
        let this = std::env::current_exe().expect("the system knows this program");
        let arguments = [channels, side, layers].map(|number| number.to_string());
        let output = Command::new(this).args(arguments).arg("--plain").output().expect("a process starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let row: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [cells, leaves, count, log_row, plan, prove, prove_cpu, verify, verify_cpu, proof, peak] =
            row[..]
        else {
            println!("{channels} x {side}^2 x {layers} failed: {}", String::from_utf8_lossy(&output.stderr));
            break;
        };
        println!(
            "| {channels} x {side}^2 x {layers} | {cells} | {leaves} | {count} x 2^{log_row} | {:.1} ms | {:.1}, {:.1} ms | {:.1}, {:.1} ms | {proof} B | {peak:.0} MiB |",
            plan * 1e3,
            prove * 1e3,
            prove_cpu * 1e3,
            verify * 1e3,
            verify_cpu * 1e3,
        );
        rows.push(row);
    }
    println!();
    let columns = [
        ("prove, wall, s", 5),
        ("prove, processor, s", 6),
        ("verify, wall, s", 7),
        ("verify, processor, s", 8),
        ("proof, bytes", 9),
        ("peak memory, MiB", 10),
        ("plan, s", 4),
    ];
    println!(
        "| over committed cells n | least squares in logarithms | farthest point |\n| --- | --- | --- |"
    );
    for (name, column) in columns {
        let points: Vec<(f64, f64)> = rows.iter().map(|row| (row[0], row[column])).collect();
        if let Some(law) = PowerLaw::of(&points) {
            println!("| {name} | {:.3e} n^{:.3} | {:.2} times |", law.factor, law.exponent, law.worst);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let (program, inputs) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return series(1e7),
        ["--largest", cells] => return series(cells.parse().expect("a number")),
        ["lenet"] => networks::lenet(),
        ["mlp"] => networks::mlp(),
        ["convolutional"] => networks::convolutional(),
        [channels, side, layers] | [channels, side, layers, "--plain"] => {
            networks::stack(number(channels), number(side), number(layers))
        }
        _ => panic!("scale [--largest CELLS | lenet | mlp | convolutional | CHANNELS SIDE LAYERS]"),
    };
    let row = measure(program, &inputs);
    if arguments.last().is_some_and(|last| last == "--plain") {
        println!("{}", row.line());
    } else {
        println!(
            "cells leaves rows log_row plan prove prove_processor verify verify_processor proof peak_MiB"
        );
        println!("{}", row.line());
    }
}
