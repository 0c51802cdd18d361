"""Sends signals to commands at random moments: each ends at once, and leaves nothing of no use.

    python -m scripts.shoot COUNT [SEED]

Prints a line for each shot: the command, the signal and when it came, how long the end took, and
what is wrong with what is left.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONGEST = 2.0
"""Seconds from a signal to the end."""

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SLOW_PYTHON = """\
import jax.numpy as jnp

def f(x):
    y = x
    for k in range(30):
        y = jnp.sin(y * (1 + k)) + jnp.cumsum(y) * x
    return y
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    "validate": ("validate", "{configs}/forecast.yaml"),
    "jacobian": ("jacobian", "{configs}/forecast.yaml", "-o", "out.npy", "--force"),
    "streamed": (
        "jacobian", "-e", "sin(w @ x)", "--at", "w={random: normal, shape: [8000, 1000], seed: 1}",
        "--at", "x={random: normal, shape: [1000], seed: 2}", "--wrt", "x", "--memory", "100MiB",
        "-o", "large.npy", "--force",
    ),
    "check": ("check", "{configs}/lorenz96.yaml"),
    "sparsity": ("sparsity", "slow.yaml", "--allow-python"),
    "sparse": ("jacobian", "slow.yaml", "--allow-python", "--mode", "sparse", "--format", "none"),
    "compile": ("hessian", "slow.yaml", "--allow-python", "--set", "model.python=slow.py:total",
                "--format", "none"),
    "sweep": ("run", "{configs}/planar_arm_sweep.yaml", "--out-dir", "sweep", "--force"),
    "processes": ("run", "{configs}/planar_arm_sweep.yaml", "--out-dir", "many", "--force",
                  "--jobs", "2"),
    "bench": ("bench", "{configs}/polar.yaml"),
}  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A command, a signal, when it came, and what is wrong with what it left; "" if nothing."""

    command: str
    number: signal.Signals
    delay: float
    seconds: float
    wrong: str
    missed: bool
    """Whether the command had ended before."""

    @property
    def verdict(self) -> str:
        """What there is to say of it."""
        if self.missed:
            return "ended before"
        late = f"ended after {self.seconds:.1f} s" if self.seconds > LONGEST else ""
        return "; ".join(filter(None, (self.wrong, late))) or "ok"


def prepare(folder: Path) -> None:
    """Write the models that commands need."""
    (folder / "slow.py").write_text(SLOW_PYTHON + "\n\ndef total(x):\n    return f(x).sum()\n")
    (folder / "slow.yaml").write_text(
        'model: {python: "slow.py:f"}\ninputs: {x: {linspace: [0.1, 1, 500]}}\n'
    )


def shoot(command: str, number: signal.Signals, delay: float, folder: Path) -> Shot:
    """Start a command, send it a signal after a delay, and see what is left."""
    words = [word.replace("{configs}", str(CONFIGS)) for word in COMMANDS[command]]
    process = subprocess.Popen(
        [sys.executable, "-m", "jaccli", *words],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.communicate(timeout=delay)
        return Shot(command, number, delay, 0.0, "", missed=True)
    except subprocess.TimeoutExpired:
        pass
    start = time.monotonic()
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=20 * LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
    seconds = time.monotonic() - start
    code, wrong = process.returncode, []
    # Before Python runs the program, and after its last word, a signal is the system's.
    if code not in (128 + number, -number, 0):
        wrong.append(f"exit code {code}: {err.decode(errors='replace')[-300:]!r}")
    if b"Traceback" in err and code != -number:
        wrong.append(f"a traceback: {err.decode(errors='replace')[-300:]!r}")
    wrong += [f"left {path}" for path in folder.rglob(".jaccli-*.tmp")]
    wrong += [f"left process {pid}" for pid in of_session(process.pid)]
    return Shot(command, number, delay, seconds, "; ".join(wrong), missed=False)


def of_session(session: int) -> list[int]:
    """Return the processes of a session that still run, a moment later."""
    time.sleep(0.05)
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def shots(count: int, seed: int = 0, longest: float = 3.0) -> list[Shot]:
    """Shoot at every command in turn."""
    for number in ENDING:  # what a shell in the background or nohup ignores, children would too
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    draw = random.Random(seed)
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for turn in range(count):
            command = list(COMMANDS)[turn % len(COMMANDS)]
            number = draw.choice(ENDING)
            delay = draw.uniform(0.0, longest if turn % 3 else 0.6)  # much happens at first
            found.append(shoot(command, number, delay, folder))
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's `&` has ignored
    for shot in shots(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0):
        print(
            f"{shot.command:10} {shot.number.name:8} {shot.delay:5.2f} s: {shot.seconds:4.2f} s "
            f"{shot.verdict}",
            flush=True,
        )
