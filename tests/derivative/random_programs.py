"""Random JAX programs f: R^n -> R^m, drawn from a seed and written as Python.

A program is a list of statements; each is one move of the tables in `program_moves.py`.

    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> program = draw_program(7)
    >>> program.text == draw_program(7).text
    True

Boundary: knows nothing of jaccli.  JAX must be in double precision.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from textwrap import indent
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .program_moves import GROUPS, HELPERS, IMPORTS, KNOWN, MOVES, SEEN

Shape = tuple[int, ...]
SMALL = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 36)
LARGE = (50, 64, 90)
"""How long x may be; every eighth program is large."""
MOST, MOST_OF_LARGE = 48, 200
"""Numbers of a value: what has more is cut."""
SINGLE = 2e-3
DOUBLE = 1e-7
"""Tolerances, relative to the largest entry, of programs with and without float32 inside."""
STRIDE = 89
"""A prime: seed k must use move 89 k of the table, so that few seeds cover much of it."""


def _namespace(sources: Sequence[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec("\n".join([IMPORTS, *sources]), names)
    return names


_NAMES = _namespace(list(HELPERS.values()))


@dataclass(frozen=True)
class Value:
    """A variable of a program: an array of floats."""

    name: str
    shape: Shape

    def __str__(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Statement:
    """The lines that define one value, by the move of that name."""

    move: str
    lines: tuple[str, ...]
    value: Value


@dataclass(frozen=True)
class Program:
    """A function of x, `(n,)`, as statements and the expression that it returns."""

    seed: int
    n: int
    statements: tuple[Statement, ...]
    result: str

    @property
    def moves(self) -> tuple[str, ...]:
        """The moves, in order."""
        return tuple(statement.move for statement in self.statements)

    @property
    def body(self) -> str:
        """The definition of f, each statement under the name of its move."""
        lines = [f"def f(x):  # x.shape == ({self.n},)"]
        for statement in self.statements:
            lines += [f"    # {statement.move}", *(f"    {line}" for line in statement.lines)]
        return "\n".join([*lines, f"    return {self.result}"])

    @property
    def text(self) -> str:
        """The program as a Python module."""
        return "\n".join([IMPORTS, *_used(self.body), "", self.body, ""])

    @cached_property
    def f(self) -> Callable[[Any], Any]:
        """The function."""
        function: Callable[[Any], Any] = _namespace([*_used(self.body), self.body])["f"]
        return function

    def scaled(self, factor: Any) -> Callable[[Any], Any]:
        """Return the function with its arrays of constants times a factor."""
        names = _namespace([*_used(self.body), self.body])
        plain = names.get("const")
        names["const"] = lambda *args: factor * plain(*args)
        function: Callable[[Any], Any] = names["f"]
        return function

    @property
    def tolerance(self) -> float:
        """How far derivatives may be apart, relative to the largest entry."""
        return SINGLE if "float32" in self.body else DOUBLE

    def point(self, number: int = 0) -> NDArray[np.float64]:
        """Return one of many points: entries within 1.5, their absolute values apart."""
        draw = np.random.default_rng([self.seed, number])
        apart = (draw.permutation(self.n) + draw.uniform(0.2, 0.8, self.n)) / self.n
        signs: NDArray[np.float64] = np.where(draw.random(self.n) < 0.4, -1.0, 1.0)
        return signs * (0.2 + 1.3 * apart)

    def without(self, position: int) -> Program:
        """Return the program with one statement's value taken from x alone."""
        old = self.statements[position]
        line = f"{old.value} = jnp.resize(x, {old.value.shape})"
        statements = list(self.statements)
        statements[position] = Statement("from x", (line,), old.value)
        return replace(self, statements=tuple(statements)).pruned()

    def pruned(self) -> Program:
        """Return the program without the statements that its result does not need."""
        kept: list[Statement] = []
        text = self.result
        for statement in reversed(self.statements):
            if re.search(rf"\b{statement.value}\b", text):
                kept.append(statement)
                text = "\n".join([text, *statement.lines])
        return replace(self, statements=tuple(kept[::-1]))


def _used(body: str) -> list[str]:
    return [source for name, source in HELPERS.items() if re.search(rf"\b{name}\b", body)]


_HOLE = re.compile(r"\{(\w+)\}")


@dataclass
class Block:
    """The statements of a function that is being written, and what they may use.

    `way` is the one direction that must stay open (`fwd`, `rev`); else both must.  A value has at
    most `most` numbers.
    """

    draw: np.random.Generator
    values: list[Value]
    outer: list[Value] = field(default_factory=list)
    depth: int = 0
    way: str = ""
    most: int = MOST
    count: list[int] = field(default_factory=lambda: [0])
    statements: list[Statement] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)

    # What a move may ask for

    def integer(self, low: int, high: int) -> int:
        """Return one of low ... high."""
        return int(self.draw.integers(low, high + 1))

    def choice(self, options: Sequence[Any]) -> Any:
        """Return one of the options."""
        return options[self.integer(0, len(options) - 1)]

    def number(self, low: float = 0.3, high: float = 1.2) -> str:
        """Return a number as text."""
        return f"{self.draw.uniform(low, high):.3f}"

    def signed(self) -> str:
        """Return a factor: not small, not large."""
        return self.choice(["", "-"]) + self.number()

    def const(self, *shape: int) -> str:
        """Return an array of constants."""
        return f"const({', '.join(map(str, (self.integer(0, 999), *shape)))})"

    def indices(self, count: int, n: int) -> str:
        """Return a numpy array of so many indices, negative ones among them."""
        return f"np.array({self.draw.integers(-n, n, count).tolist()})"

    def permutation(self, n: int) -> str:
        """Return a numpy array of the indices up to n."""
        return f"np.array({self.draw.permutation(n).tolist()})"

    def key(self) -> str:
        """Return a random key, of either kind."""
        return f"jax.random.{self.choice(['key', 'key', 'PRNGKey'])}({self.integer(0, 99)})"

    def known(self, n: int) -> str:
        """Return indices below n that do not depend on x."""
        return self.filled(self.choice(list(KNOWN.values())), Value("x", (n,)))

    def seen(self, n: int) -> str:
        """Return indices below n that depend on x."""
        return self.filled(self.choice(list(SEEN.values())), Value("x", (n,)))

    def other(self, shape: Shape) -> str:
        """Return a value of this shape, made of any that there is."""
        value = self.choice([*self.values, *self.outer])
        if value.shape == shape:
            return str(value)
        alike = [v for v in [*self.values, *self.outer] if v.shape == shape]
        if alike and self.integer(0, 1):
            return str(self.choice(alike))
        return f"jnp.resize({value}, {shape})"

    def body(self, shape: Shape, *, same: bool, way: str = "") -> str:
        """Define a function of an array of this shape, and return its name."""
        self.count[0] += 1
        name, operand = f"g{self.count[0]}", Value(f"r{self.count[0]}", shape)
        inner = Block(
            self.draw, [operand], [*self.outer, *self.values], self.depth + 1,
            way or self.way, self.most, self.count,
        )  # fmt: skip
        for _ in range(self.integer(1, 2)):
            inner.step()
        result = str(inner.values[-1])
        if same and inner.values[-1].shape != shape:
            result = f"jnp.resize({result}, {shape})"
        lines = [line for statement in inner.statements for line in statement.lines]
        self.functions += [f"def {name}({operand}):", *(f"    {line}" for line in lines)]
        self.functions.append(f"    return {result}")
        return name

    # Statements

    def filled(self, template: str, a: Value) -> str:
        """Return the template with its holes filled for the operand `a`."""
        return _HOLE.sub(lambda match: str(_HOLES[match[1]](self, a)), template)

    def step(self, name: str | None = None) -> None:
        """Add a statement by that move, or by any."""
        if name is None:
            name = self._drawn()
        move = MOVES[name]
        value = self.add(name, self.filled(move.template, self.operand(move.kind)))
        if value.size > self.most:
            self.add("cut", f"jnp.ravel({value})[:{self.most // 2}]")

    def _drawn(self) -> str:
        """Return a move that may stand here."""
        while True:
            name: str = self.choice(list(self.choice(list(GROUPS.values()))))
            move = MOVES[name]
            barred = move.way and move.way != self.way
            if not barred and not (move.nested and self.depth > 1):
                return name

    def add(self, move: str, expression: str) -> Value:
        """Add the statement that computes an expression, and return its value."""
        self.count[0] += 1
        name = f"v{self.count[0]}"
        lines = (*self.functions, f"{name} = {expression}")
        self.functions = []
        shape = _shape(lines, name, [*self.outer, *self.values])
        value = Value(name, shape)
        self.statements.append(Statement(move, lines, value))
        self.values.append(value)
        return value

    def operand(self, kind: str) -> Value:
        """Return a value of that kind, one of the latest; if need be, reshaped into it."""
        values = [*self.values]
        if self.outer and self.integer(0, 5) == 0:
            values = [*self.outer, *values]
        value = values[-1] if self.integer(0, 2) else self.choice(values)
        return _KINDS[kind](self, value)


def _shape(lines: Sequence[str], name: str, values: Sequence[Value]) -> Shape:
    """Return the shape of the value that a statement defines, out of other values."""
    latest = {value.name: value for value in values}
    source = f"def statement({', '.join(latest)}):\n" + indent("\n".join(lines), "    ")
    names = dict(_NAMES)
    exec(f"{source}\n    return {name}", names)
    specs = [jax.ShapeDtypeStruct(value.shape, jnp.float64) for value in latest.values()]
    result = jax.eval_shape(names["statement"], *specs)
    if result.dtype != jnp.float64:
        raise TypeError(f"a statement makes {result.dtype}: {lines[-1]}")
    return tuple(result.shape)


# Operands


def _vector(block: Block, value: Value) -> Value:
    """A vector."""
    return value if len(value.shape) == 1 else block.add("ravel", f"jnp.ravel({value})")


def _long(block: Block, value: Value) -> Value:
    """A vector of four numbers or more."""
    value = _vector(block, value)
    if value.size >= 4:
        return value
    parts = f"[{value}, jnp.sin({value}), jnp.cos({value}), {value}**2]"
    return block.add("lengthen", f"jnp.concatenate({parts})")


def _axes(block: Block, value: Value) -> Value:
    """An array with one axis or more."""
    return value if value.shape else block.add("axis", f"{value} * {block.const(3)}")


def _matrix(block: Block, value: Value) -> Value:
    """A matrix."""
    if len(value.shape) == 2:
        return value
    rows = block.choice([d for d in range(1, value.size + 1) if value.size % d == 0])
    return block.add("as matrix", f"{value}.reshape({rows}, {value.size // rows})")


def _square(block: Block, value: Value) -> Value:
    """A square matrix of a few rows."""
    if len(value.shape) == 2 and 1 < value.shape[0] == value.shape[1] < 6:
        return value
    size = block.integer(2, 4)
    weights = block.const(size, size)
    return block.add("as square", f"jnp.resize({value}, ({size}, {size})) * {weights}")


def _batch(block: Block, value: Value) -> Value:
    """An array with three axes."""
    if len(value.shape) == 3:
        return value
    size = block.integer(2, 3)
    matrix = _matrix(block, value)
    if matrix.size > block.most // 3:
        matrix = block.add("cut", f"jnp.ravel({matrix})[:6].reshape(2, 3)")
    return block.add("as batch", f"{matrix} * {block.const(size, 1, matrix.shape[1])}")


_KINDS: dict[str, Callable[[Block, Value], Value]] = {
    "any": lambda block, value: value,
    "axes": _axes,
    "vector": _vector,
    "long": _long,
    "matrix": _matrix,
    "square": _square,
    "batch": _batch,
}


# Holes of templates: what each stands for, of the block and the operand


def _axis(block: Block, a: Value) -> int:
    return block.integer(0, len(a.shape) - 1)


_HOLES: dict[str, Callable[[Block, Value], object]] = {
    "a": lambda block, a: a,
    "x": lambda block, a: "x",
    "n": lambda block, a: a.shape[0],
    "last": lambda block, a: a.shape[0] - 1,
    "half": lambda block, a: (a.shape[0] + 1) // 2,
    "m": lambda block, a: a.shape[1],
    "shape": lambda block, a: a.shape,
    "size": lambda block, a: a.size,
    "axis": _axis,
    "c": lambda block, a: block.signed(),
    "p": lambda block, a: block.number(),
    "o": lambda block, a: block.signed() + "37",
    "k": lambda block, a: block.integer(1, 3),
    "i": lambda block, a: block.integer(0, a.shape[0] - 1),
    "j": lambda block, a: block.integer(-a.shape[-1], a.shape[-1] - 1),
    "mean": lambda block, a: f"{1 / math.sqrt(max(a.size, 1)):.3f}",
    "const": lambda block, a: block.const(*a.shape),
    "rows": lambda block, a: block.const(block.integer(1, 4), a.shape[0]),
    "columns": lambda block, a: block.const(a.shape[-1], block.integer(1, 4)),
    "matrix": lambda block, a: block.const(a.shape[0], a.shape[0]),
    "weights": lambda block, a: block.const(a.shape[0]),
    "kernel": lambda block, a: block.const(min(3, a.shape[0])),
    "ids": lambda block, a: block.indices(block.integer(1, 6), a.shape[0]),
    "parts": lambda block, a: f"np.array({block.draw.integers(0, 3, a.shape[0]).tolist()})",
    "perm": lambda block, a: block.permutation(a.shape[0]),
    "known": lambda block, a: block.known(a.shape[0]),
    "seen": lambda block, a: block.seen(a.shape[0]),
    "key": lambda block, a: block.key(),
    "b": lambda block, a: block.other(a.shape),
    "scalar": lambda block, a: f"jnp.mean({block.choice([*block.values, *block.outer])})",
    "same": lambda block, a: block.body(a.shape, same=True),
    "any": lambda block, a: block.body(a.shape, same=False),
    "row": lambda block, a: block.body(a.shape[1:], same=True),
    "part": lambda block, a: block.body(a.shape[1:], same=False),
    "cell": lambda block, a: block.body((), same=True),
    "triple": lambda block, a: block.body((3,), same=True, way="both"),
    "either": lambda block, a: block.body(a.shape, same=False, way="both"),
    "reversible": lambda block, a: block.body(a.shape, same=False, way="rev"),
}


def draw_program(seed: int) -> Program:
    """Return the program of a seed: one move that the seed names, others before and after."""
    draw = np.random.default_rng(seed)
    names = list(MOVES)
    name = names[seed * STRIDE % len(names)]
    sizes, most = (LARGE, MOST_OF_LARGE) if seed % 8 == 7 else (SMALL, MOST)
    n = sizes[int(draw.integers(len(sizes)))]
    way = MOVES[name].way or ("", "", "", "", "fwd", "rev")[int(draw.integers(6))]
    block = Block(draw, [Value("x", (n,))], way=way, most=most)
    count = block.integer(2, 5)
    place = block.integer(0, count - 1)
    for position in range(count):
        block.step(name if position == place else None)
        if position == place:
            named = block.values[-1]
    program = Program(seed, n, tuple(block.statements), _result(block)).pruned()
    if name in program.moves:
        return program
    joined = f"jnp.concatenate([jnp.ravel({program.result}), jnp.ravel({named})])"
    return replace(program, statements=tuple(block.statements), result=joined).pruned()


def program_of(name: str, seed: int = 0, n: int = 5) -> Program:
    """Return a program of one move alone."""
    block = Block(np.random.default_rng(seed), [Value("x", (n,))], way=MOVES[name].way)
    block.step(name)
    return Program(seed, n, tuple(block.statements), str(block.values[-1]))


def _result(block: Block) -> str:
    """Return what f returns: the last value, in float32 at times, or several values joined."""
    last = str(block.values[-1])
    match block.integer(0, 9):
        case 0:
            return f"{last}.astype(jnp.float32)"
        case 1 | 2 | 4 | 5:
            return f"jnp.concatenate([jnp.ravel({last}), jnp.ravel({block.choice(block.values)})])"
        case 3:
            return f"{last} * {block.other(block.values[-1].shape)}"
        case _:
            return last
