//! How many multiplications a proof takes, for the ratio of its time to the floor.
//!
//! Counted where they are made, a loop at a time, with the feature `count`; without it the functions are empty. This is
//! the only global state, and nothing reads it but a bench.

#[cfg(feature = "count")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Multiplications so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Multiplications {
    /// Of field elements with field elements.
    pub full: u64,
    /// Of field elements with small integers, reduced once a sum.
    pub small: u64,
}

#[cfg(feature = "count")]
static FULL: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "count")]
static SMALL: AtomicU64 = AtomicU64::new(0);

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

/// All multiplications since the process began.
#[cfg(feature = "count")]
pub fn multiplications() -> Multiplications {
    Multiplications { full: FULL.load(Relaxed), small: SMALL.load(Relaxed) }
}
