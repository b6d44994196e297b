//! From the bytes of a model file to a [`Graph`].
//!
//! The steps: check that the bytes are a protobuf message, decode it, pin the inputs' dimensions, read
//! initializers and nodes, then walk the nodes once. The walk evaluates every node: what depends on constants alone,
//! or on shapes, is folded into a constant; the rest runs on zeros, which gives every value its type and shape.
//! Last, `simplify` drops what does nothing.
//!
//! Any bytes give a graph or an error, never a panic, and [`Limits`] bound the memory and the work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;

use super::encoding::from_proto;
use super::error::{ImportError, OpError, RunError};
use super::float::{kernel, shape_inputs, supported};
use super::graph::{Graph, GraphInput, OPSETS};
use super::interpreter::evaluate;
use super::limits::{Budget, Limits};
use super::node::{Attribute, Node};
use super::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, ValueInfoProto,
};
use super::recurrent::{expand, is_recurrent};
use super::simplify::simplify;
use super::tensor::{DType, Tensor};

/// Imports a model. `dims` pins dynamic dimensions by name, or by `INPUT:AXIS` where they have no name; a dynamic
/// dimension at the front, or one whose name contains `batch`, is 1 unless pinned.
pub fn import(bytes: &[u8], dims: &BTreeMap<String, usize>) -> Result<Graph, ImportError> {
    import_within(bytes, dims, Limits::DEFAULT)
}

/// The name of the first dimension of a model's first input that is not an initializer, where it is dynamic: the batch.
///
/// # Errors
/// Where the bytes are no model.
pub fn batch_dimension(bytes: &[u8]) -> Result<Option<String>, ImportError> {
    check_framing(bytes)?;
    let model = ModelProto::decode(bytes).map_err(|e| ImportError::Protobuf(e.to_string()))?;
    let Some(graph) = model.graph else { return Ok(None) };
    let known = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let input = graph.input.iter().find(|input| !known(&input.name));
    let tensor = input.and_then(|input| input.r#type.as_ref()).and_then(|t| t.tensor_type.as_ref());
    let dimension = tensor.and_then(|tensor| tensor.shape.as_ref()).and_then(|shape| shape.dim.first());
    Ok(dimension.and_then(|dimension| match &dimension.value {
        Some(DimensionValue::Param(name)) => Some(name.clone()),
        _ => None,
    }))
}

/// As [`import()`], with other limits, for example [`Limits::SMALL`] when fuzzing.
pub fn import_within(
    bytes: &[u8],
    dims: &BTreeMap<String, usize>,
    limits: Limits,
) -> Result<Graph, ImportError> {
    check_framing(bytes)?;
    let model = ModelProto::decode(bytes).map_err(|e| ImportError::Protobuf(e.to_string()))?;
    let opset = opset(&model)?;
    let Some(proto) = model.graph else {
        return Err(ImportError::NotOnnx { offset: 0, reason: "it has no graph".into() });
    };
    let constants = initializers(&proto)?;
    let inputs = pinned_inputs(&proto, &constants, dims)?;
    let nodes = proto.node.iter().map(read_node).collect::<Result<Vec<_>, _>>()?;
    let outputs = proto.output.into_iter().map(|output| output.name).collect();
    let unfolded =
        Graph { inputs, outputs, nodes, constants, numbers: BTreeSet::new(), shapes: BTreeMap::new(), opset };
    Ok(simplify(fold(unfolded, limits)?))
}

/// Checks that the bytes are a sequence of whole protobuf fields, so that an error can say where they are not.
fn check_framing(bytes: &[u8]) -> Result<(), ImportError> {
    let not_onnx = |offset, reason: &str| Err(ImportError::NotOnnx { offset, reason: reason.into() });
    if bytes.is_empty() {
        return not_onnx(0, "the file is empty");
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = bytes.len() - rest.len();
        let truncated = |field, needs, has| Err(ImportError::Truncated { offset, field, needs, has });
        let Ok(key) = prost::encoding::decode_varint(&mut rest) else {
            return not_onnx(offset, "here should be a field's number");
        };
        let (field, wire_type) = (key >> 3, key & 7);
        let needs = match wire_type {
            0 => match prost::encoding::decode_varint(&mut rest) {
                Ok(_) => 0,
                Err(_) => return truncated(field, 1, rest.len()),
            },
            1 => 8,
            2 => match prost::encoding::decode_varint(&mut rest) {
                Ok(len) => len,
                Err(_) => return truncated(field, 1, rest.len()),
            },
            5 => 4,
            _ => return not_onnx(offset, "here is a field of no known kind"),
        };
        match usize::try_from(needs).ok().and_then(|needs| rest.get(needs..)) {
            Some(after) => rest = after,
            None => return truncated(field, needs, rest.len()),
        }
    }
    Ok(())
}

fn opset(model: &ModelProto) -> Result<i64, ImportError> {
    let onnx = model.opset_import.iter().find(|set| normal_domain(&set.domain).is_empty());
    let version = onnx.ok_or(ImportError::NoOpset)?.version;
    if !OPSETS.contains(&version) {
        return Err(ImportError::Opset { version, oldest: *OPSETS.start(), newest: *OPSETS.end() });
    }
    Ok(version)
}

fn normal_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

fn initializers(graph: &GraphProto) -> Result<BTreeMap<String, Tensor>, ImportError> {
    let refused = |name: &str, reason: String| ImportError::Tensor { name: name.to_string(), reason };
    if let Some(sparse) = graph.sparse_initializer.first() {
        let name = sparse.values.as_ref().map_or("", |values| &values.name);
        return Err(refused(name, "sparse tensors are not supported".into()));
    }
    let mut constants = BTreeMap::new();
    for proto in &graph.initializer {
        let tensor = from_proto(proto).map_err(|e| refused(&proto.name, e.to_string()))?;
        if proto.name.is_empty() {
            return Err(refused("", "has no name".into()));
        }
        if constants.insert(proto.name.clone(), tensor).is_some() {
            return Err(refused(&proto.name, "is given twice".into()));
        }
    }
    Ok(constants)
}

/// Inputs that are not initializers, with every dimension a number.
fn pinned_inputs(
    graph: &GraphProto,
    constants: &BTreeMap<String, Tensor>,
    dims: &BTreeMap<String, usize>,
) -> Result<Vec<GraphInput>, ImportError> {
    let mut known = BTreeSet::new();
    let mut inputs: Vec<GraphInput> = vec![];
    for info in graph.input.iter().filter(|info| !constants.contains_key(&info.name)) {
        if inputs.iter().any(|earlier| earlier.name == info.name) {
            return Err(ImportError::DuplicateInput { name: info.name.clone() });
        }
        inputs.push(pinned_input(info, dims, &mut known)?);
    }
    if let Some(name) = dims.keys().find(|name| !known.contains(*name)) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let known = if known.is_empty() { "none that is dynamic".into() } else { known.join(", ") };
        return Err(ImportError::UnknownDimension { name: name.clone(), known });
    }
    Ok(inputs)
}

fn pinned_input(
    info: &ValueInfoProto,
    dims: &BTreeMap<String, usize>,
    known: &mut BTreeSet<String>,
) -> Result<GraphInput, ImportError> {
    let refused = |reason: String| ImportError::Input { name: info.name.clone(), reason };
    if info.name.is_empty() {
        return Err(refused("has no name".into()));
    }
    let tensor_type = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor_type = tensor_type.ok_or_else(|| refused("is not a tensor".into()))?;
    let code = tensor_type.elem_type;
    let dtype = DType::from_onnx(code.into())
        .ok_or_else(|| refused(format!("element type {code} is not supported")))?;
    let shape = tensor_type.shape.as_ref().ok_or_else(|| refused("has no shape".into()))?;
    let mut pinned = vec![];
    for (axis, dim) in shape.dim.iter().enumerate() {
        pinned.push(pinned_dimension(&info.name, axis, dim, dims, known)?);
    }
    super::tensor::element_count(&pinned).map_err(|e| refused(e.to_string()))?;
    Ok(GraphInput { name: info.name.clone(), dtype, shape: pinned })
}

fn pinned_dimension(
    input: &str,
    axis: usize,
    dim: &DimensionProto,
    dims: &BTreeMap<String, usize>,
    known: &mut BTreeSet<String>,
) -> Result<usize, ImportError> {
    let name = match &dim.value {
        Some(DimensionValue::Value(size)) if *size >= 0 => {
            return usize::try_from(*size).map_err(|_| ImportError::Input {
                name: input.to_string(),
                reason: format!("dimension {axis} of {size} overflows"),
            });
        }
        Some(DimensionValue::Param(name)) if !name.is_empty() => name.clone(),
        _ => format!("{input}:{axis}"),
    };
    let pin = dims.get(&name).copied();
    let default = (axis == 0 || name.to_ascii_lowercase().contains("batch")).then_some(1);
    known.insert(name.clone());
    pin.or(default).ok_or(ImportError::UnpinnedDimension { input: input.to_string(), axis, dim: name })
}

fn read_node(proto: &NodeProto) -> Result<Node, ImportError> {
    let first_output = proto.output.first().map_or("", String::as_str);
    let node =
        if proto.name.is_empty() { format!("{}:{first_output}", proto.op_type) } else { proto.name.clone() };
    let (op, domain) = (proto.op_type.clone(), normal_domain(&proto.domain).to_string());
    if !["", "com.microsoft"].contains(&domain.as_str()) {
        return Err(ImportError::Domain { node, op, domain });
    }
    if ["If", "Loop", "Scan"].contains(&op.as_str()) && domain.is_empty() {
        return Err(ImportError::ControlFlow { node, op });
    }
    if kernel(&domain, &op).is_none() && !is_recurrent(&domain, &op) {
        let op = if domain.is_empty() { op } else { format!("{domain}::{op}") };
        return Err(ImportError::UnsupportedOperator { node, op, supported: supported().join(", ") });
    }
    let mut attributes = BTreeMap::new();
    for attribute in &proto.attribute {
        let refused = |reason| ImportError::Attribute {
            node: node.clone(),
            op: op.clone(),
            attribute: attribute.name.clone(),
            reason,
        };
        let value = read_attribute(attribute).map_err(refused)?;
        if attributes.insert(attribute.name.clone(), value).is_some() {
            return Err(refused("is given twice".into()));
        }
    }
    Ok(Node {
        name: node,
        op_type: op,
        domain,
        inputs: proto.input.clone(),
        outputs: proto.output.clone(),
        attributes,
    })
}

fn read_attribute(proto: &AttributeProto) -> Result<Attribute, String> {
    if !proto.ref_attr_name.is_empty() {
        return Err("refers to a function's parameter, which is not supported".into());
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "is not UTF-8 text".to_string());
    Ok(match proto.r#type {
        1 => Attribute::Float(proto.f),
        2 => Attribute::Int(proto.i),
        3 => Attribute::String(text(&proto.s)?),
        4 => match &proto.t {
            Some(tensor) => Attribute::Tensor(from_proto(tensor).map_err(|e| e.to_string())?),
            None => return Err("should have a tensor and has none".into()),
        },
        6 => Attribute::Floats(proto.floats.clone()),
        7 => Attribute::Ints(proto.ints.clone()),
        8 => Attribute::Strings(proto.strings.iter().map(|s| text(s)).collect::<Result<_, _>>()?),
        5 | 10 => return Err("is a graph, which is not supported".into()),
        other => return Err(format!("has type {other}, which is not supported")),
    })
}

/// Evaluates every node: folds what does not depend on the inputs' values, and runs the rest on zeros for its shapes.
fn fold(mut graph: Graph, limits: Limits) -> Result<Graph, ImportError> {
    let budget = Budget::new(limits);
    let opset = graph.opset;
    let mut probes: BTreeMap<String, Tensor> = BTreeMap::new();
    for input in &graph.inputs {
        let probe =
            budget.allocate(&input.shape).and_then(|_| Ok(Tensor::zeros(input.dtype, input.shape.clone())?));
        let probe =
            probe.map_err(|e| ImportError::Input { name: input.name.clone(), reason: e.to_string() })?;
        probes.insert(input.name.clone(), probe);
    }
    let unread = std::mem::take(&mut graph.nodes);
    let written: BTreeSet<String> = unread.iter().flat_map(|node| node.outputs.iter().cloned()).collect();
    let mut unread = VecDeque::from(unread);
    while let Some(node) = unread.pop_front() {
        let (name, op) = (|| node.name.clone(), || node.op_type.clone());
        for value in node.outputs.iter().filter(|value| !value.is_empty()) {
            if probes.contains_key(value) || graph.constants.contains_key(value) {
                return Err(ImportError::DuplicateValue { node: name(), op: op(), value: value.clone() });
            }
        }
        let refused = |source| ImportError::Node { node: name(), op: op(), source };
        check_shape_inputs(&node, &graph.constants).map_err(refused)?;
        if is_recurrent(&node.domain, &node.op_type) {
            let find = |value: &str| graph.constants.get(value).or_else(|| probes.get(value));
            let expansion = expand(&node, find).map_err(refused)?;
            graph.constants.extend(expansion.constants);
            expansion.nodes.into_iter().rev().for_each(|node| unread.push_front(node));
            continue;
        }
        let find = |value: &str| graph.constants.get(value).or_else(|| probes.get(value));
        let values = evaluate(&node, find, opset, &budget).map_err(|e| match e {
            RunError::Node { source, .. } => refused(source),
            RunError::MissingValue { node, op, value } => {
                let later = written.contains(&value);
                let hint =
                    if later { " (a later node writes it: the graph is unsorted or cyclic)" } else { "" };
                ImportError::MissingValue { node, op, value, hint }
            }
            other => refused(OpError::Unsupported(other.to_string())),
        })?;
        let fixed = |value: &String| value.is_empty() || graph.constants.contains_key(value);
        let reads_shape_only = node.domain.is_empty() && ["Shape", "Size"].contains(&node.op_type.as_str());
        let foldable = reads_shape_only || node.inputs.iter().all(fixed);
        let number = |value: &String| value.is_empty() || graph.numbers.contains(value);
        if foldable && (reads_shape_only || node.inputs.iter().all(number)) {
            graph.numbers.extend(node.outputs.iter().cloned());
        }
        let into = if foldable { &mut graph.constants } else { &mut probes };
        let named = node.outputs.iter().cloned().zip(values).filter(|(value, _)| !value.is_empty());
        into.extend(named);
        if !foldable {
            graph.nodes.push(node);
        }
    }
    for name in &graph.outputs {
        if !probes.contains_key(name) && !graph.constants.contains_key(name) {
            return Err(ImportError::MissingOutput { name: name.clone() });
        }
    }
    let described =
        |(name, value): (&String, &Tensor)| (name.clone(), (value.dtype(), value.shape().to_vec()));
    graph.shapes = probes.iter().chain(&graph.constants).map(described).collect();
    Ok(graph)
}

/// An input that decides a shape must be a constant, because every shape is known once the model is imported.
fn check_shape_inputs(node: &Node, constants: &BTreeMap<String, Tensor>) -> Result<(), OpError> {
    let deciding = shape_inputs(&node.domain, &node.op_type);
    let dynamic = node
        .inputs
        .iter()
        .enumerate()
        .find(|(i, name)| deciding.contains(i) && !name.is_empty() && !constants.contains_key(*name));
    match dynamic {
        Some((i, name)) => Err(OpError::Unsupported(format!(
            "a shape that depends on the inputs' values (input {i}, `{name}`)"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoding::to_proto;
    use super::super::proto::{OperatorSetIdProto, TensorShapeProto, TensorTypeProto, TypeProto};
    use super::*;

    fn input(name: &str, dims: &[Option<DimensionValue>]) -> ValueInfoProto {
        let dim = dims.iter().map(|value| DimensionProto { value: value.clone() }).collect();
        let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim }) });
        ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
    }

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        NodeProto { op_type: op.into(), input: names(inputs), output: names(outputs), ..Default::default() }
    }

    fn model(inputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>, output: &str) -> ModelProto {
        let output = vec![ValueInfoProto { name: output.into(), r#type: None }];
        let constant = to_proto("two", &Tensor::scalar(2f32));
        let graph = GraphProto {
            input: inputs,
            node: nodes,
            output,
            initializer: vec![constant],
            ..Default::default()
        };
        let opset = OperatorSetIdProto { domain: String::new(), version: 13 };
        ModelProto { ir_version: 8, graph: Some(graph), opset_import: vec![opset], ..Default::default() }
    }

    fn fixed(size: i64) -> Option<DimensionValue> {
        Some(DimensionValue::Value(size))
    }

    fn symbol(name: &str) -> Option<DimensionValue> {
        Some(DimensionValue::Param(name.into()))
    }

    fn try_import(model: &ModelProto, dims: &[(&str, usize)]) -> Result<Graph, ImportError> {
        import(&model.encode_to_vec(), &dims.iter().map(|(n, v)| (n.to_string(), *v)).collect())
    }

    #[test]
    fn constants_fold_and_no_ops_and_dead_nodes_go() {
        let nodes = vec![
            node("Add", &["two", "two"], &["four"]),
            node("Shape", &["x"], &["shape"]),
            node("ConstantOfShape", &["shape"], &["zeros"]),
            node("Add", &["zeros", "four"], &["fours"]),
            node("Identity", &["x"], &["same"]),
            node("Mul", &["same", "fours"], &["product"]),
            node("Relu", &["product"], &["unread"]),
            node("Identity", &["product"], &["y"]),
        ];
        let graph =
            try_import(&model(vec![input("x", &[symbol("batch"), fixed(3)])], nodes, "y"), &[("batch", 2)]);
        let graph = graph.unwrap();
        assert_eq!(graph.nodes.len(), 1);
        assert_eq!(
            (graph.nodes[0].inputs.as_slice(), graph.nodes[0].outputs.as_slice()),
            (["x".to_string(), "fours".to_string()].as_slice(), ["y".to_string()].as_slice())
        );
        assert_eq!(graph.constants.keys().collect::<Vec<_>>(), ["fours"]);
        assert_eq!(graph.shape("y"), Some([2, 3].as_slice()));
        assert_eq!(graph.shapes.len(), 3);
    }

    #[test]
    fn an_identity_remains_where_an_output_is_an_input() {
        let nodes = vec![node("Identity", &["x"], &["y"])];
        assert_eq!(try_import(&model(vec![input("x", &[None])], nodes, "y"), &[]).unwrap().nodes.len(), 1);
    }

    #[test]
    fn dynamic_dimensions_are_pinned_by_name_or_place() {
        let relu = || vec![node("Relu", &["x"], &["y"])];
        let of = |dims: &[Option<DimensionValue>]| model(vec![input("x", dims)], relu(), "y");
        assert_eq!(try_import(&of(&[None, symbol("n")]), &[("n", 7)]).unwrap().inputs[0].shape, [1, 7]);
        assert_eq!(try_import(&of(&[None]), &[("x:0", 5)]).unwrap().inputs[0].shape, [5]);
        let unpinned = try_import(&of(&[fixed(1), symbol("n")]), &[]).unwrap_err().to_string();
        assert!(unpinned.contains("--dim n=VALUE"), "{unpinned}");
        let unknown = try_import(&of(&[symbol("n")]), &[("m", 7)]).unwrap_err().to_string();
        assert!(unknown.contains("--dim m") && unknown.contains("it has n"), "{unknown}");
    }

    #[test]
    fn errors_name_the_node_the_operator_and_the_value() {
        let x = || vec![input("x", &[fixed(2)])];
        let error = |nodes, output| try_import(&model(x(), nodes, output), &[]).unwrap_err();
        let unsupported = error(vec![node("Frobnicate", &["x"], &["y"])], "y").to_string();
        assert!(unsupported.contains("Frobnicate:y") && unsupported.contains("Conv, "), "{unsupported}");
        assert!(matches!(error(vec![node("If", &["x"], &["y"])], "y"), ImportError::ControlFlow { .. }));
        let missing = error(vec![node("Add", &["x", "w"], &["y"])], "y");
        assert!(matches!(missing, ImportError::MissingValue { ref value, hint: "", .. } if value == "w"));
        let cycle = vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["b"])];
        assert!(error(cycle, "b").to_string().contains("unsorted or cyclic"));
        let twice = vec![node("Relu", &["x"], &["y"]), node("Neg", &["x"], &["y"])];
        assert!(matches!(error(twice, "y"), ImportError::DuplicateValue { .. }));
        assert!(matches!(error(vec![], "y"), ImportError::MissingOutput { .. }));
        let foreign = NodeProto { domain: "acme".into(), ..node("Relu", &["x"], &["y"]) };
        assert!(error(vec![foreign], "y").to_string().contains("`acme`"));
        let typed = AttributeProto { name: "axis".into(), r#type: 1, f: 1.0, ..Default::default() };
        let flatten = NodeProto { attribute: vec![typed], ..node("Flatten", &["x"], &["y"]) };
        assert!(error(vec![flatten], "y").to_string().contains("`axis` should be an integer"));
        let dynamic = error(vec![node("Cast", &["x"], &["s"]), node("Expand", &["x", "s"], &["y"])], "y");
        assert!(dynamic.to_string().contains("depends on the inputs' values"));
    }

    #[test]
    fn files_that_are_no_model_are_refused_with_the_place() {
        let good =
            model(vec![input("x", &[fixed(2)])], vec![node("Relu", &["x"], &["y"])], "y").encode_to_vec();
        let none = BTreeMap::new();
        assert!(matches!(import(&good[..good.len() - 2], &none), Err(ImportError::Truncated { .. })));
        assert!(matches!(import(b"", &none), Err(ImportError::NotOnnx { offset: 0, .. })));
        assert!(matches!(import(b"\x7fELF and so on", &none), Err(ImportError::NotOnnx { offset: 0, .. })));
        let mut new = ModelProto::decode(good.as_slice()).unwrap();
        new.opset_import[0].version = 99;
        assert!(import(&new.encode_to_vec(), &none).unwrap_err().to_string().contains("6 to 22"));
    }

    #[test]
    fn a_model_that_asks_for_too_much_is_refused_quickly() {
        let large = || vec![input("x", &[fixed(1 << 20), fixed(1 << 20)])];
        assert!(try_import(&model(large(), vec![node("Relu", &["x"], &["y"])], "y"), &[]).is_err());
        let overflow = vec![input("x", &[fixed(0), fixed(1 << 40), fixed(1 << 40)])];
        assert!(try_import(&model(overflow, vec![node("Transpose", &["x"], &["y"])], "y"), &[]).is_err());
        let square = vec![input("x", &[fixed(1 << 14), fixed(1 << 14)])];
        let bytes = model(square, vec![node("MatMul", &["x", "x"], &["y"])], "y").encode_to_vec();
        assert!(import_within(&bytes, &BTreeMap::new(), Limits::SMALL).is_err());
    }
}
