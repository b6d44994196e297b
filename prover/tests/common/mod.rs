//! Models and conformance cases for the tests: where they lie, and how they are read.
//!
//! A folder `shared` beside the checkout, or the folder that `ASSAY_SHARED` names, holds real models and the node
//! tests of ONNX. Without it the tests use the few cases under `tests/vectors/onnx-node`.
#![allow(dead_code)]

pub mod forge;
pub mod nets;
pub mod networks;
pub mod programs;
pub mod reals;
pub mod transcripts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use assay_prover::onnx::encoding::to_proto;
use assay_prover::onnx::float::shape_inputs;
use assay_prover::onnx::proto::{ModelProto, NodeProto};
use assay_prover::onnx::{Tensor, decode_tensor};
use prost::Message;

/// A folder or file of the shared data, if it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("ASSAY_SHARED").map_or_else(beside, PathBuf::from);
    Some(root.join(path)).filter(|path| path.exists())
}

/// A model with inputs and the outputs that they should give.
pub struct Case {
    pub name: String,
    pub model: ModelProto,
    /// By the names of the model's inputs.
    pub inputs: BTreeMap<String, Tensor>,
    /// By the names of the model's outputs.
    pub outputs: Vec<(String, Tensor)>,
}

impl Case {
    /// A case from the bytes of its files; an error if a tensor's type is not supported.
    pub fn new(name: &str, model: &[u8], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Result<Case, String> {
        let model = ModelProto::decode(model).map_err(|e| e.to_string())?;
        let graph = model.graph.as_ref().ok_or("no graph")?;
        let constant: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let input_names =
            graph.input.iter().map(|i| i.name.clone()).filter(|n| !constant.contains(n.as_str()));
        let decode = |bytes: &Vec<u8>| decode_tensor(bytes).map_err(|e| e.to_string());
        let tensors = |list: &[Vec<u8>]| list.iter().map(decode).collect::<Result<Vec<_>, _>>();
        let inputs = input_names.zip(tensors(inputs)?).collect();
        let outputs = graph.output.iter().map(|o| o.name.clone()).zip(tensors(outputs)?).collect();
        Ok(Case { name: name.to_string(), model, inputs, outputs })
    }

    /// A case from a folder with `model.onnx` and `test_data_set_0`.
    pub fn from_folder(folder: &Path) -> Result<Case, String> {
        let read = |path: PathBuf| std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let numbered = |kind: &str| -> Result<Vec<Vec<u8>>, String> {
            (0..)
                .map(|i| folder.join(format!("test_data_set_0/{kind}_{i}.pb")))
                .take_while(|path| path.exists())
                .map(read)
                .collect()
        };
        Case::new(&name, &read(folder.join("model.onnx"))?, &numbered("input")?, &numbered("output")?)
    }

    /// Turns inputs into initializers where `wanted` says so for some node that reads them at some index.
    pub fn with_constants(mut self, wanted: impl Fn(&NodeProto, usize) -> bool) -> Case {
        let graph = self.model.graph.get_or_insert_default();
        let chosen: BTreeSet<String> = graph
            .node
            .iter()
            .flat_map(|node| node.input.iter().enumerate().map(move |(i, name)| (node, i, name)))
            .filter(|(node, i, _)| wanted(node, *i))
            .map(|(_, _, name)| name.clone())
            .collect();
        for name in chosen {
            if let Some(tensor) = self.inputs.remove(&name) {
                graph.initializer.push(to_proto(&name, &tensor));
            }
        }
        self
    }

    /// As [`Self::with_constants`], for the inputs that decide shapes.
    pub fn with_constant_shapes(self) -> Case {
        self.with_constants(|node, i| shape_inputs(&node.domain, &node.op_type).contains(&i))
    }

    /// The model's bytes.
    pub fn model_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// The dynamic dimensions of the model, pinned to the sizes of the case's inputs.
    pub fn dims(&self) -> BTreeMap<String, usize> {
        use assay_prover::onnx::proto::DimensionValue;
        let mut dims = BTreeMap::new();
        for info in &self.model.graph.as_ref().unwrap().input {
            let Some(tensor) = self.inputs.get(&info.name) else { continue };
            let shape = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()?.shape.as_ref());
            for (axis, dim) in shape.iter().flat_map(|shape| shape.dim.iter().enumerate()) {
                let name = match &dim.value {
                    Some(DimensionValue::Value(_)) => continue,
                    Some(DimensionValue::Param(name)) if !name.is_empty() => name.clone(),
                    _ => format!("{}:{axis}", info.name),
                };
                dims.insert(name, tensor.shape()[axis]);
            }
        }
        dims
    }
}

/// The conformance cases of ONNX: all of them where the shared folder is, a few otherwise.
/// Those whose tensors cannot be read are returned as their name and the reason.
pub fn conformance() -> Vec<(String, Result<Case, String>)> {
    match shared("onnx-node-tests/onnx-1.17.0-subset.tar.gz") {
        Some(archive) => archived_cases(&archive),
        None => {
            println!("skipped: no shared folder, so only the vendored cases are tested");
            vendored()
        }
    }
}

/// The cases under `tests/vectors/onnx-node`.
pub fn vendored() -> Vec<(String, Result<Case, String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/onnx-node");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .iter()
        .map(|folder| (folder.file_name().unwrap().to_string_lossy().into_owned(), Case::from_folder(folder)))
        .collect()
}

fn archived_cases(archive: &Path) -> Vec<(String, Result<Case, String>)> {
    let mut files: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    let file = std::fs::File::open(archive).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        let &[kind, name, file] = parts.as_slice() else { continue };
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_file() {
            files.entry(format!("{kind}/{name}")).or_default().insert(file.to_string(), bytes);
        }
    }
    files
        .into_iter()
        .map(|(name, files)| {
            let numbered = |kind: &str| -> Vec<Vec<u8>> {
                (0..).map_while(|i| files.get(&format!("test_data_set_0/{kind}_{i}.pb")).cloned()).collect()
            };
            let model = files.get("model.onnx").cloned().unwrap_or_default();
            let case = Case::new(&name, &model, &numbered("input"), &numbered("output"));
            (name, case)
        })
        .collect()
}

/// How two tensors of the same shape and type differ.
pub struct Difference {
    /// The largest difference, relative to `max(1, |expected|)`.
    pub worst: f32,
    /// The largest difference.
    pub worst_absolute: f32,
    /// Number of elements that differ at all.
    pub count: usize,
}

/// How two tensors differ, or how their shapes or types do.
pub fn difference(found: &Tensor, expected: &Tensor) -> Result<Difference, String> {
    if (found.shape(), found.dtype()) != (expected.shape(), expected.dtype()) {
        return Err(format!(
            "is {} {:?}, should be {} {:?}",
            found.dtype(),
            found.shape(),
            expected.dtype(),
            expected.shape()
        ));
    }
    let mut total = Difference { worst: 0.0, worst_absolute: 0.0, count: 0 };
    for (a, b) in found.to_f32().into_iter().zip(expected.to_f32()) {
        if a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let distance = if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() };
        total.worst_absolute = total.worst_absolute.max(distance);
        total.worst = total.worst.max(distance / b.abs().max(1.0));
        total.count += 1;
    }
    Ok(total)
}
