"""Print all figures of the engine and of `auto`, each beside its bar.

    python scripts/bench_engine.py [--only PART ...] [--case TEXT] [--seconds S] [--record FILE]

Candidates of a case are compiled first, checked against each other, then run in turns within this
process: medians, float32, asynchronous dispatch off.  The script starts itself again with the
allocator set so that page faults of fresh results do not drown the ratios (the last part shows
those faults), and with one thread for LAPACK.  A quiet machine needs about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
from page_faults import MALLOC

SETTINGS = {**MALLOC, "OPENBLAS_NUM_THREADS": "1"}
"""LAPACK's threads and XLA's together wait for each other, for milliseconds in small problems."""

TITLES = {
    "x": "1. Forecast by x: structured / jitted closed form, and over plain modes",
    "weight": "2. Forecast by weight",
    "hessian": "3. Tutorial Hessian and batch: every combination / closed form",
    "mlp": "4. Perceptrons / chain rule written out",
    "science": "5. Science and learning: structured over the best plain mode",
    "auto": "6. auto: time of the chosen operator / time of the best",
    "compile": "7. Compile time (trace, lower, compile): structured / best plain mode",
    "growth": "8. Growth with D",
    "faults": "9. Page faults of large results",
}


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description="Measure the structured engine and auto.")
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES), metavar="PART")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--seconds", type=float, default=0.6, help="runs of one case (default 0.6)")
    parser.add_argument("--record", type=Path, help="write the times of part 6 as JSON")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})

    import jax  # after the allocator is set

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    import auto_figures
    import page_faults
    from engine_figures import Figures
    from verdicts import Verdicts

    verdicts = Verdicts()

    def wanted(name: str) -> bool:
        return options.case in name

    figures = Figures(wanted, options.seconds, verdicts)
    parts: dict[str, Callable[[], None]] = {
        "x": figures.forecast_x,
        "weight": figures.forecast_weight,
        "hessian": figures.hessians,
        "mlp": figures.perceptrons,
        "science": figures.science,
        "auto": lambda: auto_figures.report(wanted, options.seconds, verdicts, options.record),
        "compile": figures.compile_time,
        "growth": figures.growth,
        "faults": page_faults.report,
    }
    device = jax.devices()[0].device_kind
    print(f"{os.cpu_count()} cores, {device}, jax {jax.__version__}, float32, medians")
    start = time.perf_counter()
    for part in options.only:
        print(f"\n{TITLES[part]}")
        parts[part]()
    verdicts.summary()
    print(f"measured in {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
