//! Building programs: tensors read through index maps, accumulators, and the operations made from them.
//!
//! A [`View`] is a tensor under another shape: reshapes, transposes, slices, broadcasts and zero padding of it
//! cost nothing, they only change the indices through which its reader reads. An [`Accumulator`] is a sum of
//! products over a loop that waits for its expression; [`Builder::emit`] makes it an operation.
//!
//! ```text
//! x [1,16,5,5] --reshaped--> [1,400], whose last axis has the digits 16, 5, 5
//!   --matmul--> sum over o, y, x of W[j, o, y, x] x[o, y, x], W having been reshaped when it was built
//! ```

use crate::expression::Expression;
use crate::formula::Formula;
use crate::program::{
    Access, AccuracyReport, Affine, Class, Constant, Input, Operation, Output, Precision, Program, Source,
    Sum, Term, Visibility,
};
use crate::shape::{MAX_AXES, Shape};
use crate::tensor::{Bounds, MAX_MAGNITUDE, REAL_BOUNDS, RealTensor, Tensor};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use thiserror::Error;

/// Why an operation cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// A wire would have too many axes or cells.
    #[error("a tensor of {sizes:?} has too many axes or cells")]
    Shape {
        /// The sizes.
        sizes: Vec<usize>,
    },
    /// A sum would leave what an accumulator holds.
    #[error("{name}: a sum can reach 2^62")]
    Magnitude {
        /// The operation.
        name: String,
    },
    /// A value that only an operation has.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// A tensor read through index maps.
///
/// Each axis of the view is a mixed-radix number of *digits*, most significant first, none of size 1; an axis
/// of size 1 has none. Each axis of the source has an affine index over all digits; reads outside give zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    source: Source,
    source_sizes: Vec<usize>,
    axes: Vec<Vec<usize>>,
    index: Vec<Affine>,
}

/// The digits of the coarsest number system that refines both; `None` where none does.
pub fn align(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let mut places = BTreeSet::new();
    for digits in [a, b] {
        let mut place = 1usize;
        places.insert(place);
        for &digit in digits.iter().rev() {
            place *= digit;
            places.insert(place);
        }
    }
    let places: Vec<usize> = places.into_iter().collect();
    let ratios = places.windows(2).map(|pair| (pair[1] % pair[0] == 0).then_some(pair[1] / pair[0]));
    let mut digits: Vec<usize> = ratios.collect::<Option<_>>()?;
    digits.reverse();
    (a.iter().product::<usize>() == b.iter().product::<usize>()).then_some(digits)
}

/// The digits of an axis of one digit; none of size 1.
pub fn axis_digits(size: usize) -> Vec<usize> {
    if size == 1 { Vec::new() } else { alloc::vec![size] }
}

impl View {
    /// A whole tensor.
    pub fn whole(source: Source, sizes: &[usize]) -> View {
        let mut digit = 0;
        let index = sizes.iter().map(|&size| {
            if size == 1 {
                return Affine::constant(0);
            }
            digit += 1;
            Affine::axis(digit - 1)
        });
        let index = index.collect();
        let axes = sizes.iter().map(|&size| axis_digits(size)).collect();
        View { source, source_sizes: sizes.to_vec(), axes, index }
    }

    /// The tensor that is read.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Sizes of the view's axes.
    pub fn sizes(&self) -> Vec<usize> {
        self.axes.iter().map(|digits| digits.iter().product()).collect()
    }

    /// The digits of each axis.
    pub fn axes(&self) -> &[Vec<usize>] {
        &self.axes
    }

    /// The digits of all axes in order: the view's own loop.
    pub fn digits(&self) -> Vec<usize> {
        self.axes.concat()
    }

    /// Number of the first digit of an axis.
    pub fn first_digit(&self, axis: usize) -> usize {
        self.axes.iter().take(axis).map(Vec::len).sum()
    }

    /// The access that reads the view, given an index over loop axes for each digit.
    pub fn at(&self, digits: &[Affine]) -> Access {
        let index = self.index.iter().map(|affine| substitute(affine, digits)).collect();
        Access { source: self.source, index }
    }

    /// The same tensor with other axes, each old digit an affine function of the new ones.
    fn mapped(&self, axes: Vec<Vec<usize>>, digits: &[Affine]) -> View {
        let index = self.at(digits).index;
        View { source: self.source, source_sizes: self.source_sizes.clone(), axes, index }
    }

    /// The axes in another order: axis `order[i]` becomes axis i.
    pub fn transposed(&self, order: &[usize]) -> View {
        let axes: Vec<Vec<usize>> = order.iter().map(|&axis| self.axes[axis].clone()).collect();
        let mut digits = alloc::vec![Affine::default(); self.digits().len()];
        let mut next = 0;
        for &axis in order {
            let first = self.first_digit(axis);
            for place in 0..self.axes[axis].len() {
                digits[first + place] = Affine::axis(next);
                next += 1;
            }
        }
        self.mapped(axes, &digits)
    }

    /// Splits digits so that all of them, in order, are `fine`.
    fn split(&self, fine: &[usize]) -> View {
        let mut digits = Vec::new();
        let mut axes = Vec::new();
        let mut next = 0;
        for axis in &self.axes {
            let mut parts = Vec::new();
            for &digit in axis {
                let mut places = Vec::new();
                let mut rest = digit;
                if digit == 1 && fine.get(next) == Some(&1) {
                    places.push((next, 1));
                    parts.push(1);
                    next += 1;
                }
                while rest > 1 {
                    rest /= fine[next];
                    places.push((next, rest as i64));
                    parts.push(fine[next]);
                    next += 1;
                }
                digits.push(Affine::new(0, &places));
            }
            axes.push(parts);
        }
        self.mapped(axes, &digits)
    }

    /// Joins neighbouring digits of an axis that every index reads as one.
    fn joined(&self) -> View {
        let mut axes = Vec::new();
        let mut digits = Vec::new();
        let mut old = 0;
        let mut next = 0;
        let coefficient =
            |affine: &Affine, digit: usize| affine.terms.iter().find(|(d, _)| *d == digit).map_or(0, |t| t.1);
        for axis in &self.axes {
            let mut parts: Vec<usize> = Vec::new();
            let mut members: Vec<Vec<usize>> = Vec::new();
            for &size in axis {
                let joins = old > 0
                    && !parts.is_empty()
                    && self
                        .index
                        .iter()
                        .all(|a| coefficient(a, old - 1) == coefficient(a, old) * size as i64);
                match (joins, parts.last_mut(), members.last_mut()) {
                    (true, Some(part), Some(of)) => {
                        *part *= size;
                        of.push(old);
                    }
                    _ => {
                        parts.push(size);
                        members.push(alloc::vec![old]);
                    }
                }
                old += 1;
            }
            // Only the last digit of a joined run keeps a coefficient: the run's index is a multiple of it.
            for run in &members {
                for (place, _) in run.iter().enumerate() {
                    let last = place + 1 == run.len();
                    digits.push(if last { Affine::axis(next) } else { Affine::constant(0) });
                }
                next += 1;
            }
            axes.push(parts);
        }
        self.mapped(axes, &digits)
    }

    /// The elements in row-major order under other sizes; `None` where the axes do not divide alike.
    pub fn reshaped(&self, sizes: &[usize]) -> Option<View> {
        let wanted: Vec<usize> = sizes.iter().copied().filter(|&size| size > 1).collect();
        let fine = align(&self.digits(), &wanted)?;
        let mut view = self.split(&fine);
        let mut digits = fine.iter().copied();
        view.axes = sizes
            .iter()
            .map(|&size| {
                let mut rest = size;
                let mut axis = Vec::new();
                while rest > 1 {
                    let digit = digits.next().unwrap_or(rest);
                    axis.push(digit);
                    rest /= digit;
                }
                axis
            })
            .collect();
        Some(view.joined())
    }

    /// The same view with an axis of finer digits; `None` where they do not align.
    pub fn refined(&self, axis: usize, digits: &[usize]) -> Option<View> {
        let fine = align(&self.axes[axis], digits)?;
        let all: Vec<usize> = (self.axes.iter().enumerate())
            .flat_map(|(a, own)| if a == axis { fine.clone() } else { own.clone() })
            .collect();
        Some(self.split(&all))
    }

    /// The elements `start + i * step` for `i < len` of an axis of one digit.
    pub fn sliced(&self, axis: usize, start: i64, step: i64, len: usize) -> Option<View> {
        let mut digits: Vec<Affine> = Vec::new();
        let mut axes = self.axes.clone();
        let mut next = 0;
        for (a, own) in self.axes.iter().enumerate() {
            if a != axis {
                digits.extend((next..next + own.len()).map(Affine::axis));
                next += own.len();
                continue;
            }
            axes[a] = axis_digits(len);
            match own.as_slice() {
                [] if start == 0 && len == 1 => {}
                [_] if len == 1 => digits.push(Affine::constant(start)),
                [_] => {
                    digits.push(Affine::new(start, &[(next, step)]));
                    next += 1;
                }
                _ => return None,
            }
        }
        Some(self.mapped(axes, &digits))
    }

    /// Zeros before and after an axis; `None` where a read there would find something.
    pub fn padded(&self, axis: usize, before: usize, after: usize) -> Option<View> {
        if before + after == 0 {
            return Some(self.clone());
        }
        let view = self.explicit(axis)?;
        let size = view.axes[axis].iter().product::<usize>();
        if !view.zero_outside(axis) {
            return None;
        }
        view.sliced(axis, -(before as i64), 1, before + size + after)
    }

    /// An axis of size 1 with a digit of its own, so that it can be read outside.
    pub fn explicit(&self, axis: usize) -> Option<View> {
        if !self.axes[axis].is_empty() {
            return Some(self.clone());
        }
        let still = |affine: &Affine| affine.terms.is_empty() && affine.constant == 0;
        let first = self.first_digit(axis);
        let mut view = self.clone();
        view.axes[axis] = alloc::vec![1];
        for affine in &mut view.index {
            for (digit, _) in &mut affine.terms {
                *digit += usize::from(*digit >= first);
            }
        }
        let free = view.index.iter_mut().rev().find(|affine| still(affine))?;
        *free = Affine::axis(first);
        Some(view)
    }

    /// True where a read before or after an axis of one digit finds nothing.
    pub fn zero_outside(&self, axis: usize) -> bool {
        let first = self.first_digit(axis);
        let [size] = self.axes[axis].as_slice() else { return false };
        let reads = |affine: &Affine| affine.terms.iter().any(|term| term.0 == first);
        self.index.iter().zip(&self.source_sizes).filter(|(affine, _)| reads(affine)).any(|(affine, &n)| {
            let [(_, c)] = affine.terms.as_slice() else { return false };
            let ends = [affine.constant - c, affine.constant + c * *size as i64];
            ends.iter().min() < Some(&0) && ends.iter().max() >= Some(&(n as i64))
        })
    }

    /// True where some digits read outside of the source.
    fn reads_outside(&self) -> bool {
        let digits = self.digits();
        self.index.iter().zip(&self.source_sizes).any(|(affine, &n)| {
            let range = affine.range(&digits);
            range.lo < 0 || range.hi >= n as i64
        })
    }

    /// The view with axes of size 1 removed from, or added to, its front so that it has `rank` axes.
    pub fn with_rank(&self, rank: usize) -> View {
        let mut view = self.clone();
        while view.axes.len() > rank && view.axes[0].is_empty() {
            view.axes.remove(0);
        }
        while view.axes.len() < rank {
            view.axes.insert(0, Vec::new());
        }
        view
    }

    /// The view with an axis of size 1 at this place.
    pub fn unsqueezed(&self, axis: usize) -> View {
        let mut view = self.clone();
        view.axes.insert(axis, Vec::new());
        view
    }

    /// The view with an axis of size 1 where it reads the same along it; `None` where it does not.
    pub fn without(&self, axis: usize) -> Option<View> {
        let digits = self.first_digit(axis)..self.first_digit(axis) + self.axes.get(axis)?.len();
        let terms = || self.index.iter().flat_map(|affine| &affine.terms);
        if terms().any(|term| digits.contains(&term.0)) {
            return None;
        }
        let mut view = self.clone();
        view.axes[axis] = Vec::new();
        for term in view.index.iter_mut().flat_map(|affine| &mut affine.terms) {
            term.0 -= if term.0 >= digits.end { digits.len() } else { 0 };
        }
        Some(view)
    }

    /// The view repeated along axes of size 1, as ONNX broadcasts.
    pub fn expanded(&self, sizes: &[usize]) -> View {
        let mut view = self.with_rank(sizes.len());
        for (axis, &size) in sizes.iter().enumerate() {
            if view.axes[axis].iter().product::<usize>() == 1 && size > 1 {
                let first = view.first_digit(axis);
                view.axes[axis] = alloc::vec![size];
                for term in view.index.iter_mut().flat_map(|affine| &mut affine.terms) {
                    term.0 += usize::from(term.0 >= first);
                }
            }
        }
        view
    }
}

fn substitute(affine: &Affine, digits: &[Affine]) -> Affine {
    let mut constant = affine.constant;
    let mut terms = Vec::new();
    for &(digit, c) in &affine.terms {
        constant += c * digits[digit].constant;
        terms.extend(digits[digit].terms.iter().map(|&(axis, k)| (axis, c * k)));
    }
    Affine::new(constant, &terms)
}

/// A sum of products over a loop, before its expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accumulator {
    /// The output's axes, as digits; these are the first loop axes, in order.
    pub axes: Vec<Vec<usize>>,
    /// Sizes of the loop axes that are summed.
    pub reduce: Vec<usize>,
    /// The terms.
    pub terms: Vec<Term>,
    /// Bounds known by other means than the terms' own.
    pub known: Option<Bounds>,
}

impl Accumulator {
    /// The view itself, as a sum of one term.
    pub fn of(view: &View) -> Accumulator {
        let identity: Vec<Affine> = (0..view.digits().len()).map(Affine::axis).collect();
        let term = Term { coefficient: 1, factors: alloc::vec![view.at(&identity)] };
        Accumulator { axes: view.axes.clone(), reduce: Vec::new(), terms: alloc::vec![term], known: None }
    }

    /// Sizes of the output's axes.
    pub fn sizes(&self) -> Vec<usize> {
        self.axes.iter().map(|digits| digits.iter().product()).collect()
    }

    /// The digits of all output axes.
    pub fn outputs(&self) -> Vec<usize> {
        self.axes.concat()
    }

    /// The accumulator times an integer.
    pub fn scaled(mut self, factor: i64) -> Accumulator {
        for term in &mut self.terms {
            term.coefficient *= factor;
        }
        self.known = self.known.map(|bounds| {
            let ends = [bounds.lo * factor, bounds.hi * factor];
            Bounds { lo: ends[0].min(ends[1]), hi: ends[0].max(ends[1]) }
        });
        self
    }

    /// The accumulator plus an integer.
    pub fn plus(mut self, constant: i64) -> Accumulator {
        if constant != 0 {
            self.terms.push(Term { coefficient: constant, factors: Vec::new() });
            self.known = self.known.map(|b| Bounds { lo: b.lo + constant, hi: b.hi + constant });
        }
        self
    }

    /// The accumulator summed along output axes: their digits become reduce axes, and they stay with size 1.
    pub fn summed(mut self, axes: &[usize]) -> Accumulator {
        let mut order = Vec::new();
        let (mut kept, mut summed) = (Vec::new(), Vec::new());
        let mut first = 0;
        for (axis, digits) in self.axes.iter().enumerate() {
            let places = first..first + digits.len();
            if axes.contains(&axis) {
                summed.extend(places)
            } else {
                kept.extend(places)
            }
            first += digits.len();
        }
        order.extend(kept.iter().chain(&summed).copied());
        let outputs = self.outputs();
        let mut renumbered = alloc::vec![0; outputs.len()];
        for (new, &old) in order.iter().enumerate() {
            renumbered[old] = new;
        }
        self.reduce.splice(0..0, summed.iter().map(|&axis| outputs[axis]));
        self.renumber(|axis| renumbered.get(axis).copied().unwrap_or(axis));
        for &axis in axes {
            self.axes[axis] = Vec::new();
        }
        self.known = None;
        self
    }

    /// Drops output axes of size 1.
    pub fn squeezed(mut self, axes: &[usize]) -> Accumulator {
        let mut axis = 0;
        self.axes.retain(|_| {
            axis += 1;
            !axes.contains(&(axis - 1))
        });
        self
    }

    fn renumber(&mut self, axis: impl Fn(usize) -> usize) {
        for affine in self.terms.iter_mut().flat_map(|t| &mut t.factors).flat_map(|f| &mut f.index) {
            let terms: Vec<(usize, i64)> = affine.terms.iter().map(|&(a, c)| (axis(a), c)).collect();
            *affine = Affine::new(affine.constant, &terms);
        }
    }

    /// Gives axes of size 1 loop axes of their own.
    fn with_ones(mut self) -> Accumulator {
        let mut places = Vec::new();
        let mut next = 0;
        for digits in &mut self.axes {
            match digits.is_empty() {
                true => *digits = alloc::vec![1],
                false => places.extend(next..next + digits.len()),
            }
            next += digits.len();
        }
        let count = places.len();
        self.renumber(|axis| places.get(axis).copied().unwrap_or_else(|| next + axis - count));
        self
    }
}

/// The most points over which bounds are taken channel by channel.
const MAX_BOUND_POINTS: usize = 1 << 26;

/// Digest and sizes of a constant.
type Content = ([u8; 32], Vec<usize>);

/// Constructs a program.
#[derive(Clone, Debug)]
pub struct Builder {
    program: Program,
    /// Constants by content; none where each is one of its own.
    known: Option<BTreeMap<Content, usize>>,
}

impl Builder {
    /// An empty program.
    pub fn new(committed_model: bool) -> Builder {
        Builder::of(Precision::Int8, committed_model)
    }

    /// An empty f32 program. Values of constants are then the bits of binary32 numbers, bounds are none, and the
    /// expression [`Expression::Sum`] of sum 0 is the formula of that sum.
    pub fn reals() -> Builder {
        Builder::of(Precision::F32, false)
    }

    fn of(precision: Precision, committed_model: bool) -> Builder {
        let program = Program {
            precision,
            committed_model,
            inputs: Vec::new(),
            constants: Vec::new(),
            operations: Vec::new(),
            outputs: Vec::new(),
            reshaped: Default::default(),
            accuracy: AccuracyReport::default(),
        };
        Builder { program, known: Some(BTreeMap::new()) }
    }

    /// Constants of one content stay as many as they are, as what is trained must: they will differ.
    pub fn with_constants_apart(self) -> Builder {
        Builder { known: None, ..self }
    }

    /// What has been built.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program.
    pub fn finish(self) -> Program {
        self.program
    }

    /// Adds an input.
    pub fn input(&mut self, input: Input) -> View {
        let view = View::whole(Source::Input(self.program.inputs.len()), input.shape.sizes());
        self.program.inputs.push(input);
        view
    }

    /// Adds a constant, or finds the one of the same content where they are not kept apart.
    pub fn constant(&mut self, tensor: Tensor) -> View {
        let constant = match self.program.precision {
            Precision::Int8 => Constant::new(tensor),
            Precision::F32 => {
                let bits = tensor.values.iter().map(|&bits| bits as u32).collect();
                Constant::real(RealTensor { shape: tensor.shape, bits })
            }
        };
        let sizes = constant.shape.sizes().to_vec();
        let next = self.program.constants.len();
        let number = match &mut self.known {
            Some(known) => *known.entry((constant.digest, sizes.clone())).or_insert(next),
            None => next,
        };
        if number == next {
            self.program.constants.push(constant);
        }
        View::whole(Source::Constant(number), &sizes)
    }

    /// A constant of these sizes and values.
    ///
    /// # Errors
    /// Where the sizes make no shape, or are not those of the values.
    pub fn constant_of(&mut self, sizes: &[usize], values: Vec<i64>) -> Result<View, BuildError> {
        let error = || BuildError::Shape { sizes: sizes.to_vec() };
        let shape = Shape::new(sizes.to_vec()).ok_or_else(error)?;
        Ok(self.constant(Tensor::new(shape, values).ok_or_else(error)?))
    }

    /// Bounds of what a source holds.
    pub fn source_bounds(&self, source: Source) -> Bounds {
        self.program.source(source).map_or(Bounds { lo: 0, hi: 0 }, |(_, bounds)| bounds)
    }

    /// Bounds of what a view reads, zero included where it may read outside.
    pub fn bounds(&self, view: &View) -> Bounds {
        let bounds = self.source_bounds(view.source);
        if view.reads_outside() { bounds.with_zero() } else { bounds }
    }

    /// Exact bounds of the accumulator, channel by channel where constants are known.
    pub fn sum_bounds(&self, accumulator: &Accumulator) -> Bounds {
        if self.program.precision == Precision::F32 {
            return REAL_BOUNDS;
        }
        accumulator.known.unwrap_or_else(|| {
            sum_bounds(&self.program, &accumulator.outputs(), &accumulator.reduce, &accumulator.terms)
        })
    }

    /// Adds the operation of one accumulator. With `ones`, the wire keeps its axes of size 1.
    ///
    /// # Errors
    /// Where the wire has too many axes, or the sum is too large.
    pub fn emit(
        &mut self,
        name: &str,
        class: Class,
        accumulator: Accumulator,
        expression: Expression,
        ones: bool,
    ) -> Result<View, BuildError> {
        self.emit_all(name, class, alloc::vec![accumulator], expression, ones)
    }

    /// Adds an operation of several accumulators over the same output axes.
    ///
    /// # Errors
    /// Where the wire has too many axes, or a sum is too large.
    pub fn emit_all(
        &mut self,
        name: &str,
        class: Class,
        mut accumulators: Vec<Accumulator>,
        expression: Expression,
        ones: bool,
    ) -> Result<View, BuildError> {
        let logical: Vec<Vec<usize>> = accumulators.first().map_or_else(Vec::new, |first| first.axes.clone());
        if ones {
            accumulators = accumulators.into_iter().map(Accumulator::with_ones).collect();
        }
        let outputs = accumulators.first().map_or_else(Vec::new, Accumulator::outputs);
        let too_large = || BuildError::Shape { sizes: outputs.clone() };
        let shape = Shape::new(outputs.clone()).ok_or_else(too_large)?;
        let reduce =
            accumulators.iter().find(|a| !a.reduce.is_empty()).map_or_else(Vec::new, |a| a.reduce.clone());
        if outputs.len() + reduce.len() > 2 * MAX_AXES {
            return Err(too_large());
        }
        let mut sums = Vec::new();
        for accumulator in accumulators {
            let bounds = self.sum_bounds(&accumulator);
            let magnitude = || BuildError::Magnitude { name: name.to_string() };
            let bounds = Bounds::new(bounds.lo, bounds.hi).ok_or_else(magnitude)?;
            sums.push(Sum { terms: accumulator.terms, bounds });
        }
        // A move that sums has one element inside: of numbers it is the greatest, with the sign of its zero.
        let class = match (class, self.program.precision) {
            (Class::Move, Precision::Int8) if !reduce.is_empty() => Class::Fold,
            (Class::Move, Precision::F32) if !reduce.is_empty() => Class::Maximum,
            _ => class,
        };
        let expression = match (self.program.precision, expression) {
            (Precision::F32, Expression::Sum(number)) => Expression::Formula(Formula::Sum(number)),
            (_, expression) => expression,
        };
        let number = self.program.operations.len();
        self.program.operations.push(Operation {
            name: name.to_string(),
            class,
            shape,
            reduce,
            sums,
            expression,
        });
        let mut view = View::whole(Source::Operation(number), &outputs);
        view.axes = logical;
        Ok(view)
    }

    /// The view as a wire of its own, each axis one digit.
    ///
    /// # Errors
    /// Where the wire has too many axes.
    pub fn materialised(&mut self, name: &str, view: &View, ones: bool) -> Result<View, BuildError> {
        let bounds = self.bounds(view);
        if view.axes.iter().all(|digits| digits.len() <= 1) {
            let mut moved = Accumulator::of(view);
            moved.known = Some(bounds);
            return self.emit(name, Class::Move, moved, Expression::Sum(0), ones);
        }
        let mut plain = view.clone();
        let digits: Vec<Vec<usize>> = view.digits().iter().map(|&digit| alloc::vec![digit]).collect();
        plain.axes.clone_from(&digits);
        if (0..digits.len()).any(|axis| !plain.zero_outside(axis)) {
            let wire = self.materialised(name, &plain, false)?;
            let mut again = wire;
            again.axes.clone_from(&view.axes);
            return self.materialised(name, &again, ones);
        }
        // out[j] = sum over all digits but the last, r, of x[r, j - sum of place * r]: one of them is inside.
        let sizes = view.sizes();
        let axes: Vec<Vec<usize>> = sizes.iter().map(|&size| axis_digits(size)).collect();
        let mut reduce = Vec::new();
        let mut index = Vec::new();
        let outputs = axes.concat().len();
        let mut output = 0;
        for own in &view.axes {
            let Some((&last, leading)) = own.split_last() else { continue };
            let mut terms = alloc::vec![(output, 1i64)];
            let mut place = own.iter().product::<usize>();
            for &digit in leading {
                place /= digit;
                let axis = outputs + reduce.len();
                index.push(Affine::axis(axis));
                terms.push((axis, -(place as i64)));
                reduce.push(digit);
            }
            debug_assert_eq!(place, last.max(1));
            index.push(Affine::new(0, &terms));
            output += 1;
        }
        let term = Term { coefficient: 1, factors: alloc::vec![view.at(&index)] };
        let moved = Accumulator { axes, reduce, terms: alloc::vec![term], known: Some(bounds) };
        self.emit(name, Class::Move, moved, Expression::Sum(0), ones)
    }

    /// The view reshaped, by a Move first where its axes do not divide alike.
    ///
    /// # Errors
    /// Where a wire has too many axes.
    pub fn reshape(&mut self, name: &str, view: &View, sizes: &[usize]) -> Result<View, BuildError> {
        if let Some(reshaped) = view.reshaped(sizes) {
            return Ok(reshaped);
        }
        // Through one long axis: what no mixed radix aligns, a sum over digits does.
        let flat = view.reshaped(&[view.sizes().iter().product()]);
        let flat = flat.ok_or(BuildError::Unsupported("a tensor cannot be flattened"))?;
        let wire = self.materialised(name, &flat, false)?;
        wire.reshaped(sizes).ok_or(BuildError::Unsupported("a wire cannot be reshaped"))
    }

    /// A view whose axis is one digit that may be read outside.
    ///
    /// # Errors
    /// Where a wire has too many axes.
    pub fn plain_axis(&mut self, name: &str, view: &View, axis: usize) -> Result<View, BuildError> {
        if let Some(view) = view.explicit(axis)
            && view.axes[axis].len() == 1
            && view.zero_outside(axis)
        {
            return Ok(view);
        }
        let sizes = view.sizes();
        let ones = sizes[axis] == 1;
        let wire = self.materialised(name, view, ones)?;
        wire.explicit(axis).ok_or(BuildError::Unsupported("an axis cannot be read outside"))
    }

    /// The view refined along an axis, by a Move first where its digits do not align.
    ///
    /// # Errors
    /// Where a wire has too many axes.
    pub fn refine(
        &mut self,
        name: &str,
        view: &View,
        axis: usize,
        digits: &[usize],
    ) -> Result<View, BuildError> {
        if let Some(view) = view.refined(axis, digits) {
            return Ok(view);
        }
        let wire = self.materialised(name, view, false)?;
        wire.refined(axis, digits).ok_or(BuildError::Unsupported("an axis cannot be split"))
    }

    /// The operation that a view is, whole, in the order and sizes of its wire.
    pub fn whole_operation(&self, view: &View, sizes: &[usize]) -> Option<usize> {
        let Source::Operation(number) = view.source else { return None };
        let shape = self.program.operations.get(number)?.shape.sizes();
        let whole = View::whole(view.source, shape);
        (shape == sizes && view.index == whole.index && view.sizes() == sizes).then_some(number)
    }

    /// Makes a view an output; by a Move where it is no whole wire of these sizes, or is one already.
    ///
    /// # Errors
    /// Where a wire has too many axes.
    pub fn output(
        &mut self,
        name: &str,
        view: &View,
        scale: f64,
        visibility: Visibility,
    ) -> Result<(), BuildError> {
        let sizes = view.sizes();
        let whole = self.whole_operation(view, &sizes);
        let free = whole.filter(|&number| self.program.output_of(number).is_none());
        let operation = match free {
            Some(number) => number,
            None => {
                self.materialised(name, view, true)?;
                self.program.operations.len() - 1
            }
        };
        self.program.outputs.push(Output { name: name.to_string(), operation, scale, visibility });
        Ok(())
    }
}

/// Exact bounds of a sum of terms over a loop.
///
/// A term's constants are multiplied out at every point of the axes that they read; what else it reads is an
/// interval. Terms are added at each output point before the ends are taken.
pub fn sum_bounds(program: &Program, outputs: &[usize], reduce: &[usize], terms: &[Term]) -> Bounds {
    let sizes: Vec<usize> = outputs.iter().chain(reduce).copied().collect();
    let parts: Vec<TermBounds> =
        terms.iter().map(|term| term_bounds(program, outputs.len(), &sizes, term)).collect();
    let mut axes: Vec<usize> = parts.iter().flat_map(|part| part.axes.iter().copied()).collect();
    axes.sort_unstable();
    axes.dedup();
    let points: usize = axes.iter().map(|&axis| sizes[axis]).product();
    if points > MAX_BOUND_POINTS {
        let ends = parts.iter().map(|part| {
            let lo = part.ends.iter().map(|e| e.0).min().unwrap_or(0);
            (lo, part.ends.iter().map(|e| e.1).max().unwrap_or(0))
        });
        let (lo, hi) = ends.fold((0i128, 0i128), |sum, ends| (sum.0 + ends.0, sum.1 + ends.1));
        return Bounds { lo: clamp(lo), hi: clamp(hi) };
    }
    let mut bounds: Option<(i128, i128)> = None;
    let mut at = alloc::vec![0usize; sizes.len()];
    for mut point in 0..points {
        for &axis in axes.iter().rev() {
            at[axis] = point % sizes[axis];
            point /= sizes[axis];
        }
        let mut sum = (0i128, 0i128);
        for part in &parts {
            let cell = part.axes.iter().fold(0, |cell, &axis| cell * sizes[axis] + at[axis]);
            let ends = part.ends[cell];
            sum = (sum.0 + ends.0, sum.1 + ends.1);
        }
        bounds = Some(bounds.map_or(sum, |b| (b.0.min(sum.0), b.1.max(sum.1))));
    }
    let (lo, hi) = bounds.unwrap_or((0, 0));
    Bounds { lo: clamp(lo), hi: clamp(hi) }
}

fn clamp(value: i128) -> i64 {
    value.clamp(-i128::from(MAX_MAGNITUDE), i128::from(MAX_MAGNITUDE)) as i64
}

/// Ends of a term at each point of the output axes that its constants read.
struct TermBounds {
    axes: Vec<usize>,
    ends: Vec<(i128, i128)>,
}

fn term_bounds(program: &Program, outputs: usize, sizes: &[usize], term: &Term) -> TermBounds {
    let reads =
        |access: &Access, axis: usize| access.index.iter().any(|a| a.terms.iter().any(|t| t.0 == axis));
    let known = |access: &&Access| match access.source {
        Source::Constant(i) => program.constants.get(i).is_some_and(|constant| constant.values.is_some()),
        _ => false,
    };
    let mut constants: Vec<&Access> = term.factors.iter().filter(known).collect();
    let read: Vec<usize> =
        (0..sizes.len()).filter(|&axis| constants.iter().any(|access| reads(access, axis))).collect();
    let points = read.iter().fold(1usize, |n, &axis| n.saturating_mul(sizes[axis]));
    let read = if points > MAX_BOUND_POINTS {
        constants.clear();
        Vec::new()
    } else {
        read
    };
    let mut interval = (i128::from(term.coefficient), i128::from(term.coefficient));
    for access in term.factors.iter().filter(|access| !constants.contains(access)) {
        let Some((shape, bounds)) = program.source(access.source) else { continue };
        let outside = access.index.iter().zip(shape.sizes()).any(|(affine, &n)| {
            let range = affine.range(sizes);
            range.lo < 0 || range.hi >= n as i64
        });
        let bounds = if outside { bounds.with_zero() } else { bounds };
        interval = times(interval, (bounds.lo.into(), bounds.hi.into()));
    }
    for (axis, &size) in sizes.iter().enumerate().skip(outputs) {
        if !read.contains(&axis) && term.factors.iter().any(|access| reads(access, axis)) {
            interval = times(interval, (size as i128, size as i128));
        }
    }
    let axes: Vec<usize> = read.iter().copied().filter(|&axis| axis < outputs).collect();
    let cells = axes.iter().map(|&axis| sizes[axis]).product();
    let mut ends = alloc::vec![(0i128, 0i128); cells];
    let points: usize = read.iter().map(|&axis| sizes[axis]).product();
    let mut at = alloc::vec![0usize; sizes.len()];
    for mut point in 0..points {
        for &axis in read.iter().rev() {
            at[axis] = point % sizes[axis];
            point /= sizes[axis];
        }
        let product: i128 =
            constants.iter().map(|access| i128::from(constant_at(program, access, &at))).product();
        let cell = axes.iter().fold(0, |cell, &axis| cell * sizes[axis] + at[axis]);
        let part = times(interval, (product, product));
        ends[cell] = (ends[cell].0 + part.0, ends[cell].1 + part.1);
    }
    TermBounds { axes, ends }
}

fn times(a: (i128, i128), b: (i128, i128)) -> (i128, i128) {
    let products = [a.0, a.1].map(|x| [x.saturating_mul(b.0), x.saturating_mul(b.1)]);
    let all = products.as_flattened();
    (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0))
}

fn constant_at(program: &Program, access: &Access, point: &[usize]) -> i64 {
    let Source::Constant(number) = access.source else { return 0 };
    let Some(constant) = program.constants.get(number) else { return 0 };
    let mut cell = 0usize;
    for (affine, &size) in access.index.iter().zip(constant.shape.sizes()) {
        let index = affine.at(point);
        if index < 0 || index >= size as i64 {
            return 0;
        }
        cell = cell * size + index as usize;
    }
    constant.values.as_ref().and_then(|values| values.get(cell)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::{execute, points};
    use crate::ops::testing::{finish, input};
    use alloc::vec;

    /// Elements of a view, by its indices.
    fn read(view: &View, tensor: &Tensor) -> Vec<i64> {
        let digits = view.digits();
        let identity: Vec<Affine> = (0..digits.len()).map(Affine::axis).collect();
        let access = view.at(&identity);
        let strides = tensor.shape.strides();
        let element = |point: Vec<usize>| {
            let places: Vec<i64> = access.index.iter().map(|affine| affine.at(&point)).collect();
            let inside = places.iter().zip(tensor.shape.sizes()).all(|(&i, &n)| i >= 0 && i < n as i64);
            let cell = |(&i, &stride): (&i64, &usize)| i as usize * stride;
            if inside { tensor.values[places.iter().zip(&strides).map(cell).sum::<usize>()] } else { 0 }
        };
        points(&digits).map(element).collect()
    }

    #[test]
    fn reshapes_of_views_keep_the_order_of_elements() {
        let (_, x, tensor) = input(&[4, 3, 6]);
        for sizes in [vec![72], vec![12, 6], vec![2, 6, 1, 6], vec![4, 18], vec![2, 2, 3, 3, 2], vec![1, 72]]
        {
            let view = x.reshaped(&sizes).unwrap();
            assert_eq!(view.sizes(), sizes);
            assert_eq!(read(&view, &tensor), tensor.values);
            let back = view.reshaped(&[4, 3, 6]).unwrap();
            assert_eq!(back, x, "{sizes:?}");
        }
        assert!(x.reshaped(&[8, 9]).is_none());
    }

    #[test]
    fn transposes_slices_and_pads_compose() {
        let (_, x, tensor) = input(&[3, 5]);
        let view = x.transposed(&[1, 0]).sliced(0, 4, -2, 3).unwrap();
        let cell = |i: usize, j: usize| tensor.values[i * 5 + j];
        let expected: Vec<i64> = points(&[3, 3]).map(|p| cell(p[1], 4 - 2 * p[0])).collect();
        assert_eq!(read(&view, &tensor), expected);
        let inner = x.sliced(1, 1, 1, 3).unwrap();
        assert!(inner.padded(1, 1, 0).is_none(), "before the slice there are elements");
        let padded = x.padded(1, 2, 1).unwrap();
        let inside = |p: &[usize]| (2..7).contains(&p[1]);
        let expected: Vec<i64> =
            points(&[3, 8]).map(|p| if inside(&p) { cell(p[0], p[1] - 2) } else { 0 }).collect();
        assert_eq!(read(&padded, &tensor), expected);
    }

    #[test]
    fn an_axis_that_is_only_repeated_can_go() {
        let (_, x, tensor) = input(&[3, 1, 5]);
        let wide = x.expanded(&[3, 4, 5]);
        let narrow = wide.without(1).unwrap();
        assert_eq!(narrow.sizes(), [3, 1, 5]);
        assert_eq!(read(&narrow, &tensor), tensor.values);
        assert!(wide.without(0).is_none() && wide.without(2).is_none());
    }

    #[test]
    fn any_reshape_is_a_move() {
        for (sizes, order) in
            [(vec![4, 3, 6], [2, 0, 1]), (vec![5, 7, 2], [1, 2, 0]), (vec![8, 9, 1], [1, 0, 2])]
        {
            let (mut b, x, tensor) = input(&sizes);
            let turned = x.transposed(&order);
            let elements = read(&turned, &tensor);
            let cells = tensor.values.len();
            for wanted in [vec![cells], vec![cells / 2, 2], vec![2, cells / 2]] {
                let view = b.reshape("reshape", &turned, &wanted).unwrap();
                let found = finish(b.clone(), &view, tensor.clone());
                assert_eq!(found.shape.sizes(), wanted);
                assert_eq!(found.values, elements);
            }
        }
    }

    #[test]
    fn constants_of_one_content_are_one() {
        let mut b = Builder::new(false);
        let first = b.constant_of(&[2], vec![1, 2]).unwrap();
        assert_eq!(b.constant_of(&[2], vec![1, 2]).unwrap(), first);
        assert_ne!(b.constant_of(&[2, 1], vec![1, 2]).unwrap().source(), first.source());
        assert_eq!(b.program().constants.len(), 2);
    }

    #[test]
    fn a_view_that_is_an_output_twice_is_moved_once() {
        let (mut b, x, tensor) = input(&[3]);
        b.output("a", &x, 1.0, Visibility::Public).unwrap();
        b.output("b", &x, 1.0, Visibility::Public).unwrap();
        let program = b.finish();
        program.check().unwrap();
        let trace = execute(&program, core::slice::from_ref(&tensor)).unwrap();
        assert!(trace.outputs(&program).all(|output| output.values == tensor.values));
    }
}
