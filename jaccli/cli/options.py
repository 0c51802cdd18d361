"""The options of the derivative commands: one table, from which Typer's parameters and the
overrides of the spec both follow.

An option that stands for an entry of the spec says so with its `path`; a new one is one line here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from jaccli.choices import (
    ALL_MODES,
    DERIVATIVES,
    FLOAT_DTYPES,
    FORMATS,
    LAYOUTS,
    PRECISIONS,
    STORAGES,
    SUFFIXES,
)
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

Values = dict[str, Any]

_NAMED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)\s*")
_NAMED_INPUT = re.compile(rf"\s*({DOTTED})\s*=(?!=)\s*")
_MODEL, _INPUT, _DERIVATIVE, _HOW, RESULT, _CALL = (
    "Model",
    "Inputs",
    "Derivative",
    "How it is computed",
    "Result",
    "This call",
)


class Option(NamedTuple):
    """An option: `path` is the spec's entry that it replaces; `read` is for what takes more."""

    name: str
    flags: tuple[str, ...]
    help: str
    panel: str
    metavar: str = ""
    type: Any = str
    path: tuple[str, ...] = ()
    read: Callable[[str, list[str]], Iterable[Override]] | None = None
    choices: tuple[str, ...] = ()

    def overrides(self, value: Any) -> Iterable[Override]:
        """Return what the option's value changes in the spec."""
        flag = self.flags[-1]
        if self.read:
            return self.read(flag, value)
        if not self.path:
            return ()
        return (Override(self.path, option_node(flag, value)),)

    def parameter(self) -> inspect.Parameter:
        """Return the option as a parameter of a Typer command."""
        repeatable = self.read is not None and self.type is str
        kind: Any = list[str] if repeatable else self.type
        absent: Any = False if self.type is bool else None
        declared = typer.Option(
            *self.flags,
            help=self.help,
            metavar=self.metavar or None,
            rich_help_panel=self.panel,
            show_default=False,
            autocompletion=self.complete if self.choices else None,
        )
        annotation: Any = Annotated[kind if self.type is bool else kind | None, declared]
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=absent, annotation=annotation
        )

    def complete(self, incomplete: str) -> list[str]:
        """Return the choices that begin as typed, for the shell's completion."""
        return [choice for choice in self.choices if choice.startswith(incomplete)]


def _names(*path: str) -> Callable[[str, list[str]], Iterable[Override]]:
    """Read a repeatable option that replaces a list of names."""
    return lambda flag, values: (Override(path, option_list(flag, values)),)


def _expressions(flag: str, values: list[str]) -> Iterable[Override]:
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


def _at(flag: str, values: list[str]) -> Iterable[Override]:
    """Read `NAME=VALUE` as inputs."""
    for value in values:
        match = _NAMED_INPUT.match(value)
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


def _vector(flag: str, values: list[str]) -> Iterable[Override]:
    """Read `[NAME=]VALUE` as tangents or cotangents."""
    for value in values:
        match = _NAMED_INPUT.match(value)
        path = ("vector", match[1]) if match else ("vector",)
        node = value_node(flag, value, match.end() if match else 0)
        yield Override(path, node, replaces_source=True)


def _batch(flag: str, values: list[str]) -> Iterable[Override]:
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


OPTIONS: tuple[Option, ...] = (
    Option(
        "expression", ("-e", "--expression"), "Inline model; every named one is an output.",
        _MODEL, "[NAME =] EXPR", read=_expressions,
    ),
    Option(
        "at", ("--at",), "An input's value: YAML or @FILE (.npy, .npz:key, .csv:column).",
        _INPUT, "NAME=VALUE", read=_at,
    ),
    Option(
        "vector", ("--vector",), "Tangent (jvp, hvp; by input) or cotangent (vjp; by output).",
        _INPUT, "[NAME=]VALUE", read=_vector,
    ),
    Option(
        "batch", ("--batch",), "A batched input and its axis (0).",
        _INPUT, "NAME[=AXIS]", read=_batch,
    ),
    Option("wrt", ("--wrt",), "Differentiate with respect to this input.", _DERIVATIVE, "NAME",
           read=_names("wrt")),
    Option("select", ("--select",), "Which outputs.", _DERIVATIVE, "NAME", read=_names("select")),
    Option("mode", ("--mode",), "auto, or a mode of the derivative.", _HOW, "MODE",
           path=("mode",), choices=ALL_MODES),
    Option("device", ("--device",), "cpu, gpu, gpu:1, tpu.", _HOW, "DEV", path=("device",),
           choices=("cpu", "gpu", "tpu")),
    Option("devices", ("--devices",), "How many share the work: a number, or all.", _HOW, "N",
           path=("devices",), choices=("all",)),
    Option("dtype", ("--dtype",), "float32 or float64 (default).", _HOW, "DTYPE",
           path=("dtype",), choices=FLOAT_DTYPES),
    Option("precision", ("--precision",), "Of matrix products: default, high, highest (default).",
           _HOW, "PRECISION", path=("precision",), choices=PRECISIONS),
    Option("storage", ("--storage",), "dense or sparse.", _HOW, "STORAGE", path=("storage",),
           choices=STORAGES),
    Option("memory", ("--memory",), "Memory budget, as 512MiB (half of the machine's).", _HOW,
           "SIZE", path=("memory",)),
    Option("chunk", ("--chunk",), "Basis rows or batch rows at a time.", _HOW, "N",
           type=int, read=_number("chunk")),
    Option("set", ("--set",), "Override any entry of the spec; VALUE is YAML.", _MODEL,
           "PATH=VALUE", read=lambda flag, values: map(from_set, values)),
    Option("output", ("-o", "--out", "--output"), "Write .npy, .npz, .csv, .json or .mtx.",
           RESULT, "PATH", type=str, path=("output", "path")),
    Option("out_dir", ("--out-dir",), "With several specs: one file each, named after them.",
           RESULT, "DIR"),
    Option("suffix", ("--suffix",), "Format of the files in --out-dir (.npz).", RESULT,
           "SUFFIX", choices=SUFFIXES),
    Option("format", ("--format",), "Standard output: " + ", ".join(FORMATS) + ".", RESULT,
           "FORMAT", path=("output", "format"), choices=FORMATS),
    Option("layout", ("--layout",), "One array per block, or one labelled matrix.", RESULT,
           "LAYOUT", path=("layout",), choices=LAYOUTS),
    Option("show", ("--show",), "Print a part: 'y[0:4], x[3]'.", RESULT, "INDEX"),
    Option("digits", ("--digits",), "Significant digits in tables (6).", RESULT, "N", type=int),
    Option("force", ("--force",), "Overwrite existing files.", RESULT, type=bool,
           path=("output", "force")),
    Option("resume", ("--resume",), "Go on with an interrupted result or sweep.", RESULT,
           type=bool),
    Option("fail_on_nonfinite", ("--fail-on-nonfinite",), "A NaN or infinity is an error.",
           RESULT, type=bool),
    Option("explain", ("--explain",), "Print the plan before running.", _CALL, type=bool),
    Option("allow_python", ("--allow-python",), "Permit model.python.", _CALL, type=bool),
    Option("server", ("--server",), "A service's URL: unix:PATH, http://HOST:PORT, or auto.",
           _CALL, "URL"),
    Option("quiet", ("--quiet", "-q"), "Print errors alone to standard error.", _CALL, type=bool),
    Option("verbose", ("--verbose", "-v"), "Print the plan, and the versions used.", _CALL,
           type=bool),
    Option("debug", ("--debug",), "Show a traceback on errors.", _CALL, type=bool),
)  # fmt: skip

BY_NAME = {option.name: option for option in OPTIONS}

OF = Option("of", ("--of",), "The derivative in question (the spec's, else jacobian).",
            _DERIVATIVE, "DERIVATIVE", path=("derivative",), choices=DERIVATIVES)  # fmt: skip


BENCH_MODES = Option("modes", ("--modes",), "Which modes, with commas (all).", _HOW, "MODE,...")
REPEAT = Option("repeat", ("--repeat",), "Runs of every mode (as many as half a second holds).",
                _HOW, "N", type=int)  # fmt: skip
PROBES = Option("probes", ("--probes",), "Random directions where entries are too many (5).",
                _HOW, "N", type=int)  # fmt: skip
AGAINST = Option("against", ("--against",), "Check the derivative in this file too.", _INPUT,
                 "FILE")  # fmt: skip
CERTIFY = Option("certify", ("--certify",), "Count correct digits by ball arithmetic.", _HOW,
                 type=bool)  # fmt: skip
CORRECT_DIGITS = Option("correct_digits", ("--correct-digits",), "Digits that must be correct "
                        "(12; 5 with float32).", _HOW, "N", type=int)  # fmt: skip
RTOL = Option("rtol", ("--rtol",), "Relative tolerance (1e-6; 1e-4 with float32).", _HOW, "R",
              type=float)  # fmt: skip
CLUSTER = Option("cluster", ("--cluster",), "Have a dask cluster's workers compute: its "
                 "scheduler, or local:N.", _HOW, "ADDRESS")  # fmt: skip
SWEEP: tuple[Option, ...] = (
    Option("dry_run", ("--dry-run",), "List a sweep's tasks, bytes and seconds.", _CALL,
           type=bool),
    Option("fail_fast", ("--fail-fast",), "Stop a sweep at the first task that fails.", _CALL,
           type=bool),
    Option("jobs", ("--jobs",), "Compute a sweep in N processes (1).", _HOW, "N", type=int),
    Option("junit", ("--junit",), "Write a sweep's JUnit report.", RESULT, "FILE"),
    Option("markdown", ("--markdown",), "Write a page about a sweep.", RESULT, "FILE"),
)  # fmt: skip
"""What `run` takes for a spec with a sweep."""

ATOL = Option("atol", ("--atol",), "Absolute tolerance (0).", _HOW, "A", type=float)


def shared(without: Collection[str] = (), formats: Sequence[str] = FORMATS) -> tuple[Option, ...]:
    """Return the options of derivative commands, but some; `formats` are those that are printed."""
    printed = BY_NAME["format"]._replace(
        help="Standard output: " + ", ".join(formats) + ".", choices=tuple(formats)
    )
    kept = (option for option in OPTIONS if option.name not in without)
    return tuple(printed if option.name == "format" else option for option in kept)


def overrides(values: Values, options: Sequence[Option] = OPTIONS) -> list[Override]:
    """Return what the given options change in the spec: `--set` first, so that options win."""
    given = [option for option in options if _is_given(values.get(option.name))]
    given.sort(key=lambda option: option.name != "set")
    return [override for option in given for override in option.overrides(values[option.name])]


def _is_given(value: Any) -> bool:
    """Whether an option stands on the command line; `--chunk 0` does, and is refused later."""
    return value is not None and value is not False and value != []


_ABSENT: Values = dict.fromkeys((*BY_NAME, CLUSTER.name, *(option.name for option in SWEEP)))
"""What a command gets for options that it does not take."""


def with_options(
    callback: Callable[[Values], int | None], options: Sequence[Option]
) -> Callable[..., int | None]:
    """Return a Typer command that collects its specs and options into one dict."""

    def command(**values: Any) -> int | None:
        return callback({**_ABSENT, **values})

    specs = inspect.Parameter(
        "specs",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            list[str] | None,
            typer.Argument(metavar="[SPEC]...", help="YAML files, or - for standard input."),
        ],
    )
    parameters = [specs, *(option.parameter() for option in options)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def budget_of(text: str | None) -> int:
    """Return the memory budget that `--memory` gives where there is no spec."""
    size = None if text is None else parse_size(str(text))
    if text is not None and not size:
        hint = "Expected a number with a unit, as 512MiB."
        raise UsageError(f"--memory: {text!r} is not a size.", hint=hint)
    return budget(size)
