"""Damages files of every format at random, and prints what is done with each that nobody foresaw.

    python scripts/soak/fuzz_files.py [COUNT] [--first SEED] [--formats .npz .json ...] [--keep DIR]

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
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SECONDS = 5.0
MEMORY = 1 << 30


@dataclass
class Fuzz:
    """What became of damaged files of one format: the seeds of those that show something."""

    suffix: str
    count: int = 0
    found: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0


def fuzzed(suffix: str, seeds: Iterable[int], keep: Path | None = None) -> Fuzz:
    """Damage files of one format, read each, and keep those that show something."""
    from tests.result.damage import damaged, fault, samples

    made = Fuzz(suffix)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(action="error"):
        path, wholes = Path(name) / f"damaged{suffix}", samples(Path(name))[suffix]
        for seed in seeds:
            made.count += 1
            path.write_bytes(damaged(seed, wholes))
            start = time.monotonic()
            reason = fault(path)
            took = time.monotonic() - start
            made.slowest = max(made.slowest, took)
            if took > SECONDS:
                reason = f"{took:.1f} s {reason}"
            if peak() > MEMORY:
                reason = f"{peak() >> 20} MiB {reason}"
            if reason:
                made.found[seed] = reason
                if keep is not None:
                    keep.mkdir(exist_ok=True)
                    (keep / f"{seed}{suffix}").write_bytes(path.read_bytes())
                if peak() > MEMORY:
                    break  # of those that follow nothing would be known
    return made


def main() -> int:
    """Damage and read; return 1 if something was found."""
    from tests.result.damage import FORMATS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("--keep", type=Path, help="a folder for the files that show something")
    asked = parser.parse_args()
    found = 0
    for suffix in asked.formats:
        began = time.monotonic()
        made = fuzzed(suffix, range(asked.first, asked.first + asked.count), asked.keep)
        for seed, reason in made.found.items():
            print(f"{suffix} {seed}: {reason}", flush=True)
        found += len(made.found)
        took = time.monotonic() - began
        print(f"{suffix}: {made.count:,} files in {took:.0f} s, the slowest {made.slowest:.2f} s")
    print(f"{found} found, {peak() >> 20} MiB")
    return 1 if found else 0


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
