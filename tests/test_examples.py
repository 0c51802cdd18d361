"""The examples of the README and the docs print what they say they print."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import call

ROOT = Path(__file__).parent.parent


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples", ROOT / "scripts" / "examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = _script()


SLOW = {
    "README.md", "check-in-ci.md", "data-files.md", "equations.md", "equilibria.md",
    "expressions.md", "figures.md", "jacobian-from-csv.md",
    "fits.md", "kinks.md", "large-results.md", "parts.md", "results.md", "sensitivity-table.md",
    "sparse.md", "spec.md", "spectra.md", "tour.md", "tutorial.md", "uncertainty.md", "verify.md",
}  # fmt: skip
"""Pages whose examples are performed in a shell only."""
SHELL = set("|&;<>$*`#")
"""What only a shell understands."""


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES.documents(), ids=lambda path: path.name)
def test_examples_print_it_in_a_shell(path: Path) -> None:
    text = path.read_text()
    assert EXAMPLES.refreshed(text) == text


@pytest.mark.parametrize(
    "path",
    [path for path in EXAMPLES.documents() if path.name not in SLOW],
    ids=lambda path: path.name,
)
def test_examples_print_what_the_page_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where no shell is needed: a new one each would take four times as long."""

    def run(command: str, folder: str, environment: dict[str, str]) -> tuple[int, str, str]:
        name, *arguments = shlex.split(command)
        if name != "jaccli" or not SHELL.isdisjoint(command):
            ran: tuple[int, str, str] = EXAMPLES.by_bash(command, folder, environment)
            return ran
        for key in ("COLUMNS", "NO_COLOR", "XDG_CACHE_HOME"):
            monkeypatch.setenv(key, environment[key])
        done = call(*arguments, cwd=Path(folder), check=False)
        return done.exit_code, done.stdout, done.stderr

    text = path.read_text()
    assert EXAMPLES.refreshed(text, run) == text


@pytest.mark.parametrize("path", EXAMPLES.documents(), ids=lambda path: path.name)
def test_examples_work_a_second_time_and_leave_nothing(path: Path) -> None:
    for block in EXAMPLES._BLOCK.findall(path.read_text()):
        for line in block.splitlines():
            if not line.startswith("$ ") or "jaccli" not in line or "--dry-run" in line:
                continue
            for target in re.findall(r"(?:-o|--output|--table|--out-dir) (?!-)(\S+)", line):
                assert target.startswith("/tmp/"), line
                assert "--force" in line, line
            if re.search(r"jaccli run \S*_sweep", line) and "shunt" not in line:
                assert "--out-dir /tmp/" in line or "--no-folder" in line, line
