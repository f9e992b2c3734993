"""The work of benches/work in PyTorch. pip install torch; python torch_steps.py [--threads N] [--only M1a,M2]"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from timing import arguments, report

args = arguments()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def mlp(sizes, batch):
    """A training step: forward, mean softmax cross-entropy, backward, SGD with momentum 0.9."""
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers += ([nn.ReLU()] if i else []) + [nn.Linear(a, b)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    x, y = torch.randn(batch, sizes[0]), torch.randint(0, sizes[-1], (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def scalar_chain(n):
    """x <- sin(x) a + b on float64 scalars, n times, and back to x0, a and b."""

    def variable(v):
        return torch.tensor(v, dtype=torch.float64, requires_grad=True)

    a, b, x0 = variable(1.8508157176809255), variable(-0.5577074246549021), variable(1.5)

    def run():
        x = x0
        for _ in range(n):
            x = torch.sin(x) * a + b
        x.backward()

    return run


def elementwise(n):
    x = torch.randn(n, requires_grad=True)

    def run():
        x.grad = None
        (torch.tanh(x) * torch.exp(-x * x) + torch.sigmoid(x)).sum().backward()

    return run


report(args, "torch", "M1a", lambda: mlp([64, 32, 10], 32), 500, 1e6, "us")
report(args, "torch", "M1b", lambda: mlp([784, 256, 128, 10], 128), 200, 1e3, "ms")
report(args, "torch", "M1c", lambda: mlp([1024, 2048, 2048, 1000], 256), 10, 1e3, "ms")
report(args, "torch", "M2", lambda: scalar_chain(20_000), 3, 1e9 / 60_000, "ns/op")
for n, runs in [(1000, 500), (100_000, 100), (10_000_000, 5)]:
    report(args, "torch", f"M3_{n}", lambda: elementwise(n), runs, 1e6, "us")
