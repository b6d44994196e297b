//! The batched sumcheck: all claims on virtual tensors at once (`papers/protocol.md`, section 4).
//!
//! Claims v_1 .. v_K with powers of rho; a term of n_t variables counts as `2^(n_t - n) P_t` in the last n_t of
//! n variables, constant before. A message is all coefficients but the linear one, which follows from the
//! claim. At the end the prover sends the values of the committed factors; the verifier evaluates everything
//! else itself and checks the sum of products.

use crate::F;
use crate::indicator::{self, IndicatorAxis};
use crate::multilinear::{eq, less_than};
use crate::rejection::Rejection;
use crate::transcript::Transcript;
use alloc::vec::Vec;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::relation::{EinsumTerm, TensorId, Variable, View};
use assay_circuits::shape::log_size;

/// A tensor has a value at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The tensor.
    pub tensor: TensorId,
    /// The point, most significant bit first.
    pub point: Vec<F>,
    /// The value.
    pub value: F,
}

/// The linear coefficient of a round polynomial, from the claim `s(0) + s(1)` and the other coefficients.
fn linear_coefficient(claim: F, message: &[F]) -> F {
    let constant = message.first().copied().unwrap_or(F::ZERO);
    claim - constant - message.iter().sum::<F>()
}

/// Checks the rounds of a sumcheck, whose messages leave the linear coefficient out; gives the challenges and
/// the claim in which they end.
pub fn verify_rounds<'a, T: Transcript>(
    mut claim: F,
    messages: impl IntoIterator<Item = &'a [F]>,
    label: &'static [u8],
    transcript: &mut T,
) -> (Vec<F>, F) {
    let mut challenges = Vec::new();
    for message in messages {
        transcript.absorb_scalars(label, message);
        let x = transcript.challenge(label);
        claim = next_claim(claim, message, x);
        challenges.push(x);
    }
    (challenges, claim)
}

/// The round polynomial at x.
pub fn next_claim(claim: F, message: &[F], x: F) -> F {
    let linear = linear_coefficient(claim, message);
    let (constant, rest) = message.split_first().map_or((F::ZERO, message), |(c, rest)| (*c, rest));
    let high = rest.iter().rev().fold(F::ZERO, |high, c| high * x + c);
    constant + x * (linear + x * high)
}

/// For each loop axis of a term its point: an output axis's part of the claim's point, or the challenges.
pub fn axis_points(term: &EinsumTerm, claim: &[F], challenges: &[F]) -> Vec<Vec<F>> {
    let mut points = alloc::vec![Vec::new(); term.axes.len()];
    let mut rest = claim;
    for (point, &size) in points.iter_mut().zip(&term.axes) {
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        *point = head.to_vec();
        rest = tail;
    }
    let mut rest = crate::lookup::suffix(challenges, term.rounds());
    for &axis in &term.summed {
        let size = term.axes.get(axis).copied().unwrap_or(1);
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        if let Some(point) = points.get_mut(axis) {
            *point = head.to_vec();
        }
        rest = tail;
    }
    points
}

/// The point at which a view reads its tensor.
pub fn view_point(view: &View, axes: &[Vec<F>]) -> Vec<F> {
    let coordinate = |variable: &Variable| match *variable {
        Variable::Bit(bit) => F::from(bit),
        Variable::Axis { axis, bit } => {
            let point = axes.get(axis).map_or(&[][..], Vec::as_slice);
            point.len().checked_sub(bit + 1).and_then(|i| point.get(i)).copied().unwrap_or(F::ZERO)
        }
    };
    view.0.iter().map(coordinate).collect()
}

/// Splits a point by the axes of a space.
pub fn split_point(sizes: &[usize], point: &[F]) -> Vec<Vec<F>> {
    let mut rest = point;
    let mut split = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let (head, tail) = rest.split_at(log_size(size).min(rest.len()));
        split.push(head.to_vec());
        rest = tail;
    }
    split
}

/// What a term is where the sumcheck ends, but its tensors: coefficient, scale for its missing rounds,
/// indicators, masks and eq.
pub fn term_weight(term: &EinsumTerm, claim: &[F], points: &[Vec<F>], rounds: usize) -> Result<F, Rejection> {
    let halvings = rounds.checked_sub(term.rounds()).ok_or(Rejection::Einsum)?;
    let half = F::from(2u64).inverse().ok_or(Rejection::Einsum)?;
    let mut weight = F::from(term.coefficient) * half.pow([halvings as u64]);
    let at = |axis: usize| points.get(axis).map_or(&[][..], Vec::as_slice);
    let size = |axis: usize| term.axes.get(axis).copied().unwrap_or(1);
    for indicator in &term.indicators {
        let axes: Vec<IndicatorAxis<'_>> = indicator
            .terms
            .iter()
            .map(|&(axis, coefficient)| IndicatorAxis { coefficient, size: size(axis), point: at(axis) })
            .collect();
        weight *= indicator::evaluate(indicator.constant, &axes);
    }
    for &axis in term.masked.iter().chain(&term.absent) {
        weight *= less_than(size(axis), at(axis));
    }
    let outputs = split_point(&term.axes, claim);
    for &axis in &term.equal {
        weight *= eq(outputs.get(axis).map_or(&[][..], Vec::as_slice), at(axis));
    }
    Ok(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_and_its_claim_fix_the_polynomial() {
        // s(x) = 3 + 5 x + 7 x^2 + 11 x^3, s(0) + s(1) = 29.
        let message = [3u64, 7, 11].map(F::from);
        assert_eq!(next_claim(F::from(29u64), &message, F::from(2u64)), F::from(129u64));
    }
}
