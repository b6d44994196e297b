//! The bytes of a run's tensors, whatever its precision: what digests are taken over and openings are cut from.

use assay_circuits::element::Elements;
use assay_circuits::execute::Trace;
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Constant, Precision, Program, Source};
use assay_circuits::tensor::{Bounds, RealTensor, Tensor};
use assay_verifier::audit::number;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Called with the number of an operation and its wire's bytes, from any thread.
pub type WireObserver<'a> = dyn Fn(usize, &[u8]) + Sync + 'a;

/// A run whose tensors have bytes.
pub trait TensorBytes: Sync {
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
        Some(Cow::Owned(integer_bytes(&tensor.values, bounds.bytes())))
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
    tensors: BTreeMap<Source, Option<Sized<'a>>>,
}

/// The bytes of a tensor, and of one element.
type Sized<'a> = (Cow<'a, [u8]>, usize);

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
        element(bytes, *width, program.precision == Precision::F32, place as usize).ok_or(source)
    }
}

/// The bytes of a constant's values, where it has them.
pub fn constant_bytes(constant: &Constant) -> Option<Cow<'_, [u8]>> {
    match (&constant.bits, &constant.values) {
        (Some(bits), _) => Some(real_bytes(bits)),
        (None, Some(values)) => Some(Cow::Owned(integer_bytes(values, constant.bounds.bytes()))),
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
    Some(number(own, if real { Precision::F32 } else { Precision::Int8 }))
}

/// The bytes that the digest of integers is taken over, [`Tensor::to_bytes`], many elements at a time.
pub fn integer_bytes(values: &[i64], width: usize) -> Vec<u8> {
    match width {
        1 => values.iter().map(|&x| x as u8).collect(),
        2 => narrow(values, |x| (x as i16).to_le_bytes()),
        4 => narrow(values, |x| (x as i32).to_le_bytes()),
        _ => narrow(values, i64::to_le_bytes),
    }
}

fn narrow<const N: usize>(values: &[i64], bytes: impl Fn(i64) -> [u8; N]) -> Vec<u8> {
    let mut narrow = vec![[0; N]; values.len()];
    narrow.iter_mut().zip(values).for_each(|(out, &x)| *out = bytes(x));
    narrow.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_circuits::shape::Shape;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_those_of_the_definition(
            values in prop::collection::vec(any::<i64>().prop_map(|x| x >> 2), 1..40), shift in 0u32..62,
        ) {
            let values: Vec<i64> = values.into_iter().map(|x| x >> shift).collect();
            let bounds = Bounds::of(&values);
            let tensor = Tensor::new(Shape::new(vec![values.len()]).unwrap(), values).unwrap();
            prop_assert_eq!(integer_bytes(&tensor.values, bounds.bytes()), tensor.to_bytes(&bounds));
        }

        #[test]
        fn bytes_of_reals_are_those_of_the_definition(bits in prop::collection::vec(any::<u32>(), 1..40)) {
            let tensor = RealTensor::new(Shape::new(vec![bits.len()]).unwrap(), bits).unwrap();
            prop_assert_eq!(real_bytes(&tensor.bits).into_owned(), tensor.to_bytes());
            prop_assert_eq!(*blake3::hash(&tensor.to_bytes()).as_bytes(), tensor.digest());
        }
    }
}
