//! Gradients of training steps against differences of the loss in double precision, operation by operation.

mod common;

use assay_circuits::expression::Expression;
use assay_circuits::formula::{Binary, Formula, Unary};
use assay_circuits::program::{Access, Class, Operation, Program, Source, Term};
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::execute_f32;
use assay_prover::onnx::{Attribute, Tensor};
use assay_prover::train::{Optimiser, Step, step};
use common::nets::{Net, noise};

const SGD: Optimiser = Optimiser::Sgd { learning_rate: 0.5 };

/// The wires of a program up to one operation, in double precision.
struct Doubles<'p> {
    program: &'p Program,
    inputs: Vec<Vec<f64>>,
    wires: Vec<Vec<f64>>,
}

/// The points of a box, in row-major order.
fn points(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut points = vec![Vec::new()];
    for &size in sizes {
        points =
            points.iter().flat_map(|point| (0..size).map(|i| [point.as_slice(), &[i]].concat())).collect();
    }
    points
}

fn formula(of: &Formula, sums: &[f64]) -> f64 {
    let value = |of: &Formula| formula(of, sums);
    match of {
        Formula::Sum(number) => sums[*number],
        Formula::Constant(bits) => f32::from_bits(*bits).into(),
        Formula::Unary(function, x) => {
            let x = value(x);
            match function {
                Unary::Negate => -x,
                Unary::Absolute => x.abs(),
                Unary::SquareRoot => x.sqrt(),
                Unary::Floor => x.floor(),
                Unary::Ceil => x.ceil(),
                Unary::Round => x.round_ties_even(),
                Unary::Exp => x.exp(),
                Unary::Log => x.ln(),
                Unary::Tanh => x.tanh(),
                Unary::Erf => libm::erf(x),
                Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                Unary::ReciprocalRoot => 1.0 / x.sqrt(),
                Unary::Sin => x.sin(),
                Unary::Cos => x.cos(),
            }
        }
        Formula::Binary(function, x, y) => {
            let (x, y) = (value(x), value(y));
            match function {
                Binary::Add => x + y,
                Binary::Subtract => x - y,
                Binary::Multiply => x * y,
                Binary::Divide => x / y,
                Binary::Maximum => x.max(y),
                Binary::Minimum => x.min(y),
                Binary::Less => f64::from(x < y),
                Binary::Equal => f64::from(x == y),
            }
        }
        Formula::Fma(x, y, z) => value(x) * value(y) + value(z),
        Formula::Select(condition, x, y) => value(if value(condition) != 0.0 { x } else { y }),
    }
}

impl Doubles<'_> {
    /// An element; none outside of its tensor.
    fn read(&self, access: &Access, point: &[usize]) -> Option<f64> {
        let shape = self.program.shape(access.source).unwrap();
        let mut place = 0;
        for (affine, &size) in access.index.iter().zip(shape.sizes()) {
            let index = usize::try_from(affine.at(point)).ok().filter(|&index| index < size)?;
            place = place * size + index;
        }
        Some(match access.source {
            Source::Input(i) => self.inputs[i][place],
            Source::Operation(i) => self.wires[i][place],
            Source::Constant(i) => {
                f32::from_bits(self.program.constants[i].bits.as_ref().unwrap()[place]).into()
            }
        })
    }

    fn product(&self, term: &Term, point: &[usize]) -> f64 {
        term.factors.iter().map(|access| self.read(access, point).unwrap_or(0.0)).product()
    }

    fn element(&self, operation: &Operation, point: &[usize]) -> f64 {
        let inner: Vec<Vec<usize>> =
            points(&operation.reduce).iter().map(|reduce| [point, reduce].concat()).collect();
        let mut sums = Vec::new();
        for (number, sum) in operation.sums.iter().enumerate() {
            let cells = if number == 0 { inner.as_slice() } else { &[point.to_vec()] };
            let terms = || sum.terms.iter().flat_map(|term| cells.iter().map(move |cell| (term, cell)));
            sums.push(match operation.class {
                Class::Maximum if number == 0 => {
                    let read = |(term, cell): (&Term, &Vec<usize>)| self.read(&term.factors[0], cell);
                    terms().filter_map(read).fold(f64::NEG_INFINITY, f64::max)
                }
                Class::Move => {
                    terms().find_map(|(term, cell)| self.read(&term.factors[0], cell)).unwrap_or(0.0)
                }
                _ => terms().map(|(term, cell)| self.product(term, cell)).sum(),
            });
        }
        let Expression::Formula(of) = &operation.expression else { unreachable!() };
        formula(of, &sums)
    }

    fn loss(program: &Program, inputs: Vec<Vec<f64>>) -> f64 {
        let mut doubles = Doubles { program, inputs, wires: Vec::new() };
        for operation in &program.operations[..=program.outputs[0].operation] {
            let points = points(operation.shape.sizes());
            let wire = points.iter().map(|point| doubles.element(operation, point)).collect();
            doubles.wires.push(wire);
        }
        doubles.wires.last().unwrap()[0]
    }
}

/// The inputs of a first step, with labels 0, 1, 2, and over again.
fn first(net: &Net, step: &Step) -> Vec<RealTensor> {
    let program = &step.program;
    let initial =
        |number: usize| step.state.iter().find(|state| state.0 == number).map(|state| state.2.clone());
    let given = |(number, input): (usize, &assay_circuits::program::Input)| {
        initial(number).unwrap_or_else(|| {
            let values: Vec<f32> = match net.inputs.get(&input.name) {
                Some(tensor) => tensor.to_f32(),
                None => (0..input.shape.cells()).map(|i| (i % 3) as f32).collect(),
            };
            RealTensor::new(input.shape.clone(), values.into_iter().map(f32::to_bits).collect()).unwrap()
        })
    };
    program.inputs.iter().enumerate().map(given).collect()
}

/// The training step of a network that ends in `logits`, of which every weight's gradient is the slope of the loss, and
/// every update goes down it.
#[track_caller]
fn slopes(mut net: Net, weights: &[&str]) -> Step {
    net.end(&["logits"]);
    let step = step(&net.graph, None, SGD, true).unwrap();
    let program = &step.program;
    let mut names: Vec<&str> = step.weights.iter().map(|weight| weight.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, weights);
    let inputs = first(&net, &step);
    let trace = execute_f32(program, &inputs).unwrap();
    assert_eq!(assay_circuits::execute_f32::execute_f32(program, &inputs).unwrap(), trace);
    let doubles: Vec<Vec<f64>> = inputs
        .iter()
        .map(|tensor| tensor.bits.iter().map(|&bits| f32::from_bits(bits).into()).collect())
        .collect();
    let value = |bits: u32| f64::from(f32::from_bits(bits));
    let loss = value(trace.wires[program.outputs[0].operation].bits[0]);
    let expected = Doubles::loss(program, doubles.clone());
    assert!((loss - expected).abs() < 1e-4 * expected.abs().max(1.0), "{loss} {expected}");
    for weight in &step.weights {
        let (input, output, _) =
            *step.state.iter().find(|state| program.inputs[state.0].name == weight.name).unwrap();
        let gradient = &trace.wires[weight.gradient.unwrap()].bits;
        let next = &trace.wires[program.outputs[output].operation].bits;
        let count = gradient.len();
        assert_eq!((count, next.len()), (doubles[input].len(), count));
        for place in (0..count).step_by(count.div_ceil(7)) {
            let moved = |by: f64| {
                let mut moved = doubles.clone();
                moved[input][place] += by;
                Doubles::loss(program, moved)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let found = value(gradient[place]);
            let name = &weight.name;
            assert!(
                (slope - found).abs() < 1e-3 * (0.02 + slope.abs()),
                "{name}[{place}]: {found}, slope {slope}"
            );
            let update = doubles[input][place] - 0.5 * found;
            assert!(
                (value(next[place]) - update).abs() < 1e-5 * (1.0 + update.abs()),
                "{name}[{place}].next"
            );
        }
    }
    step
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// `output = x w + bias`.
fn linear(net: &mut Net, x: &str, w: &str, sizes: [usize; 2], output: &str) {
    let bias = format!("{w}b");
    net.weights(w, &sizes);
    net.weights(&bias, &sizes[1..]);
    net.node("MatMul", &[x, w], &format!("{output} product"), &[]);
    net.node("Add", &[&format!("{output} product"), &bias], output, &[]);
}

#[test]
fn functions_of_one_number_have_their_slopes() {
    for function in
        ["Relu", "Tanh", "Sigmoid", "Exp", "Gelu", "Erf", "LeakyRelu", "Softplus", "Elu", "Neg", "Abs"]
    {
        let mut net = Net::new();
        net.input("x", &[4, 5]);
        linear(&mut net, "x", "v", [5, 6], "u");
        net.node(function, &["u"], "h", &[]);
        linear(&mut net, "h", "w", [6, 3], "logits");
        slopes(net, &["v", "vb", "w", "wb"]);
    }
}

#[test]
fn weights_of_one_content_are_trained_apart() {
    let mut net = Net::new();
    net.input("x", &[4, 5]);
    let zeros = || Tensor::new(vec![5], vec![0f32; 5]).unwrap();
    net.weights("v", &[5, 5]);
    net.weights("w", &[5, 5]);
    net.constant("vb", zeros());
    net.constant("wb", zeros());
    net.node("MatMul", &["x", "v"], "a", &[]);
    net.node("Add", &["a", "vb"], "b", &[]);
    net.node("Relu", &["b"], "h", &[]);
    net.node("MatMul", &["h", "w"], "c", &[]);
    net.node("Add", &["c", "wb"], "logits", &[]);
    // The matrices have one content too.
    assert_eq!(net.graph.constants["v"], net.graph.constants["w"]);
    let step = slopes(net, &["v", "vb", "w", "wb"]);
    let outputs: Vec<&str> = step.program.outputs.iter().map(|output| output.name.as_str()).collect();
    for name in ["v.next", "vb.next", "w.next", "wb.next"] {
        assert_eq!(outputs.iter().filter(|output| **output == name).count(), 1, "{outputs:?}");
    }
}

#[test]
fn a_weight_that_is_read_twice_has_the_sum_of_its_slopes() {
    let mut net = Net::new();
    net.input("x", &[4, 5]);
    linear(&mut net, "x", "v", [5, 3], "u");
    net.weights("scale", &[3]);
    net.node("Mul", &["u", "scale"], "s", &[]);
    net.node("Tanh", &["s"], "t", &[]);
    net.node("Add", &["t", "scale"], "r", &[]);
    net.node("Mul", &["r", "u"], "logits", &[]);
    slopes(net, &["scale", "v", "vb"]);
    let mut net = Net::new();
    net.input("x", &[4, 3]);
    net.weights("w", &[3, 3]);
    net.node("MatMul", &["x", "w"], "a", &[]);
    net.node("Tanh", &["a"], "h", &[]);
    net.node("MatMul", &["h", "w"], "logits", &[]);
    slopes(net, &["w"]);
}

#[test]
fn products_with_turned_matrices_have_their_slopes() {
    let mut net = Net::new();
    net.input("x", &[4, 5]);
    net.weights("v", &[6, 5]);
    net.weights("vb", &[6]);
    net.node(
        "Gemm",
        &["x", "v", "vb"],
        "u",
        &[("transB", Attribute::Int(1)), ("alpha", Attribute::Float(0.5))],
    );
    net.node("Relu", &["u"], "h", &[]);
    net.weights("w", &[6, 3]);
    net.node("Gemm", &["h", "w"], "logits", &[]);
    slopes(net, &["v", "vb", "w"]);
}

#[test]
fn broadcast_operands_have_the_sums_of_their_slopes() {
    for (operation, sizes) in
        [("Add", [1, 6]), ("Mul", [1, 6]), ("Mul", [4, 1]), ("Sub", [1, 1]), ("Div", [4, 6])]
    {
        let mut net = Net::new();
        net.input("x", &[4, 5]);
        linear(&mut net, "x", "v", [5, 6], "u");
        let values = noise(3, sizes.iter().product()).into_iter().map(|x| x + 2.0).collect::<Vec<f32>>();
        net.constant("k", Tensor::new(sizes.to_vec(), values).unwrap());
        net.node(operation, &["u", "k"], "h", &[]);
        linear(&mut net, "h", "w", [6, 3], "logits");
        slopes(net, &["k", "v", "vb", "w", "wb"]);
    }
}

#[test]
fn convolutions_and_pools_have_their_slopes() {
    for (pool, window) in [("MaxPool", 2), ("AveragePool", 2), ("GlobalAveragePool", 0)] {
        let mut net = Net::new();
        net.input("x", &[2, 2, 6, 6]);
        net.weights("k", &[4, 1, 3, 3]);
        net.weights("kb", &[4]);
        let conv = [("pads", ints(&[1, 1, 1, 1])), ("group", Attribute::Int(2))];
        net.node("Conv", &["x", "k", "kb"], "c", &conv);
        net.node("Relu", &["c"], "r", &[]);
        let attributes = [("kernel_shape", ints(&[window; 2])), ("strides", ints(&[window; 2]))];
        net.node(pool, &["r"], "p", if window > 0 { &attributes } else { &[] });
        net.weights("l", &[3, 4, 2, 2]);
        let (features, last) = if window > 0 {
            net.node("Conv", &["p", "l"], "d", &[("strides", ints(&[1, 1]))]);
            (3 * 2 * 2, "d")
        } else {
            net.graph.constants.remove("l");
            net.graph.shapes.remove("l");
            (4, "p")
        };
        net.node("Flatten", &[last], "f", &[]);
        linear(&mut net, "f", "w", [features, 3], "logits");
        let weights: &[&str] =
            if window > 0 { &["k", "kb", "l", "w", "wb"] } else { &["k", "kb", "w", "wb"] };
        slopes(net, weights);
    }
}

#[test]
fn normalisations_have_their_slopes() {
    for last in ["Softmax", "LayerNormalization"] {
        let mut net = Net::new();
        net.input("x", &[4, 5]);
        linear(&mut net, "x", "v", [5, 6], "u");
        let mut weights = vec!["v", "vb", "w", "wb"];
        if last == "Softmax" {
            net.node(last, &["u"], "h", &[("axis", Attribute::Int(-1))]);
        } else {
            net.weights("g", &[6]);
            net.weights("h0", &[6]);
            net.node(last, &["u", "g", "h0"], "h", &[("axis", Attribute::Int(-1))]);
            weights.splice(0..0, ["g", "h0"]);
        }
        linear(&mut net, "h", "w", [6, 3], "logits");
        slopes(net, &weights);
    }
}

#[test]
fn moves_have_their_slopes() {
    let mut net = Net::new();
    net.input("x", &[4, 6]);
    linear(&mut net, "x", "v", [6, 6], "u");
    net.constant("shape", Tensor::new(vec![3], vec![4i64, 2, 3]).unwrap());
    net.node("Reshape", &["u", "shape"], "cut", &[]);
    net.node("Transpose", &["cut"], "turned", &[("perm", ints(&[0, 2, 1]))]);
    net.node("Flatten", &["turned"], "flat", &[]);
    net.node("Tanh", &["flat"], "h", &[]);
    linear(&mut net, "h", "w", [6, 3], "logits");
    slopes(net, &["v", "vb", "w", "wb"]);
}

/// The numbers of a model's own formula stay as they are.
#[test]
fn numbers_of_the_formula_are_no_weights() {
    let mut net = Net::new();
    net.input("x", &[4, 5]);
    linear(&mut net, "x", "v", [5, 6], "u");
    net.constant("two", Tensor::scalar(2f32));
    net.constant("row", Tensor::new(vec![6], noise(9, 6)).unwrap());
    net.graph.numbers.extend(["two".to_string(), "row".to_string()]);
    net.node("Mul", &["u", "two"], "doubled", &[]);
    net.node("Add", &["doubled", "row"], "h", &[]);
    linear(&mut net, "h", "w", [6, 3], "logits");
    slopes(net, &["v", "vb", "w", "wb"]);
}

#[test]
fn what_has_no_gradient_here_is_refused_by_name() {
    let refused = |mut net: Net| {
        net.end(&["logits"]);
        step(&net.graph, None, SGD, true).map(|step| step.weights).unwrap_err().to_string()
    };
    // Windows that overlap.
    let mut net = Net::new();
    net.input("x", &[2, 1, 7, 7]);
    net.weights("k", &[2, 1, 1, 1]);
    net.node("Conv", &["x", "k"], "c", &[]);
    net.node("MaxPool", &["c"], "pool", &[("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2]))]);
    net.node("Flatten", &["pool"], "logits", &[]);
    let words = refused(net);
    assert!(words.contains("overlap"), "{words}");
    // A matrix that is read as it is and turned.
    let mut net = Net::new();
    net.input("x", &[2, 3]);
    net.weights("w", &[3, 3]);
    net.node("MatMul", &["x", "w"], "h", &[]);
    net.node("Gemm", &["h", "w"], "logits", &[("transB", Attribute::Int(1))]);
    let words = refused(net);
    assert!(words.contains('w') && words.contains("two forms"), "{words}");
    // A weight that nothing depends on.
    let mut net = Net::new();
    net.input("x", &[2, 3]);
    net.weights("w", &[3, 3]);
    net.node("MatMul", &["x", "w"], "h", &[]);
    net.node("ArgMax", &["h"], "best", &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))]);
    net.node("Cast", &["best"], "f", &[("to", Attribute::Int(1))]);
    net.node("Add", &["f", "x"], "logits", &[]);
    let words = refused(net);
    assert!(words.contains('w') && words.contains("does not depend"), "{words}");
}
