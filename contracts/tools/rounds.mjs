// Prints the seven rounds of `compress` in src/Blake3.sol, unrolled; with --check, says whether they stand there.
//
// Word i of the block lies alone in 32 bytes, at byte 28 + 32 i, so a load from 32 i + 8 l has it in lane l and zeros in the
// other lanes. A half round needs four words for its first additions and four for its second, in columns 0 to 3,
// which are lanes 3 to 0.
import { readFileSync } from "node:fs";

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const hex = (x) => `0x${x.toString(16).padStart(3, "0")}`;

const column = (word, i) => `mload(${hex(32 * word + 8 * (3 - i))})`;
const four = (words) => {
  const [w, x, y, z] = words.map(column);
  return `add(add(${w}, ${x}), add(${y}, ${z}))`;
};
const turn = (x, bits) => `and(shr(${bits}, mul(and(${x}, m), TWICE)), m)`;

function halfRound(round, diagonal, words) {
  const of = (first) => [0, 2, 4, 6].map((i) => words[first + i]);
  const block = diagonal ? "w1" : "w0";
  // The first round takes the words in order, as they lie in the block.
  const firstWords = round === 0 ? `and(shr(32, ${block}), m)` : four(of(0));
  const secondWords = round === 0 ? `and(${block}, m)` : four(of(1));
  const start = round === 0 && !diagonal;
  const d = start ? "d" : `mulmod(d, ${diagonal ? "LEFT_3" : "LEFT_1"}, n)`;
  const c = start ? "c" : "mulmod(c, LEFT_2, n)";
  const last = diagonal ? "RIGHT_7_LEFT_3" : "RIGHT_7_LEFT_1";
  return `            {
                // round ${round}, ${diagonal ? "diagonals" : "columns"}: words ${words.join(" ")}
                let a1 := add(add(a, b), ${firstWords})
                let d1 := ${turn(`xor(${d}, a1)`, 16)}
                let c1 := add(${c}, d1)
                let b1 := ${turn("xor(b, c1)", 12)}
                a := add(add(a1, b1), ${secondWords})
                d := ${turn("xor(d1, a)", 8)}
                c := add(c1, d)
                b := and(mulmod(and(xor(b1, c), m), ${last}, n), m)
            }
`;
}

let text = "";
let order = [...PERMUTATION.keys()];
for (let round = 0; round < 7; round++) {
  text += halfRound(round, false, order.slice(0, 8)) + halfRound(round, true, order.slice(8));
  order = PERMUTATION.map((i) => order[i]);
}

if (process.argv[2] === "--check") {
  const source = readFileSync(new URL("../src/Blake3.sol", import.meta.url), "utf8");
  process.exitCode = source.includes(text) ? 0 : 1;
} else {
  process.stdout.write(text);
}
