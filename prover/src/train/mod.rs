//! Training steps: a program's loss differentiated, and its weights updated, as an f32 program like any other.
//!
//! [`step`] takes a compiled network whose last value is a batch of logits. Its weights become inputs, a softmax
//! cross-entropy against class numbers is added, adjoints are found in reverse (`adjoint.rs`), and each weight is an output
//! again, under its name with `.next` behind it: the next step's input. Receipts, audits and disputes know nothing of it.
//!
//! ```text
//! loss = mean over rows of -log(p[label] + 1e-30), p = softmax(logits)      adjoint of logits = (p - onehot(label)) / rows
//! sgd   w' = w - lr * g
//! adam  m' = b1 * m + (1 - b1) * g        v' = b2 * v + (1 - b2) * g * g
//!       w' = w - lr * (m' / (1 - p1)) / (sqrt(v' / (1 - p2)) + epsilon)     p1 = b1^t, p2 = b2^t, inputs and outputs too
//! ```

mod adjoint;
mod derivative;
mod pending;

use crate::onnx::Graph;
use crate::reals::{RealsError, compile_with_weights};
use adjoint::Adjoints;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{
    Access, Affine, Class, Constant, ImageInput, Input, Output, Program, ProgramError, Source, Visibility,
};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::{REAL_BOUNDS, RealTensor};
use derivative::times;
use pending::{Pending, apply, emit, push};
use std::collections::{BTreeMap, BTreeSet};

/// How weights are updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// `w - lr * g`.
    Sgd {
        /// The step size.
        learning_rate: f32,
    },
    /// Adam, as Kingma and Ba have it.
    Adam {
        /// The step size.
        learning_rate: f32,
        /// Decay of the mean.
        beta1: f32,
        /// Decay of the mean of squares.
        beta2: f32,
        /// Added to the root.
        epsilon: f32,
    },
}

/// Why there is no training step.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The network has no f32 program.
    #[error(transparent)]
    Reals(#[from] RealsError),
    /// An operation cannot be differentiated.
    #[error("{name}: {what}")]
    Form {
        /// The operation.
        name: String,
        /// What is missing.
        what: &'static str,
    },
    /// The step breaks a rule of its format.
    #[error("the step cannot be built: {0}")]
    Program(#[from] ProgramError),
}

impl TrainError {
    fn form(name: &str, what: &'static str) -> TrainError {
        TrainError::Form { name: name.to_string(), what }
    }
}

/// A weight of a training step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its name in the model.
    pub name: String,
    /// Its values before the first step, as the step's input of this name takes them.
    pub initial: RealTensor,
    /// The operation whose wire is its gradient, where it is asked for.
    pub gradient: Option<usize>,
}

/// A training step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The program: inputs of the network, `labels`, then the weights and what the optimiser keeps.
    pub program: Program,
    /// The weights, in the order of their inputs.
    pub weights: Vec<Weight>,
    /// Every input that an output feeds in the next step: (input, output, values before the first step).
    pub state: Vec<(usize, usize, RealTensor)>,
}

/// The training step of a network for batches of the size that its graph was imported with. With `gradients` each gradient
/// is a wire of its own.
///
/// # Errors
/// Where the network has no f32 program, or cannot be differentiated.
pub fn step(
    graph: &Graph,
    image: Option<&ImageInput>,
    optimiser: Optimiser,
    gradients: bool,
) -> Result<Step, TrainError> {
    let (mut program, names) = compile_with_weights(graph, image)?;
    let [output] = program.outputs.as_slice() else {
        return Err(TrainError::form("outputs", "a network that is trained has one, the logits"));
    };
    let logits = output.operation;
    program.outputs.clear();
    let mut builder = Builder { program, optimiser, state: Vec::new() };
    let (trained, mut weights) = builder.free(&names)?;
    let gradient = builder.loss(logits)?;
    let reached: BTreeSet<usize> = trained.iter().copied().collect();
    let mut adjoints = Adjoints::new(&builder.program, &reached);
    adjoints.add(&mut builder.program, "loss", Source::Operation(logits), gradient)?;
    for number in (0..=logits).rev() {
        adjoints.propagate(&mut builder.program, number)?;
    }
    let powers = builder.powers()?;
    for (weight, &input) in weights.iter_mut().zip(&trained) {
        let Some(mut gradient) = adjoints.take(Source::Input(input)) else {
            return Err(TrainError::form(&weight.name, "a weight that the loss does not depend on"));
        };
        if gradients || matches!(optimiser, Optimiser::Adam { .. }) {
            let wire = emit(&mut builder.program, &format!("{}.grad", weight.name), gradient)?;
            weight.gradient = match wire {
                Source::Operation(number) => Some(number),
                _ => None,
            };
            gradient = Pending::read(wire, weight.initial.shape.sizes());
        }
        builder.update(weight, input, gradient, powers)?;
    }
    let Builder { program, state, .. } = builder;
    program.check()?;
    Ok(Step { program, weights, state })
}

struct Builder {
    program: Program,
    optimiser: Optimiser,
    state: Vec<(usize, usize, RealTensor)>,
}

fn subtract(of: &[Formula]) -> Formula {
    of[0].clone().binary(Binary::Subtract, of[1].clone())
}

impl Builder {
    fn input(&mut self, name: &str, shape: Shape) -> usize {
        self.program.inputs.push(Input {
            name: name.to_string(),
            shape,
            bounds: REAL_BOUNDS,
            scale: 1.0,
            visibility: Visibility::Public,
            image: None,
        });
        self.program.inputs.len() - 1
    }

    /// Turns constants that are weights into inputs; labels come before them.
    fn free(&mut self, names: &BTreeMap<usize, String>) -> Result<(Vec<usize>, Vec<Weight>), TrainError> {
        let batch = self.program.inputs.first().and_then(|input| input.shape.sizes().first().copied());
        let Some(shape) = batch.and_then(|batch| Shape::new(vec![batch])) else {
            return Err(TrainError::form("inputs", "a network that is trained takes a batch"));
        };
        self.input("labels", shape);
        let constants = std::mem::take(&mut self.program.constants);
        let mut sources = Vec::new();
        let (mut trained, mut weights) = (Vec::new(), Vec::new());
        for (number, constant) in constants.into_iter().enumerate() {
            let Some(name) = names.get(&number) else {
                self.program.constants.push(constant);
                sources.push(Source::Constant(self.program.constants.len() - 1));
                continue;
            };
            let Some(bits) = constant.bits else {
                return Err(TrainError::form(name, "a weight without values"));
            };
            let initial = RealTensor { shape: constant.shape.clone(), bits };
            let input = self.input(name, constant.shape);
            sources.push(Source::Input(input));
            trained.push(input);
            weights.push(Weight { name: name.clone(), initial, gradient: None });
        }
        for access in self
            .program
            .operations
            .iter_mut()
            .flat_map(|op| &mut op.sums)
            .flat_map(|sum| &mut sum.terms)
            .flat_map(|term| &mut term.factors)
        {
            if let Source::Constant(number) = access.source {
                access.source = sources[number];
            }
        }
        Ok((trained, weights))
    }

    /// Adds the loss, and gives the adjoint of the logits.
    fn loss(&mut self, logits: usize) -> Result<Pending, TrainError> {
        let source = Source::Operation(logits);
        let shape: Vec<usize> =
            self.program.shape(source).map(|shape| shape.sizes().to_vec()).unwrap_or_default();
        let &[rows, classes] = shape.as_slice() else {
            return Err(TrainError::form("logits", "logits should have a row a sample and a column a class"));
        };
        let labels = self.program.inputs.iter().position(|input| input.name == "labels").unwrap_or_default();
        let bits = (0..classes).map(|class| (class as f32).to_bits()).collect();
        let class_shape =
            Shape::new(vec![classes]).ok_or_else(|| TrainError::form("logits", "no classes"))?;
        self.program.constants.push(Constant::real(RealTensor { shape: class_shape, bits }));
        let numbers = Source::Constant(self.program.constants.len() - 1);

        let at = |source, axes: &[usize]| Access {
            source,
            index: axes.iter().map(|&axis| Affine::axis(axis)).collect(),
        };
        let row = |source| at(source, &[0]);
        let reduce = vec![classes];
        let z = at(source, &[0, 1]);
        let p = &mut self.program;
        let plain = Formula::Sum(0);
        let greatest = push(
            p,
            "loss.max",
            Class::Maximum,
            &[rows],
            reduce.clone(),
            vec![vec![z.clone()]],
            plain.clone(),
        )?;
        let shifted = subtract(&[Formula::Sum(0), Formula::Sum(1)]).unary(Unary::Exp);
        let sums = vec![vec![z], vec![row(greatest)]];
        let powers = push(p, "loss.exp", Class::Map, &[rows, classes], Vec::new(), sums, shifted)?;
        let e = at(powers, &[0, 1]);
        let total = push(p, "loss.sum", Class::Fold, &[rows], reduce, vec![vec![e.clone()]], plain)?;
        let hot = Formula::Sum(2).binary(Binary::Equal, Formula::Sum(3));
        let share = Formula::Sum(0).binary(Binary::Divide, Formula::Sum(1));
        let reads = vec![e, row(total), row(Source::Input(labels)), at(numbers, &[1])];
        let logarithm = share.clone().binary(Binary::Add, Formula::number(1e-30)).unary(Unary::Log);
        let own = hot.clone().select(logarithm.unary(Unary::Negate), Formula::number(0.0));
        let each = reads.iter().map(|access| vec![access.clone()]).collect();
        let losses = push(p, "loss.rows", Class::Map, &[rows, classes], Vec::new(), each, own)?;
        let mean = Formula::Sum(0).binary(Binary::Divide, Formula::number(rows as f32));
        let sums = vec![vec![at(losses, &[0, 1])]];
        let Source::Operation(loss) = push(p, "loss", Class::Fold, &[], vec![rows, classes], sums, mean)?
        else {
            return Err(TrainError::form("loss", "no operation"));
        };
        p.outputs.push(Output {
            name: "loss".to_string(),
            operation: loss,
            scale: 1.0,
            visibility: Visibility::Public,
        });
        let slope = subtract(&[share, hot]).binary(Binary::Divide, Formula::number(rows as f32));
        Ok(Pending::of(&[rows, classes], reads, slope))
    }

    /// An input that an output feeds: its number.
    fn keep(
        &mut self,
        name: &str,
        initial: RealTensor,
        next: Pending,
        own: Option<usize>,
    ) -> Result<(), TrainError> {
        let input = match own {
            Some(input) => input,
            None => self.input(name, initial.shape.clone()),
        };
        let name = format!("{name}.next");
        let Source::Operation(operation) = emit(&mut self.program, &name, next)? else {
            return Err(TrainError::form(&name, "an update that changes nothing"));
        };
        self.program.outputs.push(Output { name, operation, scale: 1.0, visibility: Visibility::Public });
        self.state.push((input, self.program.outputs.len() - 1, initial));
        Ok(())
    }

    /// The operations that hold this step's powers of Adam's decays.
    fn powers(&mut self) -> Result<[Option<Source>; 2], TrainError> {
        let Optimiser::Adam { beta1, beta2, .. } = self.optimiser else { return Ok([None, None]) };
        let mut powers = [None, None];
        for (power, (name, beta)) in powers.iter_mut().zip([("beta1.power", beta1), ("beta2.power", beta2)]) {
            let initial = RealTensor { shape: Shape::scalar(), bits: vec![1f32.to_bits()] };
            let input = self.input(name, Shape::scalar());
            let read = Access { source: Source::Input(input), index: Vec::new() };
            let next = Pending::of(&[], vec![read], times(Formula::Sum(0), Formula::number(beta)));
            self.keep(name, initial, next, Some(input))?;
            *power = self.program.outputs.last().map(|output| Source::Operation(output.operation));
        }
        Ok(powers)
    }

    fn update(
        &mut self,
        weight: &Weight,
        input: usize,
        gradient: Pending,
        powers: [Option<Source>; 2],
    ) -> Result<(), TrainError> {
        let shape = weight.initial.shape.sizes().to_vec();
        let own = Pending::read(Source::Input(input), &shape);
        let name = weight.name.as_str();
        match (self.optimiser, powers) {
            (Optimiser::Adam { learning_rate, beta1, beta2, epsilon }, [Some(power1), Some(power2)]) => {
                let zeros = RealTensor {
                    shape: weight.initial.shape.clone(),
                    bits: vec![0; weight.initial.bits.len()],
                };
                let mut moments = Vec::new();
                for (moment, beta, square) in [("m", beta1, false), ("v", beta2, true)] {
                    let kept = format!("{name}.{moment}");
                    let before = self.input(&kept, weight.initial.shape.clone());
                    let parts = vec![Pending::read(Source::Input(before), &shape), gradient.clone()];
                    let next = apply(&mut self.program, &kept, parts, |of| {
                        let g = if square { times(of[1].clone(), of[1].clone()) } else { of[1].clone() };
                        let kept = times(Formula::number(beta), of[0].clone());
                        kept.binary(Binary::Add, times(Formula::number(1.0 - beta), g))
                    })?;
                    self.keep(&kept, zeros.clone(), next, Some(before))?;
                    let output =
                        self.program.outputs.last().map(|output| output.operation).unwrap_or_default();
                    moments.push(Pending::read(Source::Operation(output), &shape));
                }
                let scalar =
                    |source| Pending::of(&shape, vec![Access { source, index: Vec::new() }], Formula::Sum(0));
                let unbiased = |moment: Formula, power: Formula| {
                    moment.binary(Binary::Divide, subtract(&[Formula::number(1.0), power]))
                };
                let direction = vec![moments[0].clone(), moments[1].clone(), scalar(power1), scalar(power2)];
                let direction = apply(&mut self.program, name, direction, |of| {
                    let root = unbiased(of[1].clone(), of[3].clone()).unary(Unary::SquareRoot);
                    let root = root.binary(Binary::Add, Formula::number(epsilon));
                    unbiased(of[0].clone(), of[2].clone()).binary(Binary::Divide, root)
                })?;
                let next = apply(&mut self.program, name, vec![own, direction], |of| {
                    subtract(&[of[0].clone(), times(Formula::number(learning_rate), of[1].clone())])
                })?;
                self.keep(name, weight.initial.clone(), next, Some(input))
            }
            (Optimiser::Sgd { learning_rate } | Optimiser::Adam { learning_rate, .. }, _) => {
                let next = apply(&mut self.program, name, vec![own, gradient], |of| {
                    subtract(&[of[0].clone(), times(Formula::number(learning_rate), of[1].clone())])
                })?;
                self.keep(name, weight.initial.clone(), next, Some(input))
            }
        }
    }
}
