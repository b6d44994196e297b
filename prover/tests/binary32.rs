//! Integer arithmetic against the processor's, bit for bit, more than a million vectors an operation; and elementary
//! functions with both, and with every set of instructions.

use assay_circuits::binary32::{self, INFINITY, NAN, SIGN, canonical, is_nan};
use assay_circuits::elementary;
use assay_circuits::real::{Real, Soft};
use assay_prover::kernels::elementary::{Instructions, Map, map_with};
use assay_prover::kernels::real::Hard;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() >> 32) as u32 % bound
    }

    fn bits(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// A number with `length` significant bits: sums and products of such are often halfway between two numbers.
    fn short(&mut self, length: u32) -> u32 {
        self.bits() & (u32::MAX << (24 - length))
    }

    /// The given biased exponent, anything else.
    fn with_exponent(&mut self, biased: u32) -> u32 {
        self.bits() & !INFINITY | (biased.min(255) << 23)
    }

    /// An operand of one of several kinds, some of them near another operand.
    fn operand(&mut self, near: u32) -> u32 {
        match self.below(8) {
            0 => self.bits(),
            1 => {
                let special = SPECIAL[self.below(SPECIAL.len() as u32) as usize];
                special.wrapping_add(self.below(5)).wrapping_sub(2)
            }
            2 => {
                let length = 1 + self.below(14);
                self.short(length)
            }
            // Cancellation: the same number up to its sign and lowest bits.
            3 => (near ^ (self.bits() & SIGN)).wrapping_add(self.below(9)).wrapping_sub(4),
            // Exponents as far apart as significands are long, where one operand is half a unit of the other.
            4 => {
                let apart = self.below(56);
                let biased = (((near >> 23) & 0xff) + 28).saturating_sub(apart);
                let length = 1 + self.below(24);
                self.with_exponent(biased) & (u32::MAX << (24 - length))
            }
            // Subnormal, nearly subnormal, or nearly infinite.
            5 => {
                let biased = self.below(3);
                self.with_exponent(biased)
            }
            6 => {
                let biased = 255 - self.below(4);
                self.with_exponent(biased)
            }
            // Products and quotients near the least and the greatest numbers.
            _ => {
                let target = if self.below(2) == 0 { self.below(48) } else { 350 + self.below(40) };
                let biased = (target + 127).saturating_sub(((near >> 23) & 0xff) + 24 * self.below(2));
                self.with_exponent(biased)
            }
        }
    }
}

/// Zeros, least and greatest of each kind, powers and their neighbours, infinities, NaNs; each also negative.
const MAGNITUDES: [u32; 24] = [
    0x0000_0000, // 0
    0x0000_0001, // the least subnormal number
    0x0000_0002,
    0x0000_0003,
    0x0040_0000,
    0x007f_ffff, // the greatest subnormal number
    0x0080_0000, // the least normal number
    0x0080_0001,
    0x00ff_ffff,
    0x0100_0000,
    0x3380_0000, // 2^-24
    0x3f00_0000, // 1/2
    0x3f7f_ffff,
    0x3f80_0000, // 1
    0x3f80_0001,
    0x3fc0_0000, // 3/2
    0x4b00_0000, // 2^23
    0x4b80_0001,
    0x7f00_0000,
    0x7f7f_ffff, // the greatest number
    0x7f80_0000, // infinity
    0x7f80_0001, // a signalling NaN
    0x7fc0_0000,
    0x7fff_ffff,
];

const SPECIAL: [u32; 48] = {
    let mut special = [0; 48];
    let mut i = 0;
    while i < 24 {
        special[2 * i] = MAGNITUDES[i];
        special[2 * i + 1] = MAGNITUDES[i] | SIGN;
        i += 1;
    }
    special
};

const RANDOM_VECTORS: u32 = 1 << 20;

/// Triples: special values cubed, then random ones.
fn triples(mut check: impl FnMut(u32, u32, u32)) {
    for a in SPECIAL {
        for b in SPECIAL {
            for c in SPECIAL {
                check(a, b, c);
            }
        }
    }
    let mut random = Random(1);
    for _ in 0..RANDOM_VECTORS {
        let first = random.bits();
        let a = random.operand(first);
        let b = random.operand(a);
        let near = if random.below(2) == 0 { a } else { b };
        let c = random.operand(near);
        check(a, b, c);
        // The sum nearly vanishes.
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        check(a, b, (-(x * y)).to_bits().wrapping_add(random.below(5)).wrapping_sub(2));
    }
}

fn pairs(mut check: impl FnMut(u32, u32)) {
    for a in SPECIAL {
        for b in SPECIAL {
            check(a, b);
        }
    }
    let mut random = Random(2);
    for _ in 0..RANDOM_VECTORS {
        let first = random.bits();
        let a = random.operand(first);
        let b = random.operand(a);
        check(a, b);
    }
}

fn singles(mut check: impl FnMut(u32)) {
    SPECIAL.into_iter().for_each(&mut check);
    let mut random = Random(3);
    for _ in 0..RANDOM_VECTORS {
        let near = random.bits();
        check(random.operand(near));
        // Numbers with few integers and halves among them.
        let biased = 120 + random.below(72);
        check(random.with_exponent(biased));
        let length = 1 + random.below(24);
        check(random.with_exponent(biased) & (u32::MAX << (24 - length)));
    }
}

fn same_two(soft: fn(u32, u32) -> u32, hard: fn(f32, f32) -> f32) {
    pairs(|a, b| {
        let expected = canonical(hard(f32::from_bits(a), f32::from_bits(b)).to_bits());
        let found = soft(a, b);
        assert_eq!(found, expected, "{a:08x} {b:08x}: {found:08x}, not {expected:08x}");
    });
}

fn same_one(soft: fn(u32) -> u32, hard: fn(f32) -> f32) {
    singles(|a| {
        let (found, expected) = (soft(a), canonical(hard(f32::from_bits(a)).to_bits()));
        assert_eq!(found, expected, "{a:08x}: {found:08x}, not {expected:08x}");
    });
}

#[test]
fn sums_are_the_processors() {
    same_two(binary32::add, |a, b| a + b);
    same_two(binary32::sub, |a, b| a - b);
}

#[test]
fn products_are_the_processors() {
    same_two(binary32::mul, |a, b| a * b);
}

#[test]
fn quotients_are_the_processors() {
    same_two(binary32::div, |a, b| a / b);
}

#[test]
fn fused_multiply_adds_are_the_processors() {
    triples(|a, b, c| {
        let expected = canonical(f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)).to_bits());
        let found = binary32::fma(a, b, c);
        assert_eq!(found, expected, "{a:08x} {b:08x} {c:08x}: {found:08x}, not {expected:08x}");
    });
}

#[test]
fn square_roots_are_the_processors() {
    same_one(binary32::sqrt, f32::sqrt);
}

#[test]
fn integers_near_a_number_are_the_processors() {
    same_one(binary32::floor, f32::floor);
    same_one(binary32::ceil, f32::ceil);
    same_one(binary32::trunc, f32::trunc);
    same_one(binary32::round_even, f32::round_ties_even);
    same_one(binary32::neg, |a| -a);
    same_one(binary32::abs, f32::abs);
}

#[test]
fn conversions_are_the_processors() {
    singles(|a| assert_eq!(binary32::to_i64(a), f32::from_bits(a) as i64, "{a:08x}"));
    let mut random = Random(4);
    for _ in 0..RANDOM_VECTORS {
        // Long and short integers, and those near a power of two or halfway between two numbers.
        let value = (random.next() as i64) >> random.below(64);
        let halfway = (value & (-1i64 << random.below(64))).wrapping_add(i64::from(random.below(3)) - 1);
        for value in [value, halfway] {
            assert_eq!(binary32::from_i64(value), (value as f32).to_bits(), "{value}");
        }
    }
    for value in [0, 1, -1, i64::MIN, i64::MAX] {
        assert_eq!(binary32::from_i64(value), (value as f32).to_bits(), "{value}");
    }
}

#[test]
fn comparisons_are_the_processors() {
    pairs(|a, b| {
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        assert_eq!(binary32::less(a, b), x < y, "{a:08x} {b:08x}");
        assert_eq!(binary32::less_equal(a, b), x <= y, "{a:08x} {b:08x}");
        assert_eq!(binary32::equal(a, b), x == y, "{a:08x} {b:08x}");
    });
}

#[test]
fn maximum_and_minimum_agree_in_both_arithmetics() {
    pairs(|a, b| {
        let (x, y) = (Hard(f32::from_bits(a)), Hard(f32::from_bits(b)));
        let (s, t) = (Soft(a), Soft(b));
        let greatest = binary32::maximum(a, b);
        assert_eq!(x.maximum(y).canonical().to_bits(), greatest, "{a:08x} {b:08x}");
        assert_eq!(s.maximum(t).canonical().to_bits(), greatest, "{a:08x} {b:08x}");
        let least = binary32::minimum(a, b);
        assert_eq!(x.minimum(y).canonical().to_bits(), least, "{a:08x} {b:08x}");
        assert_eq!(s.minimum(t).canonical().to_bits(), least, "{a:08x} {b:08x}");
        if is_nan(a) || is_nan(b) {
            assert_eq!((least, greatest), (NAN, NAN));
        } else {
            assert!([(a, b), (b, a)].contains(&(least, greatest)) && binary32::less_equal(least, greatest));
            assert!(least & SIGN >= greatest & SIGN, "{a:08x} {b:08x}: -0 is below +0");
        }
    });
}

macro_rules! functions {
    ($($name:ident)*) => {
        $(
            /// The function of this name, as a formula.
            #[allow(non_camel_case_types)]
            struct $name;

            impl Map<1> for $name {
                #[inline(always)]
                fn element<R: Real>(&self, [x]: [R; 1]) -> R {
                    elementary::$name(x)
                }
            }
        )*

        #[test]
        fn elementary_functions_have_the_same_bits_everywhere() {
            $(same_everywhere(stringify!($name), &$name);)*
        }
    };
}

functions! { exp log tanh erf sigmoid rsqrt sin cos }

/// Every exponent's edges, the neighbourhood of every constant that decides something, and inputs spread over all.
fn inputs() -> Vec<f32> {
    let mut bits: Vec<u32> = SPECIAL.to_vec();
    let decisive = [
        0xc2d2_0000,
        0x42b2_0000,
        0xc2cf_f1b5,
        0x42b1_7218,
        0x4118_0000,
        0x4080_0000,
        0x3f2a_aaab,
        0x3fab_aaab,
    ];
    let splits = [elementary::ERF_SPLIT, elementary::TANH_SPLIT, elementary::QUARTER_PI];
    for center in (0..512).map(|high| high << 23).chain(decisive).chain(splits) {
        for near in 0..64 {
            let near = center.wrapping_add(near).wrapping_sub(32);
            bits.extend([near, near ^ SIGN]);
        }
    }
    bits.extend((0..1 << 18).map(|i: u32| i.wrapping_mul(0x9e37_79b1)));
    bits.into_iter().map(f32::from_bits).collect()
}

fn same_everywhere<M: Map<1>>(name: &str, function: &M) {
    let inputs = inputs();
    let referee: Vec<u32> =
        inputs.iter().map(|x| function.element([Soft(x.to_bits())]).canonical().0).collect();
    for instructions in Instructions::available() {
        let mut out = vec![0.0; inputs.len()];
        map_with(instructions, function, [&inputs], &mut out);
        for ((x, out), expected) in inputs.iter().zip(&out).zip(&referee) {
            let (x, out) = (x.to_bits(), out.to_bits());
            assert_eq!(
                out, *expected,
                "{name} of {x:08x} with {instructions:?}: {out:08x}, not {expected:08x}"
            );
        }
    }
}

/// The error function by a series of positive terms, erf x = 2 / sqrt(pi) exp(-x^2) sum (2 x^2)^n x / (1 3 .. (2 n + 1)).
fn error_function(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut sum, mut term) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Errors in units of the exact result's binade, against binary64.
#[test]
fn elementary_functions_keep_their_stated_errors() {
    fn check(name: &str, bound: f64, function: fn(Soft) -> Soft, exact: fn(f64) -> f64) {
        for x in inputs() {
            let (found, exact) = (f32::from_bits(function(Soft(x.to_bits())).0), exact(f64::from(x)));
            // Beyond the greatest number by less than half a unit still rounds to it.
            if exact.is_nan() || exact == 0.0 || exact.abs() >= f64::from(f32::MAX) {
                let limit = exact as f32;
                assert!(
                    found.to_bits() == limit.to_bits() || (found.is_nan() && limit.is_nan()),
                    "{name} of {x:e}"
                );
                continue;
            }
            let exponent = ((exact.to_bits() >> 52) & 0x7ff) as i32 - 1023;
            let error = (f64::from(found) - exact).abs() / 2f64.powi(exponent.max(-126) - 23);
            assert!(error <= bound, "{name} of {x:e}: {found:e}, not {exact:e}, {error} units off");
        }
    }
    check("exp", 0.90, elementary::exp, f64::exp);
    check("log", 0.94, elementary::log, f64::ln);
    check("tanh", 1.41, elementary::tanh, f64::tanh);
    check("erf", 1.12, elementary::erf, error_function);
    check("sigmoid", 1.65, elementary::sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    check("rsqrt", 1.50, elementary::rsqrt, |x| 1.0 / x.sqrt());
    check("sin", 1.50, elementary::sin, f64::sin);
    check("cos", 1.50, elementary::cos, f64::cos);
}
