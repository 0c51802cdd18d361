"""What a program is made of, as a hash: programs of one identity differ in their numbers alone.

Boundary: names a program; makes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaccli import memory
from jaccli.backend import Device
from jaccli.models import LoadedModel
from jaccli.spec import PythonModel, Spec
from jaccli.spec.schema import deciding
from jaccli.storage.digest import digest

_REPLACED = ("mode", "storage", "chunk", "layout", "dtype", "precision", "rows", "cols", "part")
"""Fields of a spec that callers replace for purposes of their own: `resolved` is as before then."""


def identity(spec: Spec, model: LoadedModel, derivative: str, device: Device) -> str | None:
    """Return the hash of all that a program is made of, None where that cannot be said.

    It has the whole spec but the values of inputs and vectors, of these the shapes and dtypes, and
    all of the integers that a sparse program holds (`Model.constants`), and the starts of unknowns.
    """
    if isinstance(spec.model, PythonModel):
        return None
    return digest(
        deciding(spec.resolved | {"derivative": derivative}, "program"),
        [getattr(spec, name) for name in _REPLACED],
        device.name,
        memory.budget(spec.memory),
        model.wrt,
        sorted(model.batch.items()),
        _shapes(model.primals),
        _shapes(model.vectors),
        model.constants,
        "" if model.equations is None else model.equations.digest,
    )


def _shapes(arrays: Mapping[str, Any]) -> list[tuple[str, tuple[int, ...], str]]:
    return [(name, array.shape, str(array.dtype)) for name, array in arrays.items()]
