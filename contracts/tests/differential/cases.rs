//! Steps of elements, computed by both referees from the same openings.

use crate::common::programs::{Dice, empty};
use crate::common::reals::sum;
use crate::machine::Machine;
use crate::world::{Job, Run};
use alloy::primitives::U256;
use assay_circuits::descriptor::Descriptor;
use assay_circuits::element::State;
use assay_circuits::encoding::{Reader, Writer};
use assay_circuits::expression::Expression;
use assay_circuits::formula::Formula;
use assay_circuits::program::{
    Access, Affine, Class, Input, Operation, Output, Precision, Program, Source, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::REAL_BOUNDS;
use assay_contracts::abi::Referee;
use assay_prover::dispute::{Provider, Record};
use assay_verifier::dispute::{Move, Phase, Position};
use assay_verifier::referee::{
    Case, Ground, Opening, decode_openings, encode_openings, judgeable, pack_states, state_word,
};
use std::collections::BTreeMap;

/// One step of one element: what is sent to a referee.
#[derive(Clone)]
pub struct Step {
    pub ground: Ground,
    pub inputs: Vec<u8>,
    pub descriptor: Vec<u8>,
    pub openings: Vec<u8>,
    pub element: u64,
    /// The window; the expression where there is none.
    pub window: Option<u64>,
    pub state: State,
}

pub fn packed(openings: &[Opening]) -> Vec<u8> {
    let mut w = Writer::new();
    encode_openings(openings, &mut w);
    w.finish()
}

impl Step {
    /// The word that the Rust referee computes: a state, or a value in its last eight bytes.
    pub fn rust(&self) -> Option<U256> {
        let descriptor = judgeable(&self.descriptor).ok()?;
        let mut reader = Reader::new(&self.openings);
        let openings = decode_openings(&mut reader).ok()?;
        reader.finish().ok()?;
        let case = Case {
            ground: &self.ground,
            inputs: &self.inputs,
            descriptor: &descriptor,
            element: self.element,
            openings: &openings,
        };
        match self.window {
            Some(window) => {
                case.advance(window, self.state).ok().map(|state| U256::from_be_bytes(state_word(state)))
            }
            None => case.finish(self.state).ok().map(U256::from),
        }
    }

    /// The word that the contract computes, or why it refuses.
    pub fn solidity(&self, machine: &mut Machine) -> Result<U256, String> {
        let ground = Referee::Ground {
            job: self.ground.job.into(),
            header: self.ground.header.to_vec().into(),
            traceRoot: self.ground.trace_root.into(),
            inputs: self.ground.inputs.into(),
        };
        let inputs = self.inputs.clone().into();
        let descriptor = self.descriptor.clone().into();
        let openings = self.openings.clone().into();
        let (element, state) = (self.element, U256::from_be_bytes(state_word(self.state)));
        let to = machine.referee;
        match self.window {
            Some(window) => {
                let call =
                    Referee::advanceCall { ground, inputs, descriptor, openings, element, window, state };
                machine.ask(to, &call)
            }
            None => {
                let call = Referee::finishCall { ground, inputs, descriptor, openings, element, state };
                machine.ask(to, &call).map(U256::from)
            }
        }
    }
}

/// A run of a program, and an EVM to judge its steps in.
pub struct Bench {
    pub machine: Machine,
    pub job: &'static Job,
    pub provider: Provider<'static, Run>,
    /// Steps whose words were compared, by what they are of.
    pub compared: BTreeMap<String, usize>,
    /// Steps that both refuse, by what was changed in their openings.
    pub refused: BTreeMap<&'static str, usize>,
    /// Steps elsewhere, by what was changed and what both say.
    pub moved: BTreeMap<String, usize>,
}

impl Bench {
    /// A bench of a run; what it holds of it lives as long as the tests.
    pub fn new(job: Job) -> Bench {
        Self::with(Machine::new(), job)
    }

    /// The same in an EVM that is there.
    pub fn with(machine: Machine, job: Job) -> Bench {
        let job: &'static Job = Box::leak(Box::new(job));
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let (compared, refused, moved) = Default::default();
        Bench { machine, job, provider, compared, refused, moved }
    }

    pub fn descriptor(&self, operation: usize) -> Descriptor {
        self.job.program.descriptor(operation).expect("an operation")
    }

    /// A step with the openings that an honest provider gives of it.
    pub fn step(&self, operation: usize, element: u64, window: Option<u64>, state: State) -> Step {
        let descriptor = self.descriptor(operation);
        let from = window.unwrap_or(descriptor.windows());
        let words = descriptor.words();
        // A claim of this window alone, or of none.
        let position = Position {
            phase: if window.is_some() { Phase::AnswerInner } else { Phase::Answer },
            operation: operation as u32,
            element,
            from,
            to: from + u64::from(window.is_some()),
            words: words as u8,
            before: state,
            ..Position::default()
        };
        let states = if window.is_some() { pack_states(&[state], words) } else { Vec::new() };
        let played = self.provider.rebut_step(&position, &states, 0).expect("a step of the program");
        let Move::Rebut { ground, inputs, descriptor, openings, .. } = played else {
            panic!("no rebut: {played:?}")
        };
        Step { ground, inputs, descriptor, openings: packed(&openings), element, window, state }
    }

    /// The word of a step that both compute.
    pub fn compute(&mut self, step: &Step, what: &str) -> U256 {
        let own = step.rust().unwrap_or_else(|| panic!("{what}: Rust refuses an honest step"));
        let theirs = step.solidity(&mut self.machine);
        let (element, window, state) = (step.element, step.window, step.state);
        let at = format!("{what}, element {element}, window {window:?}, state {state:x?}");
        assert_eq!(Ok(own), theirs, "{at}");
        *self.compared.entry(what.to_string()).or_default() += 1;
        own
    }

    fn name(&self, operation: usize, what: &str) -> String {
        let own = &self.job.program;
        format!("{:?} {:?} {what}", own.precision, own.operations[operation].class)
    }

    pub fn advance(&mut self, operation: usize, element: u64, window: u64, state: State) -> State {
        let step = self.step(operation, element, Some(window), state);
        let word = self.compute(&step, &self.name(operation, "advance"));
        let limbs = word.into_limbs();
        [limbs[3], limbs[2], limbs[1], limbs[0]]
    }

    pub fn finish(&mut self, operation: usize, element: u64, state: State) -> u64 {
        let step = self.step(operation, element, None, state);
        self.compute(&step, &self.name(operation, "finish")).to()
    }

    /// The whole chain of an element, which must end in what the run has there.
    pub fn element(&mut self, operation: usize, element: u64) {
        let descriptor = self.descriptor(operation);
        let mut state = descriptor.start();
        for window in 0..descriptor.windows() {
            state = self.advance(operation, element, window, state);
        }
        let value = self.finish(operation, element, state);
        let width = descriptor.width;
        let own =
            self.job.honest.wires[operation].chunks_exact(width).nth(element as usize).expect("an element");
        assert_eq!(value, own.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)));
    }

    /// Both refuse a step, or compute the same word.
    fn same_verdict(&mut self, step: &Step, what: &str) -> bool {
        let (own, theirs) = (step.rust(), step.solidity(&mut self.machine));
        assert_eq!(own, theirs.clone().ok(), "{what}: Solidity says {theirs:?}");
        own.is_none()
    }

    /// A step on another ground, or of another element, window or operation, whatever this is: both say the same of it.
    pub fn moved(&mut self, step: &Step, dice: &mut Dice) {
        let mut changed = step.clone();
        let what = match dice.from(0..=5) {
            4 | 5 => {
                let at = dice.from(0..=step.descriptor.len() as i64 - 1) as usize;
                changed.descriptor[at] = match dice.from(0..=2) {
                    0 => step.descriptor[at] ^ 1 << dice.from(0..=7),
                    1 => dice.of(&[0, 0x7f, 0x80, 0xff]),
                    _ => step.descriptor[at].wrapping_add(1),
                };
                "another descriptor"
            }
            0 => {
                let cells = judgeable(&step.descriptor).expect("a descriptor").operation.shape.cells() as u64;
                changed.element = match dice.from(0..=2) {
                    0 => step.element ^ 1 << dice.from(0..=63),
                    1 => step.element + 1,
                    _ => cells,
                };
                "another element"
            }
            1 => {
                changed.window = step.window.map(|window| window ^ 1 << dice.of(&[0, 1, 2, 9, 40, 63]));
                "another window"
            }
            2 => {
                // Numbers of operations and constants, the tree of constants.
                let at = dice.of(&[6, 9, 10, 13, 54, 60, 85]);
                changed.ground.header[at] ^= 1 << dice.from(0..=7);
                "another header"
            }
            _ => {
                changed.ground.trace_root[3] ^= 4;
                "another trace root"
            }
        };
        let refused = self.same_verdict(&changed, what);
        *self
            .moved
            .entry(format!("{what}, {}", if refused { "refused" } else { "computed" }))
            .or_default() += 1;
    }

    /// A step with one change in what it opens: both refuse it.
    pub fn corrupted(&mut self, step: &Step, dice: &mut Dice) {
        let mut changed = step.clone();
        let mut list = decode_openings(&mut Reader::new(&step.openings)).expect("openings");
        let kinds = if list.is_empty() { 3 } else { 11 };
        let kind = dice.from(0..=kinds);
        let flip = |bytes: &mut [u8], dice: &mut Dice| {
            let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
            bytes[at] ^= 1 << dice.from(0..=7);
        };
        let what = match kind {
            0 => {
                flip(&mut changed.openings, dice);
                "a bit of the openings"
            }
            1 => {
                let end = dice.from(0..=changed.openings.len() as i64 - 1) as usize;
                changed.openings.truncate(end);
                "openings cut short"
            }
            2 => {
                changed.openings.push(dice.from(0..=255) as u8);
                "a byte behind the openings"
            }
            3 => {
                match changed.inputs.is_empty() {
                    true => changed.inputs.push(7),
                    false => flip(&mut changed.inputs, dice),
                }
                "the digests of the inputs"
            }
            _ => {
                let place = dice.from(0..=list.len() as i64 - 1) as usize;
                let what = Self::change(kind, &mut list, place, dice);
                changed.openings = packed(&list);
                what
            }
        };
        assert!(self.same_verdict(&changed, what), "{what} is taken by both");
        *self.refused.entry(what).or_default() += 1;
    }

    /// Changes one opening.
    fn change(kind: i64, list: &mut Vec<Opening>, place: usize, dice: &mut Dice) -> &'static str {
        let last_of = |words: &mut Vec<[u8; 32]>, dice: &mut Dice| match words.pop() {
            Some(_) if dice.one_in(2) => {}
            word => words.extend([word.unwrap_or([1; 32]), [1; 32]]),
        };
        let opening = &mut list[place];
        match kind {
            4 => {
                list.remove(place);
                "an opening left out"
            }
            5 => {
                let twice = opening.clone();
                list.insert(place, twice);
                "an opening twice"
            }
            6 => {
                let at = dice.from(0..=opening.bytes.len() as i64 - 1) as usize;
                opening.bytes[at] ^= 1 << dice.from(0..=7);
                "a bit of a chunk"
            }
            7 => {
                opening.chunk = opening.chunk.wrapping_add(dice.of(&[1, u64::MAX, 1 << 54]));
                "the number of a chunk"
            }
            8 => {
                opening.leaf.push(0);
                "a longer leaf"
            }
            9 => {
                last_of(&mut opening.siblings, dice);
                "more or fewer siblings"
            }
            10 => {
                last_of(&mut opening.path, dice);
                "a longer or shorter path"
            }
            _ => {
                opening.operand ^= 1 << dice.from(0..=7);
                "another operand"
            }
        }
    }
}

/// Counts of two benches together.
pub fn add<K: Ord>(all: &mut BTreeMap<K, usize>, more: BTreeMap<K, usize>) {
    more.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
}

/// `y[i, j] = sum over a single k of left[i] right[j]`, or of `left[i]` alone.
pub struct Fold {
    pub factors: usize,
    pub left: Vec<u32>,
    pub right: Vec<u32>,
}

impl Fold {
    /// The program with its run.
    pub fn program(&self) -> Job {
        let mut program = Program { precision: Precision::F32, ..empty() };
        let sides = [&self.left, &self.right];
        let mut factors = Vec::new();
        for (number, numbers) in sides.into_iter().take(self.factors).enumerate() {
            program.inputs.push(Input {
                name: format!("x{number}"),
                shape: Shape::new(vec![numbers.len()]).expect("a size"),
                bounds: REAL_BOUNDS,
                scale: 1.0,
                visibility: Visibility::Public,
                image: None,
            });
            factors.push(Access { source: Source::Input(number), index: vec![Affine::axis(number)] });
        }
        program.operations.push(Operation {
            name: "cell".to_string(),
            class: Class::Fold,
            shape: Shape::new(sides.map(|numbers| numbers.len()).to_vec()).expect("sizes"),
            reduce: vec![1],
            sums: vec![sum(factors)],
            expression: Expression::Formula(Formula::Sum(0)),
        });
        let (scale, visibility) = (1.0, Visibility::Public);
        program.outputs.push(Output { name: "y".to_string(), operation: 0, scale, visibility });
        let bytes = |numbers: &Vec<u32>| numbers.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        Job::new(program, sides.into_iter().take(self.factors).map(bytes).collect())
    }
}
