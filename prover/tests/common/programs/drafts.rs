//! What operations read: convolutions, products, joined tensors, maxima, and sums of anything.

use super::{Draft, Maker, Numbers};
use assay_circuits::program::{Access, Affine, Source, Term};

pub(super) fn term(coefficient: i64, factors: Vec<Access>) -> Term {
    Term { coefficient, factors }
}

/// A read with one loop axis for each axis of the tensor.
fn plain(source: Source, axes: impl IntoIterator<Item = usize>) -> Access {
    Access { source, index: axes.into_iter().map(Affine::axis).collect() }
}

impl Maker {
    /// A convolution with strides, dilations, padding and groups, over the axes after the first.
    pub(super) fn convolution(&mut self) -> Draft {
        let source = self.tensor();
        let sizes = self.sizes(source);
        if sizes.len() > 3 {
            return self.linear();
        }
        let (channels, places) = sizes.split_first().map_or((1, &[][..]), |(&first, rest)| (first, rest));
        let groups = if channels % 2 == 0 && self.dice.one_in(3) { self.dice.of(&[2, channels]) } else { 1 };
        let (inner, made) = (channels / groups, self.dice.from(1..=6) as usize);
        let rank = 2 + places.len();
        let mut out = vec![groups, made];
        let mut kernel = vec![inner];
        let mut index = vec![Affine::new(0, &[(0, inner as i64), (rank, 1)])];
        for (place, &size) in places.iter().enumerate() {
            let width = self.dice.from(1..=3);
            let (stride, dilation) = (self.dice.of(&[1, 1, 2, 3]), self.dice.of(&[1, 1, 2, -1]));
            let pad = self.dice.from(-1..=2);
            out.push((size as i64 / stride + self.dice.from(0..=1)).max(1) as usize);
            kernel.push(width as usize);
            index.push(Affine::new(-pad, &[(2 + place, stride), (rank + 1 + place, dilation)]));
        }
        let weights = self.constant(&[&[groups, made], kernel.as_slice()].concat());
        let weights = plain(weights, [0, 1].into_iter().chain(rank..rank + kernel.len()));
        let mut factors = vec![weights, Access { source, index }];
        if sizes.is_empty() {
            factors[1].index.clear();
        }
        if self.dice.one_in(2) {
            factors.reverse();
        }
        let mut terms = vec![term(self.dice.of(&[1, 1, -2]), factors)];
        if self.dice.one_in(2) {
            let bias = self.constant(&[groups, made]);
            terms.push(term(1, vec![plain(bias, [0, 1])]));
        }
        Draft { shape: out, reduce: kernel, sums: vec![terms] }
    }

    /// A product along the last axis with a constant's or a wire's rows; batches before it.
    pub(super) fn linear(&mut self) -> Draft {
        let source = self.tensor();
        let sizes = self.sizes(source);
        let (&length, before) = sizes.split_last().unwrap_or((&1, &[]));
        let rank = before.len() + 1;
        let other = self.tensor();
        let other_sizes = self.sizes(other);
        let mut index: Vec<Affine> = (0..before.len()).chain([rank]).map(Affine::axis).collect();
        index.truncate(sizes.len());
        let read = Access { source, index };
        let (made, factor) = match other_sizes.as_slice() {
            [.., rows, columns] if self.dice.one_in(2) => {
                let lead = other_sizes.len() - 2;
                let lead = (0..lead).map(|axis| match axis < before.len() {
                    true => Affine::axis(axis),
                    false => Affine::constant(0),
                });
                let (made, last) = match self.dice.one_in(2) {
                    true => (*rows, [Affine::axis(rank - 1), Affine::axis(rank)]),
                    false => (*columns, [Affine::axis(rank), Affine::axis(rank - 1)]),
                };
                (made, Access { source: other, index: lead.chain(last).collect() })
            }
            _ => {
                let made = self.dice.from(1..=20) as usize;
                let factor = match self.dice.one_in(2) {
                    true => plain(self.constant(&[made, length]), [rank - 1, rank]),
                    false => plain(self.constant(&[length, made]), [rank, rank - 1]),
                };
                (made, factor)
            }
        };
        let shape = before.iter().copied().chain([made]).collect();
        Draft { shape, reduce: vec![length], sums: vec![vec![term(1, vec![read, factor])]] }
    }

    /// Two tensors one after another, each read as zero where the other is.
    pub(super) fn joined(&mut self) -> Draft {
        let (first, second) = (self.tensor(), self.tensor());
        let (a, b) = (self.sizes(first), self.sizes(second));
        let rank = a.len().max(b.len()).max(1);
        let size = |sizes: &[usize], axis: usize| sizes.get(axis).copied().unwrap_or(1);
        let axis = self.dice.from(0..=rank as i64 - 1) as usize;
        let out = (0..rank).map(|at| match at == axis {
            true => size(&a, at) + size(&b, at),
            false => size(&a, at).max(size(&b, at)),
        });
        let shift = size(&a, axis) as i64;
        let moved = (0..b.len()).map(|at| Affine::new(if at == axis { -shift } else { 0 }, &[(at, 1)]));
        let second = Access { source: second, index: moved.collect() };
        let terms =
            vec![term(1, vec![plain(first, 0..a.len())]), term(self.dice.of(&[1, -1, 3]), vec![second])];
        Draft { shape: out.collect(), reduce: Vec::new(), sums: vec![terms] }
    }

    /// The larger of two elements: of neighbours of one tensor, or of two reads.
    pub(super) fn maximum(&mut self) -> Draft {
        let source = self.tensor();
        let mut sizes = self.sizes(source);
        if sizes.is_empty() {
            return self.arbitrary();
        }
        let axis = self.dice.from(0..=sizes.len() as i64 - 1) as usize;
        let (stride, other) = (self.dice.from(1..=2), self.tensor());
        let read = |offset: i64| {
            let index = (0..sizes.len()).map(|at| match at == axis {
                true => Affine::new(offset, &[(at, stride)]),
                false => Affine::axis(at),
            });
            vec![term(1, vec![Access { source, index: index.collect() }])]
        };
        let (first, mut second) = (read(0), read(1));
        sizes[axis] = sizes[axis].div_ceil(stride as usize);
        if self.dice.one_in(3) {
            let access = self.access(other, &sizes, &[]);
            second = vec![term(-1, vec![access]), term(5, vec![])];
        }
        Draft { shape: sizes, reduce: Vec::new(), sums: vec![first, second] }
    }

    /// Any few terms of any few factors.
    pub(super) fn arbitrary(&mut self) -> Draft {
        let first = self.tensor();
        let shape = if self.dice.one_in(2) { self.sizes(first) } else { self.dice.sizes(0..=4, 120) };
        let reduce = self.dice.sizes(0..=2, 40);
        let sums = match self.numbers {
            Numbers::Provable => self.dice.of(&[1, 1, 1, 2]),
            Numbers::Extreme => self.dice.from(1..=4),
        };
        let mut sum = || -> Vec<Term> {
            let mut one = || {
                let factors: Vec<Access> = (0..self.dice.of(&[0, 1, 1, 1, 2, 2, 2, 3]))
                    .map(|_| {
                        let source = self.any_source();
                        self.access(source, &shape, &reduce)
                    })
                    .collect();
                term(self.dice.of(&[1, 1, -1, 2, -3, 7, 0]), factors)
            };
            (0..3).map(|_| one()).collect()
        };
        let mut sums: Vec<Vec<Term>> = (0..sums).map(|_| sum()).collect();
        sums.iter_mut().for_each(|terms| terms.truncate(self.dice.from(1..=3) as usize));
        Draft { shape, reduce, sums }
    }

    /// A read with any indices; plain ones more often.
    fn access(&mut self, source: Source, shape: &[usize], reduce: &[usize]) -> Access {
        let axes: Vec<usize> = shape.iter().chain(reduce).copied().collect();
        let sizes = self.sizes(source);
        let mut index = Vec::new();
        for (place, &size) in sizes.iter().enumerate() {
            let size = size as i64;
            if axes.is_empty() || self.dice.one_in(8) {
                index.push(Affine::constant(self.dice.from(-1..=size)));
                continue;
            }
            let some = self.dice.from(0..=axes.len() as i64 - 1) as usize;
            let axis = if place < shape.len() && !self.dice.one_in(3) { place } else { some };
            index.push(match self.dice.from(0..=7) {
                0..=3 => Affine::axis(axis),
                4 => Affine::new(size - 1, &[(axis, -1)]),
                5 => Affine::new(self.dice.from(-2..=2), &[(axis, self.dice.of(&[1, 2, 3, -2]))]),
                6 => Affine::new(
                    self.dice.from(-3..=1),
                    &[(axis, self.dice.from(1..=2)), (some, self.dice.from(-1..=2))],
                ),
                _ if self.numbers == Numbers::Extreme => {
                    let far = self.dice.of(&[1 << 20, -(1 << 20), 1000]);
                    Affine::new(self.dice.of(&[0, far, -far, 1 << 41]), &[(axis, far)])
                }
                _ => Affine::new(0, &[(axis, 1)]),
            });
        }
        Access { source, index }
    }
}
