// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binary32} from "../src/Binary32.sol";

contract GasTest {
    event log_named_uint(string, uint256);

    function test_gas() external {
        uint256[6] memory x = [uint256(0x3fc12345), 0x40499999, 0xc0123456, 0x42f12345, 0x3f812345, 0];
        (uint256 a, uint256 b, uint256 c) = (x[0], x[1], x[2]);
        uint256 g;
        uint256 z;
        g = gasleft();
        z = a;
        g -= gasleft();
        uint256 base = g;
        g = gasleft();
        z = Binary32.add(a, b);
        g -= gasleft();
        emit log_named_uint("add", g - base);
        g = gasleft();
        z = Binary32.add(a, c);
        g -= gasleft();
        emit log_named_uint("add-", g - base);
        g = gasleft();
        z = Binary32.mul(a, b);
        g -= gasleft();
        emit log_named_uint("mul", g - base);
        g = gasleft();
        z = Binary32.fma(a, b, c);
        g -= gasleft();
        emit log_named_uint("fma", g - base);
        g = gasleft();
        z = Binary32.fma(c, b, a);
        g -= gasleft();
        emit log_named_uint("fma2", g - base);
        g = gasleft();
        z = Binary32.fma(x[5], b, a);
        g -= gasleft();
        emit log_named_uint("fma0", g - base);
        g = gasleft();
        z = Binary32.div(a, b);
        g -= gasleft();
        emit log_named_uint("div", g - base);
        g = gasleft();
        z = Binary32.sqrt(a);
        g -= gasleft();
        emit log_named_uint("sqrt", g - base);
        g = gasleft();
        z = Binary32.roundEven(x[3]);
        g -= gasleft();
        emit log_named_uint("roundEven", g - base);
        g = gasleft();
        bool l = Binary32.less(x[3], a);
        g -= gasleft();
        emit log_named_uint("less", g - base);
        g = gasleft();
        int256 t = Binary32.toInt(x[3]);
        g -= gasleft();
        emit log_named_uint("toInt", g - base);
        require(t > 0 && !l && z != 0);
    }
}
