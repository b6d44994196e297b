//! The canonical binary encoding: little-endian integers, lengths before contents, nothing optional.
//!
//! A [`Reader`] checks every length against the bytes that are left before anything is allocated, and refuses
//! trailing bytes, so that each value has exactly one encoding.

use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

/// Why bytes are not an encoding.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end inside of a value.
    #[error("{what} is cut short at byte {offset}")]
    Truncated {
        /// The value that was being read.
        what: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// A value is outside of what its place allows.
    #[error("{what} at byte {offset} is not valid")]
    Invalid {
        /// The value that was being read.
        what: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// Bytes follow the last value.
    #[error("{count} bytes follow the end at byte {offset}")]
    Trailing {
        /// How many.
        count: usize,
        /// Where the encoding ends.
        offset: usize,
    },
}

/// Appends values to a byte string.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty byte string.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Raw bytes, whose number the reader knows.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes, the IEEE-754 bits.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// A length as four bytes.
    ///
    /// # Panics
    /// Where a list has 2^32 elements or more; no value of this crate is that long.
    pub fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// A string: its length, then UTF-8.
    pub fn string(&mut self, text: &str) {
        self.length(text.len());
        self.bytes(text.as_bytes());
    }

    /// A list: its length, then each element by `write`.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(items.len());
        for item in items {
            write(self, item);
        }
    }
}

/// Takes values off a byte string.
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, offset: 0 }
    }

    /// Number of bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Refuses bytes that are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::Trailing { count, offset: self.offset }),
        }
    }

    /// Number of bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    /// The error that `what`, which ended just here, is not valid.
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { what, offset: self.offset }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::Truncated { what, offset: self.offset };
        let end = self.offset.checked_add(count).ok_or(truncated.clone())?;
        let slice = self.bytes.get(self.offset..end).ok_or(truncated)?;
        self.offset = end;
        Ok(slice)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let slice = self.bytes(N, what)?;
        slice.try_into().map_err(|_| self.invalid(what))
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    /// Four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// Eight bytes, IEEE-754; a NaN is refused, since it has many encodings.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        let value = f64::from_bits(self.u64(what)?);
        if value.is_nan() { Err(self.invalid(what)) } else { Ok(value) }
    }

    /// The length that the next list states; `None` where the bytes end before it.
    pub fn peek_length(&self) -> Option<usize> {
        let bytes = self.bytes.get(self.offset..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    }

    /// A length of elements that take at least `least` bytes each, checked against the bytes that are left.
    pub fn length(&mut self, least: usize, what: &'static str) -> Result<usize, DecodeError> {
        let offset = self.offset;
        let length = self.u32(what)? as usize;
        match length.checked_mul(least.max(1)) {
            Some(bytes) if bytes <= self.remaining() => Ok(length),
            _ => Err(DecodeError::Truncated { what, offset }),
        }
    }

    /// A string of at most 2^16 bytes.
    pub fn string(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let length = self.length(1, what)?;
        if length > 1 << 16 {
            return Err(self.invalid(what));
        }
        let bytes = self.bytes(length, what)?;
        core::str::from_utf8(bytes).map(String::from).map_err(|_| self.invalid(what))
    }

    /// A list of elements that take at least `least` bytes each.
    pub fn list<T>(
        &mut self,
        least: usize,
        what: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let length = self.length(least, what)?;
        (0..length).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_length_beyond_the_bytes_is_refused_before_allocation() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert!(matches!(reader.length(1, "list"), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut reader = Reader::new(&[1, 2]);
        reader.u8("byte").unwrap();
        assert_eq!(reader.finish(), Err(DecodeError::Trailing { count: 1, offset: 1 }));
    }

    #[test]
    fn lists_round_trip() {
        let mut writer = Writer::new();
        writer.list(&[3i64, -4], |w, v| w.i64(*v));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.list(8, "list", |r| r.i64("item")).unwrap(), vec![3, -4]);
        reader.finish().unwrap();
    }
}
