"""From a checked spec to a `Model`: a pure function, and the arrays it is differentiated at."""

from jaccli.models.model import LoadedModel, Point, Values, in_part, load, needs_x64, read

__all__ = ["LoadedModel", "Point", "Values", "in_part", "load", "needs_x64", "read"]
