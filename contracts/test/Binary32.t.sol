// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "../src/Binary32.sol";
import {assertEqual, cheats, Words} from "./Test.sol";

contract Binary32Test {
    using Words for Words.Reader;

    uint256 internal constant NAN = 0x7fc00000;
    uint256 internal constant INFINITY = 0x7f800000;
    uint256 internal constant SIGN = 0x80000000;

    string internal json;

    function setUp() external {
        json = cheats.readFile("test/vectors/binary32.json");
    }

    function vectors(string memory key) internal view returns (Words.Reader memory) {
        return Words.read(cheats.parseJsonBytes(json, key));
    }

    // Vectors of exact rationals.

    function test_sums_are_the_nearest() external view {
        Words.Reader memory words = vectors(".add");
        while (words.more()) {
            (uint256 a, uint256 b, uint256 sum) = (words.next(), words.next(), words.next());
            assertEqual(Binary32.add(a, b), sum, "add", [a, b, 0]);
            assertEqual(Binary32.add(b, a), sum, "add", [b, a, 0]);
            assertEqual(Binary32.sub(a, b ^ SIGN), sum, "sub", [a, b, 0]);
        }
    }

    function test_products_are_the_nearest() external view {
        Words.Reader memory words = vectors(".mul");
        while (words.more()) {
            (uint256 a, uint256 b, uint256 product) = (words.next(), words.next(), words.next());
            assertEqual(Binary32.mul(a, b), product, "mul", [a, b, 0]);
            assertEqual(Binary32.mul(b, a), product, "mul", [b, a, 0]);
        }
    }

    function test_quotients_are_the_nearest() external view {
        Words.Reader memory words = vectors(".div");
        while (words.more()) {
            (uint256 a, uint256 b, uint256 quotient) = (words.next(), words.next(), words.next());
            assertEqual(Binary32.div(a, b), quotient, "div", [a, b, 0]);
        }
    }

    function test_fused_sums_of_products_are_the_nearest() external view {
        Words.Reader memory words = vectors(".fma");
        while (words.more()) {
            (uint256 a, uint256 b, uint256 c) = (words.next(), words.next(), words.next());
            uint256 result = words.next();
            assertEqual(Binary32.fma(a, b, c), result, "fma", [a, b, c]);
            assertEqual(Binary32.fma(b, a, c), result, "fma", [b, a, c]);
        }
    }

    function test_comparisons_follow_the_order_of_numbers() external view {
        Words.Reader memory words = vectors(".compare");
        while (words.more()) {
            (uint256 a, uint256 b, uint256 flags) = (words.next(), words.next(), words.next());
            uint256 got =
                (Binary32.less(a, b) ? 1 : 0) + (Binary32.lessEqual(a, b) ? 2 : 0) + (Binary32.equal(a, b) ? 4 : 0);
            assertEqual(got, flags, "compare", [a, b, 0]);
            assertEqual(Binary32.maximum(a, b), words.next(), "maximum", [a, b, 0]);
            assertEqual(Binary32.minimum(a, b), words.next(), "minimum", [a, b, 0]);
        }
    }

    function test_roots_and_integers_are_the_nearest() external view {
        Words.Reader memory words = vectors(".unary");
        while (words.more()) {
            uint256 a = words.next();
            assertEqual(Binary32.sqrt(a), words.next(), "sqrt", [a, 0, 0]);
            assertEqual(Binary32.floor(a), words.next(), "floor", [a, 0, 0]);
            assertEqual(Binary32.ceil(a), words.next(), "ceil", [a, 0, 0]);
            assertEqual(Binary32.trunc(a), words.next(), "trunc", [a, 0, 0]);
            assertEqual(Binary32.roundEven(a), words.next(), "roundEven", [a, 0, 0]);
            int256 integer = words.nextInteger();
            assertEqual(uint256(Binary32.toInt(a)), uint256(integer), "toInt", [a, 0, 0]);
        }
    }

    function test_integers_become_the_nearest_numbers() external view {
        Words.Reader memory words = vectors(".fromInt");
        while (words.more()) {
            int256 integer = words.nextInteger();
            assertEqual(Binary32.fromInt(integer), words.next(), "fromInt");
        }
    }

    // Claims about all numbers.

    function test_every_result_is_32_bits_and_its_nan_is_the_one(uint32 a, uint32 b, uint32 c) external pure {
        uint256[8] memory results = [
            Binary32.add(a, b),
            Binary32.mul(a, b),
            Binary32.div(a, b),
            Binary32.fma(a, b, c),
            Binary32.sqrt(a),
            Binary32.floor(a),
            Binary32.roundEven(a),
            Binary32.maximum(a, b)
        ];
        for (uint256 i = 0; i < results.length; i++) {
            require(results[i] <= type(uint32).max, "beyond 32 bits");
            require(!Binary32.isNan(results[i]) || results[i] == NAN, "another NaN");
        }
    }

    function test_nans_give_the_one_nan(uint32 a, uint32 payload) external pure {
        uint256 nan = INFINITY | SIGN | (payload % 0x7fffff + 1);
        require(Binary32.isNan(nan));
        assertEqual(Binary32.add(a, nan), NAN, "add");
        assertEqual(Binary32.mul(nan, a), NAN, "mul");
        assertEqual(Binary32.div(a, nan), NAN, "div");
        assertEqual(Binary32.fma(a, a, nan), NAN, "fma");
        assertEqual(Binary32.fma(nan, a, a), NAN, "fma");
        assertEqual(Binary32.sqrt(nan), NAN, "sqrt");
        assertEqual(Binary32.neg(nan), NAN, "neg");
        assertEqual(Binary32.abs(nan), NAN, "abs");
        assertEqual(Binary32.trunc(nan), NAN, "trunc");
        require(!Binary32.less(a, nan) && !Binary32.lessEqual(nan, a) && !Binary32.equal(nan, nan));
    }

    function test_fma_with_one_is_a_sum_and_with_minus_zero_a_product(uint32 a, uint32 b) external pure {
        assertEqual(Binary32.fma(a, Binary32.ONE, b), Binary32.add(a, b), "sum");
        assertEqual(Binary32.fma(a, b, SIGN), Binary32.mul(a, b), "product");
    }

    function test_signs_go_through(uint32 a, uint32 b, uint32 c) external pure {
        assertEqual(Binary32.mul(a ^ uint32(SIGN), b), Binary32.neg(Binary32.mul(a, b)), "mul");
        assertEqual(Binary32.div(a, b ^ uint32(SIGN)), Binary32.neg(Binary32.div(a, b)), "div");
        uint256 sum = Binary32.fma(a, b, c);
        // An exact zero has no sign to turn.
        if (sum & ~SIGN != 0) {
            assertEqual(Binary32.fma(a ^ uint32(SIGN), b, c ^ uint32(SIGN)), Binary32.neg(sum), "fma");
        }
    }

    function test_a_number_less_itself_is_zero_and_over_itself_one(uint32 a) external pure {
        bool finite = (a >> 23) & 0xff != 0xff;
        assertEqual(Binary32.sub(a, a), finite ? 0 : NAN, "difference");
        assertEqual(Binary32.div(a, a), finite && a & ~uint32(SIGN) != 0 ? Binary32.ONE : NAN, "quotient");
        assertEqual(Binary32.div(a, Binary32.ONE), Binary32.canonical(a), "over one");
        assertEqual(Binary32.mul(a, Binary32.ONE), Binary32.canonical(a), "times one");
    }

    function test_products_differ_from_the_rounded_by_what_fma_says(uint16 a, uint16 b) external pure {
        // Numbers of 16 bits: the product has 32, and what rounding leaves is exact.
        uint256 x = Binary32.fromInt(int256(uint256(a)));
        uint256 y = Binary32.fromInt(int256(uint256(b)));
        uint256 product = Binary32.mul(x, y);
        int256 rest = Binary32.toInt(Binary32.fma(x, y, Binary32.neg(product)));
        require(Binary32.toInt(product) + rest == int256(uint256(a) * b));
    }

    function test_rounding_is_that_of_the_definition(bool minus, uint256 exponent, uint128 significand, uint8 shift)
        external
        pure
    {
        exponent = exponent % 700;
        significand >>= shift % 128;
        uint256 sign = minus ? SIGN : 0;
        assertEqual(Binary32.round(sign, exponent, significand), sign | plainRound(exponent, significand), "round");
    }

    /// Nearest to significand * 2^(exponent - 300), one bit at a time.
    function plainRound(uint256 exponent, uint256 significand) internal pure returns (uint256) {
        // In units of 2^-149, with the last bit lost and whether anything was lost before it.
        bool half = false;
        bool rest = false;
        for (; exponent > 151; exponent--) {
            if (significand >= 1 << 24) break;
            significand <<= 1;
        }
        while (exponent < 151 || significand >= 1 << 24) {
            rest = rest || half;
            half = significand & 1 == 1;
            significand >>= 1;
            exponent++;
        }
        if (significand == 0 && !half) return 0;
        if (half && (rest || significand & 1 == 1)) significand++;
        uint256 bits = ((exponent - 151) << 23) + significand;
        return bits > INFINITY ? INFINITY : bits;
    }
}
