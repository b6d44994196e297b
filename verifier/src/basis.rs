//! The transparent reference string: basis points that nobody knows a relation between.
//!
//! Point `i` of a label is hashed to the curve by try and increment. For `ctr = 0, 1, ..` take 64 bytes of
//! `BLAKE3(label, u64 i, u32 ctr)`, little-endian integers; `x` is the first 48 bytes as a little-endian integer mod `q`
//! (bias below `2^-130`); if `x^3 + 3` is a square, the point is `(x, y)` with `y` of the parity of the last byte's low
//! bit, else the next `ctr`. The cofactor is 1. One label makes the vector basis `G`, another the extra point `Q` of the
//! inner-product argument. Nothing of a program enters: a shorter row uses a prefix of the basis.
//!
//! Hashing costs about two square roots a point, so the first [`SHIPPED`] points come with the crate, as a file of
//! uncompressed points that `examples/make_basis.rs` writes and a test recomputes.

use crate::point::{ENCODED, G1Affine, decode_coordinate, is_odd, right_side, root_candidates};
use alloc::vec::Vec;
use ark_bn254::Fq;
use ark_ff::{Field, PrimeField};

/// The reference string's name, as programs, keys and proofs state it.
pub const REFERENCE: &str = "assay-transparent-bn254-v1";

/// How many basis points come with the crate.
pub const SHIPPED: usize = 1024;

/// Label of the vector basis.
const VECTOR: &str = "assay-transparent-bn254-v1/G";

/// Label of the inner-product argument's extra point.
const INNER_PRODUCT: &str = "assay-transparent-bn254-v1/Q";

/// `SHIPPED` points of 64 bytes: x then y, canonical little-endian integers.
static SHIPPED_POINTS: &[u8] = include_bytes!("basis.bin");

/// Basis point `i`, computed.
pub fn point(i: u64) -> G1Affine {
    hash_to_curve(VECTOR, i)
}

/// The first `len` basis points: shipped ones read, the rest computed.
pub fn basis(len: usize) -> Vec<G1Affine> {
    let mut points = shipped(len);
    let computed = points.len() as u64..len as u64;
    points.extend(computed.map(point));
    points
}

/// The first `len` basis points, or all that are shipped if those are fewer.
pub fn shipped(len: usize) -> Vec<G1Affine> {
    let (encodings, _) = SHIPPED_POINTS.as_chunks::<{ 2 * ENCODED }>();
    encodings.iter().take(len).map_while(read_uncompressed).collect()
}

/// The extra point `Q` of the inner-product argument.
pub fn inner_product_point() -> G1Affine {
    hash_to_curve(INNER_PRODUCT, 0)
}

fn read_uncompressed(bytes: &[u8; 2 * ENCODED]) -> Option<G1Affine> {
    let (x, y) = bytes.split_first_chunk()?;
    Some(G1Affine::new_unchecked(decode_coordinate(x)?, decode_coordinate(y.first_chunk()?)?))
}

fn hash_to_curve(label: &str, i: u64) -> G1Affine {
    let mut counter = 0u32;
    loop {
        let mut wide = [0; 64];
        let mut hasher = blake3::Hasher::new();
        hasher.update(label.as_bytes()).update(&i.to_le_bytes()).update(&counter.to_le_bytes());
        hasher.finalize_xof().fill(&mut wide);
        let [x_bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, last] = wide;
        let x = Fq::from_le_bytes_mod_order(&x_bytes);
        let square = right_side(&x);
        let [root] = root_candidates([square]);
        if root.square() == square {
            let y = if is_odd(&root) == (last & 1 == 1) { root } else { -root };
            return G1Affine::new_unchecked(x, y);
        }
        counter = counter.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::encode;

    #[test]
    fn the_shipped_points_are_the_computed_ones() {
        assert_eq!(SHIPPED_POINTS.len(), SHIPPED * 2 * ENCODED);
        let computed: Vec<G1Affine> = (0..SHIPPED as u64).map(point).collect();
        assert_eq!(shipped(SHIPPED), computed);
        assert_eq!(shipped(SHIPPED + 1).len(), SHIPPED);
    }

    #[test]
    fn points_beyond_the_shipped_ones_are_computed() {
        let points = basis(SHIPPED + 2);
        assert_eq!(points[..SHIPPED], shipped(SHIPPED));
        assert_eq!(points[SHIPPED..], [point(SHIPPED as u64), point(SHIPPED as u64 + 1)]);
    }

    #[test]
    fn the_points_are_on_the_curve_and_differ() {
        let mut points = basis(SHIPPED);
        points.push(inner_product_point());
        assert!(points.iter().all(|point| point.is_on_curve() && *point != G1Affine::identity()));
        let distinct: alloc::collections::BTreeSet<_> = points.iter().map(encode).collect();
        assert_eq!(distinct.len(), points.len());
    }

    #[test]
    fn the_basis_is_the_golden_one() {
        let mut hasher = blake3::Hasher::new();
        basis(SHIPPED).iter().for_each(|point| _ = hasher.update(&encode(point)));
        assert_eq!(
            hasher.finalize().to_hex().as_str(),
            "05a5b0a1c4e47a9f430e9badb1691e83921103338bf9dd2ba4f2d9bf8e39aae6"
        );
        let extra = blake3::Hash::from_bytes(encode(&inner_product_point()));
        assert_eq!(
            extra.to_hex().as_str(),
            "6a8659d5380c7a442388ea8ff61b2144c969591dfbcfe8c04efe6cfc1a06d981"
        );
    }
}
