// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Meter} from "../src/Meter.sol";
import {chain} from "./Chain.sol";

contract Metered {
    /// Gas of a call beside what its own steps take, and how much these are at most.
    function used(bytes calldata) external view returns (uint256 gas_, uint256 own) {
        uint256 start = gasleft();
        gas_ = Meter.used(start);
        own = start - gasleft();
    }
}

/// What is paid for a call's data, against a plain reading of the rule.
contract MeterTest {
    error Counting(uint256 gas_, uint256 length);

    Metered internal metered = new Metered();

    function plain(bytes memory data) internal pure returns (uint256 gas_) {
        gas_ = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas_ += data[i] == 0 ? 4 : 16;
        }
    }

    function check(bytes memory data) internal {
        bytes memory call = abi.encodeCall(Metered.used, (data));
        // A sender's account is at hand, as in a transaction.
        require(address(0x70).code.length == 0);
        chain.prank(address(0x70), address(0x70));
        (, bytes memory answer) = address(metered).call(call);
        (uint256 direct,) = abi.decode(answer, (uint256, uint256));
        (, answer) = address(metered).call(call);
        (uint256 inner, uint256 own) = abi.decode(answer, (uint256, uint256));
        require(inner <= own, "own steps");
        // What counting takes is paid too.
        uint256 counting = direct - inner - plain(call);
        if (counting >= 700 + 2 * call.length) revert Counting(counting, call.length);
    }

    function test_data_is_metered_as_it_is_paid(bytes memory data) external {
        check(data);
    }

    function test_zeros_and_long_data_are_metered_as_they_are_paid(uint16 length, uint256 seed) external {
        bytes memory data = new bytes(length % 4096);
        for (uint256 i = 0; i < data.length; ++i) {
            if ((seed >> (i % 251)) & 3 == 0) data[i] = bytes1(uint8(seed >> (i % 7)));
        }
        check(data);
    }
}
