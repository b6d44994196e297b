//! The money of a job: who gets what at each of its ends, as arithmetic.
//!
//! ```text
//! Offered -> Accepted -> Posted -> Final | Fallen          Offered | Accepted -> Expired
//! ```
//!
//! A [`Job`] holds what buyer, provider and challengers put in, and the games on its receipt. Every wei that it takes in is
//! held, owed to an account, withdrawn or burned; [`Ledger::adds_up`] says so. The contracts keep the same accounts.
//!
//! Specification: `papers/dispute.md`, section 6.

use crate::dispute::{self, Clocks, Illegal, Move, Next, Open, Phase, Position, Sender, Side};
use crate::keccak::keccak256;
use crate::referee::{Ground, element_of_chunk, value_bits, wire_leaf};
use crate::tensor_tree::{Tree, Value};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use assay_circuits::descriptor::CHUNK;
use assay_circuits::root::{Digest32, path_root};
use thiserror::Error;

/// An account of the chain.
pub type Account = [u8; 20];

/// The greatest price or bond, so that no sum of them wraps.
pub const MAX_AMOUNT: u128 = (1 << 96) - 1;

/// Gas that the answer to a disclosure costs at most; the buyer locks five quarters of it.
pub const DISCLOSE_GAS: u128 = 500_000;
/// Disclosures of a job that may be open at a time: a buyer has its bond back where one is not answered, so that without a
/// bound it could ask for more than any provider answers in time.
pub const MAX_DISCLOSURES: usize = 8;

/// What buyer and provider agree on; amounts in wei, times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// The job id.
    pub job: Digest32,
    /// The program root.
    pub program: Digest32,
    /// keccak256 of the digests of the inputs, one after the other.
    pub inputs: Digest32,
    /// Who pays.
    pub buyer: Account,
    /// Who does the job.
    pub provider: Account,
    /// What the buyer pays.
    pub price: u128,
    /// What the provider locks.
    pub provider_bond: u128,
    /// What a challenger locks for a game.
    pub challenger_bond: u128,
    /// What the buyer gets of the provider's bond where no receipt comes in time; at most that bond.
    pub late_fee: u128,
    /// The gas price above which gas is not metered.
    pub gas_price_cap: u128,
    /// Until when the provider accepts.
    pub accept_by: u64,
    /// Until when it posts a receipt.
    pub post_by: u64,
    /// How long after posting games open.
    pub window: u64,
    /// The clocks of each game.
    pub clocks: Clocks,
}

/// Gas of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gas {
    /// How much.
    pub used: u64,
    /// At what price.
    pub price: u128,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
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
    Expired,
}

/// Where the money is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All that was paid in.
    pub deposited: u128,
    /// What belongs to nobody yet.
    pub held: u128,
    /// What accounts may withdraw.
    pub credits: BTreeMap<Account, u128>,
    /// What they have withdrawn.
    pub withdrawn: u128,
    /// What nobody gets.
    pub burned: u128,
}

impl Ledger {
    /// True where no wei is lost or made.
    pub fn adds_up(&self) -> bool {
        let owed: u128 = self.credits.values().sum();
        self.deposited == self.held + owed + self.withdrawn + self.burned
    }

    fn deposit(&mut self, amount: u128) {
        self.deposited += amount;
        self.held += amount;
    }

    /// Moves at most `amount` of what is held to an account.
    fn credit(&mut self, account: Account, amount: u128) {
        let amount = amount.min(self.held);
        self.held -= amount;
        *self.credits.entry(account).or_default() += amount;
    }

    fn burn(&mut self, amount: u128) {
        let amount = amount.min(self.held);
        self.held -= amount;
        self.burned += amount;
    }
}

/// How a game stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is played.
    Open,
    /// This side has won.
    Won(Side),
    /// Another game decided the job.
    Closed,
}

/// A game on a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Who opened it.
    pub challenger: Account,
    /// keccak256 of challenger, honest trace root and salt.
    pub commitment: Digest32,
    /// What the challenger has locked.
    pub bond: u128,
    /// True where the buyer asks for a chunk of an output, rather than doubts the receipt.
    pub disclosure: bool,
    /// When it was opened.
    pub opened: u64,
    /// The hash of its position.
    pub position: Digest32,
    /// How it stands.
    pub status: Status,
    /// Metered gas of the challenger.
    pub challenger_gas: u128,
    /// Metered gas of those who moved for the provider, in the order of their moves.
    pub provider_gas: Vec<(Account, u128)>,
}

/// The claim with which a game was won, and the prize that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prize {
    amount: u128,
    /// The position in which the provider fell silent, where it held a claim.
    claim: Option<Position>,
    holder: usize,
    shown: bool,
    until: u64,
}

/// A challenger's proof that it computed what the winning claim states before that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The honest trace root of its commitment.
    pub trace_root: Digest32,
    /// The salt of its commitment.
    pub salt: Digest32,
    /// The digest of the operation's wire.
    pub digest: Digest32,
    /// The path of its leaf.
    pub leaf_path: Vec<Digest32>,
    /// The bytes of the chunk that holds the element.
    pub chunk: Vec<u8>,
    /// Its siblings.
    pub siblings: Vec<Value>,
}

/// Why nothing happens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The job is not that far, or beyond.
    #[error("the job is {0:?}")]
    Stage(Stage),
    /// The sender may not do it.
    #[error("the sender may not do this")]
    Sender,
    /// It is too late, or too early.
    #[error("it is too late or too early")]
    Time,
    /// The receipt is for another job, program or inputs.
    #[error("the receipt is for another job, program or inputs")]
    OtherJob,
    /// There is no such game, or it is over.
    #[error("there is no such open game")]
    NoGame,
    /// The game stands elsewhere.
    #[error("the game stands elsewhere")]
    OtherPosition,
    /// Games are open.
    #[error("games are open")]
    GamesOpen,
    /// What is shown does not take the prize.
    #[error("this does not take the prize")]
    NoPrize,
    /// As many disclosures are open as may be.
    #[error("{MAX_DISCLOSURES} disclosures are open already")]
    TooManyDisclosures,
    /// An amount is above [`MAX_AMOUNT`], or the late fee above the bond.
    #[error("an amount is too large, or the late fee above the bond")]
    Amount,
    /// The move is not legal.
    #[error("{0}")]
    Illegal(#[from] Illegal),
}

/// A job, its money and its games.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What was agreed.
    pub deal: Deal,
    /// How far it is.
    pub stage: Stage,
    /// Where the money is.
    pub ledger: Ledger,
    /// All games.
    pub games: Vec<Game>,
    agent: Option<Account>,
    posted: u64,
    ground: Digest32,
    /// What is left of the provider's bond for the gas of challengers whose games were open when it fell.
    pool: u128,
    prize: Option<Prize>,
}

impl Job {
    /// The buyer offers a job and pays in its price.
    ///
    /// # Errors
    /// Where an amount is too large, or the late fee above the provider's bond.
    pub fn offer(deal: Deal) -> Result<Job, Refused> {
        let amounts = [deal.price, deal.provider_bond, deal.challenger_bond, deal.gas_price_cap];
        if amounts.into_iter().any(|amount| amount > MAX_AMOUNT) || deal.late_fee > deal.provider_bond {
            return Err(Refused::Amount);
        }
        let mut ledger = Ledger::default();
        ledger.deposit(deal.price);
        let (stage, posted, ground, pool) = (Stage::Offered, 0, [0; 32], 0);
        Ok(Job { deal, stage, ledger, games: Vec::new(), agent: None, posted, ground, pool, prize: None })
    }

    fn at(&self, stage: Stage) -> Result<(), Refused> {
        if self.stage == stage { Ok(()) } else { Err(Refused::Stage(self.stage)) }
    }

    /// The provider accepts and locks its bond.
    ///
    /// # Errors
    /// Where it is another's job, or too late.
    pub fn accept(&mut self, sender: Account, now: u64) -> Result<(), Refused> {
        self.at(Stage::Offered)?;
        if sender != self.deal.provider {
            return Err(Refused::Sender);
        }
        if now >= self.deal.accept_by {
            return Err(Refused::Time);
        }
        self.ledger.deposit(self.deal.provider_bond);
        self.stage = Stage::Accepted;
        Ok(())
    }

    /// The provider names who may split for it.
    ///
    /// # Errors
    /// Where the sender is not the provider.
    pub fn name_agent(&mut self, sender: Account, agent: Account) -> Result<(), Refused> {
        if sender != self.deal.provider {
            return Err(Refused::Sender);
        }
        self.agent = Some(agent);
        Ok(())
    }

    /// The provider posts its receipt: the ground of all games.
    ///
    /// # Errors
    /// Where the receipt is another job's, or too late.
    pub fn post(&mut self, sender: Account, ground: &Ground, now: u64) -> Result<(), Refused> {
        self.at(Stage::Accepted)?;
        if sender != self.deal.provider {
            return Err(Refused::Sender);
        }
        if now >= self.deal.post_by {
            return Err(Refused::Time);
        }
        let own = [ground.job, ground.program_root(), ground.inputs];
        if own != [self.deal.job, self.deal.program, self.deal.inputs] {
            return Err(Refused::OtherJob);
        }
        (self.ground, self.posted, self.stage) = (ground.hash(), now, Stage::Posted);
        Ok(())
    }

    /// Nobody accepted, or no receipt came in time.
    ///
    /// # Errors
    /// Where there is still time.
    pub fn expire(&mut self, now: u64) -> Result<(), Refused> {
        let deal = &self.deal;
        match self.stage {
            Stage::Offered if now >= deal.accept_by => {}
            Stage::Accepted if now >= deal.post_by => {
                self.ledger.credit(deal.buyer, deal.late_fee);
                self.ledger.credit(deal.provider, deal.provider_bond - deal.late_fee);
            }
            Stage::Offered | Stage::Accepted => return Err(Refused::Time),
            stage => return Err(Refused::Stage(stage)),
        }
        self.ledger.credit(deal.buyer, deal.price);
        self.stage = Stage::Expired;
        Ok(())
    }

    fn metered(&self, gas: Gas) -> u128 {
        gas.price.min(self.deal.gas_price_cap).saturating_mul(gas.used.into())
    }

    fn disclosure_bond(&self) -> u128 {
        (DISCLOSE_GAS.saturating_mul(self.deal.gas_price_cap) * 5 / 4).min(MAX_AMOUNT)
    }

    /// Opens a game and locks the challenger's bond; gives its number and position. A disclosure is the buyer's alone, without a
    /// commitment, and has a bond of its own.
    ///
    /// # Errors
    /// Where the window is over, the game does not stand on the receipt, or the sender may not ask for a disclosure.
    pub fn open(
        &mut self,
        sender: Account,
        ground: &Ground,
        commitment: Digest32,
        how: &Open,
        now: u64,
        gas: Gas,
    ) -> Result<(usize, Position), Refused> {
        self.at(Stage::Posted)?;
        if now >= self.posted.saturating_add(self.deal.window) {
            return Err(Refused::Time);
        }
        if ground.hash() != self.ground {
            return Err(Illegal::Ground.into());
        }
        let discloses = matches!(how, Open::Disclose { .. });
        if discloses && sender != self.deal.buyer {
            return Err(Refused::Sender);
        }
        let position = dispute::open(ground, how, self.deal.clocks, now)?;
        let asked = self.games.iter().filter(|game| game.disclosure && game.status == Status::Open);
        if discloses && asked.count() >= MAX_DISCLOSURES {
            return Err(Refused::TooManyDisclosures);
        }
        let bond = if discloses { self.disclosure_bond() } else { self.deal.challenger_bond };
        self.ledger.deposit(bond);
        self.games.push(Game {
            challenger: sender,
            commitment: if discloses { [0; 32] } else { commitment },
            bond,
            disclosure: discloses,
            opened: now,
            position: position.hash(),
            status: Status::Open,
            challenger_gas: self.metered(gas),
            provider_gas: Vec::new(),
        });
        Ok((self.games.len() - 1, position))
    }

    fn open_game(&self, game: usize) -> Result<&Game, Refused> {
        self.games.get(game).filter(|game| game.status == Status::Open).ok_or(Refused::NoGame)
    }

    /// Plays a move.
    ///
    /// # Errors
    /// Where the position is not the game's, or the move not legal; nothing has changed then.
    pub fn play(
        &mut self,
        game: usize,
        position: &Position,
        sender: Account,
        played: &Move,
        now: u64,
        gas: Gas,
    ) -> Result<Next, Refused> {
        self.at(Stage::Posted)?;
        let own = self.open_game(game)?;
        if position.hash() != own.position {
            return Err(Refused::OtherPosition);
        }
        let challenger = own.challenger;
        let provides = sender == self.deal.provider || Some(sender) == self.agent;
        let mover = position.phase.mover();
        let role = match () {
            _ if sender == challenger && mover == Side::Challenger => Sender::Challenger,
            _ if provides => Sender::Provider,
            _ if sender == challenger => Sender::Challenger,
            _ => Sender::Stranger,
        };
        let next = dispute::play(position, role, played, now)?;
        let metered = self.metered(gas);
        let side = match (&next, played) {
            (Next::Won(side), Move::Timeout) => *side,
            _ => mover,
        };
        let Some(own) = self.games.get_mut(game) else { return Err(Refused::NoGame) };
        if matches!(played, Move::Answer { .. }) {
            own.status = Status::Won(Side::Provider);
            let (buyer, bond) = (own.challenger, own.bond);
            let paid = (metered.saturating_mul(5) / 4).min(bond);
            self.ledger.credit(sender, paid);
            self.ledger.credit(buyer, bond - paid);
            return Ok(next);
        }
        match side {
            Side::Challenger if sender == challenger => {
                own.challenger_gas = own.challenger_gas.saturating_add(metered);
            }
            Side::Challenger => {}
            Side::Provider => own.provider_gas.push((sender, metered)),
        }
        match &next {
            Next::Position(next) => own.position = next.hash(),
            Next::Won(side) => {
                own.status = Status::Won(*side);
                match side {
                    Side::Provider => self.provider_won(game),
                    Side::Challenger => self.fall(game, position, now),
                }
            }
        }
        Ok(next)
    }

    fn provider_won(&mut self, game: usize) {
        let Some(own) = self.games.get(game) else { return };
        let mut left = own.bond;
        // The provider first: a stranger that makes its moves dear takes nothing of what is the provider's.
        let provider = self.deal.provider;
        let (first, then): (Vec<_>, Vec<_>) =
            own.provider_gas.iter().partition(|&&(mover, _)| mover == provider);
        for &(mover, metered) in first.into_iter().chain(then) {
            let paid = metered.min(left);
            self.ledger.credit(mover, paid);
            left -= paid;
        }
        self.ledger.credit(self.deal.provider, left / 2);
        self.ledger.burn(left - left / 2);
    }

    fn fall(&mut self, game: usize, position: &Position, now: u64) {
        let Some(winner) = self.games.get(game) else { return };
        let (challenger, own_bond, gas) = (winner.challenger, winner.bond, winner.challenger_gas);
        let bond = self.deal.provider_bond;
        let mut left = bond;
        let mut take = |most: u128| {
            let part = most.min(left);
            left -= part;
            part
        };
        let gas = take(gas);
        let prize = take(bond / 4);
        let buyer = take((bond / 4).min(self.deal.price));
        self.ledger.credit(challenger, gas);
        self.ledger.credit(challenger, own_bond);
        self.ledger.credit(self.deal.buyer, buyer);
        self.ledger.credit(self.deal.buyer, self.deal.price);
        self.pool = left;
        let claim = matches!(position.phase, Phase::Answer | Phase::AnswerInner).then(|| position.clone());
        let until = now.saturating_add(self.deal.clocks.challenger);
        self.prize = Some(Prize { amount: prize, claim, holder: game, shown: false, until });
        self.stage = Stage::Fallen;
        self.burn_pool();
    }

    /// Burns what no open game can ask for.
    fn burn_pool(&mut self) {
        if self.games.iter().all(|game| game.status != Status::Open) {
            self.ledger.burn(self.pool);
            self.pool = 0;
        }
    }

    /// Closes a game that was open when the receipt fell: its challenger gets its bond, and its gas from what is left.
    ///
    /// # Errors
    /// Where the receipt has not fallen, or the game is not open.
    pub fn close(&mut self, game: usize) -> Result<(), Refused> {
        self.at(Stage::Fallen)?;
        let own = self.open_game(game)?;
        let (challenger, bond, paid) = (own.challenger, own.bond, own.challenger_gas.min(self.pool));
        self.pool -= paid;
        self.ledger.credit(challenger, bond);
        self.ledger.credit(challenger, paid);
        if let Some(own) = self.games.get_mut(game) {
            own.status = Status::Closed;
        }
        self.burn_pool();
        Ok(())
    }

    /// The window is over and no game is open: the receipt stands.
    ///
    /// # Errors
    /// Where games may open, or are open.
    pub fn finalise(&mut self, now: u64) -> Result<(), Refused> {
        self.at(Stage::Posted)?;
        if now < self.posted.saturating_add(self.deal.window) {
            return Err(Refused::Time);
        }
        if self.games.iter().any(|game| game.status == Status::Open) {
            return Err(Refused::GamesOpen);
        }
        self.ledger.credit(self.deal.provider, self.deal.price);
        self.ledger.credit(self.deal.provider, self.deal.provider_bond);
        self.stage = Stage::Final;
        Ok(())
    }

    /// The challenger of a game shows that it knew what the winning claim states before it was claimed. The earliest game that
    /// shows it has the prize.
    ///
    /// # Errors
    /// Where the time is over, the game is no older than the claim, an older one has shown it, or it does not hold.
    pub fn contest(&mut self, game: usize, ground: &Ground, shown: &Shown, now: u64) -> Result<(), Refused> {
        self.at(Stage::Fallen)?;
        let prize = self.prize.as_ref().ok_or(Refused::NoPrize)?;
        let own = self.games.get(game).ok_or(Refused::NoGame)?;
        let claim = prize.claim.as_ref().ok_or(Refused::NoPrize)?;
        let older = own.opened < claim.claimed && (!prize.shown || game < prize.holder);
        let committed = own.commitment == commitment(&own.challenger, &shown.trace_root, &shown.salt);
        let known = ground.hash() == self.ground && shown.holds(ground, claim);
        if now >= prize.until {
            return Err(Refused::Time);
        }
        if !(older && committed && known) {
            return Err(Refused::NoPrize);
        }
        if let Some(prize) = &mut self.prize {
            (prize.holder, prize.shown) = (game, true);
        }
        Ok(())
    }

    /// Pays the prize, once its time is over or nobody can contest it.
    ///
    /// # Errors
    /// Where there is none, or it is too early.
    pub fn pay_prize(&mut self, now: u64) -> Result<(), Refused> {
        self.at(Stage::Fallen)?;
        let prize = self.prize.as_ref().ok_or(Refused::NoPrize)?;
        if now < prize.until && prize.claim.is_some() {
            return Err(Refused::Time);
        }
        let holder = self.games.get(prize.holder).ok_or(Refused::NoGame)?.challenger;
        self.ledger.credit(holder, prize.amount);
        self.prize = None;
        Ok(())
    }

    /// An account withdraws what it is owed.
    pub fn withdraw(&mut self, account: Account) -> u128 {
        let amount = self.ledger.credits.remove(&account).unwrap_or(0);
        self.ledger.withdrawn += amount;
        amount
    }
}

/// What a challenger states when it opens a game: keccak256 of its account, the trace root that it computed, and a salt.
pub fn commitment(challenger: &Account, trace_root: &Digest32, salt: &Digest32) -> Digest32 {
    keccak256(&[&[0; 12], challenger, trace_root, salt])
}

impl Shown {
    /// True where the trace has the claimed value at the claimed element.
    fn holds(&self, ground: &Ground, claim: &Position) -> bool {
        let leaf = wire_leaf(claim.operation, &self.digest);
        let root = path_root(leaf, claim.operation as usize, ground.operations() as usize, &self.leaf_path);
        let byte = claim.element.saturating_mul(claim.width.into());
        let Some(tree) = Tree::new(claim.length) else { return false };
        let digest = tree.root_from_chunk(&self.chunk, byte / CHUNK as u64, &self.siblings);
        let width = usize::from(claim.width);
        let own = element_of_chunk(&self.chunk, width, false, (byte % CHUNK as u64) as usize);
        root == Some(self.trace_root)
            && digest == Ok(self.digest)
            && own.is_some_and(|own| value_bits(own, width) == claim.value)
    }
}
