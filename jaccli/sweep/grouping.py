"""Tasks → groups that share a program: tasks that differ in numbers alone.

Boundary: reads the inputs that come from files, for their shapes; plans and computes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaccli import memory
from jaccli.choices import WITH_VECTOR
from jaccli.errors import JaccliError
from jaccli.spec import Spec
from jaccli.spec.input_sources import Source
from jaccli.spec.nested_inputs import value_at
from jaccli.spec.schema import deciding
from jaccli.sweep.expand import SweepTask


@dataclass(frozen=True)
class Group:
    """Tasks that share a program.  The values of the inputs `varying` differ between tasks.

    `vectors_vary` says whether the vectors differ.  `size` counts all tasks of the group, of which
    `tasks` may be a chunk.
    """

    tasks: tuple[SweepTask, ...]
    varying: tuple[str, ...]
    vectors_vary: bool
    size: int


def groups(tasks: Iterable[SweepTask]) -> list[Group]:
    """Return the groups in the order of their first tasks.

    A task with a file that cannot be read forms a group by itself.
    """
    signatures = _Signatures()
    by_signature: dict[str, list[SweepTask]] = {}
    for task in tasks:
        by_signature.setdefault(signatures.of_task(task), []).append(task)
    return [_group(group) for group in by_signature.values()]


def _group(tasks: list[SweepTask]) -> Group:
    first = tasks[0].spec.resolved
    varying = tuple(
        name
        for name in tasks[0].spec.inputs
        if any(_written(task, name) != _written(tasks[0], name) for task in tasks)
    )
    vectors_vary = tasks[0].derivative in WITH_VECTOR and any(
        task.spec.resolved.get("vector") != first.get("vector") for task in tasks
    )
    return Group(tuple(tasks), varying, vectors_vary, len(tasks))


def _written(task: SweepTask, name: str) -> Any:
    """Return an input as the task's resolved spec writes it."""
    return value_at(task.spec.resolved["inputs"], name)


class _Signatures:
    """Texts that are equal for the tasks of a group; files are read once."""

    def __init__(self) -> None:
        self.files: dict[str, list[Any]] = {}

    def of_task(self, task: SweepTask) -> str:
        """Return the structure of a task: everything but the numbers of its inputs."""
        spec = task.spec
        content = deciding(spec.resolved, "program")  # of inputs and vectors, shapes and dtypes do
        content["derivative"] = task.derivative
        try:
            content["inputs"] = {n: self._of(source, spec) for n, source in spec.inputs.items()}
            content["vector"] = self._of_vectors(spec)
        except JaccliError:
            content["name"] = task.name
        return json.dumps(content)

    def _of_vectors(self, spec: Spec) -> Any:
        if isinstance(spec.vector, Source):
            return self._of(spec.vector, spec)
        return {name: self._of(source, spec) for name, source in (spec.vector or {}).items()}

    def _of(self, source: Source, spec: Spec) -> list[Any]:
        """Return shape and dtype, and the values of integers, which may be indices."""
        plain = source.plain(spec.root.text.folder)
        shape, dtype = source.shape(), source.dtype or spec.dtype
        if shape is not None:
            return [shape, dtype, plain if dtype == "int64" else None]
        key = json.dumps([plain, dtype])
        if key not in self.files:
            array: np.ndarray = source.load(spec.dtype, memory.budget(spec.memory))
            integers = plain if array.dtype.kind != "f" else None
            self.files[key] = [array.shape, str(array.dtype), integers]
        return self.files[key]
