//! `compile`, `inspect`, `key`, `run`: what they write and say, and what they refuse.

use crate::models::{Dim, array, floats, model, node, perceptron, picture, proven, sum_of_two, value};
use crate::world::{World, asset};
use assay_prover::files::{npy, read_tensor};
use assay_prover::onnx::{Tensor, encode_tensor};

fn world() -> World {
    let world = World::new();
    world.write("m.onnx", &perceptron(0, 13));
    world.write("xs.npy", &npy::encode(&floats(&[8, 4], 5)));
    world
}

#[test]
fn a_model_is_compiled_and_inspected() {
    let world = world();
    let text = world.assay("compile m.onnx --calibrate xs.npy --dim N=1 --bits 8 -o m.assay").done();
    for words in ["accuracy", "over 8 samples", "cosine", "m.assay"] {
        assert!(text.contains(words), "{text}");
    }
    let text = world.assay("inspect m.assay").done();
    for words in ["fold", "multiply-accumulates", "lookups", "committed", "plan", "about", "memory", "cosine"]
    {
        assert!(text.contains(words), "{text}");
    }
    let json = world.assay("inspect m.assay --json").json();
    assert_eq!(json["kind"], "program");
    assert_eq!(json["mode"]["model"], "public");
    assert_eq!(json["multiply_accumulates"].as_u64().unwrap() / 35, 1);
    assert!(json["operations"].as_array().unwrap().len() >= 2);
    assert!(json["estimates"]["proof_bytes"].as_u64().unwrap() > 1000);
    assert_eq!(json["accuracy"]["samples"], 8);
    let json = world.assay("compile m.onnx --calibrate xs.npy -o again.assay --json").json();
    assert_eq!(json["calibrated"], true);
    assert_eq!(json["bytes"].as_u64().unwrap() as usize, world.read("again.assay").len());
}

#[test]
fn a_committed_models_key_holds_no_weights_and_is_inspected() {
    let world = world();
    world.assay("compile m.onnx --calibrate xs.npy --committed -o m.assay").done();
    let key = world.assay("key m.assay -o m.vk --json").json();
    assert_eq!(key["model"], "committed");
    let shown = world.assay("inspect m.vk --json").json();
    assert_eq!(shown["program_digest"], key["program_digest"]);
    assert!(shown["key_rows"].as_u64().unwrap() > 0);
    assert!(world.assay("inspect m.vk").done().contains("verifying key"));
}

#[test]
fn a_model_that_cannot_be_read_is_refused_and_nothing_is_written() {
    let world = world();
    let whole = perceptron(0, 13);
    world.write("cut.onnx", &whole[..whole.len() - 5]);
    world.write("new.onnx", &perceptron(0, 99));
    world.write("text.onnx", b"this is no model");
    world.write("empty.onnx", b"");
    let lstm = model(
        vec![value("x", vec![Dim::Is(2)])],
        vec![value("y", vec![Dim::Is(2)])],
        vec![node("Einstein", &["x"], "y")],
        &[],
        13,
    );
    world.write("odd.onnx", &lstm);
    let before = world.files();
    world.assay("compile none.onnx -o m.assay").refused(&["none.onnx", "cannot read"]);
    world.assay("compile cut.onnx -o m.assay").refused(&["cut.onnx", "truncated"]);
    world.assay("compile new.onnx -o m.assay").refused(&["operator set 99", "supported are"]);
    world.assay("compile text.onnx -o m.assay").refused(&["text.onnx"]);
    world.assay("compile empty.onnx -o m.assay").refused(&["empty"]);
    world.assay("compile odd.onnx -o m.assay").refused(&["Einstein", "node of y", "supported are"]);
    world.assay("compile m.onnx --dim M=1 -o m.assay").refused(&["--dim M", "it has N"]);
    world.assay("compile m.onnx --commit-input z -o m.assay").refused(&["input z"]);
    assert_eq!(world.files(), before);
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    let world = world();
    for (line, word) in [
        ("compile m.onnx --dim N -o m.assay", "NAME=SIZE"),
        ("compile m.onnx --dim N=0 -o m.assay", "N=0"),
        ("compile m.onnx --bits 7 -o m.assay", "auto"),
        ("compile m.onnx", "--out"),
        ("compile m.onnx --image-mean 1 -o m.assay", "--image-scale"),
        ("compile m.onnx --image-scale x -o m.assay", "finite"),
        ("compile m.onnx --image-scale 1 --image-std 0 -o m.assay", "zero"),
        ("compile m.onnx --image-scale 1 --image-mean 1,2,3 -o m.assay", "3 numbers for 1 channels"),
        ("prove m.assay --input x.npy --threads 0 -o p.proof", "--threads"),
        ("verify p.proof", "p.proof"),
        ("verify p.proof --model a --vk b", "--vk"),
        ("demo --digit 10", "0..9"),
        ("conquer", "conquer"),
    ] {
        world.assay(line).refused(&[word]);
    }
    assert_eq!(world.assay("").code, 2);
}

#[test]
fn calibration_files_that_do_not_fit_are_refused() {
    let world = world();
    world.write("nan.npy", &array(&[2, 4], vec![0f32, 1., 2., 3., 4., f32::NAN, 6., 7.]));
    world.write("wide.npy", &array(&[2, 5], vec![0f32; 10]));
    world.write("int.npy", &array(&[2, 4], vec![0i64; 8]));
    world.write("byte.npy", &array(&[2, 4], vec![0u8; 8]));
    world.write("two.onnx", &sum_of_two());
    world.write("a.npy", &array(&[4, 3], vec![0.5f32; 12]));
    world.write("b.npy", &array(&[2, 3], vec![0.5f32; 6]));
    let before = world.files();
    world.assay("compile m.onnx --calibrate nan.npy -o m.assay").refused(&["nan.npy", "[0, 1]", "NaN"]);
    world.assay("compile m.onnx --calibrate wide.npy -o m.assay").refused(&["wide.npy", "[2, 5]", "[1, 4]"]);
    world.assay("compile m.onnx --calibrate int.npy -o m.assay").refused(&["int64", "float32"]);
    world.assay("compile m.onnx --calibrate byte.npy -o m.assay").refused(&["uint8", "--image-scale"]);
    world.assay("compile m.onnx --calibrate none.npy -o m.assay").refused(&["none.npy"]);
    world.assay("compile m.onnx --calibrate m.onnx -o m.assay").refused(&["m.onnx", ".npy"]);
    world
        .assay("compile two.onnx --calibrate left=a.npy right=b.npy -o m.assay")
        .refused(&["2 samples", "right"]);
    world.assay("compile two.onnx --calibrate left=a.npy -o m.assay").refused(&["0 samples", "right"]);
    assert_eq!(world.files(), before);
}

#[test]
fn a_run_writes_reals_and_integers_that_belong_together() {
    let world = proven("");
    let json = world.assay("run m.assay --input xs.npy --sample 2 -o out --json").json();
    assert_eq!(json["outputs"]["y"]["shape"], serde_json::json!([1, 3]));
    let reals = read_tensor(&world.path("out/y.npy")).unwrap().to_f32();
    let integers = read_tensor(&world.path("out/y.int.npy")).unwrap().integers().unwrap();
    let scale = world.assay("inspect m.assay --json").json()["outputs"][0]["scale"].as_f64().unwrap();
    for (real, integer) in reals.iter().zip(&integers) {
        assert_eq!(*real, (*integer as f64 * scale) as f32);
    }
    world.assay("run m.assay --input xs.npy --sample 2 -o m.assay").refused(&["m.assay", "cannot write"]);
}

#[test]
fn several_inputs_are_told_apart_by_name_by_member_and_by_order() {
    let world = World::new();
    world.write("two.onnx", &sum_of_two());
    let (left, right) = (array(&[3], vec![0.5f32, 1.0, -1.0]), array(&[3], vec![1.0f32, 0.25, 0.5]));
    world.write("l.npy", &left);
    world.write("r.npy", &right);
    let tensor = |bytes: &[u8]| -> Tensor { npy::decode(bytes).unwrap() };
    world.write("r.pb", &encode_tensor("right", &tensor(&right)));
    world.write("l.pb", &encode_tensor("left", &tensor(&left)));
    world.assay("compile two.onnx --calibrate left=l.npy right=r.npy --bits 16 -o two.assay").done();
    let mut answers = Vec::new();
    for inputs in
        ["left=l.npy right=r.npy", "right=r.npy left=l.npy", "l.npy r.npy", "r.pb l.pb", "r.pb l.npy"]
    {
        world.assay(&format!("run two.assay --input {inputs} -o out")).done();
        answers.push(world.read("out/_head_Add_0.npy"));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let sum = npy::decode(&answers[0]).unwrap().to_f32();
    for (sum, expected) in sum.iter().zip([1.5, 1.25, -0.5]) {
        assert!((sum - expected).abs() < 0.01, "{sum}");
    }
    world.assay("run two.assay --input left=l.npy -o out").refused(&["right", "missing"]);
    world
        .assay("run two.assay --input middle=l.npy r.npy -o out")
        .refused(&["no input middle", "left, right"]);
    world.assay("run two.assay --input l.npy r.npy l.npy -o out").refused(&["too many"]);
    world.assay("run two.assay --input left=l.npy left=r.npy -o out").refused(&["twice"]);
}

#[test]
fn pictures_are_read_where_the_model_takes_one() {
    let png = |color: png::ColorType, bytes: &[u8]| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 2);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        file
    };
    let world = World::new();
    world.write("gray.onnx", &picture(1));
    world.write("color.onnx", &picture(3));
    world.write("gray.png", &png(png::ColorType::Grayscale, &[0, 50, 100, 200]));
    world.write("clear.png", &png(png::ColorType::GrayscaleAlpha, &[0, 255, 50, 255, 100, 255, 200, 255]));
    world.write("misty.png", &png(png::ColorType::GrayscaleAlpha, &[0, 255, 50, 255, 100, 9, 200, 255]));
    world.write("color.png", &png(png::ColorType::Rgb, &[0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200]));
    world.write("bytes.npy", &array(&[2, 2], vec![0u8, 50, 100, 200]));
    let compile = |name: &str| {
        let line = format!(
            "compile {name}.onnx --image-scale 0.01 --image-mean 0.5 --calibrate {name}.png -o {name}.assay"
        );
        world.assay(&line).done();
    };
    compile("gray");
    compile("color");
    let mut answers = Vec::new();
    for file in ["gray.png", "clear.png", "bytes.npy"] {
        world.assay(&format!("run gray.assay --input {file} -o out")).done();
        answers.push(npy::decode(&world.read("out/q.npy")).unwrap().to_f32());
    }
    assert_eq!((&answers[0], &answers[0]), (&answers[1], &answers[2]));
    for (value, expected) in answers[0].iter().zip([-1.0, 0.0, 1.0, 3.0]) {
        assert!((value - expected).abs() < 0.03, "{value}");
    }
    world.assay("run color.assay --input color.png -o out").done();
    world.assay("run gray.assay --input misty.png -o out").refused(&["misty.png", "transparent"]);
    world.assay("run gray.assay --input color.png -o out").refused(&["[3, 2, 2]", "[1, 1, 2, 2]"]);
    world.assay("run gray.assay --input gray.png --sample 0 -o out").refused(&["gray.png", "--sample"]);
    world.assay("compile gray.onnx -o plain.assay").done();
    world.assay("run plain.assay --input gray.png -o out").refused(&["--image-scale"]);
}

#[test]
fn the_shipped_network_keeps_its_answers() {
    let world = World::new();
    let (model, digits, calibration) =
        (asset("mnist_lenet.onnx"), asset("digits.npy"), asset("calibration.npy"));
    let json = world
        .assay(&format!(
            "compile {model} --calibrate {calibration} --image-scale 0.00390625 -o l.assay --json"
        ))
        .json();
    assert!(json["accuracy"]["outputs"][0]["cosine"].as_f64().unwrap() > 0.999);
    for digit in 0..10 {
        world.assay(&format!("run l.assay --input {digits} --sample {digit} -o out")).done();
        let scores = npy::decode(&world.read("out/logits.npy")).unwrap().to_f32();
        let best = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(best, digit);
    }
}
