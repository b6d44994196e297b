//! Convolutions and matrix products with constant weights: weights in integers such that the division is by a
//! power of two.
//!
//! With x at scale s_x and the result's grid g, weights at `s_w = g / (2^s s_x)` make the division one by 2^s. s is
//! the greatest for which the weights still fit their bits, so they use at least half of them. Weights
//! that are multiples of a step already (a quantised model's) stay as they are, and the ratio is a rational.

use super::chain::{Chain, Plan};
use super::lowering::{LowerNodeError, Lowering, form};
use super::scale::{imported_ratio, step_of};
use crate::onnx::{ConvGeometry, Node, Tensor, WindowGeometry};
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::ops::conv::{Window, convolution};
use assay_circuits::ops::conv_transpose::transposed_convolution;
use assay_circuits::ops::matmul::{product, with_bias};
use assay_circuits::ops::requantise::Ratio;
use assay_circuits::program::Class;

/// Windows of a geometry.
pub fn windows(geometry: &WindowGeometry) -> Vec<Window> {
    (0..geometry.input.len())
        .map(|d| Window {
            kernel: geometry.kernel[d],
            stride: geometry.strides[d],
            dilation: geometry.dilations[d],
            pad: geometry.pads_begin[d],
            output: geometry.output[d],
        })
        .collect()
}

/// Weights as integers, and how their accumulator reaches the result.
struct Weights {
    integers: Vec<i64>,
    /// The real value of one of the accumulator.
    unit: f64,
    /// The ratio and plan, or none where the accumulator is the result.
    rounding: Option<(Ratio, Plan)>,
}

impl Lowering<'_> {
    /// Weights for an input of scale `x_scale` and what follows.
    fn weights(&self, weights: &Tensor, x_scale: f64, chain: &Chain) -> Result<Weights, LowerNodeError> {
        let values = weights.to_f32();
        let largest = values.iter().fold(0f64, |m, &w| m.max(f64::from(w).abs()));
        let top = self.level.weight_top();
        let quantised = step_of(&values, 255);
        if chain.steps.is_empty() && self.is_wide(&chain.result) {
            let (step, integers) = quantised.unwrap_or_else(|| {
                let step = largest / top.max(32767 / 256) as f64;
                (step, values.iter().map(|&w| (f64::from(w) / step).round() as i64).collect())
            });
            return Ok(Weights { integers, unit: x_scale * step, rounding: None });
        }
        let plan = self.plan(chain)?;
        if let Some((step, integers)) = quantised.filter(|_| self.imported(chain)) {
            let unit = x_scale * step;
            let ratio = imported_ratio(unit / plan.grid);
            return Ok(Weights { integers, unit, rounding: Some((ratio, plan)) });
        }
        let most = top as f64 * plan.grid / (x_scale * largest.max(1e-30));
        let s = most.log2().floor().clamp(0.0, 20.0) as u32;
        let divisor = 1u64 << s;
        let step = plan.grid / (x_scale * divisor as f64);
        let integers = values.iter().map(|&w| (f64::from(w) / step).round() as i64).collect();
        let ratio = Ratio { multiplier: 1, divisor };
        Ok(Weights { integers, unit: x_scale * step, rounding: Some((ratio, plan)) })
    }

    /// True where a chain's scale is the source model's.
    fn imported(&self, chain: &Chain) -> bool {
        chain.steps.iter().any(|step| matches!(step, super::chain::Step::Quantise(_)))
    }

    fn finish_linear(
        &mut self,
        name: &str,
        mut accumulator: Accumulator,
        weights: Weights,
        chain: &Chain,
    ) -> Result<(), LowerNodeError> {
        for bias in &chain.biases {
            accumulator = self.biased(accumulator, bias, weights.unit)?;
        }
        match weights.rounding {
            None => self.finish_wide(name, Class::Fold, accumulator, weights.unit, chain),
            Some((ratio, plan)) => self.finish_plan(name, Class::Fold, accumulator, ratio, &plan, chain),
        }
    }

    /// The accumulator plus a real constant, whose one is worth `unit`.
    pub(super) fn biased(
        &mut self,
        accumulator: Accumulator,
        bias: &Tensor,
        unit: f64,
    ) -> Result<Accumulator, LowerNodeError> {
        let values = bias.to_f32().iter().map(|&x| (f64::from(x) / unit).round() as i64).collect();
        Ok(with_bias(&mut self.b, accumulator, bias.shape(), values)?)
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let Some(weights) = self.constant(node, 1) else { return form("weights that are no constant") };
        let x = self.quantity(node, 0)?;
        let geometry = ConvGeometry::from_node(node, &x.view.sizes(), weights.shape())?;
        let chain = self.chain(&node.outputs[0]);
        let quantised = self.weights(weights, x.scale, &chain)?;
        let bias = self.real_bias(node, 2, quantised.unit)?;
        let spatial = windows(&geometry.window);
        let accumulator = convolution(
            &mut self.b,
            &node.name,
            &x.view,
            &quantised.integers,
            bias.as_deref(),
            geometry.groups,
            &spatial,
        )?;
        self.finish_linear(&node.name, accumulator, quantised, &chain)
    }

    fn real_bias(&self, node: &Node, input: usize, unit: f64) -> Result<Option<Vec<i64>>, LowerNodeError> {
        if !Self::has(node, input) {
            return Ok(None);
        }
        let Some(bias) = self.constant(node, input) else { return form("a bias that is no constant") };
        Ok(Some(bias.to_f32().iter().map(|&x| (f64::from(x) / unit).round() as i64).collect()))
    }

    pub(super) fn conv_transpose(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let Some(weights) = self.constant(node, 1) else { return form("weights that are no constant") };
        let x = self.quantity(node, 0)?;
        let geometry = ConvGeometry::from_transposed(node, &x.view.sizes(), weights.shape())?;
        let chain = self.chain(&node.outputs[0]);
        let quantised = self.weights(weights, x.scale, &chain)?;
        let bias = self.real_bias(node, 2, quantised.unit)?;
        let spatial = windows(&geometry.window);
        let accumulator = transposed_convolution(
            &mut self.b,
            &node.name,
            &x.view,
            &quantised.integers,
            bias.as_deref(),
            geometry.groups,
            &spatial,
            &geometry.window.input,
        )?;
        self.finish_linear(&node.name, accumulator, quantised, &chain)
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let (alpha, beta) = (node.float_or("alpha", 1.0)?, node.float_or("beta", 1.0)?);
        let turned = |view: View, turn: bool| if turn { view.transposed(&[1, 0]) } else { view };
        let (turn_a, turn_b) = (node.flag_or("transA", false)?, node.flag_or("transB", false)?);
        let mut a = self.quantity(node, 0)?;
        a.view = turned(a.view, turn_a);
        let chain = self.chain(&node.outputs[0]);
        let c = if Self::has(node, 2) { Some(2) } else { None };
        if c.is_some() && self.constant(node, 2).is_none() {
            return form("a bias that is no constant");
        }
        let bias = c.and_then(|input| self.constant(node, input)).map(|tensor| {
            let scaled: Vec<f32> = tensor.to_f32().iter().map(|x| x * beta).collect();
            Tensor::new(tensor.shape().to_vec(), scaled).unwrap_or_else(|_| tensor.clone())
        });
        if let Some(weights) = self.constant(node, 1) {
            let scaled: Vec<f32> = weights.to_f32().iter().map(|x| x * alpha).collect();
            let &[rows, columns] = weights.shape() else { return form("weights that are no matrix") };
            let Ok(weights) = Tensor::new(vec![rows, columns], scaled) else { return form("weights") };
            return self.constant_product(node, &a.view, a.scale, &weights, turn_b, bias, &chain);
        }
        let b = self.quantity(node, 1)?;
        let right = turned(b.view, turn_b);
        let mut accumulator = product(&mut self.b, &node.name, &a.view, &right)?;
        let unit = a.scale * b.scale * f64::from(alpha);
        for bias in bias.iter().chain(&chain.biases) {
            accumulator = self.biased(accumulator, bias, unit)?;
        }
        self.finish(&node.name, Class::Fold, accumulator, unit, &chain, false)
    }

    /// x times constant weights `[K, N]`, or `[N, K]` if `turned`.
    #[allow(clippy::too_many_arguments)]
    fn constant_product(
        &mut self,
        node: &Node,
        x: &View,
        x_scale: f64,
        weights: &Tensor,
        turned: bool,
        bias: Option<Tensor>,
        chain: &Chain,
    ) -> Result<(), LowerNodeError> {
        let quantised = self.weights(weights, x_scale, chain)?;
        let right = self.matrix(weights.shape(), quantised.integers.clone(), turned, x)?;
        let mut accumulator = product(&mut self.b, &node.name, x, &right)?;
        if let Some(bias) = bias {
            accumulator = self.biased(accumulator, &bias, quantised.unit)?;
        }
        self.finish_linear(&node.name, accumulator, quantised, chain)
    }

    /// A constant matrix as a view `[.., K, N]`, stored with the digits of x's last axis.
    pub(super) fn matrix(
        &mut self,
        sizes: &[usize],
        values: Vec<i64>,
        turned: bool,
        x: &View,
    ) -> Result<View, LowerNodeError> {
        let rank = sizes.len();
        let inner = x.axes().last().cloned().unwrap_or_default();
        let at = if turned { rank - 1 } else { rank - 2 };
        let stored: Vec<usize> = match inner.iter().product::<usize>() == sizes[at] {
            true => [&sizes[..at], inner.as_slice(), &sizes[at + 1..]].concat(),
            false => sizes.to_vec(),
        };
        let constant = self.b.constant_of(&stored, values)?;
        let Some(view) = constant.reshaped(sizes) else { return form("weights that cannot be reshaped") };
        if !turned {
            return Ok(view);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        Ok(view.transposed(&order))
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let chain = self.chain(&node.outputs[0]);
        let output = self.shape(&node.outputs[0])?;
        let ranks = (self.shape(&node.inputs[0])?.len(), self.shape(&node.inputs[1])?.len());
        if let (Some(weights), true) = (self.constant(node, 1), ranks.0 > 1 && ranks.1 > 1) {
            let x = self.quantity(node, 0)?;
            return self.constant_product(node, &x.view, x.scale, weights, false, None, &chain);
        }
        let (a, b) = (self.quantity(node, 0)?, self.quantity(node, 1)?);
        let mut accumulator = self.broadcast_product(&node.name, &a.view, &b.view)?;
        let unit = a.scale * b.scale;
        debug_assert_eq!(accumulator.sizes(), output);
        for bias in &chain.biases {
            accumulator = self.biased(accumulator, bias, unit)?;
        }
        self.finish(&node.name, Class::Fold, accumulator, unit, &chain, false)
    }

    /// The product as ONNX has it: an operand of one axis gets another of size 1, which is dropped afterwards.
    pub(super) fn broadcast_product(
        &mut self,
        name: &str,
        a: &View,
        b: &View,
    ) -> Result<Accumulator, LowerNodeError> {
        let left = if a.axes().len() == 1 { a.unsqueezed(0) } else { a.clone() };
        let right = if b.axes().len() == 1 { b.unsqueezed(1) } else { b.clone() };
        let accumulator = product(&mut self.b, name, &left, &right)?;
        let rank = accumulator.axes.len();
        let mut dropped = Vec::new();
        if a.axes().len() == 1 {
            dropped.push(rank - 2);
        }
        if b.axes().len() == 1 {
            dropped.push(rank - 1);
        }
        Ok(accumulator.squeezed(&dropped))
    }
}
