//! The terms of a job, and the job id that binds a receipt to them.
//!
//! Everything is 32-byte words, big-endian, as Solidity's `abi.encode` lays them out, so that a contract hashes the same
//! bytes. The hash of the terms is EIP-712's `hashStruct`:
//!
//! ```text
//! terms hash = keccak256(of the words below)
//! job id     = keccak256(chain id, contract, buyer, buyer's nonce, terms hash)
//! ```
//!
//! | word | what | type |
//! | --- | --- | --- |
//! | 0 | keccak256 of [`TERMS_TYPE`] | bytes32 |
//! | 1 | program root | bytes32 |
//! | 2 | keccak256 of the input digests, one after the other | bytes32 |
//! | 3 | provider | address |
//! | 4 | price | uint256 |
//! | 5 | the provider's bond | uint256 |
//! | 6 | a challenger's bond | uint256 |
//! | 7 | deadline for acceptance, seconds since 1970 | uint64 |
//! | 8 | deadline for the receipt | uint64 |
//! | 9 | window in which games open, seconds | uint64 |
//! | 10 | the provider's clock in a game, seconds | uint64 |
//! | 11 | a challenger's clock in a game, seconds | uint64 |
//! | 12 | cap on the gas price that is metered | uint256 |
//! | 13 | fee of a receipt that is not posted in time | uint256 |
//! | 14 | token of all amounts; zero for the chain's own | address |
//! | 15 | hash of the buyer's nonce for the audit, or zero | bytes32 |
//! | 16 | beacon for the audit: 0 none, 1 drand | uint8 |
//! | 17 | the beacon's identity: drand's chain hash, or zero | bytes32 |
//! | 18 | code hash of the referee | bytes32 |
//!
//! Addresses and integers are padded on the left to a word.

use crate::keccak::keccak256;
use crate::receipt::Receipt;
use crate::signature::{Domain, Signer};
use alloc::vec::Vec;
use assay_circuits::root::Digest32;
use thiserror::Error;

/// An unsigned integer of 256 bits, big-endian.
pub type Word = [u8; 32];
/// An account of the chain.
pub type Address = [u8; 20];

/// The EIP-712 type of the terms.
pub const TERMS_TYPE: &str = "Terms(bytes32 program,bytes32[] inputs,address provider,uint256 price,\
uint256 providerBond,uint256 challengerBond,uint64 acceptBy,uint64 postBy,uint64 window,uint64 providerClock,\
uint64 challengerClock,uint256 gasPriceCap,uint256 lateFee,address token,bytes32 auditCommitment,uint8 beaconKind,\
bytes32 beacon,bytes32 referee)";

/// What buyer and provider agree on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    /// The program root.
    pub program: Digest32,
    /// Digests of the inputs, in the program's order.
    pub inputs: Vec<Digest32>,
    /// Who may post the receipt, or whose signature it carries.
    pub provider: Address,
    /// What the buyer pays.
    pub price: Word,
    /// What the provider locks.
    pub provider_bond: Word,
    /// What a challenger locks for a game.
    pub challenger_bond: Word,
    /// The deadline for acceptance, seconds since 1970.
    pub accept_by: u64,
    /// The deadline for the receipt, seconds since 1970.
    pub post_by: u64,
    /// The time after posting in which games open, in seconds.
    pub window: u64,
    /// The provider's clock in a game, in seconds.
    pub provider_clock: u64,
    /// A challenger's clock in a game, in seconds.
    pub challenger_clock: u64,
    /// The cap on the gas price that is metered.
    pub gas_price_cap: Word,
    /// What the buyer gets of a receipt that is not posted in time.
    pub late_fee: Word,
    /// The token of all amounts; zero for the chain's own.
    pub token: Address,
    /// The hash of the buyer's nonce for the audit; zero without one.
    pub audit_commitment: Digest32,
    /// The beacon for the audit: 0 none, 1 drand.
    pub beacon_kind: u8,
    /// The beacon's identity: drand's chain hash; zero without one.
    pub beacon: Digest32,
    /// The code hash of the referee.
    pub referee: Digest32,
}

/// Terms, and where they were agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Agreement {
    /// The chain id.
    pub chain_id: Word,
    /// The contract that holds the job.
    pub contract: Address,
    /// Who pays.
    pub buyer: Address,
    /// The buyer's number for the job.
    pub nonce: Word,
    /// What was agreed.
    pub terms: Terms,
}

/// Why a receipt is not the one that terms ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TermsError {
    /// The receipt is of another job.
    #[error("the receipt is of another job than these terms")]
    OtherJob,
    /// The receipt has a job id, and the terms did not travel along.
    #[error("the receipt has a job id, but no terms travel with it")]
    NoTerms,
    /// The terms ask for another program.
    #[error("the terms are about another program")]
    OtherProgram,
    /// The terms ask for other inputs.
    #[error("the terms are about other inputs")]
    OtherInputs,
    /// The receipt is signed by an account that is not the provider's.
    #[error("the signer is not the provider of the terms")]
    OtherProvider,
    /// The signature counts on another chain or for another contract.
    #[error("the signature counts for another chain or contract than the terms")]
    OtherDomain,
    /// The kind of beacon is not known, or its identity does not fit it.
    #[error("the terms name a beacon that is not known")]
    Beacon,
}

/// An address as a word.
pub fn word(address: &Address) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    word
}

/// A small integer as a word.
pub fn word_of(value: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

impl Terms {
    /// The words that are hashed.
    pub fn words(&self) -> [Word; 19] {
        [
            keccak256(&[TERMS_TYPE.as_bytes()]),
            self.program,
            keccak256(&[self.inputs.as_flattened()]),
            word(&self.provider),
            self.price,
            self.provider_bond,
            self.challenger_bond,
            word_of(self.accept_by),
            word_of(self.post_by),
            word_of(self.window),
            word_of(self.provider_clock),
            word_of(self.challenger_clock),
            self.gas_price_cap,
            self.late_fee,
            word(&self.token),
            self.audit_commitment,
            word_of(self.beacon_kind.into()),
            self.beacon,
            self.referee,
        ]
    }

    /// The hash of the terms.
    pub fn hash(&self) -> Digest32 {
        keccak256(&[self.words().as_flattened()])
    }
}

impl Agreement {
    /// The job id.
    pub fn job(&self) -> Digest32 {
        let (contract, buyer) = (word(&self.contract), word(&self.buyer));
        keccak256(&[&self.chain_id, &contract, &buyer, &self.nonce, &self.terms.hash()])
    }

    /// Where an EIP-712 signature for this job counts.
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.contract }
    }

    /// Checks that a receipt is the one that the terms ask for.
    ///
    /// # Errors
    /// What differs first.
    pub fn check(&self, receipt: &Receipt) -> Result<(), TermsError> {
        let checks = [
            (receipt.program == self.terms.program, TermsError::OtherProgram),
            (receipt.inputs == self.terms.inputs, TermsError::OtherInputs),
            (self.terms.beacon_kind == 1 || self.terms.beacon == [0; 32], TermsError::Beacon),
            (self.terms.beacon_kind <= 1, TermsError::Beacon),
            (receipt.job == self.job(), TermsError::OtherJob),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Checks that whoever signed may speak for the provider. An Ed25519 key says nothing to a chain, where the provider
    /// posts from its own account instead.
    ///
    /// # Errors
    /// Where an account that is not the provider's signed.
    pub fn check_signer(&self, signer: &Signer) -> Result<(), TermsError> {
        match signer {
            Signer::Address(address) if *address != self.terms.provider => Err(TermsError::OtherProvider),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::Hex;
    use crate::receipt::tests::example;
    use alloc::string::ToString;
    use alloc::vec;

    /// Terms in which every field holds another value.
    fn agreement() -> Agreement {
        let terms = Terms {
            program: [1; 32],
            inputs: vec![[2; 32], [3; 32]],
            provider: [4; 20],
            price: word_of(5),
            provider_bond: word_of(6),
            challenger_bond: word_of(7),
            accept_by: 8,
            post_by: 9,
            window: 10,
            provider_clock: 11,
            challenger_clock: 12,
            gas_price_cap: word_of(13),
            late_fee: word_of(14),
            token: [15; 20],
            audit_commitment: [16; 32],
            beacon_kind: 1,
            beacon: [17; 32],
            referee: [18; 32],
        };
        Agreement { chain_id: word_of(31337), contract: [19; 20], buyer: [20; 20], nonce: word_of(21), terms }
    }

    #[test]
    fn every_edit_of_the_terms_gives_another_job() {
        let honest = agreement();
        let edits: [fn(&mut Agreement); 22] = [
            |a| a.chain_id[31] ^= 1,
            |a| a.contract[19] ^= 1,
            |a| a.buyer[0] ^= 1,
            |a| a.nonce[0] ^= 1,
            |a| a.terms.program[0] ^= 1,
            |a| a.terms.inputs[1][31] ^= 1,
            |a| a.terms.provider[0] ^= 1,
            |a| a.terms.price[0] ^= 1,
            |a| a.terms.provider_bond[31] ^= 1,
            |a| a.terms.challenger_bond[31] ^= 1,
            |a| a.terms.accept_by += 1,
            |a| a.terms.post_by += 1,
            |a| a.terms.window += 1,
            |a| a.terms.provider_clock += 1,
            |a| a.terms.challenger_clock += 1,
            |a| a.terms.gas_price_cap[31] ^= 1,
            |a| a.terms.late_fee[31] ^= 1,
            |a| a.terms.token[19] ^= 1,
            |a| a.terms.audit_commitment[0] ^= 1,
            |a| a.terms.beacon_kind ^= 1,
            |a| a.terms.beacon[0] ^= 1,
            |a| a.terms.referee[0] ^= 1,
        ];
        let mut receipt = example(5);
        receipt.program = honest.terms.program;
        receipt.inputs = honest.terms.inputs.clone();
        receipt.job = honest.job();
        assert_eq!(honest.check(&receipt), Ok(()));
        for (number, edit) in edits.iter().enumerate() {
            let mut edited = honest.clone();
            edit(&mut edited);
            assert_ne!(edited.job(), honest.job(), "edit {number}");
            assert!(edited.check(&receipt).is_err(), "edit {number}");
        }
        let mut fewer = honest.clone();
        fewer.terms.inputs.pop();
        assert_ne!(fewer.job(), honest.job());
        for (edit, error) in [
            ((|r: &mut Receipt| r.program[0] ^= 1) as fn(&mut Receipt), TermsError::OtherProgram),
            (|r| r.inputs.swap(0, 1), TermsError::OtherInputs),
            (|r| r.job[0] ^= 1, TermsError::OtherJob),
            (|r| r.job = [0; 32], TermsError::OtherJob),
        ] {
            let mut edited = receipt.clone();
            edit(&mut edited);
            assert_eq!(honest.check(&edited), Err(error));
        }
    }

    #[test]
    fn an_unknown_beacon_is_refused_even_where_the_job_is_right() {
        for (kind, beacon) in [(2, [17; 32]), (0, [17; 32])] {
            let mut agreement = agreement();
            (agreement.terms.beacon_kind, agreement.terms.beacon) = (kind, beacon);
            let mut receipt = example(5);
            receipt.program = agreement.terms.program;
            receipt.inputs = agreement.terms.inputs.clone();
            receipt.job = agreement.job();
            assert_eq!(agreement.check(&receipt), Err(TermsError::Beacon));
        }
    }

    #[test]
    fn only_the_providers_account_signs_for_it() {
        let agreement = agreement();
        assert_eq!(agreement.check_signer(&Signer::Address([4; 20])), Ok(()));
        assert_eq!(agreement.check_signer(&Signer::Address([5; 20])), Err(TermsError::OtherProvider));
        assert_eq!(agreement.check_signer(&Signer::Ed25519([9; 32])), Ok(()));
    }

    /// Made by `eth_account.messages.encode_typed_data` and `eth_abi.encode`, which share no code with this crate.
    #[test]
    fn terms_and_job_have_the_hashes_that_other_tools_give() {
        let agreement = agreement();
        assert_eq!(
            Hex(&agreement.terms.hash()).to_string(),
            "9a1501aaf5f81576091fad9697aef3e6a095e6e647467b87b7d0a414f9330b7b"
        );
        assert_eq!(
            Hex(&agreement.job()).to_string(),
            "281c1e4a803432f757817b79082578b439e2d0727619f383a13894cb0465b6c5"
        );
    }
}
