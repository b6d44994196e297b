//! Choices, all of them determined by a seed.

use assay_circuits::tensor::Bounds;

/// A generator of choices (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of a range.
    pub fn from(&mut self, range: std::ops::RangeInclusive<i64>) -> i64 {
        let count = (i128::from(*range.end()) - i128::from(*range.start()) + 1) as u128;
        (i128::from(*range.start()) + (u128::from(self.next()) % count) as i128) as i64
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: i64) -> bool {
        self.from(1..=times) == 1
    }

    /// One of several.
    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.from(0..=all.len() as i64 - 1) as usize].clone()
    }

    /// Values within bounds, the ends more often than others.
    pub fn values(&mut self, count: usize, bounds: Bounds) -> Vec<i64> {
        let mut value = || match self.from(0..=7) {
            0 => bounds.lo,
            1 => bounds.hi,
            _ => self.from(bounds.lo..=bounds.hi),
        };
        (0..count).map(|_| value()).collect()
    }

    /// Sizes of axes, together at most `cells`.
    pub fn sizes(&mut self, ranks: std::ops::RangeInclusive<i64>, cells: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        for _ in 0..self.from(ranks) {
            let room = (cells / sizes.iter().product::<usize>()).max(1);
            let size = self.of(&[1, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 11, 13]);
            sizes.push(size.min(room));
        }
        sizes
    }
}
