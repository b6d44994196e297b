# The steps of continuous integration, one by one. Without `just`: `.ci/run STEP`.

# Everything, as from a fresh clone.
ci:
    .ci/run

# A real network compiled, run, proven, verified; then forgeries rejected.
demo:
    cargo run --release --locked -p assay-cli -- demo

test:
    .ci/run test

format:
    .ci/run format

lint:
    .ci/run lint

docs:
    .ci/run docs

no_std:
    .ci/run no_std

dependencies:
    .ci/run dependencies

wasm:
    .ci/run wasm

deny:
    .ci/run deny
