"""The operations of expressions, from the syntax tree, with their text and place."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from jaccli.diagnose.operations import (
    ALIASES,
    COMPARISONS,
    PIECEWISE_CONSTANT,
    SYMBOLS,
    ComparedOperands,
    Origin,
    Step,
    Watch,
)
from jaccli.errors import Problem
from jaccli.expression import FUNCTIONS, Expression
from jaccli.expression.signature import bind
from jaccli.expression.syntax import OPERATORS
from jaccli.models.model import of_expressions
from jaccli.plan import Plan
from jaccli.spec import ExpressionModel

_ATOMS = ast.Name | ast.Call | ast.Subscript | ast.Constant | ast.List
_LOGIC = {"logical_and", "logical_or", "logical_not", "logical_xor"}


def function_of(node: ast.AST) -> str | None:
    """Return the function that a node calls; for an operator, the equivalent function."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return ALIASES.get(name, name)
        case ast.IfExp():
            return "where"
        case ast.BinOp(op=op):
            return SYMBOLS[OPERATORS[type(op)]]
        case ast.UnaryOp(op=op):
            symbol = OPERATORS[type(op)]
            return {"-": "negative", "+": "positive"}.get(symbol) or SYMBOLS[symbol]
        case ast.Compare(ops=[op, *_]):
            return SYMBOLS[OPERATORS[type(op)]]
        case ast.Subscript():
            return "index"
        case _:
            return None


def operands(node: ast.AST) -> dict[str, ast.expr | list[ast.expr]]:
    """Return the operands of a node by the names of the parameters that they are given to."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return bind(FUNCTIONS[name], node)[0]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return {"condition": test, "x": body, "y": orelse}
        case ast.BinOp(left=left, right=right):
            return {"x1": left, "x2": right}
        case ast.UnaryOp(operand=operand):
            return {"x": operand}
        case ast.Subscript(value=value):
            return {"x": value}
        case _:
            return {}


@dataclass(frozen=True)
class ExpressionOperation:
    """An operation of an expression: an Origin."""

    expression: Expression
    node: ast.expr

    @property
    def key(self) -> Hashable:
        """The operation's node."""
        return id(self.node)

    @property
    def text(self) -> str:
        """The operation as it is written."""
        return self.expression.segment(self.node)

    @property
    def rule(self) -> str:
        """None: expressions have no rules of their own."""
        return ""

    def operand(self, name: str) -> str:
        """Return one operand as it is written, in brackets where an index needs them."""
        node = operands(self.node).get(name)
        return written(self.expression, node) if isinstance(node, ast.AST) else name

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a problem with its caret under the operation."""
        return self.expression.problem(self.node, message, hint)

    def is_within(self, other: Origin) -> bool:
        """Whether the operation is part of another."""
        return isinstance(other, ExpressionOperation) and any(
            each is self.node for each in ast.walk(other.node)
        )

    def rewritten(self, operand: str, text: str) -> tuple[Expression, str]:
        """Return the expression and its text with another one for an operand, or for the whole.

        For the `where` around the operation if the text is what `guarded` gives.
        """
        node: ast.AST = self.node
        around = self._around()
        if operand == "where" and around:
            node = around[0]
        elif operand:
            node = _only(operands(self.node)[operand])
        assert isinstance(node, ast.expr)
        start, end = self.expression.span(node)
        full_text = self.expression.text
        return self.expression, f"{full_text[:start]}({text}){full_text[end:]}"

    def _around(self) -> tuple[ast.AST, str] | tuple[()]:
        """Return the innermost `where` around the operation, and in which branch it is."""
        around = [
            (node, name)
            for node in ast.walk(self.expression.tree)
            if function_of(node) == "where"
            for name in ("x", "y")
            if any(each is self.node for each in ast.walk(_only(operands(node)[name])))
        ]
        return around[-1] if around else ()

    def guarded(self, operand: str, safe: str) -> str:
        """Return the innermost `where` around the operation, its operand made `safe` off-branch.

        Empty where there is none.
        """
        inner = operands(self.node).get(operand)
        if not isinstance(inner, ast.expr):
            return ""
        around = self._around()
        if not around:
            return ""
        node, name = around
        text = self.expression.text
        text_of = partial(_text, self.expression)
        values = text_of(inner), safe
        branches = values if name == "x" else values[::-1]
        guard = f"where({text_of(_only(operands(node)['condition']))}, {', '.join(branches)})"
        (start, end), (first, last) = self.expression.span(node), self.expression.span(inner)
        return " ".join((text[start:first] + guard + text[last:end]).split())


def _only(operand: ast.expr | list[ast.expr]) -> ast.expr:
    """Return an operand of which there is one."""
    assert isinstance(operand, ast.expr)
    return operand


def _text(expression: Expression, node: ast.expr) -> str:
    """Return the whole text of a node."""
    start, end = expression.span(node)
    return expression.text[start:end]


def written(expression: Expression, node: ast.expr) -> str:
    """Return the text of a node, in brackets unless it is a name, a number, a call or an index."""
    text = expression.segment(node)
    number = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    return text if isinstance(node, _ATOMS) or number else f"({text})"


@dataclass(frozen=True)
class DependencyAnalysis:
    """Which nodes of expressions depend on the wrt inputs, without evaluating them.

    `live` are the expressions that the outputs need, in order; `moving` has the ids of the nodes
    whose value has a derivative.
    """

    live: dict[str, Expression]
    moving: frozenset[int]

    @staticmethod
    def of(model: ExpressionModel, wrt: tuple[str, ...]) -> DependencyAnalysis:
        """Read the model's expressions."""
        needed = set(model.outputs)
        for name, expression in reversed(model.expressions.items()):
            if name in needed:
                needed.update(expression.names)
        live = {name: each for name, each in model.expressions.items() if name in needed}
        varying = {name for name in wrt if name not in model.expressions}
        moving: set[int] = set()
        for name, expression in live.items():
            for node in _bottom_up(expression.tree):
                inside = any(id(child) in moving for child in ast.iter_child_nodes(node))
                named = isinstance(node, ast.Name) and node.id in varying
                if named or (inside and function_of(node) not in PIECEWISE_CONSTANT):
                    moving.add(id(node))
            if id(expression.tree) in moving:
                varying.add(name)
        return DependencyAnalysis(live, frozenset(moving))

    def is_step(self, node: ast.AST) -> bool:
        """Whether an argument of an operation, or its condition, depends on the wrt inputs."""
        if any(id(child) in self.moving for child in ast.iter_child_nodes(node)):
            return True
        condition = self.condition(node)
        return condition is not None and any(map(self.is_step, self.compared(condition)))

    def names(self) -> set[str]:
        """Return the functions of all steps; `multiply` only where it is by a truth value."""
        return {
            name
            for expression in self.live.values()
            for node in ast.walk(expression.tree)
            if (name := function_of(node)) and self.is_step(node)
            if name != "multiply" or self.condition(node) is not None
        }

    def condition(self, node: ast.AST) -> ast.expr | None:
        """Return the condition of a `where`, or the factor of a product that is a truth value."""
        factors = {"where": ("condition",), "multiply": ("x1", "x2")}.get(function_of(node) or "")
        for name in factors or ():
            operand = operands(node)[name]
            if isinstance(operand, ast.expr) and self.is_truth(operand):
                return operand
        return None

    def is_truth(self, node: ast.expr) -> bool:
        """Whether a node is a comparison, or a logical combination of comparisons."""
        if isinstance(node, ast.Name) and node.id in self.live:
            return self.is_truth(self.live[node.id].tree)
        return function_of(node) in {*COMPARISONS, *_LOGIC}

    def compared(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yield the nodes below a condition that compare, those of earlier expressions too."""
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and each.id in self.live:
                yield from self.compared(self.live[each.id].tree)
            elif isinstance(each, ast.expr) and function_of(each) in COMPARISONS:
                yield each


def _bottom_up(tree: ast.expr) -> list[ast.AST]:
    """Return the nodes of a tree, each after what is below it."""
    return list(ast.walk(tree))[::-1]


def run(
    plan: Plan,
    model: ExpressionModel,
    inputs: Mapping[str, Any],
    watch: Watch,
    include_constants: bool,
) -> dict[str, Any]:
    """Return the outputs by name; see `operations.run`."""
    watching = _Watching(DependencyAnalysis.of(model, plan.model.wrt), watch, include_constants)
    return of_expressions(model, plan.spec.dtype, plan.budget, watching)(inputs)


@dataclass(frozen=True)
class _Watching:
    """Makes steps of the operations of one evaluation: an `expression.evaluation.Watch`."""

    reading: DependencyAnalysis
    watch: Watch
    include_constants: bool

    @cached_property
    def expressions(self) -> frozenset[int]:
        """The expressions that the outputs need."""
        return frozenset(map(id, self.reading.live.values()))

    @cached_property
    def comparisons(self) -> dict[int, list[ComparedOperands]]:
        """What was compared so far, by node; `a < b < c` compares twice."""
        return {}

    def __call__(
        self,
        expression: Expression,
        node: ast.expr,
        name: str,
        arguments: Mapping[str, Any],
        result: Any,
    ) -> Any:
        if id(expression) not in self.expressions or not (
            self.include_constants or self.reading.is_step(node)
        ):
            return result
        name = ALIASES.get(name, name)
        name = SYMBOLS.get(name, name) if "x2" in arguments else name
        if name in COMPARISONS:
            self.compare(expression, node, name, arguments)
        condition = self.reading.condition(node)
        compared = () if condition is None else tuple(self.conditions(condition))
        step = Step(name, arguments, result, ExpressionOperation(expression, node), compared)
        return self.watch(step)

    def compare(
        self, expression: Expression, node: ast.expr, name: str, arguments: Mapping[str, Any]
    ) -> None:
        """Record a comparison, for conditions that contain it."""
        seen = self.comparisons.setdefault(id(node), [])
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators][len(seen) : len(seen) + 2]
        else:
            sides = [side for side in operands(node).values() if isinstance(side, ast.expr)]
        left, right = (written(expression, side) for side in sides)
        a, b = arguments.values()
        seen.append(ComparedOperands(COMPARISONS[name], a, b, left, right))

    def conditions(self, condition: ast.expr) -> Iterator[ComparedOperands]:
        """Yield the comparisons of a condition."""
        for node in self.reading.compared(condition):
            yield from self.comparisons.get(id(node), ())
