//! What the escrow says of a job.

use alloy::contract::Error;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::sol_types::SolValue;

/// `jobOf` answers a struct of static members: one word each. The bindings of the artifacts know tuples of 24 at most.
mod words {
    #![allow(missing_docs)]

    alloy::sol! {
        #[sol(rpc)]
        interface Jobs {
            function jobOf(bytes32 id) external view returns (bytes32[26] memory job);
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// There is no such job.
    #[default]
    None,
    /// The buyer has paid in.
    Offered,
    /// The provider has locked its bond.
    Accepted,
    /// The receipt is posted; games may be open.
    Posted,
    /// The receipt stands.
    Final,
    /// A challenger has won.
    Fallen,
    /// Nobody accepted, or no receipt came in time.
    Expired,
}

/// How a game stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is no such game.
    None,
    /// It is played.
    Open,
    /// The provider has won.
    Held,
    /// The challenger has won.
    Lost,
    /// Another game decided the job.
    Closed,
}

impl Stage {
    /// The stage with this number; [`Stage::None`] where there is none.
    pub fn of(number: u8) -> Stage {
        let stages = [
            Stage::None,
            Stage::Offered,
            Stage::Accepted,
            Stage::Posted,
            Stage::Final,
            Stage::Fallen,
            Stage::Expired,
        ];
        stages.get(usize::from(number)).copied().unwrap_or(Stage::None)
    }
}

impl Status {
    /// The status with this number.
    pub fn of(number: u8) -> Option<Status> {
        [Status::None, Status::Open, Status::Held, Status::Lost, Status::Closed]
            .get(usize::from(number))
            .copied()
    }
}

/// A job, as the contract has it. Times are seconds, amounts the smallest unit of the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Who pays.
    pub buyer: Address,
    /// What it pays.
    pub price: U256,
    /// Who posts the receipt.
    pub provider: Address,
    /// What the provider locks.
    pub provider_bond: U256,
    /// The token of all amounts; zero for the chain's own.
    pub token: Address,
    /// What a challenger locks for a game.
    pub challenger_bond: U256,
    /// Who else may split for the provider.
    pub agent: Address,
    /// What the buyer gets of a receipt that is not posted in time.
    pub late_fee: U256,
    /// The cap on the gas price that is metered.
    pub gas_price_cap: U256,
    /// The deadline for acceptance.
    pub accept_by: u64,
    /// The deadline for the receipt.
    pub post_by: u64,
    /// How far the job is.
    pub stage: Stage,
    /// The time after posting in which games open.
    pub window: u64,
    /// The provider's clock in a game.
    pub provider_clock: u64,
    /// A challenger's clock in a game.
    pub challenger_clock: u64,
    /// When the receipt was posted.
    pub posted: u64,
    /// The hash of what all games stand on.
    pub ground: B256,
    /// Number of games.
    pub games: u32,
    /// Number of games that are open.
    pub open: u32,
    /// What is left for the gas of challengers whose games were open when the receipt fell.
    pub pool: U256,
    /// The prize that is not paid yet.
    pub prize: U256,
    /// The number of the game that has it so far.
    pub holder: u32,
    /// Whether that game has shown what it knew.
    pub shown: bool,
    /// Until when others may show theirs.
    pub until: u64,
    /// Number of disclosures that are open.
    pub disclosures: u32,
    /// The hash of the winning position, where it held a claim; else zero.
    pub claim: B256,
}

impl Job {
    fn of(words: &[B256; 26]) -> Job {
        let amount = |i: usize| U256::from_be_bytes(words[i].0);
        let address = |i: usize| Address::from_word(words[i]);
        let number = |i: usize| u64::try_from(amount(i)).unwrap_or(u64::MAX);
        Job {
            buyer: address(0),
            price: amount(1),
            provider: address(2),
            provider_bond: amount(3),
            token: address(4),
            challenger_bond: amount(5),
            agent: address(6),
            late_fee: amount(7),
            gas_price_cap: amount(8),
            accept_by: number(9),
            post_by: number(10),
            stage: Stage::of(u8::try_from(number(11)).unwrap_or(0)),
            window: number(12),
            provider_clock: number(13),
            challenger_clock: number(14),
            posted: number(15),
            ground: words[16],
            games: number(17) as u32,
            open: number(18) as u32,
            pool: amount(19),
            prize: amount(20),
            holder: number(21) as u32,
            shown: number(22) != 0,
            until: number(23),
            disclosures: number(24) as u32,
            claim: words[25],
        }
    }
}

/// The job of an id; of stage [`Stage::None`] where there is none.
///
/// # Errors
/// Where the node does not answer, or no such contract stands there.
pub async fn job<P: Provider>(provider: P, dispute: Address, id: B256) -> Result<Job, Error> {
    words::Jobs::new(dispute, provider).jobOf(id).call().await.map(|words| Job::of(&words))
}

/// The id of a job's game.
pub fn game_id(job: B256, number: u32) -> B256 {
    keccak256((job, U256::from(number)).abi_encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_word_by_word() {
        let mut words = [B256::ZERO; 26];
        words.iter_mut().enumerate().for_each(|(i, word)| word[31] = i as u8);
        words[11] = B256::with_last_byte(5);
        let job = Job::of(&words);
        assert_eq!((job.buyer, job.price), (Address::with_last_byte(0), U256::from(1)));
        assert_eq!((job.stage, job.posted, job.ground), (Stage::Fallen, 15, words[16]));
        assert_eq!((job.games, job.open, job.holder, job.shown), (17, 18, 21, true));
        assert_eq!((job.until, job.disclosures, job.claim), (23, 24, words[25]));
    }
}
