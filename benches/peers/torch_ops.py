"""The work of benches/ops.rs in PyTorch: medians in milliseconds."""
import statistics
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(2)
torch.manual_seed(0)
x, cube, images = torch.randn(1000, 1000), torch.randn(100, 100, 100), torch.randn(16, 16, 64, 64)
rows = torch.arange(1000) * 7919 % 1000
places = (torch.arange(1000)[:, None] + torch.arange(1000)[None] * 7919) % 1000


def timed(name, f):
    times, end = [], time.perf_counter() + 1.0
    for _ in range(5):
        f()
    while time.perf_counter() < end:
        start = time.perf_counter()
        f()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{name}: {statistics.median(times):.4f} ms", flush=True)


timed("sum", lambda: x.sum())
timed("sum columns", lambda: x.sum(0))
timed("sum rows", lambda: x.sum(1))
timed("max rows", lambda: x.amax(1))
timed("prod rows", lambda: x.prod(1))
timed("var rows", lambda: x.var(1))
timed("norm", lambda: x.norm())
timed("logsumexp rows", lambda: x.logsumexp(1))
timed("softmax rows", lambda: x.softmax(1))
timed("argmax rows", lambda: x.argmax(1))
timed("cumsum rows", lambda: x.cumsum(1))
timed("cumsum columns", lambda: x.cumsum(0))
timed("transpose", lambda: x.t().contiguous())
timed("permute 2 0 1", lambda: cube.permute(2, 0, 1).contiguous())
timed("flip", lambda: x.flip(0, 1))
timed("take rows", lambda: x.index_select(0, rows))
timed("gather columns", lambda: x.gather(1, places))
timed("max_pool2d", lambda: F.max_pool2d(images, 2))
timed("avg_pool2d", lambda: F.avg_pool2d(images, 2))
for name, shape, kernel, padding in [("conv 1", (64, 1, 28, 28), (6, 1, 5, 5), 2), ("conv 2", (64, 6, 14, 14), (16, 6, 5, 5), 0)]:
    image, weight = torch.randn(shape, requires_grad=True), torch.randn(kernel, requires_grad=True)

    def forward():
        with torch.no_grad():
            F.conv2d(image, weight, padding=padding)

    def both():
        image.grad = weight.grad = None
        F.conv2d(image, weight, padding=padding).sum().backward()

    timed(name, forward)
    timed(f"{name} and gradients", both)
