// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "../src/Binary32.sol";
import {Blake3} from "../src/Blake3.sol";
import {Elementary} from "../src/Elementary.sol";
import {cheats} from "./Test.sol";

/// Hashes of calldata, and the gas that each takes.
contract Blake3Meter {
    function chunkValue(bytes calldata chunk, uint64 index, uint64 length) external view returns (uint256 gas) {
        gas = gasleft();
        bytes32 value = Blake3.chunkValue(chunk, index, length);
        gas -= gasleft();
        require(value != 0);
    }

    function parentValue(bytes32 left, bytes32 right) external view returns (uint256 gas) {
        gas = gasleft();
        bytes32 value = Blake3.parentValue(left, right, false);
        gas -= gasleft();
        require(value != 0);
    }

    function rootFromChunk(bytes calldata chunk, uint64 index, uint64 length, bytes calldata siblings)
        external
        view
        returns (uint256 gas)
    {
        gas = gasleft();
        bytes32 digest = Blake3.rootFromChunk(chunk, index, length, siblings, false);
        gas -= gasleft();
        require(digest != 0);
    }

    function merge(bytes calldata values, uint64 chunks) external view returns (uint256 gas) {
        gas = gasleft();
        bytes32 value = Blake3.merge(values, chunks, 4, false);
        gas -= gasleft();
        require(value != 0);
    }
}

contract Binary32Meter {
    function unary(function(uint256) internal pure returns (uint256) f, uint256 a) internal view returns (uint256 gas) {
        gas = gasleft();
        f(a);
        gas -= gasleft();
    }

    function binary(function(uint256, uint256) internal pure returns (uint256) f, uint256 a, uint256 b)
        internal
        view
        returns (uint256 gas)
    {
        gas = gasleft();
        f(a, b);
        gas -= gasleft();
    }

    function ternary(
        function(uint256, uint256, uint256) internal pure returns (uint256) f,
        uint256 a,
        uint256 b,
        uint256 c
    ) internal view returns (uint256 gas) {
        gas = gasleft();
        f(a, b, c);
        gas -= gasleft();
    }

    function arithmetic(uint256 a, uint256 b, uint256 c, uint256 tiny)
        external
        view
        returns (string[10] memory names, uint256[10] memory gas)
    {
        names = [
            "add",
            "sub that cancels",
            "mul",
            "fma",
            "fma of a zero",
            "fma of a subnormal number",
            "div",
            "sqrt",
            "maximum",
            "roundEven"
        ];
        gas = [
            binary(Binary32.add, a, b),
            binary(Binary32.sub, a, a + 3),
            binary(Binary32.mul, a, b),
            ternary(Binary32.fma, a, b, c),
            ternary(Binary32.fma, 0, b, c),
            ternary(Binary32.fma, a, tiny, tiny),
            binary(Binary32.div, a, b),
            unary(Binary32.sqrt, a),
            binary(Binary32.maximum, a, b),
            unary(Binary32.roundEven, a)
        ];
    }

    function elementary(uint256 a) external view returns (string[8] memory names, uint256[8] memory gas) {
        names = ["exp", "log", "tanh", "erf", "sigmoid", "rsqrt", "sin", "cos"];
        gas = [
            unary(Elementary.exp, a),
            unary(Elementary.log, a),
            unary(Elementary.tanh, a),
            unary(Elementary.erf, a),
            unary(Elementary.sigmoid, a),
            unary(Elementary.rsqrt, a),
            unary(Elementary.sin, a),
            unary(Elementary.cos, a)
        ];
    }
}

/// Gas of each operation, without the call to it, as snapshots/gas.json says.
contract GasTest {
    Blake3Meter internal blake3 = new Blake3Meter();
    Binary32Meter internal binary32 = new Binary32Meter();

    function snap(string memory name, uint256 value) internal {
        cheats.snapshotValue("gas", name, value);
    }

    function test_hashes_cost_what_the_snapshot_says() external {
        bytes memory chunk = new bytes(1024);
        snap("chunk of 1024 bytes", blake3.chunkValue(chunk, 300, 512 * 1024));
        snap("chunk of 64 bytes", blake3.chunkValue(new bytes(64), 0, 64));
        snap("parent", blake3.parentValue(bytes32(uint256(1)), bytes32(uint256(2))));
        snap("opening at depth 1", blake3.rootFromChunk(chunk, 1, 2048, new bytes(32)));
        snap("opening at depth 8", blake3.rootFromChunk(chunk, 100, 256 * 1024, new bytes(8 * 32)));
        snap("opening at depth 9", blake3.rootFromChunk(chunk, 300, 512 * 1024, new bytes(9 * 32)));
        snap("merge of 16", blake3.merge(new bytes(16 * 32), 4096));
        snap("code size: Blake3", address(blake3).code.length);
    }

    function test_arithmetic_costs_what_the_snapshot_says() external {
        (string[10] memory names, uint256[10] memory gas) =
            binary32.arithmetic(0x3fc12345, 0x40499999, 0xc0123456, 0x00012345);
        for (uint256 i = 0; i < names.length; i++) {
            snap(names[i], gas[i]);
        }
        snap("code size: Binary32, Elementary", address(binary32).code.length);
    }

    function test_elementary_functions_cost_what_the_snapshot_says() external {
        (string[8] memory names, uint256[8] memory gas) = binary32.elementary(0x3fc12345);
        for (uint256 i = 0; i < names.length; i++) {
            snap(names[i], gas[i]);
        }
    }
}
