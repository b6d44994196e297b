// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Blake3} from "./Blake3.sol";
import {Openings} from "./Openings.sol";
import {Ground, Phase, Position, Positions} from "./Position.sol";
import {Program} from "./Program.sol";
import {Receipt} from "./Receipt.sol";
import {Referee, Wire} from "./Referee.sol";

/// An operation of the program and its wire in the trace.
struct Operation {
    /// Its number.
    uint32 number;
    /// The digest of its wire.
    bytes32 digest;
    /// The path of its leaf in the trace.
    bytes leafPath;
    /// Its descriptor.
    bytes descriptor;
    /// The path of its descriptor in the program.
    bytes path;
}

/// A chunk of a wire.
struct Chunk {
    /// Its number.
    uint64 index;
    /// Its bytes.
    bytes data;
    /// Its siblings in the wire's tree, from the chunk up.
    bytes siblings;
}

/// Another value of an element than the provider's.
struct Claim {
    /// The element, in row-major order.
    uint64 element;
    /// Its bytes read as a little-endian integer.
    uint64 value;
    /// The states that lead to it, `words` words of 64 bits each.
    bytes states;
}

/// A step that is not as claimed.
struct Rebuttal {
    /// The states of the claim again.
    bytes states;
    /// The step.
    uint256 step;
    /// The digests of the inputs, one after the other; empty where none is opened.
    bytes inputs;
    /// The operation's descriptor.
    bytes descriptor;
    /// What the step reads.
    bytes openings;
}

/// @title The rules of the game of a dispute
/// @notice Each function takes a position to the next one, but for its clocks, or reverts.
///
///     open -> RevealTrace <-> ChooseTrace -> RevealLeaf -> RevealTensor <-> ChooseTensor -> RevealChunk -> ChooseChunk
///          -> Answer -> Refine <-> AnswerInner
///
/// The Rust twin is `verifier/src/dispute.rs`, the specification `papers/dispute.md`, sections 3 and 5.
library Game {
    /// It is not a move of this phase.
    error WrongPhase(Phase phase);
    /// The ground is not that of the game.
    error OtherGround();
    /// What is repeated is not what was revealed or claimed.
    error NotRepeated();
    /// What is revealed is not below the node.
    error NotBelow();
    /// There is no such place.
    error NoPlace(uint256 place);
    /// The trace has another digest at this operation.
    error OtherWire();
    /// The program has another descriptor at this operation.
    error OtherDescriptor();
    /// The element is not in the chunk.
    error OutsideChunk();
    /// The claimed value is the provider's own, or has more bits than the element.
    error NoOtherValue();
    /// The claim has another number of states.
    error StateCount(uint256 given, uint256 expected);
    /// The last state is another than claimed.
    error OtherEnd();
    /// The step covers one window or none.
    error Unsplittable();
    /// The step covers more than one window.
    error TooLong();
    /// The referee computes what is claimed.
    error AsClaimed();

    /// Levels of a tree that one move reveals.
    uint256 private constant LEVELS = 4;
    /// The most states of a claim.
    uint256 private constant MAX_STATES = 256;

    // Opening.

    /// @notice The position at the trace root.
    function start(Ground calldata ground) internal pure returns (Position memory p) {
        p.ground = Positions.hash(ground);
        uint256 operations = Program.operations(ground.header);
        if (operations == 0) revert NoPlace(0);
        p.operations = uint32(operations);
        p.height = uint8(Program.log2(operations));
        p.node = ground.traceRoot;
        _atLeaf(p);
    }

    /// @notice From the start to an operation whose wire's digest the challenger knows.
    function goToOperation(Position memory p, Referee referee, Ground calldata ground, Operation calldata operation)
        internal
        pure
    {
        bytes32 leaf = Receipt.traceLeaf(operation.number, operation.digest);
        uint256 operations = Program.operations(ground.header);
        if (!Program.isLeaf(ground.traceRoot, leaf, operation.number, operations, operation.leafPath)) {
            revert OtherWire();
        }
        p.operation = operation.number;
        _describe(p, referee, ground, operation.descriptor, operation.path);
        p.node = operation.digest;
    }

    /// @notice From an operation to a chunk that the challenger knows; then `claim`.
    function goToChunk(Position memory p, Referee referee, Chunk calldata chunk) internal pure {
        if (referee.rootFromChunk(chunk.data, chunk.index, p.length, chunk.siblings) != p.node) revert NotBelow();
        p.first = chunk.index;
    }

    /// @notice From an operation to a chunk that its buyer asks for.
    function goToDisclosure(Position memory p, uint64 chunk) internal pure {
        if (chunk >= p.chunks) revert NoPlace(chunk);
        (p.first, p.chunks, p.phase) = (chunk, 1, Phase.Disclose);
    }

    // Moves.

    /// @notice The chunk that a buyer asked for.
    function answer(Position memory p, Referee referee, bytes calldata chunk, bytes calldata siblings) internal pure {
        if (p.phase != Phase.Disclose) revert WrongPhase(p.phase);
        if (referee.rootFromChunk(chunk, p.first, p.length, siblings) != p.node) revert NotBelow();
    }

    /// @notice The values of the nodes up to four levels below.
    function reveal(Position memory p, Referee referee, bytes calldata values) internal pure {
        if (p.phase == Phase.RevealTrace) {
            _checkTrace(p, values);
            p.phase = Phase.ChooseTrace;
        } else if (p.phase == Phase.RevealTensor) {
            if (referee.merge(values, p.first, p.chunks, p.length) != p.node) revert NotBelow();
            p.phase = Phase.ChooseTensor;
        } else {
            revert WrongPhase(p.phase);
        }
        p.node = keccak256(values);
    }

    /// @notice One of the nodes that were revealed.
    function pick(Position memory p, bytes calldata values, uint256 place) internal pure {
        bool trace = p.phase == Phase.ChooseTrace;
        if (!trace && p.phase != Phase.ChooseTensor) revert WrongPhase(p.phase);
        if (keccak256(values) != p.node) revert NotRepeated();
        if (place >= values.length / 32) revert NoPlace(place);
        p.node = bytes32(values[32 * place:32 * place + 32]);
        if (!trace) {
            (p.first, p.chunks) = Blake3.nodeBelow(p.first, p.chunks, LEVELS, place);
            p.phase = p.chunks == 1 ? Phase.RevealChunk : Phase.RevealTensor;
            return;
        }
        (uint256 levels, uint256 height) = _levels(p);
        if (_firstLeaf(p, place, levels, height) >= p.operations) revert NoPlace(place);
        p.operation = uint32((uint256(p.operation) << levels) | place);
        p.height = uint8(height);
        _atLeaf(p);
    }

    /// @notice The digest of an operation's wire, and the operation.
    function revealLeaf(
        Position memory p,
        Referee referee,
        Ground calldata ground,
        bytes32 digest,
        bytes calldata descriptor,
        bytes calldata path
    ) internal pure {
        if (p.phase != Phase.RevealLeaf) revert WrongPhase(p.phase);
        if (Positions.hash(ground) != p.ground) revert OtherGround();
        if (Receipt.traceLeaf(p.operation, digest) != p.node) revert NotBelow();
        _describe(p, referee, ground, descriptor, path);
        p.node = digest;
    }

    /// @notice The bytes of a chunk.
    function revealChunk(Position memory p, Referee referee, bytes calldata chunk) internal pure {
        if (p.phase != Phase.RevealChunk) revert WrongPhase(p.phase);
        if (referee.chunkValue(chunk, p.first, p.length) != p.node) revert NotBelow();
        p.phase = Phase.ChooseChunk;
        p.node = keccak256(chunk);
    }

    /// @notice Another value of an element of the chunk that was revealed.
    function claimRevealed(Position memory p, bytes calldata chunk, Claim calldata claim_) internal view {
        if (p.phase != Phase.ChooseChunk) revert WrongPhase(p.phase);
        if (keccak256(chunk) != p.node) revert NotRepeated();
        claim(p, chunk, claim_);
    }

    /// @notice Another value of an element of a chunk that is known to be in place.
    function claim(Position memory p, bytes calldata chunk, Claim calldata claim_) internal view {
        unchecked {
            uint256 width = p.width;
            uint256 offset = uint256(claim_.element) * width;
            if (offset >= p.length || offset / Blake3.CHUNK != p.first) revert OutsideChunk();
            if (claim_.value == elementOf(chunk, offset, width) || uint256(claim_.value) >> (8 * width) != 0) {
                revert NoOtherValue();
            }
            _checkStates(p, claim_.states);
            p.phase = Phase.Answer;
            p.node = keccak256(claim_.states);
            p.first = 0;
            p.chunks = 0;
            p.element = claim_.element;
            p.value = claim_.value;
            p.claimed = uint64(block.timestamp);
        }
    }

    /// @notice A step whose inner states the challenger is to claim.
    function split(Position memory p, bytes calldata states, uint256 step) internal pure {
        _checkAnswer(p, states);
        (uint256 size, uint256 count) = _groups(p);
        if (step >= count) revert Unsplittable();
        (uint256 from, uint256 to) = _windows(p, step, size);
        if (to - from < 2) revert Unsplittable();
        (p.before, p.afterwards) = (_state(p, states, step), _state(p, states, step + 1));
        (p.from, p.to) = (uint64(from), uint64(to));
        p.phase = Phase.Refine;
        p.node = 0;
    }

    /// @notice The states within a step that was split.
    function refine(Position memory p, bytes calldata states) internal pure {
        if (p.phase != Phase.Refine) revert WrongPhase(p.phase);
        uint256 count = _checkStates(p, states);
        if (_state(p, states, count) != p.afterwards) revert OtherEnd();
        p.phase = Phase.AnswerInner;
        p.node = keccak256(states);
    }

    /// @notice A step that is not as claimed; reverts where it is.
    function rebut(Position memory p, Referee referee, Ground calldata ground, Rebuttal calldata rebuttal)
        internal
        view
    {
        if (Positions.hash(ground) != p.ground) revert OtherGround();
        if (Program.leaf(rebuttal.descriptor) != p.descriptor) revert OtherDescriptor();
        _checkAnswer(p, rebuttal.states);
        (uint256 size, uint256 count) = _groups(p);
        uint256 step = rebuttal.step;
        if (step > count || (step == count && p.phase != Phase.Answer)) revert NoPlace(step);
        uint256 state = _state(p, rebuttal.states, step);
        bool asClaimed;
        if (step == count) {
            asClaimed = _finish(p.element, referee, ground, rebuttal, state) == p.value;
        } else {
            (uint256 from, uint256 to) = _windows(p, step, size);
            if (to - from > 1) revert TooLong();
            uint256 computed = _advance(p.element, referee, ground, rebuttal, uint64(from), state);
            uint256 claimed = _state(p, rebuttal.states, step + 1);
            asClaimed = (computed ^ claimed) >> (256 - 64 * uint256(p.words)) == 0;
        }
        if (asClaimed) revert AsClaimed();
    }

    function _advance(
        uint64 element,
        Referee referee,
        Ground calldata ground,
        Rebuttal calldata r,
        uint64 window,
        uint256 state
    ) private pure returns (uint256) {
        return referee.advance(ground, r.inputs, r.descriptor, r.openings, element, window, state);
    }

    function _finish(uint64 element, Referee referee, Ground calldata ground, Rebuttal calldata r, uint256 state)
        private
        view
        returns (uint64)
    {
        return referee.finish(ground, r.inputs, r.descriptor, r.openings, element, state);
    }

    /// @notice The element at a byte of a wire, from the bytes of its chunk, read as a little-endian integer.
    function elementOf(bytes calldata chunk, uint256 offset, uint256 width) internal pure returns (uint256) {
        uint256 p;
        offset %= Blake3.CHUNK;
        if (offset + width > chunk.length) revert OutsideChunk();
        assembly ("memory-safe") {
            p := add(chunk.offset, offset)
        }
        return Openings.element(p, width);
    }

    // Parts.

    /// A node of a single leaf is that leaf.
    function _atLeaf(Position memory p) private pure {
        if (p.height == 0) {
            p.phase = Phase.RevealLeaf;
            p.operations = 0;
        } else {
            p.phase = Phase.RevealTrace;
        }
    }

    /// The root of an operation's wire. Its descriptor is the program's, and one to judge.
    function _describe(
        Position memory p,
        Referee referee,
        Ground calldata ground,
        bytes calldata descriptor,
        bytes calldata path
    ) private pure {
        bytes32 leaf = Program.leaf(descriptor);
        bytes32 tree = Program.operationTree(ground.header);
        if (!Program.isLeaf(tree, leaf, p.operation, Program.operations(ground.header), path)) {
            revert OtherDescriptor();
        }
        Wire memory wire = referee.describe(descriptor);
        p.operations = 0;
        p.height = 0;
        p.descriptor = leaf;
        p.length = wire.length;
        p.first = 0;
        p.chunks = Blake3.chunksOf(wire.length);
        p.width = wire.width;
        p.words = wire.words;
        p.from = 0;
        p.to = wire.windows;
        p.before = wire.start;
        p.phase = p.chunks == 1 ? Phase.RevealChunk : Phase.RevealTensor;
    }

    /// Levels that a reveal of the trace covers, and the height of the nodes that it shows.
    function _levels(Position memory p) private pure returns (uint256 levels, uint256 height) {
        levels = p.height < LEVELS ? p.height : LEVELS;
        height = p.height - levels;
    }

    /// The first leaf below a node that is revealed.
    function _firstLeaf(Position memory p, uint256 place, uint256 levels, uint256 height)
        private
        pure
        returns (uint256)
    {
        unchecked {
            return ((uint256(p.operation) << levels) + place) << height;
        }
    }

    /// The values lead to the node, and those without an operation below are of zero words.
    function _checkTrace(Position memory p, bytes calldata values) private pure {
        unchecked {
            (uint256 levels, uint256 height) = _levels(p);
            uint256 count = uint256(1) << levels;
            if (values.length != 32 * count) revert NotBelow();
            bytes32[] memory level = new bytes32[](count);
            for (uint256 i = 0; i < count; ++i) {
                level[i] = bytes32(values[32 * i:]);
            }
            bytes32 zero = 0;
            for (uint256 i = 0; i < height; ++i) {
                zero = Program.node(zero, zero);
            }
            for (uint256 i = count; i > 0 && _firstLeaf(p, i - 1, levels, height) >= p.operations; --i) {
                if (level[i - 1] != zero) revert NotBelow();
            }
            for (; count > 1; count /= 2) {
                for (uint256 i = 0; i < count / 2; ++i) {
                    level[i] = Program.node(level[2 * i], level[2 * i + 1]);
                }
            }
            if (level[0] != p.node) revert NotBelow();
        }
    }

    /// Windows of a group, and number of groups: of states, and of steps before the expression.
    function _groups(Position memory p) private pure returns (uint256 size, uint256 count) {
        unchecked {
            uint256 windows = p.to - p.from;
            size = (windows + MAX_STATES - 1) / MAX_STATES;
            if (size == 0) size = 1;
            count = (windows + size - 1) / size;
        }
    }

    /// The windows of a group.
    function _windows(Position memory p, uint256 group, uint256 size) private pure returns (uint256 from, uint256 to) {
        unchecked {
            from = p.from + group * size;
            to = from + size;
            if (to > p.to) to = p.to;
        }
    }

    /// The states are as many as the claim has.
    function _checkStates(Position memory p, bytes calldata states) private pure returns (uint256 count) {
        unchecked {
            (, count) = _groups(p);
            uint256 expected = 8 * uint256(p.words) * count;
            if (states.length != expected) revert StateCount(states.length, expected);
        }
    }

    /// The states are those of the claim that stands.
    function _checkAnswer(Position memory p, bytes calldata states) private pure {
        if (p.phase != Phase.Answer && p.phase != Phase.AnswerInner) revert WrongPhase(p.phase);
        if (keccak256(states) != p.node) revert NotRepeated();
    }

    /// The state before a step.
    function _state(Position memory p, bytes calldata states, uint256 step) private pure returns (uint256 state) {
        unchecked {
            if (step == 0) return p.before;
            uint256 bytes_ = 8 * uint256(p.words);
            uint256 offset = (step - 1) * bytes_;
            assembly ("memory-safe") {
                state := calldataload(add(states.offset, offset))
            }
            uint256 unused = 256 - 8 * bytes_;
            return (state >> unused) << unused;
        }
    }
}
