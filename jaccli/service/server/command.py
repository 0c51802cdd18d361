"""The command `serve`: runs the resident service."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from jaccli import startup
from jaccli.commands.options import REPORTS, CallRequest
from jaccli.commands.outcome import Outcome
from jaccli.commands.request import check_choice, option
from jaccli.context import Context
from jaccli.errors import UsageError, format_bytes
from jaccli.service import address, environment
from jaccli.service.client.start import NEEDED
from jaccli.service.server import control
from jaccli.service.server.lifetime import IDLE_END, Lifetime
from jaccli.service.server.limits import Described, Limits, described
from jaccli.spec.schema_types import parse_size
from jaccli.storage import files

_HOST, _PORT = "127.0.0.1", 8377
_FEW = 2
"""Workers at most of a service that nobody has set up: each takes 240 MB."""
_SHORTEST = 16
"""Characters of a token at least."""
_PANEL = "Limits"
UMBRIDGE_PORT = 4242
"""UM-Bridge's own."""
_OF_WORKERS = (
    "workers", "time", "memory", "worker_memory", "idle_memory", "result", "models",
    "models_memory", "programs", "programs_memory",
)  # fmt: skip
"""Limits that concern workers and what they are sent; a model for UM-Bridge has none."""


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
    umbridge: str | None = option("--umbridge", metavar="SPEC",
        help=f"Serve this spec's model to UM-Bridge clients instead, at {_HOST}:{UMBRIDGE_PORT}.")
    allow_python: bool = option("--allow-python",
        help="Permit the model.python of --umbridge's spec.")
    idle_end: float | None = option("--idle-end", metavar="SECONDS",
        help="End after so long without a request (never).")
    on_demand: bool = option("--on-demand",
        help="As JACCLI_SERVER=start starts it: serve command lines of this environment alone, and "
        f"end after {IDLE_END:g} idle seconds, or when the socket's file is gone.")
    status: bool = option("--status",
        help="Say whether a service runs there, and which; exit code 1 if none does.")
    stop: bool = option("--stop", help="Have the service there end when its requests have ended.")
    format: str | None = option("--format", metavar="FORMAT", choices=REPORTS,
        help=f"Of --status and --stop: {', '.join(REPORTS)}.")
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
    """Run the service until it is told to end, or look after one that runs.

    Raises:
        UsageError: an option is wrong, or the extra is not installed.
    """
    where = _address(request)
    if request.status or request.stop:
        yield _controlled(request, where, context)
        return
    if request.format is not None:
        raise UsageError("--format: it goes with --status or --stop.")
    if request.allow_python and request.umbridge is None:
        raise UsageError("--allow-python: it goes with --umbridge; requests bring no Python.")
    if request.umbridge is not None:
        _refuse(request, "--umbridge", ("on_demand", *_OF_WORKERS), "concerns workers")
    limits = _limits({name: getattr(request, name) for name in _LIMITS})
    lifetime = _lifetime(request, where)
    if lifetime.on_demand and request.workers is None:  # type: ignore[attr-defined]
        limits = replace(limits, workers=min(_FEW, limits.workers))
    token = None if lifetime.on_demand else _token(request.token_file)
    startup.import_numpy()
    try:
        from jaccli.service.server import main
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        message = f"serve: needs {error.name}, which is not installed."
        hint = "Install the extra: pip install 'jaccli[service]'"
        raise UsageError(message, hint=hint) from error
    if where.host and not main.is_loopback(where.host) and token is None:
        message = f"--host: {where.host} can be reached by others, and there is no token."
        raise UsageError(message, hint="Use --token-file FILE, or set JACCLI_TOKEN.")
    if request.umbridge is None:
        yield Outcome(exit_code=main.run(where, limits, token, lifetime))
        return
    from jaccli.service.umbridge import app, operator_spec

    make = app.maker(*operator_spec.load(request.umbridge, allow_python=request.allow_python))
    yield Outcome(exit_code=main.run(where, limits, token, lifetime, make))


def _refuse(request: _ServeRequest, flag: str, names: Iterable[str], why: str) -> None:
    """Refuse options that would have no effect beside another one."""
    for name in names:
        if getattr(request, name) not in (None, False):
            raise UsageError(f"{flag}: {_flag(name)} {why}.", hint="Leave one of the two out.")


def _controlled(request: _ServeRequest, where: address.ServiceAddress, context: Context) -> Outcome:
    """Return what comes of `--status` or `--stop`."""
    flag = "--status" if request.status else "--stop"
    if request.status and request.stop:
        raise UsageError("--status and --stop do not go together.")
    others = ("umbridge", "allow_python", "idle_end", "on_demand", *_LIMITS)
    _refuse(request, flag, others, "is for a service that is to start")
    check_choice(request, "format")
    form = request.format or ("table" if context.is_terminal else "plain")
    token = _token(request.token_file)
    header = {} if token is None else {"Authorization": f"Bearer {token}"}
    return (control.status if request.status else control.stop)(where, header, form)


def _lifetime(request: _ServeRequest, where: address.ServiceAddress) -> Lifetime:
    """Return when the service ends by itself, and which environment's calls it serves."""
    idle_end = request.idle_end
    if idle_end is not None and not 0 < idle_end < float("inf"):
        raise UsageError(f"--idle-end: {idle_end!r} is too small or too large.")
    if not request.on_demand:
        return Lifetime(idle_end)
    if not where.path or request.token_file is not None:
        message = "--on-demand: it is for a Unix socket, which no one else reaches, and no token."
        raise UsageError(message, hint="Leave --host, --port and --token-file out.")
    return Lifetime(idle_end or IDLE_END, on_demand=True, environment=environment.described())


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


def _address(request: _ServeRequest) -> address.ServiceAddress:
    """Return where to listen."""
    socket, host, port = request.socket, request.host, request.port
    if socket is not None:
        if host is not None or port is not None:
            raise UsageError("--socket and --host or --port do not go together.")
        if not socket:
            raise UsageError("--socket: no path is given.")
        return address.ServiceAddress(path=os.path.abspath(socket))
    usual = _PORT if request.umbridge is None else UMBRIDGE_PORT
    if host is None and port is None and request.umbridge is None:
        return address.ServiceAddress(path=address.default_socket())
    if host == "":
        raise UsageError("--host: no host is given.", hint=f"Expected a name or address: {_HOST}.")
    if port is not None and not 0 <= port < 65536:
        raise UsageError(f"--port: {port} is not a port.", hint="Expected 0 to 65535.")
    return address.ServiceAddress(host=host or _HOST, port=usual if port is None else port)


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
