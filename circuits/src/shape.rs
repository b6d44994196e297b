//! Shapes: true sizes of axes, and the power-of-two cube that pads them.
//!
//! A tensor's multilinear extension has `log_size(n)` variables for an axis of n cells. Variables are listed
//! axis by axis, most significant bit first, last axis last, so the index into the padded cube is the
//! concatenation of the bits.

use alloc::vec::Vec;

/// The largest number of axes of a tensor.
pub const MAX_AXES: usize = 8;
/// The largest number of variables of a padded tensor: 2^40 cells, or 2^28 where an index has 32 bits, bound every
/// product of sizes below.
pub const MAX_VARIABLES: usize = if usize::BITS >= 64 { 40 } else { 28 };

/// Number of bits that index an axis of `size` cells: the smallest b with `size <= 2^b`.
pub const fn log_size(size: usize) -> usize {
    if size <= 1 { 0 } else { (usize::BITS - (size - 1).leading_zeros()) as usize }
}

/// The true sizes of a tensor's axes, outermost first; no axis is empty, a scalar has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its sizes, or `None` where an axis is empty or the padded cube is beyond
    /// [`MAX_VARIABLES`] variables or [`MAX_AXES`] axes.
    pub fn new(sizes: Vec<usize>) -> Option<Self> {
        let within = sizes.len() <= MAX_AXES && sizes.iter().all(|&n| n > 0 && n <= 1 << MAX_VARIABLES);
        let shape = Shape(sizes);
        (within && shape.variables() <= MAX_VARIABLES).then_some(shape)
    }

    /// The shape of a scalar: no axis, one cell.
    pub fn scalar() -> Self {
        Shape(Vec::new())
    }

    /// The sizes, outermost first.
    pub fn sizes(&self) -> &[usize] {
        &self.0
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of true cells.
    pub fn cells(&self) -> usize {
        self.0.iter().product()
    }

    /// Number of variables of the multilinear extension.
    pub fn variables(&self) -> usize {
        self.0.iter().map(|&n| log_size(n)).sum()
    }

    /// Number of cells of the padded cube, `2^variables`.
    pub fn padded_cells(&self) -> usize {
        1 << self.variables()
    }

    /// True where no axis is padded.
    pub fn is_cube(&self) -> bool {
        self.0.iter().all(|n| n.is_power_of_two())
    }

    /// Row-major strides over the true sizes.
    pub fn strides(&self) -> Vec<usize> {
        row_major(self.0.iter().copied())
    }

    /// Row-major strides over the padded sizes.
    pub fn padded_strides(&self) -> Vec<usize> {
        row_major(self.0.iter().map(|&n| 1 << log_size(n)))
    }

    /// For each true cell in row-major order, its index in the padded cube.
    pub fn padded_indices(&self) -> PaddedIndices {
        PaddedIndices {
            sizes: self.0.clone(),
            strides: self.padded_strides(),
            at: alloc::vec![0; self.0.len()],
            next: Some(0),
        }
    }
}

fn row_major(sizes: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator) -> Vec<usize> {
    let mut strides = alloc::vec![0; sizes.len()];
    let mut stride = 1;
    for (slot, size) in strides.iter_mut().zip(sizes).rev() {
        *slot = stride;
        stride *= size;
    }
    strides
}

/// Iterator of [`Shape::padded_indices`].
pub struct PaddedIndices {
    sizes: Vec<usize>,
    strides: Vec<usize>,
    at: Vec<usize>,
    next: Option<usize>,
}

impl Iterator for PaddedIndices {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let current = self.next?;
        self.next = None;
        let mut index = current;
        for ((at, &size), &stride) in self.at.iter_mut().zip(&self.sizes).zip(&self.strides).rev() {
            if *at + 1 < size {
                *at += 1;
                self.next = Some(index + stride);
                break;
            }
            index -= *at * stride;
            *at = 0;
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn an_axis_of_n_cells_has_the_bits_that_index_it() {
        let bits: Vec<usize> = [1, 2, 3, 4, 5, 8, 9].into_iter().map(log_size).collect();
        assert_eq!(bits, vec![0, 1, 2, 2, 3, 3, 4]);
    }

    #[test]
    fn padded_indices_concatenate_the_bits_of_the_axes() {
        let shape = Shape::new(vec![2, 3]).unwrap();
        assert_eq!(shape.padded_indices().collect::<Vec<_>>(), vec![0, 1, 2, 4, 5, 6]);
        assert_eq!(Shape::scalar().padded_indices().collect::<Vec<_>>(), vec![0]);
    }

    #[test]
    fn empty_and_oversized_shapes_are_refused() {
        assert!(Shape::new(vec![3, 0]).is_none());
        assert!(Shape::new(vec![1 << 30, 1 << 30]).is_none());
        assert!(Shape::new(vec![usize::MAX]).is_none());
        assert!(Shape::new(vec![1; 9]).is_none());
    }
}
