//! A fault on purpose: one bit of one operation's output, to see it found by a replay or an audit, and lose a dispute.

use assay_circuits::program::{Program, Source};
use assay_prover::run::Run;

/// A bit of an operation's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    operation: usize,
    bit: usize,
}

/// Reads `OPERATION:BIT`.
pub fn parse_flip(text: &str) -> Result<Flip, String> {
    let numbers = text.split_once(':').and_then(|(operation, bit)| {
        Some(Flip { operation: operation.parse().ok()?, bit: bit.parse().ok()? })
    });
    numbers.ok_or(format!("`{text}` is not OPERATION:BIT, two whole numbers"))
}

impl Flip {
    /// Flips the bit, counted in the output's bytes, in a run; or why there is none.
    pub fn apply(self, program: &Program, run: &mut Run) -> Result<(), String> {
        let Flip { operation, bit } = self;
        let width = program
            .width(Source::Operation(operation))
            .ok_or(format!("there is no operation {operation}"))?;
        let (place, bit) = (bit / (8 * width), bit % (8 * width));
        let cells = program.operations[operation].shape.cells();
        if place >= cells {
            return Err(format!("the output of operation {operation} has {} bits", 8 * width * cells));
        }
        match run {
            Run::Reals(trace) => trace.wires[operation].bits[place] ^= 1 << bit,
            Run::Integers(trace) => {
                let value = &mut trace.wires[operation].values[place];
                // Sign-extended, as the element is read from its bytes again.
                let unused = 64 - 8 * width as u32;
                *value = ((*value ^ 1 << bit) << unused) >> unused;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_named_by_two_numbers() {
        assert_eq!(parse_flip("3:17"), Ok(Flip { operation: 3, bit: 17 }));
        for wrong in ["", "3", "3:", ":7", "a:7", "3:-1", "3:1:2"] {
            assert!(parse_flip(wrong).is_err(), "{wrong}");
        }
    }
}
