//! Elementwise operators of one input: activations and elementary functions.
//!
//! What is more than a few arithmetic steps is computed in f64 and rounded once.

use super::super::tensor::{DType, Data, Tensor, with_numbers};
use super::{Call, Kernel, OpError, dtype_attribute, one};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("Abs", abs),
    ("Cast", cast),
    ("Ceil", |call| through_f64(call, f64::ceil)),
    ("Celu", celu),
    ("Clip", clip),
    ("Cos", |call| through_f64(call, f64::cos)),
    ("Dropout", dropout),
    ("Elu", elu),
    ("Erf", |call| through_f64(call, erf)),
    ("Exp", |call| through_f64(call, f64::exp)),
    ("Floor", |call| through_f64(call, f64::floor)),
    ("Gelu", gelu),
    ("HardSigmoid", hard_sigmoid),
    ("HardSwish", |call| through_f64(call, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))),
    ("Identity", identity),
    ("IsNaN", is_nan),
    ("LeakyRelu", leaky_relu),
    ("Log", |call| through_f64(call, f64::ln)),
    ("Mish", |call| through_f64(call, |x| x * softplus(x).tanh())),
    ("Neg", neg),
    ("Not", not),
    ("Reciprocal", |call| floats(call, |x| 1.0 / x)),
    ("Relu", relu),
    ("Round", |call| through_f64(call, f64::round_ties_even)),
    ("Selu", selu),
    ("Sigmoid", |call| through_f64(call, sigmoid)),
    ("Sign", sign),
    ("Sin", |call| through_f64(call, f64::sin)),
    ("Softplus", |call| through_f64(call, softplus)),
    ("Softsign", |call| through_f64(call, |x| x / (1.0 + x.abs()))),
    ("Sqrt", |call| through_f64(call, f64::sqrt)),
    ("Tanh", |call| through_f64(call, f64::tanh)),
    ("ThresholdedRelu", thresholded_relu),
];

fn floats(call: &Call, f: impl Fn(f32) -> f32) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    one(x.shape().to_vec(), x.slice::<f32>()?.iter().map(|&x| f(x)).collect::<Vec<_>>())
}

fn through_f64(call: &Call, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    if let Ok(elements) = x.slice::<f64>() {
        call.allocate(x.shape())?;
        return one(x.shape().to_vec(), elements.iter().map(|&x| f(x)).collect::<Vec<_>>());
    }
    floats(call, |x| f(f64::from(x)) as f32)
}

/// The logistic function, `1 / (1 + exp(-x))`.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function: its power series near zero, the continued fraction of its complement elsewhere
/// (Abramowitz and Stegun, 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let square = x * x;
    if x.abs() < 3.0 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 * sum.abs() {
            n += 1.0;
            term *= 2.0 * square / (2.0 * n + 1.0);
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() * sum
    } else if x.abs() < 6.0 {
        let tail = (1..60).rev().fold(x.abs(), |tail, n| x.abs() + f64::from(n) / 2.0 / tail);
        x.signum() * (1.0 - (-square).exp() / (tail * std::f64::consts::PI.sqrt()))
    } else {
        if x.is_nan() { x } else { x.signum() }
    }
}

fn relu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    with_numbers!(x.data(), v => {
        let zero = Default::default();
        one(x.shape().to_vec(), v.iter().map(|&x| if x < zero { zero } else { x }).collect::<Vec<_>>())
    }, bool => Err(OpError::DType(DType::Bool)))
}

fn leaky_relu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = call.node.float_or("alpha", 0.01)?;
    floats(call, |x| if x < 0.0 { alpha * x } else { x })
}

fn elu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = f64::from(call.node.float_or("alpha", 1.0)?);
    through_f64(call, |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
}

fn selu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = f64::from(call.node.float_or("alpha", 1.673_263_2)?);
    let gamma = f64::from(call.node.float_or("gamma", 1.050_701)?);
    through_f64(call, |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x })
}

fn celu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = f64::from(call.node.float_or("alpha", 1.0)?);
    through_f64(call, |x| if x < 0.0 { alpha * (x / alpha).exp_m1() } else { x })
}

fn thresholded_relu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = call.node.float_or("alpha", 1.0)?;
    floats(call, |x| if x > alpha { x } else { 0.0 })
}

fn sign(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    if x.dtype().is_float() {
        return through_f64(call, |x| if x == 0.0 || x.is_nan() { x } else { x.signum() });
    }
    call.allocate(x.shape())?;
    let signs: Vec<i64> = x.integers()?.into_iter().map(i64::signum).collect();
    Ok(vec![Tensor::new(x.shape().to_vec(), signs)?.cast(x.dtype())])
}

fn hard_sigmoid(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (alpha, beta) = (call.node.float_or("alpha", 0.2)?, call.node.float_or("beta", 0.5)?);
    floats(call, |x| (alpha * x + beta).clamp(0.0, 1.0))
}

fn gelu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    match call.node.string_or("approximate", "none")? {
        "none" => through_f64(call, |x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))),
        "tanh" => through_f64(call, |x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }),
        other => {
            let reason = format!("has the unknown value `{other}`");
            Err(OpError::Attribute { attribute: "approximate", reason })
        }
    }
}

/// Bounds come from inputs since operator set 11, from attributes before.
fn clip(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    let bound = |index, attribute| -> Result<Option<Tensor>, OpError> {
        let bound = match call.optional(index) {
            Some(tensor) => Some(tensor.clone()),
            None => call.node.float(attribute)?.map(Tensor::scalar),
        };
        Ok(bound.map(|tensor| tensor.cast(x.dtype())))
    };
    let (low, high) = (bound(1, "min")?, bound(2, "max")?);
    with_numbers!(x.data(), v => {
        let mut clipped = v.clone();
        if let Some(&[low]) = low.as_ref().map(Tensor::slice).transpose()? {
            clipped.iter_mut().filter(|x| **x < low).for_each(|x| *x = low);
        }
        if let Some(&[high]) = high.as_ref().map(Tensor::slice).transpose()? {
            clipped.iter_mut().filter(|x| **x > high).for_each(|x| *x = high);
        }
        one(x.shape().to_vec(), clipped)
    }, bool => Err(OpError::DType(DType::Bool)))
}

fn abs(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    let data: Data = match x.data() {
        Data::F32(v) => Data::F32(v.iter().map(|x| x.abs()).collect()),
        Data::F64(v) => Data::F64(v.iter().map(|x| x.abs()).collect()),
        Data::I64(v) => Data::I64(v.iter().map(|x| x.wrapping_abs()).collect()),
        Data::I32(v) => Data::I32(v.iter().map(|x| x.wrapping_abs()).collect()),
        Data::I16(v) => Data::I16(v.iter().map(|x| x.wrapping_abs()).collect()),
        Data::I8(v) => Data::I8(v.iter().map(|x| x.wrapping_abs()).collect()),
        unsigned => unsigned.clone(),
    };
    one(x.shape().to_vec(), data)
}

fn neg(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    let data: Data = match x.data() {
        Data::F32(v) => Data::F32(v.iter().map(|x| -x).collect()),
        Data::F64(v) => Data::F64(v.iter().map(|x| -x).collect()),
        Data::I64(v) => Data::I64(v.iter().map(|x| x.wrapping_neg()).collect()),
        Data::I32(v) => Data::I32(v.iter().map(|x| x.wrapping_neg()).collect()),
        Data::I16(v) => Data::I16(v.iter().map(|x| x.wrapping_neg()).collect()),
        Data::I8(v) => Data::I8(v.iter().map(|x| x.wrapping_neg()).collect()),
        other => return Err(OpError::DType(other.dtype())),
    };
    one(x.shape().to_vec(), data)
}

fn not(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    one(x.shape().to_vec(), x.slice::<bool>()?.iter().map(|x| !x).collect::<Vec<_>>())
}

fn is_nan(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    one(x.shape().to_vec(), x.slice::<f32>()?.iter().map(|x| x.is_nan()).collect::<Vec<_>>())
}

fn identity(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    Ok(vec![x.clone()])
}

fn cast(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    Ok(vec![x.cast(dtype_attribute(call.node, "to", x.dtype())?)])
}

/// Inference only: the output is the input, and the mask is all true.
fn dropout(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let training = match call.optional(2) {
        Some(flag) => flag.integers()?.iter().any(|&f| f != 0),
        None => false,
    };
    let ratio = call.optional(1).map_or(0.5, |ratio| ratio.to_f32().first().copied().unwrap_or(0.5));
    if training && ratio != 0.0 {
        return super::unsupported("Dropout in training mode");
    }
    let x = call.input(0)?;
    let len = call.allocate(x.shape())?;
    let mask = if call.opset < 10 {
        Tensor::new(x.shape().to_vec(), vec![1f32; len])?
    } else {
        Tensor::new(x.shape().to_vec(), vec![true; len])?
    };
    Ok(vec![x.clone(), mask])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_agrees_with_known_digits() {
        let known = [
            (0.5, 0.5204998778130465),
            (2.9, 0.9999589021219005),
            (3.1, 0.9999883513426328),
            (-1.0, -0.8427007929497149),
        ];
        for (x, y) in known {
            assert!((erf(x) - y).abs() < 1e-14, "{x}: {}", erf(x));
        }
        assert_eq!((erf(0.0), erf(f64::INFINITY), erf(-7.0)), (0.0, 1.0, -1.0));
    }
}
