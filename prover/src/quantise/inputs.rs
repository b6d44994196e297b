//! Inputs: what integers they take.
//!
//! A float input that the model quantises at once takes the integers of that. Another takes 9 bits (17 beyond
//! 8-bit activations): `[0, 255]` where the calibration has nothing negative, else `[-255, 255]`. An integer input
//! takes its type's values, less the zero point with which it is read.

use super::lowering::{LowerNodeError, Lowering, Parameters, form, type_range};
use crate::onnx::{GraphInput, Node};
use assay_circuits::program::{ImageInput, Input, Visibility};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::Bounds;

/// Operators through which a quantised input is followed to the operator that knows its parameters.
const THROUGH: &[&str] =
    &["Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "MaxPool", "Slice"];

impl Lowering<'_> {
    /// Adds an input of the graph.
    pub(super) fn input(
        &mut self,
        input: &GraphInput,
        visibility: Visibility,
        image: Option<&ImageInput>,
    ) -> Result<(), LowerNodeError> {
        let Some(shape) = Shape::new(input.shape.clone()) else {
            return form(format!("an input of shape {:?}", input.shape));
        };
        let (bounds, scale, zero) = if input.dtype.is_float() {
            let (bounds, scale) = self.float_input(&input.name);
            (bounds, scale, 0)
        } else if let Some((lo, hi)) = type_range(input.dtype) {
            let zero = self.zero_of(&input.name).unwrap_or(0);
            (Bounds { lo: lo - zero, hi: hi - zero }, 1.0, zero)
        } else {
            let (lo, hi) = self.ranges.get(&input.name).copied().unwrap_or((0.0, 0.0));
            (Bounds { lo: (lo as i64).max(-65535).min(0), hi: (hi as i64).clamp(0, 65535) }, 1.0, 0)
        };
        let image = image.filter(|_| self.graph.inputs.len() == 1).cloned();
        let program_input = Input { name: input.name.clone(), shape, bounds, scale, visibility, image };
        let view = self.b.input(program_input);
        self.set(&input.name, view, scale, zero);
        Ok(())
    }

    fn float_input(&self, name: &str) -> (Bounds, f64) {
        if let Some(parameters) = self.quantiser(name) {
            let target = parameters.target();
            return (target.window, target.scale);
        }
        let (lo, hi) = self.ranges.get(name).copied().unwrap_or((-1.0, 1.0));
        let top = if self.level.activation_bits > 8 { 65535 } else { 255 };
        let reach = if hi.max(-lo) > 0.0 { hi.max(-lo) } else { 1.0 };
        let bounds = Bounds { lo: if lo < 0.0 { -top } else { 0 }, hi: top };
        (bounds, reach / top as f64)
    }

    /// The quantisation that a value goes into at once, where it goes nowhere else.
    fn quantiser(&self, name: &str) -> Option<Parameters> {
        let node = &self.graph.nodes[self.single_reader(name)?];
        match node.op_type.as_str() {
            "QuantizeLinear" => self.parameters(node, 1, 2),
            op if THROUGH.contains(&op) => self.quantiser(node.outputs.first()?),
            _ => None,
        }
    }

    /// The zero point with which a quantised value is read first.
    fn zero_of(&self, name: &str) -> Option<i64> {
        self.readers(name).find_map(|node| {
            let place = node.inputs.iter().position(|input| input == name)?;
            let zero = match (node.op_type.as_str(), place) {
                ("MatMulInteger" | "ConvInteger", 0) => 2,
                ("MatMulInteger" | "ConvInteger", 1) => 3,
                ("QLinearConcat", _) => place + 2,
                (op, 0 | 3) if op.starts_with("QLinear") || op == "QGemm" => place + 2,
                ("DequantizeLinear", 0) => 2,
                (op, 0) if THROUGH.contains(&op) => return self.zero_of(node.outputs.first()?),
                _ => return None,
            };
            self.zero(node, zero)
        })
    }

    /// A single zero point; 0 where it is absent.
    pub(super) fn zero(&self, node: &Node, input: usize) -> Option<i64> {
        if !Self::has(node, input) {
            return Some(0);
        }
        let values = self.constant(node, input)?.integers().ok()?;
        values.first().copied().filter(|first| values.iter().all(|zero| zero == first))
    }
}
