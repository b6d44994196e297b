//! A power law through measured costs.

/// `y = factor * x^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// y at x = 1.
    pub factor: f64,
    /// By how much y grows: 1 is linear.
    pub exponent: f64,
    /// The largest ratio between a point and the law, either way.
    pub worst: f64,
}

impl PowerLaw {
    /// The law that is nearest to the points in the squares of logarithms; `None` of fewer than two sizes.
    pub fn of(points: &[(f64, f64)]) -> Option<PowerLaw> {
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = logs.len() as f64;
        let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if logs.len() < 2 || spread == 0.0 {
            return None;
        }
        let exponent = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let intercept = mean_y - exponent * mean_x;
        let away = logs.iter().map(|(x, y)| (y - intercept - exponent * x).abs());
        Some(PowerLaw { factor: intercept.exp(), exponent, worst: away.fold(0.0, f64::max).exp() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_again() {
        let points: Vec<(f64, f64)> =
            [10.0, 1e3, 4e5, 1e7].map(|x: f64| (x, 3.5 * x.powf(0.9))).into_iter().collect();
        let law = PowerLaw::of(&points).unwrap();
        assert!((law.factor - 3.5).abs() < 1e-6 && (law.exponent - 0.9).abs() < 1e-9 && law.worst < 1.001);
        assert_eq!(PowerLaw::of(&points[..1]), None);
    }
}
