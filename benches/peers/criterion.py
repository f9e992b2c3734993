"""Prints Criterion's latest measurements of a benchmark group on WENGERT_THREADS threads, one JSON line per benchmark.
Usage: criterion.py GROUP [FOLDER]."""
import json
import os
import pathlib
import statistics
import sys

folder = pathlib.Path(*(sys.argv[2:] or ["target/criterion"])) / sys.argv[1]
for sample in sorted(folder.glob("*/new/sample.json"), key=lambda path: path.stat().st_mtime):
    runs = json.loads(sample.read_text())
    each = [time / count / 1e6 for time, count in zip(runs["times"], runs["iters"])]
    name = json.loads((sample.parent / "benchmark.json").read_text())["function_id"]
    times = dict(median=statistics.median(each), min=min(each), unit="ms")
    print(json.dumps(dict(bench=name, variant="wengert", threads=int(os.environ["WENGERT_THREADS"]), **times)))
