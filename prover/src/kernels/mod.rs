//! Inner loops over integers. Each has a plain form; faster ones return the same bits.

pub(crate) mod divide;
pub(crate) mod dot;
