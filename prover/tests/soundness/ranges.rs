//! Items 4, 5 and 9: every bracket has one witness, and everything that a proof reads is range-checked.

use crate::common::forge::{Scene, find, tampered, wire};
use crate::common::networks::{Builder, MODES, all, forms, max, term, whole};
use assay_circuits::expression::Expression;
use assay_circuits::hint::Hint;
use assay_circuits::lower::Coverage;
use assay_circuits::plan::plan;
use assay_circuits::program::{Program, Visibility};
use assay_circuits::relation::{Group, Kind, Values};
use assay_circuits::tensor::{Bounds, Tensor};
use assay_prover::commitment::{Basis, commit_rows};
use assay_prover::prove::{Job, Prover};
use assay_verifier::key::{Argument, KeyError, VerifyingKey, key_message, program_digest};
use assay_verifier::rejection::Rejection;
use assay_verifier::verify::transcript;

use crate::common::forge::Claimed;

const BYTE: Bounds = Bounds { lo: -128, hi: 127 };

/// Sums of ten cells x * scale, rounded by an expression; inputs and output public, the wire committed.
fn rounding(scale: i64, expression: Expression) -> Program {
    let mut b = Builder::new(false);
    let x = b.input(&[10], (-512, 511), Visibility::Public);
    let a = b.operation(&[10], &[], vec![vec![term(scale, &[whole(x, 1)])]], expression);
    let y = b.operation(&[10], &[], vec![vec![term(1, &[whole(a, 1)])]], Expression::Sum(0));
    b.output(y, Visibility::Public);
    // Wide enough for what a forger would have it be.
    b.0.operations[1].sums[0].bounds = Bounds { lo: -4096, hi: 4096 };
    b.finish()
}

/// One program for each form of rounding, with a name.
fn roundings() -> Vec<(&'static str, Program)> {
    let table =
        Expression::Table { first: -9, values: (-9..10).collect(), of: Box::new(Expression::quotient(4)) };
    vec![
        ("never leaves its clamp", rounding(1, Expression::requantise(4, BYTE))),
        ("clamps in one table", rounding(1, Expression::requantise(3, Bounds { lo: -5, hi: 6 }))),
        ("clamps in two levels", rounding(1 << 12, Expression::requantise(16, BYTE))),
        ("clamps in two levels without a remainder", rounding(1 << 12, Expression::requantise(1, BYTE))),
        ("a table", rounding(1, table)),
    ]
}

fn inputs(values: [i64; 10]) -> Vec<Tensor> {
    vec![Tensor::new(crate::common::networks::shape(&[10]), values.to_vec()).unwrap()]
}

#[test]
fn every_form_proves_both_bounds_and_the_exact_half() {
    for (name, program) in roundings() {
        let scene = Scene::with(program, &inputs([-512, -6, -3, -2, -1, 0, 1, 2, 6, 511]));
        scene.verify(&scene.honest()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn no_other_output_is_accepted_in_any_form() {
    for (name, program) in roundings() {
        let scene = Scene::with(program, &inputs([-512, -6, -3, -2, -1, 0, 1, 2, 6, 511]));
        for cell in 0..10 {
            for step in [-1, 1] {
                let wrong = scene.trace.wires[0].values[cell] + step;
                let trace = tampered(scene.program(), &scene.trace, 0, cell, wrong).unwrap();
                let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
                scene.verify(&forged).expect_err(name);
            }
        }
    }
}

/// Lowers a committed remainder by the divisor where the output is raised by one, and the reverse.
#[test]
fn an_output_raised_and_its_remainder_lowered_is_rejected() {
    for (name, program) in roundings() {
        let scene = Scene::with(program, &inputs([-512, -6, -3, -2, -1, 0, 1, 2, 6, 511]));
        let is_remainder = |v: &Values| matches!(v, Values::Hint { hint: Hint::Remainder { .. }, .. });
        if !scene.system().tensors.iter().any(|spec| is_remainder(&spec.values)) {
            continue;
        }
        for step in [-1, 1] {
            let wrong = scene.trace.wires[0].values[5] + step;
            let trace = tampered(scene.program(), &scene.trace, 0, 5, wrong).unwrap();
            let forged = scene.forge_argument(
                scene.argument(),
                &trace,
                |system, claimed| {
                    let remainder = find(system, is_remainder);
                    let Values::Hint { hint: Hint::Remainder { divisor }, .. } =
                        system.tensors[remainder].values
                    else {
                        return;
                    };
                    claimed.values[remainder][5] -= step * divisor as i64;
                },
                &mut transcript(),
            );
            assert_eq!(scene.verify(&forged), Err(Rejection::Root), "{name}");
        }
    }
}

/// The remainder that makes mid anything one wants is a legal remainder only where mid is an integer.
#[test]
fn a_fraction_for_the_quotient_is_rejected() {
    let program = rounding(1, Expression::requantise(3, Bounds { lo: -5, hi: 6 }));
    let scene = Scene::with(program, &inputs([5; 10]));
    let rejection = scene.rejects(|system, claimed| {
        let is_remainder = |v: &Values| matches!(v, Values::Hint { .. });
        let remainder = &mut claimed.values[find(system, is_remainder)][0];
        *remainder = (*remainder + 1) % 3;
    });
    assert_eq!(rejection, Rejection::Root);
}

#[test]
fn a_window_other_than_the_quotients_is_rejected() {
    let scene = Scene::with(
        rounding(1 << 12, Expression::requantise(16, BYTE)),
        &inputs([0, 1, -1, 511, -512, 0, 0, 0, 0, 0]),
    );
    for cell in 0..5 {
        for (which, step) in [("high", 1), ("high", -1), ("side", 1), ("side", -1)] {
            let rejection = scene.rejects(|system, claimed| {
                let wanted = |v: &Values| match v {
                    Values::Hint { hint: Hint::High { .. }, .. } => which == "high",
                    Values::Hint { hint: Hint::Side { .. }, .. } => which == "side",
                    _ => false,
                };
                claimed.values[find(system, wanted)][cell] += step;
            });
            assert_eq!(rejection, Rejection::Root);
        }
    }
}

/// Beside the windows a forger has two freedoms: a window one further with the rest one window less, and a side
/// that is not the window's. Neither is a row.
#[test]
fn another_window_with_a_rest_that_fits_is_rejected() {
    let scene = Scene::with(
        rounding(1 << 12, Expression::requantise(16, BYTE)),
        &inputs([0, 1, -1, 511, -512, 0, 0, 0, 0, 0]),
    );
    for (cell, out) in [(0, 127), (0, -128), (3, -128), (4, 127)] {
        let trace = tampered(scene.program(), &scene.trace, 0, cell, out).unwrap();
        let forged = scene.forge_argument(
            scene.argument(),
            &trace,
            |system, claimed| {
                // The side that gives this output, whatever the window is.
                let side = |v: &Values| matches!(v, Values::Hint { hint: Hint::Side { .. }, .. });
                claimed.values[find(system, side)][cell] = out.signum();
            },
            &mut transcript(),
        );
        assert_eq!(scene.verify(&forged), Err(Rejection::Root), "{cell} {out}");
    }
}

/// An output below its clamp and a remainder above the divisor make the same sum; the wire's own range and the
/// remainder's are both needed.
#[test]
fn an_output_out_of_its_clamp_is_rejected_where_it_never_clamps() {
    let mut program = rounding(1, Expression::requantise(4, BYTE));
    // A sum beyond what the program says of it: its true quotient is out of the clamp.
    program.operations[0].sums[0].bounds = Bounds { lo: -512, hi: 509 };
    program.operations[0].sums[0].terms.push(term(100, &[]));
    let scene = Scene::with(program.clone(), &inputs([0; 10]));
    let mut wide = program;
    wide.operations[0].sums[0].bounds = Bounds { lo: -1 << 10, hi: 1 << 10 };
    wide.operations[0].expression = Expression::requantise(4, Bounds { lo: -512, hi: 512 });
    let trace = assay_circuits::execute::execute(&wide, &inputs([511; 10])).unwrap();
    assert_eq!(trace.wires[0].values[0], 153);
    let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
    assert_eq!(scene.verify(&forged), Err(Rejection::Root));
}

/// p - 1 is the same element as -1: below a range, it is not in it.
#[test]
fn minus_one_is_not_in_a_range_from_zero() {
    let scene =
        Scene::with(rounding(1, Expression::requantise(4, Bounds { lo: 0, hi: 127 })), &inputs([0; 10]));
    let trace = tampered(scene.program(), &scene.trace, 0, 3, -1).unwrap();
    let forged = scene.forge_argument(
        scene.argument(),
        &trace,
        |system, claimed| {
            for (id, spec) in system.tensors.iter().enumerate() {
                if matches!(spec.values, Values::Hint { hint: Hint::Remainder { .. }, .. }) {
                    claimed.values[id][3] += 4;
                }
            }
        },
        &mut transcript(),
    );
    assert!(scene.verify(&forged).is_err());
}

#[test]
fn a_maximum_is_one_of_the_two_and_not_the_smaller() {
    let mut b = Builder::new(false);
    let x = b.input(&[5], (-128, 127), Visibility::Public);
    let z = b.input(&[5], (-64, 300), Visibility::Committed);
    let (left, right) = (vec![term(1, &[whole(x, 1)])], vec![term(1, &[whole(z, 1)])]);
    let m = b.operation(&[5], &[], vec![left, right], max(1, 0));
    b.output(m, Visibility::Public);
    let scene = Scene::new(b.finish());
    scene.verify(&scene.honest()).unwrap();
    let (x, z) = (&scene.trace.inputs[0].values, &scene.trace.inputs[1].values);
    for cell in 0..5 {
        let largest = x[cell].max(z[cell]);
        for wrong in [x[cell].min(z[cell]), largest + 1, largest - 1] {
            if wrong != largest {
                let trace = tampered(scene.program(), &scene.trace, 0, cell, wrong).unwrap();
                let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
                assert!(scene.verify(&forged).is_err());
            }
        }
    }
}

/// The widest difference of a maximum has its row whichever operand comes first.
#[test]
fn a_maximum_proves_the_widest_difference_on_both_sides() {
    for (a, b) in [(0, 1), (1, 0)] {
        let mut builder = Builder::new(false);
        let x = builder.input(&[2], (-64, 63), Visibility::Public);
        let z = builder.input(&[2], (0, 64), Visibility::Public);
        let sums = vec![vec![term(1, &[whole(x, 1)])], vec![term(1, &[whole(z, 1)])]];
        let m = builder.operation(&[2], &[], sums, max(a, b));
        builder.output(m, Visibility::Public);
        let mut program = builder.finish();
        program.operations[0].sums[0].bounds = Bounds { lo: -64, hi: 63 };
        program.operations[0].sums[1].bounds = Bounds { lo: 0, hi: 64 };
        let values = [vec![-64, 63], vec![64, 0]];
        let inputs = values.map(|v| Tensor::new(crate::common::networks::shape(&[2]), v).unwrap());
        let scene = Scene::with(program, &inputs);
        scene.verify(&scene.honest()).unwrap();
    }
}

#[test]
fn a_position_is_of_the_first_greatest_element() {
    let mut b = Builder::new(false);
    let x = b.input(&[3, 5], (-8, 7), Visibility::Committed);
    let position = b.rank(
        &[3],
        5,
        crate::common::networks::read(
            x,
            &[crate::common::networks::axis(0), crate::common::networks::axis(1)],
        ),
    );
    b.output(position, Visibility::Public);
    let values = vec![7, 7, 7, 7, 7, -8, -8, -8, -8, -7, 0, 3, 3, -1, 3];
    let x = Tensor::new(crate::common::networks::shape(&[3, 5]), values).unwrap();
    let scene = Scene::with(b.finish(), &[x]);
    scene.verify(&scene.honest()).unwrap();
    for row in 0..3 {
        for place in 0..5 {
            if place == scene.trace.wires[0].values[row] {
                continue;
            }
            let mut trace = scene.trace.clone();
            trace.wires[0].values[row] = place;
            trace.sums[0][0][row] = trace.inputs[0].values[5 * row + place as usize];
            let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
            assert_eq!(scene.verify(&forged), Err(Rejection::Root));
        }
    }
}

#[test]
fn a_committed_input_out_of_its_bounds_is_rejected() {
    for (name, program) in all(false, Visibility::Committed) {
        for edge in [-129, 128] {
            let scene = Scene::new(program.clone());
            let mut trace = scene.trace.clone();
            trace.inputs[0].values[1] = edge;
            let mut wide = program.clone();
            wide.inputs[0].bounds = Bounds { lo: -129, hi: 128 };
            for operation in &mut wide.operations {
                for sum in &mut operation.sums {
                    sum.bounds = Bounds { lo: 2 * sum.bounds.lo, hi: 2 * sum.bounds.hi };
                }
            }
            let trace = assay_circuits::execute::execute(&wide, &trace.inputs).unwrap();
            let forged = scene.forge_argument(scene.argument(), &trace, |_, _| {}, &mut transcript());
            assert!(scene.verify(&forged).is_err(), "{name} accepts {edge}");
        }
    }
}

#[test]
fn a_public_value_out_of_its_bounds_is_refused() {
    let scene = Scene::new(forms(false, Visibility::Public));
    for edge in [-129, 128] {
        let (mut statement, proof) = scene.honest();
        let assay_verifier::statement::Value::Public(tensor) = &mut statement.inputs[0] else { panic!() };
        tensor.values[0] = edge;
        let refusal = scene.verify(&(statement, proof));
        assert!(matches!(refusal, Err(Rejection::Statement { part: "input", index: 0, .. })));
    }
}

/// A wire that a sampled operation reads and that no sampled operation writes may be any value of its range, and
/// no other.
#[test]
fn a_wire_that_nobody_proves_is_held_to_its_range() {
    let scene = Scene::new(forms(false, Visibility::Public));
    // Operation 3 reads the wire of operation 1.
    let argument = scene.covering([3]);
    let Bounds { lo, hi } = argument.system.tensors[wire(&argument.system, 1)].bounds;
    for (value, fits) in [(lo, true), (hi, true), (lo - 1, false), (hi + 1, false)] {
        let mut wide = scene.program().clone();
        wide.operations[3].sums[0].bounds = Bounds { lo: lo - 1, hi: hi + 1 };
        let trace = tampered(&wide, &scene.trace, 1, 2, value).unwrap();
        let (statement, proof) = scene.forge_argument(&argument, &trace, |_, _| {}, &mut transcript());
        assert_eq!(scene.verify_argument(&argument, (&statement, &proof)).is_ok(), fits, "{value}");
    }
}

/// A key of a committed model whose rows are changed by `edit`, with a proof of their ranges by a prover that
/// does not care.
pub fn forge_key(
    program: &Program,
    edit: impl FnOnce(&mut Claimed),
) -> Result<(VerifyingKey, Vec<Vec<i64>>), KeyError> {
    let plan = plan(program).unwrap();
    let argument = Argument::new(program, &plan, Coverage::Constants).unwrap();
    let empty = assay_circuits::execute::Trace { inputs: vec![], wires: vec![], sums: vec![] };
    let mut claimed = Claimed::new(program, &argument.system, &empty);
    edit(&mut claimed);
    let witness = claimed.witness(&argument.system);
    let key_rows = witness.rows(&argument.system, Group::Key);
    let basis = Basis::new(1 << plan.log_row);
    let rows = commit_rows(&basis, &key_rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let message = key_message(&program_digest(program, &plan), &rows);
    let job = Job { program, argument: &argument, basis: &basis, key_message: &message, begins: &|_| {} };
    let (_, ranges) = job.prove_witness(&key_rows, &witness, &mut transcript()).unwrap();
    VerifyingKey::committed(program.clone(), rows, ranges).map(|key| (key, key_rows))
}

#[test]
fn a_key_with_a_weight_out_of_its_range_is_refused() {
    let program = forms(true, Visibility::Public);
    let system = Argument::new(&program, &plan(&program).unwrap(), Coverage::Constants).unwrap().system;
    forge_key(&program, |_| {}).unwrap();
    for (id, spec) in system.tensors.iter().enumerate() {
        if spec.kind != Kind::Committed(Group::Key) {
            continue;
        }
        for wrong in [spec.bounds.lo - 1, spec.bounds.hi + 1] {
            let refused = forge_key(&program, |claimed| claimed.values[id][2] = wrong);
            assert!(matches!(refused, Err(KeyError::Ranges(Rejection::Root))), "{id} {wrong}");
        }
    }
}

#[test]
fn a_public_weight_that_is_not_what_the_digest_names_is_refused() {
    let mut program = forms(false, Visibility::Public);
    program.constants[0].values.as_mut().unwrap()[0] ^= 1;
    assert!(matches!(VerifyingKey::public(program), Err(KeyError::Model(_))));
}

#[test]
fn a_wire_is_read_through_its_tensor_in_every_mode() {
    for (committed, visibility) in MODES {
        let scene = Scene::new(forms(committed, visibility));
        let id = wire(scene.system(), 1);
        assert_eq!(scene.system().tensors[id].kind, Kind::Committed(Group::Wires));
        assert!(Prover::new(scene.program().clone()).is_ok());
    }
}
