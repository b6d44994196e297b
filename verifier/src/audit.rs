//! Audits: a drawn sample of a receipt's chunks, recomputed from what the provider opens.
//!
//! The samples follow from the receipt and from randomness fixed after it ([`draw`](mod@crate::draw)). For each the provider
//! opens the chunk of the wire and every chunk of inputs and wires that its elements read; constants the auditor has
//! with the program. The auditor checks the openings against the digests in the receipt, recomputes each element of the chunk
//! exactly, and compares bits. It needs no trace and runs no other operation.
//!
//! An answer's encoding: `ASSAYAUD`, u32 version, the receipt's hash, then a list of tensors, inputs first: a byte (0 input,
//! 1 operation), u32 number, its [slice](crate::slice). It holds exactly the chunks that the samples need.

use crate::draw::Sample;
use crate::receipt::{Receipt, ReceiptError};
use crate::slice::Slice;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use assay_circuits::descriptor::{CHUNK, Descriptor};
use assay_circuits::element::{Elements, place};
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::program::{Access, Class, Precision, Program, Source};
use assay_circuits::root::Digest32;
use core::ops::Range;
use thiserror::Error;

/// What an answer begins with.
pub const MAGIC: &[u8; 8] = b"ASSAYAUD";
/// The version of the format.
pub const VERSION: u32 = 1;

/// What a provider opens for the samples of a draw.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// The hash of the receipt.
    pub receipt: Digest32,
    /// A slice of each tensor that is looked at, by source, ascending; no constant.
    pub slices: Vec<(Source, Slice)>,
}

/// Why an audit fails.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditError {
    /// The receipt itself is refused.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The answer's bytes are malformed.
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The answer is for another receipt.
    #[error("the answer is for another receipt")]
    OtherReceipt,
    /// A sample names what the program does not have.
    #[error("sample {sample} is of no chunk of the program's wires")]
    Sample {
        /// The sample's number.
        sample: usize,
    },
    /// Chunks are missing, or more are opened than the samples need.
    #[error("the answer does not open exactly what the samples need of {source_name} {number}")]
    Opened {
        /// "input" or "operation".
        source_name: &'static str,
        /// Its number.
        number: usize,
    },
    /// A slice is not one of the tensor in the receipt.
    #[error("the opened chunks of {source_name} {number} do not lead to its digest in the receipt")]
    Digest {
        /// "input" or "operation".
        source_name: &'static str,
        /// Its number.
        number: usize,
    },
    /// A constant has no values: the program is a verifying key's.
    #[error("the program's constants have no values")]
    NoValues,
    /// An element is not what the operation computes.
    #[error(
        "operation {operation}: element {element} is {found:#x} in the receipt's trace, {expected:#x} by the program"
    )]
    Wrong {
        /// The operation.
        operation: usize,
        /// The element's place in row-major order.
        element: u64,
        /// Its bits in the trace.
        found: u64,
        /// Its bits by the program.
        expected: u64,
    },
}

fn name(source: Source) -> (&'static str, usize) {
    match source {
        Source::Input(number) => ("input", number),
        Source::Constant(number) => ("constant", number),
        Source::Operation(number) => ("operation", number),
    }
}

/// Bytes of a tensor; `None` where there is none.
pub fn length(program: &Program, source: Source) -> Option<u64> {
    let cells = program.shape(source)?.cells() as u64;
    cells.checked_mul(program.width(source)? as u64)
}

/// Covers the elements `first..end`, in row-major order, with boxes.
pub fn boxes(sizes: &[usize], first: u64, end: u64) -> Vec<Vec<Range<usize>>> {
    let mut found = Vec::new();
    cover(sizes, first, end, &mut Vec::new(), &mut found);
    found
}

fn cover(
    sizes: &[usize],
    first: u64,
    end: u64,
    prefix: &mut Vec<Range<usize>>,
    found: &mut Vec<Vec<Range<usize>>>,
) {
    if first >= end {
        return;
    }
    let Some((&size, rest)) = sizes.split_first() else {
        found.push(prefix.clone());
        return;
    };
    let inner: u64 = rest.iter().map(|&n| n as u64).product();
    let (mut row, last) = (first / inner, end.div_ceil(inner).min(size as u64));
    if first > row * inner {
        cover_row(rest, row, first - row * inner, (end - row * inner).min(inner), prefix, found);
        row += 1;
    }
    let whole = (end / inner).min(last);
    if row < whole {
        let full = rest.iter().map(|&n| 0..n);
        let tile = prefix
            .iter()
            .cloned()
            .chain(core::iter::once(row as usize..whole as usize))
            .chain(full)
            .collect();
        found.push(tile);
        row = whole;
    }
    if row < last && end > row * inner {
        cover_row(rest, row, 0, end - row * inner, prefix, found);
    }
}

/// Covers a part of one row.
fn cover_row(
    sizes: &[usize],
    row: u64,
    first: u64,
    end: u64,
    prefix: &mut Vec<Range<usize>>,
    found: &mut Vec<Vec<Range<usize>>>,
) {
    prefix.push(row as usize..row as usize + 1);
    cover(sizes, first, end, prefix, found);
    prefix.pop();
}

/// The elements of a sample's chunk.
pub fn elements(descriptor: &Descriptor, chunk: u64) -> Option<Range<u64>> {
    let cells = descriptor.operation.shape.cells() as u64;
    let each = (CHUNK / descriptor.width.max(1)) as u64;
    let first = chunk.checked_mul(each).filter(|&first| first < cells)?;
    Some(first..first.saturating_add(each).min(cells))
}

/// Visits each chunk of inputs and wires that the elements of a box read; indices of gathers are read by `read`.
///
/// # Errors
/// Where such an index is not there.
pub fn visit_reads<R: Elements>(
    descriptor: &Descriptor,
    within: &[Range<usize>],
    read: &mut R,
    visit: &mut impl FnMut(Source, u64),
) -> Result<(), R::Error> {
    let operation = &descriptor.operation;
    let sizes = operation.loop_sizes();
    let ranges: Vec<Range<usize>> =
        sizes.iter().enumerate().map(|(axis, &n)| within.get(axis).cloned().unwrap_or(0..n)).collect();
    let gathers = |factors: usize| {
        descriptor.precision == Precision::F32 && operation.class == Class::Move && factors == 2
    };
    for term in operation.sums.iter().flat_map(|sum| &sum.terms) {
        let accesses: &[Access] = &term.factors;
        let gathered = match accesses {
            [data, index] if gathers(accesses.len()) => Some((data, index)),
            _ => None,
        };
        for access in accesses {
            let Some(operand) = descriptor.operand(access.source) else { continue };
            let through = gathered.filter(|&(data, _)| core::ptr::eq(data, access)).map(|(_, index)| index);
            let mut visit = |read: &mut R, point: &[usize]| -> Result<(), R::Error> {
                let shift = match through {
                    Some(index) => Some((term.coefficient, descriptor.gather_index(index, point, read)?)),
                    None => None,
                };
                if let Some(place) = place(access, operand, point, shift) {
                    visit(access.source, place * operand.width as u64 / CHUNK as u64);
                }
                Ok(())
            };
            if matches!(access.source, Source::Constant(_)) && through.is_none() {
                continue;
            }
            // Only the axes that the access reads, once each.
            let reads = |axis: usize| {
                let of = |a: &Access| a.index.iter().any(|affine| affine.terms.iter().any(|t| t.0 == axis));
                of(access) || through.is_some_and(of)
            };
            let axes: Vec<usize> = (0..sizes.len()).filter(|&axis| reads(axis)).collect();
            let mut point: Vec<usize> = ranges.iter().map(|range| range.start).collect();
            'points: loop {
                visit(read, &point)?;
                for &axis in axes.iter().rev() {
                    let (Some(slot), Some(range)) = (point.get_mut(axis), ranges.get(axis)) else {
                        break 'points;
                    };
                    *slot += 1;
                    if *slot < range.end {
                        continue 'points;
                    }
                    *slot = range.start;
                }
                break;
            }
        }
    }
    Ok(())
}

/// Chunks of inputs and wires, by tensor.
pub type Chunks = BTreeMap<Source, BTreeSet<u64>>;

/// What the samples need: the chunk of each, and what its elements read.
///
/// # Errors
/// Where the index of a gather is not there, or the program has no such chunk.
pub fn needed<R: Elements>(
    program: &Program,
    samples: &[Sample],
    read: &mut R,
) -> Result<Result<Chunks, AuditError>, R::Error> {
    let mut chunks = Chunks::new();
    let distinct: BTreeSet<Sample> = samples.iter().copied().collect();
    for (number, sample) in distinct.into_iter().enumerate() {
        let descriptor = program.descriptor(sample.operation);
        let found = descriptor.and_then(|d| elements(&d, sample.chunk).map(|elements| (d, elements)));
        let Some((descriptor, elements)) = found else {
            return Ok(Err(AuditError::Sample { sample: number }));
        };
        chunks.entry(Source::Operation(sample.operation)).or_default().insert(sample.chunk);
        let sizes = descriptor.operation.shape.sizes();
        for within in boxes(sizes, elements.start, elements.end) {
            visit_reads(&descriptor, &within, read, &mut |source, chunk| {
                if !matches!(source, Source::Constant(_)) {
                    chunks.entry(source).or_default().insert(chunk);
                }
            })?;
        }
    }
    Ok(Ok(chunks))
}

/// Opened chunks and the program's constants, as elements.
pub struct Opened<'a> {
    program: &'a Program,
    slices: BTreeMap<Source, &'a Slice>,
}

/// An element that is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub Source);

impl<'a> Opened<'a> {
    /// The slices of an answer over a program.
    pub fn new(program: &'a Program, answer: &'a Answer) -> Opened<'a> {
        Opened { program, slices: answer.slices.iter().map(|(source, slice)| (*source, slice)).collect() }
    }

    /// The slice of an input or a wire.
    pub fn slice(&self, source: Source) -> Option<&'a Slice> {
        self.slices.get(&source).copied()
    }
}

impl Elements for Opened<'_> {
    type Error = Missing;

    fn element(&mut self, source: Source, place: u64) -> Result<i64, Missing> {
        let value = match source {
            Source::Constant(number) => self.program.constants.get(number).and_then(|constant| {
                let integer = constant.values.as_ref().and_then(|values| values.get(place as usize)).copied();
                let bits = constant.bits.as_ref().and_then(|bits| bits.get(place as usize));
                integer.or(bits.map(|&bits| bits.into()))
            }),
            _ => self.program.width(source).and_then(|width| {
                let bytes = self.slices.get(&source)?.bytes(place.checked_mul(width as u64)?, width)?;
                Some(number(bytes, self.program.precision))
            }),
        };
        value.ok_or(Missing(source))
    }
}

/// An element from its little-endian bytes, at most eight.
pub fn number(bytes: &[u8], precision: Precision) -> i64 {
    let negative = precision == Precision::Int8 && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.iter_mut().zip(bytes).for_each(|(slot, &byte)| *slot = byte);
    i64::from_le_bytes(wide)
}

/// A box of the elements of an operation, to be recomputed from what is opened.
pub struct Tile<'a> {
    /// The operation's number.
    pub operation: usize,
    /// Its descriptor.
    pub descriptor: &'a Descriptor,
    /// The output points.
    pub within: &'a [Range<usize>],
}

/// Recomputes a tile by the definition of its elements, in row-major order.
///
/// # Errors
/// Where an element that is read is not opened.
pub fn recompute(tile: &Tile<'_>, opened: &mut Opened<'_>) -> Result<Vec<i64>, Missing> {
    let sizes: Vec<usize> = tile.within.iter().map(|range| range.len()).collect();
    let cells: usize = sizes.iter().product();
    let mut values = Vec::new();
    let mut point: Vec<usize> = tile.within.iter().map(|range| range.start).collect();
    for _ in 0..cells {
        values.push(tile.descriptor.element(&point, opened)?);
        for (slot, range) in point.iter_mut().zip(tile.within).rev() {
            *slot += 1;
            if *slot < range.end {
                break;
            }
            *slot = range.start;
        }
    }
    Ok(values)
}

/// Computes a tile's elements, in row-major order, from what is opened.
pub type Recompute<'a> = dyn FnMut(&Tile<'_>, &mut Opened<'_>) -> Result<Vec<i64>, Missing> + 'a;

/// Checks an answer: the receipt, the openings, and each element of each sampled chunk, which `recompute` computes.
///
/// # Errors
/// What fails first, and where.
pub fn check(
    program: &Program,
    receipt: &Receipt,
    samples: &[Sample],
    answer: &Answer,
    recompute: &mut Recompute<'_>,
) -> Result<(), AuditError> {
    receipt.check()?;
    receipt.check_program(program)?;
    if answer.receipt != receipt.hash() {
        return Err(AuditError::OtherReceipt);
    }
    let opened_error = |source| {
        let (source_name, number) = name(source);
        AuditError::Opened { source_name, number }
    };
    let mut opened = Opened::new(program, answer);
    let needed = needed(program, samples, &mut opened).map_err(|Missing(source)| opened_error(source))??;
    let sources = answer.slices.iter().map(|(source, _)| source);
    if let Some((source, _)) = needed.iter().find(|(source, _)| !opened.slices.contains_key(source)) {
        return Err(opened_error(*source));
    }
    if !sources.eq(needed.keys()) {
        let source =
            answer.slices.iter().map(|(source, _)| *source).find(|source| !needed.contains_key(source));
        return Err(opened_error(source.unwrap_or(Source::Input(0))));
    }
    for ((source, slice), chunks) in answer.slices.iter().zip(needed.values()) {
        if !slice.chunks.iter().map(|(number, _)| number).eq(chunks) {
            return Err(opened_error(*source));
        }
        let digest = match source {
            Source::Input(i) => receipt.inputs.get(*i),
            Source::Operation(i) => receipt.leaves.get(*i),
            Source::Constant(_) => None,
        };
        let found = length(program, *source).and_then(|length| slice.digest(length));
        if found.is_none() || found.as_ref() != digest {
            let (source_name, number) = name(*source);
            return Err(AuditError::Digest { source_name, number });
        }
    }
    let distinct: BTreeSet<Sample> = samples.iter().copied().collect();
    for (number, sample) in distinct.into_iter().enumerate() {
        let Some(descriptor) = program.descriptor(sample.operation) else {
            return Err(AuditError::Sample { sample: number });
        };
        let Some(elements) = elements(&descriptor, sample.chunk) else {
            return Err(AuditError::Sample { sample: number });
        };
        let mut element = elements.start;
        for within in boxes(descriptor.operation.shape.sizes(), elements.start, elements.end) {
            let tile = Tile { operation: sample.operation, descriptor: &descriptor, within: &within };
            let expected = recompute(&tile, &mut opened).map_err(|Missing(source)| match source {
                Source::Constant(_) => AuditError::NoValues,
                source => opened_error(source),
            })?;
            for expected in expected {
                let source = Source::Operation(sample.operation);
                let found =
                    opened.element(source, element).map_err(|Missing(source)| opened_error(source))?;
                if found != expected {
                    return Err(AuditError::Wrong {
                        operation: sample.operation,
                        element,
                        found: found as u64,
                        expected: expected as u64,
                    });
                }
                element = element.saturating_add(1);
            }
        }
        if element != elements.end {
            return Err(AuditError::Sample { sample: number });
        }
    }
    Ok(())
}

impl Answer {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC);
        w.u32(VERSION);
        w.bytes(&self.receipt);
        w.list(&self.slices, |w, (source, slice)| {
            let (kind, number) = match source {
                Source::Input(number) => (0, number),
                Source::Operation(number) | Source::Constant(number) => (1, number),
            };
            w.u8(kind);
            w.length(*number);
            slice.encode(w);
        });
        w.finish()
    }

    /// Reads what [`Answer::encode`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no answer, or tensors are not ascending.
    pub fn decode(bytes: &[u8]) -> Result<Answer, DecodeError> {
        let mut r = Reader::new(bytes);
        if &r.array::<8>("magic")? != MAGIC {
            return Err(r.invalid("magic"));
        }
        if r.u32("version")? != VERSION {
            return Err(r.invalid("version"));
        }
        let receipt = r.array("receipt hash")?;
        let slices = r.list(13, "slices", |r| {
            let kind = r.u8("tensor kind")?;
            let number = r.u32("tensor number")? as usize;
            let source = match kind {
                0 => Source::Input(number),
                1 => Source::Operation(number),
                _ => return Err(r.invalid("tensor kind")),
            };
            Ok((source, Slice::decode(r)?))
        })?;
        if !slices.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(r.invalid("order of tensors"));
        }
        r.finish()?;
        Ok(Answer { receipt, slices })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_cover_each_element_once_in_order() {
        for sizes in [&[][..], &[7], &[3, 5], &[2, 3, 4], &[4, 1, 3, 2]] {
            let cells: u64 = sizes.iter().map(|&n| n as u64).product();
            for first in 0..cells {
                for end in first + 1..=cells {
                    let mut places = Vec::new();
                    for within in boxes(sizes, first, end) {
                        let extents: Vec<usize> = within.iter().map(|range| range.len()).collect();
                        for point in assay_circuits::execute::points(&extents) {
                            let at = point.iter().zip(&within).map(|(i, range)| i + range.start);
                            places.push(at.zip(sizes).fold(0, |place, (i, &n)| place * n as u64 + i as u64));
                        }
                    }
                    assert_eq!(places, (first..end).collect::<Vec<_>>(), "{sizes:?} {first}..{end}");
                }
            }
        }
    }
}
