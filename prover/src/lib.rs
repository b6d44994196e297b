//! How it is made: import, execution, commitment, proving.

pub mod compile;
pub mod execute;
pub mod files;
mod kernels;
pub mod onnx;
pub mod quantise;
