//! Rewrites of the float graph before calibration: what can be folded into constants is.

use crate::onnx::{Graph, Node, Tensor};

/// Folds batch normalisations into the convolution or product before them.
pub fn prepare(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    while let Some((producer, normalisation)) = foldable(&graph) {
        if fold(&mut graph, producer, normalisation).is_none() {
            break;
        }
    }
    graph
}

fn readers(graph: &Graph, name: &str) -> usize {
    let inner = graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| *input == name).count();
    inner + graph.outputs.iter().filter(|output| *output == name).count()
}

fn constant<'g>(graph: &'g Graph, node: &Node, input: usize) -> Option<&'g Tensor> {
    graph.constants.get(node.inputs.get(input)?)
}

fn foldable(graph: &Graph) -> Option<(usize, usize)> {
    graph.nodes.iter().enumerate().find_map(|(i, node)| {
        if node.op_type != "BatchNormalization" || node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            return None;
        }
        let producer = graph.nodes.iter().position(|other| other.outputs.first() == node.inputs.first())?;
        let before = &graph.nodes[producer];
        let linear =
            before.op_type == "Conv" || (before.op_type == "Gemm" && before.float_or("beta", 1.0) == Ok(1.0));
        let fixed = (1..5).all(|input| constant(graph, node, input).is_some())
            && constant(graph, before, 1).is_some()
            && (before.inputs.len() < 3
                || before.inputs[2].is_empty()
                || constant(graph, before, 2).is_some());
        (linear && fixed && readers(graph, node.inputs.first()?) == 1).then_some((producer, i))
    })
}

/// Per-channel factor and offset of a batch normalisation of constants: `y = x * factor + offset`.
pub fn affine(graph: &Graph, node: &Node) -> Option<(Vec<f64>, Vec<f64>)> {
    let values = |input| constant(graph, node, input).map(|t| t.to_f32());
    let (scale, bias, mean, variance) = (values(1)?, values(2)?, values(3)?, values(4)?);
    let epsilon = f64::from(node.float_or("epsilon", 1e-5).ok()?);
    let factors: Vec<f64> =
        scale.iter().zip(&variance).map(|(&s, &v)| f64::from(s) / (f64::from(v) + epsilon).sqrt()).collect();
    let offsets =
        factors.iter().zip(bias.iter().zip(&mean)).map(|(f, (&b, &m))| f64::from(b) - f * f64::from(m));
    let offsets = offsets.collect();
    Some((factors, offsets))
}

fn fold(graph: &mut Graph, producer: usize, normalisation: usize) -> Option<()> {
    let (factors, offsets) = affine(graph, &graph.nodes[normalisation])?;
    let before = graph.nodes[producer].clone();
    let weights = constant(graph, &before, 1)?.clone();
    let bias = constant(graph, &before, 2).map(Tensor::to_f32);
    let channels = factors.len();
    let by_row = before.op_type == "Conv" || before.flag_or("transB", false).ok()?;
    let each = weights.len() / channels.max(1);
    let channel = |i: usize| if by_row { i / each } else { i % channels };
    let scaled: Vec<f32> = weights
        .to_f32()
        .iter()
        .enumerate()
        .map(|(i, &w)| (f64::from(w) * factors[channel(i)]) as f32)
        .collect();
    let bias: Vec<f32> = (0..channels)
        .map(|o| {
            let own = bias.as_ref().map_or(0.0, |b| f64::from(b[if b.len() == 1 { 0 } else { o }]));
            (own * factors[o] + offsets[o]) as f32
        })
        .collect();
    let result = graph.nodes[normalisation].outputs.first()?.clone();
    let (weight_name, bias_name) = (format!("{result}.folded_weight"), format!("{result}.folded_bias"));
    let weights = Tensor::new(weights.shape().to_vec(), scaled).ok()?;
    graph.shapes.insert(weight_name.clone(), (weights.dtype(), weights.shape().to_vec()));
    graph.shapes.insert(bias_name.clone(), (weights.dtype(), vec![channels]));
    graph.constants.insert(weight_name.clone(), weights);
    graph.constants.insert(bias_name.clone(), Tensor::vector(bias));
    let node = &mut graph.nodes[producer];
    node.inputs = vec![before.inputs[0].clone(), weight_name, bias_name];
    node.outputs = vec![result];
    node.attributes.remove("beta");
    graph.nodes.remove(normalisation);
    Some(())
}
