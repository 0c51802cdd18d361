"""Starts the user's own service in the background: `JACCLI_SERVER=start`.

The client takes the lock beside the socket and hands it to the service, so that of calls that come
at once one starts a service, and nobody starts another while it gets ready.  The service keeps
nothing of the caller: a session of its own, no standard streams, no current folder, no other files.
Standard library only.
"""

from __future__ import annotations

import os
import sys

from jaccli.service import address
from jaccli.service.environment import ROOT, python_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = "JACCLI_LOCK_DESCRIPTOR"
"""The variable that tells the service which of its files is the lock."""
NEEDED = ("starlette", "uvicorn", "httptools")
"""What the extra `service` installs."""
_OWN = ("JACCLI_SERVER", "JACCLI_TOKEN", "JACCLI_TIMEOUT")
"""Variables of the client: the socket of the service is this user's alone and needs no token."""


def is_possible() -> bool:
    """Return whether what a service needs is installed."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in NEEDED)


def start(environment: Mapping[str, str]) -> None:
    """Start a service with an environment, unless one runs, starts or ends, and wait for nothing.

    Raises:
        ComputationError: the folder of its socket is not the user's alone, or there is no socket in
            its place.
        OSError: no process can be started.
    """
    address.check_folder(address.default_folder(), make=True)
    path = address.default_socket()
    address.check_length(path)
    address.check_socket(path)
    lock = address.lock(path)
    if lock is None:
        return
    import subprocess

    kept = {name: value for name, value in environment.items() if name not in _OWN}
    folders = [ROOT, *(folder for folder in python_path(environment) if folder != ROOT)]
    try:
        subprocess.Popen(
            # -P: a module in the current folder must not take the place of one of ours.
            [sys.executable, "-P", "-m", "jaccli", "serve", "--on-demand"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            pass_fds=(lock,),
            env={**kept, "PYTHONPATH": os.pathsep.join(folders), LOCK: str(lock)},
        )
    finally:
        os.close(lock)
