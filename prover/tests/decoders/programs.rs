//! Programs that state huge sizes, or very many parts: refused, or cheap to take in. And rules of programs that decoding enforces.

use crate::SCENES;
use crate::common::networks::{Builder, affine, axis, max, read, term, whole};
use crate::peak;
use assay_circuits::expression::Expression;
use assay_circuits::program::{Constant, Program, Visibility};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::Bounds;
use assay_verifier::key::VerifyingKey;
use std::time::{Duration, Instant};

/// Takes an encoded program through everything that a verifier does before it sees a proof.
fn is_cheap(name: &str, program: &Program) {
    let bytes = program.encode();
    let start = Instant::now();
    let most = peak(|| match Program::decode(&bytes) {
        Ok(program) => match VerifyingKey::public(program) {
            Ok(key) => println!("{name}: accepted, proofs of {} bytes", key.argument().shape.bytes()),
            Err(error) => println!("{name}: {error}"),
        },
        Err(error) => println!("{name}: {error}"),
    });
    let time = start.elapsed();
    println!("{name}: {} bytes, {time:?}, {most} bytes held", bytes.len());
    assert!(time < Duration::from_secs(20), "{name} takes {time:?}");
    // Tables hold at most 2^24 rows of 4 bytes; everything else is a small multiple of the program.
    assert!(most < (1 << 28) + 400 * bytes.len(), "{name} holds {most} bytes");
}

/// What a name says in a report is one line, and moves no cursor.
#[test]
fn names_with_control_characters_are_refused() {
    let edits: [fn(&mut Program, &str); 3] = [
        |program, name| program.inputs[0].name = name.to_string(),
        |program, name| program.outputs[0].name = name.to_string(),
        |program, name| program.operations[0].name = name.to_string(),
    ];
    for edit in edits {
        for (name, taken) in [("a\nVERIFIED", false), ("a\u{1b}[1A", false), ("a b/\u{e9}", true)] {
            let mut program = one_operation(&[2], &[], |_| {});
            edit(&mut program, name);
            assert_eq!(program.check().is_ok(), taken, "{name:?}");
            assert_eq!(Program::decode(&program.encode()).is_ok(), taken, "{name:?}");
        }
    }
}

fn one_operation(sizes: &[usize], reduce: &[usize], edit: impl FnOnce(&mut Program)) -> Program {
    let mut b = Builder::new(false);
    let x = b.input(&[2], (0, 1), Visibility::Committed);
    let y = b.operation(sizes, reduce, vec![vec![term(1, &[read(x, &[axis(0)])])]], Expression::Sum(0));
    b.output(y, Visibility::Committed);
    let mut program = b.0;
    edit(&mut program);
    program
}

#[test]
fn huge_programs_are_refused_or_cheap() {
    let huge = 1usize << 40;
    is_cheap("an output of 2^40 cells", &one_operation(&[huge], &[], |_| {}));
    is_cheap("2^36 cells", &one_operation(&[1 << 35], &[], |_| {}));
    is_cheap("a loop of 2^80", &one_operation(&[huge], &[huge], |_| {}));
    is_cheap(
        "an input of 2^40 cells",
        &one_operation(&[2], &[], |p| {
            p.inputs[0].shape = Shape::new(vec![huge]).unwrap();
        }),
    );
    is_cheap(
        "a coefficient of 2^62",
        &one_operation(&[2], &[], |p| {
            p.operations[0].sums[0].terms[0].coefficient = i64::MIN;
        }),
    );
    is_cheap(
        "an index at its limits",
        &one_operation(&[huge], &[], |p| {
            p.operations[0].sums[0].terms[0].factors[0].index = vec![affine(1 << 41, &[(0, -(1 << 20))])];
            p.operations[0].sums[0].bounds = Bounds { lo: 0, hi: 1 };
        }),
    );
    is_cheap(
        "a zero tensor times great ones",
        &one_operation(&[2], &[], |p| {
            let wide = Bounds { lo: 1 - (1 << 62), hi: (1 << 62) - 1 };
            let constant = |bounds: Bounds, value: i64| {
                let tensor = assay_circuits::tensor::Tensor::new(Shape::scalar(), vec![value]).unwrap();
                Constant { digest: tensor.digest(&bounds), bounds, ..Constant::new(tensor) }
            };
            p.constants = vec![constant(wide, wide.hi), constant(Bounds { lo: 0, hi: 0 }, 0)];
            p.operations[0].sums[0].terms[0].factors =
                [0, 0, 1].map(|i| read(assay_circuits::program::Source::Constant(i), &[])).to_vec();
        }),
    );
    is_cheap(
        "a divisor of 2^32",
        &one_operation(&[2], &[], |p| {
            p.operations[0].expression = Expression::requantise(1 << 32, Bounds { lo: 0, hi: 1 });
        }),
    );
    is_cheap(
        "a clamp of 2^31",
        &one_operation(&[2], &[], |p| {
            let bounds = Bounds { lo: i32::MIN.into(), hi: i32::MAX.into() };
            p.operations[0].expression = Expression::requantise(2, bounds);
            p.operations[0].sums[0].bounds = Bounds { lo: -(1 << 61), hi: 1 << 61 };
        }),
    );
    is_cheap(
        "a table that starts at 2^39",
        &one_operation(&[2], &[], |p| {
            let of = Box::new(Expression::quotient(1));
            p.operations[0].expression = Expression::Table { first: 1 << 39, values: vec![1, 2], of };
        }),
    );
    is_cheap(
        "a rank over 2^40",
        &one_operation(&[1], &[huge], |p| {
            p.operations[0].class = assay_circuits::program::Class::Rank;
            p.outputs[0].visibility = Visibility::Public;
        }),
    );
}

#[test]
fn programs_of_very_many_parts_are_refused_or_cheap() {
    let many = |count: usize, expression: &dyn Fn(i64) -> Expression| {
        let mut b = Builder::new(false);
        let x = b.input(&[2], (0, 1), Visibility::Committed);
        let sums = || vec![vec![term(1, &[whole(x, 1)])], vec![term(0, &[])]];
        for i in 0..count {
            let expression = expression(i as i64);
            let mut sums = sums();
            if !matches!(expression, Expression::Max(..)) {
                sums.truncate(1);
            }
            b.operation(&[2], &[], sums, expression);
        }
        b.output(assay_circuits::program::Source::Operation(count - 1), Visibility::Committed);
        b.0
    };
    is_cheap("2^20 operations", &many(1 << 20, &|_| Expression::Sum(0)));
    is_cheap("10,000 operations", &many(10_000, &|_| Expression::Sum(0)));
    is_cheap("10,000 maxima", &many(10_000, &|_| max(0, 1)));
    let mut wide = many(3_000, &|i| Expression::requantise(1, Bounds { lo: 0, hi: 100 + i }));
    for operation in &mut wide.operations {
        operation.sums[0].bounds = Bounds { lo: -(1 << 18), hi: 1 << 18 };
    }
    is_cheap("3,000 clamps, each with a table of its own", &wide);
    let mut ends = many(1, &|_| Expression::Sum(0));
    for i in 0..20_000 {
        let mut input = ends.inputs[0].clone();
        input.name = format!("{i}");
        ends.inputs.push(input);
    }
    is_cheap("20,000 inputs", &ends);
}

/// Bounds that a program states too small let no wire grow beyond what a proof can bear.
#[test]
fn understated_bounds_do_not_let_products_wrap() {
    let mut b = Builder::new(false);
    let x = b.input(&[2], (-128, 127), Visibility::Committed);
    let great = b.operation(&[2], &[], vec![vec![term(1 << 40, &[whole(x, 1)])]], Expression::Sum(0));
    b.0.operations[0].sums[0].bounds = Bounds { lo: -1, hi: 1 };
    let cube = vec![term(1, &[whole(great, 1), whole(great, 1), whole(great, 1)])];
    let y = b.operation(&[2], &[], vec![cube], Expression::requantise(2, Bounds { lo: 0, hi: 127 }));
    b.output(y, Visibility::Committed);
    assert!(b.0.check().is_err());
    for expression in
        [max(0, 0), Expression::Clamp { bounds: Bounds { lo: -1, hi: 1 }, of: Box::new(Expression::Sum(0)) }]
    {
        let mut program = b.0.clone();
        program.operations[0].expression = expression;
        assert!(program.check().is_err());
    }
    let mut honest = b.0.clone();
    honest.operations[0].expression = Expression::requantise(2, Bounds { lo: -128, hi: 127 });
    honest.check().unwrap();
}

/// The digits of a committed constant reach beyond its bounds: products are bounded for them.
#[test]
fn a_committed_constant_counts_with_the_reach_of_its_digits() {
    let program = |committed| {
        let mut b = Builder::new(committed);
        let x = b.input(&[1], (0, 1), Visibility::Committed);
        let tensor = assay_circuits::tensor::Tensor::new(Shape::scalar(), vec![1]).unwrap();
        let bounds = Bounds { lo: -(1 << 30), hi: 1 << 30 };
        b.0.constants.push(Constant { digest: tensor.digest(&bounds), bounds, ..Constant::new(tensor) });
        let w = read(assay_circuits::program::Source::Constant(0), &[]);
        let y = b.operation(&[1], &[], vec![vec![term(1, &[whole(x, 1), w.clone(), w])]], Expression::Sum(0));
        b.output(y, Visibility::Committed);
        b.0.check()
    };
    program(false).unwrap();
    assert!(program(true).is_err());
}

/// The executor reads the first greatest element as it is: the argument must too.
#[test]
fn a_rank_of_anything_but_plain_elements_is_refused() {
    let mut b = Builder::new(false);
    let x = b.input(&[3], (-8, 7), Visibility::Public);
    let position = b.rank(&[], 3, read(x, &[axis(0)]));
    b.output(position, Visibility::Public);
    b.0.check().unwrap();
    let mut scaled = b.0.clone();
    scaled.operations[0].sums[0].terms[0].coefficient = 2;
    assert!(scaled.check().is_err());
    let mut rounded = b.0.clone();
    rounded.operations[0].expression = Expression::requantise(2, Bounds { lo: 0, hi: 1 });
    assert!(rounded.check().is_err());
}

#[test]
fn a_committed_models_key_holds_no_values() {
    let (scene, ..) = &SCENES[1];
    let key = scene.prover.key();
    let bytes = key.encode();
    let without = key.program().encode();
    let with = scene.program().encode();
    let at = bytes.windows(without.len()).position(|window| window == without).unwrap();
    let mut other = bytes[..at - 4].to_vec();
    other.extend((with.len() as u32).to_le_bytes());
    other.extend(&with);
    other.extend(&bytes[at + without.len()..]);
    assert!(VerifyingKey::decode(&other).is_err());
}
