//! NumPy's `.npy` format, versions 1 to 3: a magic number, a header that is a Python dictionary literal, the
//! elements.
//!
//! ```
//! use assay_prover::{files::npy, onnx::Tensor};
//! let tensor = Tensor::new(vec![2, 1], vec![7i64, -1]).unwrap();
//! assert_eq!(npy::decode(&npy::encode(&tensor)).unwrap(), tensor);
//! ```

use crate::onnx::encoding::{from_le_bytes, to_le_bytes};
use crate::onnx::geometry::{offsets, strides_of};
use crate::onnx::tensor::element_count;
use crate::onnx::{DType, Tensor, TensorError};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// Why bytes are no array that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum NpyError {
    #[error("not a NumPy array: it does not begin with the magic number")]
    Magic,
    #[error("version {0} of the format is not supported")]
    Version(u8),
    #[error("the header ends at byte {end}, the file at byte {len}")]
    Truncated { end: usize, len: usize },
    #[error("the header has no valid `{0}`")]
    Header(&'static str),
    #[error("element type `{0}` is not supported")]
    DType(String),
    #[error("there are {found} bytes of elements, should be {expected}")]
    Length { expected: usize, found: usize },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Reads an array.
pub fn decode(bytes: &[u8]) -> Result<Tensor, NpyError> {
    let (header, body) = split(bytes)?;
    let descr = between(value(header, "descr")?, '\'', '\'').ok_or(NpyError::Header("descr"))?;
    let (dtype, big_endian) = element_type(descr)?;
    let fortran = match value(header, "fortran_order")? {
        v if v.starts_with("True") => true,
        v if v.starts_with("False") => false,
        _ => return Err(NpyError::Header("fortran_order")),
    };
    let shape = between(value(header, "shape")?, '(', ')').ok_or(NpyError::Header("shape"))?;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| size.parse().map_err(|_| NpyError::Header("shape")))
        .collect::<Result<Vec<usize>, _>>()?;
    let expected = element_count(&shape)? * dtype.size();
    if body.len() != expected {
        return Err(NpyError::Length { expected, found: body.len() });
    }
    let data = if big_endian {
        let reversed: Vec<u8> = body.chunks(dtype.size()).flat_map(|x| x.iter().rev().copied()).collect();
        from_le_bytes(&reversed, dtype)
    } else {
        from_le_bytes(body, dtype)
    };
    if !fortran {
        return Ok(Tensor::new(shape, data)?);
    }
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let strides: Vec<usize> = strides_of(&reversed).into_iter().rev().collect();
    let places = if data.is_empty() { vec![] } else { offsets(&shape, &strides) };
    Ok(Tensor::new(shape, data.select(places.into_iter()))?)
}

/// Writes an array of version 1, in C order and little-endian.
pub fn encode(tensor: &Tensor) -> Vec<u8> {
    let kind = match tensor.dtype() {
        DType::F32 | DType::F64 => 'f',
        DType::Bool => 'b',
        DType::I64 | DType::I32 | DType::I16 | DType::I8 => 'i',
        DType::U64 | DType::U32 | DType::U16 | DType::U8 => 'u',
    };
    let size = tensor.dtype().size();
    let order = if size == 1 { '|' } else { '<' };
    let shape: String = tensor.shape().iter().map(|d| format!("{d}, ")).collect();
    let shape = if tensor.rank() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let mut header =
        format!("{{'descr': '{order}{kind}{size}', 'fortran_order': False, 'shape': ({shape}), }}");
    // The elements begin at a multiple of 64 bytes, after a newline.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(to_le_bytes(tensor.data()));
    bytes
}

/// The header's text and the elements' bytes.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
    let truncated = |end| NpyError::Truncated { end, len: bytes.len() };
    let (len, begin) = match *rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        [1..=3, ..] => return Err(truncated(12)),
        [version, ..] => return Err(NpyError::Version(version)),
        [] => return Err(truncated(8)),
    };
    if len > MAX_HEADER_BYTES || bytes.len() < begin + len {
        return Err(truncated(begin + len));
    }
    let (header, body) = bytes[begin..].split_at(len);
    Ok((std::str::from_utf8(header).map_err(|_| NpyError::Header("text"))?, body))
}

/// The header's text from the value of a key on.
fn value<'h>(header: &'h str, key: &'static str) -> Result<&'h str, NpyError> {
    let quoted = header.find(&format!("'{key}'")).ok_or(NpyError::Header(key))?;
    let after = header[quoted + key.len() + 2..].trim_start();
    Ok(after.strip_prefix(':').ok_or(NpyError::Header(key))?.trim_start())
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.split_once(close).map(|(inside, _)| inside)
}

/// A NumPy type string as a type, and whether it is big-endian.
fn element_type(descr: &str) -> Result<(DType, bool), NpyError> {
    let unsupported = || NpyError::DType(descr.to_string());
    let mut chars = descr.chars();
    let (order, code) = (chars.next().ok_or_else(unsupported)?, chars.as_str());
    let dtype = match code {
        "f4" => DType::F32,
        "f8" => DType::F64,
        "i8" => DType::I64,
        "i4" => DType::I32,
        "i2" => DType::I16,
        "i1" => DType::I8,
        "u8" => DType::U64,
        "u4" => DType::U32,
        "u2" => DType::U16,
        "u1" => DType::U8,
        "b1" => DType::Bool,
        _ => return Err(unsupported()),
    };
    match order {
        '<' | '|' | '=' => Ok((dtype, false)),
        '>' => Ok((dtype, true)),
        _ => Err(unsupported()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, body: &[u8]) -> Vec<u8> {
        let len = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &len, header.as_bytes(), body].concat()
    }

    #[test]
    fn every_type_and_rank_survives_the_round_trip() {
        for dtype in
            [DType::F32, DType::F64, DType::I16, DType::I8, DType::U16, DType::U32, DType::U64, DType::Bool]
        {
            for shape in [vec![], vec![1], vec![0, 3], vec![1, 1, 1]] {
                let tensor = Tensor::zeros(dtype, shape).unwrap();
                let bytes = encode(&tensor);
                assert_eq!(decode(&bytes), Ok(tensor));
            }
        }
    }

    #[test]
    fn fortran_order_and_big_endian_are_understood() {
        let bytes = file(
            "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3)}",
            &[0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6],
        );
        assert_eq!(decode(&bytes).unwrap(), Tensor::new(vec![2, 3], vec![1i16, 3, 5, 2, 4, 6]).unwrap());
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let shape =
            |s: &str| file(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({s})}}"), &[0; 4]);
        assert!(decode(&shape("1,")).is_ok());
        assert_eq!(decode(&shape("1000000,")), Err(NpyError::Length { expected: 4_000_000, found: 4 }));
        assert!(matches!(decode(&shape("99999999999, 99999999999")), Err(NpyError::Tensor(_))));
        assert_eq!(decode(&shape("-1,")), Err(NpyError::Header("shape")));
        assert_eq!(decode(b"PK"), Err(NpyError::Magic));
        assert!(matches!(decode(&shape("1")[..20]), Err(NpyError::Truncated { .. })));
        assert!(matches!(decode(b"\x93NUMPY\x01"), Err(NpyError::Truncated { .. })));
    }
}
