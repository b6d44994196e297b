//! Movements: views of what is there, and concatenations.

use super::lowering::{LowerNodeError, Lowering, Quantity, form};
use crate::onnx::Node;
use crate::onnx::geometry::{SliceBounds, broadcast_shape, normalize_axis};
use assay_circuits::builder::View;
use assay_circuits::ops::concat::concat;
use assay_circuits::ops::requantise::Epilogue;
use assay_circuits::program::Class;

impl Lowering<'_> {
    fn integers(
        &self,
        node: &Node,
        input: usize,
        attribute: &'static str,
    ) -> Result<Option<Vec<i64>>, LowerNodeError> {
        if Self::has(node, input) {
            return match self.constant(node, input).map(|tensor| tensor.integers()) {
                Some(Ok(values)) => Ok(Some(values)),
                _ => form(format!("input {input} that is no constant of integers")),
            };
        }
        Ok(node.ints(attribute)?.map(<[i64]>::to_vec))
    }

    pub(super) fn movement(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.quantity(node, 0)?;
        let output = self.shape(&node.outputs[0])?;
        if output.contains(&0) || x.view.sizes().contains(&0) {
            return form("a tensor without elements");
        }
        let sizes = x.view.sizes();
        let view = match node.op_type.as_str() {
            "Identity" | "Dropout" => x.view.clone(),
            "Cast" => {
                let from = self.graph.dtype(&node.inputs[0]);
                let to = self.graph.dtype(&node.outputs[0]);
                let (Some(from), Some(to)) = (from, to) else { return form("a cast of unknown types") };
                if from.is_float() && !to.is_float() {
                    return form(format!("a cast from {from} to {to}"));
                }
                if from.is_float() { x.view.clone() } else { self.rezeroed(&node.name, x.clone(), 0)?.view }
            }
            "Transpose" => {
                let reversed: Vec<i64> = (0..sizes.len() as i64).rev().collect();
                let order = node.ints("perm")?.map_or(reversed, <[i64]>::to_vec);
                let order: Vec<usize> = order.iter().map(|&axis| axis as usize).collect();
                x.view.transposed(&order)
            }
            "Expand" => {
                let shape = broadcast_shape(&sizes, &output)?;
                x.view.expanded(&shape)
            }
            "Slice" => return self.slice(node, &x, &output),
            "Split" => return self.split(node, &x),
            "Pad" => return self.pad(node, &x),
            _ => self.b.reshape(&node.name, &x.view, &output)?,
        };
        let zero = if node.op_type == "Cast" { 0 } else { x.zero };
        self.set(&node.outputs[0], view, x.scale, zero);
        Ok(())
    }

    fn slice(&mut self, node: &Node, x: &Quantity, output: &[usize]) -> Result<(), LowerNodeError> {
        let sizes = x.view.sizes();
        let (Some(starts), Some(ends)) = (self.integers(node, 1, "starts")?, self.integers(node, 2, "ends")?)
        else {
            return form("a slice without bounds");
        };
        let all: Vec<i64> = (0..starts.len() as i64).collect();
        let axes = self.integers(node, 3, "axes")?.unwrap_or(all);
        let steps = self.integers(node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        let mut view = x.view.clone();
        for (i, &axis) in axes.iter().enumerate() {
            let axis = normalize_axis(axis, sizes.len())?;
            let bounds = SliceBounds::new(starts[i], ends[i], steps[i], sizes[axis])?;
            view = self.sliced(&node.name, &view, axis, bounds.start as i64, bounds.step, bounds.len)?;
        }
        if view.sizes() != output {
            return form("a slice whose shape is not the graph's");
        }
        self.set(&node.outputs[0], view, x.scale, x.zero);
        Ok(())
    }

    /// A slice of a view, by a Move first where its axis has several digits.
    fn sliced(
        &mut self,
        name: &str,
        view: &View,
        axis: usize,
        start: i64,
        step: i64,
        len: usize,
    ) -> Result<View, LowerNodeError> {
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

    fn split(&mut self, node: &Node, x: &Quantity) -> Result<(), LowerNodeError> {
        let axis = normalize_axis(node.int_or("axis", 0)?, x.view.sizes().len())?;
        let mut start = 0;
        for output in &node.outputs {
            // A part that nobody wants has no shape; parts before it are told by the others'.
            if output.is_empty() {
                let lengths = self.integers(node, 1, "split")?;
                let own =
                    lengths.and_then(|l| l.get(node.outputs.iter().position(|o| o == output)?).copied());
                let Some(len) = own else { return form("a split with a part that nobody reads") };
                start += len as usize;
                continue;
            }
            let len = self.shape(output)?[axis];
            let view = self.sliced(&node.name, &x.view, axis, start as i64, 1, len)?;
            self.set(output, view, x.scale, x.zero);
            start += len;
        }
        Ok(())
    }

    fn pad(&mut self, node: &Node, x: &Quantity) -> Result<(), LowerNodeError> {
        if node.string_or("mode", "constant")? != "constant" {
            return form("a pad that is not constant");
        }
        let value = match Self::has(node, 2) {
            true => self.constant(node, 2).and_then(|tensor| tensor.to_f32().first().copied()),
            false => Some(node.float_or("value", 0.0)?),
        };
        let Some(value) = value else { return form("a pad by what is no constant") };
        let fill = (f64::from(value) / x.scale).round() as i64 - x.zero;
        let Some(pads) = self.integers(node, 1, "pads")? else { return form("a pad without pads") };
        let sizes = x.view.sizes();
        let all: Vec<i64> = (0..sizes.len() as i64).collect();
        let axes = self.integers(node, 3, "axes")?.unwrap_or(all);
        let mut view = x.view.clone();
        let mut padded_sizes = sizes.clone();
        for (i, &axis) in axes.iter().enumerate() {
            let axis = normalize_axis(axis, sizes.len())?;
            let (before, after) = (pads[i], pads[i + axes.len()]);
            let len = sizes[axis] as i64 + before + after;
            if before < 0 || after < 0 {
                // Negative pads crop.
                let (start, end) = ((-before).max(0), sizes[axis] as i64 - (-after).max(0));
                if end <= start {
                    return form("a pad that leaves nothing");
                }
                view = self.sliced(&node.name, &view, axis, start, 1, (end - start) as usize)?;
            }
            let (before, after) = (before.max(0) as usize, after.max(0) as usize);
            if before + after > 0 {
                let plain = self.b.plain_axis(&node.name, &view, axis)?;
                let Some(wider) = plain.padded(axis, before, after) else {
                    return form("a pad of this view");
                };
                view = wider;
            }
            padded_sizes[axis] = len as usize;
        }
        if fill != 0 {
            // fill * (1 - ones) fills what the padding leaves zero.
            let ones = self.b.constant_of(&sizes, vec![1; sizes.iter().product()])?;
            let mut inside = ones;
            for (i, &axis) in axes.iter().enumerate() {
                let axis = normalize_axis(axis, sizes.len())?;
                let (before, after) = (pads[i], pads[i + axes.len()]);
                if before < 0 || after < 0 {
                    return form("a pad that crops and fills");
                }
                let Some(wider) = inside.padded(axis, before as usize, after as usize) else {
                    return form("a pad of this view");
                };
                inside = wider;
            }
            let mut accumulator = assay_circuits::ops::add::weighted_sum(
                &mut self.b,
                &node.name,
                &[(1, view), (-fill, inside)],
            )?;
            accumulator = accumulator.plus(fill);
            let bounds = self.b.source_bounds(x.view.source());
            accumulator.known =
                Some(assay_circuits::tensor::Bounds { lo: bounds.lo.min(fill), hi: bounds.hi.max(fill) });
            let ones = self.is_output(&node.outputs[0]);
            let expression = assay_circuits::expression::Expression::Sum(0);
            view = self.b.emit(&node.name, Class::Map, accumulator, expression, ones)?;
        }
        self.set(&node.outputs[0], view, x.scale, x.zero);
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let parts: Vec<Quantity> =
            (0..node.inputs.len()).map(|input| self.quantity(node, input)).collect::<Result<_, _>>()?;
        let axis = normalize_axis(node.int_or("axis", 0)?, parts[0].view.sizes().len())?;
        let same =
            |part: &Quantity| (part.scale / parts[0].scale - 1.0).abs() < 1e-6 && part.zero == parts[0].zero;
        let (scale, zero) = if parts.iter().all(same) {
            (parts[0].scale, parts[0].zero)
        } else if self.graph.dtype(&node.outputs[0]).is_some_and(|dtype| dtype.is_float()) {
            let bits = if self.is_output(&node.outputs[0]) { 16 } else { self.level.activation_bits.max(9) };
            (self.targets.target(&node.outputs[0], bits).scale, 0)
        } else {
            (1.0, 0)
        };
        let mut views = Vec::new();
        for part in parts {
            let part = self.rezeroed(&node.name, part, zero)?;
            let ratio = part.scale / scale;
            views.push(match (ratio - 1.0).abs() < 1e-6 {
                true => part.view,
                false => self.rescaled(&node.name, &part, scale)?,
            });
        }
        self.finish_concat(node, &views, axis, scale, zero)
    }

    /// A wire at another scale: a table where its integers are few.
    pub(super) fn rescaled(
        &mut self,
        name: &str,
        part: &Quantity,
        scale: f64,
    ) -> Result<View, LowerNodeError> {
        let window = self.b.bounds(&part.view);
        let from = part.scale;
        let at = |x: i64| (x as f64 * from / scale).round_ties_even() as i64;
        if window.count() <= 1 << 16 {
            let epilogue = Epilogue { window, values: None }.then(at);
            return Ok(assay_circuits::ops::activation::activation(
                &mut self.b,
                name,
                &part.view,
                &epilogue,
                false,
            )?);
        }
        let ratio = super::scale::nearest_ratio(from / scale, 1e-6);
        let epilogue = Epilogue::clamp(at(window.lo), at(window.hi));
        let accumulator = assay_circuits::builder::Accumulator::of(&part.view);
        let b = &mut self.b;
        Ok(assay_circuits::ops::requantise::requantised(
            b,
            name,
            Class::Map,
            accumulator,
            ratio,
            &epilogue,
            false,
        )?)
    }

    /// The concatenation of views at one scale.
    pub(super) fn finish_concat(
        &mut self,
        node: &Node,
        views: &[View],
        axis: usize,
        scale: f64,
        zero: i64,
    ) -> Result<(), LowerNodeError> {
        let accumulator = concat(&mut self.b, &node.name, views, axis)?;
        let ones = self.is_output(&node.outputs[0]);
        let expression = assay_circuits::expression::Expression::Sum(0);
        let view = self.b.emit(&node.name, Class::Move, accumulator, expression, ones)?;
        self.set(&node.outputs[0], view, scale, zero);
        Ok(())
    }
}
