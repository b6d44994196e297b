//! Arithmetic of binary32: the deployed formulas, and the referee's own in folds, maxima and ranks.

use crate::cases::{Bench, Fold};
use crate::common::programs::Dice;
use crate::common::reals::{RealMaker, sum as fold};
use crate::machine::Machine;
use crate::numbers::{cancelling, edges, few_edges, random};
use crate::world::Job;
use assay_circuits::formula::{BINARY, Formula, UNARY, Unary};
use assay_circuits::program::{Access, Affine, Class, Constant, Source};
use assay_circuits::real::Soft;
use assay_circuits::shape::Shape;
use assay_circuits::tensor::RealTensor;

/// The functions of one number that no polynomial computes.
const EXACT: [Unary; 6] =
    [Unary::Negate, Unary::Absolute, Unary::SquareRoot, Unary::Floor, Unary::Ceil, Unary::Round];

fn sum(number: usize) -> Box<Formula> {
    Box::new(Formula::Sum(number))
}

/// Compares a formula's value at these sums.
fn agree(machine: &mut Machine, formula: &Formula, sums: &[u32]) {
    let soft: Vec<Soft> = sums.iter().map(|&bits| Soft(bits)).collect();
    let (own, theirs) = (formula.value(&soft).0, machine.value(formula, sums));
    assert_eq!(own, theirs, "{formula:?} at {sums:08x?}: Rust {own:08x}, Solidity {theirs:08x}");
}

#[test]
fn functions_of_two_numbers_agree_at_all_pairs_of_edges_and_at_random() {
    let (mut machine, mut dice, edges) = (Machine::new(), Dice(31), edges());
    let mut pairs: Vec<[u32; 2]> = edges.iter().flat_map(|&a| edges.iter().map(move |&b| [a, b])).collect();
    assert_eq!(pairs.len(), 57 * 57);
    pairs.extend((0..2000).map(|_| [random(&mut dice), random(&mut dice)]));
    pairs.extend((0..500).map(|_| cancelling(&mut dice)));
    let mut compared = 0;
    for function in BINARY {
        let formula = Formula::Binary(function, sum(0), sum(1));
        for pair in &pairs {
            agree(&mut machine, &formula, pair);
            compared += 1;
        }
    }
    assert_eq!(compared, 8 * (57 * 57 + 2500));
}

#[test]
fn exact_functions_of_one_number_agree_at_edges_and_at_random() {
    let (mut machine, mut dice) = (Machine::new(), Dice(32));
    let mut numbers = edges();
    numbers.extend((0..3000).map(|_| random(&mut dice)));
    // All exponents, at a half and beside it.
    numbers
        .extend((0..=255).flat_map(|exponent: u32| [0, 1, 0x40_0000, 0x7f_ffff].map(|f| exponent << 23 | f)));
    let mut compared = 0;
    for function in EXACT {
        for &bits in &numbers {
            agree(&mut machine, &Formula::Unary(function, sum(0)), &[bits]);
            compared += 1;
        }
    }
    assert_eq!(compared, 6 * (57 + 3000 + 1024));
    assert_eq!(UNARY[..6], EXACT);
}

#[test]
fn fused_multiply_adds_and_selections_agree_at_all_triples_of_edges_and_at_random() {
    let (mut machine, mut dice, edges) = (Machine::new(), Dice(33), edges());
    let mut triples = Vec::new();
    for (a, b) in edges.iter().flat_map(|&a| edges.iter().map(move |&b| (a, b))) {
        triples.extend(edges.iter().map(|&c| [a, b, c]));
        // The product cancels against its own rounding, and against that of the other sign.
        let product = (f32::from_bits(a) * f32::from_bits(b)).to_bits();
        triples.extend([[a, b, product], [a, b, product ^ 1 << 31]]);
    }
    assert_eq!(triples.len(), 57 * 57 * 59);
    triples.extend((0..10_000).map(|_| [random(&mut dice), random(&mut dice), random(&mut dice)]));
    let fma = Formula::Fma(sum(0), sum(1), sum(2));
    let select = Formula::Select(sum(0), sum(1), sum(2));
    for triple in &triples {
        agree(&mut machine, &fma, triple);
    }
    for triple in triples.iter().step_by(7) {
        agree(&mut machine, &select, triple);
    }
}

#[test]
fn sums_that_a_formula_does_not_have_are_zero() {
    let mut machine = Machine::new();
    agree(&mut machine, &Formula::Sum(1), &[0x3f80_0000]);
    agree(&mut machine, &Formula::Binary(BINARY[0], sum(0), sum(9)), &[0x8000_0000]);
}

/// The referee's own arithmetic: one cell of a fold from any state.
#[test]
fn cells_of_folds_agree_at_triples_of_edges_and_at_random() {
    let (few, mut dice) = (few_edges(), Dice(34));
    let mut compared = 0;
    for factors in [1, 2] {
        let mut bench = Bench::new(Fold { factors, left: few.clone(), right: few.clone() }.program());
        for element in 0..(few.len() * few.len()) as u64 {
            // A single factor has the element's row only.
            if factors == 1 && element % few.len() as u64 != 0 {
                continue;
            }
            for &block in few.iter().chain(&[random(&mut dice), random(&mut dice)]) {
                let state = [u64::from(random(&mut dice)) << 32 | u64::from(block), 0, 0, 0];
                bench.advance(0, element, 0, state);
                compared += 1;
            }
            // The last addition: of the total and the block.
            bench.finish(
                0,
                element,
                [u64::from(random(&mut dice)) << 32 | u64::from(few[element as usize % 29]), 0, 0, 0],
            );
        }
    }
    assert_eq!(compared, (29 + 29 * 29) * 31);
}

/// Fused multiply-adds of elements that stand one after the other, eight of which are read at once.
#[test]
fn dense_products_agree_at_pairs_of_edges() {
    let (few, mut dice) = (few_edges(), Dice(35));
    let rows = few.len();
    let mut maker = RealMaker { dice: Dice(0), program: RealMaker::start(), inputs: Vec::new() };
    // Left each row has its number at one place and zeros elsewhere, right it has nothing but its number.
    let tensor = |right: bool| {
        let place = |row: usize, column: usize| right || column == 37 * row % 64;
        let cells = (0..64 * rows).map(|i| if place(i / 64, i % 64) { few[i / 64] } else { 0 });
        RealTensor { shape: Shape::new(vec![rows, 64]).expect("sizes"), bits: cells.collect() }
    };
    let access = |source, row| Access { source, index: vec![Affine::axis(row), Affine::axis(2)] };
    let factors: Vec<Access> = [false, true]
        .map(|right| {
            maker.program.constants.push(Constant::real(tensor(right)));
            access(Source::Constant(usize::from(right)), usize::from(right))
        })
        .to_vec();
    maker.push(Class::Fold, &[rows, rows], &[64], vec![fold(factors)], Formula::Sum(0));
    let (program, _) = maker.finish();
    let mut bench = Bench::new(Job::new(program, Vec::new()));
    for element in 0..(rows * rows) as u64 {
        bench.element(0, element);
        let state = u64::from(random(&mut dice)) << 32 | u64::from(random(&mut dice));
        bench.advance(0, element, 0, [state, 0, 0, 0]);
    }
    assert_eq!(bench.compared.values().sum::<usize>(), 3 * 29 * 29);
}
