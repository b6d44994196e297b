//! Operators that choose elements by indices.

use super::super::geometry::{normalize_axis, normalize_index, strides_of};
use super::super::tensor::Tensor;
use super::{Call, Kernel, OpError};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[("Gather", gather), ("GatherND", gather_nd)];

fn gather(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let axis = normalize_axis(call.node.int_or("axis", 0)?, x.rank())?;
    let size = x.shape()[axis];
    let chosen =
        indices.integers()?.into_iter().map(|i| normalize_index(i, size)).collect::<Result<Vec<_>, _>>()?;
    let (outer, inner) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
    let shape = [outer, indices.shape(), inner].concat();
    call.allocate(&shape)?;
    let (outer, run): (usize, usize) = (outer.iter().product(), inner.iter().product());
    let places = (0..outer).flat_map(|o| chosen.iter().flat_map(move |i| ((o * size + i) * run..).take(run)));
    call.select(x, shape, places)
}

/// The last dimension of the indices holds coordinates of the leading dimensions after `batch_dims`.
fn gather_nd(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let misfit =
        |reason| OpError::Shapes { left: x.shape().to_vec(), right: indices.shape().to_vec(), reason };
    let batch_dims = usize::try_from(call.node.int_or("batch_dims", 0)?).unwrap_or(usize::MAX);
    let Some((&depth, leading)) = indices.shape().split_last() else {
        return Err(misfit("the indices are a scalar"));
    };
    if batch_dims > leading.len() || depth == 0 || batch_dims.saturating_add(depth) > x.rank() {
        return Err(misfit("the indices have more coordinates than there are dimensions"));
    }
    if x.shape()[..batch_dims] != leading[..batch_dims] {
        return Err(misfit("the batches differ"));
    }
    let strides = strides_of(x.shape());
    let inner = &x.shape()[batch_dims + depth..];
    let shape = [leading, inner].concat();
    call.allocate(&shape)?;
    let run: usize = inner.iter().product();
    let batches: usize = leading[..batch_dims].iter().product();
    let batch_stride: usize = x.shape()[batch_dims..].iter().product();
    let all = indices.integers()?;
    let tuples = all.chunks_exact(depth);
    let per_batch = (tuples.len() / batches.max(1)).max(1);
    let begins = tuples
        .enumerate()
        .map(|(t, tuple)| {
            tuple.iter().enumerate().try_fold(t / per_batch * batch_stride, |begin, (d, &i)| {
                Ok(begin + normalize_index(i, x.shape()[batch_dims + d])? * strides[batch_dims + d])
            })
        })
        .collect::<Result<Vec<usize>, OpError>>()?;
    call.select(x, shape, begins.into_iter().flat_map(|begin| (begin..).take(run)))
}
