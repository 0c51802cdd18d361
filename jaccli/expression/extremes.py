"""Whether expressions multiply or divide by numbers so large or small that products of two matter.

XLA computes `c2 * (c1 * x)` as `(c2 * c1) * x`, which may leave the range of floats where the other
does not.  Boundary: looks at syntax trees; computes nothing.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaccli.expression.syntax import Expression

_SHARE = 0.25
_LARGEST = {"float32": 38.5, "float64": 308.3}
"""Decimal exponents."""
_MADE_OF = {"multiply", "divide", "full"}


def are_in(expressions: Iterable[Expression], dtype: str) -> bool:
    """Whether a factor or a divisor is beyond the fourth root of the largest number."""
    most = _SHARE * _LARGEST[dtype]
    return any(
        isinstance(value, int | float) and value and not abs(_exponent(value)) <= most
        for expression in expressions
        for value in _factors(expression.tree)
    )


def _exponent(value: float) -> float:
    """Return the decimal exponent of a number, 0 for what is no float."""
    try:
        size = abs(float(value))
    except OverflowError:
        return 0.0
    return math.log10(size) if math.isfinite(size) else 0.0


def _factors(tree: ast.expr) -> Iterator[object]:
    """Yield the literals of products and quotients, and one that an expression consists of."""
    yield from _literals(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            yield from _literals(node.left)
            yield from _literals(node.right)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MADE_OF:
            for each in node.args:
                yield from _literals(each)


def _literals(node: ast.expr) -> Iterator[object]:
    while isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant):
        yield node.value
    elif isinstance(node, ast.List | ast.Tuple):
        for each in node.elts:
            yield from _literals(each)
