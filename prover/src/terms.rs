//! Terms as JSON, for people and for the envelope. JSON is a carrier: what is hashed are the verifier's words.
//!
//! ```json
//! {"chain_id": "31337", "contract": "0x..", "buyer": "0x..", "nonce": "0",
//!  "terms": {"program": "0x..", "inputs": ["0x.."], "provider": "0x..", "price": "1000000", "provider_bond": "0",
//!            "challenger_bond": "0", "accept_by": 0, "post_by": 0, "window": 0, "provider_clock": 0,
//!            "challenger_clock": 0, "gas_price_cap": "0", "late_fee": "0", "token": "0x..",
//!            "audit_commitment": "0x..", "beacon_kind": 0, "beacon": "0x..", "referee": "0x.."}}
//! ```
//!
//! Every field must be there, once, and no other. Digests and addresses are hexadecimal with `0x`, integers of 256 bits
//! decimal strings.

use assay_circuits::root::Digest32;
use assay_verifier::terms::{Address, Agreement, Terms, Word};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Terms", deny_unknown_fields)]
struct TermsForm {
    #[serde(with = "hex")]
    program: Digest32,
    #[serde(with = "hex_list")]
    inputs: Vec<Digest32>,
    #[serde(with = "hex")]
    provider: Address,
    #[serde(with = "decimal")]
    price: Word,
    #[serde(with = "decimal")]
    provider_bond: Word,
    #[serde(with = "decimal")]
    challenger_bond: Word,
    accept_by: u64,
    post_by: u64,
    window: u64,
    provider_clock: u64,
    challenger_clock: u64,
    #[serde(with = "decimal")]
    gas_price_cap: Word,
    #[serde(with = "decimal")]
    late_fee: Word,
    #[serde(with = "hex")]
    token: Address,
    #[serde(with = "hex")]
    audit_commitment: Digest32,
    beacon_kind: u8,
    #[serde(with = "hex")]
    beacon: Digest32,
    #[serde(with = "hex")]
    referee: Digest32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Agreement", deny_unknown_fields)]
struct AgreementForm {
    #[serde(with = "decimal")]
    chain_id: Word,
    #[serde(with = "hex")]
    contract: Address,
    #[serde(with = "hex")]
    buyer: Address,
    #[serde(with = "decimal")]
    nonce: Word,
    #[serde(with = "TermsForm")]
    terms: Terms,
}

/// An agreement that is read and written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carried(#[serde(with = "AgreementForm")] pub Agreement);

/// Reads an agreement from a JSON file's bytes.
///
/// # Errors
/// Where a field is missing, unknown, there twice, or no value of its type.
pub fn from_json(bytes: &[u8]) -> Result<Agreement, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Carried(agreement)| agreement)
}

/// Writes an agreement as JSON.
///
/// # Errors
/// Never; the signature is the encoder's.
pub fn to_json(agreement: &Agreement) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Carried(agreement.clone()))
}

/// `N` bytes from their hexadecimal digits, with `0x` or without.
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |&c: &u8| char::from(c).to_digit(16).map(|d| d as u8);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(&pair[0])? << 4 | digit(&pair[1])?;
    }
    Some(bytes)
}

/// An integer of 256 bits from its decimal digits.
pub fn parse_decimal(text: &str) -> Option<Word> {
    if text.is_empty() || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    let mut word = [0u8; 32];
    for c in text.chars() {
        let mut carry = c.to_digit(10)?;
        for byte in word.iter_mut().rev() {
            let sum = u32::from(*byte) * 10 + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        if carry != 0 {
            return None;
        }
    }
    Some(word)
}

/// The decimal digits of an integer of 256 bits.
pub fn decimal_text(word: &Word) -> String {
    let mut rest = *word;
    let mut digits = Vec::new();
    loop {
        let mut remainder = 0;
        for byte in &mut rest {
            let value = remainder * 256 + u32::from(*byte);
            (*byte, remainder) = ((value / 10) as u8, value % 10);
        }
        digits.extend(char::from_digit(remainder, 10));
        if rest == [0; 32] {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Bytes as `0x` and hexadecimal digits.
pub mod hex {
    use assay_verifier::hex::Hex;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the digits.
    pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("0x{}", Hex(bytes)))
    }

    /// Reads exactly as many digits as there are.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(d)?;
        let bytes = text.starts_with("0x").then(|| super::parse_hex(&text)).flatten();
        bytes.ok_or_else(|| D::Error::custom(format!("`{text}` should be 0x and {} digits", 2 * N)))
    }
}

mod hex_list {
    use assay_circuits::root::Digest32;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "super::hex")] Digest32);

    pub fn serialize<S: Serializer>(digests: &[Digest32], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(digests.iter().map(|&digest| One(digest)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Digest32>, D::Error> {
        Ok(Vec::<One>::deserialize(d)?.into_iter().map(|One(digest)| digest).collect())
    }
}

/// Integers of 256 bits as decimal strings.
pub mod decimal {
    use assay_verifier::terms::Word;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the digits.
    pub fn serialize<S: Serializer>(word: &Word, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&super::decimal_text(word))
    }

    /// Reads digits without leading zeros.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Word, D::Error> {
        let text = String::deserialize(d)?;
        super::parse_decimal(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` should be a whole number below 2^256")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_verifier::terms::word_of;

    #[test]
    fn numbers_of_256_bits_are_read_and_written() {
        let greatest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        for text in ["0", "9", "10", "256", "1000000000000000000", greatest] {
            assert_eq!(decimal_text(&parse_decimal(text).unwrap()), text);
        }
        assert_eq!(parse_decimal("256"), Some(word_of(256)));
        let beyond = greatest.replace("935", "936");
        for text in ["", "00", "01", "-1", "1.0", "0x1", " 1", &beyond] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn terms_round_trip_and_every_field_is_needed_once() {
        let terms = Terms { inputs: vec![[1; 32], [2; 32]], price: word_of(1 << 60), ..Terms::default() };
        let agreement = Agreement { chain_id: word_of(31337), terms, ..Agreement::default() };
        let text = to_json(&agreement).unwrap();
        assert_eq!(from_json(text.as_bytes()).unwrap(), agreement);
        for line in text.lines().filter(|line| line.contains("\": ") && !line.ends_with(['[', '{'])) {
            let field = format!("{},", line.trim().trim_end_matches(','));
            assert!(from_json(text.replacen(line, "", 1).as_bytes()).is_err(), "{line}");
            let place = text.find(line).unwrap();
            let twice = [&text[..place], &field, &text[place..]].concat();
            assert!(from_json(twice.as_bytes()).is_err(), "{line}");
        }
        assert!(from_json(text.replacen("\"nonce\"", "\"more\": 1, \"nonce\"", 1).as_bytes()).is_err());
        assert!(from_json(text.replacen("0x00", "0x", 1).as_bytes()).is_err());
        assert!(from_json(text.replacen("0x00", "0x0g", 1).as_bytes()).is_err());
        assert!(from_json(format!("{text}x").as_bytes()).is_err());
    }
}
