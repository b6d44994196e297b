//! Batched point additions, eight at a time, for processors with AVX-512 IFMA; [`crate::batch_affine`] chooses.
//!
//! The formulas are those of [`assay_verifier::batch_affine`]. Lane `l` of a vector belongs to addition `8 k + l`, and
//! each lane has a prefix product of its own; the eight products are inverted together. A base field element is five
//! words of 52 bits, `R = 2^260`, reduced lazily: values below `84 q` fit. Points rest in memory as arkworks has them,
//! reduced and with `R = 2^256`: reading is a shift by four bits (`16 a < 16 q`), writing divides by 16 modulo `q`.
//!
//! Bounds in multiples of `q`, where a product of `a q` and `b q` is below `(0.0119 a b + 1) q`: coordinates read 16,
//! differences of them 32, prefix products 2, inverses 16 at first, slope 1.6, its square 1.1, `x3` 33.1, `x1 - x3 + 34`
//! 50, `y3` 18. Cost: six products of 105 multiply-adds for eight additions.

use ark_bn254::Fq;
use ark_ff::{BigInt, PrimeField, batch_inversion};
use assay_verifier::point::G1Affine;
use core::arch::x86_64::*;

const LANES: usize = 8;
const LIMB: u32 = 52;
const MASK: u64 = (1 << LIMB) - 1;

/// `-1 / q mod 2^52`.
const NEGATIVE_INVERSE: u64 = 0x2_0782_e486_6389;
/// `2^260 mod q`.
const ONE: [u64; 5] =
    [0x2_0880_f6fc_e4b4, 0x4_9baa_989a_8455, 0x1_8f01_4a49_8908, 0x7_24f8_5a92_01d8, 0x1f16_424e_1bb7];
const Q: [u64; 5] = multiple(1);
const Q_16: [u64; 5] = multiple(16);
const Q_32: [u64; 5] = multiple(32);
const Q_34: [u64; 5] = multiple(34);

/// Five limbs of eight base field elements.
type Element = [__m512i; 5];

/// Four words of eight integers, as arkworks has them in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Words([[u64; LANES]; 4]);

/// The operands of eight additions.
#[derive(Clone, Copy, Debug)]
struct Operands {
    x1: Words,
    y1: Words,
    x2: Words,
    y2: Words,
}

impl Operands {
    /// Additions that nobody asked for: their denominator is not zero.
    const IDLE: Self = {
        let zero = Words([[0; LANES]; 4]);
        let mut one = zero;
        one.0[0] = [1; LANES];
        Self { x1: zero, y1: zero, x2: one, y2: zero }
    };

    fn set(&mut self, lane: usize, sum: &G1Affine, addend: &G1Affine) {
        for j in 0..4 {
            self.x1.0[j][lane] = sum.x.0.0[j];
            self.y1.0[j][lane] = sum.y.0.0[j];
            self.x2.0[j][lane] = addend.x.0.0[j];
            self.y2.0[j][lane] = addend.y.0.0[j];
        }
    }
}

/// Additions that wait for a common inversion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// Blocks are reused without being cleared: lanes beyond the last target hold additions of an earlier batch, whose
    /// denominators are not zero either, or idle ones.
    operands: Vec<Operands>,
    targets: Vec<usize>,
    prefixes: Vec<Element>,
}

/// Whether this processor has the instructions.
pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")
}

impl Batch {
    /// How many additions wait.
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Adds `sums[target] = sum + addend` to the batch. The points differ in x and neither is the identity.
    pub(crate) fn push(&mut self, target: usize, sum: &G1Affine, addend: &G1Affine) {
        let (block, lane) = (self.targets.len() / LANES, self.targets.len() % LANES);
        if block == self.operands.len() {
            self.operands.push(Operands::IDLE);
        }
        self.targets.push(target);
        self.operands[block].set(lane, sum, addend);
    }

    /// Performs the waiting additions.
    pub(crate) fn apply(&mut self, sums: &mut [G1Affine]) {
        assert!(is_available(), "the vector unit was chosen on a processor without it");
        // SAFETY: the assertion finds the features that the callee is compiled for.
        unsafe { self.apply_lanes(sums) }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn apply_lanes(&mut self, sums: &mut [G1Affine]) {
        self.prefixes.clear();
        let mut product = broadcast(&ONE);
        let operands = &self.operands[..self.targets.len().div_ceil(LANES)];
        for block in operands {
            self.prefixes.push(product);
            product = mul(&product, &subtract(&read(&block.x2), &[read(&block.x1)], &Q_16));
        }
        let mut inverse = invert(&product);
        let blocks = operands.iter().zip(&self.prefixes).zip(self.targets.chunks(LANES));
        for ((block, prefix), targets) in blocks.rev() {
            let (x1, y1, x2, y2) = (read(&block.x1), read(&block.y1), read(&block.x2), read(&block.y2));
            let inverted = mul(&inverse, prefix);
            inverse = mul(&inverse, &subtract(&x2, &[x1], &Q_16));
            let slope = mul(&subtract(&y2, &[y1], &Q_16), &inverted);
            let x3 = subtract(&mul(&slope, &slope), &[x1, x2], &Q_32);
            let y3 = subtract(&mul(&slope, &subtract(&x1, &[x3], &Q_34)), &[y1], &Q_16);
            let (x3, y3) = (write(&x3), write(&y3));
            for (lane, target) in targets.iter().enumerate() {
                sums[*target] = G1Affine::new_unchecked(field(&x3, lane), field(&y3, lane));
            }
        }
        self.targets.clear();
    }
}

/// `k q` in limbs.
const fn multiple(k: u64) -> [u64; 5] {
    let words = Fq::MODULUS.0;
    let limbs = [
        words[0] & MASK,
        (words[0] >> 52 | words[1] << 12) & MASK,
        (words[1] >> 40 | words[2] << 24) & MASK,
        (words[2] >> 28 | words[3] << 36) & MASK,
        words[3] >> 16,
    ];
    let mut product = [0; 5];
    let mut carry = 0;
    let mut i = 0;
    while i < 5 {
        let sum = limbs[i] * k + carry;
        product[i] = sum & MASK;
        carry = sum >> LIMB;
        i += 1;
    }
    product
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(limbs: &[u64; 5]) -> Element {
    [splat(limbs[0]), splat(limbs[1]), splat(limbs[2]), splat(limbs[3]), splat(limbs[4])]
}

/// The Montgomery product `a b / 2^260`, limb by limb of `b` (Koc, Acar, Kaliski 1996, CIOS).
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn mul(a: &Element, b: &Element) -> Element {
    let zero = _mm512_setzero_si512();
    let q = broadcast(&Q);
    let mut sum = [zero; 6];
    for limb in b {
        for j in 0..5 {
            sum[j] = _mm512_madd52lo_epu64(sum[j], a[j], *limb);
        }
        let factor = _mm512_madd52lo_epu64(zero, sum[0], splat(NEGATIVE_INVERSE));
        for j in 0..5 {
            sum[j] = _mm512_madd52lo_epu64(sum[j], factor, q[j]);
        }
        let carry = _mm512_srli_epi64::<LIMB>(sum[0]);
        sum = [_mm512_add_epi64(sum[1], carry), sum[2], sum[3], sum[4], zero, zero];
        for j in 0..5 {
            sum[j] = _mm512_madd52hi_epu64(sum[j], a[j], *limb);
            sum[j] = _mm512_madd52hi_epu64(sum[j], factor, q[j]);
        }
    }
    carry([sum[0], sum[1], sum[2], sum[3], sum[4]])
}

/// `a - sum of b + slack`, not negative.
#[inline]
#[target_feature(enable = "avx512f")]
fn subtract<const N: usize>(a: &Element, b: &[Element; N], slack: &[u64; 5]) -> Element {
    let mut limbs = *a;
    for j in 0..5 {
        limbs[j] = _mm512_add_epi64(limbs[j], splat(slack[j]));
        for b in b {
            limbs[j] = _mm512_sub_epi64(limbs[j], b[j]);
        }
    }
    carry(limbs)
}

/// Brings limbs, negative ones too, into 52 bits; the value must not be negative and must fit, else the top limb tells.
#[inline]
#[target_feature(enable = "avx512f")]
fn carry(mut limbs: Element) -> Element {
    for j in 0..4 {
        limbs[j + 1] = _mm512_add_epi64(limbs[j + 1], _mm512_srai_epi64::<LIMB>(limbs[j]));
        limbs[j] = _mm512_and_si512(limbs[j], splat(MASK));
    }
    limbs
}

/// `16 a`, which is `a` with `R = 2^260`.
#[inline]
#[target_feature(enable = "avx512f")]
fn read(words: &Words) -> Element {
    let load = |row: &[u64; LANES]| {
        // SAFETY: the row has the 64 bytes that are read, and the instruction asks for no alignment.
        unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
    };
    let [w0, w1, w2, w3] = [load(&words.0[0]), load(&words.0[1]), load(&words.0[2]), load(&words.0[3])];
    let mask = splat(MASK);
    [
        _mm512_and_si512(_mm512_slli_epi64::<4>(w0), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<48>(w0), _mm512_slli_epi64::<16>(w1)), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<36>(w1), _mm512_slli_epi64::<28>(w2)), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<24>(w2), _mm512_slli_epi64::<40>(w3)), mask),
        _mm512_srli_epi64::<12>(w3),
    ]
}

/// `a / 16` modulo `q`, reduced, for `a < 48 q`: a multiple of `q` makes the low four bits zero.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn write(a: &Element) -> Words {
    let q = broadcast(&Q);
    let factor = _mm512_and_si512(
        _mm512_madd52lo_epu64(_mm512_setzero_si512(), a[0], splat(NEGATIVE_INVERSE)),
        splat(15),
    );
    let mut limbs = *a;
    for j in 0..5 {
        limbs[j] = _mm512_madd52lo_epu64(limbs[j], factor, q[j]);
    }
    for j in 0..4 {
        limbs[j + 1] = _mm512_madd52hi_epu64(limbs[j + 1], factor, q[j]);
    }
    let limbs = subtract_if_above(&subtract_if_above(&carry(limbs), &Q_32), &Q_16);
    let join = |low, high| _mm512_or_si512(low, high);
    let words = [
        join(_mm512_srli_epi64::<4>(limbs[0]), _mm512_slli_epi64::<48>(limbs[1])),
        join(_mm512_srli_epi64::<16>(limbs[1]), _mm512_slli_epi64::<36>(limbs[2])),
        join(_mm512_srli_epi64::<28>(limbs[2]), _mm512_slli_epi64::<24>(limbs[3])),
        join(_mm512_srli_epi64::<40>(limbs[3]), _mm512_slli_epi64::<12>(limbs[4])),
    ];
    let mut stored = Words([[0; LANES]; 4]);
    for (row, word) in stored.0.iter_mut().zip(words) {
        // SAFETY: the row has the 64 bytes that are written, and the instruction asks for no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), word) }
    }
    stored
}

/// `a - bound` where that is not negative, else `a`.
#[inline]
#[target_feature(enable = "avx512f")]
fn subtract_if_above(a: &Element, bound: &[u64; 5]) -> Element {
    let mut difference = *a;
    for j in 0..5 {
        difference[j] = _mm512_sub_epi64(a[j], splat(bound[j]));
    }
    difference = carry(difference);
    let negative = _mm512_cmplt_epi64_mask(difference[4], _mm512_setzero_si512());
    for j in 0..5 {
        difference[j] = _mm512_mask_mov_epi64(difference[j], negative, a[j]);
    }
    difference
}

/// The inverses of all lanes.
#[target_feature(enable = "avx512f,avx512ifma")]
fn invert(a: &Element) -> Element {
    let words = write(a);
    let mut lanes: [Fq; LANES] = core::array::from_fn(|lane| field(&words, lane));
    batch_inversion(&mut lanes);
    let mut inverses = words;
    for (lane, inverse) in lanes.iter().enumerate() {
        (0..4).for_each(|j| inverses.0[j][lane] = inverse.0.0[j]);
    }
    read(&inverses)
}

#[inline]
fn field(words: &Words, lane: usize) -> Fq {
    Fq::new_unchecked(BigInt::new([words.0[0][lane], words.0[1][lane], words.0[2][lane], words.0[3][lane]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, Field, Zero};
    use proptest::prelude::*;

    /// Elements whose words are far out more often than chance has it.
    fn any_element() -> impl Strategy<Value = Fq> {
        let raw = |words| Fq::new_unchecked(BigInt::new(words));
        let largest = (-Fq::ONE.double()).0.0;
        prop_oneof![
            any::<[u8; 32]>().prop_map(|bytes| Fq::from_le_bytes_mod_order(&bytes)),
            Just(Fq::ZERO),
            Just(raw([1, 0, 0, 0])),
            Just(raw([u64::MAX, u64::MAX, u64::MAX, 0])),
            Just(raw(largest)),
            Just(-raw([1, 0, 0, 0])),
        ]
    }

    fn words(lanes: &[Fq; LANES]) -> Words {
        Words(core::array::from_fn(|j| core::array::from_fn(|lane| lanes[lane].0.0[j])))
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn compute(a: &Words, b: &Words) -> [Words; 3] {
        let (a, b) = (read(a), read(b));
        [write(&mul(&a, &b)), write(&subtract(&a, &[b], &Q_16)), write(&subtract(&a, &[b, b], &Q_32))]
    }

    proptest! {
        #[test]
        fn lanes_compute_as_the_field_does(
            a in prop::array::uniform8(any_element()),
            b in prop::array::uniform8(any_element()),
        ) {
            prop_assume!(is_available());
            // SAFETY: the features were just found.
            let [product, difference, second] = unsafe { compute(&words(&a), &words(&b)) };
            for lane in 0..LANES {
                prop_assert_eq!(field(&product, lane), a[lane] * b[lane]);
                prop_assert_eq!(field(&difference, lane), a[lane] - b[lane]);
                prop_assert_eq!(field(&second, lane), a[lane] - b[lane].double());
            }
        }

        #[test]
        fn lanes_are_inverted(a in prop::array::uniform8(any_element())) {
            prop_assume!(is_available() && a.iter().all(|a| !a.is_zero()));
            // SAFETY: the features were just found.
            let inverses = unsafe { inverted(&words(&a)) };
            (0..LANES).for_each(|lane| assert_eq!(Some(field(&inverses, lane)), a[lane].inverse()));
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn inverted(a: &Words) -> Words {
        write(&invert(&read(a)))
    }
}
