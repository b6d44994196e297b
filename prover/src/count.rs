//! How many operations of the field and the curve a proof takes, for the ratio of its time to the floor.
//!
//! Counted where they are made, a loop at a time, with the feature `count`; without it the functions are empty. This is
//! the only global state, and nothing reads it but a bench.

use std::ops::Sub;
#[cfg(feature = "count")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Operations so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Multiplications of field elements by field elements.
    pub full: u64,
    /// Multiplications of field elements by small integers, reduced once a sum.
    pub small: u64,
    /// Additions of points in batches.
    pub additions: u64,
}

#[cfg(feature = "count")]
static FULL: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "count")]
static SMALL: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "count")]
static ADDITIONS: AtomicU64 = AtomicU64::new(0);

/// Counts multiplications in the field.
#[inline(always)]
pub fn full(_count: usize) {
    #[cfg(feature = "count")]
    FULL.fetch_add(_count as u64, Relaxed);
}

/// Counts multiplications by small integers.
#[inline(always)]
pub fn small(_count: usize) {
    #[cfg(feature = "count")]
    SMALL.fetch_add(_count as u64, Relaxed);
}

/// Counts additions of points.
#[inline(always)]
pub fn additions(_count: usize) {
    #[cfg(feature = "count")]
    ADDITIONS.fetch_add(_count as u64, Relaxed);
}

/// All operations since the process began; none without the feature.
pub fn so_far() -> Counted {
    #[cfg(feature = "count")]
    return Counted {
        full: FULL.load(Relaxed),
        small: SMALL.load(Relaxed),
        additions: ADDITIONS.load(Relaxed),
    };
    #[cfg(not(feature = "count"))]
    Counted::default()
}

impl Sub for Counted {
    type Output = Counted;

    fn sub(self, earlier: Counted) -> Counted {
        Counted {
            full: self.full - earlier.full,
            small: self.small - earlier.small,
            additions: self.additions - earlier.additions,
        }
    }
}
