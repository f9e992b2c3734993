#!/usr/bin/env bash
# Runs wengert, PyTorch and JAX on the same work, in turn and three times over, and prints a table of medians.
# Needs Python with venv; installs the peers into target/peers at the first run. Arguments: [--threads N] [--only M1a,…]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=target/peers/bin/python
[ -x "$python" ] || { python3 -m venv target/peers && target/peers/bin/pip install -q torch jax; }
cargo build --release --example bench
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for _ in 1 2 3; do
  ./target/release/examples/bench "$@" >>"$lines"
  "$python" benches/peers/torch_steps.py "$@" >>"$lines" 2>/dev/null
  "$python" benches/peers/jax_steps.py "$@" >>"$lines" 2>/dev/null
done
"$python" - "$lines" <<'PY'
import collections, json, statistics, sys
rows = collections.defaultdict(lambda: collections.defaultdict(list))
units = {}
for line in map(json.loads, open(sys.argv[1])):
    rows[line["bench"]][line["variant"]].append((line["median"], line["min"]))
    units[line["bench"]] = line["unit"]
print("| work | unit | wengert | PyTorch | JAX (jit) | best peer / wengert |\n|---|---|---|---|---|---|")
for name, by in rows.items():
    middle = {v: statistics.median(m for m, _ in runs) for v, runs in by.items()}
    cell = lambda v: f"{middle[v]:.4g} [{min(m for _, m in by[v]):.4g}]" if v in middle else "-"
    peers = [middle[v] for v in ("torch", "jax") if v in middle]
    ratio = f"{min(peers) / middle['record']:.2f}" if peers and "record" in middle else "-"
    print(f"| {name} | {units[name]} | {cell('record')} | {cell('torch')} | {cell('jax')} | {ratio} |")
PY
