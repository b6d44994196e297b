//! Inner products of rows of 16-bit integers: `out[p, q] += c * sum over k of left[p, k] right[q, k]`.
//!
//! Rows are `depth` apart, a multiple of [`LANES`], zero beyond their true length. Sums of `chunk` products stay
//! below 2^31 by the caller's bounds, so that they are exact in 32 bits; sums of chunks are 64 bits wide.

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

impl Rows<'_> {
    /// Adds to `out`, whose rows are `stride` apart.
    pub(crate) fn multiply(&self, out: &mut [i64], stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, which is all that the function asks for.
            return unsafe { self.multiply_avx2(out, stride) };
        }
        self.multiply_portable(out, stride);
    }

    /// The portable form, compiled for wider registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn multiply_avx2(&self, out: &mut [i64], stride: usize) {
        self.multiply_portable(out, stride);
    }

    #[inline(always)]
    fn multiply_portable(&self, out: &mut [i64], stride: usize) {
        let mut left = self.left.chunks_exact(self.depth);
        let mut top = 0;
        while left.len() >= TILE_ROWS {
            let rows: [&[i16]; TILE_ROWS] = std::array::from_fn(|_| left.next().unwrap_or(&[]));
            self.band(rows, &mut out[top * stride..], stride);
            top += TILE_ROWS;
        }
        for row in left {
            self.band([row], &mut out[top * stride..], stride);
            top += 1;
        }
    }

    #[inline(always)]
    fn band<const P: usize>(&self, left: [&[i16]; P], out: &mut [i64], stride: usize) {
        let mut right = self.right.chunks_exact(self.depth);
        let mut column = 0;
        while right.len() >= TILE_COLUMNS {
            let rows: [&[i16]; TILE_COLUMNS] = std::array::from_fn(|_| right.next().unwrap_or(&[]));
            self.tile(left, rows, &mut out[column..], stride);
            column += TILE_COLUMNS;
        }
        for row in right {
            self.tile(left, [row], &mut out[column..], stride);
            column += 1;
        }
    }

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(
        &self,
        left: [&[i16]; P],
        right: [&[i16]; Q],
        out: &mut [i64],
        stride: usize,
    ) {
        let mut start = 0;
        while start < self.depth {
            let end = (start + self.chunk).min(self.depth);
            let dots = dots(left.map(|row| &row[start..end]), right.map(|row| &row[start..end]));
            for (p, dots) in dots.iter().enumerate() {
                for (q, &dot) in dots.iter().enumerate() {
                    out[p * stride + q] += self.coefficient * i64::from(dot);
                }
            }
            start = end;
        }
    }
}

/// All inner products of a few rows with a few rows; pairs of products are added first, as the instructions
/// for 16-bit integers do.
#[inline(always)]
fn dots<const P: usize, const Q: usize>(left: [&[i16]; P], right: [&[i16]; Q]) -> [[i32; Q]; P] {
    let mut sums = [[[0i32; LANES / 2]; Q]; P];
    let left = left.map(|row| row.as_chunks::<LANES>().0);
    let right = right.map(|row| row.as_chunks::<LANES>().0);
    for block in 0..left[0].len() {
        for p in 0..P {
            for q in 0..Q {
                let (a, b) = (&left[p][block], &right[q][block]);
                for lane in 0..LANES / 2 {
                    let even = i32::from(a[2 * lane]) * i32::from(b[2 * lane]);
                    let odd = i32::from(a[2 * lane + 1]) * i32::from(b[2 * lane + 1]);
                    sums[p][q][lane] += even + odd;
                }
            }
        }
    }
    sums.map(|row| row.map(|lanes| lanes.iter().sum()))
}
