//! How it is made: import, execution, commitment, proving.

pub mod files;
pub mod onnx;
pub mod compile;
pub mod quantise;
