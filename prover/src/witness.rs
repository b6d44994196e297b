//! The witness: the values of a system's tensors on one trace.

use crate::error::ProveError;
use assay_circuits::execute::Trace;
use assay_circuits::lower::digit;
use assay_circuits::plan::{Place, live_rows};
use assay_circuits::program::Program;
use assay_circuits::relation::{Column, Group, Kind, System, TensorId, Values, Variable, View};
use assay_circuits::shape::{Shape, log_size};
use rayon::prelude::*;
use std::borrow::Cow;

/// The values of a system's tensors.
pub struct Witness<'a> {
    /// For each tensor its row-major values, over its shape below.
    pub values: Vec<Cow<'a, [i64]>>,
    /// For each tensor the sizes at which its values stand: an honest prover's are the true ones.
    pub shapes: Vec<Shape>,
    /// For each lookup and cell of its padded space: the row of its table, or the tuple in padding.
    pub leaves: Vec<Vec<Leaf>>,
}

/// What one leaf of a lookup looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A row of the table: the cell is within the true sizes.
    Row(u32),
    /// A cell within the true sizes whose tuple is no row: the columns' sums, undivided. No honest witness has one.
    Outside([i64; 3]),
    /// A cell of padding: the columns' sums, undivided; their quotients need not be in the table.
    Padding([i64; 3]),
}

impl<'a> Witness<'a> {
    /// Computes hints and multiplicities from a trace of the program.
    ///
    /// # Errors
    /// Where a tuple is not in its table: the trace is not one that the program's executor makes.
    pub fn new(program: &'a Program, system: &System, trace: &'a Trace) -> Result<Self, ProveError> {
        let shapes = system.tensors.iter().map(|spec| spec.shape.clone()).collect();
        let witness = Witness::claimed(system, shapes, Self::trace_values(program, system, trace))?;
        for (lookup, leaves) in system.lookups.iter().zip(&witness.leaves) {
            if let Some(cell) = leaves.iter().position(|leaf| matches!(leaf, Leaf::Outside(_))) {
                let operation = lookup.operation.map_or_else(String::new, |i| system.names[i].clone());
                return Err(ProveError::Unsatisfied { operation, cell });
            }
        }
        Ok(witness)
    }

    /// The values alone, true or not, of which only rows of inputs, outputs and wires are asked: no lookup is looked at.
    pub fn committed(program: &'a Program, system: &System, trace: &'a Trace) -> Self {
        let shapes = system.tensors.iter().map(|spec| spec.shape.clone()).collect();
        Witness { values: Self::trace_values(program, system, trace), shapes, leaves: Vec::new() }
    }

    /// The values of a system's tensors by a trace, multiplicities left empty.
    pub fn trace_values(program: &'a Program, system: &System, trace: &'a Trace) -> Vec<Cow<'a, [i64]>> {
        system
            .tensors
            .par_iter()
            .map(|spec| tensor_values(program, &spec.shape, spec.values, trace))
            .collect()
    }

    /// A witness of any values over any shapes of the tensors' padded sizes, whether they satisfy the system or
    /// not: what a dishonest prover starts from. Multiplicities left empty are counted.
    ///
    /// # Errors
    /// Where a space is too large.
    pub fn claimed(
        system: &System,
        shapes: Vec<Shape>,
        values: Vec<Cow<'a, [i64]>>,
    ) -> Result<Self, ProveError> {
        let mut witness = Witness { values, shapes, leaves: Vec::new() };
        witness.leaves = system
            .lookups
            .par_iter()
            .map(|lookup| {
                let columns: Vec<Vec<i64>> =
                    lookup.columns.iter().map(|column| witness.column(column, &lookup.axes)).collect();
                let table = &system.tables[lookup.table].table;
                let mut leaves: Vec<Leaf> = (0..1usize << lookup.variables())
                    .map(|cell| {
                        let mut tuple = [0; 3];
                        tuple.iter_mut().zip(&columns).for_each(|(slot, column)| *slot = column[cell]);
                        Leaf::Padding(tuple)
                    })
                    .collect();
                let shape =
                    Shape::new(lookup.axes.clone()).ok_or(ProveError::Internal("a space is too large"))?;
                for cell in shape.padded_indices() {
                    let quotient = |(column, cells): (&Column, &Vec<i64>)| {
                        let (sum, divisor) = (cells[cell], column.divisor as i64);
                        (sum % divisor == 0).then_some(sum / divisor)
                    };
                    let tuple: Option<Vec<i64>> = lookup.columns.iter().zip(&columns).map(quotient).collect();
                    leaves[cell] = match (tuple.and_then(|tuple| table.find(&tuple)), leaves[cell]) {
                        (Some(row), _) => Leaf::Row(row as u32),
                        (None, Leaf::Padding(sums)) => Leaf::Outside(sums),
                        (None, leaf) => leaf,
                    };
                }
                Ok(leaves)
            })
            .collect::<Result<_, ProveError>>()?;
        for (number, spec) in system.tables.iter().enumerate() {
            if !witness.values[spec.multiplicity].is_empty() {
                continue;
            }
            let mut counts = vec![0i64; spec.table.rows()];
            for (lookup, leaves) in system.lookups.iter().zip(&witness.leaves) {
                if lookup.table == number {
                    for leaf in leaves {
                        if let Leaf::Row(row) = leaf {
                            counts[*row as usize] += 1;
                        }
                    }
                }
            }
            witness.values[spec.multiplicity] = Cow::Owned(counts);
        }
        Ok(witness)
    }

    /// A column's sum over the padded space, undivided.
    fn column(&self, column: &Column, axes: &[usize]) -> Vec<i64> {
        let variables: usize = axes.iter().map(|&size| log_size(size)).sum();
        let mut cells = vec![column.constant; 1 << variables];
        for (coefficient, tensor, view) in &column.terms {
            let values = padded(&self.shapes[*tensor], &self.values[*tensor]);
            let places = view_indices(view, axes);
            for (cell, place) in cells.iter_mut().zip(places) {
                *cell += coefficient * values[place];
            }
        }
        cells
    }

    /// The rows of a group, `2^log_row` cells each.
    pub fn rows(&self, system: &System, group: Group) -> Vec<Vec<i64>> {
        group_rows(system, group, |id| (&self.shapes[id], &self.values[id]))
    }

    /// A tensor's values.
    pub fn tensor(&self, tensor: TensorId) -> &[i64] {
        &self.values[tensor]
    }
}

fn tensor_values<'a>(
    program: &'a Program,
    shape: &Shape,
    values: Values,
    trace: &'a Trace,
) -> Cow<'a, [i64]> {
    let constant = |i: usize| program.constants[i].values.as_deref().unwrap_or_default();
    match values {
        Values::Input(i) => Cow::Borrowed(&trace.inputs[i].values),
        Values::Constant(i) => Cow::Borrowed(constant(i)),
        Values::Digit { constant: i, place } => {
            constant(i).iter().map(|&value| digit(value, place)).collect()
        }
        Values::Wire(i) => Cow::Borrowed(&trace.wires[i].values),
        Values::Sum { operation, sum } => Cow::Borrowed(&trace.sums[operation][sum]),
        Values::Hint { operation, hint } => {
            trace.sums[operation][0].iter().map(|&x| hint.evaluate(x)).collect()
        }
        Values::Multiplicity(_) => Cow::Owned(Vec::new()),
        Values::Selected(output) | Values::Before(output) => {
            let positions = &trace.wires[program.outputs[output].operation].values;
            let length = shape.sizes().last().copied().unwrap_or(1) as i64;
            let before = matches!(values, Values::Before(_));
            let bit = |position: i64, place: i64| {
                i64::from(if before { place < position } else { place == position })
            };
            positions
                .iter()
                .flat_map(|&position| (0..length).map(move |place| bit(position, place)))
                .collect()
        }
    }
}

/// The rows of a group, `2^log_row` cells each, from the values of its tensors.
pub fn group_rows<'a>(
    system: &System,
    group: Group,
    values: impl Fn(TensorId) -> (&'a Shape, &'a [i64]),
) -> Vec<Vec<i64>> {
    let layout = &system.layout;
    let length = 1usize << layout.log_row;
    let mut rows = vec![Vec::new(); layout.rows(group)];
    for (id, spec) in system.tensors.iter().enumerate() {
        let (Kind::Committed(of), Some(place)) = (spec.kind, layout.places[id]) else { continue };
        if of != group {
            continue;
        }
        let (shape, values) = values(id);
        let cells = padded(shape, values);
        match place {
            Place::Rows { first } => {
                for (slot, row) in live_rows(&spec.shape, layout.log_row).into_iter().enumerate() {
                    rows[first + slot] = cells[row * length..(row + 1) * length].to_vec();
                }
            }
            Place::Shared { row, offset } => {
                let row = &mut rows[row];
                row.resize(length, 0);
                row[offset..offset + cells.len()].copy_from_slice(&cells);
            }
        }
    }
    rows
}

/// Values over the padded cube, zero in padding; borrowed where nothing is padded.
pub fn padded<'a>(shape: &Shape, values: &'a [i64]) -> Cow<'a, [i64]> {
    if shape.is_cube() {
        return Cow::Borrowed(values);
    }
    let mut cells = vec![0; shape.padded_cells()];
    let last = shape.sizes().last().copied().unwrap_or(1);
    let outer = Shape::new(shape.sizes()[..shape.rank() - 1].to_vec()).unwrap_or_default();
    let stride = 1usize << log_size(last);
    for (row, chunk) in outer.padded_indices().zip(values.chunks_exact(last)) {
        cells[row * stride..row * stride + last].copy_from_slice(chunk);
    }
    Cow::Owned(cells)
}

/// For each cell of a padded space, the cell of the padded tensor that a view reads there.
pub fn view_indices(view: &View, axes: &[usize]) -> Vec<usize> {
    let rank = view.0.len();
    let weight = |axis: usize, bit: usize| -> usize {
        let place = view.0.iter().position(|v| *v == Variable::Axis { axis, bit });
        place.map_or(0, |place| 1 << (rank - 1 - place))
    };
    let fixed = view.0.iter().enumerate().filter(|(_, v)| **v == Variable::Bit(true));
    let mut places = vec![fixed.map(|(place, _)| 1 << (rank - 1 - place)).sum::<usize>()];
    for (axis, &size) in axes.iter().enumerate().rev() {
        for bit in 0..log_size(size) {
            let step = weight(axis, bit);
            places.extend_from_within(..);
            let half = places.len() / 2;
            places[half..].iter_mut().for_each(|place| *place += step);
        }
    }
    places
}
