#!/usr/bin/env bash
# Runs wengert, PyTorch and JAX on the same work, alternating, three times each, and prints a table of medians.
# Requires Python with venv; installs the peers into target/peers on the first run. Arguments: [--threads N] [--only M1a,…]
# If a peer fails, its name and the end of its error output are printed, and the table holds the results of the others.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=target/peers/bin/python
[ -x "$python" ] || { python3 -m venv target/peers && target/peers/bin/pip install -q torch jax; } || exit
cargo build --release --example bench || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()

# Runs one of the three programs, appends its output lines, and records a failure.
measure() {
  local name=$1
  shift
  "$@" >>"$work/lines" 2>"$work/errors" && return
  failed+=("$name: exit $?: $(tail -n 3 "$work/errors")")
}

for _ in 1 2 3; do
  measure wengert ./target/release/examples/bench "$@"
  measure PyTorch "$python" benches/peers/torch_steps.py "$@"
  measure PyTorch "$python" benches/peers/torch_loops.py "$@"
  measure JAX "$python" benches/peers/jax_steps.py "$@"
done
"$python" benches/peers/table.py "$work/lines"
for failure in ${failed+"${failed[@]}"}; do echo "FAILED $failure" >&2; done
[ ${#failed[@]} -eq 0 ]
