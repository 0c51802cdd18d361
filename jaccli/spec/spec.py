"""The checked spec: what every later stage reads.

Boundary: data alone; numpy and JAX are not imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from jaccli import memory
from jaccli.choices import BUILT_ON, GAUSS_NEWTON
from jaccli.errors import BudgetError, Place, Problem, format_bytes
from jaccli.expression import Expression
from jaccli.spec.input_sources import Source
from jaccli.spec.nodes import Node
from jaccli.spec.uncertainty import COVERAGE, UncertaintySpec


class ExpressionModel(NamedTuple):
    """Named expressions, evaluated in order; `outputs` are those that are differentiated."""

    expressions: dict[str, Expression]
    outputs: tuple[str, ...]

    @property
    def free(self) -> tuple[str, ...]:
        """The names that the expressions use and do not define, in order of appearance."""
        used = dict.fromkeys(name for each in self.expressions.values() for name in each.names)
        return tuple(name for name in used if name not in self.expressions)

    @property
    def formulas(self) -> tuple[Expression, ...]:
        """All that is evaluated."""
        return tuple(self.expressions.values())

    @property
    def selectable(self) -> tuple[str, ...]:
        """The names that may be outputs."""
        return tuple(self.expressions)


class EquationsModel(NamedTuple):
    """Unknowns for which every equation is zero, with the values that the root finder starts from.

    `expressions` are evaluated in order, and may use the unknowns; `outputs` are expressions or
    unknowns.  Equations may use the expressions.
    """

    equations: dict[str, Expression]
    unknowns: dict[str, Source]
    expressions: dict[str, Expression]
    outputs: tuple[str, ...]

    @property
    def formulas(self) -> tuple[Expression, ...]:
        """All that is evaluated."""
        return (*self.equations.values(), *self.expressions.values())

    @property
    def free(self) -> tuple[str, ...]:
        """The names that are used and not defined, in order of appearance."""
        used = dict.fromkeys(name for each in self.formulas for name in each.names)
        defined = {*self.expressions, *self.unknowns}
        return tuple(name for name in used if name not in defined)

    @property
    def selectable(self) -> tuple[str, ...]:
        """The names that may be outputs."""
        return (*self.unknowns, *self.expressions)

    @property
    def used_by_equations(self) -> dict[str, Expression]:
        """The expressions that equations use, themselves or through others, in order."""
        wanted = {name for each in self.equations.values() for name in each.names}
        for name, expression in reversed(self.expressions.items()):
            if name in wanted:
                wanted |= {*expression.names}
        return {name: each for name, each in self.expressions.items() if name in wanted}


class PythonModel(NamedTuple):
    """A function of the user's own: `target` is `module:function` or `file.py:function`."""

    target: str
    folder: Path
    outputs: tuple[str, ...] | None = None


Model = ExpressionModel | EquationsModel | PythonModel


class Output(NamedTuple):
    """Where the result goes: a file (`-` is standard output), a format for standard output."""

    path: Path | None
    format: str | None
    force: bool


class Expect(NamedTuple):
    """A result file that `run` must reproduce."""

    path: Path
    rtol: float | None
    atol: float


@dataclass(frozen=True)
class Spec:
    """A checked spec.

    `wrt` and `batch` name inputs; `vector` is a source, sources by name, or None; `devices` is a
    number or `all`; `memory` is in bytes; `resolved` is the whole spec as plain data, with its
    defaults; `rows` and `cols` pick entries of outputs and of wrt inputs (`jaccli.selections`).
    """

    name: str
    model: Model
    inputs: dict[str, Source]
    wrt: tuple[str, ...] | None
    batch: dict[str, int]
    derivative: tuple[str, ...]
    mode: str
    storage: str | None
    device: str | None
    devices: int | str | None
    dtype: str
    precision: str
    memory: int | None
    chunk: int | None
    layout: str
    vector: Source | dict[str, Source] | None
    output: Output
    expect: Expect | None
    sparsity: Path | None
    sweep: Any
    resolved: dict[str, Any]
    root: Node
    uncertainty: UncertaintySpec | None = None
    coverage: float = COVERAGE
    sigma: str = "estimated"
    predict: tuple[str, ...] = ()
    approximation: str = "none"
    rows: str | None = None
    cols: str | None = None
    part: str = "full"

    def place(self, *path: str) -> Place | None:
        """Return the place of the entry at `path`, or of the nearest entry above it."""
        for length in range(len(path), 0, -1):
            below = path[1:length]  # an input's whole name may be one key: `batch: {params.w: 0}`
            node = self.root.get(*path[:length]) or self.root.get(path[0], ".".join(below))
            if node is not None:
                return node.place
        return None

    def problem(self, path: str, message: str, hint: str = "") -> Problem:
        """Return a problem at the entry with the dotted path."""
        return Problem(message, path=path, place=self.place(*path.split(".")), hint=hint)

    def of_derivative(self, name: str) -> tuple[Spec, str]:
        """Return the spec of what one of its derivatives is built on, and that derivative.

        `gauss-newton` is a Hessian, `propagate` the Jacobian by the uncertain inputs.
        """
        if name == "propagate" and self.uncertainty is not None:
            return replace(self, wrt=self.uncertainty.names), BUILT_ON[name]
        if name != GAUSS_NEWTON:
            return self, BUILT_ON.get(name, name)
        resolved = {**self.resolved, "approximation": GAUSS_NEWTON}
        return replace(self, approximation=GAUSS_NEWTON, resolved=resolved), BUILT_ON[name]

    def check_sizes(self) -> None:
        """Compare the inputs' declared sizes with the memory budget.

        Raises:
            BudgetError: one of them, or all together, exceed it.
        """
        budget = memory.budget(self.memory)
        total = sum(source.check_size(self.dtype, budget) for source in self.inputs.values())
        if total > budget:
            message = (
                f"the inputs take {format_bytes(total)}, "
                f"more than the memory budget of {format_bytes(budget)}."
            )
            raise BudgetError(self.problem("inputs", message))

    def input_files(self) -> Iterator[Path]:
        """Yield the files that inputs, unknowns, vectors and uncertainties come from."""
        vector = self.vector
        vectors = [vector] if isinstance(vector, Source) else list((vector or {}).values())
        uncertain = () if self.uncertainty is None else self.uncertainty.sources()
        starts = self.model.unknowns.values() if isinstance(self.model, EquationsModel) else ()
        for source in (*self.inputs.values(), *starts, *vectors, *uncertain):
            if source.file is not None:
                yield source.file

    @property
    def unused(self) -> tuple[str, ...]:
        """The inputs that no expression uses, where one uses any.

        What a Python function uses is not known.
        """
        free = () if isinstance(self.model, PythonModel) else self.model.free
        if not any(name in self.inputs for name in free):
            return ()
        return tuple(name for name in self.inputs if name not in free)

    @property
    def sha256(self) -> str:
        """The hash of what determines the result: the resolved spec without its `output`."""
        import json

        from jaccli.storage.digest import text_digest

        content = {name: value for name, value in self.resolved.items() if name != "output"}
        return text_digest(json.dumps(content, sort_keys=True, separators=(",", ":")))
