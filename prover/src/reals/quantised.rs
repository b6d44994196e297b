//! Operators of quantised models, in real numbers: the same rounding and saturation, half to even.
//!
//! ```text
//! quantise(x) = clamp(round(x / scale) + zero, lo, hi)        dequantise(q) = (q - zero) * scale
//! ```
//!
//! Sums of products of integers are exact while they stay below 2^24; beyond that they are rounded as any others.

use super::activation::clamp;
use super::element::Element;
use super::linear::{sum, windows};
use super::pooling::quotient;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::geometry::{normalize_axis, strides_of};
use crate::onnx::{ConvGeometry, Node, Tensor};
use crate::quantise::type_range;
use assay_circuits::builder::View;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::ops::conv::convolution;
use assay_circuits::program::Class;

fn times(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Multiply, of[1].clone())
}

fn less(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Subtract, of[1].clone())
}

impl Lowering<'_> {
    pub(super) fn quantised(&mut self, node: &Node) -> Result<(), NodeError> {
        let result = match node.op_type.as_str() {
            "QuantizeLinear" => {
                let x = self.element(node, 0)?;
                let (scale, zero) = (self.placed(node, 1, 0, 1.0)?, self.placed(node, 2, 0, 0.0)?);
                self.quantise(node, x, scale, zero)?
            }
            "DequantizeLinear" => {
                let (scale, zero) = (self.placed(node, 1, 0, 1.0)?, self.placed(node, 2, 0, 0.0)?);
                let x = self.element(node, 0)?;
                self.dequantise(&node.name, x, scale, zero)?
            }
            "DynamicQuantizeLinear" => return self.dynamic_quantise(node),
            "MatMulInteger" => self.integer_product(node, (0, 2), (1, 3))?,
            "QLinearMatMul" => {
                let product = self.integer_product(node, (0, 2), (3, 5))?;
                let rank = product.sizes().len();
                let by_row = self.aligned(node, 1, rank, rank.saturating_sub(2), 1.0)?;
                let by_column = self.aligned(node, 4, rank, rank.saturating_sub(1), 1.0)?;
                self.requantise(node, product, by_row, by_column, (6, 7))?
            }
            "ConvInteger" => self.integer_convolution(node, (0, 2), (1, 3))?,
            "QLinearConv" => {
                let mut result = self.integer_convolution(node, (0, 2), (3, 5))?;
                let rank = result.sizes().len();
                if Self::has(node, 8) {
                    let bias = self.aligned(node, 8, rank, 1, 0.0)?;
                    result = self.apply(&node.name, vec![result, bias], sum)?;
                }
                let (of_x, of_filter) =
                    (self.aligned(node, 1, rank, 1, 1.0)?, self.aligned(node, 4, rank, 1, 1.0)?);
                self.requantise(node, result, of_x, of_filter, (6, 7))?
            }
            "QGemm" => self.quantised_gemm(node)?,
            "QLinearAdd" | "QLinearMul" => {
                let parts = vec![self.dequantised(node, 0)?, self.dequantised(node, 3)?];
                let function = if node.op_type == "QLinearAdd" { sum } else { times };
                let real = self.apply(&node.name, parts, function)?;
                self.quantised_result(node, real, 6)?
            }
            "QLinearSigmoid" => {
                let x = self.dequantised(node, 0)?;
                let real = self.map(&node.name, x, |x| x.unary(Unary::Sigmoid))?;
                self.quantised_result(node, real, 3)?
            }
            "QLinearLeakyRelu" => {
                let (x, alpha) = (self.dequantised(node, 0)?, node.float_or("alpha", 0.01)?);
                let real = self.map(&node.name, x, |x| super::activation::leaky_relu(x, alpha))?;
                self.quantised_result(node, real, 3)?
            }
            "QLinearAveragePool" | "QLinearGlobalAveragePool" => {
                if node.flag_or("channels_last", false)? {
                    return form("channels_last");
                }
                let x = self.dequantised(node, 0)?;
                let x = self.emit(&node.name, x, false)?;
                let real = self.averaged(node, &x)?;
                self.quantised_result(node, real, 3)?
            }
            "QLinearConcat" => return self.quantised_concat(node),
            _ => return Err(NodeError::Operator { op: super::operator(node) }),
        };
        self.set(&node.outputs[0], result)
    }

    /// A parameter of which there is one, or one for each index of an axis of a tensor of this rank.
    fn aligned(
        &mut self,
        node: &Node,
        input: usize,
        rank: usize,
        axis: usize,
        absent: f32,
    ) -> Result<Element, NodeError> {
        if !Self::has(node, input) {
            return Ok(Element::number(absent, &[]));
        }
        let shape = self.shape(&node.inputs[input])?;
        let element = self.element(node, input)?;
        if let Some(value) = element.as_number() {
            return Ok(Element::number(value, &[]));
        }
        if shape.len() != 1 || shape == [1] {
            return Ok(element);
        }
        let mut view = self.view(node, input)?;
        for _ in axis + 1..rank {
            view = view.unsqueezed(1);
        }
        Ok(Element::read(view))
    }

    /// A scale or zero point of `QuantizeLinear`: one, one for each index of `axis`, or one for each block along it.
    fn placed(&mut self, node: &Node, input: usize, of: usize, absent: f32) -> Result<Element, NodeError> {
        let x = self.shape(&node.inputs[of])?;
        let block = usize::try_from(node.int_or("block_size", 0)?).unwrap_or(0);
        let several =
            Self::has(node, input) && self.shape(&node.inputs[input])?.iter().product::<usize>() > 1;
        if !several {
            return self.aligned(node, input, x.len(), 0, absent);
        }
        let axis = normalize_axis(node.int_or("axis", 1)?, x.len())?;
        if block == 0 {
            return self.aligned(node, input, x.len(), axis, absent);
        }
        let Some(tensor) = self.constant(node, input) else {
            return form("blocks of scales that are no constant");
        };
        let mut blocks = x.clone();
        blocks[axis] = x[axis].div_ceil(block);
        if tensor.shape() != blocks {
            return form("scales that do not fit their blocks");
        }
        let (outer, inner, values) = (strides_of(&blocks), strides_of(&x), tensor.to_f32());
        let place = |i: usize| -> usize {
            let along = |d: usize| i / inner[d] % x[d] / if d == axis { block } else { 1 } * outer[d];
            (0..x.len()).map(along).sum()
        };
        let spread: Vec<f32> = (0..x.iter().product()).map(|i| values[place(i)]).collect();
        Ok(Element::read(self.b.constant_of(&x, bits(&spread))?))
    }

    /// `clamp(round(x / scale) + zero)` in the type of the node's output.
    fn quantise(
        &mut self,
        node: &Node,
        x: Element,
        scale: Element,
        zero: Element,
    ) -> Result<Element, NodeError> {
        let (lo, hi) = self.saturation(node)?;
        self.apply(&node.name, vec![x, scale, zero], |of| {
            clamp(sum(&[quotient(of).unary(Unary::Round), of[2].clone()]), lo, hi)
        })
    }

    /// The least and greatest value of the node's output type.
    fn saturation(&self, node: &Node) -> Result<(f32, f32), NodeError> {
        match self.graph.dtype(&node.outputs[0]).and_then(type_range) {
            Some((lo, hi)) => Ok((lo as f32, hi as f32)),
            None => form("a quantised type that is not of 8 or 16 bits"),
        }
    }

    /// `(x - zero) * scale`.
    fn dequantise(
        &mut self,
        name: &str,
        x: Element,
        scale: Element,
        zero: Element,
    ) -> Result<Element, NodeError> {
        self.apply(name, vec![x, zero, scale], |of| times(&[less(of), of[2].clone()]))
    }

    /// The real numbers that an input means; its scale and zero point are the inputs after it.
    fn dequantised(&mut self, node: &Node, input: usize) -> Result<Element, NodeError> {
        let x = self.element(node, input)?;
        let (scale, zero) =
            (self.aligned(node, input + 1, 0, 0, 1.0)?, self.aligned(node, input + 2, 0, 0, 0.0)?);
        self.dequantise(&node.name, x, scale, zero)
    }

    /// Real numbers quantised by the inputs `scale` and the one after it.
    fn quantised_result(&mut self, node: &Node, real: Element, scale: usize) -> Result<Element, NodeError> {
        let (scale, zero) =
            (self.aligned(node, scale, 0, 0, 1.0)?, self.aligned(node, scale + 1, 0, 0, 0.0)?);
        self.quantise(node, real, scale, zero)
    }

    /// `clamp(round(x * (a * b / scale)) + zero)`, the last two being inputs of the node.
    fn requantise(
        &mut self,
        node: &Node,
        x: Element,
        a: Element,
        b: Element,
        (scale, zero): (usize, usize),
    ) -> Result<Element, NodeError> {
        let (scale, zero) = (self.aligned(node, scale, 0, 0, 1.0)?, self.aligned(node, zero, 0, 0, 0.0)?);
        let (lo, hi) = self.saturation(node)?;
        let multiplier =
            self.apply(&node.name, vec![a, b, scale], |of| quotient(&[times(of), of[2].clone()]))?;
        self.apply(&node.name, vec![x, multiplier, zero], |of| {
            clamp(sum(&[times(of).unary(Unary::Round), of[2].clone()]), lo, hi)
        })
    }

    /// The scale is such that the range of x, zero included, fills uint8.
    fn dynamic_quantise(&mut self, node: &Node) -> Result<(), NodeError> {
        let name = &node.name;
        let x = self.view(node, 0)?;
        let axes: Vec<usize> = (0..x.sizes().len()).collect();
        let negated = self.map(name, Element::read(x.clone()), |x| x.unary(Unary::Negate))?;
        let negated = self.emit(name, negated, false)?;
        let mut ends = Vec::new();
        for view in [&x, &negated] {
            let end = self.folded(Class::Maximum, view, &axes, false);
            let end = self.map(name, end, |x| x.binary(Binary::Maximum, Formula::number(0.0)))?;
            ends.push(self.emit(name, end, true)?);
        }
        let read = |view: &View| Element::read(view.clone());
        // The ends are the greatest, and the least with another sign.
        let scale = self.apply(name, vec![read(&ends[0]), read(&ends[1])], |of| {
            let width = sum(of);
            let step = width.clone().binary(Binary::Divide, Formula::number(255.0));
            width.select(step, Formula::number(1.0))
        })?;
        let scale = self.emit(name, scale, true)?;
        let zero = self.apply(name, vec![read(&ends[1]), read(&scale)], |of| {
            clamp(quotient(of).unary(Unary::Round), 0.0, 255.0)
        })?;
        let zero = self.emit(name, zero, true)?;
        let result = self.quantise(node, read(&x), read(&scale), read(&zero))?;
        self.set(&node.outputs[0], result)?;
        for (place, view) in [(1, scale), (2, zero)] {
            if node.wants_output(place) {
                self.set_view(&node.outputs[place], view);
            }
        }
        Ok(())
    }

    /// An operand less its zero points, of which there may be one for each index of an axis.
    fn centred(&mut self, node: &Node, input: usize, zero: usize, axis: usize) -> Result<View, NodeError> {
        if let Some(tensor) = self.centred_constant(node, input, zero, axis)? {
            return Ok(self.b.constant_of(tensor.shape(), bits(&tensor.to_f32()))?);
        }
        let rank = self.shape(&node.inputs[input])?.len();
        let zero = self.aligned(node, zero, rank, axis, 0.0)?;
        let x = self.element(node, input)?;
        if zero.as_number() == Some(0.0) && x.as_view().is_some() {
            return self.view(node, input);
        }
        let centred = self.apply(&node.name, vec![x, zero], less)?;
        self.emit(&node.name, centred, false)
    }

    /// The same of constants.
    fn centred_constant(
        &self,
        node: &Node,
        input: usize,
        zero: usize,
        axis: usize,
    ) -> Result<Option<Tensor>, NodeError> {
        let Some(tensor) = self.constant(node, input) else { return Ok(None) };
        let zeros = match (Self::has(node, zero), self.constant(node, zero)) {
            (false, _) => vec![0.0],
            (true, Some(zeros)) => zeros.to_f32(),
            (true, None) => return Ok(None),
        };
        let each = strides_of(tensor.shape()).get(axis).copied().unwrap_or(1);
        if ![Some(1), tensor.shape().get(axis).copied()].contains(&Some(zeros.len())) {
            return form("zero points that do not fit their axis");
        }
        let values = tensor.to_f32();
        let values: Vec<f32> =
            values.iter().enumerate().map(|(i, q)| q - zeros[i / each % zeros.len()]).collect();
        match Tensor::new(tensor.shape().to_vec(), values) {
            Ok(tensor) => Ok(Some(tensor)),
            Err(_) => form("a tensor that has no shape"),
        }
    }

    /// The product of two operands, each less its zero points: by row of the left, by column of the right.
    fn integer_product(
        &mut self,
        node: &Node,
        (a, a_zero): (usize, usize),
        (b, b_zero): (usize, usize),
    ) -> Result<Element, NodeError> {
        let ranks = (self.shape(&node.inputs[a])?.len(), self.shape(&node.inputs[b])?.len());
        let left = self.centred(node, a, a_zero, ranks.0.saturating_sub(2))?;
        let right = match self.centred_constant(node, b, b_zero, ranks.1.saturating_sub(1))? {
            Some(tensor) if ranks.1 == 2 => self.stored("", &tensor, false, &left)?,
            _ => self.centred(node, b, b_zero, ranks.1.saturating_sub(1))?,
        };
        self.multiplied(&node.name, left, right)
    }

    /// The convolution of two operands, each less its zero points: one of x, by filter of the weights.
    fn integer_convolution(
        &mut self,
        node: &Node,
        (x, x_zero): (usize, usize),
        (w, w_zero): (usize, usize),
    ) -> Result<Element, NodeError> {
        let Some(weights) = self.centred_constant(node, w, w_zero, 0)? else {
            return form("weights that are no constant");
        };
        let x = self.centred(node, x, x_zero, 0)?;
        let geometry = ConvGeometry::from_node(node, &x.sizes(), weights.shape())?;
        let values = bits(&weights.to_f32());
        let spatial = windows(&geometry.window);
        let accumulator = convolution(&mut self.b, &node.name, &x, &values, None, geometry.groups, &spatial)?;
        Ok(Element::fold(Class::Fold, accumulator))
    }

    /// `(A - a0)(B - b0) + C`, scaled; without an output scale the result is real.
    fn quantised_gemm(&mut self, node: &Node) -> Result<Element, NodeError> {
        let (turn_a, turn_b) = (node.flag_or("transA", false)?, node.flag_or("transB", false)?);
        let mut left = self.centred(node, 0, 2, 0)?;
        if turn_a {
            left = left.transposed(&[1, 0]);
        }
        let axis = usize::from(!turn_b);
        let right = match self.centred_constant(node, 3, 5, axis)? {
            Some(tensor) => self.stored("", &tensor, turn_b, &left)?,
            None => {
                let view = self.centred(node, 3, 5, axis)?;
                if turn_b { view.transposed(&[1, 0]) } else { view }
            }
        };
        let mut result = self.multiplied(&node.name, left, right)?;
        if Self::has(node, 6) {
            let c = self.element(node, 6)?;
            result = self.apply(&node.name, vec![result, c], sum)?;
        }
        let alpha = node.float_or("alpha", 1.0)?;
        let a = self.aligned(node, 1, 0, 0, 1.0)?;
        let a = self.map(&node.name, a, |x| times(&[Formula::number(alpha), x]))?;
        let b = self.aligned(node, 4, 2, 1, 1.0)?;
        if Self::has(node, 7) {
            return self.requantise(node, result, a, b, (7, 8));
        }
        let scale = self.apply(&node.name, vec![a, b], times)?;
        self.apply(&node.name, vec![result, scale], times)
    }

    /// Inputs are the output's scale and zero point, then a tensor, its scale and its zero point, repeatedly.
    fn quantised_concat(&mut self, node: &Node) -> Result<(), NodeError> {
        let mut parts = Vec::new();
        for input in (2..node.inputs.len()).step_by(3) {
            let real = self.dequantised(node, input)?;
            let part = self.quantised_result(node, real, 0)?;
            parts.push(self.emit(&node.name, part, false)?);
        }
        let axis =
            normalize_axis(node.int_or("axis", 0)?, parts.first().map_or(0, |part| part.sizes().len()))?;
        let view = self.concatenated(node, &parts, axis)?;
        self.set_view(&node.outputs[0], view);
        Ok(())
    }
}
