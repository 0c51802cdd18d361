"""Checked expressions evaluated over balls.

Literals and constants are the floats that the program takes for them, arithmetic of literals
alone is Python's: what is certified is the model as it is computed, with its own numbers.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaccli.certify.balls import Array, Undecidable, array, balls, is_ball
from jaccli.certify.table import CERTIFIED, UNCERTIFIED
from jaccli.expression import FUNCTIONS, Expression, scalars
from jaccli.expression.function_table import CONSTANTS, FunctionKind
from jaccli.expression.signature import bind, parameters
from jaccli.expression.syntax import OPERATORS

_NUMBER = (bool, int, float)
_NAMES = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power",
    "//": "floor_divide", "%": "mod", "<": "less", "<=": "less_equal", ">": "greater",
    ">=": "greater_equal", "==": "equal", "!=": "not_equal",
}  # fmt: skip
_INTEGERS: dict[str, Callable[..., Any]] = {
    **scalars.EXACT, "**": operator.pow, "@": operator.matmul,
}  # fmt: skip


class NoCertificate(Exception):
    """A function that balls cannot evaluate; the message says which, and why."""


def functions(expressions: Mapping[str, Expression]) -> dict[str, str]:
    """Return the functions of a model that have no certificate, and why."""
    called = {
        node.func.id
        for expression in expressions.values()
        for node in ast.walk(expression.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return {name: UNCERTIFIED[name] for name in sorted(called & set(UNCERTIFIED))}


def evaluate(
    expressions: Mapping[str, Expression], inputs: Mapping[str, Array], dtype: str
) -> dict[str, Array]:
    """Return the values of named expressions, evaluated in order.

    Raises:
        NoCertificate: a function cannot be evaluated.
        Unclear: a comparison cannot be decided.
    """
    values: dict[str, Any] = dict(inputs)
    for name, expression in expressions.items():
        values[name] = _Evaluation(values, dtype).array(expression.tree)
    return {name: values[name] for name in expressions}


class _Evaluation:
    def __init__(self, values: Mapping[str, Any], dtype: str) -> None:
        self.values = values
        self.dtype = np.dtype(dtype)

    def array(self, node: ast.expr) -> Array:
        """Return a node's value as an array of balls."""
        ball_array = array(self.operand(self.node(node)))
        return ball_array if ball_array.dtype == object else balls(ball_array.astype(float))

    def operand(self, value: Any) -> Any:
        """Return what operators take: literals as the numbers of the dtype, lists as arrays."""
        if isinstance(value, float):
            return balls(self.dtype.type(value))[()]
        if isinstance(value, tuple):
            parts = [array(self.operand(each)) for each in value]
            if any(map(is_ball, parts)) or not all(part.dtype.kind in "b" for part in parts):
                return np.stack([self.floating(part) for part in parts])
            return np.stack(parts)
        return value

    def floating(self, part: Array) -> Array:
        return part if part.dtype == object else balls(part.astype(float))

    def node(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return scalars.bounded(value) if isinstance(value, _NUMBER) else value
            case ast.Name(id=name):
                return self.values[name] if name in self.values else CONSTANTS[name]
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(OPERATORS[type(op)], self.node(left), self.node(right))
            case ast.UnaryOp(op=op, operand=inner):
                return self.unary(OPERATORS[type(op)], self.node(inner))
            case ast.Compare():
                return self.compare(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = self.node(test)
                if isinstance(condition, _NUMBER):
                    return self.node(body if condition else orelse)
                branches = (self.operand(self.node(each)) for each in (body, orelse))
                return CERTIFIED["where"](condition, *branches)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return tuple(self.node(element) for element in elements)
            case ast.Subscript(value=value, slice=index):
                return self.subscript(self.node(value), index)
            case ast.Call():
                return self.call(node)
            case _:
                raise AssertionError(f"{type(node).__name__} passed the check")

    def binary(self, symbol: str, left: Any, right: Any) -> Any:
        if isinstance(left, _NUMBER) and isinstance(right, _NUMBER):
            return scalars.binary(symbol, left, right)
        if symbol == "**" and isinstance(right, float) and right.is_integer():
            right = int(right)
        left, right = self.operand(left), self.operand(right)
        if not (is_ball(left) or is_ball(right)):
            if symbol in ("/", "**"):
                left = balls(np.asarray(left, float))
            else:
                return _INTEGERS[symbol](left, right)
        if symbol == "@":
            return array(left) @ array(right)
        return CERTIFIED[_NAMES[symbol]](left, right)

    def unary(self, symbol: str, value: Any) -> Any:
        if isinstance(value, _NUMBER):
            return scalars.unary(symbol, value)
        value = self.operand(value)
        if symbol == "~":
            return np.logical_not(value)
        return -value if symbol == "-" else value

    def compare(self, node: ast.Compare) -> Any:
        values = [self.node(node.left), *map(self.node, node.comparators)]
        result: Any = True
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            condition = self.binary(OPERATORS[type(op)], left, right)
            result = condition if result is True else np.logical_and(result, condition)
        return result

    def subscript(self, value: Any, index: ast.expr) -> Any:
        nodes = index.elts if isinstance(index, ast.Tuple) else [index]
        parts = tuple(self.part(each) for each in nodes)
        if isinstance(value, tuple):
            return value[parts[0]]
        return array(self.operand(value))[parts]

    def part(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            return slice(*(None if each is None else self.node(each) for each in bounds))
        value = self.node(node)
        return np.array(value) if isinstance(value, tuple) else value

    def call(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        function = FUNCTIONS[node.func.id]
        if function.name in UNCERTIFIED:
            reason = UNCERTIFIED[function.name]
            raise NoCertificate(f"{function.name} has no certificate: {reason}")
        bound, _ = bind(function, node)
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for parameter in parameters(function):
            argument_node = bound.get(parameter.name)
            if isinstance(argument_node, list):
                positional += [self.argument(parameter.kind, each) for each in argument_node]
            elif argument_node is not None and parameter.required:
                positional.append(self.argument(parameter.kind, argument_node))
            elif argument_node is not None:
                keywords[parameter.name] = self.argument(parameter.kind, argument_node)
        try:
            return CERTIFIED[function.name](*positional, **keywords)
        except (Undecidable, NoCertificate):
            raise
        except Exception as error:
            message = f"{function.name} has no certificate for these arguments ({error})"
            raise NoCertificate(message) from error

    def argument(self, kind: FunctionKind, node: ast.expr) -> Any:
        value = self.node(node)
        if value is None:
            return None
        if kind is FunctionKind.ARRAY:
            return self.operand(value)
        if kind is FunctionKind.ARRAYS:
            return (
                tuple(self.operand(each) for each in value) if isinstance(value, tuple) else value
            )
        return value
