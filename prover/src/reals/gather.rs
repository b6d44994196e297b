//! Gathers: moves at looked-up positions.

use super::element::Element;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::Node;
use crate::onnx::geometry::normalize_axis;
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula};
use assay_circuits::program::{Affine, Class, Term};

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
        let wrapped = self.map(&node.name, indices.clone(), |i| {
            let negative = i.clone().binary(Binary::Less, Formula::number(0.0));
            negative.select(i.clone().binary(Binary::Add, Formula::number(size as f32)), i)
        })?;
        let indices = self.emit(&node.name, wrapped, false)?;
        let view = self.gathered(&node.name, &data, axis, &indices)?;
        self.set(&node.outputs[0], Element::read(view))
    }

    /// A gather along several leading axes at constant places: along one axis that they make together.
    pub(super) fn gather_nd(&mut self, node: &Node) -> Result<(), NodeError> {
        if node.int_or("batch_dims", 0)? != 0 {
            return form("batch_dims");
        }
        let Some(tensor) = self.constant(node, 1) else { return form("places that are no constant") };
        let Ok(indices) = tensor.integers() else { return form("indices that are no integers") };
        let data = self.view(node, 0)?;
        let sizes = data.sizes();
        let Some((&depth, shape)) = tensor.shape().split_last() else {
            return form("indices without an axis");
        };
        if depth == 0 || depth > sizes.len() {
            return form("indices of another depth than the tensor's");
        }
        let mut places = Vec::new();
        for index in indices.chunks_exact(depth) {
            let mut place = 0;
            for (&i, &size) in index.iter().zip(&sizes) {
                let size = size as i64;
                let wrapped = if i < 0 { i + size } else { i };
                if !(0..size).contains(&wrapped) {
                    return form("an index that is out of range");
                }
                place = place * size + wrapped;
            }
            places.push(place);
        }
        let rows: usize = sizes[..depth].iter().product();
        let flat = self.b.reshape(&node.name, &data, &[&[rows], &sizes[depth..]].concat())?;
        let run = places.iter().enumerate().all(|(i, &place)| place == places[0] + i as i64);
        let output = [shape, &sizes[depth..]].concat();
        let view = match flat.sliced(0, places[0], 1, places.len()).filter(|_| run) {
            Some(view) => self.b.reshape(&node.name, &view, &output)?,
            None => self.gathered_constant(&node.name, &flat, 0, &places, shape)?,
        };
        self.set_view(&node.outputs[0], view);
        Ok(())
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
