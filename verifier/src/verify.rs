//! Verification: the phases of a proof, in the order of the transcript.

use crate::F;
use crate::draw::{self, Sample};
use crate::key::{Argument, VerifyingKey, is_committed};
use crate::lookup::{self, suffix};
use crate::multilinear::{eq_prefix, eq_table, evaluate, less_than};
use crate::opening;
use crate::point;
use crate::proof::Proof;
use crate::rejection::Rejection;
use crate::statement::{Statement, Value};
use crate::sumcheck::{Claim, axis_points, split_point, term_weight, verify_rounds, view_point};
use crate::transcript::{MerlinTranscript, Transcript};
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, Field, Zero};
use assay_circuits::lower::{Coverage, LowerError};
use assay_circuits::program::Program;
use assay_circuits::relation::{Group, Kind, Origin, Public, System, TensorId};
use assay_circuits::shape::log_size;
use assay_circuits::tensor::Tensor;

/// The security level, in bits: the least of field, curve and transcript is the discrete logarithm in BN254.
pub const SECURITY_BITS: u32 = 100;

/// What an accepted proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The program's digest, [`VerifyingKey::digest`].
    pub program_digest: [u8; 32],
    /// The operations that were proven.
    pub coverage: Coverage,
    /// The security level in bits.
    pub security_bits: u32,
}

/// The transcript in which every proof off chain starts.
pub fn transcript() -> MerlinTranscript {
    MerlinTranscript::new(b"assay proof v1")
}

/// Verifies a proof of all operations.
///
/// # Errors
/// The step that failed, and where.
pub fn verify(key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Result<Verdict, Rejection> {
    verify_argument(key, key.argument(), statement, proof)
}

/// Verifies a proof of some of the operations of the key's program.
///
/// # Errors
/// The step that failed, and where; or the operations have no argument.
pub fn verify_covering(
    key: &VerifyingKey,
    coverage: Coverage,
    statement: &Statement,
    proof: &Proof,
) -> Result<Verdict, Rejection> {
    let argument = sampled(key, coverage)?;
    verify_argument(key, &argument, statement, proof)
}

fn verify_argument(
    key: &VerifyingKey,
    argument: &Argument,
    statement: &Statement,
    proof: &Proof,
) -> Result<Verdict, Rejection> {
    statement.check(key.program(), &argument.system.layout)?;
    verify_with(key, argument, statement, proof, transcript())?;
    Ok(Verdict {
        program_digest: *key.digest(),
        coverage: argument.coverage.clone(),
        security_bits: SECURITY_BITS,
    })
}

/// The argument of some operations of the key's program.
///
/// # Errors
/// Where a tensor that they read is too wide for a range check, or an operation is not the program's.
pub fn sampled(key: &VerifyingKey, coverage: Coverage) -> Result<Argument, LowerError> {
    Argument::new(key.program(), key.plan(), coverage)
}

/// The argument of the operations of a draw, and of those that write a sum which one of them reads and which is too wide
/// for a range check of its own.
///
/// # Errors
/// Where no operation is drawn.
pub fn drawn(key: &VerifyingKey, samples: &[Sample]) -> Result<Argument, LowerError> {
    let mut covered = draw::operations(samples);
    loop {
        match sampled(key, Coverage::Only(covered.clone())) {
            Err(LowerError::TooWide { what: "operation", index }) if covered.insert(index) => {}
            result => return result,
        }
    }
}

/// What a run is committed to before operations of it are drawn: the statement, and the rows of all wires.
pub fn commitment(key: &VerifyingKey, statement: &Statement, wires: &[G1Affine]) -> [u8; 32] {
    let layout = &key.argument().system.layout;
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"assay commitment v1").update(key.digest());
    hasher.update(&statement.digest_message(key.program(), layout));
    wires.iter().for_each(|row| {
        hasher.update(&point::encode(row));
    });
    *hasher.finalize().as_bytes()
}

/// The challenges between which a proof's phases lie, up to the lookups.
pub struct Opened {
    /// Compresses tuples.
    pub beta: F,
    /// The point of LogUp.
    pub alpha: F,
}

/// Phases 0 to 2: absorbs everything that is fixed before the first challenge, and draws beta and alpha.
pub fn absorb_commitments<T: Transcript>(
    key_message: &[u8],
    program: &Program,
    argument: &Argument,
    statement: &Statement,
    wires: &[G1Affine],
    hints: &[G1Affine],
    transcript: &mut T,
) -> Opened {
    let layout = &argument.system.layout;
    transcript.absorb(b"key", key_message);
    transcript.absorb(b"coverage", &argument.coverage_message());
    transcript.absorb(b"statement", &statement.digest_message(program, layout));
    transcript.absorb_points(b"wires", wires);
    transcript.absorb_points(b"hints", hints);
    let beta = transcript.challenge(b"beta");
    Opened { beta, alpha: transcript.challenge(b"alpha") }
}

/// Verifies on a transcript of one's own; the statement has been checked.
pub fn verify_with<T: Transcript>(
    key: &VerifyingKey,
    argument: &Argument,
    statement: &Statement,
    proof: &Proof,
    mut transcript: T,
) -> Result<(), Rejection> {
    let Argument { system, schedule, shape, .. } = argument;
    if !proof.has_shape(shape) {
        return Err(Rejection::Length { expected: shape.bytes(), given: proof.encode().len() });
    }
    let public = PublicTensors { program: key.program(), statement };
    let transcript = &mut transcript;
    let Opened { beta, alpha } = absorb_commitments(
        &key.message(),
        key.program(),
        argument,
        statement,
        &proof.wires,
        &proof.hints,
        transcript,
    );

    // Phase 3: lookups.
    let mut claims = Vec::new();
    let mut readings = Vec::with_capacity(schedule.readings.len());
    let mut points = Vec::with_capacity(schedule.readings.len());
    if schedule.depth > 0 {
        let end = lookup::verify(schedule.depth, &proof.tree, transcript)?;
        transcript.absorb_scalars(b"readings", &proof.readings);
        let mut sent = proof.readings.iter();
        for reading in &schedule.readings {
            let variables = reading.axes.iter().map(|&size| log_size(size)).sum();
            let axes = split_point(&reading.axes, suffix(&end.point, variables));
            let point = view_point(&reading.view, &axes);
            let value = match public.evaluate(system, reading.tensor, &point) {
                Some(value) => value,
                None => *sent.next().ok_or(Rejection::Leaves)?,
            };
            if is_committed(system, reading.tensor) {
                claims.push(Claim { tensor: reading.tensor, point: point.clone(), value });
            }
            readings.push(value);
            points.push(point);
        }
        lookup::verify_leaves(system, schedule, &readings, alpha, beta, &end)?;
    }

    // Phase 4: equalities at a fresh point, and all einsums in one sumcheck.
    let mut stated = Vec::with_capacity(system.equalities.len());
    let tau = transcript.challenges(b"tau", tau_variables(system));
    transcript.absorb_scalars(b"stated", &proof.stated);
    let mut sent = proof.stated.iter();
    for equality in &system.equalities {
        let variables = system.tensors.get(equality.stated).map_or(0, |spec| spec.shape.variables());
        let point = suffix(&tau, variables).to_vec();
        let value = match public.evaluate(system, equality.stated, &point) {
            Some(value) => value,
            None => {
                let value = *sent.next().ok_or(Rejection::Einsum)?;
                claims.push(Claim { tensor: equality.stated, point: point.clone(), value });
                value
            }
        };
        stated.push((point, value));
    }
    let rho = transcript.challenge(b"rho");
    let mut batched = Vec::with_capacity(schedule.claims.len());
    for claim in &schedule.claims {
        let at = match claim.origin {
            Origin::Reading(i) => points.get(i).cloned().zip(readings.get(i).copied()),
            Origin::Equality(i) => stated.get(i).cloned(),
        };
        let (point, value) = at.ok_or(Rejection::Einsum)?;
        let einsum = system.einsums.get(claim.einsum).ok_or(Rejection::Einsum)?;
        batched.push((einsum, point, value));
    }
    let weights = opening::powers(rho, batched.len());
    let sum: F = batched.iter().zip(&weights).map(|((_, _, value), weight)| *value * weight).sum();
    let messages = proof.rounds.iter().map(Vec::as_slice);
    let (challenges, end) = verify_rounds(sum, messages, b"round", transcript);
    transcript.absorb_scalars(b"values", &proof.values);
    let mut sent = proof.values.iter();
    let mut total = F::ZERO;
    for ((einsum, point, _), weight) in batched.iter().zip(&weights) {
        for term in &einsum.terms {
            let axes = axis_points(term, point, &challenges);
            let mut product = *weight * term_weight(term, point, &axes, schedule.rounds)?;
            for factor in &term.factors {
                let at = view_point(&factor.view, &axes);
                product *= match public.evaluate(system, factor.tensor, &at) {
                    Some(value) => value,
                    None => {
                        let value = *sent.next().ok_or(Rejection::Einsum)?;
                        claims.push(Claim { tensor: factor.tensor, point: at, value });
                        value
                    }
                };
            }
            total += product;
        }
    }
    if total != end {
        return Err(Rejection::Einsum);
    }

    // Phase 5: openings.
    if !schedule.opens {
        return Ok(());
    }
    let commitments = |group| match group {
        Group::Input(i) => rows_of(statement.inputs.get(i)),
        Group::Output(i) => rows_of(statement.outputs.get(i)),
        Group::Key => key.rows(),
        Group::Wires => proof.wires.as_slice(),
        Group::Hints => proof.hints.as_slice(),
    };
    opening::verify(system, &claims, commitments, &proof.opening, transcript)
}

fn rows_of(value: Option<&Value>) -> &[G1Affine] {
    match value {
        Some(Value::Committed(rows)) => rows,
        _ => &[],
    }
}

/// Number of coordinates of tau: enough for the largest equality; each takes its suffix.
pub fn tau_variables(system: &System) -> usize {
    let variables = |tensor: TensorId| system.tensors.get(tensor).map_or(0, |spec| spec.shape.variables());
    system.equalities.iter().map(|equality| variables(equality.stated)).max().unwrap_or(0)
}

/// The tensors that the verifier has.
pub struct PublicTensors<'a> {
    /// Its constants.
    pub program: &'a Program,
    /// Its inputs and outputs.
    pub statement: &'a Statement,
}

impl PublicTensors<'_> {
    /// The extension of a public tensor at a point; `None` of any other tensor.
    pub fn evaluate(&self, system: &System, tensor: TensorId, point: &[F]) -> Option<F> {
        let spec = system.tensors.get(tensor)?;
        let Kind::Public(public) = spec.kind else { return None };
        let value = match public {
            Public::Input(i) => {
                evaluate(&spec.shape, &public_values(self.statement.inputs.get(i))?.values, point)
            }
            Public::Output(i) => {
                evaluate(&spec.shape, &public_values(self.statement.outputs.get(i))?.values, point)
            }
            Public::Constant(i) => {
                evaluate(&spec.shape, self.program.constants.get(i)?.values.as_deref()?, point)
            }
            Public::Selected(i) | Public::Before(i) => {
                let positions = public_values(self.statement.outputs.get(i))?;
                let (head, last) = point.split_at_checked(positions.shape.variables())?;
                let along = eq_table(last);
                let place = |position: i64| match public {
                    Public::Selected(_) => along.get(position as usize).copied().unwrap_or(F::ZERO),
                    _ => less_than(position as usize, last),
                };
                weighted_sum(positions, head, place)
            }
        };
        Some(value)
    }
}

/// `sum over cells of eq(point, cell) * function(value)`.
fn weighted_sum(tensor: &Tensor, point: &[F], function: impl Fn(i64) -> F) -> F {
    let mut rest = point;
    let mut weights = alloc::vec![F::ONE];
    for &size in tensor.shape.sizes() {
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        let axis = eq_prefix(head, size);
        weights = weights.iter().flat_map(|weight| axis.iter().map(move |next| *weight * next)).collect();
        rest = tail;
    }
    weights
        .iter()
        .zip(&tensor.values)
        .map(|(weight, value)| *weight * function(*value))
        .fold(F::zero(), |a, b| a + b)
}

fn public_values(value: Option<&Value>) -> Option<&Tensor> {
    match value {
        Some(Value::Public(tensor)) => Some(tensor),
        _ => None,
    }
}
