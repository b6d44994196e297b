// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Blake3} from "./Blake3.sol";
import {Element} from "./Element.sol";
import {Openings} from "./Openings.sol";
import {Formulas} from "./Formulas.sol";
import {Ground} from "./Position.sol";
import {Program} from "./Program.sol";

/// What a game needs to know of an operation.
struct Wire {
    /// Bytes of its wire.
    uint64 length;
    /// Bytes of an element.
    uint8 width;
    /// Words of a state.
    uint8 words;
    /// Number of windows.
    uint64 windows;
    /// The state before the first.
    uint256 start;
}

/// @title The referee: one step of one element, computed from a provider's own openings
/// @notice Without state, owner or upgrade; terms name the hash of its code. The Rust twin is `verifier/src/referee.rs`,
/// the specification `papers/dispute.md`, sections 2 and 4.
contract Referee {
    /// The formulas of numbers of binary32; part of this contract's code.
    Formulas public immutable formulas;

    constructor(Formulas formulas_) {
        formulas = formulas_;
    }

    /// @notice What a game needs to know of an operation; reverts where a referee cannot judge it.
    function describe(bytes calldata descriptor) external pure returns (Wire memory) {
        Program.Descriptor memory x = Program.parse(descriptor);
        return Wire({
            length: Program.length(x),
            width: uint8(x.width),
            words: uint8(Program.words(x)),
            windows: uint64(Program.windows(x)),
            start: Program.start(x)
        });
    }

    /// @notice The state after a window. The descriptor is taken as given: the caller has led it to the program root.
    /// @param inputs the digests of the inputs, one after the other; empty where none is opened
    /// @param descriptor the operation
    /// @param openings what the step reads
    /// @param element the element, in row-major order.
    function advance(
        Ground calldata ground,
        bytes calldata inputs,
        bytes calldata descriptor,
        bytes calldata openings,
        uint64 element,
        uint64 window,
        uint256 state
    ) external pure returns (uint256 after_) {
        Blake3.reserve();
        Program.Descriptor memory x = Program.parse(descriptor);
        Openings.Opened memory opened = Openings.open(x, ground, inputs, openings);
        after_ = Element.advance(x, opened, element, window, state);
        Openings.checkRead(opened);
    }

    /// @notice The element's value, as its bytes read as a little-endian integer, from the state after the last window.
    function finish(
        Ground calldata ground,
        bytes calldata inputs,
        bytes calldata descriptor,
        bytes calldata openings,
        uint64 element,
        uint256 state
    ) external view returns (uint64 value) {
        Blake3.reserve();
        Program.Descriptor memory x = Program.parse(descriptor);
        Openings.Opened memory opened = Openings.open(x, ground, inputs, openings);
        value = Element.finish(x, opened, formulas, element, state);
        Openings.checkRead(opened);
    }

    /// @notice The value of a node of a tensor of `length` bytes from those of the nodes up to four levels below.
    function merge(bytes calldata values, uint64 first, uint64 chunks, uint64 length) external pure returns (bytes32) {
        return Blake3.merge(values, chunks, 4, first == 0 && chunks == Blake3.chunksOf(length));
    }

    /// @notice The value of a chunk of a tensor of `length` bytes; the digest where it is the only one.
    function chunkValue(bytes calldata chunk, uint64 index, uint64 length) external pure returns (bytes32) {
        return Blake3.chunkValue(chunk, index, length);
    }

    /// @notice The digest to which a chunk and its siblings lead in a tensor of `length` bytes.
    function rootFromChunk(bytes calldata chunk, uint64 index, uint64 length, bytes calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return Blake3.rootFromChunk(chunk, index, length, siblings, false);
    }
}
