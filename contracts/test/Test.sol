// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// The cheatcodes of forge that these tests use.
interface Cheats {
    function readFile(string calldata path) external view returns (string memory);
    function readFileBinary(string calldata path) external view returns (bytes memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function expectRevert(bytes calldata data) external;
    function toString(uint256 value) external pure returns (string memory);
}

Cheats constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

error Unequal(string what, uint256 got, uint256 wanted);
error UnexpectedlyEqual(string what, bytes32 value);

function assertEqual(uint256 got, uint256 wanted, string memory what) pure {
    if (got != wanted) revert Unequal(what, got, wanted);
}

function assertEqual(bytes32 got, bytes32 wanted, string memory what) pure {
    if (got != wanted) revert Unequal(what, uint256(got), uint256(wanted));
}

function assertUnequal(bytes32 got, bytes32 other, string memory what) pure {
    if (got == other) revert UnexpectedlyEqual(what, got);
}
