//! The endomorphism of BN254: one scalar of full width becomes two of half the width.
//!
//! `phi(x, y) = (b x, y)` with `b^3 = 1` is multiplication by `LAMBDA`, a cube root of one modulo the group's order `r`.
//! The pairs `(a, c)` with `a + LAMBDA c = 0 mod r` form a lattice with the short basis `(A, -B)`, `(B, A + B)`, where
//! `A^2 + A B + B^2 = r`. Subtracting from `(s, 0)` a lattice point close by leaves `s = low + LAMBDA high mod r` with both
//! below `A + B < 2^127` in magnitude (Gallant, Lambert, Vanstone, CRYPTO 2001, section 4).
//!
//! The coordinates of that lattice point are quotients by `r`, taken as products with reciprocals that are rounded down;
//! the error of less than one in each is within the bound. Cost: 20 word products.

use crate::point::{F, G1Affine};
use ark_bn254::Fq;
use ark_ff::{MontFp, PrimeField};

/// The cube root of one in the base field that belongs to `LAMBDA`.
const CUBE_ROOT: Fq =
    MontFp!("21888242871839275220042445260109153167277707414472061641714758635765020556616");

const A: u128 = 0x6f4d_8248_eeb8_59fc_8211_bbeb_7d4f_1128;
const B: u128 = 0x89d3_2568_94d2_13e3;

/// `floor(2^256 (A + B) / r)`, least significant word first.
const FIRST_RECIPROCAL: [u64; 3] = [0x5398_fd03_00ff_6565, 0x4cce_f014_a773_d2d2, 2];
/// `floor(2^256 B / r)`.
const SECOND_RECIPROCAL: [u64; 3] = [0xd91d_232e_c7e0_b3d7, 2, 0];

/// `phi(point)`.
pub fn endomorphism(point: &G1Affine) -> G1Affine {
    G1Affine::new_unchecked(point.x * CUBE_ROOT, point.y)
}

/// `(low, high)` with `scalar = low + LAMBDA high`, both below `2^127` in magnitude.
pub fn split(scalar: &F) -> (i128, i128) {
    let words = scalar.into_bigint().0;
    let [w0, w1, ..] = words;
    let first = quotient(&words, &FIRST_RECIPROCAL);
    let second = quotient(&words, &SECOND_RECIPROCAL);
    // The results fit, so that arithmetic modulo 2^128 gives them exactly.
    let low = (u128::from(w0) | u128::from(w1) << 64)
        .wrapping_sub(first.wrapping_mul(A))
        .wrapping_sub(second.wrapping_mul(B));
    let high = first.wrapping_mul(B).wrapping_sub(second.wrapping_mul(A + B));
    (low.cast_signed(), high.cast_signed())
}

/// `floor(words * reciprocal / 2^256)`, which is below `2^128`.
fn quotient(words: &[u64; 4], reciprocal: &[u64; 3]) -> u128 {
    let mut product = [0u64; 7];
    for (i, factor) in reciprocal.iter().enumerate() {
        let mut carry = 0u128;
        let mut places = product.iter_mut().skip(i);
        for (word, place) in words.iter().zip(&mut places) {
            carry += u128::from(*word) * u128::from(*factor) + u128::from(*place);
            *place = carry as u64;
            carry >>= 64;
        }
        if let Some(place) = places.next() {
            *place = carry as u64;
        }
    }
    let [.., low, high, _] = product;
    u128::from(low) | u128::from(high) << 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis;
    use ark_ff::{BigInt, Field};
    use proptest::prelude::*;

    const LAMBDA: F =
        MontFp!("21888242871839275217838484774961031246154997185409878258781734729429964517155");

    fn field(value: i128) -> F {
        F::from(value)
    }

    #[test]
    fn the_constants_belong_together() {
        let (a, b) = (F::from(A), F::from(B));
        assert_eq!(LAMBDA * LAMBDA + LAMBDA, -F::ONE);
        assert_eq!(CUBE_ROOT * CUBE_ROOT + CUBE_ROOT, -Fq::ONE);
        assert_eq!(a - LAMBDA * b, F::from(0));
        assert_eq!(b + LAMBDA * (a + b), F::from(0));
        const { assert!(A + B < 1 << 127) };
        let point = basis::point(0);
        assert_eq!(endomorphism(&point), point * LAMBDA);
    }

    #[test]
    fn the_largest_scalars_split_within_the_bound() {
        for words in [F::MODULUS_MINUS_ONE_DIV_TWO, (-F::ONE).into_bigint(), BigInt::new([0; 4])] {
            let scalar = F::from_bigint(words).unwrap_or_default();
            let (low, high) = split(&scalar);
            assert!(low.unsigned_abs() < 1 << 127 && high.unsigned_abs() < 1 << 127);
            assert_eq!(field(low) + LAMBDA * field(high), scalar);
        }
    }

    proptest! {
        #[test]
        fn a_scalar_is_the_combination_of_its_halves(bytes: [u8; 32]) {
            let scalar = F::from_le_bytes_mod_order(&bytes);
            let (low, high) = split(&scalar);
            prop_assert!(low.unsigned_abs() < 1 << 127 && high.unsigned_abs() < 1 << 127);
            prop_assert_eq!(field(low) + LAMBDA * field(high), scalar);
        }
    }
}
