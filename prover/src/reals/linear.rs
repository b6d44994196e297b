//! Products: Gemm, MatMul, convolutions. Their bias ends in the fold.

use super::element::Element;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::{ConvGeometry, Node, Tensor, WindowGeometry};
use assay_circuits::builder::View;
use assay_circuits::formula::{Binary, Formula};
use assay_circuits::ops::conv::{Window, convolution};
use assay_circuits::ops::conv_transpose::transposed_convolution;
use assay_circuits::ops::matmul::product;
use assay_circuits::program::Class;

/// The windows of a geometry, one a dimension.
pub(super) fn windows(geometry: &WindowGeometry) -> Vec<Window> {
    let window = |d: usize| Window {
        kernel: geometry.kernel[d],
        stride: geometry.strides[d],
        dilation: geometry.dilations[d],
        pad: geometry.pads_begin[d],
        output: geometry.output[d],
    };
    (0..geometry.input.len()).map(window).collect()
}

/// `x + y`.
pub(super) fn sum(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Add, of[1].clone())
}

impl Lowering<'_> {
    /// The right operand of a product, turned if wanted.
    fn right(&mut self, node: &Node, input: usize, turned: bool, left: &View) -> Result<View, NodeError> {
        if let Some(tensor) = self.constant(node, input).filter(|tensor| tensor.shape().len() == 2)
            && (!self.trained || turned)
        {
            return self.stored(&node.inputs[input], tensor, turned, left);
        }
        let view = self.view(node, input)?;
        Ok(if turned { view.transposed(&[1, 0]) } else { view })
    }

    /// A constant matrix by its name in the model, where it has one, turned if wanted: stored with the digits of the
    /// left operand's inner axis, the axis that is summed last.
    pub(super) fn stored(
        &mut self,
        name: &str,
        tensor: &Tensor,
        turned: bool,
        left: &View,
    ) -> Result<View, NodeError> {
        let values = tensor.to_f32();
        let &[rows, columns] = tensor.shape() else { return form("weights that are no matrix") };
        let (inner, outer) = if turned { (columns, rows) } else { (rows, columns) };
        let contracted = |i: usize| match turned {
            true => values[i],
            false => values[i % inner * columns + i / inner],
        };
        let stored: Vec<f32> = (0..values.len()).map(contracted).collect();
        let digits = left.axes().last().filter(|digits| digits.iter().product::<usize>() == inner);
        let digits = digits.cloned().unwrap_or_else(|| vec![inner]);
        let constant = self.weight(name, &[&[outer], digits.as_slice()].concat(), &stored)?;
        match constant.reshaped(&[outer, inner]) {
            Some(view) => Ok(view.transposed(&[1, 0])),
            None => form("weights that cannot be reshaped"),
        }
    }

    /// The product as ONNX has it: an operand of one axis gets another of size 1, which is dropped afterwards.
    pub(super) fn multiplied(&mut self, name: &str, left: View, right: View) -> Result<Element, NodeError> {
        let ranks = (left.axes().len(), right.axes().len());
        if ranks.0 == 0 || ranks.1 == 0 {
            return form("a product with a scalar");
        }
        let left = if ranks.0 == 1 { left.unsqueezed(0) } else { left };
        let right = if ranks.1 == 1 { right.unsqueezed(1) } else { right };
        let accumulator = product(&mut self.b, name, &left, &right)?;
        let rank = accumulator.axes.len();
        let mut dropped = Vec::new();
        if ranks.0 == 1 {
            dropped.push(rank - 2);
        }
        if ranks.1 == 1 {
            dropped.push(rank - 1);
        }
        Ok(Element::fold(Class::Fold, accumulator.squeezed(&dropped)))
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<(), NodeError> {
        let (alpha, beta) = (node.float_or("alpha", 1.0)?, node.float_or("beta", 1.0)?);
        let mut left = self.view(node, 0)?;
        if node.flag_or("transA", false)? {
            left = left.transposed(&[1, 0]);
        }
        let right = self.right(node, 1, node.flag_or("transB", false)?, &left)?;
        let accumulator = product(&mut self.b, &node.name, &left, &right)?;
        let mut result = Element::fold(Class::Fold, accumulator);
        let scaled = |by: f32| move |x: Formula| x.binary(Binary::Multiply, Formula::number(by));
        if alpha != 1.0 {
            result = self.map(&node.name, result, scaled(alpha))?;
        }
        if Self::has(node, 2) {
            let mut bias = self.element(node, 2)?;
            if beta != 1.0 {
                bias = self.map(&node.name, bias, scaled(beta))?;
            }
            result = self.apply(&node.name, vec![result, bias], sum)?;
        }
        self.set(&node.outputs[0], result)
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<(), NodeError> {
        if let Some((powers, totals, zeroed)) = self.softmax_parts(node)
            && self.shape(&node.inputs[1])?.len() > 1
        {
            let right = self.right(node, 1, false, &powers)?;
            let folded = Element::fold(Class::Fold, product(&mut self.b, &node.name, &powers, &right)?);
            let result = self.divided(&node.name, folded, totals, zeroed)?;
            return self.set(&node.outputs[0], result);
        }
        let left = self.view(node, 0)?;
        let right = self.right(node, 1, false, &left)?;
        let result = self.multiplied(&node.name, left, right)?;
        self.set(&node.outputs[0], result)
    }

    /// The result of a convolution with its bias, one a channel.
    fn biased(&mut self, node: &Node, result: Element, spatial: usize) -> Result<(), NodeError> {
        let mut result = result;
        if Self::has(node, 2) {
            let bias = self.element(node, 2)?;
            let bias = match bias.as_number() {
                Some(_) => bias,
                None => {
                    let mut view = self.view(node, 2)?;
                    for axis in 0..spatial {
                        view = view.unsqueezed(1 + axis);
                    }
                    Element::read(view)
                }
            };
            result = self.apply(&node.name, vec![result, bias], sum)?;
        }
        self.set(&node.outputs[0], result)
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<(), NodeError> {
        let Some(weights) = self.constant(node, 1) else { return form("weights that are no constant") };
        let x = self.view(node, 0)?;
        let geometry = ConvGeometry::from_node(node, &x.sizes(), weights.shape())?;
        let spatial = windows(&geometry.window);
        let values = bits(&weights.to_f32());
        let number = self.b.program().constants.len();
        let accumulator = convolution(&mut self.b, &node.name, &x, &values, None, geometry.groups, &spatial)?;
        if self.trained {
            self.trains(number, &node.inputs[1])?;
        }
        self.biased(node, Element::fold(Class::Fold, accumulator), spatial.len())
    }

    pub(super) fn conv_transpose(&mut self, node: &Node) -> Result<(), NodeError> {
        let Some(weights) = self.constant(node, 1) else { return form("weights that are no constant") };
        let x = self.view(node, 0)?;
        if self.trained {
            return form("a transposed convolution has no training step");
        }
        let geometry = ConvGeometry::from_transposed(node, &x.sizes(), weights.shape())?;
        let spatial = windows(&geometry.window);
        let values = bits(&weights.to_f32());
        let accumulator = transposed_convolution(
            &mut self.b,
            &node.name,
            &x,
            &values,
            None,
            geometry.groups,
            &spatial,
            &geometry.window.input,
        )?;
        self.biased(node, Element::fold(Class::Fold, accumulator), spatial.len())
    }
}
