"""The workloads of benches/work in JAX. pip install jax; python jax_steps.py [--threads N] [--only M1a,M3]"""
import math
import os
from functools import partial

from timing import arguments, report, report_peak

args = arguments()
# The number of XLA's threads on a CPU follows the cores that the process may use.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
# x0, a and b of the scalar chain, as in benches/work/functions.rs.
ALIVE, DENORMAL = (1.5, 1.0, 2 * math.pi), (1.5, 1.8508157176809255, -0.5577074246549021)
SMALL, MIDDLE, LARGE = ([64, 32, 10], 32), ([784, 256, 128, 10], 128), ([1024, 2048, 2048, 1000], 256)


def normal(*shape, dtype=jnp.float32):
    return jnp.asarray(rng.standard_normal(shape), dtype)


def labels(batch, classes):
    return jnp.asarray(rng.integers(0, classes, batch))


def linear(a, b):
    return normal(b, a) / a**0.5, jnp.zeros(b, jnp.float32)


def dense(layers, x):
    for i, (w, b) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ w.T + b
    return x


def cross_entropy(scores, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()


def train(model):
    """A compiled training step: forward, mean softmax cross-entropy, backward, SGD with momentum 0.9, in place."""

    def update(params, velocity, x, y):
        gradients = jax.grad(lambda params: cross_entropy(model(params, x), y))(params)
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradients)
        return jax.tree.map(lambda p, v: p - 1e-3 * v, params, velocity), velocity

    return jax.jit(update, donate_argnums=(0, 1))


def steps(update, params, x, y):
    state = [params, jax.tree.map(jnp.zeros_like, params)]

    def step():
        state[:] = jax.block_until_ready(update(*state, x, y))

    return step


def mlp_data(sizes, batch):
    return [linear(a, b) for a, b in zip(sizes, sizes[1:])], normal(batch, sizes[0]), labels(batch, sizes[-1])


def mlp(sizes, batch):
    return steps(train(dense), *mlp_data(sizes, batch))


def scalar_chain(n, at):
    """The gradient of x <- sin(x) a + b on float64 scalars in one scan, with respect to x0, a and b, given in `at`."""

    def chain(x0, a, b):
        return lax.scan(lambda x, _: (jnp.sin(x) * a + b, None), x0, None, length=n)[0]

    gradient = jax.jit(jax.value_and_grad(chain, (0, 1, 2)))
    at = [jnp.float64(v) for v in at]
    return lambda: jax.block_until_ready(gradient(*at))


def elementwise(n):
    gradient = jax.jit(jax.value_and_grad(lambda x: (jnp.tanh(x) * jnp.exp(-x * x) + jax.nn.sigmoid(x)).sum()))
    x = normal(n)
    return lambda: jax.block_until_ready(gradient(x))


def hessian_vector(f, x, *data):
    """Forward over reverse."""
    v = jax.tree.map(lambda x: normal(*x.shape, dtype=x.dtype), x)
    product = jax.jit(lambda x, v, *data: jax.jvp(jax.grad(lambda x: f(x, *data)), (x,), (v,))[1])
    return lambda: jax.block_until_ready(product(x, v, *data))


def rosenbrock(n):
    def f(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    return hessian_vector(f, normal(n, dtype=jnp.float64))


def mlp_hessian(sizes, batch):
    return hessian_vector(lambda params, x, y: cross_entropy(dense(params, x), y), *mlp_data(sizes, batch))


def lstm_cell(x, state, of_state, _):
    h, c = state
    i, f, g, o = jnp.split(x + h @ of_state, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_cell(x, state, of_state, bias):
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, -1), jnp.split(h @ of_state + bias, 3, -1)
    r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + r * hn)
    return (n + z * (h - n),)


def recurrent(cell, inputs, hidden, length, batch):
    gates, states = {lstm_cell: (4, 2), gru_cell: (3, 1)}[cell]
    biases = [jnp.zeros(gates * hidden, jnp.float32)] * 2
    weights = normal(inputs, gates * hidden) * 0.1, normal(hidden, gates * hidden) * 0.1, *biases
    zeros = jnp.zeros((batch, hidden), jnp.float32)

    def loss(weights, x):
        of_input, of_state, bias, state_bias = weights

        def step(state, x):
            state = cell(x, state, of_state, state_bias)
            return state, state[0]

        outputs = lax.scan(step, (zeros,) * states, x @ of_input + bias)[1]
        return (outputs * outputs).sum()

    gradient = jax.jit(jax.value_and_grad(loss))
    x = normal(length, batch, inputs)
    return lambda: jax.block_until_ready(gradient(weights, x))


def lenet(batch):
    def pooled(x, filters, padding):
        w, b = filters
        x = jax.nn.relu(lax.conv_general_dilated(x, w, (1, 1), padding) + b[:, None, None])
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def model(params, x):
        filters, layers = params
        x = pooled(pooled(x, filters[0], "SAME"), filters[1], "VALID")
        return dense(layers, x.reshape(batch, -1))

    def filter(*shape):
        return normal(*shape) / float(np.prod(shape[1:])) ** 0.5, jnp.zeros(shape[0], jnp.float32)

    params = [filter(6, 1, 5, 5), filter(16, 6, 5, 5)], [linear(400, 120), linear(120, 84), linear(84, 10)]
    return steps(train(model), params, normal(batch, 1, 28, 28), labels(batch, 10))


def recurrence(n, segment=None):
    """The gradient of n steps of h <- tanh(h W); with a segment, checkpointed every segment steps."""

    def run(h, w, n):
        return lax.scan(lambda h, _: (jnp.tanh(h @ w), None), h, None, length=n)[0]

    def checkpointed(h, w):
        part = jax.checkpoint(lambda h: run(h, w, segment))
        return lax.scan(lambda h, _: (part(h), None), h, None, length=n // segment)[0]

    return jax.jit(jax.value_and_grad(lambda w, h: (checkpointed(h, w) if segment else run(h, w, n)).sum()))


def of_shape(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def mlp_memory(sizes, batch):
    params, x, y = jax.eval_shape(lambda: jax.tree.map(jnp.zeros_like, of_shape(mlp_data(sizes, batch))))
    update = train(dense).lower(params, params, x, y).compile()
    mlp(*SMALL)()
    yield
    step = steps(update, *mlp_data(sizes, batch))
    for _ in range(3):
        step()
    yield


def recurrence_memory(n, segment=None):
    shapes = jax.ShapeDtypeStruct((256, 256), jnp.float32), jax.ShapeDtypeStruct((64, 256), jnp.float32)
    gradient = recurrence(n, segment).lower(*shapes).compile()
    jax.block_until_ready(recurrence(2)(normal(256, 256), normal(64, 256)))
    yield
    w, h = normal(256, 256) / 16, normal(64, 256)
    jax.block_until_ready(gradient(w, h))
    yield


def net(x, weights):
    for i, w in enumerate(weights):
        x = (jnp.tanh(x) if i else x) @ w
    return x


def jacobian():
    x, weights = normal(100) * 0.1, [normal(100, 256) * 0.1, normal(256, 256) * 0.1, normal(256, 100) * 0.1]
    f = jax.jit(jax.jacfwd(net))
    return lambda: jax.block_until_ready(f(x, weights))


def hessian(n):
    x, m = normal(n, dtype=jnp.float64), normal(n, n, dtype=jnp.float64) * 0.1
    f = jax.jit(jax.hessian(lambda x: jnp.log1p(jnp.sum(jnp.tanh(m @ x) ** 2))))
    return lambda: jax.block_until_ready(f(x))


def valley(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def valley_product(n):
    x, v = normal(n, dtype=jnp.float64), normal(n, dtype=jnp.float64)
    f = jax.jit(lambda x, v: jax.jvp(jax.grad(valley), (x,), (v,))[1])
    return lambda: jax.block_until_ready(f(x, v))


def valley_gradient(n):
    x, f = normal(n, dtype=jnp.float64), jax.jit(jax.value_and_grad(valley))
    return lambda: jax.block_until_ready(f(x))


def valley_hessian(n):
    """The nonzero second derivatives, by three products: JAX does not find the pattern, so it is given."""
    x = normal(n, dtype=jnp.float64)
    seeds = jnp.stack([(jnp.arange(n) % 3 == k).astype(jnp.float64) for k in range(3)])
    f = jax.jit(lambda x: jax.vmap(lambda v: jax.jvp(jax.grad(valley), (x,), (v,))[1])(seeds))
    return lambda: jax.block_until_ready(f(x))


def sample_loss(layers, x, y):
    return -(jax.nn.log_softmax(dense(layers, x)) * y).sum()


def samples(wrap):
    sizes = MIDDLE[0]
    layers = [linear(a, b) for a, b in zip(sizes, sizes[1:])]
    x, y = normal(128, 784), jax.nn.softmax(normal(128, 10))
    f = jax.jit(wrap(sample_loss))
    return lambda: jax.block_until_ready(f(layers, x, y))


def of_batch(loss):
    return jax.grad(lambda layers, x, y: jax.vmap(loss, (None, 0, 0))(layers, x, y).sum())


def of_each(loss):
    return jax.vmap(jax.grad(loss), (None, 0, 0))


def squared(gradients):
    return sum((g.reshape(len(g), -1) ** 2).sum(1) for g in jax.tree.leaves(gradients))


def norms(loss):
    return lambda *args: jnp.sqrt(squared(of_each(loss)(*args)))


def clipped(loss):
    def run(*args):
        gradients = of_each(loss)(*args)
        weights = 1 / jnp.maximum(1, jnp.sqrt(squared(gradients)))
        return jax.tree.map(lambda g: jnp.tensordot(weights, g, 1), gradients)

    return run


def series(n, order):
    from jax.experimental.jet import jet

    x, t = normal(n, dtype=jnp.float64), jnp.ones(n)
    f = lambda x: jnp.tanh(jnp.exp(jnp.sin(x)) * x)
    g = jax.jit((lambda x: jet(f, (x,), ([t] + [jnp.zeros(n)] * (order - 1),))) if order else f)
    return lambda: jax.block_until_ready(g(x))


def loop(steps, pieces):
    h, xs = normal(16, 128), normal(steps, 16, 8) * 0.1
    w, u = normal(128, 128) * 0.05, normal(8, 128) * 0.3
    body = lambda h, x, w: jnp.tanh(h @ w + x @ u)

    def plain(w, h, xs):
        return lax.scan(lambda h, x: (body(h, x, w), None), h, xs)[0]

    def whole(w):
        if not pieces:
            return plain(w, h, xs).sum()
        piece = jax.checkpoint(lambda h, xs: (plain(w, h, xs), None))
        return lax.scan(piece, h, xs.reshape(pieces, -1, 16, 8))[0].sum()

    f = jax.jit(jax.grad(whole))
    return lambda: jax.block_until_ready(f(w))


time = partial(report, args, "jax")
peak = partial(report_peak, args, "jax")
time("M1a", lambda: mlp(*SMALL), 500, 1e6, "us")
time("M1b", lambda: mlp(*MIDDLE), 200, 1e3, "ms")
time("M1c", lambda: mlp(*LARGE), 10, 1e3, "ms")
peak("M1c_memory", lambda: mlp_memory(*LARGE))
time("M2", lambda: scalar_chain(100_000, ALIVE), 20, 1e9 / 300_000, "ns/op")
time("M2_denormal", lambda: scalar_chain(100_000, DENORMAL), 20, 1e9 / 300_000, "ns/op")
time("M3_1000", lambda: elementwise(1000), 500, 1e6, "us")
time("M3_100000", lambda: elementwise(100_000), 100, 1e6, "us")
time("M3_10000000", lambda: elementwise(10_000_000), 5, 1e3, "ms")
time("M4_1000", lambda: rosenbrock(1000), 500, 1e6, "us")
time("M4_1000000", lambda: rosenbrock(1_000_000), 20, 1e3, "ms")
time("M4_mlp", lambda: mlp_hessian(*MIDDLE), 100, 1e3, "ms")
time("M5", lambda: recurrent(lstm_cell, 64, 128, 64, 16), 30, 1e3, "ms")
time("R_LSTM64", lambda: recurrent(lstm_cell, 32, 32, 64, 32), 50, 1e3, "ms")
time("R_LSTM512", lambda: recurrent(lstm_cell, 32, 32, 512, 32), 10, 1e3, "ms")
time("R_GRU64", lambda: recurrent(gru_cell, 32, 32, 64, 32), 50, 1e3, "ms")
time("R_GRU512", lambda: recurrent(gru_cell, 32, 32, 512, 32), 10, 1e3, "ms")
time("M6", lambda: lenet(64), 50, 1e3, "ms")
time("T_jacobian", jacobian, 200, 1e6, "us")
time("T_hessian", lambda: hessian(200), 20, 1e3, "ms")
time("T_hvp", lambda: valley_product(100_000), 100, 1e6, "us")
time("T_gradient", lambda: valley_gradient(100_000), 100, 1e6, "us")
time("T_sparse_hessian", lambda: valley_hessian(100_000), 50, 1e6, "us")
time("T_batch_gradient", lambda: samples(of_batch), 50, 1e3, "ms")
time("T_each_gradient", lambda: samples(of_each), 10, 1e3, "ms")
time("T_each_norm", lambda: samples(norms), 10, 1e3, "ms")
time("T_clipped", lambda: samples(clipped), 10, 1e3, "ms")
time("T_function", lambda: series(100_000, 0), 100, 1e6, "us")
time("T_taylor", lambda: series(100_000, 8), 20, 1e6, "us")
time("T_loop", lambda: loop(10_000, None), 3, 1e3, "ms")
time("T_fold", lambda: loop(10_000, 100), 3, 1e3, "ms")
peak("M7", lambda: recurrence_memory(1000))
peak("M7_checkpointed", lambda: recurrence_memory(1000, 20))
