"""Calls checked against signatures: argument counts and keyword names.

Reads the signature strings of the function table.  Imports neither JAX nor numpy.
"""

from __future__ import annotations

import ast
import functools
from typing import NamedTuple

from jaccli.errors import did_you_mean
from jaccli.expression.function_table import KINDS, Function, FunctionKind
from jaccli.expression.length_limits import short

Fault = tuple[ast.AST, str, str]
"""A node, what is wrong with it, and a hint."""

Bound = dict[str, ast.expr | list[ast.expr]]
"""Parameter name to argument; a variadic parameter holds a list."""


class Parameter(NamedTuple):
    """One parameter of a function; `named` ones are given by keyword only."""

    name: str
    kind: FunctionKind
    required: bool
    variadic: bool = False
    named: bool = False


@functools.cache
def parameters(function: Function) -> tuple[Parameter, ...]:
    """Return the parameters that the function's signature declares, in order."""
    definition = ast.parse(f"def {function.signature}: ...").body[0]
    assert isinstance(definition, ast.FunctionDef)
    declared = definition.args
    required = len(declared.args) - len(declared.defaults)
    declared_parameters = [
        Parameter(arg.arg, KINDS.get(arg.arg, FunctionKind.ARRAY), index < required)
        for index, arg in enumerate(declared.args)
    ]
    if declared.vararg:
        name = declared.vararg.arg
        # The arrays of `block_diag(*arrays)` come one by one.
        kind = (
            FunctionKind.INTEGERS
            if KINDS.get(name) is FunctionKind.INTEGERS
            else FunctionKind.ARRAY
        )
        declared_parameters.append(Parameter(name, kind, required=True, variadic=True))
    declared_parameters += [
        Parameter(arg.arg, KINDS.get(arg.arg, FunctionKind.ARRAY), default is None, named=True)
        for arg, default in zip(declared.kwonlyargs, declared.kw_defaults, strict=True)
    ]
    return tuple(declared_parameters)


def bind(function: Function, call: ast.Call) -> tuple[Bound, list[Fault]]:
    """Return the arguments of `call` by parameter, and what does not fit."""
    declared = parameters(function)
    usage = f"The signature is {function.signature}: {function.summary}."
    bound: Bound = {}
    faults: list[Fault] = []
    positional = [one for one in declared if not one.named]
    variadic = next((one for one in declared if one.variadic), None)
    for index, argument in enumerate(call.args):
        if index < len(positional) and not positional[index].variadic:
            bound[positional[index].name] = argument
        elif variadic:
            variadic_arguments = bound.setdefault(variadic.name, [])
            assert isinstance(variadic_arguments, list)
            variadic_arguments.append(argument)
        else:
            message = f"takes {_count(positional)}, found {len(call.args)}"
            faults.append((argument, f"{function.name} {message}", usage))
            break
    keywords = {one.name for one in declared if not one.variadic}
    for keyword in call.keywords:
        name = keyword.arg
        if name is None:
            faults.append((keyword, "** is not allowed in a call", usage))
        elif name not in keywords:
            hint = f"{did_you_mean(name, sorted(keywords))} {usage}"
            faults.append(
                (keyword, f"{function.name} has no parameter {short(name)!r}", hint.lstrip())
            )
        elif name in bound:
            faults.append((keyword, f"{function.name} got {name!r} twice", usage))
        else:
            bound[name] = keyword.value
    missing = [one.name for one in declared if one.required and one.name not in bound]
    if missing and not any(keyword.arg is None for keyword in call.keywords):
        faults.append((call, f"{function.name} needs {' and '.join(missing)}", usage))
    return bound, faults


def _count(positional: list[Parameter]) -> str:
    """Return how many positional arguments a function takes: `1 or 2 arguments`."""
    max_count = len(positional)
    min_count = sum(one.required for one in positional)
    noun = "argument" if max_count == 1 else "arguments"
    if min_count == max_count:
        return f"{max_count} {noun}"
    return (
        f"{min_count} to {max_count} {noun}"
        if max_count - min_count > 1
        else f"{min_count} or {max_count} {noun}"
    )
