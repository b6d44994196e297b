//! Pools and reductions: folds by sum and by maximum, and the position of the greatest.

use super::activation::truncated;
use super::element::Element;
use super::linear::windows;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::geometry::{normalize_axes, normalize_axis};
use crate::onnx::{Node, WindowGeometry};
use assay_circuits::builder::View;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::ops::arg_max::arg_max;
use assay_circuits::ops::conv::Window;
use assay_circuits::ops::pool::average;
use assay_circuits::program::Class;

/// `x / y`.
pub(super) fn quotient(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Divide, of[1].clone())
}

impl Lowering<'_> {
    fn pool_geometry(&self, node: &Node, sizes: &[usize]) -> Result<WindowGeometry, NodeError> {
        let Some(kernel) = node.ints("kernel_shape")? else { return form("a pool without kernel_shape") };
        let kernel: Vec<usize> = kernel.iter().map(|&k| k.max(0) as usize).collect();
        Ok(WindowGeometry::from_node(node, sizes.get(2..).unwrap_or_default(), &kernel)?)
    }

    pub(super) fn max_pool(&mut self, node: &Node) -> Result<(), NodeError> {
        if node.wants_output(1) {
            return form("the positions of a MaxPool");
        }
        let x = self.view(node, 0)?;
        let sizes = x.sizes();
        let spatial: Vec<Window> = match node.op_type.as_str() {
            "GlobalMaxPool" => sizes[2..].iter().map(|&size| whole(size)).collect(),
            _ => windows(&self.pool_geometry(node, &sizes)?),
        };
        let (accumulator, _) = average(&mut self.b, &node.name, &x, &spatial, &[1])?;
        self.set(&node.outputs[0], Element::fold(Class::Maximum, accumulator))
    }

    pub(super) fn average_pool(&mut self, node: &Node) -> Result<(), NodeError> {
        let x = self.view(node, 0)?;
        let result = self.averaged(node, &x)?;
        self.set(&node.outputs[0], result)
    }

    /// The average pool of a view.
    pub(super) fn averaged(&mut self, node: &Node, x: &View) -> Result<Element, NodeError> {
        let sizes = x.sizes();
        let (spatial, counts) = match node.op_type.as_str() {
            "GlobalAveragePool" | "QLinearGlobalAveragePool" => {
                let spatial: Vec<Window> = sizes[2..].iter().map(|&size| whole(size)).collect();
                (spatial, vec![sizes[2..].iter().product::<usize>() as f32])
            }
            _ => {
                let geometry = self.pool_geometry(node, &sizes)?;
                let padded = node.flag_or("count_include_pad", false)?;
                let (taps, counted, outputs) = (geometry.taps(), geometry.counted(), geometry.output_len());
                let count = |o: usize| {
                    let cells = (0..geometry.kernel_len()).map(|k| k * outputs + o);
                    cells.filter(|&at| if padded { counted[at] } else { taps[at].is_some() }).count() as f32
                };
                (windows(&geometry), (0..outputs).map(count).collect())
            }
        };
        let (accumulator, _) = average(&mut self.b, &node.name, x, &spatial, &[1])?;
        let total = Element::fold(Class::Fold, accumulator);
        let same = counts.iter().all(|count| *count == counts[0]);
        let divisor = match same {
            true => Element::number(counts[0], &[]),
            false => {
                let shape: Vec<usize> = spatial.iter().map(|window| window.output).collect();
                Element::read(self.b.constant_of(&shape, bits(&counts))?)
            }
        };
        self.apply(&node.name, vec![total, divisor], quotient)
    }

    /// The axes of a reduction, and whether they stay.
    fn reduced_axes(&self, node: &Node, rank: usize) -> Result<(Vec<usize>, bool), NodeError> {
        let keep = node.flag_or("keepdims", true)?;
        let axes = self.integers(node, 1, "axes")?.unwrap_or_default();
        if axes.is_empty() {
            let all =
                if node.flag_or("noop_with_empty_axes", false)? { Vec::new() } else { (0..rank).collect() };
            return Ok((all, keep));
        }
        Ok((normalize_axes(&axes, rank)?, keep))
    }

    /// The fold of a view along axes, which stay as axes of size 1 if `keep`.
    pub(super) fn folded(&mut self, class: Class, view: &View, axes: &[usize], keep: bool) -> Element {
        Element::fold(class, assay_circuits::ops::reduce::sum(view, axes, keep))
    }

    pub(super) fn reduce(&mut self, node: &Node) -> Result<(), NodeError> {
        let mut x = self.element(node, 0)?;
        let sizes = self.shape(&node.inputs[0])?;
        let (axes, keep) = self.reduced_axes(node, sizes.len())?;
        let count = Formula::number(axes.iter().map(|&axis| sizes[axis]).product::<usize>() as f32);
        let op = node.op_type.as_str();
        if axes.is_empty() {
            return self.set(&node.outputs[0], x);
        }
        if op == "ReduceLogSumExp" {
            return self.log_sum_exp(node, x, &axes, keep);
        }
        let before = match op {
            "ReduceSumSquare" | "ReduceL2" => Some(Formula::Sum(0).binary(Binary::Multiply, Formula::Sum(0))),
            "ReduceL1" => Some(Formula::Sum(0).unary(Unary::Absolute)),
            "ReduceMin" => Some(Formula::Sum(0).unary(Unary::Negate)),
            _ => None,
        };
        if let Some(before) = before {
            x = self.map(&node.name, x, |x| before.substitute(&[x]))?;
        }
        let view = match x.as_view() {
            Some(view) => view.clone(),
            None => self.emit(&node.name, x, false)?,
        };
        let class = if matches!(op, "ReduceMax" | "ReduceMin") { Class::Maximum } else { Class::Fold };
        let total = self.folded(class, &view, &axes, keep);
        let whole = self.graph.dtype(&node.outputs[0]).is_some_and(|dtype| !dtype.is_float());
        let result = self.map(&node.name, total, |total| match op {
            "ReduceMin" => total.unary(Unary::Negate),
            "ReduceL2" => total.unary(Unary::SquareRoot),
            "ReduceLogSum" => total.unary(Unary::Log),
            "ReduceMean" if whole => truncated(total.binary(Binary::Divide, count.clone())),
            "ReduceMean" => total.binary(Binary::Divide, count.clone()),
            _ => total,
        })?;
        self.set(&node.outputs[0], result)
    }

    /// `max + log(sum of exp(x - max))`.
    fn log_sum_exp(&mut self, node: &Node, x: Element, axes: &[usize], keep: bool) -> Result<(), NodeError> {
        let name = &node.name;
        let x = self.emit(name, x, false)?;
        let greatest = self.folded(Class::Maximum, &x, axes, true);
        let greatest = self.emit(name, greatest, false)?;
        let powers = self.apply(name, vec![Element::read(x), Element::read(greatest.clone())], |of| {
            of[0].clone().binary(Binary::Subtract, of[1].clone()).unary(Unary::Exp)
        })?;
        let powers = self.emit(name, powers, false)?;
        let total = self.folded(Class::Fold, &powers, axes, keep);
        let shape = self.shape(&node.outputs[0])?;
        let greatest = self.b.reshape(name, &greatest, &shape)?;
        let result = self.apply(name, vec![total, Element::read(greatest)], |of| {
            of[0].clone().unary(Unary::Log).binary(Binary::Add, of[1].clone())
        })?;
        self.set(&node.outputs[0], result)
    }

    /// The position of the greatest element, of the least where it is that of the negated; of the last such, counted
    /// from the end.
    pub(super) fn position(&mut self, node: &Node) -> Result<(), NodeError> {
        let mut x = self.view(node, 0)?;
        let axis = normalize_axis(node.int_or("axis", 0)?, x.sizes().len())?;
        let size = x.sizes()[axis];
        let last = node.flag_or("select_last_index", false)?;
        if size == 1 {
            let shape = self.shape(&node.outputs[0])?;
            let zeros = self.b.constant_of(&shape, vec![0; shape.iter().product()])?;
            self.set_view(&node.outputs[0], zeros);
            return Ok(());
        }
        if node.op_type == "ArgMin" {
            let negated = self.map(&node.name, Element::read(x), |x| x.unary(Unary::Negate))?;
            x = self.emit(&node.name, negated, false)?;
        }
        if last {
            x = self.sliced(&node.name, &x, axis, size as i64 - 1, -1, size)?;
        }
        let view = arg_max(&mut self.b, &node.name, &x, axis, node.flag_or("keepdims", true)?)?;
        let mut result = Element::read(view);
        if last {
            let end = Formula::number((size - 1) as f32);
            result = self.map(&node.name, result, |place| end.clone().binary(Binary::Subtract, place))?;
        }
        self.set(&node.outputs[0], result)
    }
}

/// The window that is a whole dimension.
fn whole(size: usize) -> Window {
    Window { kernel: size, stride: 1, dilation: 1, pad: 0, output: 1 }
}
