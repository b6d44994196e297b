//! What the layers' tests share: a program of one input, run on fixed values, checked and planned.

use crate::builder::{Accumulator, Builder, View};
use crate::execute::execute;
use crate::expression::Expression;
use crate::plan::plan;
use crate::program::{Class, Input, Visibility};
use crate::shape::Shape;
use crate::tensor::{Bounds, Tensor};
use alloc::vec::Vec;

/// Bounds of the input.
pub const BOUNDS: Bounds = Bounds { lo: -9, hi: 14 };

/// A builder with an input, its view, and its values: fixed, and at both bounds somewhere.
pub fn input(sizes: &[usize]) -> (Builder, View, Tensor) {
    let mut b = Builder::new(false);
    let shape = Shape::new(sizes.to_vec()).unwrap();
    let values = values(shape.cells(), BOUNDS);
    let x = b.input(Input {
        name: "x".into(),
        shape: shape.clone(),
        bounds: BOUNDS,
        scale: 1.0,
        visibility: Visibility::Public,
        image: None,
    });
    (b, x, Tensor { shape, values })
}

/// Fixed values within bounds.
pub fn values(count: usize, bounds: Bounds) -> Vec<i64> {
    let value = |i: usize| bounds.lo + (i as i64 * 7919 + 13) % bounds.count() as i64;
    (0..count).map(value).collect()
}

/// Makes the accumulator the output, and gives its values.
pub fn run(mut b: Builder, accumulator: Accumulator, x: Tensor) -> Tensor {
    let view = b.emit("op", Class::Fold, accumulator, Expression::Sum(0), true).unwrap();
    finish(b, &view, x)
}

/// Makes the view the output, checks that the program is sound and can be proven, and gives its values; also
/// at the inputs' extremes, where no sum may leave its bounds.
pub fn finish(mut b: Builder, view: &View, x: Tensor) -> Tensor {
    b.output("y", view, 1.0, Visibility::Public).unwrap();
    let program = b.finish();
    program.check().unwrap();
    plan(&program).unwrap();
    for extreme in [BOUNDS.lo, BOUNDS.hi, 0] {
        let values = alloc::vec![extreme; x.values.len()];
        execute(&program, &[Tensor { shape: x.shape.clone(), values }]).unwrap();
    }
    let trace = execute(&program, &[x]).unwrap();
    trace.outputs(&program).next().unwrap().clone()
}

/// The element at an index of a row-major array; `outside` where the index is.
pub fn at(values: &[i64], sizes: &[usize], index: &[i64], outside: i64) -> i64 {
    let mut cell = 0;
    for (&i, &size) in index.iter().zip(sizes) {
        if i < 0 || i >= size as i64 {
            return outside;
        }
        cell = cell * size + i as usize;
    }
    values[cell]
}
