//! Audits: a provider's answer to a draw, and the auditor's check of it at the speed of the executor.
//!
//! The auditor recomputes a tile by running its operation alone, its loop cut to the tile, over tensors that hold what is
//! opened and zeros elsewhere. That everything the tile reads is opened is checked before.

use crate::execute::Executor;
use crate::execute_f32::execute_f32;
use crate::trace::{TensorBytes, TraceElements};
use assay_circuits::program::{
    Access, AccuracyReport, Constant, Input, Operation, Output, Precision, Program, Source, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, MAX_MAGNITUDE, REAL_BOUNDS, RealTensor, Tensor};
use assay_verifier::audit::{self, Answer, AuditError, Opened, Tile, needed, number};
use assay_verifier::draw::Sample;
use assay_verifier::receipt::Receipt;
use assay_verifier::slice::Slice;
use std::ops::Range;

/// Why a draw cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The draw is not one of the program.
    #[error(transparent)]
    Draw(#[from] AuditError),
    /// The run has no such tensor.
    #[error("the run does not hold all tensors of the program")]
    Trace,
}

/// Opens what the samples of a draw need.
///
/// # Errors
/// Where a sample is not one of the program, or the run is not.
pub fn answer(
    program: &Program,
    receipt: &Receipt,
    samples: &[Sample],
    run: &dyn TensorBytes,
) -> Result<Answer, AnswerError> {
    let mut elements = TraceElements::new(program, run);
    let chunks = needed(program, samples, &mut elements).map_err(|_| AnswerError::Trace)??;
    let open = |(source, chunks): (Source, std::collections::BTreeSet<u64>)| {
        let bytes = run.bytes(program, source)?;
        let chunks: Vec<u64> = chunks.into_iter().collect();
        Some((source, Slice::open(&bytes, &chunks)?))
    };
    let slices = chunks.into_iter().map(open).collect::<Option<_>>().ok_or(AnswerError::Trace)?;
    Ok(Answer { receipt: receipt.hash(), slices })
}

/// Checks an answer: [`audit::check`] with the executor.
///
/// # Errors
/// What fails first, and where.
pub fn check(
    program: &Program,
    receipt: &Receipt,
    samples: &[Sample],
    answer: &Answer,
) -> Result<(), AuditError> {
    audit::check(program, receipt, samples, answer, &mut |tile, opened| {
        match recompute(program, tile, opened) {
            Some(values) => Ok(values),
            // A dishonest operand may leave the bounds of a sum: the definition wraps, the executor refuses.
            None => audit::recompute(tile, opened),
        }
    })
}

/// The elements of a tile by the executor; `None` where it refuses.
fn recompute(program: &Program, tile: &Tile<'_>, opened: &Opened<'_>) -> Option<Vec<i64>> {
    let alone = alone(program, tile)?;
    let filled = |number: usize| (alone.operands[number], opened.slice(alone.operands[number]));
    let inputs = 0..alone.operands.len();
    match program.precision {
        Precision::Int8 => {
            let executor = Executor::new(&alone.program).ok()?;
            let fill = |number| {
                let (source, slice) = filled(number);
                let (shape, width) = (program.shape(source)?.clone(), program.width(source)?);
                let mut values = vec![0i64; shape.cells()];
                for (chunk, bytes) in slice.iter().flat_map(|slice| &slice.chunks) {
                    let first = *chunk as usize * (assay_circuits::descriptor::CHUNK / width);
                    let places = values.iter_mut().skip(first).zip(bytes.chunks_exact(width));
                    places.for_each(|(value, own)| *value = number_of(own));
                }
                Some(Tensor { shape, values })
            };
            let inputs: Vec<Tensor> = inputs.map(fill).collect::<Option<_>>()?;
            Some(executor.outputs(&inputs).ok()?.pop()?.values)
        }
        Precision::F32 => {
            let fill = |number| {
                let (source, slice) = filled(number);
                let shape = program.shape(source)?.clone();
                let mut bits = vec![0u32; shape.cells()];
                for (chunk, bytes) in slice.iter().flat_map(|slice| &slice.chunks) {
                    let first = *chunk as usize * (assay_circuits::descriptor::CHUNK / 4);
                    let places = bits.iter_mut().skip(first).zip(bytes.as_chunks::<4>().0);
                    places.for_each(|(bits, own)| *bits = u32::from_le_bytes(*own));
                }
                Some(RealTensor { shape, bits })
            };
            let inputs: Vec<RealTensor> = inputs.map(fill).collect::<Option<_>>()?;
            let wire = execute_f32(&alone.program, &inputs).ok()?.wires.pop()?;
            Some(wire.bits.into_iter().map(i64::from).collect())
        }
    }
}

fn number_of(bytes: &[u8]) -> i64 {
    number(bytes, Precision::Int8)
}

/// A program of one operation over a tile, whose inputs are the operands that are no constants.
struct Alone {
    program: Program,
    operands: Vec<Source>,
}

fn alone(program: &Program, tile: &Tile<'_>) -> Option<Alone> {
    let original = program.operations.get(tile.operation)?;
    let mut operands: Vec<Source> = Vec::new();
    let mut constants: Vec<Constant> = Vec::new();
    let mut renamed: Vec<(Source, Source)> = Vec::new();
    for operand in &tile.descriptor.operands {
        let source = match operand.source {
            Source::Constant(number) => {
                constants.push(program.constants.get(number)?.clone());
                Source::Constant(constants.len() - 1)
            }
            source => {
                operands.push(source);
                Source::Input(operands.len() - 1)
            }
        };
        renamed.push((operand.source, source));
    }
    let wide = match program.precision {
        Precision::Int8 => Bounds { lo: 1 - MAX_MAGNITUDE, hi: MAX_MAGNITUDE - 1 },
        Precision::F32 => REAL_BOUNDS,
    };
    let input = |(number, source): (usize, &Source)| {
        Some(Input {
            name: number.to_string(),
            shape: program.shape(*source)?.clone(),
            bounds: program.source(*source).map_or(wide, |(_, bounds)| bounds),
            scale: 1.0,
            visibility: Visibility::Public,
            image: None,
        })
    };
    let mut operation: Operation = original.clone();
    operation.shape = Shape::new(tile.within.iter().map(Range::len).collect())?;
    for access in operation.sums.iter_mut().flat_map(|sum| &mut sum.terms).flat_map(|term| &mut term.factors)
    {
        cut(access, tile.within);
        access.source = renamed.iter().find(|(from, _)| *from == access.source)?.1;
    }
    let output = Output { name: "tile".into(), operation: 0, scale: 1.0, visibility: Visibility::Public };
    let program = Program {
        precision: program.precision,
        committed_model: false,
        inputs: operands.iter().enumerate().map(input).collect::<Option<_>>()?,
        constants,
        operations: vec![operation],
        outputs: vec![output],
        reshaped: Default::default(),
        accuracy: AccuracyReport::default(),
    };
    Some(Alone { program, operands })
}

/// The access over a loop whose output axes start at the tile.
fn cut(access: &mut Access, within: &[Range<usize>]) {
    for affine in &mut access.index {
        for &(axis, coefficient) in &affine.terms {
            affine.constant += coefficient * within.get(axis).map_or(0, |range| range.start as i64);
        }
    }
}
