"""The operations of the API: which commands, which answers, which parameters.

One table, from which requests are read and the OpenAPI description is made.  A parameter of the
query is a field of the command's request: its name, its help, its choices.

Boundary: knows nothing of HTTP but the names of media types.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from jaccli.choices import DERIVATIVES, REPORTED
from jaccli.commands import COMMANDS
from jaccli.commands.request import Option, Request
from jaccli.errors import UsageError, did_you_mean, expected
from jaccli.service.server.http_error import Refusal

JSON = "application/json"
NPY, NPZ, CSV = "application/x-npy", "application/x-npz", "text/csv"
PAGE = "application/vnd.jaccli.page+json"
"""What the page in a browser draws: it is made for that page, and changes with it."""
FORMATS = {JSON: "json", NPY: "npy", NPZ: "npz", CSV: "csv", PAGE: "page"}
"""What can be answered, by media type."""
MODEL, INPUT = "model", "input"
"""Parameters of the query that name a registered model, and the input that the body holds."""

Query = tuple[tuple[str, str], ...]
"""The parameters of a request, as texts."""


class Operation(NamedTuple):
    """A command that is performed over HTTP, and the media types of its answers."""

    name: str
    media: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What the command does."""
        return COMMANDS[self.name].summary

    @property
    def options(self) -> dict[str, Option]:
        """The parameters of the query, by name."""
        return _options(self.name)

    def request(self, query: Query, **rest: Any) -> Request:
        """Return what a query asks of the command; `rest` are fields that are no parameters.

        Raises:
            Refusal: a parameter is unknown, or has a value of another type.
        """
        known = self.options
        values: dict[str, Any] = {}
        for name, text in query:
            if name not in known:
                hint = did_you_mean(name, [*known, MODEL, INPUT])
                raise Refusal(400, f"no parameter is called {name!r}. {hint}")
            value = _read(known[name], text)
            if known[name].kind is tuple:
                values[name] = (*values.get(name, ()), value)
            elif name in values:
                raise Refusal(400, f"{name}: given twice.")
            else:
                values[name] = value
        try:
            return COMMANDS[self.name].request()(**values, **rest)
        except UsageError as error:
            raise Refusal(400, str(error)) from None


@cache
def _options(command: str) -> dict[str, Option]:
    options = COMMANDS[command].request().options
    return {name: option for name, option in options.items() if option.over_http}


def _read(option: Option, text: str) -> Any:
    if option.kind is bool:
        if text not in ("true", "false"):
            raise Refusal(400, f"{option.name}: {text!r}. {expected(('true', 'false'))}")
        return text == "true"
    if option.kind is tuple:
        return text
    try:
        return option.kind(text)
    except ValueError:
        kind = "a whole number" if option.kind is int else "a number"
        raise Refusal(400, f"{option.name}: {text!r} is not {kind}.") from None


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        *(Operation(name, tuple(FORMATS)) for name in DERIVATIVES),
        *(Operation(name, (JSON, CSV, PAGE)) for name in REPORTED),
        *(Operation(name, (JSON, PAGE)) for name in ("plan", "check", "analyze")),
        Operation("run", (PAGE,)),
    )
}
