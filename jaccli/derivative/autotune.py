"""`tuned`: candidates are compiled, the hopeless dropped, the rest timed, the winner remembered.

A roofline over XLA's own counts misjudges candidates by less than the factor at which they are
dropped (docs/benchmarks/engine.txt), so that what it puts above that need not be run.
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

HOPELESS = 3.0
"""Candidates predicted to take more than so many times the best one's time are not run."""
SECONDS = 0.3
"""How long the timing takes together, about."""
_FOLDER = "tuned"


class TimedCandidate(NamedTuple):
    """A way to compute: its predicted seconds, what runs a part of it and waits, how many parts."""

    predicted: float
    run: Callable[[], object]
    parts: float = 1.0


def candidates(derivative: str, about: TraceInfo) -> tuple[str, ...]:
    """Return the operators that `tuned` chooses among: all that may win."""
    if derivative in ("jvp", "vjp"):  # one pass, however it is taken
        return (choose(derivative, about).operator,)
    out = {"loop"} if may_be_colored(derivative, about) else {"loop", "sparse"}
    if derivative == "hvp" and not about.no_reverse:
        out.add("fwd-fwd")  # one pass for each input
    return tuple(name for name in operators.REGISTRIES.get(derivative, ()) if name not in out)


def pick(found: Mapping[str, TimedCandidate], first: str, seconds: float = SECONDS) -> Choice:
    """Return the fastest candidate; `first`, which the rule would take, is timed in any case."""
    least = min(candidate.predicted for candidate in found.values())
    kept = {
        name: candidate.run
        for name, candidate in found.items()
        if name == first or candidate.predicted <= HOPELESS * least
    }
    start = time.perf_counter()
    for run in kept.values():
        run()
    slow = time.perf_counter() - start > seconds  # then once more is enough
    found_times = alternating(kept, seconds=seconds, least=1 if slow else 3)
    times = {name: found[name].parts * float(np.median(each)) for name, each in found_times.items()}
    ranked = sorted(times, key=times.__getitem__)
    best = ranked[0]
    others = [f"{name} {times[name] / times[best]:.2f}x" for name in ranked[1:3]]
    dropped = len(found) - len(kept)
    parts = [", ".join([f"{best} was the fastest of {len(found)}", *others])]
    if dropped:
        parts.append(f"{dropped} not run, predicted above {HOPELESS:.0f}x")
    return Choice(family(best), best, "; ".join(parts))


def key(derivative: str, about: TraceInfo, device: str, *more: object) -> str:
    """Return the name under which a choice is remembered.

    It depends on structure, shapes and dtypes, on the device, the processor, the versions and
    `more`; on no number.
    """
    versions = [version(package) for package in ("jaccli", "jax", "jaxlib")]
    return digest(derivative, about.text, device, disk_cache.processor(), versions, *map(str, more))


def remembered(name: str) -> Choice | None:
    """Return the choice that was remembered under that name, by this process or another one."""
    record = _MEMORY.get(name) or disk_cache.read(_FOLDER, name)
    if record is None or not {"operator", "reason"} <= record.keys():
        return None
    _MEMORY[name] = record
    operator = str(record["operator"])
    return Choice(family(operator), operator, f"{record['reason']} (remembered)")


def remember(name: str, choice: Choice) -> None:
    """Keep a choice for this process and later ones."""
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
        device = next(iter(jnp.zeros(()).devices()))  # where arrays go at present
    precision = jax.config.values["jax_default_matmul_precision"]
    shapes = [(np.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(args)]
    where = f"{device} {device.device_kind}"
    about = facts(f, args[0])
    if any(isinstance(const, jax.core.Tracer) for const in about.jaxpr.consts):
        return choose(derivative, about)  # arrays that f holds are traced: nothing can be run
    name = key(derivative, about, where, precision, shapes)
    choice = remembered(name)
    if choice is None or choice.operator not in candidates(derivative, about):
        choice = measured(derivative, f, about, *args)
        remember(name, choice)
    return choice


def measured(derivative: str, f: Function, about: TraceInfo, *args: Tree) -> Choice:
    """Return the fastest operator at the point `args[0]`, measured now.

    Raises:
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    found: dict[str, TimedCandidate] = {}
    failed: Exception | None = None
    for operator in candidates(derivative, about):
        compute = operators.REGISTRIES[derivative][operator]
        try:
            compiled = jax.jit(lambda *a, c=compute: c(f, *a)).lower(*args).compile()
        except (TypeError, ValueError, NotImplementedError) as error:  # not in this direction
            failed = error
            continue
        found[operator] = TimedCandidate(cost.of(compiled).seconds, _runner(compiled, args))
    if not found and failed is not None:
        raise failed
    return pick(found, choose(derivative, about).operator)


def _runner(compiled: Any, args: Any) -> Callable[[], object]:
    return lambda: jax.block_until_ready(compiled(*args))


def concrete(leaf: Any) -> Any:
    """Return an array as it is, and a traced one as ones of its shape."""
    if isinstance(leaf, jax.core.Tracer):
        return np.ones(leaf.shape, leaf.dtype)
    return leaf
