//! What a dispute can cost is known before anyone bonds.

use super::common::programs::{Dice, Numbers, Recipe, empty};
use super::common::reals::{RealMaker, RealRecipe};
use super::kinds::kinds;
use super::play::{CLOCKS, Player, Slanderer};
use super::world::Job;
use assay_circuits::expression::Expression;
use assay_circuits::formula::Formula;
use assay_circuits::program::{
    Access, Affine, Class, Input, Operation, Output, Precision, Program, ProgramError, Source, Sum, Term,
    Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, REAL_BOUNDS};
use assay_prover::dispute::calldata::{Calldata, TRANSACTION};
use assay_prover::dispute::price::{GAS, MOST_GAS, Play, Price, Priceless, price};
use assay_prover::dispute::{Provider, Record};
use assay_verifier::dispute::{self, Move, Next, Open, Sender, Side};
use assay_verifier::referee::{RefereeError, judgeable};
use std::collections::BTreeMap;

/// Gas that a move takes at least.
fn least(played: &Move) -> u64 {
    let calldata = Calldata::of(&played.encode()).price();
    let work = match played {
        Move::RevealChunk { .. } => GAS.chunk,
        Move::Rebut { openings, .. } => openings
            .iter()
            .map(|opening| {
                let (siblings, path) = (opening.siblings.len() as u64, opening.path.len() as u64);
                GAS.chunk + GAS.tensor_node * siblings + GAS.keccak_node * path
            })
            .sum(),
        _ => 0,
    };
    TRANSACTION + GAS.turn + calldata + work
}

// 17
#[test]
fn no_game_costs_more_than_its_price() {
    let mut dice = Dice(71);
    let mut games = 0;
    let jobs = (0..120).map(|seed| if seed % 2 == 0 { Job::integers(seed) } else { Job::reals(seed) });
    for job in jobs.chain([super::rare::three_factors(), super::rare::strided(), super::rare::joined()]) {
        let bound = price(&job.program, &GAS).unwrap();
        assert!(bound.dearest.0 <= MOST_GAS);
        let provider = Provider::new(Record::new(&job.program, &job.honest).unwrap(), [5; 32]);
        let slanderer = Slanderer { provider: &provider };
        for _ in 0..4 {
            let mut position = dispute::open(&provider.ground, &Open::Root, CLOCKS, 0).unwrap();
            let (mut shown, mut spent) = (Vec::new(), [0, TRANSACTION]);
            for now in 1.. {
                let mover = position.phase.mover();
                let (player, sender): (&dyn Player, _) = match mover {
                    Side::Provider => (&provider, Sender::Provider),
                    Side::Challenger => (&slanderer, Sender::Challenger),
                };
                let moves = player.moves(&position, &shown, &mut dice);
                let next = moves.into_iter().find_map(|played| {
                    let next = dispute::play(&position, sender, &played, now).ok()?;
                    assert!(least(&played) <= bound.dearest.0, "{played:?} beyond {bound:?}");
                    spent[mover as usize] += least(&played);
                    Some((next, played.shown().to_vec()))
                });
                match next {
                    Some((Next::Position(next), next_shown)) => (position, shown) = (*next, next_shown),
                    _ => break,
                }
            }
            assert!(spent[0] <= bound.provider && spent[1] <= bound.challenger, "{spent:?} beyond {bound:?}");
            games += 1;
        }
    }
    assert!(games > 400);
}

/// What a move takes more where gas has a price, and is therefore written down.
const METERED: u64 = 2_800;

/// The figures of a file of `contracts/snapshots`, an object of decimal strings.
fn snapshot(name: &str) -> BTreeMap<String, u64> {
    let path = format!("{}/../contracts/snapshots/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let strings: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    strings.as_chunks::<2>().0.iter().map(|[name, gas]| (name.to_string(), gas.parse().unwrap())).collect()
}

#[test]
fn no_figure_is_below_what_the_contracts_take() {
    let gas = snapshot("gas");
    let parts = [
        (GAS.chunk, vec!["chunk of 1024 bytes"]),
        (GAS.tensor_node, vec!["parent"]),
        (
            GAS.real,
            vec!["add", "sub that cancels", "mul", "fma", "fma of a zero", "fma of a subnormal number"],
        ),
        (GAS.real, vec!["maximum", "roundEven"]),
        (GAS.division, vec!["div", "sqrt", "rsqrt"]),
        (GAS.function, vec!["exp", "log", "tanh", "erf", "sigmoid", "rsqrt", "sin", "cos"]),
    ];
    for (figure, names) in parts {
        for name in names {
            assert!(gas[name] <= figure, "{name} takes {}", gas[name]);
        }
    }
    let level = gas["opening at depth 9"] - gas["opening at depth 8"];
    assert!(level <= GAS.tensor_node && gas["merge of 16"] <= 15 * GAS.tensor_node);
    let moves = snapshot("dispute");
    let fixed = [
        ("finalise", GAS.turn + TRANSACTION + GAS.end),
        ("timeout", GAS.turn + TRANSACTION + GAS.end + 60_000),
    ];
    for (name, bound) in fixed {
        assert!(moves[name] <= bound, "{name} takes {}", moves[name]);
    }
    // Beside 300 bytes, the second move carries a header, the third eight nodes.
    let fixed = [("timeout", 0, GAS.fall), ("openRoot", 182, GAS.open), ("pick operation", 256, 0)];
    for (name, bytes, figure) in fixed {
        let bound = Calldata { zeros: 600, others: 300 + bytes }.gas(GAS.turn + GAS.byte * bytes + figure);
        assert!(moves[name] + METERED <= bound, "{name} takes {}", moves[name]);
    }
    for name in ["Formulas", "Referee", "Rules", "AssayDispute"] {
        assert!(moves[&format!("code size: {name}")] <= 24_576);
    }
}

#[test]
fn no_bound_is_below_the_game_of_a_kind_or_far_above_it() {
    let played = snapshot("kinds");
    let kinds = kinds();
    assert_eq!(played.len(), 4 * kinds.len());
    for kind in kinds {
        let of = |what: &str| played[&format!("{}: {what}", kind.name)];
        let bound = price(&kind.program, &GAS).unwrap();
        let Price { provider, challenger, dearest } = bound;
        println!("{}: dearest {}, G_P {provider}, G_C {challenger}", kind.name, dearest.0);
        let pairs = [
            (bound.provider, of("provider") + 8 * METERED),
            (bound.challenger, of("challenger") + 8 * METERED),
            (bound.dearest.0, of("rebut") + METERED),
        ];
        for (bound, measured) in pairs {
            assert!(measured <= bound, "{}: {measured} is beyond {bound}", kind.name);
            assert!(bound <= 2 * measured, "{}: {bound} for {measured}", kind.name);
        }
        assert!(of("rebut") + METERED <= 1_100_000, "{}", kind.name);
    }
}

// 17
#[test]
fn random_programs_have_a_price() {
    for seed in 0..300 {
        let (program, _) = RealRecipe { seed, operations: 4 }.program();
        let (integers, _) = Recipe { seed, operations: 5, numbers: Numbers::Extreme }.program();
        for program in [program, integers] {
            let price = price(&program, &GAS).unwrap();
            assert!(price.provider > 300_000 && price.challenger > 300_000, "{price:?}");
        }
    }
}

fn with_one(precision: Precision, inputs: Vec<(Vec<usize>, Bounds)>, operation: Operation) -> Program {
    let mut program = Program { precision, ..empty() };
    for (number, (sizes, bounds)) in inputs.into_iter().enumerate() {
        let (name, shape, visibility) =
            (format!("x{number}"), Shape::new(sizes).unwrap(), Visibility::Public);
        program.inputs.push(Input { name, shape, bounds, scale: 1.0, visibility, image: None });
    }
    program.operations.push(operation);
    let (name, visibility) = ("y".to_string(), Visibility::Public);
    program.outputs.push(Output { name, operation: 0, scale: 1.0, visibility });
    program.check().unwrap();
    program
}

fn operation(
    class: Class,
    shape: &[usize],
    terms: Vec<Term>,
    bounds: Bounds,
    expression: Expression,
) -> Operation {
    let shape = Shape::new(shape.to_vec()).unwrap();
    Operation {
        name: "op".to_string(),
        class,
        shape,
        reduce: vec![],
        sums: vec![Sum { terms, bounds }],
        expression,
    }
}

fn read(source: Source, constant: i64) -> Access {
    Access { source, index: vec![Affine::new(constant, &[(0, 1)])] }
}

fn plain(access: Access) -> Term {
    Term { coefficient: 1, factors: vec![access] }
}

const BYTE: Bounds = Bounds { lo: -128, hi: 127 };

// 17
#[test]
fn a_table_of_65536_entries_is_refused_and_one_of_256_is_not() {
    let table = |count: usize| {
        let expression =
            Expression::Table { first: -128, values: vec![5; count], of: Box::new(Expression::Sum(0)) };
        let terms = vec![plain(read(Source::Input(0), 0))];
        price(
            &with_one(
                Precision::Int8,
                vec![(vec![9], BYTE)],
                operation(Class::Map, &[9], terms, BYTE, expression),
            ),
            &GAS,
        )
    };
    // Its descriptor is in a move, which nodes pass on up to a size.
    let too_long = |play| Err(Priceless::TooLong { operation: 0, play });
    assert_eq!(table(1 << 16), too_long(Play::RevealLeaf));
    assert_eq!(table(33_000), too_long(Play::RevealLeaf));
    assert!(table(30_000).is_ok());
    assert!(table(256).unwrap().dearest.0 < 1_000_000);
}

// 17
#[test]
fn what_takes_a_judge_more_gas_than_bytes_is_priced_or_refused() {
    fn greatest(depth: usize) -> Expression {
        match depth {
            0 => Expression::Sum(0),
            _ => Expression::Max(Box::new(greatest(depth - 1)), Box::new(greatest(depth - 1))),
        }
    }
    let inputs = || vec![(vec![9], BYTE)];
    let of = |terms: Vec<Term>, sums: usize, expression: Expression| {
        let mut operation = operation(Class::Map, &[9], terms, BYTE, expression);
        operation.sums = vec![operation.sums[0].clone(); sums];
        with_one(Precision::Int8, inputs(), operation)
    };
    let one = || vec![plain(read(Source::Input(0), 0))];
    // 31 and 127 nodes.
    assert!(price(&of(one(), 1, greatest(4)), &GAS).is_ok());
    let many = RefereeError::Unjudgeable("its expression has too many nodes");
    let refused = Err(Priceless::Unjudgeable { operation: 0, error: many });
    assert_eq!(price(&of(one(), 1, greatest(6)), &GAS), refused);
    // Terms of eleven bytes: with eight axes, to describe 4,096 of them takes 6,674,831.
    let empty = || vec![Term { coefficient: 0, factors: vec![] }; 1024];
    let mut terms = of(empty(), 4, Expression::Sum(0));
    let dearest = price(&terms, &GAS).unwrap_or_else(|error| panic!("{error}")).dearest.0;
    assert!(dearest > 4_096 * 820, "{dearest}");
    terms.operations[0].reduce = vec![1; 7];
    terms.check().unwrap();
    let dear = price(&terms, &GAS);
    assert!(matches!(dear, Err(Priceless::TooDear { .. })) || dear.unwrap().dearest.0 > 6_674_831);
}

// 17
#[test]
fn a_receipt_that_no_transaction_can_post_is_refused() {
    let with = |outputs: usize, name: &str| {
        let terms = vec![plain(read(Source::Input(0), 0))];
        let copy = operation(Class::Move, &[9], terms, BYTE, Expression::Sum(0));
        let mut program = with_one(Precision::Int8, vec![(vec![9], BYTE)], copy);
        let (operation, output) = (program.operations[0].clone(), program.outputs[0].clone());
        program.operations = vec![operation; outputs];
        let named = |i: usize| Output { name: format!("{name}{i}"), operation: i, ..output.clone() };
        program.outputs = (0..outputs).map(named).collect();
        program.check().unwrap();
        price(&program, &GAS)
    };
    // As measured: 200 outputs take 110,021 bytes and 3,155,020 gas.
    assert!(with(1, "y").is_ok() && with(200, "layer.weight.next").is_ok());
    let refused = Err(Priceless::TooLong { operation: 0, play: Play::Post });
    assert_eq!(with(1024, "y"), refused);
    assert_eq!(with(3, &"y".repeat(60_000)), refused);
}

// 17
#[test]
fn a_tensor_of_two_gibibytes_is_priced() {
    let terms = vec![plain(read(Source::Input(0), 0))];
    let cells = 1 << 29;
    let expression = Expression::Formula(Formula::Sum(0));
    let program = with_one(
        Precision::F32,
        vec![(vec![cells], REAL_BOUNDS)],
        operation(Class::Map, &[cells], terms, REAL_BOUNDS, expression),
    );
    let price = price(&program, &GAS).unwrap();
    assert!(price.dearest.0 < 1_000_000 && price.provider < 3_000_000, "{price:?}");
}

// 17
#[test]
fn a_million_operations_are_refused_and_those_that_a_program_may_have_are_priced() {
    let one = operation(
        Class::Map,
        &[2],
        vec![plain(read(Source::Input(0), 0))],
        REAL_BOUNDS,
        Expression::Formula(Formula::Sum(0)),
    );
    let mut program = with_one(Precision::F32, vec![(vec![2], REAL_BOUNDS)], one.clone());
    program.operations = vec![one.clone(); 1 << 16];
    program.check().unwrap();
    let price = price(&program, &GAS).unwrap();
    assert!(price.provider < 2_000_000, "{price:?}");
    program.operations = vec![one; 1_000_000];
    assert!(matches!(program.check(), Err(ProgramError::Part { part: "operation", .. })));
}

// 17
#[test]
fn joined_tensors_are_priced_by_what_is_read_and_too_many_gathers_are_refused() {
    let inputs = |count: usize| (0..count).map(|_| (vec![5000], BYTE)).collect::<Vec<_>>();
    let join = |count: usize, shift: i64| {
        let terms = (0..count).map(|i| plain(read(Source::Input(i), -shift * i as i64))).collect();
        let bounds = Bounds { lo: -(1 << 20), hi: 1 << 20 };
        let joined = operation(Class::Move, &[5000 * count], terms, bounds, Expression::Sum(0));
        price(&with_one(Precision::Int8, inputs(count), joined), &GAS)
    };
    assert!(join(64, 5000).unwrap().dearest.0 < 1_000_000);
    assert!(matches!(join(64, 0), Err(Priceless::TooDear { play: Play::Rebut, .. })));
    let gather = |count: usize| {
        let mut maker = RealMaker { dice: Dice(1), program: RealMaker::start(), inputs: Vec::new() };
        let term = |maker: &mut RealMaker| {
            let (data, index) = (maker.source(&[600]), maker.source(&[600]));
            Term { coefficient: 0, factors: vec![read(data, 0), read(index, 0)] }
        };
        let terms: Vec<Term> = (0..count).map(|_| term(&mut maker)).collect();
        maker.push(Class::Move, &[600], &[], vec![Sum { terms, bounds: REAL_BOUNDS }], Formula::Sum(0));
        let (program, _) = maker.finish();
        program.check().unwrap();
        price(&program, &GAS)
    };
    assert!(gather(2).is_ok());
    assert!(matches!(gather(64), Err(Priceless::TooDear { play: Play::Rebut, .. })));
}

// 17
#[test]
fn an_unknown_class_and_what_no_program_may_have_is_refused() {
    let job = Job::reals(3);
    let bytes = job.program.descriptor(0).unwrap().encode();
    for class in 5..=255 {
        let mut other = bytes.clone();
        other[2] = class;
        assert!(matches!(judgeable(&other), Err(RefereeError::Descriptor(_))));
    }
    let mut descriptor = Job::integers(4).program.descriptor(0).unwrap();
    descriptor.strides[0][0] = 513;
    assert_eq!(judgeable(&descriptor.encode()), Err(RefereeError::Unjudgeable("a stride is too long")));
    let mut descriptor = Job::integers(4).program.descriptor(0).unwrap();
    descriptor.operation.sums = vec![descriptor.operation.sums[0].clone(); 5];
    descriptor.strides = vec![descriptor.strides[0].clone(); 5];
    assert_eq!(judgeable(&descriptor.encode()), Err(RefereeError::Unjudgeable("it has too many sums")));
    let mut descriptor = Job::integers(4).program.descriptor(0).unwrap();
    let factor =
        descriptor.operation.sums[0].terms.iter().find_map(|term| term.factors.first().cloned()).unwrap();
    descriptor.operation.sums[0].terms[0].factors = vec![factor; 4];
    assert_eq!(
        judgeable(&descriptor.encode()),
        Err(RefereeError::Unjudgeable("a term has too many factors"))
    );
    let mut descriptor = Job::integers(4).program.descriptor(0).unwrap();
    let term = descriptor.operation.sums[0].terms[0].clone();
    descriptor.operation.sums[0].terms = vec![term; 1025];
    descriptor.strides[0] = vec![1; 1025];
    assert_eq!(judgeable(&descriptor.encode()), Err(RefereeError::Unjudgeable("a sum has too many terms")));
    let mut descriptor = Job::integers(4).program.descriptor(0).unwrap();
    descriptor.operation.reduce = vec![1; 8];
    descriptor.operation.shape = Shape::new(vec![1; 8]).unwrap();
    assert!(judgeable(&descriptor.encode()).is_ok());
    let mut descriptor = job.program.descriptor(0).unwrap();
    descriptor.width = 8;
    assert_eq!(
        judgeable(&descriptor.encode()),
        Err(RefereeError::Unjudgeable("an f32 element has four bytes"))
    );
    let mut bytes = bytes;
    bytes.resize((1 << 20) + 1, 0);
    assert_eq!(judgeable(&bytes), Err(RefereeError::Unjudgeable("it is too long")));
}
