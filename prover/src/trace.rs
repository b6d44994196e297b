//! The bytes of a run's tensors, whatever its precision: what digests are taken over and openings are cut from.

use assay_circuits::execute::Trace;
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Constant, Program, Source};
use assay_circuits::tensor::{Bounds, RealTensor, Tensor};
use std::borrow::Cow;

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

/// The element at a place of a tensor's bytes: an integer of `width` bytes sign-extended, or the bits of a binary32.
pub fn element(bytes: &[u8], width: usize, real: bool, place: usize) -> Option<i64> {
    let own = bytes.get(place * width..(place + 1) * width)?;
    let negative = !real && own.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..width].copy_from_slice(own);
    Some(i64::from_le_bytes(wide))
}
