// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "../src/Binary32.sol";
import {Elementary} from "../src/Elementary.sol";
import {assertEqual, cheats, Words} from "./Test.sol";

contract ElementaryTest {
    using Words for Words.Reader;

    string internal json;

    function setUp() external {
        json = cheats.readFile("test/vectors/elementary.json");
    }

    function check(string memory name, function(uint256) internal pure returns (uint256) f) internal view {
        Words.Reader memory words = Words.read(cheats.parseJsonBytes(json, string.concat(".", name)));
        while (words.more()) {
            uint256 x = words.next();
            assertEqual(f(x), words.next(), name, [x, 0, 0]);
        }
    }

    function test_exp_has_the_bits_of_its_sequence() external view {
        check("exp", Elementary.exp);
    }

    function test_log_has_the_bits_of_its_sequence() external view {
        check("log", Elementary.log);
    }

    function test_tanh_has_the_bits_of_its_sequence() external view {
        check("tanh", Elementary.tanh);
    }

    function test_erf_has_the_bits_of_its_sequence() external view {
        check("erf", Elementary.erf);
    }

    function test_sigmoid_has_the_bits_of_its_sequence() external view {
        check("sigmoid", Elementary.sigmoid);
    }

    function test_rsqrt_has_the_bits_of_its_sequence() external view {
        check("rsqrt", Elementary.rsqrt);
    }

    function test_sin_has_the_bits_of_its_sequence() external view {
        check("sin", Elementary.sin);
    }

    function test_cos_has_the_bits_of_its_sequence() external view {
        check("cos", Elementary.cos);
    }

    function test_every_result_is_32_bits_and_its_nan_is_the_one(uint32 x) external pure {
        uint256[8] memory results = [
            Elementary.exp(x),
            Elementary.log(x),
            Elementary.tanh(x),
            Elementary.erf(x),
            Elementary.sigmoid(x),
            Elementary.rsqrt(x),
            Elementary.sin(x),
            Elementary.cos(x)
        ];
        for (uint256 i = 0; i < results.length; i++) {
            require(results[i] <= type(uint32).max, "beyond 32 bits");
            require(!Binary32.isNan(results[i]) || results[i] == Binary32.NAN, "another NaN");
        }
    }

    function test_odd_functions_are_odd_and_the_cosine_is_even(uint32 x) external pure {
        uint256 y = x ^ Binary32.SIGN;
        assertEqual(Elementary.tanh(y), Binary32.neg(Elementary.tanh(x)), "tanh");
        assertEqual(Elementary.erf(y), Binary32.neg(Elementary.erf(x)), "erf");
        assertEqual(Elementary.sin(y), Binary32.neg(Elementary.sin(x)), "sin");
        assertEqual(Elementary.cos(y), Elementary.cos(x), "cos");
    }
}
