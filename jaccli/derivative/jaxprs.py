"""How jaxprs are read: their equations at any depth, what depends on what, and their results.

Boundary: knows no rule of any primitive; traces and computes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Subprogram(NamedTuple):
    """Some values of a jaxpr as results, and all of its equations: read like a jaxpr."""

    constvars: Sequence[Any]
    invars: Sequence[Any]
    eqns: Sequence[Any]
    outvars: Sequence[Any]


def is_literal(atom: Any) -> bool:
    """Return whether an operand is written in the jaxpr: such have a `val`, variables have none."""
    return hasattr(atom, "val")


def closed_parts(called: Any) -> tuple[Any, Sequence[Any]]:
    """Return the jaxpr and the constants of what a call holds, closed or not."""
    return getattr(called, "jaxpr", called), getattr(called, "consts", ())


def inner_jaxprs(params: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the jaxprs among an equation's parameters: what calls and loops run."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield inner


def equations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a jaxpr in their order, each before those within it."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in inner_jaxprs(eqn.params):
            yield from equations(inner)


def count(jaxpr: Any) -> int:
    """Return how many equations a jaxpr has, those within others too."""
    return sum(1 for _ in equations(jaxpr))


def contains(jaxpr: Any, primitive: str) -> bool:
    """Return whether a jaxpr has an equation of this primitive at any depth."""
    return any(eqn.primitive.name == primitive for eqn in equations(jaxpr))


def chosen(variables: Sequence[Any], flags: Sequence[bool]) -> set[Any]:
    """Return the variables with a flag, literals left out."""
    pairs = zip(variables, flags, strict=True)
    return {v for v, flag in pairs if flag and not is_literal(v)}


def depends(atom: Any, sources: set[Any]) -> bool:
    """Return whether an operand is one of the sources."""
    return not is_literal(atom) and atom in sources


def dependent(jaxpr: Any, sources: set[Any]) -> Iterator[Any]:
    """Yield the equations that depend on the sources, to which their results are added."""
    for eqn in jaxpr.eqns:
        if any(depends(v, sources) for v in eqn.invars):
            sources.update(eqn.outvars)
            yield eqn


def reached(jaxpr: Any, sources: set[Any]) -> set[Any]:
    """Return the values of a jaxpr that depend on the sources, these among them."""
    found = set(sources)
    for _ in dependent(jaxpr, found):
        pass
    return found


def needed(jaxpr: Any, wanted: Sequence[bool] | None = None) -> list[tuple[Any, list[bool]]]:
    """Return the equations that the wanted results need, each with which of its own are needed.

    All results are wanted by default.  Equations with effects are needed in any case.
    """
    wanted = [True] * len(jaxpr.outvars) if wanted is None else wanted
    used = chosen(jaxpr.outvars, wanted)
    kept = []
    for eqn in reversed(jaxpr.eqns):
        flags = [v in used for v in eqn.outvars]
        if any(flags) or eqn.effects:
            kept.append((eqn, flags))
            used |= {v for v in eqn.invars if not is_literal(v)}
    return kept[::-1]


def evaluate(
    jaxpr: Any,
    consts: Sequence[Any],
    args: Sequence[Any],
    rule: Callable[[Any, list[Any]], Sequence[Any]],
    *,
    literal: Callable[[Any], Any] = lambda atom: atom.val,
    every: bool = False,
) -> list[Any]:
    """Return the results of a jaxpr whose equations `rule(eqn, operands)` gives the results of.

    `literal` says what an operand stands for that is written in the jaxpr.  Equations that nothing
    needs are left out, but with `every`.
    """
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return literal(atom) if is_literal(atom) else env[atom]

    for eqn in jaxpr.eqns if every else [eqn for eqn, _ in needed(jaxpr)]:
        env.update(zip(eqn.outvars, rule(eqn, list(map(read, eqn.invars))), strict=True))
    return list(map(read, jaxpr.outvars))
