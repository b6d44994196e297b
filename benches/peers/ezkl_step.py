"""One step of EZKL as one process: `ezkl_step.py STEP FOLDER MODEL.onnx`.

Files of all steps lie in FOLDER. Prints a JSON object with the seconds that the call itself took, without the start of
the interpreter and the import of the package.
"""

import json
import sys
import time
from pathlib import Path

import ezkl


def main(step: str, folder: Path, model: str) -> None:
    def at(name: str) -> str:
        return str(folder / name)

    def calibrate() -> None:
        arguments = ezkl.PyRunArgs()
        arguments.input_visibility = "public"
        arguments.output_visibility = "public"
        arguments.param_visibility = "fixed"
        arguments.variables = [(name, 1) for name in json.loads(Path(at("free.json")).read_text())]
        ezkl.gen_settings(model, at("settings.json"), arguments)
        ezkl.calibrate_settings(at("input.json"), model, at("settings.json"), "resources")

    def reference_string() -> None:
        # Made here from no secret ceremony: good for timing and nothing else.
        rows = json.loads(Path(at("settings.json")).read_text())["run_args"]["logrows"]
        ezkl.gen_srs(at("srs"), rows)

    steps = {
        "calibrate": calibrate,
        "compile": lambda: ezkl.compile_circuit(model, at("circuit"), at("settings.json")),
        "srs": reference_string,
        "setup": lambda: ezkl.setup(at("circuit"), at("vk"), at("pk"), at("srs")),
        "witness": lambda: ezkl.gen_witness(at("input.json"), at("circuit"), at("witness.json")),
        "prove": lambda: ezkl.prove(at("witness.json"), at("circuit"), at("pk"), at("proof.json"), at("srs")),
        "verify": lambda: ezkl.verify(at("proof.json"), at("settings.json"), at("vk"), at("srs")),
    }
    start = time.perf_counter()
    result = steps[step]()
    seconds = time.perf_counter() - start
    if result is False:
        sys.exit(f"{step} failed")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
