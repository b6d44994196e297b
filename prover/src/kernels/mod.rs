//! Inner loops. Each has a plain form; faster ones return the same bits.

pub(crate) mod column;
pub(crate) mod divide;
pub(crate) mod dot;
pub mod elementary;
pub mod real;
pub(crate) mod tile;
pub(crate) mod vector;
