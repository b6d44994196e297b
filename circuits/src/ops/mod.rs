//! Layers: one file each, from integer parameters to operations of a program.
//!
//! Most make an [`crate::builder::Accumulator`], a sum of products that waits for its expression, so that a
//! rounding and an activation are fused into the operation that writes the wire. Slices, splits, transposes,
//! reshapes, broadcasts and paddings are no operations: they are methods of [`crate::builder::View`].

pub mod activation;
pub mod add;
pub mod arg_max;
pub mod concat;
pub mod conv;
pub mod conv_transpose;
pub mod matmul;
pub mod max_pool;
pub mod mul;
pub mod pool;
pub mod reduce;
pub mod requantise;

#[cfg(test)]
pub mod testing;
