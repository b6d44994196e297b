//! Writes the shipped basis points: `cargo run --release -p assay-verifier --example make_basis > verifier/src/basis.bin`.

use ark_ff::{BigInteger, PrimeField};
use assay_verifier::basis::{SHIPPED, point};
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for i in 0..SHIPPED as u64 {
        let point = point(i);
        out.write_all(&point.x.into_bigint().to_bytes_le())?;
        out.write_all(&point.y.into_bigint().to_bytes_le())?;
    }
    Ok(())
}
