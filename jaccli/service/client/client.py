"""The thin client: a command line that a service performs.

It sends its arguments, answers what the session asks about the user's files, and then prints and
writes what comes back, in the order in which a local run would have done it.

Boundary: neither JAX, numpy, Typer, Rich nor a YAML parser; of the standard library only what
starts fast.
"""

from __future__ import annotations

import os
import sys
import time

from jaccli import terminal
from jaccli.choices import SERVED
from jaccli.service import address, environment
from jaccli.service.client import http
from jaccli.service.client.access import AccessDenied, Consent
from jaccli.service.messages import (
    FILE,
    MEDIA_TYPE,
    OUT,
    PATH,
    VERSIONS,
    BadMessage,
    Call,
    Reply,
    versions,
)
from jaccli.storage import files
from jaccli.storage.local_files import OPERATIONS, keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jaccli.context import Question
    from jaccli.service.address import ServiceAddress
    from jaccli.service.messages import Answer

_PATIENCE = 900
"""Seconds that an answer may take, unless JACCLI_TIMEOUT says otherwise."""
_TRIES = 6
_LONGEST_WAIT = 10.0
"""Tries where the service is busy, and seconds between two at most."""
_DETAIL = 300
"""Characters of a service's explanation at most."""
_TEXTS = (".yaml", ".yml")
_TARGETS = ("-o", "--out", "--output")


def wanted(arguments: list[str]) -> tuple[list[str], str]:
    """Return the arguments without `--server`, and the URL: the option's, else JACCLI_SERVER's."""
    kept: list[str] = []
    url = os.environ.get("JACCLI_SERVER", "")
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            kept += [argument, *rest]
        elif argument.startswith("--server="):
            url = argument.removeprefix("--server=")
        elif argument == "--server":
            value = next(rest, None)
            if value is None:  # the command line says what is missing
                kept.append(argument)
            else:
                url = value
        else:
            kept.append(argument)
    return kept, url


def is_served(arguments: list[str]) -> bool:
    """Return whether a service performs the command, if there is one."""
    return bool(arguments) and arguments[0] in SERVED


def run(
    arguments: list[str], url: str, *, later: list[Callable[[], None]] | None = None
) -> int | None:
    """Have a command line performed by the service at a URL, and return its exit code.

    None is for what has to run here: a command that needs no service, one of another version, or
    none that runs where any would do.  `later` gets what is to be done after that: to start one.
    """
    if not is_served(arguments) or {"-h", "--help"} & set(arguments):
        return None
    quiet = bool({"-q", "--quiet"} & set(arguments))
    try:
        return _Service(url, quiet=quiet, later=[] if later is None else later).run(arguments)
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        from jaccli.errors import verdict

        message, code = verdict(error)
        _say(message)
        return code


class _Elsewhere(Exception):
    """The command line has to run here; the reason is None where there is nothing to say."""


class _Service:
    """A service at a URL, `auto` and `start` among them."""

    def __init__(self, url: str, *, quiet: bool, later: list[Callable[[], None]]) -> None:
        self._auto = url in (address.AUTO, address.START)
        self._starts = url == address.START
        self._quiet = quiet
        self._url = url
        self._later = later
        self._address = address.ServiceAddress()
        self._headers = {"Content-Type": MEDIA_TYPE, VERSIONS: versions(), **token_header()}

    def run(self, arguments: list[str]) -> int | None:
        """Have a command line performed, and return its exit code; None if it has to run here."""
        try:
            self._address = self._own() if self._auto else address.parse(self._url)
            if self._address.path:
                self._headers[environment.HEADER] = environment.described()
            return converse(arguments, self._send)
        except _Elsewhere as elsewhere:
            (reason,) = elsewhere.args
            if reason and not self._quiet:
                _say(f"jaccli: {reason}; running here.")
            return None

    def _own(self) -> ServiceAddress:
        """Return the address of the user's own service."""
        try:
            found = address.default()
        except Exception as error:
            raise _Elsewhere(str(error).rstrip(".")) from error
        if found is None:
            raise self._absent()
        return found

    def _absent(self) -> _Elsewhere:
        """Return why the call runs here where no service runs; have one started, if wanted."""
        if not self._starts:
            return _Elsewhere(None)
        from jaccli.service.client import start

        if not start.is_possible():
            hint = "pip install 'jaccli[service]'"
            return _Elsewhere(f"no service can be started without the extra 'service' ({hint})")
        self._start_later()
        return _Elsewhere(None)

    def _start_later(self) -> None:
        """Have a service started after the run here, with the environment that there is now."""
        before = dict(os.environ)
        self._later.append(lambda: _started(before))

    def _other(self, headers: dict[str, str]) -> _Elsewhere:
        """Return why the call runs here: a service of other versions, or another environment."""
        theirs, ours = headers[VERSIONS.lower()], self._headers[VERSIONS]
        there = headers.get(environment.HEADER.lower())
        here = self._headers.get(environment.HEADER, "")
        if theirs == ours:
            names = ", ".join(environment.differing(here, there or ""))
            return _Elsewhere(
                f"{self._address} was started with another environment ({names}; "
                "`jaccli serve --stop` ends it)"
            )
        reason = f"{self._address} has {theirs}, and this is {ours}"
        if self._starts and there == here:
            from jaccli.service.client import running

            if running.retire(self._address, theirs):
                self._start_later()
                reason += "; it is replaced"
        return _Elsewhere(reason)

    def _send(self, call: Call) -> Reply:
        """Have a call performed; wait where the service is busy."""
        body = call.encode()
        for left in reversed(range(_TRIES)):
            found = self._post(body)
            if found.status != 429 or not left:
                break
            time.sleep(_seconds(found.headers.get("retry-after", "")))
        if found.status == 200:
            try:
                return Reply.decode(found.body)
            except BadMessage as error:
                message = f"{self._address}: the answer is not of this version of jaccli."
                raise _error(message) from error
        if found.status == 409 and VERSIONS.lower() in found.headers:
            raise self._other(found.headers)
        if found.status in _TOO_MUCH or (self._auto and found.status in _NOT_NOW):
            detail = _detail(found.body)
            what = _STATUS[found.status][0]
            raise _Elsewhere(f"{self._address}: {what}{f': {detail}' if detail else ''}")
        raise _failure(self._address, found)

    def _post(self, body: bytes) -> http.HTTPAnswer:
        try:
            return http.post(self._address, PATH, self._headers, body, timeout=_timeout())
        except http.NotThere as error:
            if self._auto:
                raise self._absent() from error
            hint = "Start one with `jaccli serve`, or unset JACCLI_SERVER."
            raise _error(f"{self._address}: no service: {error}.", hint) from error
        except http.Broken as error:
            raise _error(f"{self._address}: {error}.") from error


_STATUS = {
    401: ("the service refuses the token", "Its token belongs in JACCLI_TOKEN."),
    403: ("the service refuses this client", ""),
    413: ("the call is too large for the service", ""),
    422: ("the service gave up", ""),
    429: ("the service is busy", "Try again later."),
    503: ("the service is not available", "Try again later."),
}
"""What the statuses of HTTP mean here, and what to do."""
_TOO_MUCH, _NOT_NOW = (413, 422), (429, 503)
"""A call over the service's limits, which are not this machine's; one that comes too soon."""


def _failure(where: ServiceAddress, found: http.HTTPAnswer) -> Exception:
    """Return the error for a status that is not 200, with what the service says of it."""
    what, hint = _STATUS.get(found.status, (f"the service answers {found.status}", ""))
    detail = _detail(found.body)
    return _error(f"{where}: {what}{f': {detail}' if detail else ''}.", hint)


def _detail(body: bytes) -> str:
    """Return what an error's body says, as one short line."""
    import json

    try:
        detail = json.loads(body)["error"]["message"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
    if not isinstance(detail, str):
        return ""
    return _one_line(detail)


def _one_line(text: str) -> str:
    """Return the first line of what a service says, fit to be shown."""
    line = text.strip().split("\n")[0].rstrip(".")[:_DETAIL]
    return "".join(character if character.isprintable() else "?" for character in line)


def _error(message: str, hint: str = "") -> Exception:
    from jaccli.errors import ComputationError

    return ComputationError(message, hint=hint)


def _started(variables: dict[str, str]) -> None:
    """Start a service in the background; say why that cannot be."""
    from jaccli.errors import JaccliError
    from jaccli.service.client import start

    try:
        start.start(variables)
    except (OSError, JaccliError) as error:
        _say(f"jaccli: no service can be started: {str(error).rstrip('.')}.")


def token_header() -> dict[str, str]:
    """Return the header that holds the token of JACCLI_TOKEN."""
    token = os.environ.get("JACCLI_TOKEN", "").strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        from jaccli.errors import UsageError

        raise UsageError("JACCLI_TOKEN: a token is made of printable ASCII characters.")
    return {"Authorization": f"Bearer {token}"}


def _timeout() -> float:
    """Return how long an answer may take, in seconds."""
    text = os.environ.get("JACCLI_TIMEOUT", "")
    try:
        seconds = float(text or _PATIENCE)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        from jaccli.errors import UsageError

        hint = "Expected seconds, as 60."
        raise UsageError(f"JACCLI_TIMEOUT: {text!r} is not a time.", hint=hint)
    return seconds


def _seconds(text: str) -> float:
    """Return how long to wait before another try."""
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 1.0


def _say(message: str) -> None:
    """Print to standard error, which may be closed."""
    try:
        print(message, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def converse(arguments: list[str], send: Callable[[Call], Reply]) -> int:
    """Have a command line performed, and return its exit code; `send` performs one call."""
    consent = Consent(arguments)
    folder = _folder()
    answers = {question: answer(question) for question in _likely(arguments)}
    while True:
        for question, given in answers.items():
            if question[0] == "read" and given[0] == "value":
                consent.learn(given[1])
        call = Call(
            arguments,
            folder,
            terminal.described(),
            _stream(sys.stdout),
            _stream(sys.stderr),
            answers,
        )
        try:
            reply = send(call)
            if reply.elsewhere:
                raise _Elsewhere(_one_line(reply.elsewhere))
            _check(reply, consent, answers)
        except (_Elsewhere, AccessDenied) as error:
            for (operation, name, *_), given in answers.items():
                if operation == "read" and given[0] == "value":
                    keep(name, given[1])
            raise _Elsewhere(*error.args) from error
        if not reply.questions:
            return _finish(reply)
        answers |= {question: answer(question) for question in reply.questions}


def _folder() -> str:
    """Return the current folder, which somebody may have removed."""
    try:
        return os.getcwd()
    except OSError as error:
        raise _Elsewhere("there is no current folder") from error


def _check(reply: Reply, consent: Consent, answers: dict[Question, Answer]) -> None:
    """Refuse a reply that wants what the user has not allowed, before any of it is done."""
    for question in reply.questions:
        if question in answers or question[0] not in OPERATIONS:
            raise _error(f"the service asks what cannot be answered: {question[:2]}.")
        consent.check(question)
    for event in reply.events:
        if event[0] == FILE:
            consent.check_target(event[1])


def answer(question: Question) -> Answer:
    """Look at the file system for the session."""
    operation, *rest = question
    try:
        return ("value", OPERATIONS[str(operation)](*rest))
    except OSError as error:
        return ("system", error.errno or 0, error.strerror or str(error))
    except Exception as error:
        from jaccli.errors import JaccliError

        if not isinstance(error, JaccliError):
            raise
        (problem,) = error.problems
        return ("refused", type(error).__name__, problem.message, problem.hint)


def _likely(arguments: list[str]) -> list[Question]:
    """Return what will be asked, most likely: each round trip that is saved takes 2 ms."""
    found: list[Question] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument.endswith(_TEXTS) and os.path.isfile(argument):
            found.append(("read", argument))
        elif before in _TARGETS and argument != "-":
            target = os.path.normpath(argument)
            found += [("check_writable", target, "--force" in arguments), ("has_partial", target)]
    return found


def _stream(stream: Any) -> tuple[bool, str, str]:
    """Return whether it is a terminal, and its encoding; a closed one takes anything."""
    if stream is None:
        return False, "utf-8", "replace"
    return stream.isatty(), stream.encoding, stream.errors


def _finish(reply: Reply) -> int:
    """Print and write what has come back, in order, and return the exit code."""
    for kind, *rest in reply.events:
        if kind == FILE:
            name, force, content = rest
            with files.publishing(name, force=force) as stream:
                stream.write(content)
        else:
            _write(sys.stdout if kind == OUT else sys.stderr, rest[0])
    return reply.code


def _write(standard: Any, data: bytes) -> None:
    """Write to a standard stream; nothing is lost if nobody can read standard error."""
    if standard is None:
        return
    try:
        standard.buffer.write(data)
        standard.buffer.flush()
    except OSError:
        if standard is sys.stdout:
            raise
