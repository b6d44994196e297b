//! Element-wise nodes: each is a formula.

use super::element::Element;
use super::{Lowering, NodeError, form};
use crate::onnx::Node;
use assay_circuits::formula::{Binary, Formula, Unary};

fn number(value: f32) -> Formula {
    Formula::number(value)
}

fn add(x: Formula, y: Formula) -> Formula {
    x.binary(Binary::Add, y)
}

fn mul(x: Formula, y: Formula) -> Formula {
    x.binary(Binary::Multiply, y)
}

fn less(x: Formula, y: Formula) -> Formula {
    x.binary(Binary::Less, y)
}

fn not(x: Formula) -> Formula {
    x.select(number(0.0), number(1.0))
}

/// 1 where x is NaN, else 0.
pub(super) fn is_nan(x: Formula) -> Formula {
    not(x.clone().binary(Binary::Equal, x))
}

/// `alpha x` below zero, else x.
pub(super) fn leaky_relu(x: Formula, alpha: f32) -> Formula {
    less(x.clone(), number(0.0)).select(mul(x.clone(), number(alpha)), x)
}

/// `min(max(x, lo), hi)`.
pub(super) fn clamp(x: Formula, lo: f32, hi: f32) -> Formula {
    x.binary(Binary::Maximum, number(lo)).binary(Binary::Minimum, number(hi))
}

/// `alpha (e^x - 1)` below zero, else x.
fn elu(x: Formula, alpha: f32) -> Formula {
    let below = add(x.clone().unary(Unary::Exp), number(-1.0));
    less(x.clone(), number(0.0)).select(mul(number(alpha), below), x)
}

/// `max(x, 0) + log(1 + exp(-|x|))`, which does not overflow.
fn softplus(x: Formula) -> Formula {
    let small = x.clone().unary(Unary::Absolute).unary(Unary::Negate).unary(Unary::Exp);
    add(x.binary(Binary::Maximum, number(0.0)), add(number(1.0), small).unary(Unary::Log))
}

/// The whole number next to x towards zero.
pub(super) fn truncated(x: Formula) -> Formula {
    less(x.clone(), number(0.0)).select(x.clone().unary(Unary::Ceil), x.unary(Unary::Floor))
}

/// `x^p` for the powers that have a short form: a NaN of a negative base and a power that is not whole is NaN too.
fn power(x: Formula, p: f32) -> Formula {
    if p == 0.0 {
        return number(1.0);
    }
    if p < 0.0 {
        return number(1.0).binary(Binary::Divide, power(x, -p));
    }
    if p.fract() == 0.0 && p <= 16.0 {
        // By squaring, the highest bit of p first.
        let p = p as u32;
        let mut result = x.clone();
        for bit in (0..31 - p.leading_zeros()).rev() {
            result = mul(result.clone(), result);
            if p >> bit & 1 == 1 {
                result = mul(result, x.clone());
            }
        }
        return result;
    }
    if p == 0.5 {
        return x.unary(Unary::SquareRoot);
    }
    mul(number(p), x.unary(Unary::Log)).unary(Unary::Exp)
}

/// `exp(p log |x|)`, with the sign of `x^p` where p is whole; 1 where p is 0; NaN of a negative base and another p.
fn general_power(x: Formula, p: Formula) -> Formula {
    let magnitude = mul(p.clone(), x.clone().unary(Unary::Absolute).unary(Unary::Log)).unary(Unary::Exp);
    let whole = p.clone().binary(Binary::Equal, p.clone().unary(Unary::Floor));
    let half = mul(p.clone(), number(0.5));
    let even = half.clone().binary(Binary::Equal, half.unary(Unary::Floor));
    let signed = even.select(number(1.0), number(-1.0));
    let sign = less(x, number(0.0)).select(whole.select(signed, number(f32::NAN)), number(1.0));
    p.select(mul(sign, magnitude), number(1.0))
}

impl Lowering<'_> {
    /// A bound of `Clip`: an input, or the attribute that older operator sets have in its place.
    fn bound(
        &mut self,
        node: &Node,
        input: usize,
        name: &'static str,
        absent: f32,
    ) -> Result<Element, NodeError> {
        match Self::has(node, input) {
            true => self.element(node, input),
            false => Ok(Element::number(node.float_or(name, absent)?, &[])),
        }
    }

    fn clip(&mut self, node: &Node, x: Element) -> Result<Element, NodeError> {
        let lo = self.bound(node, 1, "min", f32::NEG_INFINITY)?;
        let hi = self.bound(node, 2, "max", f32::INFINITY)?;
        self.apply(&node.name, vec![x, lo, hi], |of| {
            let above = of[0].clone().binary(Binary::Maximum, of[1].clone());
            above.binary(Binary::Minimum, of[2].clone())
        })
    }

    pub(super) fn element_wise(&mut self, node: &Node) -> Result<(), NodeError> {
        let name = &node.name;
        let mut parts = Vec::new();
        let bounded = ["Clip", "Cast", "Dropout"].contains(&node.op_type.as_str());
        let count = if bounded { 1 } else { node.inputs.len() };
        for input in 0..count {
            parts.push(self.element(node, input)?);
        }
        if node.op_type == "PRelu" {
            // One slope a channel: older models leave out the axes after it.
            let (x, slope) = (self.shape(&node.inputs[0])?, self.shape(&node.inputs[1])?);
            if let ([channels], [_, own, rest @ ..]) = (slope.as_slice(), x.as_slice())
                && channels == own
                && rest.last().is_some_and(|last| last != own)
            {
                let view = self.view(node, 1)?;
                let view = (0..rest.len()).fold(view, |view, axis| view.unsqueezed(1 + axis));
                parts[1] = Element::read(view);
            }
        }
        let result = match node.op_type.as_str() {
            "Sum" | "Max" | "Min" | "Mean" => self.variadic(node, parts)?,
            "Pow" => self.pow(node, parts)?,
            "Cast" => self.cast(node, parts)?,
            "Clip" => self.clip(node, parts.swap_remove(0))?,
            _ => {
                let function = self.function(node)?;
                self.apply(name, parts, function)?
            }
        };
        if node.op_type == "Dropout" && node.wants_output(1) {
            let shape = self.shape(&node.outputs[1])?;
            self.values.insert(node.outputs[1].clone(), Element::number(1.0, &shape));
        }
        self.set(&node.outputs[0], result)
    }

    /// The function of a node's inputs.
    fn function(&self, node: &Node) -> Result<impl Fn(&[Formula]) -> Formula + use<>, NodeError> {
        type Function = Box<dyn Fn(&[Formula]) -> Formula>;
        let unary = |f: Unary| -> Function { Box::new(move |of: &[Formula]| of[0].clone().unary(f)) };
        let binary = |f: Binary| -> Function {
            Box::new(move |of: &[Formula]| of[0].clone().binary(f, of[1].clone()))
        };
        let one =
            |f: fn(Formula) -> Formula| -> Function { Box::new(move |of: &[Formula]| f(of[0].clone())) };
        let alpha = |default: f32| node.float_or("alpha", default);
        Ok(match node.op_type.as_str() {
            "Identity" | "Dropout" => one(|x| x),
            "Neg" => unary(Unary::Negate),
            "Abs" => unary(Unary::Absolute),
            "Sqrt" => unary(Unary::SquareRoot),
            "Floor" => unary(Unary::Floor),
            "Ceil" => unary(Unary::Ceil),
            "Round" => unary(Unary::Round),
            "Exp" => unary(Unary::Exp),
            "Log" => unary(Unary::Log),
            "Tanh" => unary(Unary::Tanh),
            "Erf" => unary(Unary::Erf),
            "Sigmoid" => unary(Unary::Sigmoid),
            "Sin" => unary(Unary::Sin),
            "Cos" => unary(Unary::Cos),
            "Reciprocal" => one(|x| number(1.0).binary(Binary::Divide, x)),
            "Relu" => one(|x| x.binary(Binary::Maximum, number(0.0))),
            "Not" => one(not),
            "IsNaN" => one(is_nan),
            "Sign" => one(|x| less(number(0.0), x.clone()).binary(Binary::Subtract, less(x, number(0.0)))),
            "Softplus" => one(softplus),
            "Softsign" => {
                one(|x| x.clone().binary(Binary::Divide, add(number(1.0), x.unary(Unary::Absolute))))
            }
            "Mish" => one(|x| mul(x.clone(), softplus(x).unary(Unary::Tanh))),
            "Selu" => {
                let (alpha, gamma) = (alpha(1.673_263_2)?, node.float_or("gamma", 1.050_701)?);
                Box::new(move |of: &[Formula]| mul(number(gamma), elu(of[0].clone(), alpha)))
            }
            "Celu" => {
                let alpha = alpha(1.0)?;
                Box::new(move |of: &[Formula]| {
                    let x = &of[0];
                    let below = elu(x.clone().binary(Binary::Divide, number(alpha)), 1.0);
                    less(x.clone(), number(0.0)).select(mul(number(alpha), below), x.clone())
                })
            }
            "ThresholdedRelu" => {
                let alpha = alpha(1.0)?;
                Box::new(move |of: &[Formula]| {
                    less(number(alpha), of[0].clone()).select(of[0].clone(), number(0.0))
                })
            }
            "HardSwish" => {
                one(|x| mul(x.clone(), clamp(add(mul(x, number(1.0 / 6.0)), number(0.5)), 0.0, 1.0)))
            }
            "HardSigmoid" => {
                let (alpha, beta) = (alpha(0.2)?, node.float_or("beta", 0.5)?);
                Box::new(move |of: &[Formula]| {
                    clamp(add(mul(of[0].clone(), number(alpha)), number(beta)), 0.0, 1.0)
                })
            }
            "LeakyRelu" => {
                let alpha = alpha(0.01)?;
                Box::new(move |of: &[Formula]| leaky_relu(of[0].clone(), alpha))
            }
            "Elu" => {
                let alpha = alpha(1.0)?;
                Box::new(move |of: &[Formula]| elu(of[0].clone(), alpha))
            }
            "Gelu" => match node.string_or("approximate", "none")? {
                "tanh" => one(|x| {
                    let cube = mul(mul(x.clone(), x.clone()), x.clone());
                    let inner = mul(number(0.797_884_6), add(x.clone(), mul(number(0.044_715), cube)));
                    mul(mul(number(0.5), x), add(number(1.0), inner.unary(Unary::Tanh)))
                }),
                _ => one(|x| {
                    let erf = mul(x.clone(), number(std::f32::consts::FRAC_1_SQRT_2)).unary(Unary::Erf);
                    mul(mul(number(0.5), x), add(number(1.0), erf))
                }),
            },
            "Add" => binary(Binary::Add),
            "Sub" => binary(Binary::Subtract),
            "Mul" => binary(Binary::Multiply),
            "Div" if self.graph.dtype(&node.outputs[0]).is_some_and(|dtype| !dtype.is_float()) => {
                // Towards zero; by zero it is zero, as in the float interpreter.
                Box::new(|of: &[Formula]| {
                    let quotient = of[0].clone().binary(Binary::Divide, of[1].clone());
                    of[1].clone().select(truncated(quotient), number(0.0))
                })
            }
            "Div" => binary(Binary::Divide),
            "PRelu" => Box::new(|of: &[Formula]| {
                less(of[0].clone(), number(0.0)).select(mul(of[0].clone(), of[1].clone()), of[0].clone())
            }),
            "Less" => binary(Binary::Less),
            "Equal" => binary(Binary::Equal),
            "Greater" => Box::new(|of: &[Formula]| less(of[1].clone(), of[0].clone())),
            "LessOrEqual" => Box::new(|of: &[Formula]| {
                let (x, y) = (&of[0], &of[1]);
                less(x.clone(), y.clone()).binary(Binary::Maximum, x.clone().binary(Binary::Equal, y.clone()))
            }),
            "GreaterOrEqual" => Box::new(|of: &[Formula]| {
                let (x, y) = (&of[0], &of[1]);
                less(y.clone(), x.clone()).binary(Binary::Maximum, x.clone().binary(Binary::Equal, y.clone()))
            }),
            "And" => binary(Binary::Multiply),
            "Or" => binary(Binary::Maximum),
            "Xor" => Box::new(|of: &[Formula]| not(of[0].clone().binary(Binary::Equal, of[1].clone()))),
            "Where" => Box::new(|of: &[Formula]| of[0].clone().select(of[1].clone(), of[2].clone())),
            _ => return Err(NodeError::Operator { op: super::operator(node) }),
        })
    }

    fn variadic(&mut self, node: &Node, parts: Vec<Element>) -> Result<Element, NodeError> {
        let function = match node.op_type.as_str() {
            "Max" => Binary::Maximum,
            "Min" => Binary::Minimum,
            _ => Binary::Add,
        };
        let count = parts.len() as f32;
        let mut parts = parts.into_iter();
        let Some(mut result) = parts.next() else { return form("no inputs") };
        for part in parts {
            let pair = |of: &[Formula]| of[0].clone().binary(function, of[1].clone());
            result = self.apply(&node.name, vec![result, part], pair)?;
        }
        if node.op_type == "Mean" {
            result = self.map(&node.name, result, |x| x.binary(Binary::Divide, number(count)))?;
        }
        Ok(result)
    }

    fn pow(&mut self, node: &Node, mut parts: Vec<Element>) -> Result<Element, NodeError> {
        let exponent = match self.constant(node, 1).map(|tensor| tensor.to_f32()) {
            Some(values) if !values.is_empty() && values.iter().all(|x| *x == values[0]) => Some(values[0]),
            _ => None,
        };
        match exponent {
            Some(p) => {
                let base = parts.swap_remove(0);
                self.map(&node.name, base, |x| power(x, p))
            }
            None => self.apply(&node.name, parts, |of| general_power(of[0].clone(), of[1].clone())),
        }
    }

    /// Between floats and integers: towards zero, as far as binary32 goes. To booleans: not zero.
    fn cast(&mut self, node: &Node, mut parts: Vec<Element>) -> Result<Element, NodeError> {
        use crate::onnx::DType;
        let (Some(from), Some(to)) = (self.graph.dtype(&node.inputs[0]), self.graph.dtype(&node.outputs[0]))
        else {
            return form("a cast of unknown types");
        };
        let x = parts.swap_remove(0);
        match (from, to) {
            (_, DType::Bool) => self.map(&node.name, x, |x| x.select(number(1.0), number(0.0))),
            (from, to) if from.is_float() && !to.is_float() => self.map(&node.name, x, truncated),
            (_, DType::I64 | DType::I32 | DType::F32 | DType::F64) => Ok(x),
            (from, to) if from == to => Ok(x),
            (from, to) => form(format!("a cast from {from} to {to}")),
        }
    }
}
