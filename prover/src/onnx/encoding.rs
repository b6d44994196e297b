//! `TensorProto` to [`Tensor`] and back.
//!
//! The data's length is compared with the shape before anything is allocated, so a few bytes that claim
//! a large shape cost nothing. FLOAT16 and BFLOAT16 are widened to f32, which is exact.

use prost::Message;

use super::proto::TensorProto;
use super::tensor::{DType, Data, Tensor, TensorError, element_count};

/// Why a `TensorProto` could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DecodeTensorError {
    #[error("not a tensor: {0}")]
    Protobuf(String),
    #[error("its data lies in another file (external data); save the model with its data inside")]
    External,
    #[error("element type {0} is not supported")]
    DType(i32),
    #[error("dimension {0} is negative")]
    NegativeDimension(i64),
    #[error("raw data of {bytes} bytes does not fit {elements} elements of {size} bytes")]
    RawLength { bytes: usize, elements: usize, size: usize },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Reads a tensor from the bytes of a `.pb` file.
pub fn decode_tensor(bytes: &[u8]) -> Result<Tensor, DecodeTensorError> {
    decode_named_tensor(bytes).map(|(_, tensor)| tensor)
}

/// Reads a tensor and its name, which may be empty, from the bytes of a `.pb` file.
pub fn decode_named_tensor(bytes: &[u8]) -> Result<(String, Tensor), DecodeTensorError> {
    let proto = TensorProto::decode(bytes).map_err(|e| DecodeTensorError::Protobuf(e.to_string()))?;
    let tensor = from_proto(&proto)?;
    Ok((proto.name, tensor))
}

/// Writes a tensor as the bytes of a `.pb` file.
pub fn encode_tensor(name: &str, tensor: &Tensor) -> Vec<u8> {
    to_proto(name, tensor).encode_to_vec()
}

/// Reads a message.
pub fn from_proto(proto: &TensorProto) -> Result<Tensor, DecodeTensorError> {
    if proto.data_location == 1 || !proto.external_data.is_empty() {
        return Err(DecodeTensorError::External);
    }
    let dtype = DType::from_onnx(proto.data_type.into()).ok_or(DecodeTensorError::DType(proto.data_type))?;
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| DecodeTensorError::NegativeDimension(d)))
        .collect::<Result<Vec<_>, _>>()?;
    let elements = element_count(&shape)?;
    let data = if proto.raw_data.is_empty() {
        from_typed_fields(proto, dtype)
    } else {
        let size = if matches!(proto.data_type, 10 | 16) { 2 } else { dtype.size() };
        if elements.checked_mul(size) != Some(proto.raw_data.len()) {
            return Err(DecodeTensorError::RawLength { bytes: proto.raw_data.len(), elements, size });
        }
        from_raw(&proto.raw_data, proto.data_type, dtype)
    };
    Ok(Tensor::new(shape, data)?)
}

/// Makes a message with raw data.
pub fn to_proto(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: tensor.dtype().to_onnx(),
        name: name.to_string(),
        raw_data: to_le_bytes(tensor.data()),
        ..TensorProto::default()
    }
}

/// The elements as little-endian bytes; one byte for a bool.
pub fn to_le_bytes(data: &Data) -> Vec<u8> {
    macro_rules! bytes {
        ($v:expr) => {
            $v.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
    }
    match data {
        Data::F32(v) => bytes!(v),
        Data::F64(v) => bytes!(v),
        Data::I64(v) => bytes!(v),
        Data::I32(v) => bytes!(v),
        Data::I16(v) => bytes!(v),
        Data::I8(v) => bytes!(v),
        Data::U64(v) => bytes!(v),
        Data::U32(v) => bytes!(v),
        Data::U16(v) => bytes!(v),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
    }
}

/// Elements from little-endian bytes; trailing bytes that make no element are ignored.
pub fn from_le_bytes(bytes: &[u8], dtype: DType) -> Data {
    macro_rules! elements {
        ($t:ty) => {
            bytes.as_chunks().0.iter().map(|&chunk| <$t>::from_le_bytes(chunk)).collect::<Vec<$t>>().into()
        };
    }
    match dtype {
        DType::F32 => elements!(f32),
        DType::F64 => elements!(f64),
        DType::I64 => elements!(i64),
        DType::I32 => elements!(i32),
        DType::I16 => elements!(i16),
        DType::I8 => elements!(i8),
        DType::U64 => elements!(u64),
        DType::U32 => elements!(u32),
        DType::U16 => elements!(u16),
        DType::U8 => Data::U8(bytes.to_vec()),
        DType::Bool => Data::Bool(bytes.iter().map(|&b| b != 0).collect()),
    }
}

/// An IEEE binary16 as f32.
pub fn f32_from_f16_bits(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 31);
    let fraction = f32::from(bits & 1023);
    sign * match exponent {
        0 => fraction * (-24f32).exp2(),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * ((exponent - 25) as f32).exp2(),
    }
}

/// A bfloat16 as f32.
pub fn f32_from_bf16_bits(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn widen(bits: impl Iterator<Item = u16>, data_type: i32) -> Data {
    let convert = if data_type == 10 { f32_from_f16_bits } else { f32_from_bf16_bits };
    Data::F32(bits.map(convert).collect())
}

fn from_raw(bytes: &[u8], data_type: i32, dtype: DType) -> Data {
    if matches!(data_type, 10 | 16) {
        widen(bytes.as_chunks().0.iter().map(|&chunk| u16::from_le_bytes(chunk)), data_type)
    } else {
        from_le_bytes(bytes, dtype)
    }
}

fn from_typed_fields(proto: &TensorProto, dtype: DType) -> Data {
    let ints = &proto.int32_data;
    match dtype {
        DType::F32 if proto.data_type == 1 => Data::F32(proto.float_data.clone()),
        DType::F32 => widen(ints.iter().map(|&x| x as u16), proto.data_type),
        DType::F64 => Data::F64(proto.double_data.clone()),
        DType::I64 => Data::I64(proto.int64_data.clone()),
        DType::U64 => Data::U64(proto.uint64_data.clone()),
        DType::U32 => Data::U32(proto.uint64_data.iter().map(|&x| x as u32).collect()),
        DType::I32 => Data::I32(ints.clone()),
        DType::I16 => Data::I16(ints.iter().map(|&x| x as i16).collect()),
        DType::I8 => Data::I8(ints.iter().map(|&x| x as i8).collect()),
        DType::U16 => Data::U16(ints.iter().map(|&x| x as u16).collect()),
        DType::U8 => Data::U8(ints.iter().map(|&x| x as u8).collect()),
        DType::Bool => Data::Bool(ints.iter().map(|&x| x != 0).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_round_trip() {
        for code in 1..=13 {
            let Some(dtype) = DType::from_onnx(code) else { continue };
            let tensor = Tensor::vector(vec![0u8, 1, 1]).cast(dtype);
            assert_eq!(decode_named_tensor(&encode_tensor("t", &tensor)), Ok(("t".into(), tensor)));
        }
    }

    #[test]
    fn half_floats_widen_exactly() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.9604645e-8), (0x7bff, 65504.0), (0x8000, -0.0)];
        for (bits, value) in cases {
            assert_eq!(f32_from_f16_bits(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert_eq!(f32_from_f16_bits(0xfc00), f32::NEG_INFINITY);
        assert_eq!(f32_from_bf16_bits(0x4049), 3.140625);
    }

    #[test]
    fn a_large_shape_over_little_data_is_refused() {
        let proto =
            TensorProto { dims: vec![1 << 40], data_type: 1, raw_data: vec![0; 4], ..Default::default() };
        assert!(matches!(from_proto(&proto), Err(DecodeTensorError::RawLength { bytes: 4, .. })));
        let proto = TensorProto { dims: vec![1 << 62, 8], data_type: 1, ..Default::default() };
        assert!(matches!(from_proto(&proto), Err(DecodeTensorError::Tensor(TensorError::Overflow { .. }))));
    }

    #[test]
    fn external_data_is_refused() {
        let proto = TensorProto { data_type: 1, data_location: 1, ..Default::default() };
        assert_eq!(from_proto(&proto), Err(DecodeTensorError::External));
    }
}
