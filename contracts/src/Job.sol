// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {JobId} from "./Position.sol";

/// How far a job is.
enum Stage {
    None,
    /// The buyer has paid in.
    Offered,
    /// The provider has locked its bond.
    Accepted,
    /// The receipt is posted; games may be open.
    Posted,
    /// The receipt stands.
    Final,
    /// A challenger has won.
    Fallen,
    /// Nobody accepted, or no receipt came in time.
    Expired
}

/// How a game stands.
enum Status {
    None,
    /// It is played.
    Open,
    /// The provider has won.
    Held,
    /// The challenger has won.
    Lost,
    /// Another game decided the job.
    Closed
}

/// A job: its terms, as far as they are needed, and what became of it.
struct Job {
    address buyer;
    uint96 price;
    address provider;
    uint96 providerBond;
    address token;
    uint96 challengerBond;
    /// Who else may split for the provider.
    address agent;
    uint96 lateFee;
    uint96 gasPriceCap;
    uint64 acceptBy;
    uint64 postBy;
    Stage stage;
    uint64 window;
    uint64 providerClock;
    uint64 challengerClock;
    /// When the receipt was posted.
    uint64 posted;
    /// The hash of what all games stand on.
    bytes32 ground;
    /// Number of games, and of those that are open.
    uint32 games;
    uint32 open;
    /// What is left of the provider's bond for the gas of challengers whose games were open when the receipt fell.
    uint96 pool;
    /// The prize, who has it so far, whether that game has shown what it knew, and until when others may.
    uint96 prize;
    uint32 holder;
    bool shown;
    uint64 until;
    /// Number of disclosures that are open.
    uint8 disclosures;
    /// The hash of the position in which the provider fell silent, where it held a claim.
    bytes32 claim;
}

/// A game.
struct Record {
    address challenger;
    /// What the challenger has locked.
    uint96 bond;
    JobId job;
    /// The hash of its position.
    bytes32 position;
    /// keccak256 of challenger, honest trace root and salt.
    bytes32 commitment;
    /// When it was opened, in seconds until 2106.
    uint32 opened;
    /// Its number among the job's games, from 0 on.
    uint32 number;
    Status status;
    /// Whether the buyer asks for a chunk of an output, rather than doubts the receipt.
    bool disclosure;
    /// Metered gas of the challenger.
    uint88 gas;
    /// Metered gas of the provider's own moves; those of others are in a list.
    uint88 providerGas;
}

/// Someone who moved for a provider, and its metered gas.
struct Mover {
    address account;
    uint88 gas;
}
