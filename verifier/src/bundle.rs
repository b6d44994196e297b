//! Proof files: a proof, the statement that it proves, and the model that both belong to.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `ASSAYPRF` |
//! | 4 | version, 2 |
//! | 32 | the program's digest, [`VerifyingKey::digest`] |
//! | 4 and n | the reference string's name |
//! | 1 | 0: all operations; 1: a draw of them, then u32 samples, 32 bytes of randomness, 32 of the commitment |
//! | fixed by the program | the statement: public values in the narrowest integer, commitments of the rest |
//! | fixed by the plan | the proof |
//!
//! Who has a model's key needs nothing else:
//!
//! ```
//! use assay_verifier::{bundle, key::VerifyingKey, rejection::Rejection, statement::Statement};
//! fn answer(key: &VerifyingKey, file: &[u8]) -> Result<Statement, Rejection> {
//!     bundle::verify(key, file).map(|(_, statement)| statement)
//! }
//! ```

use crate::basis::REFERENCE;
use crate::draw::draw;
use crate::key::{Argument, VerifyingKey};
use crate::proof::Proof;
use crate::rejection::Rejection;
use crate::statement::Statement;
use crate::verify::{self, Verdict};
use alloc::string::String;
use alloc::vec::Vec;
use assay_circuits::encoding::{Reader, Writer};
use assay_circuits::lower::LowerError;

/// What a proof file begins with.
pub const MAGIC: &[u8; 8] = b"ASSAYPRF";
/// The version of the format.
pub const VERSION: u32 = 2;

/// A sample of operations, and what it was drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Number of samples.
    pub samples: u32,
    /// Randomness that was fixed after the commitment.
    pub randomness: [u8; 32],
    /// What the run was committed to, [`verify::commitment`].
    pub commitment: [u8; 32],
}

impl Drawn {
    /// The operations that are covered.
    ///
    /// # Errors
    /// Where there is none.
    pub fn argument(&self, key: &VerifyingKey) -> Result<Argument, LowerError> {
        verify::drawn(key, &draw(key.program(), &self.commitment, &self.randomness, self.samples))
    }
}

/// What a proof file says of itself before anything that needs its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The digest of the program that it is a proof of.
    pub program_digest: [u8; 32],
    /// The name of the reference string.
    pub reference: String,
    /// The draw, where not all operations are proven.
    pub drawn: Option<Drawn>,
    /// Bytes of the header; statement and proof follow.
    pub bytes: usize,
}

impl Header {
    /// Reads the header of a proof file.
    ///
    /// # Errors
    /// Where the bytes are no proof file of this version.
    pub fn decode(file: &[u8]) -> Result<Header, Rejection> {
        let mut r = Reader::new(file);
        if &r.array::<8>("magic")? != MAGIC {
            return Err(r.invalid("magic").into());
        }
        if r.u32("version")? != VERSION {
            return Err(r.invalid("version").into());
        }
        let program_digest = r.array("program digest")?;
        let reference = r.string("reference string")?;
        let drawn = match r.u8("coverage")? {
            0 => None,
            1 => Some(Drawn {
                samples: r.u32("samples")?,
                randomness: r.array("randomness")?,
                commitment: r.array("commitment")?,
            }),
            _ => return Err(r.invalid("coverage").into()),
        };
        Ok(Header { program_digest, reference, drawn, bytes: r.offset() })
    }
}

/// The file of a proof of all operations of the key's program, or of a draw of them.
pub fn encode(key: &VerifyingKey, drawn: Option<&Drawn>, statement: &Statement, proof: &Proof) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(MAGIC);
    w.u32(VERSION);
    w.bytes(key.digest());
    w.string(REFERENCE);
    w.u8(u8::from(drawn.is_some()));
    if let Some(drawn) = drawn {
        w.u32(drawn.samples);
        w.bytes(&drawn.randomness);
        w.bytes(&drawn.commitment);
    }
    w.bytes(&statement.encode(key.program(), &key.argument().system.layout));
    w.bytes(&proof.encode());
    w.finish()
}

/// Reads a header, for the key of the same program.
fn header(key: &VerifyingKey, file: &[u8]) -> Result<Header, Rejection> {
    let header = Header::decode(file)?;
    if header.reference != REFERENCE {
        return Err(Rejection::OtherReference { found: header.reference });
    }
    if header.program_digest != *key.digest() {
        return Err(Rejection::OtherModel { expected: *key.digest(), found: header.program_digest });
    }
    Ok(header)
}

/// Reads what follows the header.
fn body(
    key: &VerifyingKey,
    header: &Header,
    argument: &Argument,
    file: &[u8],
) -> Result<(Statement, Proof), Rejection> {
    let mut r = Reader::new(file);
    r.bytes(header.bytes, "header")?;
    let statement = Statement::decode(&mut r, key.program(), &key.argument().system.layout)?;
    let proof = Proof::decode(r.bytes(r.remaining(), "proof")?, &argument.shape)?;
    Ok((statement, proof))
}

/// Reads what [`encode`] wrote, with the key of the same program; nothing is verified yet.
///
/// # Errors
/// Where the file is of another model or reference string, or is not exactly such a file.
pub fn decode(key: &VerifyingKey, file: &[u8]) -> Result<(Statement, Proof), Rejection> {
    let header = header(key, file)?;
    match &header.drawn {
        None => body(key, &header, key.argument(), file),
        Some(drawn) => body(key, &header, &drawn.argument(key)?, file),
    }
}

/// Reads and verifies a proof file. The verdict's coverage says which operations were proven; that a draw's randomness
/// was fixed after its commitment is for the caller to know.
///
/// # Errors
/// The step that failed, and where.
pub fn verify(key: &VerifyingKey, file: &[u8]) -> Result<(Verdict, Statement), Rejection> {
    let header = header(key, file)?;
    let Some(drawn) = &header.drawn else {
        let (statement, proof) = body(key, &header, key.argument(), file)?;
        return Ok((verify::verify(key, &statement, &proof)?, statement));
    };
    let argument = drawn.argument(key)?;
    let (statement, proof) = body(key, &header, &argument, file)?;
    if verify::commitment(key, &statement, &proof.wires) != drawn.commitment {
        return Err(Rejection::Commitment);
    }
    let verdict = verify::verify_covering(key, argument.coverage, &statement, &proof)?;
    Ok((verdict, statement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_and_every_cut_of_it_refused() {
        let mut w = Writer::new();
        w.bytes(MAGIC);
        w.u32(VERSION);
        w.bytes(&[7; 32]);
        w.string(REFERENCE);
        w.u8(1);
        w.u32(40);
        w.bytes(&[8; 32]);
        w.bytes(&[9; 32]);
        let bytes = w.finish();
        let header = Header::decode(&bytes).unwrap();
        assert_eq!((header.program_digest, header.bytes), ([7; 32], bytes.len()));
        let drawn = Drawn { samples: 40, randomness: [8; 32], commitment: [9; 32] };
        assert_eq!(header.drawn, Some(drawn));
        for end in 0..bytes.len() {
            assert!(matches!(Header::decode(&bytes[..end]), Err(Rejection::Malformed(_))));
        }
        let mut other = bytes.clone();
        other[8] = 1;
        assert!(matches!(Header::decode(&other), Err(Rejection::Malformed(_))));
    }
}
