"""The source files that a Python model consists of: its own, and those that it imports.

They are found by the import statements, wherever these stand in a file, below the folders that are
searched for the user's modules.  Installed packages are not among them, nor what is imported by
other means.

Boundary: reads source files; runs nothing of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jaccli.spec import PythonModel


def folders(model: PythonModel) -> tuple[Path, Path]:
    """Return the folders that hold the user's modules: the current one, and the model's own."""
    name, _, _ = model.target.rpartition(":")
    own = (model.folder / name).parent if name.endswith(".py") else model.folder
    return Path.cwd(), own


def sources(model: PythonModel) -> list[Path]:
    """Return the files of a model, itself first, each once; its own even if it is not there."""
    name, _, _ = model.target.rpartition(":")
    roots = folders(model)
    if name.endswith(".py"):
        waiting = [model.folder / name]
    else:
        waiting = list(_modules(roots, name.split(".")))
    found: dict[Path, None] = {}
    while waiting:
        path = waiting.pop().absolute()
        if path not in found:
            found[path] = None
            waiting += _imported(path, roots)
    return list(found)


def _imported(path: Path, roots: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files that a file imports; of one that Python could not read, none."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(roots, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = roots if node.level == 0 else tuple(path.parents)[node.level - 1 : node.level]
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _modules(base, [*parts, alias.name])


def _modules(roots: tuple[Path, ...], parts: list[str]) -> Iterator[Path]:
    """Yield the files that importing `a.b.c` runs: those of `a`, `a.b` and `a.b.c`."""
    for root in roots:
        folder = root
        for part in parts:
            for path in (folder / part / "__init__.py", folder / f"{part}.py"):
                if path.is_file():
                    yield path
            folder /= part
