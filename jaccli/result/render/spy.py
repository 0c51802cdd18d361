"""A sparsity pattern as a picture of characters: a dot where a cell has any entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer]

_CELL = (4, 2)
"""Dots of a Braille character: rows, columns."""
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""What each dot adds to the first Braille character (Unicode, block 2800)."""
_BRAILLE = 0x2800


def picture(
    rows: Integers,
    columns: Integers,
    shape: tuple[int, int],
    *,
    width: int,
    height: int,
    ascii: bool,
) -> list[str]:
    """Return the lines of a picture of at most `height` lines and `width` characters, with a frame.

    The proportions are the matrix' own, as far as it fits.  `ascii` draws with `*` and `-`.
    """
    cell = (1, 1) if ascii else _CELL
    inside = (max(height - 2, 1) * cell[0], max(width - 2, 1) * cell[1])
    dots = _dots(rows, columns, shape, inside, flat=ascii)
    if ascii:
        lines = ["".join("*" if dot else " " for dot in line) for line in dots]
        corner, bar, side = ("+", "+", "+", "+"), "-", "|"
    else:
        lines = _braille(dots)
        corner, bar, side = ("┌", "┐", "└", "┘"), "─", "│"
    across = bar * len(lines[0])
    framed = [f"{side}{line}{side}" for line in lines]
    return [corner[0] + across + corner[1], *framed, corner[2] + across + corner[3]]


def _dots(
    rows: Integers,
    columns: Integers,
    shape: tuple[int, int],
    room: tuple[int, int],
    *,
    flat: bool,
) -> NDArray[np.bool_]:
    """Return the grid of dots; those of Braille are as far apart both ways, letters are not."""
    m, n = (max(size, 1) for size in shape)
    tall = 0.5 if flat else 1.0  # a letter is about twice as high as wide
    scale = min(1.0, room[1] / n, room[0] / (m * tall))
    count = tuple(
        max(1, min(limit, size, round(size * by)))
        for size, limit, by in ((m, room[0], scale * tall), (n, room[1], scale))
    )
    grid = np.zeros(count, np.bool_)
    grid[rows * count[0] // m, columns * count[1] // n] = True
    return grid


def _braille(dots: NDArray[np.bool_]) -> list[str]:
    """Return lines of Braille characters, eight dots each."""
    high, wide = (-(-size // each) for size, each in zip(dots.shape, _CELL, strict=True))
    padded = np.zeros((high * _CELL[0], wide * _CELL[1]), np.int64)
    padded[: dots.shape[0], : dots.shape[1]] = dots
    cells = padded.reshape(high, _CELL[0], wide, _CELL[1])
    codes = _BRAILLE + np.einsum("hiwj,ij->hw", cells, _BITS)
    return ["".join(map(chr, line)) for line in codes]
