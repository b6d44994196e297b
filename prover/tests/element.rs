//! One element by its steps is the element of the executor, and a descriptor is all that it takes.

mod common;

use assay_circuits::descriptor::{CHUNK, Descriptor, MAX_CHUNKS};
use assay_circuits::execute::execute;
use assay_circuits::expression::Expression;
use assay_circuits::program::{
    Access, Affine, Class, Input, Operation, Output, Program, Source, Sum, Term, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{Bounds, Tensor};
use common::programs::{Numbers, empty, recipes};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Checks each element of each wire, from the bytes of the descriptor alone; and that no step opens more chunks of
/// tensors than a referee takes, the end of a map or move aside.
fn agrees(program: &Program, inputs: &[Tensor]) {
    let Ok(trace) = execute(program, inputs) else { return };
    for (number, wire) in trace.wires.iter().enumerate() {
        let own = program.descriptor(number).unwrap();
        let bytes = own.encode();
        let descriptor = Descriptor::decode(&bytes).unwrap();
        assert_eq!(descriptor.encode(), bytes);
        for (place, &expected) in wire.values.iter().enumerate() {
            let output = descriptor.point(place as u64);
            let touched = RefCell::new(BTreeSet::new());
            let mut read = |source: Source, place: u64| -> Result<i64, Infallible> {
                let width = descriptor.operand(source).unwrap().width;
                touched.borrow_mut().insert((source, place as usize * width / CHUNK));
                Ok(match source {
                    Source::Input(i) => trace.inputs[i].values[place as usize],
                    Source::Constant(i) => program.constants[i].values.as_ref().unwrap()[place as usize],
                    Source::Operation(i) => trace.wires[i].values[place as usize],
                })
            };
            assert_eq!(descriptor.element(&output, &mut read), Ok(expected));
            let mut state = descriptor.start();
            for window in 0..descriptor.windows() {
                touched.borrow_mut().clear();
                let run = descriptor.window(window).unwrap();
                state = descriptor.advance(&output, run, state, &mut read).unwrap();
                assert!(touched.borrow().len() <= MAX_CHUNKS, "{run:?} opens {:?}", touched.borrow());
            }
            assert_eq!(descriptor.finish(&output, state, &mut read), Ok(expected));
            assert_eq!(descriptor.window(descriptor.windows()), None);
        }
    }
}

/// Rows of eight and of four bytes an element, along which a window of 512 would lie in eight chunks.
#[test]
fn a_window_along_wide_rows_opens_no_more_chunks_than_any_other() {
    let shape = |sizes: &[usize]| Shape::new(sizes.to_vec()).unwrap();
    let both = || vec![Affine::new(0, &[(0, 1)]), Affine::new(0, &[(1, 1)])];
    let byte = Bounds { lo: -128, hi: 127 };
    let times = |power: u32| {
        let bounds = Bounds { lo: byte.lo << power, hi: byte.hi << power };
        let factors = vec![Access { source: Source::Input(0), index: both() }];
        operation(Class::Map, &[4, 512], &[], Term { coefficient: 1 << power, factors }, bounds)
    };
    let factors = vec![
        Access { source: Source::Operation(0), index: both() },
        Access { source: Source::Operation(1), index: both() },
    ];
    let wide = Bounds { lo: -(1 << 60), hi: 1 << 60 };
    let product = operation(Class::Fold, &[4], &[512], Term { coefficient: 1, factors }, wide);
    let mut program = empty();
    let (name, visibility) = ("x".to_string(), Visibility::Public);
    program.inputs.push(Input {
        name,
        shape: shape(&[4, 512]),
        bounds: byte,
        scale: 1.0,
        visibility,
        image: None,
    });
    program.operations = vec![times(26), times(10), product];
    let name = "y".to_string();
    program.outputs.push(Output { name, operation: 2, scale: 1.0, visibility });
    program.check().unwrap();
    let widths = [0, 1].map(|i| program.width(Source::Operation(i)).unwrap());
    assert_eq!(widths, [8, 4]);
    let values = (0..4 * 512).map(|i| (i * 7919) % 256 - 128).collect();
    agrees(&program, &[Tensor { shape: shape(&[4, 512]), values }]);
}

fn operation(class: Class, shape: &[usize], reduce: &[usize], term: Term, bounds: Bounds) -> Operation {
    Operation {
        name: "op".to_string(),
        class,
        shape: Shape::new(shape.to_vec()).unwrap(),
        reduce: reduce.to_vec(),
        sums: vec![Sum { terms: vec![term], bounds }],
        expression: Expression::Sum(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn elements_by_steps_are_those_of_the_executor(recipe in recipes(Numbers::Provable)) {
        let (program, inputs) = recipe.program();
        agrees(&program, &inputs);
    }

    #[test]
    fn elements_of_extreme_integers_are_those_of_the_executor(recipe in recipes(Numbers::Extreme)) {
        let (program, inputs) = recipe.program();
        agrees(&program, &inputs);
    }

    #[test]
    fn a_descriptor_that_is_cut_or_longer_is_refused(recipe in recipes(Numbers::Provable), end in any::<prop::sample::Index>()) {
        let (program, _) = recipe.program();
        for number in 0..program.operations.len() {
            let mut bytes = program.descriptor(number).unwrap().encode();
            prop_assert!(Descriptor::decode(&bytes[..end.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(Descriptor::decode(&bytes).is_err());
        }
    }
}
