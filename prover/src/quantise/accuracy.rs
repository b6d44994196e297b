//! What quantisation cost: the program against the float graph, over the calibration set.

use crate::compile::{dequantise_output, quantise_input};
use crate::execute::Executor;
use crate::onnx::{Graph, Tensor, run};
use assay_circuits::execute::Trace;
use assay_circuits::expression::Expression;
use assay_circuits::program::{AccuracyReport, OutputAccuracy, Program};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Multiply-accumulates that a report spends.
const WORK: u64 = 3_000_000_000;

#[derive(Clone, Default)]
struct Sums {
    largest: f64,
    absolute: f64,
    cells: u64,
    product: f64,
    float: f64,
    integer: f64,
    rows: u64,
    agreeing: u64,
}

/// Measures a program against its graph over samples, as many of them as a bounded amount of work allows.
pub fn report(program: &Program, graph: &Graph, samples: &[BTreeMap<String, Tensor>]) -> AccuracyReport {
    let each = program.multiply_accumulates().max(1);
    let count = samples.len().min(usize::try_from(WORK / each).unwrap_or(usize::MAX).max(2));
    let Ok(executor) = Executor::new(program) else { return AccuracyReport::default() };
    let one = |sample: &BTreeMap<String, Tensor>| {
        let expected = run(graph, sample).ok()?;
        let inputs: Option<Vec<_>> = program
            .inputs
            .iter()
            .enumerate()
            .map(|(i, input)| Some(quantise_input(program, i, sample.get(&input.name)?)))
            .collect();
        let trace = executor.trace(&inputs?).ok()?;
        let mut sums = Vec::new();
        for (number, output) in program.outputs.iter().enumerate() {
            let wire = trace.wires.get(output.operation)?;
            sums.push(compare(expected.get(&output.name)?, &dequantise_output(program, number, wire)));
        }
        Some((sums, saturations(program, &trace)))
    };
    let measured: Vec<_> = samples[..count].par_iter().filter_map(one).collect();
    let mut outputs = Vec::new();
    for (number, output) in program.outputs.iter().enumerate() {
        let mut all = Sums::default();
        for (sums, _) in &measured {
            let own = &sums[number];
            all.largest = all.largest.max(own.largest);
            all.absolute += own.absolute;
            all.cells += own.cells;
            all.product += own.product;
            all.float += own.float;
            all.integer += own.integer;
            all.rows += own.rows;
            all.agreeing += own.agreeing;
        }
        let norm = (all.float * all.integer).sqrt();
        outputs.push(OutputAccuracy {
            name: output.name.clone(),
            max_error: all.largest,
            mean_error: all.absolute / all.cells.max(1) as f64,
            cosine: if norm > 0.0 {
                all.product / norm
            } else if all.float == all.integer {
                1.0
            } else {
                0.0
            },
            top1_agreement: all.agreeing as f64 / all.rows.max(1) as f64,
        });
    }
    let mut saturated = Vec::new();
    for (number, operation) in program.operations.iter().enumerate() {
        let hits: u64 = measured.iter().map(|(_, counts)| counts[number]).sum();
        let cells = operation.shape.cells() as u64 * measured.len() as u64;
        if hits > 0 {
            saturated.push((operation.name.clone(), hits as f64 / cells as f64));
        }
    }
    AccuracyReport { samples: measured.len() as u64, outputs, saturated }
}

fn compare(expected: &Tensor, found: &Tensor) -> Sums {
    let mut sums = Sums::default();
    let (expected, width) = (expected.to_f32(), expected.shape().last().copied().unwrap_or(1).max(1));
    let found = found.to_f32();
    for (&x, &y) in expected.iter().zip(&found) {
        let (x, y) = (f64::from(x), f64::from(y));
        sums.largest = sums.largest.max((x - y).abs());
        sums.absolute += (x - y).abs();
        sums.cells += 1;
        sums.product += x * y;
        sums.float += x * x;
        sums.integer += y * y;
    }
    for (x, y) in expected.chunks(width).zip(found.chunks(width)) {
        sums.rows += 1;
        sums.agreeing += u64::from(first_greatest(x) == first_greatest(y));
    }
    sums
}

/// The place of the first greatest element.
pub fn first_greatest(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = place;
        }
    }
    best
}

/// For each operation, how many of its elements were cut by its clamp; those that a ReLU sets to zero are not.
fn saturations(program: &Program, trace: &Trace) -> Vec<u64> {
    let count = |(operation, sums): (&assay_circuits::program::Operation, &Vec<Vec<i64>>)| {
        let window = match &operation.expression {
            Expression::Clamp { bounds, .. } => *bounds,
            _ => return 0,
        };
        let Some(divisor) = operation.expression.divisor() else { return 0 };
        let quotient = Expression::quotient(divisor);
        let cut = |&sum: &i64| {
            let mid = quotient.evaluate(&[sum]);
            mid > window.hi || (window.lo < 0 && mid < window.lo)
        };
        sums.first().map_or(0, |sums| sums.iter().filter(|&sum| cut(sum)).count() as u64)
    };
    program.operations.iter().zip(&trace.sums).map(count).collect()
}
