//! The windows of convolutions and pools, with every attribute resolved.
//!
//! A window at output position `o` and kernel position `k` reads, in each spatial dimension,
//!
//! ```text
//! input position = o * stride + k * dilation - pad_begin
//! ```
//!
//! and padding where that lies outside the input.

use super::error::OpError;
use super::geometry::{positions, strides_of};
use super::node::Node;

/// A convolution's or pool's window in every spatial dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowGeometry {
    /// Spatial shape of the input.
    pub input: Vec<usize>,
    /// Spatial shape of the window, without dilation.
    pub kernel: Vec<usize>,
    /// Distance between windows.
    pub strides: Vec<usize>,
    /// Padding before the input.
    pub pads_begin: Vec<usize>,
    /// Padding after the input that the model asks for; a window may reach past it with `ceil_mode`.
    pub pads_end: Vec<usize>,
    /// Distance between a window's elements.
    pub dilations: Vec<usize>,
    /// Spatial shape of the output.
    pub output: Vec<usize>,
}

/// Largest padding, stride and dilation that is accepted, so that no index overflows.
const MAX_WINDOW_STEP: i64 = 1 << 30;

impl WindowGeometry {
    /// Resolves `strides`, `pads`, `dilations`, `auto_pad` and `ceil_mode` of a node. `input` and `kernel`
    /// are spatial shapes, without batch and channels.
    pub fn from_node(node: &Node, input: &[usize], kernel: &[usize]) -> Result<WindowGeometry, OpError> {
        let rank = input.len();
        if kernel.len() != rank {
            return Err(OpError::Shapes {
                left: input.to_vec(),
                right: kernel.to_vec(),
                reason: "the window has another number of dimensions than the input",
            });
        }
        if kernel.iter().any(|&k| k == 0 || k as i64 > MAX_WINDOW_STEP) {
            return Err(OpError::Shape { shape: kernel.to_vec(), reason: "is no window".into() });
        }
        let strides = per_dimension(node, "strides", rank, 1, 1)?;
        let dilations = per_dimension(node, "dilations", rank, 1, 1)?;
        let pads = per_dimension(node, "pads", 2 * rank, 0, 0)?;
        let ceil = node.flag_or("ceil_mode", false)?;
        let auto_pad = node.string_or("auto_pad", "NOTSET")?;
        let mut window = WindowGeometry {
            input: input.to_vec(),
            kernel: kernel.to_vec(),
            strides,
            pads_begin: pads[..rank].to_vec(),
            pads_end: pads[rank..].to_vec(),
            dilations,
            output: Vec::with_capacity(rank),
        };
        for d in 0..rank {
            window.resolve_dimension(d, auto_pad, ceil)?;
        }
        Ok(window)
    }

    fn from_transposed(node: &Node, input: &[usize], kernel: &[usize]) -> Result<WindowGeometry, OpError> {
        let rank = input.len();
        let strides = per_dimension(node, "strides", rank, 1, 1)?;
        let dilations = per_dimension(node, "dilations", rank, 1, 1)?;
        let pads = per_dimension(node, "pads", 2 * rank, 0, 0)?;
        let extra = per_dimension(node, "output_padding", rank, 0, 0)?;
        let auto_pad = node.string_or("auto_pad", "NOTSET")?;
        let wanted = node.ints("output_shape")?.map(|s| &s[s.len().saturating_sub(rank)..]);
        let overflow = || OpError::Shape { shape: input.to_vec(), reason: "overflows".into() };
        let (mut begin, mut end, mut output) = (pads[..rank].to_vec(), pads[rank..].to_vec(), vec![]);
        for d in 0..rank {
            let reach =
                kernel[d].checked_sub(1).and_then(|k| k.checked_mul(dilations[d])).ok_or_else(overflow)?;
            let full = input[d]
                .checked_sub(1)
                .and_then(|i| i.checked_mul(strides[d]))
                .and_then(|i| i.checked_add(reach)?.checked_add(1 + extra[d]))
                .ok_or_else(overflow)?;
            let target = match (wanted, auto_pad) {
                (Some(shape), _) => Some(shape.get(d).copied().unwrap_or(0).max(0) as usize),
                (None, "SAME_UPPER" | "SAME_LOWER") => Some(input[d] * strides[d]),
                _ => None,
            };
            if let Some(target) = target {
                let total = full.saturating_sub(target);
                let (less, more) = (total / 2, total - total / 2);
                (begin[d], end[d]) = if auto_pad == "SAME_UPPER" { (less, more) } else { (more, less) };
                output.push(target);
            } else {
                output.push(full.checked_sub(begin[d] + end[d]).ok_or_else(overflow)?);
            }
        }
        Ok(WindowGeometry {
            input: output,
            kernel: kernel.to_vec(),
            strides,
            pads_begin: begin,
            pads_end: end,
            dilations,
            output: input.to_vec(),
        })
    }

    fn resolve_dimension(&mut self, d: usize, auto_pad: &str, ceil: bool) -> Result<(), OpError> {
        let (size, stride) = (self.input[d], self.strides[d]);
        let extent = (self.kernel[d] - 1)
            .checked_mul(self.dilations[d])
            .and_then(|reach| reach.checked_add(1))
            .ok_or_else(|| OpError::Shape { shape: self.kernel.clone(), reason: "overflows".into() })?;
        match auto_pad {
            "NOTSET" | "" => {}
            "VALID" => (self.pads_begin[d], self.pads_end[d]) = (0, 0),
            "SAME_UPPER" | "SAME_LOWER" => {
                let total = (size.div_ceil(stride).saturating_sub(1) * stride + extent).saturating_sub(size);
                let (less, more) = (total / 2, total - total / 2);
                (self.pads_begin[d], self.pads_end[d]) =
                    if auto_pad == "SAME_UPPER" { (less, more) } else { (more, less) };
            }
            other => {
                let reason = format!("has the unknown value `{other}`");
                return Err(OpError::Attribute { attribute: "auto_pad", reason });
            }
        }
        let padded = size
            .checked_add(self.pads_begin[d] + self.pads_end[d])
            .ok_or_else(|| OpError::Shape { shape: self.input.clone(), reason: "overflows".into() })?;
        let Some(room) = padded.checked_sub(extent) else {
            return Err(OpError::Shapes {
                left: self.input.clone(),
                right: self.kernel.clone(),
                reason: "the window is larger than the padded input",
            });
        };
        let mut count = room / stride + 1;
        // A window that ceil_mode adds counts only if it begins before the padding at the end.
        if ceil && !room.is_multiple_of(stride) && count * stride < size + self.pads_begin[d] {
            count += 1;
        }
        self.output.push(count);
        Ok(())
    }

    /// Number of kernel positions.
    pub fn kernel_len(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Number of output positions.
    pub fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Number of input positions.
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// For each kernel position, for each output position, the flat input position that is read; `None` is padding.
    pub fn taps(&self) -> Vec<Option<u32>> {
        let strides = strides_of(&self.input);
        self.walk(Some(0u32), |at, d, reach| {
            let inside = reach.checked_sub(self.pads_begin[d]).filter(|&i| i < self.input[d])?;
            Some(at? + (inside * strides[d]) as u32)
        })
    }

    /// As [`Self::taps`], whether the place lies in the input or in padding that the model asks for.
    pub fn counted(&self) -> Vec<bool> {
        self.walk(true, |counted, d, reach| {
            counted && reach < self.input[d] + self.pads_begin[d] + self.pads_end[d]
        })
    }

    /// Folds the dimensions of every place: `step` takes what came of the dimensions before, the dimension, and the
    /// position in it, counted from the beginning of the padding.
    fn walk<T: Copy>(&self, start: T, step: impl Fn(T, usize, usize) -> T) -> Vec<T> {
        let mut places = Vec::with_capacity(self.kernel_len() * self.output_len());
        for k in positions(&self.kernel) {
            let mut row = vec![start];
            for (d, &count) in self.output.iter().enumerate() {
                let reach = |o: usize| o * self.strides[d] + k[d] * self.dilations[d];
                let step = &step;
                row = row.iter().flat_map(|&t| (0..count).map(move |o| step(t, d, reach(o)))).collect();
            }
            places.extend(row);
        }
        places
    }
}

/// Shapes of a convolution of any number of spatial dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Images in the batch.
    pub batch: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Input channels of a group.
    pub channels_per_group: usize,
    /// Output channels of a group.
    pub filters_per_group: usize,
    /// The window.
    pub window: WindowGeometry,
}

impl ConvGeometry {
    /// Resolves a `Conv`-like node with an input of shape `[batch, channels, ..]` and weights of shape
    /// `[filters, channels / group, ..]`.
    pub fn from_node(node: &Node, input: &[usize], weights: &[usize]) -> Result<ConvGeometry, OpError> {
        let misfit = |reason| OpError::Shapes { left: input.to_vec(), right: weights.to_vec(), reason };
        if input.len() < 3 || weights.len() != input.len() {
            return Err(misfit("a convolution needs a batch, channels and a spatial dimension, in both"));
        }
        let kernel = node.ints("kernel_shape")?;
        if kernel.is_some_and(|k| !k.iter().map(|&k| k as usize).eq(weights[2..].iter().copied())) {
            return Err(misfit("the weights do not have the shape of `kernel_shape`"));
        }
        let groups = usize::try_from(node.int_or("group", 1)?).unwrap_or(0);
        if groups == 0
            || !weights[0].is_multiple_of(groups)
            || groups.checked_mul(weights[1]) != Some(input[1])
        {
            return Err(misfit("the channels do not divide into the groups"));
        }
        Ok(ConvGeometry {
            batch: input[0],
            groups,
            channels_per_group: weights[1],
            filters_per_group: weights[0] / groups,
            window: WindowGeometry::from_node(node, &input[2..], &weights[2..])?,
        })
    }

    /// Resolves a `ConvTranspose` node as the convolution of which it is the adjoint: the window's `output`
    /// is the node's spatial input, and the window's `input` is the node's spatial output. Weights have
    /// the shape `[channels, filters / group, ..]`; channels and filters are the node's own.
    pub fn from_transposed(node: &Node, input: &[usize], weights: &[usize]) -> Result<ConvGeometry, OpError> {
        let misfit = |reason| OpError::Shapes { left: input.to_vec(), right: weights.to_vec(), reason };
        if input.len() < 3 || weights.len() != input.len() {
            return Err(misfit("a convolution needs a batch, channels and a spatial dimension, in both"));
        }
        let groups = usize::try_from(node.int_or("group", 1)?).unwrap_or(0);
        if groups == 0 || weights[0] != input[1] || !input[1].is_multiple_of(groups) {
            return Err(misfit("the channels do not divide into the groups"));
        }
        Ok(ConvGeometry {
            batch: input[0],
            groups,
            channels_per_group: input[1] / groups,
            filters_per_group: weights[1],
            window: WindowGeometry::from_transposed(node, &input[2..], &weights[2..])?,
        })
    }
}

/// A list attribute with one entry for each of `len` dimensions, each at least `least`.
pub fn per_dimension(
    node: &Node,
    name: &'static str,
    len: usize,
    default: usize,
    least: i64,
) -> Result<Vec<usize>, OpError> {
    let Some(values) = node.ints(name)? else { return Ok(vec![default; len]) };
    if values.len() != len {
        let reason = format!("has {} entries, should have {len}", values.len());
        return Err(OpError::Attribute { attribute: name, reason });
    }
    if let Some(bad) = values.iter().find(|&&v| v < least || v > MAX_WINDOW_STEP) {
        return Err(OpError::Attribute { attribute: name, reason: format!("has the entry {bad}") });
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::node::Attribute;
    use super::*;

    fn window(attributes: &[(&str, Attribute)], input: &[usize], kernel: &[usize]) -> WindowGeometry {
        let node = Node {
            name: "pool".into(),
            op_type: "MaxPool".into(),
            domain: String::new(),
            inputs: vec![],
            outputs: vec![],
            attributes: attributes
                .iter()
                .map(|(n, a)| (n.to_string(), a.clone()))
                .collect::<BTreeMap<_, _>>(),
        };
        WindowGeometry::from_node(&node, input, kernel).unwrap()
    }

    #[test]
    fn same_padding_puts_the_odd_element_last_or_first() {
        for (mode, begin, end) in [("SAME_UPPER", 0, 1), ("SAME_LOWER", 1, 0)] {
            let w = window(&[("auto_pad", Attribute::String(mode.into()))], &[4], &[2]);
            assert_eq!((w.pads_begin[0], w.pads_end[0], w.output[0]), (begin, end, 4));
        }
    }

    #[test]
    fn ceil_mode_adds_a_window_only_if_it_begins_inside() {
        let ceil = ("ceil_mode", Attribute::Int(1));
        let strides = ("strides", Attribute::Ints(vec![2]));
        assert_eq!(window(&[ceil.clone(), strides.clone()], &[4], &[3]).output, [2]);
        let pads = ("pads", Attribute::Ints(vec![0, 1]));
        assert_eq!(window(&[ceil, pads, strides], &[2], &[2]).output, [1]);
    }

    #[test]
    fn taps_skip_the_padding() {
        let w = window(&[("pads", Attribute::Ints(vec![1, 0]))], &[3], &[2]);
        assert_eq!(w.taps(), [None, Some(0), Some(1), Some(0), Some(1), Some(2)]);
    }
}
