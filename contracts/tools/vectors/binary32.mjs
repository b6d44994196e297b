// Writes test/vectors/binary32.json: operands and results, packed 32-bit words, results by exact.mjs. Sums, products,
// quotients and roots are compared with the processor's, whose double rounding is harmless for these.
//
//   node tools/vectors/binary32.mjs [random cases of each kind]
import { writeFileSync } from "node:fs";
import * as exact from "./exact.mjs";
import { randomWords } from "./random.mjs";

const count = Number(process.argv[2] ?? 60);
const word = randomWords(0x5eed);
const pick = (list) => list[word() % list.length];

const magnitudes = [
  0, 1, 2, 3, 0x3fffff, 0x400000, 0x7fffff, 0x800000, 0x800001, 0xffffff, 0x1000000, 0x33000000, 0x33800000, 0x33800001,
  0x34000000, 0x3effffff, 0x3f000000, 0x3f000001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3f800003, 0x3fc00000, 0x40000000, 0x40200000,
  0x4a800001, 0x4affffff, 0x4b000000, 0x4b000001, 0x4b7fffff, 0x4b800000, 0x5effffff, 0x5f000000, 0x5f000001, 0x7e800000,
  0x7f000000, 0x7f7ffffe, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff,
];
const edges = magnitudes.flatMap((m) => [m, (m | 0x80000000) >>> 0]);

// A number whose exponent is near another's, so that sums round, tie and cancel.
const near = (a) => {
  const field = ((a >>> 23) & 0xff) + (word() % 61) - 30;
  return (((word() & 0x80000000) | (Math.min(254, Math.max(0, field)) << 23) | (word() & word() & 0x7fffff)) >>> 0);
};
const step = (a) => (a + (word() % 5) - 2) >>> 0;

const pack = (rows) =>
  `0x${rows.map((row) => row.map((x) => BigInt.asUintN(32, BigInt(x)).toString(16).padStart(8, "0")).join("")).join("")}`;

const pairs = [];
for (const a of edges) for (let i = 0; i < 8; i++) pairs.push([a, pick(edges)]);
for (let i = 0; i < count; i++) {
  const a = word();
  pairs.push([a, word()], [a, near(a)], [near(a), pick(edges)], [a, step((a ^ 0x80000000) >>> 0)]);
}

const triples = [];
for (const a of edges) for (let i = 0; i < 16; i++) triples.push([a, pick(edges), pick(edges)]);
for (let i = 0; i < count; i++) {
  const [a, b] = [word(), word()];
  const [x, y] = [near(0x3f800000), near(0x3f800000)];
  // The sum cancels to the product's rounding error, or nearly.
  const cancelling = (p, q) => step((exact.mul(p, q) ^ 0x80000000) >>> 0);
  // Twelve bits times twelve: a product of 24 bits or fewer, which leaves ties.
  const [s, t] = [(x & 0xfffff000) >>> 0, (y & 0xfffff000) >>> 0];
  triples.push(
    [a, b, word()], [a, b, near(exact.mul(a, b))], [a, b, cancelling(a, b)], [x, y, near(exact.mul(x, y))],
    [x, y, cancelling(x, y)], [s, t, (near(exact.mul(s, t)) & 0xfffffff0) >>> 0], [s, t, pick(edges)],
  );
}
// Subnormal products and sums.
for (let i = 0; i < count; i++) {
  const field = word() % 150;
  const a = ((field << 23) | (word() & 0x807fffff)) >>> 0;
  const b = ((Math.max(0, 120 + (word() % 40) - field) << 23) | (word() & 0x807fffff)) >>> 0;
  pairs.push([a, b], [a, (((a >>> 23) & 0xff) + 120 + (word() % 30) > 254 ? b : a + ((120 + (word() % 30)) << 23)) >>> 0]);
  triples.push([a, b, word() & 0x83ffffff], [a, b, word() & 0x80000003]);
}

const singles = [...edges];
for (let i = 0; i < 4 * count; i++) singles.push(word(), near(0x43000000));
// Halves: ties of roundEven.
for (let i = 0; i < 64; i++) singles.push(exact.toBits(i - 32 + 0.5), exact.toBits((i - 32) / 4));

const processor = { add: (x, y) => x + y, mul: (x, y) => x * y, div: (x, y) => x / y };
for (const [name, operation] of Object.entries(processor)) {
  for (const [a, b] of pairs) {
    const expected = exact.toBits(Math.fround(operation(exact.toNumber(a), exact.toNumber(b))));
    if (expected !== exact[name](a, b)) throw new Error(`${name} ${a.toString(16)} ${b.toString(16)}`);
  }
}
for (const a of singles) {
  const expected = exact.toBits(Math.fround(Math.sqrt(exact.toNumber(a))));
  if (expected !== exact.sqrt(a)) throw new Error(`sqrt ${a.toString(16)}`);
}

const split = (value) => [BigInt.asUintN(64, value) >> 32n, value];
const of = (f) => (a) => exact.toBits(f(exact.toNumber(a)));
const compare = ([a, b]) => {
  const [x, y] = [exact.toNumber(a), exact.toNumber(b)];
  return [a, b, Number(x < y) + 2 * Number(x <= y) + 4 * Number(x === y), exact.toBits(Math.max(x, y)), exact.toBits(Math.min(x, y))];
};
const integers = [0n, 1n, -1n, 1n << 24n, (1n << 24n) + 1n, (1n << 24n) + 3n, (1n << 63n) - 1n, -(1n << 63n), (1n << 62n) + (1n << 38n)];
for (let i = 0; i < 2 * count; i++) {
  integers.push(BigInt.asIntN(64, (BigInt(word()) << 32n) | BigInt(word())) >> BigInt(word() % 64));
}

const vectors = {
  add: pack(pairs.map(([a, b]) => [a, b, exact.add(a, b)])),
  mul: pack(pairs.map(([a, b]) => [a, b, exact.mul(a, b)])),
  div: pack(pairs.map(([a, b]) => [a, b, exact.div(a, b)])),
  fma: pack(triples.map(([a, b, c]) => [a, b, c, exact.fma(a, b, c)])),
  // a, b, less + 2 lessEqual + 4 equal, maximum, minimum
  compare: pack(pairs.slice(0, edges.length * 8 + count).map(compare)),
  // a, sqrt, floor, ceil, trunc, roundEven, toInt in two words
  unary: pack(singles.map((a) => [
    a, exact.sqrt(a), of(Math.floor)(a), of(Math.ceil)(a), of(Math.trunc)(a), exact.roundEven(a), ...split(exact.toInt(a)),
  ])),
  // an integer in two words, fromInt
  fromInt: pack(integers.map((value) => [...split(value), exact.fromInt(value)])),
};
const path = new URL("../../test/vectors/binary32.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(vectors, null, 1)}\n`);
process.stdout.write(`${pairs.length} pairs, ${triples.length} triples, ${singles.length} singles, ${integers.length} integers\n`);
