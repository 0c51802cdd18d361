"""Calls of one derivative of one function: traced and compiled once for each kind of call.

The rules are those of `jax.jit`, which does the work: a program for each function (the same
object) and each shape, dtype, weak type and tree of its arguments.  Arrays of floats, and Python's
floats, are arguments of the program.  Python's integers, texts and other objects are parts of it,
and so are small arrays of integers, because indices decide where a derivative has entries.  A
program goes when its function goes: nothing here keeps that alive.

Boundary: chooses nothing; `compute` says how a call is answered by tracing.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import jax
import numpy as np

from jaccli.derivative.captured import state
from jaccli.derivative.constants import is_inexact
from jaccli.derivative.structure_losses import StructureWarning
from jaccli.storage.lru_cache import LRUCache
from jaccli.tracer_errors import add_explanation

Tree = Any

_KINDS = 64
"""Maximum number of programs of one derivative of one function."""
_FLOATS = frozenset(map(np.dtype, (np.float64, np.float32, np.float16)))
_KNOWN = 1 << 16
"""Maximum bytes of an integer array that is a constant of a program; larger ones are arguments."""


@dataclass
class TracedCall:
    """A call of a derivative: the arguments of the function, and the resulting warnings.

    `actual` has the arguments with their numbers where `args` and `kwargs` are traced for a program
    that will serve this and later calls.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    actual: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    warnings: list[str] = field(default_factory=list)
    kind: object = None
    is_tracing: bool = False


Compute = Callable[[Callable[..., Tree], TracedCall], Tree]
"""Answers a call of a derivative of a function."""


@dataclass
class _Kind:
    """The program of one kind of call, and the shapes that it cannot be traced for."""

    run: Callable[[list[Any]], Tree]
    refused: set[Hashable] = field(default_factory=set)
    holds_static: bool = False
    array: type | None = None
    """JAX's type of arrays, where all arguments are such and the result needs no more work."""

    def takes(self, value: Any) -> bool:
        """Whether a value is an array of floats, which the program takes as it is."""
        return type(value) is self.array and cast(jax.Array, value).dtype in _FLOATS


class _NoCall(Exception):
    """A program was to be traced outside of a call that it could be traced for."""


_Kinds = LRUCache[Hashable, _Kind]
_PROGRAMS: dict[int, tuple[weakref.ref[Any], dict[Hashable, _Kinds]]] = {}
"""The programs of each live function, by its `id`."""
_CALL: ContextVar[TracedCall] = ContextVar("call")
"""The call that a program is run for, or traced."""


def repeated(f: Callable[..., Tree], options: Hashable, compute: Compute) -> Callable[..., Tree]:
    """Return `compute` as a function of the arguments of `f`, traced once for each kind of call.

    `options` tell apart the derivatives of one function.  Within JAX's transformations, and where
    a call cannot be traced without its numbers, `compute` answers each call by itself.
    """
    kinds = _kinds(f, options)
    of_arrays: dict[int, _Kind] = {}  # of so many arguments, each of them an array of floats
    of_state: list[Any] = [None]  # what `f` had captured then

    def answer(*args: Any, **kwargs: Any) -> Tree:
        now = state(f)
        if now != of_state[0]:
            of_arrays.clear()
            of_state[0] = now
        kind = None if kwargs else of_arrays.get(len(args))
        if kind is not None and all(kind.takes(arg) for arg in args):
            try:
                return kind.run(list(args))
            except _NoCall:  # it has to be traced first
                pass
        call = TracedCall(args, kwargs)
        try:
            result = _result(f, compute, kinds, call, now)
        except Exception as error:  # what JAX raises is of every type
            add_explanation(error)
            raise
        for text in call.warnings:
            warnings.warn(text, StructureWarning, stacklevel=2)
        if isinstance(call.kind, _Kind) and call.kind.array is not None:
            of_arrays[len(args)] = call.kind
        return result

    return answer


def _result(
    f: Callable[..., Tree],
    compute: Compute,
    kinds: _Kinds,
    call: TracedCall,
    captured: tuple[Hashable, ...] | None,
) -> Tree:
    """Return the result of a call, by its program if it can have one.

    A program depends on what the function had `captured` when it was traced; with None, which may
    change unseen, there is none.
    """
    leaves, structure = jax.tree.flatten((call.args, call.kwargs))
    split_leaves = None if captured is None else _split_leaves(leaves)
    if split_leaves is None:
        return compute(f, call)
    dynamic, static = split_leaves
    key = structure, static, captured
    try:
        kind = kinds.get(key)
    except (TypeError, ValueError):  # what is no leaf has no hash, or no equality
        return compute(f, call)
    if kind is None:
        kind = _kind(f, compute, structure, static, leaves)
        kinds.put(key, kind)
    if kind.refused and _shapes(dynamic) in kind.refused:
        return compute(f, call)
    call.actual, call.kind = (call.args, call.kwargs), kind
    token = _CALL.set(call)
    try:
        result = kind.run(dynamic)
    except Exception:
        if not call.is_tracing:  # it was traced, and failed as it ran
            raise
        alone = TracedCall(call.args, call.kwargs)
        result = compute(f, alone)  # or the error that JAX has of it
        kind.refused.add(_shapes(dynamic))
        kind.array = None
        call.warnings[:] = alone.warnings
        return result
    finally:
        _CALL.reset(token)
    return _without_static(result) if kind.holds_static else result


def _kinds(f: Callable[..., Tree], options: Hashable) -> _Kinds:
    """Return the programs of one derivative of a function."""
    name = id(f)
    held = _PROGRAMS.get(name)
    if held is None or held[0]() is not f:
        try:
            forget = partial(_PROGRAMS.pop, name)  # the module may be gone before the function
            reference = weakref.ref(f, lambda _: forget(None))
        except TypeError:  # it cannot be watched: its programs go with the derivative
            return LRUCache(_KINDS)
        held = _PROGRAMS[name] = (reference, {})
    return held[1].setdefault(options, LRUCache(_KINDS))


def _kind(
    f: Callable[..., Tree],
    compute: Compute,
    structure: Any,
    static: tuple[Hashable, ...],
    leaves: Sequence[Any],
) -> _Kind:
    """Return the program of calls of this structure, with these parts that are no arguments."""
    function = _reference(f)
    whole = jax.tree.structure((tuple(leaves), {})) == structure and leaves and not any(static)
    array = type(leaves[0]) if whole and isinstance(leaves[0], jax.Array) else None
    parts = [
        # An array may be changed by its owner, and a program is traced again for other shapes.
        partial(np.copy, leaf.copy()) if isinstance(leaf, np.ndarray) else _reference(leaf)
        for token, leaf in zip(static, leaves, strict=True)
        if token is not None
    ]

    def program(dynamic: list[Any]) -> Tree:
        call = _CALL.get(None)
        if call is None or call.kind is not kind:
            raise _NoCall
        call.is_tracing = True
        arguments, constants = iter(dynamic), iter(parts)
        full = [next(arguments) if token is None else next(constants)() for token in static]
        args, kwargs = jax.tree.unflatten(structure, full)
        inner = TracedCall(args, kwargs, call.actual, call.warnings)
        result = jax.tree.map(_static_unless_array, compute(function(), inner))
        kind.holds_static |= any(isinstance(leaf, _Static) for leaf in _leaves(result))
        kind.array = None if kind.refused or kind.holds_static else array
        call.is_tracing = False
        return result

    kind = _Kind(jax.jit(program))
    return kind


def _reference(value: Any) -> Callable[[], Any]:
    """Return a function that returns the value, by a weak reference if possible.

    A JAX array is referenced strongly: another array with equal numbers may use the program.
    """
    try:
        if not isinstance(value, jax.Array):
            return weakref.ref(value)
    except TypeError:
        pass
    return lambda: value


def _split_leaves(leaves: Sequence[Any]) -> tuple[list[Any], tuple[Hashable, ...]] | None:
    """Return the arguments of a program, and for each leaf a token, None for an argument.

    The token of any other leaf, a constant of the program, is hashable and identifies it.  Returns
    None if there can be no program: within a transformation, or with an unhashable object.
    """
    dynamic: list[Any] = []
    static: list[Hashable] = []
    for leaf in leaves:
        kind = type(leaf)
        token: Hashable = None
        if kind in (int, bool, str, bytes):
            token = kind, leaf
        elif isinstance(leaf, jax.core.Tracer):
            return None
        elif isinstance(leaf, np.ndarray) and kind not in (np.ndarray, np.memmap):
            return None  # with a mask, or with rules of its own
        elif isinstance(leaf, jax.Array | np.ndarray | np.generic):
            if not _is_argument(leaf):
                token = _array_token(leaf)
                if token is None:
                    return None
        elif kind not in (float, complex):
            token = state(leaf)
            if token is None:
                return None
        if token is None:
            dynamic.append(leaf)
        static.append(token)
    return dynamic, tuple(static)


def _is_argument(leaf: Any) -> bool:
    """Whether an array is an argument of a program."""
    if not isinstance(leaf.dtype, np.dtype) or leaf.dtype.kind in "fc":
        return True  # random keys, and floats
    if leaf.dtype.kind in "iub":
        whole = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable
        return leaf.nbytes > _KNOWN or not whole
    return is_inexact(leaf.dtype)  # bfloat16 and the like, which numpy does not know


def _array_token(leaf: Any) -> Hashable:
    """Return what tells an array of integers from others, None for one of objects."""
    array = np.asarray(leaf)
    if array.dtype.kind not in "iub":
        return None
    return type(leaf), array.shape, array.dtype.str, array.tobytes()


def _shapes(leaves: Sequence[Any]) -> Hashable:
    """Return the shapes and dtypes of arguments."""
    return tuple((np.shape(leaf), str(jax.numpy.result_type(leaf))) for leaf in leaves)


# Leaves of a result that are no arrays, as `has_aux` may hand through


@jax.tree_util.register_pytree_node_class
class _Static:
    """A leaf that JAX keeps beside the program that it belongs to, in the tree of its result."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def tree_flatten(self) -> tuple[tuple[()], _Identical]:
        return (), _Identical(self.value)

    @classmethod
    def tree_unflatten(cls, held: _Identical, _: tuple[()]) -> _Static:
        return cls(held.value)


@dataclass(frozen=True, eq=False)
class _Identical:
    """A value that equals itself alone, whatever its type says of equality."""

    value: Any


def _static_unless_array(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.Array) else _Static(leaf)


def _leaves(tree: Tree) -> list[Any]:
    found: list[Any] = jax.tree.leaves(tree, is_leaf=lambda leaf: isinstance(leaf, _Static))
    return found


def _without_static(tree: Tree) -> Tree:
    """Return a result with the leaves that are no arrays, of which nobody else may change one."""

    def plain(leaf: Any) -> Any:
        if not isinstance(leaf, _Static):
            return leaf
        return leaf.value.copy() if isinstance(leaf.value, np.ndarray) else leaf.value

    return jax.tree.map(plain, tree, is_leaf=lambda leaf: isinstance(leaf, _Static))
