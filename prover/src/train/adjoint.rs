//! Reverse mode: the adjoint of each tensor from those of the operations that read it.
//!
//! An operation computes `out[o] = f(S_0[o], ..)`, where S_0 may be a fold of `A[i(o, r)] * B[j(o, r)]` and the others read
//! one element. With g the adjoint of out and g_j = g * df/dS_j,
//!
//! ```text
//! adjoint of A[t] = sum over (o, r) with i(o, r) = t of g_0[o] * B[j(o, r)]
//! ```
//!
//! For each axis of A one loop axis is solved for: `t = s * y + d * k - p` gives k = .. where d is 1. The loop axes that are
//! left are summed, and where the solution lies outside of its axis, so does what is read there. Where the map from the
//! loop to t is one to one, as that of a pool whose windows do not overlap, nothing is summed: the adjoint is computed over
//! the loop's own axes, in the order in which they run through the tensor.

use super::TrainError;
use super::derivative::{depends, derivative};
use super::pending::{Fold, Pending, apply, emit, push, substituted};
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula};
use assay_circuits::program::{Access, Affine, Class, Constant, Operation, Program, Source};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::RealTensor;
use std::collections::{BTreeMap, BTreeSet};

/// The adjoints that are known.
pub(super) struct Adjoints {
    of: BTreeMap<Source, Pending>,
    /// What the trained inputs reach.
    wanted: BTreeSet<Source>,
}

impl Adjoints {
    /// No adjoint yet; `trained` are the inputs whose adjoints are wanted.
    pub fn new(program: &Program, trained: &BTreeSet<usize>) -> Adjoints {
        let mut wanted: BTreeSet<Source> = trained.iter().map(|&i| Source::Input(i)).collect();
        for (number, operation) in program.operations.iter().enumerate() {
            let mut accesses =
                operation.sums.iter().flat_map(|sum| &sum.terms).flat_map(|term| &term.factors);
            if accesses.any(|access| wanted.contains(&access.source)) {
                wanted.insert(Source::Operation(number));
            }
        }
        Adjoints { of: BTreeMap::new(), wanted }
    }

    /// Adds to the adjoint of a tensor.
    pub fn add(
        &mut self,
        program: &mut Program,
        name: &str,
        source: Source,
        part: Pending,
    ) -> Result<(), TrainError> {
        let whole = match self.of.remove(&source) {
            None => part,
            Some(before) => apply(program, name, vec![before, part], |of| {
                of[0].clone().binary(Binary::Add, of[1].clone())
            })?,
        };
        self.of.insert(source, whole);
        Ok(())
    }

    /// The adjoint of a tensor, if anything reads it.
    pub fn take(&mut self, source: Source) -> Option<Pending> {
        self.of.remove(&source)
    }

    /// Propagates the adjoint of an operation's wire to what it reads.
    pub fn propagate(&mut self, program: &mut Program, number: usize) -> Result<(), TrainError> {
        let Some(gradient) = self.take(Source::Operation(number)) else { return Ok(()) };
        if !self.wanted.contains(&Source::Operation(number)) {
            return Ok(());
        }
        let operation = program.operations[number].clone();
        let name = format!("{}.grad", operation.name);
        let Expression::Formula(formula) = &operation.expression else {
            return Err(TrainError::form(&operation.name, "an expression of integers"));
        };
        let folds = matches!(operation.class, Class::Fold | Class::Maximum);
        if operation.class == Class::Rank {
            return Ok(());
        }
        for (j, sum) in operation.sums.iter().enumerate() {
            for term in &sum.terms {
                if !term.factors.iter().any(|access| self.wanted.contains(&access.source)) {
                    continue;
                }
                if operation.class == Class::Move && term.factors.len() > 1 {
                    return Err(TrainError::form(&operation.name, "a gather has no adjoint here"));
                }
                let mut own = weighted(program, &name, number, &operation, formula, j, folds, &gradient)?;
                if term.factors.iter().filter(|access| self.wanted.contains(&access.source)).count() > 1 {
                    // Both read it: it is computed once.
                    own = Pending::read(emit(program, &name, own)?, operation.shape.sizes());
                }
                for (f, access) in term.factors.iter().enumerate() {
                    if !self.wanted.contains(&access.source) {
                        continue;
                    }
                    let other =
                        term.factors.iter().enumerate().find(|(g, _)| *g != f).map(|(_, access)| access);
                    let part = match operation.class {
                        Class::Maximum if j == 0 => {
                            greatest(program, &name, &operation, access, own.clone())?
                        }
                        // Only the first sum of a fold runs over its reduce axes.
                        Class::Fold if j == 0 => adjoint(
                            program,
                            &name,
                            &operation,
                            &operation.loop_sizes(),
                            access,
                            other,
                            own.clone(),
                        )?,
                        _ => {
                            let sizes = operation.shape.sizes();
                            adjoint(program, &name, &operation, sizes, access, other, own.clone())?
                        }
                    };
                    self.add(program, &name, access.source, part)?;
                }
            }
        }
        Ok(())
    }
}

/// `g_j`, over the operation's elements.
#[allow(clippy::too_many_arguments)]
fn weighted(
    program: &mut Program,
    name: &str,
    number: usize,
    operation: &Operation,
    formula: &Formula,
    j: usize,
    folds: bool,
    gradient: &Pending,
) -> Result<Pending, TrainError> {
    if *formula == Formula::Sum(j) || operation.class == Class::Move {
        return Ok(gradient.clone());
    }
    // Variables: the gradient, the wire, then the sums.
    let (g, own) = (Formula::Sum(0), Formula::Sum(1));
    let shifted: Vec<Formula> = (0..operation.sums.len()).map(|i| Formula::Sum(2 + i)).collect();
    let Some(slope) = derivative(&formula.substitute(&shifted), 2 + j, &own, g) else {
        return Err(TrainError::form(&operation.name, "a function without a derivative"));
    };
    let shape = operation.shape.sizes();
    let wire_shape = program.shape(Source::Operation(number)).map(|shape| shape.sizes().to_vec());
    if wire_shape.as_deref() != Some(shape) {
        return Err(TrainError::form(&operation.name, "a wire of another shape than its loop"));
    }
    let mut parts = vec![gradient.clone()];
    let mut names = vec![Formula::Sum(0); 2 + operation.sums.len()];
    for (variable, name) in names.iter_mut().enumerate().skip(1) {
        if !depends(&slope, variable) {
            continue;
        }
        *name = Formula::Sum(parts.len());
        parts.push(match variable {
            1 => Pending::read(Source::Operation(number), shape),
            // A fold's sum is in no wire: it is computed again.
            2 if folds => Pending::read(sum_alone(program, operation), shape),
            _ => {
                let read = operation.sums[variable - 2].terms[0].factors[0].clone();
                Pending::of(shape, vec![read], Formula::Sum(0))
            }
        });
    }
    apply(program, name, parts, |of| slope.substitute(&names).substitute(of))
}

/// Adds an operation whose wire is the first sum of another, before its formula.
fn sum_alone(program: &mut Program, operation: &Operation) -> Source {
    program.operations.push(Operation {
        name: format!("{}.sum", operation.name),
        sums: operation.sums.iter().take(1).cloned().collect(),
        expression: Expression::Formula(Formula::Sum(0)),
        ..operation.clone()
    });
    Source::Operation(program.operations.len() - 1)
}

/// For each axis of a tensor, the loop axis that is solved for, and the index over (tensor axes, remaining loop axes)
/// of every loop axis.
struct Solution {
    /// The loop axes that are left, in order.
    left: Vec<usize>,
    /// Each loop axis over the tensor's axes, then the axes that are left.
    of: Vec<Affine>,
}

fn solve(
    access: &Access,
    tensor: &[usize],
    sizes: &[usize],
    checked: impl Fn(usize) -> bool,
) -> Option<Solution> {
    let rank = tensor.len();
    let mut solved: Vec<Option<usize>> = vec![None; rank];
    let mut taken = BTreeSet::new();
    for (axis, affine) in access.index.iter().enumerate() {
        if affine.terms.is_empty() {
            if tensor[axis] != 1 || affine.constant != 0 {
                return None;
            }
            continue;
        }
        let only = |loop_axis: usize| {
            let readers =
                access.index.iter().filter(|other| other.terms.iter().any(|term| term.0 == loop_axis));
            readers.count() == 1
        };
        // A full axis read as it is needs no check of its range.
        let exact = |loop_axis: usize| *affine == Affine::axis(loop_axis) && sizes[loop_axis] == tensor[axis];
        let fits = |&&(loop_axis, c): &&(usize, i64)| {
            c.abs() == 1
                && only(loop_axis)
                && !taken.contains(&loop_axis)
                && (exact(loop_axis) || checked(loop_axis))
        };
        let &(loop_axis, _) = affine.terms.iter().find(fits)?;
        taken.insert(loop_axis);
        solved[axis] = Some(loop_axis);
    }
    let left: Vec<usize> = (0..sizes.len()).filter(|axis| !taken.contains(axis)).collect();
    let place = |loop_axis: usize| left.iter().position(|&l| l == loop_axis).map(|place| rank + place);
    let mut of: Vec<Affine> =
        (0..sizes.len()).map(|axis| place(axis).map_or(Affine::constant(0), Affine::axis)).collect();
    for (axis, affine) in access.index.iter().enumerate() {
        let Some(loop_axis) = solved[axis] else { continue };
        let sign = affine.terms.iter().find(|term| term.0 == loop_axis).map_or(1, |term| term.1);
        // t = c + sign * l + rest: l = sign * (t - c - rest).
        let mut terms = vec![(axis, sign)];
        for &(other, c) in affine.terms.iter().filter(|term| term.0 != loop_axis) {
            terms.push((place(other)?, -sign * c));
        }
        of[loop_axis] = Affine::new(-sign * affine.constant, &terms);
    }
    Some(Solution { left, of })
}

/// The tensor's axes over the loop, where each element is read exactly once, in row-major order: (loop axes in that
/// order, tensor axes over them).
fn one_to_one(access: &Access, tensor: &[usize], sizes: &[usize]) -> Option<(Vec<usize>, Vec<Affine>)> {
    let mut order = Vec::new();
    let mut axes = Vec::new();
    for (affine, &size) in access.index.iter().zip(tensor) {
        if affine.constant != 0 {
            return None;
        }
        let mut terms = affine.terms.clone();
        terms.sort_by_key(|term| std::cmp::Reverse(term.1));
        let mut place = size as i64;
        let mut own = Vec::new();
        for (loop_axis, c) in terms {
            if c * sizes[loop_axis] as i64 != place {
                return None;
            }
            place = c;
            own.push((order.len(), c));
            order.push(loop_axis);
        }
        if place != 1 {
            return None;
        }
        axes.push(Affine::new(0, &own));
    }
    // A loop axis of one cell may be unread.
    let unread = (0..sizes.len()).filter(|axis| !order.contains(axis));
    (unread.into_iter().all(|axis| sizes[axis] == 1)).then_some((order, axes))
}

fn shape_of(program: &Program, source: Source) -> Result<Vec<usize>, TrainError> {
    let shape =
        program.shape(source).ok_or_else(|| TrainError::form("program", "a tensor that is not there"))?;
    Ok(shape.sizes().to_vec())
}

/// The loop axes of the operation over those of `order`; axes not in it stand at 0.
fn renamed(order: &[usize], loop_axes: usize) -> Vec<Affine> {
    let place = |axis: usize| order.iter().position(|&o| o == axis);
    (0..loop_axes).map(|axis| place(axis).map_or(Affine::constant(0), Affine::axis)).collect()
}

/// The part of the adjoint of an operand that one factor gives.
fn adjoint(
    program: &mut Program,
    name: &str,
    operation: &Operation,
    sizes: &[usize],
    access: &Access,
    other: Option<&Access>,
    own: Pending,
) -> Result<Pending, TrainError> {
    let tensor = shape_of(program, access.source)?;
    let outputs = operation.shape.rank();
    // A tensor that is read as it is, element by element, passes the gradient on.
    let identity: Vec<Affine> = (0..tensor.len()).map(Affine::axis).collect();
    if other.is_none()
        && access.index == identity
        && tensor == operation.shape.sizes()
        && sizes.len() == outputs
    {
        return Ok(own);
    }
    let own_shape = operation.shape.sizes().to_vec();
    let gradient = emit(program, name, own)?;
    let reading = Access { source: gradient, index: (0..outputs).map(Affine::axis).collect() };
    if other.is_none()
        && let Some((order, axes)) = one_to_one(access, &tensor, sizes)
    {
        let loop_sizes: Vec<usize> = order.iter().map(|&axis| sizes[axis]).collect();
        let read = substituted(&reading, &renamed(&order, sizes.len()));
        return Ok(Pending {
            sizes: loop_sizes,
            axes,
            fold: None,
            reads: vec![read],
            formula: Formula::Sum(0),
        });
    }
    // An axis is checked where a factor reads it plainly along an axis of its own size.
    let other_shape = other.map(|access| shape_of(program, access.source)).transpose()?;
    let plain = |axis: usize| {
        let along = |access: &Access, shape: &[usize]| {
            let reads = access.index.iter().zip(shape);
            reads.into_iter().any(|(affine, &size)| *affine == Affine::axis(axis) && size == sizes[axis])
        };
        axis < outputs && own_shape[axis] == sizes[axis]
            || other.zip(other_shape.as_deref()).is_some_and(|(access, shape)| along(access, shape))
    };
    let Some(Solution { left, of }) = solve(access, &tensor, sizes, plain) else {
        return Err(TrainError::form(&operation.name, "an operand whose reads cannot be reversed"));
    };
    let reduce: Vec<usize> = left.iter().map(|&axis| sizes[axis]).collect();
    let mut factors = vec![substituted(&reading, &of)];
    factors.extend(other.map(|access| substituted(access, &of)));
    if reduce.is_empty() && factors.len() == 1 {
        return Ok(Pending::of(&tensor, factors, Formula::Sum(0)));
    }
    Ok(Pending::fold(&tensor, Fold { reduce, factors }))
}

/// The adjoint of what a maximum is taken over: the gradient goes to the first greatest element of each window.
fn greatest(
    program: &mut Program,
    name: &str,
    operation: &Operation,
    access: &Access,
    own: Pending,
) -> Result<Pending, TrainError> {
    let tensor = shape_of(program, access.source)?;
    let sizes = operation.loop_sizes();
    let outputs = operation.shape.rank();
    let Some((order, axes)) = one_to_one(access, &tensor, &sizes) else {
        return Err(TrainError::form(
            &operation.name,
            "a maximum over windows that overlap or leave a part out",
        ));
    };
    let gradient = emit(program, name, own)?;
    let reads = vec![vec![access.clone()]];
    let position = push(
        program,
        &format!("{}.position", operation.name),
        Class::Rank,
        operation.shape.sizes(),
        operation.reduce.clone(),
        reads,
        Formula::Sum(0),
    )?;
    // The number of each cell of a window.
    let cells: usize = operation.reduce.iter().product();
    let shape = Shape::new(operation.reduce.clone()).ok_or_else(|| TrainError::form(name, "a window"))?;
    let bits = (0..cells).map(|cell| (cell as f32).to_bits()).collect();
    program.constants.push(Constant::real(RealTensor { shape, bits }));
    let numbers = Source::Constant(program.constants.len() - 1);
    let at_output: Vec<Affine> = (0..outputs).map(Affine::axis).collect();
    let at_window: Vec<Affine> = (outputs..sizes.len()).map(Affine::axis).collect();
    let loop_axes = renamed(&order, sizes.len());
    let reads = vec![
        substituted(&Access { source: position, index: at_output.clone() }, &loop_axes),
        substituted(&Access { source: numbers, index: at_window }, &loop_axes),
        substituted(&Access { source: gradient, index: at_output }, &loop_axes),
    ];
    let is_greatest = Formula::Sum(0).binary(Binary::Equal, Formula::Sum(1));
    let formula = is_greatest.select(Formula::Sum(2), Formula::number(0.0));
    let loop_sizes: Vec<usize> = order.iter().map(|&axis| sizes[axis]).collect();
    Ok(Pending { sizes: loop_sizes, axes, fold: None, reads, formula })
}
