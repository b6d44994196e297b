#!/bin/sh
# Installs the pinned tools when they are missing, runs the tests, and compares gas with the snapshot.
set -eu
cd "$(dirname "$0")"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci
fi
npm run fmt
npm test
