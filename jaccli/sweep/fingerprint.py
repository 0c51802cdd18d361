"""The fingerprint of a task: a hash of everything that determines its result.

It covers the resolved spec, the content of every file that the spec names or its Python model
imports, the versions of jaccli, JAX and numpy, and the format of the result's file, but neither
free text nor `output:`.  A result with the same fingerprint is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from jaccli.models.source_files import sources
from jaccli.spec import PythonModel, Spec
from jaccli.spec.schema import deciding
from jaccli.storage.digest import file_digest, text_digest
from jaccli.sweep.expand import SweepTask


def fingerprints(suffix: str, versions: Mapping[str, str]) -> Callable[[SweepTask], str]:
    """Return a function from a task to its SHA-256; each file is read once for all tasks."""
    content_of, imports = cache(file_digest), cache(sources)

    def fingerprint(task: SweepTask) -> str:
        resolved = task.spec.resolved | {"derivative": task.derivative}
        content = {
            "spec": deciding(resolved, "program", "result"),
            "files": [content_of(path) for path in _files(task.spec, imports)],
            "suffix": suffix,
            "versions": dict(versions),
        }
        return text_digest(json.dumps(content, sort_keys=True))

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
