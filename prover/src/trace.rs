//! The bytes of a run's tensors, whatever its precision: what digests are taken over and openings are cut from.

use assay_circuits::element::Elements;
use assay_circuits::execute::Trace;
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Constant, Program, Source};
use assay_circuits::tensor::{Bounds, RealTensor, Tensor};
use assay_verifier::audit::number;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A run whose tensors have bytes.
pub trait TensorBytes {
    /// The row-major little-endian bytes of an input or a wire; `None` where there is none.
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>>;

    /// The row-major little-endian bytes of any tensor of the program's run; `None` where there is none, or a constant
    /// has no values.
    fn bytes<'a>(&'a self, program: &'a Program, source: Source) -> Option<Cow<'a, [u8]>> {
        match source {
            Source::Constant(number) => constant_bytes(program.constants.get(number)?),
            _ => self.own_bytes(program, source),
        }
    }
}

impl TensorBytes for Trace {
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        let tensor: &Tensor = match source {
            Source::Input(i) => self.inputs.get(i)?,
            Source::Operation(i) => self.wires.get(i)?,
            Source::Constant(_) => return None,
        };
        let bounds: Bounds = program.source(source)?.1;
        Some(Cow::Owned(tensor.to_bytes(&bounds)))
    }
}

impl TensorBytes for RealTrace {
    fn own_bytes(&self, _: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        let tensor: &RealTensor = match source {
            Source::Input(i) => self.inputs.get(i)?,
            Source::Operation(i) => self.wires.get(i)?,
            Source::Constant(_) => return None,
        };
        Some(real_bytes(&tensor.bits))
    }
}

/// The elements of a run, read from its tensors' bytes.
pub struct TraceElements<'a> {
    program: &'a Program,
    run: &'a dyn TensorBytes,
    tensors: BTreeMap<Source, Option<(Cow<'a, [u8]>, usize)>>,
}

impl<'a> TraceElements<'a> {
    /// The elements of a run of a program.
    pub fn new(program: &'a Program, run: &'a dyn TensorBytes) -> Self {
        TraceElements { program, run, tensors: BTreeMap::new() }
    }
}

impl Elements for TraceElements<'_> {
    type Error = Source;

    /// The element; the source, where there is no such tensor.
    fn element(&mut self, source: Source, place: u64) -> Result<i64, Source> {
        let (program, run) = (self.program, self.run);
        let tensor = self
            .tensors
            .entry(source)
            .or_insert_with(|| run.bytes(program, source).zip(program.width(source)));
        let (bytes, width) = tensor.as_ref().ok_or(source)?;
        let first = place as usize * width;
        bytes.get(first..first + width).map(|own| number(own, program.precision)).ok_or(source)
    }
}

/// The bytes of a constant's values, where it has them.
pub fn constant_bytes(constant: &Constant) -> Option<Cow<'_, [u8]>> {
    match (&constant.bits, &constant.values) {
        (Some(bits), _) => Some(real_bytes(bits)),
        (None, Some(values)) => {
            let width = constant.bounds.bytes();
            Some(Cow::Owned(
                values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect(),
            ))
        }
        (None, None) => None,
    }
}

/// The little-endian bytes of binary32 elements: the memory itself on a little-endian machine.
pub fn real_bytes(bits: &[u32]) -> Cow<'_, [u8]> {
    match cfg!(target_endian = "little") {
        true => Cow::Borrowed(bytemuck::cast_slice(bits)),
        false => Cow::Owned(bits.iter().flat_map(|bits| bits.to_le_bytes()).collect()),
    }
}
