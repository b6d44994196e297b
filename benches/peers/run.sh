#!/bin/sh
# Assay and EZKL on the same models on this machine, in one go: a Markdown table. See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
[ -x "$here/.venv/bin/python" ] || python3 -m venv "$here/.venv"
"$here/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p assay-cli
target=${CARGO_TARGET_DIR:-$root/target}
exec "$here/.venv/bin/python" "$here/compare.py" --assay "$target/release/assay" "$@"
