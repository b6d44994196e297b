//! Proofs: what a prover sends, and its canonical encoding.
//!
//! The plan fixes how many of each thing there are, so that the encoding holds no count: points and scalars,
//! 32 bytes each, in the order of the transcript.

use crate::F;
use crate::point;
use crate::rejection::Rejection;
use crate::statement::decode_points;
use alloc::vec::Vec;
use ark_bn254::G1Affine;
use assay_circuits::encoding::{DecodeError, Reader};
use assay_circuits::plan::ProofShape;

/// One layer of the tree of lookups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProof {
    /// Each round's (h1, h2): the coefficients of h but the constant one, the eq factor taken out.
    pub rounds: Vec<[F; 2]>,
    /// p0, q0, p1, q1 where the layer's sumcheck ends.
    pub ends: [F; 4],
}

/// The proof of the tree of lookups.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TreeProof {
    /// p0, q0, p1, q1 of the two nodes below the root; empty where there is no lookup.
    pub root: Vec<[F; 4]>,
    /// The layers below, from the top.
    pub layers: Vec<LayerProof>,
}

/// The proof of the openings.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OpeningProof {
    /// Each round's (c0, c2) of the sumcheck that unifies column points.
    pub unify: Vec<[F; 2]>,
    /// Each round's (L, R) of the last step.
    pub fold: Vec<[G1Affine; 2]>,
    /// The folded row.
    pub row: Vec<F>,
}

/// A succinct proof.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Proof {
    /// Commitments to the rows of wires.
    pub wires: Vec<G1Affine>,
    /// Commitments to the rows of hints and multiplicities.
    pub hints: Vec<G1Affine>,
    /// The tree of lookups.
    pub tree: TreeProof,
    /// Values of committed and virtual tensors where the tree ends.
    pub readings: Vec<F>,
    /// Values of committed tensors at equalities.
    pub stated: Vec<F>,
    /// Each round's coefficients of the batched sumcheck, but the linear one.
    pub rounds: Vec<Vec<F>>,
    /// Values of committed tensors in which it ends.
    pub values: Vec<F>,
    /// The openings.
    pub opening: OpeningProof,
}

impl Proof {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let points = |bytes: &mut Vec<u8>, points: &[G1Affine]| {
            points.iter().for_each(|p| bytes.extend_from_slice(&point::encode(p)));
        };
        let scalars = |bytes: &mut Vec<u8>, scalars: &[F]| {
            scalars.iter().for_each(|s| bytes.extend_from_slice(&point::encode_scalar(s)));
        };
        points(&mut bytes, &self.wires);
        points(&mut bytes, &self.hints);
        scalars(&mut bytes, self.tree.root.as_flattened());
        for layer in &self.tree.layers {
            scalars(&mut bytes, layer.rounds.as_flattened());
            scalars(&mut bytes, &layer.ends);
        }
        scalars(&mut bytes, &self.readings);
        scalars(&mut bytes, &self.stated);
        self.rounds.iter().for_each(|message| scalars(&mut bytes, message));
        scalars(&mut bytes, &self.values);
        scalars(&mut bytes, self.opening.unify.as_flattened());
        points(&mut bytes, self.opening.fold.as_flattened());
        scalars(&mut bytes, &self.opening.row);
        bytes
    }

    /// Reads a proof of the given shape.
    ///
    /// # Errors
    /// Where the length is another, a scalar is not reduced, or a point is not one of the group.
    pub fn decode(bytes: &[u8], shape: &ProofShape) -> Result<Proof, Rejection> {
        if bytes.len() != shape.bytes() {
            return Err(Rejection::Length { expected: shape.bytes(), given: bytes.len() });
        }
        let mut r = Reader::new(bytes);
        let proof = Proof {
            wires: decode_points(&mut r, shape.wires, "rows of wires")?,
            hints: decode_points(&mut r, shape.hints, "rows of hints")?,
            tree: decode_tree(&mut r, shape.depth)?,
            readings: decode_scalars(&mut r, shape.readings, "readings")?,
            stated: decode_scalars(&mut r, shape.stated, "stated values")?,
            rounds: (0..shape.rounds)
                .map(|_| decode_scalars(&mut r, shape.degree, "einsum round"))
                .collect::<Result<_, _>>()?,
            values: decode_scalars(&mut r, shape.values, "einsum values")?,
            opening: OpeningProof {
                unify: decode_pairs(&mut r, shape.unify, "unify round")?,
                fold: decode_points(&mut r, shape.fold.saturating_mul(2), "fold round")?
                    .as_chunks()
                    .0
                    .to_vec(),
                row: decode_scalars(&mut r, shape.row, "folded row")?,
            },
        };
        r.finish()?;
        Ok(proof)
    }

    /// True where every list has the length that the shape fixes.
    pub fn has_shape(&self, shape: &ProofShape) -> bool {
        let layers =
            self.tree.layers.iter().enumerate().all(|(k, layer)| layer.rounds.len() == k.saturating_add(1));
        self.wires.len() == shape.wires
            && self.hints.len() == shape.hints
            && self.tree.root.len() == usize::from(shape.depth > 0)
            && self.tree.layers.len() == shape.depth.saturating_sub(1)
            && layers
            && self.readings.len() == shape.readings
            && self.stated.len() == shape.stated
            && self.rounds.len() == shape.rounds
            && self.rounds.iter().all(|message| message.len() == shape.degree)
            && self.values.len() == shape.values
            && self.opening.unify.len() == shape.unify
            && self.opening.fold.len() == shape.fold
            && self.opening.row.len() == shape.row
    }
}

fn decode_scalars(r: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<F>, DecodeError> {
    let bytes = r.bytes(count.saturating_mul(point::ENCODED), what)?;
    let (encodings, _) = bytes.as_chunks::<{ point::ENCODED }>();
    encodings.iter().map(|bytes| point::decode_scalar(bytes).map_err(|_| r.invalid(what))).collect()
}

fn decode_pairs(r: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<[F; 2]>, DecodeError> {
    Ok(decode_scalars(r, count.saturating_mul(2), what)?.as_chunks().0.to_vec())
}

fn decode_tree(r: &mut Reader<'_>, depth: usize) -> Result<TreeProof, DecodeError> {
    let ends =
        |r: &mut Reader<'_>| Ok::<_, DecodeError>(decode_scalars(r, 4, "layer ends")?.as_chunks().0.to_vec());
    if depth == 0 {
        return Ok(TreeProof::default());
    }
    let root = ends(r)?;
    let mut layers = Vec::new();
    for k in 1..depth {
        let rounds = decode_pairs(r, k, "layer round")?;
        let ends = ends(r)?.first().copied().ok_or_else(|| r.invalid("layer ends"))?;
        layers.push(LayerProof { rounds, ends });
    }
    Ok(TreeProof { root, layers })
}
