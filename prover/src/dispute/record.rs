//! A party's own run, ready to be opened anywhere: its trees, its bytes, its elements by steps.

use crate::trace::{TensorBytes, element};
use assay_circuits::descriptor::{CHUNK, Descriptor};
use assay_circuits::element::State;
use assay_circuits::program::{Precision, Program, Source};
use assay_circuits::root::{Digest32, HEADER_BYTES, keccak};
use assay_verifier::dispute::{Groups, Wire};
use assay_verifier::keccak::keccak256;
use assay_verifier::referee::{Ground, Opening, value_bits, wire_leaf};
use assay_verifier::tensor_tree::{Tree, TreeError};
use std::borrow::Cow;
use std::collections::BTreeSet;
use thiserror::Error;

/// Why a party has no move.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoMove {
    /// The other side is to move.
    #[error("the other side is to move")]
    NotMine,
    /// Nothing that the other side states is false: there is no honest move left.
    #[error("nothing that the other side states is false")]
    NothingFalse,
    /// The run has no such tensor, or a constant no values.
    #[error("there are no bytes of {0:?}")]
    NoBytes(Source),
    /// A tensor has not the bytes that its shape says.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// The position is not one of this program.
    #[error("the position is not one of this program")]
    OtherProgram,
}

/// A keccak tree with all its nodes.
pub(super) struct Levels(Vec<Vec<Digest32>>);

impl Levels {
    pub(super) fn new(mut leaves: Vec<Digest32>) -> Levels {
        leaves.resize(leaves.len().next_power_of_two(), [0; 32]);
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let above = last.as_chunks::<2>().0.iter().map(|pair| keccak(1, pair.as_flattened())).collect();
            levels.push(above);
        }
        Levels(levels)
    }

    pub(super) fn root(&self) -> Digest32 {
        self.0.last().and_then(|top| top.first()).copied().unwrap_or([0; 32])
    }

    /// The nodes `levels` below the node of this height and index.
    pub(super) fn below(&self, height: usize, index: usize, levels: usize) -> Option<&[Digest32]> {
        self.0.get(height.checked_sub(levels)?)?.get(index << levels..(index + 1) << levels)
    }

    pub(super) fn path(&self, mut index: usize) -> Vec<Digest32> {
        let mut path = Vec::new();
        for level in self.0.iter().take_while(|level| level.len() > 1) {
            path.extend(level.get(index ^ 1));
            index /= 2;
        }
        path
    }
}

/// A program and a run of it.
pub struct Record<'a, T: TensorBytes> {
    pub(super) program: &'a Program,
    trace: &'a T,
    header: [u8; HEADER_BYTES],
    /// The digest of each operation's wire.
    pub digests: Vec<Digest32>,
    /// The digests of the inputs, one after the other.
    inputs: Vec<u8>,
    pub(super) wires: Levels,
    operations: Levels,
    constants: Levels,
}

impl<'a, T: TensorBytes> Record<'a, T> {
    /// The program.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// Hashes a run.
    ///
    /// # Errors
    /// Where a tensor of the run is not there.
    pub fn new(program: &'a Program, trace: &'a T) -> Result<Self, NoMove> {
        let digest = |source: Source| -> Result<Digest32, NoMove> {
            let bytes = trace.bytes(program, source).ok_or(NoMove::NoBytes(source))?;
            Ok(*blake3::hash(&bytes).as_bytes())
        };
        let digests: Vec<Digest32> =
            (0..program.operations.len()).map(|i| digest(Source::Operation(i))).collect::<Result<_, _>>()?;
        let inputs: Vec<Digest32> =
            (0..program.inputs.len()).map(|i| digest(Source::Input(i))).collect::<Result<_, _>>()?;
        Ok(Record {
            program,
            trace,
            header: program.header().try_into().map_err(|_| NoMove::OtherProgram)?,
            wires: Levels::new(leaves(&digests)),
            digests,
            inputs: inputs.concat(),
            operations: Levels::new(program.operation_leaves()),
            constants: Levels::new(program.constant_leaves()),
        })
    }

    /// What games on this run stand on.
    pub fn ground(&self, job: Digest32) -> Ground {
        let (header, inputs) = (self.header, keccak256(&[&self.inputs]));
        Ground { job, header, trace_root: self.wires.root(), inputs }
    }

    /// The digests of the inputs, one after the other.
    pub fn input_digests(&self) -> &[u8] {
        &self.inputs
    }

    pub(super) fn bytes(&self, source: Source) -> Result<Cow<'_, [u8]>, NoMove> {
        self.trace.bytes(self.program, source).ok_or(NoMove::NoBytes(source))
    }

    /// An operation, by its number.
    pub(super) fn operation(&self, number: u32) -> Result<Descriptor, NoMove> {
        self.program.descriptor(number as usize).ok_or(NoMove::OtherProgram)
    }

    /// An operation's descriptor and its path in the program.
    pub(super) fn operation_path(&self, number: u32) -> Result<(Vec<u8>, Vec<Digest32>), NoMove> {
        Ok((self.operation(number)?.encode(), self.operations.path(number as usize)))
    }

    /// An operation whose wire has this digest in a trace.
    pub(super) fn wire(&self, number: u32, digest: Digest32, wires: &Levels) -> Result<Wire, NoMove> {
        let (descriptor, path) = self.operation_path(number)?;
        let leaf_path = wires.path(number as usize);
        Ok(Wire { operation: number, digest, leaf_path, descriptor, path })
    }

    /// An operation whose wire is this run's.
    ///
    /// # Errors
    /// Where there is no such operation.
    pub fn own_wire(&self, number: u32) -> Result<Wire, NoMove> {
        let digest = *self.digests.get(number as usize).ok_or(NoMove::OtherProgram)?;
        self.wire(number, digest, &self.wires)
    }

    /// The bytes of a chunk of an operation's wire, and its siblings.
    ///
    /// # Errors
    /// Where there is no such operation or chunk.
    pub fn own_chunk(&self, number: u32, chunk: u64) -> Result<(Vec<u8>, Vec<Digest32>), NoMove> {
        let (tree, bytes) = self.tensor(number)?;
        open_chunk(tree, &bytes, chunk)
    }

    /// The state of an element after some windows, from one before.
    ///
    /// # Errors
    /// Where there is no such element or window.
    pub fn advance(
        &self,
        operation: u32,
        element: u64,
        windows: std::ops::Range<u64>,
        state: State,
    ) -> Result<State, NoMove> {
        self.steps(operation, element)?.group(windows, state)
    }

    /// The bits of an element, from its last state.
    ///
    /// # Errors
    /// Where there is no such element.
    pub fn finish(&self, operation: u32, element: u64, state: State) -> Result<u64, NoMove> {
        self.steps(operation, element)?.finish(state)
    }

    /// The tree of an operation's wire, and its bytes.
    pub(super) fn tensor(&self, operation: u32) -> Result<(Tree, Cow<'_, [u8]>), NoMove> {
        let bytes = self.bytes(Source::Operation(operation as usize))?;
        Ok((Tree::new(bytes.len() as u64).ok_or(NoMove::OtherProgram)?, bytes))
    }

    /// The element's steps, computed from this run.
    pub(super) fn steps(&self, operation: u32, element: u64) -> Result<Steps<'_>, NoMove> {
        let descriptor = self.operation(operation)?;
        let output = descriptor.point(element);
        let operands = descriptor.operands.iter().map(|operand| self.bytes(operand.source));
        let operands = operands.collect::<Result<_, _>>()?;
        Ok(Steps { descriptor, output, operands, touched: BTreeSet::new() })
    }

    /// Openings of chunks of an operation's operands.
    pub(super) fn openings(&self, steps: &Steps<'_>) -> Result<Vec<Opening>, NoMove> {
        let opening = |&(operand, chunk): &(usize, u64)| {
            let place = operand;
            let operand = steps.descriptor.operands.get(operand).ok_or(NoMove::OtherProgram)?;
            let bytes = steps.operands.get(place).ok_or(NoMove::OtherProgram)?;
            let tree = Tree::new(bytes.len() as u64).ok_or(NoMove::OtherProgram)?;
            let (own, siblings) = open_chunk(tree, bytes, chunk)?;
            let (leaf, path) = match operand.source {
                Source::Input(_) => (Vec::new(), Vec::new()),
                Source::Constant(i) => {
                    (self.program.constant_bytes(i).ok_or(NoMove::OtherProgram)?, self.constants.path(i))
                }
                Source::Operation(i) => {
                    (self.digests.get(i).ok_or(NoMove::OtherProgram)?.to_vec(), self.wires.path(i))
                }
            };
            Ok(Opening { operand: place as u8, chunk, bytes: own, siblings, leaf, path })
        };
        steps.touched.iter().map(opening).collect()
    }

    /// The list of input digests, where one of the openings is of an input.
    pub(super) fn inputs_for(&self, steps: &Steps<'_>) -> Vec<u8> {
        let is_input = |&(operand, _): &(usize, u64)| {
            steps.descriptor.operands.get(operand).is_some_and(|x| matches!(x.source, Source::Input(_)))
        };
        if steps.touched.iter().any(is_input) { self.inputs.clone() } else { Vec::new() }
    }
}

/// A chunk's bytes and siblings.
fn open_chunk(tree: Tree, bytes: &[u8], chunk: u64) -> Result<(Vec<u8>, Vec<Digest32>), NoMove> {
    let siblings = tree.path(bytes, chunk)?;
    let start = chunk as usize * CHUNK;
    Ok((bytes.get(start..bytes.len().min(start + CHUNK)).unwrap_or_default().to_vec(), siblings))
}

/// The leaves of a trace with these digests.
pub(super) fn leaves(digests: &[Digest32]) -> Vec<Digest32> {
    digests.iter().enumerate().map(|(i, digest)| wire_leaf(i as u32, digest)).collect()
}

/// One element by steps, from a party's own bytes.
pub(super) struct Steps<'a> {
    descriptor: Descriptor,
    output: Vec<usize>,
    operands: Vec<Cow<'a, [u8]>>,
    /// The chunks that the last step read: place of the operand, chunk.
    touched: BTreeSet<(usize, u64)>,
}

impl Steps<'_> {
    /// Runs a step with what it reads.
    fn run<R>(
        &mut self,
        step: impl FnOnce(
            &Descriptor,
            &[usize],
            &mut dyn FnMut(Source, u64) -> Result<i64, NoMove>,
        ) -> Result<R, NoMove>,
    ) -> Result<R, NoMove> {
        let Steps { descriptor, output, operands, touched } = self;
        touched.clear();
        let real = descriptor.precision == Precision::F32;
        let mut read = |source: Source, place: u64| {
            let operand = descriptor.operands.iter().position(|operand| operand.source == source);
            let operand = operand.ok_or(NoMove::OtherProgram)?;
            let width = descriptor.operands.get(operand).map_or(1, |operand| operand.width);
            touched.insert((operand, place * width as u64 / CHUNK as u64));
            let bytes = operands.get(operand).ok_or(NoMove::OtherProgram)?;
            element(bytes, width, real, place as usize).ok_or(NoMove::NoBytes(source))
        };
        step(descriptor, output, &mut read)
    }

    /// The state after a window.
    pub(super) fn advance(&mut self, window: u64, state: State) -> Result<State, NoMove> {
        self.run(|descriptor, output, mut read| {
            let window = descriptor.window(window).ok_or(NoMove::OtherProgram)?;
            descriptor.advance(output, window, state, &mut read)
        })
    }

    /// The element's bits from the last state.
    pub(super) fn finish(&mut self, state: State) -> Result<u64, NoMove> {
        self.run(|descriptor, output, mut read| {
            let value = descriptor.finish(output, state, &mut read)?;
            Ok(value_bits(value, descriptor.width))
        })
    }

    /// The state after all windows of a group.
    pub(super) fn group(&mut self, windows: std::ops::Range<u64>, state: State) -> Result<State, NoMove> {
        windows.into_iter().try_fold(state, |state, window| self.advance(window, state))
    }

    /// The states of a claim, from the state before it.
    pub(super) fn states(&mut self, groups: Groups, before: State) -> Result<Vec<State>, NoMove> {
        let mut state = before;
        let mut states = Vec::new();
        for windows in (0..groups.count()).filter_map(|group| groups.windows_of(group)) {
            state = self.group(windows, state)?;
            states.push(state);
        }
        Ok(states)
    }
}
