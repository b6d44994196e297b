//! Average pools.
//!
//! ```text
//! acc[n, c, y..] = (K / D[y..]) * sum over k.. of x[n, c, stride*y + dilation*k - pad, ..]
//! ```
//!
//! D is the number of cells that a window counts, K the least common multiple of all of them: the average is
//! `acc / K`. Where every window counts the same, K = D and the factor is not there.

use super::conv::{Window, windowed};
use crate::builder::{Accumulator, BuildError, Builder, View, axis_digits};
use crate::program::{Affine, Term};
use alloc::vec::Vec;

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The accumulator and its K. `counts` has the number of cells of each window, row-major.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn average(
    b: &mut Builder,
    name: &str,
    x: &View,
    windows: &[Window],
    counts: &[i64],
) -> Result<(Accumulator, i64), BuildError> {
    let x = windowed(b, name, x, windows)?;
    let leading = x.axes().len() - windows.len();
    let mut axes: Vec<Vec<usize>> = x.axes()[..leading].to_vec();
    let first: usize = axes.iter().map(Vec::len).sum();
    axes.extend(windows.iter().map(|window| axis_digits(window.output)));
    let outputs: usize = axes.iter().map(Vec::len).sum();
    let mut reduce = Vec::new();
    let mut index: Vec<Affine> = (0..first).map(Affine::axis).collect();
    let mut output = first;
    for (d, window) in windows.iter().enumerate() {
        let own = (window.output > 1).then_some(output);
        let tap = (window.kernel > 1).then_some(outputs + reduce.len());
        if tap.is_some() {
            reduce.push(window.kernel);
        }
        if !x.axes()[leading + d].is_empty() {
            index.push(window.index(own, tap));
        }
        output += usize::from(own.is_some());
    }
    let mut factors = alloc::vec![x.at(&index)];
    let common = counts.iter().fold(1, |k, &count| k / gcd(k, count.max(1)) * count.max(1));
    if counts.iter().any(|&count| count != common) {
        let values = counts.iter().map(|&count| common / count.max(1)).collect();
        let sizes: Vec<usize> = axes[leading..].concat();
        let factor = b.constant_of(&sizes, values)?;
        let place: Vec<Affine> = (first..outputs).map(Affine::axis).collect();
        factors.insert(0, factor.at(&place));
    }
    let terms = alloc::vec![Term { coefficient: 1, factors }];
    Ok((Accumulator { axes, reduce, terms, known: None }, common))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, input, run};
    use super::*;

    #[test]
    fn windows_that_count_differently_share_one_divisor() {
        let (mut b, x, tensor) = input(&[1, 2, 5]);
        let window = Window { kernel: 3, stride: 2, dilation: 1, pad: 1, output: 3 };
        let (acc, common) = average(&mut b, "pool", &x, &[window], &[2, 3, 2]).unwrap();
        assert_eq!(common, 6);
        let found = run(b, acc, tensor.clone());
        let expected = (0..6usize).map(|o| {
            let (c, y) = (o / 3, o % 3);
            let taps = (0..3).map(|k| at(&tensor.values, &[2, 5], &[c as i64, (2 * y + k) as i64 - 1], 0));
            taps.sum::<i64>() * [3, 2, 3][y]
        });
        assert_eq!(found.values, expected.collect::<Vec<_>>());
    }
}
