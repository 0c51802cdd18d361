"""Lines of a table to rows of cells.

Boundary: knows separators, not numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jaccli.spec.tables.keys import BLANKS

_WIDE = re.compile(r" {2,}")


def rows_of(lines: Iterable[str], separator: str) -> Rows:
    """Return the rows of lines, in which quoted cells may have separators and line ends."""
    return BlankRows(lines) if separator == BLANKS else CsvRows(lines, separator)


class CsvRows:
    """The rows of lines with a character between cells."""

    def __init__(self, lines: Iterable[str], separator: str) -> None:
        self._reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)

    def __iter__(self) -> Iterator[list[str]]:
        """Return the iterator of the rows; a blank line is an empty one."""
        return self._reader

    @property
    def line(self) -> int:
        """How many lines have been taken."""
        return self._reader.line_num


class BlankRows:
    """The rows of lines with runs of blanks and tabs between cells, and around them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.line = 0

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the rows; a blank line is an empty one."""
        for line in self._lines:
            self.line += 1
            # Other blanks than these two stand within cells: a no-break space groups thousands.
            if '"' not in line and line.isascii():
                yield line.split()
            else:
                text = line.replace("\t", " ").strip(" \r\n")
                yield next(
                    csv.reader([text], delimiter=" ", skipinitialspace=True, strict=True), []
                )


Rows = CsvRows | BlankRows


def wide_cells(line: str) -> list[str]:
    """Return the cells of a line with two or more blanks between them: names may have one."""
    return _WIDE.split(line.expandtabs().strip())


def stripped(row: list[str]) -> list[str]:
    """Return the cells without the blanks around them, and without empty ones at the end."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def picker(indices: list[int], width: int) -> Callable[[list[str]], Any]:
    """Return the function that takes the cells at these places of a row of that width."""
    if indices == list(range(width)):
        return lambda row: row
    if len(indices) == 1:
        index = indices[0]
        return lambda row: (row[index],)
    from operator import itemgetter

    return itemgetter(*indices)
