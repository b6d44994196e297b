//! What a proof takes, phase by phase, and what its verification and its key take. One group for each phase, one row for
//! each network of the generator.

use assay_benches::networks;
use assay_benches::phases::{Phase, observe};
use assay_circuits::execute::Trace;
use assay_circuits::plan::{Cost, plan};
use assay_circuits::relation::Group;
use assay_prover::commitment::{Basis, commit_rows};
use assay_prover::execute::execute;
use assay_prover::prove::Prover;
use assay_prover::witness::Witness;
use assay_verifier::verify::verify;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

struct Case {
    name: &'static str,
    prover: Prover,
    trace: Trace,
    cost: Cost,
}

fn cases() -> Vec<Case> {
    let case = |(name, network): networks::Named| {
        let (program, inputs) = network();
        let trace = execute(&program, &inputs).expect("the network runs");
        let prover = Prover::new(program).expect("the network plans");
        let cost = Cost::of(&prover.key().argument().system);
        Case { name, prover, trace, cost }
    };
    networks::ALL.into_iter().map(case).collect()
}

fn group<'a>(criterion: &'a mut Criterion, phase: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(phase);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    group
}

fn phases(criterion: &mut Criterion) {
    let cases = cases();
    let cells = |cost: &Cost| Throughput::Elements(cost.committed_cells as u64);
    let leaves = |cost: &Cost| Throughput::Elements((cost.leaves + cost.table_rows) as u64);

    let mut key = group(criterion, "plan and key");
    for case in &cases {
        key.bench_function(BenchmarkId::new("plan", case.name), |bencher| {
            bencher.iter(|| plan(black_box(case.prover.program())));
        });
        key.bench_function(BenchmarkId::new("prover and key", case.name), |bencher| {
            bencher.iter(|| Prover::new(black_box(case.prover.program()).clone()));
        });
    }
    key.finish();

    let mut witness = group(criterion, "witness");
    for case in &cases {
        let system = &case.prover.key().argument().system;
        witness.throughput(cells(&case.cost));
        witness.bench_function(case.name, |bencher| {
            bencher.iter(|| {
                let witness =
                    Witness::new(case.prover.program(), system, &case.trace).expect("an honest trace");
                [Group::Wires, Group::Hints].map(|group| witness.rows(system, group))
            });
        });
    }
    witness.finish();

    let mut commit = group(criterion, "commit");
    for case in &cases {
        let system = &case.prover.key().argument().system;
        let basis = Basis::new(1 << case.prover.key().plan().log_row);
        let witness = Witness::new(case.prover.program(), system, &case.trace).expect("an honest trace");
        let groups = [Group::Wires, Group::Hints].map(|group| witness.rows(system, group));
        commit.throughput(cells(&case.cost));
        commit.bench_function(case.name, |bencher| {
            bencher.iter(|| {
                groups.each_ref().map(|rows| {
                    let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
                    commit_rows(&basis, &rows)
                })
            });
        });
    }
    commit.finish();

    type Count = fn(&Cost) -> Throughput;
    let parts: [(&str, Count, &[Phase]); 3] = [
        ("lookups", leaves, &[Phase::Tree, Phase::TreeSumchecks, Phase::Readings]),
        ("batched sumcheck", cells, &[Phase::Equalities, Phase::Einsums]),
        ("openings", cells, &[Phase::Folds, Phase::Unify, Phase::LastStep]),
    ];
    for (name, count, phases) in parts {
        let mut part = group(criterion, name);
        for case in &cases {
            part.throughput(count(&case.cost));
            part.bench_function(case.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let of = |_| {
                        let spent = observe(&case.prover, &case.trace).spent;
                        let of_part = spent.iter().filter(|spent| phases.contains(&spent.phase));
                        of_part.map(|spent| spent.time.wall).sum::<Duration>()
                    };
                    (0..iterations).map(of).sum()
                });
            });
        }
        part.finish();
    }

    let mut prove = group(criterion, "prove");
    for case in &cases {
        prove.throughput(cells(&case.cost));
        prove.bench_function(case.name, |bencher| bencher.iter(|| case.prover.prove(black_box(&case.trace))));
    }
    prove.finish();

    let mut check = group(criterion, "verify");
    for case in &cases {
        let (statement, proof) = case.prover.prove(&case.trace).expect("an honest trace");
        check.throughput(Throughput::Bytes(proof.encode().len() as u64));
        check.bench_function(case.name, |bencher| {
            bencher.iter(|| verify(case.prover.key(), &statement, black_box(&proof)).expect("it verifies"));
        });
    }
    check.finish();
}

criterion_group!(benches, phases);
criterion_main!(benches);
