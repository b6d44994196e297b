//! `compile --train`, and chains of steps with a receipt each.

use crate::models::perceptron_of;
use crate::world::{World, asset};
use assay_prover::files::npy;
use assay_prover::onnx::Tensor;
use serde_json::Value;

/// Batches that there are.
pub const STEPS: usize = 20;
const BATCH: usize = 4;

/// A training step of LeNet in `step.assay`, a key, and batches of digits.
pub fn world() -> World {
    let world = World::new();
    let model = asset("mnist_lenet.onnx");
    world.assay(&format!("compile {model} --train sgd --lr 0.0625 --batch {BATCH} -o step.assay")).done();
    world.assay("signer new -o k.pem").done();
    let digits = npy::decode(&std::fs::read(asset("digits.npy")).unwrap()).unwrap();
    let pixels = digits.to_f32();
    let count = digits.shape()[0];
    for step in 0..STEPS {
        let rows: Vec<usize> = (0..BATCH).map(|i| (step * BATCH + i) % count).collect();
        let image: Vec<f32> =
            rows.iter().flat_map(|&row| &pixels[784 * row..784 * (row + 1)]).map(|x| x / 256.0).collect();
        let image = Tensor::new(vec![BATCH, 1, 28, 28], image).unwrap();
        let labels =
            Tensor::new(vec![BATCH], rows.iter().map(|&row| (row % 10) as i64).collect::<Vec<_>>()).unwrap();
        world.write(&format!("x{step}.npy"), &npy::encode(&image));
        world.write(&format!("y{step}.npy"), &npy::encode(&labels));
    }
    world
}

/// `--state` and `--input` of a step, which takes the state that the one before it left in its folder `outN`.
pub fn inputs(step: usize) -> String {
    let state = if step == 0 { "step.init".to_string() } else { format!("out{}", step - 1) };
    format!("--state {state} --input image=x{step}.npy labels=y{step}.npy")
}

fn digests(world: &World, step: usize) -> (Vec<Value>, Vec<(String, Value)>) {
    let json = world.assay(&format!("verify r{step}.json --json")).json();
    let receipt = &json["receipt"];
    let outputs = receipt["outputs"].as_array().unwrap().iter();
    let outputs =
        outputs.map(|output| (output["name"].as_str().unwrap().to_string(), output["blake3"].clone()));
    (receipt["inputs"].as_array().unwrap().clone(), outputs.collect())
}

#[test]
fn a_chain_of_steps_is_receipted_and_replayed_each_step_taking_what_the_last_one_gave() {
    let world = world();
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let line =
            format!("run step.assay {} --receipt r{step}.json --signer k.pem -o out{step}", inputs(step));
        world.assay(&line).done();
        losses.push(npy::decode(&world.read(&format!("out{step}/loss.npy"))).unwrap().to_f32()[0]);
    }
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    for step in 0..STEPS {
        let line = format!("replay r{step}.json --model step.assay {}", inputs(step));
        assert!(world.assay(&line).done().starts_with("REPLAYED"));
        if step > 0 {
            let (taken, given) = (digests(&world, step).0, digests(&world, step - 1).1);
            let states = given.iter().filter(|(name, _)| name.ends_with(".next"));
            assert!(states.count() == 10 && given.iter().skip(1).all(|(_, digest)| taken.contains(digest)));
        }
    }
    // What was compared is said, no more.
    let line = "verify r7.json --model step.assay --input labels=y7.npy";
    assert!(world.assay(line).done().contains("12, of which 1 equal to your files: y7.npy"));
    let line = format!("verify r7.json --model step.assay {}", inputs(7));
    assert!(world.assay(&line).done().contains("12, all equal to your files"));
    let other = inputs(7).replace("out6", "out5");
    world.assay(&format!("verify r7.json --model step.assay {other}")).rejected(&["l0.weight", "out5"]);
    // A step on another state than the one before it gave.
    let other = format!("--state out3 --input image=x{0}.npy labels=y{0}.npy", 7);
    world.assay(&format!("replay r7.json --model step.assay {other}")).rejected(&["input"]);
}

/// Pictures of bytes are scaled on their way into a step as they are into a program that only infers.
#[test]
fn a_step_takes_pictures_scaled() {
    let world = world();
    let digits = npy::decode(&std::fs::read(asset("digits.npy")).unwrap()).unwrap();
    let bytes: Vec<u8> = digits.to_f32()[..784 * BATCH].iter().map(|&pixel| pixel as u8).collect();
    world.write("p.npy", &npy::encode(&Tensor::new(vec![BATCH, 1, 28, 28], bytes).unwrap()));
    let model = asset("mnist_lenet.onnx");
    let scaled = "--train sgd --lr 0.0625 --image-scale 0.00390625";
    world.assay(&format!("compile {model} {scaled} --batch {BATCH} -o scaled.assay")).done();
    world.assay(&format!("run step.assay {} -o floats", inputs(0))).done();
    world.assay("run scaled.assay --state scaled.init --input image=p.npy labels=y0.npy -o pictures").done();
    assert_eq!(world.read("floats/l0.weight.next.npy"), world.read("pictures/l0.weight.next.npy"));
}

#[test]
fn what_cannot_be_trained_is_refused_by_name() {
    let world = World::new();
    let model = asset("mnist_lenet.onnx");
    world.assay(&format!("compile {model} --train sgd -o s.assay")).refused(&["--lr"]);
    world
        .assay(&format!("compile {model} --train sgd --lr 0.1 --batch 2 --bits 8 -o s.assay"))
        .refused(&["--bits"]);
    world.assay(&format!("compile {model} --lr 0.1 -o s.assay")).refused(&["--train"]);
    for names in [["W", "W.next", "V"], ["a/b", "b", "a_b"]] {
        world.write("p.onnx", &perceptron_of(0, 13, names));
        world
            .assay("compile p.onnx --train sgd --lr 0.1 --batch 2 -o s.assay")
            .refused(&["two weights", "one file"]);
    }
    world.assay(&format!("compile {model} --train adam --lr 0.001 --batch 2 -o s.assay")).done();
    assert!(world.exists("s.init/beta1.power.npy"));
}
