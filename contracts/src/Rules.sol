// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Chunk, Claim, Game, Operation, Rebuttal} from "./Game.sol";
import {GameId, Ground, JobId, Position, Positions} from "./Position.sol";
import {Program} from "./Program.sol";
import {OutputClaim, Receipt, Terms} from "./Receipt.sol";
import {Referee} from "./Referee.sol";

/// What proves that a challenger had computed the winning claim before it was claimed.
struct Shown {
    /// The honest trace root of its commitment.
    bytes32 traceRoot;
    /// The salt of its commitment.
    bytes32 salt;
    /// The digest of the operation's wire.
    bytes32 digest;
    /// The path of its leaf.
    bytes leafPath;
    /// The chunk that holds the element.
    bytes chunk;
    /// Its siblings.
    bytes siblings;
}

/// @title The rules of the game, behind calls
/// @notice The position that a move leads to, its clocks left as they are. `AssayDispute` passes its own calls on to the functions
/// of the same name and arguments here, after it has checked game, sender and clock, since both together are too large for one
/// contract. Neither state nor owner.
contract Rules {
    /// The receipt is of another program or of other inputs than the terms.
    error OtherReceipt();

    /// The referee of all games.
    Referee public immutable referee;

    constructor(Referee referee_) {
        referee = referee_;
    }

    // Receipts.

    /// @notice Checks that a receipt is of the program and the inputs that terms name, and that its outputs lie in the trace.
    function post(Ground calldata ground, uint256, Terms calldata terms, OutputClaim[] calldata outputs, bytes calldata)
        external
        pure
        returns (bytes32 receipt, bytes32 groundHash, bytes32 termsHash)
    {
        bool own = Program.root(ground.header) == terms.program && ground.inputs == Receipt.inputsHash(terms.inputs);
        if (!own) revert OtherReceipt();
        bytes memory packed = Receipt.checkOutputs(ground.header, ground.traceRoot, outputs);
        receipt = Receipt.hash(ground.job, ground.header, ground.traceRoot, terms.inputs, packed);
        return (receipt, Positions.hash(ground), Receipt.termsHash(terms));
    }

    // Opening.

    function openRoot(JobId, Ground calldata ground, bytes32) external pure returns (Position memory p) {
        p = Game.start(ground);
        Positions.answer(p);
    }

    function openOperation(JobId, Ground calldata ground, bytes32, Operation calldata operation)
        external
        view
        returns (Position memory p)
    {
        p = Game.start(ground);
        Game.goToOperation(p, referee, ground, operation);
        Positions.answer(p);
    }

    function openChunk(
        JobId,
        Ground calldata ground,
        bytes32,
        Operation calldata operation,
        Chunk calldata chunk,
        Claim calldata claim_
    ) external view returns (Position memory p) {
        p = Game.start(ground);
        Game.goToOperation(p, referee, ground, operation);
        Game.goToChunk(p, referee, chunk);
        Game.claim(p, chunk.data, claim_);
        Positions.answer(p);
    }

    function disclose(
        JobId,
        Ground calldata ground,
        Operation calldata operation,
        uint256 output,
        bytes calldata outputLeaf,
        bytes calldata outputPath,
        uint64 chunk
    ) external view returns (Position memory p) {
        Receipt.checkOutput(ground.header, operation.number, output, outputLeaf, outputPath);
        p = Game.start(ground);
        Game.goToOperation(p, referee, ground, operation);
        Game.goToDisclosure(p, chunk);
        Positions.answer(p);
    }

    // Moves.

    function reveal(GameId, Position calldata position, bytes calldata values)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.reveal(p, referee, values);
        Positions.answer(p);
    }

    function pick(GameId, Position calldata position, bytes calldata values, uint256 place)
        external
        pure
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.pick(p, values, place);
        Positions.answer(p);
    }

    function revealLeaf(
        GameId,
        Position calldata position,
        Ground calldata ground,
        bytes32 digest,
        bytes calldata descriptor,
        bytes calldata path
    ) external view returns (Position memory p) {
        Positions.load(p, position);
        Game.revealLeaf(p, referee, ground, digest, descriptor, path);
        Positions.answer(p);
    }

    function revealChunk(GameId, Position calldata position, bytes calldata chunk)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.revealChunk(p, referee, chunk);
        Positions.answer(p);
    }

    function claim(GameId, Position calldata position, bytes calldata chunk, Claim calldata claim_)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.claimRevealed(p, chunk, claim_);
        Positions.answer(p);
    }

    function split(GameId, Position calldata position, bytes calldata states, uint256 step)
        external
        pure
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.split(p, states, step);
        Positions.answer(p);
    }

    function refine(GameId, Position calldata position, bytes calldata states)
        external
        pure
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.refine(p, states);
        Positions.answer(p);
    }

    // What ends a game; reverts where it does not.

    function rebut(GameId, Position calldata position, Ground calldata ground, Rebuttal calldata rebuttal)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.rebut(p, referee, ground, rebuttal);
        Positions.answer(p);
    }

    function answer(GameId, Position calldata position, bytes calldata chunk, bytes calldata siblings)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        Game.answer(p, referee, chunk, siblings);
        Positions.answer(p);
    }

    /// @notice Reverts where the trace that is shown does not have the claimed value at the claimed element.
    function contest(GameId, Position calldata position, Ground calldata ground, Shown calldata shown)
        external
        view
        returns (Position memory p)
    {
        Positions.load(p, position);
        if (Positions.hash(ground) != p.ground) revert Game.OtherGround();
        bytes32 leaf = Receipt.traceLeaf(p.operation, shown.digest);
        uint256 operations = Program.operations(ground.header);
        if (!Program.isLeaf(shown.traceRoot, leaf, p.operation, operations, shown.leafPath)) revert Game.OtherWire();
        uint256 offset = uint256(p.element) * p.width;
        bytes32 root = referee.rootFromChunk(shown.chunk, uint64(offset / 1024), p.length, shown.siblings);
        if (root != shown.digest) revert Game.NotBelow();
        if (Game.elementOf(shown.chunk, offset, p.width) != p.value) revert Game.NoOtherValue();
        Positions.answer(p);
    }
}
