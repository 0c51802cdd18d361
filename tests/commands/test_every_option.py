"""Every option of every command changes what the command does, or is refused with its name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from jaccli.choices import DERIVATIVES
from jaccli.commands import COMMANDS


class Case(NamedTuple):
    """What shows that an option has an effect: the option, and what stands beside it.

    `base` replaces the command's own arguments, `more` stands behind them.
    """

    option: tuple[str, ...]
    base: tuple[str, ...] | None = None
    more: tuple[str, ...] = ()


SQUARES = ("-e", "f = sum(x**2) + y*z", "--at", "x=[1.0, 2.0, 3.0]", "--at", "y=2.0", "--at",
           "z=3.0")  # fmt: skip
VECTORS = (*SQUARES, "--wrt", "x", "--vector", "[1.0, 1.0, 1.0]")
POLAR = ("-e", "r = sqrt(x**2+y**2)", "-e", "t = x*y", "--at", "x=3.0", "--at", "y=4.0")
UNCERTAIN = (*SQUARES, "--std", "x=0.1", "--std", "y=0.2")
FIT = ("-e", "r = x - a", "-e", "g = 2*a", "--at", "x=[1.0, 2.0, 4.0]", "--at", "a=2.0", "--wrt",
       "a", "--select", "r")  # fmt: skip
BASE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(COMMANDS, SQUARES),
    **dict.fromkeys(("jvp", "hvp"), VECTORS),
    "vjp": (*SQUARES, "--vector", "1.0"),
    "sparsity": POLAR,
    "propagate": UNCERTAIN,
    "covariance": FIT,
    "compare": ("a.npy", "b.npy"),
    "cache": ("show",),
    "devices": (),
    "functions": (),
    "schema": (),
    "init": ("new.yaml",),
    "examples": (),
    "serve": (),
}
RUNS: dict[str, Case] = {
    "specs": Case(("square.yaml",), ()),
    "expression": Case(("-e", "g = x**3"), ("square.yaml",)),
    "set": Case(("--set", "dtype=float32")),
    "at": Case(("--at", "x=[5.0, 1.0]"), None),
    "batch": Case(("--batch", "x"), None),
    "wrt": Case(("--wrt", "y"), None),
    "select": Case(("--select", "wrong")),
    "device": Case(("--device", "tpu"), None),
    "devices": Case(("--devices", "99"), None),
    "dtype": Case(("--dtype", "float32"), None),
    "precision": Case(("--precision", "wrong"), None),
    "memory": Case(("--memory", "1B"), None),
    "allow_python": Case(("--allow-python",), ("python.yaml",)),
    "server": Case(("--server", "unix:/nowhere/jaccli.sock"), None),
    "quiet": Case(("--quiet",), ("unused.yaml",)),
    "verbose": Case(("--verbose",), None),
    "debug": Case(("--debug",), ("-e", "x +", "--at", "x=1")),
    "vector": Case(("--vector", "[1.0, 5.0, 1.0]"), None),
    "rows": Case(("--rows", "f, wrong")),
    "cols": Case(("--cols", "x[0]")),
    "part": Case(("--part", "diagonal"), more=("--wrt", "x")),
    "mode": Case(("--mode", "loop"), None),
    "storage": Case(("--storage", "wrong"), None),
    "chunk": Case(("--chunk", "0"), None),
    "layout": Case(("--layout", "matrix"), more=("--format", "json")),
    "output": Case(("-o", "new.npz"), None),
    "format": Case(("--format", "none"), None),
    "force": Case(("--force",), more=("--wrt", "x", "-o", "taken.npz")),
    "out_dir": Case(("--out-dir", "folder"), None),
    "suffix": Case(("--suffix", ".txt"), more=("--out-dir", "folder")),
    "resume": Case(("--resume",), more=("--wrt", "x", "-o", "taken.npz")),
    "show": Case(("--show", "x[0]"), more=("--wrt", "x")),
    "scale": Case(("--scale", "wrong")),
    "with_value": Case(("--with-value",)),
    "digits": Case(("--digits", "2"), None),
    "fail_on_nonfinite": Case(("--fail-on-nonfinite",), more=("--at", "y=.nan", "--wrt", "z")),
    "explain": Case(("--explain",), None),
    "cluster": Case(("--cluster", "nonsense"), None),
    "of": Case(("--of", "hessian"), more=("--wrt", "x")),
    "modes": Case(("--modes", "fwd"), None),
    "repeat": Case(("--repeat", "0"), None),
    "probes": Case(("--probes", "0"), None),
    "against": Case(("--against", "b.npy"), None),
    "certify": Case(("--certify",), None),
    "correct_digits": Case(("--correct-digits", "99"), None),
    "rtol": Case(("--rtol", "-1"), None),
    "atol": Case(("--atol", "-1"), None),
    "gtol": Case(("--gtol", "-1"), None),
    "top": Case(("--top", "1"), None),
    "products": Case(("--products", "0"), None),
    "seed": Case(("--seed", "-1"), None),
    "norm": Case(("--norm", "max"), None),
    "a": Case(("b.npy", "b.npy"), ("a.npy", "b.npy")),
    "b": Case(("a.npy", "a.npy"), ("a.npy", "b.npy")),
    "action": Case(("destroy",), ("show",)),
    "word": Case(("tanh",), ()),
    "check": Case(("--check",), ()),
    "path": Case(("other.yaml",), ()),
    "names": Case(("polar",), ()),
    "copy": Case(("--copy", "copied"), ()),
    "model": Case(("--model", "forecast"), ("-",)),
    "dry_run": Case(("--dry-run",), ("sweep.yaml",)),
    "fail_fast": Case(("--fail-fast",), ("broken.yaml",)),
    "jobs": Case(("--jobs", "0"), ("sweep.yaml",)),
    "junit": Case(("--junit", "report.xml"), ("sweep.yaml",)),
    "markdown": Case(("--markdown", "report.md"), ("sweep.yaml",)),
    "table": Case(("--table", "all.csv"), ("sweep.yaml",)),
    "no_folder": Case(("--no-folder",), ("sweep.yaml", "--table", "all.csv")),
    "std": Case(("--std", "x=0.5"), UNCERTAIN),
    "coverage": Case(("--coverage", "0.5"), None),
    "order": Case(("--order", "2"), None),
    "monte_carlo": Case(("--monte-carlo", "10"), None),
    "no_budget": Case(("--no-budget",), None),
    "socket": Case(("--socket", ""), ()),
    "host": Case(("--host", ""), ()),
    "port": Case(("--port", "99999"), ()),
    "token_file": Case(("--token-file", "nowhere"), ()),
}
"""By option, where no command needs another; of one that is refused, a value that is wrong."""
OWN: dict[tuple[str, str], Case] = {
    ("plan", "storage"): Case(("--storage", "wrong")),
    ("plan", "layout"): Case(("--layout", "matrix"), more=("-o", "new.npy")),
    ("sparsity", "output"): Case(("-o", "new.mtx")),
    ("sparsity", "force"): Case(("--force",), (*POLAR, "-o", "taken.mtx")),
    ("sparsity", "at"): Case(("--at", "x=[5.0, 1.0]")),
    ("sparsity", "of"): Case(("--of", "hessian"), SQUARES),
    ("sparsity", "suffix"): Case(("--suffix", ".npy"), (*POLAR, "--out-dir", "folder")),
    ("examples", "format"): Case(("--format", "json")),
    ("examples", "force"): Case(("--force",), ()),
    ("init", "force"): Case(("--force",), ("taken.yaml",)),
    ("compare", "memory"): Case(("--memory", "1B")),
    ("validate", "memory"): Case(("--memory", "wrong")),
    ("validate", "device"): Case(("--device", "wrong")),
    ("validate", "vector"): Case(("--vector", "wrong: ["), ()),
    ("validate", "expression"): Case(("-e", "g = x**3"), ("square.yaml",)),
    **{(name, "force"): Case(("--force",), (*SQUARES, "--wrt", "x", "-o", "taken.json"))
       for name in ("bench", "check", "analyze")},
    **{(name, "output"): Case(("-o", "new.json")) for name in ("bench", "check", "analyze")},
    **{(name, "chunk"): Case(("--chunk", "0")) for name in DERIVATIVES},
    ("vjp", "vector"): Case(("--vector", "2.0")),
    **{(name, "vector"): Case(("--vector", "1.0")) for name in ("run", "plan", "bench", "check")},
    **{(name, "specs"): Case(("square.yaml", "--vector", "1.0"), ("--set", "dtype=float64"))
       for name in ("jvp", "vjp", "hvp")},
    **{(name, option): Case((flag, "wrong"))
       for name in ("jvp", "hvp", "vjp")
       for option, flag in (("wrt", "--wrt"), ("batch", "--batch"), ("show", "--show"))},
    **{(name, "expression"): Case(("-e", "g = x**3"), ("square.yaml", "--vector", "1.0"))
       for name in ("jvp", "hvp", "vjp")},
    **{(name, "at"): Case(("--at", "x=[5.0, 1.0, 1.0]"))
       for name in ("jvp", "hvp", "vjp")},
    **{(name, "layout"): Case(("--layout", "wrong")) for name in ("jvp", "hvp", "vjp", "validate")},
    **{(name, option): Case((f"--{option}",), more=("-o", "taken.npz"))
       for name in ("jvp", "hvp") for option in ("force", "resume")},
    **{(name, "fail_on_nonfinite"): Case(("--fail-on-nonfinite",), more=("--at", "x=[.nan, 1, 1]"))
       for name in ("jvp", "hvp", "vjp")},
    ("evaluate", "fail_on_nonfinite"): Case(("--fail-on-nonfinite",), more=("--at", "y=.nan")),
    ("evaluate", "mode"): Case(("--mode", "wrong")),
    ("vjp", "mode"): Case(("--mode", "wrong")),
    ("jvp", "mode"): Case(("--mode", "wrong")),
    ("hvp", "mode"): Case(("--mode", "wrong")),
    ("evaluate", "wrt"): Case(("--wrt", "nothing")),
    ("check", "mode"): Case(("--mode", "loop")),
    ("analyze", "system"): Case(("--system", "discrete"), more=("--wrt", "y")),
    ("analyze", "of"): Case(("--of", "jacobian"), more=("--wrt", "x")),
    ("validate", "set"): Case(("--set", "dtype=float32")),
    ("serve", "memory"): Case(("--memory", "-1"), ()),
    ("serve", "on_demand"): Case(("--on-demand", "--port", "0"), ()),
    ("serve", "status"): Case(("--status", "--workers", "3"), ()),
    ("serve", "stop"): Case(("--stop", "--idle-end", "3"), ()),
    ("serve", "umbridge"): Case(("--umbridge", "square.yaml", "--workers", "3"), ()),
    ("serve", "allow_python"): Case(("--allow-python",), ()),
    ("serve", "format"): Case(("--format", "json"), ()),
    ("serve", "debug"): Case(("--debug", "--port", "99999"), ()),
}  # fmt: skip
OWN |= {
    ("propagate", name): case
    for name, case in {
        "specs": Case(("uncertain.yaml",), ()),
        "expression": Case(("-e", "g = x**3"), ("uncertain.yaml",)),
        "set": Case(("--set", "coverage=0.5")),
        "dtype": Case(("--dtype", "float32"), (*UNCERTAIN, "--format", "json")),
        "batch": Case(("--batch", "x")),
        "select": Case(("--select", "t"), (*POLAR, "--std", "x=0.1")),
        "allow_python": Case(("--allow-python",), ("python.yaml", "--std", "x=0.1")),
        "quiet": Case(("--quiet",), ("unused.yaml", "--std", "x=0.1")),
        "output": Case(("-o", "new.json")),
        "force": Case(("--force",), (*UNCERTAIN, "-o", "taken.json")),
        "suffix": Case(("--suffix", ".txt"), (*UNCERTAIN, "--out-dir", "folder")),
        "mode": Case(("--mode", "loop")),
        "fail_on_nonfinite": Case(
            ("--fail-on-nonfinite",), ("-e", "1/x", "--at", "x=0.0", "--std", "x=1")
        ),
        "seed": Case(("--seed", "1"), (*UNCERTAIN, "--monte-carlo", "10")),
        "budget": Case(("--budget", "--no-budget")),
    }.items()
}
OWN |= {
    ("covariance", name): case
    for name, case in {
        "specs": Case(("fit.yaml",), ()),
        "expression": Case(("-e", "g = x**3"), ("fit.yaml",)),
        "set": Case(("--set", "coverage=0.5")),
        "at": Case(("--at", "a=3.0")),
        "batch": Case(("--batch", "x")),
        "wrt": Case(("--wrt", "x")),
        "select": Case(("--select", "wrong")),
        "dtype": Case(("--dtype", "float32"), ("fit.yaml", "--format", "json")),
        "sigma": Case(("--sigma", "known")),
        "predict": Case(("--predict", "g")),
        "coverage": Case(("--coverage", "0.5")),
        "allow_python": Case(("--allow-python",), ("python.yaml",)),
        "quiet": Case(("--quiet",), ("unused.yaml", "--wrt", "x")),
        "output": Case(("-o", "new.json")),
        "force": Case(("--force",), (*FIT, "-o", "taken.json")),
        "suffix": Case(("--suffix", ".txt"), (*FIT, "--out-dir", "folder")),
        "mode": Case(("--mode", "loop")),
    }.items()
}
for _name in ("hessian", "hvp"):
    OWN[_name, "approximation"] = Case(("--approximation", "gauss-newton"))


def case_of(command: str, option: str) -> Case:
    """Return what shows an option's effect."""
    if (command, option) in OWN:
        return OWN[command, option]
    if option in RUNS:
        return RUNS[option]
    assert command == "serve", f"{command} {option}: no case"
    return Case((f"--{option.replace('_', '-')}", "-1"), ())


UNNAMED = ("server", "fail_on_nonfinite")
"""Options whose refusal says what is wrong, and not by which option."""
FILES = {
    "square.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\n",
    "uncertain.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\nuncertainty: {x: 0.1}\n",
    "fit.yaml": "model: {expression: x - a}\ninputs: {x: [1.0, 2.0], a: 1.5}\nwrt: a\n",
    "unused.yaml": "model: {expression: x**2}\ninputs: {x: 3.0, q: 1.0}\n",
    "python.yaml": "model: {python: 'model.py:f'}\ninputs: {x: 3.0}\n",
    "model.py": "def f(x):\n    return x * x\n",
    "sweep.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\nsweep: {inputs.x: [1.0, 2.0]}\n",
    "broken.yaml": "model: {expression: x + y}\ninputs: {x: [1.0, 2.0], y: 3.0}\n"
    "sweep: {inputs.y: [[1.0, 2.0, 3.0], 4.0]}\n",
    "taken.npz": "precious",
    "taken.json": "precious",
    "taken.mtx": "precious",
    "taken.yaml": "precious",
}


def options() -> list[Any]:
    """Return all commands with all of their options; those of one that computes are quick."""
    return [
        pytest.param(
            command, option.name,
            marks=() if command in ("jvp", "compare", "init") else pytest.mark.slow,
        )
        for command, about in COMMANDS.items()
        for option in about.request().options.values()
        if option.is_typed
    ]  # fmt: skip


@pytest.mark.parametrize(("command", "name"), options())
def test_an_option_has_an_effect_or_is_refused(
    command: str, name: str, jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    option = COMMANDS[command].request().options[name]
    case = case_of(command, name)
    base = (*(BASE[command] if case.base is None else case.base), *case.more)
    if option.flags:
        given = (*base, *case.option)
    else:
        given, base = case.option, case.base or ()
    found = outcome(jaccli, tmp_path, command, *given)
    if command == "serve":  # without a wrong option it would serve
        assert found[0] == 2
        assert (option.flag if name != "debug" else "Traceback") in found[2]
        return
    without = outcome(jaccli, tmp_path, command, *base)
    assert found != without, f"{command} {name}: nothing comes of it"
    if found[0] in (2, 3) and option.flags and without[0] == 0 and name not in UNNAMED:
        named = (*option.flags, ".".join(option.path) or name)
        assert any(word in found[2] for word in named), found[2]


def outcome(jaccli: Callable[..., Any], folder: Path, *arguments: str) -> tuple[Any, ...]:
    """Run a command line among fresh files; return all that it does, but for times."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    np.save(folder / "a.npy", [1.0, 2.0])
    np.save(folder / "b.npy", [1.0, 2.5])
    before = {path.name for path in folder.iterdir()}
    ran = jaccli(*arguments, check=False)
    files = sorted(path.name for path in folder.iterdir() if path.name not in before)
    changed = sorted(n for n in FILES if (folder / n).read_text(errors="replace") != FILES[n])
    return ran.exit_code, timeless(ran.stdout), timeless(ran.stderr), files, changed


def timeless(text: str) -> str:
    """Return a text without what differs from run to run."""
    text = re.sub(r"\b\d[0-9.e+-]* ?(s|ms|µs|us|%|x)\b", "T", text)
    text = re.sub(r"±\s*\S+|\(cached\)", "", text)
    text = re.sub(r'"(seconds|compile|run|median|spread|[a-z_]*seconds)": [^,}]+', "", text)
    return re.sub(r" +", " ", text)
