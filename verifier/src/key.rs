//! Verifying keys: a program, and for a committed model the commitments to its weights.
//!
//! A key is checked when it is made: the program's rules, and for a committed model a proof that every weight
//! lies within its bounds. A proof absorbs [`VerifyingKey::message`].

use crate::basis;
use crate::point;
use crate::proof::Proof;
use crate::rejection::Rejection;
use crate::statement::{Statement, decode_points};
use crate::verify;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use assay_circuits::encoding::{DecodeError, Reader, Writer};
use assay_circuits::lower::{Coverage, LowerError};
use assay_circuits::plan::{Plan, ProofShape, plan};
use assay_circuits::program::{Constant, Precision, Program, ProgramError};
use assay_circuits::relation::{Group, Kind, Schedule, System};
use assay_circuits::tensor::Tensor;
use thiserror::Error;

const MAGIC: &[u8; 8] = b"ASSAYKEY";
const VERSION: u32 = 1;

/// Why a key is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Its program is not well formed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its program has no lowering.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// Its bytes are malformed.
    #[error("not a verifying key: {0}")]
    Decode(#[from] DecodeError),
    /// A public model's constant has no values.
    #[error("constant {0} has no values, and the model is not committed")]
    NoValues(usize),
    /// Its own proof of the weights' ranges is rejected.
    #[error("the key's own proof is rejected: {0}")]
    Ranges(Rejection),
    /// The model's commitments are missing, or not wanted.
    #[error("{0}")]
    Model(String),
}

/// The system of a set of covered operations, with its schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The covered operations.
    pub coverage: Coverage,
    /// The relations.
    pub system: System,
    /// The order of a proof.
    pub schedule: Schedule,
    /// The counts of a proof.
    pub shape: ProofShape,
}

impl Argument {
    /// The argument of the covered operations under a plan.
    pub fn new(program: &Program, plan: &Plan, coverage: Coverage) -> Result<Argument, LowerError> {
        let system = plan.system(program, &coverage)?;
        let schedule = Schedule::new(&system);
        let shape = ProofShape::new(&system, &schedule);
        Ok(Argument { coverage, system, schedule, shape })
    }

    /// The covered operations as a transcript absorbs them.
    pub fn coverage_message(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match &self.coverage {
            Coverage::All => w.u8(0),
            Coverage::Only(set) => {
                w.u8(1);
                w.length(set.len());
                set.iter().for_each(|&operation| w.u64(operation as u64));
            }
            Coverage::Constants => w.u8(2),
        }
        w.finish()
    }
}

/// What a verifier holds of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyingKey {
    program: Program,
    plan: Plan,
    program_digest: [u8; 32],
    digest: [u8; 32],
    rows: Vec<G1Affine>,
    ranges: Option<Proof>,
    argument: Argument,
}

impl VerifyingKey {
    /// The key of a public model.
    pub fn public(program: Program) -> Result<Self, KeyError> {
        if program.precision != Precision::Int8 {
            return Err(LowerError::Precision.into());
        }
        if program.committed_model {
            return Err(KeyError::Model("the model is committed: its key holds commitments".to_string()));
        }
        if let Some(i) = program.constants.iter().position(|constant| constant.values.is_none()) {
            return Err(KeyError::NoValues(i));
        }
        if let Some(i) = program.constants.iter().position(|constant| !has_its_digest(constant)) {
            return Err(KeyError::Model(format!("constant {i} is not what its digest names")));
        }
        Self::assemble(program, Vec::new(), None)
    }

    /// The key of a committed model: its rows, and the proof that every weight lies within its bounds.
    pub fn committed(program: Program, rows: Vec<G1Affine>, ranges: Proof) -> Result<Self, KeyError> {
        if !program.committed_model {
            return Err(KeyError::Model("the model is public: its key is the program".to_string()));
        }
        let key = Self::assemble(program.without_values(), rows, Some(ranges))?;
        key.check_ranges()?;
        Ok(key)
    }

    fn assemble(program: Program, rows: Vec<G1Affine>, ranges: Option<Proof>) -> Result<Self, KeyError> {
        program.check()?;
        let plan = plan(&program)?;
        let argument = Argument::new(&program, &plan, Coverage::All)?;
        let program_digest = program_digest(&program, &plan);
        let digest = match program.committed_model {
            true => *blake3::hash(&key_message(&program_digest, &rows)).as_bytes(),
            false => program_digest,
        };
        Ok(VerifyingKey { program, plan, program_digest, digest, rows, ranges, argument })
    }

    fn check_ranges(&self) -> Result<(), KeyError> {
        let argument = Argument::new(&self.program, &self.plan, Coverage::Constants)?;
        if self.rows.len() != argument.system.layout.rows(Group::Key) {
            return Err(KeyError::Model("the key has another number of rows than its model".to_string()));
        }
        let Some(proof) = &self.ranges else {
            return Err(KeyError::Model("the key has no proof of its weights' ranges".to_string()));
        };
        let transcript = verify::transcript();
        verify::verify_with(self, &argument, &Statement::default(), proof, transcript)
            .map_err(KeyError::Ranges)
    }

    /// The program; of a committed model, without the values of its constants.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What pins the model: [`program_digest`], and of a committed model BLAKE3 of it and the key's rows, since the
    /// program then holds no weights.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Commitments to the rows of a committed model's constants.
    pub fn rows(&self) -> &[G1Affine] {
        &self.rows
    }

    /// The argument that covers every operation.
    pub fn argument(&self) -> &Argument {
        &self.argument
    }

    /// What a transcript absorbs of the key: the program's digest, then the rows of a committed model.
    pub fn message(&self) -> Vec<u8> {
        key_message(&self.program_digest, &self.rows)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC);
        w.u32(VERSION);
        w.string(basis::REFERENCE);
        let program = self.program.encode();
        w.length(program.len());
        w.bytes(&program);
        w.list(&self.rows, |w, row| w.bytes(&point::encode(row)));
        if let Some(ranges) = &self.ranges {
            w.bytes(&ranges.encode());
        }
        w.finish()
    }

    /// Reads what [`VerifyingKey::encode`] wrote, and checks it: the program, and the ranges of its weights.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut r = Reader::new(bytes);
        if &r.array::<8>("magic")? != MAGIC || r.u32("version")? != VERSION {
            return Err(r.invalid("magic or version").into());
        }
        if r.string("reference string")? != basis::REFERENCE {
            return Err(r.invalid("reference string").into());
        }
        let length = r.length(1, "program")?;
        let program = Program::decode(r.bytes(length, "program")?)?;
        let count = r.length(point::ENCODED, "key rows")?;
        let rows = decode_points(&mut r, count, "key rows")?;
        if !program.committed_model {
            if !rows.is_empty() {
                return Err(r.invalid("key rows").into());
            }
            r.finish()?;
            return Self::public(program);
        }
        if program.constants.iter().any(|constant| constant.values.is_some()) {
            return Err(r.invalid("constant of a committed model").into());
        }
        let plan = plan(&program)?;
        let shape = Argument::new(&program, &plan, Coverage::Constants)?.shape;
        let proof = r.bytes(r.remaining(), "range proof")?;
        let ranges = Proof::decode(proof, &shape).map_err(KeyError::Ranges)?;
        Self::committed(program, rows, ranges)
    }
}

/// True where a constant's values are those that the program's root pins.
fn has_its_digest(constant: &Constant) -> bool {
    let tensor = constant.values.clone().map(|values| Tensor { shape: constant.shape.clone(), values });
    tensor.is_some_and(|tensor| tensor.digest(&constant.bounds) == constant.digest)
}

/// [`VerifyingKey::message`] from its parts.
pub fn key_message(digest: &[u8; 32], rows: &[G1Affine]) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(digest);
    w.list(rows, |w, row| w.bytes(&point::encode(row)));
    w.finish()
}

/// BLAKE3 of program root, plan and reference string: what a proof absorbs as the program's digest.
pub fn program_digest(program: &Program, plan: &Plan) -> [u8; 32] {
    let mut w = Writer::new();
    w.bytes(&program.root());
    w.bytes(&plan.encode());
    w.string(basis::REFERENCE);
    *blake3::hash(&w.finish()).as_bytes()
}

/// True where a tensor's values are opened against rows.
pub fn is_committed(system: &System, tensor: usize) -> bool {
    system.tensors.get(tensor).is_some_and(|spec| matches!(spec.kind, Kind::Committed(_)))
}
