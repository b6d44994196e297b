//! Small graphs as f32 programs: what is fused, what is not, and that the numbers are the float interpreter's.

mod common;

use assay_circuits::program::{Class, Program};
use assay_prover::onnx::{Attribute, DType, Tensor};
use assay_prover::reals::compile;
use common::nets::{Net, noise};

fn classes(program: &Program) -> Vec<Class> {
    program.operations.iter().map(|operation| operation.class).collect()
}

fn number(value: f32) -> Tensor {
    Tensor::scalar(value)
}

/// `x -> x w`, with a bias.
fn linear(net: &mut Net, x: &str, w: &str, sizes: [usize; 2], output: &str) {
    let bias = format!("{w} bias");
    net.weights(w, &sizes);
    net.weights(&bias, &sizes[1..]);
    net.node("MatMul", &[x, w], &format!("{output} product"), &[]);
    net.node("Add", &[&format!("{output} product"), &bias], output, &[]);
}

#[test]
fn bias_activation_and_residual_end_in_the_fold() {
    let mut net = Net::new();
    net.input("x", &[3, 5]);
    linear(&mut net, "x", "w", [5, 5], "y");
    net.node("Relu", &["y"], "r", &[]);
    net.node("Add", &["r", "x"], "z", &[]);
    let (program, _) = net.program(&["z"], 1e-6);
    assert_eq!(classes(&program), [Class::Fold]);
}

#[test]
fn what_several_nodes_read_and_one_node_ends_is_one_operation() {
    // x (1 + erf(x / sqrt 2)) / 2 in its primitives.
    let mut net = Net::new();
    net.input("x", &[3, 5]);
    linear(&mut net, "x", "w", [5, 4], "y");
    for (name, value) in [("root", std::f32::consts::SQRT_2), ("one", 1.0), ("half", 0.5)] {
        net.constant(name, number(value));
    }
    net.node("Div", &["y", "root"], "scaled", &[]);
    net.node("Erf", &["scaled"], "erf", &[]);
    net.node("Add", &["erf", "one"], "above", &[]);
    net.node("Mul", &["y", "above"], "product", &[]);
    net.node("Mul", &["product", "half"], "gelu", &[]);
    let (program, _) = net.program(&["gelu"], 1e-6);
    assert_eq!(classes(&program), [Class::Fold]);
}

#[test]
fn a_fold_that_must_be_written_before_its_exit_is_written_once() {
    let mut net = Net::new();
    net.input("x", &[3, 4]);
    linear(&mut net, "x", "w", [4, 4], "y");
    for other in ["a", "bb", "ccc", "dddd", "eeeee"] {
        net.input(other, &[3, 4]);
    }
    // Seven tensors meet between y and its exit: no one step reads them all.
    net.node("Tanh", &["y"], "t0", &[]);
    for (step, other) in ["a", "bb", "ccc", "dddd", "eeeee"].iter().enumerate() {
        net.node("Mul", &[&format!("t{step}"), other], &format!("t{}", step + 1), &[]);
    }
    net.node("Add", &["y", "t5"], "z", &[]);
    let (program, _) = net.program(&["z"], 1e-6);
    let folds = classes(&program).iter().filter(|class| **class == Class::Fold).count();
    assert_eq!(folds, 1, "{:?}", classes(&program));
}

#[test]
fn a_value_that_is_an_output_too_is_computed_once() {
    let mut net = Net::new();
    net.input("x", &[3, 5]);
    linear(&mut net, "x", "w", [5, 4], "y");
    net.node("Sigmoid", &["y"], "s", &[]);
    net.node("Mul", &["y", "s"], "z", &[]);
    let (program, _) = net.program(&["y", "z"], 1e-6);
    assert_eq!(classes(&program), [Class::Fold, Class::Map]);
}

#[test]
fn a_scale_after_a_transpose_ends_in_the_fold_before_it() {
    let mut net = Net::new();
    net.input("x", &[3, 8]);
    linear(&mut net, "x", "w", [8, 8], "y");
    net.constant("heads", Tensor::vector(vec![3i64, 2, 4]));
    net.constant("scale", Tensor::new(vec![1, 1, 1], vec![0.5f32]).unwrap());
    net.node("Reshape", &["y", "heads"], "r", &[]);
    net.node("Transpose", &["r"], "t", &[("perm", Attribute::Ints(vec![1, 0, 2]))]);
    net.node("Mul", &["t", "scale"], "z", &[]);
    net.node("MatMul", &["z", "v"], "out", &[]);
    net.weights("v", &[4, 4]);
    let (program, _) = net.program(&["out"], 1e-6);
    assert_eq!(classes(&program), [Class::Fold, Class::Fold]);
}

/// Attention over scores `s` with values `v`; `guarded` as models with a mask have it.
fn attention(guarded: bool, scores: Tensor, values: Tensor) -> (Program, Vec<Tensor>) {
    let mut net = Net::new();
    net.given("s", scores);
    net.given("v", values);
    net.node("Softmax", &["s"], "p", &[("axis", Attribute::Int(-1))]);
    let mut weights = "p";
    if guarded {
        net.constant("zero", number(0.0));
        net.node("IsNaN", &["p"], "bad", &[]);
        net.node("Where", &["bad", "zero", "p"], "q", &[]);
        weights = "q";
    }
    net.node("MatMul", &[weights, "v"], "out", &[]);
    net.program(&["out"], 1e-6)
}

#[test]
fn a_softmax_before_a_product_is_divided_after_it() {
    let scores = || Tensor::new(vec![2, 3, 4], noise(3, 24)).unwrap();
    let values = || Tensor::new(vec![2, 4, 5], noise(4, 40)).unwrap();
    for guarded in [false, true] {
        let (program, _) = attention(guarded, scores(), values());
        assert_eq!(classes(&program), [Class::Maximum, Class::Map, Class::Fold, Class::Fold]);
    }
}

#[test]
fn a_row_that_is_masked_whole_is_zero() {
    let mut scores = noise(3, 12);
    scores[4..8].fill(f32::NEG_INFINITY);
    let scores = Tensor::new(vec![3, 4], scores).unwrap();
    let (_, found) = attention(true, scores, Tensor::new(vec![4, 5], noise(4, 20)).unwrap());
    assert_eq!(found[0].to_f32()[5..10], [0.0; 5]);
}

#[test]
fn a_value_that_is_nan_is_not_hidden_by_the_guard_of_a_mask() {
    let mut values = noise(4, 20);
    values[7] = f32::NAN;
    let scores = Tensor::new(vec![3, 4], noise(3, 12)).unwrap();
    let (_, found) = attention(true, scores, Tensor::new(vec![4, 5], values).unwrap());
    let found = found[0].to_f32();
    assert!(found[2].is_nan() && !found[1].is_nan(), "{found:?}");
}

#[test]
fn reshapes_that_must_move_keep_the_sign_of_zero() {
    let mut net = Net::new();
    let values = vec![-0.0, 1.0, f32::INFINITY, -2.0, 0.0, f32::NEG_INFINITY];
    net.given("x", Tensor::new(vec![2, 3], values.clone()).unwrap());
    net.constant("flat", Tensor::vector(vec![6i64]));
    net.node("Transpose", &["x"], "t", &[]);
    net.node("Reshape", &["t", "flat"], "y", &[]);
    let (_, found) = net.program(&["y"], 0.0);
    let expected = [0, 3, 1, 4, 2, 5].map(|i: usize| values[i].to_bits());
    assert_eq!(found[0].to_f32().iter().map(|x| x.to_bits()).collect::<Vec<_>>(), expected);
}

#[test]
fn a_power_of_a_negative_base_is_that_of_the_real_numbers() {
    let mut net = Net::new();
    let base = vec![-2.0f32, -2.0, -2.0, 2.0, 0.0, 0.0, -1.0, 3.0];
    let exponent = vec![3.0f32, 2.0, 0.5, -1.0, 0.0, 2.0, 0.0, 1.0];
    net.given("x", Tensor::vector(base));
    net.given("p", Tensor::vector(exponent));
    net.node("Pow", &["x", "p"], "y", &[]);
    net.program(&["y"], 1e-6);
}

#[test]
fn numbers_that_binary32_does_not_hold_are_refused() {
    let compiled = |net: &mut Net| {
        net.node("Add", &["x", "c"], "y", &[]);
        net.graph.outputs = vec!["y".into()];
        net.graph.shapes.insert("y".into(), (DType::I64, vec![2]));
        compile(&net.graph, None).map(|_| ()).map_err(|error| error.to_string())
    };
    let integers = |value: i64| {
        let mut net = Net::new();
        net.given("x", Tensor::vector(vec![1i64, 2]));
        net.constant("c", Tensor::vector(vec![value, 1]));
        net
    };
    assert_eq!(compiled(&mut integers(1 << 24)), Ok(()));
    assert!(compiled(&mut integers((1 << 24) + 1)).unwrap_err().contains("16777217"));
    let mut doubles = integers(1);
    doubles.graph.inputs[0].dtype = DType::F64;
    assert!(compiled(&mut doubles).unwrap_err().contains("doubles"));
}
