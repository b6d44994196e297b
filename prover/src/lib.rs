//! How it is made: import, execution, commitment, proving.

pub mod batch_affine;
pub mod commitment;
#[cfg(target_arch = "x86_64")]
mod ifma;
pub mod msm;
