"""Damages files of every format at random, and prints what is done with each that nobody foresaw.

    python scripts/fuzz_files.py [COUNT] [--first SEED] [--formats .npz .json ...] [--keep DIR]

COUNT files of each format (10,000), as tests/result/damage.py draws them from the seeds SEED, ...
(0, ...).  Each is read as `compare`, `analyze`, patterns and inputs read it; it must be read or
refused in a sentence, within 5 s and 1 GiB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SECONDS = 5.0
MEMORY = 1 << 30


def main() -> int:
    """Damage and read; return 1 if something was found."""
    from tests.result.damage import FORMATS, damaged, fault, samples

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("--keep", type=Path, help="a folder for the files that show something")
    asked = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wholes = samples(folder)
        for suffix in asked.formats:
            began = time.monotonic()
            slowest = 0.0
            for seed in range(asked.first, asked.first + asked.count):
                path = folder / f"damaged{suffix}"
                path.write_bytes(damaged(seed, wholes[suffix]))
                start = time.monotonic()
                reason = fault(path)
                took = time.monotonic() - start
                slowest = max(slowest, took)
                if took > SECONDS:
                    reason = f"{took:.1f} s {reason}"
                if _peak() > MEMORY:
                    reason = f"{_peak() >> 20} MiB {reason}"
                if reason:
                    found += 1
                    print(f"{suffix} {seed}: {reason}", flush=True)
                    if asked.keep is not None:
                        asked.keep.mkdir(exist_ok=True)
                        (asked.keep / f"{seed}{suffix}").write_bytes(path.read_bytes())
                    if _peak() > MEMORY:
                        return 1  # of those that follow nothing would be known
            took = time.monotonic() - began
            print(f"{suffix}: {asked.count:,} files in {took:.0f} s, the slowest {slowest:.2f} s")
    print(f"{found} found, {_peak() >> 20} MiB")
    return 1 if found else 0


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
