//! Elementwise operators of two or more inputs, which broadcast, and comparisons.
//!
//! Integers wrap; division of an integer by zero gives zero.

use super::super::geometry::{broadcast_shape, broadcast_strides, offsets};
use super::super::tensor::{DType, Element, Tensor, with_data, with_numbers};
use super::{Call, Kernel, OpError, one, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("Add", |call| arithmetic(call, Operation::Add)),
    ("And", |call| logical(call, |a, b| a & b)),
    ("Div", |call| arithmetic(call, Operation::Div)),
    ("Equal", equal),
    ("Greater", |call| compare(call, |order| order.is_gt())),
    ("GreaterOrEqual", |call| compare(call, |order| order.is_ge())),
    ("Less", |call| compare(call, |order| order.is_lt())),
    ("LessOrEqual", |call| compare(call, |order| order.is_le())),
    ("Max", |call| variadic(call, Operation::Max)),
    ("Mean", mean),
    ("Min", |call| variadic(call, Operation::Min)),
    ("Mul", |call| arithmetic(call, Operation::Mul)),
    ("Or", |call| logical(call, |a, b| a | b)),
    ("PRelu", prelu),
    ("Pow", pow),
    ("Sub", |call| arithmetic(call, Operation::Sub)),
    ("Sum", |call| variadic(call, Operation::Add)),
    ("Where", select),
    ("Xor", |call| logical(call, |a, b| a ^ b)),
];

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
}

trait Number: Element {
    fn apply(self, operation: Operation, other: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty)*) => { $(
        impl Number for $t {
            fn apply(self, operation: Operation, other: Self) -> Self {
                match operation {
                    Operation::Add => self.wrapping_add(other),
                    Operation::Sub => self.wrapping_sub(other),
                    Operation::Mul => self.wrapping_mul(other),
                    Operation::Div if other == 0 => 0,
                    Operation::Div => self.wrapping_div(other),
                    Operation::Min => self.min(other),
                    Operation::Max => self.max(other),
                }
            }
        }
    )* };
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($($t:ty)*) => { $(
        impl Number for $t {
            fn apply(self, operation: Operation, other: Self) -> Self {
                match operation {
                    Operation::Add => self + other,
                    Operation::Sub => self - other,
                    Operation::Mul => self * other,
                    Operation::Div => self / other,
                    Operation::Min if self.is_nan() || other.is_nan() => <$t>::NAN,
                    Operation::Max if self.is_nan() || other.is_nan() => <$t>::NAN,
                    Operation::Min => self.min(other),
                    Operation::Max => self.max(other),
                }
            }
        }
    )* };
}
floats!(f32 f64);

/// Applies `f` to the pairs that broadcasting makes.
pub(super) fn broadcast<T: Element, U: Element, V: Element>(
    call: &Call,
    (left, a): (&[usize], &[T]),
    (right, b): (&[usize], &[U]),
    f: impl Fn(T, U) -> V,
) -> Result<Tensor, OpError> {
    let shape = broadcast_shape(left, right)?;
    call.allocate(&shape)?;
    let values: Vec<V> = if left == right {
        a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect()
    } else if let (true, [y]) = (left == shape, b) {
        a.iter().map(|&x| f(x, *y)).collect()
    } else {
        let places = offsets(&shape, &broadcast_strides(left, &shape));
        let others = offsets(&shape, &broadcast_strides(right, &shape));
        places.iter().zip(&others).map(|(&i, &j)| f(a[i], b[j])).collect()
    };
    Ok(Tensor::new(shape, V::wrap(values))?)
}

fn combine(call: &Call, operation: Operation, a: &Tensor, b: &Tensor) -> Result<Tensor, OpError> {
    with_numbers!(a.data(), x => {
        let y = b.slice()?;
        broadcast(call, (a.shape(), x), (b.shape(), y), |x, y| x.apply(operation, y))
    }, bool => Err(OpError::DType(DType::Bool)))
}

fn arithmetic(call: &Call, operation: Operation) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let aligned = legacy_alignment(call, a, b)?;
    Ok(vec![combine(call, operation, a, aligned.as_ref().unwrap_or(b))?])
}

/// Before operator set 7, `axis` says with which dimension of `a` the first dimension of `b` is aligned.
fn legacy_alignment(call: &Call, a: &Tensor, b: &Tensor) -> Result<Option<Tensor>, OpError> {
    let (true, Some(axis)) = (call.opset < 7, call.node.int("axis")?) else { return Ok(None) };
    let axis = super::super::geometry::normalize_axis(axis, a.rank().max(1))?;
    let mut shape = b.shape().to_vec();
    while shape.len() + axis < a.rank() {
        shape.push(1);
    }
    Ok(Some(b.reshaped(shape)?))
}

fn variadic(call: &Call, operation: Operation) -> Result<Vec<Tensor>, OpError> {
    let inputs = call.all_inputs()?;
    let (first, rest) = inputs.split_first().ok_or(OpError::MissingInput { index: 0 })?;
    let total =
        rest.iter().try_fold((*first).clone(), |total, next| combine(call, operation, &total, next))?;
    Ok(vec![total])
}

fn mean(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let total = variadic(call, Operation::Add)?;
    let count = Tensor::scalar(call.inputs.len() as f32);
    total.iter().map(|total| combine(call, Operation::Div, total, &count)).collect()
}

/// `Pow` has the type of its base, whatever the type of its exponent.
fn pow(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (base, exponent) = (call.input(0)?, call.input(1)?);
    let shapes = (base.shape(), exponent.shape());
    if let Ok(x) = base.slice::<f32>() {
        let y = exponent.to_f32();
        return Ok(vec![broadcast(call, (shapes.0, x), (shapes.1, &y), power)?]);
    }
    let (x, y) = (base.cast(DType::F64), exponent.cast(DType::F64));
    let raised = broadcast(call, (shapes.0, x.slice::<f64>()?), (shapes.1, y.slice::<f64>()?), f64::powf)?;
    Ok(vec![raised.cast(base.dtype())])
}

fn power(x: f32, y: f32) -> f32 {
    if y == 2.0 { x * x } else { x.powf(y) }
}

fn prelu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, slope) = (call.input(0)?, call.input(1)?);
    let aligned = match slope.shape() {
        // Before operator set 7 a slope of one dimension has one entry a channel.
        &[n] if call.opset < 7 && n > 1 && x.rank() > 2 => {
            slope.reshaped([vec![n], vec![1; x.rank() - 2]].concat())?
        }
        _ => slope.clone(),
    };
    let leak = |x: f32, slope: f32| if x < 0.0 { x * slope } else { x };
    Ok(vec![broadcast(call, (x.shape(), x.slice()?), (aligned.shape(), aligned.slice()?), leak)?])
}

fn logical(call: &Call, f: fn(bool, bool) -> bool) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    Ok(vec![broadcast(call, (a.shape(), a.slice()?), (b.shape(), b.slice()?), f)?])
}

fn equal(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    fn same<T: PartialEq>(x: T, y: T) -> bool {
        x == y
    }
    let equal = with_data!(a.data(), x => broadcast(call, (a.shape(), x), (b.shape(), b.slice()?), same))?;
    Ok(vec![equal])
}

/// A comparison with NaN is false.
fn compare(call: &Call, holds: fn(std::cmp::Ordering) -> bool) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let result = with_data!(a.data(), x => broadcast(call, (a.shape(), x), (b.shape(), b.slice()?), |x, y| {
        x.partial_cmp(&y).is_some_and(holds)
    }))?;
    Ok(vec![result])
}

fn select(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (condition, a, b) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if a.dtype() != b.dtype() {
        return unsupported(format!("a choice between {} and {}", a.dtype(), b.dtype()));
    }
    let shape = broadcast_shape(&broadcast_shape(condition.shape(), a.shape())?, b.shape())?;
    call.allocate(&shape)?;
    let places = |t: &Tensor| offsets(&shape, &broadcast_strides(t.shape(), &shape));
    let (at, of_a, of_b) = (places(condition), places(a), places(b));
    let condition = condition.slice::<bool>()?;
    with_data!(a.data(), x => {
        let y = b.slice()?;
        let chosen: Vec<_> = (0..at.len()).map(|i| if condition[at[i]] { x[of_a[i]] } else { y[of_b[i]] }).collect();
        one(shape, chosen)
    })
}
