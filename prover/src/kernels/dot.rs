//! Inner products of rows of 16-bit integers: `out[p, q] += c * sum over k of left[p, k] right[q, k]`.
//!
//! Rows are `depth` apart, a multiple of [`LANES`], zero beyond their true length. Sums of `chunk` products stay
//! below 2^31 by the caller's bounds, so that they are exact in 32 bits; sums of chunks are 64 bits wide. Any
//! order of additions gives the same bits, so instruction sets differ only in [`Dots`].

#[cfg(target_arch = "x86_64")]
mod avx2;

/// Rows are padded to a multiple of this many elements.
pub(crate) const LANES: usize = 16;
/// Rows of `left` that one tile holds.
pub(crate) const TILE_ROWS: usize = 4;
const TILE_COLUMNS: usize = 2;

/// The two operands of a product.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The rows p, one after another.
    pub(crate) left: &'a [i16],
    /// The rows q, one after another.
    pub(crate) right: &'a [i16],
    /// Length of every row.
    pub(crate) depth: usize,
    /// How many products a 32-bit sum holds, a multiple of [`LANES`].
    pub(crate) chunk: usize,
    /// c.
    pub(crate) coefficient: i64,
}

/// All inner products of a few rows with a few rows of the same length, a multiple of [`LANES`].
trait Dots: Copy {
    fn dots<const P: usize, const Q: usize>(self, left: [&[i16]; P], right: [&[i16]; Q]) -> [[i32; Q]; P];
}

/// Without any instruction set.
#[derive(Clone, Copy)]
struct Portable;

impl Dots for Portable {
    #[inline]
    fn dots<const P: usize, const Q: usize>(self, left: [&[i16]; P], right: [&[i16]; Q]) -> [[i32; Q]; P] {
        let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
        left.map(|a| right.map(|b| dot(a, b)))
    }
}

impl Rows<'_> {
    /// Adds to `out`, whose rows are `stride` apart.
    pub(crate) fn multiply(&self, out: &mut [i64], stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            return self.multiply_with(avx2, out, stride);
        }
        self.multiply_with(Portable, out, stride);
    }

    fn multiply_with(&self, dots: impl Dots, out: &mut [i64], stride: usize) {
        let mut left = self.left.chunks_exact(self.depth);
        let mut top = 0;
        while left.len() >= TILE_ROWS {
            let rows: [&[i16]; TILE_ROWS] = std::array::from_fn(|_| left.next().unwrap_or(&[]));
            self.band(dots, rows, &mut out[top * stride..], stride);
            top += TILE_ROWS;
        }
        for row in left {
            self.band(dots, [row], &mut out[top * stride..], stride);
            top += 1;
        }
    }

    fn band<const P: usize>(&self, dots: impl Dots, left: [&[i16]; P], out: &mut [i64], stride: usize) {
        let mut right = self.right.chunks_exact(self.depth);
        let mut column = 0;
        while right.len() >= TILE_COLUMNS {
            let rows: [&[i16]; TILE_COLUMNS] = std::array::from_fn(|_| right.next().unwrap_or(&[]));
            self.tile(dots, left, rows, &mut out[column..], stride);
            column += TILE_COLUMNS;
        }
        for row in right {
            self.tile(dots, left, [row], &mut out[column..], stride);
            column += 1;
        }
    }

    #[inline]
    fn tile<const P: usize, const Q: usize>(
        &self,
        dots: impl Dots,
        left: [&[i16]; P],
        right: [&[i16]; Q],
        out: &mut [i64],
        stride: usize,
    ) {
        for start in (0..self.depth).step_by(self.chunk) {
            let end = (start + self.chunk).min(self.depth);
            let found = dots.dots(left.map(|row| &row[start..end]), right.map(|row| &row[start..end]));
            for (p, row) in found.iter().enumerate() {
                for (q, &dot) in row.iter().enumerate() {
                    out[p * stride + q] += self.coefficient * i64::from(dot);
                }
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of any 16-bit integers, the least one often.
    fn rows(count: usize, depth: usize) -> impl Strategy<Value = Vec<i16>> {
        prop::collection::vec(prop_oneof![Just(i16::MIN), Just(i16::MAX), any::<i16>()], count * depth)
    }

    proptest! {
        #[test]
        fn avx2_and_portable_give_the_same_bits(
            (p, q, depth, left, right) in (1usize..10, 1usize..6, 1usize..5).prop_flat_map(|(p, q, blocks)| {
                let depth = blocks * LANES;
                (Just(p), Just(q), Just(depth), rows(p, depth), rows(q, depth))
            }),
            small in any::<bool>(),
            coefficient in -3i64..=3,
        ) {
            // 16 products of 13 bits each stay below 2^31, and so do 64 of 8 bits.
            let narrow = |x: &i16| if small { x >> 8 } else { x >> 3 };
            let (left, right): (Vec<i16>, Vec<i16>) = (left.iter().map(narrow).collect(), right.iter().map(narrow).collect());
            let chunk = if small { depth } else { LANES };
            let rows = Rows { left: &left, right: &right, depth, chunk, coefficient };
            let mut expected = vec![5i64; p * q];
            for (cell, out) in expected.iter_mut().enumerate() {
                let (a, b) = (&left[cell / q * depth..][..depth], &right[cell % q * depth..][..depth]);
                let dot: i64 = a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
                *out += coefficient * dot;
            }
            let mut portable = vec![5i64; p * q];
            rows.multiply_with(Portable, &mut portable, q);
            prop_assert_eq!(&portable, &expected);
            if let Some(avx2) = avx2::Avx2::detect() {
                let mut fast = vec![5i64; p * q];
                rows.multiply_with(avx2, &mut fast, q);
                prop_assert_eq!(&fast, &expected);
            }
        }
    }

    #[test]
    fn the_one_product_that_fills_32_bits_is_exact() {
        let mut row = vec![0i16; LANES];
        row[0] = i16::MIN;
        let rows = Rows { left: &row, right: &row, depth: LANES, chunk: LANES, coefficient: 1 };
        let mut out = [0];
        rows.multiply(&mut out, 1);
        assert_eq!(out, [1 << 30]);
    }
}
