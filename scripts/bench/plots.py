"""Draws the pictures of docs/performance.md from the figures that the other benches have left.

    .venv/bin/python scripts/bench/plots.py [NAME...]

Every picture is of one file of docs/benchmarks, and of nothing else.  Needs the extra `figures`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "docs" / "benchmarks"
IMAGES = ROOT / "docs" / "images"
COLORS = OURS, THEIRS, *_ = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
INK = "#1a1a1a"


class Timed(NamedTuple):
    """What a case takes, by who computes it, in the same unit for all."""

    case: str
    takes: dict[str, float]


def engine(text: str) -> list[Timed]:
    """Return the cases of the engine beside the best plain mode of JAX."""
    found = []
    line = re.compile(r"^(.+?) over (?:best of )?[\w, -]+?\s+([\d.]+)x", re.MULTILINE)
    for case, ratio in line.findall(text):
        found.append(Timed(" ".join(case.split()), {"jaccli": 1.0, "JAX": float(ratio)}))
    return found


def sparse(text: str, column: str) -> list[Timed]:
    """Return the cases of sparse derivatives: `column` is `prepare` or `evaluate`."""
    found, who = [], ["jaccli", "asdex", "CasADi"]
    for line in text.splitlines():
        if line.startswith("case "):
            who = [name for name in ("jaccli", "asdex", "CasADi") if name in line]
        elif line.startswith(" ") and "jaccli" in line:
            who = line.split()[: len(line.split()) // 2]
        matched = re.match(r"^([a-z ]+?)\s+([\d,]{5,})\s+(.+?)\s+[\d.]+x faster$", line)
        if matched is None:
            continue
        numbers = [cell.replace(",", "") for cell in matched[3].split()]
        part = numbers[: len(who)] if column == "prepare" else numbers[len(who) : 2 * len(who)]
        takes = {name: float(cell) for name, cell in zip(who, part, strict=True) if cell != "–"}
        found.append(Timed(f"{matched[1]} {matched[2]}", takes))
    return found


def start(text: str) -> list[Timed]:
    """Return whole processes beside the script by hand, in milliseconds."""
    line = re.compile(r"^(\S.+?)\s{2,}([\d.]+)\s+[\d.]+\s+handwritten\.py\s+([\d.]+)", re.MULTILINE)
    latest = {
        case: Timed(case, {"jaccli": float(ours), "script by hand": float(theirs)})
        for case, ours, theirs in line.findall(text)
    }
    return list(latest.values())


def points(text: str) -> list[Timed]:
    """Return small derivatives of many points, in milliseconds; C++ by hand where it is there."""
    found: list[Timed] = []
    case = re.compile(r"^(\S.+?)\s+([\d,]+)\s+([\d.]+) ms\s+([\d.]+) ms")
    by_hand = re.compile(r"C\+\+\s+([\d.]+) ms one core")
    for line in text.splitlines():
        if matched := case.match(line):
            takes = {"jaccli": float(matched[3]), "jax.vmap": float(matched[4])}
            found.append(Timed(f"{matched[1]}, {matched[2]}", takes))
        elif matched := by_hand.search(line):
            found[-1].takes["C++ by hand"] = float(matched[1])
    return found


def ratios(axes: Axes, cases: Sequence[Timed], title: str) -> None:
    """Draw how many times as long the others take, on a logarithmic axis: right of 1 they lose."""
    others = list(dict.fromkeys(name for one in cases for name in one.takes if name != "jaccli"))
    high = 0.8 / len(others)
    for place, one in enumerate(cases):
        for number, name in enumerate(others):
            if name not in one.takes:
                continue
            ratio = one.takes[name] / one.takes["jaccli"]
            y = place + (number - (len(others) - 1) / 2) * high
            color = (
                (OURS, THEIRS)[number % 2] if len(others) > 1 else OURS if ratio >= 1 else THEIRS
            )
            axes.barh(y, ratio - 1, left=1, height=high * 0.92, color=color,
                      label=name if place == 0 else None)  # fmt: skip
            axes.annotate(f"{ratio:.3g}", (ratio, y), (3 if ratio >= 1 else -3, 0), fontsize=7,
                          textcoords="offset points", va="center",
                          ha="left" if ratio >= 1 else "right", color=INK)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if len(cases) < 6 else "")
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.margins(x=0.12)
    axes.set_yticks(range(len(cases)), [one.case for one in cases], fontsize=8)
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if len(others) > 1:
        axes.legend(fontsize=8, frameon=False, loc="lower right")


def drawn(cases: Sequence[Timed], title: str, target: Path) -> None:
    """Draw a picture."""
    figure = Figure(figsize=(7.2, 0.9 + 0.27 * len(cases)), layout="constrained")
    FigureCanvasAgg(figure)
    ratios(figure.subplots(), cases, title)
    figure.savefig(target, dpi=110, metadata={"Software": None})


Reader = Callable[[str], list[Timed]]
PICTURES: dict[str, tuple[str, Reader, str]] = {
    "engine": ("engine", engine, "JAX's best plain mode: how many times jaccli's time"),
    "sparse-evaluate": (
        "sparse", lambda text: sparse(text, "evaluate"), "Evaluating a sparse Jacobian or Hessian: "
        "how many times jaccli's time"),
    "sparse-prepare": (
        "sparse", lambda text: sparse(text, "prepare"), "Preparing it: how many times jaccli's time"
    ),
    "start": ("start", start, "A whole call: the script by hand, how many times jaccli's time"),
    "points": ("points", points, "Small Jacobians of many points: how many times jaccli's time"),
}  # fmt: skip


def main() -> None:
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    for name in parser.parse_args().names or PICTURES:
        file, read, title = PICTURES[name]
        source = BENCHMARKS / f"{file}.txt"
        if not source.exists():
            print(f"{name}: {source.name} is missing, left out")
            continue
        cases = read(source.read_text())
        drawn(cases, title, IMAGES / f"performance-{name}.png")
        print(f"{name}: {len(cases)} cases")


if __name__ == "__main__":
    main()
