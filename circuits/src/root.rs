//! The program root: a keccak tree over what a program is, so that one digest pins graph, shapes, scales and
//! weights, and a referee can open one operation of it.
//!
//! ```text
//! leaf  = keccak256(0x00, bytes)     node = keccak256(0x01, left, right)     padded with zero words
//! root  = keccak256(0x02, header)
//! header = u32 version | u8 precision | u8 model flag | u32 operations, constants, inputs, outputs
//!          | tree(operations) | tree(constants) | tree(inputs) | tree(outputs)
//!          | keccak256(0x03, i64 low and high bound of each sum, reshaped wires)        big-endian, 182 bytes
//! ```
//!
//! The leaf of an operation is its [descriptor](crate::descriptor), that of a constant ends in its digest. Names of
//! operations and the accuracy report are in none of it.

use crate::encoding::Writer;
use crate::program::{
    FORMAT_VERSION, Program, encode_constant_header, encode_input, encode_output, encode_precision,
    encode_reshaped,
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

/// Bytes of a program's header.
pub const HEADER_BYTES: usize = 182;

impl Program {
    /// The leaf of each operation, in order.
    pub fn operation_leaves(&self) -> Vec<Digest32> {
        let bytes = |i: usize| self.descriptor(i).map_or_else(Vec::new, |descriptor| descriptor.encode());
        (0..self.operations.len()).map(|i| keccak(0, &bytes(i))).collect()
    }

    /// The bytes of a constant's leaf: its shape, bounds and digest.
    pub fn constant_bytes(&self, number: usize) -> Option<Vec<u8>> {
        let mut w = Writer::new();
        encode_constant_header(self.constants.get(number)?, &mut w);
        Some(w.finish())
    }

    /// The bytes of an output's leaf: its name, operation, scale and visibility.
    pub fn output_bytes(&self, number: usize) -> Option<Vec<u8>> {
        let mut w = Writer::new();
        encode_output(self.outputs.get(number)?, &mut w);
        Some(w.finish())
    }

    /// The leaf of each constant, in order.
    pub fn constant_leaves(&self) -> Vec<Digest32> {
        self.constants.iter().map(|x| leaf(x, encode_constant_header)).collect()
    }

    /// The header, whose keccak is the program root.
    pub fn header(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&FORMAT_VERSION.to_be_bytes());
        encode_precision(self.precision, &mut w);
        w.u8(u8::from(self.committed_model));
        let counts = [self.operations.len(), self.constants.len(), self.inputs.len(), self.outputs.len()];
        counts.into_iter().for_each(|count| w.bytes(&(count as u32).to_be_bytes()));
        w.bytes(&tree_root(self.operation_leaves()));
        w.bytes(&tree_root(self.constant_leaves()));
        w.bytes(&tree_root(self.inputs.iter().map(|x| leaf(x, encode_input)).collect()));
        w.bytes(&tree_root(self.outputs.iter().map(|x| leaf(x, encode_output)).collect()));
        // A proof's ranges follow from the bounds; a referee has no use for them, so no descriptor carries them.
        let bounds = self.operations.iter().flat_map(|operation| &operation.sums).map(|sum| sum.bounds);
        let mut rest = Writer::new();
        rest.bytes(
            &bounds.flat_map(|b| [b.lo.to_be_bytes(), b.hi.to_be_bytes()].concat()).collect::<Vec<u8>>(),
        );
        encode_reshaped(&self.reshaped, &mut rest);
        w.bytes(&keccak(3, &rest.finish()));
        w.finish()
    }

    /// The program root.
    pub fn root(&self) -> Digest32 {
        keccak(2, &self.header())
    }
}

/// The siblings from a leaf up to the root of its tree; none where there is no such leaf.
pub fn tree_path(mut level: Vec<Digest32>, mut index: usize) -> Vec<Digest32> {
    let mut path = Vec::new();
    if index >= level.len() {
        return path;
    }
    level.resize(level.len().next_power_of_two(), [0; 32]);
    while level.len() > 1 {
        path.extend(level.get(index ^ 1));
        level = level.chunks_exact(2).map(|pair| keccak(1, pair.as_flattened())).collect();
        index /= 2;
    }
    path
}

/// The root to which a path leads from a leaf of a tree of `count` leaves; `None` where the path has another length.
pub fn path_root(leaf: Digest32, index: usize, count: usize, path: &[Digest32]) -> Option<Digest32> {
    let depth = count.next_power_of_two().trailing_zeros() as usize;
    if index >= count || path.len() != depth {
        return None;
    }
    let step = |(node, place): (Digest32, usize), sibling: &Digest32| {
        let pair = if place & 1 == 0 { [node, *sibling] } else { [*sibling, node] };
        (keccak(1, pair.as_flattened()), place >> 1)
    };
    Some(path.iter().fold((leaf, index), step).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_root_from_its_own_leaf_only() {
        for count in 1..9usize {
            let leaves: Vec<Digest32> = (0..count).map(|i| keccak(0, &[i as u8])).collect();
            let root = tree_root(leaves.clone());
            for index in 0..count {
                let path = tree_path(leaves.clone(), index);
                assert_eq!(path_root(leaves[index], index, count, &path), Some(root));
                assert_ne!(path_root(keccak(0, &[99]), index, count, &path), Some(root));
                for other in (0..count).filter(|&other| other != index) {
                    assert_ne!(path_root(leaves[index], other, count, &path), Some(root));
                }
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert_eq!(path_root(leaves[index], index, count, &longer), None);
            }
            assert_eq!(path_root(leaves[0], count, count, &tree_path(leaves.clone(), 0)), None);
        }
    }
}
