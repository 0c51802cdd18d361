"""The digits of every element-wise function: the worst relative errors of its derivatives.

Each function of the table is evaluated by JAX in every mode, and held against mpmath.  Run as
`python scripts/digits.py [NAME ...]`; the page docs/digits.md shows what it prints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "oracles"))
from digits_cases import CASES, Case, Point, Truth, oracle

from jaccli.expression import FUNCTIONS

Derivatives = tuple[list[Any], list[Any], list[Any]]
MODES = ("fwd-fwd", "fwd-rev", "rev-fwd", "rev-rev")
"""How the second derivative is taken: the outer mode, then the inner one."""
BARS = {"float64": (1e-12, 1e-12, 1e-10), "float32": (2e-5, 2e-5, 1e-4)}
"""The largest relative errors of the value, and of the first and the second derivative."""
_MARGIN = 64
"""Right values are taken as of so many times the smallest normal number."""
ULPS = 4
"""A result may be that of arguments which are off by so many units in the last place."""


@dataclass(frozen=True)
class Digits:
    """The worst relative errors of a function, and where the worst one is beyond its bar."""

    name: str
    errors: tuple[float, float, float]
    where: tuple[Point, Point, Point]


def points(case: Case, dtype: str, every: int = 1) -> list[Point]:
    """Return the points of a case, or one of several, as numbers of a dtype, each once."""
    some = case.points[::every]
    rounded = [tuple(float(np.dtype(dtype).type(x)) for x in point) for point in some]
    return list(dict.fromkeys(rounded))


def called(name: str, case: Case) -> Callable[..., Any]:
    """Return the function with its literal arguments in place."""
    function = FUNCTIONS[name].resolve()
    return lambda *x: function(*case.before, *x, *case.after)


def derivatives(f: Callable[..., Any], case: Case, mode: str, *x: Any) -> Derivatives:
    """Return the value of an element-wise function, and its derivatives, in a mode."""
    outer, inner = mode.split("-")

    def along(way: str, f: Callable[..., Any], k: int) -> Callable[..., Any]:
        def derivative(*x: Any) -> Any:
            def of_one(each: Any) -> Any:
                return f(*x[:k], each, *x[k + 1 :])

            if way == "fwd":
                return jax.jvp(of_one, (x[k],), (jnp.ones_like(x[k]),))[1]
            value, pull = jax.vjp(of_one, x[k])
            return pull(jnp.ones_like(value))[0]

        return derivative

    firsts = [along(inner, f, k) for k in range(case.arity)]
    seconds = [along(outer, firsts[i], j) for i, j in case.seconds]
    return [f(*x)], [first(*x) for first in firsts], [second(*x) for second in seconds]


def digits(
    name: str, at: Sequence[Point], dtype: str, found: Sequence[Derivatives], truth: Truth
) -> Digits:
    """Return the worst errors of what was found at points in several modes."""
    errors, where = [], []
    info = np.finfo(dtype)
    for order in range(3):
        worst, place = 0.0, at[0]
        for row in found:
            for got, right, slack in zip(
                row[order], truth.orders[order], truth.slack[order], strict=True
            ):
                error = excess(np.asarray(got, np.float64), right, slack, float(info.eps))
                size = np.abs(right)
                normal = (size >= _MARGIN * info.tiny) & (size <= info.max) | (right == 0)
                error = np.where(normal, error, 0.0)
                k = int(np.argmax(error))
                if error[k] > worst:
                    worst, place = float(error[k]), at[k]
        errors.append(worst)
        where.append(place)
    return Digits(name, tuple(errors), tuple(where))  # type: ignore[arg-type]


def excess(got: Any, right: Any, slack: Any, eps: float) -> Any:
    """Return the relative errors beyond what a few units of the arguments' last place explain."""
    with np.errstate(all="ignore"):  # infinities are no normal numbers
        beyond = np.maximum(np.abs(got - right) - ULPS * eps * slack, 0.0)
        relative = np.where(beyond == 0, 0.0, beyond / np.abs(right))
    return np.where(np.isnan(got) & ~np.isnan(right), np.inf, relative)


def examined(
    name: str,
    case: Case,
    dtype: str,
    modes: Sequence[str] = MODES,
    every: int = 1,
    options: dict[str, Any] | None = None,
) -> Digits:
    """Compute a function's derivatives in some modes, and return its digits."""
    at = points(case, dtype, every)
    x = [jnp.asarray(column, dtype) for column in np.array(at).T]
    f = called(name, case)
    programs = [
        jax.jit(partial(derivatives, f, case, mode), compiler_options=options) for mode in modes
    ]
    found = [program(*x) for program in programs]
    return digits(name, at, dtype, jax.device_get(found), oracle(case, at))


def row(name: str, case: Case) -> str:
    """Return a function's line of the page: its worst errors in both dtypes, `!` where short."""
    found = {dtype: examined(name, case, dtype) for dtype in BARS}
    cells = [
        f"{error:.1e}" + (" !" if error > bar else "") if error else "0"
        for dtype, each in found.items()
        for error, bar in zip(each.errors, BARS[dtype], strict=True)
    ]
    literals = [*map(repr, case.before), *"xyz"[: case.arity], *map(repr, case.after)]
    return f"| `{name}({', '.join(literals)})` | {' | '.join(cells)} |"


def main(names: Sequence[str]) -> None:
    """Print the table of the page, or the lines of some functions."""
    jax.config.update("jax_enable_x64", True)
    kinds = ("value", "first", "second")
    titles = [f"{kind}, {dtype}" for dtype in BARS for kind in kinds]
    print(f"| function | {' | '.join(titles)} |")
    print("|---" * 7 + "|")
    for name in names or CASES:
        for case in CASES[name]:
            print(row(name, case), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
