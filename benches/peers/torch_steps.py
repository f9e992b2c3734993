"""The workloads of benches/work in PyTorch. pip install torch; python torch_steps.py [--threads N] [--only M1a,M3]"""
import math
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from timing import arguments, report, report_peak
from torch.utils.checkpoint import checkpoint

args = arguments()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
# x0, a and b of the scalar chain, as in benches/work/functions.rs.
ALIVE, DENORMAL = (1.5, 1.0, 2 * math.pi), (1.5, 1.8508157176809255, -0.5577074246549021)
SMALL, MIDDLE, LARGE = ([64, 32, 10], 32), ([784, 256, 128, 10], 128), ([1024, 2048, 2048, 1000], 256)


def train(model, x, classes):
    """A training step: forward, mean softmax cross-entropy, backward, SGD with momentum 0.9."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    y = torch.randint(0, classes, (len(x),))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def dense(sizes):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers += ([nn.ReLU()] if i else []) + [nn.Linear(a, b)]
    return nn.Sequential(*layers)


def mlp(sizes, batch):
    return train(dense(sizes), torch.randn(batch, sizes[0]), sizes[-1])


def scalar_chain(n, at):
    """The gradient of n steps of x <- sin(x) a + b on float64 scalars, with respect to x0, a and b, given in `at`."""

    def variable(v):
        return torch.tensor(v, dtype=torch.float64, requires_grad=True)

    x0, a, b = map(variable, at)

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


def hessian_vector(f, x):
    """The gradient of the gradient along a direction: the fastest of PyTorch's methods for these workloads."""
    v = [torch.randn_like(x) for x in x]

    def run():
        gradient = torch.autograd.grad(f(*x), x, create_graph=True)
        torch.autograd.grad(gradient, x, v)

    return run


def rosenbrock(n):
    def f(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    return hessian_vector(f, [torch.randn(n, dtype=torch.float64, requires_grad=True)])


def mlp_hessian(sizes, batch):
    model, x, y = dense(sizes), torch.randn(batch, sizes[0]), torch.randint(0, sizes[-1], (batch,))
    return hessian_vector(lambda *_: F.cross_entropy(model(x), y), list(model.parameters()))


def recurrent(kind, inputs, hidden, steps, batch):
    model, x = kind(inputs, hidden), torch.randn(steps, batch, inputs)

    def run():
        model.zero_grad(set_to_none=True)
        model(x)[0].square().sum().backward()

    return run


def lenet(batch):
    convolutions = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*convolutions, nn.Flatten(), *dense([400, 120, 84, 10]))
    return train(model, torch.randn(batch, 1, 28, 28), 10)


def recurrence(n, segment=None):
    """n steps of h <- tanh(h W); with a segment, checkpointed every segment steps."""
    w, h0 = torch.randn(256, 256) / 16, torch.randn(64, 256)
    w.requires_grad_()

    def steps(h, n):
        for _ in range(n):
            h = torch.tanh(h @ w)
        return h

    def run():
        w.grad, h = None, h0
        if segment:
            for _ in range(n // segment):
                h = checkpoint(steps, h, segment, use_reentrant=False)
        else:
            h = steps(h, n)
        h.sum().backward()

    return run


def memory(small, make, runs):
    small()()  # loads what is loaded only once, such as code
    yield
    work = make()
    for _ in range(runs):
        work()
    yield


time = partial(report, args, "torch")
peak = partial(report_peak, args, "torch")
time("M1a", lambda: mlp(*SMALL), 500, 1e6, "us")
time("M1b", lambda: mlp(*MIDDLE), 200, 1e3, "ms")
time("M1c", lambda: mlp(*LARGE), 10, 1e3, "ms")
peak("M1c_memory", lambda: memory(lambda: mlp(*SMALL), lambda: mlp(*LARGE), 3))
time("M2", lambda: scalar_chain(20_000, ALIVE), 3, 1e9 / 60_000, "ns/op")
time("M2_denormal", lambda: scalar_chain(20_000, DENORMAL), 3, 1e9 / 60_000, "ns/op")
time("M3_1000", lambda: elementwise(1000), 500, 1e6, "us")
time("M3_100000", lambda: elementwise(100_000), 100, 1e6, "us")
time("M3_10000000", lambda: elementwise(10_000_000), 5, 1e3, "ms")
time("M4_1000", lambda: rosenbrock(1000), 500, 1e6, "us")
time("M4_1000000", lambda: rosenbrock(1_000_000), 10, 1e3, "ms")
time("M4_mlp", lambda: mlp_hessian(*MIDDLE), 100, 1e3, "ms")
time("M5", lambda: recurrent(nn.LSTM, 64, 128, 64, 16), 30, 1e3, "ms")
time("R_LSTM64", lambda: recurrent(nn.LSTM, 32, 32, 64, 32), 50, 1e3, "ms")
time("R_LSTM512", lambda: recurrent(nn.LSTM, 32, 32, 512, 32), 10, 1e3, "ms")
time("R_GRU64", lambda: recurrent(nn.GRU, 32, 32, 64, 32), 50, 1e3, "ms")
time("R_GRU512", lambda: recurrent(nn.GRU, 32, 32, 512, 32), 10, 1e3, "ms")
time("M6", lambda: lenet(64), 50, 1e3, "ms")
peak("M7", lambda: memory(lambda: recurrence(2), lambda: recurrence(1000), 1))
peak("M7_checkpointed", lambda: memory(lambda: recurrence(4, 2), lambda: recurrence(1000, 20), 1))
