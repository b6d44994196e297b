//! Matrix products: `MatMul` and `Gemm`, and the products that convolutions share.

use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

use super::super::geometry::{broadcast_shape, broadcast_strides, offsets};
use super::super::tensor::{DType, Element, Tensor};
use super::arithmetic::broadcast;
use super::{Call, Kernel, OpError};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[("Gemm", gemm), ("MatMul", matmul)];

/// An element type that matrices can be multiplied over.
pub(super) trait Factor: Element {
    /// Writes the product of a `rows x inner` and an `inner x columns` matrix, both row-major.
    fn product(size: (usize, usize, usize), a: &[Self], b: &[Self], out: &mut [Self]);
}

impl Factor for f32 {
    fn product((rows, inner, columns): (usize, usize, usize), a: &[f32], b: &[f32], out: &mut [f32]) {
        let shapes = (
            ArrayView2::from_shape((rows, inner), a),
            ArrayView2::from_shape((inner, columns), b),
            ArrayViewMut2::from_shape((rows, columns), out),
        );
        if let (Ok(a), Ok(b), Ok(mut out)) = shapes {
            general_mat_mul(1.0, &a, &b, 0.0, &mut out);
        }
    }
}

impl Factor for i32 {
    fn product((_, inner, columns): (usize, usize, usize), a: &[i32], b: &[i32], out: &mut [i32]) {
        out.fill(0);
        if inner == 0 || columns == 0 {
            return;
        }
        for (row, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
            for (&x, b) in row.iter().zip(b.chunks_exact(columns)) {
                out.iter_mut().zip(b).for_each(|(out, &y)| *out = out.wrapping_add(x.wrapping_mul(y)));
            }
        }
    }
}

/// Shapes of a `MatMul`: its operands as stacks of matrices, of which some are repeated by broadcasting.
pub(super) struct MatMulShapes {
    pub output: Vec<usize>,
    pub size: (usize, usize, usize),
    /// For each matrix of the output, the places where the matrices of `a` and `b` begin.
    pub stacks: Vec<(usize, usize)>,
}

impl MatMulShapes {
    pub(super) fn new(call: &Call, a: &[usize], b: &[usize]) -> Result<MatMulShapes, OpError> {
        let misfit = |reason| OpError::Shapes { left: a.to_vec(), right: b.to_vec(), reason };
        if a.is_empty() || b.is_empty() {
            return Err(misfit("a matrix product needs at least one dimension"));
        }
        let (row, column) = (a.len() == 1, b.len() == 1);
        let matrix_a = if row { vec![1, a[0]] } else { a.to_vec() };
        let matrix_b = if column { vec![b[0], 1] } else { b.to_vec() };
        let (stack_a, a) = matrix_a.split_at(matrix_a.len() - 2);
        let (stack_b, b) = matrix_b.split_at(matrix_b.len() - 2);
        if a[1] != b[0] {
            return Err(misfit("the inner dimensions differ"));
        }
        let size = (a[0], a[1], b[1]);
        let mut output = broadcast_shape(stack_a, stack_b)?;
        call.allocate(&output)?;
        let places = |stack: &[usize], each: usize| -> Vec<usize> {
            offsets(&output, &broadcast_strides(stack, &output)).iter().map(|p| p * each).collect()
        };
        let stacks = places(stack_a, a[0] * a[1]).into_iter().zip(places(stack_b, b[0] * b[1])).collect();
        if !row {
            output.push(size.0);
        }
        if !column {
            output.push(size.2);
        }
        Ok(MatMulShapes { output, size, stacks })
    }

    /// The product over any element type.
    pub(super) fn multiply<T: Factor>(&self, call: &Call, a: &[T], b: &[T]) -> Result<Vec<T>, OpError> {
        let (rows, inner, columns) = self.size;
        let mut out = vec![T::default(); call.allocate(&self.output)?];
        call.budget.work(&[self.stacks.len(), rows, inner, columns])?;
        if out.is_empty() {
            return Ok(out);
        }
        for (&(from_a, from_b), out) in self.stacks.iter().zip(out.chunks_exact_mut(rows * columns)) {
            let (a, b) = (&a[from_a..from_a + rows * inner], &b[from_b..from_b + inner * columns]);
            T::product(self.size, a, b, out);
        }
        Ok(out)
    }
}

fn matmul(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let shapes = MatMulShapes::new(call, a.shape(), b.shape())?;
    if a.dtype() == DType::F32 {
        let product = shapes.multiply(call, a.slice::<f32>()?, b.slice::<f32>()?)?;
        return super::one(shapes.output, product);
    }
    let narrow = |t: &Tensor| -> Result<Vec<i32>, OpError> {
        match t.dtype() {
            DType::I32 | DType::U32 => Ok(t.cast(DType::I32).slice::<i32>()?.to_vec()),
            other => Err(OpError::DType(other)),
        }
    };
    let product = shapes.multiply(call, &narrow(a)?, &narrow(b)?)?;
    Ok(vec![Tensor::new(shapes.output, product)?.cast(a.dtype())])
}

/// `alpha * A' * B' + beta * C`, where `A'` and `B'` may be transposed and `C` broadcasts.
fn gemm(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (alpha, beta) = (call.node.float_or("alpha", 1.0)?, call.node.float_or("beta", 1.0)?);
    let (a_shape, a) = oriented::<f32>(call, a, "transA")?;
    let (b_shape, b) = oriented::<f32>(call, b, "transB")?;
    let shapes = MatMulShapes::new(call, &a_shape, &b_shape)?;
    let mut product = shapes.multiply(call, &a, &b)?;
    if alpha != 1.0 {
        product.iter_mut().for_each(|x| *x *= alpha);
    }
    let Some(c) = call.optional(2) else { return super::one(shapes.output, product) };
    let sum =
        broadcast(call, (&shapes.output, &product), (c.shape(), c.slice::<f32>()?), |x, c| x + beta * c)?;
    if sum.shape() != shapes.output {
        let reason = "C does not broadcast to the product";
        return Err(OpError::Shapes { left: shapes.output, right: c.shape().to_vec(), reason });
    }
    Ok(vec![sum])
}

/// Shape and elements of a matrix, transposed if the flag says so.
pub(super) fn oriented<T: Element>(
    call: &Call,
    matrix: &Tensor,
    flag: &'static str,
) -> Result<(Vec<usize>, Vec<T>), OpError> {
    let &[rows, columns] = matrix.shape() else {
        return Err(OpError::Shape { shape: matrix.shape().to_vec(), reason: "is no matrix".into() });
    };
    let elements = matrix.slice::<T>()?;
    if !call.node.flag_or(flag, false)? {
        return Ok((vec![rows, columns], elements.to_vec()));
    }
    call.allocate(matrix.shape())?;
    let transposed = offsets(&[columns, rows], &[1, columns]).into_iter().map(|i| elements[i]).collect();
    Ok((vec![columns, rows], transposed))
}
