"""`plain`: every number in full, in aligned columns that `awk` and `grep` read.  Never cut.

A grid has a line of column names, then one line for each row: its name, then its numbers.  A list
has one line for each entry: its name and its number.  Where several grids follow one another, a
line that begins with `#` says which one comes, and an empty line stands before it.  What is sparse
has a line for each non-zero: the names of its row and its column, and its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jaccli.result.numerals import lines, longest, shortest
from jaccli.result.render.nonzeros import axes, counted, listed
from jaccli.result.render.panels import Grid, Panel, panels
from jaccli.result.sparse import Sparse
from jaccli.result.view import View

_MEASURED = 1 << 16
"""Numbers that a grid may have for its columns to be as narrow as they can be."""


def plain(view: View, layout: str = "blocks") -> Iterator[str]:
    """Yield the lines of a view, each with its end."""
    if layout == "long":
        from jaccli.result.render.long_table import plain_long

        yield from plain_long(view)
        return
    shown = panels(view, layout)
    titled = not _speaks_for_itself(shown)
    for number, panel in enumerate(shown):
        if 0 in panel.values.shape:
            yield f"# {panel.title(ascii_only=True)}  empty\n"
            continue
        if isinstance(panel.values, Sparse):
            yield from _nonzeros(panel, panel.values, titled=titled, first=not number)
            continue
        for position in range(len(panel)):
            grid = panel[position]
            if titled:
                blank = "\n" if number or position else ""
                yield f"{blank}# {panel.title(grid, ascii_only=True)}\n"
            yield from _grid(grid)


def _speaks_for_itself(shown: list[Panel]) -> bool:
    """Whether the names of entries say all: in one grid, or in lists that share no name."""
    if len(shown) == 1 and (len(shown[0]) == 1 or isinstance(shown[0].values, Sparse)):
        return True
    lists = all(panel.columns is None and panel.batch is None for panel in shown)
    outputs = {panel.output for panel in shown}
    return lists and (len(outputs) == 1 or not any(panel.wrt for panel in shown))


def _nonzeros(panel: Panel, values: Sparse, *, titled: bool, first: bool) -> Iterator[str]:
    if titled or not values.nnz:
        blank = "" if first else "\n"
        yield f"{blank}# {panel.title(ascii_only=True)}  {counted(values)}\n"
    wide = longest(values.dtype)
    if values.nnz <= _MEASURED:
        wide = max(map(len, shortest(values.values)), default=0)
    names = "".join(f"%-{axis.width}s " for axis in axes(panel))
    form = f"{names}%{wide}s\n"
    for columns, numbers in listed(panel, values):
        yield "".join([form % row for row in zip(*columns, shortest(numbers), strict=True)])


def _grid(grid: Grid) -> Iterator[str]:
    values = grid.values if grid.columns is not None else grid.values[:, None]
    width = grid.rows.width
    rows: Iterable[list[str]] = lines(values)
    if values.size <= _MEASURED:
        rows = list(rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    else:
        widths = [longest(values.dtype)] * values.shape[1]
    if grid.columns is not None:
        widths = [max(pair) for pair in zip(widths, map(len, grid.columns), strict=True)]
        names = map(str.rjust, grid.columns, widths)
        yield f"{' ' * width} {' '.join(names)}\n"
    form = f"%-{width}s {' '.join(f'%{number}s' for number in widths)}\n"
    for label, row in zip(grid.rows, rows, strict=True):
        yield form % (label, *row)
