//! Every decoder on bytes that nobody meant: never a panic, and never more memory than the bytes are worth.
//!
//! `fuzz/` drives the same functions, those of `drive.rs`, with a fuzzer.

#[path = "../common/mod.rs"]
mod common;
mod drive;
#[path = "../disputes/play.rs"]
#[allow(dead_code)]
mod play;
mod programs;
#[path = "../disputes/rare.rs"]
#[allow(dead_code)]
mod rare;
mod seeds;
#[path = "../disputes/world.rs"]
#[allow(dead_code)]
mod world;

use assay_circuits::encoding::Reader;
use assay_circuits::program::{Program, Visibility};
use assay_verifier::proof::Proof;
use assay_verifier::statement::Statement;
use assay_verifier::verify::verify;
use common::forge::Scene;
use common::networks::{convolution, forms};
use common::programs::{Numbers, recipes};
use drive::{DECODERS, Decoder};
use proptest::prelude::*;
use seeds::{Seeds, seeds};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Counts the bytes that a thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that this thread held during `work`, beyond what it held before.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).max(0) as usize
}

/// A key, its statement and its proof, of a public and of a committed model.
static SCENES: LazyLock<Vec<(Scene, Statement, Proof)>> = LazyLock::new(|| {
    let scene = |program| {
        let scene = Scene::new(program);
        let (statement, proof) = scene.honest();
        (scene, statement, proof)
    };
    vec![scene(forms(false, Visibility::Public)), scene(convolution(true, Visibility::Committed))]
});

fn statement(bytes: &[u8]) {
    for (scene, _, proof) in SCENES.iter() {
        let mut r = Reader::new(bytes);
        if let Ok(statement) = Statement::decode(&mut r, scene.program(), &scene.system().layout) {
            let _ = verify(scene.prover.key(), &statement, proof);
        }
    }
}

fn proof(bytes: &[u8]) {
    for (scene, statement, honest) in SCENES.iter() {
        if let Ok(proof) = Proof::decode(bytes, &scene.argument().shape)
            && proof != *honest
        {
            assert!(verify(scene.prover.key(), statement, &proof).is_err());
        }
    }
}

const KEYED: [(&str, Decoder); 2] = [("statement", statement), ("proof", proof)];

/// All decoders.
fn decoders() -> impl Iterator<Item = (&'static str, Decoder)> {
    DECODERS.into_iter().chain(KEYED)
}

/// Valid encodings of everything.
static SEEDS: LazyLock<Seeds> = LazyLock::new(seeds);

/// A change of some bytes: set, deleted, doubled, or a number at the edges written over them.
fn mutate(bytes: &mut Vec<u8>, at: prop::sample::Index, kind: u8, value: u64) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match kind % 6 {
        0 => bytes[at] = value as u8,
        1 => bytes[at] ^= 1 << (value % 8),
        2 => _ = bytes.remove(at),
        3 => bytes.insert(at, value as u8),
        4 => bytes.truncate(at),
        _ => {
            let edges =
                [u64::MAX, 1 << 63, 1 << 62, (1 << 62) - 1, 1 << 41, 1 << 40, 1 << 32, 1 << 31, 1 << 20, 0];
            let number = edges[value as usize % edges.len()].to_le_bytes();
            bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
        }
    }
}

/// The seeds of a decoder.
fn seeds_of(name: &str) -> &'static [Vec<u8>] {
    SEEDS.get(name).unwrap_or_else(|| panic!("no seed of {name}"))
}

/// Puts bytes through a decoder, which must not hold more than it may.
fn put_through(name: &str, decode: Decoder, bytes: &[u8]) {
    let held = peak(|| decode(bytes));
    // A plan and its tables, inflated members, and a small multiple of the bytes.
    let fixed = if matches!(name, "program" | "key" | "onnx" | "npz") { 1 << 28 } else { 1 << 20 };
    assert!(held <= fixed + 200 * bytes.len(), "{name} holds {held} bytes for {}", bytes.len());
}

#[test]
fn every_decoder_takes_its_seeds() {
    // Warm what is made once.
    assert!(!SEEDS.is_empty());
    for (name, decode) in decoders() {
        for seed in seeds_of(name) {
            put_through(name, decode, seed);
        }
    }
    assert_eq!(decoders().count(), SEEDS.len());
    let moves: BTreeSet<u8> = seeds_of("move").iter().map(|bytes| bytes[0]).collect();
    assert_eq!(moves.len(), 10, "a move of each kind");
}

/// Cut at every place, longer by one byte, and with the greatest number at every place: nothing panics or takes memory.
#[test]
fn encodings_that_are_cut_longer_or_state_huge_lengths_are_cheap() {
    for (name, decode) in
        decoders().filter(|(name, _)| !["statement", "proof", "key", "program"].contains(name))
    {
        for seed in seeds_of(name).iter().take(12) {
            let places = seed.len().div_ceil(200);
            for at in (0..seed.len()).step_by(places) {
                put_through(name, decode, &seed[..at]);
                for number in [[0xff; 8], [0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]] {
                    let mut bytes = seed.clone();
                    bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
                    put_through(name, decode, &bytes);
                }
            }
            put_through(name, decode, &[seed.as_slice(), &[0]].concat());
        }
    }
}

/// Bytes behind an encoding, and encodings cut short, are refused by all that take whole inputs.
#[test]
fn no_binary_encoding_is_taken_with_bytes_behind_it_or_missing() {
    use assay_verifier::audit::Answer;
    use assay_verifier::dispute::{Move, Open, Position};
    use assay_verifier::receipt::Receipt;
    type Takes = fn(&[u8]) -> bool;
    let decoders: [(&str, Takes); 7] = [
        ("move", |bytes| Move::decode(bytes).is_ok()),
        ("opening", |bytes| Open::decode(bytes).is_ok()),
        ("position", |bytes| Position::decode(bytes).is_ok()),
        ("answer", |bytes| Answer::decode(bytes).is_ok()),
        ("receipt", |bytes| Receipt::decode(bytes).is_ok()),
        ("descriptor", |bytes| assay_circuits::descriptor::Descriptor::decode(bytes).is_ok()),
        ("program", |bytes| Program::decode(bytes).is_ok()),
    ];
    for (name, takes) in decoders {
        for seed in seeds_of(name) {
            assert!(takes(seed), "{name}");
            assert!(!takes(&[seed.as_slice(), &[0]].concat()), "{name} with a byte behind it");
            assert!(
                (0..seed.len()).step_by(seed.len().div_ceil(64)).all(|at| !takes(&seed[..at])),
                "{name} cut"
            );
        }
    }
}

/// A signed envelope says the same after any change that it survives.
#[test]
fn an_envelope_that_opens_after_a_change_says_what_was_signed() {
    use assay_prover::envelope::open;
    let mut opened = 0;
    for seed in seeds_of("envelope") {
        let honest = open(seed).expect("an envelope");
        for at in 0..seed.len() {
            for bit in [0, 5] {
                let mut bytes = seed.clone();
                bytes[at] ^= 1 << bit;
                if let Ok(found) = open(&bytes) {
                    assert_eq!(found, honest, "byte {at}");
                    opened += 1;
                }
            }
        }
    }
    println!("{opened} changes are none");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decoders().for_each(|(_, decode)| decode(&bytes));
    }

    #[test]
    fn mutated_encodings_never_panic(
        which in any::<prop::sample::Index>(),
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u64>()), 1..4),
    ) {
        let (name, decode) = which.get(&decoders().collect::<Vec<_>>()).to_owned();
        let mut bytes = seed.get(seeds_of(name)).clone();
        edits.into_iter().for_each(|(at, kind, value)| mutate(&mut bytes, at, kind, value));
        decode(&bytes);
    }

    #[test]
    fn random_programs_round_trip(recipe in recipes(Numbers::Extreme)) {
        let (program, _) = recipe.program();
        prop_assert_eq!(Program::decode(&program.encode()).unwrap(), program);
    }
}
