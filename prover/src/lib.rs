//! How it is made: import of ONNX, quantisation, exact execution, commitment, proving.

pub mod commitment;
pub mod compile;
pub mod error;
pub mod files;
pub mod lookup;
pub mod msm;
pub mod multilinear;
pub mod onnx;
pub mod opening;
pub mod prove;
pub mod quantise;
pub mod sumcheck;
pub mod table;
pub mod witness;

pub use assay_circuits::execute;
