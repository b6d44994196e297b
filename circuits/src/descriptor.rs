//! Descriptors: all that a referee needs to know of one operation, in bytes that a contract can read.
//!
//! A descriptor names the class, the shapes, the index maps, the source of every operand with its shape and the
//! width of its elements, and the expression. Its keccak is a leaf of the program root, so an operation can be
//! judged without the rest of its program. All numbers are big-endian.
//!
//! ```text
//! descriptor = version 1 | precision | class | width | rank | reduce axes | sources | sums      one byte each
//!              u32 size of each axis, then of each reduce axis
//!              source*   kind (0 input, 1 constant, 2 operation) | u32 number | width | rank | u32 sizes
//!              sum*      u16 terms | term*
//!              term      u16 stride | i64 coefficient | u8 factors | factor*
//!              factor    u8 source | for each of its axes: i64 constant | u8 n | n * (u8 axis | i32 coefficient)
//!              expression, in prefix order:
//!                00 u8 sum | 01 divide u64 x | 02 clamp i64 lo i64 hi x | 03 table i64 first u32 n i32* x
//!                04 max x y | 05 formula (formula.rs)
//! ```
//!
//! `width` is the number of bytes of an element: 1, 2, 4 or 8 of an integer, 4 of a binary32. `stride` is the number
//! of cells of the reduce loop that one step of a dispute covers (`element.rs`).

use crate::encoding::{DecodeError, Reader, Writer};
use crate::expression::{Expression, MAX_TABLE};
use crate::formula::Formula;
use crate::program::{Access, Affine, Class, Operation, Precision, Program, Source, Sum, Term};
use crate::shape::Shape;
use crate::tensor::{Bounds, REAL_BOUNDS};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Version of the descriptors' encoding.
pub const DESCRIPTOR_VERSION: u8 = 1;
/// Bytes of a chunk of a tensor, of which a digest is the tree.
pub const CHUNK: usize = 1024;
/// The most chunks of tensors that a step may open.
pub const MAX_CHUNKS: usize = 4;

/// A tensor that an operation reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Where it comes from.
    pub source: Source,
    /// Bytes of an element.
    pub width: usize,
    /// Its shape.
    pub shape: Shape,
}

/// An operation with all that it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What the bits mean.
    pub precision: Precision,
    /// The operation; its name is empty and its sums have no bounds.
    pub operation: Operation,
    /// Bytes of an element of its wire.
    pub width: usize,
    /// The tensors that it reads, by source, ascending.
    pub operands: Vec<Operand>,
    /// The stride of each term of each sum.
    pub strides: Vec<Vec<u16>>,
}

impl Program {
    /// Bytes of an element of a source; `None` where there is no such source.
    pub fn width(&self, source: Source) -> Option<usize> {
        let (_, bounds) = self.source(source)?;
        Some(match self.precision {
            Precision::Int8 => bounds.bytes(),
            Precision::F32 => 4,
        })
    }

    /// Bytes of all wires: what a receipt hashes.
    pub fn wire_bytes(&self) -> u64 {
        let bytes = |(i, operation): (usize, &Operation)| {
            let width = self.width(Source::Operation(i)).unwrap_or(0) as u64;
            (operation.shape.cells() as u64).saturating_mul(width)
        };
        self.operations.iter().enumerate().map(bytes).fold(0, u64::saturating_add)
    }

    /// The descriptor of an operation; `None` where there is no such operation, or it reads what is not there.
    pub fn descriptor(&self, number: usize) -> Option<Descriptor> {
        let operation = self.operations.get(number)?;
        let accesses = operation.sums.iter().flat_map(|sum| &sum.terms).flat_map(|term| &term.factors);
        let mut sources: Vec<Source> = accesses.map(|access| access.source).collect();
        sources.sort_unstable();
        sources.dedup();
        let operand = |source: Source| {
            let shape = self.shape(source)?.clone();
            Some(Operand { source, width: self.width(source)?, shape })
        };
        let operands: Vec<Operand> = sources.into_iter().map(operand).collect::<Option<_>>()?;
        let mut operation = operation.clone();
        operation.name = String::new();
        operation.sums.iter_mut().for_each(|sum| sum.bounds = REAL_BOUNDS);
        let term_strides = |sum: &Sum| -> Vec<u16> {
            sum.terms.iter().map(|term| stride(self.precision, &operation, term, &operands)).collect()
        };
        let strides = operation.sums.iter().map(term_strides).collect();
        let width = self.width(Source::Operation(number))?;
        Some(Descriptor { precision: self.precision, operation, width, operands, strides })
    }
}

/// The greatest number of cells of a term's reduce loop whose operands lie in [`MAX_CHUNKS`] chunks, wherever they
/// start: at most 64 of binary32, 512 of integers.
fn stride(precision: Precision, operation: &Operation, term: &Term, operands: &[Operand]) -> u16 {
    let sizes = operation.loop_sizes();
    let axes: Vec<usize> = match precision {
        Precision::Int8 => operation.reduce_axes(term),
        Precision::F32 => (operation.shape.rank()..sizes.len()).collect(),
    };
    let counts: Vec<usize> = axes.iter().map(|&axis| sizes[axis]).collect();
    let cells: usize = counts.iter().product();
    let most = match precision {
        Precision::Int8 => 512,
        Precision::F32 => 64,
    };
    let fits = |stride: usize| {
        let Some(extents) = extents(&counts, stride) else { return false };
        let chunks = term.factors.iter().map(|access| {
            let operand = operands.iter().find(|operand| operand.source == access.source);
            operand.map_or(MAX_CHUNKS, |operand| span_chunks(access, operand, &axes, &extents))
        });
        chunks.sum::<usize>() <= MAX_CHUNKS
    };
    (1..=most.min(cells)).rev().find(|&stride| fits(stride)).unwrap_or(1) as u16
}

/// The extent of each axis over a run of `stride` cells that starts at a multiple of it; `None` where a run would
/// wrap in the middle of an axis.
fn extents(counts: &[usize], stride: usize) -> Option<Vec<usize>> {
    let mut rest = stride;
    let mut extents = alloc::vec![1; counts.len()];
    for (place, (&count, extent)) in counts.iter().zip(&mut extents).enumerate().rev() {
        if rest >= count && rest.is_multiple_of(count) {
            *extent = count;
            rest /= count;
        } else if rest < count && (count.is_multiple_of(rest) || place == 0) {
            *extent = rest;
            rest = 1;
        } else {
            return None;
        }
    }
    (rest == 1).then_some(extents)
}

/// A bound of the chunks that a box of an operand touches.
fn span_chunks(access: &Access, operand: &Operand, axes: &[usize], extents: &[usize]) -> usize {
    let strides = operand.shape.strides();
    let (mut span, mut row) = (0u64, 0u64);
    let mut rows = 1u64;
    for (&axis, &extent) in axes.iter().zip(extents) {
        let moves = access.index.iter().zip(&strides).map(|(affine, &stride)| {
            let coefficient = affine.terms.iter().find(|term| term.0 == axis).map_or(0, |term| term.1);
            coefficient.unsigned_abs().saturating_mul(stride as u64)
        });
        let reach = moves.fold(0u64, u64::saturating_add).saturating_mul(operand.width as u64);
        let along = reach.saturating_mul(extent as u64 - 1);
        span = span.saturating_add(along);
        match reach > operand.width as u64 {
            true => rows = rows.saturating_mul(extent as u64),
            false => row = row.saturating_add(along),
        }
    }
    // In one piece the span, or row by row, each wherever it starts.
    let bytes = operand.shape.cells() as u64 * operand.width as u64;
    let whole = bytes.div_ceil(CHUNK as u64);
    let aligned = |span: u64| match span {
        0 => 1,
        _ => (span + operand.width as u64 - 1) / CHUNK as u64 + 2,
    };
    let by_rows = rows.saturating_mul((row + operand.width as u64 - 1) / CHUNK as u64 + 2);
    aligned(span).min(by_rows.max(1)).min(whole).max(1) as usize
}

impl Descriptor {
    /// The operand of this source.
    pub fn operand(&self, source: Source) -> Option<&Operand> {
        self.operands.iter().find(|operand| operand.source == source)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let operation = &self.operation;
        let precision = match self.precision {
            Precision::Int8 => 0,
            Precision::F32 => 1,
        };
        let class = match operation.class {
            Class::Map => 0,
            Class::Fold => 1,
            Class::Move => 2,
            Class::Rank => 3,
            Class::Maximum => 4,
        };
        let counts =
            [operation.shape.rank(), operation.reduce.len(), self.operands.len(), operation.sums.len()];
        w.bytes(&[DESCRIPTOR_VERSION, precision, class, self.width as u8]);
        w.bytes(&counts.map(|count| count as u8));
        let sizes = |w: &mut Writer, sizes: &[usize]| {
            sizes.iter().for_each(|&size| w.bytes(&(size as u32).to_be_bytes()));
        };
        sizes(&mut w, operation.shape.sizes());
        sizes(&mut w, &operation.reduce);
        for operand in &self.operands {
            let (kind, number) = match operand.source {
                Source::Input(i) => (0, i),
                Source::Constant(i) => (1, i),
                Source::Operation(i) => (2, i),
            };
            w.u8(kind);
            w.bytes(&(number as u32).to_be_bytes());
            w.bytes(&[operand.width as u8, operand.shape.rank() as u8]);
            sizes(&mut w, operand.shape.sizes());
        }
        for (sum, strides) in operation.sums.iter().zip(&self.strides) {
            w.bytes(&(sum.terms.len() as u16).to_be_bytes());
            for (term, stride) in sum.terms.iter().zip(strides) {
                w.bytes(&stride.to_be_bytes());
                w.bytes(&term.coefficient.to_be_bytes());
                w.u8(term.factors.len() as u8);
                term.factors.iter().for_each(|access| self.encode_access(access, &mut w));
            }
        }
        encode_expression(&operation.expression, &mut w);
        w.finish()
    }

    fn encode_access(&self, access: &Access, w: &mut Writer) {
        let place = self.operands.iter().position(|operand| operand.source == access.source);
        w.u8(place.unwrap_or(self.operands.len()) as u8);
        for affine in &access.index {
            w.bytes(&affine.constant.to_be_bytes());
            w.u8(affine.terms.len() as u8);
            for &(axis, coefficient) in &affine.terms {
                w.u8(axis as u8);
                w.bytes(&(coefficient as i32).to_be_bytes());
            }
        }
    }

    /// Reads what [`Descriptor::encode`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no descriptor, or not the canonical ones.
    pub fn decode(bytes: &[u8]) -> Result<Descriptor, DecodeError> {
        let mut r = Reader::new(bytes);
        let [version, precision, class, width] = r.array("descriptor head")?;
        let precision = match precision {
            0 => Precision::Int8,
            1 => Precision::F32,
            _ => return Err(r.invalid("precision")),
        };
        let class = match class {
            0 => Class::Map,
            1 => Class::Fold,
            2 => Class::Move,
            3 => Class::Rank,
            4 => Class::Maximum,
            _ => return Err(r.invalid("class")),
        };
        if version != DESCRIPTOR_VERSION || !is_width(width) {
            return Err(r.invalid("descriptor head"));
        }
        let [rank, reduces, operand_count, sums] = r.array("descriptor counts")?;
        let shape = decode_shape(rank, &mut r)?;
        let reduce = decode_shape(reduces, &mut r)?.sizes().to_vec();
        let mut operands = Vec::new();
        for _ in 0..operand_count {
            let kind = r.u8("source kind")?;
            let number = big_endian(&mut r, "source number")? as usize;
            let source = match kind {
                0 => Source::Input(number),
                1 => Source::Constant(number),
                2 => Source::Operation(number),
                _ => return Err(r.invalid("source kind")),
            };
            let [width, rank] = r.array("operand head")?;
            if !is_width(width) {
                return Err(r.invalid("operand width"));
            }
            operands.push(Operand { source, width: width.into(), shape: decode_shape(rank, &mut r)? });
        }
        let mut decoded = Vec::new();
        let mut strides = Vec::new();
        for _ in 0..sums {
            let count = u16::from_be_bytes(r.array("terms")?);
            let (mut terms, mut steps) = (Vec::new(), Vec::new());
            for _ in 0..count {
                steps.push(u16::from_be_bytes(r.array("stride")?));
                let coefficient = i64::from_be_bytes(r.array("coefficient")?);
                let count = r.u8("factors")?;
                let factors =
                    (0..count).map(|_| decode_access(&operands, &mut r)).collect::<Result<_, _>>()?;
                terms.push(Term { coefficient, factors });
            }
            decoded.push(Sum { terms, bounds: REAL_BOUNDS });
            strides.push(steps);
        }
        let expression = decode_expression(&mut r, 0)?;
        let operation = Operation { name: String::new(), class, shape, reduce, sums: decoded, expression };
        let descriptor = Descriptor { precision, operation, width: width.into(), operands, strides };
        let end = r.invalid("descriptor");
        r.finish()?;
        if descriptor.encode() != bytes || descriptor.strides.iter().flatten().any(|&stride| stride == 0) {
            return Err(end);
        }
        Ok(descriptor)
    }
}

fn is_width(width: u8) -> bool {
    matches!(width, 1 | 2 | 4 | 8)
}

fn big_endian(r: &mut Reader<'_>, what: &'static str) -> Result<u32, DecodeError> {
    Ok(u32::from_be_bytes(r.array(what)?))
}

fn decode_shape(rank: u8, r: &mut Reader<'_>) -> Result<Shape, DecodeError> {
    let sizes = (0..rank)
        .map(|_| Ok(big_endian(r, "axis size")? as usize))
        .collect::<Result<Vec<_>, DecodeError>>()?;
    Shape::new(sizes).ok_or_else(|| r.invalid("shape"))
}

fn decode_access(operands: &[Operand], r: &mut Reader<'_>) -> Result<Access, DecodeError> {
    let operand = operands.get(usize::from(r.u8("operand")?)).ok_or_else(|| r.invalid("operand"))?;
    let mut index = Vec::new();
    for _ in 0..operand.shape.rank() {
        let constant = i64::from_be_bytes(r.array("index constant")?);
        let count = r.u8("index terms")?;
        let mut terms = Vec::new();
        for _ in 0..count {
            let axis = usize::from(r.u8("axis")?);
            terms.push((axis, i64::from(i32::from_be_bytes(r.array("index coefficient")?))));
        }
        index.push(Affine { constant, terms });
    }
    Ok(Access { source: operand.source, index })
}

fn encode_expression(expression: &Expression, w: &mut Writer) {
    match expression {
        Expression::Sum(number) => w.bytes(&[0, *number as u8]),
        Expression::Divide { divisor, of } => {
            w.u8(1);
            w.bytes(&divisor.to_be_bytes());
            encode_expression(of, w);
        }
        Expression::Clamp { bounds, of } => {
            w.u8(2);
            w.bytes(&bounds.lo.to_be_bytes());
            w.bytes(&bounds.hi.to_be_bytes());
            encode_expression(of, w);
        }
        Expression::Table { first, values, of } => {
            w.u8(3);
            w.bytes(&first.to_be_bytes());
            w.bytes(&(values.len() as u32).to_be_bytes());
            values.iter().for_each(|value| w.bytes(&value.to_be_bytes()));
            encode_expression(of, w);
        }
        Expression::Max(a, b) => {
            w.u8(4);
            encode_expression(a, w);
            encode_expression(b, w);
        }
        Expression::Formula(formula) => {
            w.u8(5);
            formula.encode(w);
        }
    }
}

fn decode_expression(r: &mut Reader<'_>, depth: usize) -> Result<Expression, DecodeError> {
    if depth > crate::formula::MAX_DEPTH {
        return Err(r.invalid("expression depth"));
    }
    let below = |r: &mut Reader<'_>| decode_expression(r, depth + 1).map(Box::new);
    match r.u8("expression tag")? {
        0 => Ok(Expression::Sum(r.u8("sum number")?.into())),
        1 => Ok(Expression::Divide { divisor: u64::from_be_bytes(r.array("divisor")?), of: below(r)? }),
        2 => {
            let (lo, hi) = (r.array("clamp low")?, r.array("clamp high")?);
            let bounds = Bounds { lo: i64::from_be_bytes(lo), hi: i64::from_be_bytes(hi) };
            Ok(Expression::Clamp { bounds, of: below(r)? })
        }
        3 => {
            let first = i64::from_be_bytes(r.array("table start")?);
            let count = big_endian(r, "table length")? as usize;
            if count > MAX_TABLE {
                return Err(r.invalid("table length"));
            }
            let bytes = r.bytes(4 * count, "table values")?;
            let values =
                bytes.chunks_exact(4).map(|b| b.iter().fold(0i32, |v, &byte| v << 8 | i32::from(byte)));
            Ok(Expression::Table { first, values: values.collect(), of: below(r)? })
        }
        4 => Ok(Expression::Max(below(r)?, below(r)?)),
        5 if depth == 0 => Ok(Expression::Formula(Formula::decode(r)?)),
        _ => Err(r.invalid("expression tag")),
    }
}
