"""Every name of a primitive in the program is that of a primitive of the JAX that runs.

Names are what equations are told apart by: one that JAX no longer has would be a rule that is
never used, silently.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import jax.extend.core.primitives
import jax.scipy.linalg
import pytest
from jax.experimental import sparse  # noqa: F401
from jax.interpreters import ad, batching, mlir, partial_eval

from jaccli.derivative import (
    constants,
    cost,
    folding,
    positions,
    primitives,
    structure_losses,
    trace_info,
)
from jaccli.derivative.sparse import detect, set_rules
from jaccli.derivative.structured import interpret, registry, scattered_rules
from jaccli.diagnose import jaxpr_operations
from jaccli.verify import notes

PACKAGE = Path(__file__).parents[2] / "jaccli"


@cache
def existing() -> frozenset[str]:
    """Return the names of all primitives that JAX has a rule for."""
    tables: list[Any] = [
        mlir._lowerings,
        *mlir._platform_specific_lowerings.values(),
        ad.primitive_jvps,
        ad.primitive_transposes,
        batching.fancy_primitive_batchers,
        partial_eval.custom_partial_eval_rules,
    ]
    found = {primitive for table in tables for primitive in table}
    found |= {each for each in vars(jax.extend.core.primitives).values() if hasattr(each, "bind")}
    return frozenset(str(primitive.name) for primitive in found)


def tables() -> dict[str, set[str]]:
    """Return the tables of the program that primitives are the keys of."""
    return {
        "known": set(constants._TABLE),
        "fused": set(folding._FUSED),
        "places": set(folding._PLACES),
        "calls": set(primitives.CALLS),
        "inlined": set(primitives.INLINED),
        "last axes": set(set_rules._LAST_AXES),
        "narrow": set(interpret.NARROW),
        "structured": {*registry.RULES, *registry.WITH_KNOWN},
        "sets": {*set_rules.RULES, *detect._CONTROL},
        "scattered": {*scattered_rules._RULES, *scattered_rules._CONVERSIONS},
        "positions": set(positions._MOVES),
        "updates": {*constants._UPDATES, *folding._INDEXED},
        "costs": {*cost._MOVING, *cost.TRANSCENDENTAL, *cost.FACTORIZING},
        "facts": {*trace_info._OPAQUE, *trace_info._MIXING, *trace_info._DOUBTFUL},
        "advice": set(structure_losses._ADVICE),
        "followed": set(jaxpr_operations._CALLS),
        "functions": set(jaxpr_operations._FUNCTIONS),
        "carried": {*jaxpr_operations._CARRY, *jaxpr_operations._LOGIC},
        "rules of the user's": set(notes._RULES),
    }


OLDER = {"closed_call"}
"""Names that the oldest JAX has, and the newest has not."""


@pytest.mark.parametrize("name", tables())
def test_names_in_tables_are_primitives(name: str) -> None:
    assert tables()[name] - existing() - OLDER == set()


def _is_name(node: ast.AST) -> bool:
    """Whether a node is `….primitive.name`."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "name"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "primitive"
    )


def _strings(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


@cache
def compared() -> dict[str, set[str]]:
    """Return what each module compares names of primitives with, and registers rules for."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and _is_name(node.left):
                names |= set().union(*map(_strings, node.comparators))
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in ("rule", "_rule", "term_rule"):
                assert isinstance(node, ast.Call)
                names |= set().union(*map(_strings, node.args))
        if names:
            found[str(path.relative_to(PACKAGE))] = names
    return found


@pytest.mark.parametrize("module", compared())
def test_names_that_are_compared_with_are_primitives(module: str) -> None:
    assert compared()[module] - existing() == set()
