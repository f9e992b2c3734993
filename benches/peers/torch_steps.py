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


def mlp_in_bf16(sizes, batch):
    """The same under autocast, which leaves the loss and the parameters in float32."""
    model = dense(sizes)
    model.forward = torch.autocast("cpu", dtype=torch.bfloat16)(model.forward)
    return train(model, torch.randn(batch, sizes[0]), sizes[-1])


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
    return train(lenet_layers(), torch.randn(batch, 1, 28, 28), 10)


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def normalized(a, b, stride=1):
    return [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)]


def residual_net():
    layers = [*normalized(3, 16), nn.ReLU()]
    for a, b in [(16, 16), (16, 32), (32, 64)]:
        if a != b:
            layers += [*normalized(a, b, 2), nn.ReLU()]
        layers += [Residual(nn.Sequential(*normalized(b, b), nn.ReLU(), *normalized(b, b))), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 10))


def lenet_layers():
    convolutions = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), *dense([400, 120, 84, 10]))


def prediction(model, *shape):
    model.eval()
    x = torch.randn(1, *shape)

    @torch.inference_mode()
    def run():
        model(x)

    return run


class Block(nn.Module):
    """A block of a GPT with rotary positions, for one token at a time; `before` holds keys and values."""

    def __init__(self, width, heads, most):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.linear1, self.linear2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.before = torch.zeros(2, 1, heads, most, width // heads)

    def forward(self, x, at, turn):
        _, _, heads, _, part = self.before.shape
        qkv = self.qkv(self.norm1(x)).view(1, 3, heads, part)
        turned = torch.view_as_real(torch.view_as_complex(qkv[:, :2].reshape(1, 2, heads, part // 2, 2)) * turn)
        q, k = turned.reshape(1, 2, heads, 1, part).unbind(1)
        self.before[0, :, :, at], self.before[1, :, :, at] = k[:, :, 0], qkv[:, 2]
        keys, values = self.before[:, :, :, : at + 1]
        x = x + self.out(F.scaled_dot_product_attention(q, keys, values).reshape(1, heads * part))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


def writing(tokens=256, width=128, layers=4, heads=4, length=128):
    """Writes a text of `length` tokens, each the likeliest, with a cache of keys and values."""
    embedding = nn.Embedding(tokens, width)
    blocks, norm = nn.ModuleList(Block(width, heads, length) for _ in range(layers)), nn.LayerNorm(width)
    rates = 10_000.0 ** (-torch.arange(0, width // heads, 2) / (width // heads))
    turns = torch.polar(torch.ones(1), torch.outer(torch.arange(length), rates))

    @torch.inference_mode()
    def run():
        token = torch.zeros(1, dtype=torch.int64)
        for at in range(length):
            x = embedding(token)
            for block in blocks:
                x = block(x, at, turns[at])
            token = F.linear(norm(x), embedding.weight).argmax(-1)

    return run


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


def normal(*shape, dtype=torch.float32):
    return torch.randn(*shape, dtype=dtype)


def net(x, weights):
    for i, w in enumerate(weights):
        x = (torch.tanh(x) if i else x) @ w
    return x


def jacobian():
    x, weights = normal(100) * 0.1, [normal(100, 256) * 0.1, normal(256, 256) * 0.1, normal(256, 100) * 0.1]
    f = torch.func.jacrev(net)
    return lambda: f(x, weights)


def hessian(n):
    x, m = normal(n, dtype=torch.float64), normal(n, n, dtype=torch.float64) * 0.1
    f = torch.func.hessian(lambda x: torch.log1p((torch.tanh(m @ x) ** 2).sum()))
    return lambda: f(x)


def valley(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def valley_product(n):
    x, v = normal(n, dtype=torch.float64), normal(n, dtype=torch.float64)
    return lambda: torch.func.jvp(torch.func.grad(valley), (x,), (v,))[1]


def valley_gradient(n):
    x, f = normal(n, dtype=torch.float64), torch.func.grad_and_value(valley)
    return lambda: f(x)


def valley_hessian(n):
    """The nonzero second derivatives, by three products: PyTorch does not find the pattern, so it is given."""
    x = normal(n, dtype=torch.float64)
    seeds = torch.stack([(torch.arange(n) % 3 == k).double() for k in range(3)])
    f = torch.func.vmap(lambda v: torch.func.jvp(torch.func.grad(valley), (x,), (v,))[1])
    return lambda: f(seeds)


def sample_loss(layers, x, y):
    for i, (w, b) in enumerate(layers):
        x = (F.relu(x) if i else x) @ w + b
    return -(F.log_softmax(x, -1) * y).sum()


def samples(wrap):
    sizes = MIDDLE[0]
    layers = [(normal(a, b) / a**0.5, torch.zeros(b)) for a, b in zip(sizes, sizes[1:])]
    x, y = normal(128, 784), F.softmax(normal(128, 10), 1)
    f = wrap(sample_loss)
    return lambda: f(layers, x, y)


def of_batch(loss):
    return torch.func.grad(lambda layers, x, y: torch.func.vmap(loss, (None, 0, 0))(layers, x, y).sum())


def of_each(loss):
    return torch.func.vmap(torch.func.grad(loss), (None, 0, 0))


def squared(layers):
    return sum((g.reshape(len(g), -1) ** 2).sum(1) for layer in layers for g in layer)


def norms(loss):
    return lambda *args: squared(of_each(loss)(*args)).sqrt()


def clipped(loss):
    def run(*args):
        gradients = of_each(loss)(*args)
        weights = 1 / squared(gradients).sqrt().clamp(min=1)
        return [[torch.tensordot(weights, g, 1) for g in layer] for layer in gradients]

    return run


def loop(steps, pieces):
    h, xs, u = normal(16, 128), normal(steps, 16, 8) * 0.1, normal(8, 128) * 0.3
    w = (normal(128, 128) * 0.05).requires_grad_()

    def piece(h, xs):
        for x in xs:
            h = torch.tanh(h @ w + x @ u)
        return h

    def run():
        end = h
        if pieces:
            for part in xs.chunk(pieces):
                end = checkpoint(piece, end, part, use_reentrant=False)
        else:
            end = piece(end, xs)
        w.grad = None
        end.sum().backward()

    return run


time = partial(report, args, "torch")
peak = partial(report_peak, args, "torch")
time("M1a", lambda: mlp(*SMALL), 500, 1e6, "us")
time("M1b", lambda: mlp(*MIDDLE), 200, 1e3, "ms")
time("M1c", lambda: mlp(*LARGE), 10, 1e3, "ms")
time("M1c_bf16", lambda: mlp_in_bf16(*LARGE), 10, 1e3, "ms")
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
time("P_MLP", lambda: prediction(dense(MIDDLE[0]), 784), 2000, 1e6, "us")
time("P_LENET", lambda: prediction(lenet_layers(), 1, 28, 28), 1000, 1e6, "us")
time("P_RESIDUAL", lambda: prediction(residual_net(), 3, 32, 32), 200, 1e6, "us")
time("P_GPT", writing, 20, 1e6 / 128, "us/token")
time("T_jacobian", jacobian, 100, 1e6, "us")
time("T_hessian", lambda: hessian(200), 20, 1e3, "ms")
time("T_hvp", lambda: valley_product(100_000), 50, 1e6, "us")
time("T_gradient", lambda: valley_gradient(100_000), 50, 1e6, "us")
time("T_sparse_hessian", lambda: valley_hessian(100_000), 20, 1e6, "us")
time("T_batch_gradient", lambda: samples(of_batch), 50, 1e3, "ms")
time("T_each_gradient", lambda: samples(of_each), 10, 1e3, "ms")
time("T_each_norm", lambda: samples(norms), 10, 1e3, "ms")
time("T_clipped", lambda: samples(clipped), 10, 1e3, "ms")
time("T_loop", lambda: loop(10_000, None), 3, 1e3, "ms")
time("T_fold", lambda: loop(10_000, 100), 3, 1e3, "ms")
peak("T_loop_memory", lambda: memory(lambda: loop(10, None), lambda: loop(10_000, None), 1))
peak("T_fold_memory", lambda: memory(lambda: loop(10, 2), lambda: loop(10_000, 100), 1))
peak("M7", lambda: memory(lambda: recurrence(2), lambda: recurrence(1000), 1))
peak("M7_checkpointed", lambda: memory(lambda: recurrence(4, 2), lambda: recurrence(1000, 20), 1))
