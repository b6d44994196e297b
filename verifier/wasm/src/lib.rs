//! The verifier as one WebAssembly module: bytes of a key and of a proof file in, a verdict out.
//!
//! ```js
//! const { memory, assay_allocate, assay_verify } = instance.exports;
//! const give = (bytes) => {
//!   const at = assay_allocate(bytes.length);
//!   new Uint8Array(memory.buffer, at, bytes.length).set(bytes);
//!   return [at, bytes.length];
//! };
//! const verified = assay_verify(...give(key), ...give(proof)) === 0;
//! ```
//!
//! This crate holds the only pointers of the verifier's side; the verifier itself has no `unsafe`.

use assay_verifier::bundle;
use assay_verifier::key::VerifyingKey;

/// The proof is one of the key's program.
pub const VERIFIED: u32 = 0;
/// It is not.
pub const REJECTED: u32 = 1;
/// The key is not one, or its own proof is rejected.
pub const NO_KEY: u32 = 2;

/// The verdict on the bytes of a proof file, under the bytes of a verifying key.
pub fn verify(key: &[u8], proof: &[u8]) -> u32 {
    let Ok(key) = VerifyingKey::decode(key) else { return NO_KEY };
    if bundle::verify(&key, proof).is_ok() { VERIFIED } else { REJECTED }
}

/// Memory for `length` bytes, zeroed; null where there is not so much.
#[unsafe(no_mangle)]
pub extern "C" fn assay_allocate(length: usize) -> *mut u8 {
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(length).is_err() {
        return core::ptr::null_mut();
    }
    bytes.resize(length, 0u8);
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

/// [`verify`] on two buffers, which it frees.
///
/// # Safety
/// Each buffer is one that [`assay_allocate`] gave for this length, and is used for nothing afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn assay_verify(
    key: *mut u8,
    key_length: usize,
    proof: *mut u8,
    proof_length: usize,
) -> u32 {
    let take = |at: *mut u8, length: usize| -> Box<[u8]> {
        if at.is_null() {
            return Box::default();
        }
        // SAFETY: the caller states that `assay_allocate` made this slice, and that nobody else has it.
        unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(at, length)) }
    };
    verify(&take(key, key_length), &take(proof, proof_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_without_a_key_give_no_verdict() {
        assert_eq!(verify(b"", b""), NO_KEY);
        let (key, proof) = (assay_allocate(3), assay_allocate(0));
        // SAFETY: both were just allocated with these lengths.
        assert_eq!(unsafe { assay_verify(key, 3, proof, 0) }, NO_KEY);
    }
}
