//! How it is made: import, execution, commitment, proving.

pub mod commitment;
pub mod msm;
