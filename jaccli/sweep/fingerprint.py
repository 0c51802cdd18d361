"""What determines a task's result, as one hash: a result whose hash is the same is kept.

That is the resolved spec, the content of every file that it names or that its Python model
imports, the versions of jaccli, JAX and numpy, and the format of the result's file.  Free text and
`output:` do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from jaccli.model.source_files import sources
from jaccli.spec import PythonModel, Spec
from jaccli.sweep.expand import SweepTask

_FREE = ("output", "description", "source")


def fingerprints(suffix: str, versions: Mapping[str, str]) -> Callable[[SweepTask], str]:
    """Return what gives a task's hash (SHA-256, hexadecimal); a file is read once for all tasks."""
    digest, imports = cache(_digest), cache(sources)

    def fingerprint(task: SweepTask) -> str:
        resolved = task.spec.resolved | {"derivative": task.derivative}
        content = {
            "spec": {name: value for name, value in resolved.items() if name not in _FREE},
            "files": [digest(path) for path in _files(task.spec, imports)],
            "suffix": suffix,
            "versions": dict(versions),
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    return fingerprint


def _files(spec: Spec, imports: Callable[[PythonModel], list[Path]]) -> Iterator[Path]:
    """Yield the files that a spec names, and those that its Python model imports."""
    yield from spec.input_files()
    if spec.expect is not None:
        yield spec.expect.path
    if spec.sparsity is not None:
        yield spec.sparsity
    if isinstance(spec.model, PythonModel):
        yield from imports(spec.model)


def _digest(path: Path) -> str:
    """Return the hash of a file's content; of one that is not there, that."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"
