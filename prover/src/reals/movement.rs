//! Movements: views of what is there, concatenations, and padding.

use super::element::Element;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::Node;
use crate::onnx::geometry::{SliceBounds, broadcast_shape, normalize_axis};
use assay_circuits::builder::View;
use assay_circuits::expression::Expression;
use assay_circuits::formula::Formula;
use assay_circuits::ops::concat::concat;
use assay_circuits::program::Class;

impl Lowering<'_> {
    pub(super) fn movement(&mut self, node: &Node) -> Result<(), NodeError> {
        let x = self.view(node, 0)?;
        let output = self.shape(&node.outputs[0])?;
        let sizes = x.sizes();
        let view = match node.op_type.as_str() {
            "Transpose" => {
                let reversed: Vec<i64> = (0..sizes.len() as i64).rev().collect();
                let order = node.ints("perm")?.map_or(reversed, <[i64]>::to_vec);
                let order: Vec<usize> =
                    order.iter().map(|&axis| normalize_axis(axis, sizes.len())).collect::<Result<_, _>>()?;
                x.transposed(&order)
            }
            "Expand" => x.expanded(&broadcast_shape(&sizes, &output)?),
            "Tile" => self.tiled(&node.name, &x, &output)?,
            _ => self.b.reshape(&node.name, &x, &output)?,
        };
        self.set_view(&node.outputs[0], view);
        Ok(())
    }

    /// The view repeated along each axis: a broadcast axis before it, and both as one.
    fn tiled(&mut self, name: &str, x: &View, output: &[usize]) -> Result<View, NodeError> {
        let sizes = x.sizes();
        let mut view = x.clone();
        for axis in (0..sizes.len()).rev() {
            view = view.unsqueezed(axis);
        }
        let mut pairs = Vec::new();
        for (size, wanted) in sizes.iter().zip(output) {
            pairs.extend([wanted / size, *size]);
        }
        Ok(self.b.reshape(name, &view.expanded(&pairs), output)?)
    }

    pub(super) fn slice(&mut self, node: &Node) -> Result<(), NodeError> {
        let x = self.view(node, 0)?;
        let sizes = x.sizes();
        let (Some(starts), Some(ends)) = (self.integers(node, 1, "starts")?, self.integers(node, 2, "ends")?)
        else {
            return form("a slice without bounds");
        };
        let all: Vec<i64> = (0..starts.len() as i64).collect();
        let axes = self.integers(node, 3, "axes")?.unwrap_or(all);
        let steps = self.integers(node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return form("a slice whose lists have different lengths");
        }
        let mut view = x;
        for (i, &axis) in axes.iter().enumerate() {
            let axis = normalize_axis(axis, sizes.len())?;
            let bounds = SliceBounds::new(starts[i], ends[i], steps[i], sizes[axis])?;
            view = self.sliced(&node.name, &view, axis, bounds.start as i64, bounds.step, bounds.len)?;
        }
        self.set_view(&node.outputs[0], view);
        Ok(())
    }

    /// A slice of a view, by a Move first where its axis has several digits.
    pub(super) fn sliced(
        &mut self,
        name: &str,
        view: &View,
        axis: usize,
        start: i64,
        step: i64,
        len: usize,
    ) -> Result<View, NodeError> {
        if start == 0 && step == 1 && len == view.sizes()[axis] {
            return Ok(view.clone());
        }
        if let Some(sliced) = view.sliced(axis, start, step, len) {
            return Ok(sliced);
        }
        let wire = self.b.materialised(name, view, false)?;
        match wire.sliced(axis, start, step, len) {
            Some(sliced) => Ok(sliced),
            None => form("a slice of a flattened axis"),
        }
    }

    pub(super) fn split(&mut self, node: &Node) -> Result<(), NodeError> {
        let x = self.view(node, 0)?;
        let axis = normalize_axis(node.int_or("axis", 0)?, x.sizes().len())?;
        let lengths = self.integers(node, 1, "split")?;
        let mut start = 0;
        for (place, output) in node.outputs.iter().enumerate() {
            let len = match (&lengths, output.is_empty()) {
                (Some(lengths), _) => lengths.get(place).copied().unwrap_or(0) as usize,
                (None, false) => self.shape(output)?[axis],
                (None, true) => return form("a split with a part that nobody reads"),
            };
            if !output.is_empty() {
                let view = self.sliced(&node.name, &x, axis, start as i64, 1, len)?;
                self.set_view(output, view);
            }
            start += len;
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<(), NodeError> {
        let mut parts = Vec::new();
        for input in 0..node.inputs.len() {
            parts.push(self.view(node, input)?);
        }
        let axis = normalize_axis(node.int_or("axis", 0)?, parts[0].sizes().len())?;
        let view = self.concatenated(node, &parts, axis)?;
        self.set_view(&node.outputs[0], view);
        Ok(())
    }

    pub(super) fn concatenated(
        &mut self,
        node: &Node,
        parts: &[View],
        axis: usize,
    ) -> Result<View, NodeError> {
        let ones = self.graph.outputs.contains(&node.outputs[0]);
        let accumulator = concat(&mut self.b, &node.name, parts, axis)?;
        Ok(self.b.emit(&node.name, Class::Move, accumulator, Expression::Sum(0), ones)?)
    }

    pub(super) fn pad(&mut self, node: &Node) -> Result<(), NodeError> {
        let x = self.view(node, 0)?;
        let sizes = x.sizes();
        let Some(pads) = self.integers(node, 1, "pads")? else { return form("a pad without pads") };
        let all: Vec<i64> = (0..sizes.len() as i64).collect();
        let axes = self.integers(node, 3, "axes")?.unwrap_or(all);
        if pads.len() != 2 * axes.len() {
            return form("a pad whose lists have different lengths");
        }
        let fill = match Self::has(node, 2) {
            true => self.constant(node, 2).and_then(|tensor| tensor.to_f32().first().copied()),
            false => Some(node.float_or("value", 0.0)?),
        };
        let Some(fill) = fill else { return form("a pad by what is no constant") };
        let mode = node.string_or("mode", "constant")?.to_string();
        let mut view = x;
        let mut inside: Option<View> = None;
        for (i, &axis) in axes.iter().enumerate() {
            let axis = normalize_axis(axis, sizes.len())?;
            let (before, after) = (pads[i], pads[i + axes.len()]);
            if before == 0 && after == 0 {
                continue;
            }
            let size = view.sizes()[axis] as i64;
            if mode != "constant" {
                let place = |at: i64| match mode.as_str() {
                    "edge" => at.clamp(0, size - 1),
                    "wrap" => at.rem_euclid(size),
                    _ => {
                        let period = (2 * (size - 1)).max(1);
                        let within = at.rem_euclid(period);
                        if within < size { within } else { period - within }
                    }
                };
                let places: Vec<i64> = (-before..size + after).map(place).collect();
                view = self.gathered_constant(&node.name, &view, axis, &places, &[places.len()])?;
                continue;
            }
            let (start, end) = ((-before).max(0), size - (-after).max(0));
            if end <= start {
                return form("a pad that leaves nothing");
            }
            let len = (end - start) as usize;
            view = self.sliced(&node.name, &view, axis, start, 1, len)?;
            if let Some(ones) = inside.take() {
                inside = Some(self.sliced(&node.name, &ones, axis, start, 1, len)?);
            }
            let (before, after) = (before.max(0) as usize, after.max(0) as usize);
            if fill != 0.0 && inside.is_none() {
                let shape = view.sizes();
                inside = Some(self.b.constant_of(&shape, bits(&vec![1.0; shape.iter().product()]))?);
            }
            view = self.padded(&node.name, &view, axis, before, after)?;
            if let Some(ones) = inside.take() {
                inside = Some(self.padded(&node.name, &ones, axis, before, after)?);
            }
        }
        match inside {
            None => self.set_view(&node.outputs[0], view),
            Some(inside) => {
                let parts = vec![Element::read(inside), Element::read(view)];
                let filled = self.apply(&node.name, parts, |of| {
                    of[0].clone().select(of[1].clone(), Formula::number(fill))
                })?;
                self.set(&node.outputs[0], filled)?;
            }
        }
        Ok(())
    }

    fn padded(
        &mut self,
        name: &str,
        view: &View,
        axis: usize,
        before: usize,
        after: usize,
    ) -> Result<View, NodeError> {
        if before + after == 0 {
            return Ok(view.clone());
        }
        let plain = self.b.plain_axis(name, view, axis)?;
        match plain.padded(axis, before, after) {
            Some(padded) => Ok(padded),
            None => form("a pad of this view"),
        }
    }
}
