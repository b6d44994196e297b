//! How a proof's time falls to its phases, seen from outside: a transcript that notes when it is called.
//!
//! Every phase of the protocol begins and ends with a message or a challenge whose label is its own, so that the prover
//! needs no clock in it. The witness comes before the first message; it is timed by a call of its own.

use crate::clock::Time;
use assay_circuits::execute::Trace;
use assay_prover::count::{self, Counted};
use assay_prover::prove::Prover;
use assay_verifier::F;
use assay_verifier::proof::Proof;
use assay_verifier::statement::Statement;
use assay_verifier::transcript::Transcript;
use assay_verifier::verify::transcript;

/// A phase, or a part of one where the parts are unlike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Hints, multiplicities and rows; commitments to the rows.
    WitnessAndCommit,
    /// The leaves of the lookups, and the tree above them.
    Tree,
    /// The sumchecks of the tree's layers.
    TreeSumchecks,
    /// Tensors evaluated where the tree ends.
    Readings,
    /// Tensors evaluated at equalities.
    Equalities,
    /// The batched sumcheck over all einsums.
    Einsums,
    /// Rows folded for the values in which it ends.
    Folds,
    /// The sumcheck that unifies column points.
    Unify,
    /// The inner-product argument.
    LastStep,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Phase; 9] = [
        Phase::WitnessAndCommit,
        Phase::Tree,
        Phase::TreeSumchecks,
        Phase::Readings,
        Phase::Equalities,
        Phase::Einsums,
        Phase::Folds,
        Phase::Unify,
        Phase::LastStep,
    ];

    /// A few words for a table.
    pub fn name(self) -> &'static str {
        match self {
            Phase::WitnessAndCommit => "witness, commit",
            Phase::Tree => "lookups: tree",
            Phase::TreeSumchecks => "lookups: sumchecks",
            Phase::Readings => "lookups: readings",
            Phase::Equalities => "equalities",
            Phase::Einsums => "batched sumcheck",
            Phase::Folds => "openings: folds",
            Phase::Unify => "openings: unify",
            Phase::LastStep => "openings: last step",
        }
    }
}

/// What a phase took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The phase.
    pub phase: Phase,
    /// Its time.
    pub time: Time,
    /// Operations in it; none unless the prover counts them.
    pub counted: Counted,
}

/// Where a proof has come to.
#[derive(Clone, Copy)]
struct Moment {
    time: Time,
    counted: Counted,
}

impl Moment {
    fn now() -> Moment {
        Moment { time: Time::now(), counted: count::so_far() }
    }
}

/// A transcript that notes when phases end, and how long it worked itself.
struct Observed<T> {
    inner: T,
    /// Each phase, and when it ended.
    ends: Vec<(Phase, Moment)>,
    /// When the last layer of the tree ended, if it was the last.
    line: Option<Moment>,
    hashing: Time,
}

impl<T: Transcript> Observed<T> {
    fn hash<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        let (time, result) = Time::of(|| work(&mut self.inner));
        self.hashing = self.hashing + time;
        result
    }

    fn end(&mut self, phase: Phase) {
        self.ends.push((phase, Moment::now()));
    }
}

impl<T: Transcript> Transcript for Observed<T> {
    fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
        match label {
            b"key" => self.end(Phase::WitnessAndCommit),
            b"root" => self.end(Phase::Tree),
            b"readings" => {
                let line = self.line.take().unwrap_or_else(Moment::now);
                self.ends.push((Phase::TreeSumchecks, line));
                self.end(Phase::Readings);
            }
            b"values" => self.end(Phase::Einsums),
            _ => {}
        }
        self.hash(|inner| inner.absorb(label, message));
    }

    fn challenge(&mut self, label: &'static [u8]) -> F {
        match label {
            b"rho" => self.end(Phase::Equalities),
            b"openings" => self.end(Phase::Folds),
            b"xi" => self.end(Phase::Unify),
            _ => {}
        }
        let challenge = self.hash(|inner| inner.challenge(label));
        if label == b"line" {
            self.line = Some(Moment::now());
        }
        challenge
    }
}

/// A proof, what each of its phases took, and the part of it all that is the transcript's.
pub struct Observation {
    /// What was proven.
    pub statement: Statement,
    /// The proof.
    pub proof: Proof,
    /// Phases in order.
    pub spent: Vec<Spent>,
    /// The transcript's own time, within the phases.
    pub hashing: Time,
}

/// Proves a trace and notes what its phases take.
///
/// # Panics
/// If the trace is not one of the prover's program.
pub fn observe(prover: &Prover, trace: &Trace) -> Observation {
    let mut observed =
        Observed { inner: transcript(), ends: Vec::new(), line: None, hashing: Time::default() };
    let mut last = Moment::now();
    let argument = prover.key().argument();
    let (statement, proof) = prover.prove_with(argument, trace, &mut observed).expect("the trace is honest");
    let unified = observed.ends.iter().any(|(phase, _)| *phase == Phase::Unify);
    observed.end(if unified { Phase::LastStep } else { Phase::Unify });
    let mut spent = Vec::with_capacity(Phase::ALL.len());
    for (phase, end) in observed.ends {
        spent.push(Spent { phase, time: end.time - last.time, counted: end.counted - last.counted });
        last = end;
    }
    Observation { statement, proof, spent, hashing: observed.hashing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks;
    use assay_prover::execute::execute;
    use assay_verifier::verify::verify;

    #[test]
    fn an_observed_proof_is_the_proof_and_its_phases_are_in_order() {
        let (program, inputs) = networks::stack(2, 8, 2);
        let trace = execute(&program, &inputs).unwrap();
        let prover = Prover::new(program).unwrap();
        let seen = observe(&prover, &trace);
        let (statement, proof) = prover.prove(&trace).unwrap();
        assert_eq!(seen.proof.encode(), proof.encode());
        verify(prover.key(), &statement, &seen.proof).unwrap();
        let phases: Vec<Phase> = seen.spent.iter().map(|spent| spent.phase).collect();
        assert!(phases.is_sorted() && phases.len() >= 8, "{phases:?}");
    }
}
