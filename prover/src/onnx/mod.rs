//! The ONNX front end: from the bytes of a model file to a small, clean float graph, and its execution.
//!
//! ```text
//! bytes --proto--> messages --import--> Graph --interpreter--> values
//! ```
//!
//! [`import()`] pins symbolic dimensions, folds constants, drops what does not matter, and infers every
//! shape; [`run`] and [`run_observed`] evaluate the graph in f32, for calibration and comparison.
//! [`geometry`] has the shape arithmetic of windows, broadcasts, axes and slices, which the quantising stage
//! shares.

pub mod error;
pub mod graph;
pub mod node;
pub mod proto;
pub mod tensor;

pub use error::{ImportError, OpError, RunError};
pub use graph::{Graph, GraphInput, OPSETS};
pub use node::{Attribute, Node};
pub use tensor::{DType, Data, Element, Tensor, TensorError};
