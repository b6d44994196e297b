//! keccak256 of byte strings, one after the other: the hash of everything that a contract recomputes.

use assay_circuits::root::Digest32;
use sha3::{Digest, Keccak256};

/// keccak256 of the parts' concatenation.
pub fn keccak256(parts: &[&[u8]]) -> Digest32 {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::Hex;
    use alloc::string::ToString;

    #[test]
    fn the_empty_string_has_the_hash_that_ethereum_names_empty() {
        let empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(Hex(&keccak256(&[])).to_string(), empty);
        assert_eq!(keccak256(&[b"ab", b"c"]), keccak256(&[b"abc"]));
    }
}
