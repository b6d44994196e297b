//! Tables of the batched sumcheck: a function of some loop axes, as small integers or field elements.

use crate::count;
use crate::sumcheck::is_plain;
use ark_ff::AdditiveGroup;
use assay_circuits::relation::Variable;
use assay_circuits::shape::{Shape, log_size};
use assay_verifier::F;
use assay_verifier::multilinear::{SmallSum, eq_table};
use rayon::prelude::*;
use std::borrow::Cow;

/// A table's cells, row-major.
#[derive(Clone, Debug)]
pub enum Cells<'a> {
    /// Small integers.
    Integers(Cow<'a, [i64]>),
    /// Field elements.
    Field(Cow<'a, [F]>),
}

/// A function of some loop axes. A stored size may be the axis's true size, cells beyond being zero, or the
/// padded one.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    axes: Vec<usize>,
    dims: Vec<usize>,
    cells: Cells<'a>,
}

/// One tensor axis while a table is read: where each of its indices goes.
struct AxisMap {
    /// (loop axis, stored size) of what is kept, outer first.
    kept: Vec<(usize, usize)>,
    /// For each index: the kept cell and its weight; `None` where the view does not read it.
    entries: Vec<Option<(usize, F)>>,
    /// True where every index is kept as it is.
    plain: bool,
}

impl<'a> Table<'a> {
    /// A table of the given axes and stored sizes.
    pub fn new(axes: Vec<usize>, dims: Vec<usize>, cells: Cells<'a>) -> Self {
        Table { axes, dims, cells }
    }

    /// A table of one axis.
    pub fn axis(axis: usize, cells: Vec<F>) -> Self {
        Table { axes: vec![axis], dims: vec![cells.len()], cells: Cells::Field(Cow::Owned(cells)) }
    }

    /// A tensor read through a view, over the loop axes that are not bound to a point.
    pub fn read(
        shape: &Shape,
        values: &'a [i64],
        variables: &[Variable],
        sizes: &[usize],
        bound: &[Option<&[F]>],
    ) -> Self {
        let mut first = 0;
        let maps: Vec<AxisMap> = shape
            .sizes()
            .iter()
            .map(|&size| {
                let bits = log_size(size);
                first += bits;
                axis_map(size, &variables[first - bits..first], sizes, bound)
            })
            .collect();
        // The largest axis that is not plain is contracted on integers, the others on field elements.
        let mut dims: Vec<usize> = shape.sizes().to_vec();
        let mut cells = Cells::Integers(Cow::Borrowed(values));
        let mut order: Vec<usize> = (0..dims.len()).filter(|&a| !maps[a].plain).collect();
        order.sort_by_key(|&a| std::cmp::Reverse(dims[a]));
        for a in order {
            let outer: usize = dims[..a].iter().product();
            let inner: usize = dims[a + 1..].iter().product();
            let kept: usize = maps[a].kept.iter().map(|(_, n)| n).product();
            cells = contract(&cells, outer, dims[a], inner, kept, &maps[a].entries);
            dims[a] = kept;
        }
        let kept = maps.iter().flat_map(|map| map.kept.iter().copied()).filter(|&(_, n)| n > 1);
        let (axes, dims) = kept.unzip();
        Table { axes, dims, cells }
    }

    /// True where the table is a function of `axis`.
    pub fn has(&self, axis: usize) -> bool {
        self.axes.contains(&axis)
    }

    /// Stored size of an axis; 1 where it is none of the table's.
    pub fn dim(&self, axis: usize) -> usize {
        self.axes.iter().position(|&a| a == axis).map_or(1, |place| self.dims[place])
    }

    /// Stride of an axis; 0 where it is none of the table's.
    pub fn stride(&self, axis: usize) -> usize {
        self.axes.iter().position(|&a| a == axis).map_or(0, |place| self.dims[place + 1..].iter().product())
    }

    /// The value at a stored index, as a field element.
    #[inline(always)]
    pub fn cell(&self, index: usize) -> F {
        match &self.cells {
            Cells::Integers(cells) => F::from(cells[index]),
            Cells::Field(cells) => cells[index],
        }
    }

    /// The value of a table without axes.
    pub fn scalar(&self) -> F {
        self.cell(0)
    }

    /// Moves an axis to the front, stored at its padded size, as field elements: the form that rounds bind.
    pub fn lead(&mut self, axis: usize, padded: usize) {
        if !self.has(axis) {
            return;
        }
        let (stride, size) = (self.stride(axis), self.dim(axis));
        let rest = self.cells_len() / size.max(1);
        let mut cells = vec![F::ZERO; padded * rest];
        for i in 0..size {
            for r in 0..rest {
                cells[i * rest + r] = self.cell(r / stride * stride * size + i * stride + r % stride);
            }
        }
        let place = self.axes.iter().position(|&a| a == axis).unwrap_or(0);
        self.axes.remove(place);
        self.dims.remove(place);
        self.axes.insert(0, axis);
        self.dims.insert(0, padded);
        self.cells = Cells::Field(Cow::Owned(cells));
    }

    fn cells_len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Binds the most significant variable of the leading axis.
    pub fn bind_leading(&mut self, x: F) {
        let Cells::Field(cells) = &mut self.cells else { return };
        let cells = cells.to_mut();
        let half = cells.len() / 2;
        count::full(half);
        let (low, high) = cells.split_at_mut(half);
        low.par_iter_mut()
            .zip(&*high)
            .with_min_len(1 << 10)
            .for_each(|(low, high)| *low += x * (*high - *low));
        cells.truncate(half);
        self.dims[0] /= 2;
    }

    /// Forgets the leading axis, all of whose variables are bound.
    pub fn drop_leading(&mut self) {
        self.axes.remove(0);
        self.dims.remove(0);
    }

    /// Sums an axis out with weights.
    pub fn contract(&self, axis: usize, weights: &[F]) -> Table<'a> {
        let Some(place) = self.axes.iter().position(|&a| a == axis) else { return self.clone() };
        let outer = self.dims[..place].iter().product();
        let inner = self.dims[place + 1..].iter().product();
        let entries: Vec<Option<(usize, F)>> = (0..self.dims[place]).map(|i| Some((0, weights[i]))).collect();
        let cells = contract(&self.cells, outer, self.dims[place], inner, 1, &entries);
        let (mut axes, mut dims) = (self.axes.clone(), self.dims.clone());
        axes.remove(place);
        dims.remove(place);
        Table { axes, dims, cells }
    }
}

fn axis_map(size: usize, variables: &[Variable], sizes: &[usize], bound: &[Option<&[F]>]) -> AxisMap {
    let mut axes: Vec<usize> = Vec::new();
    for variable in variables {
        if let Variable::Axis { axis, .. } = variable
            && !axes.contains(axis)
        {
            axes.push(*axis);
        }
    }
    let kept: Vec<usize> = axes.iter().copied().filter(|&axis| bound[axis].is_none()).collect();
    if let [axis] = axes.as_slice()
        && is_plain(variables, *axis)
        && sizes[*axis] == size
        && kept.len() == 1
    {
        return AxisMap { kept: vec![(*axis, size)], entries: Vec::new(), plain: true };
    }
    let weights: Vec<Option<Vec<F>>> = axes.iter().map(|&axis| bound[axis].map(eq_table)).collect();
    let top = variables.len();
    let entry = |index: usize| -> Option<(usize, F)> {
        let mut parts = vec![0usize; axes.len()];
        for (place, variable) in variables.iter().enumerate() {
            let bit = index >> (top - 1 - place) & 1;
            match *variable {
                Variable::Bit(fixed) if fixed != (bit == 1) => return None,
                Variable::Bit(_) => {}
                Variable::Axis { axis, bit: at } => {
                    let number = axes.iter().position(|&a| a == axis)?;
                    parts[number] |= bit << at;
                }
            }
        }
        let (mut cell, mut weight) = (0, F::from(1u64));
        for ((axis, part), weights) in axes.iter().zip(parts).zip(&weights) {
            match weights {
                Some(weights) => weight *= weights[part],
                None => cell = (cell << log_size(sizes[*axis])) | part,
            }
        }
        Some((cell, weight))
    };
    let entries = (0..size).map(entry).collect();
    let kept = kept.into_iter().map(|axis| (axis, 1 << log_size(sizes[axis]))).collect();
    AxisMap { kept, entries, plain: false }
}

/// `out[o, k, i] = sum over n with entry (k, w) of w * cells[o, n, i]`.
fn contract<'a>(
    cells: &Cells<'_>,
    outer: usize,
    size: usize,
    inner: usize,
    kept: usize,
    entries: &[Option<(usize, F)>],
) -> Cells<'a> {
    const BLOCK: usize = 32;
    let mut by_kept: Vec<Vec<(usize, F)>> = vec![Vec::new(); kept];
    for (n, entry) in entries.iter().enumerate() {
        if let Some((k, weight)) = entry {
            by_kept[*k].push((n, *weight));
        }
    }
    let mut out = vec![F::ZERO; outer * kept * inner];
    let products = outer * inner * by_kept.iter().map(Vec::len).sum::<usize>();
    match cells {
        Cells::Integers(_) => count::small(products),
        Cells::Field(_) => count::full(products),
    }
    let grain = ((1 << 11) / (size * inner).max(1)).max(1);
    out.par_chunks_mut(inner).with_min_len(grain).enumerate().for_each(|(row, out)| {
        let (o, entries) = (row / kept, &by_kept[row % kept]);
        match cells {
            Cells::Integers(cells) => {
                for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                    let mut sums = [SmallSum::default(); BLOCK];
                    for (n, weight) in entries {
                        let first = (o * size + n) * inner + block * BLOCK;
                        for (sum, &cell) in sums.iter_mut().zip(&cells[first..first + out.len()]) {
                            if cell != 0 {
                                sum.add(weight, cell);
                            }
                        }
                    }
                    out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = sum.finish());
                }
            }
            Cells::Field(cells) => {
                for (n, weight) in entries {
                    let first = (o * size + n) * inner;
                    out.iter_mut()
                        .zip(&cells[first..first + inner])
                        .for_each(|(out, cell)| *out += *weight * cell);
                }
            }
        }
    });
    Cells::Field(Cow::Owned(out))
}

/// The tables of the rounds of `axis`: later axes are summed out, from the last on, where at most one of the
/// tables that have it also has `axis`. Gives the axes, too, that two tables of one sum had: of those the sum is
/// no multilinear function, and it must be made anew before their rounds.
pub fn eliminate<'a>(
    base: &[Table<'a>],
    axis: usize,
    axes: &[usize],
    sizes: &[usize],
) -> (Vec<Table<'a>>, Vec<usize>) {
    let mut tables: Vec<Table<'a>> = base.to_vec();
    let mut merged = Vec::new();
    for &later in axes.iter().rev() {
        if later == axis {
            continue;
        }
        let both = tables.iter().filter(|table| table.has(later) && table.has(axis)).count();
        if both > 1 || !tables.iter().any(|table| table.has(later)) {
            continue;
        }
        let (joined, rest): (Vec<_>, Vec<_>) = tables.into_iter().partition(|table| table.has(later));
        merged.extend(axes.iter().filter(|&&other| joined.iter().filter(|t| t.has(other)).count() > 1));
        tables = rest;
        tables.push(join(joined, later, sizes));
    }
    (tables, merged)
}

/// `sum over an axis of the product of the tables`, over the union of their other axes.
fn join<'a>(mut tables: Vec<Table<'a>>, axis: usize, sizes: &[usize]) -> Table<'a> {
    // Integers first, so that the inner loop multiplies small integers by field elements.
    tables.sort_by_key(|table| matches!(table.cells, Cells::Field(_)));
    while tables.len() > 2 {
        let (Some(a), Some(b)) = (tables.pop(), tables.pop()) else { break };
        tables.push(product(&b, &a, None, sizes));
    }
    match tables.as_slice() {
        [a, b] => product(a, b, Some(axis), sizes),
        [a] => a.contract(axis, &vec![F::from(1u64); a.dim(axis)]),
        _ => Table::new(Vec::new(), Vec::new(), Cells::Field(Cow::Owned(vec![F::ZERO]))),
    }
}

/// The product of two tables over the union of their axes, `summed` summed out.
fn product<'a>(a: &Table<'_>, b: &Table<'_>, summed: Option<usize>, sizes: &[usize]) -> Table<'a> {
    let mut axes: Vec<usize> = a.axes.clone();
    axes.extend(b.axes.iter().filter(|axis| !a.has(**axis)));
    axes.retain(|axis| Some(*axis) != summed);
    // Both store at least the true size, except where a mask says that cells beyond do not count.
    let extent = |axis: usize| {
        let stored = [a, b].into_iter().filter(|table| table.has(axis)).map(|table| table.dim(axis));
        stored.min().unwrap_or(1).max(1)
    };
    let dims: Vec<usize> = axes.iter().map(|&axis| extent(axis).min(1 << log_size(sizes[axis]))).collect();
    let strides = |table: &Table<'_>| -> Vec<usize> { axes.iter().map(|&axis| table.stride(axis)).collect() };
    let (steps_a, steps_b) = (strides(a), strides(b));
    let (summands, step_a, step_b) = match summed {
        Some(axis) => (extent(axis), a.stride(axis), b.stride(axis)),
        None => (1, 0, 0),
    };
    let cells: usize = dims.iter().product();
    match (&a.cells, &b.cells) {
        (Cells::Integers(_), Cells::Field(_)) => count::small(cells * summands),
        _ => count::full(cells * summands),
    }
    let one = |mut cell: usize| -> F {
        let (mut at_a, mut at_b) = (0, 0);
        for ((&dim, sa), sb) in dims.iter().zip(&steps_a).zip(&steps_b).rev() {
            let i = cell % dim;
            cell /= dim;
            at_a += i * sa;
            at_b += i * sb;
        }
        match (&a.cells, &b.cells) {
            (Cells::Integers(x), Cells::Field(y)) => {
                let mut sum = SmallSum::default();
                for i in 0..summands {
                    let small = x[at_a + i * step_a];
                    if small != 0 {
                        sum.add(&y[at_b + i * step_b], small);
                    }
                }
                sum.finish()
            }
            _ => (0..summands).map(|i| a.cell(at_a + i * step_a) * b.cell(at_b + i * step_b)).sum(),
        }
    };
    let grain = ((1 << 10) / summands.max(1)).max(1);
    let values: Vec<F> = (0..cells).into_par_iter().with_min_len(grain).map(one).collect();
    Table::new(axes, dims, Cells::Field(Cow::Owned(values)))
}
