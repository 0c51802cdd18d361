"""A real Chromium, and a service for it to look at.  `scripts/test-page` runs these tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.servers import Server, serving

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "JACCLI_PICTURES"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.page)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(["--port", "0", "--workers", "1"], tmp_path_factory.mktemp("cache")) as server:
        server.workers()
        yield server


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: into the docs, where they are asked for."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else tmp_path_factory.mktemp("pictures")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab; whatever it says of errors fails the test that does not expect them."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    tab = context.new_page()
    said: list[str] = []
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("console", lambda line: said.append(line.text) if "Content Security" in line.text else 0)
    yield tab
    context.close()
    assert not said, said
