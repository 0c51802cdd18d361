"""Print what parts of derivatives cost, against programs written by hand for that part.

    python scripts/bench/bench_parts.py [--runs N]

A row and a column of the 4000 by 4000 Jacobian of three dense layers against one vjp and one jvp;
Laplacians of functions of 1,000 inputs against a loop of Hessian-vector products, forward over
reverse, 100 unit vectors at a time, that picks the diagonal.  Compiled before; runs alternate in
one process; medians.  Each result is held against the hand-written one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli import backend, models
from jaccli.context import Silent
from jaccli.execute import prepare
from jaccli.plan import make
from jaccli.spec import load
from jaccli.spec.overrides import from_set

BAR = 1.3
"""Times the hand-written program, at most."""
CHUNK = 100
"""Unit vectors that the hand-written loop takes at a time."""
TOLERANCE = 1e-4
"""Of the largest entry: results in float32 may be so far apart."""
DENSE = {
    "model.expressions": '{y: "tanh(w3 @ tanh(w2 @ tanh(w1 @ x)))"}',
    **{f"inputs.w{k}": f"{{random: normal, shape: [4000, 4000], seed: {k}, std: 0.016}}"
       for k in (1, 2, 3)},
    "inputs.x": "{random: normal, shape: [4000], seed: 4}",
    "dtype": "float32",
}  # fmt: skip
THOUSAND = "{random: normal, shape: [1000], seed: 4}"
SQUARE = "{random: normal, shape: [1000, 1000], seed: 1, std: 0.03}"
LAPLACIANS = {
    "two dense layers": ("sum(tanh(v @ tanh(w @ x)))", ("w", "v")),
    "one dense layer": ("sum(tanh(w @ x))", ("w",)),
    "quadratic form, log": ("log(1 + (x @ w @ x)**2)", ("w",)),
    "chain of neighbors": ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", ()),
    "elementwise": ("sum(tanh(x)**3)", ()),
}
Call = Callable[[], Any]


def planned(derivative: str, entries: dict[str, str], **more: str) -> tuple[Call, Any, str]:
    """Return a compiled plan's call, its model, and its mode with the reason."""
    changes = [from_set(f"{name}={value}") for name, value in {**entries, **more}.items()]
    spec = load(None, [*changes, from_set("wrt=x")])
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))
    plan = make(spec, models.load(spec, point), derivative, backend.find(None, None))
    program = prepare(plan)
    words = f"{program.plan.mode}: {program.plan.reason}"
    return lambda: jax.tree.leaves(program.run(Silent()))[0], plan.model, words


def by_hand(function: Callable[..., Any], model: Any) -> Call:
    """Return a call of a function of the model's inputs, compiled."""
    whole = model.whole or model
    arrays = jax.device_put({name: jnp.asarray(array) for name, array in whole.primals.items()})
    with jax.default_matmul_precision("highest"):
        compiled = jax.jit(function).lower(arrays).compile()
    return lambda: np.asarray(jax.block_until_ready(compiled(arrays)))


def of_x(model: Any, arrays: Any) -> Callable[[Any], Any]:
    """Return the model's one output as a function of x."""
    function = (model.whole or model).function

    def f(x: Any) -> Any:
        (output,) = function({**arrays, "x": x}).values()
        return output

    return f


def row(model: Any) -> Callable[[Any], Any]:
    """Return one vjp."""

    def compute(arrays: Any) -> Any:
        y, pull = jax.vjp(of_x(model, arrays), arrays["x"])
        return pull(jnp.zeros_like(y).at[0].set(1))[0]

    return compute


def column(model: Any) -> Callable[[Any], Any]:
    """Return one jvp."""

    def compute(arrays: Any) -> Any:
        x = arrays["x"]
        return jax.jvp(of_x(model, arrays), (x,), (jnp.zeros_like(x).at[3].set(1),))[1]

    return compute


def laplacian(model: Any) -> Callable[[Any], Any]:
    """Return the loop of products forward over reverse, in chunks, that keeps the diagonal."""

    def compute(arrays: Any) -> Any:
        x = arrays["x"]
        gradient = jax.grad(of_x(model, arrays))

        def entry(i: Any) -> Any:
            unit = jnp.zeros_like(x).at[i].set(1)
            return jax.jvp(gradient, (x,), (unit,))[1][i]

        return jax.lax.map(entry, jnp.arange(x.size), batch_size=CHUNK).sum()

    return compute


def compared(name: str, ours: Call, hand: Call, words: str, runs: int) -> None:
    """Print the medians of alternating runs, after one of each that is compared."""
    found, expected = np.asarray(ours()), np.asarray(hand())
    difference = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    took: dict[str, list[float]] = {"ours": [], "hand": []}
    for _ in range(runs):
        for which, call in (("ours", ours), ("hand", hand)):
            start = time.perf_counter()
            call()
            took[which].append(time.perf_counter() - start)
    one, other = (1e3 * median(took[which]) for which in ("ours", "hand"))
    verdict = "" if one <= BAR * other and difference < TOLERANCE else "   ABOVE THE BAR"
    print(f"{name:<32} {one:9.3f} {other:9.3f} {one / other:7.3f}   {words}{verdict}", flush=True)


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="runs of each program")
    runs = parser.parse_args().runs
    print(f"{'milliseconds':<32} {'jaccli':>9} {'by hand':>9} {'ratio':>7}   (bar: {BAR:g})")
    ours, model, words = planned("jacobian", DENSE, rows="'y[0]'")
    compared("row of 4000 x 4000", ours, by_hand(row(model), model), words, runs)
    ours, model, words = planned("jacobian", DENSE, cols="'x[3]'")
    compared("column of 4000 x 4000", ours, by_hand(column(model), model), words, runs)
    for name, (expression, weights) in LAPLACIANS.items():
        entries = {
            "model.expressions": f'{{f: "{expression}"}}',
            **{f"inputs.{w}": SQUARE.replace("seed: 1", f"seed: {ord(w)}") for w in weights},
            "inputs.x": THOUSAND,
        }
        ours, model, words = planned("hessian", entries, part="trace")
        hand = by_hand(laplacian(model), model)
        compared(f"Laplacian, {name}", ours, hand, words, runs)


if __name__ == "__main__":
    main()
