"""What a Python function takes from elsewhere than its arguments, so that a change is seen.

A traced program holds what was captured when it was traced.  It may be run again only while that
is the same: closures, global names, defaults, and those of the functions that are called.  What may
be changed in place (a list, an array of NumPy, an object) is never the same.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Hashable, Iterator
from typing import Any

import jax
import numpy as np

_DEPTH = 12
"""Functions and tuples inside each other that are looked into."""
_LIBRARIES = (*sys.stdlib_module_names, "jax", "jaxlib", "numpy", "scipy", "jaccli", "ml_dtypes")
"""Packages whose modules do not change."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), np.dtype)
_BUILT_IN = (
    type, types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType,
    np.ufunc,
)  # fmt: skip


class MayChange(Exception):
    """Something is captured that may change unseen."""


def state(value: Any) -> tuple[Hashable, ...] | None:
    """Return what tells apart all that a function depends on; None if that cannot be known.

    Equal states of one function mean equal results for equal arguments.  The function itself is no
    part of its state, which does not keep it alive.
    """
    try:
        return tuple(_state(value, _DEPTH, {id(value)} if _is_function(value) else set()))
    except MayChange:
        return None


def _state(value: Any, depth: int, seen: set[int]) -> Iterator[Hashable]:
    kind = type(value)
    if kind in _PLAIN:
        yield kind, repr(value) if kind in (float, complex) else value
    elif isinstance(value, jax.core.Tracer) or depth == 0:
        raise MayChange
    elif _is_function(value):
        if depth < _DEPTH:
            if id(value) in seen:  # it calls itself
                return
            seen.add(id(value))
            yield _Same(value)
        yield from _of_function(value, depth, seen)
    elif isinstance(value, (*_BUILT_IN, enum.Enum)):
        yield _Same(value)
    elif isinstance(value, types.ModuleType):
        yield value.__name__
    elif isinstance(value, jax.Array):
        yield _Same(value)  # it never changes
    elif isinstance(value, np.generic):
        yield value.dtype.str, value.tobytes()
    elif kind is tuple:
        yield len(value)
        for entry in value:
            yield from _state(entry, depth - 1, seen)
    elif kind is functools.partial:
        yield from _state(value.func, depth - 1, seen)
        yield from _state((value.args, *value.keywords.items()), depth - 1, seen)
    else:
        raise MayChange


def _of_function(value: Any, depth: int, seen: set[int]) -> Iterator[Hashable]:
    if _of_library(value):
        return
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None:
        yield from _state(wrapped, depth - 1, seen)
    code = getattr(value, "__code__", None)
    if code is None:
        if wrapped is None:
            raise MayChange
        return
    for default in (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()):
        yield from _state(default, depth - 1, seen)
    for cell in value.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # it is not filled yet
            raise MayChange from None
        yield from _state(content, depth - 1, seen)
    names = set(_names(code))
    for name in sorted(names & value.__globals__.keys()):
        found = value.__globals__[name]
        yield from _state(found, depth - 1, seen)
        if isinstance(found, types.ModuleType) and not _is_library(found.__name__):
            for attribute in sorted(names & vars(found).keys()):
                yield from _state(vars(found)[attribute], depth - 1, seen)


def _is_function(value: Any) -> bool:
    return type(value) is types.FunctionType or hasattr(value, "__wrapped__")


def _of_library(value: Any) -> bool:
    name = getattr(value, "__module__", None)
    return isinstance(name, str) and _is_library(name) and not getattr(value, "__closure__", None)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, and those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


class _Same:
    """A value that equals itself alone, and lives as long as it is compared."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
