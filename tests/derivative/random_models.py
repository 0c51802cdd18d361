"""Random models: expressions of the language with inputs of matching random shapes.

Expressions are smooth and bounded in their inputs, and mean the same to numpy as to the language;
`value` evaluates them with numpy, which makes finite differences an oracle without JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from pipeline import Blocks

Array = NDArray[Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

_NAMES = ("sin", "cos", "tanh", "arctan", "exp", "log1p", "sqrt", "sum", "mean")
_NAMES += ("outer", "transpose", "roll", "stack", "where", "arange")
_NUMPY = {name: getattr(np, name) for name in _NAMES}
_STEP = 1e-3


@dataclass(frozen=True)
class RandomModel:
    """Expressions, in order, over a scalar s (), a vector v (n,) and a matrix w (m, n)."""

    expressions: dict[str, str]
    inputs: dict[str, Array]

    @property
    def wrt(self) -> list[str]:
        """All inputs, in order."""
        return list(self.inputs)

    def value(self, inputs: dict[str, Array] | None = None) -> Blocks:
        """Return the outputs by numpy."""
        names: dict[str, Any] = {**_NUMPY, **(inputs or self.inputs)}
        outputs = {}
        for name, text in self.expressions.items():
            outputs[name] = np.asarray(eval(text, {"__builtins__": {}}, names))
            names[name] = outputs[name]
        return outputs

    def slope(self, tangents: dict[str, Array]) -> Blocks:
        """Return the derivative along the tangents, by central differences of fourth order."""

        def at(steps: int) -> Blocks:
            moved = {n: x + steps * _STEP * tangents[n] for n, x in self.inputs.items()}
            return self.value(moved)

        near, far = (at(1), at(-1)), (at(2), at(-2))
        return {
            name: (8 * (near[0][name] - near[1][name]) - (far[0][name] - far[1][name]))
            / (12 * _STEP)
            for name in near[0]
        }


@dataclass(frozen=True)
class _Writer:
    """Writes expressions of a given shape: "" scalar, "n" and "m" vectors, "mn" and "nm"."""

    draw: Draw
    sizes: dict[str, int]

    def write(self, shape: str, depth: int) -> str:
        """Return an expression of this shape."""
        if depth == 0:
            return self.choose(_LEAVES[shape])
        form = self.choose([*_FORMS[shape], *_ELEMENTWISE])
        words = []
        for word in form.split("{"):
            hole, brace, rest = word.partition("}")
            words.append(self.fill(hole, shape, depth) + rest if brace else word)
        return "".join(words)

    def fill(self, hole: str, shape: str, depth: int) -> str:
        """Return what stands in one hole of a form."""
        if hole in ("i", "j"):
            size = self.sizes["m" if hole == "i" else "n"]
            return str(self.draw(st.integers(-size, size - 1)))
        if hole == "each of n":
            return ", ".join(self.write("", depth - 1) for _ in range(self.sizes["n"]))
        if hole == "each of m":
            return ", ".join(self.write("n", depth - 1) for _ in range(self.sizes["m"]))
        return f"({self.write({'same': shape, 'scalar': ''}.get(hole, hole), depth - 1)})"

    def choose(self, options: list[str]) -> str:
        """Return one of the options."""
        chosen: str = self.draw(st.sampled_from(options))
        return chosen


_LEAVES = {
    "": ["s", "0.7", "v[0]", "w[-1, 0]", "sum(v)"],
    "n": ["v", "w[0]", "w[-1, :]", "v[::-1]"],
    "m": ["w[:, 0]", "w[:, -1]", "w @ v", "sum(w, axis=1)"],
    "mn": ["w", "w[::-1]", "w * s"],
    "nm": ["transpose(w)"],
}
_FORMS = {
    "": [
        "sum({n})",
        "mean({mn})",
        "{n} @ {n}",
        "sum({m}**2)",
        "{n}[{j}]",
        "{mn}[{i}, {j}]",
        "sum({mn} @ {nm})",
    ],
    "n": [
        "sum({mn}, axis=0)",
        "{m} @ {mn}",
        "stack([{each of n}])",
        "roll({n}, 1)",
        "{n}[::-1]",
        "{mn}[{i}]",
        "{nm}[:, {i}]",
    ],
    "m": ["{mn} @ {n}", "sum({mn}, axis=-1)", "{mn}[:, {j}]", "mean({nm}, axis=0)"],
    "mn": [
        "outer({m}, {n})",
        "transpose({nm})",
        "stack([{each of m}])",
        "{m}[:, None] * {n}[None, :]",
        "{mn} @ outer({n}, {n})",
    ],
    "nm": ["transpose({mn})", "outer({n}, {m})", "stack([{m}, {m}])[:1] + transpose({mn})"],
}
_ELEMENTWISE = [
    "sin({same})",
    "tanh({same})",
    "arctan({same}) * {scalar}",
    "exp(-{same}**2)",
    "log1p({same}**2)",
    "sqrt(1 + {same}**2)",
    "{same} / (1 + {same}**2)",
    "{same} * cos({same})",
    "{same} - 2 * {same}",
    "where(arange(3)[1] > 0, {same}, cos({same}))",
]


@st.composite
def models(draw: Draw, *, scalar: bool = False, outputs: int = 2, depth: int = 2) -> RandomModel:
    """Draw a model with up to `outputs` outputs, all scalar if wanted; later may use earlier."""
    sizes = {"m": draw(st.integers(1, 3)), "n": draw(st.integers(1, 4))}
    writer = _Writer(draw, sizes)
    expressions = {}
    for name in ["f", "g"][: draw(st.integers(1, outputs))]:
        shape = "" if scalar else draw(st.sampled_from(list(_FORMS)))
        text = writer.write(shape, depth)
        if "f" in expressions and draw(st.booleans()):
            text = f"({text}) * sum(cos(f))"
        expressions[name] = text
    return RandomModel(expressions, draw_arrays(draw, sizes))


def draw_arrays(draw: Draw, sizes: dict[str, int]) -> dict[str, Array]:
    """Draw the point."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes: dict[str, tuple[int, ...]] = {
        "s": (),
        "v": (sizes["n"],),
        "w": (sizes["m"], sizes["n"]),
    }
    return {name: np.asarray(rng.uniform(-1.5, 1.5, shape)) for name, shape in shapes.items()}


def vectors_like(arrays: dict[str, Array], seed: int) -> dict[str, Array]:
    """Return random arrays of the same names and shapes."""
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.normal(size=np.shape(array))) for name, array in arrays.items()}
