//! Proving: the phases of a proof, in the order of the transcript. The verifier's side is
//! [`assay_verifier::verify`].

use crate::commitment::{Basis, commit_rows};
use crate::count;
use crate::error::ProveError;
use crate::lookup;
use crate::opening::{self, Folded, Rows};
use crate::sumcheck::{self, BatchedTerm};
use crate::witness::{Witness, group_rows};
use ark_bn254::G1Affine;
use assay_circuits::execute::Trace;
use assay_circuits::lower::Coverage;
use assay_circuits::plan::{Plan, plan};
use assay_circuits::program::{Program, Visibility};
use assay_circuits::relation::{Group, Kind, Origin, System, Values};
use assay_circuits::shape::log_size;
use assay_circuits::tensor::Tensor;
use assay_verifier::F;
use assay_verifier::bundle::Drawn;
use assay_verifier::key::{Argument, VerifyingKey, key_message, program_digest};
use assay_verifier::lookup::suffix;
use assay_verifier::multilinear::evaluate;
use assay_verifier::opening::powers;
use assay_verifier::proof::{Proof, TreeProof};
use assay_verifier::statement::{Statement, Value};
use assay_verifier::sumcheck::{axis_points, split_point, view_point};
use assay_verifier::transcript::Transcript;
use assay_verifier::verify::{self, Opened, absorb_commitments, tau_variables, transcript};
use rayon::prelude::*;

/// A part of the work of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The witness, and commitments to its rows.
    Commit,
    /// The tree of lookups.
    Lookups,
    /// The batched sumcheck over all einsums.
    Einsums,
    /// The openings of everything that was committed.
    Openings,
}

/// A program made ready for proving: its verifying key, its plan, and the basis of its rows.
pub struct Prover {
    program: Program,
    key: VerifyingKey,
    key_rows: Vec<Vec<i64>>,
    basis: Basis,
}

impl Prover {
    /// Prepares a program: plans it, and for a committed model commits its constants and proves their ranges.
    ///
    /// # Errors
    /// Where the program is not well formed or has no lowering.
    pub fn new(program: Program) -> Result<Self, ProveError> {
        if !program.committed_model {
            let key = VerifyingKey::public(program.clone())?;
            let basis = Basis::new(1 << key.plan().log_row);
            return Ok(Prover { program, key, key_rows: Vec::new(), basis });
        }
        let plan = plan(&program)?;
        let basis = Basis::new(1 << plan.log_row);
        let (key, key_rows) = commit_model(&program, &plan, &basis)?;
        Ok(Prover { program, key, key_rows, basis })
    }

    /// The verifying key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Proves all operations of a trace.
    ///
    /// # Errors
    /// Where the trace is not one of the program.
    pub fn prove(&self, trace: &Trace) -> Result<(Statement, Proof), ProveError> {
        self.prove_argument(self.key.argument(), trace)
    }

    /// As [`Prover::prove`], and tells `begins` of each phase as it begins.
    ///
    /// # Errors
    /// Where the trace is not one of the program.
    pub fn prove_observed(
        &self,
        trace: &Trace,
        begins: &dyn Fn(Phase),
    ) -> Result<(Statement, Proof), ProveError> {
        self.job(self.key.argument(), &self.key.message(), begins).prove(
            &self.key_rows,
            trace,
            &mut transcript(),
        )
    }

    /// Proves the operations that an argument of this key covers.
    ///
    /// # Errors
    /// Where the trace is not one of the program.
    pub fn prove_argument(
        &self,
        argument: &Argument,
        trace: &Trace,
    ) -> Result<(Statement, Proof), ProveError> {
        self.prove_with(argument, trace, &mut transcript())
    }

    /// What a run is committed to before operations of it are drawn.
    pub fn commitment(&self, trace: &Trace) -> [u8; 32] {
        let system = &self.key.argument().system;
        let witness = Witness::committed(&self.program, system, trace);
        let mut committed = |group| commit(&self.basis, &witness.rows(system, group));
        let statement = state(&self.program, system, &witness, &mut committed);
        let wires = committed(Group::Wires);
        verify::commitment(&self.key, &statement, &wires)
    }

    /// Commits to a trace, draws, and proves the operations drawn.
    ///
    /// # Errors
    /// Where the trace is not one of the program.
    pub fn prove_drawn(
        &self,
        trace: &Trace,
        samples: u32,
        randomness: [u8; 32],
    ) -> Result<(Drawn, Statement, Proof), ProveError> {
        let drawn = Drawn { samples, randomness, commitment: self.commitment(trace) };
        let argument = drawn.argument(&self.key)?;
        let (statement, proof) = self.prove_argument(&argument, trace)?;
        Ok((drawn, statement, proof))
    }

    /// Proves on a transcript of one's own.
    ///
    /// # Errors
    /// Where the trace is not one of the program.
    pub fn prove_with<T: Transcript>(
        &self,
        argument: &Argument,
        trace: &Trace,
        transcript: &mut T,
    ) -> Result<(Statement, Proof), ProveError> {
        self.job(argument, &self.key.message(), &|_| {}).prove(&self.key_rows, trace, transcript)
    }

    fn job<'a>(
        &'a self,
        argument: &'a Argument,
        key_message: &'a [u8],
        begins: &'a dyn Fn(Phase),
    ) -> Job<'a> {
        Job { program: &self.program, argument, basis: &self.basis, key_message, begins }
    }
}

/// Commits a model's constants and proves their ranges.
fn commit_model(
    program: &Program,
    plan: &Plan,
    basis: &Basis,
) -> Result<(VerifyingKey, Vec<Vec<i64>>), ProveError> {
    let argument = Argument::new(program, plan, Coverage::Constants)?;
    let empty = Trace { inputs: Vec::new(), wires: Vec::new(), sums: Vec::new() };
    let key_rows = Witness::new(program, &argument.system, &empty)?.rows(&argument.system, Group::Key);
    let rows = commit(basis, &key_rows);
    let message = key_message(&program_digest(program, plan), &rows);
    let job = Job { program, argument: &argument, basis, key_message: &message, begins: &|_| {} };
    let (_, ranges) = job.prove(&key_rows, &empty, &mut transcript())?;
    Ok((VerifyingKey::committed(program.clone(), rows, ranges)?, key_rows))
}

fn commit(basis: &Basis, rows: &[Vec<i64>]) -> Vec<G1Affine> {
    let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
    commit_rows(basis, &rows)
}

/// What a proof is made from, but the witness.
pub struct Job<'a> {
    /// The program.
    pub program: &'a Program,
    /// The operations that the proof covers.
    pub argument: &'a Argument,
    /// The basis of rows.
    pub basis: &'a Basis,
    /// What the transcript absorbs of the key.
    pub key_message: &'a [u8],
    /// Told of each phase as it begins.
    pub begins: &'a dyn Fn(Phase),
}

/// Claims on committed tensors, in the verifier's order.
#[derive(Default)]
struct Claims {
    folds: Vec<Folded>,
    values: Vec<F>,
}

impl Job<'_> {
    fn prove<T: Transcript>(
        &self,
        key_rows: &[Vec<i64>],
        trace: &Trace,
        transcript: &mut T,
    ) -> Result<(Statement, Proof), ProveError> {
        (self.begins)(Phase::Commit);
        let witness = Witness::new(self.program, &self.argument.system, trace)?;
        self.prove_witness(key_rows, &witness, transcript)
    }

    /// Proves a witness, true or not: of one that does not satisfy the system no verifier accepts the proof.
    ///
    /// # Errors
    /// Where a claim is on a tensor without rows.
    pub fn prove_witness<T: Transcript>(
        &self,
        key_rows: &[Vec<i64>],
        witness: &Witness<'_>,
        transcript: &mut T,
    ) -> Result<(Statement, Proof), ProveError> {
        let Argument { system, schedule, .. } = self.argument;
        let layout = &system.layout;
        // Phase 1: commitments.
        let mut rows = Rows::new();
        let mut commitments = std::collections::BTreeMap::new();
        for (group, _) in &layout.groups {
            if *group == Group::Key {
                rows.insert(*group, key_rows.to_vec());
                continue;
            }
            let of_group = witness.rows(system, *group);
            commitments.insert(*group, commit(self.basis, &of_group));
            rows.insert(*group, of_group);
        }
        let mut committed = |group| commitments.remove(&group).unwrap_or_default();
        let statement = match self.argument.coverage {
            Coverage::Constants => Statement::default(),
            _ => state(self.program, system, witness, &mut committed),
        };
        let (wires, hints) = (committed(Group::Wires), committed(Group::Hints));
        // Phase 2: challenges of the lookups.
        let Opened { beta, alpha } = absorb_commitments(
            self.key_message,
            self.program,
            self.argument,
            &statement,
            &wires,
            &hints,
            transcript,
        );
        // Phase 3: lookups.
        (self.begins)(Phase::Lookups);
        let mut claims = Claims::default();
        let fold = |tensor: usize, point: &[F]| {
            Folded::new(system, &rows, tensor, point).ok_or(ProveError::Internal("a claim is not on rows"))
        };
        let mut tree = TreeProof::default();
        let mut sent_readings = Vec::with_capacity(schedule.sent_readings);
        let mut points = Vec::with_capacity(schedule.readings.len());
        if schedule.depth > 0 {
            let (proof, end) = lookup::prove(system, schedule, witness, alpha, beta, transcript);
            tree = proof;
            for reading in &schedule.readings {
                let variables = reading.axes.iter().map(|&size| log_size(size)).sum();
                let axes = split_point(&reading.axes, suffix(&end.point, variables));
                points.push(view_point(&reading.view, &axes));
            }
            let evaluated: Vec<(F, Option<Folded>)> = schedule
                .readings
                .par_iter()
                .zip(&points)
                .map(|(reading, point)| match system.tensors[reading.tensor].kind {
                    Kind::Public(_) => Ok((F::default(), None)),
                    Kind::Virtual { .. } => {
                        let shape = &witness.shapes[reading.tensor];
                        count::small(shape.cells());
                        Ok((evaluate(shape, witness.tensor(reading.tensor), point), None))
                    }
                    Kind::Committed(_) => {
                        let folded = fold(reading.tensor, point)?;
                        Ok((folded.value(), Some(folded)))
                    }
                })
                .collect::<Result<_, ProveError>>()?;
            for ((value, folded), reading) in evaluated.into_iter().zip(&schedule.readings) {
                if !system.is_public(reading.tensor) {
                    sent_readings.push(value);
                }
                if let Some(folded) = folded {
                    claims.folds.push(folded);
                    claims.values.push(value);
                }
            }
            transcript.absorb_scalars(b"readings", &sent_readings);
        }
        // Phase 4: equalities and einsums.
        (self.begins)(Phase::Einsums);
        let tau = transcript.challenges(b"tau", tau_variables(system));
        let mut stated = Vec::with_capacity(schedule.sent_stated);
        let mut stated_points = Vec::with_capacity(system.equalities.len());
        for equality in &system.equalities {
            let point = suffix(&tau, system.tensors[equality.stated].shape.variables()).to_vec();
            if !system.is_public(equality.stated) {
                let folded = fold(equality.stated, &point)?;
                let value = folded.value();
                stated.push(value);
                claims.folds.push(folded);
                claims.values.push(value);
            }
            stated_points.push(point);
        }
        transcript.absorb_scalars(b"stated", &stated);
        let rho = transcript.challenge(b"rho");
        let weights = powers(rho, schedule.claims.len());
        let mut terms = Vec::new();
        for (claim, weight) in schedule.claims.iter().zip(weights) {
            let point = match claim.origin {
                Origin::Reading(i) => &points[i],
                Origin::Equality(i) => &stated_points[i],
            };
            let of_claim = &system.einsums[claim.einsum].terms;
            terms.extend(of_claim.iter().map(|term| BatchedTerm { term, point, weight }));
        }
        let (rounds, challenges, term_values) =
            sumcheck::prove(witness, &terms, schedule.rounds, schedule.degree, transcript);
        let mut values = Vec::with_capacity(schedule.values);
        let mut at = Vec::with_capacity(schedule.values);
        for (batched, of_term) in terms.iter().zip(&term_values) {
            let axes = axis_points(batched.term, batched.point, &challenges);
            for (factor, value) in batched.term.factors.iter().zip(of_term) {
                if !system.is_public(factor.tensor) {
                    values.push(*value);
                    at.push((factor.tensor, view_point(&factor.view, &axes)));
                }
            }
        }
        transcript.absorb_scalars(b"values", &values);
        let folded: Vec<Folded> =
            at.par_iter().map(|(tensor, point)| fold(*tensor, point)).collect::<Result<_, _>>()?;
        claims.folds.extend(folded);
        claims.values.extend_from_slice(&values);
        // Phase 5: openings.
        (self.begins)(Phase::Openings);
        let opening = match schedule.opens {
            true => opening::prove(system, &claims.folds, &claims.values, self.basis.points(), transcript),
            false => Default::default(),
        };
        let proof = Proof { wires, hints, tree, readings: sent_readings, stated, rounds, values, opening };
        Ok((statement, proof))
    }
}

/// The commitments that a statement holds of a committed input or output with these values.
///
/// This is how a buyer compares a tensor of its own with a statement; `None` where the tensor has another shape
/// than the group's, or the group is no single tensor of the statement.
pub fn commit_stated(key: &VerifyingKey, group: Group, tensor: &Tensor) -> Option<Vec<G1Affine>> {
    let system = &key.argument().system;
    let mut members = system.tensors.iter().filter(|spec| spec.kind == Kind::Committed(group));
    let (Some(member), None) = (members.next(), members.next()) else { return None };
    if !matches!(group, Group::Input(_) | Group::Output(_)) || member.shape != tensor.shape {
        return None;
    }
    let rows = group_rows(system, group, |_| (&tensor.shape, &tensor.values));
    Some(commit(&Basis::new(1 << key.plan().log_row), &rows))
}

/// The statement of a witness.
fn state(
    program: &Program,
    system: &System,
    witness: &Witness<'_>,
    committed: &mut impl FnMut(Group) -> Vec<G1Affine>,
) -> Statement {
    let mut value = |values: Values, visibility, group| {
        let id = system.tensors.iter().position(|spec| spec.values == values).unwrap_or_default();
        match visibility {
            Visibility::Public => {
                let (shape, values) = (witness.shapes[id].clone(), witness.tensor(id).to_vec());
                Value::Public(Tensor { shape, values })
            }
            Visibility::Committed => Value::Committed(committed(group)),
        }
    };
    let inputs = program.inputs.iter().enumerate();
    let inputs = inputs.map(|(i, x)| value(Values::Input(i), x.visibility, Group::Input(i))).collect();
    let outputs = program.outputs.iter().enumerate();
    let outputs =
        outputs.map(|(i, y)| value(Values::Wire(y.operation), y.visibility, Group::Output(i))).collect();
    Statement { inputs, outputs }
}
