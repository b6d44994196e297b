// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Program} from "./Program.sol";

/// The id of a job: keccak256 of chain, contract, buyer, nonce and terms.
type JobId is bytes32;
/// The id of a game: keccak256 of its job and its number.
type GameId is bytes32;

using {equals as ==} for JobId global;

function equals(JobId a, JobId b) pure returns (bool) {
    return JobId.unwrap(a) == JobId.unwrap(b);
}

/// What a game stands on.
struct Ground {
    /// The job.
    JobId job;
    /// The program's header.
    bytes header;
    /// The root of the provider's trace.
    bytes32 traceRoot;
    /// keccak256 of the digests of the inputs, one after the other.
    bytes32 inputs;
}

/// What the side to move must do. The numbers are those of `papers/dispute.md`, section 3.
enum Phase {
    None,
    RevealTrace,
    ChooseTrace,
    RevealLeaf,
    RevealTensor,
    ChooseTensor,
    RevealChunk,
    ChooseChunk,
    Answer,
    AnswerInner,
    Refine,
    Disclose
}

/// Where a game stands. Fields that a phase does not use are zero. A contract stores the hash alone.
struct Position {
    /// What the side to move must do.
    Phase phase;
    /// The hash of the ground.
    bytes32 ground;
    /// When the mover's clock has run out.
    uint64 deadline;
    /// Seconds that the other side has left.
    uint64 reserve;
    /// Leaves of the trace, while one is sought.
    uint32 operations;
    /// Levels of the trace below the node.
    uint8 height;
    /// The node's index among those of its height; the operation, once it is found.
    uint32 operation;
    /// The value to open, or the hash of what was revealed or claimed.
    bytes32 node;
    /// The leaf of the operation in the program.
    bytes32 descriptor;
    /// Bytes of the operation's wire.
    uint64 length;
    /// First chunk of the node.
    uint64 first;
    /// Chunks of the node.
    uint64 chunks;
    /// Bytes of an element.
    uint8 width;
    /// Words of a state.
    uint8 words;
    /// First window of the claim.
    uint64 from;
    /// End of its windows.
    uint64 to;
    /// The state before them: four words of 64 bits, the first in the highest place.
    uint256 before;
    /// The state after them, where it is claimed already.
    uint256 afterwards;
    /// The element, in row-major order.
    uint64 element;
    /// The value that is claimed.
    uint64 value;
    /// When it was claimed.
    uint64 claimed;
}

/// @title Hashes of positions and grounds
library Positions {
    /// The phases in which the challenger is to move, as bits.
    uint256 private constant CHALLENGERS = (1 << uint256(Phase.ChooseTrace)) | (1 << uint256(Phase.ChooseTensor))
        | (1 << uint256(Phase.ChooseChunk)) | (1 << uint256(Phase.Refine));
    /// Bytes of a position.
    uint256 internal constant BYTES = 21 * 32;

    /// @notice What a contract stores of a position.
    function hash(Position memory position) internal pure returns (bytes32 value) {
        // All members are values, so in memory they are one word each, in order, as abi.encode has them.
        assembly ("memory-safe") {
            value := keccak256(position, BYTES)
        }
    }

    /// @notice Sets a position to one of calldata, whose words are taken as they are: whoever holds its hash has seen them.
    function load(Position memory position, Position calldata from) internal pure {
        assembly ("memory-safe") {
            calldatacopy(position, from, BYTES)
        }
    }

    /// @notice Ends the call; a position is its answer.
    function answer(Position memory position) internal pure {
        assembly ("memory-safe") {
            return(position, BYTES)
        }
    }

    /// @notice What a contract stores of a position in calldata.
    function hashOf(Position calldata position) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, position, BYTES)
            value := keccak256(free, BYTES)
        }
    }

    /// @notice What a position holds of its ground.
    function hash(Ground calldata ground) internal pure returns (bytes32 value) {
        (JobId job, bytes32 root) = (ground.job, Program.root(ground.header));
        (bytes32 traceRoot, bytes32 inputs) = (ground.traceRoot, ground.inputs);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, job)
            mstore(add(free, 32), root)
            mstore(add(free, 64), traceRoot)
            mstore(add(free, 96), inputs)
            value := keccak256(free, 128)
        }
    }

    /// @notice True where the challenger is to move.
    function isChallengers(Phase phase) internal pure returns (bool) {
        return (CHALLENGERS >> uint256(phase)) & 1 == 1;
    }
}
