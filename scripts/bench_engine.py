"""Measure the structured engine against plain modes and hand-written closed forms.

    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 \
        python scripts/bench_engine.py [PART_OF_A_CASE'S_NAME]

All candidates of a case are compiled first (compile time apart), then run in turns within this
process; figures are medians, in float32, with asynchronous dispatch off.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative import structured

jax.config.update("jax_cpu_enable_async_dispatch", False)

Function = Callable[..., Any]
SECONDS = 0.5
"""How long the runs of one case take together, about."""


class Case(NamedTuple):
    """A function at a point; `closed` is its derivative written by hand."""

    name: str
    f: Function
    x: Any
    closed: Function | None = None
    hessian: bool = False


def plain(case: Case) -> dict[str, Function]:
    """Return the plain modes."""
    ways = {"fwd": jax.jacfwd, "rev": jax.jacrev}
    if not case.hessian:
        return {name: way(case.f) for name, way in ways.items()}
    return {f"{o}-{i}": ways[o](ways[i](case.f)) for o in ways for i in ways}


def engine(case: Case) -> dict[str, Function]:
    """Return the structured candidate, as the shape rule chooses it."""
    direction = structured.direction(case.f, case.x)

    def run(x: Any) -> Any:
        if case.hessian:
            return structured.densified(structured.hessian(case.f, x, "fwd", direction))
        return structured.densified(structured.jacobian(case.f, x, direction))

    return {"structured": run}


def measure(case: Case) -> dict[str, tuple[float, float]]:
    """Return the compile time and the median run time of each candidate, in seconds."""
    return measure_candidates(case, {**plain(case), **engine(case)})


def measure_candidates(
    case: Case, candidates: dict[str, Function]
) -> dict[str, tuple[float, float]]:
    """Return the figures of the given candidates and the closed form."""
    if case.closed is not None:
        candidates["closed"] = case.closed
    compiled, compile_time, results = {}, {}, {}
    for name, f in candidates.items():
        start = time.perf_counter()
        compiled[name] = jax.jit(f).lower(case.x).compile()
        compile_time[name] = time.perf_counter() - start
        results[name] = np.asarray(compiled[name](case.x))
    reference = results["fwd-rev" if case.hessian else "rev"]
    scale = float(np.abs(reference).max()) or 1.0
    for name, result in results.items():
        error = float(np.abs(result - reference).max()) / scale
        if not error < 2e-3:
            print(f"   !! {case.name}: {name} differs by {error:.1e} of the largest entry")
    del results
    order = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in compiled}
    stop = time.perf_counter() + SECONDS
    while time.perf_counter() < stop or len(times["structured"]) < 5:
        for name in order.permutation(list(compiled)):  # whose buffers are warm differs by turn
            run = compiled[name]
            start = time.perf_counter()
            run(case.x).block_until_ready()
            times[name].append(time.perf_counter() - start)
    return {name: (compile_time[name], float(np.median(t))) for name, t in times.items()}


def array(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    """Return normal random numbers."""
    rng = np.random.default_rng([seed, *shape])
    return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)


def forecast_cases() -> Iterator[Case]:
    """The forecast tanh(W x + b) with respect to x and to W, its Hessian, its batch."""
    for d in (16, 64, 256, 1024, 2048):
        W, b = array(d, d, scale=d**-0.5), array(d)

        def closed(x: Any, W: Any = W, b: Any = b) -> Any:
            return (1 - jnp.tanh(W @ x + b) ** 2)[:, None] * W

        yield Case(f"forecast x {d}", lambda x, W=W, b=b: jnp.tanh(W @ x + b), array(d), closed)
    for d in (16, 64, 256):
        x, b = array(d), array(d)

        def by_weight(W: Any, x: Any = x, b: Any = b) -> Any:
            slope = 1 - jnp.tanh(W @ x + b) ** 2
            eye = jnp.eye(x.size, dtype=bool)[:, :, None]
            return jnp.where(eye, slope[:, None, None] * x, 0.0)

        f = lambda W, x=x, b=b: jnp.tanh(W @ x + b)  # noqa: E731
        yield Case(f"forecast W {d}", f, array(d, d, scale=d**-0.5), by_weight)
    W, b = array(16, 32, scale=0.2), array(16)

    def hessian(x: Any) -> Any:
        y = jnp.tanh(W @ x + b)
        return (-2 * y * (1 - y**2))[:, None, None] * W[:, :, None] * W[:, None, :]

    yield Case("forecast Hessian 32>16", lambda x: jnp.tanh(W @ x + b), array(32), hessian, True)
    V, c = array(33, 31, scale=0.2), array(33)

    def batched(X: Any) -> Any:
        y = jnp.tanh(X @ V.T + c)
        return (-2 * y * (1 - y**2))[:, :, None, None] * V[:, :, None] * V[:, None, :]

    yield Case(
        "forecast batch 64x31>33", lambda x: jnp.tanh(V @ x + c), array(64, 31), batched, True
    )


def mlp_cases() -> Iterator[Case]:
    """Multi-layer perceptrons against their chain rule written out."""
    for name, sizes in (
        ("wide>narrow", (512, 128, 16)),
        ("narrow>wide", (16, 128, 512)),
        ("square", (256, 256, 256, 256)),
        ("bottleneck", (256, 16, 256)),
    ):
        weights = [array(m, n, scale=n**-0.5) for n, m in itertools.pairwise(sizes)]

        def f(x: Any, weights: Any = weights) -> Any:
            for W in weights:
                x = jnp.tanh(W @ x)
            return x

        def chain(x: Any, weights: Any = weights, sizes: Any = sizes) -> Any:
            factors = []
            for W in weights:
                x = jnp.tanh(W @ x)
                factors.append((1 - x**2)[:, None] * W)
            if sizes[0] > sizes[-1]:
                factors = factors[::-1]
                J = factors[0]
                for factor in factors[1:]:
                    J = J @ factor
                return J
            J = factors[0]
            for factor in factors[1:]:
                J = factor @ J
            return J

        yield Case(f"mlp {name}", f, array(sizes[0]), chain)
    W, V = array(128, 128, scale=0.1), array(128, 128, scale=0.1, seed=1)

    def residual(x: Any) -> Any:
        for M in (W, V):
            x = x + jnp.tanh(M @ x)
        return x

    def residual_chain(x: Any) -> Any:
        J = jnp.eye(128)
        for M in (W, V):
            y = jnp.tanh(M @ x)
            J = J + ((1 - y**2)[:, None] * M) @ J
            x = x + y
        return J

    yield Case("mlp residual", residual, array(128), residual_chain)
    X, Y, U = array(64, 32), array(64, 4), array(4, 48, scale=0.2)

    def loss(W: Any) -> Any:
        return jnp.mean((jnp.tanh(X @ W.T) @ U.T - Y) ** 2)

    def loss_chain(W: Any) -> Any:
        H = jnp.tanh(X @ W.T)
        return (((2 / Y.size) * (H @ U.T - Y) @ U) * (1 - H**2)).T @ X

    yield Case("mlp loss W", loss, array(48, 32, scale=0.2), loss_chain)


def brusselator(u: Any) -> Any:
    """Reaction and diffusion on a ring, two species."""
    a, b = u[0], u[1]
    lap = jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1) - 2 * u
    return jnp.stack([1 + a**2 * b - 4 * a, 3 * a - a**2 * b]) + 0.5 * lap


def lennard_jones(p: Any) -> Any:
    """Energy of all pairs."""
    i, j = np.triu_indices(p.shape[0], 1)
    r6 = (((p[i] - p[j]) ** 2).sum(-1)) ** -3
    return jnp.sum(r6**2 - r6)


def other_cases() -> Iterator[Case]:
    """Functions of science and learning."""

    def lorenz96(x: Any) -> Any:
        return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8

    yield Case("lorenz96 512", lorenz96, array(512))
    k1, k2 = array(5), array(8, 3, 3, 3)
    yield Case("conv 1-D", lambda x: jnp.tanh(jnp.convolve(x, k1, "same")), array(512))
    yield Case(
        "conv 2-D", lambda x: jnp.tanh(lax.conv(x[None], k2, (1, 1), "SAME")[0]), array(3, 12, 12)
    )
    yield Case("softmax", jax.nn.softmax, array(512))
    yield Case("softmax batch", lambda x: jax.nn.softmax(x, -1), array(32, 32))
    Q, K, V = (array(16, 16, scale=0.25, seed=s) for s in range(3))

    def attention(x: Any) -> Any:
        return jax.nn.softmax((x @ Q) @ (x @ K).T / 4) @ (x @ V)

    yield Case("attention", attention, array(16, 16))

    def layer_norm(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)

    yield Case("layer norm", layer_norm, array(16, 64))

    def step(x: Any, _: Any) -> tuple[Any, None]:
        return x + 0.01 * lorenz96(x), None

    yield Case("scanned ODE", lambda x: lax.scan(step, x, None, length=20)[0], array(64))
    R, S = array(32, 32, scale=0.1), array(32, 8, scale=0.3)

    def rnn(xs: Any) -> Any:
        return lax.scan(lambda h, x: (jnp.tanh(R @ h + S @ x), None), jnp.zeros(32), xs)[0]

    yield Case("scanned RNN", rnn, array(20, 8))
    yield Case("brusselator", brusselator, array(2, 128))

    def rosenbrock(x: Any) -> Any:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    yield Case("rosenbrock gradient", rosenbrock, array(1000))
    yield Case("rosenbrock Hessian", rosenbrock, array(512), None, True)

    def lse(x: Any) -> Any:
        p = jax.nn.softmax(x)
        return jnp.diag(p) - p[:, None] * p

    yield Case("logsumexp Hessian", jax.nn.logsumexp, array(512), lse, True)
    A, t = array(256, 48), jnp.sign(array(256))
    logistic = lambda w: jnp.mean(jnp.logaddexp(0.0, -t * (A @ w)))  # noqa: E731
    yield Case("logistic Hessian", logistic, array(48, scale=0.1), None, True)
    P = jnp.eye(24) * 3
    yield Case("inverse", lambda M: jnp.linalg.inv(M + P), array(24, 24, scale=0.2))
    yield Case("solve", lambda M: jnp.linalg.solve(M + P, jnp.ones(24)), array(24, 24, scale=0.2))
    yield Case(
        "cholesky", lambda M: jnp.linalg.cholesky(M @ M.T + jnp.eye(16)), array(16, 16, scale=0.2)
    )
    points = array(32)

    def likelihood(h: Any) -> Any:
        distance = (points[:, None] - points) ** 2
        C = jnp.exp(h[0] - distance * jnp.exp(h[1])) + (jnp.exp(h[2]) + 1e-2) * jnp.eye(32)
        L = jnp.linalg.cholesky(C)
        z = jax.scipy.linalg.solve_triangular(L, jnp.sin(points), lower=True)
        return 0.5 * z @ z + jnp.log(jnp.diag(L)).sum()

    yield Case("GP likelihood gradient", likelihood, array(3, scale=0.1))
    yield Case("GP likelihood Hessian", likelihood, array(3, scale=0.1), None, True)
    grid = jnp.stack(jnp.meshgrid(*[jnp.arange(3.0)] * 3), -1).reshape(27, 3)
    yield Case(
        "Lennard-Jones Hessian", lennard_jones, 1.2 * grid + array(27, 3, scale=0.05), None, True
    )
    yield Case("cumulative product", jnp.cumprod, 1 + array(128, scale=0.1))
    yield Case("sort", lambda x: jnp.sort(jnp.sin(x)), array(256))


def main(wanted: str = "") -> None:
    """Print the table."""
    print(
        "µs per call               best plain mode     structured"
        "    closed  /closed  vs plain  compile"
    )
    gains = []
    for family in (forecast_cases, mlp_cases, other_cases):
        for case in family():
            if wanted not in case.name:
                continue
            if "batch 64" in case.name:
                # a batch is vmap of the whole derivative
                one = Case(case.name, case.f, case.x[0], None, True)
                figures = _batch(one, case)
            else:
                figures = measure(case)
            compile_time, run = figures.pop("structured")
            closed = figures.pop("closed", None)
            best = min(figures, key=lambda name: figures[name][1])
            gains.append(figures[best][1] / run)
            by_hand = f"{closed[1] * 1e6:9.1f}  {run / closed[1]:6.2f}x" if closed else " " * 18
            print(
                f"{case.name:25s} {best:8s} {figures[best][1] * 1e6:10.1f}  {run * 1e6:10.1f} "
                f"{by_hand}  {gains[-1]:7.2f}x  {compile_time / figures[best][0]:6.2f}x",
                flush=True,
            )
    above = sum(gain >= 0.9 for gain in gains)
    mean = float(np.exp(np.mean(np.log(gains))))
    print(
        f"{above} of {len(gains)} at 0.9x of the best plain mode or better; "
        f"geometric mean {mean:.2f}x"
    )


def _batch(one: Case, case: Case) -> dict[str, tuple[float, float]]:
    """Measure the Hessians of a batch of points."""
    batch = {name: jax.vmap(f) for name, f in {**plain(one), **engine(one)}.items()}
    shadow = Case(case.name, lambda x: x, case.x, case.closed, True)
    return measure_candidates(shadow, batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
