//! Values over a tensor's elements that wait to be computed, so that what follows ends in them.

use super::TrainError;
use assay_circuits::check_f32::MAX_READS;
use assay_circuits::expression::Expression;
use assay_circuits::formula::{Formula, MAX_DEPTH, MAX_NODES};
use assay_circuits::program::{Access, Affine, Class, Operation, Program, Source, Sum, Term};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::REAL_BOUNDS;

/// A sum of products over reduce axes, which follow the loop's.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub reduce: Vec<usize>,
    pub factors: Vec<Access>,
}

/// A formula of a fold and of elements that are read, over the loop axes of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Sizes of the loop axes.
    pub sizes: Vec<usize>,
    /// Each axis of the tensor as an index over the loop axes; in row-major order both run alike.
    pub axes: Vec<Affine>,
    pub fold: Option<Fold>,
    /// Read over the loop axes.
    pub reads: Vec<Access>,
    /// Of the fold, where there is one, then the reads.
    pub formula: Formula,
}

fn identity(rank: usize) -> Vec<Affine> {
    (0..rank).map(Affine::axis).collect()
}

/// An index with each loop axis replaced by an index over others.
pub(super) fn substitute(affine: &Affine, axes: &[Affine]) -> Affine {
    let mut constant = affine.constant;
    let mut terms = Vec::new();
    for &(axis, c) in &affine.terms {
        constant += c * axes[axis].constant;
        terms.extend(axes[axis].terms.iter().map(|&(to, k)| (to, c * k)));
    }
    Affine::new(constant, &terms)
}

pub(super) fn substituted(access: &Access, axes: &[Affine]) -> Access {
    let index = access.index.iter().map(|affine| substitute(affine, axes)).collect();
    Access { source: access.source, index }
}

impl Pending {
    /// A tensor as it is.
    pub fn read(source: Source, shape: &[usize]) -> Pending {
        let access = Access { source, index: identity(shape.len()) };
        Pending::of(shape, vec![access], Formula::Sum(0))
    }

    /// A formula of elements that are read.
    pub fn of(shape: &[usize], reads: Vec<Access>, formula: Formula) -> Pending {
        Pending { sizes: shape.to_vec(), axes: identity(shape.len()), fold: None, reads, formula }
    }

    /// A fold as it is.
    pub fn fold(shape: &[usize], fold: Fold) -> Pending {
        Pending {
            sizes: shape.to_vec(),
            axes: identity(shape.len()),
            fold: Some(fold),
            reads: Vec::new(),
            formula: Formula::Sum(0),
        }
    }

    /// The tensor that it is, whole, if it is one.
    pub fn as_tensor(&self) -> Option<Source> {
        match (&self.fold, self.reads.as_slice(), &self.formula) {
            (None, [access], Formula::Sum(0)) if access.index == self.axes && self.is_plain() => {
                Some(access.source)
            }
            _ => None,
        }
    }

    fn is_plain(&self) -> bool {
        self.axes == identity(self.sizes.len())
    }

    /// The same over the loop of another value of the same tensor.
    fn over(&self, sizes: &[usize], axes: &[Affine]) -> Pending {
        let first = sizes.len() as i64 - self.sizes.len() as i64;
        let moved = |access: &Access, reduce: usize| {
            let mut all = axes.to_vec();
            all.extend((0..reduce).map(|r| Affine::axis((self.sizes.len() + r) as i64 as usize)));
            for (r, affine) in all.iter_mut().skip(axes.len()).enumerate() {
                *affine = Affine::axis((self.sizes.len() as i64 + first) as usize + r);
            }
            substituted(access, &all)
        };
        let fold = self.fold.as_ref().map(|fold| Fold {
            reduce: fold.reduce.clone(),
            factors: fold.factors.iter().map(|access| moved(access, fold.reduce.len())).collect(),
        });
        let reads = self.reads.iter().map(|access| moved(access, 0)).collect();
        Pending { sizes: sizes.to_vec(), axes: axes.to_vec(), fold, reads, formula: self.formula.clone() }
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

/// Adds an operation, and gives its wire.
pub(super) fn push(
    program: &mut Program,
    name: &str,
    class: Class,
    sizes: &[usize],
    reduce: Vec<usize>,
    sums: Vec<Vec<Access>>,
    formula: Formula,
) -> Result<Source, TrainError> {
    let shape =
        Shape::new(sizes.to_vec()).ok_or_else(|| TrainError::form(name, "a tensor of too many axes"))?;
    let sum =
        |factors: Vec<Access>| Sum { terms: vec![Term { coefficient: 1, factors }], bounds: REAL_BOUNDS };
    program.operations.push(Operation {
        name: name.to_string(),
        class,
        shape,
        reduce,
        sums: sums.into_iter().map(sum).collect(),
        expression: Expression::Formula(formula),
    });
    Ok(Source::Operation(program.operations.len() - 1))
}

/// Computes a value; its wire has the tensor's shape.
pub(super) fn emit(program: &mut Program, name: &str, value: Pending) -> Result<Source, TrainError> {
    if let Some(source) = value.as_tensor() {
        return Ok(source);
    }
    let shape: Vec<usize> = value.axes.iter().map(|axis| axis.range(&value.sizes).hi as usize + 1).collect();
    let (class, reduce, mut sums) = match &value.fold {
        Some(fold) => (Class::Fold, fold.reduce.clone(), vec![fold.factors.clone()]),
        None => (Class::Map, Vec::new(), Vec::new()),
    };
    sums.extend(value.reads.iter().map(|access| vec![access.clone()]));
    let wire = push(program, name, class, &value.sizes, reduce, sums, value.formula.clone())?;
    if let (false, Source::Operation(number)) = (value.is_plain(), wire) {
        let shape = Shape::new(shape).ok_or_else(|| TrainError::form(name, "a tensor of too many axes"))?;
        program.reshaped.insert(number, shape);
    }
    Ok(wire)
}

/// A function of several values over one tensor's elements. Values are computed first where the whole would not be one
/// step of a referee.
pub(super) fn apply(
    program: &mut Program,
    name: &str,
    mut parts: Vec<Pending>,
    function: impl Fn(&[Formula]) -> Formula,
) -> Result<Pending, TrainError> {
    loop {
        if let Some(whole) = merge(&parts, &function) {
            return Ok(whole);
        }
        let weight = |part: &Pending| {
            part.formula.nodes() + 4 * part.reads.len() + 16 * usize::from(part.fold.is_some())
        };
        let heaviest =
            (0..parts.len()).filter(|&i| parts[i].as_tensor().is_none()).max_by_key(|&i| weight(&parts[i]));
        let Some(heaviest) = heaviest else {
            return Err(TrainError::form(name, "a formula of too many tensors"));
        };
        let shape: Vec<usize> = parts[heaviest]
            .axes
            .iter()
            .map(|axis| axis.range(&parts[heaviest].sizes).hi as usize + 1)
            .collect();
        let source = emit(program, name, parts[heaviest].clone())?;
        parts[heaviest] = Pending::read(source, &shape);
    }
}

fn merge(parts: &[Pending], function: &impl Fn(&[Formula]) -> Formula) -> Option<Pending> {
    let split = parts.iter().find(|part| !part.is_plain()).or(parts.first())?;
    let (sizes, axes) = (&split.sizes, &split.axes);
    if parts.iter().filter(|part| part.fold.is_some()).count() > 1 {
        return None;
    }
    let mut whole = Pending {
        sizes: sizes.clone(),
        axes: axes.clone(),
        fold: None,
        reads: Vec::new(),
        formula: Formula::Sum(0),
    };
    let mut parts_over = Vec::new();
    for part in parts {
        let part = match (part.is_plain(), part.axes == *axes && part.sizes == *sizes) {
            (_, true) => part.clone(),
            (true, false) => part.over(sizes, axes),
            (false, false) => return None,
        };
        whole.fold = whole.fold.or(part.fold.clone());
        parts_over.push(part);
    }
    let first = usize::from(whole.fold.is_some());
    let mut formulas = Vec::new();
    for part in &parts_over {
        let mut sums = Vec::new();
        if part.fold.is_some() {
            sums.push(Formula::Sum(0));
        }
        for access in &part.reads {
            let place = whole.reads.iter().position(|read| read == access).unwrap_or_else(|| {
                whole.reads.push(access.clone());
                whole.reads.len() - 1
            });
            sums.push(Formula::Sum(first + place));
        }
        formulas.push(part.formula.substitute(&sums));
    }
    whole.formula = function(&formulas);
    let fits = whole.reads.len() <= MAX_READS
        && whole.formula.nodes() <= MAX_NODES
        && depth(&whole.formula) <= MAX_DEPTH;
    fits.then_some(whole)
}
