//! The batched sumcheck, the prover's side.
//!
//! Each term is a product of small tables over its summed axes. Before the rounds of an axis, every later axis
//! that can be summed out is (variable elimination): it can where at most one of the tables that have it also
//! has the axis of the rounds, so that the rest stays a product of multilinear tables. For a convolution that
//! is one pass of small integers by field elements over the input per kernel column, and a small sum per kernel
//! cell; the product over all axes is never expanded. Messages of all terms are added; a term with fewer
//! variables joins late, and until then counts as a constant.

use crate::count;
use crate::table::{Cells, Table, eliminate};
use crate::witness::Witness;
use ark_ff::{AdditiveGroup, Field, Zero};
use assay_circuits::relation::{EinsumTerm, Variable};
use assay_circuits::shape::log_size;
use assay_verifier::F;
use assay_verifier::multilinear::{eq_prefix, eq_table, less_than};
use assay_verifier::sumcheck::split_point;
use assay_verifier::transcript::Transcript;
use rayon::prelude::*;
use std::borrow::Cow;

/// A claim's definition, point and weight in the batch.
pub struct BatchedTerm<'a> {
    /// The term.
    pub term: &'a EinsumTerm,
    /// The point of its claim.
    pub point: &'a [F],
    /// Power of rho of its claim.
    pub weight: F,
}

/// Proves the batch; gives each round's message, the challenges, and for each term its factors' values.
pub fn prove<T: Transcript>(
    witness: &Witness<'_>,
    terms: &[BatchedTerm<'_>],
    rounds: usize,
    degree: usize,
    transcript: &mut T,
) -> (Vec<Vec<F>>, Vec<F>, Vec<Vec<F>>) {
    let mut provers: Vec<TermProver<'_>> =
        terms.par_iter().map(|batched| TermProver::new(witness, batched, rounds)).collect();
    let mut messages = Vec::with_capacity(rounds);
    let mut challenges = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let polynomials: Vec<Vec<F>> =
            provers.par_iter_mut().map(|prover| prover.polynomial(rounds - round)).collect();
        let mut sum = vec![F::ZERO; degree + 1];
        for polynomial in polynomials {
            sum.iter_mut().zip(polynomial).for_each(|(sum, c)| *sum += c);
        }
        sum.remove(1);
        transcript.absorb_scalars(b"round", &sum);
        let x = transcript.challenge(b"round");
        provers.par_iter_mut().for_each(|prover| prover.bind(rounds - round, x));
        messages.push(sum);
        challenges.push(x);
    }
    let values = provers.into_iter().map(TermProver::values).collect();
    (messages, challenges, values)
}

/// One term of the batch while its variables are bound.
struct TermProver<'a> {
    /// Sizes of its axes.
    sizes: &'a [usize],
    /// The summed axes whose variables are not all bound, in order.
    axes: Vec<usize>,
    /// Number of variables that are not bound.
    variables: usize,
    /// Challenges of the axis in progress.
    challenges: Vec<F>,
    /// The factors, over the axes that are not bound.
    base: Vec<Table<'a>>,
    /// The tables of the rounds in progress: a product of tables over the axis in progress and some later ones.
    stage: Vec<Table<'a>>,
    /// The later axes in which a table of the stage is a product, summed, so that it is not linear in them.
    merged: Vec<usize>,
    /// Number of factors of `base` that are tensors; indicators and masks follow them.
    tensors: usize,
    /// Everything constant: coefficient, power of rho, `2^(n_t - n)`.
    weight: F,
    /// Half of the last constant message, before the term joins.
    constant: F,
    /// The message of the round in progress, if it was computed ahead.
    ahead: Option<Vec<F>>,
}

impl<'a> TermProver<'a> {
    fn new(witness: &'a Witness<'_>, batched: &BatchedTerm<'a>, rounds: usize) -> Self {
        let term = batched.term;
        let variables = term.rounds();
        let point = split_point(&term.axes, batched.point);
        let bound: Vec<Option<&[F]>> = (0..term.axes.len())
            .map(|axis| (!term.summed.contains(&axis)).then_some(point[axis].as_slice()))
            .collect();
        let mut base: Vec<Table<'a>> = term
            .factors
            .iter()
            .map(|factor| {
                let shape = &witness.shapes[factor.tensor];
                let variables = &factor.view.0;
                Table::read(shape, witness.tensor(factor.tensor), variables, &term.axes, &bound)
            })
            .collect();
        let tensors = base.len();
        for indicator in &term.indicators {
            base.push(indicator_table(indicator.constant, &indicator.terms, &term.axes, &bound));
        }
        for &axis in &term.equal {
            base.push(Table::axis(axis, eq_table(&point[axis])));
        }
        for &axis in &term.masked {
            base.push(Table::axis(axis, vec![F::ONE; term.axes[axis]]));
        }
        let half = F::from(2u64).inverse().unwrap_or_default();
        let mut weight = batched.weight * F::from(term.coefficient) * half.pow([(rounds - variables) as u64]);
        for &axis in &term.absent {
            weight *= less_than(term.axes[axis], &point[axis]);
        }
        let mut prover = TermProver {
            sizes: &term.axes,
            axes: term.summed.iter().copied().filter(|&axis| term.axes[axis] > 1).collect(),
            variables,
            challenges: Vec::new(),
            base,
            stage: Vec::new(),
            merged: Vec::new(),
            tensors,
            weight,
            constant: F::ZERO,
            ahead: None,
        };
        // The sum over the term's cube: from its first message, or its value if it has no variable.
        let sum = match variables {
            0 => prover.weight * prover.base.iter().map(Table::scalar).product::<F>(),
            _ => {
                let message = prover.message();
                let sum = message.iter().sum::<F>() + message[0];
                prover.ahead = Some(message);
                sum
            }
        };
        prover.constant = sum * F::from(2u64).pow([(rounds - variables) as u64]);
        prover
    }

    /// All coefficients of the term's polynomial in the next variable, where `left` variables of the batch are
    /// not bound.
    fn polynomial(&mut self, left: usize) -> Vec<F> {
        if left > self.variables {
            self.constant *= F::from(2u64).inverse().unwrap_or_default();
            return vec![self.constant];
        }
        match self.ahead.take() {
            Some(message) => message,
            None => self.message(),
        }
    }

    /// The message of the first unbound variable of the axis in progress.
    fn message(&mut self) -> Vec<F> {
        let Some(&axis) = self.axes.first() else { return vec![F::ZERO] };
        let stands = self.stage.iter().any(|table| table.has(axis)) && !self.merged.contains(&axis);
        if self.challenges.is_empty() && !stands {
            (self.stage, self.merged) = eliminate(&self.base, axis, &self.axes, self.sizes);
        }
        if self.challenges.is_empty() {
            for table in &mut self.stage {
                table.lead(axis, 1 << log_size(self.sizes[axis]));
            }
        }
        let mut message = round_polynomial(&self.stage, axis, &self.axes, self.sizes);
        message.iter_mut().for_each(|c| *c *= self.weight);
        message
    }

    /// Binds the next variable of the batch.
    fn bind(&mut self, left: usize, x: F) {
        if left > self.variables {
            return;
        }
        self.variables -= 1;
        let Some(&axis) = self.axes.first() else { return };
        self.challenges.push(x);
        for table in &mut self.stage {
            if table.has(axis) {
                table.bind_leading(x);
            }
        }
        if self.challenges.len() == log_size(self.sizes[axis]) {
            let weights = eq_table(&self.challenges);
            self.challenges.clear();
            self.axes.remove(0);
            for table in &mut self.stage {
                if table.has(axis) {
                    table.drop_leading();
                }
            }
            for table in &mut self.base {
                if table.has(axis) {
                    *table = table.contract(axis, &weights);
                }
            }
        }
    }

    /// The values of the term's tensors at the point in which the sumcheck ended.
    fn values(self) -> Vec<F> {
        self.base[..self.tensors].iter().map(Table::scalar).collect()
    }
}

/// `[0 = constant + sum of coefficient * axis]` over the axes that are summed, the others at their points.
fn indicator_table<'a>(
    constant: i64,
    terms: &[(usize, i64)],
    sizes: &[usize],
    bound: &[Option<&[F]>],
) -> Table<'a> {
    // The last axis with coefficient 1 or -1 is solved for; the others are enumerated.
    let solved = terms.iter().rposition(|&(_, c)| c.abs() == 1).unwrap_or(0);
    let order: Vec<(usize, i64)> =
        terms.iter().enumerate().filter(|(i, _)| *i != solved).map(|(_, t)| *t).collect();
    let kept: Vec<usize> =
        terms.iter().map(|&(axis, _)| axis).filter(|&axis| bound[axis].is_none()).collect();
    let dims: Vec<usize> = kept.iter().map(|&axis| sizes[axis]).collect();
    let mut cells = vec![F::ZERO; dims.iter().product()];
    let weights: Vec<Option<Vec<F>>> =
        bound.iter().zip(sizes).map(|(point, &size)| point.map(|point| eq_prefix(point, size))).collect();
    let stride = |axis: usize| -> usize {
        let place = kept.iter().position(|&a| a == axis);
        place.map_or(0, |place| dims[place + 1..].iter().product())
    };
    let (solved_axis, solved_coefficient) = terms[solved];
    let mut partial = vec![(constant, 0usize, F::ONE)];
    for &(axis, coefficient) in &order {
        let step = stride(axis);
        partial = partial
            .iter()
            .flat_map(|&(sum, cell, weight)| {
                let weights = weights[axis].as_deref();
                (0..sizes[axis]).map(move |i| {
                    let factor = weights.map_or(weight, |weights| weight * weights[i]);
                    (sum + coefficient * i as i64, cell + step * i, factor)
                })
            })
            .collect();
    }
    count::full(2 * partial.len());
    for (sum, cell, weight) in partial {
        if sum % solved_coefficient != 0 {
            continue;
        }
        let value = -sum / solved_coefficient;
        if value < 0 || value >= sizes[solved_axis] as i64 {
            continue;
        }
        let factor = weights[solved_axis].as_deref().map_or(F::ONE, |weights| weights[value as usize]);
        cells[cell + stride(solved_axis) * value as usize] += weight * factor;
    }
    Table::new(kept, dims, Cells::Field(Cow::Owned(cells)))
}

/// The coefficients of `sum over later axes of the product of the tables`, in the leading variable of `axis`.
fn round_polynomial(stage: &[Table<'_>], axis: usize, axes: &[usize], sizes: &[usize]) -> Vec<F> {
    let leading: Vec<&Table<'_>> = stage.iter().filter(|table| table.has(axis)).collect();
    let others: Vec<&Table<'_>> = stage.iter().filter(|table| !table.has(axis)).collect();
    let rest: Vec<usize> =
        axes.iter().copied().filter(|&a| a != axis && stage.iter().any(|t| t.has(a))).collect();
    let half = leading.first().map_or(1, |table| table.dim(axis)) / 2;
    let cells: usize = rest.iter().map(|&a| sizes[a]).product();
    // Offsets of each table at every point of the later axes.
    let offsets = |table: &Table<'_>| -> Option<Vec<usize>> {
        let strides: Vec<usize> = rest.iter().map(|&a| table.stride(a)).collect();
        let contiguous = strides
            .iter()
            .rev()
            .zip(rest.iter().rev())
            .try_fold(1, |expected, (&stride, &a)| (stride == expected).then_some(expected * sizes[a]));
        match contiguous {
            Some(_) => None,
            None => Some(
                assay_circuits::execute::points(&rest.iter().map(|&a| sizes[a]).collect::<Vec<_>>())
                    .map(|point| point.iter().zip(&strides).map(|(i, s)| i * s).sum())
                    .collect(),
            ),
        }
    };
    let leading: Vec<(&Table<'_>, Option<Vec<usize>>)> =
        leading.into_iter().map(|t| (t, offsets(t))).collect();
    let others: Vec<(&Table<'_>, Option<Vec<usize>>)> = others.into_iter().map(|t| (t, offsets(t))).collect();
    let at =
        |offsets: &Option<Vec<usize>>, cell: usize| offsets.as_ref().map_or(cell, |offsets| offsets[cell]);
    let degree = leading.len();
    let others_weigh = if others.is_empty() { 0 } else { others.len() + degree };
    count::full(half * cells * (degree * (degree + 1) - 2 + others_weigh));
    let one = |index: usize| -> Vec<F> {
        let mut sum = vec![F::ZERO; degree + 1];
        let mut product = vec![F::ZERO; degree + 1];
        for cell in 0..cells {
            product.fill(F::ZERO);
            product[0] = F::ONE;
            for (number, (table, offsets)) in leading.iter().enumerate() {
                let stride = table.stride(axis);
                let place = at(offsets, cell);
                let (low, high) =
                    (table.cell(index * stride + place), table.cell((index + half) * stride + place));
                let slope = high - low;
                if number == 0 {
                    (product[0], product[1]) = (low, slope);
                    continue;
                }
                for k in (0..=number).rev() {
                    let c = product[k];
                    product[k + 1] += c * slope;
                    product[k] = c * low;
                }
            }
            let scale: F = others.iter().map(|(table, offsets)| table.cell(at(offsets, cell))).product();
            if others.is_empty() {
                sum.iter_mut().zip(&product).for_each(|(sum, c)| *sum += c);
            } else {
                sum.iter_mut().zip(&product).for_each(|(sum, c)| *sum += scale * c);
            }
        }
        sum
    };
    let add = |mut a: Vec<F>, b: Vec<F>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    (0..half)
        .into_par_iter()
        .with_min_len(512usize.div_ceil(cells))
        .map(one)
        .reduce(|| vec![F::zero(); degree + 1], add)
}

/// The variables of one tensor axis, by what they are: used by [`Table::read`].
pub fn is_plain(variables: &[Variable], axis: usize) -> bool {
    let plain = (0..variables.len()).rev().map(|bit| Variable::Axis { axis, bit });
    variables.iter().copied().eq(plain)
}
