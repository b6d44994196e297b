//! Drops the nodes of a folded graph that do nothing: identities, and what no output depends on.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::node::Node;

/// Establishes the invariants of [`Graph`] that concern dead and idle nodes.
pub(super) fn simplify(graph: Graph) -> Graph {
    without_dead_nodes(without_idle_nodes(graph))
}

/// Whether the node's first output is its first input and its other outputs are not read.
fn is_idle(node: &Node, graph: &Graph, read: &BTreeSet<&str>) -> bool {
    if !node.domain.is_empty() || !node.wants_output(0) {
        return false;
    }
    match node.op_type.as_str() {
        "Identity" => true,
        "Dropout" => node.outputs.get(1).is_none_or(|mask| !read.contains(mask.as_str())),
        "Cast" => graph.dtype(&node.inputs[0]) == graph.dtype(&node.outputs[0]),
        _ => false,
    }
}

/// Removes idle nodes and lets their readers read what they read. An output keeps its name: the value that it
/// repeats takes that name, unless it has a name that matters, in which case an `Identity` remains.
fn without_idle_nodes(mut graph: Graph) -> Graph {
    let public: BTreeSet<String> = graph.outputs.iter().cloned().collect();
    let read: BTreeSet<&str> = graph
        .nodes
        .iter()
        .flat_map(|node| node.inputs.iter().map(String::as_str))
        .chain(graph.outputs.iter().map(String::as_str))
        .collect();
    let mut alias: BTreeMap<String, String> = BTreeMap::new();
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let mut produced: BTreeSet<String> = BTreeSet::new();
    let mut kept = vec![];
    for node in &graph.nodes {
        let mut node = node.clone();
        let idle = is_idle(&node, &graph, &read);
        for input in &mut node.inputs {
            if let Some(source) = alias.get(input) {
                input.clone_from(source);
            }
        }
        if !idle {
            produced.extend(node.outputs.iter().cloned());
            kept.push(node);
            continue;
        }
        let (source, output) = (node.inputs[0].clone(), node.outputs[0].clone());
        if !public.contains(&output) {
            alias.insert(output, source);
        } else if produced.contains(&source) && !public.contains(&source) && !renamed.contains_key(&source) {
            renamed.insert(source.clone(), output.clone());
            alias.insert(output, source);
        } else {
            node.op_type = "Identity".into();
            node.attributes.clear();
            node.inputs.truncate(1);
            node.outputs.truncate(1);
            kept.push(node);
        }
    }
    for node in &mut kept {
        for name in node.inputs.iter_mut().chain(&mut node.outputs) {
            if let Some(public) = renamed.get(name) {
                name.clone_from(public);
            }
        }
    }
    graph.nodes = kept;
    graph
}

fn without_dead_nodes(mut graph: Graph) -> Graph {
    let mut wanted: BTreeSet<String> = graph.outputs.iter().cloned().collect();
    let mut kept = vec![];
    while let Some(node) = graph.nodes.pop() {
        if node.outputs.iter().any(|output| wanted.contains(output)) {
            wanted.extend(node.inputs.iter().filter(|input| !input.is_empty()).cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    graph.constants.retain(|name, _| wanted.contains(name));
    wanted.extend(graph.inputs.iter().map(|input| input.name.clone()));
    wanted.extend(graph.nodes.iter().flat_map(|node| node.outputs.iter().cloned()));
    graph.shapes.retain(|name, _| wanted.contains(name));
    graph
}
