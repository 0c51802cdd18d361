"""`jaccli serve --status` and `--stop`: what is said of a service that runs, and its end.

Boundary: imports nothing that serves, so that the extra is not needed.
"""

from __future__ import annotations

import os
import time
from typing import Any

from jaccli.commands.outcome import Outcome, Report
from jaccli.errors import ComputationError, UsageError
from jaccli.service import address
from jaccli.service.client import http, running
from jaccli.service.client.running import Running

NOT_RUNNING = 1
"""The exit code of `--status` where no service runs."""


def status(where: address.ServiceAddress, token: dict[str, str], form: str) -> Outcome:
    """Return a report on the service at an address, running or not.

    Raises:
        ComputationError: something else is there, or it does not answer.
    """
    found = _find(where, token)
    return Report(
        form=form,
        text=lambda: _as_text(where, found),
        data=lambda: _as_data(where, found),
        exit_code=NOT_RUNNING if found is None else 0,
    )


def stop(where: address.ServiceAddress, token: dict[str, str], form: str) -> Outcome:
    """Have the service at a socket end, wait for its end, and report it.

    Raises:
        UsageError: the address is one of TCP, which does not tell whose process answers.
        ComputationError: it is another user's, or does not end in its time.
    """
    if not where.path:
        message = f"--stop: {where}: TCP does not tell which process answers."
        raise UsageError(message, hint="Send SIGTERM to it.")
    found = _find(where, token)
    if found is not None:
        try:
            ended = running.stop(where, found)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ComputationError(f"{where}: the service cannot be stopped: {reason}.") from error
        if not ended:
            hint = f"End it at once: kill -9 {found.pid}"
            raise ComputationError(f"{where}: the service has not ended in its time.", hint=hint)
    said = "no service was running" if found is None else f"process {found.pid} has ended"
    data = {"stopped": found is not None, "address": str(where), "pid": found and found.pid}
    return Report(form=form, text=lambda: f"{where}: {said}.", data=lambda: data)


def _find(where: address.ServiceAddress, token: dict[str, str]) -> Running | None:
    """Return the service at an address, None if there is none; wait while one starts or ends."""
    if where.path and where.path == address.default_socket():
        address.check_folder(address.default_folder())  # else it need not be the user's
    try:
        return running.settled(where, token) if where.path else running.find(where, token)
    except http.NotThere:
        return None
    except http.Broken as error:
        raise ComputationError(f"{where}: {error}.") from error


def _as_data(where: address.ServiceAddress, found: Running | None) -> dict[str, Any]:
    if found is None:
        return {"running": False, "address": str(where)}
    health = found.health
    names = ("versions", "since", "on_demand", "idle", "idle_end", "requests", "workers", "waiting")
    known = {name: health[name] for name in names if name in health}
    return {"running": True, "address": str(where), "pid": found.pid, **known}


def _as_text(where: address.ServiceAddress, found: Running | None) -> str:
    if found is None:
        return f"{where}: no service is running."
    health, workers = found.health, found.health["workers"]
    lines = [
        ("address", str(where)),
        ("process", "not told over TCP" if found.pid is None else str(found.pid)),
        ("versions", found.versions.replace("/", " ").replace(" j", ", j").replace(" p", ", p")),
    ]
    if "since" in health:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(health["since"]))
        lines += [("since", f"{began} ({_duration(time.time() - health['since'])})")]
    lines += [
        ("started", "by a call, with JACCLI_SERVER=start" if found.is_on_demand else "by hand"),
        ("workers", f"{workers['idle']} idle, {workers['busy']} busy"),
    ]
    if "requests" in health:
        lines += [("requests", f"{health['requests']:,}, {health['waiting']:,} waiting")]
    lines += [("ends", _end(health))]
    if found.owner not in (None, os.geteuid()):
        lines += [("user", str(found.owner))]
    return "\n".join(f"{name:9} {text}" for name, text in lines)


def _end(health: dict[str, Any]) -> str:
    """Return when a service ends by itself."""
    if health.get("idle_end") is None:
        return "when it is told to"
    left = max(0.0, health["idle_end"] - health["idle"])
    return f"after {_duration(health['idle_end'])} without a request; in {_duration(left)} as it is"


def _duration(seconds: float) -> str:
    """Return a time in the units that are large enough: 42 s, 10 min, 3 h 20 min."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min"
