//! Randomness for a draw: 32 bytes that were fixed after what they are to sample.

use crate::error::CliError;
use assay_prover::files::read_bytes;
use std::path::Path;

/// Reads 32 bytes from a file: raw, or 64 hexadecimal digits.
///
/// # Errors
/// Where the file cannot be read, or holds anything else.
pub fn read_beacon(path: &Path) -> Result<[u8; 32], CliError> {
    let bytes = read_bytes(path)?;
    if let Ok(raw) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(raw);
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    parse_hex(digits).ok_or_else(|| CliError::content(path, "should hold 32 bytes, raw or in hexadecimal"))
}

/// 32 bytes from 64 hexadecimal digits.
pub fn parse_hex(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, place) in bytes.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}
