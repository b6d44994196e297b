// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AssayDispute} from "../src/AssayDispute.sol";
import {Job, Record, Stage, Status} from "../src/Job.sol";
import {Operation} from "../src/Game.sol";
import {GameId, JobId, Phase, Position} from "../src/Position.sol";
import {Terms} from "../src/Receipt.sol";
import {chain} from "./Chain.sol";
import {assertEqual} from "./Test.sol";
import {Token} from "./Tokens.sol";
import {Copies, World} from "./World.sol";

/// A challenger that takes no payment, or asks for another while it is paid.
contract Rude {
    AssayDispute internal immutable dispute;

    constructor(AssayDispute dispute_) {
        dispute = dispute_;
    }

    receive() external payable {
        dispute.withdraw(address(0), msg.sender);
    }
}

/// Buyers, providers and challengers that do anything at any time, in coins and in tokens. One element of the trace is wrong.
contract Handler is World {
    uint256 public constant JOBS = 6;

    Token public coin = new Token();
    address[] public accounts;
    /// Games and their positions, by job.
    mapping(uint256 => GameId[]) internal games;
    mapping(GameId => Position) internal positions;
    uint256 public ends;
    uint256 public falls;

    constructor() {
        setUp();
        wires[3][7] ^= 0x01;
        accounts = [BUYER, provider, STRANGER, AGENT, CHALLENGER, OTHER, address(new Rude(dispute))];
        for (uint256 i = 0; i < accounts.length; ++i) {
            chain.deal(accounts[i], 1e30);
            coin.mint(accounts[i], 1e30);
        }
    }

    function terms() internal view override returns (Terms memory t) {
        t = super.terms();
        (t.acceptBy, t.postBy, t.window) = (START + 3000, START + 6000, 3000);
        // A bond that gas exceeds, and one that it does not; a price above and below a quarter of a bond.
        if (nonce % 3 == 0) t.providerBond = 1_000_000;
        if (nonce % 3 == 1) t.challengerBond = 600_000;
        t.lateFee = t.providerBond / 3;
    }

    function choose(uint256 number) internal {
        nonce = number;
        token = number % 2 == 0 ? address(0) : address(coin);
    }

    function account(uint256 seed) internal view returns (address) {
        return accounts[seed % accounts.length];
    }

    function dispute_() external view returns (AssayDispute) {
        return dispute;
    }

    // Actions.

    function begin(uint256 seed) external {
        choose(seed % JOBS);
        Stage stage = dispute.jobOf(job()).stage;
        if (stage == Stage.None) offered();
        if (stage == Stage.Offered) {
            (JobId id, uint256 bond) = (job(), value(terms().providerBond));
            asking(provider);
            dispute.accept{value: bond}(id);
        }
        if (stage == Stage.Accepted) postNow();
    }

    function postNow() internal {
        bytes memory call = abi.encodeCall(dispute.post, (ground(), nonce, terms(), outputClaims(), ""));
        asking(provider);
        (bool success,) = address(dispute).call(call);
        require(success);
    }

    function open(uint256 seed) external {
        choose(seed % JOBS);
        (GameId game, Position memory p) = openedRoot(account(seed >> 8), bytes32(seed));
        games[nonce].push(game);
        positions[game] = p;
    }

    function ask(uint256 seed) external {
        choose(seed % JOBS);
        Operation memory o = operationOf(4);
        bytes memory sibling = abi.encodePacked(bytes1(0x00), Copies.outputLeaf(1));
        bytes memory call = abi.encodeCall(
            dispute.disclose, (job(), ground(), o, 0, Copies.outputLeaf(4), abi.encodePacked(keccak256(sibling)), 0)
        );
        chain.recordLogs();
        asking(BUYER);
        (bool success, bytes memory answer) = address(dispute).call{value: value(3_125_000)}(call);
        require(success);
        GameId game = abi.decode(answer, (GameId));
        games[nonce].push(game);
        positions[game] = movedTo(game);
    }

    function move(uint256 seed) external {
        choose(seed % JOBS);
        GameId game = games[nonce][(seed >> 8) % games[nonce].length];
        Position memory p = positions[game];
        address challenger = dispute.gameOf(game).challenger;
        address mover = account(seed >> 16);
        if (p.phase == Phase.RevealTrace) {
            p = reveal(mover, game, p);
        } else if (p.phase == Phase.ChooseTrace) {
            p = pick(challenger, game, p, (seed >> 24) % 5);
        } else if (p.phase == Phase.RevealLeaf) {
            p = revealLeaf(mover, game, p);
        } else if (p.phase == Phase.RevealChunk) {
            p = revealChunk(mover, game, p);
        } else if (p.phase == Phase.ChooseChunk) {
            p = claim(challenger, game, p, 7, (seed >> 32) % 3 == 0 ? 1 : uint8(input[7]));
        } else if (p.phase == Phase.Answer) {
            rebut(mover, game, p);
        } else {
            answerNow(mover, game, p);
        }
        positions[game] = p;
    }

    function answerNow(address mover, GameId game, Position memory p) internal {
        bytes memory chunk = wires[4];
        asking(mover);
        dispute.answer(game, p, chunk, "");
    }

    function wait(uint256 seed) external {
        chain.warp(block.timestamp + seed % 300);
    }

    function end(uint256 seed) external {
        choose(seed % JOBS);
        JobId id = job();
        GameId game = games[nonce].length == 0 ? GameId.wrap(0) : games[nonce][(seed >> 8) % games[nonce].length];
        Position memory p = positions[game];
        address sender = account(seed >> 16);
        bytes[5] memory calls = [
            abi.encodeCall(dispute.timeout, (game, p)),
            abi.encodeCall(dispute.close, (game)),
            abi.encodeCall(dispute.payPrize, (id)),
            abi.encodeCall(dispute.finalise, (id)),
            abi.encodeCall(dispute.expire, (id))
        ];
        for (uint256 i = 0; i < 5; ++i) {
            asking(sender);
            (bool success,) = address(dispute).call(calls[i]);
            if (success) ++ends;
            if (success && i == 0 && dispute.jobOf(id).stage == Stage.Fallen) ++falls;
        }
    }

    function take(uint256 seed) external {
        chain.prank(account(seed));
        dispute.withdraw(seed & 256 == 0 ? address(0) : address(coin), account(seed));
    }

    // What belongs to nobody yet.

    function held(address of_) external returns (uint256 sum) {
        for (uint256 number = 0; number < JOBS; ++number) {
            choose(number);
            if (token != of_) continue;
            Job memory j = dispute.jobOf(job());
            if (j.stage == Stage.Offered) sum += j.price;
            if (j.stage == Stage.Accepted || j.stage == Stage.Posted) sum += uint256(j.price) + j.providerBond;
            if (j.stage == Stage.Fallen) sum += uint256(j.pool) + j.prize;
            uint256 open_ = 0;
            for (uint256 i = 0; i < games[number].length; ++i) {
                Record memory record = dispute.gameOf(games[number][i]);
                if (record.status != Status.Open) continue;
                sum += record.bond;
                ++open_;
            }
            require(open_ == j.open, "open games");
        }
    }

    function owed(address of_) external view returns (uint256 sum) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += dispute.credits(of_, accounts[i]);
        }
    }
}

/// No wei is lost or made, whatever is done in whatever order.
contract InvariantTest {
    Handler internal handler;

    function setUp() external {
        handler = new Handler();
    }

    function targetContracts() external view returns (address[] memory all) {
        all = new address[](1);
        all[0] = address(handler);
    }

    /// None of the contracts: forge gives a sender coins.
    function targetSenders() external pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = address(0x5e0d);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory all) {
        all = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = Handler.begin.selector;
        selectors[1] = Handler.open.selector;
        selectors[2] = Handler.ask.selector;
        selectors[3] = Handler.move.selector;
        selectors[4] = Handler.move.selector;
        selectors[5] = Handler.wait.selector;
        selectors[6] = Handler.end.selector;
        selectors[7] = Handler.take.selector;
        selectors[8] = Handler.begin.selector;
        all[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 10
    /// forge-config: default.invariant.depth = 150
    function invariant_coins_add_up() external {
        adds(address(0), address(handler.dispute_()).balance);
    }

    /// forge-config: default.invariant.runs = 10
    /// forge-config: default.invariant.depth = 150
    function invariant_tokens_add_up() external {
        Token coin = handler.coin();
        adds(address(coin), coin.balanceOf(address(handler.dispute_())));
    }

    /// The same over one long course of a fixed seed, which comes to all ends.
    function test_a_long_course_adds_up() external {
        bytes4[9] memory selectors = [
            Handler.begin.selector,
            Handler.open.selector,
            Handler.ask.selector,
            Handler.move.selector,
            Handler.move.selector,
            Handler.move.selector,
            Handler.wait.selector,
            Handler.end.selector,
            Handler.take.selector
        ];
        for (uint256 i = 0; i < 900; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            (bool success,) = address(handler).call(abi.encodeWithSelector(selectors[seed % 9], seed >> 8));
            success;
            if (i % 50 == 0) both();
        }
        both();
        require(handler.ends() > 20 && handler.falls() > 1, "ends");
    }

    function both() internal {
        adds(address(0), address(handler.dispute_()).balance);
        Token coin = handler.coin();
        adds(address(coin), coin.balanceOf(address(handler.dispute_())));
    }

    function adds(address of_, uint256 balance) internal {
        uint256 sum = handler.held(of_) + handler.owed(of_) + handler.dispute_().burned(of_);
        assertEqual(balance, sum, "to the last wei");
    }
}
