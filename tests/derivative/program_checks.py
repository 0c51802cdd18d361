"""What is checked of a random program: values of every mode, and that no pattern misses an entry.

The reference is JAX's own derivative, in the first direction that it has.  Where the two sides
differ, JAX's other directions are asked, too: a program on which they disagree is no test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

import jaccli
from jaccli.derivative import sparse, structured
from jaccli.derivative.sparse.sparse_derivative import prepared_by_coloring
from jaccli.derivative.trace_info import facts

from .random_programs import Program

Function = Callable[[Any], Any]
MODES = ("auto", "structured", "sparse", "sparse prepared before")
"""The modes of the operators, and what `prepare` makes before anything is traced."""
VARIANTS = (
    "auto under vmap",
    "auto with traced constants",
    "sparse with traced constants",
    "sparse by coloring",
    "sparse folded",
)
"""Modes in other surroundings, where JAX's own derivative is possible there, and other ways."""
POINTS = 3
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling is most of the time that a program takes."""
NOISE = 1e-3
"""Of the tolerance: entries below are zeros that rounding has moved."""
LEAST = 1e-3
"""The scale of derivatives that are all smaller."""

DIRECTIONS: dict[str, dict[str, Callable[[Function], Function]]] = {
    "jacobian": {"fwd": jax.jacfwd, "rev": jax.jacrev},
    "hessian": {
        "fwd-rev": lambda f: jax.jacfwd(jax.jacrev(f)),
        "fwd-fwd": lambda f: jax.jacfwd(jax.jacfwd(f)),
        "rev-rev": lambda f: jax.jacrev(jax.jacrev(f)),
        "rev-fwd": lambda f: jax.jacrev(jax.jacfwd(f)),
    },
}
_OPERATORS: dict[str, Callable[..., Function]] = {
    "jacobian": jaccli.jacobian,
    "hessian": jaccli.hessian,
}


class Unusable(Exception):
    """A program that says nothing: JAX cannot differentiate it, or not to the last digits."""


@dataclass(frozen=True)
class Failure:
    """What is wrong with a derivative: `where` names it and the mode, `reason` is one line."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def failures(
    program: Program,
    derivative: str = "jacobian",
    modes: Sequence[str] = MODES,
    pattern: bool = True,
) -> list[Failure]:
    """Return what is wrong with one derivative of a program, in any of the modes and points.

    Raises:
        Unusable: JAX's own derivative does not exist, or is not finite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a plain mode takes over is no failure
        return _failures(program, derivative, modes, pattern)


def _failures(
    program: Program, derivative: str, modes: Sequence[str], pattern: bool
) -> list[Failure]:
    f = _function(program, derivative)
    points = [program.point(number) for number in range(POINTS)]
    x = points[0]
    found: list[Failure] = []
    traces = {"": _reference(derivative, f, x)}
    for mode in modes:
        try:
            traces[mode] = jax.make_jaxpr(_ours(program, derivative, mode))(x)
        except Exception as error:
            if not _is_excused(program, derivative, mode, error):
                found.append(Failure(f"{derivative} {mode}", _line(error)))
    results, wrong = _compared(derivative, traces, program.tolerance, points, QUICK)
    if wrong:
        # XLA may compute a number twice and round it differently: `max` then misses its own entry.
        results, wrong = _compared(derivative, traces, program.tolerance, points, {})
    if wrong:
        _assert_stable(derivative, f, points, program.tolerance)
    found += wrong
    if pattern:
        dense = [result[""] for result in results]
        found += _missing(derivative, f, x, dense, NOISE * program.tolerance)
    return found


def _function(program: Program, derivative: str, factor: Any = None) -> Function:
    """Return what is differentiated: for a Hessian, half the sum of squares."""
    f = program.f if factor is None else program.scaled(factor)
    if derivative == "jacobian":
        return f
    return lambda x: 0.5 * jnp.sum(jnp.asarray(f(x), jnp.float64) ** 2)


def _ours(program: Program, derivative: str, mode: str) -> Function:
    """Return jaccli's derivative in a mode, or in a variant of it."""
    f, x, word = _function(program, derivative), program.point(), mode.split()[0]
    if mode == "sparse by coloring":
        return lambda x: _by_coloring(derivative, f, x).dense(f, x)
    if mode in ("sparse prepared before", "sparse folded"):
        prepared = _by_links(derivative, f, x)
        prepared = prepared.folded(f, x) if mode == "sparse folded" else prepared
        return lambda x: prepared.dense(f, x)
    return _placed(program, derivative, mode, lambda f: _OPERATORS[derivative](f, mode=word))


def _by_links(derivative: str, f: Function, x: Any) -> sparse.Prepared:
    return sparse.prepare(derivative, lambda x, _: f(x), x)


def _by_coloring(derivative: str, f: Function, x: Any) -> sparse.Prepared:
    return prepared_by_coloring(derivative, lambda x, _: f(x), x, about=facts(f, x))


_PREPARED = {"pattern": _by_links, "detected pattern": _by_coloring}
"""What makes a pattern: what `prepare` takes, and detection alone."""


def _placed(
    program: Program, derivative: str, mode: str, build: Callable[[Function], Function]
) -> Function:
    """Return a derivative in the surroundings that a variant of a mode names."""
    if mode.endswith("under vmap"):
        mapped = jax.vmap(build(_function(program, derivative)))
        return lambda x: mapped(jnp.stack([x, x]))[1]
    if mode.endswith("with traced constants"):

        def traced(x: Any, factor: Any) -> Any:
            return build(_function(program, derivative, factor))(x)

        return lambda x: jax.jit(traced)(x, np.float64(1))
    return build(_function(program, derivative))


def _is_excused(program: Program, derivative: str, mode: str, error: Exception) -> bool:
    """Return whether an exception is as it should be: JAX raises one, too, or it says it clearly.

    `structured` alone may say that it keeps no structure.
    """
    clean = getattr(structured, "StructureError", None)
    if mode == "structured" and clean is not None and isinstance(error, clean):
        return True
    if mode in MODES:
        return False
    if mode == "sparse by coloring" and _is_uncolored(
        derivative, _function(program, derivative), program.point()
    ):
        return True
    for build in DIRECTIONS[derivative].values():
        try:
            jax.make_jaxpr(_placed(program, derivative, mode, build))(program.point())
        except Exception:
            continue
        return False
    return True


def _is_uncolored(derivative: str, f: Function, x: Any) -> bool:
    """Return whether no product serves a coloring: a Hessian's need reverse mode."""
    return derivative == "hessian" and facts(f, x).no_reverse


def _reference(derivative: str, f: Function, x: Any) -> Any:
    """Return the jaxpr of JAX's derivative, in the first direction that it has."""
    error: Exception | None = None
    for build in DIRECTIONS[derivative].values():
        try:
            return jax.make_jaxpr(build(f))(x)
        except Exception as raised:
            error = raised
    raise Unusable(f"JAX has no {derivative}: {_line(error)}")


def _compared(
    derivative: str,
    traces: dict[str, Any],
    tolerance: float,
    points: list[Any],
    options: dict[str, Any],
) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Return the derivatives at the points, and which of them differ from the reference."""
    found: list[Failure] = []
    run = _compiled(derivative, traces, points[0], options, found)
    results = [run(point) for point in points]
    for mode in results[0]:
        pairs = [(result[mode], result[""]) for result in results]
        where = f"{derivative} {mode}".strip()
        if any(a.shape != b.shape for a, b in pairs):
            reason = f"has the shape {pairs[0][0].shape}, not {pairs[0][1].shape}"
            found.append(Failure(where, reason))
            continue
        error = float(np.max([_error(a, b) for a, b in pairs]))  # NaN if one is
        if not error <= tolerance:
            found.append(Failure(where, f"differs by {error:.1e} of the largest entry"))
    return results, found


def _compiled(
    derivative: str,
    traces: dict[str, Any],
    x: Any,
    options: dict[str, Any],
    found: list[Failure],
) -> Callable[[Any], dict[str, Any]]:
    """Return what computes all of them, in one program; those that do not compile are `found`."""

    def compiled(names: Sequence[str]) -> Callable[[Any], dict[str, Any]]:
        def everything(x: Any) -> dict[str, Any]:
            return {name: jaxpr_as_fun(traces[name])(x)[0] for name in names}

        run = jax.jit(everything).lower(x).compile(options)
        run(x)
        return lambda x: {name: np.asarray(value) for name, value in run(x).items()}

    alike = {name: _alike(traces, name) for name in traces}
    try:
        run = compiled(sorted(set(alike.values())))
        return lambda x: (lambda values: {name: values[alike[name]] for name in traces})(run(x))
    except Exception:
        parts = []
        for name in traces:
            try:
                parts.append(compiled([name]))
            except Exception as error:
                if not name:
                    raise Unusable(f"JAX's {derivative} does not run: {_line(error)}") from error
                found.append(Failure(f"{derivative} {name}", f"when run, {_line(error)}"))
        return lambda x: {name: value for part in parts for name, value in part(x).items()}


def _alike(traces: dict[str, Any], name: str) -> str:
    """Return the first trace that is the same program: `auto` mostly is `structured`."""
    this = traces[name]
    alike = (other for other in traces if other == name or _equal(traces[other], this))
    return next(alike)


def _equal(a: Any, b: Any) -> bool:
    """Return whether two closed jaxprs are the same."""
    if len(a.consts) != len(b.consts) or str(a) != str(b):
        return False
    # What numpy does not know, as keys, is compared by identity.
    pairs = list(zip(a.consts, b.consts, strict=True))
    plain = [isinstance(p.dtype, np.dtype) for p, _ in pairs]
    return all(
        np.array_equal(p, q) if flag else p is q for (p, q), flag in zip(pairs, plain, strict=True)
    )


def _error(found: Any, expected: Any) -> float:
    """Return the largest difference, of the largest entry."""
    scale = max(float(np.abs(expected).max(initial=0)), LEAST)
    return float(np.abs(found - expected).max(initial=0)) / scale


def _assert_stable(derivative: str, f: Function, points: list[Any], tolerance: float) -> None:
    """Raise `Unusable` if JAX's directions, optimized or not, are not finite or do not agree.

    A Hessian has to be symmetric, too: it is not where a custom rule is not the derivative.
    """
    for x in points:
        reference = None
        for build in DIRECTIONS[derivative].values():
            try:
                lowered = jax.jit(build(f)).lower(x)
            except Exception:
                continue
            for options in (QUICK, {}):
                value = np.asarray(lowered.compile(options)(x))
                reference = value if reference is None else reference
                alike = [value, value.T] if derivative == "hessian" else [value]
                if not all(_error(each, reference) <= 0.1 * tolerance for each in alike):
                    raise Unusable(f"JAX's own {derivative}s differ")


def _missing(derivative: str, f: Function, x: Any, dense: list[Any], noise: float) -> list[Failure]:
    """Return which patterns miss an entry that is not zero at one of the points."""
    found = []
    for name, prepare in _PREPARED.items():
        where = f"{derivative} {name}"
        try:
            pattern = prepare(derivative, f, x).pattern
        except Exception as error:
            if not (prepare is _by_coloring and _is_uncolored(derivative, f, x)):
                found.append(Failure(where, _line(error)))
            continue
        covered = np.zeros(pattern.shape, bool)
        covered[pattern.rows, pattern.columns] = True
        entries = [np.abs(matrix.reshape(covered.shape)) for matrix in dense]
        real = np.any(
            [each > noise * max(float(each.max(initial=0)), LEAST) for each in entries], 0
        )
        if np.any(real & ~covered):
            count = np.sum(real & ~covered)
            found.append(Failure(where, f"misses {count} of {np.sum(real)} entries"))
    return found


def _line(error: Exception | None) -> str:
    """Return an exception in one line."""
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text[:200]}"
