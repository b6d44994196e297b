//! The program root: a keccak tree over what a program is, so that one digest pins graph, shapes, scales and
//! weights, and a referee can open one operation of it.
//!
//! ```text
//! leaf  = keccak256(0x00, bytes)     node = keccak256(0x01, left, right)     padded with zero words
//! root  = keccak256(0x02, version, precision, model flag, counts, tree(operations), tree(constants),
//!                   tree(inputs), tree(outputs))
//! ```
//!
//! Names of operations and the accuracy report are in none of it.

use crate::encoding::Writer;
use crate::program::{
    FORMAT_VERSION, Program, encode_constant_header, encode_input, encode_operation, encode_output,
    encode_precision,
};
use alloc::vec::Vec;
use sha3::{Digest, Keccak256};

/// A 32-byte digest.
pub type Digest32 = [u8; 32];

/// keccak256 of a prefix byte and a byte string.
pub fn keccak(prefix: u8, bytes: &[u8]) -> Digest32 {
    let mut hasher = Keccak256::new();
    hasher.update([prefix]);
    hasher.update(bytes);
    hasher.finalize().into()
}

/// Root of the keccak tree over leaves, padded with zero words to a power of two; zero of no leaf.
pub fn tree_root(mut level: Vec<Digest32>) -> Digest32 {
    level.resize(level.len().next_power_of_two(), [0; 32]);
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| keccak(1, pair.as_flattened())).collect();
    }
    level.first().copied().unwrap_or([0; 32])
}

fn leaf<T>(item: &T, encode: impl Fn(&T, &mut Writer)) -> Digest32 {
    let mut w = Writer::new();
    encode(item, &mut w);
    keccak(0, &w.finish())
}

impl Program {
    /// The program root.
    pub fn root(&self) -> Digest32 {
        let mut w = Writer::new();
        w.u32(FORMAT_VERSION);
        encode_precision(self.precision, &mut w);
        w.u8(u8::from(self.committed_model));
        let counts = [self.operations.len(), self.constants.len(), self.inputs.len(), self.outputs.len()];
        counts.into_iter().for_each(|count| w.length(count));
        w.bytes(&tree_root(self.operations.iter().map(|x| leaf(x, encode_operation)).collect()));
        w.bytes(&tree_root(self.constants.iter().map(|x| leaf(x, encode_constant_header)).collect()));
        w.bytes(&tree_root(self.inputs.iter().map(|x| leaf(x, encode_input)).collect()));
        w.bytes(&tree_root(self.outputs.iter().map(|x| leaf(x, encode_output)).collect()));
        keccak(2, &w.finish())
    }
}
