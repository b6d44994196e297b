//! LSTM as plain operators, one step after another: every later stage sees products, sigmoids and sums.
//!
//! ```text
//! [i o f g] = x_t W' + h R' + b          c = sigmoid(f) c + sigmoid(i) tanh(g)          h = sigmoid(o) tanh(c)
//! ```
//!
//! The gates are in ONNX's order; i and f see the cell before, o the cell after, where there are peepholes.

use super::error::OpError;
use super::node::{Attribute, Node};
use super::tensor::Tensor;
use std::collections::BTreeMap;

/// The most steps that are written out, of all directions.
const MAX_STEPS: usize = 1 << 10;
/// Functions of a gate without parameters of their own.
const ACTIVATIONS: [&str; 5] = ["Relu", "Sigmoid", "Softplus", "Softsign", "Tanh"];

/// What stands for a recurrent node.
#[derive(Debug, Default)]
pub struct Expansion {
    /// Its nodes, in order.
    pub nodes: Vec<Node>,
    /// Constants that they read.
    pub constants: BTreeMap<String, Tensor>,
    prefix: String,
}

/// True where a node is one that is expanded.
pub fn is_recurrent(domain: &str, op_type: &str) -> bool {
    domain.is_empty() && op_type == "LSTM"
}

impl Expansion {
    /// A node of this expansion; its output's name.
    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let [output] = self.split(op, inputs, attributes);
        output
    }

    /// The same with several outputs.
    fn split<const N: usize>(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> [String; N] {
        let name = format!("{}/{}", self.prefix, self.nodes.len());
        let outputs: [String; N] = std::array::from_fn(|place| format!("{name}:{place}"));
        self.nodes.push(Node {
            name,
            op_type: op.to_string(),
            domain: String::new(),
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
            outputs: outputs.to_vec(),
            attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        });
        outputs
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let name = format!("{}/constant {}", self.prefix, self.constants.len());
        self.constants.insert(name.clone(), tensor);
        name
    }

    /// The part of this number along an axis, which goes.
    fn part(&mut self, of: &str, axis: i64, number: usize) -> String {
        let index = self.constant(Tensor::scalar(number as i64));
        self.node("Gather", &[of, &index], &[("axis", Attribute::Int(axis))])
    }

    fn reshape(&mut self, of: &str, sizes: &[usize]) -> String {
        let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
        let shape = self.constant(Tensor::vector(sizes));
        self.node("Reshape", &[of, &shape], &[])
    }

    fn transpose(&mut self, of: &str, order: &[i64]) -> String {
        self.node("Transpose", &[of], &[("perm", Attribute::Ints(order.to_vec()))])
    }

    fn joined(&mut self, parts: &[String], axis: i64) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [one] => one.to_string(),
            _ => self.node("Concat", &parts, &[("axis", Attribute::Int(axis))]),
        }
    }

    fn renamed(&mut self, value: &str, name: &str) {
        if !name.is_empty() {
            self.node("Identity", &[value], &[]);
            if let Some(node) = self.nodes.last_mut() {
                node.outputs = vec![name.to_string()];
            }
        }
    }
}

/// Names of a node's inputs that are there.
fn optional(node: &Node, place: usize) -> Option<&str> {
    node.inputs.get(place).map(String::as_str).filter(|name| !name.is_empty())
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, OpError> {
    Err(OpError::Unsupported(what.into()))
}

/// The nodes that an LSTM stands for; `find` gives known values, of which only the shape counts but for lengths.
///
/// # Errors
/// Where its form is none that is expanded.
pub fn expand<'v>(node: &Node, find: impl Fn(&str) -> Option<&'v Tensor>) -> Result<Expansion, OpError> {
    let shape = |place: usize| {
        let tensor = optional(node, place).and_then(&find).ok_or(OpError::MissingInput { index: place })?;
        Ok::<_, OpError>(tensor.shape().to_vec())
    };
    let (x, r) = (shape(0)?, shape(2)?);
    let (&[first, second, _], &[directions, _, hidden]) = (x.as_slice(), r.as_slice()) else {
        return unsupported("an LSTM whose input or weights have not three axes");
    };
    let batch_first = node.flag_or("layout", false)?;
    let (length, batch) = if batch_first { (second, first) } else { (first, second) };
    if node.float("clip")?.is_some() || node.flag_or("input_forget", false)? {
        return unsupported("an LSTM with clip or input_forget");
    }
    if length == 0 || batch == 0 || hidden == 0 || length.saturating_mul(directions) > MAX_STEPS {
        return unsupported(format!("an LSTM over {length} steps in {directions} directions"));
    }
    if let Some(lengths) = optional(node, 4).and_then(&find)
        && lengths.integers()?.iter().any(|&l| l != length as i64)
    {
        return unsupported("an LSTM over sequences of several lengths");
    }
    let reversed = match (node.string_or("direction", "forward")?, directions) {
        ("forward", 1) => [false, false],
        ("reverse", 1) => [true, false],
        ("bidirectional", 2) => [false, true],
        (other, _) => {
            return unsupported(format!("an LSTM of direction `{other}` with {directions} weights"));
        }
    };
    let activations = activations(node, directions)?;
    let mut e = Expansion { prefix: node.name.clone(), ..Expansion::default() };
    let mut input = node.inputs[0].clone();
    if batch_first {
        input = e.transpose(&input, &[1, 0, 2]);
    }
    let (mut all, mut hiddens, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for direction in 0..directions {
        let functions = &activations[direction * 3..direction * 3 + 3];
        let (states, last) = one_direction(
            &mut e,
            node,
            &input,
            (direction, reversed[direction], batch_first),
            (length, batch, hidden),
            functions,
        );
        let states: Vec<String> =
            states.iter().map(|state| e.reshape(state, &[1, 1, batch, hidden])).collect();
        all.push(e.joined(&states, 0));
        hiddens.push(e.reshape(&last[0], &[1, batch, hidden]));
        cells.push(e.reshape(&last[1], &[1, batch, hidden]));
    }
    let wants = |place: usize| node.outputs.get(place).cloned().unwrap_or_default();
    if !wants(0).is_empty() {
        let mut states = e.joined(&all, 1);
        if batch_first {
            states = e.transpose(&states, &[2, 0, 1, 3]);
        }
        e.renamed(&states, &wants(0));
    }
    for (place, parts) in [(1, hiddens), (2, cells)] {
        if !wants(place).is_empty() {
            let mut last = e.joined(&parts, 0);
            if batch_first {
                last = e.transpose(&last, &[1, 0, 2]);
            }
            e.renamed(&last, &wants(place));
        }
    }
    Ok(e)
}

/// Functions of the gates, of the cell's candidate and of the cell, for each direction.
fn activations(node: &Node, directions: usize) -> Result<Vec<String>, OpError> {
    let names = match node.attributes.get("activations") {
        None => ["Sigmoid", "Tanh", "Tanh"].repeat(directions).into_iter().map(String::from).collect(),
        Some(Attribute::Strings(names)) => names.clone(),
        Some(_) => return unsupported("activations that are no list of names"),
    };
    let known = names.iter().all(|name| ACTIVATIONS.contains(&name.as_str()));
    if !known || names.len() != 3 * directions {
        return unsupported(format!("an LSTM with the activations {names:?}"));
    }
    Ok(names)
}

/// The hidden states of one direction in order of the sequence, and the last hidden state and cell.
fn one_direction(
    e: &mut Expansion,
    node: &Node,
    input: &str,
    (direction, reversed, batch_first): (usize, bool, bool),
    (length, batch, hidden): (usize, usize, usize),
    functions: &[String],
) -> (Vec<String>, [String; 2]) {
    let turned = |e: &mut Expansion, name: &str| {
        let weights = e.part(name, 0, direction);
        e.transpose(&weights, &[1, 0])
    };
    let weights = turned(e, &node.inputs[1]);
    let recurrent = turned(e, &node.inputs[2]);
    let mut gates = e.node("MatMul", &[input, &weights], &[]);
    if let Some(bias) = optional(node, 3) {
        let both = e.part(bias, 0, direction);
        let [of_input, of_state] = e.split("Split", &[&both], &[("axis", Attribute::Int(0))]);
        let bias = e.node("Add", &[&of_input, &of_state], &[]);
        gates = e.node("Add", &[&gates, &bias], &[]);
    }
    let start = |e: &mut Expansion, place: usize| match optional(node, place) {
        Some(name) => e.part(name, i64::from(batch_first), direction),
        None => {
            let zeros = Tensor::new(vec![batch, hidden], vec![0f32; batch * hidden]);
            e.constant(zeros.unwrap_or_else(|_| Tensor::scalar(0f32)))
        }
    };
    let (mut h, mut c) = (start(e, 5), start(e, 6));
    let peepholes: Option<[String; 3]> = optional(node, 7).map(|name| {
        let weights = e.part(name, 0, direction);
        e.split("Split", &[&weights], &[("axis", Attribute::Int(0))])
    });
    let mut states = vec![String::new(); length];
    for step in 0..length {
        let at = if reversed { length - 1 - step } else { step };
        let of_input = e.part(&gates, 0, at);
        let of_state = e.node("MatMul", &[&h, &recurrent], &[]);
        let sums = e.node("Add", &[&of_state, &of_input], &[]);
        let [mut i, mut o, mut f, g] = e.split("Split", &[&sums], &[("axis", Attribute::Int(1))]);
        let seen = |e: &mut Expansion, gate: &str, weights: &str, cell: &str| {
            let seen = e.node("Mul", &[weights, cell], &[]);
            e.node("Add", &[gate, &seen], &[])
        };
        if let Some([of_i, _, of_f]) = &peepholes {
            i = seen(e, &i, of_i, &c);
            f = seen(e, &f, of_f, &c);
        }
        let i = e.node(&functions[0], &[&i], &[]);
        let f = e.node(&functions[0], &[&f], &[]);
        let g = e.node(&functions[1], &[&g], &[]);
        let kept = e.node("Mul", &[&f, &c], &[]);
        let added = e.node("Mul", &[&i, &g], &[]);
        c = e.node("Add", &[&kept, &added], &[]);
        if let Some([_, of_o, _]) = &peepholes {
            o = seen(e, &o, of_o, &c);
        }
        let o = e.node(&functions[0], &[&o], &[]);
        let shown = e.node(&functions[2], &[&c], &[]);
        h = e.node("Mul", &[&o, &shown], &[]);
        states[at].clone_from(&h);
    }
    (states, [h, c])
}
