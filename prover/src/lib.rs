//! How it is made: import, execution, commitment, proving.

<<<<<<< HEAD
pub mod files;
pub mod onnx;
pub mod compile;
pub mod quantise;
=======
pub mod execute;
mod kernels;
>>>>>>> executor
