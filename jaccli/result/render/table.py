"""`table`: what a person reads on a terminal, elided in the middle to fit it.

Rich draws, and decides about width and color (`NO_COLOR`, `TERM=dumb`); it is imported only here
and only when a table is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import numpy as np

from jaccli import terminal
from jaccli.errors import UsageError
from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.numerals import shortest, significant
from jaccli.result.render.nonzeros import counted, labels
from jaccli.result.render.panels import Grid, Panel, panels
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse
from jaccli.result.view import View

if TYPE_CHECKING:
    from rich.console import Console

_ROWS = 20
"""Rows of a grid that are shown at most, not counting the one that stands for the others."""
_STACK = 3
"""Grids of a stack that are shown at most."""
_BATCH = "batch"
_GAP = 2
"""Blanks between columns."""


def table(
    view: View,
    out: TextIO,
    *,
    layout: str = "blocks",
    digits: int = 6,
    width: int | None = None,
    styled: bool = True,
) -> None:
    """Print the panels of a view, `digits` significant digits each, `width` columns wide.

    The width is the terminal's when it is None.  Where not `styled`, there is no color, whatever
    `out` and the environment say.
    """
    if digits < 1:
        raise UsageError(f"--digits: {digits} is too small.", hint="Expected 1 or more.")
    from rich.console import Console

    console = Console(
        file=out,
        color_system="auto" if styled else None,
        width=width or terminal.columns(),
        highlight=False,
        emoji=False,
        markup=False,
        _environ=terminal.environment(),
    )
    ascii_only = not (console.encoding or "").lower().startswith("utf")
    for number, panel in enumerate(panels(view, layout)):
        if number:
            console.print()
        _print_panel(console, panel, digits, ascii_only)


def _print_panel(console: Console, panel: Panel, digits: int, ascii_only: bool) -> None:
    if 0 in panel.values.shape:
        _print_title(console, panel.title(ascii_only=ascii_only))
        console.print("empty", style="dim")
        return
    if isinstance(panel.values, Sparse):
        _print_nonzeros(console, panel, panel.values, digits, ascii_only)
        return
    if panel.entries is None and panel.columns is not None and len(panel) > 1:
        rows = f"{len(panel):,} batch rows"
        _print_title(console, f"{panel.title(ascii_only=ascii_only)}  {rows}")
        _print_grid(console, _joined(panel), digits, ascii_only, corner=_BATCH)
        return
    shown = elided(len(panel), _STACK)
    for place, position in enumerate(shown):
        if place:
            console.print()
        if position is None:
            dots = "..." if ascii_only else "⋮"
            console.print(f"{dots} {len(panel) - len(shown) + 1} more", style="dim")
            continue
        grid = panel[position]
        if not _is_named_scalars(panel):
            _print_title(console, panel.title(grid, ascii_only=ascii_only))
        _print_grid(console, grid, digits, ascii_only)


def _joined(panel: Panel) -> Grid:
    """Return the grids of all batch rows as one, whose labels begin with the batch row."""
    assert not isinstance(panel.values, Sparse)
    assert panel.batch is not None
    values = panel.values.reshape(-1, panel.values.shape[-1])
    return Grid(None, None, values, _BatchRows(panel.batch, panel.rows), panel.columns)


@dataclass(frozen=True)
class _BatchRows:
    """The rows of all grids of a batch: `    0  y[0]`."""

    batch: Names
    rows: LabelledAxis

    @property
    def width(self) -> int:
        """The characters of the longest label."""
        return max(map(len, self), default=0)

    def __len__(self) -> int:
        return len(self.batch) * len(self.rows)

    def __getitem__(self, position: int) -> str:
        place, row = divmod(position, len(self.rows))
        index = self.batch.indices[0]
        number = index[place] if isinstance(index, range) else index
        width = max(len(_BATCH), len(str(len(self.batch))))
        return f"{number:>{width}}  {self.rows[row]}"

    def __iter__(self) -> Iterator[str]:
        return (self[position] for position in range(len(self)))


def _print_nonzeros(
    console: Console, panel: Panel, values: Sparse, digits: int, ascii_only: bool
) -> None:
    """Print the labels and the number of each non-zero."""
    from rich.text import Text

    _print_title(console, f"{panel.title(ascii_only=ascii_only)}  {counted(values)}")
    rows = elided(values.nnz, _ROWS)
    picked = [row for row in rows if row is not None]
    columns = labels(panel, values.where[picked])
    entries = iter(zip(*columns, aligned(values.values[picked], digits), strict=True))
    widths = [max(map(len, names)) for names in columns]
    for row in rows:
        if row is None:
            console.print("..." if ascii_only else "⋮", style="dim")
            continue
        *names, cell = next(entries)
        padded = map(str.ljust, names, widths)
        line = Text((" " * _GAP).join(padded), "cyan")
        line.append(" " * _GAP + cell.rstrip(), _style(cell, head=False))
        console.print(line, soft_wrap=True)


def _is_named_scalars(panel: Panel) -> bool:
    """Whether the list is of scalar outputs, `r` and `theta`, which need no title."""
    scalars = all(names.shape == () for names in panel.rows.parts)
    return panel.derivative == "evaluate" and scalars and panel.batch is None


def _print_title(console: Console, title: str) -> None:
    from rich.text import Text

    name, blanks, rest = title.partition("  ")
    console.print(Text.assemble((name, "bold"), (blanks + rest, "dim")), soft_wrap=True)


def _print_grid(
    console: Console, grid: Grid, digits: int, ascii_only: bool, corner: str = ""
) -> None:
    """Print a grid: names on the left and above, numbers aligned at their points."""
    from rich.text import Text

    across, down = ("...", "...") if ascii_only else ("…", "⋮")
    rows = elided(len(grid.rows), _ROWS)
    picked = [row for row in rows if row is not None]
    labels = [down if row is None else grid.rows[row] for row in rows]
    margin = max(map(len, labels))
    values = grid.values if grid.columns is not None else grid.values[:, None]

    made: dict[int, list[str]] = {}

    def column(index: int) -> list[str]:
        """Return the head and the cells of a column, all equally wide."""
        if index not in made:
            cells = iter(aligned(values[picked, index], digits))
            body = [down if row is None else next(cells) for row in rows]
            head = [] if grid.columns is None else [grid.columns[index]]
            wide = max(map(len, head + body))
            made[index] = [text.rjust(wide) for text in head + body]
        return made[index]

    columns = fitting(
        values.shape[1],
        console.width - margin,
        lambda index: len(column(index)[0]) + _GAP,
        len(across) + _GAP,
    )
    lines = [corner] * (grid.columns is not None) + labels
    for number, label in enumerate(lines):
        line = Text(label.ljust(margin), "cyan")
        head = grid.columns is not None and number == 0
        for index in columns:
            cell = across if index is None else column(index)[number]
            line.append(" " * _GAP + cell, _style(cell, head))
        line.rstrip()
        console.print(line, soft_wrap=True)


def _style(cell: str, head: bool) -> str:
    text = cell.strip()
    if head:
        return "cyan"
    if text in ("0", "0.0", "-0.0", "…", "⋮", "..."):
        return "dim"
    if text in ("nan", "inf", "-inf"):
        return "bold red"
    return "yellow" if text.startswith("-") else ""


def elided(count: int, limit: int) -> list[int | None]:
    """Return the positions to show of `count`, with one None for those left out.

    >>> elided(9, 4)
    [0, 1, None, 7, 8]
    """
    if count <= limit + 1:
        return list(range(count))
    head = (limit + 1) // 2
    return [*range(head), None, *range(count - (limit - head), count)]


def fitting(count: int, room: int, width: Callable[[int], int], gap: int) -> list[int | None]:
    """Return the columns that fit into `room` characters, with one None for those left out.

    Columns are taken from both ends in turn; `width` measures one and `gap` is what the None
    takes.  At least one column is shown.
    """
    taken: list[int] = []
    used = 0
    for step in range(count):
        index = step // 2 if step % 2 == 0 else count - 1 - step // 2
        used += width(index)
        # The column that completes the grid needs no gap beside it.
        if taken and used + (gap if step < count - 1 else 0) > room:
            head = (len(taken) + 1) // 2
            return [*range(head), None, *range(count - (len(taken) - head), count)]
        taken.append(index)
    return list(range(count))


def aligned(values: Array, digits: int) -> list[str]:
    """Return numbers with `digits` significant digits, padded so that their points align."""
    enough = 9 if values.dtype == np.float32 else 17
    values = values + 0 if values.dtype.kind == "f" else values  # no -0.0
    texts = shortest(values)
    if values.dtype.kind == "f" and digits < enough:
        numbers = zip(values.tolist(), texts, strict=True)
        texts = [significant(value, digits, text) for value, text in numbers]
    split = [_at_point(text) for text in texts]
    before = max((len(left) for left, _ in split), default=0)
    after = max((len(right) for _, right in split), default=0)
    return [left.rjust(before) + right.ljust(after) for left, right in split]


def _at_point(text: str) -> tuple[str, str]:
    """Split a number before its point: `12.5` into `12` and `.5`."""
    left, point, right = text.partition(".")
    return (left, point + right)
