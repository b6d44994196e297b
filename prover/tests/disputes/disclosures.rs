//! Disclosure: the buyer asks for a chunk of an output, anyone may show it, and silence costs the receipt.

use super::play::{AGENT, BUYER, CLOCKS, GAS, PROVIDER, STRANGER, posted};
use super::world::{Job, Run};
use assay_prover::dispute::{NoMove, Provider, Record, disclosure};
use assay_verifier::dispute::{self, Illegal, Move, Next, Open, Phase, Position, Side};
use assay_verifier::escrow::{self, DISCLOSE_GAS, Gas, MAX_DISCLOSURES, Refused, Stage, Status};
use assay_verifier::referee::RefereeError;

/// What a buyer locks at the gas price cap of the tests.
const BOND: u128 = DISCLOSE_GAS * 5 * 5 / 4;

struct Asked<'a> {
    provider: Provider<'a, Run>,
    escrow: escrow::Job,
    how: Open,
    position: Position,
}

/// The buyer has asked for chunk 0 of output 0 at time 100.
fn asked(job: &Job) -> Asked<'_> {
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let how = disclosure(&job.program, &provider.record.digests, 0, 0).unwrap();
    let mut escrow = posted(&provider.ground);
    let (game, position) = escrow.open(BUYER, &provider.ground, [7; 32], &how, 100, GAS).unwrap();
    assert_eq!((game, position.phase, position.deadline), (0, Phase::Disclose, 100 + CLOCKS.provider));
    Asked { provider, escrow, how, position }
}

fn jobs() -> impl Iterator<Item = Job> {
    (0..10).map(|seed| if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) })
}

fn owed(escrow: &escrow::Job, account: [u8; 20]) -> u128 {
    escrow.ledger.credits.get(&account).copied().unwrap_or(0)
}

#[test]
fn a_buyer_has_so_many_disclosures_open_and_no_more() {
    let job = Job::integers(0);
    let Asked { provider, mut escrow, how, position } = asked(&job);
    let ask = |escrow: &mut escrow::Job| escrow.open(BUYER, &provider.ground, [0; 32], &how, 100, GAS);
    for _ in 1..MAX_DISCLOSURES {
        ask(&mut escrow).unwrap();
    }
    let before = escrow.clone();
    assert_eq!(ask(&mut escrow), Err(Refused::TooManyDisclosures));
    assert_eq!(escrow, before);
    // Who doubts the receipt is not kept from it, and what is answered makes room.
    escrow.open(STRANGER, &provider.ground, [0; 32], &Open::Root, 100, GAS).unwrap();
    let answer = provider.answer(&position, &[]).unwrap();
    escrow.play(0, &position, STRANGER, &answer, 200, GAS).unwrap();
    ask(&mut escrow).unwrap();
    assert_eq!(ask(&mut escrow), Err(Refused::TooManyDisclosures));
}

#[test]
fn an_answer_by_anyone_is_paid_from_what_the_buyer_locked() {
    for job in jobs() {
        for (sender, gas) in [
            (PROVIDER, GAS),
            (STRANGER, GAS),
            (AGENT, Gas { used: 100_000_000, price: 1 << 60 }),
            (BUYER, Gas::default()),
        ] {
            let Asked { provider, mut escrow, position, .. } = asked(&job);
            assert_eq!(escrow.games[0].bond, BOND);
            let answer = provider.answer(&position, &[]).unwrap();
            let next = escrow.play(0, &position, sender, &answer, 200, gas);
            assert_eq!(next, Ok(Next::Won(Side::Provider)));
            let paid = (u128::from(gas.used) * gas.price.min(5) * 5 / 4).min(BOND);
            let rest = if sender == BUYER { BOND } else { BOND - paid };
            assert_eq!(owed(&escrow, BUYER), rest);
            if sender != BUYER {
                assert_eq!(owed(&escrow, sender), paid);
            }
            assert_eq!(escrow.games[0].status, Status::Won(Side::Provider));
            assert_eq!(escrow.ledger.burned, 0);
            escrow.finalise(1000).unwrap();
            assert!(escrow.ledger.adds_up() && escrow.ledger.held == 0);
        }
    }
}

#[test]
fn only_the_bytes_that_were_committed_to_are_an_answer_and_only_in_time() {
    for job in jobs() {
        let Asked { provider, mut escrow, position, .. } = asked(&job);
        let Ok(Move::Answer { chunk, siblings }) = provider.answer(&position, &[]) else {
            panic!("an answer")
        };
        let mut play = |chunk: Vec<u8>, siblings, now| {
            escrow.play(0, &position, PROVIDER, &Move::Answer { chunk, siblings }, now, GAS).unwrap_err()
        };
        let mut other = chunk.clone();
        other[0] ^= 1;
        assert_eq!(play(other, siblings.clone(), 200), Refused::Illegal(Illegal::NotBelow));
        let shorter = play(chunk[1..].to_vec(), siblings.clone(), 200);
        assert!(matches!(shorter, Refused::Illegal(Illegal::Tree(_))));
        let longer = [siblings.clone(), vec![[0; 32]]].concat();
        assert!(matches!(play(chunk.clone(), longer, 200), Refused::Illegal(Illegal::Tree(_))));
        let late = play(chunk.clone(), siblings.clone(), position.deadline);
        assert_eq!(late, Refused::Illegal(Illegal::Late));
        let early = escrow.play(0, &position, BUYER, &Move::Timeout, position.deadline - 1, GAS);
        assert_eq!(early, Err(Refused::Illegal(Illegal::Early)));
        let elsewhere = Position { phase: Phase::RevealChunk, ..position.clone() };
        let answer = Move::Answer { chunk: chunk.clone(), siblings };
        assert_eq!(
            dispute::play(&elsewhere, dispute::Sender::Provider, &answer, 200),
            Err(Illegal::Phase(Phase::RevealChunk))
        );
        let reveal = Move::RevealChunk { chunk };
        assert_eq!(
            dispute::play(&position, dispute::Sender::Provider, &reveal, 200),
            Err(Illegal::Phase(Phase::Disclose))
        );
    }
}

#[test]
fn silence_about_an_output_costs_the_receipt_and_no_claim_takes_its_prize() {
    for job in jobs() {
        let Asked { provider, mut escrow, position, .. } = asked(&job);
        let next = escrow.play(0, &position, STRANGER, &Move::Timeout, position.deadline, GAS);
        assert_eq!((next, escrow.stage), (Ok(Next::Won(Side::Challenger)), Stage::Fallen));
        let deal = escrow.deal.clone();
        let (gas, quarter) = (u128::from(GAS.used) * 5, deal.provider_bond / 4);
        assert_eq!(owed(&escrow, BUYER), gas + BOND + deal.price + quarter.min(deal.price));
        assert_eq!(escrow.ledger.credits.get(&PROVIDER), None);
        let shown = escrow::Shown {
            trace_root: provider.ground.trace_root,
            salt: [0; 32],
            digest: [0; 32],
            leaf_path: Vec::new(),
            chunk: Vec::new(),
            siblings: Vec::new(),
        };
        assert_eq!(escrow.contest(0, &provider.ground, &shown, position.deadline), Err(Refused::NoPrize));
        // Nobody can contest it: it is paid at once.
        escrow.pay_prize(position.deadline).unwrap();
        assert!(escrow.ledger.adds_up() && escrow.ledger.held == 0);
    }
}

#[test]
fn only_the_buyer_asks_and_only_for_chunks_of_outputs() {
    for job in jobs() {
        let Asked { provider, mut escrow, how, .. } = asked(&job);
        let ground = &provider.ground;
        let mut ask =
            |sender, how: &Open, now| escrow.open(sender, ground, [0; 32], how, now, GAS).unwrap_err();
        assert_eq!(ask(STRANGER, &how, 100), Refused::Sender);
        assert_eq!(ask(PROVIDER, &how, 100), Refused::Sender);
        assert_eq!(ask(BUYER, &how, 515), Refused::Time);
        let Open::Disclose { wire, output, chunk } = &how else { panic!("a disclosure") };
        let mut asked = |change: &dyn Fn(&mut dispute::Wire, &mut dispute::Output, &mut u64)| {
            let (mut wire, mut output, mut chunk) = (wire.clone(), output.clone(), *chunk);
            change(&mut wire, &mut output, &mut chunk);
            ask(BUYER, &Open::Disclose { wire, output, chunk }, 100)
        };
        let other = Refused::Illegal(Illegal::OtherOutput);
        assert_eq!(asked(&|_, _, chunk| *chunk = 1 << 40), Refused::Illegal(Illegal::NoPlace));
        assert_eq!(asked(&|_, output, _| output.number += 1), other);
        assert_eq!(asked(&|_, output, _| output.path.push([0; 32])), other);
        assert_eq!(asked(&|_, output, _| output.leaf[5] ^= 1), other);
        assert_eq!(asked(&|_, output, _| output.leaf.clear()), other);
        assert_eq!(asked(&|wire, _, _| wire.digest[0] ^= 1), Refused::Illegal(Illegal::OtherWire));
        let descriptor = Refused::Illegal(Illegal::Referee(RefereeError::OtherDescriptor));
        assert_eq!(asked(&|wire, _, _| wire.path.push([0; 32])), descriptor);
        // An operation that is no output, with all that is its own.
        let outputs = &job.program.outputs;
        let hidden = (0..job.operations()).find(|i| outputs.iter().all(|output| output.operation != *i));
        if let Some(hidden) = hidden {
            let own = provider.record.own_wire(hidden as u32).unwrap();
            assert_eq!(asked(&|wire, _, _| *wire = own.clone()), other);
        }
        assert_eq!(disclosure(&job.program, &[], 0, 0), Err(NoMove::OtherProgram));
        assert_eq!(
            disclosure(&job.program, &provider.record.digests, outputs.len(), 0),
            Err(NoMove::OtherProgram)
        );
    }
}

#[test]
fn a_disclosure_and_its_answer_survive_their_bytes() {
    for job in jobs() {
        let Asked { provider, how, position, .. } = asked(&job);
        let bytes = how.encode(&provider.ground, &[0; 32]);
        assert_eq!(Open::decode(&bytes), Ok((provider.ground.clone(), [0; 32], how)));
        assert!(Open::decode(&bytes[..bytes.len() - 1]).is_err());
        let answer = provider.answer(&position, &[]).unwrap();
        assert_eq!(Move::decode(&answer.encode()), Ok(answer));
        assert_eq!(Position::decode(&position.encode()), Ok(position));
    }
}

#[test]
fn a_game_that_a_disclosure_brings_down_beside_it_gets_its_own_bond_back() {
    for job in jobs() {
        let Asked { provider, mut escrow, position, .. } = asked(&job);
        let other = super::play::challenger(3);
        escrow.open(other, &provider.ground, [1; 32], &Open::Root, 100, Gas::default()).unwrap();
        let how = disclosure(&job.program, &provider.record.digests, 0, 0).unwrap();
        escrow.open(BUYER, &provider.ground, [0; 32], &how, 100, Gas::default()).unwrap();
        escrow.play(0, &position, STRANGER, &Move::Timeout, position.deadline, GAS).unwrap();
        let before = owed(&escrow, BUYER);
        escrow.close(1).unwrap();
        escrow.close(2).unwrap();
        assert_eq!(owed(&escrow, other), escrow.deal.challenger_bond);
        assert_eq!(owed(&escrow, BUYER), before + BOND);
        escrow.pay_prize(position.deadline).unwrap();
        assert!(escrow.ledger.adds_up() && escrow.ledger.held == 0);
    }
}
