"""From a checked spec to a `Model`: a pure function, and the arrays it is differentiated at."""

from jaccli.models.model import (
    LoadedModel,
    Point,
    Values,
    at_rows,
    gradient_of,
    in_part,
    load,
    needs_x64,
    outputs_of,
    read,
)

__all__ = [
    "LoadedModel",
    "Point",
    "Values",
    "at_rows",
    "gradient_of",
    "in_part",
    "load",
    "needs_x64",
    "outputs_of",
    "read",
]
