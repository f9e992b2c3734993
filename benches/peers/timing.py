"""Measures the peers as examples/bench.rs measures wengert. Times are the median and the minimum of some runs after a
warm-up; memory is the peak resident memory minus the memory before, in a child process."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

# Environment variable that names the one workload whose memory a child process measures.
CHILD = "PEER_BENCH_CHILD"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="workloads or families: M3 selects M3_1000 and the like")
    return parser.parse_args()


def wanted(args, name):
    if CHILD in os.environ:
        return os.environ[CHILD] == name
    return not args.only or any(name == only or name.startswith(only + "_") for only in args.only.split(","))


def report(args, peer, name, make, runs, second, unit):
    """Times the function returned by make(); second is the number of units in a second."""
    if not wanted(args, name):
        return
    work = make()
    for _ in range(runs // 10 + 2):
        work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * second)
    line(args, peer, name, statistics.median(times), min(times), unit)


def report_peak(args, peer, name, work):
    """Measures the peak memory of the generator work() after its first yield; before that it may load and compile."""
    if not wanted(args, name):
        return
    if CHILD not in os.environ:
        again = [sys.executable, sys.argv[0], "--threads", str(args.threads)]
        subprocess.run(again, env={**os.environ, CHILD: name}, check=True)
        return
    running = work()
    next(running)
    before = mebibytes("VmRSS:")
    with open("/proc/self/clear_refs", "w") as most:
        most.write("5")  # resets the kernel's peak counter
    for _ in running:
        pass
    peak = mebibytes("VmHWM:") - before
    line(args, peer, name, peak, peak, "MiB")


def mebibytes(entry):
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) / 1024 for line in status if line.startswith(entry))


def line(args, peer, name, median, least, unit):
    values = dict(median=round(median, 4), min=round(least, 4), unit=unit)
    print(json.dumps(dict(bench=name, variant=peer, threads=args.threads, **values)), flush=True)
