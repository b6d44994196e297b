//! What a side has to do next, from what the chain says and its own run alone.

use super::board::{Board, Game};
use alloy::primitives::{Address, B256, U256};
use assay_circuits::root::Digest32;
use assay_contracts::{Stage, Status};
use assay_prover::dispute::{Challenger, NoMove, Provider};
use assay_prover::spill::KeptRun;
use assay_verifier::dispute::{Move, Open, Position, Side as Mover};
use assay_verifier::escrow::Shown;
use assay_verifier::referee::Ground;

/// The blocks on top of a receipt from which on no other is expected in its place: two epochs of Ethereum.
const CONFIRMATIONS: u64 = 64;

/// Gas of a few moves: what is owed is withdrawn where an account has less.
const MOVES_GAS: u64 = 4_000_000;

/// A side of the disputes about a receipt, with its own run.
pub enum Side<'a> {
    /// Who posted it.
    Provider(Box<Provider<'a, KeptRun>>),
    /// Who computed other bits.
    Challenger {
        /// Its run.
        player: Box<Challenger<'a, KeptRun>>,
        /// The salt of its commitment.
        salt: Digest32,
        /// The digests of all operations in the receipt, where it is known whole.
        leaves: Option<Vec<Digest32>>,
    },
}

/// Something to do.
#[derive(Debug)]
pub enum Due {
    /// Open a game.
    Open(Open),
    /// Make a move, if there is one.
    Play {
        /// The game.
        game: B256,
        /// Where it stands.
        position: Box<Position>,
        /// What the last move showed.
        shown: Vec<u8>,
    },
    /// Win a game whose other side is late.
    Timeout {
        /// The game.
        game: B256,
        /// Where it stands.
        position: Box<Position>,
    },
    /// Close a game that was open when the receipt fell.
    Close(B256),
    /// Show that a claim was known before it was made.
    Contest {
        /// The game of who shows it.
        game: B256,
        /// The position that won.
        position: Box<Position>,
        /// What is shown.
        shown: Box<Shown>,
    },
    /// Have the prize paid.
    PayPrize,
    /// End a job whose receipt stands.
    Finalise,
    /// End a job whose time ran out before there was a receipt.
    Expire,
    /// Take out what is owed.
    Withdraw,
}

impl Due {
    /// True of a move.
    pub fn is_play(&self) -> bool {
        matches!(self, Due::Play { .. })
    }
}

/// How a job has ended for a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receipt stands, as the provider said, or as the challenger computed too.
    Stands,
    /// The receipt fell.
    Fell,
    /// The receipt is wrong, and was not brought down.
    Survived,
    /// There was no receipt in time.
    Expired,
}

impl Side<'_> {
    /// The move in a position; none where the other side is right, and the clock decides.
    ///
    /// # Errors
    /// Where the run is not one of the program that the game is about, or cannot be read.
    pub fn answer(&self, position: &Position, shown: &[u8]) -> Result<Option<Move>, NoMove> {
        let played = match self {
            Side::Provider(player) => player.answer(position, shown),
            Side::Challenger { player, .. } => player.answer(position, shown),
        };
        match played {
            Ok(played) => Ok(Some(played)),
            Err(NoMove::NothingFalse) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name of the side.
    pub fn name(&self) -> &'static str {
        match self {
            Side::Provider(_) => "provider",
            Side::Challenger { .. } => "challenger",
        }
    }

    /// True where the outcome is what this side is there for.
    pub fn has_won(&self, outcome: Outcome) -> bool {
        match self {
            Side::Provider(_) => outcome == Outcome::Stands,
            Side::Challenger { .. } => matches!(outcome, Outcome::Stands | Outcome::Fell),
        }
    }

    /// What is due now, the most urgent first. `ground` is what the receipt's games stand on.
    ///
    /// # Errors
    /// Where the run is not one of the program that the games are about.
    pub fn due(&self, board: &Board, me: Address, ground: Option<&Ground>) -> Result<Vec<Due>, NoMove> {
        let mut due = Vec::new();
        let mut open: Vec<&Game> = board.games.iter().filter(|game| game.status == Status::Open).collect();
        open.sort_by_key(|game| (game.position.as_ref().map(|position| position.deadline), game.number));
        match (self, board.job.stage, ground) {
            (Side::Provider(_), Stage::Posted, _) => {
                due.extend(open.into_iter().filter_map(|game| in_game(board, game, Mover::Provider)));
            }
            (Side::Challenger { player, leaves, .. }, Stage::Posted, Some(ground)) => {
                let own = open.into_iter().filter(|game| game.doubts(me));
                due.extend(own.filter_map(|game| in_game(board, game, Mover::Challenger)));
                let is_open = board.window_end().is_some_and(|end| board.block_time < end);
                if is_open && !board.games.iter().any(|game| game.doubts(me)) && player.differs(ground) {
                    due.push(Due::Open(player.open(ground, leaves.as_deref())?));
                }
            }
            (Side::Challenger { player, salt, .. }, Stage::Fallen, _) => {
                let own = open.into_iter().filter(|game| game.challenger == me);
                due.extend(own.map(|game| Due::Close(game.id)));
                due.extend(contest(board, me, player, salt)?);
            }
            _ => {}
        }
        // A move has a deadline; a clock that has run out stays so.
        due.sort_by_key(|due| !due.is_play());
        due.extend(chores(board, me, false));
        // What is paid back for moves pays for the next ones.
        let short = board.balance < board.job.gas_price_cap.saturating_mul(U256::from(MOVES_GAS));
        if short && board.job.token.is_zero() && board.credit > U256::ZERO && !board.decided() {
            due.insert(0, Due::Withdraw);
        }
        Ok(due)
    }

    /// How the job has ended, once nothing is left to do for this side.
    pub fn outcome(&self, board: &Board, me: Address, ground: Option<&Ground>) -> Option<Outcome> {
        let own: Vec<&Game> = board.games.iter().filter(|game| game.doubts(me)).collect();
        match (self, board.job.stage) {
            (Side::Challenger { player, .. }, Stage::Posted) => {
                let ground = ground?;
                if !player.differs(ground) {
                    return (board.confirmations >= CONFIRMATIONS).then_some(Outcome::Stands);
                }
                let missed = board.window_end().is_some_and(|end| board.block_time >= end) && own.is_empty();
                let lost = !own.is_empty() && own.iter().all(|game| game.status == Status::Held);
                (missed || lost).then_some(Outcome::Survived)
            }
            // What it is owed, and a prize that may become its own, come first.
            _ if board.credit > U256::ZERO => None,
            (Side::Challenger { .. }, Stage::Fallen) => {
                let holds =
                    board.job.prize > U256::ZERO && own.iter().any(|game| game.number == board.job.holder);
                let open = own.iter().any(|game| game.status == Status::Open);
                (!holds && !open).then_some(Outcome::Fell)
            }
            (Side::Challenger { player, .. }, Stage::Final) => {
                Some(if ground.is_some_and(|ground| player.differs(ground)) {
                    Outcome::Survived
                } else {
                    Outcome::Stands
                })
            }
            (_, Stage::Fallen) => Some(Outcome::Fell),
            (_, Stage::Final) => Some(Outcome::Stands),
            (_, Stage::Expired) => Some(Outcome::Expired),
            _ => None,
        }
    }
}

/// What a side has to do in an open game.
fn in_game(board: &Board, game: &Game, side: Mover) -> Option<Due> {
    let position = game.position.as_ref()?;
    let boxed = || Box::new(position.clone());
    match position.phase.mover() == side {
        true if board.block_time < position.deadline => {
            Some(Due::Play { game: game.id, position: boxed(), shown: game.shown.clone() })
        }
        false if board.now >= position.deadline => Some(Due::Timeout { game: game.id, position: boxed() }),
        _ => None,
    }
}

/// What an own game can show of the winning claim, where that takes or keeps the prize.
fn contest(
    board: &Board,
    me: Address,
    player: &Challenger<'_, KeptRun>,
    salt: &Digest32,
) -> Result<Option<Due>, NoMove> {
    let job = &board.job;
    let winning = board.games.iter().filter(|game| game.status == Status::Lost);
    let winning = winning.filter_map(|game| game.position.as_ref());
    let Some(position) = winning.into_iter().find(|position| position.hash() == job.claim.0) else {
        return Ok(None);
    };
    let older: Vec<&Game> = board.games.iter().filter(|game| game.opened < position.claimed).collect();
    let Some(own) = older.iter().find(|game| game.doubts(me)) else { return Ok(None) };
    let takes = !job.shown || own.number < job.holder;
    // The holder's own showing keeps it from all that opened later.
    let needed =
        own.number != job.holder || older.iter().any(|game| game.challenger != me && !game.disclosure);
    if job.prize == U256::ZERO || board.now >= job.until || !takes || !needed {
        return Ok(None);
    }
    match player.show(position, salt) {
        Ok(shown) => {
            let (position, shown) = (Box::new(position.clone()), Box::new(shown));
            Ok(Some(Due::Contest { game: own.id, position, shown }))
        }
        // The claim that won is not this run's.
        Err(NoMove::NothingFalse) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is due and needs no run; with `all`, what others gain from too.
pub fn chores(board: &Board, me: Address, all: bool) -> Vec<Due> {
    let job = &board.job;
    let mut due = Vec::new();
    if all && job.stage == Stage::Posted {
        for game in board.games.iter().filter(|game| game.status == Status::Open) {
            let late = game.position.as_ref().filter(|position| board.now >= position.deadline);
            due.extend(
                late.map(|position| Due::Timeout { game: game.id, position: Box::new(position.clone()) }),
            );
        }
    }
    if all && job.stage == Stage::Fallen {
        let open = board.games.iter().filter(|game| game.status == Status::Open);
        due.extend(open.map(|game| Due::Close(game.id)));
    }
    let mine = |number: u32| board.games.iter().any(|game| game.number == number && game.challenger == me);
    if job.stage == Stage::Fallen
        && job.prize > U256::ZERO
        && (job.claim.is_zero() || board.now >= job.until)
        && (all || mine(job.holder))
    {
        due.push(Due::PayPrize);
    }
    let for_me = |account: Address| all || account == me;
    let window_over = board.window_end().is_some_and(|end| board.now >= end);
    if job.stage == Stage::Posted && window_over && job.open == 0 && for_me(job.provider) {
        due.push(Due::Finalise);
    }
    let expired = match job.stage {
        Stage::Offered => board.now >= job.accept_by && for_me(job.buyer),
        Stage::Accepted => board.now >= job.post_by && (for_me(job.provider) || for_me(job.buyer)),
        _ => false,
    };
    if expired {
        due.push(Due::Expire);
    }
    if board.credit > U256::ZERO && (all || board.decided()) {
        due.push(Due::Withdraw);
    }
    due
}
