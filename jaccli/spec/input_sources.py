"""The sources an input's values may come from: one entry of `SOURCES` each.

An entry declares the source's keys, the shape that follows from them, and how the array is made.
numpy comes in as an argument, because checking a spec must not wait for its import.

Boundary: never JAX.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from jaccli import context
from jaccli.choices import INPUT_DTYPES, INPUT_SUFFIXES, ITEM_BYTES
from jaccli.errors import BudgetError, Problem, SourceError, SpecError, format_bytes
from jaccli.spec.nodes import Node
from jaccli.spec.number_types import Number, Numbers
from jaccli.spec.schema_types import (
    Case,
    Either,
    Items,
    Key,
    NoKey,
    OneOf,
    ProblemCollector,
    RecordType,
    Shape,
    Words,
    always,
    has_key,
    is_mapping,
)
from jaccli.spec.tables import keys as tables
from jaccli.storage import files

Entries = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where one input's values come from: `entries` hold the checked keys of `SOURCES[kind]`."""

    kind: str
    entries: Entries
    path: str
    node: Node

    @property
    def dtype(self) -> str | None:
        """The dtype the source itself demands, or None."""
        dtype: str | None = self.entries.get("dtype")
        return dtype

    @property
    def file(self) -> Path | None:
        """The file that the values come from, or None."""
        if self.kind != "file":
            return None
        node = self.node.get("file") or self.node
        return node.text.folder / str(self.entries["file"])

    def shape(self) -> tuple[int, ...] | None:
        """Return the shape that the entries declare, or None where a file decides."""
        return SOURCES[self.kind].shape(self.entries)

    def plain(self, folder: Path) -> Any:
        """Return the source as a spec in `folder` writes it."""
        entries = {name: value for name, value in self.entries.items() if value is not None}
        if self.kind == "file":
            entries["file"] = relative(self.node.get("file") or self.node, folder)
        return entries["value"] if self.kind == "value" and len(entries) == 1 else entries

    def check_size(self, default_dtype: str, budget: int) -> int:
        """Return the declared bytes (0 where a file decides).

        Raises:
            BudgetError: they exceed `budget` (bytes).
        """
        shape = self.shape()
        if shape is None:
            return 0
        dtype = self.dtype or default_dtype
        size = math.prod(shape) * ITEM_BYTES[dtype]
        # The numbers are made in float64 and then cast.
        peak = size if dtype == "float64" else size + math.prod(shape) * ITEM_BYTES["float64"]
        if peak > budget:
            message = (
                f"an array of shape {shape} takes {format_bytes(peak)}, "
                f"more than the memory budget of {format_bytes(budget)}."
            )
            raise BudgetError(Problem(message, path=self.path, place=self.node.place))
        return size

    def load(
        self, default_dtype: str, budget: int, above: int | None = None, *, held: int = 0
    ) -> Any:
        """Return the values as a numpy array of the source's dtype, else of `default_dtype`.

        Of the budget, `held` bytes are taken by what was read before.
        Integers of `.npy` and `.npz` files stay integers.  An `.npy` array of more than `above`
        bytes stays in its file, where that is possible: it is `MemmapArray`.

        Raises:
            SpecError: the values do not fit the dtype, or a column or key is not in the file.
            SourceError: the file cannot be read.
            BudgetError: the array exceeds `budget` (bytes).
        """
        import numpy as np

        self.check_size(default_dtype, budget)
        array = SOURCES[self.kind].make(np, self.entries, _Context(self, budget - held, above))
        keeps = self.kind == "file" and array.dtype.kind in "iub" and self.dtype is None
        target = array.dtype.newbyteorder("=") if keeps else np.dtype(self.dtype or default_dtype)
        if isinstance(array, np.ndarray | np.generic):
            return self._cast(np.asarray(array), target)
        return replace(array, dtype=target, cast=lambda values: self._cast(values, target))

    def _cast(self, array: Any, target: Any) -> Any:
        """Return numbers in the dtype `target`, which must be able to hold them."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(target, copy=False)
        if np.can_cast(array.dtype, target, "safe"):
            return cast
        if target.kind == "i":
            changed = ~np.isfinite(array) | (cast != array) | ((cast < 0) & (array > 0))
        else:
            changed = np.isinf(cast) & np.isfinite(array)
        if changed.any():
            value = array[changed].flat[0]
            message = f"{value!s} does not fit {target}."
            raise SpecError(Problem(message, path=self.path, place=self.node.place))
        return cast


class _Context(NamedTuple):
    """What a file source needs besides its entries."""

    source: Source
    limit: int
    above: int | None

    def read(self, entries: Entries) -> Any:
        """Read the file of a `file` source."""
        from jaccli.spec import input_files
        from jaccli.spec.tables.columns import NotInFile

        node = self.source.node.get("file") or self.source.node
        path = self.source.file
        assert path is not None
        try:
            return input_files.read(path, entries, self.limit, self.above, self.tell)
        except NotInFile as error:
            entry = self.source.node.get(error.entry) or node
            problem = error.problems[0]
            problem = problem._replace(path=f"{self.source.path}.{error.entry}", place=entry.place)
            raise SpecError(problem) from error
        except SourceError as error:
            problem = error.problems[0].of(entries["file"])
            problem = problem._replace(path=self.source.path, place=node.place)
            raise SourceError(problem) from error

    def tell(self, text: str) -> None:
        """Say how the file was read, to who wants to know."""
        file = self.source.entries["file"]
        context.current().reporter.detail(f"{self.source.path}: {file}: {text}")


class SourceKind(NamedTuple):
    """A kind of source: its keys, the shape they declare, and how the array is made."""

    keys: dict[str, Key]
    shape: Callable[[Entries], tuple[int, ...] | None]
    make: Callable[[Any, Entries, _Context], Any]


def _shape_of_list(value: Any) -> tuple[int, ...]:
    """Return the shape of a nested list (not ragged: checked before)."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _random(np: Any, entries: Entries, _: _Context) -> Any:
    """Draw from numpy's default generator in float64, so that every device sees the same."""
    generator = np.random.default_rng(entries["seed"])
    if entries["random"] == "normal":
        return generator.normal(_or(entries["mean"], 0), _or(entries["std"], 1), entries["shape"])
    return generator.uniform(_or(entries["low"], 0), _or(entries["high"], 1), entries["shape"])


def _or(value: Any, default: float) -> Any:
    return default if value is None else value


def _count(entries: Entries) -> tuple[int]:
    """Return the shape of an `arange`."""
    start, stop, step = map(float, entries["arange"])
    return (max(0, math.ceil(min((stop - start) / step, 2.0**63))),) if step else (0,)


def _values(np: Any, value: Any) -> Any:
    """Return numbers as float64, except integers alone, which keep every digit as int64."""
    array = np.asarray(value)
    return array if array.dtype.kind == "i" else np.asarray(value, dtype=np.float64)


_END = Items(Number(), least=3, most=3)
_SUFFIXES = f"{', '.join(INPUT_SUFFIXES[:-1])} or {INPUT_SUFFIXES[-1]}"

# `full` stands before `value`, because it has a key of that name too.
SOURCES: dict[str, SourceKind] = {
    "random": SourceKind(
        {
            "random": Key(OneOf(("normal", "uniform")), "the distribution", required=True),
            "shape": Key(Shape(), "the array's shape", required=True),
            "seed": Key(Number(low=0, whole=True), "seed of default_rng", required=True),
            "mean": Key(Number(), "mean of `normal` (0)"),
            "std": Key(Number(low=0), "standard deviation of `normal` (1)"),
            "low": Key(Number(), "lower bound of `uniform` (0)"),
            "high": Key(Number(), "upper bound of `uniform` (1)"),
        },
        shape=lambda e: tuple(e["shape"]),
        make=_random,
    ),
    "file": SourceKind(
        {
            "file": Key(Words("a file name", r"[^\x00]+"), _SUFFIXES, required=True),
            "key": Key(Words(), "the array's name in an .npz"),
            **tables.KEYS,
        },
        shape=lambda e: None,
        make=lambda np, e, context: context.read(e),
    ),
    "zeros": SourceKind(
        {"zeros": Key(Shape(), "shape of an array of zeros", required=True)},
        shape=lambda e: tuple(e["zeros"]),
        make=lambda np, e, _: np.zeros(e["zeros"]),
    ),
    "ones": SourceKind(
        {"ones": Key(Shape(), "shape of an array of ones", required=True)},
        shape=lambda e: tuple(e["ones"]),
        make=lambda np, e, _: np.ones(e["ones"]),
    ),
    "full": SourceKind(
        {
            "full": Key(Shape(), "shape of a constant array", required=True),
            "value": Key(Number(finite=False), "the constant", required=True),
        },
        shape=lambda e: tuple(e["full"]),
        make=lambda np, e, _: np.full(e["full"], e["value"], dtype=np.float64),
    ),
    "eye": SourceKind(
        {"eye": Key(Number(low=0, whole=True), "size of an identity matrix", required=True)},
        shape=lambda e: (e["eye"], e["eye"]),
        make=lambda np, e, _: np.eye(e["eye"]),
    ),
    "linspace": SourceKind(
        {"linspace": Key(_END, "[first, last, count]", required=True)},
        shape=lambda e: (e["linspace"][2],),
        make=lambda np, e, _: np.linspace(*e["linspace"]),
    ),
    "arange": SourceKind(
        {"arange": Key(_END, "[first, end, step], end excluded", required=True)},
        shape=_count,
        make=lambda np, e, _: np.arange(*e["arange"], dtype=np.float64),
    ),
    "value": SourceKind(
        {"value": Key(Numbers(), "a number or nested list", required=True)},
        shape=lambda e: _shape_of_list(e["value"]),
        make=lambda np, e, _: _values(np, e["value"]),
    ),
}

_MAX_ENTRIES = 2**60
"""numpy counts an array's bytes in 63 bits."""

_DTYPE = Key(OneOf(INPUT_DTYPES), "the input's dtype (default: the spec's)")


class _SourceOf(NamedTuple):
    """A mapping that holds the source key `name`; becomes a `Source`."""

    name: str

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        before = len(report.problems)
        entries = self.record.check(node, path, report)
        if len(report.problems) > before:
            return None
        self.check_entries(entries, node, path, report)
        if len(report.problems) == before:
            shape = SOURCES[self.name].shape(entries) or ()
            if math.prod(max(size, 1) for size in shape) > _MAX_ENTRIES:
                report.add(node, path, "more entries than any array holds.")
        return Source(self.name, entries, path, node)

    @property
    def record(self) -> RecordType:
        return RecordType(SOURCES[self.name].keys | {"dtype": _DTYPE}, "a source", self.foreign)

    def foreign(self, name: str) -> str:
        """Return what is said of a key that no source has: it may be meant as an input's name."""
        if any(name in kind.keys for kind in SOURCES.values()):
            return ""
        return f"The key {self.name!r} makes this mapping a source, which holds no inputs."

    def check_entries(
        self, entries: Entries, node: Node, path: str, report: ProblemCollector
    ) -> None:
        """Report entries that are right alone and wrong together."""
        if self.name == "random":
            wrong = ("low", "high") if entries["random"] == "normal" else ("mean", "std")
            for name in wrong:
                if entries[name] is not None:
                    message = f"{name!r} does not go with {entries['random']!r}."
                    report.add(node.get(name) or node, path, message)
            low, high = _or(entries["low"], 0), _or(entries["high"], 1)
            at = node.get("low") or node.get("high") or node
            if entries["random"] == "uniform" and low > high:
                report.add(at, path, "'low' is above 'high'.")
            elif entries["random"] == "uniform":
                self.check_range(low, high, at, path, report)
        elif self.name == "linspace":
            first, last, count = entries["linspace"]
            if not isinstance(count, int) or count < 0:
                at = node.get("linspace", "2") or node
                hint = "linspace: [first, last, count]."
                report.add(at, path, f"{at.describe()} is not a count.", hint)
            self.check_range(first, last, node.get("linspace") or node, path, report)
        elif self.name == "arange":
            first, end, step = entries["arange"]
            at = node.get("arange", "2") or node
            if not step:
                report.add(at, path, "the step is 0.", "arange: [first, end, step].")
            self.check_range(first, end, node.get("arange") or node, path, report)
        elif self.name == "file":
            self.check_file(entries, node, path, report)

    def check_range(
        self, low: float, high: float, at: Node, path: str, report: ProblemCollector
    ) -> None:
        """Report bounds whose distance is infinite."""
        if math.isinf(float(high) - float(low)):
            report.add(at, path, "the distance between the bounds does not fit float64.")

    def check_file(self, entries: Entries, node: Node, path: str, report: ProblemCollector) -> None:
        """Report keys that do not go with the file's suffix."""
        name = entries["file"]
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        if suffix not in INPUT_SUFFIXES:
            place = node.get("file") or node
            hint = f"Expected a name that ends in {_SUFFIXES}."
            report.add(place, path, f"no reader for {name!r}.", hint)
            return
        if entries["key"] is not None and suffix != ".npz":
            report.add(node.get("key") or node, path, "'key' goes with .npz files alone.")
        tables.check(entries, node, path, report)

    def schema(self) -> dict[str, Any]:
        return self.record.schema()


class _Literal:
    """A bare number or list; becomes a `value` source."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        value = Numbers().check(node, path, report)
        return None if value is None else Source("value", {"value": value}, path, node)

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/$defs/numbers"}


def relative(node: Node, folder: Path) -> str:
    """Return the file name in a node as a spec in `folder` writes it."""
    name = str(node.value)
    if node.text.folder == folder:
        return name
    return files.relative(node.text.folder / name, folder)


_NOT_NESTED = " Inputs that hold inputs go with a Python model."

NUMBERS = Either((Case(always, Numbers()),), name="numbers")
INPUT = Either(
    (
        *(Case(has_key(name), _SourceOf(name)) for name in SOURCES),
        Case(is_mapping, NoKey("source", tuple(SOURCES), _NOT_NESTED)),
        Case(always, _Literal()),
    ),
    name="source",
)


def is_source(node: Node) -> bool:
    """Whether a mapping holds a source key, and its keys are not known to be names."""
    return not node.named and has_key(*SOURCES)(node)


def is_whole_source(node: Node) -> bool:
    """Whether a mapping holds a source key, and nothing besides that this source does not have."""
    if not is_source(node) or not isinstance(node.value, dict):
        return False
    kind = next(name for name in SOURCES if name in node.value)
    return node.value.keys() <= {*SOURCES[kind].keys, "dtype"}
