//! Work on blocks of an array, on as many threads as it is worth. Results never depend on the blocks.

use rayon::prelude::*;

/// Elementary steps below which another thread costs more than it saves.
const WORTH_A_THREAD: u64 = 1 << 17;

/// Calls `work(first, block)` for blocks of `values` that cover it, each a multiple of `unit` elements but the
/// last. `steps`: what one element costs.
pub(crate) fn blocks<T: Send>(
    values: &mut [T],
    unit: usize,
    steps: u64,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    let total = steps.saturating_mul(values.len() as u64);
    if total < 2 * WORTH_A_THREAD || rayon::current_num_threads() == 1 {
        return work(0, values);
    }
    let wanted = (total / WORTH_A_THREAD).min(4 * rayon::current_num_threads() as u64) as usize;
    let unit = unit.max(1);
    let size = values.len().div_ceil(wanted).div_ceil(unit) * unit;
    values.par_chunks_mut(size).enumerate().for_each(|(number, block)| work(number * size, block));
}
