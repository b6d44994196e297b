//! Bounds on what a model may ask of the machine, checked before anything is allocated or computed.
//!
//! Import runs the graph once, so that a hostile file of a few bytes could otherwise ask for terabytes or for
//! hours. Every operator asks its [`Budget`] first.

use std::cell::Cell;

use super::error::OpError;
use super::tensor::{element_count, spread_count};

/// Upper bounds for one run of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements of one tensor.
    pub tensor_elements: u64,
    /// Elements of all tensors that a run makes.
    pub total_elements: u64,
    /// Multiplications and other steps of the operators that do more than one a output element.
    pub work: u64,
}

impl Limits {
    /// What a large real model stays under.
    pub const DEFAULT: Limits = Limits { tensor_elements: 1 << 28, total_elements: 1 << 31, work: 1 << 40 };
    /// For fuzzing: a run takes milliseconds.
    pub const SMALL: Limits = Limits { tensor_elements: 1 << 16, total_elements: 1 << 20, work: 1 << 22 };
}

/// What is left of the [`Limits`] during one run.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    elements: Cell<u64>,
    work: Cell<u64>,
}

impl Budget {
    /// A fresh budget.
    pub fn new(limits: Limits) -> Budget {
        Budget { limits, elements: Cell::new(0), work: Cell::new(0) }
    }

    /// Charges a tensor of this shape and returns its number of elements.
    pub fn allocate(&self, shape: &[usize]) -> Result<usize, OpError> {
        let (count, spread) = (element_count(shape)?, spread_count(shape)?);
        if spread as u64 > self.limits.tensor_elements {
            let limit = self.limits.tensor_elements;
            return Err(OpError::Limit { what: "a tensor's size", wanted: spread as u64, limit });
        }
        charge(&self.elements, count as u64, self.limits.total_elements, "the total size of tensors")?;
        Ok(count)
    }

    /// Charges a product of factors as work.
    pub fn work(&self, factors: &[usize]) -> Result<(), OpError> {
        let steps = factors.iter().fold(1u64, |n, &f| n.saturating_mul(f as u64));
        charge(&self.work, steps, self.limits.work, "the number of steps")
    }
}

fn charge(spent: &Cell<u64>, more: u64, limit: u64, what: &'static str) -> Result<(), OpError> {
    let total = spent.get().saturating_add(more);
    if total > limit {
        return Err(OpError::Limit { what, wanted: total, limit });
    }
    spent.set(total);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_tensors_reach_the_total_limit() {
        let budget = Budget::new(Limits { tensor_elements: 10, total_elements: 25, work: 8 });
        assert!(budget.allocate(&[11]).is_err());
        assert_eq!(budget.allocate(&[5, 2]).unwrap(), 10);
        assert_eq!(budget.allocate(&[10]).unwrap(), 10);
        assert!(budget.allocate(&[6]).is_err());
        assert!(budget.work(&[usize::MAX, usize::MAX, usize::MAX]).is_err());
        assert!(budget.work(&[2, 4]).is_ok());
    }
}
