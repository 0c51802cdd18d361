"""Arithmetic of plain Python numbers, bounded: the constants of an expression.

`9**9**9` must cost nothing, so an integer result that does not fit 64 bits becomes a float, and a
float too large becomes infinity.  Everything else is Python's float64 and integer arithmetic.
Imports neither JAX nor numpy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

Number = bool | int | float
"""A number the user wrote, or made from such numbers; JAX keeps it weakly typed."""

_BITS = 63

EXACT: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
"""The operators that are Python's own, of numbers and of arrays alike."""


def bounded(value: Number) -> Number:
    """Return an integer of more than 63 bits as a float, anything else as it is."""
    if isinstance(value, int) and value.bit_length() > _BITS:
        return float(value)
    return value


def binary(symbol: str, left: Number, right: Number) -> Number:
    """Return `left symbol right`.

    Raises ArithmeticError, TypeError or ValueError, with a message fit for the user.
    """
    if symbol == "**":
        return _power(left, right)
    if symbol not in EXACT:
        raise TypeError(f"{symbol} needs arrays")
    return bounded(EXACT[symbol](left, right))


def unary(symbol: str, value: Number) -> Number:
    """Return `symbol value`; `~` of a truth value is its negation, as in numpy."""
    if symbol == "~":
        if isinstance(value, float):
            raise TypeError("~ needs a truth value or an integer")
        return not value if isinstance(value, bool) else ~value
    return bounded(-value if symbol == "-" else +value)


def _power(base: Number, exponent: Number) -> Number:
    """Return `base ** exponent` at the cost of a float power when the integer would be large."""
    if (
        isinstance(base, int)
        and isinstance(exponent, int)
        and exponent >= 0
        and (abs(base) <= 1 or base.bit_length() * exponent <= 4 * _BITS)
    ):
        return bounded(int(base**exponent))
    try:
        return math.pow(base, exponent)
    except OverflowError:
        negative = base < 0 and math.fmod(exponent, 2) != 0
        return -math.inf if negative else math.inf
    except ValueError:
        if base == 0:
            raise ZeroDivisionError("division by zero") from None
        raise ValueError("a negative number to a fractional power is not real") from None
