"""The spec that `jaccli serve --umbridge` is given: read, checked, and its model loaded.

Boundary: it is the operator's own file; nothing of a request comes here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaccli import backend, models
from jaccli.errors import SpecError
from jaccli.spec import Spec
from jaccli.spec import load as load_spec

if TYPE_CHECKING:
    from jaccli.service.umbridge.vector_model import VectorModel

FORWARD = "forward"
"""The name that UM-Bridge's models have most often, and its clients expect."""
_PARTS = ("sweep", "batch", "rows", "cols", "part")


def load(name: str, *, allow_python: bool) -> tuple[VectorModel, list[str]]:
    """Return the model of a spec's file, evaluated once, and the names that it is served under.

    Raises:
        JaccliError: the spec is wrong or asks for more than one point, its inputs or its model
            cannot be had, or it cannot be evaluated.
    """
    spec = load_spec(name, [])
    _check(spec)
    spec.check_sizes()
    point = models.read(spec)
    x64 = models.needs_x64(spec, point)
    backend.configure(x64=x64)
    from jaccli.service.umbridge.vector_model import VectorModel

    model = VectorModel(spec, models.load(spec, point, allow_python=allow_python), x64=x64)
    model.evaluate([np.asarray(point.primals[name]).ravel() for name in model.inputs], {})
    return model, list(dict.fromkeys((FORWARD, Path(name).stem if name != "-" else FORWARD)))


def _check(spec: Spec) -> None:
    """Refuse entries that are not about one whole model at one point."""
    for key in _PARTS:
        if getattr(spec, key) not in (None, {}, "full"):
            message = "UM-Bridge's clients ask for one whole model at one point."
            raise SpecError(spec.problem(key, message, "Leave it out."))
