"""Kill a streamed result at random moments, resume it, and compare the bytes.

    python scripts/soak/stress_resume.py [--kills N] [--seed S]

A Jacobian of 500 chunks is killed with SIGKILL at a random moment and resumed, again and again
until it is done; the file must be that of a run that nobody disturbed.  Then the next file, until
there have been enough kills.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 500
COMMAND = (
    "jacobian", "-e", "y = tanh(w @ x)", "--wrt", "x", "--chunk", "1", "--memory", "3MiB",
    "--at", f"w={{random: normal, shape: [{ROWS}, 400], seed: 1, std: 0.1}}",
    "--at", "x={random: normal, shape: [400], seed: 2}",
)  # fmt: skip


def start(target: Path) -> subprocess.Popen[bytes]:
    """Start the command, to go on with what there is."""
    command = [sys.executable, "-m", "jaccli", *COMMAND, "--quiet", "-o", str(target), "--resume"]
    return subprocess.Popen(command)


def undisturbed(target: Path) -> float:
    """Return the seconds that a run takes by itself."""
    target.unlink(missing_ok=True)
    begin = time.perf_counter()
    assert start(target).wait() == 0
    return time.perf_counter() - begin


def main() -> None:
    """Print a line for each round; fail at the first file that differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    kills = 0
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole.npy"
        took = min(undisturbed(whole) for _ in range(2))  # the first one warms the caches
        expected = whole.read_bytes()
        number = 0
        while kills < options.kills:
            number += 1
            target = Path(name) / f"file{number}.npy"
            mine = 0
            while True:
                process = start(target)
                try:
                    code = process.wait(draw.uniform(0.2, 1.0) * took)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    mine += 1
                    continue
                assert code == 0, code
                break
            kills += mine
            same = target.read_bytes() == expected
            left = [path.name for path in Path(name).glob(f".{target.name}*")]
            print(f"file {number}: killed {mine} times, {'same' if same else 'OTHER'} bytes")
            if not same or left:
                sys.exit(f"left behind: {left}")
    print(f"{kills} kills, every file as if there had been none")


if __name__ == "__main__":
    main()
