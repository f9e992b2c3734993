"""How the peers are timed: as examples/bench.rs times wengert, the median and the least of some runs after a warm-up."""
import argparse
import json
import statistics
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def report(args, peer, name, make, runs, scale, unit):
    if args.only and name not in args.only.split(","):
        return
    work = make()
    for _ in range(runs // 10 + 2):
        work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * scale)
    line = dict(bench=name, variant=peer, threads=args.threads, median=round(statistics.median(times), 4), min=round(min(times), 4), unit=unit)
    print(json.dumps(line), flush=True)
