//! How points and scalars are written: 32 bytes each, one encoding per value, every other pattern refused.
//!
//! A point of BN254's first group, `y^2 = x^3 + 3` over the field of `q` elements, is its `x` as a 254-bit
//! little-endian integer. The two spare bits of the last byte say the rest:
//!
//! | bit 7 | bit 6 | meaning |
//! | --- | --- | --- |
//! | 0 | 0 | the root `y < q/2` |
//! | 1 | 0 | the root `y > q/2` |
//! | 0 | 1 | the identity; all other bits are zero |
//!
//! This is the compressed form of arkworks, decoded strictly. The group has prime order, so that a point on the curve
//! is in the group; no point has `y = 0`. A scalar is its 32-byte little-endian canonical integer.
//!
//! Decoding costs one square root: `q = 3 mod 4`, hence `a^((q+1)/4)`, some 250 squarings and 75 products. That is a chain
//! of dependent products; [`decode_all`] walks four chains side by side, and the processor overlaps a little of them.

use alloc::vec::Vec;
use ark_bn254::Fq;
pub use ark_bn254::{G1Affine, G1Projective};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, MontFp, PrimeField, Zero};
use thiserror::Error;

/// The scalar field of BN254, in which all claims of the argument live.
pub type F = ark_bn254::Fr;

/// Length of an encoded point or scalar.
pub const ENCODED: usize = 32;

/// Why 32 bytes are no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PointError {
    /// The x coordinate is at or above `q`.
    #[error("the x coordinate of a point is not reduced")]
    NotCanonical,
    /// No point of the curve has this x coordinate.
    #[error("no point of the curve has this x coordinate")]
    NotOnCurve,
    /// The identity's flag beside other bits.
    #[error("the flag bits of a point contradict its other bits")]
    BadFlags,
}

/// Why 32 bytes are no scalar: the integer is at or above the field's modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a scalar is not reduced")]
pub struct ScalarError;

const GREATER: u8 = 0x80;
const IDENTITY: u8 = 0x40;
const CURVE_B: Fq = MontFp!("3");

/// The point's only encoding.
pub fn encode(point: &G1Affine) -> [u8; ENCODED] {
    let [body @ .., last] = to_bytes(point.x.into_bigint());
    let flags = if is_identity(point) {
        IDENTITY
    } else if is_greater(&point.y) {
        GREATER
    } else {
        0
    };
    let mut bytes = [last | flags; ENCODED];
    bytes.iter_mut().zip(body).for_each(|(to, from)| *to = from);
    bytes
}

/// The point that `bytes` is the encoding of.
pub fn decode(bytes: &[u8; ENCODED]) -> Result<G1Affine, PointError> {
    let parsed = Parsed::read(bytes)?;
    let [root] = root_candidates([parsed.square()]);
    parsed.finish(root)
}

/// The points of a list of encodings, or the first error. A little faster per point than [`decode`].
pub fn decode_all(encodings: &[[u8; ENCODED]]) -> Result<Vec<G1Affine>, PointError> {
    const LANES: usize = 4;
    let mut points = Vec::with_capacity(encodings.len());
    let (groups, rest) = encodings.as_chunks::<LANES>();
    for [a, b, c, d] in groups {
        let parsed = [Parsed::read(a)?, Parsed::read(b)?, Parsed::read(c)?, Parsed::read(d)?];
        let roots = root_candidates(parsed.each_ref().map(Parsed::square));
        for (parsed, root) in parsed.into_iter().zip(roots) {
            points.push(parsed.finish(root)?);
        }
    }
    for bytes in rest {
        points.push(decode(bytes)?);
    }
    Ok(points)
}

/// The scalar's only encoding.
pub fn encode_scalar(scalar: &F) -> [u8; ENCODED] {
    to_bytes(scalar.into_bigint())
}

/// The scalar that `bytes` is the encoding of.
pub fn decode_scalar(bytes: &[u8; ENCODED]) -> Result<F, ScalarError> {
    F::from_bigint(from_bytes(bytes)).ok_or(ScalarError)
}

/// A base field element from its 32-byte little-endian canonical integer.
pub(crate) fn decode_coordinate(bytes: &[u8; ENCODED]) -> Option<Fq> {
    Fq::from_bigint(from_bytes(bytes))
}

/// The right side of the curve's equation, `x^3 + 3`.
pub(crate) fn right_side(x: &Fq) -> Fq {
    x.square() * x + CURVE_B
}

/// For each `a` the value `a^((q+1)/4)`: a root of `a` if it is a square, else a root of `-a`.
///
/// Windows of four bits from the left, all lanes in step.
pub(crate) fn root_candidates<const LANES: usize>(a: [Fq; LANES]) -> [Fq; LANES] {
    let mut powers = [[Fq::ONE; LANES]; 16];
    let mut power = [Fq::ONE; LANES];
    for entry in powers.iter_mut().skip(1) {
        power.iter_mut().zip(&a).for_each(|(power, a)| *power *= a);
        *entry = power;
    }
    let mut result = [Fq::ONE; LANES];
    for digit in (0..64).rev().map(exponent_digit) {
        for _ in 0..4 {
            result.iter_mut().for_each(|r| _ = r.square_in_place());
        }
        if let (1.., Some(power)) = (digit, powers.get(digit)) {
            result.iter_mut().zip(power).for_each(|(r, p)| *r *= p);
        }
    }
    result
}

/// Hexadecimal digit `i` of `(q + 1) / 4`.
fn exponent_digit(i: usize) -> usize {
    const EXPONENT: BigInt<4> =
        BigInt!("5472060717959818805561601436314318772174077789324455915672259473661306552146");
    let limb = EXPONENT.0.get(i / 16).copied().unwrap_or(0);
    (limb >> (4 * (i % 16)) & 15) as usize
}

/// An encoding after its bits are read, before its root is taken.
enum Parsed {
    Identity,
    Finite { x: Fq, greater: bool },
}

impl Parsed {
    fn read(bytes: &[u8; ENCODED]) -> Result<Self, PointError> {
        let [body @ .., last] = *bytes;
        let (greater, identity, high) =
            (last & GREATER != 0, last & IDENTITY != 0, last & !(GREATER | IDENTITY));
        if identity {
            let clear = !greater && high == 0 && body.iter().all(|byte| *byte == 0);
            return if clear { Ok(Self::Identity) } else { Err(PointError::BadFlags) };
        }
        let mut limbs = from_bytes(bytes);
        if let Some(limb) = limbs.0.last_mut() {
            *limb &= u64::MAX >> 2;
        }
        let x = Fq::from_bigint(limbs).ok_or(PointError::NotCanonical)?;
        Ok(Self::Finite { x, greater })
    }

    /// The square whose root `finish` needs.
    fn square(&self) -> Fq {
        match self {
            Self::Identity => Fq::ZERO,
            Self::Finite { x, .. } => right_side(x),
        }
    }

    fn finish(self, root: Fq) -> Result<G1Affine, PointError> {
        let Self::Finite { x, greater } = self else { return Ok(G1Affine::identity()) };
        if root.square() != right_side(&x) {
            return Err(PointError::NotOnCurve);
        }
        let y = if is_greater(&root) == greater { root } else { -root };
        Ok(G1Affine::new_unchecked(x, y))
    }
}

pub(crate) fn is_identity(point: &G1Affine) -> bool {
    point.x.is_zero() && point.y.is_zero()
}

fn is_greater(y: &Fq) -> bool {
    y.into_bigint() > Fq::MODULUS_MINUS_ONE_DIV_TWO
}

pub(crate) fn is_odd(y: &Fq) -> bool {
    y.into_bigint().is_odd()
}

fn to_bytes(integer: BigInt<4>) -> [u8; ENCODED] {
    let mut bytes = [0; ENCODED];
    let (words, _) = bytes.as_chunks_mut::<8>();
    words.iter_mut().zip(integer.0).for_each(|(word, limb)| *word = limb.to_le_bytes());
    bytes
}

fn from_bytes(bytes: &[u8; ENCODED]) -> BigInt<4> {
    let mut limbs = [0; 4];
    let (words, _) = bytes.as_chunks::<8>();
    limbs.iter_mut().zip(words).for_each(|(limb, word)| *limb = u64::from_le_bytes(*word));
    BigInt::new(limbs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis;
    use proptest::prelude::*;

    fn with_top_bits(point: &G1Affine, bits: u8) -> [u8; ENCODED] {
        let mut bytes = encode(point);
        bytes[ENCODED - 1] = bytes[ENCODED - 1] & 0x3f | bits;
        bytes
    }

    #[test]
    fn points_and_their_negatives_survive_the_round_trip() {
        for point in basis::basis(50).into_iter().flat_map(|point| [point, -point]) {
            assert_eq!(decode(&encode(&point)), Ok(point));
        }
    }

    #[test]
    fn the_generator_has_its_known_encoding() {
        let mut bytes = [0; ENCODED];
        bytes[0] = 1;
        let generator = decode(&bytes).unwrap();
        assert_eq!((generator.x, generator.y), (Fq::ONE, MontFp!("2")));
        bytes[ENCODED - 1] = GREATER;
        assert_eq!(decode(&bytes), Ok(-generator));
    }

    #[test]
    fn the_identity_has_one_encoding() {
        let identity = G1Affine::identity();
        let bytes = encode(&identity);
        assert_eq!(bytes[ENCODED - 1], IDENTITY);
        assert_eq!(decode(&bytes), Ok(identity));
        for i in 0..256 {
            let mut changed = bytes;
            changed[i / 8] ^= 1 << (i % 8);
            assert_ne!(decode(&changed), Ok(identity));
        }
        assert_eq!(decode(&[0; ENCODED]), Err(PointError::NotOnCurve));
        assert_eq!(decode(&with_top_bits(&identity, GREATER | IDENTITY)), Err(PointError::BadFlags));
        assert_eq!(decode(&with_top_bits(&basis::point(0), IDENTITY)), Err(PointError::BadFlags));
        assert_eq!(decode(&with_top_bits(&basis::point(0), GREATER | IDENTITY)), Err(PointError::BadFlags));
    }

    #[test]
    fn an_unreduced_x_is_refused() {
        let mut x = BigInt::new([1, 0, 0, 0]);
        x.add_with_carry(&Fq::MODULUS);
        assert_eq!(decode(&to_bytes(x)), Err(PointError::NotCanonical));
        assert_eq!(decode(&to_bytes(Fq::MODULUS)), Err(PointError::NotCanonical));
    }

    #[test]
    fn an_x_beside_the_curve_is_refused() {
        let refused = (0u8..=255)
            .map(|low| {
                let mut bytes = [0; ENCODED];
                bytes[0] = low;
                decode(&bytes)
            })
            .filter(|result| *result == Err(PointError::NotOnCurve))
            .count();
        assert!((90..166).contains(&refused));
    }

    #[test]
    fn a_list_is_refused_for_any_of_its_points() {
        let mut encodings: Vec<_> = basis::basis(11).iter().map(encode).collect();
        assert_eq!(decode_all(&encodings), Ok(basis::basis(11)));
        for i in 0..encodings.len() {
            let good = core::mem::replace(&mut encodings[i], [0; ENCODED]);
            assert_eq!(decode_all(&encodings), Err(PointError::NotOnCurve));
            encodings[i] = good;
        }
    }

    #[test]
    fn an_unreduced_scalar_is_refused() {
        assert_eq!(decode_scalar(&to_bytes(F::MODULUS)), Err(ScalarError));
        assert_eq!(decode_scalar(&[255; ENCODED]), Err(ScalarError));
        assert_eq!(decode_scalar(&encode_scalar(&-F::ONE)), Ok(-F::ONE));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes: [u8; ENCODED]) {
            if let Ok(point) = decode(&bytes) {
                prop_assert!(point.is_on_curve());
                prop_assert_eq!(encode(&point), bytes);
            }
            if let Ok(scalar) = decode_scalar(&bytes) {
                prop_assert_eq!(encode_scalar(&scalar), bytes);
            }
        }

        #[test]
        fn roots_are_those_of_arkworks(bytes: [u8; ENCODED]) {
            let square = Fq::from_le_bytes_mod_order(&bytes);
            let [root] = root_candidates([square]);
            match square.sqrt() {
                Some(expected) => prop_assert!(root == expected || root == -expected),
                None => prop_assert_ne!(root.square(), square),
            }
        }
    }
}
