//! Items 1 and 2: everything is absorbed before the challenge that it must not know.
//!
//! Each mutation keeps the algebra valid under the challenges of an honest run: it is accepted where they are
//! replayed, and rejected where they are drawn.

use crate::common::forge::Scene;
use crate::common::networks::{Builder, convolution, forms, shape, term, whole};
use crate::common::transcripts::{FrozenTranscript, Recorder};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::expression::Expression;
use assay_circuits::lower::Coverage;
use assay_circuits::program::{Program, Visibility};
use assay_circuits::relation::{BlockKind, Group, Origin};
use assay_circuits::shape::log_size;
use assay_circuits::tensor::Bounds;
use assay_prover::prove::Prover;
use assay_verifier::F;
use assay_verifier::key::{Argument, VerifyingKey, is_committed};
use assay_verifier::lookup::{self, TreeEnd, suffix};
use assay_verifier::multilinear::{eq, eq_index};
use assay_verifier::opening::{RowClaim, distinct_columns, powers};
use assay_verifier::point::{G1Affine, G1Projective};
use assay_verifier::proof::Proof;
use assay_verifier::statement::{Statement, Value};
use assay_verifier::sumcheck::{Claim, axis_points, split_point, term_weight, verify_rounds, view_point};
use assay_verifier::transcript::Transcript;
use assay_verifier::verify::{PublicTensors, sampled, tau_variables, transcript, verify_with};

type Challenges = Vec<(&'static [u8], F)>;

/// An honest run with its challenges.
struct Run {
    scene: Scene,
    argument: Argument,
    statement: Statement,
    proof: Proof,
    challenges: Challenges,
}

impl Run {
    fn new(program: Program) -> Run {
        Run::covering(program, Coverage::All)
    }

    fn covering(program: Program, coverage: Coverage) -> Run {
        let scene = Scene::new(program);
        let argument = sampled(scene.prover.key(), coverage).unwrap();
        let mut recorder = Recorder::new();
        let (statement, proof) = scene.prover.prove_with(&argument, &scene.trace, &mut recorder).unwrap();
        let run = Run { scene, argument, statement, proof, challenges: recorder.challenges };
        assert!(run.accepts(run.scene.prover.key(), &run.argument, &run.statement, &run.proof, true));
        assert!(run.accepts(run.scene.prover.key(), &run.argument, &run.statement, &run.proof, false));
        run
    }

    fn accepts(
        &self,
        key: &VerifyingKey,
        argument: &Argument,
        statement: &Statement,
        proof: &Proof,
        frozen: bool,
    ) -> bool {
        statement.check(key.program(), &argument.system.layout).unwrap();
        match frozen {
            true => verify_with(key, argument, statement, proof, FrozenTranscript::new(&self.challenges)),
            false => verify_with(key, argument, statement, proof, transcript()),
        }
        .is_ok()
    }

    /// Only the transcript tells the mutation from the truth.
    fn only_the_transcript_rejects(
        &self,
        what: &str,
        key: &VerifyingKey,
        argument: &Argument,
        statement: &Statement,
        proof: &Proof,
    ) {
        assert!(self.accepts(key, argument, statement, proof, true), "{what} breaks the algebra");
        assert!(!self.accepts(key, argument, statement, proof, false), "{what} is not absorbed");
    }

    fn proof_is_bound(&self, what: &str, proof: &Proof) {
        assert_ne!(*proof, self.proof, "{what} is unchanged");
        self.only_the_transcript_rejects(
            what,
            self.scene.prover.key(),
            &self.argument,
            &self.statement,
            proof,
        );
    }

    fn challenge(&self, label: &[u8], number: usize) -> F {
        self.challenges.iter().filter(|(of, _)| *of == label).nth(number).unwrap().1
    }
}

#[test]
fn everything_that_a_program_says_is_absorbed() {
    let run = Run::new(forms(false, Visibility::Public));
    type Edit = fn(&mut Program);
    let edits: [(&str, Edit); 9] = [
        ("an input's name", |p| p.inputs[0].name.push('!')),
        ("an input's scale", |p| p.inputs[0].scale = 2.0),
        ("an input's picture", |p| {
            p.inputs[0].image =
                Some(assay_circuits::program::ImageInput { scale: 1.0, mean: vec![0.0], std: vec![1.0] });
        }),
        ("an output's name", |p| p.outputs[1].name.push('!')),
        ("an output's scale", |p| p.outputs[0].scale = 0.5),
        ("a constant that nobody reads", |p| p.constants.push(p.constants[0].clone())),
        ("a constant's digest", |p| {
            let constant = &mut p.constants[0];
            constant.bounds.hi += 40_000;
            let values = constant.values.clone().unwrap();
            let tensor = assay_circuits::tensor::Tensor { shape: constant.shape.clone(), values };
            constant.digest = tensor.digest(&constant.bounds);
        }),
        ("an operation's class", |p| p.operations[1].class = assay_circuits::program::Class::Fold),
        ("the bounds of a sum", |p| {
            let bounds = &mut p.operations[5].sums[0].bounds;
            *bounds = Bounds { lo: bounds.lo - 1, hi: bounds.hi + 1 };
        }),
    ];
    for (what, edit) in edits {
        let mut program = run.scene.program().clone();
        edit(&mut program);
        let key = VerifyingKey::public(program).unwrap();
        run.only_the_transcript_rejects(what, &key, key.argument(), &run.statement, &run.proof);
    }
}

#[test]
fn the_covered_operations_are_absorbed() {
    let run = Run::new(forms(false, Visibility::Public));
    let all = 0..run.scene.program().operations.len();
    let argument = run.scene.covering(all);
    let key = run.scene.prover.key();
    run.only_the_transcript_rejects("coverage", key, &argument, &run.statement, &run.proof);
}

/// Rows of a committed model that no covered operation reads; the key's digest covers them too.
#[test]
fn the_rows_of_a_committed_model_are_absorbed() {
    let run = Run::covering(convolution(true, Visibility::Public), Coverage::Only([1].into()));
    let mut program = run.scene.program().clone();
    let values = program.constants[0].values.as_mut().unwrap();
    values[0] = if values[0] == 1 { 2 } else { 1 };
    let other = Prover::new(program).unwrap();
    assert_ne!(other.key().digest(), run.scene.prover.key().digest());
    assert_ne!(other.key().rows(), run.scene.prover.key().rows());
    run.only_the_transcript_rejects("a key's rows", other.key(), &run.argument, &run.statement, &run.proof);
}

#[test]
fn inputs_and_outputs_are_absorbed() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        // Input 1 is read by nobody; outputs are not covered.
        let run = Run::covering(convolution(false, visibility), Coverage::Only([0].into()));
        let change = |value: &mut Value| match value {
            Value::Public(tensor) => tensor.values[0] -= tensor.values[0].signum() * 2 - 1,
            Value::Committed(rows) => rows[0] = assay_verifier::basis::point(3),
        };
        let key = run.scene.prover.key();
        let mut statement = run.statement.clone();
        change(&mut statement.inputs[1]);
        run.only_the_transcript_rejects("an input", key, &run.argument, &statement, &run.proof);
        let mut statement = run.statement.clone();
        change(&mut statement.outputs[0]);
        run.only_the_transcript_rejects("an output", key, &run.argument, &statement, &run.proof);
    }
}

#[test]
fn rows_of_wires_that_nobody_opens_are_absorbed() {
    let run = Run::covering(convolution(false, Visibility::Public), Coverage::Only([0].into()));
    let mut proof = run.proof.clone();
    let last = proof.wires.len() - 1;
    proof.wires[last] = assay_verifier::basis::point(3);
    run.proof_is_bound("a row of wires", &proof);
}

/// Messages of the tree: each changed so that its challenge, replayed, leads to the same claim.
#[test]
fn each_message_of_the_tree_is_absorbed() {
    let run = Run::new(forms(false, Visibility::Public));
    let t = F::from(5u64);
    // The two ends of a line at g, and the layer's claim.
    let bend = |ends: [F; 4], g: F, lambda: F| -> [F; 4] {
        let [p0, q0, p1, q1] = ends;
        let product = |[p0, q0, p1, q1]: [F; 4]| p0 * q1 + p1 * q0 + lambda * q0 * q1;
        let (q0, q1) = (q0 + g * t, q1 - (F::ONE - g) * t);
        let missing = product(ends) - product([p0, q0, p1, q1]);
        let u = missing * (g * q1 - (F::ONE - g) * q0).inverse().unwrap();
        [p0 + g * u, q0, p1 - (F::ONE - g) * u, q1]
    };
    let mut proof = run.proof.clone();
    proof.tree.root[0] = bend(proof.tree.root[0], run.challenge(b"line", 0), F::ZERO);
    run.proof_is_bound("the root", &proof);
    let mut point = vec![run.challenge(b"line", 0)];
    let mut rounds = 0;
    for k in 0..run.proof.tree.layers.len() {
        let mut proof = run.proof.clone();
        let ends = &mut proof.tree.layers[k].ends;
        *ends = bend(*ends, run.challenge(b"line", k + 1), run.challenge(b"lambda", k));
        run.proof_is_bound("the end of a layer", &proof);
        let bound: Vec<F> = (0..=k).map(|j| run.challenge(b"round", rounds + j)).collect();
        for j in 0..=k {
            // y (h1 + h2) is taken from the claim, x h1 + x^2 h2 added.
            let (y, x) = (point[k - j], bound[j]);
            let mut proof = run.proof.clone();
            let [h1, h2] = &mut proof.tree.layers[k].rounds[j];
            *h1 += (x.square() - y) * t;
            *h2 -= (x - y) * t;
            run.proof_is_bound("a round of a layer", &proof);
        }
        point = bound.into_iter().rev().collect();
        point.push(run.challenge(b"line", k + 1));
        rounds += k + 1;
    }
}

#[test]
fn each_message_of_the_sumchecks_is_absorbed() {
    let run = Run::new(convolution(false, Visibility::Public));
    let tree: usize = (0..run.proof.tree.layers.len()).map(|k| k + 1).sum();
    let t = F::from(7u64);
    // c0 weighs 1 - 2 x, c2 weighs x^2 - x.
    let bend = |c0: &mut F, c2: &mut F, x: F| {
        *c0 += (x.square() - x) * t;
        *c2 -= (F::ONE - x.double()) * t;
    };
    for j in 0..run.proof.rounds.len() {
        let mut proof = run.proof.clone();
        let [c0, c2, ..] = proof.rounds[j].as_mut_slice() else { panic!("degree 2 or more") };
        bend(c0, c2, run.challenge(b"round", tree + j));
        run.proof_is_bound("a round of the batched sumcheck", &proof);
    }
    // The last message of a sumcheck decides its point: it is bound by what is drawn next.
    for j in 0..run.proof.opening.unify.len() {
        let mut proof = run.proof.clone();
        let [c0, c2] = &mut proof.opening.unify[j];
        bend(c0, c2, run.challenge(b"unify", j));
        run.proof_is_bound("a round of the openings", &proof);
    }
}

/// L and R of the inner-product argument, under a plan that has rounds of it.
#[test]
fn each_fold_is_absorbed() {
    let program = forms(false, Visibility::Public);
    let scene = Scene::new(program);
    let mut plan = *scene.prover.key().plan();
    (plan.log_row, plan.rounds) = (6, 3);
    let argument = Argument::new(scene.program(), &plan, Coverage::All).unwrap();
    let mut recorder = Recorder::new();
    let (statement, proof) = scene.forge_argument(&argument, &scene.trace, |_, _| {}, &mut recorder);
    let challenges = recorder.challenges;
    let run = Run { argument, statement, proof, challenges, scene };
    for j in 0..3 {
        let x = run.challenge(b"fold", j);
        let mut proof = run.proof.clone();
        let shift = G1Projective::from(assay_verifier::basis::point(9));
        let [left, right] = &mut proof.opening.fold[j];
        *left = (G1Projective::from(*left) - shift * x.square()).into();
        *right = (G1Projective::from(*right) + shift).into();
        run.proof_is_bound("a fold", &proof);
    }
}

/// What a verifier computes of a recorded run, as linear functions of the values that the proof sends.
struct Linear {
    /// For each sent reading, stated value and einsum value its weight in each equation that it enters.
    readings: Vec<Vec<F>>,
    stated: Vec<Vec<F>>,
    values: Vec<Vec<F>>,
    /// For each group and row its weight in the folded row's commitment.
    rows: Vec<(Group, Vec<F>)>,
}

/// Numerator and denominator of the leaves, the batched sumcheck, the openings.
const EQUATIONS: usize = 4;

impl Linear {
    fn new(run: &Run) -> Linear {
        let Argument { system, schedule, .. } = &run.argument;
        let program = run.scene.program();
        let public = PublicTensors { program, statement: &run.statement };
        let mut t = FrozenTranscript::new(&run.challenges);
        let (beta, _) = (t.challenge(b"beta"), t.challenge(b"alpha"));
        let end = match schedule.depth {
            0 => TreeEnd { point: Vec::new(), numerator: F::ZERO, denominator: F::ONE },
            depth => lookup::verify(depth, &run.proof.tree, &mut t).unwrap(),
        };
        let mut claims: Vec<(Claim, Option<(usize, usize)>)> = Vec::new();
        // Which sent value each reading is.
        let (mut sent_of, mut points) = (Vec::new(), Vec::new());
        let mut readings = Vec::new();
        for reading in &schedule.readings {
            let variables = reading.axes.iter().map(|&size| log_size(size)).sum();
            let point = view_point(&reading.view, &split_point(&reading.axes, suffix(&end.point, variables)));
            points.push(point.clone());
            if system.is_public(reading.tensor) {
                sent_of.push(None);
                continue;
            }
            let number = readings.len();
            sent_of.push(Some(number));
            readings.push(vec![F::ZERO; EQUATIONS]);
            if is_committed(system, reading.tensor) {
                let claim = Claim { tensor: reading.tensor, point, value: run.proof.readings[number] };
                claims.push((claim, Some((0, number))));
            }
        }
        for block in &schedule.blocks {
            let (head, _) = end.point.split_at(end.point.len() - block.variables);
            let weight = eq_index(head, block.offset >> block.variables);
            match block.kind {
                BlockKind::Lookup(i) => {
                    let mut power = beta;
                    for (column, places) in system.lookups[i].columns.iter().zip(&schedule.lookups[i]) {
                        let over = F::from(column.divisor).inverse().unwrap();
                        for ((coefficient, _, _), place) in column.terms.iter().zip(places) {
                            if let Some(sent) = sent_of[*place] {
                                readings[sent][1] -= weight * power * F::from(*coefficient) * over;
                            }
                        }
                        power *= beta;
                    }
                }
                BlockKind::Table(i) => {
                    readings[sent_of[schedule.multiplicities[i]].unwrap()][0] -= weight;
                }
            }
        }
        let tau = t.challenges(b"tau", tau_variables(system));
        let (mut stated, mut stated_of) = (Vec::new(), Vec::new());
        for equality in &system.equalities {
            let point = suffix(&tau, system.tensors[equality.stated].shape.variables()).to_vec();
            let value = match public.evaluate(system, equality.stated, &point) {
                Some(value) => value,
                None => run.proof.stated[stated.len()],
            };
            let mut number = None;
            if !system.is_public(equality.stated) {
                number = Some(stated.len());
                claims.push((
                    Claim { tensor: equality.stated, point: point.clone(), value },
                    Some((1, stated.len())),
                ));
                stated.push(vec![F::ZERO; EQUATIONS]);
            }
            stated_of.push((point, value, number));
        }
        let rho = t.challenge(b"rho");
        let weights = powers(rho, schedule.claims.len());
        let (challenges, _) =
            verify_rounds(F::ZERO, run.proof.rounds.iter().map(Vec::as_slice), b"round", &mut t);
        // The sum of claims enters the end of the sumcheck by the product of the challenges.
        let slope: F = challenges.iter().product();
        let mut values: Vec<Vec<F>> = Vec::new();
        for (claim, weight) in schedule.claims.iter().zip(&weights) {
            let point = match claim.origin {
                Origin::Reading(i) => {
                    if let Some(sent) = sent_of[i] {
                        readings[sent][2] += slope * weight;
                    }
                    points[i].clone()
                }
                Origin::Equality(i) => {
                    if let Some(sent) = stated_of[i].2 {
                        stated[sent][2] += slope * weight;
                    }
                    stated_of[i].0.clone()
                }
            };
            for term in &system.einsums[claim.einsum].terms {
                let axes = axis_points(term, &point, &challenges);
                let scale = *weight * term_weight(term, &point, &axes, schedule.rounds).unwrap();
                let mut sent = Vec::new();
                let mut known = scale;
                for factor in &term.factors {
                    let at = view_point(&factor.view, &axes);
                    match public.evaluate(system, factor.tensor, &at) {
                        Some(value) => known *= value,
                        None => {
                            let number = values.len();
                            let value = run.proof.values[number];
                            claims
                                .push((Claim { tensor: factor.tensor, point: at, value }, Some((2, number))));
                            values.push(vec![F::ZERO; EQUATIONS]);
                            sent.push((number, value));
                        }
                    }
                }
                for (place, (number, _)) in sent.iter().enumerate() {
                    let others = sent.iter().enumerate().filter(|(other, _)| *other != place);
                    values[*number][2] -= known * others.map(|(_, (_, value))| *value).product::<F>();
                }
            }
        }
        let rho = t.challenge(b"openings");
        let rho_powers = powers(rho, claims.len());
        let split: Vec<RowClaim> =
            claims.iter().map(|(claim, _)| RowClaim::new(system, claim).unwrap()).collect();
        let (columns, numbers) = distinct_columns(&split);
        let s: Vec<F> = (0..system.layout.log_row).map(|_| t.challenge(b"unify")).collect();
        let mut rows: Vec<(Group, Vec<F>)> =
            system.layout.groups.iter().map(|(group, count)| (*group, vec![F::ZERO; *count])).collect();
        for (i, (claim, of)) in claims.iter().enumerate() {
            match of {
                Some((0, n)) => readings[*n][3] += rho_powers[i],
                Some((1, n)) => stated[*n][3] += rho_powers[i],
                Some((_, n)) => values[*n][3] += rho_powers[i],
                None => {}
            }
            let weight = rho_powers[i] * eq(&columns[numbers[i]], &s);
            let shape = &system.tensors[claim.tensor].shape;
            let group = &mut rows.iter_mut().find(|(group, _)| *group == split[i].group).unwrap().1;
            for (row, eq) in split[i].row_weights(shape, system.layout.log_row) {
                group[row] += weight * eq;
            }
        }
        Linear { readings, stated, values, rows }
    }
}

/// A change of some values, not all zero, that no equation sees; `None` where there is none.
fn kernel(columns: &[Vec<F>]) -> Option<Vec<F>> {
    let mut matrix: Vec<Vec<F>> =
        (0..EQUATIONS).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    let mut pivots: Vec<usize> = Vec::new();
    for column in 0..columns.len() {
        let row = pivots.len();
        let Some(found) = (row..EQUATIONS).find(|&r| matrix[r][column] != F::ZERO) else {
            let mut solution = vec![F::ZERO; columns.len()];
            solution[column] = F::ONE;
            for (r, &pivot) in pivots.iter().enumerate() {
                solution[pivot] = -matrix[r][column];
            }
            return Some(solution);
        };
        matrix.swap(row, found);
        let inverse = matrix[row][column].inverse()?;
        matrix[row].iter_mut().for_each(|x| *x *= inverse);
        let pivot_row = matrix[row].clone();
        for (r, other) in matrix.iter_mut().enumerate() {
            let factor = other[column];
            if r != row {
                other.iter_mut().zip(&pivot_row).for_each(|(x, p)| *x -= factor * p);
            }
        }
        pivots.push(column);
    }
    None
}

/// Sums of wires that are equalities, and nothing else.
fn copies() -> Program {
    let mut b = Builder::new(false);
    let x = b.input(&[5], (-128, 127), Visibility::Public);
    let wires: Vec<_> = (1..=4)
        .map(|k| b.operation(&[5], &[], vec![vec![term(k, &[whole(x, 1)])]], Expression::Sum(0)))
        .collect();
    let sum = wires.iter().map(|wire| term(1, &[whole(*wire, 1)])).collect();
    let y = b.operation(&[5], &[], vec![sum], Expression::Sum(0));
    b.output(y, Visibility::Public);
    b.finish()
}

#[test]
fn values_are_absorbed_before_what_batches_them() {
    let run = Run::new(copies());
    let linear = Linear::new(&run);
    for (what, columns) in [("stated values", &linear.stated), ("values", &linear.values)] {
        let change = kernel(columns).expect("more values than equations");
        let mut proof = run.proof.clone();
        let list = if what == "values" { &mut proof.values } else { &mut proof.stated };
        list.iter_mut().zip(&change).for_each(|(value, change)| *value += change);
        run.proof_is_bound(what, &proof);
    }
    let run = Run::new(convolution(false, Visibility::Public));
    let linear = Linear::new(&run);
    let change = kernel(&linear.readings).expect("more readings than equations");
    let mut proof = run.proof.clone();
    proof.readings.iter_mut().zip(&change).for_each(|(value, change)| *value += change);
    run.proof_is_bound("readings", &proof);
}

/// Rows changed so that the one combination that a recorded run opens stays: only absorption binds them.
#[test]
fn rows_are_absorbed_before_any_challenge() {
    let run = Run::new(convolution(false, Visibility::Committed));
    let linear = Linear::new(&run);
    let shift = G1Projective::from(assay_verifier::basis::point(11));
    for (group, weights) in &linear.rows {
        let mut changed = (run.statement.clone(), run.proof.clone());
        let rows: &mut Vec<G1Affine> = match group {
            Group::Wires => &mut changed.1.wires,
            Group::Hints => &mut changed.1.hints,
            Group::Input(i) => rows_of(&mut changed.0.inputs[*i]),
            Group::Output(i) => rows_of(&mut changed.0.outputs[*i]),
            Group::Key => continue,
        };
        match weights.as_slice() {
            [first, second, ..] => {
                rows[0] = (G1Projective::from(rows[0]) + shift * second).into();
                rows[1] = (G1Projective::from(rows[1]) - shift * first).into();
            }
            [first] if *first == F::ZERO => rows[0] = shift.into(),
            _ => continue,
        }
        let what = format!("{group:?}");
        let key = run.scene.prover.key();
        run.only_the_transcript_rejects(&what, key, &run.argument, &changed.0, &changed.1);
    }
    let counts = [Group::Wires, Group::Hints].map(|group| run.argument.system.layout.rows(group));
    assert!(counts.iter().all(|&count| count > 1), "rows of wires and of hints are both tried");
}

fn rows_of(value: &mut Value) -> &mut Vec<G1Affine> {
    match value {
        Value::Committed(rows) => rows,
        Value::Public(_) => panic!("it is committed"),
    }
}

/// Challenges in another order are other challenges: a prover that draws alpha first proves nothing.
#[test]
fn challenges_drawn_in_another_order_are_rejected() {
    struct Swapped(Recorder, Option<F>);
    impl Transcript for Swapped {
        fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
            self.0.absorb(label, message);
        }
        fn challenge(&mut self, label: &'static [u8]) -> F {
            match label {
                b"beta" => {
                    self.1 = Some(self.0.challenge(b"alpha"));
                    self.0.challenge(b"beta")
                }
                b"alpha" => self.1.take().unwrap(),
                _ => self.0.challenge(label),
            }
        }
    }
    let scene = Scene::new(forms(false, Visibility::Public));
    let mut swapped = Swapped(Recorder::new(), None);
    let forged = scene.prover.prove_with(scene.argument(), &scene.trace, &mut swapped).unwrap();
    assert!(scene.verify(&forged).is_err());
    assert_eq!(scene.trace.inputs[0].shape, shape(&[5]));
}
