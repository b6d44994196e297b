//! The packed big-endian bytes of disputes' moves, as contracts read them: integers without padding, byte strings after
//! their length, lists of words one after the other.

use alloc::vec::Vec;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::root::Digest32;

/// The longest byte string of a move: a descriptor, or the states of a claim.
pub const MAX_BLOB: usize = 1 << 20;

/// Two bytes.
pub fn u16(r: &mut Reader<'_>, what: &'static str) -> Result<u16, DecodeError> {
    Ok(u16::from_be_bytes(r.array(what)?))
}

/// Four bytes.
pub fn u32(r: &mut Reader<'_>, what: &'static str) -> Result<u32, DecodeError> {
    Ok(u32::from_be_bytes(r.array(what)?))
}

/// Eight bytes.
pub fn u64(r: &mut Reader<'_>, what: &'static str) -> Result<u64, DecodeError> {
    Ok(u64::from_be_bytes(r.array(what)?))
}

/// A byte string after its length as four bytes, of at most [`MAX_BLOB`] bytes.
pub fn blob(r: &mut Reader<'_>, what: &'static str) -> Result<Vec<u8>, DecodeError> {
    let length = u32(r, what)? as usize;
    if length > MAX_BLOB {
        return Err(r.invalid(what));
    }
    Ok(r.bytes(length, what)?.to_vec())
}

/// Words one after the other, after the number of their bytes as four bytes.
pub fn words(r: &mut Reader<'_>, what: &'static str) -> Result<Vec<Digest32>, DecodeError> {
    let bytes = blob(r, what)?;
    split_words(&bytes).ok_or_else(|| r.invalid(what))
}

/// Appends a byte string after its length as four bytes.
pub fn put_blob(w: &mut Writer, bytes: &[u8]) {
    w.bytes(&(bytes.len() as u32).to_be_bytes());
    w.bytes(bytes);
}

/// Words from their bytes; `None` where the last is cut short.
pub fn split_words(bytes: &[u8]) -> Option<Vec<Digest32>> {
    let (words, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| words.to_vec())
}
