//! Values that wait for their reader: a formula of what one output element reads.
//!
//! At most one of the reads is a fold, the first; it is not computed yet, so that what follows it element by element
//! ends in it. Two such values are put together while a referee can still judge the result in one step.
//!
//! A value that several nodes read waits too where all that they compute ends in one value, its *exit*, as in
//! `x * sigmoid(x)`. Should a part of that have to be written before the exit is reached, its fold is written as it is,
//! once, and all that waits reads it.

use super::{Lowering, NodeError, form};
use crate::onnx::geometry::broadcast_shape;
use assay_circuits::builder::{Accumulator, View};
use assay_circuits::check_f32::MAX_READS;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Formula, MAX_DEPTH, MAX_NODES};
use assay_circuits::ops::add::{broadcast, loop_index};
use assay_circuits::program::{Affine, Class, Term};

/// A fold that is not computed yet.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    /// Fold or Maximum.
    pub class: Class,
    /// Its loop.
    pub accumulator: Accumulator,
    /// Its number, where several values wait for it.
    pub shared: Option<usize>,
}

/// What a value's elements are.
#[derive(Clone, Debug)]
pub(super) struct Element {
    sizes: Vec<usize>,
    pub(super) fold: Option<Fold>,
    /// What is read, each broadcast to the value's sizes.
    reads: Vec<View>,
    /// Of the fold, where there is one, then the reads.
    formula: Formula,
}

impl Element {
    /// A tensor as it is.
    pub fn read(view: View) -> Element {
        Element { sizes: view.sizes(), fold: None, reads: vec![view], formula: Formula::Sum(0) }
    }

    /// A number at every element.
    pub fn number(value: f32, sizes: &[usize]) -> Element {
        Element { sizes: sizes.to_vec(), fold: None, reads: Vec::new(), formula: Formula::number(value) }
    }

    /// A fold as it is.
    pub fn fold(class: Class, accumulator: Accumulator) -> Element {
        let sizes = accumulator.sizes();
        let fold = Some(Fold { class, accumulator, shared: None });
        Element { sizes, fold, reads: Vec::new(), formula: Formula::Sum(0) }
    }

    /// The tensor that it is, if it is one.
    pub fn as_view(&self) -> Option<&View> {
        match (&self.fold, self.reads.as_slice(), &self.formula) {
            (None, [view], Formula::Sum(0)) => Some(view),
            _ => None,
        }
    }

    /// Sizes of its axes.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// True where the fold that it ends, if any, may be written and read instead.
    pub fn can_wait(&self) -> bool {
        self.fold.is_none() || self.reads.len() < MAX_READS
    }

    /// What it reads, where it waits for no fold.
    pub fn reads(&self) -> &[View] {
        if self.fold.is_none() { &self.reads } else { &[] }
    }

    /// Its formula.
    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// The number that it is everywhere, if it is one.
    pub fn as_number(&self) -> Option<f32> {
        match self.formula {
            Formula::Constant(bits) if self.fold.is_none() => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// Cheaper to compute for each reader than to write and read.
    pub fn is_cheap(&self) -> bool {
        self.fold.is_none() && self.reads.len() <= 2 && self.formula.nodes() <= 8
    }

    fn cost(&self) -> usize {
        self.reads.len() + usize::from(self.fold.is_some())
    }
}

fn depth(formula: &Formula) -> usize {
    match formula {
        Formula::Sum(_) | Formula::Constant(_) => 0,
        Formula::Unary(_, x) => 1 + depth(x),
        Formula::Binary(_, x, y) => 1 + depth(x).max(depth(y)),
        Formula::Fma(x, y, z) | Formula::Select(x, y, z) => 1 + depth(x).max(depth(y)).max(depth(z)),
    }
}

impl Lowering<'_> {
    /// A function of several values, element by element, as they broadcast. Parts are computed first where the whole would
    /// not be one step.
    pub(super) fn apply(
        &mut self,
        name: &str,
        mut parts: Vec<Element>,
        function: impl Fn(&[Formula]) -> Formula,
    ) -> Result<Element, NodeError> {
        let mut sizes = Vec::new();
        for part in &parts {
            sizes = broadcast_shape(&sizes, &part.sizes)?;
        }
        loop {
            for part in &mut parts {
                *part = self.settled(part.clone());
            }
            let leads = parts.iter().find_map(|part| part.fold.as_ref().map(|fold| fold.shared));
            let mut first = true;
            let misfit = parts.iter().position(|part| {
                let Some(fold) = &part.fold else { return false };
                let joins = first || (fold.shared.is_some() && leads == Some(fold.shared));
                first = false;
                part.sizes != sizes || !joins
            });
            if let Some(misfit) = misfit {
                parts[misfit] = self.computed(name, parts[misfit].clone())?;
                continue;
            }
            if let Some(whole) = merge(&sizes, &parts, &function) {
                return Ok(whole);
            }
            // The part that reads or computes most becomes a tensor.
            let heavy = |part: &Element| (part.cost() > 1, part.formula.nodes() + 4 * part.cost());
            let candidates = (0..parts.len()).filter(|&i| parts[i].as_view().is_none());
            let Some(heaviest) = candidates.max_by_key(|&i| heavy(&parts[i])) else {
                return form("a formula of too many tensors");
            };
            if parts[heaviest].as_number().is_some() {
                return form("a formula that is too deep");
            }
            parts[heaviest] = self.computed(name, parts[heaviest].clone())?;
        }
    }

    fn computed(&mut self, name: &str, element: Element) -> Result<Element, NodeError> {
        Ok(Element::read(self.emit(name, element, false)?))
    }

    /// A function of one value.
    pub(super) fn map(
        &mut self,
        name: &str,
        part: Element,
        function: impl Fn(Formula) -> Formula,
    ) -> Result<Element, NodeError> {
        self.apply(name, vec![part], |of| function(of[0].clone()))
    }

    /// A value that reads the fold it waited for, where that has been written.
    fn settled(&self, element: Element) -> Element {
        let number = element.fold.as_ref().and_then(|fold| fold.shared);
        let Some(view) = number.and_then(|number| self.written.get(&number)) else { return element };
        let view = view.expanded(&element.sizes);
        Element { fold: None, reads: [&[view], element.reads.as_slice()].concat(), ..element }
    }

    /// Computes a value; with `ones` its wire keeps axes of size 1.
    pub(super) fn emit(&mut self, name: &str, element: Element, ones: bool) -> Result<View, NodeError> {
        let mut element = self.settled(element);
        if let Some(fold) = element.fold.clone()
            && let Some(number) = fold.shared.filter(|number| self.waiting.contains_key(number))
        {
            // Others wait for the fold, and will not meet here.
            let identity = Expression::Formula(Formula::Sum(0));
            let wire = self.b.emit(name, fold.class, fold.accumulator, identity, false)?;
            self.written.insert(number, wire);
            element = self.settled(element);
        }
        let Element { sizes, fold, mut reads, formula } = element;
        if let (None, [view], Formula::Sum(0)) = (&fold, reads.as_slice(), &formula) {
            return Ok(self.b.materialised(name, view, ones)?);
        }
        let mut accumulators = Vec::new();
        let mut class = Class::Map;
        if let Some(fold) = fold {
            class = fold.class;
            for read in &mut reads {
                *read = self.refined(name, read, &fold.accumulator.axes)?;
            }
            let axes = fold.accumulator.axes.clone();
            accumulators.push(fold.accumulator);
            accumulators.extend(reads.iter().map(|read| reading(&axes, read)));
        } else {
            if reads.is_empty() {
                reads.push(self.b.constant_of(&sizes, vec![0; sizes.iter().product()])?);
            }
            let (axes, views) = broadcast(&mut self.b, name, &reads)?;
            accumulators.extend(views.iter().map(|view| reading(&axes, view)));
        }
        Ok(self.b.emit_all(name, class, accumulators, Expression::Formula(formula), ones)?)
    }

    /// The view with the digits of a fold's axes.
    fn refined(&mut self, name: &str, view: &View, axes: &[Vec<usize>]) -> Result<View, NodeError> {
        let mut view = view.with_rank(axes.len());
        for (axis, digits) in axes.iter().enumerate() {
            if view.axes()[axis].is_empty() || view.axes()[axis] == *digits {
                continue;
            }
            view = self.b.refine(name, &view, axis, digits)?;
            if view.axes()[axis] != *digits {
                let wire = self.b.materialised(name, &view, false)?;
                view = self.b.refine(name, &wire, axis, digits)?;
            }
            if view.axes()[axis] != *digits {
                return form("axes that do not divide alike");
            }
        }
        Ok(view)
    }
}

/// The sum that reads a view over loop axes of these digits.
fn reading(axes: &[Vec<usize>], view: &View) -> Accumulator {
    let index: Vec<Affine> = loop_index(axes, view);
    let term = Term { coefficient: 1, factors: vec![view.at(&index)] };
    Accumulator { axes: axes.to_vec(), reduce: Vec::new(), terms: vec![term], known: None }
}

/// The function of the parts in one step, if it is one.
fn merge(sizes: &[usize], parts: &[Element], function: &impl Fn(&[Formula]) -> Formula) -> Option<Element> {
    let fold = parts.iter().find_map(|part| part.fold.clone());
    let first = usize::from(fold.is_some());
    let mut reads: Vec<View> = Vec::new();
    let mut formulas = Vec::new();
    for part in parts {
        let mut sums = Vec::new();
        if part.fold.is_some() {
            sums.push(Formula::Sum(0));
        }
        for view in &part.reads {
            let view = view.expanded(sizes);
            let place = reads.iter().position(|read| *read == view).unwrap_or_else(|| {
                reads.push(view);
                reads.len() - 1
            });
            sums.push(Formula::Sum(first + place));
        }
        formulas.push(part.formula.substitute(&sums));
    }
    let formula = simplified(function(&formulas));
    // A fold that others wait for may become a read.
    let waits = fold.as_ref().is_some_and(|fold| fold.shared.is_some());
    let fits = reads.len() + usize::from(waits) <= MAX_READS
        && formula.nodes() <= MAX_NODES
        && depth(&formula) <= MAX_DEPTH;
    fits.then(|| Element { sizes: sizes.to_vec(), fold, reads, formula })
}

/// Constants computed: what the formula would compute, bit for bit.
fn simplified(formula: Formula) -> Formula {
    use assay_circuits::real::{Real, Soft};
    let constant = |formula: &Formula| matches!(formula, Formula::Constant(_));
    let formula = match formula {
        Formula::Unary(f, x) => Formula::Unary(f, Box::new(simplified(*x))),
        Formula::Binary(f, x, y) => Formula::Binary(f, Box::new(simplified(*x)), Box::new(simplified(*y))),
        Formula::Fma(x, y, z) => {
            Formula::Fma(Box::new(simplified(*x)), Box::new(simplified(*y)), Box::new(simplified(*z)))
        }
        Formula::Select(x, y, z) => {
            Formula::Select(Box::new(simplified(*x)), Box::new(simplified(*y)), Box::new(simplified(*z)))
        }
        leaf => leaf,
    };
    let computed = match &formula {
        Formula::Unary(_, x) => constant(x),
        Formula::Binary(_, x, y) => constant(x) && constant(y),
        Formula::Fma(x, y, z) | Formula::Select(x, y, z) => constant(x) && constant(y) && constant(z),
        _ => false,
    };
    if computed { Formula::Constant(formula.value::<Soft>(&[]).to_bits()) } else { formula }
}
