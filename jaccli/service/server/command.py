"""The command `serve`: runs the resident service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from jaccli import startup
from jaccli.commands.options import CallRequest
from jaccli.commands.outcome import Outcome
from jaccli.commands.request import option
from jaccli.context import Context
from jaccli.errors import UsageError, format_bytes
from jaccli.service import address
from jaccli.service.server.limits import Described, Limits, described
from jaccli.spec.schema_types import parse_size
from jaccli.storage import files

_HOST, _PORT = "127.0.0.1", 8377
_SHORTEST = 16
"""Characters of a token at least."""
_PANEL = "Limits"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


class _ServeRequest(CallRequest):
    """Where the service listens, and who may ask."""

    # fmt: off
    socket: str | None = option("--socket", metavar="PATH",
        help="Unix socket (in the runtime folder).")
    host: str | None = option("--host", metavar="HOST", help=f"HTTP over TCP, here ({_HOST}).")
    port: int | None = option("--port", metavar="PORT",
        help=f"HTTP over TCP; 0: a free one ({_PORT}).")
    token_file: str | None = option("--token-file", metavar="FILE",
        help="Who has its token may ask (JACCLI_TOKEN).")
    # fmt: on


def _limit_option(limit: Described) -> Any:
    """Return a limit as an option."""
    shown = format_bytes(limit.default) if limit.kind == "size" else f"{limit.default:g}"
    return option(
        _flag(limit.name),
        metavar={"count": "N", "size": "SIZE", "seconds": "SECONDS"}[limit.kind],
        help=f"{limit.help.removesuffix('.')} ({shown}).",
        panel=_PANEL,
    )


_KINDS = {"count": "int | None", "size": "str | None", "seconds": "float | None"}
_LIMITS = {limit.name: limit for limit in described()}

ServeRequest = type(
    "ServeRequest",
    (_ServeRequest,),
    {
        "__doc__": "Where the service listens, who may ask, and its limits.",
        "__module__": __name__,
        "__annotations__": {name: _KINDS[limit.kind] for name, limit in _LIMITS.items()},
        **{name: _limit_option(limit) for name, limit in _LIMITS.items()},
    },
)


def run(request: _ServeRequest, context: Context) -> Iterator[Outcome]:
    """Run the service until it is told to end.

    Raises:
        UsageError: an option is wrong, or the extra is not installed.
    """
    limits = _limits({name: getattr(request, name) for name in _LIMITS})
    where = _address(request.socket, request.host, request.port)
    token = _token(request.token_file)
    startup.import_numpy()
    try:
        from jaccli.service.server import main
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "httptools"):
            raise
        message = f"serve: needs {error.name}, which is not installed."
        hint = "Install the extra: pip install 'jaccli[service]'"
        raise UsageError(message, hint=hint) from error
    if where.host and not main.is_loopback(where.host) and token is None:
        message = f"--host: {where.host} can be reached by others, and there is no token."
        raise UsageError(message, hint="Use --token-file FILE, or set JACCLI_TOKEN.")
    yield Outcome(exit_code=main.run(where, limits, token))


def _limits(given: dict[str, Any]) -> Limits:
    """Return the limits that the options ask for."""
    found: dict[str, Any] = {}
    for limit in described():
        value = given[limit.name]
        if value is None:
            continue
        flag = _flag(limit.name)
        if limit.kind == "size":
            size = parse_size(value)
            if size is None or size < 1:
                hint = "Expected a number with a unit, as 512MiB."
                raise UsageError(f"{flag}: {value!r} is not a size.", hint=hint)
            found[limit.name] = size
        elif not 0 < value < float("inf"):
            raise UsageError(f"{flag}: {value!r} is too small or too large.")
        else:
            found[limit.name] = value
    return Limits(**found)


def _address(socket: str | None, host: str | None, port: int | None) -> address.ServiceAddress:
    """Return where to listen."""
    if socket is not None:
        if host is not None or port is not None:
            raise UsageError("--socket and --host or --port do not go together.")
        if not socket:
            raise UsageError("--socket: no path is given.")
        return address.ServiceAddress(path=os.path.abspath(socket))
    if host is None and port is None:
        return address.ServiceAddress(path=address.default_socket())
    if host == "":
        raise UsageError("--host: no host is given.", hint=f"Expected a name or address: {_HOST}.")
    if port is not None and not 0 <= port < 65536:
        raise UsageError(f"--port: {port} is not a port.", hint="Expected 0 to 65535.")
    return address.ServiceAddress(host=host or _HOST, port=_PORT if port is None else port)


def _token(file: str | None) -> str | None:
    """Return the token of a file, else of JACCLI_TOKEN, if there is one."""
    source = f"--token-file: {file}" if file is not None else "JACCLI_TOKEN"
    if file is None:
        text = os.environ.get("JACCLI_TOKEN", "")
        if not text.strip():
            return None
    else:
        try:
            text = files.read(file).decode("ascii")
        except UnicodeDecodeError:
            text = "\0"
        except OSError as error:
            raise UsageError(f"{source}: {(error.strerror or str(error)).lower()}.") from error
    token = text.strip()
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        hint = "Make one: head -c 24 /dev/urandom | base64"
        message = f"{source}: a token has at least {_SHORTEST} printable characters, no spaces."
        raise UsageError(message, hint=hint)
    return token
