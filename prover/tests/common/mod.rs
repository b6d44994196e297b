//! What several tests share.

pub mod programs;
