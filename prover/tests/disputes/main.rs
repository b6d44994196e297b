//! Disputes: who is right wins, alone against anything. Each test is named after the claim that it makes.

#[path = "../common/mod.rs"]
mod common;

mod play;
mod random;
mod world;
