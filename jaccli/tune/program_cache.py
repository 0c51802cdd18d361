"""Plans and compiled programs that are kept for calls that differ in numbers alone.

A process of one call has nothing to gain: its cache is of no programs.  A program is known by
everything that it was made of (`plan.identity`), and takes the rest as arguments.  Python models,
patterns that the user vouches for, inputs that stay in their files, and sparse programs that were
measured (they hold what does not depend on wrt) are never kept.

Boundary: plans by `plan/`, compiles by `tune.py`; knows nothing of processes or requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jaccli.backend import Device
from jaccli.execute import Program, functions
from jaccli.execute.functions import Arguments
from jaccli.models import Model
from jaccli.plan import Plan, at, check_result, identity, make
from jaccli.spec import Spec
from jaccli.storage.lru_cache import LRUCache
from jaccli.storage.memmap import MemmapArray
from jaccli.tune import tuned

if TYPE_CHECKING:
    from jaccli.context import Progress
    from jaccli.derivative.sparse import Pattern

_CODE = 1 << 20
"""Bytes that a compiled program takes besides its arrays, about."""
_SHARE = 4
"""The part of all bytes that one program may take."""


@dataclass
class _Entry:
    plan: Plan
    program: Program | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that it takes at most."""
        program = self.program
        held = self.plan.input_bytes if program is None else program.cost.held
        return held + (0 if program is None else _CODE)


class ProgramCache:
    """At most `count` programs, of at most `nbytes` bytes together; the oldest go first."""

    def __init__(self, count: int = 0, nbytes: int = 0) -> None:
        self._entries: LRUCache[str, _Entry] = LRUCache(
            count, nbytes, size=lambda entry: entry.nbytes
        )

    def planned(
        self,
        spec: Spec,
        model: Model,
        derivative: str,
        devices: Device,
        given: Pattern | None = None,
        *,
        holds_result: bool = True,
    ) -> Plan:
        """Return what `plan.make` returns, from an earlier call if one was like this.

        Raises:
            SpecError, BudgetError: as `plan.make`.
        """
        key = None if given is not None else self._key(spec, model, derivative, devices)
        entry = None if key is None else self._entries.get(key)
        if entry is not None:
            plan = _moved(entry.plan, spec, model)
            if holds_result:
                check_result(plan)
            return plan
        plan = make(spec, model, derivative, devices, given, holds_result=holds_result)
        self._put(key, _Entry(plan))
        return plan

    def compiled(self, plan: Plan, progress: Progress) -> Program:
        """Return what `tuned.compiled` returns, from an earlier call if one was like this.

        Raises:
            ComputationError, BudgetError: as `tuned.compiled`.
        """
        key = None
        if plan.given is None:
            key = self._key(plan.spec, plan.model, plan.derivative, plan.devices)
        entry = None if key is None else self._entries.get(key)
        if entry is not None and entry.program is not None:
            return _at(entry.program, plan)
        program = tuned.compiled(plan, progress)
        measured = plan.spec.mode == "tuned" or program.plan.chunks >= tuned.MANY
        if not (measured and program.plan.prepared is not None):
            self._put(key, _Entry(plan, program))
        return program

    def _put(self, key: str | None, entry: _Entry) -> None:
        """Keep an entry that has a key, unless it is too large beside the others."""
        if key is None:
            return
        self._entries.remove(key)
        if entry.nbytes <= (self._entries.nbytes or 0) // _SHARE:
            self._entries.put(key, entry)

    def _key(self, spec: Spec, model: Model, derivative: str, devices: Device) -> str | None:
        """Return the hash of all that a program is made of, None where that cannot be said."""
        arrays = (*model.primals.values(), *model.vectors.values())
        if self._entries.count == 0 or any(isinstance(array, MemmapArray) for array in arrays):
            return None
        return identity(spec, model, derivative, devices)


def _at(program: Program, plan: Plan) -> Program:
    """Return a program that runs at the point of `plan`; nothing was compiled for it."""
    here = _moved(program.plan, plan.spec, plan.model)
    point = functions.arguments(here)

    def run(progress: Progress, arguments: Arguments | None = None) -> Any:
        return program.run(progress, point if arguments is None else arguments)

    return replace(program, plan=here, run=run, seconds=0.0, cache="hit")


def _moved(plan: Plan, spec: Spec, model: Model) -> Plan:
    return at(replace(plan, spec=spec), model)
