// binary32 on its bits in exact rationals: slow, without a line in common with the contracts.

export const NAN = 0x7fc00000;
const INFINITY = 0x7f800000;
const SIGN = 0x80000000;

const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);
export const toNumber = (bits) => ((words[0] = bits), floats[0]);
export const toBits = (number) => (Number.isNaN(number) ? NAN : ((floats[0] = number), words[0]));

const magnitude = (a) => a & 0x7fffffff;
const isNan = (a) => magnitude(a) > INFINITY;
const isInfinite = (a) => magnitude(a) === INFINITY;
const negative = (a) => (a & SIGN) !== 0;
const flip = (a) => (a ^ SIGN) >>> 0;

/// A finite number in units of 2^-149.
function units(a) {
  const field = (a >>> 23) & 0xff;
  const fraction = BigInt(a & 0x7fffff);
  const value = field === 0 ? fraction : (fraction | 0x800000n) << BigInt(field - 1);
  return negative(a) ? -value : value;
}

/// The number nearest to (-1)^minus * n / d, in units of 2^-149.
function nearest(minus, n, d) {
  let exponent = 0n;
  while (n / (d << exponent) >= 1n << 24n) exponent += 1n;
  const unit = d << exponent;
  let quotient = n / unit;
  const twice = 2n * (n % unit);
  if (twice > unit || (twice === unit && quotient % 2n === 1n)) quotient += 1n;
  const bits = (exponent << 23n) + quotient;
  return Number(bits > 0x7f800000n ? 0x7f800000n : bits) + (minus ? SIGN : 0);
}

/// The number nearest to n / d, in units of 2^-149.
export const inUnits = (n, d) => nearest(n < 0n, n < 0n ? -n : n, d);

export function add(a, b) {
  if (isNan(a) || isNan(b) || (isInfinite(a) && b === flip(a))) return NAN;
  if (isInfinite(a) || isInfinite(b)) return isInfinite(a) ? a : b;
  const sum = units(a) + units(b);
  return sum === 0n ? (a & b & SIGN) >>> 0 : inUnits(sum, 1n);
}

export const sub = (a, b) => add(a, flip(b));

export function mul(a, b) {
  const minus = negative(a) !== negative(b);
  if (isNan(a) || isNan(b)) return NAN;
  if (isInfinite(a) || isInfinite(b)) return magnitude(a) && magnitude(b) ? (minus ? 0xff800000 : INFINITY) : NAN;
  const product = units(a) * units(b);
  return nearest(minus, product < 0n ? -product : product, 1n << 149n);
}

export function fma(a, b, c) {
  if (isNan(a) || isNan(b) || isNan(c)) return NAN;
  if (isInfinite(a) || isInfinite(b)) return add(mul(a, b), c);
  if (isInfinite(c)) return c;
  const product = units(a) * units(b);
  const sum = product + (units(c) << 149n);
  if (sum === 0n) return product === 0n ? ((a ^ b) & c & SIGN) >>> 0 : 0;
  return inUnits(sum, 1n << 149n);
}

export function div(a, b) {
  const minus = negative(a) !== negative(b);
  const zero = minus ? SIGN : 0;
  if (isNan(a) || isNan(b) || (isInfinite(a) && isInfinite(b)) || (!magnitude(a) && !magnitude(b))) return NAN;
  if (isInfinite(a) || !magnitude(b)) return zero + INFINITY;
  if (isInfinite(b)) return zero;
  return nearest(minus, units(magnitude(a)) << 149n, units(magnitude(b)));
}

export function sqrt(a) {
  if (!magnitude(a) || a === INFINITY) return a;
  if (isNan(a) || negative(a)) return NAN;
  // The root of the value in units of 2^-149, times 2^60: more bits than decide, and no root of a binary32 is a tie.
  const square = units(a) << (149n + 120n);
  let root = 1n << BigInt((square.toString(2).length + 2) >> 1);
  for (let next = (root + square / root) >> 1n; next < root; next = (root + square / root) >> 1n) root = next;
  return nearest(false, 2n * root + (root * root < square ? 1n : 0n), 1n << 61n);
}

export function roundEven(a) {
  const x = toNumber(a);
  if (Number.isNaN(x)) return NAN;
  const down = Math.floor(x);
  const rest = x - down;
  const rounded = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
  return (toBits(Math.abs(rounded)) | (a & SIGN)) >>> 0;
}

export function toInt(a) {
  if (isNan(a)) return 0n;
  const [least, most] = [-(1n << 63n), (1n << 63n) - 1n];
  if (isInfinite(a)) return negative(a) ? least : most;
  const value = units(a) / (1n << 149n);
  return value < least ? least : value > most ? most : value;
}

export const fromInt = (value) => inUnits(value << 149n, 1n);
