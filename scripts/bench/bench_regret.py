"""Print how far `auto`, `structured` and `tuned` are from the best, and from plain JAX.

    python scripts/bench/bench_regret.py [--only PART ...] [--case TEXT] [--seconds S]
        [--record FOLDER]

Parts: the corpus of `bench_engine.py` (`made-on`, `held-out`, float32), the problems of
`bench_cutest.py` at sizes whose derivative is still dense (`cutest`) and GradBench's twelve
(`gradbench`, both float64).  Plain are JAX's own `grad`, `jacfwd`, `jacrev` and their nestings of
the user's function; ours are the operators of what jaccli traced of it.  Programs that compile to
the same instructions are one program, and are timed once.  All are checked against the first plain
one and run in turns within one process: lower quartiles, because a busy machine only adds to times,
asynchronous dispatch off, allocator set as in `bench_engine.py`.  `--record` keeps each part's
figures as JSON and takes parts that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measuring import geometric_mean
from page_faults import MALLOC

PARTS = {"made-on": "float32", "held-out": "float32", "cutest": "float64", "gradbench": "float64"}
SETTINGS = {**MALLOC, "OPENBLAS_NUM_THREADS": "1"}
BAR = 1.1
"""How many times the best plain mode's time one of ours may take."""
CUTEST_SIZE = 300
"""Variables of CUTEst's problems: their matrices are written out here, zeros included."""
MOST_BYTES = 2**29
"""What a program may hold to be run at all."""


@dataclass(frozen=True)
class Figures:
    """The seconds of every program of a case, what was chosen, and the largest difference.

    `plain` are JAX's own by name, `ours` our operators'; `difference` is relative to the largest
    entry.
    """

    part: str
    name: str
    derivative: str
    shape: str
    plain: dict[str, float]
    ours: dict[str, float]
    auto: str
    structured: str
    tuned: str
    difference: float

    @property
    def best_plain(self) -> float:
        """The time of the best plain program."""
        return min(self.plain.values())

    @property
    def best(self) -> float:
        """The time of the best program of all."""
        return min(*self.plain.values(), *self.ours.values())

    def over_plain(self, way: str) -> float:
        """Return a chosen operator's time over the best plain one's."""
        return self.ours[getattr(self, way)] / self.best_plain

    def regret(self, way: str) -> float:
        """Return a chosen operator's time over the best one's."""
        return self.ours[getattr(self, way)] / self.best


def main() -> None:
    """Measure the parts that were asked for, each in a process of its own, and print them."""
    parser = argparse.ArgumentParser(description="Measure what auto and tuned choose.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--seconds", type=float, default=0.5, help="runs of one case (default 0.5)")
    parser.add_argument("--record", type=Path, help="keep each part's figures in this folder")
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child, options.case, options.seconds, options.record)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.record or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for part in options.only:
            if not (folder / f"{part}.json").exists():
                command = [sys.executable, __file__, "--child", part, "--case", options.case]
                command += ["--seconds", str(options.seconds), "--record", str(folder)]
                x64 = str(int(PARTS[part] == "float64"))
                subprocess.run(
                    command, check=True, env={**os.environ, **SETTINGS, "JAX_ENABLE_X64": x64}
                )
        found = [
            Figures(**one)
            for part in options.only
            for one in json.loads((folder / f"{part}.json").read_text())
        ]
    report(found)


def _child(part: str, text: str, seconds: float, folder: Path) -> None:
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    figures = []
    for case in _cases(part):
        if text in case.name:
            figures.append(measured(part, case, seconds))
            one = figures[-1]
            print(f"{part} {one.name}: {one.over_plain('auto'):.2f}", file=sys.stderr, flush=True)
    (folder / f"{part}.json").write_text(json.dumps([asdict(one) for one in figures], indent=1))


def _cases(part: str) -> Iterator[Any]:
    if part == "made-on":
        from corpus_made_on import made_on

        yield from made_on()
    elif part == "held-out":
        from corpus_held_out import held_out

        yield from held_out()
    elif part == "gradbench":
        from gradbench_cases import gradbench

        yield from gradbench()
    else:
        from cases import Case
        from cutest_cases import CASES

        for name, (build, _) in CASES.items():
            case = build(CUTEST_SIZE)
            yield Case(name, case.f, case.x, derivative=case.derivative)


def measured(part: str, case: Any, seconds: float) -> Figures:
    """Compile every program of a case, compare their numbers, and time the distinct ones."""
    import jax
    import numpy as np
    from candidates import choices, plain_ways, traced_operators
    from measuring import alternate

    from jaccli.derivative import autotune, cost

    ways = {f"jax {name}": f for name, f in plain_ways(case).items()}
    ours = traced_operators(case)
    x = jax.tree.map(jax.numpy.asarray, case.x)
    programs: dict[str, Any] = {}  # by text
    text_of: dict[str, str] = {}
    reference: list[Any] = []
    difference = 0.0
    for name, f in {**ways, **ours}.items():
        try:
            compiled = jax.jit(f).lower(x).compile()
        except (TypeError, ValueError, NotImplementedError):
            continue  # no such direction
        if cost.of(compiled).held > MOST_BYTES:
            continue
        leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(compiled(x))]
        reference = reference or leaves
        scale = max((float(np.abs(leaf).max(initial=0)) for leaf in reference), default=0) or 1.0
        pairs = zip(leaves, reference, strict=True)
        error = max((float(np.abs(a - b).max(initial=0)) for a, b in pairs), default=0.0) / scale
        difference = float(np.fmax(difference, error))
        text_of[name] = _instructions(compiled)
        programs.setdefault(text_of[name], compiled)
    runs = {text: _runner(compiled, x) for text, compiled in programs.items()}
    times = {text: float(np.quantile(t, 0.25)) for text, t in alternate(runs, seconds).items()}
    auto, structured = choices(case)
    candidates = {
        name: autotune.TimedCandidate(cost.of(programs[text_of[name]]).seconds, runs[text_of[name]])
        for name in ours
        if name in text_of
    }
    tuned = autotune.pick(candidates, auto).operator
    out = jax.eval_shape(case.f, case.x)
    count = [sum(np.size(leaf) for leaf in jax.tree.leaves(tree)) for tree in (case.x,)]
    outputs = sum(leaf.size for leaf in jax.tree.leaves(out))
    return Figures(
        part, case.name, case.derivative, f"{outputs}x{count[0]}",
        {name: times[text_of[name]] for name in ways if name in text_of},
        {name: times[text_of[name]] for name in ours if name in text_of},
        auto, structured, tuned, difference,
    )  # fmt: skip


def _instructions(compiled: Any) -> str:
    """Return what a program does: its instructions without names, places and order.

    Programs that differ in names alone were seen to be timed 1.3x apart.
    """
    text = re.sub(r"(, )?metadata={[^}]*}", "", compiled.as_text())
    lines = [line for line in text.splitlines() if " = " in line and "file_" not in line]
    return "\n".join(sorted(re.sub(r"%[\w.\-]+", "%", line).strip() for line in lines))


def _runner(compiled: Any, x: Any) -> Any:
    import jax

    return lambda: jax.block_until_ready(compiled(x))


def report(found: list[Figures]) -> None:
    """Print all figures, then the summaries."""
    import jax

    print(f"{os.cpu_count()} cores, jax {jax.__version__}, lower quartiles")
    print("over plain: time over the best of JAX's own modes; regret: over the best of all")
    head = f"{'':54s} {'over plain':>17s}  {'regret':>13s}"
    print(head + f"\n{'':54s} {'auto':>8s} {'struct.':>8s}  {'auto':>6s} {'tuned':>6s}")
    for one in found:
        print(_line(one))
    for part in PARTS:
        some = [one for one in found if one.part == part]
        if some:
            _summary(f"{part}, {len(some)} derivatives", some)
    _summary(f"all, {len(found)} derivatives", found)


def _line(one: Figures) -> str:
    ratios = (one.over_plain("auto"), one.over_plain("structured"))
    regrets = (one.regret("auto"), one.regret("tuned"))
    name = f"{one.part:9s} {one.derivative[:4]} {one.name[:38]:38s}"
    times = ", ".join(
        f"{k.replace('structured', 's')} {1e6 * t:.1f}"
        for k, t in {**one.plain, **one.ours}.items()
    )
    text = " ".join(f"{ratio:8.2f}" for ratio in ratios)
    text += "  " + " ".join(f"{regret:6.2f}" for regret in regrets)
    return f"{name} {text}  {one.auto} of {one.shape}; µs: {times}"


def _summary(title: str, some: list[Figures]) -> None:
    print(f"\n{title}")
    for way, bar in (("auto", 1.1), ("tuned", 1.04)):
        ratios = [one.regret(way) for one in some]
        print(f"  {way} over the best, geometric mean {geometric_mean(ratios):.3f} (bar {bar}), "
              f"worst {max(ratios):.2f}")  # fmt: skip
    for way in ("auto", "structured"):
        ratios = [one.over_plain(way) for one in some]
        above = [one for one in some if one.over_plain(way) > BAR]
        print(f"  {way} over the best plain mode, geometric mean {geometric_mean(ratios):.3f}, "
              f"{len(above)} above {BAR}")  # fmt: skip
        for one in sorted(above, key=lambda one: -one.over_plain(way)):
            saved = 1e6 * (one.ours[getattr(one, way)] - one.best_plain)
            print(f"    {one.over_plain(way):5.2f} (+{saved:.1f} µs) {one.part} {one.name}")
    worst = max(one.difference for one in some)
    print(f"  largest difference from JAX's numbers {worst:.1e} of the largest entry")


if __name__ == "__main__":
    main()
