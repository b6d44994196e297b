//! Pools over windows and over whole planes.

use super::super::geometry::{offsets, strides_of};
use super::super::tensor::{DType, Data, Tensor, with_numbers};
use super::super::window::{WindowGeometry, per_dimension};
use super::{Call, Kernel, OpError, one, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("AveragePool", average_pool),
    ("GlobalAveragePool", global_average_pool),
    ("GlobalMaxPool", global_max_pool),
    ("MaxPool", max_pool),
];

/// The window of a pool node over an input of shape `[batch, channels, ..]`.
pub(super) fn pool_window(call: &Call, shape: &[usize]) -> Result<WindowGeometry, OpError> {
    let Some(spatial) = shape.get(2..).filter(|s| !s.is_empty()) else {
        let reason = "a pool needs a batch, channels and a spatial dimension".into();
        return Err(OpError::Shape { shape: shape.to_vec(), reason });
    };
    if call.node.ints("kernel_shape")?.is_none() {
        return Err(OpError::Attribute { attribute: "kernel_shape", reason: "is missing".into() });
    }
    let kernel = per_dimension(call.node, "kernel_shape", spatial.len(), 1, 1)?;
    WindowGeometry::from_node(call.node, spatial, &kernel)
}

/// The output's shape, once there is room for it and for the table of taps.
pub(super) fn charged_shape(
    call: &Call,
    input: &[usize],
    window: &WindowGeometry,
) -> Result<Vec<usize>, OpError> {
    let shape = [&input[..2], window.output.as_slice()].concat();
    let taps = call.allocate(&[window.kernel.as_slice(), &window.output].concat())?;
    call.budget.work(&[shape[0], shape[1], taps])?;
    call.allocate(&shape)?;
    Ok(shape)
}

/// The first largest element of every window, and where it is.
fn max_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let window = pool_window(call, x.shape())?;
    let shape = charged_shape(call, x.shape(), &window)?;
    let taps = window.taps();
    let (plane, positions) = (window.input_len(), window.output_len());
    let planes = shape[0] * shape[1];
    let mut winners = vec![usize::MAX; planes * positions];
    with_numbers!(x.data(), v => {
        for (p, winners) in winners.chunks_exact_mut(positions.max(1)).enumerate() {
            for taps in taps.chunks_exact(positions.max(1)) {
                for (winner, tap) in winners.iter_mut().zip(taps) {
                    let Some(at) = tap else { continue };
                    let at = p * plane + *at as usize;
                    if *winner == usize::MAX || v[at] > v[*winner] {
                        *winner = at;
                    }
                }
            }
        }
    }, bool => return Err(OpError::DType(DType::Bool)));
    if winners.contains(&usize::MAX) {
        return unsupported("a window that lies in the padding altogether");
    }
    let mut outputs = call.select(x, shape.clone(), winners.iter().copied())?;
    if call.node.wants_output(1) {
        let column_major = call.node.flag_or("storage_order", false)?;
        outputs.push(Tensor::new(shape, winner_indices(&window, &winners, column_major))?);
    }
    Ok(outputs)
}

/// Places in the whole input, counted with the last spatial dimension fastest, or slowest if column-major.
fn winner_indices(window: &WindowGeometry, winners: &[usize], column_major: bool) -> Vec<i64> {
    let plane = window.input_len();
    let mut renumbered: Vec<usize> = (0..plane).collect();
    if column_major {
        let reversed: Vec<usize> = window.input.iter().rev().copied().collect();
        let mut strides = strides_of(&reversed);
        strides.reverse();
        renumbered = offsets(&window.input, &strides);
    }
    winners.iter().map(|w| (w / plane * plane + renumbered[w % plane]) as i64).collect()
}

fn average_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let window = pool_window(call, x.shape())?;
    let shape = charged_shape(call, x.shape(), &window)?;
    let averages = average_windows(call, &window, x.slice::<f32>()?)?;
    one(shape, averages)
}

/// The mean of every window, over what lies in the input or, with `count_include_pad`, in its padding too.
pub(super) fn average_windows(call: &Call, window: &WindowGeometry, x: &[f32]) -> Result<Vec<f32>, OpError> {
    let include_pad = call.node.flag_or("count_include_pad", false)?;
    let taps = window.taps();
    let (plane, positions) = (window.input_len().max(1), window.output_len().max(1));
    let mut counts = vec![0f32; positions];
    let counted =
        if include_pad { window.counted() } else { taps.iter().map(Option::is_some).collect::<Vec<_>>() };
    for counted in counted.chunks_exact(positions) {
        counts.iter_mut().zip(counted).for_each(|(count, &c)| *count += f32::from(u8::from(c)));
    }
    let mut averages = Vec::with_capacity(x.len() / plane * positions);
    for x in x.chunks_exact(plane) {
        let mut sums = vec![0f32; positions];
        for taps in taps.chunks_exact(positions) {
            for (sum, tap) in sums.iter_mut().zip(taps) {
                *sum += tap.map_or(0.0, |at| x[at as usize]);
            }
        }
        averages.extend(sums.iter().zip(&counts).map(|(sum, count)| sum / count.max(1.0)));
    }
    Ok(averages)
}

/// The shape with one spatial position, and the number of elements of a plane.
pub(super) fn global_shape(shape: &[usize]) -> Result<(Vec<usize>, usize), OpError> {
    let plane: usize = shape.get(2..).unwrap_or_default().iter().product();
    if shape.len() < 2 || plane == 0 {
        return Err(OpError::Shape { shape: shape.to_vec(), reason: "has no planes to pool".into() });
    }
    Ok(([&shape[..2], vec![1; shape.len() - 2].as_slice()].concat(), plane))
}

fn global_average_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let (shape, plane) = global_shape(x.shape())?;
    call.allocate(&shape)?;
    let mean = |x: &[f32]| (x.iter().map(|&x| f64::from(x)).sum::<f64>() / plane as f64) as f32;
    one(shape, x.slice::<f32>()?.chunks_exact(plane).map(mean).collect::<Vec<_>>())
}

fn global_max_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let (shape, plane) = global_shape(x.shape())?;
    call.allocate(&shape)?;
    let data: Data = with_numbers!(x.data(), v => {
        let largest = v.chunks_exact(plane).map(|x| x.iter().copied().reduce(|a, b| if b > a { b } else { a }).unwrap_or_default());
        largest.collect::<Vec<_>>().into()
    }, bool => return Err(OpError::DType(DType::Bool)));
    one(shape, data)
}
