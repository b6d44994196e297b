//! What the bytes of a transaction cost on a chain.
//!
//! ```text
//! gas = 21,000 + max(4 zeros + 16 others + executed, 10 zeros + 40 others)
//! ```
//!
//! The first is EIP-2028's price; the second is EIP-7623's floor, for a transaction that carries much and does little.

/// Gas of a transaction before its data and its first step.
pub const TRANSACTION: u64 = 21_000;

/// Bytes of a transaction's data by what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calldata {
    /// Bytes that are zero.
    pub zeros: u64,
    /// Bytes that are not.
    pub others: u64,
}

impl Calldata {
    /// The bytes of a call.
    pub fn of(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().filter(|&&byte| byte == 0).count() as u64;
        Calldata { zeros, others: bytes.len() as u64 - zeros }
    }

    /// The price of the bytes.
    pub fn price(self) -> u64 {
        self.zeros.saturating_mul(4).saturating_add(self.others.saturating_mul(16))
    }

    /// What they cost at least, whatever is executed.
    pub fn floor(self) -> u64 {
        self.zeros.saturating_mul(10).saturating_add(self.others.saturating_mul(40))
    }

    /// Gas of a transaction with these bytes that executes so much.
    pub fn gas(self, executed: u64) -> u64 {
        TRANSACTION.saturating_add(self.price().saturating_add(executed).max(self.floor()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cost_what_they_are_and_at_least_the_floor() {
        let data = Calldata::of(&[0, 0, 0, 7, 0xff]);
        assert_eq!(data, Calldata { zeros: 3, others: 2 });
        assert_eq!((data.price(), data.floor()), (44, 110));
        // The floor binds up to 66 gas of execution.
        assert_eq!([0, 66, 67, 1000].map(|executed| data.gas(executed)), [21_110, 21_110, 21_111, 22_044]);
        assert_eq!(Calldata::of(&[]).gas(5), 21_005);
    }
}
