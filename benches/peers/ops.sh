#!/usr/bin/env bash
# Runs benches/ops.rs and torch_ops.py alternately and prints a table of medians. Arguments: substrings of benchmark
# names. Environment: ROUNDS (default 3) and THREADS (default 2).
set -euo pipefail
cd "$(dirname "$0")/../.."
python=target/peers/bin/python
[ -x "$python" ] || { python3 -m venv target/peers && target/peers/bin/pip install -q torch jax; }
cargo bench --no-run --features linalg -p wengert-benches --bench ops
export WENGERT_THREADS=${THREADS:-2}
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for _ in $(seq "${ROUNDS:-3}"); do
  rm -rf "target/criterion/ops f32"
  cargo bench -q --features linalg -p wengert-benches --bench ops -- --noplot "$(IFS='|' && echo "$*")" >/dev/null
  "$python" benches/peers/criterion.py "ops f32" >>"$lines"
  "$python" benches/peers/torch_ops.py --threads "$WENGERT_THREADS" "$@" >>"$lines"
done
"$python" benches/peers/table.py "$lines"
