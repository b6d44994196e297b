//! The rules of an f32 program, beyond those of every program: what makes each element one defined number, and
//! each step of it one that a referee can judge.

use crate::expression::Expression;
use crate::formula::Formula;
use crate::program::{Class, Operation, Program, ProgramError, Source, Sum};
use crate::shape::{MAX_AXES, Shape};
use crate::tensor::REAL_BOUNDS;

/// The most elements that a map, or the end of a fold, reads: a referee opens four chunks of tensors.
pub const MAX_READS: usize = 4;
/// The most sources among which a move selects.
pub const MAX_SELECTED: usize = 64;

impl Program {
    pub(crate) fn check_f32(&self) -> Result<(), ProgramError> {
        let part = |part, index, rule| ProgramError::Part { part, index, rule };
        if let Some(i) = self.inputs.iter().position(|x| x.bounds != REAL_BOUNDS || x.scale != 1.0) {
            return Err(part("input", i, "an f32 input has no bounds and no scale"));
        }
        if let Some(i) = self.constants.iter().position(|x| x.bounds != REAL_BOUNDS) {
            return Err(part("constant", i, "an f32 constant has no bounds"));
        }
        if let Some(i) = self.outputs.iter().position(|x| x.scale != 1.0) {
            return Err(part("output", i, "an f32 output has no scale"));
        }
        for (number, operation) in self.operations.iter().enumerate() {
            self.check_real_operation(number, operation).map_err(|rule| ProgramError::Operation {
                operation: number,
                name: operation.name.clone(),
                rule,
            })?;
        }
        Ok(())
    }

    fn check_real_operation(&self, number: usize, operation: &Operation) -> Result<(), &'static str> {
        let sizes = operation.loop_sizes();
        if sizes.len() > 2 * MAX_AXES || operation.shape.variables() + sizes.len() > 60 {
            return Err("its loop is too large");
        }
        let reduce = Shape::new(operation.reduce.clone()).ok_or("its reduce axes are empty or too large")?;
        if reduce.cells() > 1 << 31 || operation.shape.cells() as u64 > 1 << 38 {
            return Err("its loop is too large");
        }
        let Expression::Formula(formula) = &operation.expression else {
            return Err("its expression is not a formula");
        };
        if !formula.is_valid(operation.sums.len()) {
            return Err("its formula is out of range");
        }
        if operation.sums.iter().any(|sum| sum.bounds != REAL_BOUNDS) {
            return Err("an f32 sum has no bounds");
        }
        let plain = operation.sums.len() == 1 && *formula == Formula::Sum(0);
        let (first, rest) = operation.sums.split_first().ok_or("it has no sum")?;
        let folds = matches!(operation.class, Class::Fold | Class::Maximum | Class::Rank);
        if !folds && !operation.reduce.is_empty() {
            return Err("only a fold has reduce axes");
        }
        let factors = match operation.class {
            Class::Fold => 1..=2,
            Class::Move => 1..=2,
            _ => 1..=1,
        };
        let terms = if operation.class == Class::Move { 1..=MAX_SELECTED } else { 1..=1 };
        if !terms.contains(&first.terms.len()) {
            return Err("a sum has another number of terms than its class allows");
        }
        for term in &first.terms {
            if !factors.contains(&term.factors.len()) {
                return Err("a term has another number of factors than its class allows");
            }
            let gathers = operation.class == Class::Move && term.factors.len() == 2;
            let axes = term.factors.first().map_or(0, |factor| factor.index.len());
            let valid =
                if gathers { (0..axes as i64).contains(&term.coefficient) } else { term.coefficient == 1 };
            if !valid {
                return Err("an f32 term has no coefficient, or names an axis to gather along");
            }
        }
        if matches!(operation.class, Class::Move | Class::Rank) && !plain {
            return Err("a move or rank has one sum and no formula");
        }
        let reads_one = |sum: &Sum| {
            matches!(sum.terms.as_slice(), [term] if term.coefficient == 1 && term.factors.len() == 1)
                && sum.terms.iter().all(|term| operation.reduce_axes(term).is_empty())
        };
        if !rest.iter().all(reads_one) {
            return Err("a sum after the first reads one element");
        }
        let reads = operation.sums.len() - usize::from(folds);
        if reads > MAX_READS {
            return Err("it reads too many elements outside of its fold");
        }
        for access in operation.sums.iter().flat_map(|sum| &sum.terms).flat_map(|term| &term.factors) {
            if matches!(access.source, Source::Operation(i) if i >= number) {
                return Err("it reads a wire that is not written before it");
            }
            self.check_access(access, &sizes)?;
        }
        Ok(())
    }
}
