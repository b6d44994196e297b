// Writes test/vectors/elementary.json: arguments and results of exp, log, tanh, erf, sigmoid, rsqrt, sin, cos, packed 32-bit
// words. The sequences of operations are those of circuits/src/elementary.rs over exact.mjs; each result is
// within two numbers of the mathematical function's, or this program fails.
//
//   node tools/vectors/elementary.mjs [random arguments]
import { writeFileSync } from "node:fs";
import { NAN, add, div, fma, inUnits, mul, sqrt, sub, toBits, toNumber } from "./exact.mjs";
import { randomWords } from "./random.mjs";

const [SIGN, INFINITY, ONE, SHIFTER] = [0x80000000, 0x7f800000, 0x3f800000, 0x4b400000];
const [LOG2_E, LN2, LN2_LOW] = [0x3fb8aa3b, 0x3f317218, 0xb102e308];
const EXP = [ONE, ONE, 0x3efffffe, 0x3e2aaa46, 0x3d2aac2c, 0x3c091ef0, 0x3ab563a5];
const TANH_NEAR = [0xbeaaaa9f, 0x3e0884df, 0xbd5c4d5e, 0x3caa61ef, 0xbbc14419];
const LOG = [
  0xbf000000, 0x3eaaaa83, 0xbe7fff7b, 0x3e4ce831, 0xbe2ace63, 0x3e0f69e9, 0xbdf99750, 0x3e0f3aa7, 0xbe03e1cd,
];
const ERF_NEAR = [0x3e0375d3, 0xbec09372, 0x3de70cf3, 0xbcdb40d7, 0x3ba37dd7, 0xba1c7f75, 0];
const ERF_FAR = [0x3e03bd97, 0x3f22981a, 0x3dd9a23c, 0xbcc2de00, 0x3b6f7fa0, 0xb9aac903, 0x37415c92];
const SIN = [0xbe2aaaab, 0x3c0888ba, 0xb9502caa, 0x363e1627];
const COS = [0xbf000000, 0x3d2aaaa5, 0xbab60614, 0x37ccf406];

const u32 = (x) => x >>> 0;
const less = (a, b) => toNumber(a) < toNumber(b);
const isNan = (a) => u32(a & ~SIGN) > INFINITY;
const canonical = (a) => (isNan(a) ? NAN : a);
const flip = (a) => u32(a ^ SIGN);
const powerOfTwo = (n) => u32((n + 127) << 23);
const polynomial = (list, x) => list.slice(0, -1).reduceRight((sum, c) => fma(sum, x, c), list.at(-1));

function exponentAndRest(x) {
  const shifted = fma(x, LOG2_E, SHIFTER);
  const back = flip(sub(shifted, SHIFTER));
  return [(shifted - SHIFTER) | 0, fma(back, LN2_LOW, fma(back, LN2, x))];
}

function exp(x) {
  const [least, most] = [0xc2d20000, 0x42b20000];
  const [n, rest] = exponentAndRest(less(x, least) ? least : less(most, x) ? most : x);
  const half = n >> 1;
  return mul(mul(polynomial(EXP, rest), powerOfTwo(half)), powerOfTwo(n - half));
}

function log(x) {
  const subnormal = x < 0x800000;
  const scaled = subnormal ? mul(x, 0x4b000000) : x;
  const n = ((scaled - 0x3f2aaaab) | 0) >> 23;
  const f = sub(u32(scaled - (n << 23)), ONE);
  const power = sub(u32(SHIFTER + n - (subnormal ? 23 : 0)), SHIFTER);
  const near = fma(polynomial(LOG, f), mul(f, f), f);
  const result = fma(power, LN2, fma(power, LN2_LOW, near));
  const finite = less(x, INFINITY) ? result : x;
  return canonical(toNumber(x) === 0 ? SIGN + INFINITY : less(x, 0) ? NAN : finite);
}

function tanh(x) {
  const t = less(0x41180000, u32(x & ~SIGN)) ? 0x41180000 : u32(x & ~SIGN);
  const far = less(0x3f19999a, t);
  const square = mul(t, t);
  const near = fma(fma(polynomial(TANH_NEAR, square), square, 0), t, t);
  const [n, r] = exponentAndRest(add(t, t));
  const exponential = u32(polynomial(EXP, r) + (n << 23));
  return canonical(u32((far ? sub(ONE, div(0x40000000, add(exponential, ONE))) : near) ^ (x & SIGN)));
}

function erf(x) {
  const t = less(0x40800000, u32(x & ~SIGN)) ? 0x40800000 : u32(x & ~SIGN);
  const far = less(0x3f6d8000, t);
  const sum = fma(polynomial(far ? ERF_FAR : ERF_NEAR, far ? t : mul(t, t)), t, t);
  const [n, r] = exponentAndRest(flip(sum));
  const result = far ? sub(ONE, u32(polynomial(EXP, r) + (n << 23))) : sum;
  return canonical(u32(result ^ (x & SIGN)));
}

function sigmoid(x) {
  const z = exp(u32(x | SIGN));
  const leading = less(x, 0) ? z : ONE;
  return fma(flip(div(z, add(ONE, z))), leading, leading);
}

const rsqrt = (x) => div(ONE, sqrt(x));

// 2/pi in units of 2^-224, pi/2 in units of 2^-63.
const TWO_OVER_PI = 0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abn;
const HALF_PI = 0xc90fdaa22168c235n;

function quarterWaves(x, quarters) {
  const magnitude = u32(x & ~SIGN);
  if (magnitude >= INFINITY) return NAN;
  let [r, odd, quadrant] = [magnitude, 0, quarters];
  if (magnitude >= 0x3f490fdb) {
    const significand = BigInt((magnitude & 0x7fffff) | 0x800000);
    const start = BigInt((magnitude >>> 23) - 120);
    const product = significand * ((((TWO_OVER_PI << start) & ((1n << 256n) - 1n)) >> 160n));
    const part = product & ((1n << 94n) - 1n);
    const above = part >> 93n === 1n;
    // In units of 2^-127.
    r = inUnits(((above ? (1n << 94n) - part : part) >> 30n) * HALF_PI << 22n, 1n);
    odd = above ? SIGN : 0;
    quadrant += Number((product >> 94n) & 3n) + Number(above);
  }
  const even = (quadrant & 1) === 1;
  const square = mul(r, r);
  const base = even ? ONE : r;
  const result = fma(polynomial(even ? COS : SIN, square), mul(square, base), base);
  return u32(result ^ ((quadrant << 30) & SIGN) ^ (even ? 0 : odd));
}

const sin = (x) => canonical(u32(quarterWaves(x, 0) ^ (x & SIGN)));
const cos = (x) => quarterWaves(x, 1);

// Abramowitz and Stegun's 7.1.6, whose terms are all positive.
function erfNumber(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [sum, term] = [x, x];
  for (let n = 1; n < 200; n++) sum += (term *= (2 * x * x) / (2 * n + 1));
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const functions = {
  exp: [exp, Math.exp], log: [log, Math.log], tanh: [tanh, Math.tanh], erf: [erf, erfNumber],
  sigmoid: [sigmoid, (x) => 1 / (1 + Math.exp(-x))], rsqrt: [rsqrt, (x) => 1 / Math.sqrt(x)],
  sin: [sin, Math.sin], cos: [cos, Math.cos],
};

const count = Number(process.argv[2] ?? 100);
const word = randomWords(0xe1e);
const inputs = [
  0, 1, 0x7fffff, 0x800000, 0x33800000, 0x39000000, 0x3effffff, 0x3f000000, 0x3f19999a, 0x3f19999b, 0x3f2aaaaa, 0x3f2aaaab, 0x3f2aaaac, 0x3f490fda,
  0x3f490fdb, 0x3f490fdc, 0x3f6d8000, 0x3f6d8001, 0x3f7fffff, ONE, 0x3f800001, 0x3faaaaab, 0x3fc90fdb, 0x40490fdb, 0x407fffff,
  0x40800000, 0x40800001, 0x40c90fdb, 0x4117ffff, 0x41180000, 0x41180001, 0x42aeac4f, 0x42aeac50, 0x42b0c0a5, 0x42b17217, 0x42b17218,
  0x42b20000, 0x42b20001, 0x42ce8ecf, 0x42ce8ed0, 0x42cff1b5, 0x42d20000, 0x42d20001, 0x4b000000, 0x4f000000, 0x6f79be45, 0x7f7fffff,
  INFINITY, 0x7f800001, NAN, 0x7fffffff,
].flatMap((m) => [m, u32(m | SIGN)]);
for (let i = 0; i < count; i++) {
  // Any bits, and magnitudes from 2^-12 up to 2^8, where the functions bend.
  inputs.push(word(), u32((word() & 0x807fffff) | ((115 + (word() % 20)) << 23)));
}

const hex = (x) => u32(x).toString(16).padStart(8, "0");
const vectors = {};
for (const [name, [f, reference]] of Object.entries(functions)) {
  vectors[name] = `0x${inputs.map((x) => {
    const result = f(x);
    const expected = toBits(Math.fround(reference(toNumber(x))));
    const both = [result, expected].map((bits) => (bits & SIGN ? -(bits & ~SIGN) : bits));
    if (Math.abs(both[0] - both[1]) > 2 || isNan(result) !== isNan(expected)) {
      throw new Error(`${name}(${hex(x)}) = ${hex(result)}, not ${hex(expected)}`);
    }
    return hex(x) + hex(result);
  }).join("")}`;
}
const path = new URL("../../test/vectors/elementary.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(vectors, null, 1)}\n`);
