"""Prints measurements as a Markdown table: medians of the runs' medians, and in brackets the minimum of all runs."""
import collections
import json
import statistics
import sys

VARIANTS = dict(
    record="wengert recorded", replay="wengert replayed", wengert="wengert", torch="PyTorch", jax="JAX (jit)"
)

rows, units, threads = collections.defaultdict(lambda: collections.defaultdict(list)), {}, 0
with open(sys.argv[1]) as lines:
    for line in map(json.loads, lines):
        rows[line["bench"]][line["variant"]].append((line["median"], line["min"]))
        units[line["bench"]] = line["unit"]
        threads = max(threads, line["threads"])
present = [variant for variant in VARIANTS if any(variant in runs for runs in rows.values())]
title = f"work, {threads} thread" + "s" * (threads != 1)
print(f"| {title} | unit |", " | ".join(VARIANTS[variant] for variant in present), "| best peer / best wengert |")
print("|---|---|" + "---|" * len(present) + "---|")
for name, runs in rows.items():
    middle = {variant: statistics.median(median for median, _ in runs[variant]) for variant in runs}

    def best(*variants):
        return min((middle[variant] for variant in variants if variant in middle), default=None)

    def cell(variant):
        return f"{middle[variant]:.4g} [{min(least for _, least in runs[variant]):.4g}]" if variant in middle else "-"

    peer, own = best("torch", "jax"), best("record", "replay", "wengert")
    ratio = f"{peer / own:.2f}" if peer and own else "-"
    print(f"| {name} | {units[name]} |", " | ".join(map(cell, present)), f"| {ratio} |")
