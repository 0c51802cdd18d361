"""Checked expressions evaluated with JAX, node by node, while JAX traces.

Pure: the same tree and values give the same arrays, under `jit`, `vmap` and every derivative.
Whatever goes wrong becomes a SpecError (or BudgetError) with its caret.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.errors import BudgetError, SpecError, format_bytes
from jaccli.expression import indexing, scalars, size_limits
from jaccli.expression.function_table import CONSTANTS, FUNCTIONS, FunctionKind
from jaccli.expression.library.powers import power
from jaccli.expression.names import check_names
from jaccli.expression.promotion import MultipleResults, arrays, in_spec_dtype, operand
from jaccli.expression.signature import Parameter, bind, parameters
from jaccli.expression.syntax import OPERATORS, Expression

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike, DTypeLike

_ADDRESSABLE = 2**63
_INT_POWERS = 64
_NUMBER = (bool, int, float)

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **scalars.EXACT,
    "**": power,
    "@": operator.matmul,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
}


class Watch(Protocol):
    """What is shown every operation on arrays as it is evaluated, and gives its result back.

    `name` is the operator's symbol, or the function's name (`where` for `a if c else b`);
    `arguments` are the operands by the names of the function's parameters (`x1`, `x2` of an
    operator).  The evaluation goes on with what is returned.
    """

    def __call__(
        self,
        expression: Expression,
        node: ast.expr,
        name: str,
        arguments: Mapping[str, Any],
        result: Any,
    ) -> Any:
        """Return the result, or another of its shape."""


def evaluate(
    expression: Expression,
    values: Mapping[str, ArrayLike],
    *,
    dtype: DTypeLike,
    limit: int | None = None,
    watch: Watch | None = None,
) -> Array:
    """Return the value of the expression, an array of any shape.

    `values` are the inputs and the expressions before this one, by name.  `dtype` is the type of
    what the expression creates (literals, `zeros(3)`); `limit`, in bytes, bounds each array that
    it creates.  `watch` sees every operation.  Raises SpecError, and BudgetError beyond the limit.
    """
    problems = check_names(expression, values)
    if problems:
        raise SpecError(*problems)
    given = {name: jnp.asarray(values[name]) for name in expression.names if name in values}
    evaluation = _Evaluation(expression, given, np.dtype(dtype), limit, watch)
    root = expression.tree
    result = evaluation.operand(root, evaluation.node(root))
    if isinstance(result, jax.Array):
        return result
    return jnp.asarray(result, None if isinstance(result, bool) else dtype)


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """One expression with the values of its names."""

    expression: Expression
    values: Mapping[str, Array]
    dtype: np.dtype[Any]
    limit: int | None
    watch: Watch | None

    def node(self, node: ast.expr) -> Any:
        """Return the value of a node: an array, a number, a tuple of these, or Several."""
        match node:
            case ast.Constant(value=value):
                return scalars.bounded(value) if isinstance(value, _NUMBER) else value
            case ast.Name(id=name):
                return self.values[name] if name in self.values else CONSTANTS[name]
            case ast.BinOp():
                return self.chain(node)
            case ast.UnaryOp(op=op, operand=inner):
                return self.unary(node, OPERATORS[type(op)], self.node(inner))
            case ast.Compare():
                return self.compare(node)
            case ast.IfExp():
                return self.choice(node)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return tuple(self.node(element) for element in elements)
            case ast.Subscript():
                return self.subscript(node)
            case ast.Call():
                return self.call(node)
            case _:
                raise AssertionError(f"{type(node).__name__} passed the check")

    # Operators.

    def chain(self, node: ast.BinOp) -> Any:
        """Return `a + b + c + …`, from the left and without recursion."""
        spine = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
        value = self.node(spine[-1].left)
        for step in reversed(spine):
            value = self.binary(step, OPERATORS[type(step.op)], value, self.node(step.right))
        return value

    def binary(self, node: ast.expr, symbol: str, left: Any, right: Any) -> Any:
        """Return `left symbol right`."""
        if isinstance(left, _NUMBER) and isinstance(right, _NUMBER):
            return self.number(node, scalars.binary, symbol, left, right)
        left, right = self.operand(node, left), self.operand(node, right)
        if symbol == "**":
            right = _exponent(left, right)
        try:
            result = _BINARY[symbol](left, right)
        except Exception as error:
            shown = f"{_shown(left)} {symbol} {_shown(right)}"
            raise self.failure(node, shown, [left, right], error) from error
        result = in_spec_dtype(result, [left, right], self.dtype)
        return self.watched(node, symbol, {"x1": left, "x2": right}, result)

    def unary(self, node: ast.expr, symbol: str, value: Any) -> Any:
        """Return `symbol value`."""
        if isinstance(value, _NUMBER):
            return self.number(node, scalars.unary, symbol, value)
        value = self.operand(node, value)
        try:
            result = _UNARY[symbol](value)
        except Exception as error:
            raise self.failure(node, f"{symbol}{_shown(value)}", [value], error) from error
        return self.watched(node, symbol, {"x": value}, result)

    def number(self, node: ast.expr, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of arithmetic on plain numbers."""
        try:
            return work(*arguments)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise self.error(node, f"{self.expression.segment(node)}: {error}") from error

    def compare(self, node: ast.Compare) -> Any:
        """Return `a < b < c`, which holds where each comparison does."""
        values = [self.node(node.left), *(self.node(each) for each in node.comparators)]
        symbols = [OPERATORS[type(op)] for op in node.ops]
        result: Any = True
        for symbol, left, right in zip(symbols, values, values[1:], strict=False):
            holds = self.binary(node, symbol, left, right)
            result = holds if result is True else self.binary(node, "&", result, holds)
        return result

    def choice(self, node: ast.IfExp) -> Any:
        """Return `a if c else b`: entry by entry, or one branch where `c` is a plain number."""
        test = self.node(node.test)
        if isinstance(test, _NUMBER):
            return self.node(node.body if test else node.orelse)
        parts = [(node.test, test)]
        parts += [(each, self.node(each)) for each in (node.body, node.orelse)]
        operands = [self.operand(each, value) for each, value in parts]
        try:
            result: Array = jnp.where(operands[0], operands[1], operands[2])
        except Exception as error:
            condition, body, orelse = map(_shown, operands)
            shown = f"{body} if {condition} else {orelse}"
            raise self.failure(node, shown, operands, error) from error
        result = in_spec_dtype(result, operands[1:], self.dtype)
        arguments = dict(zip(("condition", "x", "y"), operands, strict=True))
        return self.watched(node, "where", arguments, result)

    # Indexing.

    def subscript(self, node: ast.Subscript) -> Any:
        """Return `value[index]`."""
        value = self.node(node.value)
        nodes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        parts = tuple(self.part(each) for each in nodes)
        try:
            if isinstance(value, MultipleResults):
                return _chosen(value, parts)
            array = jnp.asarray(self.operand(node.value, value))
            return indexing.select(array, parts)
        except SpecError:
            raise
        except Exception as error:
            reason = _reason(error) or "the index does not fit"
            raise self.error(node, f"{self.expression.segment(node)}: {reason}") from error

    def part(self, node: ast.expr) -> indexing.IndexPart:
        """Return one part of an index."""
        if isinstance(node, ast.Slice):
            return slice(*(self.bound(each) for each in (node.lower, node.upper, node.step)))
        try:
            return indexing.literal(self.node(node))
        except (TypeError, ValueError, OverflowError) as error:
            raise self.error(node, f"{self.expression.segment(node)}: {error}") from error

    def bound(self, node: ast.expr | None) -> int | None:
        """Return one bound of a slice."""
        value = None if node is None else self.node(node)
        if node is None or value is None:
            return None
        if _integer(value):
            return int(value)
        message = "the bounds of a slice must be literal integers"
        raise self.error(node, f"{message}, not {self.expression.segment(node)}")

    # Calls.

    def call(self, node: ast.Call) -> Any:
        """Return the result of a function of the table."""
        assert isinstance(node.func, ast.Name)
        function = FUNCTIONS[node.func.id]
        bound, _ = bind(function, node)
        arguments: dict[str, Any] = {}
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for parameter in parameters(function):
            name = parameter.name
            given = bound.get(name)
            if given is None:
                continue
            if isinstance(given, list):
                arguments[name] = tuple(self.argument(node, parameter, each) for each in given)
                positional += arguments[name]
            else:
                arguments[name] = self.argument(node, parameter, given)
                if parameter.required:
                    positional.append(arguments[name])
                else:
                    keywords[name] = arguments[name]
        operands = arrays(list(arguments.values()))
        try:
            self.guard(node, arguments, operands)
            result = function.resolve()(*positional, **keywords)
        except BudgetError:
            raise
        except Exception as error:
            shown = ", ".join(_shown(each) for each in operands)
            raise self.failure(node, shown, operands, error) from error
        if isinstance(result, jax.Array):
            if function.category == "creation" and not operands and result.dtype != bool:
                return result.astype(self.dtype)
            result = in_spec_dtype(result, operands, self.dtype)
        result = self.watched(node, function.name, arguments, result)
        return MultipleResults(tuple(result)) if isinstance(result, tuple | list) else result

    def argument(self, call: ast.Call, parameter: Parameter, node: ast.expr) -> Any:
        """Return the value of an argument, as its parameter takes it."""
        value = self.node(node)
        if value is None and not parameter.required:
            return None
        kind = parameter.kind
        if kind is FunctionKind.ARRAY:
            return self.operand(node, value)
        if kind is FunctionKind.ARRAYS and isinstance(value, tuple | MultipleResults):
            entries = value.values if isinstance(value, MultipleResults) else value
            return [self.operand(node, entry) for entry in entries]
        if isinstance(value, MultipleResults):
            value = value.values
        if _ACCEPTED[kind](value):
            return value
        assert isinstance(call.func, ast.Name)
        wanted = f"{parameter.name} of {call.func.id} must be {kind.value}"
        raise self.error(node, f"{wanted}, not {self.expression.segment(node)}")

    def guard(self, node: ast.Call, arguments: dict[str, Any], operands: list[Array]) -> None:
        """Raise BudgetError if the call creates an array beyond the limit."""
        assert isinstance(node.func, ast.Name)
        width = max(self.dtype.itemsize, *(each.dtype.itemsize for each in operands), 1)
        count = size_limits.entries(node.func.id, arguments) * width
        limit = _ADDRESSABLE if self.limit is None else self.limit
        if count > limit:
            size = format_bytes(count) if count <= _ADDRESSABLE else "more than 8192 PiB"
            message = f"{self.expression.segment(node)} needs {size}"
            allowed = f"the limit is {format_bytes(limit)}"
            hint = "Make it smaller, or raise the memory budget: --memory."
            raise BudgetError(self.expression.problem(node, f"{message}; {allowed}", hint))

    def watched(self, node: ast.expr, name: str, arguments: Mapping[str, Any], result: Any) -> Any:
        """Show an operation to the watch, and return what it makes of the result."""
        if self.watch is None:
            return result
        return self.watch(self.expression, node, name, arguments, result)

    # Errors.

    def operand(self, node: ast.expr, value: Any) -> Any:
        """Return an array or a number, or raise SpecError for anything else."""
        try:
            return operand(value, self.dtype)
        except (TypeError, ValueError) as error:
            raise self.error(node, f"{self.expression.segment(node)}: {error}") from error

    def failure(
        self, node: ast.expr, shown: str, operands: list[Any], error: Exception
    ) -> SpecError:
        """Return the error of an operation that JAX refused, with the operands' shapes."""
        reason = _reason(error)
        shapes = {np.shape(each) for each in arrays(operands)}
        verdict = (
            "do not fit" if len(shapes) > 1 and "dtype" not in reason else "cannot be computed"
        )
        parts = [f"{self.expression.segment(node)}:", shown, verdict]
        hint = f"{reason.rstrip('.')}." if reason else ""
        return self.error(node, " ".join(part for part in parts if part), hint)

    def error(self, node: ast.expr, message: str, hint: str = "") -> SpecError:
        """Return an error with its caret under `node`."""
        return SpecError(self.expression.problem(node, message, hint))


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integers(value: Any) -> bool:
    return all(map(_integers, value)) if isinstance(value, tuple) else _integer(value)


_ACCEPTED: dict[FunctionKind, Callable[[Any], bool]] = {
    FunctionKind.ARRAYS: lambda value: isinstance(value, jax.Array),
    FunctionKind.INDEX: lambda value: _integer(value) or isinstance(value, tuple | jax.Array),
    FunctionKind.INTEGER: _integer,
    FunctionKind.INTEGERS: _integers,
    FunctionKind.FLAG: lambda value: isinstance(value, bool),
    FunctionKind.TEXT: lambda value: isinstance(value, str),
    FunctionKind.ORDER: lambda value: isinstance(value, int | float | str),
}
"""Whether a value is what a parameter of this kind takes."""


def _chosen(several: MultipleResults, parts: tuple[indexing.IndexPart, ...]) -> Any:
    """Return one of several results, or some of them."""
    if len(parts) != 1 or not isinstance(parts[0], int | slice):
        raise IndexError(f"one literal integer chooses among {len(several.values)} results")
    try:
        chosen = several.values[parts[0]]
    except IndexError:
        count = len(several.values)
        raise IndexError(f"index {parts[0]} is out of range for {count} results") from None
    return MultipleResults(chosen) if isinstance(chosen, tuple) else chosen


def _exponent(base: Any, exponent: Any) -> Any:
    """Return 2 for 2.0 above an array of floats: derivatives of a float power are NaN at 0."""
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= _INT_POWERS:
        return int(exponent) if jnp.issubdtype(base.dtype, jnp.inexact) else exponent
    return exponent


def _shown(value: Any) -> str:
    """Return an operand as messages show it: an array by its shape, a number as it is."""
    return str(value.shape) if isinstance(value, jax.Array) else repr(value)


def _reason(error: Exception) -> str:
    """Return the first line of an error if it says something to the user."""
    first = (str(error).strip().splitlines() or [""])[0]
    internal = ("Tracer", "jax.", "ArrayLike", "gufunc", "signature", "<")
    return "" if len(first) > 160 or any(word in first for word in internal) else first
