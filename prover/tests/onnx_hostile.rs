//! Damaged models: import refuses them or gives a graph that runs, and never panics.

mod common;

use std::collections::BTreeMap;

use assay_prover::onnx::float::supported;
use assay_prover::onnx::proto::{DimensionValue, ModelProto};
use assay_prover::onnx::{Limits, Tensor, import_within, run};
use common::vendored;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

/// The models of the vendored cases, with their shape inputs turned into constants.
fn models() -> Vec<ModelProto> {
    vendored().into_iter().map(|(_, case)| case.unwrap().with_constant_shapes().model).collect()
}

/// Puts `number` into one place of the model that holds a number: an attribute, a dimension, an integer constant.
fn set_number(model: &mut ModelProto, place: Index, number: i64) {
    let graph = model.graph.as_mut().unwrap();
    let mut places: Vec<&mut i64> = vec![];
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        places.push(&mut attribute.i);
        places.extend(&mut attribute.ints);
    }
    for info in &mut graph.input {
        let shape = info.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()?.shape.as_mut());
        for dim in shape.into_iter().flat_map(|shape| &mut shape.dim) {
            if let Some(DimensionValue::Value(size)) = &mut dim.value {
                places.push(size);
            }
        }
    }
    for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.data_type == 7) {
        tensor.int64_data = tensor.raw_data.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x)).collect();
        tensor.raw_data.clear();
        places.extend(&mut tensor.int64_data);
    }
    if !places.is_empty() {
        **place.get_mut(&mut places) = number;
    }
}

/// Numbers at the edges of what is allowed, and far beyond them.
fn strange_number() -> impl Strategy<Value = i64> {
    let edges = [i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, 1 << 31, 1 << 40, -(1 << 40)];
    prop_oneof![-5i64..10, prop::sample::select(edges.to_vec()), any::<i64>()]
}

fn import_and_run(bytes: &[u8]) {
    let Ok(graph) = import_within(bytes, &BTreeMap::new(), Limits::SMALL) else { return };
    let ones = |shape: &[usize], dtype| {
        let count = shape.iter().product();
        Tensor::new(shape.to_vec(), vec![1u8; count]).unwrap().cast(dtype)
    };
    let inputs = graph.inputs.iter().map(|i| (i.name.clone(), ones(&i.shape, i.dtype))).collect();
    let _ = run(&graph, &inputs);
}

thread_local!(static MODELS: Vec<ModelProto> = models());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_models_never_panic(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        keep in any::<Index>(),
        truncate in prop::bool::weighted(0.1),
    ) {
        let mut bytes = MODELS.with(|models| which.get(models).encode_to_vec());
        for (at, value) in changes {
            *at.get_mut(&mut bytes) = value;
        }
        if truncate {
            bytes.truncate(keep.index(bytes.len()));
        }
        import_and_run(&bytes);
    }

    #[test]
    fn strange_numbers_never_panic(
        which in any::<Index>(),
        numbers in prop::collection::vec((any::<Index>(), strange_number()), 1..3),
        operator in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let mut model = MODELS.with(|models| which.get(models).clone());
        for (place, number) in numbers {
            set_number(&mut model, place, number);
        }
        if let Some(operator) = operator {
            let operator = operator.get(&supported()).clone();
            let (domain, op_type) = operator.split_once("::").unwrap_or(("", &operator));
            let node = &mut model.graph.as_mut().unwrap().node[0];
            (node.domain, node.op_type) = (domain.to_string(), op_type.to_string());
        }
        import_and_run(&model.encode_to_vec());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        import_and_run(&bytes);
    }
}
