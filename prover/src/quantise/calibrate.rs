//! Calibration: the least and the greatest value of every tensor of the float graph over sample inputs.

use crate::onnx::{DType, Data, Graph, RunError, Tensor, run_observed};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// (least, greatest) value of each tensor, by name.
pub type Ranges = BTreeMap<String, (f64, f64)>;

/// Runs the samples and records the range of every input and every node's output.
///
/// # Errors
/// Where a sample does not fit the graph.
pub fn calibrate(graph: &Graph, samples: &[BTreeMap<String, Tensor>]) -> Result<Ranges, RunError> {
    let one = |sample: &BTreeMap<String, Tensor>| {
        let mut ranges = Ranges::new();
        run_observed(graph, sample, |name, tensor| {
            let range = range_of(tensor);
            ranges.entry(name.to_string()).and_modify(|seen| *seen = join(*seen, range)).or_insert(range);
        })?;
        Ok(ranges)
    };
    let parts: Vec<Ranges> = samples.par_iter().map(one).collect::<Result<_, RunError>>()?;
    let mut all = Ranges::new();
    for (name, range) in parts.into_iter().flatten() {
        all.entry(name).and_modify(|seen| *seen = join(*seen, range)).or_insert(range);
    }
    Ok(all)
}

fn join(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// The range of a tensor's finite elements; (0, 0) of none.
pub fn range_of(tensor: &Tensor) -> (f64, f64) {
    let finite = tensor.to_f32().into_iter().map(f64::from).filter(|x| x.is_finite());
    let range = finite.fold((f64::MAX, f64::MIN), |(lo, hi), x| (lo.min(x), hi.max(x)));
    if range.0 > range.1 { (0.0, 0.0) } else { range }
}

/// Inputs for a graph that comes without sample data: 32 samples from a fixed xorshift sequence, floats uniform
/// in [0, 1) in the even ones and in [-1, 1) in the odd ones, integers uniform in 0..=127.
pub fn default_samples(graph: &Graph) -> Vec<BTreeMap<String, Tensor>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 40
    };
    let mut sample = |number: usize| -> BTreeMap<String, Tensor> {
        let tensors = graph.inputs.iter().filter_map(|input| {
            let cells: usize = input.shape.iter().product();
            let unit: Vec<f32> = (0..cells).map(|_| next() as f32 / (1u64 << 24) as f32).collect();
            let values: Vec<f32> = match (input.dtype.is_float(), number % 2) {
                (true, 0) => unit,
                (true, _) => unit.into_iter().map(|x| 2.0 * x - 1.0).collect(),
                (false, _) => unit.into_iter().map(|x| (x * 128.0).floor()).collect(),
            };
            let tensor = Tensor::new(input.shape.clone(), Data::F32(values)).ok()?;
            let tensor = if input.dtype == DType::F32 { tensor } else { tensor.cast(input.dtype) };
            Some((input.name.clone(), tensor))
        });
        tensors.collect()
    };
    (0..32).map(&mut sample).collect()
}
