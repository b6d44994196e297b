//! Tensors of integers and of binary32 numbers, bounds of integers, and the bytes that their digest is taken over.
//!
//! The digest of a tensor is BLAKE3 of its row-major elements at true sizes, little-endian, in the narrowest
//! of i8, i16, i32, i64 that holds its bounds, so that `b3sum` of the raw data recomputes it.

use crate::shape::Shape;
use alloc::vec::Vec;

/// A closed interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounds {
    /// The least value.
    pub lo: i64,
    /// The greatest value.
    pub hi: i64,
}

/// Every accumulator and every wire lies strictly within ±2^62, so that sums of two never wrap an i64.
pub const MAX_MAGNITUDE: i64 = 1 << 62;

impl Bounds {
    /// The interval `[lo, hi]`, or `None` where it is empty or leaves ±2^62.
    pub fn new(lo: i64, hi: i64) -> Option<Self> {
        (lo <= hi && lo > -MAX_MAGNITUDE && hi < MAX_MAGNITUDE).then_some(Bounds { lo, hi })
    }

    /// True where `value` lies within.
    pub fn contains(&self, value: i64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// True where all of `other` lies within.
    pub fn covers(&self, other: &Bounds) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// Number of integers within.
    pub fn count(&self) -> u64 {
        self.hi.wrapping_sub(self.lo) as u64 + 1
    }

    /// The larger absolute value of the two ends.
    pub fn magnitude(&self) -> i64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// The interval grown to hold zero, which is what a read outside of a tensor gives.
    pub fn with_zero(&self) -> Bounds {
        Bounds { lo: self.lo.min(0), hi: self.hi.max(0) }
    }

    /// The narrowest of 1, 2, 4, 8 bytes whose signed integer holds every value.
    pub fn bytes(&self) -> usize {
        let fits = |bits: u32| self.lo >= -(1i64 << (bits - 1)) && self.hi < 1i64 << (bits - 1);
        [8, 16, 32].into_iter().find(|&bits| fits(bits)).map_or(8, |bits| bits as usize / 8)
    }

    /// The interval of the given values; `[0, 0]` of none.
    pub fn of(values: &[i64]) -> Bounds {
        let lo = values.iter().copied().min().unwrap_or(0);
        Bounds { lo, hi: values.iter().copied().max().unwrap_or(0) }
    }
}

/// An integer tensor: row-major values at true sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The true sizes.
    pub shape: Shape,
    /// `shape.cells()` values, last axis fastest.
    pub values: Vec<i64>,
}

impl Tensor {
    /// A tensor of `shape.cells()` values, or `None` where their number is another.
    pub fn new(shape: Shape, values: Vec<i64>) -> Option<Self> {
        (shape.cells() == values.len()).then_some(Tensor { shape, values })
    }

    /// The values over the padded cube, zero in the padding.
    pub fn padded(&self) -> Vec<i64> {
        if self.shape.is_cube() {
            return self.values.clone();
        }
        let mut cells = alloc::vec![0; self.shape.padded_cells()];
        for (index, &value) in self.shape.padded_indices().zip(&self.values) {
            cells[index] = value;
        }
        cells
    }

    /// The little-endian bytes that the digest is taken over, `bounds.bytes()` an element.
    pub fn to_bytes(&self, bounds: &Bounds) -> Vec<u8> {
        let width = bounds.bytes();
        self.values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
    }

    /// BLAKE3 of [`Tensor::to_bytes`].
    pub fn digest(&self, bounds: &Bounds) -> [u8; 32] {
        *blake3::hash(&self.to_bytes(bounds)).as_bytes()
    }
}

/// Reads elements of `width` (1, 2, 4 or 8) little-endian bytes, sign-extended.
pub fn integers_from_bytes(bytes: &[u8], width: usize) -> Vec<i64> {
    bytes
        .chunks_exact(width)
        .map(|chunk| {
            let negative = chunk.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..width].copy_from_slice(chunk);
            i64::from_le_bytes(wide)
        })
        .collect()
}

/// What stands as the bounds of everything in an f32 program.
pub const REAL_BOUNDS: Bounds = Bounds { lo: 0, hi: 0 };

/// A tensor of an f32 program: the bits of its binary32 elements, row-major at true sizes. Equality is on bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealTensor {
    /// The true sizes.
    pub shape: Shape,
    /// `shape.cells()` elements, last axis fastest.
    pub bits: Vec<u32>,
}

impl RealTensor {
    /// A tensor of `shape.cells()` elements, or `None` where their number is another.
    pub fn new(shape: Shape, bits: Vec<u32>) -> Option<Self> {
        (shape.cells() == bits.len()).then_some(RealTensor { shape, bits })
    }

    /// The little-endian bytes that the digest is taken over, four an element.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bits.iter().flat_map(|bits| bits.to_le_bytes()).collect()
    }

    /// BLAKE3 of [`RealTensor::to_bytes`].
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = [0u8; 1024];
        for part in self.bits.chunks(256) {
            for (place, bits) in buffer.chunks_exact_mut(4).zip(part) {
                place.copy_from_slice(&bits.to_le_bytes());
            }
            hasher.update(&buffer[..4 * part.len()]);
        }
        *hasher.finalize().as_bytes()
    }
}

/// Reads the bits of binary32 elements, four little-endian bytes each.
pub fn bits_from_bytes(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| b.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn bytes_round_trip_in_the_narrowest_integer() {
        for values in [vec![-128, 127], vec![-129, 0], vec![i32::MIN as i64, 7], vec![1 << 40, -1]] {
            let bounds = Bounds::of(&values);
            let tensor = Tensor::new(Shape::new(vec![2]).unwrap(), values.clone()).unwrap();
            assert_eq!(integers_from_bytes(&tensor.to_bytes(&bounds), bounds.bytes()), values);
        }
        assert_eq!(Bounds { lo: -128, hi: 127 }.bytes(), 1);
        assert_eq!(Bounds { lo: 0, hi: 128 }.bytes(), 2);
    }

    #[test]
    fn padding_holds_zero() {
        let tensor = Tensor::new(Shape::new(vec![2, 3]).unwrap(), vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(tensor.padded(), vec![1, 2, 3, 0, 4, 5, 6, 0]);
    }
}
