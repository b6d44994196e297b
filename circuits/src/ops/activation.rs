//! Activations of a wire that nothing could be fused into: a table of the integers that it holds.
//!
//! ```text
//! out[i] = values[x[i] - lo]
//! ```

use super::requantise::Epilogue;
use crate::builder::{Accumulator, BuildError, Builder, View};
use crate::program::Class;

/// The operation that applies an epilogue to a wire, without any division.
///
/// # Errors
/// Where the wire has too many axes.
pub fn activation(
    b: &mut Builder,
    name: &str,
    x: &View,
    epilogue: &Epilogue,
    ones: bool,
) -> Result<View, BuildError> {
    let mut accumulator = Accumulator::of(x);
    accumulator.known = Some(b.bounds(x));
    b.emit(name, Class::Map, accumulator, epilogue.expression(1), ones)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BOUNDS, finish, input};
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_table_is_applied_to_each_element() {
        let (mut b, x, tensor) = input(&[4, 7]);
        let epilogue = Epilogue { window: BOUNDS, values: None }.then(|q| q * q);
        let view = activation(&mut b, "square", &x, &epilogue, true).unwrap();
        let found = finish(b, &view, tensor.clone());
        assert_eq!(found.values, tensor.values.iter().map(|v| v * v).collect::<Vec<_>>());
    }
}
