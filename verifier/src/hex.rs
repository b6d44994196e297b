//! Bytes as lower-case hexadecimal, in messages.

use core::fmt;

/// Displays bytes as hexadecimal: `Hex(&digest).to_string()`.
#[derive(Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
