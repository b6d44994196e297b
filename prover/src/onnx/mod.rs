//! The ONNX front end: from the bytes of a model file to a small, clean float graph, and its execution.
//!
//! ```text
//! bytes --proto--> messages --import--> Graph --interpreter--> values
//! ```
//!
//! [`import()`] pins symbolic dimensions, folds constants, drops what does not matter, and infers every
//! shape; [`run`] and [`run_observed`] evaluate the graph in f32, for calibration and comparison.
//! [`geometry`] and [`window`] have the shape arithmetic of broadcasts, axes, slices and windows, which the quantising
//! stage shares.

pub mod encoding;
pub mod error;
pub mod float;
pub mod geometry;
pub mod graph;
pub mod import;
pub mod interpreter;
pub mod limits;
pub mod node;
pub mod proto;
mod recurrent;
mod simplify;
pub mod tensor;
pub mod window;

pub use encoding::{decode_named_tensor, decode_tensor, encode_tensor};
pub use error::{ImportError, OpError, RunError};
pub use graph::{Graph, GraphInput, OPSETS};
pub use import::{batch_dimension, import, import_within};
pub use interpreter::{run, run_observed};
pub use limits::Limits;
pub use node::{Attribute, Node};
pub use tensor::{DType, Data, Element, Tensor, TensorError};
pub use window::{ConvGeometry, WindowGeometry};
