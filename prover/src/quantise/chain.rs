//! Chains: what follows an accumulating node and is fused into its operation.
//!
//! ```text
//! Conv -> t0 -> QuantizeLinear -> DequantizeLinear -> Relu -> QuantizeLinear -> ..
//! ```
//!
//! A chain goes on while its value has one reader, which is an activation, a requantisation, or (at its start)
//! the addition of a constant. Its plan is one rounding to a grid, and a function of the rounded integer.

use super::lowering::{LowerNodeError, Lowering, Parameters};
use super::targets::Target;
use crate::onnx::{Node, Tensor};
use assay_circuits::ops::requantise::Epilogue;
use assay_circuits::tensor::Bounds;

/// An activation on real values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `min(max(x, lo), hi)`.
    Clip(f64, f64),
    /// `x < 0 ? alpha x : x`.
    LeakyRelu(f64),
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// The value at x.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Activation::Clip(lo, hi) => x.max(lo).min(hi),
            Activation::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
        }
    }

    /// Beyond this the function is flat to 16 bits.
    fn reach(self) -> f64 {
        match self {
            Activation::Sigmoid => 11.0,
            Activation::Tanh => 6.0,
            _ => f64::INFINITY,
        }
    }
}

/// One step of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An activation.
    Activation(Activation),
    /// `QuantizeLinear`.
    Quantise(Parameters),
}

/// What follows a value, and is fused with it.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Constants that are added first.
    pub biases: Vec<Tensor>,
    /// The steps.
    pub steps: Vec<Step>,
    /// The value before the steps.
    pub start: String,
    /// The value after them.
    pub result: String,
    /// True where the result is an integer tensor of the source model.
    pub integer: bool,
    /// Zero point of an integer result.
    pub zero: i64,
}

/// One rounding, then a function of integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The real value of one after the rounding.
    pub grid: f64,
    /// The function.
    pub epilogue: Epilogue,
    /// The real value of one of the result.
    pub scale: f64,
    /// True where the grid may be changed a little.
    pub free: bool,
}

/// The activation that a node is.
pub fn activation(lowering: &Lowering<'_>, node: &Node) -> Option<Activation> {
    let limit = |index: usize, attribute: &'static str, default: f64| -> Option<f64> {
        match node.inputs.get(index).filter(|name| !name.is_empty()) {
            Some(name) => lowering.graph.constants.get(name)?.to_f32().first().map(|&x| f64::from(x)),
            None => node.float(attribute).ok()?.map_or(Some(default), |x| Some(f64::from(x))),
        }
    };
    Some(match node.op_type.as_str() {
        "Relu" => Activation::Clip(0.0, f64::INFINITY),
        "Clip" => Activation::Clip(limit(1, "min", f64::NEG_INFINITY)?, limit(2, "max", f64::INFINITY)?),
        "LeakyRelu" => Activation::LeakyRelu(f64::from(node.float_or("alpha", 0.01).ok()?)),
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        _ => return None,
    })
}

impl Lowering<'_> {
    /// The chain after a value; its nodes are marked as done.
    pub fn chain(&mut self, start: &str) -> Chain {
        let mut chain = Chain { start: start.to_string(), result: start.to_string(), ..Chain::default() };
        while let Some(reader) = self.single_reader(&chain.result) {
            let node = &self.graph.nodes[reader];
            match node.op_type.as_str() {
                "Add" if chain.steps.is_empty() => {
                    let other = node.inputs.iter().find(|name| **name != chain.result);
                    let Some(bias) = other.and_then(|name| self.graph.constants.get(name)) else { break };
                    if self.graph.shape(&node.outputs[0]) != self.graph.shape(&chain.result) {
                        break;
                    }
                    chain.biases.push(bias.clone());
                    chain.start.clone_from(&node.outputs[0]);
                }
                "QuantizeLinear" => {
                    let Some(parameters) = self.parameters(node, 1, 2) else { break };
                    chain.integer = true;
                    chain.zero = parameters.zero;
                    chain.steps.push(Step::Quantise(parameters));
                }
                "DequantizeLinear" if chain.integer => {
                    let Some(parameters) = self.parameters(node, 1, 2) else { break };
                    match chain.steps.last() {
                        Some(Step::Quantise(last))
                            if last.zero == parameters.zero && last.scale == parameters.scale => {}
                        _ => break,
                    }
                    chain.integer = false;
                    chain.zero = 0;
                }
                _ if chain.integer => break,
                _ => {
                    let Some(activation) = activation(self, node) else { break };
                    chain.steps.push(Step::Activation(activation));
                }
            }
            chain.result.clone_from(&node.outputs[0]);
            self.done.insert(reader);
        }
        chain
    }

    /// The rounding and the function of a chain.
    pub fn plan(&self, chain: &Chain) -> Result<Plan, LowerNodeError> {
        let mut steps = chain.steps.iter().peekable();
        let mut functions = Vec::new();
        let mut fixed = None;
        for step in steps.by_ref() {
            match step {
                Step::Activation(activation) => functions.push(*activation),
                Step::Quantise(parameters) => {
                    fixed = Some(*parameters);
                    break;
                }
            }
        }
        let smooth = functions.iter().any(|f| !matches!(f, Activation::Clip(..)));
        let target = match fixed {
            Some(parameters) => parameters.target(),
            None => {
                // An output has bits to spare: it keeps room for twice the calibrated range.
                let (bits, room) = match (self.is_output(&chain.result), smooth) {
                    (false, _) => (self.level.activation_bits, 1.0),
                    (true, true) => (16, 1.0),
                    (true, false) => (self.level.activation_bits.max(12), 2.0),
                };
                let target = self.targets.target(&chain.result, bits);
                Target { scale: target.scale * room, ..target }
            }
        };
        let mut plan = match smooth {
            false => Plan {
                grid: target.scale,
                epilogue: clips(Epilogue::clamp(target.window.lo, target.window.hi), &functions, target.scale),
                scale: target.scale,
                free: fixed.is_none() && target.alone && functions.iter().all(|f| matches!(f, Activation::Clip(lo, hi) if (*lo == 0.0 || lo.is_infinite()) && hi.is_infinite())),
            },
            true => self.table(chain, &functions, target),
        };
        functions.clear();
        for step in steps {
            match step {
                Step::Activation(activation) => functions.push(*activation),
                Step::Quantise(parameters) => {
                    let next = parameters.target();
                    let same = (next.scale / plan.scale - 1.0).abs() < 1e-6;
                    let clipped = functions.iter().all(|f| matches!(f, Activation::Clip(..)));
                    plan.epilogue = match same && clipped {
                        true => clips(plan.epilogue, &functions, next.scale)
                            .then_clamp(next.window.lo, next.window.hi),
                        false => {
                            let from = plan.scale;
                            plan.epilogue.then(|x| quantise(&functions, x as f64 * from, &next))
                        }
                    };
                    plan.scale = next.scale;
                    functions.clear();
                }
            }
        }
        if !functions.is_empty() {
            let next = self.targets.target(&chain.result, self.level.activation_bits.max(8));
            let from = plan.scale;
            match functions.iter().all(|f| matches!(f, Activation::Clip(..))) {
                true => plan.epilogue = clips(plan.epilogue, &functions, from),
                false => {
                    plan.epilogue = plan.epilogue.then(|x| quantise(&functions, x as f64 * from, &next));
                    plan.scale = next.scale;
                }
            }
        }
        Ok(plan)
    }

    /// A smooth function as a table over a grid that spans the calibrated range of its argument.
    fn table(&self, chain: &Chain, functions: &[Activation], target: Target) -> Plan {
        let (lo, hi) = self.targets.range(&chain.start);
        let flat = functions.iter().map(|f| f.reach()).fold(f64::INFINITY, f64::min);
        let reach = hi.max(-lo).min(flat).max(1e-9);
        let half = 1i64 << (self.level.activation_bits + 2).clamp(10, 15);
        let half = if self.is_output(&chain.result) { half.max(1 << 11) } else { half };
        let grid = reach / (half - 1) as f64;
        let window = Bounds { lo: -half, hi: half - 1 };
        let epilogue = Epilogue { window, values: None };
        let epilogue = epilogue.then(|x| quantise(functions, x as f64 * grid, &target));
        Plan { grid, epilogue, scale: target.scale, free: false }
    }
}

/// A real through functions, rounded half to even and saturated.
pub fn quantise(functions: &[Activation], x: f64, target: &Target) -> i64 {
    let y = functions.iter().fold(x, |x, f| f.at(x));
    let rounded = (y / target.scale).round_ties_even();
    (rounded as i64).max(target.window.lo).min(target.window.hi)
}

fn clips(epilogue: Epilogue, functions: &[Activation], scale: f64) -> Epilogue {
    functions.iter().fold(epilogue, |epilogue, function| match *function {
        Activation::Clip(lo, hi) => {
            let limit = |x: f64, none: i64| if x.is_finite() { (x / scale).round() as i64 } else { none };
            epilogue.then_clamp(limit(lo, -(1 << 40)), limit(hi, 1 << 40))
        }
        _ => epilogue,
    })
}
