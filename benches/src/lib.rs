//! What it costs.

pub mod networks;
