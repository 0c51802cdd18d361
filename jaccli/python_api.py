"""Models from Python: a spec or an expression, with the commands as methods.

    >>> import jaccli
    >>> model = jaccli.model("x**2 * y", at={"x": 3.0, "y": 2.0})
    >>> print(model.gradient()["f.x"])  # d(x² y)/dx = 2 x y
    12.0

A method makes the request of its command, as the command line does of options, and returns what the
command comes to.  Arrays go in as they are.  Programs are kept: a call that differs in numbers
alone compiles nothing.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, Unpack

from jaccli.commands import COMMANDS
from jaccli.context import Context, Silent
from jaccli.errors import Problem, UsageError, did_you_mean
from jaccli.spec.nodes import Node
from jaccli.spec.overrides import Override, option_mapping, option_node, option_text
from jaccli.storage.files import Local

if TYPE_CHECKING:
    from jaccli.commands.outcome import Outcome, Report
    from jaccli.context import Question
    from jaccli.result import Result

_PROGRAMS, _PROGRAM_BYTES = 64, 256 << 20
"""Programs that a model keeps at most, and the bytes that they may take."""

_OF_SOME = frozenset(("mode", "vector", "chunk", "storage", "layout", "rows", "cols", "part"))
"""Entries of the spec that some commands alone take."""
Value = Any
"""A number, a nested list, an array, or a mapping that a spec could have in this place."""


class SpecEntries(TypedDict, total=False):
    """Entries of the spec that a method may change, under their own names."""

    at: Mapping[str, Value]
    wrt: str | Sequence[str]
    select: str | Sequence[str]
    mode: str
    batch: Mapping[str, int] | str
    vector: Value
    device: str
    devices: int | str
    dtype: str
    precision: str
    storage: str
    memory: str | int
    chunk: int
    layout: str
    rows: str
    cols: str
    part: str
    uncertainty: Mapping[str, Value]
    correlation: Value
    covariance: Mapping[str, Value]


class JaccliWarning(UserWarning):
    """What may be wrong with a result: an unused input, a kink, an entry that is not finite."""


def load(
    path: str | os.PathLike[str],
    *,
    set: Mapping[str, Value] | None = None,
    allow_python: bool = False,
) -> Model:
    """Return the model of a spec.

    Args:
        path: the YAML file.
        set: entries that are changed, by their paths: `{"inputs.x": [1.0, 2.0]}`.
        allow_python: whether a `model.python` may be run.

    Raises:
        SpecError: the spec is wrong, with every problem and its place.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"load: {type(path).__name__} is no path.", hint="Expected a YAML file.")
    arrays = Arrays()
    changes = [
        Override(tuple(name.split(".")), arrays.node(value, "set", name))
        for name, value in _mapping({} if set is None else set, "set").items()
    ]
    return Model(os.fspath(path), changes, arrays, allow_python=allow_python)


def model(
    expression: str | Mapping[str, str],
    *,
    at: Mapping[str, Value],
    **entries: Value,
) -> Model:
    """Return the model of one expression, whose output is `f`, or of several, by their names.

    Args:
        expression: as in `jaccli gradient -e`; of several, later ones may use earlier ones.
        at: the inputs: numbers, nested lists, arrays, or mappings as a spec has them.
        entries: other entries of the spec, as `wrt="x"` or `dtype="float32"`.

    Raises:
        SpecError: something of it is wrong.
    """
    arrays = Arrays()
    if isinstance(expression, str):
        content = option_mapping("model", [("expression", option_node("model", expression))])
    else:
        if not isinstance(expression, Mapping) or not expression:
            hint = "Expected a text, or a mapping of names to texts."
            raise UsageError("model: no expression is given.", hint=hint)
        named = [(name, option_node("model", text)) for name, text in expression.items()]
        content = option_mapping("model", [("expressions", option_mapping("model", named))])
    changes = [Override(("model",), content), *arrays.changes({"at": at, **entries})]
    return Model(None, changes, arrays)


class Model:
    """A model and its point; its methods are the commands, with entries of the spec as keywords.

    It never changes: a method's keywords concern that call alone.
    """

    def __init__(
        self,
        path: str | None,
        changes: Sequence[Override],
        arrays: Arrays,
        *,
        allow_python: bool = False,
    ) -> None:
        self._path, self._changes, self._arrays = path, tuple(changes), arrays
        self._allow_python = allow_python
        self._programs: object | None = None
        self.spec: Mapping[str, Any] = self._resolved()
        """The spec with its defaults, as `jaccli validate` prints it."""

    def _resolved(self) -> Mapping[str, Any]:
        """Check the spec."""
        from jaccli.context import using
        from jaccli.spec import load as load_spec

        with using(Context(files=self._arrays)):
            spec = load_spec(self._path, self._changes)
        if spec.sweep is not None:
            hint = "`jaccli run` computes all."
            raise UsageError(spec.problem("sweep", "a model is one task.", hint))
        return spec.resolved

    def __repr__(self) -> str:
        model = self.spec["model"]
        inputs = ", ".join(self.spec["inputs"])
        return f"Model({self._path or model!r}, inputs: {inputs})"

    def evaluate(self, **entries: Unpack[SpecEntries]) -> Result:
        """Return the outputs at the point: `(*batch, *out)`."""
        return self._result("evaluate", entries)

    def gradient(self, *, scale: str = "none", **entries: Unpack[SpecEntries]) -> Result:
        """Return the gradient of a scalar output: `(*batch, *in)`.

        With the scale `relative` it is `x dy/dx`, with `log` the elasticity `x/y dy/dx`.
        """
        return self._result("gradient", entries, scale=scale)

    def jacobian(self, *, scale: str = "none", **entries: Unpack[SpecEntries]) -> Result:
        """Return the Jacobian: `(*batch, *out, *in)`; `scale` as in `gradient`."""
        return self._result("jacobian", entries, scale=scale)

    def hessian(self, *, approximation: str = "none", **entries: Unpack[SpecEntries]) -> Result:
        """Return the Hessian of each output entry: `(*batch, *out, *in1, *in2)`.

        With the approximation `gauss-newton` it is `JᵀJ` of all outputs, which are residuals.
        """
        return self._result("hessian", entries, approximation=approximation)

    def jvp(self, **entries: Unpack[SpecEntries]) -> Result:
        """Return the Jacobian times a tangent, the `vector`: `(*batch, *out)`."""
        return self._result("jvp", entries)

    def vjp(self, **entries: Unpack[SpecEntries]) -> Result:
        """Return a cotangent, the `vector`, times the Jacobian: `(*batch, *in)`."""
        return self._result("vjp", entries)

    def hvp(self, *, approximation: str = "none", **entries: Unpack[SpecEntries]) -> Result:
        """Return the Hessian of a scalar output times a tangent, the `vector`: `(*batch, *in)`.

        With the approximation `gauss-newton` it is `JᵀJ` of all outputs times the tangent.
        """
        return self._result("hvp", entries, approximation=approximation)

    def check(
        self,
        *,
        of: str | None = None,
        probes: int | None = None,
        rtol: float | None = None,
        atol: float | None = None,
        against: str | None = None,
        certify: bool = False,
        correct_digits: int | None = None,
        **entries: Unpack[SpecEntries],
    ) -> Report:
        """Return whether the derivative is right: `str(report)`, `report.data()`, `report.passed`.

        `of` is the derivative in question, `probes` how many random directions there are where
        entries are too many, `against` a result file to compare with, `certify` whether correct
        digits are counted by ball arithmetic, `correct_digits` how many there must be.
        """
        options = {"of": of, "probes": probes, "rtol": rtol, "atol": atol, "against": against,
                   "certify": certify, "correct_digits": correct_digits}  # fmt: skip
        if against is not None and not isinstance(against, str | os.PathLike):
            raise UsageError("against: expected the path of a result file.")
        return self._report("check", options, entries)

    def analyze(
        self,
        *,
        of: str | None = None,
        top: int | None = None,
        rtol: float | None = None,
        gtol: float | None = None,
        products: int | None = None,
        probes: int | None = None,
        seed: int | None = None,
        system: str | None = None,
        **entries: Unpack[SpecEntries],
    ) -> Report:
        """Return spectrum, rank, condition, definiteness: `str(report)`, `report.data()`.

        The options are those of `jaccli analyze`; with a `system`, `continuous` or `discrete`, the
        kind of equilibrium too.
        """
        options = {"of": of, "top": top, "rtol": rtol, "gtol": gtol, "products": products,
                   "probes": probes, "seed": seed, "system": system}  # fmt: skip
        return self._report("analyze", options, entries)

    def propagate(
        self,
        *,
        coverage: float | None = None,
        order: int | None = None,
        monte_carlo: int | str | None = None,
        seed: int | None = None,
        budget: bool | None = None,
        **entries: Unpack[SpecEntries],
    ) -> Report:
        """Return the outputs' uncertainty: `str(report)`, `report.data()`, `report.propagation`.

        The options are those of `jaccli propagate`; without a budget with `budget=False`.
        """
        options = {
            "coverage": coverage,
            "order": order,
            "monte_carlo": None if monte_carlo is None else str(monte_carlo),
            "seed": seed,
            "budget": budget or None,
            "no_budget": True if budget is False else None,
        }
        return self._report("propagate", options, entries)

    def covariance(
        self,
        *,
        sigma: str | None = None,
        predict: str | Sequence[str] = (),
        coverage: float | None = None,
        **entries: Unpack[SpecEntries],
    ) -> Report:
        """Return the covariance of a fit's parameters, the `wrt`, of which the outputs are
        residuals: `str(report)`, `report.data()`, `report.fit`.

        The options are those of `jaccli covariance`.
        """
        names = (predict,) if isinstance(predict, str) else predict
        if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
            raise UsageError(f"predict: {predict!r} is no name of an output, nor a list of them.")
        options = {"sigma": sigma, "predict": tuple(names) or None, "coverage": coverage}
        return self._report("covariance", options, entries)

    def plan(self, *, of: str | None = None, **entries: Unpack[SpecEntries]) -> Report:
        """Return what would be computed, how and why: `str(report)`, `report.data()`."""
        return self._report("plan", {"of": of}, entries)

    def _result(self, command: str, entries: Mapping[str, Value], **options: str) -> Result:
        from jaccli.commands.derivative import Computed

        outcome = self._outcome(command, {"format": "none", **options}, entries)
        assert isinstance(outcome, Computed)
        return outcome.result

    def _report(
        self, command: str, options: Mapping[str, Any], entries: Mapping[str, Value]
    ) -> Report:
        from jaccli.commands.outcome import Report

        given = {name: value for name, value in options.items() if value is not None}
        outcome = self._outcome(command, {"format": "plain", **given}, entries)
        assert isinstance(outcome, Report)
        return outcome

    def _outcome(
        self, command: str, options: Mapping[str, Any], entries: Mapping[str, Value]
    ) -> Outcome:
        """Perform a command, and return the one thing that it comes to."""
        request_type = COMMANDS[command].request()
        for name in entries.keys() - SpecEntries.__annotations__.keys():
            known = [*SpecEntries.__annotations__, *options]
            hint = did_you_mean(name, [word for word in known if word != "format"])
            raise UsageError(f"{name}: no keyword of {command}.", hint=hint)
        for name in entries.keys() & _OF_SOME:
            if name not in request_type.options:
                raise UsageError(f"{name}: {command} takes no {name}.")
        arrays = Arrays(self._arrays)
        untyped = {name: value for name, value in options.items() if value is not False}
        request = request_type(
            specs=() if self._path is None else (self._path,),
            allow_python=self._allow_python,
            output="-",
            changes=(*self._changes, *arrays.changes(entries)),
            **untyped,
        )
        from jaccli import backend  # which JAX is imported by

        with backend.own_precision():
            outcomes = list(COMMANDS[command].perform(request, self._context(arrays)))
        if len(outcomes) > 1:
            raise UsageError(f"{command}: the spec has several derivatives.", hint="Give `of`.")
        for warning in outcomes[0].warnings:
            warnings.warn(warning, JaccliWarning, stacklevel=4)
        return outcomes[0]

    def _context(self, arrays: Arrays) -> Context:
        if self._programs is None:
            from jaccli.tune.program_cache import ProgramCache  # with JAX

            self._programs = ProgramCache(_PROGRAMS, _PROGRAM_BYTES)
        return Context(files=arrays, reporter=_Warning(), programs=self._programs)


class Arrays(Local):
    """The files of this machine, and arrays in memory that are files for those who read them."""

    def __init__(self, others: Arrays | None = None) -> None:
        self._arrays: dict[str, bytes] = {} if others is None else dict(others._arrays)

    def changes(self, entries: Mapping[str, Value]) -> Iterator[Override]:
        """Yield what entries of the spec change; `at` are its inputs."""
        for name, value in entries.items():
            if name == "at":
                for key, one in _mapping(value, "at").items():
                    path = ("inputs", *key.split("."))
                    yield Override(path, self.node(one, "at", key), replaces_source=True)
            elif name in ("wrt", "select") and isinstance(value, str):
                yield Override((name,), self.node([value], name))
            elif name == "batch" and isinstance(value, str):
                yield Override((name,), self.node({value: 0}, name))
            else:
                yield Override((name,), self.node(value, name), replaces_source=True)

    def node(self, value: Value, source: str, name: str = "") -> Node:
        """Return a value of Python as a node; `source` and `name` are what errors call it.

        Raises:
            UsageError: it is nothing that a spec could have.
        """
        shown = f"{source}[{name!r}]" if name else source
        if _is_whole(value):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return option_node(shown, value)
        if isinstance(value, os.PathLike):
            return option_node(shown, os.fspath(value))
        if isinstance(value, Mapping):
            entries = [(str(key), self.node(one, shown, str(key))) for key, one in value.items()]
            return option_mapping(shown, entries) if entries else Node({}, option_text(shown, "{}"))
        if isinstance(value, list | tuple) and not any(map(_is_array, value)):
            return Node([self.node(one, shown) for one in value], option_text(shown, str(value)))
        return self._array(value, shown)

    def _array(self, value: Value, shown: str) -> Node:
        import numpy as np

        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            hint = "Expected a number, a list, an array of real numbers, or a mapping."
            place = option_node(shown, repr(value)).place
            raise UsageError(
                Problem(f"{type(value).__name__} is no value.", place=place, hint=hint)
            )
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
        name = f"<array {len(self._arrays)} of {shown}>.npy"
        self._arrays[name] = stream.getvalue()
        return option_mapping(shown, [("file", option_node(shown, name))])

    def ask(self, question: Question) -> Any:
        """Answer for the arrays, and leave the rest to the file system."""
        if question[1] in self._arrays:
            if question[0] == "content":
                return self._arrays[str(question[1])]
            return question[1] if question[0] == "identity" else False
        return super().ask(question)

    def open(self, name: str) -> BinaryIO:
        """Open a file to read."""
        return io.BytesIO(self._arrays[name]) if name in self._arrays else super().open(name)


class _Warning(Silent):
    """A reporter that warns as Python does, and says nothing else."""

    def warn(self, text: str) -> None:
        """Warn."""
        warnings.warn(text, JaccliWarning, stacklevel=2)


def _is_whole(value: Value) -> bool:
    """Whether it is a whole number of NumPy: one means what Python's own does."""
    return getattr(value, "shape", None) == () and value.dtype.kind in "iub"


def _is_array(value: Value) -> bool:
    return hasattr(value, "__array__")


def _mapping(value: Value, name: str) -> Mapping[str, Value]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{name}: {value!r} is not a mapping of names to values.")
    for key in value:
        if not isinstance(key, str):
            raise UsageError(f"{name}: {key!r} is not a name.")
    return value
