"""The ops of benches/ops.rs in PyTorch, under the same names, one JSON line each.
Usage: torch_ops.py [--threads N] [NAME PART…]"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("parts", nargs="*", help="substrings of benchmark names to run")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def timed(name, f):
    if args.parts and not any(part in name for part in args.parts):
        return
    for _ in range(5):
        f()
    times, end = [], time.perf_counter() + 0.3
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        f()
        times.append((time.perf_counter() - start) * 1e3)
    line = dict(bench=name, variant="torch", threads=args.threads, median=statistics.median(times), min=min(times), unit="ms")
    print(json.dumps(line), flush=True)


def both_ways(name, inputs, f):
    """Times f at its inputs, alone and with its derivatives for all of them, using a random cotangent."""
    variables = [x.clone().requires_grad_() for x in inputs]
    cotangent = torch.randn_like(f(*inputs))

    def backward():
        for x in variables:
            x.grad = None
        f(*variables).backward(cotangent)

    timed(name, lambda: f(*inputs))
    timed(f"{name} and gradients", backward)


x, other, cube = torch.randn(1000, 1000), torch.randn(1000, 1000), torch.randn(100, 100, 100)
rows, mask = torch.arange(1000) * 7919 % 1000, other > 0
places = (torch.arange(1000)[:, None] + torch.arange(1000)[None] * 7919) % 1000

above_zero = torch.rand(1000, 1000)
above_one = above_zero + 1
both_ways("f: gelu", [x], F.gelu)
both_ways("f: silu", [x], F.silu)
timed("f: exp2", lambda: x.exp2())
timed("f: erfc", lambda: x.erfc())
timed("f: erfinv", lambda: above_zero.erfinv())
timed("f: asin", lambda: above_zero.asin())
timed("f: sinh", lambda: x.sinh())
timed("f: atan2", lambda: x.atan2(above_zero))
timed("f: hypot", lambda: x.hypot(above_zero))
timed("f: pow", lambda: above_zero.pow(x))
timed("f: fmod", lambda: x.fmod(above_zero))
timed("f: lgamma", lambda: above_one.lgamma())
timed("f: polygamma", lambda: torch.polygamma(1, above_one))
timed("f: i0e", lambda: torch.special.i0e(x))
timed("f: rand", lambda: torch.rand(1000, 1000))

timed("sum", lambda: x.sum())
timed("sum columns", lambda: x.sum(0))
timed("sum rows", lambda: x.sum(1))
timed("max rows", lambda: x.amax(1))
timed("min columns", lambda: x.amin(0))
timed("prod rows", lambda: x.prod(1))
timed("var rows", lambda: x.var(1))
timed("norm", lambda: x.norm())
timed("argmax rows", lambda: x.argmax(1))
timed("argmin columns", lambda: x.argmin(0))
timed("cumsum rows", lambda: x.cumsum(1))
timed("cumsum columns", lambda: x.cumsum(0))
both_ways("logsumexp rows", [x], lambda x: x.logsumexp(1))
both_ways("softmax rows", [x], lambda x: x.softmax(1))
both_ways("log_softmax rows", [x], lambda x: x.log_softmax(1))
both_ways("cross_entropy", [x], lambda x: F.cross_entropy(x, rows))
both_ways("layer_norm", [x, torch.ones(1000), torch.zeros(1000)], lambda x, w, b: F.layer_norm(x, (1000,), w, b))

heads = [torch.randn(16, 4, 128, 64) for _ in range(3)]
both_ways("attention", heads, F.scaled_dot_product_attention)
both_ways("causal attention", heads, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))

timed("transpose", lambda: x.t().contiguous())
timed("permute 2 0 1", lambda: cube.permute(2, 0, 1).contiguous())
timed("flip", lambda: x.flip(0, 1))
timed("cat rows", lambda: torch.cat([x, other], 0))
timed("cat columns", lambda: torch.cat([x, other], 1))
timed("pad", lambda: F.pad(x, (1, 1, 1, 1)))
timed("where", lambda: torch.where(mask, x, other))
timed("take rows", lambda: x.index_select(0, rows))
timed("gather rows", lambda: x.gather(0, places))
timed("gather columns", lambda: x.gather(1, places))
timed("scatter_add rows", lambda: x.scatter_add(0, places, other))
timed("scatter_add columns", lambda: x.scatter_add(1, places, other))
timed("sort rows", lambda: x.sort(stable=True, dim=1))

n, base = 1_000_000, torch.zeros(10_000)
items, index = x.reshape(n), torch.randint(0, 10_000, (n,))
for name, how in [("sum", "sum"), ("mean", "mean"), ("max", "amax"), ("prod", "prod")]:
    both_ways(f"scatter_reduce {name}", [base, items], lambda x, y, how=how: x.scatter_reduce(0, index, y, how))
edges = torch.randn(1000).sort()[0]
timed("bucketize", lambda: torch.bucketize(items, edges))
timed("quantile", lambda: torch.quantile(items, 0.3))
timed("quantile of rows", lambda: torch.quantile(x, 0.3, dim=1))
timed("median of rows", lambda: x.median(1))
timed("unique integers", lambda: torch.unique(index, return_inverse=True, return_counts=True))
timed("unique numbers", lambda: torch.unique(items, return_inverse=True, return_counts=True))
timed("sort a list", lambda: items.sort(stable=True))
points = [torch.randn(500, 64), torch.randn(500, 64)]
both_ways("cdist", points, torch.cdist)
both_ways("cdist, p = 1", points, lambda x, y: torch.cdist(x, y, p=1.0))

square = torch.randn(512, 512)
timed("lu", lambda: torch.linalg.lu(square))
both_ways("factors of lu", [square], lambda x: torch.linalg.lu(x)[2])
timed("inv", lambda: torch.linalg.inv(square))

images, lines = torch.randn(16, 16, 64, 64), torch.randn(16, 64, 1024)
both_ways("max_pool2d", [images], lambda x: F.max_pool2d(x, 2))
both_ways("max_pool2d 3 by 2", [images], lambda x: F.max_pool2d(x, 3, 2, 1))
both_ways("avg_pool2d", [images], lambda x: F.avg_pool2d(x, 2))
both_ways("max_pool1d", [lines], lambda x: F.max_pool1d(x, 2))
both_ways("avg_pool1d", [lines], lambda x: F.avg_pool1d(x, 2))

for name, image, kernel, settings in [
    ("conv 1", (64, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    ("conv 2", (64, 6, 14, 14), (16, 6, 5, 5), {}),
    ("conv 3x3 16 of 32x32", (32, 16, 32, 32), (16, 16, 3, 3), dict(padding=1)),
    ("conv 3x3 64 of 32x32", (32, 64, 32, 32), (64, 64, 3, 3), dict(padding=1)),
    ("conv 3x3 256 of 8x8", (32, 256, 8, 8), (256, 256, 3, 3), dict(padding=1)),
    ("conv 3x3 512 of 7x7", (32, 512, 7, 7), (512, 512, 3, 3), dict(padding=1)),
    ("conv 3x3 stride 2", (32, 64, 32, 32), (128, 64, 3, 3), dict(padding=1, stride=2)),
    ("conv 7x7 stride 2", (8, 3, 112, 112), (64, 3, 7, 7), dict(padding=3, stride=2)),
    ("conv depthwise", (32, 64, 32, 32), (64, 1, 3, 3), dict(padding=1, groups=64)),
    ("conv 1x1", (32, 256, 14, 14), (256, 256, 1, 1), {}),
]:
    both_ways(name, [torch.randn(image), torch.randn(kernel)], lambda x, w, settings=settings: F.conv2d(x, w, **settings))
transposed = [torch.randn(32, 128, 16, 16), torch.randn(128, 64, 3, 3)]
both_ways("conv transposed", transposed, lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1))
