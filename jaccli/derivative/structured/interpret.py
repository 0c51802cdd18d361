"""The interpreter: runs the jaxpr of a linear map on structured Jacobians.

Equations that do not depend on the seeds are evaluated as they come (known ones in numpy), calls
are inlined, and the rest goes to its rule, or to the fallback.

Boundary: knows no primitive but the calls it inlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaccli import memory
from jaccli.derivative import jaxprs, structure_losses
from jaccli.derivative.constants import LIMIT, evaluate, is_known, is_whole, known, known_literal
from jaccli.derivative.jaxprs import is_literal
from jaccli.derivative.primitives import INLINED, bind
from jaccli.derivative.structure_losses import StructureError
from jaccli.derivative.structured import scattered_rules
from jaccli.derivative.structured.fallback import fallback
from jaccli.derivative.structured.linear_map import Linear, collect
from jaccli.derivative.structured.registry import RULES, WITH_KNOWN, Equation, NoStructure, Operand
from jaccli.derivative.structured.scattered import TooMany

NARROW = ("mul", "div")
"""Primitives whose rules take a broadcast operand with its dims of size 1 as they were."""


def interpret(
    jaxpr: Any,
    consts: Sequence[Any],
    args: Sequence[Operand],
    wanted: Sequence[bool] | None = None,
    limit: int = LIMIT,
) -> list[Operand | None]:
    """Return the results of `jaxpr`; those not `wanted` are None.

    Arrays that are known while tracing have at most `limit` elements.

    Raises:
        StructureError: an operation cannot be taken over columns, structured or dense.
        Exhausted: the structure takes more memory than it may.
    """
    with np.errstate(all="ignore"):  # numbers that leave the range do so as in any other mode
        return _Interpreter(limit).run(jaxpr, list(map(known, consts)), args, wanted)


class _Interpreter:
    """One interpretation; `floats` has numpy's values of program values that are known floats."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def run(
        self,
        jaxpr: Any,
        consts: Sequence[Any],
        args: Sequence[Operand],
        wanted: Sequence[bool] | None = None,
    ) -> list[Operand | None]:
        env: dict[Any, Operand] = dict(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))
        small: dict[Any, Any] = {}  # arrays before they were broadcast, with dims of size 1
        floats: dict[Any, np.ndarray] = {
            v: x for v, x in env.items() if isinstance(x, np.ndarray) and not is_whole(x.dtype)
        }
        wanted = [True] * len(jaxpr.outvars) if wanted is None else wanted

        def read(atom: Any) -> Operand:
            return known_literal(atom, atom.val) if is_literal(atom) else env[atom]

        def value(atom: Any) -> Any:
            x = read(atom)
            return x if is_literal(atom) or is_known(x) else floats.get(atom)

        for eqn, needed in jaxprs.needed(jaxpr, wanted):
            memory.check_growth()
            operands = [read(atom) for atom in eqn.invars]
            full = operands
            results: Sequence[Operand | None]
            if not any(isinstance(x, Linear) for x in operands):
                values = [value(atom) for atom in eqn.invars]
                found = None
                if not any(x is None for x in values):
                    found = evaluate(eqn, values, self.limit)
                if found is not None:
                    whole = all(is_whole(y.dtype) for y in found)
                    if not whole:
                        floats.update(zip(eqn.outvars, found, strict=True))
                    results = found if whole else bind(eqn, operands)
                else:
                    results = self.constants(eqn, operands, needed)
            else:
                if eqn.primitive.name in NARROW:
                    operands = [
                        x if is_literal(v) else small.get(v, x)
                        for x, v in zip(operands, eqn.invars, strict=True)
                    ]
                values = [
                    x if isinstance(x, Linear) else value(v)
                    for x, v in zip(full, eqn.invars, strict=True)
                ]
                results = self.apply(eqn, operands, full, values, needed)
            for var, result in zip(eqn.outvars, results, strict=True):
                if result is not None:
                    env[var] = result
            if eqn.primitive.name == "broadcast_in_dim" and not isinstance(operands[0], Linear):
                small[eqn.outvars[0]] = _before(eqn, operands[0])
        return [read(v) if want else None for v, want in zip(jaxpr.outvars, wanted, strict=True)]

    def constants(
        self, eqn: Equation, operands: Sequence[Operand], needed: Sequence[bool]
    ) -> Sequence[Operand | None]:
        """Return the results of an equation that does not depend on the seeds."""
        called = INLINED.get(eqn.primitive.name)
        whole = any(is_whole(v.aval.dtype) for v in eqn.outvars) and any(map(is_known, operands))
        if called is None or not whole:
            return bind(eqn, operands)
        return self.run(*jaxprs.closed_parts(eqn.params[called]), operands, needed)

    def apply(
        self,
        eqn: Equation,
        operands: Sequence[Operand],
        full: Sequence[Operand],
        values: Sequence[Any],
        needed: Sequence[bool],
    ) -> Sequence[Operand | None]:
        """Return the results of an equation that depends on the seeds.

        `full` has the operands all broadcast, `values` numpy's of those that are known.
        """
        called = INLINED.get(eqn.primitive.name)
        if called is not None:
            return self.run(*jaxprs.closed_parts(eqn.params[called]), full, needed)
        linear = [x for x in full if isinstance(x, Linear)]
        aval = eqn.outvars[0].aval
        if len(eqn.outvars) == 1 and (all(x.is_zero for x in linear) or 0 in aval.shape):
            return [Linear(tuple(aval.shape), aval.dtype, ())]
        if any(x.scattered for x in linear):
            return self.parted(eqn, operands, full, values, needed)
        rule = RULES.get(eqn.primitive.name)
        if rule is not None:
            if eqn.primitive.name in WITH_KNOWN:
                given = [y if y is not None else x for x, y in zip(operands, values, strict=True)]
            else:
                given = list(operands)
            try:
                results = rule(eqn, *given)
                return [results] if isinstance(results, Linear) else list(results)
            except (NoStructure, TooMany) as why:
                structure_losses.note(eqn, advice=str(why))
            except memory.Exhausted:
                raise
            except Exception as error:  # a defect of the rule costs its structure alone
                structure_losses.failed(eqn, error)
        else:
            structure_losses.note(eqn)
        try:
            return fallback(eqn, full)
        except memory.Exhausted:
            raise
        except Exception as error:
            raise StructureError(
                f"{structure_losses.name(eqn)}{_at(structure_losses.line(eqn))}: "
                f"{structure_losses.reason(error)}"
            ) from error

    def parted(
        self,
        eqn: Equation,
        operands: Sequence[Operand],
        full: Sequence[Operand],
        values: Sequence[Any],
        needed: Sequence[bool],
    ) -> Sequence[Operand | None]:
        """Return the sum of what an equation makes of terms, and of scattered entries."""
        entries = [list(x.scattered) if isinstance(x, Linear) else x for x in full]
        found = scattered_rules.apply(eqn, entries, values)
        if found is None:
            return self.apply(eqn, _linked(operands), _linked(full), _linked(values), needed)
        first = self.apply(eqn, _without(operands), _without(full), _without(values), needed)
        results: list[Operand | None] = []
        for value, parts, var in zip(first, found, eqn.outvars, strict=True):
            sums: list[Any] = [part for part in parts if part is not None]
            if isinstance(value, Linear):
                sums += [*value.terms, *value.scattered]
            results.append(collect(tuple(var.aval.shape), var.aval.dtype, sums))
        return results


def _linked(operands: Sequence[Any]) -> list[Any]:
    """Return operands with their scattered entries as dense terms."""
    return [x.linked if isinstance(x, Linear) else x for x in operands]


def _without(operands: Sequence[Any]) -> list[Any]:
    """Return operands without their scattered entries."""
    return [replace(x, scattered=()) if isinstance(x, Linear) else x for x in operands]


def _at(line: str) -> str:
    return f" ({line})" if line else ""


def _before(eqn: Equation, operand: Any) -> Any:
    """Return the operand of a broadcast, reshaped to the rank of its result."""
    shape = [1] * len(eqn.outvars[0].aval.shape)
    for d, axis in enumerate(eqn.params["broadcast_dimensions"]):
        shape[axis] = np.shape(operand)[d]
    return np.reshape(operand, shape) if is_known(operand) else operand.reshape(shape)
