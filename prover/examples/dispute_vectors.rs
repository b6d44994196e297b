//! Writes games as JSON, one move a line, for the contracts to play: `cargo run --example dispute_vectors > games.jsonl`.
//!
//! Every line has the position and the game's ground, who sends what at which time, and what it leads to: the next
//! position, who has won, or nothing where the move is not legal. Moves are those of honest and lying players on both
//! sides over random programs, and now and then one with a byte changed. Byte strings are hexadecimal, packed as in
//! `papers/dispute.md`, section 5.

#[path = "../tests/common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../tests/disputes/play.rs"]
mod play;
#[allow(dead_code)]
#[path = "../tests/disputes/world.rs"]
mod world;

use assay_circuits::encoding::Writer;
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{self, Claim, Move, Next, Open, Position, Sender, Side};
use assay_verifier::hex::Hex;
use assay_verifier::referee::{Ground, encode_openings};
use common::programs::Dice;
use play::{CLOCKS, Liar, Player, Slanderer};
use std::collections::BTreeMap;
use std::io::Write;
use world::Job;

type Fields = Vec<(&'static str, String)>;

fn bytes(bytes: &[u8]) -> String {
    format!("\"0x{}\"", Hex(bytes))
}

fn ground(ground: &Ground) -> String {
    object(&[
        ("job", bytes(&ground.job)),
        ("header", bytes(&ground.header)),
        ("traceRoot", bytes(&ground.trace_root)),
        ("inputs", bytes(&ground.inputs)),
    ])
}

fn object(fields: &[(&'static str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn claim(claim: &Claim) -> Fields {
    vec![
        ("element", bytes(&claim.element.to_be_bytes())),
        ("value", bytes(&claim.value.to_be_bytes())),
        ("states", bytes(&claim.states)),
    ]
}

/// The arguments of a move, by their names in the specification.
fn arguments(played: &Move) -> (&'static str, Fields) {
    match played {
        Move::Reveal { values } => ("reveal", vec![("values", bytes(values.as_flattened()))]),
        Move::Pick { values, place } => {
            ("pick", vec![("values", bytes(values.as_flattened())), ("place", place.to_string())])
        }
        Move::RevealLeaf { ground: own, digest, descriptor, path } => (
            "revealLeaf",
            vec![
                ("ground", ground(own)),
                ("digest", bytes(digest)),
                ("descriptor", bytes(descriptor)),
                ("path", bytes(path.as_flattened())),
            ],
        ),
        Move::RevealChunk { chunk } => ("revealChunk", vec![("chunk", bytes(chunk))]),
        Move::Claim { chunk, claim: own } => ("claim", [vec![("chunk", bytes(chunk))], claim(own)].concat()),
        Move::Rebut { states, step, ground: own, inputs, descriptor, openings } => {
            let mut packed = Writer::new();
            encode_openings(openings, &mut packed);
            let fields = vec![
                ("states", bytes(states)),
                ("step", step.to_string()),
                ("ground", ground(own)),
                ("inputs", bytes(inputs)),
                ("descriptor", bytes(descriptor)),
                ("openings", bytes(&packed.finish())),
            ];
            ("rebut", fields)
        }
        Move::Split { states, step } => {
            ("split", vec![("states", bytes(states)), ("step", step.to_string())])
        }
        Move::Refine { states } => ("refine", vec![("states", bytes(states))]),
        Move::Timeout => ("timeout", Vec::new()),
    }
}

struct Output<W: Write> {
    to: W,
    /// Lines by move and outcome.
    lines: BTreeMap<String, usize>,
}

impl<W: Write> Output<W> {
    /// Plays a move and writes its line.
    fn play(&mut self, position: &Position, sender: Sender, played: &Move, now: u64) -> Option<Next> {
        let next = dispute::play(position, sender, played, now).ok();
        let outcome = match &next {
            None => ("illegal", "true".to_string()),
            Some(Next::Position(next)) => ("next", bytes(&next.encode())),
            Some(Next::Won(Side::Provider)) => ("won", "\"provider\"".to_string()),
            Some(Next::Won(Side::Challenger)) => ("won", "\"challenger\"".to_string()),
        };
        let (name, arguments) = arguments(played);
        *self.lines.entry(format!("{name} {}", outcome.0)).or_default() += 1;
        let sender = match sender {
            Sender::Provider => "\"provider\"",
            Sender::Challenger => "\"challenger\"",
            Sender::Stranger => "\"stranger\"",
        };
        let line = object(&[
            ("position", bytes(&position.encode())),
            ("sender", sender.to_string()),
            ("now", now.to_string()),
            ("move", format!("\"{name}\"")),
            ("arguments", object(&arguments)),
            outcome,
        ]);
        writeln!(self.to, "{line}").expect("the output takes what is written");
        next
    }

    /// Plays a game to its end, with other moves between.
    fn game(
        &mut self,
        ground: &Ground,
        how: &Open,
        provider: &dyn Player,
        opponent: &dyn Player,
        dice: &mut Dice,
    ) {
        let Ok(mut position) = dispute::open(ground, how, CLOCKS, 100) else { return };
        let mut shown = how.shown().to_vec();
        for now in 101.. {
            let (player, sender) = match position.phase.mover() {
                Side::Provider => (provider, Sender::Provider),
                Side::Challenger => (opponent, Sender::Challenger),
            };
            let mut next = None;
            for played in player.moves(&position, &shown, dice) {
                if dice.one_in(4) {
                    let mut changed = played.encode();
                    let at = dice.from(1..=changed.len() as i64 - 1) as usize;
                    changed[at] ^= 1 << dice.from(0..=7);
                    if let Ok(changed) = Move::decode(&changed) {
                        self.play(&position, sender, &changed, now);
                    }
                }
                if dice.one_in(8) {
                    self.play(&position, Sender::Stranger, &played, now);
                    self.play(&position, sender, &played, position.deadline);
                }
                if let Some(found) = self.play(&position, sender, &played, now) {
                    next = Some((found, played.shown().to_vec()));
                    break;
                }
            }
            match next {
                Some((Next::Position(next), next_shown)) => (position, shown) = (*next, next_shown),
                Some((Next::Won(_), _)) => return,
                None => {
                    self.play(&position, Sender::Stranger, &Move::Timeout, position.deadline - 1);
                    self.play(&position, Sender::Stranger, &Move::Timeout, position.deadline);
                    return;
                }
            }
        }
    }
}

fn main() {
    let seeds: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(40);
    let mut output = Output { to: std::io::BufWriter::new(std::io::stdout()), lines: BTreeMap::new() };
    let mut dice = Dice(81);
    for seed in 0..seeds {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let provider = Provider::new(Record::new(&job.program, &job.honest).expect("a run"), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        output.game(&provider.ground, &Open::Root, &provider, &slanderer, &mut dice);
        // From an operation on, again and again, so that most games come to a claim.
        for operation in 0..job.operations() as u32 {
            let wire = provider.record.own_wire(operation).expect("an operation");
            output.game(&provider.ground, &Open::Operation(wire), &provider, &slanderer, &mut dice);
        }
        let run = job.changed(&mut dice);
        if job.is_honest(&run) {
            continue;
        }
        let liar = Liar::new(&job.program, &run);
        let challenger = Challenger::new(Record::new(&job.program, &job.honest).expect("a run"));
        let own = &liar.provider.ground;
        let how = challenger.open(own, Some(&liar.provider.record.digests)).expect("a difference");
        output.game(own, &how, &liar, &challenger, &mut dice);
    }
    output.to.flush().expect("the output takes what is written");
    eprintln!("{:?}", output.lines);
}
