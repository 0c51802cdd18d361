"""The rules by family; importing this package registers them all."""

from jaccli.derivative.structured.rules import (
    contraction,
    convolution,
    data_movement,
    elementwise,
    indexing,
    loops,
)

__all__ = ["contraction", "convolution", "data_movement", "elementwise", "indexing", "loops"]
