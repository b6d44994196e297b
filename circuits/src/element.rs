//! One element of one operation, computed by steps: the order of every addition, and what a referee repeats.
//!
//! A fold runs over windows of its reduce loop, the last of them cut short, and ends in its expression:
//!
//! ```text
//! state_0 -window 0-> state_1 -window 1-> .. -> state_n -expression-> element
//! ```
//!
//! | operation | state, words of 64 bits | a cell does |
//! | --- | --- | --- |
//! | fold, int8 | one total a sum | `total += coefficient * product`, term by term |
//! | fold, f32 | total (high half), block (low half) | before cell k = 64, 128, ..: `total += block, block = 0`; then `block = fma(a, b, block)`, of one factor `block + a` |
//! | maximum, f32 | the greatest so far, from -infinity | `maximum(greatest, a)` where a is inside |
//! | rank, int8 | the greatest so far, its position | replaced where a is greater |
//! | rank, f32 | the greatest (high half) from -infinity, its position | the same; outside is skipped |
//!
//! A map of at most [`MAX_READS`] elements and a move have no window: their element is the expression of what they
//! read. A read outside of its tensor is zero, but where it is skipped. Additions of integers wrap, so that any
//! bits that a liar posts as a state have a defined successor.

use crate::binary32::to_i64;
use crate::check_f32::MAX_READS;
use crate::descriptor::{Descriptor, Operand};
use crate::expression::Expression;
use crate::program::{Access, Class, Precision, Source, Term};
use crate::real::{Real, Soft};
use alloc::vec::Vec;

/// Terms of a block: the partial sums of an f32 fold.
pub const BLOCK: u64 = 64;

/// What a fold has computed after some of its windows; words beyond the operation's are zero.
pub type State = [u64; 4];

/// Reads an element of a tensor: an integer, or the bits of a binary32.
pub trait Elements {
    /// Why an element is not there.
    type Error;
    /// The element of a source at a place in row-major order; the place is within the tensor.
    fn element(&mut self, source: Source, place: u64) -> Result<i64, Self::Error>;
}

impl<E, F: FnMut(Source, u64) -> Result<i64, E>> Elements for F {
    type Error = E;
    fn element(&mut self, source: Source, place: u64) -> Result<i64, E> {
        self(source, place)
    }
}

/// A run of cells of one term's reduce loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The sum.
    pub sum: usize,
    /// The term.
    pub term: usize,
    /// The first cell.
    pub first: u64,
    /// The number of cells.
    pub cells: u64,
}

const MINUS_INFINITY: u32 = 0xff80_0000;

impl Descriptor {
    /// True where the element is computed in windows before its expression.
    pub fn has_windows(&self) -> bool {
        match self.operation.class {
            Class::Fold | Class::Maximum | Class::Rank => true,
            Class::Move => false,
            Class::Map => {
                let terms = self.operation.sums.iter().flat_map(|sum| &sum.terms);
                self.precision == Precision::Int8 && terms.map(|t| t.factors.len()).sum::<usize>() > MAX_READS
            }
        }
    }

    /// Number of words of a state.
    pub fn words(&self) -> usize {
        match (self.operation.class, self.precision) {
            _ if !self.has_windows() => 0,
            (Class::Rank, Precision::Int8) => 2,
            (_, Precision::Int8) => self.operation.sums.len(),
            (_, Precision::F32) => 1,
        }
    }

    /// The sums that windows compute; those after it are read by the expression.
    fn folded(&self) -> usize {
        match self.precision {
            _ if !self.has_windows() => 0,
            Precision::Int8 => self.operation.sums.len(),
            Precision::F32 => 1,
        }
    }

    /// The reduce axes of a term, as loop axes.
    pub fn axes(&self, term: &Term) -> Vec<usize> {
        match (self.precision, self.operation.class) {
            (Precision::Int8, _) => self.operation.reduce_axes(term),
            (Precision::F32, _) => {
                let first = self.operation.shape.rank();
                (first..first + self.operation.reduce.len()).collect()
            }
        }
    }

    /// Cells of a term's reduce loop.
    fn cells(&self, term: &Term) -> u64 {
        let sizes = self.operation.loop_sizes();
        self.axes(term).iter().map(|&axis| sizes.get(axis).map_or(1, |&n| n as u64)).product()
    }

    /// Number of windows.
    pub fn windows(&self) -> u64 {
        let sums = self.operation.sums.iter().zip(&self.strides).take(self.folded());
        let terms = sums.flat_map(|(sum, strides)| sum.terms.iter().zip(strides));
        terms.map(|(term, &stride)| self.cells(term).div_ceil(u64::from(stride).max(1))).sum()
    }

    /// The window of this number; `None` beyond the last.
    pub fn window(&self, number: u64) -> Option<Window> {
        let mut rest = number;
        for (s, (sum, strides)) in
            self.operation.sums.iter().zip(&self.strides).take(self.folded()).enumerate()
        {
            for (t, (term, &stride)) in sum.terms.iter().zip(strides).enumerate() {
                let (cells, stride) = (self.cells(term), u64::from(stride).max(1));
                let count = cells.div_ceil(stride);
                if rest < count {
                    let first = rest * stride;
                    return Some(Window { sum: s, term: t, first, cells: stride.min(cells - first) });
                }
                rest -= count;
            }
        }
        None
    }

    /// The state before the first window.
    pub fn start(&self) -> State {
        match (self.operation.class, self.precision) {
            (Class::Maximum, _) => [u64::from(MINUS_INFINITY), 0, 0, 0],
            (Class::Rank, Precision::F32) => [u64::from(MINUS_INFINITY) << 32, 0, 0, 0],
            (Class::Rank, Precision::Int8) => [i64::MIN as u64, 0, 0, 0],
            _ => [0; 4],
        }
    }

    /// The state after a window.
    ///
    /// # Errors
    /// Where an element is not there.
    pub fn advance<R: Elements>(
        &self,
        output: &[usize],
        window: Window,
        state: State,
        read: &mut R,
    ) -> Result<State, R::Error> {
        let Some(term) = self.operation.sums.get(window.sum).and_then(|sum| sum.terms.get(window.term))
        else {
            return Ok(state);
        };
        let axes = self.axes(term);
        let sizes = self.operation.loop_sizes();
        let mut point = alloc::vec![0; sizes.len()];
        for (slot, &index) in point.iter_mut().zip(output) {
            *slot = index;
        }
        let mut state = state;
        for cell in window.first..window.first + window.cells {
            let mut rest = cell;
            for &axis in axes.iter().rev() {
                let size = sizes.get(axis).map_or(1, |&n| n as u64);
                if let Some(slot) = point.get_mut(axis) {
                    *slot = (rest % size) as usize;
                }
                rest /= size;
            }
            state = self.cell(term, window.sum, cell, &point, state, read)?;
        }
        Ok(state)
    }

    fn cell<R: Elements>(
        &self,
        term: &Term,
        sum: usize,
        cell: u64,
        point: &[usize],
        state: State,
        read: &mut R,
    ) -> Result<State, R::Error> {
        let mut state = state;
        match (self.operation.class, self.precision) {
            (Class::Maximum, _) => {
                if let Some(value) = self.first(term, point, read)? {
                    let greatest = Soft(state[0] as u32).maximum(Soft(value as u32)).canonical();
                    state[0] = greatest.to_bits().into();
                }
            }
            (Class::Rank, Precision::F32) => {
                if let Some(value) = self.first(term, point, read)?
                    && Soft((state[0] >> 32) as u32).less(Soft(value as u32))
                {
                    state[0] = u64::from(value as u32) << 32 | cell;
                }
            }
            (Class::Rank, Precision::Int8) => {
                let value = self.first(term, point, read)?.unwrap_or(0);
                if value > state[0] as i64 {
                    state = [value as u64, cell, 0, 0];
                }
            }
            (_, Precision::Int8) => {
                let mut product = term.coefficient;
                for access in &term.factors {
                    product = product.wrapping_mul(self.read(access, point, read)?.unwrap_or(0));
                }
                if let Some(total) = state.get_mut(sum) {
                    *total = total.wrapping_add(product as u64);
                }
            }
            (_, Precision::F32) => {
                let (mut total, mut block) = (Soft((state[0] >> 32) as u32), Soft(state[0] as u32));
                if cell > 0 && cell.is_multiple_of(BLOCK) {
                    (total, block) = (total.add(block), Soft(0));
                }
                let mut factors = [Soft(0); 2];
                for (slot, access) in factors.iter_mut().zip(&term.factors) {
                    *slot = Soft(self.read(access, point, read)?.unwrap_or(0) as u32);
                }
                block = match term.factors.len() {
                    1 => block.add(factors[0]),
                    _ => factors[0].fma(factors[1], block),
                };
                state[0] = u64::from(total.to_bits()) << 32 | u64::from(block.to_bits());
            }
        }
        Ok(state)
    }

    /// The element, from the state after the last window.
    ///
    /// # Errors
    /// Where an element is not there.
    pub fn finish<R: Elements>(&self, output: &[usize], state: State, read: &mut R) -> Result<i64, R::Error> {
        let mut point = alloc::vec![0; self.operation.loop_sizes().len()];
        for (slot, &index) in point.iter_mut().zip(output) {
            *slot = index;
        }
        let sums = &self.operation.sums;
        match (self.operation.class, self.precision) {
            (Class::Rank, Precision::F32) => Ok(crate::binary32::from_i64(i64::from(state[0] as u32)).into()),
            (Class::Rank, Precision::Int8) => Ok(state[1] as i64),
            (Class::Move, Precision::F32) => {
                for term in sums.iter().flat_map(|sum| &sum.terms) {
                    if let Some(value) = self.gathered(term, &point, read)? {
                        return Ok(value);
                    }
                }
                Ok(0)
            }
            (_, Precision::Int8) => {
                let mut values = Vec::with_capacity(sums.len());
                for (number, sum) in sums.iter().enumerate() {
                    if self.has_windows() {
                        values.push(state.get(number).map_or(0, |&total| total as i64));
                        continue;
                    }
                    let mut total = 0i64;
                    for term in &sum.terms {
                        let mut product = term.coefficient;
                        for access in &term.factors {
                            product = product.wrapping_mul(self.read(access, &point, read)?.unwrap_or(0));
                        }
                        total = total.wrapping_add(product);
                    }
                    values.push(total);
                }
                Ok(self.operation.expression.evaluate(&values))
            }
            (class, Precision::F32) => {
                let mut values = Vec::with_capacity(sums.len());
                let folded = self.folded();
                match class {
                    Class::Maximum => values.push(Soft(state[0] as u32)),
                    Class::Fold => values.push(Soft((state[0] >> 32) as u32).add(Soft(state[0] as u32))),
                    _ => {}
                }
                for term in sums.iter().skip(folded).flat_map(|sum| &sum.terms) {
                    values.push(Soft(self.first(term, &point, read)?.unwrap_or(0) as u32));
                }
                match &self.operation.expression {
                    Expression::Formula(formula) => Ok(formula.value(&values).to_bits().into()),
                    _ => Ok(0),
                }
            }
        }
    }

    /// The element at an output point, all steps in order.
    ///
    /// # Errors
    /// Where an element is not there.
    pub fn element<R: Elements>(&self, output: &[usize], read: &mut R) -> Result<i64, R::Error> {
        let mut state = self.start();
        for number in 0..self.windows() {
            let Some(window) = self.window(number) else { break };
            state = self.advance(output, window, state, read)?;
        }
        self.finish(output, state, read)
    }

    /// The output point of an element's place in row-major order.
    pub fn point(&self, place: u64) -> Vec<usize> {
        let sizes = self.operation.shape.sizes();
        let mut rest = place;
        let mut point = alloc::vec![0; sizes.len()];
        for (slot, &size) in point.iter_mut().zip(sizes).rev() {
            *slot = (rest % size as u64) as usize;
            rest /= size as u64;
        }
        point
    }

    fn first<R: Elements>(
        &self,
        term: &Term,
        point: &[usize],
        read: &mut R,
    ) -> Result<Option<i64>, R::Error> {
        match term.factors.first() {
            Some(access) => self.read(access, point, read),
            None => Ok(None),
        }
    }

    /// What an access reads; nothing outside of its tensor.
    fn read<R: Elements>(
        &self,
        access: &Access,
        point: &[usize],
        read: &mut R,
    ) -> Result<Option<i64>, R::Error> {
        match self.operand(access.source).and_then(|operand| place(access, operand, point, None)) {
            Some(place) => read.element(access.source, place).map(Some),
            None => Ok(None),
        }
    }

    /// The number that the second factor of an f32 move adds to an index of the first: towards zero a whole one.
    ///
    /// # Errors
    /// Where the element is not there.
    pub fn gather_index<R: Elements>(
        &self,
        index: &Access,
        point: &[usize],
        read: &mut R,
    ) -> Result<i64, R::Error> {
        Ok(to_i64(self.read(index, point, read)?.unwrap_or(0) as u32))
    }

    /// What a term of an f32 move reads; its second factor is added to an index of the first.
    fn gathered<R: Elements>(
        &self,
        term: &Term,
        point: &[usize],
        read: &mut R,
    ) -> Result<Option<i64>, R::Error> {
        let [data, index] = term.factors.as_slice() else { return self.first(term, point, read) };
        let shift = Some((term.coefficient, self.gather_index(index, point, read)?));
        match self.operand(data.source).and_then(|operand| place(data, operand, point, shift)) {
            Some(place) => read.element(data.source, place).map(Some),
            None => Ok(None),
        }
    }
}

/// The place that an access reads at a point of the loop, in row-major order; `None` outside. `shift` is an axis of the tensor
/// and what is added to its index.
pub fn place(access: &Access, operand: &Operand, point: &[usize], shift: Option<(i64, i64)>) -> Option<u64> {
    let mut place = 0u64;
    for (axis, (affine, &size)) in access.index.iter().zip(operand.shape.sizes()).enumerate() {
        let moved = shift.filter(|&(shifted, _)| shifted == axis as i64).map_or(0, |(_, by)| by);
        // In 128 bits nothing wraps, whatever a hostile descriptor states.
        let steps = affine
            .terms
            .iter()
            .map(|&(axis, c)| i128::from(c) * point.get(axis).map_or(0, |&index| index as i128));
        let index = i128::from(affine.constant) + i128::from(moved) + steps.sum::<i128>();
        if index < 0 || index >= size as i128 {
            return None;
        }
        place = place * size as u64 + index as u64;
    }
    Some(place)
}
