//! The provider's side: it opens what it committed to, and shows the false step of a claim.

use super::record::{NoMove, Record};
use crate::trace::TensorBytes;
use assay_circuits::descriptor::CHUNK;
use assay_circuits::root::Digest32;
use assay_verifier::dispute::{Move, Phase, Position};
use assay_verifier::referee::{Ground, unpack_states};
use assay_verifier::tensor_tree::LEVELS;

/// A provider with the run that its receipt is about.
pub struct Provider<'a, T: TensorBytes> {
    /// The run.
    pub record: Record<'a, T>,
    /// What its games stand on.
    pub ground: Ground,
}

impl<'a, T: TensorBytes> Provider<'a, T> {
    /// The provider of a job.
    pub fn new(record: Record<'a, T>, job: Digest32) -> Self {
        let ground = record.ground(job);
        Provider { record, ground }
    }

    /// The move at a position. `shown` is what the challenger's last move put before it ([`Move::shown`]).
    ///
    /// # Errors
    /// Where it is not to move, or the claim has no false step.
    pub fn answer(&self, position: &Position, shown: &[u8]) -> Result<Move, NoMove> {
        let operation = position.operation;
        match position.phase {
            Phase::RevealTrace => {
                let height = usize::from(position.height);
                let nodes = self.record.wires.below(height, operation as usize, height.min(LEVELS as usize));
                Ok(Move::Reveal { values: nodes.ok_or(NoMove::OtherProgram)?.to_vec() })
            }
            Phase::RevealLeaf => {
                let digest = *self.record.digests.get(operation as usize).ok_or(NoMove::OtherProgram)?;
                let (descriptor, path) = self.record.operation_path(operation)?;
                Ok(Move::RevealLeaf { ground: self.ground.clone(), digest, descriptor, path })
            }
            Phase::RevealTensor => {
                let (tree, bytes) = self.record.tensor(operation)?;
                let below = position.tensor_node().below(LEVELS);
                let values = below.into_iter().map(|node| tree.value(&bytes, node));
                Ok(Move::Reveal { values: values.collect::<Result<_, _>>()? })
            }
            Phase::RevealChunk => {
                let (_, bytes) = self.record.tensor(operation)?;
                let start = position.first as usize * CHUNK;
                let chunk = bytes.get(start..bytes.len().min(start + CHUNK)).ok_or(NoMove::OtherProgram)?;
                Ok(Move::RevealChunk { chunk: chunk.to_vec() })
            }
            Phase::Answer | Phase::AnswerInner => self.refute(position, shown),
            Phase::Disclose => {
                let (chunk, siblings) = self.record.own_chunk(operation, position.first)?;
                Ok(Move::Answer { chunk, siblings })
            }
            _ => Err(NoMove::NotMine),
        }
    }

    /// Rebuts or splits the first step of a claim that is false.
    fn refute(&self, position: &Position, packed: &[u8]) -> Result<Move, NoMove> {
        let groups = position.groups();
        let claimed = unpack_states(packed, position.words.into(), groups.count());
        let claimed = claimed.ok_or(NoMove::OtherProgram)?;
        let mut steps = self.record.steps(position.operation, position.element)?;
        let mut state = position.before;
        for (step, after) in claimed.iter().enumerate() {
            let windows = groups.windows_of(step).ok_or(NoMove::OtherProgram)?;
            let single = windows.end - windows.start == 1;
            if steps.group(windows, state)? != *after {
                if single {
                    return self.rebut(position, packed, step, &steps);
                }
                return Ok(Move::Split { states: packed.to_vec(), step: step as u16 });
            }
            state = *after;
        }
        if position.phase == Phase::Answer && steps.finish(state)? != position.value {
            return self.rebut(position, packed, claimed.len(), &steps);
        }
        Err(NoMove::NothingFalse)
    }

    /// A rebut of a step that `steps` ran last.
    fn rebut(
        &self,
        position: &Position,
        packed: &[u8],
        step: usize,
        steps: &super::record::Steps<'_>,
    ) -> Result<Move, NoMove> {
        Ok(Move::Rebut {
            states: packed.to_vec(),
            step: step as u16,
            ground: self.ground.clone(),
            inputs: self.record.inputs_for(steps),
            descriptor: self.record.operation(position.operation)?.encode(),
            openings: self.record.openings(steps)?,
        })
    }

    /// A rebut of any step, true or not: what a dishonest provider tries.
    ///
    /// # Errors
    /// Where the step cannot be judged.
    pub fn rebut_step(&self, position: &Position, packed: &[u8], step: usize) -> Result<Move, NoMove> {
        let groups = position.groups();
        let claimed = unpack_states(packed, position.words.into(), groups.count());
        let mut states = vec![position.before];
        states.extend(claimed.ok_or(NoMove::OtherProgram)?);
        let state = *states.get(step).ok_or(NoMove::OtherProgram)?;
        let mut steps = self.record.steps(position.operation, position.element)?;
        match groups.windows_of(step) {
            Some(windows) => steps.group(windows, state).map(|_| ())?,
            None => steps.finish(state).map(|_| ())?,
        }
        self.rebut(position, packed, step, &steps)
    }
}
