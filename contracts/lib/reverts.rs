//! Why a contract reverts, in words.

use crate::abi::{AssayDispute, Formulas, Referee, Rules};
use crate::views::Stage;
use alloy::sol_types::{Revert, SolError, SolInterface};

/// The error that revert data carries, with its arguments; hexadecimal digits where no contract here has it.
pub fn reason(data: &[u8]) -> String {
    match AssayDispute::AssayDisputeErrors::abi_decode(data) {
        Ok(AssayDispute::AssayDisputeErrors::WrongStage(error)) => {
            return format!("WrongStage: the job is {:?}", Stage::of(error.stage));
        }
        Ok(error) => return inner(&format!("{error:?}")),
        Err(_) => {}
    }
    if let Ok(error) = Rules::RulesErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = Referee::RefereeErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = Formulas::FormulasErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = Revert::abi_decode(data) {
        return error.reason;
    }
    alloy::hex::encode_prefixed(data)
}

/// `TooLate(TooLate { deadline: 5 })` without its variant.
fn inner(text: &str) -> String {
    let within = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    #[test]
    fn an_error_is_named_with_its_arguments() {
        let late = AssayDispute::TooLate { deadline: U256::from(5) }.abi_encode();
        assert_eq!(reason(&late), "TooLate { deadline: 5 }");
        let stage = AssayDispute::WrongStage { stage: 1 }.abi_encode();
        assert_eq!(reason(&stage), "WrongStage: the job is Offered");
        let other = Rules::OtherReceipt {}.abi_encode();
        assert_eq!(reason(&other), "OtherReceipt");
        assert_eq!(reason(&Revert::from("no").abi_encode()), "no");
        assert_eq!(reason(&[1, 2]), "0x0102");
    }
}
