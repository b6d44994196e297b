//! Affine reads as views and indicators, sums as columns and einsums (`papers/protocol.md`, section 2).

use super::Lowering;
use crate::program::{Access, Affine, Operation, Sum, Term};
use crate::relation::{
    Column, Einsum, EinsumTerm, Factor, Indicator, Kind, TensorId, Values, Variable, View,
};
use crate::shape::log_size;
use alloc::vec::Vec;

/// The most terms that the digits of its constants make of one term.
const MAX_EXPANDED: usize = 64;

/// The variables of one axis of a tensor of `size` cells, read at an affine index, where that only fixes and
/// moves whole bits and stays within the true size; `None` elsewhere.
///
/// Bits of the index's axes must not overlap, and no axis may be read twice: `used` holds those read before.
fn axis_view(affine: &Affine, size: usize, sizes: &[usize], used: &mut Vec<usize>) -> Option<Vec<Variable>> {
    let range = affine.range(sizes);
    if range.lo < 0 || range.hi >= size as i64 || affine.constant < 0 {
        return None;
    }
    let bits = log_size(size);
    let mut variables = alloc::vec![None; bits];
    let mut joined = Vec::new();
    for &(axis, coefficient) in &affine.terms {
        if log_size(sizes[axis]) == 0 {
            continue;
        }
        if coefficient <= 0 || !(coefficient as u64).is_power_of_two() || used.contains(&axis) {
            return None;
        }
        let low = coefficient.trailing_zeros() as usize;
        for bit in 0..log_size(sizes[axis]) {
            let place = variables.get_mut(low + bit).filter(|place| place.is_none())?;
            *place = Some(Variable::Axis { axis, bit });
        }
        joined.push(axis);
    }
    for (bit, place) in variables.iter_mut().enumerate() {
        if affine.constant >> bit & 1 == 1 && place.replace(Variable::Bit(true)).is_some() {
            return None;
        }
    }
    used.extend(joined);
    Some(variables.into_iter().rev().map(|variable| variable.unwrap_or(Variable::Bit(false))).collect())
}

/// An access as a view over an index space, where all of its indices are.
pub(super) fn view(access: &Access, tensor_sizes: &[usize], sizes: &[usize]) -> Option<View> {
    let mut used = Vec::new();
    let mut variables = Vec::new();
    for (affine, &size) in access.index.iter().zip(tensor_sizes) {
        variables.extend(axis_view(affine, size, sizes, &mut used)?);
    }
    Some(View(variables))
}

/// True where reads at padded cells of the output axes find padding, so that an honest sum is zero there.
fn pads_to_padding(affine: &Affine, size: usize, sizes: &[usize], outputs: usize) -> bool {
    let unpadded = |axis: usize| axis >= outputs || sizes[axis].is_power_of_two();
    match affine.terms.as_slice() {
        [(axis, coefficient)] => {
            unpadded(*axis) || coefficient * sizes[*axis] as i64 + affine.constant >= size as i64
        }
        terms => terms.iter().all(|&(axis, _)| unpadded(axis)),
    }
}

impl Lowering<'_> {
    /// The sum as an affine column of views, if it is one; else as a virtual tensor.
    pub(super) fn sum_column(
        &mut self,
        number: usize,
        operation: &Operation,
        sum: usize,
    ) -> Result<Column, &'static str> {
        if let Some(column) = self.affine_column(operation, &operation.sums[sum]) {
            return Ok(column);
        }
        let tensor = self.virtual_sum(number, operation, sum)?;
        let view = View::identity(operation.shape.sizes());
        Ok(Column { terms: alloc::vec![(1, tensor, view)], constant: 0, divisor: 1 })
    }

    fn affine_column(&self, operation: &Operation, sum: &Sum) -> Option<Column> {
        let mut column = Column { terms: Vec::new(), constant: 0, divisor: 1 };
        for term in &sum.terms {
            match term.factors.as_slice() {
                [] => column.constant = column.constant.checked_add(term.coefficient)?,
                [access] if operation.reduce_axes(term).is_empty() => {
                    let view = view(access, &self.tensor_sizes(access.source), operation.shape.sizes())?;
                    for (weight, tensor) in self.source(access.source) {
                        let coefficient = weight.checked_mul(term.coefficient)?;
                        column.terms.push((coefficient, tensor, view.clone()));
                    }
                }
                _ => return None,
            }
        }
        Some(column)
    }

    /// The sum as a virtual tensor with its einsum.
    pub(super) fn virtual_sum(
        &mut self,
        number: usize,
        operation: &Operation,
        sum: usize,
    ) -> Result<TensorId, &'static str> {
        let mut terms = Vec::new();
        for term in &operation.sums[sum].terms {
            terms.extend(self.einsum_term(operation, term, &[])?);
        }
        let bounds = operation.sums[sum].bounds;
        let kind = Kind::Virtual { operation: number, sum };
        let values = Values::Sum { operation: number, sum };
        let output = self.tensor(operation.shape.clone(), bounds, kind, values);
        self.system.einsums.push(Einsum { output, terms });
        Ok(output)
    }

    /// The term with each constant's digits apart, and `extra` factors over all loop axes.
    pub(super) fn einsum_term(
        &self,
        operation: &Operation,
        term: &Term,
        extra: &[(TensorId, View)],
    ) -> Result<Vec<EinsumTerm>, &'static str> {
        let sizes = operation.loop_sizes();
        let outputs = operation.shape.rank();
        let mut expanded = alloc::vec![EinsumTerm {
            axes: sizes.clone(),
            coefficient: term.coefficient,
            factors: extra
                .iter()
                .map(|(tensor, view)| Factor { tensor: *tensor, view: view.clone() })
                .collect(),
            indicators: Vec::new(),
            summed: Vec::new(),
            equal: Vec::new(),
            masked: Vec::new(),
            absent: Vec::new(),
        }];
        for access in &term.factors {
            let sources = self.source(access.source);
            let mut next = Vec::new();
            for partial in expanded {
                for &(weight, tensor) in &sources {
                    let mut one = partial.clone();
                    one.coefficient =
                        one.coefficient.checked_mul(weight).ok_or("a coefficient leaves 64 bits")?;
                    self.read(&mut one, access, tensor, outputs);
                    next.push(one);
                }
            }
            expanded = next;
            if expanded.len() > MAX_EXPANDED {
                return Err("a term multiplies too many digits of constants");
            }
        }
        for one in &mut expanded {
            self.classify_axes(one, outputs);
        }
        Ok(expanded)
    }

    /// Adds a factor: views where it can, fresh axes with indicators elsewhere.
    fn read(&self, term: &mut EinsumTerm, access: &Access, tensor: TensorId, outputs: usize) {
        let mut used = Vec::new();
        let mut variables = Vec::new();
        for (affine, &size) in access.index.iter().zip(&self.tensor_sizes(access.source)) {
            let found = match pads_to_padding(affine, size, &term.axes, outputs) {
                true => axis_view(affine, size, &term.axes, &mut used),
                false => None,
            };
            match found {
                Some(found) => variables.extend(found),
                None => {
                    let axis = term.axes.len();
                    term.axes.push(size);
                    let mut terms: Vec<(usize, i64)> = affine.terms.clone();
                    terms.retain(|&(a, _)| term.axes[a] > 1);
                    terms.push((axis, -1));
                    term.indicators.push(Indicator { constant: affine.constant, terms });
                    variables.extend((0..log_size(size)).rev().map(|bit| Variable::Axis { axis, bit }));
                }
            }
        }
        term.factors.push(Factor { tensor, view: View(variables) });
    }

    /// Decides what each axis of a term is: bound, summed, absent; and what masks it.
    fn classify_axes(&self, term: &mut EinsumTerm, outputs: usize) {
        let mut summed = Vec::new();
        for axis in 0..term.axes.len() {
            let occurrences = term.occurrences(axis);
            let size = term.axes[axis];
            if axis < outputs {
                match occurrences {
                    0 if !size.is_power_of_two() => term.absent.push(axis),
                    0 | 1 => {}
                    _ if log_size(size) > 0 => {
                        summed.push(axis);
                        term.equal.push(axis);
                    }
                    _ => {}
                }
            } else if occurrences > 0 && log_size(size) > 0 {
                summed.push(axis);
                if !size.is_power_of_two() && !self.vanishes_beyond(term, axis) {
                    term.masked.push(axis);
                }
            }
        }
        let last = self.axes_of_largest(term, &summed);
        let mut order: Vec<usize> = summed.iter().copied().filter(|axis| !last.contains(axis)).collect();
        order.extend(last);
        term.summed = order;
    }

    /// True where, by the verifier's own knowledge, a factor is zero at padded cells of the axis.
    fn vanishes_beyond(&self, term: &EinsumTerm, axis: usize) -> bool {
        let indicated = term.indicators.iter().any(|i| i.terms.iter().any(|&(a, _)| a == axis));
        indicated || term.factors.iter().any(|factor| self.is_plain_public(factor, axis, term.axes[axis]))
    }

    /// True where a public tensor has an axis of exactly this size, read plainly at `axis`.
    fn is_plain_public(&self, factor: &Factor, axis: usize, size: usize) -> bool {
        let spec = &self.system.tensors[factor.tensor];
        if !matches!(spec.kind, Kind::Public(_)) {
            return false;
        }
        let mut first = 0;
        spec.shape.sizes().iter().any(|&n| {
            let bits = log_size(n);
            let variables = &factor.view.0[first..first + bits];
            first += bits;
            let plain = (0..bits).rev().map(|bit| Variable::Axis { axis, bit });
            n == size && variables.iter().copied().eq(plain)
        })
    }

    /// The summed axes of the largest committed tensor of a term, or else the largest tensor, in its order.
    fn axes_of_largest(&self, term: &EinsumTerm, summed: &[usize]) -> Vec<usize> {
        let weight = |factor: &&Factor| {
            let spec = &self.system.tensors[factor.tensor];
            (!matches!(spec.kind, Kind::Public(_)), spec.shape.variables())
        };
        let largest = term.factors.iter().rev().max_by_key(weight);
        let mut axes = Vec::new();
        for variable in largest.iter().flat_map(|factor| &factor.view.0) {
            if let Variable::Axis { axis, .. } = variable
                && summed.contains(axis)
                && !axes.contains(axis)
            {
                axes.push(*axis);
            }
        }
        axes
    }
}
