//! Operators that move elements without computing: every output element is one input element.

use super::super::geometry::{
    SliceBounds, broadcast_shape, broadcast_strides, normalize_axes, normalize_axis, offsets, strides_of,
};
use super::super::tensor::{Data, Element, Tensor, with_data};
use super::{Call, Kernel, OpError, one};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("Concat", |call| concat(call, &call.all_inputs()?)),
    ("Expand", expand),
    ("Pad", pad),
    ("Slice", slice),
    ("Split", split),
    ("Tile", tile),
    ("Transpose", transpose),
];

/// The flat places of a grid: for each dimension a list of coordinates, under the strides of `shape`.
fn grid(shape: &[usize], coordinates: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![0];
    for (stride, coordinates) in strides_of(shape).into_iter().zip(coordinates) {
        places = places.iter().flat_map(|&base| coordinates.iter().map(move |c| base + c * stride)).collect();
    }
    places
}

fn grid_of(call: &Call, x: &Tensor, coordinates: &[Vec<usize>]) -> Result<Vec<Tensor>, OpError> {
    let shape: Vec<usize> = coordinates.iter().map(Vec::len).collect();
    call.allocate(&shape)?;
    call.select(x, shape, grid(x.shape(), coordinates).into_iter())
}

fn transpose(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let permutation = match call.node.ints("perm")? {
        Some(perm) => normalize_axes(perm, x.rank())?,
        None => (0..x.rank()).rev().collect(),
    };
    if permutation.len() != x.rank() {
        return Err(OpError::Attribute { attribute: "perm", reason: "does not name every dimension".into() });
    }
    let strides = strides_of(x.shape());
    let shape: Vec<usize> = permutation.iter().map(|&d| x.shape()[d]).collect();
    let strides: Vec<usize> = permutation.iter().map(|&d| strides[d]).collect();
    call.allocate(&shape)?;
    call.select(x, shape.clone(), offsets(&shape, &strides).into_iter())
}

/// Bounds come from inputs since operator set 10, from attributes before.
fn slice(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let starts = call.required_integers(1, "starts")?;
    let ends = call.required_integers(2, "ends")?;
    let axes = call.integers(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.optional(4).map(Tensor::integers).transpose()?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        let reason = "is not as long as `ends`, `axes` and `steps`".into();
        return Err(OpError::Attribute { attribute: "starts", reason });
    }
    let mut coordinates: Vec<Vec<usize>> = x.shape().iter().map(|&size| (0..size).collect()).collect();
    for (i, axis) in normalize_axes(&axes, x.rank())?.into_iter().enumerate() {
        let bounds = SliceBounds::new(starts[i], ends[i], steps[i], x.shape()[axis])?;
        coordinates[axis] = bounds.places().collect();
    }
    grid_of(call, x, &coordinates)
}

/// Sizes come from an input since operator set 13, from an attribute before; without, the parts are equal.
fn split(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let axis = normalize_axis(call.node.int_or("axis", 0)?, x.rank())?;
    let (size, parts) = (x.shape()[axis], call.node.outputs.len().max(1));
    let sizes: Vec<usize> = match call.integers(1, "split")? {
        Some(sizes) => sizes.iter().map(|&s| s.clamp(0, i64::MAX / 2) as usize).collect(),
        None => {
            let each = size.div_ceil(parts);
            (0..parts).map(|i| each.min(size.saturating_sub(i * each))).collect()
        }
    };
    let total = sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s));
    if total != Some(size) || sizes.len() != parts {
        let reason = format!("{sizes:?} does not divide {size} into {parts}");
        return Err(OpError::Attribute { attribute: "split", reason });
    }
    let mut coordinates: Vec<Vec<usize>> = x.shape().iter().map(|&size| (0..size).collect()).collect();
    let mut begin = 0;
    let mut outputs = vec![];
    for size in sizes {
        coordinates[axis] = (begin..begin + size).collect();
        outputs.extend(grid_of(call, x, &coordinates)?);
        begin += size;
    }
    Ok(outputs)
}

/// Joins tensors along the attribute `axis`.
pub(super) fn concat(call: &Call, inputs: &[&Tensor]) -> Result<Vec<Tensor>, OpError> {
    let first = inputs.first().ok_or(OpError::MissingInput { index: 0 })?;
    let axis = normalize_axis(call.node.int_or("axis", 1)?, first.rank())?;
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    for next in inputs {
        let others_agree =
            next.rank() == shape.len() && (0..shape.len()).all(|d| d == axis || shape[d] == next.shape()[d]);
        if !others_agree {
            let (left, right) = (first.shape().to_vec(), next.shape().to_vec());
            return Err(OpError::Shapes { left, right, reason: "they differ outside the axis" });
        }
        shape[axis] = shape[axis].saturating_add(next.shape()[axis]);
    }
    let len = call.allocate(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    with_data!(first.data(), v => {
        let mut joined = Vec::with_capacity(len);
        joined.extend_from_slice(&v[..0]);
        let parts = inputs.iter().map(|t| t.slice()).collect::<Result<Vec<_>, _>>()?;
        for i in 0..outer {
            for part in &parts {
                let run = part.len() / outer;
                joined.extend_from_slice(&part[i * run..][..run]);
            }
        }
        one(shape, joined)
    })
}

fn expand(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let wanted = sizes(call.input(1)?)?;
    let shape = broadcast_shape(x.shape(), &wanted)?;
    call.allocate(&shape)?;
    let places = offsets(&shape, &broadcast_strides(x.shape(), &shape));
    call.select(x, shape, places.into_iter())
}

/// The entries of a tensor as sizes.
pub(super) fn sizes(tensor: &Tensor) -> Result<Vec<usize>, OpError> {
    let size = |i: i64| usize::try_from(i).map_err(|_| OpError::Index { index: i, size: i64::MAX as usize });
    tensor.integers()?.into_iter().map(size).collect()
}

fn tile(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let repeats = sizes(call.input(1)?)?;
    if repeats.len() != x.rank() {
        let reason = "there is not one repeat a dimension";
        return Err(OpError::Shapes { left: x.shape().to_vec(), right: repeats, reason });
    }
    let shape: Vec<usize> = x.shape().iter().zip(&repeats).map(|(&d, &r)| d.saturating_mul(r)).collect();
    call.allocate(&shape)?;
    let coordinates: Vec<Vec<usize>> = x
        .shape()
        .iter()
        .zip(&shape)
        .map(|(&size, &tiled)| (0..tiled).map(|i| i % size.max(1)).collect())
        .collect();
    grid_of(call, x, &coordinates)
}

/// Padding comes from inputs since operator set 11, from attributes before; negative padding crops.
fn pad(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let pads = call.required_integers(1, "pads")?;
    let axes = match call.optional(3) {
        Some(axes) => normalize_axes(&axes.integers()?, x.rank())?,
        None => (0..x.rank()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        let reason = format!("has {} entries for {} dimensions", pads.len(), axes.len());
        return Err(OpError::Attribute { attribute: "pads", reason });
    }
    let mode = call.node.string_or("mode", "constant")?;
    let mut coordinates: Vec<Vec<Option<usize>>> =
        x.shape().iter().map(|&size| (0..size).map(Some).collect()).collect();
    for (i, &axis) in axes.iter().enumerate() {
        coordinates[axis] = padded(call, x.shape()[axis], pads[i], pads[i + axes.len()], mode)?;
    }
    let shape: Vec<usize> = coordinates.iter().map(Vec::len).collect();
    call.allocate(&shape)?;
    let mut places = vec![Some(0)];
    for (stride, coordinates) in strides_of(x.shape()).into_iter().zip(&coordinates) {
        let place = |base: Option<usize>, c: Option<usize>| base.zip(c).map(|(base, c)| base + c * stride);
        places = places.iter().flat_map(|&base| coordinates.iter().map(move |&c| place(base, c))).collect();
    }
    let fill = match call.optional(2) {
        Some(value) => value.cast(x.dtype()),
        None => Tensor::scalar(call.node.float_or("value", 0.0)?).cast(x.dtype()),
    };
    with_data!(x.data(), v => one(shape, fill_padding(v, &places, fill.slice()?)))
}

fn fill_padding<T: Element>(x: &[T], places: &[Option<usize>], fill: &[T]) -> Data {
    let fill = fill.first().copied().unwrap_or_default();
    T::wrap(places.iter().map(|place| place.map_or(fill, |at| x[at])).collect())
}

/// The coordinate that each place of a padded dimension reads; `None` for the constant.
fn padded(call: &Call, size: usize, begin: i64, end: i64, mode: &str) -> Result<Vec<Option<usize>>, OpError> {
    let len = i128::from(begin) + size as i128 + i128::from(end);
    let far = begin.unsigned_abs().max(end.unsigned_abs()) > 1 << 40;
    let len = usize::try_from(len).ok().filter(|_| !far).ok_or_else(|| OpError::Attribute {
        attribute: "pads",
        reason: format!("{begin} and {end} do not fit a dimension of {size}"),
    })?;
    call.allocate(&[len])?;
    let last = size as i64 - 1;
    let coordinate = |i: usize| -> Option<usize> {
        let at = i as i64 - begin;
        let at = match mode {
            "edge" => at.clamp(0, last),
            "reflect" if last > 0 => {
                let turned = at.rem_euclid(2 * last);
                turned.min(2 * last - turned)
            }
            "reflect" => 0,
            "wrap" => at.rem_euclid(last + 1),
            _ => at,
        };
        usize::try_from(at).ok().filter(|&at| at < size)
    };
    match mode {
        "constant" => {}
        "edge" | "reflect" | "wrap" if size > 0 || len == 0 => {}
        "edge" | "reflect" | "wrap" => {
            return Err(OpError::Attribute {
                attribute: "pads",
                reason: "pad a dimension without elements".into(),
            });
        }
        other => {
            return Err(OpError::Attribute {
                attribute: "mode",
                reason: format!("has the unknown value `{other}`"),
            });
        }
    }
    Ok((0..len).map(coordinate).collect())
}
