"""What a client lets a service do: look at and write the files that the user has named.

A file's last name must stand in the arguments, or in a spec that they lead to; arrays are read from
files of arrays alone; results go where the arguments or a spec say.  A service that has been taken
over thus gets no key and replaces no program.  Standard library only.
"""

from __future__ import annotations

import os

from jaccli.choices import SUFFIXES
from jaccli.storage.local_files import STDIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaccli.context import Question

_WITHOUT_NAME = "stdin"
"""What results are called that come from standard input or from options alone."""
_LONGEST = 200
"""Characters of a name that are shown."""


class AccessDenied(Exception):
    """The service asks for what the user has not named; the text says what."""


class Consent:
    """What the user has named so far: `arguments`, and the specs that have been read."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._texts = [os.fsencode(argument) for argument in arguments]
        self._texts += [text[2:] for text in self._texts if text[:1] == b"-"]  # -oJ.npy

    def learn(self, text: bytes) -> None:
        """Take note of a spec, which may name files."""
        self._texts.append(text)

    def check(self, question: Question) -> None:
        """Refuse to answer what is about a file that the user has not named.

        Raises:
            Refused: it is.
        """
        operation, name = question[:2]
        if operation in ("check_writable", "has_partial", "is_special"):
            self.check_target(name)
        elif operation == "make_folder":
            self._require(name, self._is_argument(name))
        elif operation == "content":
            kind = os.path.splitext(name)[1].lower()
            self._require(name, kind in SUFFIXES and self._is_named(name))
        else:
            self._require(name, name == STDIN or self._is_named(name))

    def check_target(self, name: str) -> None:
        """Refuse to write where the user has not said so.

        Raises:
            Refused: it is neither named, nor in a folder for results and called after a
                spec.
        """
        folder, file = os.path.split(name)
        stem = file.partition(".")[0]
        after_spec = stem == _WITHOUT_NAME or self._is_named(stem, ends=b".")
        inside = after_spec and self._is_argument(folder or os.curdir)
        self._require(name, inside or self._is_named(name))

    def _is_named(self, name: str, ends: bytes = b"") -> bool:
        """Whether the last part of a name stands somewhere as a whole, or before one of `ends`."""
        last = os.fsencode(os.path.basename(name))
        return bool(last) and any(_holds(text, last, ends) for text in self._texts)

    def _is_argument(self, folder: str) -> bool:
        """Whether a folder is an argument, or the value of an option (`--out-dir=DIR`)."""
        wanted = os.path.normpath(folder)
        return any(
            os.path.normpath(argument) == wanted
            or ("=" in argument and os.path.normpath(argument.partition("=")[2]) == wanted)
            for argument in self._arguments
        )

    def _require(self, name: str, allowed: bool) -> None:
        if not allowed:
            what = repr(name[:_LONGEST])
            raise AccessDenied(
                f"the service asks for {what}, which neither arguments nor specs name"
            )


def _holds(text: bytes, name: bytes, ends: bytes) -> bool:
    at = text.find(name)
    while at >= 0:
        before, after = text[:at][-1:], text[at + len(name) :][:1]
        if not _goes_on(before) and (not _goes_on(after) or (after and after in ends)):
            return True
        at = text.find(name, at + 1)
    return False


def _goes_on(character: bytes) -> bool:
    """Whether a byte beside a name would make it another one."""
    return character.isalnum() or character in (b"_", b"-", b".") or character >= b"\x80"
