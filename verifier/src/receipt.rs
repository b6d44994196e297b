//! Receipts: what a provider signs to have computed.
//!
//! A receipt binds a program, its inputs and the output of each of its operations under one hash, for 32 bytes an
//! operation. It proves nothing by itself: it is what an audit samples, a replay compares and a dispute is about.
//!
//! ```text
//! tensor digest  = BLAKE3 of the tensor's little-endian bytes
//! op leaf i      = keccak256(0x00, i as 4 bytes big-endian, 0x01, digest of the operation's output)
//! inner node     = keccak256(0x01, left, right)
//! trace root     = root of the tree over the leaves in order, padded with zero words to a power of two
//! receipt hash   = keccak256(core)
//! ```
//!
//! | bytes of `core` | what |
//! | --- | --- |
//! | 8 | `ASSAYRCT` |
//! | 2 | version, 1 |
//! | 32 | job id, zero without terms |
//! | 32 | program root |
//! | 4 | arithmetic profile: 0 is int8/1, 1 is f32/1 |
//! | 4 | number of operations |
//! | 32 | trace root |
//! | 2, then 32 each | input digests, in the program's order |
//! | 2, then 36 each | outputs, in the program's order: number of the operation, its digest |
//!
//! All integers are big-endian, so that a contract rebuilds `core` by `abi.encodePacked`. A receipt travels as
//! `core`, then each output's path from its leaf to the root (as many words as the tree is deep), then a count of four
//! bytes, zero or the number of operations, and so many output digests of the operations in order. These *leaves* are
//! not hashed: the root binds them. A receipt without them can be posted, but whoever wants to compare a trace with
//! it cannot say where the two part, so [`Receipt::check`] calls it incomplete.

use crate::hex::Hex;
use crate::keccak::keccak256;
use alloc::vec::Vec;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::program::{Precision, Program};
use assay_circuits::root::{Digest32, keccak, tree_root};
use thiserror::Error;

/// What a receipt begins with.
pub const MAGIC: &[u8; 8] = b"ASSAYRCT";
/// The version of the format.
pub const VERSION: u16 = 1;
/// The arithmetic profile of integer programs.
pub const INT8: u32 = 0;
/// The arithmetic profile of binary32 programs.
pub const F32: u32 = 1;

/// An output of the program, and where it stands in the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputClaim {
    /// The number of the operation that computes it.
    pub operation: u32,
    /// Its digest.
    pub digest: Digest32,
    /// The siblings from its leaf up to the trace root.
    pub path: Vec<Digest32>,
}

/// What a provider says to have computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The version of the format.
    pub version: u16,
    /// The job id; zero without terms.
    pub job: Digest32,
    /// The program root.
    pub program: Digest32,
    /// The arithmetic profile: what bits mean.
    pub profile: u32,
    /// Digests of the inputs, in the program's order.
    pub inputs: Vec<Digest32>,
    /// The root over all operations' outputs.
    pub trace_root: Digest32,
    /// The number of operations.
    pub operations: u32,
    /// The outputs, in the program's order.
    pub outputs: Vec<OutputClaim>,
    /// The output digest of each operation; empty in an incomplete receipt.
    pub leaves: Vec<Digest32>,
}

/// Why a receipt is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// The bytes are malformed.
    #[error("the receipt is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// A version that this verifier does not know.
    #[error("the receipt is of version {found}, this verifier knows version {VERSION}")]
    Version {
        /// What it states.
        found: u16,
    },
    /// An arithmetic profile that this verifier does not know.
    #[error("the receipt is of arithmetic profile {found}, which this verifier does not know")]
    Profile {
        /// What it states.
        found: u32,
    },
    /// No operation, no output, or more of something than the encoding counts.
    #[error("the receipt has {count} {what}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// The leaves did not travel along.
    #[error("the receipt is incomplete: the digests of its {operations} operations are missing")]
    Incomplete {
        /// How many there should be.
        operations: u32,
    },
    /// The leaves do not give the trace root.
    #[error("the operations' digests do not give the trace root")]
    TraceRoot,
    /// An output is of an operation that does not exist.
    #[error("output {output} is of operation {operation}, which does not exist")]
    OutputOperation {
        /// The output's number.
        output: usize,
        /// The operation that it names.
        operation: u32,
    },
    /// An output's path does not lead to the trace root.
    #[error("the path of output {output} does not lead to the trace root")]
    OutputPath {
        /// The output's number.
        output: usize,
    },
    /// An output's digest is not that of its operation.
    #[error("the digest of output {output} is not that of its operation")]
    OutputDigest {
        /// The output's number.
        output: usize,
    },
    /// The receipt is of another program.
    #[error("the receipt is of program {}, not of this model's program {}", Hex(.found), Hex(.expected))]
    OtherProgram {
        /// The program's root.
        expected: Digest32,
        /// The root that the receipt states.
        found: Digest32,
    },
    /// The receipt does not have the program's form.
    #[error("the receipt does not fit the program: {what}")]
    OtherForm {
        /// What differs.
        what: &'static str,
    },
    /// The receipt is of other inputs.
    #[error("input {input} has another digest in the receipt")]
    OtherInput {
        /// The input's number.
        input: usize,
    },
}

/// The arithmetic profile of a program.
pub fn profile(program: &Program) -> u32 {
    match program.precision {
        Precision::Int8 => INT8,
        Precision::F32 => F32,
    }
}

/// The name of an arithmetic profile.
pub fn profile_name(profile: u32) -> Option<&'static str> {
    match profile {
        INT8 => Some("int8/1"),
        F32 => Some("f32/1"),
        _ => None,
    }
}

/// The leaf of an operation with one output.
pub fn leaf(operation: u32, digest: &Digest32) -> Digest32 {
    keccak256(&[&[0], &operation.to_be_bytes(), &[1], digest])
}

/// The leaves of the trace tree.
fn hashed(digests: &[Digest32]) -> Vec<Digest32> {
    (0..).zip(digests).map(|(operation, digest)| leaf(operation, digest)).collect()
}

/// The trace root over the output digests of all operations in order.
pub fn trace_root(digests: &[Digest32]) -> Digest32 {
    tree_root(hashed(digests))
}

/// The siblings of each of some operations' leaves, from the leaf up; of an operation that does not exist, none.
pub fn paths(digests: &[Digest32], operations: &[u32]) -> Vec<Vec<Digest32>> {
    let mut level = hashed(digests);
    level.resize(level.len().next_power_of_two(), [0; 32]);
    let mut paths = alloc::vec![Vec::new(); operations.len()];
    let mut height = 0;
    while level.len() > 1 {
        for (path, &operation) in paths.iter_mut().zip(operations) {
            path.extend(level.get((operation as usize >> height) ^ 1));
        }
        level = level.chunks_exact(2).map(|pair| keccak(1, pair.as_flattened())).collect();
        height += 1;
    }
    paths
}

/// The root that a path leads to from a leaf.
pub fn climb(operation: u32, digest: &Digest32, path: &[Digest32]) -> Digest32 {
    let mut place = operation;
    path.iter().fold(leaf(operation, digest), |node, sibling| {
        let (left, right) = if place & 1 == 0 { (&node, sibling) } else { (sibling, &node) };
        place >>= 1;
        keccak256(&[&[1], left, right])
    })
}

/// Words of a path in a tree over so many leaves.
fn depth(operations: u32) -> usize {
    u64::from(operations).next_power_of_two().trailing_zeros() as usize
}

impl Receipt {
    /// The receipt of a run: `inputs` are the inputs' digests, `leaves` those of all operations' outputs, in the
    /// program's order.
    ///
    /// # Errors
    /// Where the numbers of digests are not the program's.
    pub fn new(
        program: &Program,
        job: Digest32,
        inputs: Vec<Digest32>,
        leaves: Vec<Digest32>,
    ) -> Result<Receipt, ReceiptError> {
        let operations = u32::try_from(leaves.len())
            .map_err(|_| ReceiptError::Count { what: "operations", count: leaves.len() })?;
        let numbers = program.outputs.iter().map(|output| output.operation as u32).collect::<Vec<_>>();
        let mut outputs = Vec::with_capacity(numbers.len());
        for (output, (&operation, path)) in numbers.iter().zip(paths(&leaves, &numbers)).enumerate() {
            let digest = leaves.get(operation as usize);
            let &digest = digest.ok_or(ReceiptError::OutputOperation { output, operation })?;
            outputs.push(OutputClaim { operation, digest, path });
        }
        let receipt = Receipt {
            version: VERSION,
            job,
            program: program.root(),
            profile: profile(program),
            inputs,
            trace_root: trace_root(&leaves),
            operations,
            outputs,
            leaves,
        };
        receipt.check()?;
        receipt.check_form(program)?;
        Ok(receipt)
    }

    /// The bytes that are hashed.
    pub fn core(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC);
        w.bytes(&self.version.to_be_bytes());
        w.bytes(&self.job);
        w.bytes(&self.program);
        w.bytes(&self.profile.to_be_bytes());
        w.bytes(&self.operations.to_be_bytes());
        w.bytes(&self.trace_root);
        w.bytes(&short(self.inputs.len()).to_be_bytes());
        self.inputs.iter().for_each(|digest| w.bytes(digest));
        w.bytes(&short(self.outputs.len()).to_be_bytes());
        for output in &self.outputs {
            w.bytes(&output.operation.to_be_bytes());
            w.bytes(&output.digest);
        }
        w.finish()
    }

    /// The hash of the receipt: what is signed, and what a contract stores.
    pub fn hash(&self) -> Digest32 {
        keccak256(&[&self.core()])
    }

    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&self.core());
        self.outputs.iter().flat_map(|output| &output.path).for_each(|word| w.bytes(word));
        w.bytes(&u32::try_from(self.leaves.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.leaves.iter().for_each(|digest| w.bytes(digest));
        w.finish()
    }

    /// Reads what [`Receipt::encode`] wrote; nothing is checked but the form.
    ///
    /// # Errors
    /// Where the bytes are not exactly the encoding of a receipt of this version.
    pub fn decode(bytes: &[u8]) -> Result<Receipt, ReceiptError> {
        let mut r = Reader::new(bytes);
        if &r.array::<8>("magic")? != MAGIC {
            return Err(r.invalid("magic").into());
        }
        let version = u16::from_be_bytes(r.array("version")?);
        if version != VERSION {
            return Err(ReceiptError::Version { found: version });
        }
        let job = r.array("job id")?;
        let program = r.array("program root")?;
        let profile = u32::from_be_bytes(r.array("arithmetic profile")?);
        let operations = u32::from_be_bytes(r.array("number of operations")?);
        let trace_root = r.array("trace root")?;
        let count = u16::from_be_bytes(r.array("number of inputs")?);
        let inputs = digests(&mut r, count.into(), "input digests")?;
        let count = u16::from_be_bytes(r.array("number of outputs")?);
        let mut parts = Reader::new(r.bytes(usize::from(count) * 36, "outputs")?);
        let mut claims = Vec::with_capacity(count.into());
        for _ in 0..count {
            claims.push((u32::from_be_bytes(parts.array("operation")?), parts.array("output digest")?));
        }
        let mut outputs = Vec::new();
        for (operation, digest) in claims {
            let path = digests(&mut r, depth(operations), "path of an output")?;
            outputs.push(OutputClaim { operation, digest, path });
        }
        let count = u32::from_be_bytes(r.array("number of leaves")?);
        if count != 0 && count != operations {
            return Err(r.invalid("number of leaves").into());
        }
        let leaves = digests(&mut r, count as usize, "leaves")?;
        r.finish()?;
        Ok(Receipt { version, job, program, profile, inputs, trace_root, operations, outputs, leaves })
    }

    /// Checks all that needs neither program nor signature: structure, leaves, outputs.
    ///
    /// # Errors
    /// What is wrong first; [`ReceiptError::Incomplete`] only where all else that can be checked is right.
    pub fn check(&self) -> Result<(), ReceiptError> {
        if self.version != VERSION {
            return Err(ReceiptError::Version { found: self.version });
        }
        if profile_name(self.profile).is_none() {
            return Err(ReceiptError::Profile { found: self.profile });
        }
        let counts = [("operations", self.operations as usize), ("outputs", self.outputs.len())];
        if let Some(&(what, count)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(ReceiptError::Count { what, count });
        }
        let counts = [("inputs", self.inputs.len()), ("outputs", self.outputs.len())];
        if let Some(&(what, count)) = counts.iter().find(|(_, count)| *count > usize::from(u16::MAX)) {
            return Err(ReceiptError::Count { what, count });
        }
        for (output, claim) in self.outputs.iter().enumerate() {
            let OutputClaim { operation, ref digest, ref path } = *claim;
            if operation >= self.operations {
                return Err(ReceiptError::OutputOperation { output, operation });
            }
            if path.len() != depth(self.operations) || climb(operation, digest, path) != self.trace_root {
                return Err(ReceiptError::OutputPath { output });
            }
        }
        if self.leaves.is_empty() {
            return Err(ReceiptError::Incomplete { operations: self.operations });
        }
        if self.leaves.len() != self.operations as usize {
            return Err(ReceiptError::Count { what: "leaves", count: self.leaves.len() });
        }
        if trace_root(&self.leaves) != self.trace_root {
            return Err(ReceiptError::TraceRoot);
        }
        let output =
            self.outputs.iter().position(|x| self.leaves.get(x.operation as usize) != Some(&x.digest));
        output.map_or(Ok(()), |output| Err(ReceiptError::OutputDigest { output }))
    }

    /// Checks that the receipt is of this program.
    ///
    /// # Errors
    /// What differs first.
    pub fn check_program(&self, program: &Program) -> Result<(), ReceiptError> {
        let expected = program.root();
        if self.program != expected {
            return Err(ReceiptError::OtherProgram { expected, found: self.program });
        }
        self.check_form(program)
    }

    fn check_form(&self, program: &Program) -> Result<(), ReceiptError> {
        let operations = program.outputs.iter().map(|output| output.operation);
        let form = [
            (self.profile == profile(program), "the arithmetic profile"),
            (self.operations as usize == program.operations.len(), "the number of operations"),
            (self.inputs.len() == program.inputs.len(), "the number of inputs"),
            (operations.eq(self.outputs.iter().map(|x| x.operation as usize)), "the outputs' operations"),
        ];
        match form.into_iter().find(|(fits, _)| !fits) {
            Some((_, what)) => Err(ReceiptError::OtherForm { what }),
            None => Ok(()),
        }
    }

    /// Checks that the receipt is of inputs with these digests.
    ///
    /// # Errors
    /// The first input that differs.
    pub fn check_inputs(&self, inputs: &[Digest32]) -> Result<(), ReceiptError> {
        if self.inputs.len() != inputs.len() {
            return Err(ReceiptError::OtherForm { what: "the number of inputs" });
        }
        let input = self.inputs.iter().zip(inputs).position(|(stated, given)| stated != given);
        input.map_or(Ok(()), |input| Err(ReceiptError::OtherInput { input }))
    }
}

/// A count as two bytes; [`Receipt::check`] refuses what does not fit.
fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// So many digests, whose bytes must be there before anything is allocated.
fn digests(r: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<Digest32>, DecodeError> {
    let bytes = count.checked_mul(32).ok_or_else(|| r.invalid(what))?;
    Ok(r.bytes(bytes, what)?.as_chunks().0.to_vec())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// A right receipt of a run of so many operations, with two inputs and two outputs.
    pub fn example(operations: u32) -> Receipt {
        let leaves: Vec<Digest32> = (0..operations).map(|i| keccak256(&[&i.to_be_bytes()])).collect();
        let numbers = [operations - 1, operations / 2];
        let claim = |(&operation, path): (&u32, Vec<Digest32>)| OutputClaim {
            operation,
            digest: leaves[operation as usize],
            path,
        };
        let outputs = numbers.iter().zip(paths(&leaves, &numbers)).map(claim).collect();
        Receipt {
            version: VERSION,
            job: [7; 32],
            program: [8; 32],
            profile: INT8,
            inputs: vec![[9; 32], [10; 32]],
            trace_root: trace_root(&leaves),
            operations,
            outputs,
            leaves,
        }
    }

    #[test]
    fn receipts_of_every_size_are_right_and_round_trip() {
        for operations in (1..20).chain([64, 65]) {
            let receipt = example(operations);
            assert_eq!(receipt.check(), Ok(()), "{operations}");
            assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
        }
    }

    #[test]
    fn the_core_has_the_layout_that_is_documented() {
        let receipt = example(2);
        let core = receipt.core();
        assert_eq!(core.len(), 8 + 2 + 32 + 32 + 4 + 4 + 32 + 2 + 2 * 32 + 2 + 2 * 36);
        assert_eq!(&core[..10], b"ASSAYRCT\x00\x01");
        assert_eq!((&core[10..42], &core[42..74]), (&[7; 32][..], &[8; 32][..]));
        assert_eq!(&core[74..82], [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(core[82..114], receipt.trace_root);
        assert_eq!(core[114..116], [0, 2]);
        assert_eq!(core[180..186], [0, 2, 0, 0, 0, 1]);
        assert!(receipt.encode().starts_with(&core));
        let leaves = [leaf(0, &receipt.leaves[0]), leaf(1, &receipt.leaves[1])];
        assert_eq!(receipt.trace_root, keccak256(&[&[1], &leaves[0], &leaves[1]]));
        assert_eq!(leaves[1], keccak256(&[&[0, 0, 0, 0, 1, 1], &receipt.leaves[1]]));
    }

    #[test]
    fn every_edit_is_refused_or_is_another_receipt() {
        let honest = example(5);
        type Edit = fn(&mut Receipt);
        let edits: [(Edit, Option<ReceiptError>); 20] = [
            (|r| r.version = 2, Some(ReceiptError::Version { found: 2 })),
            (|r| r.job[0] ^= 1, None),
            (|r| r.program[31] ^= 1, None),
            (|r| r.profile = F32, None),
            (|r| r.profile = 2, Some(ReceiptError::Profile { found: 2 })),
            (|r| r.inputs[0][0] ^= 1, None),
            (|r| r.inputs.swap(0, 1), None),
            (|r| r.inputs.truncate(1), None),
            (|r| r.trace_root[0] ^= 1, Some(ReceiptError::OutputPath { output: 0 })),
            (|r| r.operations = 6, Some(ReceiptError::Count { what: "leaves", count: 5 })),
            (|r| r.operations = 4, Some(ReceiptError::OutputOperation { output: 0, operation: 4 })),
            (|r| r.operations = 0, Some(ReceiptError::Count { what: "operations", count: 0 })),
            (|r| r.outputs[1].operation = 5, Some(ReceiptError::OutputOperation { output: 1, operation: 5 })),
            (|r| r.outputs[1].operation = 3, Some(ReceiptError::OutputPath { output: 1 })),
            (|r| r.outputs[1].digest[0] ^= 1, Some(ReceiptError::OutputPath { output: 1 })),
            (|r| r.outputs[1].path[1][0] ^= 1, Some(ReceiptError::OutputPath { output: 1 })),
            (|r| r.outputs[0].path.truncate(2), Some(ReceiptError::OutputPath { output: 0 })),
            (|r| r.outputs.clear(), Some(ReceiptError::Count { what: "outputs", count: 0 })),
            (|r| r.leaves[1][0] ^= 1, Some(ReceiptError::TraceRoot)),
            (|r| r.leaves.clear(), Some(ReceiptError::Incomplete { operations: 5 })),
        ];
        for (number, (edit, error)) in edits.into_iter().enumerate() {
            let mut edited = honest.clone();
            edit(&mut edited);
            match error {
                Some(error) => assert_eq!(edited.check(), Err(error), "edit {number}"),
                None => assert_ne!(edited.hash(), honest.hash(), "edit {number}"),
            }
        }
        let mut many = honest;
        many.inputs = vec![[0; 32]; 1 << 16];
        assert_eq!(many.check(), Err(ReceiptError::Count { what: "inputs", count: 1 << 16 }));
    }

    #[test]
    fn leaves_and_paths_are_not_in_the_hash_and_all_else_is() {
        let honest = example(5);
        let mut bare = honest.clone();
        bare.leaves.clear();
        assert_eq!(bare.hash(), honest.hash());
        assert_eq!(Receipt::decode(&bare.encode()), Ok(bare));
        let mut core = honest.core();
        for byte in 0..core.len() {
            core[byte] ^= 1;
            assert_ne!(keccak256(&[&core]), honest.hash());
            core[byte] ^= 1;
        }
    }

    #[test]
    fn one_leaf_needs_no_sibling_and_padding_is_no_leaf() {
        assert!(example(1).outputs[0].path.is_empty());
        // The sixth of five leaves is a zero word, which no digest hashes to.
        let five = example(5);
        let digests: Vec<Digest32> = five.leaves.iter().copied().chain([[0; 32]]).collect();
        assert_ne!(trace_root(&digests), five.trace_root);
    }

    #[test]
    fn inputs_are_compared_one_by_one() {
        let receipt = example(3);
        assert_eq!(receipt.check_inputs(&[[9; 32], [10; 32]]), Ok(()));
        assert_eq!(receipt.check_inputs(&[[9; 32], [9; 32]]), Err(ReceiptError::OtherInput { input: 1 }));
        assert!(matches!(receipt.check_inputs(&[[9; 32]]), Err(ReceiptError::OtherForm { .. })));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_allocated() {
        let mut r = example(4);
        r.leaves.clear();
        let bytes = r.encode();
        for (place, what) in [(114, "input digests"), (180, "outputs")] {
            let mut huge = bytes.clone();
            huge[place..place + 2].fill(0xff);
            let error = Receipt::decode(&huge).unwrap_err();
            assert!(
                matches!(error, ReceiptError::Malformed(DecodeError::Truncated { what: w, .. }) if w == what)
            );
        }
        let mut leaves = bytes.clone();
        let end = leaves.len();
        leaves[end - 1] = 3;
        assert!(matches!(
            Receipt::decode(&leaves),
            Err(ReceiptError::Malformed(DecodeError::Invalid { what: "number of leaves", .. }))
        ));
        let mut trailing = bytes;
        trailing.push(0);
        assert!(matches!(
            Receipt::decode(&trailing),
            Err(ReceiptError::Malformed(DecodeError::Trailing { count: 1, .. }))
        ));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(
            operations in 1u32..9, cut in 0usize..2000, place in 0usize..2000, byte in 0u8..255,
        ) {
            let mut bytes = example(operations).encode();
            let place = place % bytes.len();
            bytes[place] ^= byte;
            if let Ok(receipt) = Receipt::decode(&bytes) {
                prop_assert_eq!(receipt.encode(), bytes.clone());
                prop_assert_eq!(byte == 0, receipt == example(operations));
            }
            let cut = cut % bytes.len();
            prop_assert!(Receipt::decode(&bytes[..cut]).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend([0, 1]);
            with_magic.extend(&bytes);
            for bytes in [bytes, with_magic] {
                if let Ok(receipt) = Receipt::decode(&bytes) {
                    let _ = receipt.check();
                }
            }
        }
    }
}
