"""The operations of Python models: equations of the jaxpr, with the user's line of each.

Calls are followed, and so are the bodies of loops and branches (`control_flow`).
"""

from __future__ import annotations

import linecache
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.derivative.constants import known_literal
from jaccli.derivative.jaxprs import chosen, closed_parts, depends, evaluate
from jaccli.derivative.primitives import bind
from jaccli.diagnose import control_flow
from jaccli.diagnose.operations import (
    COMPARISONS,
    PIECEWISE_CONSTANT,
    ComparedOperands,
    Origin,
    Step,
    Watch,
)
from jaccli.errors import Place, Problem
from jaccli.plan import Plan
from jaccli.tracer_errors import is_users

_CALLS = {"jit": "jaxpr", "closed_call": "call_jaxpr", "remat2": "jaxpr"}
"""Calls that are followed, and the parameter that holds what they call."""
_RULES = {"custom_jvp_call": "custom_jvp", "custom_vjp_call": "custom_vjp"}
"""Calls with a rule of their own: those of the user's functions are followed too."""

_FUNCTIONS = {
    "max": ("maximum", "x1 x2"),
    "min": ("minimum", "x1 x2"),
    "mul": ("multiply", "x1 x2"),
    "div": ("divide", "x1 x2"),
    "pow": ("power", "x1 x2"),
    "rem": ("fmod", "x1 x2"),
    "atan2": ("arctan2", "x1 x2"),
    "lt": ("less", "x1 x2"),
    "le": ("less_equal", "x1 x2"),
    "gt": ("greater", "x1 x2"),
    "ge": ("greater_equal", "x1 x2"),
    "eq": ("equal", "x1 x2"),
    "ne": ("not_equal", "x1 x2"),
    "select_n": ("where", "condition y x"),
    "clamp": ("clip", "min x max"),
    "reduce_max": ("max", "x"),
    "reduce_min": ("min", "x"),
    "acos": ("arccos", "x"),
    "asin": ("arcsin", "x"),
    "acosh": ("arccosh", "x"),
    "atanh": ("arctanh", "x"),
    "erf_inv": ("erfinv", "x"),
}
"""The functions that primitives stand for, with their parameters; others keep their own name."""

_ORDER = ["condition", "x", "y", "x1", "x2", "min", "max"]
"""Parameters as the functions take them."""

_CARRY = ("broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "copy")
"""Operations that do not change the entries of a condition."""
_LOGIC = ("and", "or", "not", "xor")
_UNNAMED = {"x1": "left", "x2": "right"}
_BRANCHES = {"x": "the first branch", "y": "the second branch"}


@dataclass(frozen=True)
class Value:
    """A value of the evaluation: whether it has a derivative, its name, what it was compared of."""

    array: Any
    varies: bool = False
    name: str = ""
    comparisons: tuple[ComparedOperands, ...] = ()


@dataclass(frozen=True)
class JaxprOperation:
    """An equation of a jaxpr: an Origin.

    `names` are how the operands are written, by parameter; `line` is the equation that the user's
    line made: this one, or the call of a library's function that it is in.  `rule` is the kind of
    the user's own rule that it is differentiated by, if any.
    """

    eqn: Any
    function: str
    names: Mapping[str, str]
    line: Any
    rule: str = ""

    @property
    def key(self) -> Hashable:
        """The equation itself."""
        return id(self.eqn)

    @property
    def text(self) -> str:
        """The operation with its operands, those without a name by dtype and shape."""
        if self.function == "cond":
            return "cond"
        avals = [v.aval for v in self.eqn.invars]
        shapes = [f"{aval.dtype}[{','.join(map(str, aval.shape))}]" for aval in avals]
        shown = dict(zip(self.names, shapes, strict=False))
        ordered = sorted(shown, key=_ORDER.index)
        return f"{self.function}({', '.join(self.names[name] or shown[name] for name in ordered)})"

    def operand(self, name: str) -> str:
        """Return an operand's name, or what it is to the operation."""
        branches = _BRANCHES if self.function in ("where", "cond") else {}
        return self.names.get(name) or {**_UNNAMED, **branches}.get(name, "argument")

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a problem at the user's line."""
        return Problem(message, place=_place(self.line), hint=hint)

    def is_within(self, other: Origin) -> bool:
        """False: the operations around an equation are not known."""
        return False

    def guarded(self, operand: str, safe: str) -> str:
        """Return an empty text, for the same reason."""
        return ""


def _place(eqn: Any) -> Place | None:
    """Return the user's line that an equation comes from, if JAX knows it."""
    traceback = getattr(eqn.source_info, "traceback", None)
    for frame in getattr(traceback, "frames", ()):
        if is_users(frame.file_name):
            line = linecache.getline(frame.file_name, frame.line_num).rstrip()
            indent = len(line) - len(line.lstrip())
            file = Path(frame.file_name)
            shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
            return Place(str(shown), frame.line_num, indent + 1, line.strip(), 0, len(line.strip()))
    return None


def _function(eqn: Any) -> tuple[str, list[str]]:
    """Return the function that an equation stands for, and its parameters."""
    name = eqn.primitive.name
    if name == "custom_jvp_call":  # a rule of its own around one function, as that of relu
        within = eqn.params["call_jaxpr"].eqns
        name = str(within[0].params.get("name", name)) if len(within) == 1 else name
    function, parameters = _FUNCTIONS.get(name, (name, "x"))
    return function, parameters.split()


def _varying(jaxpr: Any, live: set[Any]) -> Iterator[Any]:
    """Yield the equations with an operand that has a derivative, or is a comparison of such."""
    for eqn in jaxpr.eqns:
        varies = [depends(v, live) for v in eqn.invars]
        if not any(varies):
            continue
        inner = _called(eqn)
        if inner is not None:
            called, _ = closed_parts(inner)
            within = chosen(called.invars, varies)
            yield from _varying(called, within)
            results = zip(eqn.outvars, called.outvars, strict=True)
            live.update(v for v, out in results if depends(out, within))
            continue
        for body in control_flow.inner(eqn):
            yield from _varying(body.jaxpr, set(body.jaxpr.invars))
        yield eqn
        if _keeps(eqn) or any(v.aval.dtype == bool for v in eqn.outvars):
            live.update(eqn.outvars)


def _keeps(eqn: Any) -> bool:
    """Whether the results have a derivative when an operand has."""
    flat = _function(eqn)[0] in PIECEWISE_CONSTANT or eqn.primitive.name == "stop_gradient"
    return not flat and any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in eqn.outvars)


def _called(eqn: Any) -> Any:
    """Return the jaxpr that an equation calls, closed or not, or None."""
    if eqn.primitive.name in _RULES:
        inner = eqn.params["call_jaxpr"]
        return inner if _is_users(inner) else None
    name = _CALLS.get(eqn.primitive.name)
    if name is None:
        return None
    return eqn.params[name]


def names_of(plan: Plan) -> set[str]:
    """Return the functions of all steps."""
    jaxpr = plan.facts.jaxpr.jaxpr
    flags = zip(jaxpr.invars, sorted(plan.model.primals), strict=True)
    live = {v for v, name in flags if name in plan.model.wrt}
    functions = {_function(eqn)[0] for eqn in _varying(jaxpr, live)}
    return functions if functions & {*COMPARISONS} else functions - {"multiply"}


def run(
    plan: Plan, inputs: Mapping[str, Any], watch: Watch, include_constants: bool
) -> dict[str, Any]:
    """Return the outputs by name; see `operations.run`."""
    closed = plan.facts.jaxpr
    wrt = [*inputs] if include_constants else plan.model.wrt
    values = [Value(inputs[name], name in wrt, name) for name in sorted(inputs)]
    results = _interpret(closed, values, watch)
    return dict(zip(sorted(plan.outputs), (value.array for value in results), strict=True))


@dataclass(frozen=True)
class _CallSite:
    """Where a jaxpr is called: the library's call that it is in, the user's rule, if it counts."""

    line: Any = None
    rule: str = ""
    active: Any = True


def _interpret(
    called: Any, arguments: Sequence[Value], watch: Watch, at: _CallSite = _CallSite()
) -> list[Value]:
    """Return the results of a jaxpr, its equations taken one by one."""

    def results(eqn: Any, operands: Sequence[Value]) -> list[Value]:
        inner = _called(eqn)
        if inner is None:
            return _control_flow(eqn, operands, watch, at) or _apply(eqn, operands, watch, at)
        within = eqn if at.line is None and not _is_users(inner) else at.line
        rule = _RULES.get(eqn.primitive.name, at.rule)
        return _interpret(inner, operands, watch, _CallSite(within, rule, at.active))

    def literal(atom: Any) -> Value:
        return Value(known_literal(atom, atom.val), name=f"{atom.val:.6g}")

    jaxpr, consts = closed_parts(called)
    return evaluate(
        jaxpr, list(map(Value, consts)), arguments, results, literal=literal, every=True
    )


def _control_flow(
    eqn: Any, operands: Sequence[Value], watch: Watch, at: _CallSite
) -> list[Value] | None:
    """Return the results of a loop or of branches taken apart, or None."""
    if not control_flow.inner(eqn) or not any(
        value.varies or value.comparisons for value in operands
    ):
        return None
    varies = any(value.varies for value in operands)

    def run(body: Any, arrays: Sequence[Any], active: Any) -> list[Any]:
        floats = [jnp.issubdtype(jnp.result_type(array), jnp.inexact) for array in arrays]
        names = [value.name for value in operands] if eqn.primitive.name != "cond" else [
            value.name for value in operands[1:]
        ]  # fmt: skip
        named = names if len(names) == len(arrays) else [""] * len(arrays)
        given = [
            Value(array, varies and each, name)
            for array, each, name in zip(arrays, floats, named, strict=True)
        ]
        place = _CallSite(at.line, at.rule, active)
        return [value.array for value in _interpret(body, given, watch, place)]

    arrays = [value.array for value in operands]
    keeps = _keeps(eqn) and varies
    if eqn.primitive.name != "cond":
        take = control_flow.scan if eqn.primitive.name == "scan" else control_flow.loop
        results = take(eqn, arrays, at.active, run)
        return None if results is None else [Value(array, keeps) for array in results]
    branches = control_flow.branches(eqn, arrays, at.active, run)
    if len(branches) != 2:
        selected = [jax.lax.select_n(arrays[0], *each) for each in zip(*branches, strict=True)]
        return [Value(array, keeps) for array in selected]
    return [
        _branch_result(eqn, operands[0], y, x, watch, at) for y, x in zip(*branches, strict=True)
    ]


def _branch_result(eqn: Any, index: Value, y: Any, x: Any, watch: Watch, at: _CallSite) -> Value:
    """Return one result of a `cond` as that of a `where` between its branches."""
    condition = index.array.astype(bool)
    result = jnp.where(condition, x, y)
    if not jnp.issubdtype(result.dtype, jnp.inexact):
        return Value(result)
    origin = JaxprOperation(eqn, "cond", {}, eqn if at.line is None else at.line, at.rule)
    compared = tuple(
        each for each in index.comparisons if not (jnp.ndim(each.left) or jnp.ndim(each.right))
    )
    arguments = {"condition": condition, "x": x, "y": y}
    step = Step("where", arguments, result, origin, compared, at.active)
    shown = watch(step)
    return Value(shown if shown.dtype == result.dtype else result, _keeps(eqn))


def _is_users(called: Any) -> bool:
    """Whether a jaxpr is of a function that the user wrote; those of libraries are traced once."""
    source = (
        getattr(getattr(closed_parts(called)[0], "debug_info", None), "func_src_info", None) or ""
    )
    return is_users(str(source).rpartition(" at ")[2].rpartition(":")[0])


def _apply(eqn: Any, operands: Sequence[Value], watch: Watch, at: _CallSite) -> list[Value]:
    """Return the results of one equation, shown to the watch if it is a step."""
    arrays = bind(eqn, [value.array for value in operands])
    if not arrays:  # a print
        return []
    if not any(value.varies or value.comparisons for value in operands):
        kept = operands[0].name if eqn.primitive.name in _CARRY and not jnp.ndim(arrays[0]) else ""
        return [Value(array, name=kept) for array in arrays]
    function, parameters = _function(eqn)
    named = dict(zip(parameters, operands, strict=False))
    arguments = {name: value.array for name, value in named.items()}
    compared = tuple(each for value in operands for each in value.comparisons)
    keeps = _keeps(eqn)
    if function in COMPARISONS:
        sides = [value.name or _UNNAMED[key] for key, value in named.items()]
        compared = (ComparedOperands(COMPARISONS[function], *arguments.values(), *sides),)
    elif eqn.primitive.name in _CARRY:
        compared = tuple(_carry_comparison(eqn, each) for each in compared)
        name = operands[0].name if eqn.primitive.name == "convert_element_type" else ""
        return [Value(arrays[0], keeps, name, compared)]
    if eqn.primitive.name == "sort" and len(operands) > 1:
        function = "sort of several"
    arguments |= _parameters(eqn)
    names = {name: value.name for name, value in named.items()}
    origin = JaxprOperation(eqn, function, names, eqn if at.line is None else at.line, at.rule)
    given = tuple(arrays) if len(arrays) > 1 else arrays[0]
    result = watch(Step(function, arguments, given, origin, compared, at.active))
    carried = compared if function in COMPARISONS or eqn.primitive.name in _LOGIC else ()
    results = result if isinstance(result, tuple) else (result,)
    # What a watch adds to a result must not change its dtype: the next equation relies on that.
    same = [
        array if array.dtype == before.dtype else before
        for array, before in zip(results, arrays, strict=True)
    ]
    return [Value(array, keeps, "", carried) for array in same]


def _parameters(eqn: Any) -> dict[str, Any]:
    """Return an equation's parameters as the function of the table takes them."""
    if eqn.primitive.name in ("reduce_max", "reduce_min"):
        return {"axis": tuple(eqn.params["axes"])}
    return {"axis": eqn.params["dimension"]} if eqn.primitive.name == "sort" else {}


def _carry_comparison(eqn: Any, compared: ComparedOperands) -> ComparedOperands:
    """Return a comparison whose entries have been moved as its truth values have been."""
    if eqn.primitive.name == "convert_element_type":
        return compared
    shape = eqn.invars[0].aval.shape

    def carry(side: Any) -> Any:
        return bind(eqn, [side])[0] if jnp.shape(side) == shape else side

    return compared._replace(left=carry(compared.left), right=carry(compared.right))
