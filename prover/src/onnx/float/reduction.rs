//! Reductions over axes, and the positions of extremes.

use super::super::geometry::{normalize_axes, normalize_axis, offsets, strides_of};
use super::super::tensor::{DType, Data, Element, Tensor, with_numbers};
use super::{Call, Kernel, OpError, one};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("ArgMax", |call| extreme_position(call, true)),
    ("ArgMin", |call| extreme_position(call, false)),
    ("ReduceL1", |call| reduce_f64(call, |row| row.map(f64::abs).sum())),
    ("ReduceL2", |call| reduce_f64(call, |row| row.map(|x| x * x).sum::<f64>().sqrt())),
    ("ReduceLogSum", |call| reduce_f64(call, |row| row.sum::<f64>().ln())),
    ("ReduceLogSumExp", |call| reduce_f64(call, |row| row.map(f64::exp).sum::<f64>().ln())),
    ("ReduceMax", |call| reduce_extreme(call, true)),
    ("ReduceMean", |call| reduce_sum(call, true)),
    ("ReduceMin", |call| reduce_extreme(call, false)),
    ("ReduceSum", |call| reduce_sum(call, false)),
    ("ReduceSumSquare", |call| reduce_f64(call, |row| row.map(|x| x * x).sum())),
];

/// Which output element every input element falls into.
struct Buckets {
    shape: Vec<usize>,
    /// Places, in the row-major order of the output, of the first element of each bucket.
    firsts: Vec<usize>,
    /// Distances from a bucket's first element to each of its elements.
    members: Vec<usize>,
}

impl Buckets {
    /// Resolves `axes` (input or attribute), `keepdims` and `noop_with_empty_axes`; `None` for a no-op.
    fn from_call(call: &Call, shape: &[usize]) -> Result<Option<Buckets>, OpError> {
        let axes = call.integers(1, "axes")?.unwrap_or_default();
        if axes.is_empty() && call.node.flag_or("noop_with_empty_axes", false)? {
            return Ok(None);
        }
        let axes = match axes.as_slice() {
            [] => (0..shape.len()).collect(),
            axes => normalize_axes(axes, shape.len())?,
        };
        let buckets = Buckets::new(shape, &axes, call.node.flag_or("keepdims", true)?);
        call.allocate(&buckets.0)?;
        Ok(Some(buckets.1()))
    }

    /// The output's shape, and the buckets once there is room for them.
    fn new<'a>(
        shape: &'a [usize],
        axes: &'a [usize],
        keep: bool,
    ) -> (Vec<usize>, impl FnOnce() -> Buckets + 'a) {
        let strides = strides_of(shape);
        let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(|d| axes.contains(d));
        let output: Vec<usize> = (0..shape.len())
            .filter(|d| keep || kept.contains(d))
            .map(|d| if axes.contains(&d) { 1 } else { shape[d] })
            .collect();
        let make = {
            let output = output.clone();
            move || {
                let pick = |dims: &[usize], from: &[usize]| dims.iter().map(|&d| from[d]).collect::<Vec<_>>();
                Buckets {
                    shape: output,
                    firsts: offsets(&pick(&kept, shape), &pick(&kept, &strides)),
                    members: offsets(&pick(&reduced, shape), &pick(&reduced, &strides)),
                }
            }
        };
        (output, make)
    }
}

fn reduce_sum(call: &Call, mean: bool) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let Some(buckets) = Buckets::from_call(call, x.shape())? else { return Ok(vec![x.clone()]) };
    let Buckets { shape, firsts, members } = buckets;
    let data: Data = match x.data() {
        Data::F32(v) => {
            let divisor = if mean { members.len() as f64 } else { 1.0 };
            let sum = |first: &usize| members.iter().map(|m| f64::from(v[first + m])).sum::<f64>();
            Data::F32(firsts.iter().map(|first| (sum(first) / divisor) as f32).collect())
        }
        other if other.dtype().is_float() || other.dtype() == DType::Bool => {
            return Err(OpError::DType(other.dtype()));
        }
        _ => {
            let v = x.integers()?;
            let divisor = if mean { members.len().max(1) as i64 } else { 1 };
            let sum = |first: &usize| members.iter().fold(0i64, |sum, m| sum.wrapping_add(v[first + m]));
            let sums: Vec<i64> = firsts.iter().map(|first| sum(first) / divisor).collect();
            return Ok(vec![Tensor::new(shape, sums)?.cast(x.dtype())]);
        }
    };
    one(shape, data)
}

/// A function of the elements of each bucket, computed in f64 and rounded once.
fn reduce_f64(call: &Call, f: fn(&mut dyn Iterator<Item = f64>) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let Some(buckets) = Buckets::from_call(call, x.shape())? else { return Ok(vec![x.clone()]) };
    let Buckets { shape, firsts, members } = buckets;
    let wide = x.cast(DType::F64);
    let v = wide.slice::<f64>()?;
    let results: Vec<f64> = firsts.iter().map(|first| f(&mut members.iter().map(|m| v[first + m]))).collect();
    Ok(vec![Tensor::new(shape, results)?.cast(x.dtype())])
}

/// The largest or smallest element; of no elements, the type's smallest or largest value.
fn reduce_extreme(call: &Call, largest: bool) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let Some(buckets) = Buckets::from_call(call, x.shape())? else { return Ok(vec![x.clone()]) };
    let Buckets { shape, firsts, members } = buckets;
    if members.is_empty() {
        let empty = if largest { f64::NEG_INFINITY } else { f64::INFINITY };
        return Ok(vec![Tensor::new(shape, vec![empty; firsts.len()])?.cast(x.dtype())]);
    }
    with_numbers!(x.data(), v => {
        let better = |a, b| if largest { b > a } else { b < a };
        let extreme = |first: &usize| {
            members[1..].iter().map(|m| v[first + m]).fold(v[*first], |a, b| if better(a, b) { b } else { a })
        };
        one(shape, firsts.iter().map(extreme).collect::<Vec<_>>())
    }, bool => {
        let as_numbers = x.cast(DType::U8);
        let call = Call { inputs: &[Some(&as_numbers), call.optional(1)], ..*call };
        Ok(reduce_extreme(&call, largest)?.iter().map(|extreme| extreme.cast(DType::Bool)).collect())
    })
}

/// The position along `axis` of the first best element, or the last with `select_last_index`.
fn extreme_position(call: &Call, largest: bool) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let axis = normalize_axis(call.node.int_or("axis", 0)?, x.rank())?;
    let last = call.node.flag_or("select_last_index", false)?;
    let axes = [axis];
    let (shape, make) = Buckets::new(x.shape(), &axes, call.node.flag_or("keepdims", true)?);
    call.allocate(&shape)?;
    let Buckets { shape, firsts, members } = make();
    if members.is_empty() {
        return Err(OpError::Shape {
            shape: x.shape().to_vec(),
            reason: "has no elements to choose from".into(),
        });
    }
    with_numbers!(x.data(), v => {
        let position = |first: &usize| {
            (1..members.len()).fold(0, |best, i| {
                let (a, b) = (v[first + members[i]], v[first + members[best]]);
                if (if largest { a > b } else { a < b }) || (last && a == b) { i } else { best }
            }) as i64
        };
        one(shape, i64::wrap(firsts.iter().map(position).collect()))
    }, bool => Err(OpError::DType(DType::Bool)))
}
