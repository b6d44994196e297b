// Writes artifacts/: the ABI and the bytecode of each contract that is deployed, from what `forge build` left in out/.
// With --check, says whether that is what stands there.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const CONTRACTS = ["Formulas", "Referee", "Rules", "AssayDispute"];
// Left out: `jobOf` returns 26 members, and Rust's bindings know tuples of 24 at most.
const LEFT_OUT = ["jobOf"];
const at = (path) => new URL(`../${path}`, import.meta.url);
const check = process.argv.includes("--check");

mkdirSync(at("artifacts"), { recursive: true });
for (const name of CONTRACTS) {
  const { abi, bytecode } = JSON.parse(readFileSync(at(`out/${name}.sol/${name}.json`), "utf8"));
  if (Object.keys(bytecode.linkReferences ?? {}).length > 0) throw new Error(`${name} has libraries to link`);
  const text = `${JSON.stringify({ abi: abi.filter((x) => !LEFT_OUT.includes(x.name)), bytecode: { object: bytecode.object } }, null, 1)}\n`;
  const path = at(`artifacts/${name}.json`);
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) {
    console.error(`artifacts/${name}.json is of other sources: npm run artifacts writes it anew`);
    process.exitCode = 1;
  }
}
