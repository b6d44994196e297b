//! `assay inspect`: what a file of ours holds, and what proving it would cost.

use crate::compile::describe;
use crate::error::CliError;
use crate::model::{FileKind, decode_key, decode_program};
use crate::report::{self, Report};
use crate::verify::mode;
use assay_circuits::lower::Coverage;
use assay_circuits::plan::{Cost, Plan, plan};
use assay_circuits::program::{Class, Precision, Program};
use assay_circuits::relation::System;
use assay_circuits::table::Table;
use assay_prover::files::read_bytes;
use assay_verifier::basis::REFERENCE;
use assay_verifier::bundle::Header;
use assay_verifier::hex::Hex;
use assay_verifier::key::program_digest;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  assay inspect lenet.assay
  assay inspect lenet.vk
  assay inspect seven.proof --json";

/// Arguments of `assay inspect`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// A program, a proof or a verifying key.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl InspectArgs {
    /// Shows the file.
    pub fn execute(&self) -> Result<Report, CliError> {
        let bytes = read_bytes(&self.file)?;
        match FileKind::of(&bytes) {
            Some(FileKind::Program) => {
                let decoded = decode_program(&self.file, &bytes)?;
                if decoded.precision == Precision::F32 {
                    return Ok(reals(&decoded, bytes.len(), &decoded.root()));
                }
                let digest = program_digest(&decoded, &plan(&decoded)?);
                program(&decoded, "program", bytes.len(), None, &digest)
            }
            Some(FileKind::Key) => {
                let key = decode_key(&self.file, &bytes)?;
                program(key.program(), "verifying key", bytes.len(), Some(key.rows().len()), key.digest())
            }
            Some(FileKind::Proof) => Ok(proof(&bytes)),
            Some(FileKind::Receipt) => {
                Err(CliError::content(&self.file, "is a receipt, which `assay verify` shows"))
            }
            Some(FileKind::Json) | None => {
                Err(CliError::content(&self.file, "is no program, proof or verifying key of Assay"))
            }
        }
    }
}

fn proof(bytes: &[u8]) -> Report {
    match Header::decode(bytes) {
        Ok(header) => {
            let (digest, rest) = (Hex(&header.program_digest).to_string(), bytes.len() - header.bytes);
            let lines = [
                format!("proof           {}", report::size(bytes.len())),
                format!("of program      {digest}"),
                format!("reference       {}", header.reference),
                format!("holds           statement and proof, {}", report::size(rest)),
                "                `assay verify` with the model or its key shows and checks them".to_string(),
            ];
            let json = json!({
                "kind": "proof",
                "bytes": bytes.len(),
                "program_digest": digest,
                "reference": header.reference,
                "statement_and_proof_bytes": rest,
            });
            Report::done(lines.join("\n"), json)
        }
        Err(rejection) => {
            let reason = rejection.to_string();
            let json = json!({ "kind": "proof", "verdict": "rejected", "reason": reason });
            Report { text: format!("REJECTED        {reason}"), json, rejected: true }
        }
    }
}

fn program(
    program: &Program,
    kind: &str,
    bytes: usize,
    key_rows: Option<usize>,
    digest: &[u8; 32],
) -> Result<Report, CliError> {
    let plan = plan(program)?;
    let system = plan.system(program, &Coverage::All)?;
    let cost = Cost::of(&system);
    let digest = Hex(digest).to_string();
    let model = if program.committed_model { "committed" } else { "public" };
    let weights: usize = program.constants.iter().map(|constant| constant.shape.cells()).sum();
    let macs = program.multiply_accumulates();

    let mut lines = vec![
        format!("{kind:<16}{} of a {model} model", report::size(bytes)),
        format!("digest          {digest}"),
        format!("root            {}", Hex(&program.root())),
        format!("reference       {REFERENCE}"),
    ];
    lines.extend(describe(program));
    lines.push(format!(
        "weights         {} in {} tensors",
        report::count(weights as u64),
        program.constants.len()
    ));
    if let Some(rows) = key_rows.filter(|&rows| rows > 0) {
        lines.push(format!("key             {rows} commitments to rows of weights"));
    }
    lines.push(String::new());
    lines.extend(operations(program, &system));
    lines.push(String::new());
    lines.push(format!("work            {} multiply-accumulates", report::count(macs)));
    lines.push(format!(
        "lookups         {} cells in {} tables of {} rows",
        report::count(cost.leaves as u64),
        system.tables.len(),
        report::count(cost.table_rows as u64)
    ));
    for spec in &system.tables {
        lines.push(format!("                {}", describe_table(&spec.table)));
    }
    lines.push(format!(
        "committed       {} elements in {} rows of {}",
        report::count(cost.committed_cells as u64),
        cost.rows,
        1usize << plan.log_row
    ));
    lines.push(format!("plan            {}", describe_plan(&plan)));
    lines.push(format!(
        "proving takes   about {} of one core and {} of memory; the proof has {}",
        report::time(Duration::from_nanos(cost.prover_ns)),
        report::size(cost.memory_bytes as usize),
        report::size(cost.proof_bytes)
    ));
    lines.extend(report::accuracy(&program.accuracy));

    let json = json!({
        "kind": kind,
        "bytes": bytes,
        "program_digest": digest,
        "program_root": Hex(&program.root()).to_string(),
        "reference": REFERENCE,
        "mode": mode(program),
        "inputs": program.inputs.iter().map(|input| json!({
            "name": input.name,
            "shape": input.shape.sizes(),
            "bounds": [input.bounds.lo, input.bounds.hi],
            "scale": input.scale,
            "image": input.image.as_ref()
                .map(|image| json!({ "scale": image.scale, "mean": image.mean, "std": image.std })),
        })).collect::<Vec<_>>(),
        "outputs": program.outputs.iter().map(|output| json!({
            "name": output.name,
            "shape": program.operations[output.operation].shape.sizes(),
            "scale": output.scale,
        })).collect::<Vec<_>>(),
        "weights": weights,
        "key_rows": key_rows,
        "operations": operations_json(program, &system),
        "multiply_accumulates": macs,
        "lookups": cost.leaves,
        "tables": system.tables.iter().map(|spec| describe_table(&spec.table)).collect::<Vec<_>>(),
        "table_rows": cost.table_rows,
        "committed_elements": cost.committed_cells,
        "committed_rows": cost.rows,
        "plan": {
            "packed": plan.choices.packed,
            "log_clamp": plan.choices.log_clamp,
            "log_row": plan.log_row,
            "rounds": plan.rounds,
        },
        "estimates": {
            "prove_ms": cost.prover_ns as f64 / 1e6,
            "memory_bytes": cost.memory_bytes,
            "proof_bytes": cost.proof_bytes,
        },
        "accuracy": report::accuracy_json(&program.accuracy),
    });
    Ok(Report::done(lines.join("\n"), json))
}

/// An f32 program: no proof, so no plan.
fn reals(program: &Program, bytes: usize, digest: &[u8; 32]) -> Report {
    let weights: usize = program.constants.iter().map(|constant| constant.shape.cells()).sum();
    let macs = program.multiply_accumulates();
    let mut lines = vec![
        format!("program         {} of an f32 model", report::size(bytes)),
        format!("root            {}", Hex(digest)),
    ];
    lines.extend(describe(program));
    lines.push(format!(
        "weights         {} in {} tensors",
        report::count(weights as u64),
        program.constants.len()
    ));
    lines.push(String::new());
    let mut rows = vec![["", "operation", "class", "shape", "reduces"].map(String::from).to_vec()];
    for (number, operation) in program.operations.iter().enumerate() {
        rows.push(vec![
            number.to_string(),
            operation.name.clone(),
            class_name(operation.class).to_string(),
            report::shape(operation.shape.sizes()),
            if operation.reduce.is_empty() { String::new() } else { report::shape(&operation.reduce) },
        ]);
    }
    lines.extend(report::table(&rows, &[0]));
    lines.push(String::new());
    lines.push(format!("work            {} multiply-accumulates", report::count(macs)));
    lines.push(format!("a receipt       hashes {} of wires", report::size(program.wire_bytes() as usize)));
    let operations = program.operations.iter().map(|operation| {
        json!({
            "name": operation.name,
            "class": class_name(operation.class),
            "shape": operation.shape.sizes(),
            "reduce": operation.reduce,
        })
    });
    let json = json!({
        "kind": "program",
        "precision": "f32",
        "bytes": bytes,
        "program_root": Hex(digest).to_string(),
        "weights": weights,
        "wire_bytes": program.wire_bytes(),
        "multiply_accumulates": macs,
        "operations": operations.collect::<Vec<_>>(),
    });
    Report::done(lines.join("\n"), json)
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Map => "map",
        Class::Fold => "fold",
        Class::Move => "move",
        Class::Rank => "rank",
        Class::Maximum => "maximum",
    }
}

/// Cells that an operation looks up.
fn lookups(system: &System, operation: usize) -> usize {
    let of = system.lookups.iter().filter(|lookup| lookup.operation == Some(operation));
    of.map(|lookup| lookup.axes.iter().product::<usize>()).sum()
}

fn operations(program: &Program, system: &System) -> Vec<String> {
    let head = ["  #", "operation", "class", "shape", "multiply-acc.", "lookups", "values"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (number, operation) in program.operations.iter().enumerate() {
        let bounds = operation.bounds();
        rows.push(vec![
            format!("{number:>3}"),
            operation.name.clone(),
            class_name(operation.class).to_string(),
            report::shape(operation.shape.sizes()),
            report::count(operation.multiply_accumulates()),
            report::count(lookups(system, number) as u64),
            format!("[{}, {}]", bounds.lo, bounds.hi),
        ]);
    }
    report::table(&rows, &[4, 5])
}

fn operations_json(program: &Program, system: &System) -> Value {
    let operations = program.operations.iter().enumerate().map(|(number, operation)| {
        let bounds = operation.bounds();
        json!({
            "name": operation.name,
            "class": class_name(operation.class),
            "shape": operation.shape.sizes(),
            "multiply_accumulates": operation.multiply_accumulates(),
            "lookups": lookups(system, number),
            "bounds": [bounds.lo, bounds.hi],
        })
    });
    Value::Array(operations.collect())
}

fn describe_table(table: &Table) -> String {
    let kind = match table {
        Table::Range { first, count } => {
            format!("range [{first}, {}]", i128::from(*first) + i128::from(*count) - 1)
        }
        Table::Pair { count, inner, .. } => format!("pairs of {count} quotients and {inner} remainders"),
        Table::Function { first, values } => format!("function on {} integers from {first}", values.len()),
        Table::Window { values } => format!("saturating function, window of {}", values.len()),
    };
    format!("{kind}, {} rows", report::count(table.rows() as u64))
}

fn describe_plan(plan: &Plan) -> String {
    let division = if plan.choices.packed { "one table of pairs" } else { "two ranges" };
    format!(
        "rows of 2^{}, {} rounds of folding, clamps of up to 2^{}, division by {division}",
        plan.log_row, plan.rounds, plan.choices.log_clamp
    )
}
