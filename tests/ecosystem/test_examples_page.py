"""The examples of docs/python-models.md print what the page says they print."""

from __future__ import annotations

from tests.test_examples import EXAMPLES


def test_examples_print_what_the_page_says() -> None:
    text = EXAMPLES.ECOSYSTEM.read_text()
    assert EXAMPLES.refreshed(text) == text
