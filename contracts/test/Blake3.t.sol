// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Blake3} from "../src/Blake3.sol";
import {assertEqual, assertUnequal, cheats} from "./Test.sol";

/// The library behind calldata.
contract Blake3Caller {
    function chunkValue(bytes calldata chunk, uint64 index, uint64 length) external pure returns (bytes32) {
        return Blake3.chunkValue(chunk, index, length);
    }

    function parentValue(bytes32 left, bytes32 right, bool root) external pure returns (bytes32) {
        return Blake3.parentValue(left, right, root);
    }

    function rootFromChunk(bytes calldata chunk, uint64 index, uint64 length, bytes calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return Blake3.rootFromChunk(chunk, index, length, siblings, false);
    }

    function merge(bytes calldata values, uint64 chunks, uint256 levels, bool root) external pure returns (bytes32) {
        return Blake3.merge(values, chunks, levels, root);
    }

    function nodeBelow(uint64 first, uint64 chunks, uint256 levels, uint256 place)
        external
        pure
        returns (uint64, uint64)
    {
        return Blake3.nodeBelow(first, chunks, levels, place);
    }

    /// The digest of a part of the data, which is amid other bytes.
    function digestOfPart(bytes calldata data, uint256 from, uint256 length) external pure returns (bytes32) {
        return Blake3.chunkValue(data[from:from + length], 0, uint64(length));
    }

    /// A chunk's value twice where memory was reserved, with memory allocated between, and whether that is untouched.
    function amidReserve(bytes calldata chunk) external pure returns (bytes32 first, bytes32 second, bool sound) {
        Blake3.reserve();
        bytes memory copy = chunk;
        first = Blake3.rootFromChunk(chunk, 0, uint64(chunk.length), chunk[0:0], true);
        bytes memory fresh = new bytes(64);
        second = Blake3.rootFromChunk(chunk, 0, uint64(chunk.length), chunk[0:0], true);
        bytes memory empty;
        sound = keccak256(copy) == keccak256(chunk) && keccak256(fresh) == keccak256(new bytes(64)) && empty.length == 0;
    }

    /// Reserves memory after some was allocated.
    function reserveLate(uint256 count) external pure returns (uint256) {
        bytes memory held = new bytes(count);
        Blake3.reserve();
        return held.length;
    }

    /// A chunk's value, and the keccak of memory of `words` allocated words before and after.
    function amidMemory(bytes calldata chunk, uint256 words) external pure returns (bytes32, bytes32, bytes32, bool) {
        uint256[] memory held = new uint256[](words);
        for (uint256 i = 0; i < words; i++) {
            held[i] = uint256(keccak256(abi.encode(i))) | 1;
        }
        bytes32 before = keccak256(abi.encodePacked(held));
        // Scratch space and free memory hold anything.
        assembly {
            let free := mload(0x40)
            for { let i := 0 } lt(i, 0x400) { i := add(i, 0x20) } { mstore(add(free, i), before) }
            mstore(0x00, before)
            mstore(0x20, before)
        }
        bytes32 value = Blake3.rootFromChunk(chunk, 0, uint64(chunk.length), chunk[0:0], false);
        bytes memory empty;
        bytes memory fresh = new bytes(64);
        return (value, before, keccak256(abi.encodePacked(held)), empty.length == 0 && fresh.length == 64);
    }
}

contract Blake3Test {
    Blake3Caller internal caller = new Blake3Caller();
    uint256 internal official;
    uint256[] internal lengths;
    bytes32[] internal digests;

    function setUp() external {
        string memory json = cheats.readFile("test/vectors/blake3.json");
        lengths = cheats.parseJsonUintArray(json, ".lengths");
        digests = cheats.parseJsonBytes32Array(json, ".digests");
    }

    // Trees, from the definition.

    function pattern(uint256 from, uint256 length) internal pure returns (bytes memory data) {
        data = new bytes(length);
        assembly {
            let value := mod(from, 251)
            let end := add(add(data, 32), length)
            for { let place := add(data, 32) } lt(place, end) { place := add(place, 1) } {
                mstore8(place, value)
                value := mod(add(value, 1), 251)
            }
        }
    }

    function chunkOf(uint256 index, uint256 length) internal pure returns (bytes memory) {
        uint256 rest = length - index * 1024;
        return pattern(index * 1024, rest < 1024 ? rest : 1024);
    }

    function chunkValues(uint256 length) internal view returns (bytes32[] memory values) {
        values = new bytes32[]((length + 1023) / 1024);
        for (uint256 i = 0; i < values.length; i++) {
            values[i] = caller.chunkValue(chunkOf(i, length), uint64(i), uint64(length));
        }
    }

    function half(uint256 chunks) internal pure returns (uint256 left) {
        left = 1;
        while (left * 2 < chunks) left *= 2;
    }

    function node(bytes32[] memory values, uint256 first, uint256 chunks) internal view returns (bytes32) {
        if (chunks == 1) return values[first];
        uint256 left = half(chunks);
        return caller.parentValue(
            node(values, first, left), node(values, first + left, chunks - left), chunks == values.length
        );
    }

    /// Siblings of a chunk of the node above [first, first + chunks), from the chunk up.
    function siblingsOf(bytes32[] memory values, uint256 index, uint256 first, uint256 chunks)
        internal
        view
        returns (bytes memory)
    {
        if (chunks == 1) return "";
        uint256 left = half(chunks);
        uint256 middle = first + left;
        return index < middle
            ? abi.encodePacked(siblingsOf(values, index, first, left), node(values, middle, chunks - left))
            : abi.encodePacked(siblingsOf(values, index, middle, chunks - left), node(values, first, left));
    }

    function below(bytes32[] memory values, uint256 first, uint256 chunks, uint256 levels)
        internal
        view
        returns (bytes memory)
    {
        if (chunks == 1 || levels == 0) return abi.encodePacked(node(values, first, chunks));
        uint256 left = half(chunks);
        return abi.encodePacked(
            below(values, first, left, levels - 1), below(values, first + left, chunks - left, levels - 1)
        );
    }

    function digestOf(uint256 length) internal view returns (bytes32) {
        for (uint256 i = 0; i < lengths.length; i++) {
            if (lengths[i] == length) return digests[i];
        }
        revert("no vector");
    }

    // Right ones.

    function test_digests_are_those_of_the_vectors() external view {
        for (uint256 i = 0; i < lengths.length; i++) {
            bytes32[] memory values = chunkValues(lengths[i]);
            assertEqual(node(values, 0, values.length), digests[i], "digest");
        }
    }

    function test_each_chunk_of_1_to_40_leads_to_the_digest_and_to_no_other_place() external view {
        for (uint256 chunks = 1; chunks <= 40; chunks++) {
            uint256 length = (chunks - 1) * 1024 + (chunks % 2 == 0 ? 1000 : 65);
            bytes32 digest = digestOf(length);
            bytes32[] memory values = chunkValues(length);
            for (uint256 i = 0; i < chunks; i++) {
                bytes memory chunk = chunkOf(i, length);
                bytes memory siblings = siblingsOf(values, i, 0, chunks);
                assertEqual(caller.rootFromChunk(chunk, uint64(i), uint64(length), siblings), digest, "opening");
                // A neighbour with as many siblings and bytes is still another chunk.
                if (i ^ 1 < chunks - 1 && i < chunks - 1) {
                    assertUnequal(
                        caller.rootFromChunk(chunk, uint64(i ^ 1), uint64(length), siblings), digest, "wrong counter"
                    );
                }
            }
        }
    }

    function test_values_some_levels_below_a_node_merge_to_its_value() external view {
        for (uint256 chunks = 1; chunks <= 40; chunks++) {
            uint256 length = (chunks - 1) * 1024 + 33;
            bytes32[] memory values = chunkValues(length);
            for (uint256 levels = 0; levels <= 5; levels++) {
                bytes memory row = below(values, 0, chunks, levels);
                assertEqual(caller.merge(row, uint64(chunks), levels, true), digestOf(length), "root");
            }
            for (uint256 left = half(chunks); chunks > 1 && left < chunks; left += half(chunks - left + 1)) {
                if (chunks - left == 1) break;
                bytes memory row = below(values, left, chunks - left, 4);
                bytes32 value = node(values, left, chunks - left);
                assertEqual(caller.merge(row, uint64(chunks - left), 4, false), value, "right node");
            }
        }
    }

    function test_nodes_below_are_those_of_the_recursion() external view {
        for (uint256 chunks = 1; chunks <= 70; chunks++) {
            for (uint256 levels = 0; levels <= 5; levels++) {
                uint256 place = checkBelow(100, chunks, levels, [uint256(100), chunks, levels], 0);
                endsAt(place, uint64(chunks), levels);
            }
        }
        endsAt(16, type(uint64).max, 4);
        endsAt(1 << 54, 1 << 54, 300);
    }

    /// So many nodes are below, and no more.
    function endsAt(uint256 count, uint64 chunks, uint256 levels) internal view {
        (uint64 first, uint64 below_) = caller.nodeBelow(0, chunks, levels, count - 1);
        require(first + below_ == chunks, "the last ends where the node does");
        try caller.nodeBelow(0, chunks, levels, count) returns (uint64, uint64) {
            revert("one more");
        } catch {}
    }

    function checkBelow(uint256 first, uint256 chunks, uint256 levels, uint256[3] memory top, uint256 place)
        internal
        view
        returns (uint256)
    {
        if (chunks == 1 || levels == 0) {
            (uint64 gotFirst, uint64 gotChunks) = caller.nodeBelow(uint64(top[0]), uint64(top[1]), top[2], place);
            assertEqual(gotFirst, first, "first");
            assertEqual(gotChunks, chunks, "chunks");
            return place + 1;
        }
        uint256 left = half(chunks);
        place = checkBelow(first, left, levels - 1, top, place);
        return checkBelow(first + left, chunks - left, levels - 1, top, place);
    }

    function test_allocated_memory_is_untouched() external view {
        for (uint256 words = 0; words <= 40; words++) {
            (bytes32 value, bytes32 before, bytes32 later, bool sound) = caller.amidMemory(pattern(0, 1000), words);
            assertEqual(value, caller.chunkValue(pattern(0, 1000), 0, 1000), "value");
            assertEqual(later, before, "memory");
            require(sound);
        }
    }

    function test_reserved_memory_is_used_and_no_other() external view {
        for (uint256 length = 1; length <= 1024; length += 93) {
            (bytes32 first, bytes32 second, bool sound) = caller.amidReserve(pattern(0, length));
            assertEqual(first, caller.chunkValue(pattern(0, length), 0, uint64(length)), "value");
            assertEqual(second, first, "value again");
            require(sound);
        }
    }

    function test_memory_is_reserved_first_or_not_at_all() external {
        cheats.expectRevert(abi.encodeWithSelector(Blake3.TooLate.selector));
        caller.reserveLate(1);
    }

    function test_bytes_beside_a_chunk_do_not_count() external view {
        bytes memory data = abi.encodePacked(type(uint256).max, pattern(0, 200), type(uint256).max, type(uint256).max);
        for (uint256 length = 1; length <= 200; length++) {
            for (uint256 i = 232; i >= 32 + length; i--) {
                data[i] = 0xff;
            }
            bytes memory alone = pattern(0, length);
            assertEqual(caller.digestOfPart(data, 32, length), caller.chunkValue(alone, 0, uint64(length)), "part");
            for (uint256 i = 0; i < 200; i++) {
                data[32 + i] = bytes1(uint8(i));
            }
        }
    }

    function test_counters_above_32_bits_count() external view {
        bytes memory chunk = pattern(0, 1024);
        bytes32 low = caller.chunkValue(chunk, 1, type(uint64).max);
        assertUnequal(caller.chunkValue(chunk, (1 << 32) | 1, type(uint64).max), low, "high word");
        assertEqual(caller.chunkValue(chunk, (1 << 32) | 1, type(uint64).max), HIGH_COUNTER, "value");
    }

    /// By the Rust crate `blake3`: an input offset of (2^32 + 1) * 1024 bytes.
    bytes32 internal constant HIGH_COUNTER = 0xd318e5cb77c6d3fcc5b410c8651739812ba1a2da7196a9d78f60008d4891f272;

    // Wrong ones.

    function test_two_values_as_a_chunk_are_not_their_parent() external view {
        bytes32[] memory values = chunkValues(2048);
        bytes memory both = abi.encodePacked(values[0], values[1]);
        bytes32 digest = digestOf(2048);
        assertUnequal(caller.rootFromChunk(both, 0, 64, ""), digest, "as a tensor");
        assertUnequal(caller.chunkValue(both, 0, 64), caller.parentValue(values[0], values[1], false), "as a node");
    }

    function test_a_node_is_not_the_root() external view {
        bytes32[] memory values = chunkValues(2048);
        bytes32 inner = caller.parentValue(values[0], values[1], false);
        assertEqual(caller.parentValue(values[0], values[1], true), digestOf(2048), "root");
        assertUnequal(inner, digestOf(2048), "parent");
        assertUnequal(caller.merge(abi.encodePacked(values[0], values[1]), 2, 1, false), digestOf(2048), "merge");
        // A first chunk is not the only one.
        assertUnequal(values[0], digestOf(1024), "chunk");
        assertEqual(caller.chunkValue(pattern(0, 1024), 0, 1024), digestOf(1024), "only chunk");
    }

    function test_children_have_an_order() external view {
        bytes32[] memory values = chunkValues(2048);
        assertUnequal(caller.parentValue(values[1], values[0], true), digestOf(2048), "swapped");
    }

    function test_a_flipped_bit_leads_elsewhere(uint256 seed) external view {
        uint256 length = 4097;
        uint64 index = uint64(seed % 5);
        bytes memory siblings = siblingsOf(chunkValues(length), index, 0, 5);
        bytes memory chunk = chunkOf(index, length);
        bytes memory flipped = seed & 1024 == 0 ? chunk : siblings;
        flipped[(seed >> 16) % flipped.length] ^= bytes1(uint8(1 << ((seed >> 11) % 8)));
        assertUnequal(caller.rootFromChunk(chunk, index, uint64(length), siblings), digestOf(length), "flipped");
    }

    function test_another_length_is_refused_or_leads_elsewhere() external {
        uint256 length = 3073;
        bytes memory siblings = siblingsOf(chunkValues(length), 0, 0, 4);
        bytes memory chunk = chunkOf(0, length);
        // As many chunks: the same tree; the last chunk's bytes tell the lengths apart.
        assertEqual(caller.rootFromChunk(chunk, 0, 4096, siblings), digestOf(length), "same form");
        bytes memory last = siblingsOf(chunkValues(length), 3, 0, 4);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ChunkLength.selector, 1, 2));
        caller.rootFromChunk(chunkOf(3, length), 3, 3074, last);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 64, 96));
        caller.rootFromChunk(chunk, 0, 4097, siblings);
        // The last chunk of three has one sibling, which is what stands left of the last two of four.
        assertUnequal(
            caller.rootFromChunk(chunkOf(2, length), 2, 3072, abi.encodePacked(node(chunkValues(length), 0, 2))),
            digestOf(length),
            "three chunks"
        );
    }

    function test_a_chunk_of_other_length_is_refused() external {
        bytes memory siblings = siblingsOf(chunkValues(3000), 1, 0, 3);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ChunkLength.selector, 1023, 1024));
        caller.rootFromChunk(pattern(1024, 1023), 1, 3000, siblings);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ChunkLength.selector, 1025, 1024));
        caller.rootFromChunk(pattern(1024, 1025), 1, 3000, siblings);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ChunkLength.selector, 1024, 952));
        caller.rootFromChunk(pattern(2048, 1024), 2, 3000, siblings);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ChunkLength.selector, 0, 952));
        caller.chunkValue("", 2, 3000);
    }

    function test_a_sibling_missing_extra_or_cut_is_refused() external {
        bytes memory siblings = siblingsOf(chunkValues(5120), 1, 0, 5);
        bytes memory chunk = chunkOf(1, 5120);
        assertEqual(siblings.length, 96, "siblings");
        assertEqual(caller.rootFromChunk(chunk, 1, 5120, siblings), digestOf(5120), "right");
        bytes memory extra = abi.encodePacked(siblings, bytes32(0));
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 128, 96));
        caller.rootFromChunk(chunk, 1, 5120, extra);
        bytes memory trailing = abi.encodePacked(siblings, bytes1(0));
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 97, 96));
        caller.rootFromChunk(chunk, 1, 5120, trailing);
        for (uint256 cut = 1; cut <= 96; cut += 31) {
            assembly {
                mstore(siblings, sub(96, cut))
            }
            cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 96 - cut, 96));
            caller.rootFromChunk(chunk, 1, 5120, siblings);
        }
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 32, 0));
        caller.rootFromChunk(pattern(0, 64), 0, 64, abi.encodePacked(bytes32(0)));
    }

    function test_values_missing_extra_or_cut_are_refused() external {
        bytes memory values = below(chunkValues(5120), 0, 5, 2);
        assertEqual(values.length, 96, "values");
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 96, 160));
        caller.merge(values, 5, 3, true);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 96, 64));
        caller.merge(values, 5, 1, true);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.ValuesLength.selector, 95, 96));
        assembly {
            mstore(values, 95)
        }
        caller.merge(values, 5, 2, true);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoNode.selector, 0));
        caller.merge("", 0, 4, true);
    }

    function test_chunks_and_nodes_outside_of_the_tree_are_refused() external {
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoChunk.selector, 0, 0));
        caller.chunkValue("", 0, 0);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoChunk.selector, 1, 1024));
        caller.chunkValue("", 1, 1024);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoChunk.selector, type(uint64).max, 5000));
        caller.rootFromChunk("", type(uint64).max, 5000, "");
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoNode.selector, 5));
        caller.nodeBelow(0, 5, 4, 5);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoNode.selector, 1));
        caller.nodeBelow(0, 5, 0, 1);
        cheats.expectRevert(abi.encodeWithSelector(Blake3.NoNode.selector, 0));
        caller.nodeBelow(0, 0, 4, 0);
    }
}
