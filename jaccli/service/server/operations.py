"""The operations of the API: which commands, which answers, which parameters.

One table, from which requests are read and the OpenAPI description is made.  A parameter of the
query is an option of the command line: its name, its help, its choices.

Boundary: knows nothing of HTTP but the names of media types.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from jaccli.choices import DERIVATIVES
from jaccli.cli.analyze import SPECTRUM
from jaccli.cli.app import COMMANDS
from jaccli.cli.options import ATOL, BY_NAME, OF, PROBES, RTOL, Option
from jaccli.errors import did_you_mean, expected
from jaccli.service.server.http_error import Refusal

JSON = "application/json"
NPY, NPZ = "application/x-npy", "application/x-npz"
FORMATS = {JSON: "json", NPY: "npy", NPZ: "npz"}
"""What can be answered, by media type."""
MODEL, INPUT = "model", "input"
"""Parameters of the query that name a registered model, and the input that the body holds."""
_HOW = ("wrt", "select", "mode", "dtype", "precision", "storage", "device", "chunk", "memory")
_RESULT = ("layout", "fail_on_nonfinite")


class Operation(NamedTuple):
    """A command as a request: `options` are its parameters, `media` its kinds of answers."""

    name: str
    summary: str
    options: tuple[Option, ...]
    media: tuple[str, ...]

    def values(self, query: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the values of the options in a query, by name.

        Raises:
            Refusal: a parameter is unknown, or has a value of another type.
        """
        known = {option.name: option for option in self.options}
        values: dict[str, Any] = {}
        for name, text in query:
            if name not in known:
                hint = did_you_mean(name, [*known, MODEL, INPUT])
                raise Refusal(400, f"no parameter is called {name!r}. {hint}")
            value = _read(known[name], text)
            if is_repeatable(known[name]):
                values.setdefault(name, []).append(value)
            elif name in values:
                raise Refusal(400, f"{name}: given twice.")
            else:
                values[name] = value
        return values

    def arguments(self, values: dict[str, Any]) -> list[str]:
        """Return the options as the command line writes them."""
        found = []
        for option in self.options:
            value = values.get(option.name)
            if value is True:
                found.append(option.flags[-1])
            elif value is not None and value is not False:
                several = value if isinstance(value, list) else [value]
                found += [f"{option.flags[-1]}={one}" for one in several]
        return found


def is_repeatable(option: Option) -> bool:
    """Whether a parameter may be given several times."""
    return option.read is not None and option.type is str


def _read(option: Option, text: str) -> Any:
    if option.type is bool:
        if text not in ("true", "false"):
            raise Refusal(400, f"{option.name}: {text!r}. {expected(('true', 'false'))}")
        return text == "true"
    try:
        return option.type(text)
    except ValueError:
        kind = "a whole number" if option.type is int else "a number"
        raise Refusal(400, f"{option.name}: {text!r} is not {kind}.") from None


def _operation(
    name: str, options: Iterable[Option | str], media: tuple[str, ...] = (JSON,)
) -> Operation:
    found = tuple(BY_NAME[option] if isinstance(option, str) else option for option in options)
    return Operation(name, COMMANDS[name].summary, found, media)


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        *(_operation(name, (*_HOW, *_RESULT), tuple(FORMATS)) for name in DERIVATIVES),
        _operation("plan", (OF, *_HOW)),
        _operation("check", (OF, PROBES, RTOL, ATOL, *_HOW)),
        _operation("analyze", (*SPECTRUM, *(name for name in _HOW if name != "storage"))),
    )
}
