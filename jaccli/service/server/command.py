"""The command `serve`: runs the resident service."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from jaccli import startup
from jaccli.errors import UsageError, format_bytes
from jaccli.service import address
from jaccli.service.server.limits import Described, Limits, described
from jaccli.spec.schema_types import parse_size
from jaccli.storage import files

_HOST, _PORT = "127.0.0.1", 8377
_SHORTEST = 16
"""Characters of a token at least."""
_PANEL = "Limits"


def serve_command(_: str) -> Callable[..., int | None]:
    """Return `serve`."""

    def serve(
        socket: Annotated[
            str | None,
            typer.Option("--socket", metavar="PATH", help="Unix socket (in the runtime folder)."),
        ] = None,
        host: Annotated[
            str | None,
            typer.Option("--host", metavar="HOST", help=f"HTTP over TCP, here ({_HOST})."),
        ] = None,
        port: Annotated[
            int | None,
            typer.Option("--port", metavar="PORT", help=f"HTTP over TCP; 0: a free one ({_PORT})."),
        ] = None,
        token_file: Annotated[
            str | None,
            typer.Option(
                "--token-file", metavar="FILE", help="Who has its token may ask (JACCLI_TOKEN)."
            ),
        ] = None,
        debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
        **given: Any,
    ) -> int:
        limits = _limits(given)
        where = _address(socket, host, port)
        token = _token(token_file)
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
        return main.run(where, limits, token)

    named = inspect.signature(serve, eval_str=True).parameters
    fixed = [p for p in named.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for p in (*fixed, *map(_parameter, described()))
    ]
    serve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    serve.__annotations__ = {p.name: p.annotation for p in parameters}
    return serve


_TYPES: dict[str, Any] = {"count": int, "size": str, "seconds": float}


def _parameter(limit: Described) -> inspect.Parameter:
    """Return a limit as a parameter of a Typer command."""
    shown = format_bytes(limit.default) if limit.kind == "size" else f"{limit.default:g}"
    option = typer.Option(
        _flag(limit.name),
        metavar={"count": "N", "size": "SIZE", "seconds": "SECONDS"}[limit.kind],
        help=f"{limit.help.removesuffix('.')} ({shown}).",
        rich_help_panel=_PANEL,
        show_default=False,
    )
    annotation: Any = Annotated[_TYPES[limit.kind] | None, option]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(limit.name, kind, default=None, annotation=annotation)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
