//! An agent: reads the chain, does what is due for its side, and remembers nothing that the chain does not tell again.

use super::board::{Board, Place};
use super::due::{Due, Outcome, Side};
use super::limits::{LimitArgs, Payer};
use super::node::{Account, Mined, NodeError};
use super::state::State;
use super::watch::tell;
use crate::error::CliError;
use alloy::primitives::{Address, U256};
use assay_contracts::abi::AssayDispute as A;
use assay_contracts::{Call, Job, Stage, call, contest, open};
use assay_verifier::escrow::commitment;
use assay_verifier::referee::Ground;
use assay_verifier::terms::Agreement;
use std::path::PathBuf;

mod token {
    #![allow(missing_docs)]

    alloy::sol! {
        #[sol(rpc)]
        interface ERC20 {
            function approve(address spender, uint256 amount) external returns (bool);
            function allowance(address owner, address spender) external view returns (uint256);
        }
    }
}

/// The place of an agreement's job, seen by an account.
pub fn place(agreed: &Agreement, account: Address) -> Place {
    Place { contract: agreed.contract.into(), job: agreed.job().into(), account }
}

impl Account {
    /// Sends a call that pays an amount in, in the chain's own money or in a token, which is allowed first.
    pub async fn pay_in(
        &self,
        contract: Address,
        token: Address,
        amount: U256,
        call: &Call,
        mined: &mut Vec<Mined>,
    ) -> Result<(), NodeError> {
        let value = if token.is_zero() { amount } else { U256::ZERO };
        if !token.is_zero() {
            let erc20 = token::ERC20::new(token, &self.node.rpc);
            let allowed = || async {
                let allowed = erc20.allowance(self.address, contract).call().await;
                allowed.map_err(|error| self.node.failed(error))
            };
            let before = allowed().await?;
            // Some tokens let an allowance be replaced only when there is none.
            let steps = if before.is_zero() { vec![amount] } else { vec![U256::ZERO, amount] };
            for amount in steps.into_iter().filter(|_| before < amount) {
                let approve = token::ERC20::approveCall { spender: contract, amount };
                mined.push(self.send(token, &Call::of(&approve), U256::ZERO).await?);
            }
            if allowed().await? < amount {
                return Err(NodeError::Token { token });
            }
        }
        mined.push(self.send(contract, call, value).await?);
        Ok(())
    }

    /// Does something that needs no run.
    pub async fn act(
        &self,
        place: &Place,
        job: &Job,
        due: &Due,
        mined: &mut Vec<Mined>,
    ) -> Result<(), NodeError> {
        let id = place.job;
        let own = match due {
            Due::Timeout { game, position } => call(*game, position, &assay_verifier::dispute::Move::Timeout),
            Due::Close(game) => Some(Call::of(&A::closeCall { game: *game })),
            Due::PayPrize => Some(Call::of(&A::payPrizeCall { id })),
            Due::Finalise => Some(Call::of(&A::finaliseCall { id })),
            Due::Expire => Some(Call::of(&A::expireCall { id })),
            Due::Withdraw => {
                let withdraw = A::withdrawCall { token: job.token, to: self.address };
                Some(Call::of(&withdraw))
            }
            Due::Open(_) | Due::Play { .. } | Due::Contest { .. } => None,
        };
        if let Some(own) = own {
            mined.push(self.send(place.contract, &own, U256::ZERO).await?);
        }
        Ok(())
    }
}

/// An agent of one side.
pub struct Agent<'a> {
    /// Who sends.
    pub account: Account,
    /// The job.
    pub place: Place,
    /// The side, with its run.
    pub side: Side<'a>,
    /// What was read so far.
    pub state: State,
    /// Where that is kept.
    pub path: Option<PathBuf>,
    /// What the receipt's games stand on, once it is posted.
    pub ground: Option<Ground>,
    /// What the account may pay into, until that is checked; nothing of a side that pays no more.
    pub limits: Option<LimitArgs>,
    /// True once the job was found: what is missing later is the node's fault, or comes back.
    pub found: bool,
}

impl Agent<'_> {
    /// Reads the chain.
    ///
    /// # Errors
    /// Where the node fails; where the receipt is not of the program, or a provider's not of its own run.
    pub async fn read(&mut self) -> Result<Board, CliError> {
        self.account.begin().await?;
        let node = &self.account.node;
        let board = self.place.read(node, &mut self.state).await?;
        // A node that lags, or a chain that has just replaced some blocks, ends no agent.
        let wrong = |found: bool, problem: String| match found {
            true => CliError::Node(node.failed(problem)),
            false => CliError::Usage(problem),
        };
        if board.job.stage == Stage::None {
            let problem = format!("there is no job {} in {}", self.place.job, self.place.contract);
            return Err(wrong(self.found, problem));
        }
        // A chain may have replaced the receipt by another.
        if self.ground.as_ref().is_some_and(|ground| ground.hash() != board.job.ground.0) {
            self.ground = None;
        }
        if board.job.posted > 0 && self.ground.is_none() {
            let ground = match &self.side {
                Side::Provider(player) => player.ground.clone(),
                Side::Challenger { .. } => self.place.ground(node, &board, &mut self.state).await?,
            };
            if ground.hash() != board.job.ground.0 {
                let problem = "this run is not the one whose receipt was posted: games are lost with it";
                return Err(wrong(self.found, problem.to_string()));
            }
            self.ground = Some(ground);
        }
        if let Some(path) = &self.path {
            // The file only spares reading: a disk that is full for a while loses no game.
            match self.state.save(path) {
                Err(error) if !self.found => return Err(error),
                Err(error) => tell(&error.to_string()),
                Ok(()) => {}
            }
        }
        self.found = true;
        Ok(board)
    }

    /// Before a game is opened: whether to pay into this contract under these terms. A game that is open is played on.
    ///
    /// # Errors
    /// Where it is not, or the node fails.
    pub async fn admit(&mut self, board: &Board) -> Result<(), CliError> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let (me, node) = (self.account.address, &self.account.node);
        if let Side::Challenger { player, .. } = &self.side
            && !board.games.iter().any(|game| game.doubts(me))
        {
            node.genuine(self.place.contract).await?;
            let price = U256::from(node.gas_price().await?);
            limits.check(&board.job, player.record.program(), Payer::Challenger, price)?;
        }
        self.limits = None;
        Ok(())
    }

    /// True where the receipt has other bits than this run.
    pub fn differs(&self) -> bool {
        match (&self.side, &self.ground) {
            (Side::Challenger { player, .. }, Some(ground)) => player.differs(ground),
            _ => false,
        }
    }

    /// What is due now.
    ///
    /// # Errors
    /// Where the run is not one of the program that the games are about.
    pub fn due(&self, board: &Board) -> Result<Vec<Due>, CliError> {
        let due = self.side.due(board, self.account.address, self.ground.as_ref());
        due.map_err(|error| CliError::Usage(error.to_string()))
    }

    /// How the job has ended, if it has.
    pub fn outcome(&self, board: &Board) -> Option<Outcome> {
        self.side.outcome(board, self.account.address, self.ground.as_ref())
    }

    /// Makes moves, each in another game; what kept it from some of them.
    pub async fn play(&self, due: &[Due], mined: &mut Vec<Mined>) -> Vec<CliError> {
        let (mut calls, mut errors) = (Vec::new(), Vec::new());
        for due in due {
            let Due::Play { game, position, shown } = due else { continue };
            match self.side.answer(position, shown) {
                Ok(played) => calls.extend(played.and_then(|played| call(*game, position, &played))),
                Err(error) => errors.push(CliError::Usage(error.to_string())),
            }
        }
        if !calls.is_empty() {
            for sent in self.account.send_all(self.place.contract, &calls).await {
                match sent {
                    Ok(sent) => mined.push(sent),
                    Err(error) => errors.push(error.into()),
                }
            }
        }
        errors
    }

    /// Does something else than a move.
    ///
    /// # Errors
    /// Where the contract or the node refuses it.
    pub async fn act(&self, board: &Board, due: &Due, mined: &mut Vec<Mined>) -> Result<(), NodeError> {
        let Place { contract, .. } = self.place;
        match (due, &self.side, &self.ground) {
            (Due::Open(how), Side::Challenger { player, salt, .. }, Some(ground)) => {
                let me = self.account.address.0.0;
                let own = player.record.ground(ground.job).trace_root;
                let open = open(ground, commitment(&me, &own, salt), how);
                let (token, bond) = (board.job.token, board.job.challenger_bond);
                self.account.pay_in(contract, token, bond, &open, mined).await
            }
            (Due::Contest { game, position, shown }, _, Some(ground)) => {
                let Some(contest) = contest(*game, position, ground, shown) else { return Ok(()) };
                mined.push(self.account.send(contract, &contest, U256::ZERO).await?);
                Ok(())
            }
            _ => self.account.act(&self.place, &board.job, due, mined).await,
        }
    }
}
