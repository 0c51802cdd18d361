"""The options that several commands take.

One that stands for an entry of the spec says so with its `path`; a command takes it by a field of
its request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from jaccli.choices import (
    ALL_MODES,
    APPROXIMATIONS,
    DERIVATIVES,
    FLOAT_DTYPES,
    FORMATS,
    LAYOUTS,
    PARTS,
    PRECISIONS,
    SCALES,
    STORAGES,
    SUFFIXES,
)
from jaccli.commands.request import Request, argument, option, untyped
from jaccli.errors import Problem, UsageError
from jaccli.memory import budget
from jaccli.spec.nested_inputs import DOTTED
from jaccli.spec.nodes import Node
from jaccli.spec.overrides import (
    Override,
    from_set,
    option_list,
    option_mapping,
    option_node,
    option_text,
    value_node,
)
from jaccli.spec.schema_types import parse_size
from jaccli.spec.yaml12 import parse

_NAMED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)\s*")
NAMED_INPUT = re.compile(rf"\s*({DOTTED})\s*=(?!=)\s*")
MODEL, INPUTS, DERIVATIVE, STATISTICS, HOW, RESULT, CALL = (
    "Model",
    "Inputs",
    "Derivative",
    "Uncertainty",
    "How it is computed",
    "Result",
    "This call",
)
"""The panels of a command's help."""
REPORTS = ("table", "plain", "json", "none")
"""What commands print that report something: text, or JSON."""


def names(*path: str) -> Callable[[str, Sequence[str]], Iterable[Override]]:
    """Read a repeatable option that replaces a list of names; commas may separate them, too."""

    def read(flag: str, values: Sequence[str]) -> Iterable[Override]:
        found = [name.strip() for value in values for name in value.split(",")]
        return (Override(path, option_list(flag, found)),)

    return read


def _expressions(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `[NAME =] EXPR` as a model."""
    entries, unnamed = [], 0
    for value in values:
        match = _NAMED.match(value)
        shift = match.end() if match else 0
        unnamed += not match
        if unnamed > 1:
            place = option_node(flag, value).place
            hint = "Name the outputs: -e 'r = sqrt(x**2 + y**2)'."
            raise UsageError(Problem("a second expression without a name.", place=place, hint=hint))
        name = match[1] if match else "f"
        entries.append((name, option_node(flag, value[shift:], shown=value, shift=shift)))
    if len(values) == 1 and unnamed:
        node = option_mapping(flag, [("expression", entries[0][1])])
    else:
        node = option_mapping(flag, [("expressions", option_mapping(flag, entries))])
    return (Override(("model",), node),)


def _at(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `NAME=VALUE` as inputs."""
    for value in values:
        match = NAMED_INPUT.match(value)
        if not match:
            place = option_node(flag, value).place
            name, equals, _ = value.partition("=")
            if equals and name.strip():
                message = f"{name.strip()!r} is not a name."
                hint = "Letters, digits and underscores, not beginning with a digit."
                raise UsageError(Problem(message, place=place, hint=hint))
            hint = "Expected NAME=VALUE, as in --at x=3 or --at x=@x.npy."
            raise UsageError(Problem(f"{value!r} is not NAME=VALUE.", place=place, hint=hint))
        path = ("inputs", *match[1].split("."))
        yield Override(path, value_node(flag, value, match.end()), replaces_source=True)


def _vector(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `[NAME=]VALUE` as tangents or cotangents."""
    for value in values:
        match = NAMED_INPUT.match(value)
        path = ("vector", match[1]) if match else ("vector",)
        node = value_node(flag, value, match.end() if match else 0)
        yield Override(path, node, replaces_source=True)


def _batch(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `NAME[=AXIS]` as the batched inputs."""
    entries: list[tuple[str, Node]] = []
    for value in values:
        name, equals, _ = value.partition("=")
        axis = (
            parse(option_text(flag, value, len(name) + 1))
            if equals
            else option_node(flag, 0, shown=value)
        )
        entries.append((name.strip(), axis))
    return (Override(("batch",), option_mapping(flag, entries)),)


def _number(*path: str) -> Callable[[str, Any], Iterable[Override]]:
    """Read an option whose value is a number as YAML writes it."""
    return lambda flag, value: (Override(path, parse(option_text(flag, str(value)))),)


def _set(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `PATH=VALUE`."""
    return map(from_set, values)


def _replaced(argument: str, path: tuple[str, ...]) -> UsageError:
    """Return what is said of an entry of the model beside `-e`."""
    of_equations = path[1:2] in (("equations",), ("unknowns",))
    hint = (
        "Unknowns go with equations, in place of -e: --set model.equations.NAME=EXPR and "
        "--set model.unknowns.NAME=START."
        if of_equations
        else "Leave one of them out."
    )
    message = f"-e gives the whole model, which {'.'.join(path)} would change."
    place = option_node("--set", argument).place
    return UsageError(Problem(message, place=place, hint=hint))


def printed(formats: Sequence[str]) -> Any:
    """Return the option `--format` of a command that has a spec and prints these formats."""
    return option("--format", help=f"Standard output: {', '.join(formats)}.", panel=RESULT,
                  metavar="FORMAT", choices=tuple(formats), path=("output", "format"))  # fmt: skip


# fmt: off
MODE = option("--mode", help="auto, or a mode of the derivative.", panel=HOW, metavar="MODE",
              choices=ALL_MODES, path=("mode",), over_http=True)
STORAGE = option("--storage", help="dense or sparse.", panel=HOW, metavar="STORAGE",
                 choices=STORAGES, path=("storage",), over_http=True)
CHUNK = option("--chunk", help="Basis rows or batch rows at a time.", panel=HOW, metavar="N",
               read=_number("chunk"), over_http=True)
VECTOR = option("--vector", help="Tangent (jvp, hvp; by input) or cotangent (vjp; by output).",
                panel=INPUTS, metavar="[NAME=]VALUE", read=_vector)
OF = option("--of", help="The derivative in question (the spec's, else jacobian).",
            panel=DERIVATIVE, metavar="DERIVATIVE", choices=DERIVATIVES, path=("derivative",),
            over_http=True)
APPROXIMATION = option("--approximation", help="gauss-newton: JᵀJ of the outputs, residuals.",
                       panel=DERIVATIVE, metavar="KIND", choices=APPROXIMATIONS,
                       path=("approximation",), over_http=True)
COVERAGE = option("--coverage", help="Coverage probability (0.95).", panel=STATISTICS,
                  metavar="P", path=("coverage",), over_http=True)
CLUSTER = option("--cluster", help="Have a dask cluster's workers compute: its scheduler, or "
                 "local:N.", panel=HOW, metavar="ADDRESS")
OUT_DIR = option("--out-dir", help="With several specs: one file each, named after them.",
                 panel=RESULT, metavar="DIR")
LAYOUT = option("--layout", help="blocks, matrix, or long: a row for each entry.", panel=RESULT,
                metavar="LAYOUT", choices=LAYOUTS, path=("layout",), over_http=True)
SCALE = option("--scale", help="relative: x*dy/dx; log: x/y*dy/dx, elasticities.", panel=RESULT,
               metavar="SCALE", choices=SCALES, default="none", over_http=True)
WITH_VALUE = option("--with-value", help="The outputs' values beside the derivative.", panel=RESULT,
                    over_http=True)
DIGITS = option("--digits", help="Significant digits in tables (6).", panel=RESULT, metavar="N",
                least=1, most=17)
ROWS = option("--rows", help="Only these outputs' entries: 'y[0], y[10:20]'.", panel=DERIVATIVE,
              metavar="SELECTION", path=("rows",), over_http=True)
COLS = option("--cols", help="Only these inputs' entries: 'x[3]'.", panel=DERIVATIVE,
              metavar="SELECTION", path=("cols",), over_http=True)
PART = option("--part", help="full; or the diagonal or trace alone.", panel=DERIVATIVE,
              metavar="PART", choices=PARTS, path=("part",), over_http=True)
RESUME = option("--resume", help="Go on with an interrupted result or sweep.", panel=RESULT)
EXPLAIN = option("--explain", help="Print the plan before running.", panel=CALL)
VERBOSE = option("--verbose", "-v", help="Print the plan, and the versions used.", panel=CALL)
QUIET = option("--quiet", "-q", help="Print errors alone to standard error.", panel=CALL)
DEBUG = option("--debug", help="Show a traceback on errors.", panel=CALL)
RTOL = option("--rtol", help="Relative tolerance (1e-6; 1e-4 with float32).", panel=HOW,
              metavar="R", least=0, over_http=True)
ATOL = option("--atol", help="Absolute tolerance (0).", panel=HOW, metavar="A", least=0,
              over_http=True)
# fmt: on


def written(*suffixes: str) -> Any:
    """Return the option `-o` of a command that writes files of these suffixes."""
    *others, last = suffixes
    either = f"{', '.join(others)} or {last}" if others else last
    return option("-o", "--out", "--output", help=f"Write {either}.", panel=RESULT, metavar="PATH",
                  path=("output", "path"))  # fmt: skip


def suffixes(*names: str) -> Any:
    """Return the option `--suffix` of a command whose files have these."""
    return option("--suffix", help=f"Format of the files in --out-dir ({names[0]}).", panel=RESULT,
                  metavar="SUFFIX", choices=names)  # fmt: skip


class CallRequest(Request):
    """What every command takes."""

    debug: bool = DEBUG


class SpecRequest(CallRequest):
    """What a command takes that reads specs.

    A field without an option is one that some commands have, and the others do without.
    """

    # fmt: off
    specs: tuple[str, ...] = argument("[SPEC]...", "YAML files, or - for standard input.")
    expression: tuple[str, ...] = option("-e", "--expression",
        help="Inline model; every named one is an output.", panel=MODEL, metavar="[NAME =] EXPR",
        read=_expressions)
    set: tuple[str, ...] = option("--set", help="Override any entry of the spec; VALUE is YAML.",
        panel=MODEL, metavar="PATH=VALUE", read=_set)
    at: tuple[str, ...] = option("--at",
        help="An input's value: YAML or @FILE (.npy, .npz:key, .csv:column).", panel=INPUTS,
        metavar="NAME=VALUE", read=_at)
    batch: tuple[str, ...] = option("--batch", help="A batched input and its axis (0).",
        panel=INPUTS, metavar="NAME[=AXIS]", read=_batch)
    wrt: tuple[str, ...] = option("--wrt", help="Differentiate with respect to this input.",
        panel=DERIVATIVE, metavar="NAME", read=names("wrt"), over_http=True)
    select: tuple[str, ...] = option("--select", help="Which outputs.", panel=DERIVATIVE,
        metavar="NAME", read=names("select"), over_http=True)
    device: str | None = option("--device", help="cpu, gpu, gpu:1, tpu.", panel=HOW, metavar="DEV",
        choices=("cpu", "gpu", "tpu"), path=("device",), over_http=True)
    devices: str | None = option("--devices", help="How many share the work: a number, or all.",
        panel=HOW, metavar="N", choices=("all",), path=("devices",))
    dtype: str | None = option("--dtype", help="float32 or float64 (default).", panel=HOW,
        metavar="DTYPE", choices=FLOAT_DTYPES, path=("dtype",), over_http=True)
    precision: str | None = option("--precision",
        help="Of matrix products: default, high, highest (default).", panel=HOW,
        metavar="PRECISION", choices=PRECISIONS, path=("precision",), over_http=True)
    memory: str | None = option("--memory",
        help="Memory budget, as 512MiB (half of the machine's).", panel=HOW, metavar="SIZE",
        path=("memory",), over_http=True)
    # fmt: on
    quiet: bool = QUIET
    changes: tuple[Override, ...] = untyped(())
    default_suffix: ClassVar[str] = ".npz"
    vector: tuple[str, ...] = ()
    mode: str | None = None
    output: str | None = None
    out_dir: str | None = None
    suffix: str | None = None
    show: str | None = None
    digits: int | None = None
    resume: bool = False
    cluster: str | None = None
    verbose: bool = False
    allow_python: bool = False
    takes_parts: ClassVar[bool] = False
    """Whether entries `rows`, `cols` and `part` of the spec are honoured."""
    performs: ClassVar[tuple[str, ...]] = ()
    """What is built on a derivative, and done by the command itself."""

    def overrides(self) -> list[Override]:
        """Return what the options change in the spec.

        Raises:
            UsageError: `--set` changes a model that `-e` replaces.
        """
        for change in self.set if self.expression else ():
            path = from_set(change).path
            if path[0] == "model":
                raise _replaced(change, path)
        return super().overrides()


class TargetRequest(SpecRequest):
    """What a command takes that prints something, and writes it to a file."""

    # fmt: off
    output: str | None = written(".json")
    format: str | None = printed(REPORTS)
    force: bool = option("--force", help="Overwrite existing files.", panel=RESULT,
        path=("output", "force"))
    allow_python: bool = option("--allow-python", help="Permit model.python.", panel=CALL)
    server: str | None = option("--server",
        help="A service's URL: unix:PATH, http://HOST:PORT, auto, start.", panel=CALL,
        metavar="URL")
    # fmt: on
    verbose: bool = VERBOSE


class DerivativeRequest(TargetRequest):
    """What a command takes that computes a derivative, or plans one."""

    mode: str | None = MODE
    storage: str | None = STORAGE
    chunk: int | None = CHUNK
    out_dir: str | None = OUT_DIR
    suffix: str | None = suffixes(".npz", *(name for name in SUFFIXES if name != ".npz"))
    layout: str | None = LAYOUT
    resume: bool = RESUME
    output: str | None = written(*SUFFIXES)


class ResultRequest(DerivativeRequest):
    """What a command takes that computes a derivative, and writes or prints it."""

    # fmt: off
    cluster: str | None = CLUSTER
    scale: str = "none"
    with_value: bool = False
    format: str | None = printed(FORMATS)
    show: str | None = option("--show", help="Print a part: 'y[0:4], x[3]'.", panel=RESULT,
        metavar="INDEX")
    digits: int | None = DIGITS
    fail_on_nonfinite: bool = option("--fail-on-nonfinite",
        help="A NaN or infinity is an error.", panel=RESULT, over_http=True)
    explain: bool = EXPLAIN
    # fmt: on


def budget_of(text: str | None) -> int:
    """Return the memory budget that `--memory` gives where there is no spec."""
    size = None if text is None else parse_size(str(text))
    if text is not None and not size:
        hint = "Expected a number with a unit, as 512MiB."
        raise UsageError(f"--memory: {text!r} is not a size.", hint=hint)
    return budget(size)
