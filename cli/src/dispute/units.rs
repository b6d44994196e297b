//! Amounts and spans of time, as people write them.

use alloy::primitives::U256;
use alloy::primitives::utils::{Unit, format_ether, parse_units};
use std::time::Duration;

/// An amount: `20gwei`, `1.5ether`, or a whole number of the smallest unit.
pub fn parse_amount(text: &str) -> Result<U256, String> {
    let wrong =
        || format!("`{text}` is no amount: write 0.5ether, 20gwei, or a whole number of the smallest unit");
    let text = text.trim();
    let (digits, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(place) => (text[..place].trim(), text[place..].to_ascii_lowercase()),
        None => (text, "wei".to_string()),
    };
    let unit = if unit == "eth" { "ether" } else { &unit };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let decimals = Unit::try_from(unit).map_err(|_| wrong())?;
    // What is less than the smallest unit would be cut off.
    if digits.split_once('.').is_some_and(|(_, below)| below.len() > usize::from(decimals.get())) {
        return Err(wrong());
    }
    let amount: U256 = parse_units(digits, unit).map_err(|_| wrong())?.into();
    // What a contract takes in.
    if amount.bit_len() > 96 { Err(wrong()) } else { Ok(amount) }
}

/// An amount for people: in ether where it is the chain's own money.
pub fn amount(amount: U256, own_money: bool) -> String {
    if own_money {
        let text = format_ether(amount);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        format!("{short} ether")
    } else {
        format!("{amount} of the token")
    }
}

/// A span of time: `500ms`, `90s`, `15m`, `24h`, `7d`.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time: write 90s, 15m, 24h or 7d");
    let place = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let number: u64 = text[..place].trim().parse().map_err(|_| wrong())?;
    let seconds = |unit: u64| number.checked_mul(unit).filter(|&all| all <= 1 << 40).map(Duration::from_secs);
    match &text[place..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
    .ok_or_else(wrong)
}

/// Seconds for people.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        assert_eq!(parse_amount("20gwei"), Ok(U256::from(20_000_000_000u64)));
        assert_eq!(parse_amount("1.5 ether"), Ok(U256::from(1_500_000_000_000_000_000u64)));
        assert_eq!(parse_amount("7"), Ok(U256::from(7)));
        for wrong in ["", "x", "-1", "1.5", "1foo", "1e9", "79228162514264337593543950336"] {
            assert!(parse_amount(wrong).is_err(), "{wrong}");
        }
        assert_eq!(amount(U256::from(1_500_000_000_000_000_000u64), true), "1.5 ether");
        assert_eq!(amount(U256::ZERO, true), "0 ether");
        assert_eq!(amount(U256::from(7), false), "7 of the token");
    }

    #[test]
    fn spans_are_read_and_written() {
        assert_eq!(parse_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(parse_span("20ms"), Ok(Duration::from_millis(20)));
        for wrong in ["", "7", "d", "-1s", "1y", "1.5h", "99999999999999999999s", "9999999999999d"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            (span(90), span(600), span(86_400), span(604_800)),
            ("90 s".into(), "10 min".into(), "24 h".into(), "7 d".into())
        );
    }
}
