"""Constant expressions as numbers: `pi/2` where a spec or an option takes a number.

The same language as that of models, without names of inputs and without arrays, computed in
Python's float64.  Imports neither JAX nor numpy: `validate` computes them too.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable

from jaccli.errors import Place, Problem, SpecError, suggest
from jaccli.expression import scalars
from jaccli.expression.function_table import CONSTANTS
from jaccli.expression.length_limits import short
from jaccli.expression.scalars import Number
from jaccli.expression.syntax import OPERATORS, Expression, parse

PATTERN = rf"[-+*/%(√·²π−×÷]|^\s*({'|'.join(CONSTANTS)})\s*$"
"""What a text has that is meant as a constant expression; a text without it is a word."""
_PATTERN = re.compile(PATTERN)

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "arctan2": math.atan2,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "arcsinh": math.asinh,
    "arccosh": math.acosh,
    "arctanh": math.atanh,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "hypot": math.hypot,
    "deg2rad": math.radians,
    "radians": math.radians,
    "rad2deg": math.degrees,
    "degrees": math.degrees,
    "exp": math.exp,
    "exp2": math.exp2,
    "expm1": math.expm1,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "power": lambda base, exponent: scalars.binary("**", base, exponent),
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "erf": math.erf,
    "erfc": math.erfc,
    "gammafn": math.gamma,
    "gammaln": math.lgamma,
    "factorial": lambda x: math.gamma(x + 1),
    "maximum": max,
    "minimum": min,
}
"""The functions of the table that a constant may use, by one or two numbers."""


_HINT = f"A value is made of numbers, {', '.join(CONSTANTS)} and functions of one, as sqrt(2)."


def is_constant(text: str) -> bool:
    """Whether a text is meant as a constant expression."""
    return _PATTERN.search(text) is not None


def constant(text: str, *, path: str = "", place: Place | None = None) -> Number:
    """Return the number that a constant expression stands for.

    Raises:
        SpecError: it is no expression, uses a name that is not a constant, or has no finite value
            although it names neither `inf` nor `nan`.
    """
    expression = parse(text, path=path, place=place)
    unknown = [use for use in expression.uses if use.id not in CONSTANTS]
    if unknown:
        raise SpecError(
            *(
                expression.problem(
                    use,
                    f"no constant named {short(use.id)!r}",
                    suggest(use.id, CONSTANTS) or _HINT,
                )
                for use in unknown
            )
        )
    value = _value(expression, expression.tree)
    finite = math.isfinite(value) or {"inf", "nan"} & set(expression.names)
    if not finite:
        raise SpecError(_problem(expression, expression.tree, "does not fit float64"))
    return value


def _value(expression: Expression, node: ast.expr) -> Number:
    """Return the number of a node."""
    work: Callable[[], Number]
    match node:
        case ast.Constant(value=bool()) | ast.Constant(value=str()) | ast.Constant(value=None):
            raise SpecError(_problem(expression, node, "is not a number"))
        case ast.Constant(value=int() | float() as value):
            return scalars.bounded(value)
        case ast.Name(id=name):
            return CONSTANTS[name]
        case ast.BinOp(left=left, op=op, right=right) if OPERATORS[type(op)] in _ARITHMETIC:
            one, other = _value(expression, left), _value(expression, right)
            work = lambda: scalars.binary(OPERATORS[type(op)], one, other)  # noqa: E731
        case ast.UnaryOp(op=op, operand=operand) if OPERATORS[type(op)] in _ARITHMETIC:
            inner = _value(expression, operand)
            work = lambda: scalars.unary(OPERATORS[type(op)], inner)  # noqa: E731
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            numbers = [_value(expression, each) for each in arguments]
            work = lambda: _FUNCTIONS[name](*numbers)  # noqa: E731
        case ast.Call(func=ast.Name(id=name)):
            message = f"{name} is not computed in a value"
            raise SpecError(expression.problem(node, message, _HINT))
        case _:
            raise SpecError(_problem(expression, node, "is not a number"))
    try:
        return work()
    except (ArithmeticError, TypeError, ValueError) as error:
        raise SpecError(_problem(expression, node, f"has no value: {error}")) from error


_ARITHMETIC = ("+", "-", "*", "/", "//", "%", "**")


def _problem(expression: Expression, node: ast.expr, what: str) -> Problem:
    """Return the problem of a node, which it quotes."""
    return expression.problem(node, f"{expression.segment(node)} {what}")
