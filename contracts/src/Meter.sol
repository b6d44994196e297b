// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a transaction's gas costs its sender
/// @notice Never more than the sender pays: else a provider that challenges itself would take its own bond back as gas.
/// What is paid outside of the contract's own code counts only where an account calls the contract itself; a caller with code, and
/// an account that delegates to code, could pad the call's data for a fraction of what is metered.
library Meter {
    /// Gas of a transaction before its first step.
    uint256 private constant TRANSACTION = 21_000;
    uint256 private constant NONZERO_BYTE = 16;
    uint256 private constant ZERO_BYTE = 4;

    /// @notice Gas of this call up to now.
    /// @param start what was left when the call began.
    function used(uint256 start) internal view returns (uint256 gas_) {
        unchecked {
            if (msg.sender == tx.origin && msg.sender.code.length == 0) gas_ = TRANSACTION + _data();
            gas_ += start - gasleft();
        }
    }

    /// The gas of the call's data.
    function _data() private pure returns (uint256 gas_) {
        assembly ("memory-safe") {
            let low := 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f
            let ones := 0x0101010101010101010101010101010101010101010101010101010101010101
            let nonzero := 0
            // Beyond the end there are zeros. A byte's highest bit tells whether it is zero; the product adds them all up.
            for { let p := 0 } lt(p, calldatasize()) { p := add(p, 224) } {
                let x := calldataload(p)
                let sum := and(shr(7, or(add(and(x, low), low), x)), ones)
                x := calldataload(add(p, 32))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                x := calldataload(add(p, 64))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                x := calldataload(add(p, 96))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                x := calldataload(add(p, 128))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                x := calldataload(add(p, 160))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                x := calldataload(add(p, 192))
                sum := add(sum, and(shr(7, or(add(and(x, low), low), x)), ones))
                // Each byte is at most 7, and all of them together at most 224.
                nonzero := add(nonzero, shr(248, mul(sum, ones)))
            }
            gas_ := add(mul(nonzero, sub(NONZERO_BYTE, ZERO_BYTE)), mul(calldatasize(), ZERO_BYTE))
        }
    }
}
