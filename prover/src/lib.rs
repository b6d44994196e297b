//! How it is made: import, execution, commitment, proving.

pub mod execute;
mod kernels;
