//! Shape arithmetic, in one place: strides, broadcasts, axes, slices, reshapes.
//!
//! The float interpreter and the quantising stage both take their shapes and index maps from here and from
//! [`super::window`], so that they cannot disagree.

use super::error::OpError;

/// Row-major strides of a shape, in elements.
pub fn strides_of(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    strides
}

/// The flat offset that each position of `shape` has under the given strides, in row-major order.
pub fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (&size, &stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|&base| (0..size).map(move |i| base + i * stride)).collect();
    }
    offsets
}

/// The shape that two shapes broadcast to.
pub fn broadcast_shape(left: &[usize], right: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], d: usize| (d + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|d| match (size(left, d), size(right, d)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => Err(OpError::Shapes {
                left: left.to_vec(),
                right: right.to_vec(),
                reason: "they do not broadcast",
            }),
        })
        .collect()
}

/// Strides under which a tensor of shape `from` is read as if it had the shape `to`, to which it broadcasts.
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides_of(from);
    let missing = to.len() - from.len();
    (0..to.len()).map(|d| if d < missing || from[d - missing] == 1 { 0 } else { own[d - missing] }).collect()
}

/// An axis counted from the front, from one that may be negative.
pub fn normalize_axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let shifted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    shifted.and_then(|a| usize::try_from(a).ok()).filter(|&a| a < rank).ok_or(OpError::Axis { axis, rank })
}

/// Axes counted from the front, each at most once, in the given order.
pub fn normalize_axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut normal = Vec::with_capacity(axes.len().min(rank));
    for &axis in axes {
        let a = normalize_axis(axis, rank)?;
        if normal.contains(&a) {
            return Err(OpError::Attribute { attribute: "axes", reason: format!("names axis {a} twice") });
        }
        normal.push(a);
    }
    Ok(normal)
}

/// An index counted from the front, from one that may be negative.
pub fn normalize_index(index: i64, size: usize) -> Result<usize, OpError> {
    let shifted = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
    shifted.and_then(|i| usize::try_from(i).ok()).filter(|&i| i < size).ok_or(OpError::Index { index, size })
}

/// The places `start + i * step` for `i < len` that a slice takes from one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceBounds {
    /// First place.
    pub start: usize,
    /// Distance between places; never zero.
    pub step: i64,
    /// Number of places.
    pub len: usize,
}

impl SliceBounds {
    /// Clamps ONNX slice bounds to a dimension of `size`.
    pub fn new(start: i64, end: i64, step: i64, size: usize) -> Result<SliceBounds, OpError> {
        if step == 0 {
            return Err(OpError::Attribute { attribute: "steps", reason: "has a zero".into() });
        }
        let size = size as i128;
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let clamp = |i: i64| (if i < 0 { i128::from(i) + size } else { i128::from(i) }).clamp(low, high);
        let (start, end) = (clamp(start), clamp(end));
        let distance = if step > 0 { end - start } else { start - end };
        let len = (distance.max(0) as u128).div_ceil(u128::from(step.unsigned_abs()));
        Ok(SliceBounds { start: start.max(0) as usize, step, len: len as usize })
    }

    /// The places.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..self.len).map(move |i| (self.start as i64 + i as i64 * self.step) as usize)
    }
}

/// The shape that `Reshape` gives: 0 copies a dimension unless `allow_zero`, -1 is inferred.
pub fn reshape(from: &[usize], to: &[i64], allow_zero: bool) -> Result<Vec<usize>, OpError> {
    let error = |reason: &str| OpError::Shape { shape: from.to_vec(), reason: format!("{reason} {to:?}") };
    let total = super::tensor::element_count(from)?;
    let mut shape = Vec::with_capacity(to.len());
    let mut inferred = None;
    for (d, &size) in to.iter().enumerate() {
        shape.push(match size {
            0 if !allow_zero => *from.get(d).ok_or_else(|| error("has no dimension to copy in"))?,
            -1 if inferred.is_some() => return Err(error("cannot infer two dimensions in")),
            -1 => {
                inferred = Some(d);
                1
            }
            _ => usize::try_from(size).map_err(|_| error("cannot take the negative dimension in"))?,
        });
    }
    let known = super::tensor::element_count(&shape)?;
    if let Some(d) = inferred {
        if known == 0 || total % known != 0 {
            return Err(error("cannot be divided into"));
        }
        shape[d] = total / known;
    } else if known != total {
        return Err(error("has another number of elements than"));
    }
    Ok(shape)
}

/// All positions of a shape, in row-major order.
pub fn positions(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut positions = vec![vec![]];
    for &size in shape {
        positions = positions
            .iter()
            .flat_map(|p: &Vec<usize>| (0..size).map(move |i| [p.as_slice(), &[i]].concat()))
            .collect();
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_clamp_and_run_backwards() {
        let places = |s, e, st| SliceBounds::new(s, e, st, 5).unwrap().places().collect::<Vec<_>>();
        assert_eq!(places(1, i64::MAX, 2), [1, 3]);
        assert_eq!(places(-1, i64::MIN, -2), [4, 2, 0]);
        assert!(places(3, 3, 1).is_empty());
        assert_eq!(places(100, 0, -3), [4, 1]);
        assert!(SliceBounds::new(0, 1, 0, 5).is_err());
    }

    #[test]
    fn broadcasts_follow_the_trailing_dimensions() {
        assert_eq!(broadcast_shape(&[3, 1], &[2, 1, 4]).unwrap(), [2, 3, 4]);
        assert_eq!(broadcast_shape(&[0], &[1]).unwrap(), [0]);
        assert!(broadcast_shape(&[2], &[3]).is_err());
        assert_eq!(offsets(&[2, 3], &broadcast_strides(&[3], &[2, 3])), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn reshape_copies_zeros_and_infers_one_dimension() {
        assert_eq!(reshape(&[2, 3, 4], &[0, -1], false).unwrap(), [2, 12]);
        assert!(reshape(&[2, 3], &[-1, -1], false).is_err());
        assert_eq!(reshape(&[0, 3], &[3, 0], true).unwrap(), [3, 0]);
        assert!(reshape(&[2], &[i64::MIN], false).is_err());
    }
}
