"""Colors and fonts of figures, and how a figure becomes bytes that are always the same.

No pyplot, no display, none of the user's own settings: a figure has its canvas, and the settings of
matplotlib are as they were afterwards.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from jaccli.result import extras

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#1a1a1a", "#8a8a8a"
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444", "#7b4bb3")
"""Okabe and Ito's colors, which color-blind people can tell apart, the darker ones first."""
NONFINITE = {"NaN": "#ffd400", "inf": "#000000", "-inf": "#8c8c8c"}
"""Colors that no number has."""
DPI = 160
LONGEST = 28
"""Characters of a label that are shown at most."""

_SETTINGS = {
    "svg.hashsalt": "jaccli",  # else identifiers are random
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "figure.titlesize": 11.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}
_METADATA: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    ".pdf": {"CreationDate": None, "ModDate": None, "Creator": "jaccli", "Producer": None},
}
_DRAWING = threading.Lock()
"""The settings of matplotlib are the process': one figure is drawn at a time."""


def require(name: str) -> None:
    """Refuse, before anything is computed, a format that is drawn where matplotlib is missing."""
    extras.require(name, "matplotlib.figure", "figures")


def drawn(draw: Callable[[], Figure], suffix: str, title: str) -> bytes:
    """Return a figure as `.png`, `.svg` or `.pdf`: the same bytes each time.

    `draw` makes it, under this module's settings; `title` stands in the file.
    """
    with _settings():
        figure = draw()
        stream = io.BytesIO()
        metadata = {**_METADATA[suffix], "Title": title}
        figure.savefig(stream, format=suffix[1:], dpi=DPI, metadata=metadata,
                       bbox_inches="tight", pad_inches=0.12)  # fmt: skip
    content = stream.getvalue()
    return _plain_svg(content) if suffix == ".svg" else content


def _plain_svg(content: bytes) -> bytes:
    """Return an SVG without its document type and its metadata, which name addresses."""
    start, end = content.find(b"<!DOCTYPE"), content.find(b"<svg")
    plain = content if start < 0 else content[:start] + content[end:]
    return re.sub(rb"\s*<metadata>.*?</metadata>", b"", plain, count=1, flags=re.DOTALL)


def write(draw: Callable[[], Figure], suffix: str, title: str, stream: BinaryIO) -> None:
    """Write a figure to a stream."""
    stream.write(drawn(draw, suffix, title))


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib

    with _DRAWING, warnings.catch_warnings(), matplotlib.rc_context():
        # Characters that the font lacks are drawn as boxes.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that makes room for its labels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def caption(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines below a figure."""
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=8, color="#444444", ha="left", x=0.01)


def cut(label: str, longest: int = LONGEST) -> str:
    """Return a label with the middle of a long one left out."""
    label = " ".join(label.split())
    if len(label) <= longest:
        return label
    half = (longest - 1) // 2
    return f"{label[: longest - 1 - half]}…{label[-half:]}"
