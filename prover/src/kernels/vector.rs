//! Sixteen binary32 lanes, and loops that are compiled once for each instruction set.
//!
//! A [`Task`] is compiled for [`Portable`] code, for AVX2 with FMA and for AVX-512, and [`run`] calls one of the three.
//! Within it a [`Vector`] has the few operations that have to be in registers; other loops the compiler makes
//! vectors of. Every operation is one correctly rounded operation a lane, so all three give the same bits, but for
//! the payloads of NaNs.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::elementary::Instructions;

/// Lanes of a vector, on every processor.
pub(crate) const LANES: usize = 16;

/// A vector in memory.
pub(crate) type Row = [f32; LANES];

/// Operations on sixteen lanes. A value of an implementation proves that the processor has its instructions.
pub(crate) trait Vector: Copy {
    /// Sixteen numbers.
    type Lanes: Copy;
    /// Rows of the largest tile whose accumulators fit the registers, where a row is [`Vector::WIDTH`] lanes wide.
    const ROWS: usize;
    /// Lanes of a tile's row.
    const WIDTH: usize;
    /// The number in every lane.
    fn splat(self, value: f32) -> Self::Lanes;
    /// From memory.
    fn load(self, row: &Row) -> Self::Lanes;
    /// To memory.
    fn store(self, lanes: Self::Lanes, row: &mut Row);
    /// `a + b`.
    fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
}

/// A loop.
pub(crate) trait Task {
    /// What it returns.
    type Output;
    /// Runs it. Implementations, and all that they call in their inner loops, are `#[inline(always)]`.
    fn run<V: Vector>(self, vector: V) -> Self::Output;
}

/// Runs a task with given instructions, or portable ones where the processor lacks them.
pub(crate) fn run<T: Task>(instructions: Instructions, task: T) -> T::Output {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => match avx512::Avx512::detect() {
            Some(vector) => avx512::run(vector, task),
            None => task.run(Portable),
        },
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => match avx2::Avx2::detect() {
            Some(vector) => avx2::run(vector, task),
            None => task.run(Portable),
        },
        _ => task.run(Portable),
    }
}

/// The shape of the largest tile: rows, and lanes of a row.
pub(crate) fn tile(instructions: Instructions) -> (usize, usize) {
    struct Shape;
    impl Task for Shape {
        type Output = (usize, usize);
        fn run<V: Vector>(self, _: V) -> Self::Output {
            (V::ROWS, V::WIDTH)
        }
    }
    run(instructions, Shape)
}

/// Without any instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Vector for Portable {
    type Lanes = Row;
    const ROWS: usize = 4;
    const WIDTH: usize = LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> Row {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, row: &Row) -> Row {
        *row
    }

    #[inline(always)]
    fn store(self, lanes: Row, row: &mut Row) {
        *row = lanes;
    }

    #[inline(always)]
    fn add(self, a: Row, b: Row) -> Row {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn fma(self, a: Row, b: Row, c: Row) -> Row {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
}
