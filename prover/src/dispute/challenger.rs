//! The challenger's side: it points to the first difference, and states the honest computation.

use super::record::{Levels, NoMove, Record, leaves};
use crate::trace::TensorBytes;
use assay_circuits::descriptor::CHUNK;
use assay_circuits::root::Digest32;
use assay_verifier::dispute::{Claim, Move, Open, Phase, Position};
use assay_verifier::escrow::Shown;
use assay_verifier::referee::{Ground, element_of_chunk, pack_states, value_bits};
use assay_verifier::tensor_tree::{LEVELS, Value};

/// A challenger with its own run of the program.
pub struct Challenger<'a, T: TensorBytes> {
    /// The run.
    pub record: Record<'a, T>,
}

impl<'a, T: TensorBytes> Challenger<'a, T> {
    /// A challenger that computed this run.
    pub fn new(record: Record<'a, T>) -> Self {
        Challenger { record }
    }

    /// True where a receipt's trace is another than this run's: there is something to dispute.
    pub fn differs(&self, ground: &Ground) -> bool {
        self.record.wires.root() != ground.trace_root
    }

    /// How to open a game: at the first operation that differs, where the receipt came with the digests of all
    /// operations; else at the trace root.
    ///
    /// # Errors
    /// Where nothing differs.
    pub fn open(&self, ground: &Ground, digests: Option<&[Digest32]>) -> Result<Open, NoMove> {
        if !self.differs(ground) {
            return Err(NoMove::NothingFalse);
        }
        let Some(digests) = digests.filter(|digests| digests.len() == self.record.digests.len()) else {
            return Ok(Open::Root);
        };
        let theirs = Levels::new(leaves(digests));
        let first = digests.iter().zip(&self.record.digests).position(|(their, own)| their != own);
        match first.filter(|_| theirs.root() == ground.trace_root) {
            Some(first) => {
                let digest = *digests.get(first).ok_or(NoMove::OtherProgram)?;
                Ok(Open::Operation(self.record.wire(first as u32, digest, &theirs)?))
            }
            None => Ok(Open::Root),
        }
    }

    /// The move at a position. `shown` is what the provider's last move put before it ([`Move::shown`]).
    ///
    /// # Errors
    /// Where it is not to move, or nothing differs.
    pub fn answer(&self, position: &Position, shown: &[u8]) -> Result<Move, NoMove> {
        let operation = position.operation;
        match position.phase {
            Phase::ChooseTrace => {
                let height = usize::from(position.height);
                let own = self.record.wires.below(height, operation as usize, height.min(LEVELS as usize));
                pick(shown, own.ok_or(NoMove::OtherProgram)?)
            }
            Phase::ChooseTensor => {
                let (tree, bytes) = self.record.tensor(operation)?;
                let below = position.tensor_node().below(LEVELS);
                let own: Vec<Value> =
                    below.into_iter().map(|node| tree.value(&bytes, node)).collect::<Result<_, _>>()?;
                pick(shown, &own)
            }
            Phase::ChooseChunk => {
                let claim = self.claim(position, shown)?;
                Ok(Move::Claim { chunk: shown.to_vec(), claim })
            }
            Phase::Refine => {
                let mut steps = self.record.steps(operation, position.element)?;
                let states = steps.states(position.groups(), position.before)?;
                Ok(Move::Refine { states: pack_states(&states, position.words.into()) })
            }
            _ => Err(NoMove::NotMine),
        }
    }

    /// What shows that this run had the claimed value of a position before it was claimed, if it had.
    ///
    /// # Errors
    /// [`NoMove::NothingFalse`] where its value is another.
    pub fn show(&self, position: &Position, salt: &Digest32) -> Result<Shown, NoMove> {
        let width = usize::from(position.width);
        let byte = position.element as usize * width;
        let wire = self.record.own_wire(position.operation)?;
        let (chunk, siblings) = self.record.own_chunk(position.operation, (byte / CHUNK) as u64)?;
        let own = element_of_chunk(&chunk, width, false, byte % CHUNK);
        if own.map(|own| value_bits(own, width)) != Some(position.value) {
            return Err(NoMove::NothingFalse);
        }
        let (trace_root, salt) = (self.record.wires.root(), *salt);
        Ok(Shown { trace_root, salt, digest: wire.digest, leaf_path: wire.leaf_path, chunk, siblings })
    }

    /// The honest computation of the first element that differs from the provider's chunk.
    fn claim(&self, position: &Position, theirs: &[u8]) -> Result<Claim, NoMove> {
        let (_, bytes) = self.record.tensor(position.operation)?;
        let width = usize::from(position.width);
        let start = position.first as usize * CHUNK;
        let own = bytes.get(start..).unwrap_or_default();
        let differs = own.chunks(width).zip(theirs.chunks(width)).position(|(own, their)| own != their);
        let place = differs.ok_or(NoMove::NothingFalse)?;
        let element = (start / width + place) as u64;
        let mut steps = self.record.steps(position.operation, element)?;
        let states = steps.states(position.groups(), position.before)?;
        let value = steps.finish(states.last().copied().unwrap_or(position.before))?;
        let their = element_of_chunk(theirs, width, false, place * width);
        if their.map(|their| value_bits(their, width)) == Some(value) {
            // What this run's operands give is the provider's: the run itself is not one of the program.
            return Err(NoMove::NothingFalse);
        }
        Ok(Claim { element, value, states: pack_states(&states, position.words.into()) })
    }
}

/// Picks the first node that differs from one's own.
fn pick(shown: &[u8], own: &[Value]) -> Result<Move, NoMove> {
    let values = shown.as_chunks::<32>().0;
    let place = values.iter().zip(own).position(|(their, own)| their != own);
    let place = place.ok_or(NoMove::NothingFalse)?;
    Ok(Move::Pick { values: values.to_vec(), place: place as u16 })
}
