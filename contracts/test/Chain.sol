// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// A record of an event.
struct Log {
    bytes32[] topics;
    bytes data;
    address emitter;
}

/// Gas of a call.
struct Gas {
    uint64 gasLimit;
    uint64 gasTotalUsed;
    uint64 gasMemoryUsed;
    int64 gasRefunded;
    uint64 gasRemaining;
}

/// The cheatcodes of forge that stand for a chain and its accounts.
interface Chain {
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
    function warp(uint256 time) external;
    function txGasPrice(uint256 price) external;
    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function deal(address account, uint256 balance) external;
    function store(address account, bytes32 slot, bytes32 value) external;
    function etch(address account, bytes calldata code) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function lastCallGas() external view returns (Gas memory);
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
}

Chain constant chain = Chain(address(uint160(uint256(keccak256("hevm cheat code")))));
