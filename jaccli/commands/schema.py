"""The command `schema`: the JSON Schema of a spec."""

from __future__ import annotations

import json
from collections.abc import Iterator

from jaccli.commands.options import CallRequest
from jaccli.commands.outcome import Outcome, PlainText
from jaccli.context import Context


class SchemaRequest(CallRequest):
    """Nothing more is asked."""


def run(request: SchemaRequest, context: Context) -> Iterator[Outcome]:
    """Make the schema."""
    from jaccli.spec.schema import json_schema

    yield PlainText(text=lambda: json.dumps(json_schema(), indent=2))
