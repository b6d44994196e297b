//! Sums, products, normalisations and activations that nothing could be fused into.

use super::chain::{Step, activation, quantise};
use super::lowering::{LowerNodeError, Lowering, Quantity, form};
use super::prepare::affine;
use super::scale::binary_ratio;
use crate::onnx::{Node, Tensor};
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::ops::add::weighted_sum;
use assay_circuits::ops::mul;
use assay_circuits::ops::requantise::{Epilogue, Ratio};
use assay_circuits::program::Class;
use assay_circuits::tensor::Bounds;

/// A summand: a real constant, or integers at a scale.
enum Operand {
    Constant(Vec<f64>, Vec<usize>),
    Wire(Quantity),
}

impl Lowering<'_> {
    fn operand(&mut self, node: &Node, input: usize) -> Result<Operand, LowerNodeError> {
        match self.constant(node, input) {
            Some(tensor) => {
                let values = tensor.cast(crate::onnx::DType::F64);
                let values = values.slice::<f64>().map(<[f64]>::to_vec);
                let Ok(values) = values else { return form("a constant that is no number") };
                Ok(Operand::Constant(values, tensor.shape().to_vec()))
            }
            None => Ok(Operand::Wire(self.quantity(node, input)?)),
        }
    }

    pub(super) fn add(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let sign = if node.op_type == "Sub" { -1 } else { 1 };
        let operands = [(1, self.operand(node, 0)?), (sign, self.operand(node, 1)?)];
        self.finish_sum(node, operands)
    }

    fn finish_sum(&mut self, node: &Node, operands: [(i64, Operand); 2]) -> Result<(), LowerNodeError> {
        let chain = self.chain(&node.outputs[0]);
        let scales: Vec<f64> = operands
            .iter()
            .filter_map(|(_, operand)| match operand {
                Operand::Wire(quantity) => Some(quantity.scale),
                Operand::Constant(..) => None,
            })
            .collect();
        let least = scales.iter().copied().fold(f64::INFINITY, f64::min);
        let wide = chain.steps.is_empty() && self.is_wide(&chain.result);
        let mut plan = if wide { None } else { Some(self.plan(&chain)?) };
        // The unit of the sum: a power of two below the grid, or a fraction of the finest operand.
        let same = scales.iter().all(|scale| (scale / least - 1.0).abs() < 1e-9);
        let constant = operands.iter().any(|(_, operand)| matches!(operand, Operand::Constant(..)));
        let imported = chain.steps.iter().any(|step| matches!(step, Step::Quantise(_)));
        let (unit, divisor) = match &mut plan {
            None if same && (!constant || self.is_integer(&node.outputs[0])) => (least, 1),
            None => (least / 4096.0, 1),
            Some(plan) if same && !constant && plan.free && scales.len() == 2 => {
                // The sum at the operands' own scale, over a power of two that its range needs.
                let s = (plan.grid / least).log2().ceil().clamp(0.0, 16.0) as u32;
                plan.grid = least * f64::from(1u32 << s);
                plan.scale = plan.grid;
                (least, 1u64 << s)
            }
            Some(plan) => {
                let error = if imported { 1e-4 } else { 4e-4 };
                let most = scales
                    .iter()
                    .map(|scale| {
                        binary_ratio(scale / plan.grid, error * (scale / plan.grid).max(1.0)).divisor
                    })
                    .max()
                    .unwrap_or(1)
                    .max(if constant { 16 } else { 1 });
                (plan.grid / most as f64, most)
            }
        };
        let mut terms: Vec<(i64, View)> = Vec::new();
        for (sign, operand) in &operands {
            match operand {
                Operand::Wire(quantity) => {
                    let multiplier = (quantity.scale / unit).round() as i64;
                    terms.push((sign * multiplier, quantity.view.clone()));
                }
                Operand::Constant(values, sizes) => {
                    let integers = values.iter().map(|x| (x / unit).round() as i64).collect();
                    let rank = self.shape(&node.outputs[0])?.len();
                    terms.push((*sign, self.b.constant_of(sizes, integers)?.with_rank(rank)));
                }
            }
        }
        let mut accumulator = weighted_sum(&mut self.b, &node.name, &terms)?;
        for bias in &chain.biases {
            accumulator = self.biased(accumulator, bias, unit)?;
        }
        match plan {
            None => self.finish_wide(&node.name, Class::Map, accumulator, unit, &chain),
            Some(plan) => {
                let ratio = Ratio { multiplier: 1, divisor };
                self.finish_plan(&node.name, Class::Map, accumulator, ratio, &plan, &chain)
            }
        }
    }

    pub(super) fn mul(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let (left, right) = (self.operand(node, 0)?, self.operand(node, 1)?);
        match (left, right) {
            (Operand::Wire(a), Operand::Wire(b)) => {
                let accumulator = mul::product(&mut self.b, &node.name, &a.view, &b.view)?;
                let chain = self.chain(&node.outputs[0]);
                let exact = chain.steps.iter().any(|step| matches!(step, Step::Quantise(_)));
                let mut accumulator = accumulator;
                for bias in &chain.biases {
                    accumulator = self.biased(accumulator, bias, a.scale * b.scale)?;
                }
                self.finish(&node.name, Class::Fold, accumulator, a.scale * b.scale, &chain, exact)
            }
            (Operand::Wire(x), Operand::Constant(factors, sizes))
            | (Operand::Constant(factors, sizes), Operand::Wire(x)) => {
                self.multiplied(node, &x, &factors, &sizes, None)
            }
            _ => form("a product of constants"),
        }
    }

    pub(super) fn div(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        if !self.graph.dtype(&node.inputs[0]).is_some_and(|dtype| dtype.is_float()) {
            return form("a division of integers");
        }
        let (Operand::Wire(x), Operand::Constant(divisors, sizes)) =
            (self.operand(node, 0)?, self.operand(node, 1)?)
        else {
            return form("a division by what is no constant");
        };
        if divisors.contains(&0.0) {
            return form("a division by zero");
        }
        let factors: Vec<f64> = divisors.iter().map(|d| 1.0 / d).collect();
        self.multiplied(node, &x, &factors, &sizes, None)
    }

    /// x times real constants, plus real constants of the same shape.
    fn multiplied(
        &mut self,
        node: &Node,
        x: &Quantity,
        factors: &[f64],
        sizes: &[usize],
        offsets: Option<&[f64]>,
    ) -> Result<(), LowerNodeError> {
        let chain = self.chain(&node.outputs[0]);
        let largest = factors.iter().fold(0f64, |m, f| m.max(f.abs())).max(1e-30);
        let one = factors.iter().all(|f| (f / largest - 1.0).abs() < 1e-12);
        let whole = self.is_integer(&node.outputs[0]);
        if !whole
            && one
            && factors.len() == 1
            && factors[0] > 0.0
            && offsets.is_none()
            && chain.steps.is_empty()
            && chain.biases.is_empty()
        {
            // One positive factor only changes the scale.
            self.set(&node.outputs[0], x.view.clone(), x.scale * largest, 0);
            return Ok(());
        }
        let reals: Vec<f32> = factors.iter().map(|&f| f as f32).collect();
        let wide = chain.steps.is_empty() && self.is_wide(&chain.result);
        let top = 1i64 << 12;
        let (unit, integers, rounding) = if wide {
            let (step, integers) = match super::scale::step_of(&reals, 255) {
                _ if whole => (1.0, factors.iter().map(|f| f.round() as i64).collect()),
                Some(found) => found,
                None => {
                    let step = largest / top as f64;
                    (step, factors.iter().map(|f| (f / step).round() as i64).collect())
                }
            };
            (x.scale * step, integers, None)
        } else {
            let plan = self.plan(&chain)?;
            let s = (top as f64 * plan.grid / (x.scale * largest)).log2().floor().clamp(0.0, 14.0) as u32;
            let step = plan.grid / (x.scale * f64::from(1u32 << s));
            let integers: Vec<i64> = factors.iter().map(|f| (f / step).round() as i64).collect();
            (x.scale * step, integers, Some((Ratio { multiplier: 1, divisor: 1 << s }, plan)))
        };
        let constant = self.b.constant_of(sizes, integers)?;
        let mut accumulator = mul::product(&mut self.b, &node.name, &constant, &x.view)?;
        if let Some(offsets) = offsets {
            let values: Vec<f32> = offsets.iter().map(|&x| x as f32).collect();
            let Ok(tensor) = Tensor::new(sizes.to_vec(), values) else {
                return form("offsets of another shape");
            };
            accumulator = self.biased(accumulator, &tensor, unit)?;
        }
        for bias in &chain.biases {
            accumulator = self.biased(accumulator, bias, unit)?;
        }
        match rounding {
            None => self.finish_wide(&node.name, Class::Fold, accumulator, unit, &chain),
            Some((ratio, plan)) => {
                self.finish_plan(&node.name, Class::Fold, accumulator, ratio, &plan, &chain)
            }
        }
    }

    pub(super) fn batch_normalization(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        if node.outputs.iter().skip(1).any(|name| !name.is_empty()) || node.flag_or("training_mode", false)? {
            return form("a batch normalisation in training");
        }
        let Some((factors, offsets)) = affine(self.graph, node) else {
            return form("a batch normalisation whose parameters are no constants");
        };
        let x = self.quantity(node, 0)?;
        let mut sizes = vec![1; x.view.sizes().len()];
        match sizes.get_mut(1) {
            Some(channel) => *channel = factors.len(),
            None => return form("a batch normalisation without channels"),
        }
        self.multiplied(node, &x, &factors, &sizes, Some(&offsets))
    }

    /// An activation of a wire: a table of its integers.
    pub(super) fn activation(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let Some(first) = activation(self, node) else { return form("limits that are no constants") };
        let x = self.quantity(node, 0)?;
        let bounds = self.b.bounds(&x.view);
        let mut chain = self.chain(&node.outputs[0]);
        chain.steps.insert(0, Step::Activation(first));
        chain.start.clone_from(&node.inputs[0]);
        if bounds.count() > 1 << 16 {
            // Too wide for a table: round first.
            let accumulator = Accumulator::of(&x.view);
            return self.finish(&node.name, Class::Map, accumulator, x.scale, &chain, false);
        }
        let identity = Epilogue { window: bounds, values: None };
        let (epilogue, scale) = self.applied(identity, x.scale, &chain.steps, &chain.result);
        self.finish_activation(&node.name, &x.view, &epilogue, scale, &chain.result, chain.zero)
    }

    /// Steps applied to integers at a scale: the function of them, and the scale of the result.
    pub(super) fn applied(
        &self,
        mut epilogue: Epilogue,
        mut scale: f64,
        steps: &[Step],
        result: &str,
    ) -> (Epilogue, f64) {
        let mut functions = Vec::new();
        let relu = |f: &super::chain::Activation| matches!(f, super::chain::Activation::Clip(..));
        for (number, step) in steps.iter().enumerate() {
            let target = match step {
                Step::Activation(activation) => {
                    functions.push(*activation);
                    if number + 1 < steps.len() {
                        continue;
                    }
                    let bits = if self.is_output(result) { 16 } else { self.level.activation_bits };
                    if functions.iter().all(relu) {
                        let Bounds { lo, hi } = epilogue.bounds();
                        for function in &functions {
                            let at = |x: i64| (function.at(x as f64 * scale) / scale).round() as i64;
                            epilogue = epilogue.then_clamp(at(lo).min(hi), at(hi).max(lo));
                        }
                        return (epilogue, scale);
                    }
                    self.targets.target(result, bits)
                }
                Step::Quantise(parameters) => parameters.target(),
            };
            let from = scale;
            let same = (target.scale / from - 1.0).abs() < 1e-6 && functions.iter().all(relu);
            if same {
                let (mut lo, mut hi) = (target.window.lo, target.window.hi);
                for function in &functions {
                    let at = |x: i64| (function.at(x as f64 * from) / from).round() as i64;
                    (lo, hi) = (at(lo), at(hi));
                }
                epilogue = epilogue.then_clamp(lo, hi);
            } else {
                epilogue = epilogue.then(|x| quantise(&functions, x as f64 * from, &target));
            }
            scale = target.scale;
            functions.clear();
        }
        (epilogue, scale)
    }

    /// The operation of an epilogue on a wire; none where the epilogue changes nothing.
    pub(super) fn finish_activation(
        &mut self,
        name: &str,
        x: &View,
        epilogue: &Epilogue,
        scale: f64,
        result: &str,
        zero: i64,
    ) -> Result<(), LowerNodeError> {
        let idle = epilogue.values.is_none() && epilogue.window.covers(&self.b.bounds(x));
        let view = match idle {
            true => x.clone(),
            false => {
                let ones = self.is_output(result);
                assay_circuits::ops::activation::activation(&mut self.b, name, x, epilogue, ones)?
            }
        };
        self.set(result, view, scale, zero);
        Ok(())
    }
}
