"""The one declaration of a spec's keys.

Checks, positions in errors, `jaccli schema` and the docs' table all follow from `SPEC`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jaccli.choices import (
    ALL_MODES,
    APPROXIMATIONS,
    DEVICE,
    FLOAT_DTYPES,
    FORMATS,
    LAYOUTS,
    PARTS,
    PRECISIONS,
    SIGMAS,
    SPECIFIED,
    STORAGES,
)
from jaccli.spec.input_sources import INPUT, NUMBERS, is_source
from jaccli.spec.nested_inputs import DOTTED, INPUT_NAME, Inputs, definition
from jaccli.spec.number_types import Number
from jaccli.spec.schema_types import (
    Anything,
    Case,
    Clash,
    Code,
    Count,
    Either,
    Flag,
    Items,
    Key,
    Named,
    NoKey,
    OneOf,
    RecordType,
    Size,
    Words,
    always,
    has_key,
    is_mapping,
    is_scalar,
    schemas,
)
from jaccli.spec.uncertainty_schema import UNCERTAINTY_DEFINITION, UNCERTAINTY_KEYS

_NAME = Words("a name", r"[A-Za-z_][A-Za-z0-9_]*")
_NAMES = Items(_NAME, least=1, single=True, unique=True)
_ENTRIES = Words("entries of arrays, as 'y[0], y[10:20]'")
_INPUT_NAMES = Items(INPUT_NAME, least=1, single=True, unique=True)
_TARGET = r"(?:[^\x00:]+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*"
_THREE = Items(Number(), least=3, most=3)

_FILE = Words("a file name", r"[^\x00]+")
_MODELS = ("expression", "expressions", "equations", "python")

_SEVERAL = Clash("model", (("equations", "unknowns"), ("expression",), ("python",)))
"""`expressions` belong to equations as well."""

MODEL = Either(
    (
        Case(_SEVERAL.is_one, _SEVERAL),
        Case(
            is_scalar,
            OneOf(
                ("forecast",),
                "Expected 'forecast', {expression: x**2}, {expressions: {r: ..., t: ...}}, "
                "{equations: ..., unknowns: ...} or {python: 'file.py:function'}.",
            ),
        ),
        Case(
            has_key("expression"),
            RecordType(
                {"expression": Key(Code(), "one expression, the output `f`", required=True)}
            ),
        ),
        Case(
            has_key("python"),
            RecordType(
                {
                    "python": Key(
                        Words("'module:function' or 'file.py:function'", _TARGET),
                        "a function of the inputs as keywords; needs --allow-python",
                        required=True,
                    )
                }
            ),
        ),
        Case(
            has_key("equations", "unknowns"),
            RecordType(
                {
                    "equations": Key(
                        Named(Code()), "each is zero at the solution, as `k*c**2 - feed`", True
                    ),
                    "unknowns": Key(
                        Named(INPUT), "what they are solved for: name -> start", required=True
                    ),
                    "expressions": Key(
                        Named(Code()), "of inputs and unknowns, evaluated in order", default=None
                    ),
                    "outputs": Key(
                        _NAMES, "unknowns or expressions (the expressions; else the unknowns)"
                    ),
                }
            ),
        ),
        Case(
            has_key("expressions"),
            RecordType(
                {
                    "expressions": Key(
                        Named(Code()), "evaluated in order; later may use earlier", required=True
                    ),
                    "outputs": Key(_NAMES, "which of them are outputs (all)"),
                }
            ),
        ),
        Case(always, NoKey("model", _MODELS)),
    )
)

_VALUES = Either(
    (
        Case(has_key("range"), RecordType({"range": Key(_THREE, "[start, stop, step]", True)})),
        Case(
            has_key("linspace"), RecordType({"linspace": Key(_THREE, "[first, last, count]", True)})
        ),
        Case(
            has_key("logspace"), RecordType({"logspace": Key(_THREE, "[first, last, count]", True)})
        ),
        Case(always, Items(Anything(), least=1)),
    )
)
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_WHOLE_NAME = re.compile(rf"{DOTTED}\Z")
_SWEPT = Named(_VALUES, "the path of an entry", _PATH)

SPEC = RecordType(
    {
        "description": Key(Words(), "free text", decides="nothing"),
        "source": Key(Words(), "where the model comes from: free text", decides="nothing"),
        "base": Key(_FILE, "another spec that this one extends"),
        "model": Key(MODEL, "what is differentiated", required=True),
        "inputs": Key(
            Inputs(),
            "name -> number, nested list or source; of Python models, also more inputs",
            default={},
            decides="result",
        ),
        "wrt": Key(
            _INPUT_NAMES,
            "differentiate with respect to these (forecast: x; else every float input)",
        ),
        "batch": Key(
            Either(
                (
                    Case(is_mapping, Named(Number(whole=True), pattern=_WHOLE_NAME)),
                    Case(always, _INPUT_NAMES),
                )
            ),
            "batched inputs: {name: axis}, or names for axis 0",
        ),
        "derivative": Key(
            Items(OneOf(SPECIFIED), least=1, single=True, unique=True),
            "what `run` computes",
            default=["jacobian"],
        ),
        "select": Key(_NAMES, "which outputs (as the option --select)"),
        "rows": Key(_ENTRIES, "only these entries of outputs, as 'y[0], y[10:20]'"),
        "cols": Key(_ENTRIES, "only these entries of wrt inputs, as 'x[3]'"),
        "part": Key(OneOf(PARTS), "of a Hessian or a square Jacobian (full)"),
        "mode": Key(OneOf(ALL_MODES), "how the derivative is computed", default="auto"),
        "storage": Key(OneOf(STORAGES), "how the result is kept"),
        "device": Key(Words("a device: cpu, gpu, gpu:1, tpu", DEVICE), "default: JAX's first"),
        "devices": Key(Count("devices"), "how many share the work: a number, or all (1)"),
        "dtype": Key(OneOf(FLOAT_DTYPES), "dtype of inputs and results", default="float64"),
        "precision": Key(OneOf(PRECISIONS), "precision of matrix products", default="highest"),
        "memory": Key(Size(), "memory budget, as 512MiB (half of the machine's memory)"),
        "chunk": Key(Number(low=1, whole=True), "basis rows or batch rows at a time"),
        "layout": Key(
            OneOf(LAYOUTS),
            "one array per block, one matrix, or a row for each entry",
            default="blocks",
        ),
        "vector": Key(
            Either(
                (Case(is_source, INPUT), Case(is_mapping, Inputs(dotted=True)), Case(always, INPUT))
            ),
            "tangent (jvp, hvp) or cotangent (vjp): a source, or name -> source",
            decides="result",
        ),
        **UNCERTAINTY_KEYS,
        "sigma": Key(
            OneOf(SIGMAS),
            "of residuals (covariance): estimated from them (default), or known and divided out",
            decides="nothing",
        ),
        "predict": Key(_NAMES, "outputs that are no residuals (covariance)"),
        "approximation": Key(
            OneOf(APPROXIMATIONS),
            "of hessian and hvp: gauss-newton is JᵀJ of the outputs, which are residuals",
        ),
        "output": Key(
            RecordType(
                {
                    "path": Key(_FILE, ".npy, .npz, .csv, .json or .mtx"),
                    "format": Key(OneOf(FORMATS), "what standard output gets"),
                    "force": Key(Flag(), "overwrite", default=False),
                }
            ),
            "where the result goes",
            decides="nothing",
        ),
        "expect": Key(
            RecordType(
                {
                    "file": Key(_FILE, "a result file", required=True),
                    "rtol": Key(Number(low=0), "relative tolerance (1e-6; 1e-4 for float32)"),
                    "atol": Key(Number(low=0), "absolute tolerance", default=0),
                }
            ),
            "`run` compares its result with this file",
            decides="result",
        ),
        "sparsity": Key(
            RecordType({"file": Key(_FILE, "a .mtx pattern", required=True)}),
            "a sparsity pattern the user vouches for",
        ),
        "sweep": Key(
            Either(
                (
                    Case(
                        has_key("zip"), RecordType({"zip": Key(_SWEPT, "in step", required=True)})
                    ),
                    Case(always, _SWEPT),
                )
            ),
            "path -> values: one task for each combination",
        ),
    },
    "a spec: a mapping of keys",
    elsewhere={name: f"It stands under 'model': model: {{{name}: ...}}." for name in _MODELS},
)


def deciding(resolved: Mapping[str, Any], *on: str) -> dict[str, Any]:
    """Return the entries of a resolved spec that decide on the program, the result, or both."""
    return {name: value for name, value in resolved.items() if SPEC.keys[name].decides in on}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a spec, for editors."""
    schema = SPEC.schema()
    del schema["required"]
    source = INPUT.schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jaccli spec",
        **schema,
        # A base may bring the model, samples the inputs.
        "anyOf": [
            {"required": ["model", "inputs"]},
            {"required": ["model", "uncertainty"]},
            {"required": ["base"]},
        ],
        "if": {
            "required": ["model"],
            "properties": {"model": {"not": {"type": "object", "required": ["python"]}}},
        },
        "then": {
            "properties": {
                "inputs": {"additionalProperties": source},
                "vector": {"anyOf": [source, {"additionalProperties": source}]},
            }
        },
        "$defs": {**schemas([INPUT, NUMBERS, UNCERTAINTY_DEFINITION]), "input": definition()},
    }
