//! Derivatives of formulas.
//!
//! A formula's derivative by one of its sums is a formula of the same sums and of its own value, which a program has
//! stored: of a fold the sums are not. So `max(S + b, 0)` has the derivative `[0 < out]`, and `tanh` has `1 - out^2`.

use assay_circuits::formula::{Binary, Formula, Unary};

fn number(value: f32) -> Formula {
    Formula::number(value)
}

fn is(formula: &Formula, value: f32) -> bool {
    *formula == number(value)
}

/// `x * y`, short where one is 0 or 1.
pub(super) fn times(x: Formula, y: Formula) -> Formula {
    match (is(&x, 0.0) || is(&y, 0.0), is(&x, 1.0), is(&y, 1.0)) {
        (true, _, _) => number(0.0),
        (_, true, _) => y,
        (_, _, true) => x,
        _ => x.binary(Binary::Multiply, y),
    }
}

fn plus(x: Formula, y: Formula) -> Formula {
    match (is(&x, 0.0), is(&y, 0.0)) {
        (true, _) => y,
        (_, true) => x,
        _ => x.binary(Binary::Add, y),
    }
}

fn minus(x: Formula, y: Formula) -> Formula {
    match (is(&x, 0.0), is(&y, 0.0)) {
        (_, true) => x,
        (true, _) => y.unary(Unary::Negate),
        _ => x.binary(Binary::Subtract, y),
    }
}

/// `g` where the condition holds, else 0.
fn mask(condition: Formula, g: Formula) -> Formula {
    if is(&g, 0.0) { g } else { condition.select(g, number(0.0)) }
}

/// `gradient` times the derivative of a formula by sum `by`, as a formula; `own` is the formula's value. `None` where a
/// function has no derivative here.
pub(super) fn derivative(formula: &Formula, by: usize, own: &Formula, gradient: Formula) -> Option<Formula> {
    // The inner formulas' values are themselves.
    let inner = |x: &Formula, gradient: Formula| derivative(x, by, x, gradient);
    if !depends(formula, by) {
        return Some(number(0.0));
    }
    let g = gradient;
    Some(match formula {
        Formula::Sum(_) => g,
        Formula::Constant(_) => number(0.0),
        Formula::Unary(function, x) => match function {
            Unary::Negate => inner(x, g.unary(Unary::Negate))?,
            Unary::Exp => inner(x, times(g, own.clone()))?,
            Unary::Tanh => {
                let slope = minus(number(1.0), times(own.clone(), own.clone()));
                inner(x, times(g, slope))?
            }
            Unary::Sigmoid => {
                let slope = times(own.clone(), minus(number(1.0), own.clone()));
                inner(x, times(g, slope))?
            }
            Unary::SquareRoot => {
                let slope = number(0.5).binary(Binary::Divide, own.clone());
                inner(x, times(g, slope))?
            }
            Unary::ReciprocalRoot => {
                let cube = times(times(own.clone(), own.clone()), own.clone());
                inner(x, times(g, times(number(-0.5), cube)))?
            }
            Unary::Log => inner(x, g.binary(Binary::Divide, (**x).clone()))?,
            Unary::Erf => {
                let square = times((**x).clone(), (**x).clone()).unary(Unary::Negate).unary(Unary::Exp);
                inner(x, times(g, times(number(std::f32::consts::FRAC_2_SQRT_PI), square)))?
            }
            Unary::Sin => inner(x, times(g, (**x).clone().unary(Unary::Cos)))?,
            Unary::Cos => inner(x, times(g, (**x).clone().unary(Unary::Sin).unary(Unary::Negate)))?,
            Unary::Absolute => {
                let below = (**x).clone().binary(Binary::Less, number(0.0));
                inner(x, below.select(g.clone().unary(Unary::Negate), g))?
            }
            Unary::Floor | Unary::Ceil | Unary::Round => number(0.0),
        },
        Formula::Binary(function, x, y) => match function {
            Binary::Add => plus(inner(x, g.clone())?, inner(y, g)?),
            Binary::Subtract => minus(inner(x, g.clone())?, inner(y, g)?),
            Binary::Multiply => {
                plus(inner(x, times(g.clone(), (**y).clone()))?, inner(y, times(g, (**x).clone()))?)
            }
            Binary::Divide => {
                let by_y = g.clone().binary(Binary::Divide, (**y).clone());
                let of_y = times(by_y.clone(), own.clone());
                minus(inner(x, by_y)?, inner(y, of_y)?)
            }
            // Of two equal values neither moves the result but the constant's side: relu has slope 0 at 0.
            Binary::Maximum => match (&**x, &**y) {
                (x, bound @ Formula::Constant(_)) | (bound @ Formula::Constant(_), x) => {
                    mask(bound.clone().binary(Binary::Less, own.clone()), inner(x, g)?)
                }
                _ => return None,
            },
            Binary::Minimum => match (&**x, &**y) {
                (x, bound @ Formula::Constant(_)) | (bound @ Formula::Constant(_), x) => {
                    mask(own.clone().binary(Binary::Less, bound.clone()), inner(x, g)?)
                }
                _ => return None,
            },
            Binary::Less | Binary::Equal => number(0.0),
        },
        Formula::Fma(x, y, z) => {
            let products =
                plus(inner(x, times(g.clone(), (**y).clone()))?, inner(y, times(g.clone(), (**x).clone()))?);
            plus(products, inner(z, g)?)
        }
        Formula::Select(condition, yes, no) => {
            let (of_yes, of_no) = (inner(yes, g.clone())?, inner(no, g)?);
            if is(&of_yes, 0.0) && is(&of_no, 0.0) {
                return Some(number(0.0));
            }
            (**condition).clone().select(of_yes, of_no)
        }
    })
}

/// True where a formula reads the sum.
pub(super) fn depends(formula: &Formula, by: usize) -> bool {
    match formula {
        Formula::Sum(i) => *i == by,
        Formula::Constant(_) => false,
        Formula::Unary(_, x) => depends(x, by),
        Formula::Binary(_, x, y) => depends(x, by) || depends(y, by),
        Formula::Fma(x, y, z) | Formula::Select(x, y, z) => {
            depends(x, by) || depends(y, by) || depends(z, by)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::Hard;
    use assay_circuits::real::Real;

    fn at(formula: &Formula, x: f32, y: f32) -> f32 {
        let sums = [x, y].map(|x| Hard::from_bits(x.to_bits()));
        f32::from_bits(formula.value::<Hard>(&sums).to_bits())
    }

    #[test]
    fn derivatives_are_slopes() {
        let (x, y) = (Formula::Sum(0), Formula::Sum(1));
        let product = x.clone().binary(Binary::Multiply, y.clone());
        let formulas = [
            x.clone().unary(Unary::Tanh),
            x.clone().unary(Unary::Sigmoid),
            x.clone().unary(Unary::Exp),
            x.clone().unary(Unary::Erf),
            x.clone().unary(Unary::Sin),
            x.clone().unary(Unary::Cos),
            x.clone().unary(Unary::SquareRoot),
            x.clone().unary(Unary::ReciprocalRoot),
            x.clone().unary(Unary::Log),
            x.clone().unary(Unary::Absolute).unary(Unary::Negate),
            product.clone(),
            x.clone().binary(Binary::Divide, y.clone()),
            y.clone().binary(Binary::Divide, x.clone()),
            Formula::Fma(Box::new(x.clone()), Box::new(y.clone()), Box::new(x.clone())),
            product.clone().binary(Binary::Maximum, number(0.0)),
            product.binary(Binary::Minimum, number(0.5)),
            x.clone().binary(Binary::Less, y.clone()).select(x.clone(), y.clone()),
            x.clone().binary(Binary::Subtract, y.clone()).binary(Binary::Add, x),
        ];
        for formula in formulas {
            for (x, y) in [(0.7f32, 0.3f32), (1.3, -0.6), (0.2, 2.0)] {
                let step = 1e-2f32;
                let slope = (at(&formula, x + step, y) - at(&formula, x - step, y)) / (2.0 * step);
                let found = derivative(&formula, 0, &formula, number(1.0)).unwrap();
                let found = at(&found, x, y);
                assert!(
                    (found - slope).abs() < 1e-2 * (1.0 + slope.abs()),
                    "{formula:?} at {x}: {found} {slope}"
                );
            }
        }
    }
}
