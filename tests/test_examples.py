"""The examples of the README and the docs print what they say they print."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples", ROOT / "scripts" / "examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = _script()


@pytest.mark.parametrize("path", EXAMPLES.documents(), ids=lambda path: path.name)
def test_examples_print_what_the_page_says(path: Path) -> None:
    text = path.read_text()
    assert EXAMPLES.refreshed(text) == text
