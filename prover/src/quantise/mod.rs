//! From a float graph to integers: calibration, scales, and the lowering of nodes to operations.
//!
//! ```text
//! Graph --prepare--> Graph --calibrate--> ranges --Targets--> scales --Lowering--> Program
//! ```
//!
//! A real value is `integer * scale`; zero is the integer 0. An accumulating node (a convolution, a product, a
//! sum) is lowered together with the chain of biases, activations and requantisations that follows it, as one
//! operation: see `chain`. Models that are quantised already keep their integers less their zero points.

mod calibrate;
mod chain;
mod elementwise;
mod inputs;
mod linear;
mod lowering;
mod movement;
mod pooling;
pub(crate) mod prepare;
mod quantised;
mod scale;
mod targets;

pub mod accuracy;

pub use calibrate::{Ranges, calibrate, default_samples};
pub use lowering::{Level, LowerNodeError, lower, type_range};
pub use prepare::prepare;
pub use scale::{nearest_ratio, step_of};
