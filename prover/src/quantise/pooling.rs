//! Pools and reductions.

use super::chain::Chain;
use super::linear::windows;
use super::lowering::{LowerNodeError, Lowering, form, reduced};
use crate::onnx::geometry::normalize_axes;
use crate::onnx::{Node, WindowGeometry};
use assay_circuits::builder::Accumulator;
use assay_circuits::ops::arg_max::arg_max;
use assay_circuits::ops::conv::Window;
use assay_circuits::ops::max_pool::max_pool;
use assay_circuits::ops::pool::average;
use assay_circuits::ops::reduce::sum;
use assay_circuits::ops::requantise::Ratio;
use assay_circuits::program::Class;

impl Lowering<'_> {
    /// The window of a pool.
    pub(super) fn pool_window(&self, node: &Node, x: &[usize]) -> Result<WindowGeometry, LowerNodeError> {
        let Some(kernel) = node.ints("kernel_shape")? else { return form("a pool without kernel_shape") };
        let kernel: Vec<usize> = kernel.iter().map(|&k| k.max(0) as usize).collect();
        Ok(WindowGeometry::from_node(node, &x[2..], &kernel)?)
    }

    pub(super) fn max_pool(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        if node.wants_output(1) {
            return form("the positions of a MaxPool");
        }
        let x = self.quantity(node, 0)?;
        let sizes = x.view.sizes();
        let spatial = match node.op_type.as_str() {
            "GlobalMaxPool" => {
                let whole =
                    |&size: &usize| Window { kernel: size, stride: 1, dilation: 1, pad: 0, output: 1 };
                sizes[2..].iter().map(whole).collect()
            }
            _ => windows(&self.pool_window(node, &sizes)?),
        };
        let ones = self.is_output(&node.outputs[0]);
        let view = max_pool(&mut self.b, &node.name, &x.view, &spatial, ones)?;
        self.set(&node.outputs[0], view, x.scale, x.zero);
        Ok(())
    }

    /// The accumulator of an average pool, and its divisor.
    pub(super) fn averaged(
        &mut self,
        node: &Node,
        x: &assay_circuits::builder::View,
    ) -> Result<(Accumulator, i64), LowerNodeError> {
        let geometry = self.pool_window(node, &x.sizes())?;
        let padded = node.flag_or("count_include_pad", false)?;
        let (taps, counted) = (geometry.taps(), geometry.counted());
        let outputs = geometry.output_len();
        let counts: Vec<i64> = (0..outputs)
            .map(|o| {
                let cells = (0..geometry.kernel_len()).map(|k| k * outputs + o);
                cells.filter(|&at| if padded { counted[at] } else { taps[at].is_some() }).count() as i64
            })
            .collect();
        Ok(average(&mut self.b, &node.name, x, &windows(&geometry), &counts)?)
    }

    pub(super) fn average_pool(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.quantity(node, 0)?;
        let (accumulator, cells) = self.averaged(node, &x.view)?;
        self.finish_mean(node, accumulator, x.scale, cells)
    }

    /// An accumulator of `cells` times a mean, of values at this scale.
    fn finish_mean(
        &mut self,
        node: &Node,
        accumulator: Accumulator,
        scale: f64,
        cells: i64,
    ) -> Result<(), LowerNodeError> {
        let chain = self.chain(&node.outputs[0]);
        self.finish_average(&node.name, accumulator, scale, cells, &chain)
    }

    fn finish_average(
        &mut self,
        name: &str,
        mut accumulator: Accumulator,
        scale: f64,
        cells: i64,
        chain: &Chain,
    ) -> Result<(), LowerNodeError> {
        let unit = scale / cells as f64;
        for bias in &chain.biases {
            accumulator = self.biased(accumulator, bias, unit)?;
        }
        if chain.steps.is_empty() && self.is_wide(&chain.result) {
            return self.finish_wide(name, Class::Fold, accumulator, unit, chain);
        }
        let mut plan = self.plan(chain)?;
        if !plan.free {
            let exact = chain.steps.iter().any(|step| matches!(step, super::chain::Step::Quantise(_)));
            return self.finish(name, Class::Fold, accumulator, unit, chain, exact);
        }
        // The scale moves to the input's over a power of two: the divisor is the number of cells.
        let s = (scale / plan.grid).log2().floor().clamp(-16.0, 16.0) as i32;
        let (multiplier, divisor) = (1i64 << s.max(0), cells as u64 * (1u64 << (-s).max(0)));
        plan.grid = scale / f64::from(s).exp2();
        plan.scale = plan.grid;
        let ratio = reduced(Ratio { multiplier, divisor });
        self.finish_plan(name, Class::Fold, accumulator, ratio, &plan, chain)
    }

    pub(super) fn reduce(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let x = self.quantity(node, 0)?;
        let sizes = x.view.sizes();
        let (axes, keep) = match node.op_type.as_str() {
            "GlobalAveragePool" => ((2..sizes.len()).collect(), true),
            _ => (self.reduced_axes(node, sizes.len())?, node.flag_or("keepdims", true)?),
        };
        let cells: usize = axes.iter().map(|&axis| sizes[axis]).product();
        let accumulator = sum(&x.view, &axes, keep);
        let cells = if node.op_type == "ReduceSum" { 1 } else { cells as i64 };
        self.finish_mean(node, accumulator, x.scale, cells)
    }

    fn reduced_axes(&self, node: &Node, rank: usize) -> Result<Vec<usize>, LowerNodeError> {
        let axes = match node.ints("axes")? {
            Some(axes) => axes.to_vec(),
            None if Self::has(node, 1) => match self.constant(node, 1).map(|tensor| tensor.integers()) {
                Some(Ok(axes)) => axes,
                _ => return form("axes that are no constant"),
            },
            None => Vec::new(),
        };
        if axes.is_empty() {
            let none = node.flag_or("noop_with_empty_axes", false)?;
            return Ok(if none { Vec::new() } else { (0..rank).collect() });
        }
        let mut axes = normalize_axes(&axes, rank)?;
        axes.sort_unstable();
        Ok(axes)
    }

    pub(super) fn arg_max(&mut self, node: &Node) -> Result<(), LowerNodeError> {
        let result = &node.outputs[0];
        if !self.is_output(result) || self.readers(result).next().is_some() {
            return form("ArgMax that is no output");
        }
        if node.flag_or("select_last_index", false)? {
            return form("ArgMax with select_last_index");
        }
        let x = self.quantity(node, 0)?;
        let rank = x.view.sizes().len();
        let axis = crate::onnx::geometry::normalize_axis(node.int_or("axis", 0)?, rank)?;
        let keep = node.flag_or("keepdims", true)?;
        if x.view.sizes()[axis] == 1 {
            return form("ArgMax along an axis of one element");
        }
        let view = arg_max(&mut self.b, &node.name, &x.view, axis, keep)?;
        self.set(result, view, 1.0, 0);
        Ok(())
    }
}
