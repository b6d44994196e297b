//! Softmax and normalisations: a few folds and maps each.
//!
//! A softmax that weighs the rows of a matrix is divided after the product, so that no wire holds the quotients:
//!
//! ```text
//! sum over j of (e[i, j] / t[i]) v[j, k]  =  (sum over j of e[i, j] v[j, k]) / t[i]
//! ```
//!
//! Where a mask leaves nothing of a row, and the model makes its weights zero, the row of the product is zero, even
//! where the matrix holds what is no number.

use super::activation::is_nan;
use super::element::Element;
use super::linear::sum;
use super::pooling::quotient;
use super::{Lowering, NodeError, bits, form};
use crate::onnx::Node;
use crate::onnx::geometry::normalize_axis;
use assay_circuits::builder::View;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::Class;

fn difference(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Subtract, of[1].clone())
}

impl Lowering<'_> {
    /// `exp(x - max) / sum of exp(x - max)` along an axis, or its logarithm `x - max - log(sum)`.
    pub(super) fn softmax(&mut self, node: &Node) -> Result<(), NodeError> {
        let sizes = self.shape(&node.inputs[0])?;
        let old = self.graph.opset < 13;
        let axis = normalize_axis(node.int_or("axis", if old { 1 } else { -1 })?, sizes.len())?;
        // Up to operator set 12 all axes from this one on are one.
        let axes: Vec<usize> = if old { (axis..sizes.len()).collect() } else { vec![axis] };
        let x = self.view(node, 0)?;
        let name = &node.name;
        let greatest = self.folded(Class::Maximum, &x, &axes, true);
        let greatest = self.emit(name, greatest, false)?;
        let shifted = self.apply(name, vec![Element::read(x), Element::read(greatest)], difference)?;
        let powers = self.map(name, shifted.clone(), |x| x.unary(Unary::Exp))?;
        let powers = self.emit(name, powers, false)?;
        self.powers.insert(powers.source());
        let total = self.folded(Class::Fold, &powers, &axes, true);
        let result = if node.op_type == "LogSoftmax" {
            let logarithm = self.map(name, total, |x| x.unary(Unary::Log))?;
            self.apply(name, vec![shifted, logarithm], difference)?
        } else {
            let total = self.emit(name, total, false)?;
            self.apply(name, vec![Element::read(powers), Element::read(total)], quotient)?
        };
        self.set(&node.outputs[0], result)
    }

    /// What a product with a softmax on the left folds, and the totals, one a row, by which its result is divided;
    /// whether a row of NaN counts as zero, as attention with a mask has it.
    pub(super) fn softmax_parts(&self, node: &Node) -> Option<(View, View, bool)> {
        let element = self.values.get(node.inputs.first()?)?;
        let [powers, totals] = element.reads() else { return None };
        let quotient = quotient(&[Formula::Sum(0), Formula::Sum(1)]);
        let guarded = is_nan(quotient.clone()).select(Formula::number(0.0), quotient.clone());
        let zeroed = match element.formula() {
            formula if *formula == quotient => false,
            formula if *formula == guarded => true,
            _ => return None,
        };
        let last = powers.sizes().len().checked_sub(1)?;
        let totals = totals.without(last)?;
        let softmax = self.powers.contains(&powers.source()) && !self.trained;
        (last > 0 && softmax).then_some((powers.clone(), totals, zeroed))
    }

    /// The product of a softmax, divided by its totals.
    pub(super) fn divided(
        &mut self,
        name: &str,
        product: Element,
        totals: View,
        zeroed: bool,
    ) -> Result<Element, NodeError> {
        self.apply(name, vec![product, Element::read(totals)], |of| match zeroed {
            // A total is NaN where any power is, and then all of them are.
            true => is_nan(of[1].clone()).select(Formula::number(0.0), quotient(of)),
            false => quotient(of),
        })
    }

    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias` over the axes from `axis` on.
    pub(super) fn layer_normalization(&mut self, node: &Node) -> Result<(), NodeError> {
        let sizes = self.shape(&node.inputs[0])?;
        let axis = normalize_axis(node.int_or("axis", -1)?, sizes.len())?;
        let axes: Vec<usize> = (axis..sizes.len()).collect();
        let count = Formula::number(sizes[axis..].iter().product::<usize>() as f32);
        let epsilon = Formula::number(node.float_or("epsilon", 1e-5)?);
        let name = &node.name;
        let x = self.view(node, 0)?;
        let total = self.folded(Class::Fold, &x, &axes, true);
        let mean = self.map(name, total, |x| x.binary(Binary::Divide, count.clone()))?;
        let mean = self.emit(name, mean, false)?;
        let centred = self.apply(name, vec![Element::read(x), Element::read(mean.clone())], difference)?;
        let centred = self.emit(name, centred, false)?;
        let squares = assay_circuits::ops::mul::product(&mut self.b, name, &centred, &centred)?.summed(&axes);
        let inverse = self.map(name, Element::fold(Class::Fold, squares), |x| {
            let variance = x.binary(Binary::Divide, count.clone());
            variance.binary(Binary::Add, epsilon.clone()).unary(Unary::ReciprocalRoot)
        })?;
        let inverse = self.emit(name, inverse, false)?;
        for (place, statistic) in [(1, &mean), (2, &inverse)] {
            if node.wants_output(place) {
                self.set_view(&node.outputs[place], statistic.clone());
            }
        }
        let product = |of: &[Formula]| of[0].clone().binary(Binary::Multiply, of[1].clone());
        let mut result =
            self.apply(name, vec![Element::read(centred), Element::read(inverse.clone())], product)?;
        let scale = self.element(node, 1)?;
        result = self.apply(name, vec![result, scale], product)?;
        if Self::has(node, 2) {
            let bias = self.element(node, 2)?;
            result = self.apply(name, vec![result, bias], sum)?;
        }
        self.set(&node.outputs[0], result)
    }

    /// A batch normalisation that folds into nothing before it: `x * factor + offset`, one each a channel.
    pub(super) fn batch_normalization(&mut self, node: &Node) -> Result<(), NodeError> {
        let Some((factors, offsets)) = crate::quantise::prepare::affine(self.graph, node) else {
            return form("a batch normalisation by what is no constant");
        };
        let rank = self.shape(&node.inputs[0])?.len();
        let mut shape = vec![factors.len()];
        shape.resize(rank.saturating_sub(1).max(1), 1);
        let channel = |lowering: &mut Self, values: &[f64]| -> Result<Element, NodeError> {
            let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
            Ok(Element::read(lowering.b.constant_of(&shape, bits(&values))?))
        };
        let (factors, offsets) = (channel(self, &factors)?, channel(self, &offsets)?);
        let x = self.element(node, 0)?;
        let result = self.apply(&node.name, vec![x, factors, offsets], |of| {
            of[0].clone().binary(Binary::Multiply, of[1].clone()).binary(Binary::Add, of[2].clone())
        })?;
        self.set(&node.outputs[0], result)
    }
}
