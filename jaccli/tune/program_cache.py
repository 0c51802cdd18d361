"""A cache of plans and compiled programs, for calls that differ in numbers alone.

A process of a single call has a cache of size 0.  The key covers everything that a program was made
from (`plan.identity`); the rest are its arguments.  Python models, user-supplied patterns, inputs
that stay in their files, and tuned sparse programs (which hold precomputed values of inputs that
are not in wrt) are never cached.

Boundary: plans by `plan/`, compiles by `tune.py`; knows nothing of processes or requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jaccli.backend import Device
from jaccli.execute import Program, functions
from jaccli.execute.functions import Arguments
from jaccli.models import LoadedModel
from jaccli.models.gauss_newton import approximated
from jaccli.plan import Plan, at, check_result, identity, make
from jaccli.spec import Spec
from jaccli.storage.lru_cache import LRUCache
from jaccli.storage.memmap import MemmapArray
from jaccli.tune import tuned

if TYPE_CHECKING:
    from jaccli.context import Progress
    from jaccli.derivative.sparse import Pattern

_CODE_BYTES = 1 << 20
"""Estimated bytes of a compiled program besides its arrays."""
_MAX_SHARE = 4
"""One program may take at most the cache's bytes divided by this."""


@dataclass
class _Entry:
    plan: Plan
    program: Program | None = None

    @property
    def nbytes(self) -> int:
        """An upper bound of its bytes."""
        program = self.program
        held = self.plan.input_bytes if program is None else program.cost.held
        return held + (0 if program is None else _CODE_BYTES)


class ProgramCache:
    """At most `count` programs, of `nbytes` bytes together; evicts the least recently used."""

    def __init__(self, count: int = 0, nbytes: int = 0) -> None:
        self._entries: LRUCache[str, _Entry] = LRUCache(
            count, nbytes, size=lambda entry: entry.nbytes
        )

    def planned(
        self,
        spec: Spec,
        model: LoadedModel,
        derivative: str,
        devices: Device,
        user_pattern: Pattern | None = None,
        *,
        holds_result: bool = True,
    ) -> Plan:
        """Return the plan of `plan.make`, from the cache if an earlier call was equal.

        Raises:
            SpecError, BudgetError: as `plan.make`.
        """
        model = approximated(spec, model, derivative)
        key = None if user_pattern is not None else self._key(spec, model, derivative, devices)
        entry = None if key is None else self._entries.get(key)
        if entry is not None:
            plan = _at_point(entry.plan, spec, model)
            if holds_result:
                check_result(plan)
            return plan
        plan = make(
            spec,
            model,
            derivative,
            devices,
            user_pattern,
            holds_result=holds_result,
            once=self._entries.count == 0,
        )
        self._put(key, _Entry(plan))
        return plan

    def compiled(self, plan: Plan, progress: Progress) -> Program:
        """Return the program of `tuned.compiled`, from the cache if an earlier call was equal.

        Raises:
            ComputationError, BudgetError: as `tuned.compiled`.
        """
        key = None
        if plan.given is None:
            key = self._key(plan.spec, plan.model, plan.derivative, plan.devices)
        entry = None if key is None else self._entries.get(key)
        if entry is not None and entry.program is not None:
            return _at(entry.program, plan)
        progress.begin(f"compiling the {plan.derivative}")
        program = tuned.compiled(plan, progress)
        progress.begin(f"computing the {plan.derivative}")
        measured = plan.spec.mode == "tuned" or program.plan.chunks >= tuned.MANY_CHUNKS
        if not (measured and program.plan.prepared is not None):
            self._put(key, _Entry(plan, program))
        return program

    def _put(self, key: str | None, entry: _Entry) -> None:
        """Store an entry that has a key, unless it is too large."""
        if key is None:
            return
        self._entries.remove(key)
        if entry.nbytes <= (self._entries.nbytes or 0) // _MAX_SHARE:
            self._entries.put(key, entry)

    def _key(self, spec: Spec, model: LoadedModel, derivative: str, devices: Device) -> str | None:
        """Return the cache key of a program, or None if it must not be cached."""
        arrays = (*model.primals.values(), *model.vectors.values())
        if self._entries.count == 0 or any(isinstance(array, MemmapArray) for array in arrays):
            return None
        return identity(spec, model, derivative, devices)


def _at(program: Program, plan: Plan) -> Program:
    """Return a program that runs at the point of `plan`; nothing was compiled for it."""
    moved_plan = _at_point(program.plan, plan.spec, plan.model)
    point = functions.arguments(moved_plan)

    def run(progress: Progress, arguments: Arguments | None = None) -> Any:
        return program.run(progress, point if arguments is None else arguments)

    return replace(program, plan=moved_plan, run=run, seconds=0.0, cache="hit")


def _at_point(plan: Plan, spec: Spec, model: LoadedModel) -> Plan:
    return at(replace(plan, spec=spec), model)
