//! The scale of each value that an operation may choose.
//!
//! Values that pools, concatenations and movements carry over unchanged form one class, with one scale, so that
//! nothing has to be requantised between them.

use super::calibrate::Ranges;
use crate::onnx::Graph;
use assay_circuits::tensor::Bounds;
use std::collections::BTreeMap;

/// Operators whose output holds elements of their first input.
pub const CARRIERS: &[&str] = &[
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Identity",
    "Dropout",
    "Slice",
    "Split",
    "Pad",
    "MaxPool",
    "GlobalMaxPool",
    "Cast",
];

/// A scale, and the window of integers that goes with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The real value of one.
    pub scale: f64,
    /// The window.
    pub window: Bounds,
    /// True where no other value has to have this scale.
    pub alone: bool,
}

/// The ranges of classes of values.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    class: BTreeMap<String, usize>,
    ranges: Vec<(f64, f64)>,
    members: Vec<usize>,
}

impl Targets {
    /// Joins the values of a graph into classes.
    pub fn new(graph: &Graph, ranges: &Ranges) -> Targets {
        let mut parent: BTreeMap<String, String> = BTreeMap::new();
        fn root(parent: &BTreeMap<String, String>, name: &str) -> String {
            let mut at = name;
            while let Some(next) = parent.get(at).filter(|next| *next != at) {
                at = next;
            }
            at.to_string()
        }
        for node in &graph.nodes {
            let count = match node.op_type.as_str() {
                "Concat" => node.inputs.len(),
                op if CARRIERS.contains(&op) => 1,
                _ => 0,
            };
            for input in node.inputs.iter().take(count) {
                for output in node.outputs.iter().filter(|name| !name.is_empty()) {
                    let (a, b) = (root(&parent, input), root(&parent, output));
                    parent.insert(b, a.clone());
                    parent.entry(a.clone()).or_insert(a);
                }
            }
        }
        let mut targets = Targets::default();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for (name, &range) in ranges {
            let number = *numbers.entry(root(&parent, name)).or_insert_with(|| {
                targets.ranges.push(range);
                targets.members.push(0);
                targets.ranges.len() - 1
            });
            let seen = &mut targets.ranges[number];
            *seen = (seen.0.min(range.0), seen.1.max(range.1));
            targets.members[number] += 1;
            targets.class.insert(name.clone(), number);
        }
        targets
    }

    /// The range of a value's class.
    pub fn range(&self, name: &str) -> (f64, f64) {
        self.class.get(name).map_or((-1.0, 1.0), |&number| self.ranges[number])
    }

    /// A symmetric scale of this many bits: `[0, 2^(bits-1))` for a value that is never negative.
    pub fn target(&self, name: &str, bits: u32) -> Target {
        let (lo, hi) = self.range(name);
        let top = (1i64 << (bits - 1)) - 1;
        let window = if lo >= 0.0 { Bounds { lo: 0, hi: top } } else { Bounds { lo: -top - 1, hi: top } };
        let reach = hi.max(-lo);
        let scale = if reach > 0.0 { reach / top as f64 } else { 1.0 / top as f64 };
        let alone = self.class.get(name).is_none_or(|&number| self.members[number] == 1);
        Target { scale, window, alone }
    }
}
