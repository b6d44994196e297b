// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// The cheatcodes of forge that these tests use.
interface Cheats {
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function expectRevert(bytes calldata data) external;
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

Cheats constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

error Unequal(string what, uint256 got, uint256 wanted);
error UnequalAt(string what, uint256[3] operands, uint256 got, uint256 wanted);
error UnexpectedlyEqual(string what, bytes32 value);

function assertEqual(uint256 got, uint256 wanted, string memory what) pure {
    if (got != wanted) revert Unequal(what, got, wanted);
}

function assertEqual(bytes32 got, bytes32 wanted, string memory what) pure {
    if (got != wanted) revert Unequal(what, uint256(got), uint256(wanted));
}

function assertEqual(uint256 got, uint256 wanted, string memory what, uint256[3] memory operands) pure {
    if (got != wanted) revert UnequalAt(what, operands, got, wanted);
}

function assertUnequal(bytes32 got, bytes32 other, string memory what) pure {
    if (got == other) revert UnexpectedlyEqual(what, got);
}

/// Packed 32-bit words of a file of vectors, one after the other.
library Words {
    struct Reader {
        bytes data;
        uint256 place;
    }

    function read(bytes memory data) internal pure returns (Reader memory) {
        require(data.length > 0 && data.length % 4 == 0, "no vectors");
        return Reader(data, 0);
    }

    function more(Reader memory reader) internal pure returns (bool) {
        return reader.place < reader.data.length;
    }

    function next(Reader memory reader) internal pure returns (uint256 word) {
        require(more(reader), "vectors cut short");
        bytes memory data = reader.data;
        uint256 place = reader.place;
        assembly {
            word := shr(224, mload(add(add(data, 32), place)))
        }
        reader.place = place + 4;
    }

    /// A signed integer of two words, the higher one first.
    function nextInteger(Reader memory reader) internal pure returns (int256) {
        uint256 high = next(reader);
        return int64(uint64(high << 32 | next(reader)));
    }
}
