// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// The calls to a token.
interface ERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title What is paid in, owed, withdrawn and burned
/// @notice Nothing is sent but by `withdraw`, to whoever is owed it, so that no payee holds up another. A token must move exactly
/// the amount that it is asked to move, which its balances tell, and must not change balances by itself.
abstract contract Escrow {
    /// Another amount was paid in than is due.
    error WrongPayment(uint256 paid, uint256 due);
    /// A transfer failed.
    error TransferFailed();
    /// A token calls back.
    error Reentered();

    event Credited(address indexed token, address indexed account, uint256 amount);
    event Burned(address indexed token, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);

    /// What an account may withdraw of a token.
    mapping(address token => mapping(address account => uint256)) public credits;
    /// What nobody gets.
    mapping(address token => uint256) public burned;
    uint256 private _lock = 1;

    /// @notice Sends all that the sender is owed of a token; zero is the chain's own.
    function withdraw(address token, address to) external returns (uint256 amount) {
        _enter();
        amount = credits[token][msg.sender];
        credits[token][msg.sender] = 0;
        emit Withdrawn(token, msg.sender, to, amount);
        bool success;
        if (token == address(0)) {
            (success,) = to.call{value: amount}("");
        } else {
            success = _call(token, abi.encodeCall(ERC20.transfer, (to, amount)));
        }
        if (!success) revert TransferFailed();
        _lock = 1;
    }

    function _enter() private {
        if (_lock != 1) revert Reentered();
        _lock = 2;
    }

    /// Takes in what the sender owes. The last step of a call; while it runs nothing else is taken in or sent.
    function _deposit(address token, uint256 amount) internal {
        if (token == address(0)) {
            if (msg.value != amount) revert WrongPayment(msg.value, amount);
            return;
        }
        if (msg.value != 0) revert WrongPayment(msg.value, 0);
        if (amount == 0) return;
        _enter();
        uint256 before = ERC20(token).balanceOf(address(this));
        if (!_call(token, abi.encodeCall(ERC20.transferFrom, (msg.sender, address(this), amount)))) {
            revert TransferFailed();
        }
        uint256 received = ERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert WrongPayment(received, amount);
        _lock = 1;
    }

    /// A call to a token that may answer nothing, and else must answer true.
    function _call(address token, bytes memory data) private returns (bool) {
        (bool success, bytes memory result) = token.call(data);
        return success && token.code.length > 0 && (result.length == 0 || abi.decode(result, (bool)));
    }

    function _credit(address token, address account, uint256 amount) internal {
        if (amount == 0) return;
        credits[token][account] += amount;
        emit Credited(token, account, amount);
    }

    function _burn(address token, uint256 amount) internal {
        if (amount == 0) return;
        burned[token] += amount;
        emit Burned(token, amount);
    }
}
