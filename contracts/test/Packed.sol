// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Chunk, Claim, Operation, Rebuttal} from "../src/Game.sol";
import {GameId, Ground, JobId, Position} from "../src/Position.sol";
import {Rules} from "../src/Rules.sol";

/// A reader of packed bytes.
struct Reader {
    bytes data;
    uint256 place;
}

/// Vectors as Rust packs them: `test/vectors/README.md`, and `papers/dispute.md`, section 5.
library Packed {
    error CutShort(uint256 place, uint256 count);

    uint256 internal constant REVEAL = 0;
    uint256 internal constant PICK = 1;
    uint256 internal constant REVEAL_LEAF = 2;
    uint256 internal constant REVEAL_CHUNK = 3;
    uint256 internal constant CLAIM = 4;
    uint256 internal constant REBUT = 5;
    uint256 internal constant SPLIT = 6;
    uint256 internal constant REFINE = 7;
    uint256 internal constant TIMEOUT = 8;
    uint256 internal constant OPEN_ROOT = 9;
    uint256 internal constant OPEN_OPERATION = 10;

    function isEnd(Reader memory r) internal pure returns (bool) {
        return r.place == r.data.length;
    }

    function number(Reader memory r, uint256 count) internal pure returns (uint256 value) {
        if (r.place + count > r.data.length) revert CutShort(r.place, count);
        bytes memory data = r.data;
        uint256 place = r.place;
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, count)), mload(add(add(data, 32), place)))
        }
        r.place += count;
    }

    function word(Reader memory r) internal pure returns (bytes32) {
        return bytes32(number(r, 32));
    }

    function take(Reader memory r, uint256 count) internal pure returns (bytes memory slice) {
        if (r.place + count > r.data.length) revert CutShort(r.place, count);
        slice = new bytes(count);
        for (uint256 i = 0; i + 32 <= count; i += 32) {
            uint256 part = number(r, 32);
            assembly ("memory-safe") {
                mstore(add(add(slice, 32), i), part)
            }
        }
        for (uint256 i = count - count % 32; i < count; ++i) {
            slice[i] = bytes1(uint8(number(r, 1)));
        }
    }

    function blob(Reader memory r) internal pure returns (bytes memory) {
        return take(r, number(r, 4));
    }

    /// All that is left.
    function rest(Reader memory r) internal pure returns (bytes memory) {
        return take(r, r.data.length - r.place);
    }

    function ground(Reader memory r) internal pure returns (Ground memory g) {
        g.job = JobId.wrap(word(r));
        g.header = take(r, 182);
        g.traceRoot = word(r);
        g.inputs = word(r);
    }

    function position(Reader memory r) internal pure returns (Position memory) {
        return abi.decode(take(r, 672), (Position));
    }

    function operation(Reader memory r) internal pure returns (Operation memory o) {
        o.number = uint32(number(r, 4));
        o.digest = word(r);
        o.leafPath = blob(r);
        o.descriptor = blob(r);
        o.path = blob(r);
    }

    function claim(Reader memory r) internal pure returns (Claim memory c) {
        c.element = uint64(number(r, 8));
        c.value = uint64(number(r, 8));
        c.states = blob(r);
    }

    /// A call that opens a game on a ground of another job.
    function openCall(bytes memory packed, JobId job, bytes32 commitment) internal pure returns (bytes memory) {
        Reader memory r = Reader(packed, 0);
        uint256 tag = number(r, 1);
        Ground memory g = ground(r);
        g.job = job;
        word(r);
        if (tag == OPEN_ROOT) return abi.encodeCall(Rules.openRoot, (job, g, commitment));
        Operation memory o = operation(r);
        if (tag == OPEN_OPERATION) return abi.encodeCall(Rules.openOperation, (job, g, commitment, o));
        Chunk memory c;
        c.index = uint64(number(r, 8));
        c.data = blob(r);
        c.siblings = blob(r);
        return abi.encodeCall(Rules.openChunk, (job, g, commitment, o, c, claim(r)));
    }

    /// The call of a move that is no timeout, its ground of another job.
    function moveCall(bytes memory packed, GameId game, Position memory p, JobId job)
        internal
        pure
        returns (bytes memory)
    {
        Reader memory r = Reader(packed, 0);
        uint256 tag = number(r, 1);
        if (tag == REVEAL_LEAF) return _leafCall(r, game, p, job);
        if (tag == REBUT) return _rebutCall(r, game, p, job);
        bytes memory first = blob(r);
        if (tag == REVEAL) return abi.encodeCall(Rules.reveal, (game, p, first));
        if (tag == PICK) return abi.encodeCall(Rules.pick, (game, p, first, number(r, 2)));
        if (tag == REVEAL_CHUNK) return abi.encodeCall(Rules.revealChunk, (game, p, first));
        if (tag == CLAIM) return abi.encodeCall(Rules.claim, (game, p, first, claim(r)));
        if (tag == SPLIT) return abi.encodeCall(Rules.split, (game, p, first, number(r, 2)));
        return abi.encodeCall(Rules.refine, (game, p, first));
    }

    function _leafCall(Reader memory r, GameId game, Position memory p, JobId job) private pure returns (bytes memory) {
        Ground memory g = ground(r);
        if (JobId.unwrap(job) != 0) g.job = job;
        bytes32 digest = word(r);
        bytes memory descriptor = blob(r);
        return abi.encodeCall(Rules.revealLeaf, (game, p, g, digest, descriptor, blob(r)));
    }

    function _rebutCall(Reader memory r, GameId game, Position memory p, JobId job)
        private
        pure
        returns (bytes memory)
    {
        Rebuttal memory b;
        b.states = blob(r);
        b.step = number(r, 2);
        Ground memory g = ground(r);
        if (JobId.unwrap(job) != 0) g.job = job;
        b.inputs = blob(r);
        b.descriptor = blob(r);
        b.openings = rest(r);
        return abi.encodeCall(Rules.rebut, (game, p, g, b));
    }
}
