//! Proof files: a proof, the statement that it proves, and the model that both belong to.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `ASSAYPRF` |
//! | 4 | version, 1 |
//! | 32 | the program's digest, [`VerifyingKey::digest`] |
//! | 4 and n | the reference string's name |
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
use crate::key::VerifyingKey;
use crate::proof::Proof;
use crate::rejection::Rejection;
use crate::statement::Statement;
use crate::verify::{self, Verdict};
use alloc::string::String;
use alloc::vec::Vec;
use assay_circuits::encoding::{Reader, Writer};

/// What a proof file begins with.
pub const MAGIC: &[u8; 8] = b"ASSAYPRF";
/// The version of the format.
pub const VERSION: u32 = 1;

/// What a proof file says of itself before anything that needs its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The digest of the program that it is a proof of.
    pub program_digest: [u8; 32],
    /// The name of the reference string.
    pub reference: String,
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
        Ok(Header { program_digest, reference, bytes: r.offset() })
    }
}

/// The file of a proof of all operations of the key's program.
pub fn encode(key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(MAGIC);
    w.u32(VERSION);
    w.bytes(key.digest());
    w.string(REFERENCE);
    w.bytes(&statement.encode(key.program(), &key.argument().system.layout));
    w.bytes(&proof.encode());
    w.finish()
}

/// Reads what [`encode`] wrote, with the key of the same program; nothing is verified yet.
///
/// # Errors
/// Where the file is of another model or reference string, or is not exactly such a file.
pub fn decode(key: &VerifyingKey, file: &[u8]) -> Result<(Statement, Proof), Rejection> {
    let header = Header::decode(file)?;
    if header.reference != REFERENCE {
        return Err(Rejection::OtherReference { found: header.reference });
    }
    if header.program_digest != *key.digest() {
        return Err(Rejection::OtherModel { expected: *key.digest(), found: header.program_digest });
    }
    let mut r = Reader::new(file);
    r.bytes(header.bytes, "header")?;
    let statement = Statement::decode(&mut r, key.program(), &key.argument().system.layout)?;
    let proof = Proof::decode(r.bytes(r.remaining(), "proof")?, &key.argument().shape)?;
    Ok((statement, proof))
}

/// Reads and verifies a proof file.
///
/// # Errors
/// The step that failed, and where.
pub fn verify(key: &VerifyingKey, file: &[u8]) -> Result<(Verdict, Statement), Rejection> {
    let (statement, proof) = decode(key, file)?;
    let verdict = verify::verify(key, &statement, &proof)?;
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
        let bytes = w.finish();
        let header = Header::decode(&bytes).unwrap();
        assert_eq!((header.program_digest, header.bytes), ([7; 32], bytes.len()));
        for end in 0..bytes.len() {
            assert!(matches!(Header::decode(&bytes[..end]), Err(Rejection::Malformed(_))));
        }
        let mut other = bytes.clone();
        other[8] = 2;
        assert!(matches!(Header::decode(&other), Err(Rejection::Malformed(_))));
    }
}
