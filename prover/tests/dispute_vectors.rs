//! Golden vectors of disputes, which the contracts' tests play again: `contracts/test/vectors/README.md` has the format.
//!
//! `ASSAY_WRITE_VECTORS=1 cargo test -p assay-prover --test dispute_vectors` writes the files; else they are compared.

mod common;
#[path = "disputes/kinds.rs"]
#[allow(dead_code)]
mod kinds;
#[path = "disputes/play.rs"]
#[allow(dead_code)]
mod play;
#[path = "disputes/world.rs"]
#[allow(dead_code)]
mod world;

use assay_circuits::descriptor::Descriptor;
use assay_circuits::element::State;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{BINARY, Formula, UNARY};
use assay_circuits::program::{
    Access, Affine, Class, Input, Operation, Output, Precision, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::REAL_BOUNDS;
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{
    Claim, Move, Next, Open, Phase, Position, Sender, Side, open as open_game, play as play_move,
};
use assay_verifier::referee::{
    Case, Ground, Opening, encode_openings, judgeable, pack_states, state_word, unpack_states,
};
use common::programs::Dice;
use common::reals::{RealMaker, any_state, reals};
use play::{CLOCKS, Liar, Player, Slanderer};
use world::{Job, Run};

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}

fn encoded<T>(value: T, encode: impl Fn(T, &mut assay_circuits::encoding::Writer)) -> Vec<u8> {
    let mut w = assay_circuits::encoding::Writer::new();
    encode(value, &mut w);
    w.finish()
}

/// Writes a file of vectors, or compares it.
fn golden(name: &str, key: &str, entries: &[Vec<u8>]) {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: Vec<String> = entries.iter().map(|entry| format!("\"0x{}\"", hex(entry))).collect();
    let text = format!("{{\"{key}\":[\n{}\n]}}\n", lines.join(",\n"));
    let path = format!("{}/../contracts/test/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("ASSAY_WRITE_VECTORS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    assert!(std::fs::read_to_string(path).unwrap() == text, "{name} is not what this code makes");
}

/// A game with all that was tried in it.
struct Script {
    bytes: Vec<u8>,
    position: Position,
    shown: Vec<u8>,
    now: u64,
}

impl Script {
    fn open(ground: &Ground, how: &Open, now: u64) -> Option<Script> {
        let position = open_game(ground, how, CLOCKS, now).ok()?;
        let mut bytes = encoded(ground, |ground, w| ground.encode(w));
        [CLOCKS.provider, CLOCKS.challenger, now].iter().for_each(|time| bytes.extend(time.to_be_bytes()));
        blob(&mut bytes, &how.encode(ground, &[7; 32]));
        bytes.extend(position.encode());
        Some(Script { bytes, position, shown: how.shown().to_vec(), now })
    }

    /// Tries a move; true where it is legal.
    fn attempt(&mut self, sender: Sender, played: &Move) -> Option<Option<Side>> {
        let result = play_move(&self.position, sender, played, self.now);
        self.bytes.extend(self.now.to_be_bytes());
        self.bytes.push(match sender {
            Sender::Provider => 0,
            Sender::Challenger => 1,
            Sender::Stranger => 2,
        });
        blob(&mut self.bytes, &played.encode());
        match result {
            Err(_) => {
                self.bytes.push(0);
                None
            }
            Ok(Next::Position(next)) => {
                self.bytes.push(1);
                self.bytes.extend(next.encode());
                self.position = *next;
                self.shown = played.shown().to_vec();
                Some(None)
            }
            Ok(Next::Won(side)) => {
                self.bytes.push(if side == Side::Provider { 2 } else { 3 });
                Some(Some(side))
            }
        }
    }

    /// Plays to the end, with attempts of the wrong side, of a mutilated move, and at the wrong time.
    fn finish(mut self, provider: &dyn Player, opponent: &dyn Player, dice: &mut Dice) -> Vec<u8> {
        for _ in 0..200 {
            self.now += dice.from(1..=9) as u64;
            let mover = self.position.phase.mover();
            let (player, own) = match mover {
                Side::Provider => (provider, Sender::Provider),
                Side::Challenger => (opponent, Sender::Challenger),
            };
            let mut ended = None;
            for played in player.moves(&self.position.clone(), &self.shown.clone(), dice) {
                if dice.one_in(6) {
                    self.mutilated(own, &played, dice);
                }
                if mover == Side::Challenger && dice.one_in(6) {
                    assert!(self.attempt(Sender::Stranger, &played).is_none());
                }
                let stranger = mover == Side::Provider && dice.one_in(3);
                if stranger && matches!(played, Move::Split { .. }) {
                    assert!(self.attempt(Sender::Stranger, &played).is_none());
                }
                let anyone =
                    if stranger && !matches!(played, Move::Split { .. }) { Sender::Stranger } else { own };
                ended = self.attempt(anyone, &played);
                if ended.is_some() {
                    break;
                }
            }
            match ended {
                Some(None) => continue,
                Some(Some(_)) => return self.bytes,
                None => {
                    self.now = self.position.deadline - 1;
                    assert!(self.attempt(Sender::Stranger, &Move::Timeout).is_none());
                    self.now += 1;
                    self.attempt(Sender::Stranger, &Move::Timeout).unwrap();
                    return self.bytes;
                }
            }
        }
        panic!("a game without an end")
    }

    /// A move with one byte changed: it is refused, or has changed nothing that is checked.
    fn mutilated(&mut self, sender: Sender, played: &Move, dice: &mut Dice) {
        let mut bytes = played.encode();
        let at = dice.from(1..=bytes.len() as i64 - 1) as usize;
        bytes[at] ^= 1 << dice.from(0..=7);
        let Ok(changed) = Move::decode(&bytes) else { return };
        if play_move(&self.position, sender, &changed, self.now).is_err() {
            self.attempt(sender, &changed);
        }
    }
}

fn job(seed: u64) -> Job {
    if seed.is_multiple_of(2) { Job::integers(seed) } else { Job::reals(seed) }
}

#[test]
fn games_are_those_of_the_vectors() {
    let mut dice = Dice(21);
    let mut games = Vec::new();
    for seed in 0..24 {
        let job = job(seed);
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let how = Slanderer { provider: &provider }.opening(&mut dice);
        if let Some(script) = Script::open(&provider.ground, &how, 100) {
            games.push(script.finish(&provider, &Slanderer { provider: &provider }, &mut dice));
        }
        let run = job.changed(&mut dice);
        if job.is_honest(&run) {
            continue;
        }
        let liar = Liar::new(&job.program, &run);
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
        let digests = liar.provider.record.digests.clone();
        let digests = Some(digests.as_slice()).filter(|_| dice.one_in(2));
        let how = challenger.open(&liar.provider.ground, digests).unwrap();
        let script = Script::open(&liar.provider.ground, &how, 100).unwrap();
        games.push(script.finish(&liar, &challenger, &mut dice));
    }
    golden("games.json", "games", &games);
}

/// `y[i, j] = f(sum over k of x[i, k] w[j, k])`, 4,096 terms and 768 chunks, of which one element is computed.
fn long_dot(dice: &mut Dice) -> (Program, Run, u64) {
    let shape = |sizes: &[usize]| Shape::new(sizes.to_vec()).unwrap();
    let input = |name: &str, sizes: &[usize]| Input {
        name: name.to_string(),
        shape: shape(sizes),
        bounds: REAL_BOUNDS,
        scale: 1.0,
        visibility: Visibility::Public,
        image: None,
    };
    let mut program = RealMaker::start();
    program.inputs = vec![input("x", &[128, 4096]), input("w", &[1536, 4096])];
    let read = |source: usize, row: usize| Access {
        source: Source::Input(source),
        index: vec![Affine::new(0, &[(row, 1)]), Affine::new(0, &[(2, 1)])],
    };
    let factors = vec![read(0, 0), read(1, 1)];
    program.operations = vec![Operation {
        name: "dot".to_string(),
        class: Class::Fold,
        shape: shape(&[128, 1536]),
        reduce: vec![4096],
        sums: vec![Sum { terms: vec![Term { coefficient: 1, factors }], bounds: REAL_BOUNDS }],
        expression: Expression::Formula(Formula::Sum(0)),
    }];
    let (scale, visibility) = (1.0, Visibility::Public);
    program.outputs.push(Output { name: "y".to_string(), operation: 0, scale, visibility });
    program.check().unwrap();
    let mut numbers = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|_| (dice.from(-9999..=9999) as f32 / 777.0).to_le_bytes()).collect()
    };
    let inputs = vec![numbers(128 * 4096), numbers(1536 * 4096)];
    let element = 100 * 1536 + 777;
    let run = run_at(&program, inputs, element);
    (program, run, element)
}

/// A challenger that goes to one element and errs in one step.
struct Erring<'a, 'b> {
    provider: &'b Provider<'a, Run>,
    element: u64,
    step: usize,
}

impl Erring<'_, '_> {
    /// The states of a claim, from one step on false ones.
    fn states(&self, position: &Position) -> Vec<State> {
        let mut states: Vec<State> = Vec::new();
        let mut state = position.before;
        let groups = position.groups();
        for step in 0..groups.count() {
            let windows = groups.windows_of(step).unwrap();
            state = self.provider.record.advance(0, self.element, windows, state).unwrap();
            if step == self.step {
                state[0] ^= 1 << 40;
            }
            states.push(state);
        }
        states
    }
}

impl Player for Erring<'_, '_> {
    fn moves(&self, position: &Position, shown: &[u8], _: &mut Dice) -> Vec<Move> {
        let chunk = self.element * u64::from(position.width) / 1024;
        let values = shown.as_chunks::<32>().0.to_vec();
        match position.phase {
            Phase::ChooseTensor => {
                let below = position.tensor_node().below(4);
                let place =
                    below.iter().position(|node| (node.first..node.first + node.chunks).contains(&chunk));
                vec![Move::Pick { values, place: place.unwrap() as u16 }]
            }
            Phase::ChooseChunk => {
                let states = self.states(position);
                let end = states.last().copied().unwrap_or(position.before);
                let mut value = self.provider.record.finish(0, self.element, end).unwrap();
                let (at, width) =
                    (self.element as usize * usize::from(position.width), position.width.into());
                let own = shown.iter().skip(at % 1024).take(width).rev();
                if value == own.fold(0, |value, &byte| value << 8 | u64::from(byte)) {
                    value ^= 1;
                }
                let states = pack_states(&states, position.words.into());
                vec![Move::Claim {
                    chunk: shown.to_vec(),
                    claim: Claim { element: self.element, value, states },
                }]
            }
            Phase::Refine => {
                let mut states = self.states(position);
                *states.last_mut().unwrap() = position.after;
                vec![Move::Refine { states: pack_states(&states, position.words.into()) }]
            }
            _ => Vec::new(),
        }
    }
}

/// A game of a receipt that is true at one element, whose claim has one false step.
fn erring_game(program: &Program, run: &Run, element: u64, step: usize) -> Vec<u8> {
    let provider = Provider::new(Record::new(program, run).unwrap(), [5; 32]);
    let how = Open::Operation(provider.record.own_wire(0).unwrap());
    let mut script = Script::open(&provider.ground, &how, 100).unwrap();
    let opponent = Erring { provider: &provider, element, step };
    loop {
        let (player, sender): (&dyn Player, _) = match script.position.phase.mover() {
            Side::Provider => (&provider, Sender::Provider),
            Side::Challenger => (&opponent, Sender::Challenger),
        };
        let played = player.moves(&script.position, &script.shown, &mut Dice(1)).remove(0);
        script.now += 1;
        if let Some(end) = script.attempt(sender, &played).unwrap() {
            assert_eq!(end, Side::Provider);
            return script.bytes;
        }
    }
}

/// A run whose wire is true at one element, and elsewhere bytes that are not zero.
fn run_at(program: &Program, inputs: Vec<Vec<u8>>, element: u64) -> Run {
    let width = program.width(Source::Operation(0)).unwrap();
    let cells = program.operations[0].shape.cells();
    let noise = (0..width * cells).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8 | 1).collect();
    let mut run = Run { inputs, wires: vec![noise] };
    let value = {
        let record = Record::new(program, &run).unwrap();
        let descriptor = program.descriptor(0).unwrap();
        let state = record.advance(0, element, 0..descriptor.windows(), descriptor.start()).unwrap();
        record.finish(0, element, state).unwrap()
    };
    let at = width * element as usize;
    run.wires[0][at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    run
}

#[test]
fn the_long_dot_is_that_of_the_vectors() {
    let (program, run, element) = long_dot(&mut Dice(22));
    golden("dot.json", "games", &[erring_game(&program, &run, element, 37)]);
}

#[test]
fn games_of_each_kind_are_those_of_the_vectors() {
    let mut games = Vec::new();
    for kind in kinds::kinds() {
        let real = kind.program.precision == Precision::F32;
        // A run of numbers over and over, whose length is prime.
        let pattern: Vec<u8> = (0..10_007)
            .flat_map(|i: u64| {
                let bits = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                ((bits as f32 / (1 << 20) as f32) - 6.0).to_le_bytes()
            })
            .collect();
        let bytes = |(number, input): (usize, &Input)| -> Vec<u8> {
            let count = input.shape.cells() * if real { 4 } else { 1 };
            pattern.iter().copied().cycle().skip(4 * 1009 * number).take(count).collect()
        };
        let inputs = kind.program.inputs.iter().enumerate().map(bytes).collect();
        let run = run_at(&kind.program, inputs, kind.element);
        games.push(erring_game(&kind.program, &run, kind.element, kind.step));
    }
    golden("kinds.json", "games", &games);
}

fn step_entry(
    ground: &Ground,
    inputs: &[u8],
    descriptor: &Descriptor,
    at: (u64, u64, State),
    openings: &[Opening],
) -> Vec<u8> {
    let (element, window, state) = at;
    let case = Case { ground, inputs, descriptor, element, openings };
    let result = match window {
        u64::MAX => case.finish(state).map(|value| {
            let mut word = [0; 32];
            word[24..].copy_from_slice(&value.to_be_bytes());
            word
        }),
        window => case.advance(window, state).map(state_word),
    };
    let mut bytes = encoded(ground, |ground, w| ground.encode(w));
    blob(&mut bytes, inputs);
    blob(&mut bytes, &descriptor.encode());
    bytes.extend(element.to_be_bytes());
    bytes.extend(window.to_be_bytes());
    bytes.extend(state_word(state));
    blob(&mut bytes, &encoded(openings, encode_openings));
    bytes.push(u8::from(result.is_ok()));
    bytes.extend(result.unwrap_or([0; 32]));
    bytes
}

#[test]
fn steps_are_those_of_the_vectors() {
    let mut dice = Dice(23);
    let mut entries = Vec::new();
    for seed in 0..150 {
        let job = job(seed);
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        for operation in 0..job.operations() as u32 {
            let descriptor = job.program.descriptor(operation as usize).unwrap();
            let cells = descriptor.operation.shape.cells() as u64;
            let windows = descriptor.windows();
            for finish in [false, true] {
                if !finish && windows == 0 {
                    continue;
                }
                let element = dice.from(0..=cells as i64 - 1) as u64;
                let window = if finish { windows } else { dice.from(0..=windows as i64 - 1) as u64 };
                let before = any_state(descriptor.words(), &mut dice);
                let words = descriptor.words();
                // A claim of this window alone, or of none.
                let position = Position {
                    phase: if finish { Phase::Answer } else { Phase::AnswerInner },
                    operation,
                    element,
                    from: window,
                    to: if finish { window } else { window + 1 },
                    words: words as u8,
                    before,
                    ..Position::default()
                };
                let states = if finish { Vec::new() } else { pack_states(&[before], words) };
                assert!(unpack_states(&states, words, position.groups().count()).is_some());
                let Move::Rebut { inputs, openings, .. } =
                    provider.rebut_step(&position, &states, 0).unwrap()
                else {
                    unreachable!()
                };
                let at = (element, if finish { u64::MAX } else { window }, before);
                let entry =
                    |openings: &[Opening]| step_entry(&provider.ground, &inputs, &descriptor, at, openings);
                entries.push(entry(&openings));
                if !openings.is_empty() && dice.one_in(8) {
                    let mut changed = openings.clone();
                    let place = dice.from(0..=openings.len() as i64 - 1) as usize;
                    match dice.from(0..=6) {
                        0 => drop(changed.remove(place)),
                        1 => changed.push(openings[place].clone()),
                        2 => changed[place].bytes[0] ^= 1,
                        3 => changed[place].chunk += 1,
                        4 => changed[place].leaf.push(0),
                        5 => changed[place].siblings.push([1; 32]),
                        _ => changed.reverse(),
                    }
                    entries.push(entry(&changed));
                }
            }
        }
    }
    entries.retain(|entry| entry.len() < 9000);
    entries.truncate(420);
    golden("steps.json", "steps", &entries);
}

#[test]
fn descriptors_are_those_of_the_vectors() {
    let mut dice = Dice(24);
    let mut entries = Vec::new();
    for seed in 0..160 {
        let job = job(seed);
        let number = dice.from(0..=job.operations() as i64 - 1) as usize;
        let mut bytes = job.program.descriptor(number).unwrap().encode();
        for change in 0..4 {
            if change > 0 {
                let at = dice.from(0..=bytes.len() as i64 - 1) as usize;
                match dice.from(0..=7) {
                    0 => bytes.truncate(at),
                    1 => bytes.push(dice.from(0..=255) as u8),
                    2 => drop(bytes.remove(at)),
                    3 => bytes[at] = bytes[at].wrapping_add(1),
                    _ => bytes[at] ^= 1 << dice.from(0..=7),
                }
            }
            if bytes.is_empty() {
                break;
            }
            let mut entry = Vec::new();
            blob(&mut entry, &bytes);
            match judgeable(&bytes) {
                Ok(descriptor) => {
                    entry.push(1);
                    let length = descriptor.operation.shape.cells() as u64 * descriptor.width as u64;
                    entry.extend(length.to_be_bytes());
                    entry.extend([descriptor.width as u8, descriptor.words() as u8]);
                    entry.extend(descriptor.windows().to_be_bytes());
                    entry.extend(state_word(descriptor.start()));
                }
                Err(_) => entry.push(0),
            }
            entries.push(entry);
        }
    }
    golden("descriptors.json", "descriptors", &entries);
}

#[test]
fn formulas_are_those_of_the_vectors() {
    let mut dice = Dice(25);
    let mut entries = Vec::new();
    let sum = || Box::new(Formula::Sum(0));
    let mut formulas: Vec<Formula> = UNARY.iter().map(|&f| Formula::Unary(f, sum())).collect();
    formulas.extend(BINARY.iter().map(|&f| Formula::Binary(f, sum(), Box::new(Formula::Sum(1)))));
    formulas.push(Formula::Fma(sum(), Box::new(Formula::Sum(1)), Box::new(Formula::Constant(0x3f80_0000))));
    formulas.push(Formula::Select(sum(), Box::new(Formula::Sum(1)), Box::new(Formula::Sum(9))));
    for formula in &formulas {
        for _ in 0..24 {
            let sums = reals(&mut dice, 2);
            let soft: Vec<_> = sums.iter().map(|&bits| assay_circuits::real::Soft(bits)).collect();
            let mut entry = Vec::new();
            blob(&mut entry, &encoded(formula, |formula, w| formula.encode(w)));
            sums.iter().for_each(|bits| entry.extend(bits.to_be_bytes()));
            entry.extend(formula.value(&soft).0.to_be_bytes());
            entries.push(entry);
        }
    }
    golden("formulas.json", "formulas", &entries);
}
