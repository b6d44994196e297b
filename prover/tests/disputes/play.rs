//! Players, honest and not, and games between them on a job's receipt.

use super::common::programs::Dice;
use super::world::{Run, noise};
use assay_circuits::descriptor::CHUNK;
use assay_circuits::element::State;
use assay_circuits::program::Program;
use assay_circuits::root::{Digest32, tree_root};
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{self, Claim, Clocks, Move, Next, Open, Phase, Position, Side};
use assay_verifier::escrow::{Account, Deal, Gas, Job, commitment};
use assay_verifier::referee::{Ground, pack_states, wire_leaf};
use assay_verifier::tensor_tree::LEVELS;

pub const BUYER: Account = [1; 20];
pub const PROVIDER: Account = [2; 20];
pub const STRANGER: Account = [3; 20];
pub const AGENT: Account = [4; 20];
pub const GAS: Gas = Gas { used: 100_000, price: 7 };
pub const CLOCKS: Clocks = Clocks { provider: 1000, challenger: 700 };

/// The account of a challenger.
pub fn challenger(number: usize) -> Account {
    let mut account = [9; 20];
    account[..8].copy_from_slice(&(number as u64).to_be_bytes());
    account
}

pub fn deal(ground: &Ground) -> Deal {
    Deal {
        job: ground.job,
        program: ground.program_root(),
        inputs: ground.inputs,
        buyer: BUYER,
        provider: PROVIDER,
        price: 1_000_003,
        provider_bond: 90_000_017,
        challenger_bond: 20_000_001,
        late_fee: 5_000,
        gas_price_cap: 5,
        accept_by: 10,
        post_by: 20,
        window: 500,
        clocks: CLOCKS,
    }
}

/// A job whose provider has posted a receipt on this ground at time 15.
pub fn posted(ground: &Ground) -> Job {
    let mut job = Job::offer(deal(ground)).unwrap();
    job.accept(PROVIDER, 5).unwrap();
    job.post(PROVIDER, ground, 15).unwrap();
    job.name_agent(PROVIDER, AGENT).unwrap();
    job
}

/// A player gives moves to try; the first that is legal is played.
pub trait Player {
    fn moves(&self, position: &Position, shown: &[u8], dice: &mut Dice) -> Vec<Move>;
}

impl Player for Provider<'_, Run> {
    fn moves(&self, position: &Position, shown: &[u8], _: &mut Dice) -> Vec<Move> {
        self.answer(position, shown).into_iter().collect()
    }
}

impl Player for Challenger<'_, Run> {
    fn moves(&self, position: &Position, shown: &[u8], _: &mut Dice) -> Vec<Move> {
        self.answer(position, shown).into_iter().collect()
    }
}

/// A provider whose trace is not the program's, or whose leaves are no leaves. It tries all that it can.
pub struct Liar<'a> {
    pub provider: Provider<'a, Run>,
    leaves: Vec<Digest32>,
}

impl<'a> Liar<'a> {
    pub fn new(program: &'a Program, run: &'a Run) -> Self {
        let provider = Provider::new(Record::new(program, run).unwrap(), [5; 32]);
        let digests = provider.record.digests.iter().enumerate();
        let leaves = digests.map(|(i, digest)| wire_leaf(i as u32, digest)).collect();
        Liar { provider, leaves }
    }

    /// The same with other leaves.
    pub fn with_leaves(mut self, change: impl FnOnce(&mut Vec<Digest32>)) -> Self {
        change(&mut self.leaves);
        self.provider.ground.trace_root = tree_root(self.leaves.clone());
        self
    }
}

impl Player for Liar<'_> {
    fn moves(&self, position: &Position, shown: &[u8], dice: &mut Dice) -> Vec<Move> {
        let mut moves = Vec::new();
        if position.phase == Phase::RevealTrace {
            let height = u32::from(position.height);
            let levels = height.min(LEVELS);
            let below = (height - levels) as usize;
            let mut leaves = self.leaves.clone();
            leaves.resize(leaves.len().next_power_of_two(), [0; 32]);
            let first = (position.operation as usize) << levels;
            let node = |place: usize| tree_root(leaves[place << below..(place + 1) << below].to_vec());
            moves.push(Move::Reveal { values: (first..first + (1 << levels)).map(node).collect() });
        }
        moves.extend(self.provider.answer(position, shown));
        if matches!(position.phase, Phase::Answer | Phase::AnswerInner) {
            let count = position.groups().count();
            let mut steps: Vec<usize> = vec![count, 0, count.saturating_sub(1)];
            steps.extend((0..6).map(|_| dice.from(0..=count as i64) as usize));
            moves.extend(
                steps.iter().filter_map(|&step| self.provider.rebut_step(position, shown, step).ok()),
            );
            let split = |&step: &usize| Move::Split { states: shown.to_vec(), step: step as u16 };
            moves.extend(steps.iter().map(split));
        }
        moves.push(Move::RevealChunk { chunk: vec![dice.from(0..=255) as u8; dice.from(0..=1024) as usize] });
        moves.push(Move::Reveal { values: (0..dice.of(&[1, 2, 16])).map(|_| noise(dice)).collect() });
        moves
    }
}

/// A challenger of an honest receipt: it knows the run, points anywhere, and states what is false in any way.
pub struct Slanderer<'a> {
    pub provider: &'a Provider<'a, Run>,
}

impl Slanderer<'_> {
    /// The true states of an element from a state on, one of them changed or none.
    fn states(&self, position: &Position, dice: &mut Dice) -> Vec<State> {
        let groups = position.groups();
        let count = groups.count();
        let words = usize::from(position.words);
        let at = dice.from(-1..=count as i64 - 1);
        let mut state = position.before;
        let mut states = Vec::new();
        for group in 0..count {
            if group as i64 != at || dice.one_in(4) {
                let windows = groups.windows_of(group).unwrap();
                let record = &self.provider.record;
                state = record.advance(position.operation, position.element, windows, state).unwrap();
            }
            if group as i64 == at {
                match dice.from(0..=2) {
                    0 => {}
                    1 if words > 0 => {
                        state[dice.from(0..=words as i64 - 1) as usize] ^= 1 << dice.from(0..=63)
                    }
                    _ => state.iter_mut().take(words).for_each(|word| *word = dice.from(0..=i64::MAX) as u64),
                }
            }
            states.push(state);
        }
        states
    }

    /// Any way to open a game.
    pub fn opening(&self, dice: &mut Dice) -> Open {
        let record = &self.provider.record;
        let wire =
            |dice: &mut Dice| record.own_wire(dice.from(0..=record.digests.len() as i64 - 1) as u32).unwrap();
        match dice.from(0..=3) {
            0 => Open::Root,
            1 => Open::Operation(wire(dice)),
            _ => {
                let wire = wire(dice);
                let at = Open::Operation(wire.clone());
                let position = dispute::open(&self.provider.ground, &at, CLOCKS, 0).unwrap();
                let chunk = dice.from(0..=position.chunks as i64 - 1) as u64;
                let (bytes, siblings) = record.own_chunk(wire.operation, chunk).unwrap();
                let position = Position { first: chunk, chunks: 1, ..position };
                let claim = self.claim(&position, dice);
                Open::Chunk { wire, chunk, bytes, siblings, claim }
            }
        }
    }

    /// Any claim of an element of a chunk.
    pub fn claim(&self, position: &Position, dice: &mut Dice) -> Claim {
        let width = u64::from(position.width);
        let first = position.first * CHUNK as u64 / width;
        let last = position.length.min((position.first + 1) * CHUNK as u64) / width - 1;
        // Sometimes an element of another chunk, where what it states may be true.
        let (first, last) = if dice.one_in(4) { (0, position.length / width - 1) } else { (first, last) };
        let element = dice.from(first as i64..=last as i64) as u64;
        let claimed = Position { element, ..position.clone() };
        let states = self.states(&claimed, dice);
        let mask = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let end = states.last().copied().unwrap_or(position.before);
        let truth = self.provider.record.finish(position.operation, element, end).unwrap();
        let value = match dice.from(0..=3) {
            0 => truth ^ (1 << dice.from(0..=8 * width as i64 - 1)),
            1 => dice.from(0..=i64::MAX) as u64 & mask,
            _ => truth,
        };
        Claim { element, value, states: pack_states(&states, position.words.into()) }
    }
}

impl Player for Slanderer<'_> {
    fn moves(&self, position: &Position, shown: &[u8], dice: &mut Dice) -> Vec<Move> {
        let values = || shown.as_chunks::<32>().0.to_vec();
        let mut moves = Vec::new();
        for _ in 0..4 {
            moves.push(match position.phase {
                Phase::ChooseTrace | Phase::ChooseTensor => {
                    let mut values = values();
                    let place = dice.from(0..=values.len() as i64) as u16;
                    // Nodes of its own instead of those that were revealed.
                    if dice.one_in(6) {
                        values.fill(noise(dice));
                    }
                    Move::Pick { values, place }
                }
                Phase::ChooseChunk => {
                    let mut chunk = shown.to_vec();
                    if dice.one_in(6) {
                        chunk.iter_mut().for_each(|byte| *byte ^= 1);
                    }
                    Move::Claim { chunk, claim: self.claim(position, dice) }
                }
                _ => {
                    let mut states = self.states(position, dice);
                    if let Some(last) = states.last_mut().filter(|_| !dice.one_in(8)) {
                        *last = position.after;
                    }
                    Move::Refine { states: pack_states(&states, position.words.into()) }
                }
            });
        }
        moves
    }
}

/// A game that is being played.
pub struct Table {
    pub game: usize,
    pub position: Position,
    pub shown: Vec<u8>,
}

/// Opens a game.
pub fn open(job: &mut Job, number: usize, ground: &Ground, how: &Open, now: u64) -> Table {
    let account = challenger(number);
    let root = [number as u8; 32];
    let (game, position) =
        job.open(account, ground, commitment(&account, &root, &[0; 32]), how, now, GAS).unwrap();
    Table { game, position, shown: how.shown().to_vec() }
}

/// Plays one move, or lets the mover's clock run out; `None` while the game goes on.
pub fn step(
    job: &mut Job,
    table: &mut Table,
    provider: &dyn Player,
    opponent: &dyn Player,
    now: &mut u64,
    dice: &mut Dice,
) -> Option<Side> {
    let mover = table.position.phase.mover();
    let player = if mover == Side::Provider { provider } else { opponent };
    for played in player.moves(&table.position, &table.shown, dice) {
        let own = job.games[table.game].challenger;
        let sender = match (mover, &played) {
            (Side::Challenger, _) => own,
            (Side::Provider, Move::Split { .. }) => dice.of(&[PROVIDER, AGENT]),
            (Side::Provider, _) => dice.of(&[PROVIDER, PROVIDER, AGENT, STRANGER]),
        };
        if dice.one_in(8) {
            assert_eq!(Move::decode(&played.encode()).as_ref(), Ok(&played));
            assert_eq!(Position::decode(&table.position.encode()).as_ref(), Ok(&table.position));
        }
        let before = if dice.one_in(16) { Some(job.clone()) } else { None };
        match job.play(table.game, &table.position, sender, &played, *now, GAS) {
            Ok(Next::Won(side)) => return Some(side),
            Ok(Next::Position(next)) => {
                table.shown = played.shown().to_vec();
                table.position = *next;
                return None;
            }
            Err(_) => assert!(before.is_none_or(|before| before == *job)),
        }
    }
    *now = (*now).max(table.position.deadline);
    match job.play(table.game, &table.position, STRANGER, &Move::Timeout, *now, GAS) {
        Ok(Next::Won(side)) => Some(side),
        other => panic!("a clock ran out and {other:?}"),
    }
}

/// Plays a game to its end.
pub fn finish(
    job: &mut Job,
    mut table: Table,
    provider: &dyn Player,
    opponent: &dyn Player,
    mut now: u64,
    dice: &mut Dice,
) -> (Side, Position) {
    for _ in 0..200 {
        now += 1;
        if let Some(side) = step(job, &mut table, provider, opponent, &mut now, dice) {
            assert!(job.ledger.adds_up());
            return (side, table.position);
        }
    }
    panic!("a game without an end")
}
