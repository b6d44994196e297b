//! Lookups, the prover's side: builds the LogUp-GKR tree and proves its layers from the root down.
//!
//! Steps are those of [`assay_verifier::lookup`]. Only nodes before the last block's end are stored; those
//! beyond are 0/1 and enter the messages in closed form. Each round's eq factor is taken out and its table
//! split in two halves, and rounds bind the least significant bit first, so that the live prefix halves.

use crate::count;
use crate::multilinear::{EqHalves, inverses};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::relation::{BlockKind, Schedule, System};
use assay_verifier::F;
use assay_verifier::lookup::{TreeEnd, line, tag};
use assay_verifier::multilinear::less_than;
use assay_verifier::proof::{LayerProof, TreeProof};
use assay_verifier::transcript::Transcript;
use rayon::prelude::*;

use crate::witness::{Leaf, Witness};

/// Work on fewer items than this stays on one thread.
const GRAIN: usize = 1 << 10;

/// A layer of the tree: the fractions of its live nodes; beyond them every node is 0/1.
struct Layer {
    numerators: Vec<F>,
    denominators: Vec<F>,
}

impl Layer {
    fn node(&self, index: usize) -> (F, F) {
        match self.numerators.get(index) {
            Some(numerator) => (*numerator, self.denominators[index]),
            None => (F::ZERO, F::ONE),
        }
    }

    /// The layer above: each node is the sum of the fractions of its two children.
    fn parent(&self) -> Layer {
        let nodes = self.numerators.len().div_ceil(2);
        count::full(3 * nodes);
        let (numerators, denominators) = (0..nodes)
            .into_par_iter()
            .with_min_len(GRAIN)
            .map(|node| {
                let ((p0, q0), (p1, q1)) = (self.node(2 * node), self.node(2 * node + 1));
                (F::sum_of_products(&[p0, p1], &[q1, q0]), q0 * q1)
            })
            .unzip();
        Layer { numerators, denominators }
    }

    /// (p0, q0, p1, q1) of a node's children.
    fn children(&self, node: usize) -> [F; 4] {
        let ((p0, q0), (p1, q1)) = (self.node(2 * node), self.node(2 * node + 1));
        [p0, q0, p1, q1]
    }
}

/// The leaves of all blocks, under the challenges.
fn leaves(system: &System, schedule: &Schedule, witness: &Witness<'_>, alpha: F, beta: F) -> Layer {
    let denominators_of: Vec<Vec<F>> = system
        .tables
        .par_iter()
        .enumerate()
        .map(|(number, spec)| {
            let tag = tag(number);
            let rows = (0..spec.table.rows()).into_par_iter().with_min_len(GRAIN);
            let columns = spec.table.columns();
            count::full(columns * spec.table.rows());
            rows.map(|row| {
                denominator(alpha, beta, tag, spec.table.row(row)[..columns].iter().map(|&v| F::from(v)))
            })
            .collect()
        })
        .collect();
    let mut layer = Layer { numerators: Vec::new(), denominators: Vec::new() };
    for block in &schedule.blocks {
        match block.kind {
            BlockKind::Lookup(number) => {
                let table = system.lookups[number].table;
                let divisors: Vec<F> =
                    system.lookups[number].columns.iter().map(|column| F::from(column.divisor)).collect();
                let (divisors, tag) = (inverses(&divisors), tag(table));
                let of_rows = &denominators_of[table];
                let mut padding: Option<([i64; 3], F)> = None;
                for leaf in &witness.leaves[number] {
                    match leaf {
                        Leaf::Row(row) => {
                            layer.numerators.push(F::ONE);
                            layer.denominators.push(of_rows[*row as usize]);
                        }
                        Leaf::Padding(tuple) | Leaf::Outside(tuple) => {
                            let value = match padding {
                                Some((last, value)) if last == *tuple => value,
                                _ => {
                                    let values =
                                        tuple.iter().zip(&divisors).map(|(&sum, d)| F::from(sum) * d);
                                    denominator(alpha, beta, tag, values)
                                }
                            };
                            padding = Some((*tuple, value));
                            let counts = matches!(leaf, Leaf::Outside(_));
                            layer.numerators.push(F::from(counts));
                            layer.denominators.push(value);
                        }
                    }
                }
            }
            BlockKind::Table(number) => {
                let counts = witness.tensor(system.tables[number].multiplicity);
                layer.numerators.extend(counts.iter().map(|&count| F::from(-count)));
                layer.denominators.extend_from_slice(&denominators_of[number]);
            }
        }
    }
    layer
}

fn denominator(alpha: F, beta: F, tag: F, tuple: impl DoubleEndedIterator<Item = F>) -> F {
    let fingerprint = tuple.rev().fold(F::ZERO, |sum, value| (sum + value) * beta);
    alpha - tag - fingerprint
}

/// Proves the tree over all lookups; gives the proof and the claim in which it ends.
pub fn prove<T: Transcript>(
    system: &System,
    schedule: &Schedule,
    witness: &Witness<'_>,
    alpha: F,
    beta: F,
    transcript: &mut T,
) -> (TreeProof, TreeEnd) {
    let mut layers = vec![leaves(system, schedule, witness, alpha, beta)];
    for _ in 1..schedule.depth {
        layers.push(layers[layers.len() - 1].parent());
    }
    // Step 1: the two nodes below the root.
    let root = layers.pop().map_or([F::ZERO; 4], |layer| layer.children(0));
    transcript.absorb_scalars(b"root", &root);
    let mut point = vec![transcript.challenge(b"line")];
    let (mut numerator, mut denominator) = line(&root, point[0]);
    // Step 2: each layer's claim, by sumcheck, from the layer below.
    let mut proofs = Vec::with_capacity(layers.len());
    while let Some(below) = layers.pop() {
        let lambda = transcript.challenge(b"lambda");
        let claim = numerator + lambda * denominator;
        let (layer, mut next) = prove_layer(&below, &point, lambda, claim, transcript);
        transcript.absorb_scalars(b"end", &layer.ends);
        let g = transcript.challenge(b"line");
        (numerator, denominator) = line(&layer.ends, g);
        next.push(g);
        point = next;
        proofs.push(layer);
    }
    (TreeProof { root: vec![root], layers: proofs }, TreeEnd { point, numerator, denominator })
}

/// p0, q0, p1 + lambda q1, q1 of a node's children: then `p0 q1 + p1 q0 + lambda q0 q1` is two products.
type Node = [F; 4];

/// The node beyond the live ones.
fn tail(lambda: F) -> Node {
    [F::ZERO, F::ONE, lambda, F::ONE]
}

fn product(node: &Node) -> F {
    let [p0, q0, p1, q1] = node;
    F::sum_of_products(&[*p0, *p1], &[*q1, *q0])
}

fn prove_layer<T: Transcript>(
    below: &Layer,
    point: &[F],
    lambda: F,
    mut claim: F,
    transcript: &mut T,
) -> (LayerProof, Vec<F>) {
    let nodes = below.numerators.len().div_ceil(2);
    count::full(nodes);
    let mut live: Vec<Node> = (0..nodes)
        .into_par_iter()
        .with_min_len(GRAIN)
        .map(|node| {
            let [p0, q0, p1, q1] = below.children(node);
            [p0, q0, p1 + lambda * q1, q1]
        })
        .collect();
    let eq = EqHalves::new(point);
    let inverse_of_y = inverses(point);
    let mut rounds = Vec::with_capacity(point.len());
    let mut next = point.to_vec();
    for bound in (0..point.len()).rev() {
        let pairs = live.len().div_ceil(2);
        if live.len() % 2 == 1 {
            live.push(tail(lambda));
        }
        // Two products of two terms and two weights a pair, then four values bound.
        count::full((6 + 4) * pairs);
        // h(0) and the leading coefficient; h(1) follows from the claim (1 - y) h(0) + y h(1).
        let (mut h0, h2) = eq.weighted_sums(bound, pairs, |pair| {
            let [a, b] = [&live[2 * pair], &live[2 * pair + 1]];
            let slope = [b[0] - a[0], b[1] - a[1], b[2] - a[2], b[3] - a[3]];
            (product(a), product(&slope))
        });
        if pairs < 1 << bound {
            h0 += lambda * (F::ONE - less_than(pairs, &point[..bound]));
        }
        let h1 = (claim - h0) * inverse_of_y[bound] - h2;
        let message = [h1, h2];
        transcript.absorb_scalars(b"round", &message);
        let x = transcript.challenge(b"round");
        claim = h0 + x * (h1 + x * h2);
        next[bound] = x;
        rounds.push(message);
        live = live
            .par_chunks_exact(2)
            .with_min_len(GRAIN)
            .map(|pair| {
                let [a, b] = [&pair[0], &pair[1]];
                [0, 1, 2, 3].map(|i| a[i] + x * (b[i] - a[i]))
            })
            .collect();
    }
    let [p0, q0, p1, q1] = live.first().copied().unwrap_or_else(|| tail(lambda));
    (LayerProof { rounds, ends: [p0, q0, p1 - lambda * q1, q1] }, next)
}
