"""The checks that take more than one entry, and the `Spec` that follows from them.

Each `_check_…` reports what is wrong; nothing here raises, so that all is reported at once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from jaccli.choices import WITH_VECTOR
from jaccli.errors import Problem, SpecError, did_you_mean, listed
from jaccli.expression import CONSTANTS, Expression, parse
from jaccli.spec.entry_checks import check_free, known_names, parsed_entry
from jaccli.spec.equations import equations_model
from jaccli.spec.how_checks import (
    check_approximation,
    check_devices,
    check_modes,
    check_storage,
    is_written,
)
from jaccli.spec.input_sources import Source, relative
from jaccli.spec.nested_inputs import entry_node, expanded, groups, nested
from jaccli.spec.nodes import Node
from jaccli.spec.parts import check_parts
from jaccli.spec.schema_types import ProblemCollector
from jaccli.spec.spec import (
    EquationsModel,
    Expect,
    ExpressionModel,
    Model,
    Output,
    PythonModel,
    Spec,
)
from jaccli.spec.uncertainty import (
    COVERAGE,
    MeanOfSamples,
    plain_uncertainty,
    uncertainty_of,
    with_means,
)

FORECAST = "tanh(weight @ x + bias)"
FORECAST_OUTPUT = "y"
ALONE = "f"
"""The label of the output of a single `expression`."""

FORMULAS = (ExpressionModel, EquationsModel)
"""Models whose outputs are known without running anything."""

Values = dict[str, Any]


def build(name: str, values: Values, root: Node, report: ProblemCollector) -> Spec | None:
    """Return the spec of checked values, or None where there are problems.

    Entries that are wrong in themselves are left out of the checks that they take part in.
    """
    wrong = {problem.path.split(".")[0] for problem in report.problems}
    batch = _batch(values["batch"]) if "batch" not in wrong else {}
    with_means(values)
    model = None
    if values["model"] and "model" not in wrong and isinstance(values["inputs"], dict):
        model = _model(values, root, report)
    if isinstance(model, FORMULAS) and values["select"] and "select" not in wrong:
        chosen = known_names("select", values["select"], model.selectable, root, report)
        model = model._replace(outputs=tuple(chosen))
    if isinstance(model, FORMULAS) and values["predict"] and "predict" not in wrong:
        known_names("predict", values["predict"], model.selectable, root, report)
    _check_names(values, batch, model, wrong, root, report)
    if not wrong & {"mode", "derivative"}:
        check_modes(values, root, report)
    if not wrong & {"approximation", "derivative"}:
        check_approximation(values, root, report)
    if not wrong & {"storage", "derivative"}:
        check_storage(values, root, report)
    if not wrong & {"device", "devices"}:
        check_devices(values, root, report)
    if not wrong & {"rows", "cols", "part", "derivative"}:
        check_parts(values, root, report)
    if report.problems or model is None:
        return None
    uncertainty = uncertainty_of(values, root, report)
    inputs = values["inputs"]
    batch = expanded("batch", batch, inputs, root, report)
    wrt = list(expanded("wrt", dict.fromkeys(values["wrt"] or ()), inputs, root, report))
    if report.problems:
        return None
    _check_integers(wrt, inputs, root, report)
    _check_axes(inputs, batch, root, report)
    if report.problems:
        return None
    output = values["output"] or {"path": None, "format": None, "force": False}
    path = _path(root, output["path"], "output", "path")
    wrt = wrt or (["x"] if root_is_forecast(root) else [])
    return Spec(
        name=name,
        model=model,
        inputs=inputs,
        wrt=tuple(wrt) if wrt else None,
        batch=batch,
        derivative=tuple(values["derivative"]),
        mode=values["mode"],
        storage=values["storage"],
        device=values["device"],
        devices=values["devices"],
        dtype=values["dtype"],
        precision=values["precision"],
        memory=values["memory"],
        chunk=values["chunk"],
        layout=values["layout"],
        vector=values["vector"],
        output=Output(path, output["format"], output["force"]),
        expect=_expect(values["expect"], root),
        sparsity=_path(root, (values["sparsity"] or {}).get("file"), "sparsity", "file"),
        sweep=values["sweep"],
        resolved=_resolved(values, wrt, batch, model, root),
        root=root,
        uncertainty=uncertainty,
        coverage=values["coverage"] or COVERAGE,
        sigma=values["sigma"] or "estimated",
        predict=tuple(values["predict"] or ()),
        approximation=values["approximation"] or "none",
        rows=values["rows"],
        cols=values["cols"],
        part=values["part"] or "full",
    )


def root_is_forecast(root: Node) -> bool:
    """Whether the model is the built-in forecast."""
    model = root.get("model")
    return model is not None and model.value == "forecast"


def _path(root: Node, value: str | None, *entry: str) -> Path | None:
    """Return a file name relative to the text that names it; `-` stays."""
    node = root.get(*entry)
    if value is None or node is None:
        return None
    return Path("-") if value == "-" else node.text.folder / value


def _expect(values: Values | None, root: Node) -> Expect | None:
    if values is None:
        return None
    path = _path(root, values["file"], "expect", "file")
    assert path is not None
    return Expect(path, values["rtol"], values["atol"])


def _batch(value: Any) -> dict[str, int]:
    """Return `{name: axis}` from either form."""
    return dict.fromkeys(value, 0) if isinstance(value, list) else dict(value or {})


def _model(values: Values, root: Node, report: ProblemCollector) -> Model | None:
    """Return the model, its expressions parsed and their names checked."""
    model, inputs = values["model"], values["inputs"]
    if model != "forecast" and "python" in model:
        node = root.get("model", "python")
        assert node is not None
        outputs = tuple(values["select"]) if values["select"] else None
        return PythonModel(model["python"], node.text.folder, outputs)
    check_free("inputs", root, report)
    if model == "forecast":
        return _forecast(inputs, root, report)
    if "equations" in model:
        return equations_model(model, inputs, root, report)
    if "expression" in model:
        parsed = parsed_entry(model["expression"], inputs, root, report, "model", "expression")
        return None if parsed is None else ExpressionModel({ALONE: parsed}, (ALONE,))
    return _expressions(model, inputs, root, report)


def _forecast(inputs: Values, root: Node, report: ProblemCollector) -> ExpressionModel | None:
    """Return the dense + tanh forecast, which is an expression like any other."""
    node = root.get("inputs") or root
    missing = [name for name in ("weight", "bias", "x") if name not in inputs]
    if missing:
        names = listed(map(repr, missing))
        report.add(node, "inputs", f"the forecast needs {names}.", "y = tanh(weight @ x + bias)")
        return None
    parsed = parse(FORECAST, path="model")
    return ExpressionModel({FORECAST_OUTPUT: parsed}, (FORECAST_OUTPUT,))


def _expressions(
    model: Values, inputs: Values, root: Node, report: ProblemCollector
) -> ExpressionModel | None:
    """Return named expressions, each checked against the names before it."""
    node = root.get("model", "expressions")
    assert node is not None
    if not model["expressions"]:
        report.add(node, "model.expressions", "no expressions.")
        return None
    check_free("model.expressions", root, report)
    parsed: dict[str, Expression] = {}
    known = set(inputs)
    for name, text in model["expressions"].items():
        if name in inputs:
            message = f"{name!r} is an input already."
            report.add(node.keys[name], f"model.expressions.{name}", message, "Rename one of them.")
        found = parsed_entry(text, known, root, report, "model", "expressions", name)
        if found is not None:
            parsed[name] = found
        known.add(name)
    names = list(model["expressions"])
    outputs = known_names("model.outputs", model["outputs"] or names, names, root, report)
    return ExpressionModel(parsed, tuple(outputs)) if len(parsed) == len(names) else None


def _check_names(
    values: Values,
    batch: dict[str, int],
    model: Model | None,
    wrong: set[str],
    root: Node,
    report: ProblemCollector,
) -> None:
    """Report names of inputs and outputs that do not exist."""
    if not isinstance(values["inputs"], dict):
        return
    inputs = list(values["inputs"])
    if not inputs:
        if not report.problems:
            at = root.get("inputs") or root
            hint = "Give one: under inputs, or --at NAME=VALUE."
            report.add(at, "inputs", "there are no inputs.", hint)
        return
    wrt = values["wrt"] or [] if "wrt" not in wrong else []
    members = groups(inputs)
    named = [*inputs, *members]
    known_names("wrt", wrt, named, root, report, "input")
    known_names("batch", list(batch), named, root, report, "input")
    wrt = [each for name in wrt for each in members.get(name, [name])]
    if wrong & {"vector", "derivative"} or not isinstance(values["vector"], dict):
        return
    kinds = set(WITH_VECTOR).intersection(values["derivative"])
    if kinds == {"vjp"} and isinstance(model, FORMULAS):
        known_names("vector", list(values["vector"]), model.outputs, root, report)
    elif kinds and "vjp" not in kinds:
        known_names("vector", list(values["vector"]), wrt or inputs, root, report, "wrt input")


def check_given(spec: Spec) -> None:
    """Refuse inputs that the model does not have, where an option or the sweep alone gives them.

    Those that the spec declares may be unused: the same inputs may serve several models, as all do
    where the model itself is swept.  A model that is a constant has no names to mistake.

    Raises:
        SpecError: there is one.
    """
    root, model = spec.root, spec.model
    sweep = root.get("sweep", "zip") or root.get("sweep")
    swept = sweep.keys if sweep else {}
    if isinstance(model, PythonModel) or any(path.split(".")[0] == "model" for path in swept):
        return
    node = root.get("inputs")
    keys = node.keys if node else {}
    free = model.free
    known = [name for name in free if name in keys or name not in CONSTANTS]
    used, there = (
        set(free),
        dict.fromkeys([*known, *(name for name, key in keys.items() if _is_declared(name, key))]),
    )
    report = ProblemCollector()
    for name, key in keys.items():
        if name not in used and name not in there and known:
            message = f"the model has no input named {name!r}."
            report.add(key, f"inputs.{name}", message, partial(did_you_mean, name, there))
    if report.problems:
        raise SpecError(*report.problems)


def _is_declared(name: str, key: Node) -> bool:
    """Whether an input stands in a mapping of inputs, be it one that `--set inputs={…}` gives.

    The key of an entry that an option names has the option's whole text, that of one that the sweep
    alone gives is its path.
    """
    return key.value == name and (is_written(key) or key.text.shift > 0)


def _check_integers(
    wrt: list[str], inputs: dict[str, Source], root: Node, report: ProblemCollector
) -> None:
    """Report integers among the inputs that are differentiated."""
    for name in wrt:
        if inputs[name].dtype == "int64":
            node = entry_node(root, "wrt", name) or root
            report.problems.append(integer_problem(name, "int64", node))


def integer_problem(name: str, dtype: str, node: Node) -> Problem:
    """Return the problem of an integer input in `wrt`."""
    return Problem(
        f"the input {name!r} is of {dtype}; derivatives are taken with respect to floats.",
        path="wrt",
        place=node.place,
        hint=f"Give the input `dtype: float64`, or leave {name!r} out of wrt.",
    )


def _check_axes(
    inputs: dict[str, Source], batch: dict[str, int], root: Node, report: ProblemCollector
) -> None:
    """Report batch axes that the declared shapes do not have, and unequal sizes."""
    shapes = {name: inputs[name].shape() for name in batch}
    known = {name: shape for name, shape in shapes.items() if shape is not None}
    report.problems.extend(batch_problems(known, batch, root))


def batch_problems(
    shapes: dict[str, tuple[int, ...]], batch: dict[str, int], root: Node
) -> list[Problem]:
    """Return what is wrong with the batch axes of the inputs whose shapes are known."""
    problems = []
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        axis = batch[name]
        message = ""
        if not shape:
            message = f"the input {name!r} is a scalar and has no axis to batch."
        elif not -len(shape) <= axis < len(shape):
            message = f"the input {name!r} of shape {shape} has no axis {axis}."
        else:
            size = shape[axis]
            other = next((key for key, value in sizes.items() if value != size), None)
            if other is not None:
                message = f"{name!r} has {size} batch rows, {other!r} has {sizes[other]}."
            elif size == 0:
                message = f"the batch axis of {name!r} has the size 0."
            sizes[name] = size
        if message:
            node = root.get("batch", name) or entry_node(root, "batch", name) or root
            problems.append(Problem(message, path="batch", place=node.place))
    return problems


def _resolved(
    values: Values,
    wrt: list[str],
    batch: dict[str, int],
    model: Model,
    root: Node,
) -> Values:
    """Return the spec as plain data with its defaults, absent entries left out.

    File names are relative to the spec's folder, wherever a base or an option has named them.
    """
    vector, folder = values["vector"], root.text.folder
    plain = dict(values)
    inputs = {
        name: source.plain(folder)
        for name, given in values["inputs"].items()
        if (source := given.declared if isinstance(given, MeanOfSamples) else given) is not None
    }
    plain["inputs"] = nested(inputs)
    plain |= plain_uncertainty(values, folder)
    plain["wrt"] = wrt or None
    plain["batch"] = batch or None
    if isinstance(vector, dict):
        plain["vector"] = nested({name: s.plain(folder) for name, s in vector.items()})
    elif vector is not None:
        plain["vector"] = vector.plain(folder)
    if isinstance(plain["model"], dict):
        plain["model"] = _present(plain["model"])
        if isinstance(model, EquationsModel):
            starts = {name: source.plain(folder) for name, source in model.unknowns.items()}
            plain["model"]["unknowns"] = starts
        if "expression" not in plain["model"] and isinstance(model, FORMULAS):
            plain["model"]["outputs"] = list(model.outputs)
    plain.pop("base", None)
    for name in ("output", "expect"):
        plain[name] = _present(plain[name]) if plain[name] else None
    expected_file = root.get("expect", "file")
    if plain["expect"] and expected_file is not None:
        plain["expect"]["file"] = relative(expected_file, folder)
    target = root.get("model", "python")
    if isinstance(model, PythonModel) and target is not None and ".py:" in model.target:
        plain["model"]["python"] = relative(target, folder)
    return _present(plain)


def _present(entries: Values) -> Values:
    """Return the entries that have a value."""
    return {name: value for name, value in entries.items() if value is not None}
