"""Compares derivatives of random programs with JAX's, and prints each program that fails.

    python scripts/soak/fuzz_programs.py [FIRST LAST] [--derivative D] [--modes M ...] [--variants]
                                     [--shrink]
    python scripts/soak/fuzz_programs.py 7 7 --show          # prints the program of a seed
    python scripts/soak/fuzz_programs.py --moves [WORD]      # each move of the table by itself

Seeds FIRST ... LAST (0 ... 99) are drawn by tests/derivative/random_programs.py, and held to what
tests/derivative/program_checks.py says.  After each failing seed come one line for each reason and
the program; with `--shrink`, the part of it that still fails for the same reason.  At the end
stand the kinds of failures, each with how many programs it has and the first of them.  A seed that
ends the process, by a crash or by running for too long, is reported as a failure, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
RENEW = 100
"""Programs for one process: JAX keeps some memory of each."""
DERIVATIVES = ("jacobian", "hessian")


@dataclass
class Account:
    """What came of all programs: how many ran, and the failures by their kind."""

    ran: int = 0
    unusable: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)

    def add(self, report: dict[str, Any]) -> None:
        """Count what one program came to, and print it if it failed."""
        self.ran += 1
        for reason in report["unusable"]:
            self.unusable.setdefault(kind(reason), []).append(report["name"])
        if not report["reasons"]:
            return
        print(f"== {report['name']}")
        for reason in report["reasons"]:
            print(f"   {reason}")
            self.kinds.setdefault(kind(reason), []).append(report["name"])
        print(report["text"], flush=True)

    def summary(self) -> str:
        """Return the kinds of failures, the most frequent first."""
        lines = [f"{self.ran} programs"]
        for title, kinds in (("not checked", self.unusable), ("failures", self.kinds)):
            lines.append(f"{title}: {sum(map(len, kinds.values()))}")
            for reason, names in sorted(kinds.items(), key=lambda item: -len(item[1])):
                lines.append(f"{len(names):5}  {reason}  (first: {names[0]})")
        return "\n".join(lines)


def kind(reason: str) -> str:
    """Return a reason without the numbers and names that differ from program to program."""
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", re.sub(r"\[[^]]*\]|\([^)]*\)", "[]", reason))


def main() -> int:
    """Print what fails; return 1 if something does."""
    parser = argparse.ArgumentParser(description="Compare derivatives of random programs.")
    parser.add_argument("first", nargs="?", type=int, default=0)
    parser.add_argument("last", nargs="?", type=int, default=99)
    parser.add_argument("--derivative", nargs="+", choices=DERIVATIVES, default=["jacobian"])
    parser.add_argument("--modes", nargs="*", default=None, help="instead of all", metavar="M")
    parser.add_argument("--variants", action="store_true", help="under vmap, and so on, too")
    parser.add_argument("--no-pattern", action="store_true", help="values alone")
    parser.add_argument("--moves", nargs="?", const="", metavar="WORD", help="moves by themselves")
    parser.add_argument("--shrink", action="store_true", help="leave out what is not needed")
    parser.add_argument("--show", action="store_true", help="print the programs alone")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for a program")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("JACCLI_NO_CACHE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.child or options.show:
        _perform(options)
        return 0
    account = Account()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with the summary
    try:
        for report in _reports(options):
            account.add(report)
    finally:
        print(account.summary())
    return 1 if account.kinds else 0


def _perform(options: argparse.Namespace) -> None:
    """Check programs in this process, and write one line of JSON before and after each."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from tests.derivative.random_programs import draw_program, program_of

    out = sys.stdout
    sys.stdout = sys.stderr  # what programs print is no report
    for number in range(options.first, options.last + 1):
        if options.moves is None:
            name, program = f"seed {number}", draw_program(number)
        else:
            move = _moves(options.moves)[number]
            name, program = f"move {move!r}", program_of(move)
        if options.show:
            print(program.text, file=out)
            continue
        print(json.dumps({"name": name, "text": program.text}), file=out, flush=True)
        print(json.dumps(_checked(program, options)), file=out, flush=True)
        jax.clear_caches()


def _checked(program: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Return what is wrong with a program, and the program, shrunk if wanted."""
    from tests.derivative.program_checks import MODES, VARIANTS, Unusable, failures

    modes = MODES if options.modes is None else options.modes
    modes = [*modes, *(VARIANTS if options.variants else ())]
    reasons: list[str] = []
    unusable: list[str] = []
    small = program
    for derivative in options.derivative:

        def found(program: Any, derivative: str = derivative) -> list[str]:
            checks = failures(program, derivative, modes, not options.no_pattern)
            return list(map(str, checks))

        try:
            new = found(program)
        except Unusable as error:
            unusable.append(str(error))
            continue
        if new and options.shrink and not reasons:
            small = _shrunk(program, {kind(reason) for reason in new}, found)
        reasons += new
    return {"reasons": reasons, "unusable": unusable, "text": small.text}


def _shrunk(program: Any, kinds: set[str], found: Any) -> Any:
    """Return the program without the statements that do not matter for one of these kinds."""
    position = len(program.statements) - 1
    while position >= 0:
        if program.statements[position].move != "from x":
            smaller = program.without(position)
            try:
                same = kinds & {kind(reason) for reason in found(smaller)}
            except Exception:
                same = set()
            if same:
                program = smaller
                position = min(position, len(program.statements) - 1)
                continue
        position -= 1
    return program


def _reports(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what children report, some programs each; a crash is the last program's failure."""
    first, last = options.first, options.last
    if options.moves is not None:
        first, last = 0, len(_moves(options.moves)) - 1
    while first <= last:
        for report in _child(first, min(first + RENEW - 1, last), options):
            first += 1
            yield report


def _moves(word: str) -> list[str]:
    """Return the names of moves that have a word in them."""
    from tests.derivative.program_moves import MOVES

    return [name for name in MOVES if word in name]


def _child(first: int, last: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the reports of one child process, until it ends or has to be ended."""
    command = [sys.executable, __file__, str(first), str(last), "--child"]
    command += ["--derivative", *options.derivative]
    command += [] if options.modes is None else ["--modes", *options.modes]
    command += ["--variants"] * options.variants
    command += ["--no-pattern"] * options.no_pattern + ["--shrink"] * options.shrink
    command += [] if options.moves is None else ["--moves", options.moves]
    with tempfile.TemporaryFile() as errors:
        yield from _watched(command, errors, options.limit)


def _watched(command: list[str], errors: IO[bytes], limit: float) -> Iterator[dict[str, Any]]:
    """Yield the reports of a command; if it dies, one of the program that it had begun."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
    started: dict[str, Any] | None = None
    why = ""
    try:
        for line in _lines(child, limit):
            if line is None:
                why = f"takes more than {limit:.0f} s"
                child.kill()
                break
            message = json.loads(line)
            if "reasons" in message:
                assert started is not None
                yield started | message
                started = None
            else:
                started = message
    except BaseException:  # whoever reads the reports has stopped
        child.kill()
        raise
    code = child.wait()
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip()
    if started is not None:
        last_line = said.split("\n")[-1][:200]
        why = why or f"ends the process with code {code}: {last_line}"
        yield started | {"reasons": [f"process: {why}"], "unusable": []}
    elif code:
        sys.exit(said)


def _lines(child: subprocess.Popen[bytes], limit: float) -> Iterator[bytes | None]:
    """Yield the lines that a child writes, and None where none comes for so many seconds."""
    assert child.stdout is not None
    pending = b""
    selector = selectors.DefaultSelector()
    selector.register(child.stdout, selectors.EVENT_READ)
    start = time.monotonic()
    while True:
        if not selector.select(max(limit - (time.monotonic() - start), 0)):
            yield None
            return
        part = os.read(child.stdout.fileno(), 1 << 16)
        if not part:
            return
        *lines, pending = (pending + part).split(b"\n")
        for line in lines:
            start = time.monotonic()
            yield line


if __name__ == "__main__":
    sys.exit(main())
