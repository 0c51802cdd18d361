"""What a person does on the page."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.service.servers import Server

PATIENCE = 60_000


def url(service: Server, **state: Any) -> str:
    """Return the page's address, with a model behind its #."""
    fragment = urlencode(state, doseq=True)
    return f"http://127.0.0.1:{service.port}/{'#' * bool(fragment)}{fragment}"


def settled(page: Any) -> str:
    """Wait for what is being computed, and return the line about it."""
    page.wait_for_function(
        "() => { const said = document.getElementById('status').textContent;"
        " return said && !said.startsWith('Computing')"
        " && !document.getElementById('result').hasAttribute('aria-busy'); }",
        timeout=PATIENCE,
    )
    text: str = page.inner_text("#status")
    return text


def opened(page: Any, service: Server, **state: Any) -> str:
    """Open the page with a model; return the line about its result."""
    page.goto("about:blank")
    page.goto(url(service, **state))
    return settled(page)


def write_spec(page: Any, service: Server, text: str, *files: Path) -> str:
    """Open the page, write a spec into it, choose files, and compute."""
    page.goto(url(service))
    settled(page)
    page.uncheck("#typing")
    page.check("[name=kind][value=yaml]")
    page.fill("#yaml", text)
    if files:
        page.set_input_files("#files", list(map(str, files)))
    page.click("#compute")
    return settled(page)


def error(page: Any) -> str:
    """Return what is said to be wrong; nothing where all is well."""
    text: str = page.inner_text("#error") if page.is_visible("#error") else ""
    return text


def numbers(page: Any, where: str = ".derivative") -> list[list[str]]:
    """Return the numbers of the tables, in full."""
    rows = page.locator(f"{where} tbody tr")
    return rows.evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.dataset.number))"
    )  # type: ignore[no-any-return]


def copied(page: Any, what: str) -> str:
    """Copy the model as something; return it."""
    page.click(f"[data-copy={what}]")
    page.wait_for_selector("#copied")
    text: str = page.input_value("#copied")
    return text


def saved(page: Any, button: str, place: int = 0) -> bytes:
    """Press a button that saves a file; return what is in it."""
    with page.expect_download(timeout=PATIENCE) as download:
        page.locator(f"text={button}").nth(place).click()
    return Path(download.value.path()).read_bytes()


def data(text: str | bytes) -> Any:
    """Return the numbers of JSON, of a result or a report, without the account of the run."""
    found = json.loads(text)
    return {name: value for name, value in found.items() if name in ("blocks", "outputs", "value",
            "matrix", "covariance", "correlation", "parameters", "residuals")}  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Return whether two pieces of JSON are equal, numbers to the last but one digit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=0)
    return bool(one == other)
