//! Scales as rationals: the simplest fraction near a real, powers of two, and steps of constants.

use assay_circuits::ops::requantise::Ratio;

/// The largest divisor: its range table has as many rows.
pub const MAX_DIVISOR: u64 = 1 << 20;

/// The fraction of least denominator within `tolerance` (relative) of `value`, by descent in the Stern-Brocot
/// tree; the best one of a denominator up to 2^20 where that is out of reach.
pub fn nearest_ratio(value: f64, tolerance: f64) -> Ratio {
    let (low, high) = (value * (1.0 - tolerance), value * (1.0 + tolerance));
    let (mut left, mut right) = ((0u64, 1u64), (1u64, 0u64));
    let mut best = (value.round().max(1.0) as u64, 1u64);
    let error = |(p, q): (u64, u64)| (p as f64 / q as f64 - value).abs();
    loop {
        let middle = (left.0 + right.0, left.1 + right.1);
        if middle.1 > MAX_DIVISOR || middle.0 > 1 << 40 {
            break;
        }
        if error(middle) < error(best) {
            best = middle;
        }
        let x = middle.0 as f64 / middle.1 as f64;
        if x < low {
            // Steps to the right until the value is passed: k mediants at once.
            let k = steps(|k| ((left.0 + k * right.0) as f64 / (left.1 + k * right.1) as f64) < low);
            left = (left.0 + k * right.0, left.1 + k * right.1);
        } else if x > high {
            let k = steps(|k| ((right.0 + k * left.0) as f64 / (right.1 + k * left.1) as f64) > high);
            right = (right.0 + k * left.0, right.1 + k * left.1);
        } else {
            best = middle;
            break;
        }
    }
    Ratio { multiplier: best.0.max(1) as i64, divisor: best.1 }
}

/// The largest divisor of a ratio that stands for imported scales, where that is exact enough.
const IMPORTED_DIVISOR: u64 = 1 << 12;

/// The ratio that stands for a product of imported scales: the simplest one within 2^-17 where its divisor is at most
/// 2^12, since a range table of that many rows is proven; else the nearest of those divisors, which is within 2^-13: a
/// 32nd of a step at 255 steps. Small values take what divisor they need for 2^-13.
pub fn imported_ratio(value: f64) -> Ratio {
    let simplest = nearest_ratio(value, 1.0 / f64::from(1 << 17));
    if simplest.divisor <= IMPORTED_DIVISOR {
        return simplest;
    }
    let relative = |ratio: &Ratio| (ratio.multiplier as f64 / ratio.divisor as f64 / value - 1.0).abs();
    let at = |divisor: u64| Ratio { multiplier: (value * divisor as f64).round().max(1.0) as i64, divisor };
    let nearest = (1..=IMPORTED_DIVISOR).map(at).min_by(|a, b| relative(a).total_cmp(&relative(b)));
    match nearest {
        Some(ratio) if relative(&ratio) <= 1.0 / 8192.0 => ratio,
        _ => nearest_ratio(value, 1.0 / 8192.0),
    }
}

/// The greatest k, at least 1 and at most 2^20, for which `holds`.
fn steps(holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1u64, 2u64);
    while high <= MAX_DIVISOR && holds(high) {
        low = high;
        high *= 2;
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// `multiplier / 2^s` with the least s for which it is within `error` (absolute) of `value`, s at most 16.
pub fn binary_ratio(value: f64, error: f64) -> Ratio {
    let at = |s: u32| Ratio {
        multiplier: (value * f64::from(1u32 << s)).round().max(1.0) as i64,
        divisor: 1 << s,
    };
    let near = |ratio: &Ratio| (ratio.multiplier as f64 / ratio.divisor as f64 - value).abs() <= error;
    (0..=16).map(at).find(near).unwrap_or_else(|| at(16))
}

/// The step of which all values are integer multiples of at most `most`, with the integers.
pub fn step_of(values: &[f32], most: i64) -> Option<(f64, Vec<i64>)> {
    let largest = values.iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
    if !largest.is_finite() {
        return None;
    }
    if largest == 0.0 {
        return Some((1.0, vec![0; values.len()]));
    }
    let fits = |units: &i64| {
        let step = largest / *units as f64;
        let limit = 1e-6 * *units as f64 + 1e-9;
        values.iter().all(|&x| {
            let k = f64::from(x) / step;
            (k - k.round()).abs() <= limit.min(0.02)
        })
    };
    let units = (1..=most.min(32767)).find(fits)?;
    let step = largest / units as f64;
    // The step that fits all values best, so that the rounding of the largest does not matter.
    let integers: Vec<i64> = values.iter().map(|&x| (f64::from(x) / step).round() as i64).collect();
    let (mut xy, mut yy) = (0.0, 0.0);
    for (&x, &k) in values.iter().zip(&integers) {
        xy += f64::from(x) * k as f64;
        yy += (k * k) as f64;
    }
    Some((xy / yy, integers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_the_simplest_within_the_tolerance() {
        for (value, tolerance) in
            [(0.5, 1e-6), (1.0 / 9.0, 1e-9), (std::f64::consts::PI, 1e-4), (0.00307, 1e-5)]
        {
            let ratio = nearest_ratio(value, tolerance);
            let found = ratio.multiplier as f64 / ratio.divisor as f64;
            assert!((found / value - 1.0).abs() <= tolerance, "{ratio:?}");
            for q in 1..ratio.divisor {
                let p = (value * q as f64).round();
                assert!(p < 1.0 || (p / q as f64 / value - 1.0).abs() > tolerance, "{p}/{q} for {value}");
            }
        }
    }

    #[test]
    fn steps_of_dequantised_weights_are_found() {
        let step = 0.0068913023f32;
        let integers: Vec<i64> = vec![-127, 3, 0, 88, -1, 55];
        let values: Vec<f32> = integers.iter().map(|&k| k as f32 * step).collect();
        let (found, back) = step_of(&values, 127).unwrap();
        assert_eq!(back, integers);
        assert!((found / f64::from(step) - 1.0).abs() < 1e-6);
        assert!(step_of(&[0.1234, 0.77731, -0.31871, 0.90017, 0.12345], 127).is_none());
    }
}
