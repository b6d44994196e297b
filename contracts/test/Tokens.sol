// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// A token that keeps a fee, answers nothing, answers false, or calls back, as it is told.
contract Token {
    mapping(address => uint256) public balanceOf;
    uint256 public fee;
    bool public silent;
    bool public refuses;
    address public called;
    bytes public call;
    bytes public answer;

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function set(uint256 fee_, bool silent_, bool refuses_) external {
        (fee, silent, refuses) = (fee_, silent_, refuses_);
    }

    function setCall(address called_, bytes calldata call_) external {
        (called, call) = (called_, call_);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return move(msg.sender, to, amount);
    }

    /// Everyone has approved everyone.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return move(from, to, amount);
    }

    function move(address from, address to, uint256 amount) internal returns (bool) {
        if (called != address(0)) (, answer) = called.call(call);
        if (refuses) return false;
        balanceOf[from] -= amount;
        balanceOf[to] += amount - fee;
        if (silent) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }
}
