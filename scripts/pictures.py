"""Draws the pictures of the docs, docs/images/*.png, by the commands that docs/figures.md shows.

    .venv/bin/python scripts/pictures.py [NAME...]

Needs the extra `figures`.  The terminal's tables need tmux besides, and the HTML report Chromium;
where they are missing, those pictures are left as they are, and named.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SOCKET = "jaccli-pictures"
_LETTER = 0.0753
"""The width of a letter of the terminal, in inches."""

DRAWN: dict[str, list[str]] = {
    "arm": ["jacobian", "configs/planar_arm.yaml", "--layout", "matrix"],
    "outer64": ["jacobian", "-e", "y = x * sin(x[::-1]) + mean(x**2) / 4", "--at",
                "x={linspace: [-2, 2, 64]}"],
    "outer4000": ["jacobian", "-e", "y = sin(outer(x, x)) @ x / 1000", "--at",
                  "x={linspace: [-1, 2, 4000]}"],
    "nonfinite": ["jacobian", "-e", "y = sqrt(x) * x[::-1]", "--at", "x={linspace: [-1, 0, 5]}"],
    "spy": ["jacobian", "configs/brusselator.yaml", "--mode", "sparse"],
    "gradient": ["gradient", "-e", "f = sum(sin(x) * x**2)", "--at", "x={linspace: [-4, 2, 12]}"],
    "budget": ["propagate", "configs/end_gauge.yaml"],
    "fit": ["covariance", "configs/misra1a.yaml", "--select", "residuals"],
}  # fmt: skip
SWEPT = {"sweep": ["run", "configs/planar_arm_sweep.yaml", "--no-folder", "--format", "none"]}
TERMINALS = {"terminal80": 80, "terminal200": 200}
REPORTS = {"report-light": "light", "report-dark": "dark"}


def jaccli(*options: str) -> None:
    """Run the program, as from a shell in the repository."""
    subprocess.run(
        [sys.executable, "-m", "jaccli", *options, "--force", "-q"], cwd=ROOT, check=True
    )


def draw(name: str) -> str:
    """Draw one picture; return what is missing for it, or nothing."""
    target = str(IMAGES / f"{name}.png")
    if name in DRAWN:
        jaccli(*DRAWN[name], "-o", target)
    elif name in SWEPT:
        jaccli(*SWEPT[name], "--table", target)
    elif name in TERMINALS:
        if shutil.which("tmux") is None:
            return "tmux"
        _terminal(TERMINALS[name], target)
    else:
        program = next(filter(None, map(shutil.which, CHROMIUM)), None)
        if program is None:
            return "Chromium"
        _report(program, REPORTS[name], target)
    return ""


def _terminal(columns: int, target: str) -> None:
    """Draw what a terminal of that many columns shows of a Jacobian."""
    command = f"{sys.executable} -m jaccli jacobian configs/lorenz96.yaml -q; sleep 60"
    size = ["-x", str(columns), "-y", "30"]
    tmux = ["tmux", "-L", SOCKET, "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", *size, command], cwd=ROOT, check=True)
    try:
        shown = ""
        for _ in range(100):
            time.sleep(0.2)
            shown = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True,
                                   check=True).stdout  # fmt: skip
            if shown.strip():
                break
        time.sleep(0.5)
        shown = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True,
                               check=True).stdout  # fmt: skip
    finally:
        subprocess.run([*tmux, "kill-session"], check=False)
    _text(shown.rstrip("\n").splitlines(), columns, target)


def _text(lines: list[str], columns: int, target: str) -> None:
    """Write lines of a terminal as a picture, a character a cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(columns * _LETTER + 0.3, len(lines) * 0.165 + 0.2), facecolor="#16181c"
    )
    FigureCanvasAgg(figure)
    high, wide = figure.get_figheight(), figure.get_figwidth()
    for number, line in enumerate(lines):
        y = 1 - (0.1 + 0.165 * number) / high
        for word in re.finditer(r"\S+", line):  # so that letters of other fonts move none
            x = (0.1 + _LETTER * word.start()) / wide
            figure.text(x, y, word[0], family=["DejaVu Sans Mono", "DejaVu Sans"], fontsize=9,
                        color="#e8e8e8", va="top", parse_math=False)  # fmt: skip
    figure.savefig(target, dpi=120, facecolor=figure.get_facecolor(), metadata={"Software": None})


def _report(program: str, scheme: str, target: str) -> None:
    """Draw the HTML report of the arm, light or dark."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        jaccli(*DRAWN["arm"], "--with-value", "-o", str(page))
        dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
        subprocess.run(
            [program, "--headless", "--no-sandbox", "--window-size=900,1400", *dark,
             f"--screenshot={target}", page.as_uri()], check=True, capture_output=True,
        )  # fmt: skip


def main() -> None:
    """Draw the pictures that are named, or all."""
    every = [*DRAWN, *SWEPT, *TERMINALS, *REPORTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    names = parser.parse_args().names or every
    IMAGES.mkdir(exist_ok=True)
    for name in names:
        if name not in every:
            parser.error(f"{name!r} is none of {', '.join(every)}")
        missing = draw(name)
        print(f"{name}: {f'left as it is, {missing} is missing' if missing else 'drawn'}")


if __name__ == "__main__":
    main()
