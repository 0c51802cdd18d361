"""Runs the examples of the README and the docs, and writes their real output into them.

    .venv/bin/python scripts/examples.py [--check] [FILE...]

An example is a `console` block: lines that begin with `$ ` are run by bash, in an empty folder that
has `configs/` and `docs/`, with an empty cache; what follows is their standard output, or standard
error where they fail.  Without FILE, pages that need the extra `ecosystem` are left out.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


Runner = Callable[[str, str, dict[str, str]], tuple[int, str, str]]
"""Runs a command in a folder with an environment: exit code, standard output and error."""


def by_bash(command: str, folder: str, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a command as a user does."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def refreshed(text: str, run: Runner = by_bash) -> str:
    """Return a Markdown text with the output of its examples as it is now.

    What differs in the last digits alone stays: processors round differently.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        for name in ("configs", "docs"):
            (Path(folder) / name).symlink_to(ROOT / name)
        environment = _environment(cache)

        def output(command: str) -> str:
            code, out, err = run(command, folder, environment)
            return "".join(f"{line.rstrip()}\n" for line in (err if code else out).splitlines())

        return _BLOCK.sub(lambda match: _run_block(match[0], output), text)


def _run_block(block: str, output: Callable[[str], str]) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    new = "".join(f"{line}\n{output(line[2:])}" for line in commands)
    return block if _agree(block, new) else new


def _agree(a: str, b: str) -> bool:
    """Return whether texts are equal but for rounding, and the blanks that align numbers."""
    one, two = (_NUMBER.split(" ".join(text.split())) for text in (a, b))
    if len(one) != len(two) or one[::2] != two[::2]:
        return False
    pairs = zip(one[1::2], two[1::2], strict=True)
    return all(math.isclose(float(x), float(y), rel_tol=1e-9, abs_tol=1e-12) for x, y in pairs)


def _environment(cache: str) -> dict[str, str]:
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    fixed = {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "XDG_CACHE_HOME": cache}
    kept = {name: value for name, value in os.environ.items() if name != "JACCLI_SERVER"}
    return {**kept, **fixed}


ECOSYSTEM = ROOT / "docs" / "python-models.md"
"""The page whose examples need the extra `ecosystem`; tests/ecosystem runs them."""


def documents() -> list[Path]:
    """Return the files that may hold examples, without the page that needs more installed."""
    docs = ROOT / "docs"
    pages = {*docs.glob("*.md"), *(docs / "how-to").glob("*.md")} - {ECOSYSTEM}
    return [ROOT / "README.md", *sorted(pages)]


def main() -> None:
    """Refresh the files, or say which of them are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    stale = []
    for path in options.files or documents():
        text = path.read_text()
        new = refreshed(text)
        if new != text:
            stale.append(path)
            if not options.check:
                path.write_text(new)
    for path in stale:
        print(f"{path.name}: {'out of date' if options.check else 'refreshed'}")
    if stale and options.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
