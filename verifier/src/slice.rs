//! Slices: some chunks of a tensor, opened against its BLAKE3 digest.
//!
//! A digest is the root of BLAKE3's left-full tree over chunks of 1,024 bytes, whose shape follows from the length alone.
//! A slice carries the bytes of its chunks, ascending, and the chaining value of each largest subtree without any of them, from
//! left to right. The length comes from the program: where it gives another number of chunks, or the last one is opened and
//! another length, a slice does not verify.

use alloc::vec::Vec;
use assay_circuits::descriptor::CHUNK;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

/// Some chunks of a tensor, and what leads from them to its digest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Slice {
    /// (number, bytes) of each chunk, ascending; each is 1,024 bytes, but the tensor's last.
    pub chunks: Vec<(u64, Vec<u8>)>,
    /// Chaining values of the subtrees without a chunk, from left to right.
    pub siblings: Vec<[u8; 32]>,
}

/// Bytes of a chunk of a tensor of `length` bytes; none beyond the last.
fn chunk_length(length: u64, chunk: u64) -> Option<usize> {
    let start = chunk.checked_mul(CHUNK as u64)?;
    let rest = length.checked_sub(start).filter(|&rest| rest > 0)?;
    Some(rest.min(CHUNK as u64) as usize)
}

/// A subtree over bytes `start..start + length` of a tensor.
#[derive(Clone, Copy)]
struct Subtree {
    start: u64,
    length: u64,
}

impl Subtree {
    fn halves(self) -> (Subtree, Subtree) {
        let left = left_subtree_len(self.length);
        (
            Subtree { start: self.start, length: left },
            Subtree { start: self.start + left, length: self.length - left },
        )
    }

    fn is_chunk(self) -> bool {
        self.length <= CHUNK as u64
    }

    /// The chunks of an ascending list that lie within.
    fn within<T>(self, chunks: &[T], number: impl Fn(&T) -> u64) -> &[T] {
        let first = self.start / CHUNK as u64;
        let end = (self.start + self.length).div_ceil(CHUNK as u64);
        let from = chunks.partition_point(|chunk| number(chunk) < first);
        let to = chunks.partition_point(|chunk| number(chunk) < end);
        chunks.get(from..to).unwrap_or(&[])
    }
}

fn chaining(start: u64, bytes: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start);
    hasher.update(bytes).finalize_non_root()
}

impl Slice {
    /// Opens chunks, ascending and each once, of a tensor's bytes; `None` where one is not there.
    pub fn open(bytes: &[u8], chunks: &[u64]) -> Option<Slice> {
        let length = bytes.len() as u64;
        let ascending = chunks.windows(2).all(|pair| pair[0] < pair[1]);
        let mut slice = Slice::default();
        for &chunk in chunks {
            let start = chunk as usize * CHUNK;
            let own = bytes.get(start..start + chunk_length(length, chunk)?)?;
            slice.chunks.push((chunk, own.to_vec()));
        }
        if !ascending || chunks.is_empty() {
            return None;
        }
        collect(bytes, chunks, Subtree { start: 0, length }, &mut slice.siblings);
        Some(slice)
    }

    /// The digest of the tensor of `length` bytes of which this is a slice; `None` where it is none of any such tensor.
    pub fn digest(&self, length: u64) -> Option<[u8; 32]> {
        let ascending = self.chunks.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let whole = |(chunk, bytes): &(u64, Vec<u8>)| chunk_length(length, *chunk) == Some(bytes.len());
        if !ascending || self.chunks.is_empty() || !self.chunks.iter().all(whole) {
            return None;
        }
        let mut siblings = self.siblings.iter();
        let tree = Subtree { start: 0, length };
        let digest = if tree.is_chunk() {
            *blake3::hash(&self.chunks.first()?.1).as_bytes()
        } else {
            let (left, right) = tree.halves();
            let left = value(&self.chunks, left, &mut siblings)?;
            let right = value(&self.chunks, right, &mut siblings)?;
            *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
        };
        siblings.next().is_none().then_some(digest)
    }

    /// `count` bytes at a place of the tensor; `None` where the chunk is not opened.
    pub fn bytes(&self, place: u64, count: usize) -> Option<&[u8]> {
        let chunk = place / CHUNK as u64;
        let number = self.chunks.binary_search_by_key(&chunk, |opened| opened.0).ok()?;
        let start = (place % CHUNK as u64) as usize;
        self.chunks.get(number)?.1.get(start..start.checked_add(count)?)
    }

    /// Appends the canonical encoding for a tensor of a known length.
    pub fn encode(&self, w: &mut Writer) {
        w.list(&self.chunks, |w, (number, bytes)| {
            w.u64(*number);
            w.length(bytes.len());
            w.bytes(bytes);
        });
        w.list(&self.siblings, |w, sibling| w.bytes(sibling));
    }

    /// Reads what [`Slice::encode`] wrote.
    ///
    /// # Errors
    /// Where the bytes are cut, or a chunk is longer than one.
    pub fn decode(r: &mut Reader<'_>) -> Result<Slice, DecodeError> {
        let chunks = r.list(12, "chunks", |r| {
            let number = r.u64("chunk number")?;
            let length = r.length(1, "chunk bytes")?;
            if length > CHUNK {
                return Err(r.invalid("chunk bytes"));
            }
            Ok((number, r.bytes(length, "chunk bytes")?.to_vec()))
        })?;
        Ok(Slice { chunks, siblings: r.list(32, "siblings", |r| r.array("sibling"))? })
    }
}

/// The chaining values of the subtrees without a chunk.
fn collect(bytes: &[u8], chunks: &[u64], tree: Subtree, siblings: &mut Vec<[u8; 32]>) {
    if tree.within(chunks, |&chunk| chunk).is_empty() {
        let own = bytes.get(tree.start as usize..(tree.start + tree.length) as usize).unwrap_or_default();
        siblings.push(chaining(tree.start, own));
    } else if !tree.is_chunk() {
        let (left, right) = tree.halves();
        collect(bytes, chunks, left, siblings);
        collect(bytes, chunks, right, siblings);
    }
}

/// The chaining value of a subtree that is not the whole tree; at most as deep as a length of 64 bits makes it.
fn value<'a>(
    chunks: &[(u64, Vec<u8>)],
    tree: Subtree,
    siblings: &mut impl Iterator<Item = &'a [u8; 32]>,
) -> Option<ChainingValue> {
    let within = tree.within(chunks, |chunk| chunk.0);
    match within.first() {
        None => siblings.next().copied(),
        Some((_, bytes)) if tree.is_chunk() => Some(chaining(tree.start, bytes)),
        Some(_) => {
            let (left, right) = tree.halves();
            let left = value(within, left, siblings)?;
            let right = value(within, right, siblings)?;
            Some(merge_subtrees_non_root(&left, &right, Mode::Hash))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    /// Lengths of 1 to 40 chunks, whole and cut.
    fn lengths() -> impl Iterator<Item = usize> {
        (1..=40usize).flat_map(|chunks| [chunks * CHUNK, chunks * CHUNK - 1, (chunks - 1) * CHUNK + 1])
    }

    #[test]
    fn slices_lead_to_the_digest_of_all_bytes() {
        for length in lengths() {
            let bytes = pattern(length);
            let digest = *blake3::hash(&bytes).as_bytes();
            let count = length.div_ceil(CHUNK) as u64;
            let mut sets: Vec<Vec<u64>> = (0..count).map(|chunk| vec![chunk]).collect();
            sets.push((0..count).collect());
            sets.push((0..count).step_by(3).collect());
            for set in sets {
                let slice = Slice::open(&bytes, &set).unwrap();
                assert_eq!(slice.digest(length as u64), Some(digest), "{length} {set:?}");
                let mut w = Writer::new();
                slice.encode(&mut w);
                let encoded = w.finish();
                assert_eq!(Slice::decode(&mut Reader::new(&encoded)).unwrap(), slice);
                for &chunk in &set {
                    let start = chunk * CHUNK as u64;
                    assert_eq!(slice.bytes(start, 1), Some(&bytes[start as usize..start as usize + 1]));
                }
                assert_eq!(slice.bytes(count * CHUNK as u64, 1), None);
            }
        }
    }

    #[test]
    fn another_length_number_or_order_does_not_lead_to_the_digest() {
        for length in lengths() {
            let bytes = pattern(length);
            let digest = Some(*blake3::hash(&bytes).as_bytes());
            let count = length.div_ceil(CHUNK) as u64;
            // The last chunk is opened: only it tells a tensor from one whose last chunk is longer or shorter.
            let mut set: Vec<u64> = (0..count).rev().step_by(2).collect();
            set.reverse();
            let slice = Slice::open(&bytes, &set).unwrap();
            for other in [length - 1, length + 1, length + CHUNK] {
                assert_ne!(slice.digest(other as u64), digest, "{length} as {other}");
            }
            let mut moved = slice.clone();
            moved.chunks.iter_mut().for_each(|chunk| chunk.0 += 1);
            assert_ne!(moved.digest(length as u64), digest);
            let mut longer = slice.clone();
            longer.siblings.push([0; 32]);
            assert_eq!(longer.digest(length as u64), None);
            let mut flipped = slice.clone();
            flipped.chunks[0].1[0] ^= 1;
            assert_ne!(flipped.digest(length as u64), digest);
            if slice.siblings.len() > 1 {
                let mut shorter = slice.clone();
                shorter.siblings.pop();
                assert_eq!(shorter.digest(length as u64), None);
                let mut swapped = slice.clone();
                swapped.siblings.swap(0, 1);
                assert_ne!(swapped.digest(length as u64), digest);
            }
            if slice.chunks.len() > 1 {
                let mut swapped = slice.clone();
                swapped.chunks.swap(0, 1);
                assert_eq!(swapped.digest(length as u64), None);
                let mut doubled = slice.clone();
                doubled.chunks[1] = doubled.chunks[0].clone();
                assert_eq!(doubled.digest(length as u64), None);
            }
        }
    }

    #[test]
    fn a_parent_is_no_chunk_and_nothing_is_no_slice() {
        let bytes = pattern(2 * CHUNK);
        let (left, right) = (chaining(0, &bytes[..CHUNK]), chaining(CHUNK as u64, &bytes[CHUNK..]));
        let parent = [left, right].concat();
        let forged = Slice { chunks: vec![(0, parent)], siblings: Vec::new() };
        assert_ne!(forged.digest(64), Some(*blake3::hash(&bytes).as_bytes()));
        assert_eq!(Slice::default().digest(CHUNK as u64), None);
        assert_eq!(Slice::open(&bytes, &[]), None);
        assert_eq!(Slice::open(&bytes, &[2]), None);
        assert_eq!(Slice::open(&bytes, &[1, 0]), None);
    }
}
