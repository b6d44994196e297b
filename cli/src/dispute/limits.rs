//! What a side pays into: terms that leave it the time and the money to defend what it pays in.

use super::units::{parse_amount, parse_span};
use crate::error::CliError;
use alloy::primitives::{Address, U256};
use assay_circuits::program::Program;
use assay_contracts::Job;
use assay_prover::dispute::price::{GAS, Price, price};
use clap::Args;
use std::time::Duration;

/// The longest that a clock or the window may be: so long a bond can be locked.
const LONGEST: u64 = 30 * 86_400;
/// How much more than the dearest dispute of the program takes at today's price of gas a bond may be. The bonds of
/// `assay dispute offer` are four times that, and gas may be cheaper by the time that a game is opened.
const GENEROUS: u64 = 64;

/// What a side pays into, beyond what it checks anyway.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// The token of the amounts that you pay in; the chain's own money unless given.
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// The most that you lock; 64 times what the dearest dispute of the program costs at today's price of gas unless given.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    most_bond: Option<U256>,
    /// The least time that either side must have in a dispute: the longest outage that you survive.
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = parse_span)]
    least_clock: Duration,
    /// Goes on where gas costs more now than what is paid back for it.
    #[arg(long)]
    at_a_loss: bool,
}

/// Who pays in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    /// Who does the job.
    Provider,
    /// Who opens a game.
    Challenger,
}

/// The least bonds of provider and challenger for a program's disputes at a price of gas.
///
/// # Errors
/// Where the program has an operation that cannot be disputed.
pub fn least_bonds(program: &Program, price_of_gas: U256) -> Result<(U256, U256), CliError> {
    let Price { provider, challenger, .. } = price(program, &GAS)
        .map_err(|error| CliError::Usage(format!("the program has no disputes: {error}")))?;
    let times = |gas: u64| U256::from(gas).saturating_mul(price_of_gas);
    Ok((times(4 * challenger), times(2 * provider)))
}

impl LimitArgs {
    /// Refuses terms under which an honest side could lose what it pays in, or have it locked for good. `now` is the price of
    /// gas.
    ///
    /// # Errors
    /// The first term that is refused, and why.
    pub fn check(&self, job: &Job, program: &Program, payer: Payer, now: U256) -> Result<(), CliError> {
        let refuse = |problem: String| Err(CliError::Usage(format!("the terms: {problem}")));
        if job.token != self.token {
            return refuse(format!(
                "amounts are in the token {}, not in {} (--token)",
                job.token, self.token
            ));
        }
        let least = self.least_clock.as_secs().max(1);
        for (whose, clock) in
            ["the provider's", "a challenger's"].into_iter().zip([job.provider_clock, job.challenger_clock])
        {
            if clock < least {
                return refuse(format!("{whose} clock is {clock} s, less than {least} s (--least-clock)"));
            }
            if clock > LONGEST {
                return refuse(format!("{whose} clock is {clock} s: bonds could be locked that long"));
            }
        }
        if job.window > LONGEST {
            return refuse(format!("the window is {} s: bonds would be locked that long", job.window));
        }
        let cap = job.gas_price_cap;
        let paid = match payer {
            Payer::Provider => cap,
            // The prize, a quarter of the provider's bond, pays as much again.
            Payer::Challenger => cap.saturating_mul(U256::from(2)),
        };
        if paid < now && !self.at_a_loss {
            return refuse(format!(
                "gas is paid back at {cap} wei at most, and costs {now} wei now (--at-a-loss)"
            ));
        }
        let (provider, challenger) = least_bonds(program, U256::from(1))?;
        for (whose, bond, least) in [
            ("the provider's", job.provider_bond, provider.saturating_mul(cap)),
            ("a challenger's", job.challenger_bond, challenger.saturating_mul(cap)),
        ] {
            if bond < least {
                return refuse(format!(
                    "{whose} bond of {bond} wei does not pay for the other side's moves: it should be {least} wei"
                ));
            }
        }
        let (bond, usual) = match payer {
            Payer::Provider => (job.provider_bond, provider),
            Payer::Challenger => (job.challenger_bond, challenger),
        };
        let most = self.most_bond.unwrap_or(usual.saturating_mul(now).saturating_mul(U256::from(GENEROUS)));
        match bond > most {
            true => refuse(format!("your bond would be {bond} wei, more than {most} wei (--most-bond)")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_prover::onnx::import;
    use assay_prover::reals::compile;
    use std::collections::BTreeMap;

    fn refused(payer: Payer, edit: impl FnOnce(&mut Job, &mut LimitArgs)) -> Option<String> {
        let graph = import(include_bytes!("../../assets/mnist_lenet.onnx"), &BTreeMap::new()).unwrap();
        let program = compile(&graph, None).unwrap();
        let price = U256::from(1_000_000_007);
        let cap = price * U256::from(4);
        let (provider_bond, challenger_bond) = least_bonds(&program, cap).unwrap();
        let (token, least_clock) = (Address::ZERO, Duration::from_secs(3_600));
        let mut limits = LimitArgs { token, most_bond: None, least_clock, at_a_loss: false };
        let (window, clock) = (86_400, 28_800);
        let mut job = Job {
            token,
            provider_bond,
            challenger_bond,
            gas_price_cap: cap,
            window,
            provider_clock: clock,
            challenger_clock: clock,
            ..Job::default()
        };
        edit(&mut job, &mut limits);
        limits.check(&job, &program, payer, price).err().map(|error| error.to_string())
    }

    #[test]
    fn each_term_that_costs_an_honest_side_is_refused_and_usual_ones_are_not() {
        let token = Address::repeat_byte(7);
        for payer in [Payer::Provider, Payer::Challenger] {
            assert_eq!(refused(payer, |_, _| {}), None);
            let has = |edit: fn(&mut Job, &mut LimitArgs), words: &str| {
                let reason = refused(payer, edit);
                assert!(reason.as_ref().is_some_and(|reason| reason.contains(words)), "{words}: {reason:?}");
            };
            has(|job, _| job.token = Address::repeat_byte(7), "--token");
            has(|_, limits| limits.token = Address::repeat_byte(7), "--token");
            has(|job, _| job.provider_clock = 3_599, "the provider's clock is 3599 s");
            has(|job, _| job.challenger_clock = 3_599, "a challenger's clock is 3599 s");
            has(|job, _| job.provider_clock = u64::MAX, "locked");
            has(|job, _| job.challenger_clock = LONGEST + 1, "locked");
            has(|job, _| job.window = LONGEST + 1, "locked");
            has(|job, _| job.gas_price_cap = U256::ZERO, "paid back at 0 wei");
            has(|job, _| job.provider_bond -= U256::from(1), "the provider's bond");
            has(|job, _| job.challenger_bond -= U256::from(1), "a challenger's bond");
            has(|job, _| (job.provider_bond, job.challenger_bond) = (U256::MAX, U256::MAX), "--most-bond");
            has(|_, limits| limits.most_bond = Some(U256::from(1)), "--most-bond");
            assert_eq!(refused(payer, |_, limits| limits.most_bond = Some(U256::MAX)), None);
            let named = refused(payer, |job, limits| (job.token, limits.token) = (token, token));
            assert_eq!(named, None);
        }
        // A challenger's prize pays as much again as the cap does.
        let half = |job: &mut Job, _: &mut LimitArgs| job.gas_price_cap = U256::from(500_000_004);
        assert!(refused(Payer::Provider, half).is_some());
        assert_eq!(refused(Payer::Challenger, half), None);
        let less = |job: &mut Job, _: &mut LimitArgs| job.gas_price_cap = U256::from(500_000_003);
        assert!(refused(Payer::Challenger, less).is_some_and(|reason| reason.contains("--at-a-loss")));
        let named = refused(Payer::Challenger, |job, limits| {
            (job.gas_price_cap, limits.at_a_loss) = (U256::from(1), true);
        });
        assert_eq!(named, None);
    }
}
