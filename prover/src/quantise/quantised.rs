//! Operators of models that are quantised already: integers less their zero points, and the real multiplier as a
//! rational of at least 16 bits.
//!
//! ONNX rounds the product with a float half to even; these round a rational half up. The two differ by at
//! most one, near a half; MatMulInteger and ConvInteger are exact.

use super::chain::Step;
use super::linear::windows;
use super::lowering::{LowerNodeError, Lowering, Parameters, Quantity, form};
use super::scale::{binary_ratio, imported_ratio};
use crate::onnx::{ConvGeometry, Node, Tensor};
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::expression::Expression;
use assay_circuits::ops::add::weighted_sum;
use assay_circuits::ops::conv::convolution;
use assay_circuits::ops::matmul::{product, with_bias};
use assay_circuits::ops::mul;
use assay_circuits::ops::reduce::sum;
use assay_circuits::ops::requantise::{Epilogue, Ratio, requantised};
use assay_circuits::program::Class;

impl Lowering<'_> {
    fn required(&self, node: &Node, scale: usize, zero: usize) -> Result<Parameters, LowerNodeError> {
        match self.parameters(node, scale, zero) {
            Some(parameters) => Ok(parameters),
            None => form("a scale or zero point that is no single constant"),
        }
    }

    /// A quantised input less its zero point.
    fn centred(&mut self, node: &Node, input: usize, zero: usize) -> Result<Quantity, LowerNodeError> {
        let Some(zero) = self.zero(node, zero) else { return form("zero points that are not one constant") };
        let name = node.inputs.get(input).cloned().unwrap_or_default();
        if let Some(tensor) = self.graph.constants.get(&name) {
            let values = self.centred_values(tensor, &[zero], 1)?;
            let view = self.b.constant_of(tensor.shape(), values)?;
            return Ok(Quantity { view, scale: 1.0, zero });
        }
        let quantity = self.quantity(node, input)?;
        self.rezeroed(&node.name, quantity, zero)
    }

    /// Integers less zero points that belong to runs of `each`.
    fn centred_values(
        &self,
        tensor: &Tensor,
        zeros: &[i64],
        each: usize,
    ) -> Result<Vec<i64>, LowerNodeError> {
        let Ok(values) = tensor.integers() else { return form("weights that are no integers") };
        Ok(values.iter().enumerate().map(|(i, q)| q - zeros[i / each % zeros.len()]).collect())
    }

    /// A float value rounded to the integers of the source model.
    pub(super) fn quantize_linear(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let parameters = self.required(node, 1, 2)?;
        let x = self.quantity(node, 0)?;
        let target = parameters.target();
        let bounds = self.b.bounds(&x.view);
        let mut chain = self.chain(&node.outputs[0]);
        chain.steps.insert(0, Step::Quantise(parameters));
        // A chain that begins with an integer value: the dequantisation after it starts the real steps.
        if chain.steps.len() == 1 && chain.result == node.outputs[0] {
            chain.zero = parameters.zero;
        }
        if (x.scale / parameters.scale - 1.0).abs() < 1e-6 || bounds.count() <= 1 << 12 {
            let identity = Epilogue { window: bounds, values: None };
            let (epilogue, scale) = self.applied(identity, x.scale, &chain.steps, &chain.result);
            return self.finish_activation(&node.name, &x.view, &epilogue, scale, &chain.result, chain.zero);
        }
        let ratio = imported_ratio(x.scale / target.scale);
        let plan = self.plan(&chain)?;
        self.finish_plan(&node.name, Class::Map, Accumulator::of(&x.view), ratio, &plan, &chain)
    }

    pub(super) fn dequantize_linear(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let Some(scale) = self.constant(node, 1) else { return form("a scale that is no constant") };
        let scales = scale.to_f32();
        let x = self.centred(node, 0, 2)?;
        let [scale] = scales.as_slice() else { return form("a dequantisation of a wire by axis") };
        self.set(&node.outputs[0], x.view, f64::from(*scale), 0);
        Ok(())
    }

    pub(super) fn matmul_integer(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let (a, b) = (self.zeroed(node, 0, 2, true)?, self.zeroed(node, 1, 3, false)?);
        let accumulator = self.broadcast_product(&node.name, &a, &b)?;
        self.finish_exact(node, accumulator)
    }

    /// An operand less its zero points, of which a constant may have one for each row or column.
    fn zeroed(&mut self, node: &Node, input: usize, zero: usize, row: bool) -> Result<View, LowerNodeError> {
        let many = Self::has(node, zero).then(|| self.constant(node, zero)).flatten();
        let zeros = many.map(|tensor| tensor.integers()).transpose();
        let Ok(zeros) = zeros else { return form("zero points that are no integers") };
        let zeros = zeros.unwrap_or_else(|| vec![0]);
        if Self::has(node, zero) && many.is_none() {
            return form("zero points that are no constants");
        }
        let first = zeros[0];
        if zeros.iter().all(|&z| z == first) {
            return Ok(self.centred(node, input, zero)?.view);
        }
        let quantity = self.quantity(node, input)?;
        let raw = self.rezeroed(&node.name, quantity, 0)?;
        let rank = raw.view.sizes().len();
        let mut sizes = vec![1; rank];
        sizes[if row { rank - 2 } else { rank - 1 }] = zeros.len();
        let constant = self.b.constant_of(&sizes, zeros)?;
        let shifted = weighted_sum(&mut self.b, &node.name, &[(1, raw.view), (-1, constant)])?;
        Ok(self.b.emit(&node.name, Class::Map, shifted, Expression::Sum(0), false)?)
    }

    fn finish_exact(&mut self, node: &Node, accumulator: Accumulator) -> Result<(), LowerNodeError> {
        let ones = self.is_output(&node.outputs[0]);
        let view = self.b.emit(&node.name, Class::Fold, accumulator, Expression::Sum(0), ones)?;
        self.set(&node.outputs[0], view, 1.0, 0);
        Ok(())
    }

    /// Weights `[O, ..]` less their zero points, one or one a filter.
    fn filters(
        &self,
        node: &Node,
        input: usize,
        zero: usize,
    ) -> Result<(Vec<usize>, Vec<i64>), LowerNodeError> {
        let Some(weights) = self.constant(node, input) else { return form("weights that are no constant") };
        let zeros = match Self::has(node, zero) {
            false => vec![0],
            true => match self.constant(node, zero).map(|tensor| tensor.integers()) {
                Some(Ok(zeros)) => zeros,
                _ => return form("zero points that are no constants"),
            },
        };
        let each = weights.len() / weights.shape()[0].max(1);
        let values = self.centred_values(weights, &zeros, each.max(1))?;
        Ok((weights.shape().to_vec(), values))
    }

    pub(super) fn conv_integer(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.centred(node, 0, 2)?;
        let (shape, weights) = self.filters(node, 1, 3)?;
        let geometry = ConvGeometry::from_node(node, &x.view.sizes(), &shape)?;
        let spatial = windows(&geometry.window);
        let accumulator =
            convolution(&mut self.b, &node.name, &x.view, &weights, None, geometry.groups, &spatial)?;
        self.finish_exact(node, accumulator)
    }

    pub(super) fn qlinear_conv(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.centred(node, 0, 2)?;
        let (shape, mut weights) = self.filters(node, 3, 5)?;
        let target = self.required(node, 6, 7)?;
        let geometry = ConvGeometry::from_node(node, &x.view.sizes(), &shape)?;
        let (Some(x_scale), Some(w_scales)) = (self.constant(node, 1), self.constant(node, 4)) else {
            return form("scales that are no constants");
        };
        let x_scale = f64::from(x_scale.to_f32()[0]);
        let wanted: Vec<f64> =
            w_scales.to_f32().iter().map(|&w| x_scale * f64::from(w) / target.scale).collect();
        let mut bias = match Self::has(node, 8) {
            true => match self.constant(node, 8).map(|tensor| tensor.integers()) {
                Some(Ok(bias)) => Some(bias),
                _ => return form("a bias that is no constant of integers"),
            },
            false => None,
        };
        let ratio = self.channel_ratio(&wanted, shape[0], &mut weights, &mut bias);
        let spatial = windows(&geometry.window);
        let accumulator = convolution(
            &mut self.b,
            &node.name,
            &x.view,
            &weights,
            bias.as_deref(),
            geometry.groups,
            &spatial,
        )?;
        self.finish_quantised(node, Class::Fold, accumulator, ratio, &target)
    }

    /// One ratio for all channels; where they differ, a power of two, and multipliers in weights and bias.
    fn channel_ratio(
        &self,
        wanted: &[f64],
        channels: usize,
        weights: &mut [i64],
        bias: &mut Option<Vec<i64>>,
    ) -> Ratio {
        if wanted.iter().all(|w| (w / wanted[0] - 1.0).abs() < 1e-7) {
            return imported_ratio(wanted[0]);
        }
        let divisor = wanted.iter().map(|&w| binary_ratio(w, w / 1024.0).divisor).max().unwrap_or(1);
        let each = (weights.len() / channels.max(1)).max(1);
        let multiplier = |o: usize| (wanted[o % wanted.len()] * divisor as f64).round().max(1.0) as i64;
        weights.iter_mut().enumerate().for_each(|(i, w)| *w *= multiplier(i / each));
        for (o, value) in bias.iter_mut().flatten().enumerate() {
            *value *= multiplier(o);
        }
        Ratio { multiplier: 1, divisor }
    }

    fn finish_quantised(
        &mut self,
        node: &Node,
        class: Class,
        accumulator: Accumulator,
        ratio: Ratio,
        target: &Parameters,
    ) -> Result<(), LowerNodeError> {
        let window = target.target().window;
        let epilogue = Epilogue::clamp(window.lo, window.hi);
        let ones = self.is_output(&node.outputs[0]) && target.zero == 0;
        let view = requantised(&mut self.b, &node.name, class, accumulator, ratio, &epilogue, ones)?;
        self.set(&node.outputs[0], view, target.scale, target.zero);
        Ok(())
    }

    fn single_scale(&self, node: &Node, input: usize) -> Result<f64, LowerNodeError> {
        let scale = self.constant(node, input).map(Tensor::to_f32);
        match scale.as_deref() {
            Some([scale]) => Ok(f64::from(*scale)),
            _ => form("a scale that is no single constant"),
        }
    }

    pub(super) fn qlinear_matmul(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let (a, b) = (self.zeroed(node, 0, 2, true)?, self.zeroed(node, 3, 5, false)?);
        let target = self.required(node, 6, 7)?;
        let wanted = self.single_scale(node, 1)? * self.single_scale(node, 4)? / target.scale;
        let accumulator = self.broadcast_product(&node.name, &a, &b)?;
        self.finish_quantised(node, Class::Fold, accumulator, imported_ratio(wanted), &target)
    }

    pub(super) fn qgemm(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let mut a = self.centred(node, 0, 2)?.view;
        if node.flag_or("transA", false)? {
            a = a.transposed(&[1, 0]);
        }
        let turned = node.flag_or("transB", false)?;
        let Some(weights) = self.constant(node, 3) else { return form("weights that are no constant") };
        let &[rows, columns] = weights.shape() else { return form("weights that are no matrix") };
        let zeros =
            match self.constant(node, 5).filter(|_| Self::has(node, 5)).map(|tensor| tensor.integers()) {
                None => vec![0],
                Some(Ok(zeros)) => zeros,
                Some(Err(_)) => return form("zero points that are no integers"),
            };
        let outputs = if turned { rows } else { columns };
        let mut values = self.centred_values(weights, &zeros, if turned { columns } else { 1 })?;
        let alpha = f64::from(node.float_or("alpha", 1.0)?);
        let a_scale = self.single_scale(node, 1)?;
        let Some(b_scales) = self.constant(node, 4) else { return form("a scale that is no constant") };
        let units: Vec<f64> = b_scales.to_f32().iter().map(|&b| alpha * a_scale * f64::from(b)).collect();
        let mut bias = match Self::has(node, 6) {
            false => None,
            true => match self.constant(node, 6).map(|tensor| (tensor.shape().to_vec(), tensor.integers())) {
                Some((shape, Ok(values))) => Some((shape, values)),
                _ => return form("a bias that is no constant of integers"),
            },
        };
        let target = if Self::has(node, 7) { Some(self.required(node, 7, 8)?) } else { None };
        let mut ratio = Ratio { multiplier: 1, divisor: 1 };
        if let Some(target) = &target {
            let wanted: Vec<f64> = units.iter().map(|unit| unit / target.scale).collect();
            let mut by_channel = bias.as_ref().map(|(_, values)| values.clone());
            if !turned && wanted.len() > 1 {
                return form("a QGemm with scales by column and weights by row");
            }
            ratio = self.channel_ratio(&wanted, outputs, &mut values, &mut by_channel);
            if let (Some((_, values)), Some(scaled)) = (&mut bias, by_channel) {
                *values = scaled;
            }
        } else if units.len() > 1 {
            return form("a QGemm of real result with scales by column");
        }
        let right = self.matrix(&[rows, columns], values, turned, &a)?;
        let mut accumulator = product(&mut self.b, &node.name, &a, &right)?;
        if let Some((shape, values)) = bias {
            accumulator = with_bias(&mut self.b, accumulator, &shape, values)?;
        }
        match target {
            Some(target) => self.finish_quantised(node, Class::Fold, accumulator, ratio, &target),
            None => {
                let chain = self.chain(&node.outputs[0]);
                self.finish(&node.name, Class::Fold, accumulator, units[0], &chain, true)
            }
        }
    }

    pub(super) fn qlinear_binary(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let (a, b) = (self.centred(node, 0, 2)?, self.centred(node, 3, 5)?);
        let (a_scale, b_scale) = (self.single_scale(node, 1)?, self.single_scale(node, 4)?);
        let target = self.required(node, 6, 7)?;
        if node.op_type == "QLinearMul" {
            let accumulator = mul::product(&mut self.b, &node.name, &a.view, &b.view)?;
            let ratio = imported_ratio(a_scale * b_scale / target.scale);
            return self.finish_quantised(node, Class::Fold, accumulator, ratio, &target);
        }
        // M1 a + M2 b over one power of two.
        let (left, right) = (a_scale / target.scale, b_scale / target.scale);
        let divisor = [left, right].map(|x| binary_ratio(x, 1.0 / 65536.0).divisor);
        let divisor = divisor[0].max(divisor[1]);
        let multiplier = |x: f64| (x * divisor as f64).round() as i64;
        let terms = [(multiplier(left), a.view), (multiplier(right), b.view)];
        let accumulator = weighted_sum(&mut self.b, &node.name, &terms)?;
        self.finish_quantised(node, Class::Map, accumulator, Ratio { multiplier: 1, divisor }, &target)
    }

    /// Sigmoid and leaky ReLU: a table of the integers, exact.
    pub(super) fn qlinear_unary(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.centred(node, 0, 2)?;
        let from = self.single_scale(node, 1)?;
        let target = self.required(node, 3, 4)?;
        let function = match node.op_type.as_str() {
            "QLinearSigmoid" => super::chain::Activation::Sigmoid,
            _ => super::chain::Activation::LeakyRelu(f64::from(node.float_or("alpha", 0.01)?)),
        };
        let window = self.b.bounds(&x.view);
        let epilogue = Epilogue { window, values: None };
        let to = target.target();
        let epilogue = epilogue.then(|q| super::chain::quantise(&[function], q as f64 * from, &to));
        let result = &node.outputs[0];
        self.finish_activation(&node.name, &x.view, &epilogue, target.scale, result, target.zero)
    }

    pub(super) fn qlinear_pool(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        if node.flag_or("channels_last", false)? {
            return form("channels_last");
        }
        let x = self.centred(node, 0, 2)?;
        let from = self.single_scale(node, 1)?;
        let target = self.required(node, 3, 4)?;
        let (accumulator, cells) = match node.op_type.as_str() {
            "QLinearAveragePool" => self.averaged(node, &x.view)?,
            _ => {
                let sizes = x.view.sizes();
                let axes: Vec<usize> = (2..sizes.len()).collect();
                (sum(&x.view, &axes, true), sizes[2..].iter().product::<usize>() as i64)
            }
        };
        let ratio = imported_ratio(from / target.scale / cells as f64);
        self.finish_quantised(node, Class::Fold, accumulator, ratio, &target)
    }

    pub(super) fn qlinear_concat(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let target = self.required(node, 0, 1)?;
        let to = target.target();
        let mut views = Vec::new();
        for input in (2..node.inputs.len()).step_by(3) {
            let part = self.centred(node, input, input + 2)?;
            let from = self.single_scale(node, input + 1)?;
            let window = self.b.bounds(&part.view);
            let epilogue = Epilogue { window, values: None };
            let epilogue = match (from / target.scale - 1.0).abs() < 1e-6 {
                true => epilogue.then_clamp(to.window.lo, to.window.hi),
                false => epilogue.then(|q| super::chain::quantise(&[], q as f64 * from, &to)),
            };
            let idle = epilogue.values.is_none() && epilogue.window == window;
            views.push(match idle {
                true => part.view,
                false => {
                    let b = &mut self.b;
                    assay_circuits::ops::activation::activation(b, &node.name, &part.view, &epilogue, false)?
                }
            });
        }
        let axis = node.int_or("axis", 0)?;
        let axis = crate::onnx::geometry::normalize_axis(axis, views[0].sizes().len())?;
        self.finish_concat(node, &views, axis, target.scale, target.zero)
    }
}
