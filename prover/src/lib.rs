//! How it is made: import, execution, commitment, proving.

pub mod files;
pub mod onnx;
