"""`tuned`: candidates are compiled, slow ones dropped by prediction, the rest timed.

The prediction is a roofline over XLA's counts; its errors are smaller than the ratio above which
candidates are dropped (docs/benchmarks/engine.txt).  The fastest one is cached on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative import cost, operators
from jaccli.derivative.basis import Function, Tree
from jaccli.derivative.select_mode import Choice, choose, family, may_be_colored
from jaccli.derivative.timer import alternating
from jaccli.derivative.trace_info import TraceInfo, facts
from jaccli.storage import disk_cache
from jaccli.storage.digest import digest

MAX_PREDICTED_RATIO = 3.0
"""Candidates are dropped if they are predicted to take this multiple of the best one's time."""
SECONDS = 0.3
"""Target for the seconds of all timing runs together."""
_FOLDER = "tuned"


class TimedCandidate(NamedTuple):
    """A candidate: predicted seconds, a function that runs one part, the number of parts."""

    predicted: float
    run: Callable[[], object]
    part_count: float = 1.0


def candidates(derivative: str, info: TraceInfo) -> tuple[str, ...]:
    """Return the operators that `tuned` chooses from."""
    if derivative in ("jvp", "vjp"):  # one pass in any mode
        return (choose(derivative, info).operator,)
    out = {"loop"} if may_be_colored(derivative, info) else {"loop", "sparse"}
    if derivative == "hvp" and not info.no_reverse:
        out.add("fwd-fwd")  # one pass for each input
    return tuple(name for name in operators.REGISTRIES.get(derivative, ()) if name not in out)


def pick(timed: Mapping[str, TimedCandidate], default: str, seconds: float = SECONDS) -> Choice:
    """Return the fastest candidate; `default`, which the rule would take, is timed in any case."""
    fastest = min(candidate.predicted for candidate in timed.values())
    selected = {
        name: candidate.run
        for name, candidate in timed.items()
        if name == default or candidate.predicted <= MAX_PREDICTED_RATIO * fastest
    }
    start = time.perf_counter()
    for run in selected.values():
        run()
    is_slow = time.perf_counter() - start > seconds  # then once more is enough
    run_times = alternating(selected, seconds=seconds, min_runs=1 if is_slow else 3)
    times = {
        name: timed[name].part_count * float(np.median(each)) for name, each in run_times.items()
    }
    ranked = sorted(times, key=times.__getitem__)
    best = ranked[0]
    others = [f"{name} {times[name] / times[best]:.2f}x" for name in ranked[1:3]]
    dropped = len(timed) - len(selected)
    part_count = [", ".join([f"{best} was the fastest of {len(timed)}", *others])]
    if dropped:
        part_count.append(f"{dropped} not run, predicted above {MAX_PREDICTED_RATIO:.0f}x")
    return Choice(family(best), best, "; ".join(part_count))


def key(derivative: str, info: TraceInfo, device: str, *more: object) -> str:
    """Return the cache key of a choice.

    It depends on structure, shapes, dtypes, device, processor, versions and `more`, but not on
    values.
    """
    versions = [version(package) for package in ("jaccli", "jax", "jaxlib")]
    return digest(derivative, info.text, device, disk_cache.processor(), versions, *map(str, more))


def cached_choice(name: str) -> Choice | None:
    """Return the cached choice for a key, from this process or the disk, or None."""
    record = _MEMORY.get(name) or disk_cache.read(_FOLDER, name)
    if record is None or not {"operator", "reason"} <= record.keys():
        return None
    _MEMORY[name] = record
    operator = str(record["operator"])
    return Choice(family(operator), operator, f"{record['reason']} (remembered)")


def store_choice(name: str, choice: Choice) -> None:
    """Store a choice for this process and later ones."""
    _MEMORY[name] = {"operator": choice.operator, "reason": choice.reason}
    disk_cache.write(_FOLDER, name, _MEMORY[name])


_MEMORY: dict[str, dict[str, Any]] = {}


def tuned(derivative: str, f: Function, x: Tree, *more: Tree) -> Choice:
    """Return the fastest operator for `f` at the shapes of `x`, remembered or measured now.

    `more` follows x in the operator's arguments (a tangent).  Only shapes matter: traced arrays
    are measured as ones.
    """
    args = jax.tree.map(concrete, (x, *more))
    with jax.ensure_compile_time_eval():
        device = next(iter(jnp.zeros(()).devices()))  # the default device
    precision = jax.config.values["jax_default_matmul_precision"]
    shapes = [(np.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(args)]
    where = f"{device} {device.device_kind}"
    info = facts(f, args[0])
    if any(isinstance(const, jax.core.Tracer) for const in info.jaxpr.consts):
        return choose(derivative, info)  # arrays that f holds are traced: nothing can be run
    name = key(derivative, info, where, precision, shapes)
    choice = cached_choice(name)
    if choice is None or choice.operator not in candidates(derivative, info):
        choice = measure(derivative, f, info, *args)
        store_choice(name, choice)
    return choice


def measure(derivative: str, f: Function, info: TraceInfo, *args: Tree) -> Choice:
    """Return the fastest operator at the point `args[0]`, measured now.

    Raises:
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    timed: dict[str, TimedCandidate] = {}
    last_error: Exception | None = None
    for operator in candidates(derivative, info):
        compute = operators.REGISTRIES[derivative][operator]
        try:
            compiled = jax.jit(lambda *a, c=compute: c(f, *a)).lower(*args).compile()
        except (TypeError, ValueError, NotImplementedError) as error:  # not in this direction
            last_error = error
            continue
        timed[operator] = TimedCandidate(cost.of(compiled).seconds, _runner(compiled, args))
    if not timed and last_error is not None:
        raise last_error
    return pick(timed, choose(derivative, info).operator)


def _runner(compiled: Any, args: Any) -> Callable[[], object]:
    return lambda: jax.block_until_ready(compiled(*args))


def concrete(leaf: Any) -> Any:
    """Return an array as it is, and a traced one as ones of its shape."""
    if isinstance(leaf, jax.core.Tracer):
        return np.ones(leaf.shape, leaf.dtype)
    return leaf
