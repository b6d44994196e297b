//! Disputes: who is right wins, alone against anything. Each test is named after the claim that it makes.

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod disclosures;
#[allow(dead_code)]
mod kinds;
mod lies;
mod long;
mod money;
mod openings;
mod play;
mod price;
mod random;
mod rare;
mod world;
