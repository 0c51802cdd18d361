"""The rules by family; importing this package registers them all."""

from jaccli.derivative.structured.rules import (
    contraction,
    convolution,
    elementwise,
    indexing,
    loops,
    shapes,
)

__all__ = ["contraction", "convolution", "elementwise", "indexing", "loops", "shapes"]
