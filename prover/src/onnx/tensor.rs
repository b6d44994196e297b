//! Dense tensors of the float graph: a shape, and row-major elements of one type.
//!
//! A [`Tensor`] can only be built with as many elements as its shape has, so no reader re-checks it.
//!
//! ```
//! use assay_prover::onnx::Tensor;
//! let t = Tensor::new(vec![2, 2], vec![1f32, 2., 3., 4.]).unwrap();
//! assert_eq!(t.slice::<f32>().unwrap()[3], 4.0);
//! assert!(Tensor::new(vec![2, 3], vec![0u8; 5]).is_err());
//! ```

use std::fmt;

/// Type of a tensor's elements. FLOAT16 and BFLOAT16 are widened to [`DType::F32`] when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum DType {
    F32,
    F64,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl DType {
    /// Reads a `TensorProto.DataType`; `None` for strings, complex numbers, and sub-byte and 8-bit floats.
    pub fn from_onnx(code: i64) -> Option<DType> {
        Some(match code {
            1 | 10 | 16 => DType::F32,
            2 => DType::U8,
            3 => DType::I8,
            4 => DType::U16,
            5 => DType::I16,
            6 => DType::I32,
            7 => DType::I64,
            9 => DType::Bool,
            11 => DType::F64,
            12 => DType::U32,
            13 => DType::U64,
            _ => return None,
        })
    }

    /// The `TensorProto.DataType` of this type.
    pub fn to_onnx(self) -> i32 {
        match self {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I8 => 3,
            DType::U16 => 4,
            DType::I16 => 5,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Bool => 9,
            DType::F64 => 11,
            DType::U32 => 12,
            DType::U64 => 13,
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 => 2,
            DType::F32 | DType::U32 | DType::I32 => 4,
            DType::F64 | DType::U64 | DType::I64 => 8,
        }
    }

    /// Whether the type is a float.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I64 => "int64",
            DType::I32 => "int32",
            DType::I16 => "int16",
            DType::I8 => "int8",
            DType::U64 => "uint64",
            DType::U32 => "uint32",
            DType::U16 => "uint16",
            DType::U8 => "uint8",
            DType::Bool => "bool",
        })
    }
}

/// Elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    I16(Vec<i16>),
    I8(Vec<i8>),
    U64(Vec<u64>),
    U32(Vec<u32>),
    U16(Vec<u16>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

/// Evaluates an expression over the elements, whatever their type.
macro_rules! with_data {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::onnx::Data::F32($v) => $body,
            $crate::onnx::Data::F64($v) => $body,
            $crate::onnx::Data::I64($v) => $body,
            $crate::onnx::Data::I32($v) => $body,
            $crate::onnx::Data::I16($v) => $body,
            $crate::onnx::Data::I8($v) => $body,
            $crate::onnx::Data::U64($v) => $body,
            $crate::onnx::Data::U32($v) => $body,
            $crate::onnx::Data::U16($v) => $body,
            $crate::onnx::Data::U8($v) => $body,
            $crate::onnx::Data::Bool($v) => $body,
        }
    };
}
pub(crate) use with_data;

/// As [`with_data`], for expressions that need numbers; evaluates `$other` for booleans.
macro_rules! with_numbers {
    ($data:expr, $v:ident => $body:expr, bool => $other:expr) => {
        match $data {
            $crate::onnx::Data::F32($v) => $body,
            $crate::onnx::Data::F64($v) => $body,
            $crate::onnx::Data::I64($v) => $body,
            $crate::onnx::Data::I32($v) => $body,
            $crate::onnx::Data::I16($v) => $body,
            $crate::onnx::Data::I8($v) => $body,
            $crate::onnx::Data::U64($v) => $body,
            $crate::onnx::Data::U32($v) => $body,
            $crate::onnx::Data::U16($v) => $body,
            $crate::onnx::Data::U8($v) => $body,
            $crate::onnx::Data::Bool(_) => $other,
        }
    };
}
pub(crate) use with_numbers;

/// A Rust type that is the element of some [`DType`].
pub trait Element: Copy + Default + PartialEq + PartialOrd + fmt::Debug + Send + Sync + 'static {
    /// The element's type.
    const DTYPE: DType;
    /// The elements, if they are of this type.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// Elements as data.
    fn wrap(elements: Vec<Self>) -> Data;
}

macro_rules! elements {
    ($($variant:ident $t:ty),*) => { $(
        impl Element for $t {
            const DTYPE: DType = DType::$variant;
            fn slice(data: &Data) -> Option<&[Self]> {
                if let Data::$variant(v) = data { Some(v) } else { None }
            }
            fn wrap(elements: Vec<Self>) -> Data {
                Data::$variant(elements)
            }
        }
        impl From<Vec<$t>> for Data {
            fn from(elements: Vec<$t>) -> Data {
                Data::$variant(elements)
            }
        }
    )* };
}
elements!(F32 f32, F64 f64, I64 i64, I32 i32, I16 i16, I8 i8, U64 u64, U32 u32, U16 u16, U8 u8, Bool bool);

impl Data {
    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        with_data!(self, v => of(v))
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        with_data!(self, v => v.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `len` zeros, or `false`.
    pub fn zeros(dtype: DType, len: usize) -> Data {
        match dtype {
            DType::F32 => Data::F32(vec![0.0; len]),
            DType::F64 => Data::F64(vec![0.0; len]),
            DType::I64 => Data::I64(vec![0; len]),
            DType::I32 => Data::I32(vec![0; len]),
            DType::I16 => Data::I16(vec![0; len]),
            DType::I8 => Data::I8(vec![0; len]),
            DType::U64 => Data::U64(vec![0; len]),
            DType::U32 => Data::U32(vec![0; len]),
            DType::U16 => Data::U16(vec![0; len]),
            DType::U8 => Data::U8(vec![0; len]),
            DType::Bool => Data::Bool(vec![false; len]),
        }
    }

    /// The elements at the given places, in their order. Panics if a place is out of range.
    pub fn select(&self, places: impl Iterator<Item = usize>) -> Data {
        with_data!(self, v => places.map(|i| v[i]).collect::<Vec<_>>().into())
    }
}

/// Why a tensor could not be built or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum TensorError {
    #[error("shape {shape:?} has {expected} elements, but there are {found}")]
    Length { shape: Vec<usize>, expected: usize, found: usize },
    #[error("shape {shape:?} has too many elements or dimensions")]
    Overflow { shape: Vec<usize> },
    #[error("expected elements of type {expected}, found {found}")]
    DType { expected: String, found: DType },
}

/// Most dimensions that a tensor may have.
pub const MAX_RANK: usize = 32;

/// Number of elements of a shape. A shape is refused if it has more than [`MAX_RANK`] dimensions, or if the product
/// of its dimensions, leaving out zeros, overflows; so every product over some of its dimensions is safe.
pub fn element_count(shape: &[usize]) -> Result<usize, TensorError> {
    spread_count(shape)?;
    Ok(shape.iter().product())
}

/// The product of a shape's dimensions, leaving out zeros, if 8 bytes for each can be addressed.
pub(super) fn spread_count(shape: &[usize]) -> Result<usize, TensorError> {
    let overflow = || TensorError::Overflow { shape: shape[..shape.len().min(MAX_RANK)].to_vec() };
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1))).ok_or_else(overflow)?;
    let fits = count <= isize::MAX as usize / 8 && shape.len() <= MAX_RANK;
    if fits { Ok(count) } else { Err(overflow()) }
}

/// A shape and its elements in row-major order. A scalar has the empty shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor, if `data` has as many elements as `shape`.
    pub fn new(shape: Vec<usize>, data: impl Into<Data>) -> Result<Tensor, TensorError> {
        let data = data.into();
        let expected = element_count(&shape)?;
        if expected != data.len() {
            return Err(TensorError::Length { shape, expected, found: data.len() });
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of zeros.
    pub fn zeros(dtype: DType, shape: Vec<usize>) -> Result<Tensor, TensorError> {
        let len = element_count(&shape)?;
        Ok(Tensor { shape, data: Data::zeros(dtype, len) })
    }

    /// A tensor without dimensions.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Tensor { shape: vec![], data: T::wrap(vec![value]) }
    }

    /// A tensor of one dimension.
    pub fn vector<T: Element>(values: Vec<T>) -> Tensor {
        Tensor { shape: vec![values.len()], data: T::wrap(values) }
    }

    /// Shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements as a slice of `T`, or an error if they have another type.
    pub fn slice<T: Element>(&self) -> Result<&[T], TensorError> {
        T::slice(&self.data)
            .ok_or_else(|| TensorError::DType { expected: T::DTYPE.to_string(), found: self.dtype() })
    }

    /// The elements as `i64`, from any integer type or bool.
    pub fn integers(&self) -> Result<Vec<i64>, TensorError> {
        if self.dtype().is_float() {
            return Err(TensorError::DType { expected: "an integer".into(), found: self.dtype() });
        }
        Ok(i64::slice(&self.cast(DType::I64).data).unwrap_or_default().to_vec())
    }

    /// The elements as `f32`, from any type.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.cast(DType::F32).data {
            Data::F32(v) => v,
            _ => vec![],
        }
    }

    /// The elements under another shape of as many elements.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Tensor, TensorError> {
        Tensor::new(shape, self.data.clone())
    }

    /// The elements as another type: floats to integers truncate and saturate, integers to integers wrap,
    /// anything to bool compares with zero.
    pub fn cast(&self, to: DType) -> Tensor {
        let data = with_numbers!(&self.data, v => cast!(v, to), bool => {
            let v: Vec<u8> = bool::slice(&self.data).unwrap_or_default().iter().map(|&b| u8::from(b)).collect();
            if to == DType::Bool { self.data.clone() } else { cast!(&v, to) }
        });
        Tensor { shape: self.shape.clone(), data }
    }
}

macro_rules! cast {
    ($v:expr, $to:expr) => {
        match $to {
            DType::F32 => Data::F32($v.iter().map(|&x| x as f32).collect()),
            DType::F64 => Data::F64($v.iter().map(|&x| x as f64).collect()),
            DType::I64 => Data::I64($v.iter().map(|&x| x as i64).collect()),
            DType::I32 => Data::I32($v.iter().map(|&x| x as i32).collect()),
            DType::I16 => Data::I16($v.iter().map(|&x| x as i16).collect()),
            DType::I8 => Data::I8($v.iter().map(|&x| x as i8).collect()),
            DType::U64 => Data::U64($v.iter().map(|&x| x as u64).collect()),
            DType::U32 => Data::U32($v.iter().map(|&x| x as u32).collect()),
            DType::U16 => Data::U16($v.iter().map(|&x| x as u16).collect()),
            DType::U8 => Data::U8($v.iter().map(|&x| x as u8).collect()),
            DType::Bool => Data::Bool($v.iter().map(|&x| x as f64 != 0.0).collect()),
        }
    };
}
use cast;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_element_and_a_zero_dimension_none() {
        assert_eq!(Tensor::scalar(3i8).len(), 1);
        assert!(Tensor::zeros(DType::F32, vec![3, 0, 2]).unwrap().is_empty());
    }

    #[test]
    fn a_shape_that_overflows_is_refused_before_allocation() {
        let shape = vec![usize::MAX, 2];
        assert_eq!(Tensor::zeros(DType::U8, shape.clone()), Err(TensorError::Overflow { shape }));
    }

    #[test]
    fn casts_truncate_saturate_and_compare_with_zero() {
        let t = Tensor::vector(vec![-1.7f32, 300.0, 0.0]);
        assert_eq!(t.cast(DType::I8).data(), &Data::I8(vec![-1, 127, 0]));
        assert_eq!(t.cast(DType::Bool).data(), &Data::Bool(vec![true, true, false]));
        assert_eq!(t.cast(DType::Bool).cast(DType::F32).data(), &Data::F32(vec![1.0, 1.0, 0.0]));
    }
}
