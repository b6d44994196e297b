//! The BLAKE3 tree of a tensor, so that one chunk of 1,024 bytes can be opened under the tensor's digest.
//!
//! BLAKE3 is a tree over chunks: the chaining value of chunk i depends on its bytes and on i, that of an inner node on
//! those of its two children, and the digest is the root's, computed under a flag of its own.
//!
//! ```text
//! node of n > 1 chunks = merge(node of the first p, node of the other n - p),  p the greatest power of two below n
//! ```
//!
//! The form follows from the total length alone. The length comes from the program (cells times width), never from
//! whoever opens: a chunk is not taken for a node, nor a node for the root, nor a chunk for another.
//!
//! ```
//! use assay_verifier::tensor_tree::Tree;
//! let bytes = vec![7u8; 5000];
//! let tree = Tree::new(5000).unwrap();
//! let siblings = tree.path(&bytes, 4).unwrap();
//! let root = tree.root_from_chunk(&bytes[4096..], 4, &siblings).unwrap();
//! assert_eq!(&root, blake3::hash(&bytes).as_bytes());
//! ```
//!
//! Specification: BLAKE3, section 2.1 and 2.4.

use alloc::vec::Vec;
use assay_circuits::descriptor::CHUNK;
use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use thiserror::Error;

/// A chaining value, or the digest at the root.
pub type Value = [u8; 32];

/// Levels of the tree that one move of a dispute reveals.
pub const LEVELS: u32 = 4;
/// The longest tensor: 2^43 bytes.
pub const MAX_LENGTH: u64 = 1 << 43;

/// Why bytes are no part of a tensor's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// There is no such chunk.
    #[error("chunk {chunk} of a tensor of {chunks}")]
    NoChunk {
        /// Its number.
        chunk: u64,
        /// Chunks of the tensor.
        chunks: u64,
    },
    /// A chunk, or a tensor, has another number of bytes.
    #[error("{given} bytes, not {expected}")]
    Bytes {
        /// What the length of the tensor says.
        expected: u64,
        /// What was given.
        given: u64,
    },
    /// Another number of values than the tree's form has.
    #[error("{given} values of the tree, not {expected}")]
    Values {
        /// What the form has.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// The chunks are not those below one node.
    #[error("chunks {first} to {first} + {chunks} are no node of the tree")]
    NoNode {
        /// The first.
        first: u64,
        /// Their number.
        chunks: u64,
    },
}

/// A node of a tree: the chunks below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// The first chunk.
    pub first: u64,
    /// How many.
    pub chunks: u64,
}

impl Node {
    /// The two children; none of a single chunk.
    pub fn halves(self) -> Option<(Node, Node)> {
        if self.chunks < 2 {
            return None;
        }
        let left = 1 << (u64::BITS - 1 - (self.chunks - 1).leading_zeros());
        let right = Node { first: self.first.saturating_add(left), chunks: self.chunks - left };
        Some((Node { first: self.first, chunks: left }, right))
    }

    /// The nodes `levels` below, from left to right; a single chunk above that level stands for itself. At most
    /// `2^levels`.
    pub fn below(self, levels: u32) -> Vec<Node> {
        match self.halves().filter(|_| levels > 0) {
            None => alloc::vec![self],
            Some((left, right)) => {
                let mut nodes = left.below(levels - 1);
                nodes.extend(right.below(levels - 1));
                nodes
            }
        }
    }
}

/// The form of the tree of a tensor of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    length: u64,
}

impl Tree {
    /// The tree of a tensor of `length` bytes; `None` of none, and beyond [`MAX_LENGTH`].
    pub fn new(length: u64) -> Option<Tree> {
        (1..=MAX_LENGTH).contains(&length).then_some(Tree { length })
    }

    /// Number of chunks, the last of them perhaps short.
    pub fn chunks(self) -> u64 {
        self.length.div_ceil(CHUNK as u64)
    }

    /// The root.
    pub fn root(self) -> Node {
        Node { first: 0, chunks: self.chunks() }
    }

    /// Bytes of a chunk.
    ///
    /// # Errors
    /// Where there is no such chunk.
    pub fn chunk_bytes(self, chunk: u64) -> Result<usize, TreeError> {
        let chunks = self.chunks();
        match chunk {
            _ if chunk >= chunks => Err(TreeError::NoChunk { chunk, chunks }),
            _ => Ok((self.length - chunk * CHUNK as u64).min(CHUNK as u64) as usize),
        }
    }

    /// The value of a chunk: the digest itself where it is the only one.
    ///
    /// # Errors
    /// Where there is no such chunk, or it has another number of bytes.
    pub fn chunk_value(self, bytes: &[u8], chunk: u64) -> Result<Value, TreeError> {
        let expected = self.chunk_bytes(chunk)?;
        if bytes.len() != expected {
            return Err(TreeError::Bytes { expected: expected as u64, given: bytes.len() as u64 });
        }
        Ok(self.subtree(Node { first: chunk, chunks: 1 }, bytes))
    }

    /// The value of an inner node from those of the nodes `levels` below, in the order of [`Node::below`].
    ///
    /// # Errors
    /// Where their number is another.
    pub fn merge(self, node: Node, levels: u32, values: &[Value]) -> Result<Value, TreeError> {
        let expected = node.below(levels).len();
        if values.len() != expected {
            return Err(TreeError::Values { expected, given: values.len() });
        }
        let mut rest = values.iter();
        self.merge_from(node, levels, &mut rest).ok_or(TreeError::Values { expected, given: values.len() })
    }

    fn merge_from<'a>(
        self,
        node: Node,
        levels: u32,
        values: &mut impl Iterator<Item = &'a Value>,
    ) -> Option<Value> {
        let Some((left, right)) = node.halves().filter(|_| levels > 0) else { return values.next().copied() };
        let left = self.merge_from(left, levels - 1, values)?;
        let right = self.merge_from(right, levels - 1, values)?;
        Some(self.parent(node, &left, &right))
    }

    fn parent(self, node: Node, left: &Value, right: &Value) -> Value {
        match node == self.root() {
            true => *merge_subtrees_root(left, right, Mode::Hash).as_bytes(),
            false => merge_subtrees_non_root(left, right, Mode::Hash),
        }
    }

    /// The digest to which a chunk and its siblings, from the chunk up, lead.
    ///
    /// # Errors
    /// Where there is no such chunk, or bytes or siblings are more or fewer than the tree has.
    pub fn root_from_chunk(self, bytes: &[u8], chunk: u64, siblings: &[Value]) -> Result<Value, TreeError> {
        let mut value = self.chunk_value(bytes, chunk)?;
        let nodes = self.descent(chunk);
        if siblings.len() != nodes.len() {
            return Err(TreeError::Values { expected: nodes.len(), given: siblings.len() });
        }
        for (&(node, side), sibling) in nodes.iter().rev().zip(siblings) {
            value = match side {
                Side::Left => self.parent(node, &value, sibling),
                Side::Right => self.parent(node, sibling, &value),
            };
        }
        Ok(value)
    }

    /// The inner nodes from the root down to a chunk, and on which side the chunk is in each.
    fn descent(self, chunk: u64) -> Vec<(Node, Side)> {
        let mut nodes = Vec::new();
        let mut node = self.root();
        while let Some((left, right)) = node.halves() {
            let side = if chunk < right.first { Side::Left } else { Side::Right };
            nodes.push((node, side));
            node = if side == Side::Left { left } else { right };
        }
        nodes
    }

    /// The siblings of a chunk, from the chunk up, in a tensor of these bytes.
    ///
    /// # Errors
    /// Where the tensor has another number of bytes, or no such chunk.
    pub fn path(self, bytes: &[u8], chunk: u64) -> Result<Vec<Value>, TreeError> {
        self.chunk_bytes(chunk)?;
        self.check_length(bytes)?;
        let sibling = |&(node, side): &(Node, Side)| {
            let (left, right) = node.halves().unwrap_or((node, node));
            self.value(bytes, if side == Side::Left { right } else { left })
        };
        self.descent(chunk).iter().rev().map(sibling).collect()
    }

    /// The value of a node in a tensor of these bytes.
    ///
    /// # Errors
    /// Where the tensor has another number of bytes, or the node is not in its tree.
    pub fn value(self, bytes: &[u8], node: Node) -> Result<Value, TreeError> {
        self.check_length(bytes)?;
        if !self.has(node) {
            return Err(TreeError::NoNode { first: node.first, chunks: node.chunks });
        }
        let start = node.first as usize * CHUNK;
        let end = bytes.len().min((node.first + node.chunks) as usize * CHUNK);
        Ok(self.subtree(node, bytes.get(start..end).unwrap_or_default()))
    }

    fn check_length(self, bytes: &[u8]) -> Result<(), TreeError> {
        match bytes.len() as u64 == self.length {
            true => Ok(()),
            false => Err(TreeError::Bytes { expected: self.length, given: bytes.len() as u64 }),
        }
    }

    /// True where these chunks are all that is below one node.
    fn has(self, wanted: Node) -> bool {
        let mut node = self.root();
        while node != wanted {
            match node.halves() {
                Some((left, right)) => node = if wanted.first < right.first { left } else { right },
                None => return false,
            }
        }
        true
    }

    /// The value of a node of this tree from all bytes below it.
    fn subtree(self, node: Node, bytes: &[u8]) -> Value {
        if node == self.root() {
            return *blake3::hash(bytes).as_bytes();
        }
        Hasher::new().set_input_offset(node.first * CHUNK as u64).update(bytes).finalize_non_root()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 + i / 256 * 17 + i / 1024) as u8).collect()
    }

    fn lengths() -> impl Iterator<Item = usize> {
        (1..=40usize)
            .flat_map(|chunks| [1, 2, 63, 64, 65, 1000, 1023, 1024].map(|last| (chunks - 1) * CHUNK + last))
    }

    fn chunk(bytes: &[u8], i: usize) -> &[u8] {
        &bytes[i * CHUNK..bytes.len().min((i + 1) * CHUNK)]
    }

    #[test]
    fn each_chunk_of_1_to_40_leads_to_the_digest_and_no_other_does() {
        for length in lengths() {
            let bytes = bytes(length);
            let tree = Tree::new(length as u64).unwrap();
            let digest = *blake3::hash(&bytes).as_bytes();
            for i in 0..tree.chunks() {
                let own = chunk(&bytes, i as usize);
                let path = tree.path(&bytes, i).unwrap();
                assert_eq!(tree.root_from_chunk(own, i, &path), Ok(digest));
                let mut other = own.to_vec();
                *other.last_mut().unwrap() ^= 1;
                assert_ne!(tree.root_from_chunk(&other, i, &path), Ok(digest));
                for wrong in (0..tree.chunks()).filter(|&wrong| wrong != i) {
                    assert_ne!(tree.root_from_chunk(own, wrong, &path), Ok(digest), "chunk {i} as {wrong}");
                }
            }
        }
    }

    #[test]
    fn the_values_some_levels_below_a_node_merge_to_its_value() {
        for length in lengths() {
            let bytes = bytes(length);
            let tree = Tree::new(length as u64).unwrap();
            let mut nodes = vec![tree.root()];
            while let Some(node) = nodes.pop() {
                for levels in 0..=LEVELS {
                    let below = node.below(levels);
                    assert!(below.len() <= 1 << levels);
                    assert_eq!(below.iter().map(|n| n.chunks).sum::<u64>(), node.chunks);
                    let values: Vec<Value> = below.iter().map(|&n| tree.value(&bytes, n).unwrap()).collect();
                    assert_eq!(tree.merge(node, levels, &values), tree.value(&bytes, node));
                    let more = [values.as_slice(), &[[0; 32]]].concat();
                    assert!(matches!(tree.merge(node, levels, &more), Err(TreeError::Values { .. })));
                    assert!(matches!(tree.merge(node, levels, &values[1..]), Err(TreeError::Values { .. })));
                }
                if let Some((left, right)) = node.halves() {
                    nodes.extend([left, right]);
                }
            }
            assert_eq!(tree.value(&bytes, tree.root()), Ok(*blake3::hash(&bytes).as_bytes()));
        }
    }

    #[test]
    fn a_chunk_is_not_taken_for_a_node() {
        // The block that a parent compresses, given as a chunk of a tensor of 64 bytes.
        let bytes = bytes(2048);
        let tree = Tree::new(2048).unwrap();
        let digest = *blake3::hash(&bytes).as_bytes();
        let values = [0, 1].map(|i| tree.chunk_value(chunk(&bytes, i), i as u64).unwrap());
        let short = Tree::new(64).unwrap();
        assert_ne!(short.root_from_chunk(values.as_flattened(), 0, &[]), Ok(digest));
        assert_ne!(short.chunk_value(values.as_flattened(), 0), Ok(digest));
    }

    #[test]
    fn a_node_is_not_taken_for_the_root() {
        let bytes = bytes(4096);
        let tree = Tree::new(4096).unwrap();
        let values: Vec<Value> =
            (0..4).map(|i| tree.chunk_value(chunk(&bytes, i), i as u64).unwrap()).collect();
        let half = Node { first: 0, chunks: 2 };
        let node = tree.merge(half, 1, &values[..2]).unwrap();
        // The same two chunks as a whole tensor have the root's flag.
        assert_ne!(Tree::new(2048).unwrap().merge(half, 1, &values[..2]).unwrap(), node);
        assert_ne!(*blake3::hash(&bytes[..2048]).as_bytes(), node);
        // A single chunk that is the whole tensor too.
        assert_ne!(Tree::new(1024).unwrap().chunk_value(&bytes[..1024], 0).unwrap(), values[0]);
    }

    #[test]
    fn another_length_is_refused_or_leads_elsewhere() {
        for length in lengths() {
            let bytes = bytes(length);
            let tree = Tree::new(length as u64).unwrap();
            let digest = *blake3::hash(&bytes).as_bytes();
            let path = tree.path(&bytes, 0).unwrap();
            for other in [length as u64 - 1, length as u64 + 1, length as u64 + 1024, 2 * length as u64] {
                let Some(wrong) = Tree::new(other) else { continue };
                assert!(wrong.path(&bytes, 0).is_err());
                let mut padded = bytes.clone();
                padded.resize(other as usize, 0);
                for i in 0..wrong.chunks() {
                    let own = chunk(&padded, i as usize);
                    let path = wrong.path(&padded, i).unwrap();
                    assert_ne!(wrong.root_from_chunk(own, i, &path), Ok(digest));
                }
            }
            let own = chunk(&bytes, 0);
            assert!(tree.root_from_chunk(&own[1..], 0, &path).is_err());
            assert!(tree.root_from_chunk(&[own, &[0]].concat(), 0, &path).is_err());
            assert!(tree.root_from_chunk(own, 0, &[path.as_slice(), &[[0; 32]]].concat()).is_err());
            if let Some((_, shorter)) = path.split_first() {
                assert!(tree.root_from_chunk(own, 0, shorter).is_err());
            }
        }
    }

    #[test]
    fn chunks_and_nodes_outside_of_the_tree_are_refused() {
        let bytes = bytes(5000);
        let tree = Tree::new(5000).unwrap();
        for chunk in [5, 6, u64::MAX] {
            assert!(matches!(tree.chunk_bytes(chunk), Err(TreeError::NoChunk { .. })));
            assert!(tree.path(&bytes, chunk).is_err());
            assert!(tree.root_from_chunk(&bytes[4096..], chunk, &[[0; 32]]).is_err());
        }
        for (first, chunks) in [(1, 2), (0, 3), (4, 2), (2, 3), (0, 0), (u64::MAX, 1), (0, u64::MAX)] {
            assert!(matches!(tree.value(&bytes, Node { first, chunks }), Err(TreeError::NoNode { .. })));
        }
        assert_eq!(Tree::new(0), None);
        assert_eq!(Tree::new(MAX_LENGTH + 1), None);
        assert_eq!(Tree::new(u64::MAX), None);
        let longest = Tree::new(MAX_LENGTH).unwrap();
        assert_eq!(longest.descent(longest.chunks() - 1).len(), 33);
    }
}
