#!/bin/sh
# Installs the pinned tools when they are missing, runs the tests, and compares gas with the snapshot.
set -eu
cd "$(dirname "$0")"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci
fi
npm run fmt
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
status=0
npm test >"$log" 2>&1 || status=$?
cat "$log"
# forge tells of gas that differs from the snapshot, and of no test after it, with exit code 0.
if grep -q "Snapshots differ" "$log"; then
  exit 1
fi
exit "$status"
