// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Chunk, Claim, Operation, Rebuttal} from "./Game.sol";
import {Escrow} from "./Escrow.sol";
import {Job, Mover, Record, Stage, Status} from "./Job.sol";
import {Meter} from "./Meter.sol";
import {GameId, Ground, JobId, Phase, Position, Positions} from "./Position.sol";
import {OutputClaim, Receipt, Terms} from "./Receipt.sol";
import {Rules, Shown} from "./Rules.sol";

/// @title Jobs, receipts, disputes, and their money
/// @notice A buyer offers a job and pays in its price; a provider accepts, locks a bond, and posts a receipt. Whoever has
/// executed the same program and found other bits opens a game (`Game`) within a window. Of a receipt that no game brings down the
/// provider is paid; of one that falls the buyer has its price back and the provider's bond is spent.
///
///     Offered -> Accepted -> Posted -> Final | Fallen          Offered | Accepted -> Expired
///
/// There is no owner and no upgrade, and no key changes an open game. The Rust twin is `verifier/src/escrow.rs`, the specification
/// `papers/dispute.md`, section 6.
contract AssayDispute is Escrow {
    /// The job is not that far, or beyond.
    error WrongStage(Stage stage);
    /// The sender may not do it.
    error NotYours(address sender);
    /// It is too late.
    error TooLate(uint256 deadline);
    /// It is too early.
    error TooEarly(uint256 time);
    /// An amount of the terms does not fit, or the late fee is above the bond.
    error BadAmount();
    /// The terms name another referee.
    error OtherReferee(bytes32 codeHash);
    /// The terms name a beacon that is not known.
    error BadBeacon();
    /// The receipt, terms or ground are of another job.
    error OtherJob();
    /// There is no such game, or it is over.
    error NoGame(Status status);
    /// The game stands elsewhere.
    error OtherPosition();
    /// Games are open.
    error GamesOpen(uint256 count);
    /// What is shown does not take the prize.
    error NoPrize();
    /// As many disclosures are open as may be.
    error TooManyDisclosures();

    event Offered(JobId indexed job, address indexed buyer, address indexed provider, uint256 nonce, Terms terms);
    event Accepted(JobId indexed job);
    event AgentNamed(JobId indexed job, address agent);
    event Posted(JobId indexed job, bytes32 receipt, Ground ground);
    event Ended(JobId indexed job, Stage stage);
    event Opened(
        JobId indexed job, GameId indexed game, address indexed challenger, uint256 number, bytes32 commitment
    );
    /// A game has come to a position; `shown` is what was put before the other side, which repeats it in its move.
    event Moved(GameId indexed game, Position position, bytes shown);
    event GameEnded(GameId indexed game, Status status);
    event Disclosed(GameId indexed game, bytes chunk);
    event PrizeHeld(JobId indexed job, GameId indexed game, uint256 amount, uint256 until);

    /// Gas that the answer to a disclosure costs at most; the buyer locks five quarters of it.
    uint256 public constant DISCLOSE_GAS = 500_000;
    /// Disclosures of a job that may be open at a time: an answer to so many fits in the shortest clock.
    uint256 public constant MAX_DISCLOSURES = 8;
    /// Gas of a move after it is metered: its record in storage, and the event.
    uint256 private constant RECORD_GAS = 3_000;
    /// The same of a mover's first record.
    uint256 private constant NEW_RECORD_GAS = 22_000;

    /// The rules of all games.
    Rules public immutable rules;
    /// The code hash of the referee, which the terms name.
    bytes32 public immutable referee;

    mapping(JobId => Job) private _jobs;
    mapping(GameId => Record) private _records;
    mapping(GameId => Mover[]) private _movers;

    constructor(Rules rules_) {
        rules = rules_;
        referee = address(rules_.referee()).codehash;
    }

    // Jobs.

    /// @notice The buyer offers a job and pays in its price.
    function offer(uint256 nonce, Terms calldata terms) external payable returns (JobId id) {
        id = _jobId(msg.sender, nonce, Receipt.termsHash(terms));
        Job storage job = _jobs[id];
        if (job.stage != Stage.None) revert WrongStage(job.stage);
        if (terms.referee != referee) revert OtherReferee(terms.referee);
        if (terms.beaconKind > 1 || (terms.beaconKind == 0 && terms.beacon != 0)) revert BadBeacon();
        if (terms.lateFee > terms.providerBond) revert BadAmount();
        (job.buyer, job.price) = (msg.sender, _amount(terms.price));
        (job.provider, job.providerBond) = (terms.provider, _amount(terms.providerBond));
        (job.token, job.challengerBond) = (terms.token, _amount(terms.challengerBond));
        job.lateFee = uint96(terms.lateFee);
        (job.gasPriceCap, job.stage) = (_amount(terms.gasPriceCap), Stage.Offered);
        (job.acceptBy, job.postBy) = (terms.acceptBy, terms.postBy);
        (job.window, job.providerClock, job.challengerClock) =
        (terms.window, terms.providerClock, terms.challengerClock);
        emit Offered(id, msg.sender, terms.provider, nonce, terms);
        _deposit(terms.token, terms.price);
    }

    /// @notice The provider accepts and locks its bond. It holds all inputs then, and has checked the program.
    function accept(JobId id) external payable {
        Job storage job = _at(id, Stage.Offered);
        if (msg.sender != job.provider) revert NotYours(msg.sender);
        if (block.timestamp >= job.acceptBy) revert TooLate(job.acceptBy);
        job.stage = Stage.Accepted;
        emit Accepted(id);
        _deposit(job.token, job.providerBond);
    }

    /// @notice The provider names who else may split for it.
    function nameAgent(JobId id, address agent) external {
        Job storage job = _jobs[id];
        if (msg.sender != job.provider) revert NotYours(msg.sender);
        job.agent = agent;
        emit AgentNamed(id, agent);
    }

    /// @notice The provider posts its receipt, or anyone with its signature does.
    /// The outputs are the program's, in its order.
    /// @param signature empty from the provider itself.
    function post(
        Ground calldata ground,
        uint256 nonce,
        Terms calldata,
        OutputClaim[] calldata,
        bytes calldata signature
    ) external {
        Job storage job = _at(ground.job, Stage.Accepted);
        if (block.timestamp >= job.postBy) revert TooLate(job.postBy);
        (bytes32 receipt, bytes32 hash, bytes32 terms) = abi.decode(_ask(), (bytes32, bytes32, bytes32));
        if (!(ground.job == _jobId(job.buyer, nonce, terms))) revert OtherJob();
        if (signature.length > 0 || msg.sender != job.provider) {
            Receipt.checkSignature(job.provider, Receipt.signedDigest(ground.job, receipt), signature);
        }
        (job.stage, job.posted, job.ground) = (Stage.Posted, uint64(block.timestamp), hash);
        emit Posted(ground.job, receipt, ground);
    }

    /// @notice Ends a job that nobody accepted, or whose receipt did not come in time.
    function expire(JobId id) external {
        Job storage job = _jobs[id];
        if (job.stage == Stage.Offered) {
            if (block.timestamp < job.acceptBy) revert TooEarly(job.acceptBy);
        } else {
            _at(id, Stage.Accepted);
            if (block.timestamp < job.postBy) revert TooEarly(job.postBy);
            _credit(job.token, job.buyer, job.lateFee);
            _credit(job.token, job.provider, job.providerBond - job.lateFee);
        }
        job.stage = Stage.Expired;
        _credit(job.token, job.buyer, job.price);
        emit Ended(id, Stage.Expired);
    }

    /// @notice Ends a job whose receipt stands: the window is over and no game is open.
    function finalise(JobId id) external {
        Job storage job = _at(id, Stage.Posted);
        uint256 end = uint256(job.posted) + job.window;
        if (block.timestamp < end) revert TooEarly(end);
        if (job.open > 0) revert GamesOpen(job.open);
        job.stage = Stage.Final;
        _credit(job.token, job.provider, uint256(job.price) + job.providerBond);
        emit Ended(id, Stage.Final);
    }

    // Opening.

    /// @notice Opens a game at the root of the trace.
    /// @param commitment keccak256 of challenger, honest trace root and salt, a word each.
    function openRoot(JobId id, Ground calldata ground, bytes32 commitment) external payable returns (GameId) {
        uint256 gas_ = gasleft();
        return _open(id, ground, commitment, gas_, msg.data[:0]);
    }

    /// @notice Opens a game at an operation whose wire's digest is known.
    function openOperation(JobId id, Ground calldata ground, bytes32 commitment, Operation calldata)
        external
        payable
        returns (GameId)
    {
        uint256 gas_ = gasleft();
        return _open(id, ground, commitment, gas_, msg.data[:0]);
    }

    /// @notice Opens a game at a chunk that is known, with a claim.
    function openChunk(
        JobId id,
        Ground calldata ground,
        bytes32 commitment,
        Operation calldata,
        Chunk calldata,
        Claim calldata claim_
    ) external payable returns (GameId) {
        uint256 gas_ = gasleft();
        return _open(id, ground, commitment, gas_, claim_.states);
    }

    /// @notice The buyer asks for a chunk of an output. It locks five quarters of the gas of an answer, of which who answers is
    /// paid five quarters of its own. Without an answer within the provider's clock the receipt falls.
    /// Arguments: job, ground, the output's operation, its number among the outputs, its leaf and path in the program, the chunk.
    function disclose(
        JobId id,
        Ground calldata ground,
        Operation calldata,
        uint256,
        bytes calldata,
        bytes calldata,
        uint64
    ) external payable returns (GameId) {
        uint256 gas_ = gasleft();
        if (msg.sender != _jobs[id].buyer) revert NotYours(msg.sender);
        return _open(id, ground, 0, gas_, msg.data[:0]);
    }

    /// The first position is what the rules answer to the same call.
    function _open(JobId id, Ground calldata ground, bytes32 commitment, uint256 gas_, bytes calldata shown)
        private
        returns (GameId game)
    {
        Job storage job = _at(id, Stage.Posted);
        uint256 end = uint256(job.posted) + job.window;
        if (block.timestamp >= end) revert TooLate(end);
        if (Positions.hash(ground) != job.ground) revert OtherJob();
        bytes memory p = _ask();
        _clock(p, _later(job.providerClock), job.challengerClock);
        game = _record(id, job, p, commitment);
        _tell(game, p, shown);
        Record storage record = _records[game];
        record.gas = _plus(0, _price(job, Meter.used(gas_)));
        _deposit(job.token, record.bond);
    }

    function _record(JobId id, Job storage job, bytes memory p, bytes32 commitment) private returns (GameId game) {
        uint32 number = job.games++;
        ++job.open;
        game = gameId(id, number);
        Record storage record = _records[game];
        (record.challenger, record.job, record.commitment) = (msg.sender, id, commitment);
        record.bond = job.challengerBond;
        if (uint8(p[31]) == uint8(Phase.Disclose)) {
            if (++job.disclosures > MAX_DISCLOSURES) revert TooManyDisclosures();
            (record.bond, record.disclosure) = (_disclosureBond(job), true);
        }
        record.position = keccak256(p);
        (record.opened, record.number, record.status) = (uint32(block.timestamp), number, Status.Open);
        emit Opened(id, game, msg.sender, number, commitment);
    }

    /// What the rules answer to this call.
    function _ask() private view returns (bytes memory) {
        (bool success, bytes memory result) = address(rules).staticcall(msg.data);
        if (success) return result;
        assembly ("memory-safe") {
            revert(add(result, 32), mload(result))
        }
    }

    /// Sets the clocks of an encoded position.
    function _clock(bytes memory p, uint64 deadline, uint64 reserve) private pure {
        assembly ("memory-safe") {
            mstore(add(p, 0x60), deadline)
            mstore(add(p, 0x80), reserve)
        }
    }

    /// The event `Moved` of an encoded position, over what lies behind it in memory, of which nothing is needed any more.
    function _tell(GameId game, bytes memory p, bytes calldata shown) private {
        bytes32 topic = Moved.selector;
        assembly {
            let data := add(p, 32)
            let tail := add(data, mload(p))
            // `shown` begins after the position and this word; its last word is filled up with zeros.
            mstore(tail, add(mload(p), 32))
            mstore(add(tail, 32), shown.length)
            calldatacopy(add(tail, 64), shown.offset, shown.length)
            mstore(add(add(tail, 64), shown.length), 0)
            let length := add(add(mload(p), 64), and(add(shown.length, 31), not(31)))
            log2(data, length, topic, game)
        }
    }

    function _disclosureBond(Job storage job) private view returns (uint96) {
        uint256 bond = DISCLOSE_GAS * job.gasPriceCap * 5 / 4;
        return bond > type(uint96).max ? type(uint96).max : uint96(bond);
    }

    // Moves.

    /// @notice For the provider: the values of the nodes up to four levels below.
    function reveal(GameId game, Position calldata position, bytes calldata values) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, values);
        _meterProvider(game, record, job, gas_);
    }

    /// @notice The challenger picks one of the nodes that were revealed.
    function pick(GameId game, Position calldata position, bytes calldata, uint256) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, msg.data[:0]);
        _meterChallenger(record, job, gas_);
    }

    /// @notice For the provider: the digest of an operation's wire, and the operation.
    function revealLeaf(
        GameId game,
        Position calldata position,
        Ground calldata,
        bytes32,
        bytes calldata,
        bytes calldata
    ) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, msg.data[:0]);
        _meterProvider(game, record, job, gas_);
    }

    /// @notice For the provider: the bytes of a chunk.
    function revealChunk(GameId game, Position calldata position, bytes calldata chunk) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, chunk);
        _meterProvider(game, record, job, gas_);
    }

    /// @notice The challenger claims another value of an element of the chunk.
    function claim(GameId game, Position calldata position, bytes calldata, Claim calldata claim_) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, claim_.states);
        _meterChallenger(record, job, gas_);
    }

    /// @notice The provider, or its agent, has the challenger claim the states within a step.
    function split(GameId game, Position calldata position, bytes calldata, uint256) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        // A stranger would split a true step, and strand the provider in it.
        if (msg.sender != job.provider && msg.sender != job.agent) revert NotYours(msg.sender);
        _move(game, record, position, msg.data[:0]);
        _meterProvider(game, record, job, gas_);
    }

    /// @notice The challenger claims the states within a step.
    function refine(GameId game, Position calldata position, bytes calldata states) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _move(game, record, position, states);
        _meterChallenger(record, job, gas_);
    }

    /// @notice For the provider: a step that is not as claimed. It wins the game.
    function rebut(GameId game, Position calldata position, Ground calldata, Rebuttal calldata) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _ask();
        _meterProvider(game, record, job, gas_);
        _held(game, record, job);
    }

    /// @notice For the provider: the chunk that the buyer asked for.
    function answer(GameId game, Position calldata position, bytes calldata chunk, bytes calldata) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _begin(game, position);
        _ask();
        emit Disclosed(game, chunk);
        uint256 paid = _price(job, Meter.used(gas_)) * 5 / 4;
        if (paid > record.bond) paid = record.bond;
        _end(game, record, job, Status.Held);
        _credit(job.token, msg.sender, paid);
        _credit(job.token, record.challenger, record.bond - paid);
    }

    /// @notice The clock of the side to move has run out: it loses.
    function timeout(GameId game, Position calldata position) external {
        uint256 gas_ = gasleft();
        (Record storage record, Job storage job) = _standing(game, position);
        if (block.timestamp < position.deadline) revert TooEarly(position.deadline);
        if (Positions.isChallengers(position.phase)) {
            _meterProvider(game, record, job, gas_);
            _held(game, record, job);
        } else {
            if (msg.sender == record.challenger) _meterChallenger(record, job, gas_);
            _lost(game, record, job, position.phase);
        }
    }

    /// A game that stands at a position.
    function _standing(GameId game, Position calldata position)
        private
        view
        returns (Record storage record, Job storage job)
    {
        record = _records[game];
        if (record.status != Status.Open) revert NoGame(record.status);
        job = _at(record.job, Stage.Posted);
        if (Positions.hashOf(position) != record.position) revert OtherPosition();
    }

    /// A game in which the sender may move.
    function _begin(GameId game, Position calldata position)
        private
        view
        returns (Record storage record, Job storage job)
    {
        (record, job) = _standing(game, position);
        if (block.timestamp >= position.deadline) revert TooLate(position.deadline);
        if (Positions.isChallengers(position.phase) && msg.sender != record.challenger) revert NotYours(msg.sender);
    }

    /// To the position that the rules answer to the same call. The clock of the side that is to move then runs: a side that
    /// moves again does so on its own.
    function _move(GameId game, Record storage record, Position calldata position, bytes calldata shown) private {
        bytes memory p = _ask();
        if (Positions.isChallengers(Phase(uint8(p[31]))) == Positions.isChallengers(position.phase)) {
            _clock(p, position.deadline, position.reserve);
        } else {
            _clock(p, _later(position.reserve), position.deadline - uint64(block.timestamp));
        }
        record.position = keccak256(p);
        _tell(game, p, shown);
    }

    function _later(uint64 clock) private view returns (uint64) {
        uint256 deadline = block.timestamp + clock;
        return deadline > type(uint64).max ? type(uint64).max : uint64(deadline);
    }

    // Gas.

    function _price(Job storage job, uint256 gas_) private view returns (uint256) {
        return gas_ * (tx.gasprice < job.gasPriceCap ? tx.gasprice : job.gasPriceCap);
    }

    function _plus(uint88 a, uint256 b) private pure returns (uint88) {
        uint256 sum = a + b;
        return sum > type(uint88).max ? type(uint88).max : uint88(sum);
    }

    function _meterChallenger(Record storage record, Job storage job, uint256 gas_) private {
        record.gas = _plus(record.gas, _price(job, Meter.used(gas_) + RECORD_GAS));
    }

    /// The provider's own gas is one sum, which is paid first: a stranger that makes its moves dear takes nothing of it. Others
    /// stay in the order of moves; moves of one account in a row are one entry.
    function _meterProvider(GameId game, Record storage record, Job storage job, uint256 gas_) private {
        if (msg.sender == job.provider) {
            record.providerGas = _plus(record.providerGas, _price(job, Meter.used(gas_) + RECORD_GAS));
            return;
        }
        Mover[] storage movers = _movers[game];
        uint256 count = movers.length;
        if (count == 0 || movers[count - 1].account != msg.sender) {
            movers.push(Mover(msg.sender, _plus(0, _price(job, Meter.used(gas_) + NEW_RECORD_GAS))));
        } else {
            Mover storage mover = movers[count - 1];
            mover.gas = _plus(mover.gas, _price(job, Meter.used(gas_) + RECORD_GAS));
        }
    }

    // Ends.

    function _end(GameId game, Record storage record, Job storage job, Status status) private {
        record.status = status;
        --job.open;
        if (record.disclosure) --job.disclosures;
        emit GameEnded(game, status);
    }

    /// The provider has won a game.
    function _held(GameId game, Record storage record, Job storage job) private {
        _end(game, record, job, Status.Held);
        address token = job.token;
        uint256 left = record.bond;
        left -= _pay(token, job.provider, record.providerGas, left);
        Mover[] storage movers = _movers[game];
        uint256 count = movers.length;
        for (uint256 i = 0; i < count; ++i) {
            left -= _pay(token, movers[i].account, movers[i].gas, left);
        }
        _credit(token, job.provider, left / 2);
        _burn(token, left - left / 2);
    }

    function _pay(address token, address account, uint256 amount, uint256 most) private returns (uint256) {
        if (amount > most) amount = most;
        _credit(token, account, amount);
        return amount;
    }

    /// A challenger has won a game: the receipt falls.
    function _lost(GameId game, Record storage record, Job storage job, Phase phase) private {
        _end(game, record, job, Status.Lost);
        job.stage = Stage.Fallen;
        address token = job.token;
        uint256 bond = job.providerBond;
        uint256 left = bond - _pay(token, record.challenger, record.gas, bond);
        uint256 prize = left < bond / 4 ? left : bond / 4;
        left -= prize;
        uint256 most = job.price < bond / 4 ? job.price : bond / 4;
        left -= _pay(token, job.buyer, most, left);
        _credit(token, record.challenger, record.bond);
        _credit(token, job.buyer, job.price);
        job.pool = uint96(left);
        (job.prize, job.holder, job.until) = (uint96(prize), record.number, _later(job.challengerClock));
        if (phase == Phase.Answer || phase == Phase.AnswerInner) job.claim = record.position;
        _burnPool(job);
        emit Ended(record.job, Stage.Fallen);
        emit PrizeHeld(record.job, game, prize, job.until);
    }

    /// Burns what no open game can ask for.
    function _burnPool(Job storage job) private {
        if (job.open > 0) return;
        _burn(job.token, job.pool);
        job.pool = 0;
    }

    /// @notice Closes a game that was open when the receipt fell: its challenger gets its bond, and its gas from what is left.
    function close(GameId game) external {
        Record storage record = _records[game];
        if (record.status != Status.Open) revert NoGame(record.status);
        Job storage job = _at(record.job, Stage.Fallen);
        _end(game, record, job, Status.Closed);
        uint256 paid = _pay(job.token, record.challenger, record.gas, job.pool);
        job.pool -= uint96(paid);
        _credit(job.token, record.challenger, record.bond);
        _burnPool(job);
    }

    /// @notice The challenger of a game shows that it knew the winning claim before it was claimed. The earliest game has the
    /// prize.
    function contest(GameId game, Position calldata position, Ground calldata, Shown calldata shown) external {
        Record storage record = _records[game];
        Job storage job = _at(record.job, Stage.Fallen);
        if (block.timestamp >= job.until) revert TooLate(job.until);
        bytes32 commitment = keccak256(abi.encode(record.challenger, shown.traceRoot, shown.salt));
        bool takes = Positions.hashOf(position) == job.claim && record.opened < position.claimed && job.prize > 0
            && (!job.shown || record.number < job.holder) && commitment == record.commitment;
        if (!takes) revert NoPrize();
        _ask();
        (job.holder, job.shown) = (record.number, true);
        emit PrizeHeld(record.job, game, job.prize, job.until);
    }

    /// @notice Pays the prize, once its time is over or nobody can contest it.
    function payPrize(JobId id) external {
        Job storage job = _at(id, Stage.Fallen);
        if (job.claim != 0 && block.timestamp < job.until) revert TooEarly(job.until);
        uint256 prize = job.prize;
        if (prize == 0) revert NoPrize();
        job.prize = 0;
        _credit(job.token, _records[gameId(id, job.holder)].challenger, prize);
    }

    function _amount(uint256 amount) private pure returns (uint96) {
        if (amount > type(uint96).max) revert BadAmount();
        return uint96(amount);
    }

    function _at(JobId id, Stage stage) private view returns (Job storage job) {
        job = _jobs[id];
        if (job.stage != stage) revert WrongStage(job.stage);
    }

    // Views.

    /// @notice The id of a job's game.
    function gameId(JobId id, uint256 number) public pure returns (GameId) {
        return GameId.wrap(keccak256(abi.encode(id, number)));
    }

    /// @notice The id that a buyer's job has.
    function jobId(address buyer, uint256 nonce, Terms calldata terms) external view returns (JobId) {
        return _jobId(buyer, nonce, Receipt.termsHash(terms));
    }

    function _jobId(address buyer, uint256 nonce, bytes32 terms) private view returns (JobId) {
        return JobId.wrap(keccak256(abi.encode(block.chainid, address(this), buyer, nonce, terms)));
    }

    /// @notice A job.
    function jobOf(JobId id) external view returns (Job memory) {
        return _jobs[id];
    }

    /// @notice A game.
    function gameOf(GameId game) external view returns (Record memory) {
        return _records[game];
    }

    /// @notice Who moved for the provider of a game, from the first on that was not the provider.
    function moversOf(GameId game) external view returns (Mover[] memory) {
        return _movers[game];
    }
}
