"""A sparse derivative is prepared once: where its entries stand, and how they are computed.

The structured engine's links come first.  Where they say too little, the pattern is detected and
colored.  A pattern that the user vouches for is colored as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaccli.derivative.basis import Chunked, Function, Tree, size
from jaccli.derivative.sparse import coloring_cache, compressed, detect, from_structured
from jaccli.derivative.sparse.compressed import Coloring
from jaccli.derivative.sparse.from_structured import Parametric
from jaccli.derivative.sparse.index_sets import MOST, TooDense
from jaccli.derivative.sparse.pattern import Entries, Pattern, Shape, joined
from jaccli.derivative.structure_losses import StructureError
from jaccli.derivative.trace_info import TraceInfo, from_jaxpr

_TINY = 256
"""Entries up to which a few zeros more do not matter."""
_DENSE = 0.1
"""The share of non-zeros that `auto` takes for a derivative without zeros to be found."""


class Method(Protocol):
    """What computes the entries of every block, by output, then input."""

    @property
    def entries(self) -> Sequence[Entries]:
        """Where the values of each block stand."""

    @property
    def words(self) -> str:
        """How the entries are computed."""

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block, `(computed,)`, in the order of its `entries.where`."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sparse derivative of functions of one structure: `tree(out)` of `tree(in)` (of `tree(in)`).

    `outs` and `ins` are the shapes of the rows' and columns' arrays, `structure` is the tree of
    the blocks.
    """

    method: Method
    outs: tuple[Shape, ...]
    ins: tuple[Shape, ...]
    structure: Any

    @property
    def entries(self) -> Tree:
        """Where the values of each block stand: a tree of `Entries`."""
        return jax.tree.unflatten(self.structure, self.method.entries)

    @cached_property
    def pattern(self) -> Pattern:
        """The pattern of the matrix of all blocks joined, in the order of the tree."""
        sizes = [math.prod(shape) for shape in self.outs], [math.prod(shape) for shape in self.ins]
        return joined(self.method.entries, *sizes)

    @property
    def nnz(self) -> int:
        """How many entries are stored."""
        return sum(entries.nnz for entries in self.method.entries)

    @property
    def size(self) -> int:
        """How many entries there are, zeros included."""
        return sum(entries.size for entries in self.method.entries)

    @property
    def coloring(self) -> Coloring | None:
        """The coloring that is used, if one is."""
        return getattr(self.method, "coloring", None)

    @property
    def words(self) -> str:
        """The density, and how the entries are computed."""
        return f"density {100 * self.nnz / max(self.size, 1):.3g} %, {self.method.words}"

    def values(self, f: Function, x: Tree) -> Tree:
        """Return the values of the blocks, each `(computed,)` in the order of `entries.where`."""
        return jax.tree.unflatten(self.structure, self.method.values(f, x))

    def folded(self, f: Function, x: Tree) -> Prepared:
        """Return the same, of f at this structure, with what does not depend on x computed now.

        Worth its compilation where there are many evaluations.
        """
        if not isinstance(self.method, from_structured.Linked):
            return self
        return replace(self, method=self.method.folded(f, x))

    def dense(self, f: Function, x: Tree) -> Tree:
        """Return the blocks as dense arrays, `(*out, *in)`."""
        blocks: list[Any] = []
        for entries, values in zip(self.method.entries, self.method.values(f, x), strict=True):
            if values.dtype == jax.dtypes.float0:
                blocks.append(np.zeros(entries.shape, values.dtype))
                continue
            zeros = jnp.zeros(entries.size, values.dtype)
            once = entries.nnz == entries.where.size
            filled = zeros.at[entries.where].add(values, unique_indices=once)
            blocks.append(filled.reshape(entries.shape))
        return jax.tree.unflatten(self.structure, blocks)

    def filled(self, values: Tree) -> Tree:
        """Return the blocks as dense numpy arrays, of values `(*batch, computed)` in numpy."""
        return jax.tree.map(Entries.filled, self.entries, values)

    def to_scipy(self, values: Tree) -> Any:
        """Return the `scipy.sparse.csr_array` of all blocks joined, of values in numpy or JAX."""
        from scipy.sparse import coo_array

        leaves = map(np.asarray, jax.tree.leaves(values))
        pairs = zip(self.method.entries, leaves, strict=True)
        numbers = np.concatenate([entries.collected(leaf) for entries, leaf in pairs])
        pattern = self.pattern
        return coo_array((numbers, (pattern.rows, pattern.columns)), pattern.shape).tocsr()

    def chunks(self, f: Function, x: Tree, *, dense: bool) -> Chunked:
        """Return the products of the coloring, to be taken in chunks, and what they assemble to.

        Raises:
            TypeError: there is no coloring.
        """
        if not isinstance(self.method, compressed.Colored):
            raise TypeError("without a coloring there are no products to take in chunks")

        def assembled(values: list[Any]) -> Tree:
            blocks = jax.tree.unflatten(self.structure, values)
            return self.filled(blocks) if dense else blocks

        return self.method.chunks(f, x, assembled)


def prepare(
    derivative: str,
    f: Parametric,
    x: Tree,
    rest: Tree = None,
    *,
    about: TraceInfo | None = None,
    pattern: Pattern | None = None,
    most: float = math.inf,
) -> Prepared:
    """Return the sparse `jacobian` or `hessian` of `f(x, rest)` by x, of which shapes are read.

    The result is that of every function with the structure of f.  `pattern`, of the joined matrix
    in the order of the trees, is taken as it is.  `about` says which ways are barred.  `most` is
    how many entries there may be.

    Raises:
        TooManyEntries: there are more than `most`.
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    problem = _problem(derivative, f, x, rest, about)
    if pattern is not None:
        return problem.prepared(problem.colored(problem.color(pattern)))
    return problem.prepared(_method(problem, most))


def prepared_if_colored(
    derivative: str, f: Parametric, x: Tree, rest: Tree = None, *, about: TraceInfo | None = None
) -> Prepared | None:
    """Return the same by a coloring where links say nothing, and None where they serve.

    None, too, where most entries may be non-zero.

    Raises:
        TypeError, ValueError, NotImplementedError: as `prepare`.
    """
    problem = _problem(derivative, f, x, rest, about)
    traced = from_structured.trace(problem.derivative, problem.f, problem.x, problem.rest)
    if traced.few or traced.count < _DENSE * problem.entries:
        return None
    try:
        return problem.prepared(problem.found(int(_DENSE * problem.entries)))
    except TooDense:
        return None


def prepared_by_coloring(
    derivative: str, f: Parametric, x: Tree, rest: Tree = None, *, about: TraceInfo | None = None
) -> Prepared:
    """Return the same as `prepare` by detection and coloring alone, whatever the links say."""
    problem = _problem(derivative, f, x, rest, about)
    return problem.prepared(problem.found())


def _method(problem: _Problem, most: float) -> Method:
    """Return the engine's links, or a coloring, whichever has fewer entries."""
    traced: from_structured.TracedDerivative | None = None
    failure: Exception | None = None
    try:
        traced = from_structured.trace(problem.derivative, problem.f, problem.x, problem.rest)
    except StructureError as error:  # then a coloring has to do
        failure = error
    if traced is not None and (traced.few or problem.entries <= _TINY):
        return traced.linked(most)
    try:
        found = problem.found(int(min(most, MOST)))
    except (TooDense, TypeError, ValueError, NotImplementedError) as error:
        # There are no zeros to be found, or there is no reverse mode.
        if traced is None:
            raise (failure if failure and isinstance(error, TooDense) else error) from failure
        return traced.linked(most)
    if traced is None:
        return found
    count = sum(entries.nnz for entries in found.entries)
    if traced.count > max(4 * count, _TINY) + problem.entries // 2:
        return found
    links = traced.linked(most)
    return links if sum(entries.nnz for entries in links.entries) <= count else found


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is prepared: a derivative of `f(x, rest)` by x, at shapes."""

    derivative: str
    f: Parametric
    x: Tree
    rest: Tree
    about: TraceInfo

    @cached_property
    def out(self) -> Tree:
        """The shapes of the outputs."""
        return jax.eval_shape(self.f, self.x, self.rest)

    @property
    def outs(self) -> tuple[Shape, ...]:
        """The shape of each output."""
        return _shapes(self.out)

    @property
    def ins(self) -> tuple[Shape, ...]:
        """The shape of each array of x."""
        return _shapes(self.x)

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the matrix; a Hessian's rows count outputs and inputs."""
        rows, columns = size(self.out), size(self.x)
        return (rows, columns) if self.derivative == "jacobian" else (rows * columns, columns)

    @property
    def entries(self) -> int:
        """How many entries there are, zeros included."""
        return math.prod(self.shape)

    @property
    def structure(self) -> Any:
        """The tree of the blocks."""
        by_input = self.x
        if self.derivative == "hessian":
            by_input = jax.tree.map(lambda _: self.x, self.x)
        return jax.tree.structure(jax.tree.map(lambda _: by_input, self.out))

    def prepared(self, method: Method) -> Prepared:
        """Return the derivative that is computed by `method`."""
        rows = self.outs
        if self.derivative == "hessian":
            rows = tuple((*out, *wrt) for out in self.outs for wrt in self.ins)
        return Prepared(method, rows, self.ins, self.structure)

    def found(self, most: int = MOST) -> Method:
        """Return the derivative by the coloring that is remembered, or found and remembered now.

        Raises:
            TooDense: the sets of an array have more than `most` entries.
        """
        if self.derivative == "hessian" and size(self.out) > 1:
            return self._composed(most)
        name = coloring_cache.key(self.derivative, self.f, self.x, self.rest, self._barred)
        coloring = coloring_cache.recall(name, self.shape)
        if coloring is None:
            coloring = self.color(detect.PATTERNS[self.derivative](self.f, self.x, self.rest, most))
            coloring_cache.keep(name, coloring)
        return self.colored(coloring)

    @property
    def _barred(self) -> tuple[bool, bool]:
        return self.about.no_forward, self.about.no_reverse

    def color(self, pattern: Pattern) -> Coloring:
        """Return a coloring of the joined matrix."""
        return compressed.color(self.derivative, pattern, *self._barred)

    def colored(self, coloring: Coloring) -> compressed.Colored:
        """Return what computes the blocks with a coloring."""
        rows = self.outs if self.derivative == "jacobian" else self.ins
        return compressed.colored(coloring, rows, self.ins)

    def _composed(self, most: int) -> Method:
        """Return the Hessian of several numbers: the Jacobian of the Jacobian's entries."""
        inner = _Problem("jacobian", self.f, self.x, self.rest, self.about).found(most)

        def values(x: Tree, rest: Tree) -> list[Any]:
            return inner.values(partial(_with, self.f, rest), x)

        outer = _Problem("jacobian", values, self.x, self.rest, self.about).found(most)
        return _Composed(inner, outer, self.ins)


@dataclass(frozen=True, eq=False)
class _Composed:
    """The Jacobian `outer` of the values of the Jacobian `inner`, by inputs of the shapes `ins`."""

    inner: Method
    outer: Method
    ins: tuple[Shape, ...]

    @property
    def words(self) -> str:
        """How the entries are computed."""
        return f"{self.outer.words} of the Jacobian, which has {self.inner.words}"

    @cached_property
    def entries(self) -> list[Entries]:
        """An entry stands where the value stood that it is the derivative of, at its own input."""
        found = []
        for number, block in enumerate(self.outer.entries):
            first, second = divmod(number, len(self.ins))
            value, column = divmod(block.where, math.prod(self.ins[second]))
            stood = self.inner.entries[first]
            where = stood.where[value] * math.prod(self.ins[second]) + column
            found.append(Entries(where, (*stood.shape, *self.ins[second])))
        return found

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block."""
        return self.outer.values(partial(self.inner.values, f), x)


def _problem(
    derivative: str, f: Parametric, x: Tree, rest: Tree, about: TraceInfo | None
) -> _Problem:
    """Return the problem with the traced arrays that f holds among `rest`: shapes, no numbers."""
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(x, rest)
    if about is None:
        count = len(jax.tree.leaves(x))
        varied = [k < count for k in range(len(jaxpr.in_avals))]
        about = from_jaxpr(jaxpr, varied, size(x), size(out))
    traced = [isinstance(const, jax.core.Tracer) for const in jaxpr.consts]
    if not any(traced):
        return _Problem(derivative, f, x, rest, about)
    structure = jax.tree.structure(out)
    held = [const for const, flag in zip(jaxpr.consts, traced, strict=True) if flag]

    def lifted(x: Tree, more: Tree) -> Tree:
        rest, given = more
        numbers = iter(given)
        consts = [
            next(numbers) if flag else const
            for const, flag in zip(jaxpr.consts, traced, strict=True)
        ]
        call = jaxpr_as_fun(ClosedJaxpr(jaxpr.jaxpr, consts))
        return jax.tree.unflatten(structure, call(*jax.tree.leaves((x, rest))))

    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in held]
    return _Problem(derivative, lifted, x, (rest, shapes), about)


def _with(f: Parametric, rest: Tree, x: Tree) -> Tree:
    return f(x, rest)


def _shapes(tree: Tree) -> tuple[Shape, ...]:
    return tuple(tuple(leaf.shape) for leaf in jax.tree.leaves(tree))
