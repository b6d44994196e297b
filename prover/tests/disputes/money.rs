//! Money: every wei is somewhere, who lies pays, and a receipt is for one job only.

use super::common::programs::Dice;
use super::play::{
    AGENT, BUYER, CLOCKS, GAS, Liar, PROVIDER, Player, STRANGER, Slanderer, challenger, deal, finish, open,
    posted,
};
use super::world::Job;
use assay_prover::dispute::{Challenger, Provider, Record};
use assay_verifier::dispute::{self, Illegal, Move, Next, Open, Phase, Position, Sender, Side};
use assay_verifier::escrow::{self, Account, Gas, MAX_AMOUNT, Refused, Shown, Stage, Status, commitment};
use assay_verifier::referee::Ground;

fn owed(escrow: &escrow::Job, account: Account) -> u128 {
    escrow.ledger.credits.get(&account).copied().unwrap_or(0)
}

fn tampered(job: &Job) -> super::world::Run {
    let mut run = job.honest.clone();
    run.wires[0][0] ^= 1;
    run
}

// 13
#[test]
fn every_wei_is_held_owed_withdrawn_or_burned_whatever_is_done() {
    let mut dice = Dice(61);
    let mut stages = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let job = if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) };
        let run = if dice.one_in(2) { job.honest.clone() } else { tampered(&job) };
        let liar = Liar::new(&job.program, &run);
        let honest = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &liar.provider };
        let challenges = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
        let ground = liar.provider.ground.clone();
        let mut terms = deal(&ground);
        terms.price = dice.of(&[0, 1, 1_000_003, MAX_AMOUNT]);
        terms.provider_bond = dice.of(&[0, 3, 90_000_017, MAX_AMOUNT]);
        terms.challenger_bond = dice.of(&[0, 1, 20_000_001, MAX_AMOUNT]);
        terms.late_fee = terms.provider_bond / 3;
        let mut escrow = escrow::Job::offer(terms).unwrap();
        let mut tables = Vec::new();
        let mut now = 0;
        if !dice.one_in(3) {
            escrow.accept(PROVIDER, 0).unwrap();
            escrow.post(PROVIDER, &ground, 0).unwrap();
        }
        for _ in 0..120 {
            let sender = dice.of(&[BUYER, PROVIDER, STRANGER, AGENT, challenger(0), challenger(1)]);
            let gas = Gas { used: dice.from(0..=9_000_000) as u64, price: dice.of(&[0, 3, 5, 1 << 100]) };
            match dice.from(0..=11) {
                0 => drop(escrow.accept(dice.of(&[sender, PROVIDER]), now)),
                1 => drop(escrow.post(dice.of(&[sender, PROVIDER]), &ground, now)),
                2 => drop(escrow.expire(now)),
                3 => drop(escrow.finalise(now)),
                4 if dice.one_in(3) => now += dice.from(0..=400) as u64,
                5 => {
                    let who = dice.from(0..=1) as usize;
                    let account = challenger(who);
                    let root = [0; 32];
                    let opened = escrow.open(
                        account,
                        &ground,
                        commitment(&account, &root, &root),
                        &Open::Root,
                        now,
                        gas,
                    );
                    if let Ok((game, position)) = opened {
                        tables.push((game, position, Vec::new(), dice.one_in(2)));
                    }
                }
                6 => drop(escrow.close(dice.from(0..=4) as usize)),
                7 => drop(escrow.pay_prize(now)),
                8 => {
                    escrow.withdraw(sender);
                }
                _ if !tables.is_empty() => {
                    let at = dice.from(0..=tables.len() as i64 - 1) as usize;
                    let (game, position, shown, well) = &mut tables[at];
                    let player: &dyn Player = match (position.phase.mover(), *well) {
                        (Side::Provider, true) => &honest,
                        (Side::Provider, false) => &liar,
                        (Side::Challenger, true) => &challenges,
                        (Side::Challenger, false) => &slanderer,
                    };
                    let mut moves = player.moves(position, shown, &mut dice);
                    moves.push(Move::Timeout);
                    let sender = match position.phase.mover() {
                        Side::Challenger => escrow.games[*game].challenger,
                        Side::Provider => dice.of(&[PROVIDER, STRANGER]),
                    };
                    for played in moves {
                        if let Ok(next) = escrow.play(*game, position, sender, &played, now, gas) {
                            if let Next::Position(next) = next {
                                (*position, *shown) = (*next, played.shown().to_vec());
                            }
                            break;
                        }
                    }
                }
                _ => now += 1,
            }
            assert!(escrow.ledger.adds_up());
        }
        // To the end of it.
        now += 10_000_000;
        let _ = escrow.expire(now);
        for (game, position, _, _) in &tables {
            let _ = escrow.play(*game, position, STRANGER, &Move::Timeout, now, GAS);
        }
        for game in 0..escrow.games.len() {
            let _ = escrow.close(game);
        }
        let _ = escrow.finalise(now);
        let _ = escrow.pay_prize(now + CLOCKS.challenger);
        assert!(matches!(escrow.stage, Stage::Final | Stage::Fallen | Stage::Expired));
        assert_eq!(escrow.ledger.held, 0, "{:?}", escrow.stage);
        *stages.entry(format!("{:?}", escrow.stage)).or_insert(0) += 1;
        let accounts: Vec<Account> = escrow.ledger.credits.keys().copied().collect();
        for account in accounts {
            escrow.withdraw(account);
        }
        assert_eq!(escrow.ledger.deposited, escrow.ledger.withdrawn + escrow.ledger.burned);
    }
    assert!(stages.len() == 3 && stages.values().all(|&count| count > 15), "{stages:?}");
}

// 10, 13
#[test]
fn each_end_pays_what_the_specification_says() {
    let job = Job::reals(3);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let slanderer = Slanderer { provider: &provider };
    let mut dice = Dice(62);
    let mut escrow = posted(&provider.ground);
    let terms = escrow.deal.clone();
    let table = open(&mut escrow, 0, &provider.ground, &Open::Root, 100);
    let (side, _) = finish(&mut escrow, table, &provider, &slanderer, 100, &mut dice);
    assert_eq!(side, Side::Provider);
    // Gas is metered at the cap, 5, not at its price, 7.
    let moves = escrow.games[0].provider_gas.clone();
    assert!(moves.iter().all(|&(_, metered)| metered == 500_000));
    let spent: u128 = moves.iter().map(|&(_, metered)| metered).sum();
    let rest = terms.challenger_bond - spent;
    let paid: u128 = [PROVIDER, AGENT, STRANGER].map(|account| owed(&escrow, account)).iter().sum();
    assert_eq!((paid, escrow.ledger.burned), (spent + rest / 2, rest - rest / 2));
    escrow.finalise(515).unwrap();
    assert_eq!(
        [PROVIDER, AGENT, STRANGER].map(|account| owed(&escrow, account)).iter().sum::<u128>(),
        paid + terms.price + terms.provider_bond
    );

    let run = tampered(&job);
    let liar = Liar::new(&job.program, &run);
    let ground = liar.provider.ground.clone();
    let honest = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
    let mut escrow = posted(&ground);
    let bystander = open(&mut escrow, 1, &ground, &Open::Root, 99);
    let table = open(&mut escrow, 0, &ground, &Open::Root, 100);
    finish(&mut escrow, table, &liar, &honest, 100, &mut dice);
    let gas = escrow.games[1].challenger_gas;
    assert!(gas >= 500_000);
    assert_eq!(owed(&escrow, challenger(0)), gas + terms.challenger_bond);
    assert_eq!(owed(&escrow, BUYER), terms.price + terms.price.min(terms.provider_bond / 4));
    assert_eq!(escrow.ledger.burned, 0);
    escrow.close(bystander.game).unwrap();
    assert_eq!(owed(&escrow, challenger(1)), terms.challenger_bond + 500_000);
    let prize = terms.provider_bond / 4;
    let burned = terms.provider_bond - gas - prize - terms.price - 500_000;
    assert_eq!(escrow.ledger.burned, burned);
    assert!(escrow.pay_prize(0).is_err());
    escrow.pay_prize(u64::MAX).unwrap();
    assert_eq!(owed(&escrow, challenger(0)), gas + terms.challenger_bond + prize);
    assert_eq!(owed(&escrow, PROVIDER), 0);
    assert_eq!(escrow.pay_prize(u64::MAX), Err(Refused::NoPrize));
    assert_eq!(escrow.close(bystander.game), Err(Refused::NoGame));
}

// 11
#[test]
fn a_provider_that_challenges_itself_loses_the_price_and_half_of_its_bond() {
    let job = Job::reals(3);
    let run = tampered(&job);
    let liar = Liar::new(&job.program, &run);
    let mut escrow = posted(&liar.provider.ground);
    let terms = escrow.deal.clone();
    // It opens and times itself out, in several games, from accounts of its own.
    let tables: Vec<_> =
        (0..4).map(|i| open(&mut escrow, i, &liar.provider.ground, &Open::Root, 100)).collect();
    let deadline = tables[0].position.deadline;
    let timeout = Move::Timeout;
    escrow.play(0, &tables[0].position, challenger(0), &timeout, deadline, GAS).unwrap();
    (1..4).for_each(|game| escrow.close(game).unwrap());
    escrow.pay_prize(u64::MAX).unwrap();
    let own = (0..4).map(challenger).chain([PROVIDER]);
    let back: u128 = own.map(|account| owed(&escrow, account)).sum();
    let gas: u128 = 5 * 500_000;
    let put_in = terms.provider_bond + 4 * terms.challenger_bond;
    // What it gets back beyond the gas that it spent.
    let lost = put_in - (back - gas);
    assert!(lost >= terms.provider_bond - terms.provider_bond / 4);
    assert!(escrow.ledger.burned > 0);
    assert!(owed(&escrow, BUYER) >= 2 * terms.price);
}

// 11
#[test]
fn games_of_one_account_stop_no_other_game() {
    let job = Job::integers(6);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let mut escrow = posted(&provider.ground);
    for number in 0..300 {
        assert_eq!(open(&mut escrow, number % 3, &provider.ground, &Open::Root, 100).game, number);
    }
}

// 12
#[test]
fn a_stranger_cannot_split_and_the_agent_can() {
    let job = super::rare::strided();
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let mut position = dispute::open(&provider.ground, &Open::Root, CLOCKS, 0).unwrap();
    position = Position { phase: Phase::Answer, from: 0, to: 300, words: 1, ..position };
    let states = vec![0; 150 * 8];
    position.node = assay_verifier::keccak::keccak256(&[&states]);
    let split = Move::Split { states, step: 3 };
    for sender in [Sender::Stranger, Sender::Challenger] {
        assert_eq!(dispute::play(&position, sender, &split, 1), Err(Illegal::Sender));
    }
    let Ok(Next::Position(next)) = dispute::play(&position, Sender::Provider, &split, 1) else { panic!() };
    assert_eq!((next.phase, next.from, next.to), (Phase::Refine, 6, 8));
}

// 12
#[test]
fn only_the_challenger_of_a_game_moves_for_it() {
    let mut dice = Dice(63);
    let job = Job::integers(8);
    let run = tampered(&job);
    let liar = Liar::new(&job.program, &run);
    let honest = Challenger::new(Record::new(&job.program, &job.honest).unwrap());
    let ground = liar.provider.ground.clone();
    let mut escrow = posted(&ground);
    let how = honest.open(&ground, Some(&liar.provider.record.digests)).unwrap();
    let mut table = open(&mut escrow, 0, &ground, &how, 100);
    let mut refused = 0;
    while table.position.phase != Phase::Answer {
        if table.position.phase.mover() == Side::Challenger {
            let played = honest.answer(&table.position, &table.shown).unwrap();
            for sender in [BUYER, PROVIDER, STRANGER, challenger(1)] {
                let other = escrow.play(0, &table.position, sender, &played, 101, GAS);
                assert_eq!(other, Err(Refused::Illegal(Illegal::Sender)));
                refused += 1;
            }
        }
        let mut now = 101;
        assert_eq!(super::play::step(&mut escrow, &mut table, &liar, &honest, &mut now, &mut dice), None);
    }
    assert!(refused > 0);
}

/// A receipt that fell to account 0, which opened after account 1 with an honest commitment.
fn fallen(job: &Job) -> (escrow::Job, Ground, Shown) {
    let mut dice = Dice(64);
    let run = tampered(job);
    let liar = Liar::new(&job.program, &run);
    let ground = liar.provider.ground.clone();
    let record = Record::new(&job.program, &job.honest).unwrap();
    let (trace_root, salt) = (record.ground([5; 32]).trace_root, [8; 32]);
    let mut escrow = posted(&ground);
    let open_as = |escrow: &mut escrow::Job, account: Account, root, now| {
        let commitment = commitment(&account, &root, &salt);
        let (game, position) = escrow.open(account, &ground, commitment, &Open::Root, now, GAS).unwrap();
        super::play::Table { game, position, shown: Vec::new() }
    };
    // A lurker that computed nothing opens first, then two that did.
    let lurker = open_as(&mut escrow, challenger(0), [0; 32], 90);
    open_as(&mut escrow, challenger(1), trace_root, 100);
    open_as(&mut escrow, challenger(2), trace_root, 101);
    let honest = Challenger::new(record);
    let (side, _) = finish(&mut escrow, lurker, &liar, &honest, 110, &mut dice);
    assert_eq!(side, Side::Challenger);
    let wire = honest.record.own_wire(0).unwrap();
    let (chunk, siblings) = honest.record.own_chunk(0, 0).unwrap();
    let shown = Shown { trace_root, salt, digest: wire.digest, leaf_path: wire.leaf_path, chunk, siblings };
    (escrow, ground, shown)
}

// 12
#[test]
fn the_prize_goes_to_the_earliest_that_had_computed_it_and_not_to_a_copyist() {
    let job = Job::reals(3);
    let prize = 90_000_017 / 4;
    let (escrow, ground, shown) = fallen(&job);
    let contest = |escrow: &mut escrow::Job, game: usize, shown: &Shown| {
        let before = escrow.clone();
        let done = escrow.contest(game, &ground, shown, 1200);
        assert!(done.is_ok() || before == *escrow);
        done
    };
    let paid = |mut escrow: escrow::Job, winner: usize| {
        let before = owed(&escrow, challenger(winner));
        assert_eq!(escrow.pay_prize(1100), Err(Refused::Time));
        escrow.pay_prize(u64::MAX).unwrap();
        owed(&escrow, challenger(winner)) - before == prize
    };
    // The lurker that won cannot show what it committed to; without any other it keeps the prize.
    let mut copy = escrow.clone();
    assert_eq!(contest(&mut copy, 0, &shown), Err(Refused::NoPrize));
    assert!(paid(copy, 0));
    // The earliest of those who computed it takes it, in whatever order they show.
    for order in [[1, 2], [2, 1]] {
        let mut copy = escrow.clone();
        contest(&mut copy, order[0], &shown).unwrap();
        assert_eq!(contest(&mut copy, order[1], &shown).is_ok(), order[1] == 1);
        assert!(paid(copy, 1));
    }
    // Nothing else shows it.
    let mut copy = escrow.clone();
    let edits: [&dyn Fn(&mut Shown); 6] = [
        &|shown| *shown.chunk.last_mut().unwrap() ^= 1,
        &|shown| shown.salt[0] ^= 1,
        &|shown| shown.trace_root[0] ^= 1,
        &|shown| shown.digest[0] ^= 1,
        &|shown| shown.chunk[0] ^= 1,
        &|shown| shown.leaf_path.push([0; 32]),
    ];
    for edit in edits {
        let mut other = shown.clone();
        edit(&mut other);
        assert_eq!(contest(&mut copy, 1, &other), Err(Refused::NoPrize));
    }
    let mut other = ground.clone();
    other.job[0] ^= 1;
    assert_eq!(copy.contest(1, &other, &shown, 1200), Err(Refused::NoPrize));
    let late = 101 + 10 * CLOCKS.provider;
    assert_eq!(copy.contest(1, &ground, &shown, late), Err(Refused::Time));
}

/// A receipt that fell to a claim made at time 110 in game 0; game 1 was opened at `opened`, by one that knows the run.
fn silent(job: &Job, claim: dispute::Claim, opened: u64) -> (escrow::Job, Ground, Shown) {
    let run = tampered(job);
    let liar = Liar::new(&job.program, &run);
    let (ground, record) = (&liar.provider.ground, Record::new(&job.program, &job.honest).unwrap());
    let (trace_root, salt) = (record.ground([5; 32]).trace_root, [8; 32]);
    let mut escrow = posted(ground);
    let know = |escrow: &mut escrow::Job| {
        let own = commitment(&challenger(1), &trace_root, &salt);
        escrow.open(challenger(1), ground, own, &Open::Root, opened, GAS).unwrap();
    };
    if opened < 110 {
        open(&mut escrow, 7, ground, &Open::Root, 90);
        know(&mut escrow);
    }
    let (bytes, siblings) = liar.provider.record.own_chunk(0, 0).unwrap();
    let wire = liar.provider.record.own_wire(0).unwrap();
    let how = Open::Chunk { wire, chunk: 0, bytes, siblings, claim };
    let table = open(&mut escrow, 0, ground, &how, 110);
    if opened >= 110 {
        know(&mut escrow);
    }
    let deadline = table.position.deadline;
    escrow.play(table.game, &table.position, challenger(0), &Move::Timeout, deadline, GAS).unwrap();
    let wire = record.own_wire(0).unwrap();
    let (chunk, siblings) = record.own_chunk(0, 0).unwrap();
    let shown = Shown { trace_root, salt, digest: wire.digest, leaf_path: wire.leaf_path, chunk, siblings };
    (escrow, ground.clone(), shown)
}

// 12
#[test]
fn a_game_opened_after_the_claim_or_a_trace_without_its_value_takes_no_prize() {
    let job = Job::reals(3);
    let record = Record::new(&job.program, &job.honest).unwrap();
    let descriptor = job.program.descriptor(0).unwrap();
    let (bytes, _) = record.own_chunk(0, 0).unwrap();
    let value = u32::from_le_bytes(*bytes.first_chunk().unwrap()).into();
    let states = vec![0; (descriptor.windows() as usize).min(256) * descriptor.words() * 8];
    let claim = |value| dispute::Claim { element: 0, value, states: states.clone() };
    let (mut escrow, ground, shown) = silent(&job, claim(value), 109);
    assert_eq!(escrow.contest(1, &ground, &shown, 1200), Ok(()));
    for opened in [110, 111] {
        let (mut escrow, ground, shown) = silent(&job, claim(value), opened);
        assert_eq!(escrow.contest(1, &ground, &shown, 1200), Err(Refused::NoPrize));
    }
    let (mut escrow, ground, shown) = silent(&job, claim(value ^ 2), 109);
    assert_eq!(escrow.contest(1, &ground, &shown, 1200), Err(Refused::NoPrize));
}

// 14
#[test]
fn a_receipt_for_another_job_program_input_or_a_second_one_is_refused() {
    let job = Job::reals(3);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let ground = provider.ground.clone();
    let mut escrow = escrow::Job::offer(deal(&ground)).unwrap();
    assert_eq!(escrow.post(PROVIDER, &ground, 6), Err(Refused::Stage(Stage::Offered)));
    assert_eq!(escrow.accept(STRANGER, 5), Err(Refused::Sender));
    escrow.accept(PROVIDER, 5).unwrap();
    let edits: [&dyn Fn(&mut Ground); 3] =
        [&|ground| ground.job[0] ^= 1, &|ground| ground.header[149] ^= 1, &|ground| ground.inputs[0] ^= 1];
    for edit in edits {
        let mut other = ground.clone();
        edit(&mut other);
        assert_eq!(escrow.post(PROVIDER, &other, 6), Err(Refused::OtherJob));
    }
    assert_eq!(escrow.post(STRANGER, &ground, 6), Err(Refused::Sender));
    escrow.post(PROVIDER, &ground, 6).unwrap();
    assert_eq!(escrow.post(PROVIDER, &ground, 7), Err(Refused::Stage(Stage::Posted)));
}

// 15
#[test]
fn nobody_pays_for_the_silence_of_another() {
    let job = Job::reals(3);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let terms = deal(&provider.ground);
    let mut escrow = escrow::Job::offer(terms.clone()).unwrap();
    assert_eq!(escrow.expire(9), Err(Refused::Time));
    assert_eq!(escrow.accept(PROVIDER, 10), Err(Refused::Time));
    escrow.expire(10).unwrap();
    assert_eq!(owed(&escrow, BUYER), terms.price);
    let mut escrow = escrow::Job::offer(terms.clone()).unwrap();
    escrow.accept(PROVIDER, 9).unwrap();
    assert_eq!(escrow.expire(19), Err(Refused::Time));
    assert_eq!(escrow.post(PROVIDER, &provider.ground, 20), Err(Refused::Time));
    escrow.expire(20).unwrap();
    assert_eq!(owed(&escrow, BUYER), terms.price + terms.late_fee);
    assert_eq!(owed(&escrow, PROVIDER), terms.provider_bond - terms.late_fee);
    let greedy = escrow::Deal { late_fee: terms.provider_bond + 1, ..terms.clone() };
    assert_eq!(escrow::Job::offer(greedy), Err(Refused::Amount));
    for change in [
        |deal: &mut escrow::Deal, amount| deal.price = amount,
        |deal: &mut escrow::Deal, amount| deal.provider_bond = amount,
        |deal: &mut escrow::Deal, amount| deal.challenger_bond = amount,
        |deal: &mut escrow::Deal, amount| deal.gas_price_cap = amount,
    ] {
        let with = |amount| {
            let mut deal = terms.clone();
            change(&mut deal, amount);
            escrow::Job::offer(deal)
        };
        assert!(with(MAX_AMOUNT).is_ok());
        assert_eq!(with(MAX_AMOUNT + 1), Err(Refused::Amount));
    }
}

// 16
#[test]
fn a_move_applies_to_its_own_position_and_receipt_only() {
    let job = Job::reals(3);
    let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
    let run = tampered(&job);
    let other = Liar::new(&job.program, &run).provider.ground.clone();
    let mut escrow = posted(&provider.ground);
    let mut replaced = posted(&other);
    assert_eq!(
        replaced.open(challenger(0), &provider.ground, [0; 32], &Open::Root, 100, GAS).unwrap_err(),
        Refused::Illegal(Illegal::Ground)
    );
    let table = open(&mut escrow, 0, &provider.ground, &Open::Root, 100);
    open(&mut replaced, 0, &other, &Open::Root, 100);
    let played = provider.answer(&table.position, &[]).unwrap();
    let moved = replaced.play(0, &table.position, PROVIDER, &played, 101, GAS);
    assert_eq!(moved, Err(Refused::OtherPosition));
    escrow.play(0, &table.position, PROVIDER, &played, 101, GAS).unwrap();
    // The same move again: the game stands elsewhere.
    let again = escrow.play(0, &table.position, PROVIDER, &played, 101, GAS);
    assert_eq!(again, Err(Refused::OtherPosition));
    assert_eq!(escrow.games[0].status, Status::Open);
}
