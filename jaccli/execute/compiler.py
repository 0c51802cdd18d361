"""Functions are compiled here, or found compiled on disk.

Boundary: compiles; runs nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaccli import memory
from jaccli.derivative import cost
from jaccli.derivative.basis import Tree
from jaccli.derivative.cost import Cost
from jaccli.derivative.refusal import explained
from jaccli.errors import JaccliError, UnderivableError, format_bytes
from jaccli.execute import executable_cache
from jaccli.execute.executable_cache import Outcome
from jaccli.execute.interruptible import interruptible
from jaccli.expression import extremes
from jaccli.plan import Plan, identity
from jaccli.spec import PythonModel


class Compiler:
    """Compiles functions, or finds them compiled; adds up the seconds that it takes.

    Without `kept`, nothing is looked for on disk, nor left there.  `what` tells the programs of
    one plan apart.
    """

    def __init__(self, *, kept: bool = True) -> None:
        self.kept = kept
        self.seconds = 0.0
        self.outcomes: set[Outcome] = set()

    @property
    def cache(self) -> Outcome:
        """Whether all was found on disk."""
        worst: tuple[Outcome, ...] = ("miss", "off", "hit")
        return next((outcome for outcome in worst if outcome in self.outcomes), "off")

    def once(
        self, plan: Plan, what: str, function: Callable[..., Tree], *args: Any, where: Any = None
    ) -> tuple[Callable[..., Tree], Cost]:
        """Compile for the shapes of `args`; return what runs it, and its cost.

        `where` is the sharding of the results; by default they are on the plan's device.
        """
        # What is not used is an argument still, and stands in the text by which it may be known.
        traced = jax.jit(function, out_shardings=where, keep_unused=True)
        compiled = self._compiled(plan, what, lambda: traced.lower(*args))

        def run(*args: Any) -> Tree:
            return jax.block_until_ready(compiled(*args))

        return run, cost.of(compiled)

    def repeated(
        self, plan: Plan, what: str, function: Callable[..., Tree], *args: Any, where: Any = None
    ) -> tuple[Callable[..., Tree], Cost]:
        """Compile what is called many times: every result takes the memory of the one before.

        Fresh memory costs a page fault for every 4 KiB, up to three quarters of a large call
        (docs/modes.md).  JAX copies a result that somebody still looks at.
        """
        traced = jax.jit(function)
        where = where or jax.sharding.SingleDeviceSharding(plan.device.handle)

        def lower() -> Any:
            reusing = jax.jit(lambda old, *args: traced(*args), donate_argnums=0, keep_unused=True)
            out = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
                jax.eval_shape(traced, *args),
            )
            return reusing.lower(out, *args)

        compiled = self._compiled(plan, f"{what}, repeated", lower)
        old: list[Tree] = []

        def run(*args: Any) -> Tree:
            if not old:
                zeros = partial(jax.tree.map, lambda leaf: jnp.zeros(leaf.shape, leaf.dtype))
                old.append(jax.jit(lambda: zeros(compiled.args_info[0][0]), out_shardings=where)())
            old[0] = jax.block_until_ready(compiled(old[0], *args))
            return old[0]

        return run, cost.of(compiled)

    def _compiled(self, plan: Plan, what: str, lower: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        # By its name, a program is found without being traced.
        name = _name(plan, what) if self.kept else None
        compiled = executable_cache.load(name, plan.device)
        if compiled is None:
            compiled, outcome = self._lowered(plan, name, lower)
        else:
            outcome = "hit"
        self.outcomes.add(outcome)
        self.seconds += time.perf_counter() - start
        return compiled

    def _lowered(
        self, plan: Plan, name: str | None, lower: Callable[[], Any]
    ) -> tuple[Any, Outcome]:
        """Trace and compile; what cannot have a name, or not be run by it, is known by its text."""
        with tracing(plan):
            lowered = lower()
        if self.kept and executable_cache.are_kept():
            text = lowered.as_text()
            if not executable_cache.may_be_kept(text):
                name = None
            elif name is None or executable_cache.needs_lowering(text):
                called = repr((lowered.args_info, lowered.out_tree))  # names are not in the text
                name = executable_cache.key(plan.device, text, called)
                compiled = executable_cache.load(name, plan.device)
                if compiled is not None:
                    return compiled, "hit"
        compiled = interruptible(partial(lowered.compile, options(plan)))
        return compiled, "miss" if executable_cache.save(name, compiled) else "off"


def _name(plan: Plan, what: str) -> str | None:
    """Return the name of one of a plan's programs, None where the plan does not decide on it.

    Colors may be assigned otherwise another time, and a program holds them.
    """
    if plan.given is not None or plan.prepared is not None:
        return None
    made_of = identity(plan.spec, plan.model, plan.derivative, plan.device)
    if made_of is None:
        return None
    return executable_cache.key(plan.device, made_of, plan.operator, str(plan.vector_batched), what)


def options(plan: Plan) -> dict[str, str | bool]:
    """Return XLA's options: without its algebra where that leaves the range of floats."""
    model = plan.spec.model
    if not isinstance(model, PythonModel) and extremes.are_in(model.formulas, plan.spec.dtype):
        return {"xla_disable_hlo_passes": "algsimp"}
    return {}


@contextlib.contextmanager
def tracing(plan: Plan) -> Iterator[None]:
    """Turn what is raised while a plan's operator is traced into an `UnderivableError`.

    The model itself was traced before: what fails now is its derivative.
    """
    cause: Exception
    # Where another mode will do, it is not worth all.
    share = _SHARE if plan.spec.mode in ("auto", "tuned") else 1
    try:
        with memory.growing_by((plan.budget - plan.input_bytes) // share):
            yield
    except memory.Exhausted as error:
        part = "a quarter of " if share > 1 else ""
        budget = format_bytes(plan.budget)
        reason, cause = f"its structure takes more than {part}the memory budget of {budget}", error
    except (JaccliError, MemoryError, jax.errors.JaxRuntimeError):
        raise
    except Exception as error:  # what JAX and the rules of libraries raise is of every type
        reason, cause = explained(error, plan.facts), error
    else:
        return
    message = f"{plan.derivative} by mode {plan.spec.mode}: {reason}."
    raise UnderivableError(message, reason) from cause


_SHARE = 4
"""The part of the budget that the structure of a mode may take that nobody has asked for."""
