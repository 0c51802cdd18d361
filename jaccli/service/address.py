"""Where a service is: URLs, and the socket that a user's own service listens on by default.

Standard library only, and errors are imported where one is raised: the client must start fast.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaccli.errors import UsageError

AUTO, START = "auto", "start"
"""In a URL's place: the user's own service if it runs; and if none runs, one that is started."""
_LONGEST = 107
"""Bytes of a Unix socket's name at most: what Linux has room for, without the final zero."""
_HINT = "Expected unix:/path/to.sock, http://HOST:PORT, auto, or start."


class ServiceAddress:
    """A Unix socket, by its `path`, or a `host` and `port` of TCP."""

    __slots__ = ("host", "path", "port")

    def __init__(self, path: str = "", host: str = "", port: int = 0) -> None:
        self.path, self.host, self.port = path, host, port

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse(url: str) -> ServiceAddress:
    """Return what a URL addresses.

    Raises:
        UsageError: it is no URL of a service.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "unix" and rest.startswith("/"):
        path = "/" + rest.lstrip("/")  # unix:///path means the same
        check_length(path)
        return ServiceAddress(path)
    if scheme == "http" and rest.startswith("//"):
        host, colon, port = rest[2:].removesuffix("/").rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        name = host[1:-1] if bracketed else host
        named = name and not set(name) & set("/@?#[] ") and (bracketed or ":" not in name)
        if colon and named and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return ServiceAddress(host=name, port=int(port))
    raise _no_address(url)


def _no_address(url: str) -> UsageError:
    from jaccli.errors import UsageError

    return UsageError(f"--server: {url!r} is no address of a service.", hint=_HINT)


def check_length(path: str) -> None:
    """Refuse the name of a Unix socket that is too long for one.

    Raises:
        UsageError: it is.
    """
    if len(os.fsencode(path)) > _LONGEST:
        from jaccli.errors import UsageError

        message = f"{path}: a Unix socket's name has {_LONGEST} bytes at most."
        raise UsageError(message, hint="Choose a shorter one.")


def default_folder() -> str:
    """Return the folder of the user's own service: in the runtime folder, or the temporary one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return os.path.join(runtime, "jaccli")
    temporary = os.environ.get("TMPDIR", "")
    base = temporary if temporary.startswith("/") else "/tmp"
    return os.path.join(base, f"jaccli-{os.geteuid()}")


def default_socket() -> str:
    """Return the name of the default socket, which need not be there."""
    return os.path.join(default_folder(), "service.sock")


def default() -> ServiceAddress | None:
    """Return the address of the user's own service, or None where there cannot be one.

    Raises:
        ComputationError: the folder of its socket is not the user's alone.
    """
    path = default_socket()
    return (
        ServiceAddress(path) if check_folder(default_folder()) and os.path.lexists(path) else None
    )


def check_folder(path: str, *, make: bool = False) -> bool:
    """Return whether a socket's folder is there and the user's alone; `make` makes it (0700).

    Raises:
        ComputationError: it belongs to someone else, is a link, or others may write to it: a
            service in it need not be the user's.  Or it cannot be made.
    """
    try:
        if make:
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
        found = os.lstat(path)
    except FileNotFoundError:
        if not make:
            return False
        raise _untrusted(path, "cannot be made: there is no folder for it") from None
    except OSError as error:
        raise _untrusted(
            path, f"cannot be used: {(error.strerror or str(error)).lower()}"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise _untrusted(path, "is not a folder")
    if found.st_uid != os.geteuid():
        raise _untrusted(path, "belongs to someone else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise _untrusted(path, "is open to others (chmod 700 makes it yours alone)")
    return True


def lock(path: str) -> int | None:
    """Return a descriptor that holds the lock beside a socket, None if a service holds it.

    A service holds it from its start to its end, and gets it from the client that starts it.

    Raises:
        OSError: the lock's file cannot be opened.
    """
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(f"{path}.lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_socket(path: str) -> None:
    """Refuse what stands in the place of a socket and is none.

    Raises:
        ComputationError: it is another kind of file.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            from jaccli.errors import ComputationError

            raise ComputationError(f"{path}: this is there, and is no socket.")


def _untrusted(path: str, why: str) -> Exception:
    from jaccli.errors import ComputationError

    return ComputationError(f"{path}: the folder of the service's socket {why}.")
