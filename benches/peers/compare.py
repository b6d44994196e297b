"""Assay and EZKL on the same models on this machine, in one go: whole processes, timed by the operating system.

Called by `run.sh`, which installs EZKL and builds Assay; see README.md there for what is measured.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import onnx

HERE = Path(__file__).resolve().parent
MODELS = ["credit_mlp", "mnist_mlp", "mnist_lenet"]
LARGE = ["digit_recognizer_cnn"]
# Below this the peak of a child may be that of this process, from which it was made.
CERTAIN_KIB = 96 * 1024
# Steps shorter than this are run several times.
SHORT_S = 20.0


@dataclass
class Cost:
    """What the runs of one step took: medians over the runs."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_kib: int = 0
    runs: int = 0
    # Seconds of the call alone, without the start of the process, where the step reports them.
    call: float | None = None
    error: str | None = None
    output: dict = field(default_factory=dict)


def once(command: list[str], limit_gib: float | None) -> tuple[float, float, int, int, str, str]:
    """Runs a process: wall and processor seconds, peak KiB, exit status, output."""

    def restrict() -> None:
        if limit_gib:
            limit = int(limit_gib * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, preexec_fn=restrict if limit_gib else None)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        texts = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, child.returncode, *texts


def peak_by_time(command: list[str]) -> int | None:
    """Peak KiB as /usr/bin/time reports it: its own process is small, so that small peaks are exact."""
    tool = shutil.which("time")
    if not tool:
        return None
    with tempfile.NamedTemporaryFile("r") as report:
        subprocess.run([tool, "-f", "%M", "-o", report.name, *command], capture_output=True, check=False)
        lines = report.read().split()
    return int(lines[-1]) if lines else None


def measure(command: list[str], runs: int, limit_gib: float | None = None) -> Cost:
    """Medians over `runs` runs of a process; over one where it is long."""
    walls, cpus, peaks, calls, output = [], [], [], [], {}
    while len(walls) < runs:
        wall, cpu, peak, code, out, err = once(command, limit_gib)
        if code != 0:
            last = (err.strip() or out.strip()).splitlines()[-1:] or ["no message"]
            return Cost(wall, cpu, peak, 1, error=f"exit {code} after {wall:.0f} s, {peak >> 10} MiB: {last[0]}")
        try:
            output = json.loads(out)
        except ValueError:
            output = {}
        walls.append(wall), cpus.append(cpu), peaks.append(peak)
        if "seconds" in output:
            calls.append(output["seconds"])
        if wall > SHORT_S:
            break
    peak = max(peaks)
    if peak < CERTAIN_KIB:
        peak = peak_by_time(command) or peak
    call = statistics.median(calls) if calls else None
    return Cost(statistics.median(walls), statistics.median(cpus), peak, len(walls), call, None, output)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def steps_of(name: str, commands: dict[str, tuple[list[str], int]], limit: float | None) -> dict[str, Cost]:
    costs = {}
    for step, (command, runs) in commands.items():
        costs[step] = cost = measure(command, runs, limit)
        say(f"  {name} {step}: {cost.error or f'{cost.wall:.3f} s, {cost.peak_kib / 1024:.0f} MiB, {cost.runs} runs'}")
        if cost.error:
            break
    return costs


def size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def assay(binary: str, model: Path, sample: Path, folder: Path, runs: int) -> dict:
    """Assay's steps on one model."""
    program, key, proof = (str(folder / f"model.{end}") for end in ("assay", "vk", "proof"))
    row = ["--input", str(sample), "--sample", "0"]
    commands = {
        "compile": ([binary, "compile", str(model), "--calibrate", str(sample), "-o", program, "--json"], runs),
        "key": ([binary, "key", program, "-o", key, "--json"], runs),
        "prove": ([binary, "prove", program, *row, "-o", proof, "--json"], runs),
        "verify": ([binary, "verify", proof, "--vk", key, "--json"], runs),
    }
    costs = steps_of("assay", commands, None)
    sizes = {"proving_key": size(Path(program)), "verifying_key": size(Path(key)), "proof_file": size(Path(proof))}
    said = costs.get("prove", Cost()).output
    sizes["proof"] = said.get("proof_bytes", sizes["proof_file"])
    return {"costs": costs, "sizes": sizes}


def ezkl(model: Path, sample: Path, folder: Path, runs: int, limit: float | None) -> dict:
    """EZKL's steps on one model: inputs and outputs public, weights fixed, calibration for resources."""
    tensor = onnx.TensorProto()
    tensor.ParseFromString(sample.read_bytes())
    first = onnx.numpy_helper.to_array(tensor)[0]
    (folder / "input.json").write_text(json.dumps({"input_data": [numpy.ravel(first).tolist()]}))
    dimensions = [d for i in onnx.load(model).graph.input for d in i.type.tensor_type.shape.dim]
    (folder / "free.json").write_text(json.dumps([d.dim_param for d in dimensions if d.dim_param]))
    repeated = {"prove": runs, "verify": runs, "witness": runs}
    steps = ["calibrate", "compile", "srs", "setup", "witness", "prove", "verify"]
    command = [sys.executable, str(HERE / "ezkl_step.py")]
    commands = {step: ([*command, step, str(folder), str(model)], repeated.get(step, 1)) for step in steps}
    costs = steps_of("ezkl", commands, limit)
    sizes = {"proving_key": size(folder / "pk"), "verifying_key": size(folder / "vk")}
    sizes["proof_file"] = size(folder / "proof.json")
    if sizes["proof_file"]:
        sizes["proof"] = len(bytes.fromhex(json.loads((folder / "proof.json").read_text())["hex_proof"][2:]))
    rows = None
    if (folder / "settings.json").exists():
        rows = json.loads((folder / "settings.json").read_text())["run_args"]["logrows"]
    return {"costs": costs, "sizes": sizes, "logrows": rows}


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"


def memory(kib: int | None) -> str:
    if not kib:
        return "-"
    return f"{kib / 1024:.0f} MiB" if kib < 2**20 else f"{kib / 2**20:.1f} GiB"


def count(number: int | None) -> str:
    if number is None:
        return "-"
    return f"{number:,} B" if number < 1_000_000 else f"{number / 1e6:.1f} MB"


def ratio(theirs: float | None, ours: float | None) -> str:
    if not theirs or not ours:
        return "-"
    value = theirs / ours
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def table_of(model: str, ours: dict, theirs: dict | None) -> list[str]:
    """The rows of one model. EZKL's times are those of the call alone, Assay's those of the whole process."""
    costs, sizes = ours["costs"], ours["sizes"]
    peer_costs = theirs["costs"] if theirs else {}
    peer_sizes = theirs["sizes"] if theirs else {}

    def done(of: dict[str, Cost], step: str) -> Cost | None:
        cost = of.get(step)
        return cost if cost and not cost.error else None

    def call(step: str) -> float | None:
        cost = done(peer_costs, step)
        return cost and cost.call

    def total(of: dict[str, Cost], steps: list[str], value) -> float | None:
        costs = [done(of, step) for step in steps]
        return sum(value(cost) for cost in costs) if all(costs) else None

    def wall(step: str) -> float | None:
        cost = done(costs, step)
        return cost and cost.wall

    prepare = total(peer_costs, ["calibrate", "compile", "setup"], lambda c: c.call)
    prove = total(peer_costs, ["witness", "prove"], lambda c: c.call)
    lines = [
        ("setup: keys", seconds(wall("key")), seconds(call("setup")), ratio(call("setup"), wall("key"))),
        (
            "setup: from ONNX to the keys",
            seconds(total(costs, ["compile", "key"], lambda c: c.wall)),
            seconds(prepare),
            ratio(prepare, total(costs, ["compile", "key"], lambda c: c.wall)),
        ),
        ("reference string, made here", "none", seconds(call("srs")), "-"),
        ("prove (with running the model)", seconds(wall("prove")), seconds(prove), ratio(prove, wall("prove"))),
        ("verify", seconds(wall("verify")), seconds(call("verify")), ratio(call("verify"), wall("verify"))),
    ]
    for step, name in [("setup", "keys"), ("prove", "proving"), ("verify", "verifying")]:
        name = f"processor time of {name}, whole process"
        a, b = done(costs, {"setup": "key"}.get(step, step)), done(peer_costs, step)
        lines.append((name, seconds(a and a.cpu), seconds(b and b.cpu), ratio(b and b.cpu, a and a.cpu)))
    for step in ["setup", "prove", "verify"]:
        a, b = done(costs, {"setup": "key"}.get(step, step)), done(peer_costs, step)
        peaks = (a and a.peak_kib, b and b.peak_kib)
        lines.append((f"peak memory: {step}", memory(peaks[0]), memory(peaks[1]), ratio(peaks[1], peaks[0])))
    names = [("proof", "proof"), ("proof_file", "proof file with its statement")]
    names += [("proving_key", "proving key (Assay: the program)"), ("verifying_key", "verifying key")]
    for name, title in names:
        a, b = sizes.get(name), peer_sizes.get(name)
        lines.append((title, count(a), count(b), ratio(b, a)))
    rows = f", 2^{theirs['logrows']} rows" if theirs and theirs.get("logrows") else ""
    text = [f"### {model}", "", f"| | Assay | EZKL 23.0.5{rows} | EZKL / Assay |", "| --- | --- | --- | --- |"]
    text += [f"| {' | '.join(line)} |" for line in lines]
    for peer, of in [("Assay", costs), ("EZKL", peer_costs)]:
        text += [f"\n{peer} {step}: {cost.error}" for step, cost in of.items() if cost.error]
    return [*text, ""]


def machine() -> str:
    def of(path: str, key: str) -> str:
        lines = Path(path).read_text().splitlines() if Path(path).exists() else []
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), platform.machine())

    kib = int(of("/proc/meminfo", "MemTotal").split()[0])
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    cpu = of("/proc/cpuinfo", "model name")
    return f"{cpu}, {os.cpu_count()} cores, {kib / 2**20:.0f} GiB, {time.strftime('%Y-%m-%d')}, load {load} at the start"


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("folder", type=Path, help="holds NAME/model.onnx and NAME/test_data_set_0/input_0.pb")
    parser.add_argument("--models", help=f"comma-separated; without it: {', '.join(MODELS)}")
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(LARGE)}, whose setup takes EZKL over 20 GiB")
    parser.add_argument("--runs", type=int, default=5, help="runs of each short step, whose median counts")
    parser.add_argument("--only-assay", action="store_true", help="without the peer")
    parser.add_argument("--limit-gib", type=float, help="address space that an EZKL process may have")
    parser.add_argument("--out", type=Path, default=HERE / ".work", help="folder of the table and of the raw figures")
    parser.add_argument("--assay", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    models = given.models.split(",") if given.models else MODELS + (LARGE if given.all else [])
    given.out.mkdir(parents=True, exist_ok=True)
    text, raw = [f"Measured on {machine()}.", ""], {}
    for model in models:
        say(f"{model}:")
        onnx_file = given.folder / model / "model.onnx"
        sample = given.folder / model / "test_data_set_0" / "input_0.pb"
        with tempfile.TemporaryDirectory(dir=given.out) as folder:
            ours = assay(given.assay, onnx_file, sample, Path(folder), given.runs)
            theirs = None
            if not given.only_assay:
                theirs = ezkl(onnx_file, sample, Path(folder), min(given.runs, 3), given.limit_gib)
        text += table_of(model, ours, theirs)
        raw[model] = {"assay": ours, "ezkl": theirs}
        (given.out / "table.md").write_text("\n".join(text))
        (given.out / "figures.json").write_text(json.dumps(raw, indent=1, default=vars))
    print("\n".join(text))


if __name__ == "__main__":
    main()
