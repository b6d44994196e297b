//! Gathers: moves at looked-up positions.

use super::element::Element;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::Node;
use crate::onnx::geometry::normalize_axis;
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula};
use assay_circuits::program::{Affine, Class, Term};

/// An index that counts from the end where it is negative.
fn wrapped(i: Formula, size: usize) -> Formula {
    let negative = i.clone().binary(Binary::Less, Formula::number(0.0));
    negative.select(i.clone().binary(Binary::Add, Formula::number(size as f32)), i)
}

impl Lowering<'_> {
    pub(super) fn gather(&mut self, node: &Node) -> Result<(), NodeError> {
        let data = self.view(node, 0)?;
        let axis = normalize_axis(node.int_or("axis", 0)?, data.sizes().len())?;
        let size = data.sizes()[axis] as i64;
        if let Some(tensor) = self.constant(node, 1) {
            let Ok(places) = tensor.integers() else { return form("indices that are no integers") };
            let wrapped: Vec<i64> = places.iter().map(|&i| if i < 0 { i + size } else { i }).collect();
            if wrapped.iter().any(|i| !(0..size).contains(i)) {
                return form("an index that is out of range");
            }
            // Neighbours in order are a slice.
            let first = wrapped[0];
            let run = wrapped.iter().enumerate().all(|(i, &place)| place == first + i as i64);
            if run && let Some(view) = data.sliced(axis, first, 1, wrapped.len()) {
                let sizes = data.sizes();
                let output = [&sizes[..axis], tensor.shape(), &sizes[axis + 1..]].concat();
                let view = self.b.reshape(&node.name, &view, &output)?;
                self.set_view(&node.outputs[0], view);
                return Ok(());
            }
            let view = self.gathered_constant(&node.name, &data, axis, &wrapped, tensor.shape())?;
            self.set_view(&node.outputs[0], view);
            return Ok(());
        }
        let indices = self.element(node, 1)?;
        let wrapped = self.map(&node.name, indices, |i| wrapped(i, size as usize))?;
        let indices = self.emit(&node.name, wrapped, false)?;
        let view = self.gathered(&node.name, &data, axis, &indices)?;
        self.set(&node.outputs[0], Element::read(view))
    }

    /// A gather along the axes after `batch_dims`: along one axis that these, and the batch, make together.
    pub(super) fn gather_nd(&mut self, node: &Node) -> Result<(), NodeError> {
        let batch = usize::try_from(node.int_or("batch_dims", 0)?).unwrap_or(usize::MAX);
        let (sizes, indices) = (self.shape(&node.inputs[0])?, self.shape(&node.inputs[1])?);
        let Some((&depth, shape)) = indices.split_last() else { return form("indices without an axis") };
        if depth == 0 || batch > shape.len() || batch.saturating_add(depth) > sizes.len() {
            return form("indices of another depth than the tensor's");
        }
        let data = self.view(node, 0)?;
        let (gathered, rest) = sizes.split_at(batch + depth);
        let flat = self.b.reshape(&node.name, &data, &[&[gathered.iter().product()], rest].concat())?;
        let output = [shape, rest].concat();
        let steps: Vec<i64> = crate::onnx::geometry::strides_of(gathered).iter().map(|&n| n as i64).collect();
        let Some(tensor) = self.constant(node, 1) else {
            if batch > 0 {
                return form("batch_dims with places that are no constant");
            }
            let places = self.places(node, gathered, &steps, shape)?;
            let view = self.gathered(&node.name, &flat, 0, &places)?;
            self.set_view(&node.outputs[0], view);
            return Ok(());
        };
        let Ok(values) = tensor.integers() else { return form("indices that are no integers") };
        let each = shape[batch..].iter().product::<usize>().max(1);
        let mut places = Vec::new();
        for (number, index) in values.chunks_exact(depth).enumerate() {
            let mut place = (number / each) as i64 * steps[..batch].last().copied().unwrap_or(0);
            for ((&i, &size), &step) in index.iter().zip(&gathered[batch..]).zip(&steps[batch..]) {
                let size = size as i64;
                let wrapped = if i < 0 { i + size } else { i };
                if !(0..size).contains(&wrapped) {
                    return form("an index that is out of range");
                }
                place += wrapped * step;
            }
            places.push(place);
        }
        let run = places.iter().enumerate().all(|(i, &place)| place == places[0] + i as i64);
        let view = match flat.sliced(0, places[0], 1, places.len()).filter(|_| run) {
            Some(view) => self.b.reshape(&node.name, &view, &output)?,
            None => self.gathered_constant(&node.name, &flat, 0, &places, shape)?,
        };
        self.set_view(&node.outputs[0], view);
        Ok(())
    }

    /// Places in one long axis, of coordinates in the last axis of the indices.
    fn places(
        &mut self,
        node: &Node,
        sizes: &[usize],
        steps: &[i64],
        shape: &[usize],
    ) -> Result<View, NodeError> {
        let indices = self.view(node, 1)?;
        let last = shape.len();
        let mut total = Element::number(0.0, shape);
        for (coordinate, (&size, &step)) in sizes.iter().zip(steps).enumerate() {
            let part = self.sliced(&node.name, &indices, last, coordinate as i64, 1, 1)?;
            let part = self.b.reshape(&node.name, &part, shape)?;
            total = self.apply(&node.name, vec![total, Element::read(part)], |of| {
                let moved =
                    wrapped(of[1].clone(), size).binary(Binary::Multiply, Formula::number(step as f32));
                of[0].clone().binary(Binary::Add, moved)
            })?;
        }
        self.emit(&node.name, total, false)
    }

    /// The elements of a view at constant places of an axis, which becomes axes of this shape.
    pub(super) fn gathered_constant(
        &mut self,
        name: &str,
        data: &View,
        axis: usize,
        places: &[i64],
        shape: &[usize],
    ) -> Result<View, NodeError> {
        let values: Vec<f32> = places.iter().map(|&i| i as f32).collect();
        let indices = self.b.constant_of(shape, bits(&values))?;
        self.gathered(name, data, axis, &indices)
    }

    /// The elements of a view at the places of an axis that a tensor of indices holds.
    fn gathered(&mut self, name: &str, data: &View, axis: usize, indices: &View) -> Result<View, NodeError> {
        let plain = |view: &View| {
            let first = view.first_digit(axis);
            let identity: Vec<Affine> = (0..view.digits().len()).map(Affine::axis).collect();
            let index = view.at(&identity).index;
            let reads: Vec<usize> =
                (0..index.len()).filter(|&a| index[a].terms.iter().any(|term| term.0 == first)).collect();
            let alone = view.axes()[axis].len() == 1
                && matches!(reads.as_slice(), [a] if index[*a] == Affine::axis(first));
            alone.then(|| reads[0])
        };
        let mut data = data.clone();
        if plain(&data).is_none() {
            data = self.b.materialised(name, &data, true)?;
        }
        let Some(gathered) = plain(&data) else { return form("a gather along this axis") };
        // Output axes: the data's before, the indices', the data's after.
        let before: usize = data.axes()[..axis].iter().map(Vec::len).sum();
        let own: usize = indices.digits().len();
        let mut digits = Vec::new();
        let mut next = 0;
        for (a, axis_digits) in data.axes().iter().enumerate() {
            if a == axis {
                digits.push(Affine::constant(0));
                next += own;
            } else {
                digits.extend((next..next + axis_digits.len()).map(Affine::axis));
                next += axis_digits.len();
            }
        }
        let index_digits: Vec<Affine> = (before..before + own).map(Affine::axis).collect();
        let axes = [&data.axes()[..axis], indices.axes(), &data.axes()[axis + 1..]].concat();
        let term =
            Term { coefficient: gathered as i64, factors: vec![data.at(&digits), indices.at(&index_digits)] };
        let accumulator = Accumulator { axes, reduce: Vec::new(), terms: vec![term], known: None };
        Ok(self.b.emit(name, Class::Move, accumulator, Expression::Sum(0), false)?)
    }
}
