"""The work of benches/work in JAX. pip install jax; python jax_steps.py [--threads N] [--only M1a,M2]"""
import os
from timing import arguments, report

args = arguments()
# XLA's threads on a CPU follow the cores the process may use.
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[: args.threads])
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def mlp(sizes, batch):
    """A training step, compiled: forward, mean softmax cross-entropy, backward, SGD with momentum 0.9."""
    params = [(normal(b, a) / a**0.5, jnp.zeros(b, jnp.float32)) for a, b in zip(sizes, sizes[1:])]
    x, y = normal(batch, sizes[0]), jnp.asarray(rng.integers(0, sizes[-1], batch))

    def loss(params):
        h = x
        for i, (w, b) in enumerate(params):
            h = (jax.nn.relu(h) if i else h) @ w.T + b
        return -jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1).mean()

    @jax.jit
    def update(params, velocity):
        gradients = jax.grad(loss)(params)
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradients)
        return jax.tree.map(lambda p, v: p - 1e-3 * v, params, velocity), velocity

    state = [params, jax.tree.map(jnp.zeros_like, params)]

    def step():
        state[:] = jax.block_until_ready(update(*state))

    return step


def scalar_chain(n):
    """x <- sin(x) a + b on float64 scalars in one scan, and back to x0, a and b."""

    def chain(x0, a, b):
        return jax.lax.scan(lambda x, _: (jnp.sin(x) * a + b, None), x0, None, length=n)[0]

    gradient = jax.jit(jax.value_and_grad(chain, (0, 1, 2)))
    at = [jnp.float64(v) for v in (1.5, 1.8508157176809255, -0.5577074246549021)]
    return lambda: jax.block_until_ready(gradient(*at))


def elementwise(n):
    gradient = jax.jit(jax.value_and_grad(lambda x: (jnp.tanh(x) * jnp.exp(-x * x) + jax.nn.sigmoid(x)).sum()))
    x = normal(n)
    return lambda: jax.block_until_ready(gradient(x))


report(args, "jax", "M1a", lambda: mlp([64, 32, 10], 32), 500, 1e6, "us")
report(args, "jax", "M1b", lambda: mlp([784, 256, 128, 10], 128), 200, 1e3, "ms")
report(args, "jax", "M1c", lambda: mlp([1024, 2048, 2048, 1000], 256), 10, 1e3, "ms")
report(args, "jax", "M2", lambda: scalar_chain(100_000), 20, 1e9 / 300_000, "ns/op")
for n, runs in [(1000, 500), (100_000, 100), (10_000_000, 5)]:
    report(args, "jax", f"M3_{n}", lambda: elementwise(n), runs, 1e6, "us")
