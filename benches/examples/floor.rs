//! Each phase's time against its floor, and where the rest goes.
//!
//! The floor is what arithmetic alone takes: the phase's multiplications, counted where they are made, times what one
//! takes on this machine in a tight loop; for commitments the committed cells that are not zero times what one takes in
//! a large batch of small integers; for multi-scalar multiplications of full width, the points times what one takes in
//! a batch of that size. One thread, processor time, the least of several runs: other work on the machine disturbs it
//! little.
//!
//! `cargo run --release -p assay-benches --features count --example floor [-- NETWORK...]`

use assay_benches::clock::Time;
use assay_benches::networks::{self, Random};
use assay_benches::phases::{Phase, observe};
use assay_circuits::plan::Cost;
use assay_circuits::program::Program;
use assay_circuits::relation::Group;
use assay_circuits::tensor::Tensor;
use assay_prover::batch_affine::Batch;
use assay_prover::commitment::{Basis, commit_rows};
use assay_prover::count;
use assay_prover::execute::execute;
use assay_prover::msm::msm;
use assay_prover::multilinear::fold_rows;
use assay_prover::prove::Prover;
use assay_prover::witness::Witness;
use assay_verifier::F;
use assay_verifier::batch_affine::Additions;
use assay_verifier::proof::Proof;
use assay_verifier::verify::verify;
use std::hint::black_box;

/// What one of each costs here, in nanoseconds.
struct Prices {
    /// A multiplication in the field.
    full: f64,
    /// A field element by a small integer, within a sum.
    small: f64,
    /// A committed cell of 7 bits.
    cell: f64,
    /// An addition of points, one of many that share an inversion.
    addition: f64,
}

fn least(runs: usize, mut work: impl FnMut()) -> f64 {
    let times = (0..runs).map(|_| Time::of(&mut work).0.processor.as_secs_f64());
    times.fold(f64::INFINITY, f64::min) * 1e9
}

fn elements(count: usize, random: &mut Random) -> Vec<F> {
    (0..count).map(|_| F::from(random.between(1, i64::MAX - 1)).pow_by_itself()).collect()
}

/// A few squarings: full-width elements of small ones.
trait Wide {
    fn pow_by_itself(self) -> Self;
}

impl Wide for F {
    fn pow_by_itself(self) -> F {
        let mut wide = self;
        for _ in 0..4 {
            wide = wide * wide + self;
        }
        wide
    }
}

impl Prices {
    fn here() -> Prices {
        let mut random = Random(5);
        let (a, b) = (elements(1 << 12, &mut random), elements(1 << 12, &mut random));
        let mut out = a.clone();
        let full = least(200, || {
            for ((out, a), b) in out.iter_mut().zip(&a).zip(&b) {
                *out = *a * *b;
            }
            black_box(&out);
        }) / a.len() as f64;
        let rows: Vec<Vec<i64>> = (0..64).map(|_| random.tensor(&[1 << 12], 1, 127).values).collect();
        let pairs: Vec<(F, &[i64])> = a.iter().copied().zip(rows.iter().map(Vec::as_slice)).collect();
        let small = least(20, || _ = black_box(fold_rows(&pairs, 1 << 12))) / (64 << 12) as f64;
        let basis = Basis::new(1 << 12);
        let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
        let cell = least(5, || _ = black_box(commit_rows(&basis, &rows))) / (64 << 12) as f64;
        let addends = basis.points();
        let mut sums = addends.iter().rev().copied().collect::<Vec<_>>();
        let mut batch = Batch::default();
        let addition = least(20, || {
            for (target, addend) in addends.iter().enumerate() {
                batch.push(&mut sums, target, addend);
                if batch.len() == 2048 {
                    batch.apply(&mut sums);
                }
            }
        }) / addends.len() as f64;
        Prices { full, small, cell, addition }
    }
}

/// One line of a network's table.
struct Line {
    name: &'static str,
    /// Nanoseconds.
    time: f64,
    full: u64,
    small: u64,
    cells: u64,
    /// Additions of points.
    additions: u64,
    /// Nanoseconds that the floor has besides multiplications and cells.
    other: f64,
}

fn report(name: &str, program: Program, inputs: &[Tensor], prices: &Prices) {
    let trace = execute(&program, inputs).expect("the network runs");
    let planning = least(5, || _ = black_box(Prover::new(program.clone())));
    let prover = Prover::new(program).expect("the network plans");
    let system = &prover.key().argument().system;
    let (plan, cost) = (prover.key().plan(), Cost::of(system));
    let runs = if cost.committed_cells > 200_000 { 3 } else { 15 };
    println!(
        "### {name}: {} cells in {} rows of 2^{}, {} leaves (2^{} padded), {} table rows, proof {} B\n",
        cost.committed_cells,
        cost.rows,
        plan.log_row,
        cost.leaves,
        cost.log_tree,
        cost.table_rows,
        cost.proof_bytes
    );
    // The witness and its commitments, apart.
    let build = || {
        let witness = Witness::new(prover.program(), system, &trace).expect("the trace is honest");
        [Group::Wires, Group::Hints].map(|group| witness.rows(system, group))
    };
    let witness = least(runs, || _ = black_box(build()));
    let groups = build();
    let basis = Basis::new(1 << plan.log_row);
    let commit = least(runs, || {
        for rows in &groups {
            let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
            black_box(commit_rows(&basis, &rows));
        }
    });
    let before = count::so_far();
    for rows in &groups {
        commit_rows(&basis, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    let additions = (count::so_far() - before).additions;
    let not_zero = groups.iter().flatten().flatten().filter(|cell| **cell != 0).count() as u64;
    let mut lines = vec![
        Line { name: "witness", time: witness, full: 0, small: 0, cells: 0, additions: 0, other: 0.0 },
        Line { name: "commit", time: commit, full: 0, small: 0, cells: not_zero, additions, other: 0.0 },
    ];
    // The last step's points: twice half a row, and one more, each round.
    let mut random = Random(6);
    let half = 1usize << plan.log_row.saturating_sub(1);
    let scalars = elements(half, &mut random);
    let of_last_step =
        2.0 * plan.rounds as f64 * least(3, || _ = black_box(msm(&basis.points()[..half], &scalars)));
    let seen: Vec<_> = (0..runs).map(|_| observe(&prover, &trace)).collect();
    for spent in &seen[0].spent {
        if spent.phase == Phase::WitnessAndCommit {
            continue;
        }
        let times = seen.iter().flat_map(|one| &one.spent).filter(|other| other.phase == spent.phase);
        lines.push(Line {
            name: spent.phase.name(),
            time: times.map(|other| other.time.processor.as_secs_f64() * 1e9).fold(f64::INFINITY, f64::min),
            full: spent.counted.full,
            small: spent.counted.small,
            cells: 0,
            additions: spent.counted.additions,
            other: if spent.phase == Phase::LastStep { of_last_step } else { 0.0 },
        });
    }
    println!(
        "| phase | time, ms | multiplications | by small integers | cells | additions of points | floor, ms | time / floor | rest, ms |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let floor = |line: &Line| {
        let field = prices.full * line.full as f64 + prices.small * line.small as f64;
        field + prices.cell * line.cells as f64 + line.other
    };
    let print = |line: &Line, floor: f64| {
        let ratio = if floor > 0.0 { format!("{:.2}", line.time / floor) } else { "-".into() };
        println!(
            "| {} | {:.3} | {} | {} | {} | {} | {:.3} | {ratio} | {:.3} |",
            line.name,
            line.time / 1e6,
            line.full,
            line.small,
            line.cells,
            line.additions,
            floor / 1e6,
            (line.time - floor) / 1e6
        );
    };
    lines.iter().for_each(|line| print(line, floor(line)));
    let sum = |of: fn(&Line) -> u64| lines.iter().map(of).sum::<u64>();
    let whole = Line {
        name: "sum",
        time: lines.iter().map(|line| line.time).sum(),
        full: sum(|line| line.full),
        small: sum(|line| line.small),
        cells: sum(|line| line.cells),
        additions: sum(|line| line.additions),
        other: 0.0,
    };
    print(&whole, lines.iter().map(floor).sum());
    let hashing = seen.iter().map(|one| one.hashing.processor).min().unwrap_or_default();
    let bytes = seen[0].proof.encode();
    let verifying = least(runs, || {
        let proof = Proof::decode(&bytes, &prover.key().argument().shape).expect("the proof decodes");
        verify(prover.key(), &seen[0].statement, &proof).expect("the proof verifies");
    });
    println!(
        "\nThe transcript takes {:.3} ms of it. Verify: {:.3} ms. Plan and key: {:.3} ms.\n",
        hashing.as_secs_f64() * 1e3,
        verifying / 1e6,
        planning / 1e6
    );
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread starts");
    pool.install(|| {
        let prices = Prices::here();
        println!(
            "A multiplication takes {:.1} ns here, one by a small integer {:.1} ns, a committed cell {:.0} ns, an addition of points {:.0} ns.\n",
            prices.full, prices.small, prices.cell, prices.addition
        );
        for (name, network) in networks::ALL {
            if names.is_empty() || names.iter().any(|wanted| wanted == name) {
                let (program, inputs) = network();
                report(name, program, &inputs, &prices);
            }
        }
    });
}
