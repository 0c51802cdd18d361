"""The command `validate`: specs checked, and printed with their defaults."""

from __future__ import annotations

from collections.abc import Iterator

from jaccli.commands.options import CHUNK, LAYOUT, MODE, STORAGE, VECTOR, SpecRequest
from jaccli.commands.outcome import Outcome, PlainText
from jaccli.commands.tasks import load_all, warn_of_unused
from jaccli.context import Context


class ValidateRequest(SpecRequest):
    """The specs, and what the options change in them."""

    mode: str | None = MODE
    storage: str | None = STORAGE
    chunk: int | None = CHUNK
    layout: str | None = LAYOUT
    vector: tuple[str, ...] = VECTOR


def run(request: ValidateRequest, context: Context) -> Iterator[Outcome]:
    """Check the specs.

    Raises:
        SpecError: with every problem, and its place.
    """
    from jaccli.spec.resolved import to_yaml

    specs = load_all(request, request.overrides())
    for spec in specs:
        if spec.sweep is not None:
            from jaccli.sweep import expand

            expand(spec)
        warn_of_unused(spec, context)
    text = "\n---\n".join(to_yaml(spec.resolved).rstrip() for spec in specs)
    yield PlainText(text=lambda: text)
