"""The requests of UM-Bridge, as bytes, and what a model answers to them.

Protocol version 1.0: https://um-bridge-benchmarks.readthedocs.io/en/docs/umbridge/protocol.html.
An error is `{"error": {"type": ..., "message": ...}}`.

Boundary: no sockets.  Numbers are finite: JSON has no others, and clients in C++ read no others.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaccli.errors import JaccliError, SpecError, expected
from jaccli.service.umbridge.vector_model import Unsupported, Vector, VectorModel

VERSION = 1.0
_LISTED = 100
"""Characters of a wrong value that are shown."""


class ProtocolError(Exception):
    """What a request is refused with: the status of HTTP, and the protocol's type of error."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status

    def as_json(self) -> bytes:
        """Return the body of the answer."""
        return json.dumps({"error": {"type": self.kind, "message": str(self)}}).encode()


class UMBridgeAnswer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes


def info(names: Sequence[str]) -> bytes:
    """Return the answer to `/Info`."""
    return json.dumps({"protocolVersion": VERSION, "models": list(names)}).encode()


def answer(model: VectorModel, names: Sequence[str], method: str, body: bytes) -> UMBridgeAnswer:
    """Return the answer to a request for a model that has these names, whatever is wrong with it.

    `method` is the last part of the path, one of `METHODS`.
    """
    try:
        request = _object(body)
        if request.get("name") not in names:
            asked = _shown(request.get("name"))
            raise ProtocolError("ModelNotFound", f"name: {asked}. {expected(names)}")
        return UMBridgeAnswer(
            200, json.dumps(METHODS[method](model, request), allow_nan=False).encode()
        )
    except ProtocolError as error:
        return UMBridgeAnswer(error.status, error.as_json())
    except Unsupported as error:
        return _failed("UnsupportedFeature", str(error), 400)
    except SpecError as error:  # this product is not defined for the model
        return _failed("UnsupportedFeature", _message(error), 400)
    except JaccliError as error:
        return _failed("ComputationFailed", _message(error), 500)
    except MemoryError:
        return _failed("ComputationFailed", "out of memory.", 500)
    except Exception:
        traceback.print_exc()
        return _failed("ServerError", "the server has failed at this. This is a defect.", 500)


def _message(error: JaccliError) -> str:
    """Return what is wrong without its place, which is in the operator's file."""
    return " ".join(problem.message for problem in error.problems)


def _failed(kind: str, message: str, status: int) -> UMBridgeAnswer:
    return UMBridgeAnswer(status, ProtocolError(kind, message).as_json())


def _input_sizes(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    _settings(model, request)
    return {"inputSizes": model.input_sizes}


def _output_sizes(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    _settings(model, request)
    return {"outputSizes": model.output_sizes}


def _model_info(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    products = ("Gradient", "ApplyJacobian", "ApplyHessian")
    return {"support": {"Evaluate": True, **dict.fromkeys(products, model.is_differentiable)}}


def _evaluate(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    found = model.evaluate(_point(model, request), _settings(model, request))
    named = zip(model.outputs, found, strict=True)
    return {"output": [_finite(v, f"the output {n!r}") for n, v in named]}


def _gradient(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    out, wrt = _output(model, request), _input(model, request, "inWrt")
    sens = _vector(request.get("sens"), model.output_sizes[out], "sens")
    found = model.gradient(out, wrt, _point(model, request), sens, _settings(model, request))
    return {"output": _finite(found, "the gradient")}


def _apply_jacobian(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    out, wrt = _output(model, request), _input(model, request, "inWrt")
    vec = _vector(request.get("vec"), model.input_sizes[wrt], "vec")
    found = model.apply_jacobian(out, wrt, _point(model, request), vec, _settings(model, request))
    return {"output": _finite(found, "the product")}


def _apply_hessian(model: VectorModel, request: dict[str, Any]) -> dict[str, Any]:
    out = _output(model, request)
    first, second = (_input(model, request, name) for name in ("inWrt1", "inWrt2"))
    sens = _vector(request.get("sens"), model.output_sizes[out], "sens")
    vec = _vector(request.get("vec"), model.input_sizes[second], "vec")
    point, settings = _point(model, request), _settings(model, request)
    found = model.apply_hessian(out, first, second, point, sens, vec, settings)
    return {"output": _finite(found, "the product")}


METHODS: Mapping[str, Callable[[VectorModel, dict[str, Any]], dict[str, Any]]] = {
    "InputSizes": _input_sizes,
    "OutputSizes": _output_sizes,
    "ModelInfo": _model_info,
    "Evaluate": _evaluate,
    "Gradient": _gradient,
    "ApplyJacobian": _apply_jacobian,
    "ApplyHessian": _apply_hessian,
}
"""What is asked with POST, by the last part of the path."""


def _invalid(message: str) -> ProtocolError:
    return ProtocolError("InvalidInput", message)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"the body is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise _invalid("the body is not an object of JSON.")
    return found


def _point(model: VectorModel, request: dict[str, Any]) -> list[Vector]:
    """Return the request's `input`: a vector for each of the model's inputs."""
    given, sizes = request.get("input"), model.input_sizes
    if not isinstance(given, list) or len(given) != len(sizes):
        count = f"{len(given)} entries" if isinstance(given, list) else _shown(given)
        names = ", ".join(model.inputs)
        raise _invalid(f"input: {count}. Expected a list of {len(sizes)} vectors: {names}.")
    named = [f"input[{index}] ({name})" for index, name in enumerate(model.inputs)]
    return [_vector(*each) for each in zip(given, sizes, named, strict=True)]


def _settings(model: VectorModel, request: dict[str, Any]) -> dict[str, Vector]:
    """Return the request's `config`: values of other inputs, by name, in their shapes."""
    given = request.get("config") or {}
    if not isinstance(given, dict):
        raise _invalid(f"config: {_shown(given)}. Expected an object.")
    found = {}
    for name, value in given.items():
        if name not in model.settings:
            names = expected(model.settings) if model.settings else "The model has no other inputs."
            raise _invalid(f"config: no such input: {_shown(name)}. {names}")
        shape = model.settings[name].shape
        array = _numbers(value, f"config: {name}")
        if array.shape != shape:
            raise _invalid(f"config: {name}: the shape is {array.shape}, expected {shape}.")
        found[name] = array
    return found


def _vector(value: object, size: int, name: str) -> Vector:
    """Return a list of so many finite numbers."""
    if not isinstance(value, list):
        raise _invalid(f"{name}: {_shown(value)}. Expected a list of {size} numbers.")
    array = _numbers(value, name)
    if array.shape != (size,):
        shape = f"{len(value)} numbers" if array.ndim == 1 else f"the shape {array.shape}"
        raise _invalid(f"{name}: {shape}, expected {size}.")
    return array


def _numbers(value: object, name: str) -> Vector:
    """Return a number, or nested lists of them, as an array of float64."""
    try:
        array = np.array(value)
        if value != [] and array.dtype.kind not in "iuf":
            raise ValueError
        array = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise _invalid(f"{name}: {_shown(value)}. Expected finite numbers.") from None
    if not np.isfinite(array).all() or _has_bool(value):
        raise _invalid(f"{name}: {_shown(value)}. Expected finite numbers.")
    return array


def _has_bool(value: object) -> bool:
    """Whether there is `true` or `false` among numbers, which numpy would take for 1 and 0."""
    if isinstance(value, list):
        return any(type(each) is not float and _has_bool(each) for each in value)
    return isinstance(value, bool)


def _output(model: VectorModel, request: dict[str, Any]) -> int:
    return _index(request, "outWrt", len(model.outputs), "outputs")


def _input(model: VectorModel, request: dict[str, Any], name: str) -> int:
    return _index(request, name, len(model.inputs), "inputs")


def _index(request: dict[str, Any], name: str, count: int, what: str) -> int:
    value = request.get(name)
    if type(value) is not int or not 0 <= value < count:
        raise _invalid(f"{name}: {_shown(value)}. The model has {count} {what}: 0 to {count - 1}.")
    return value


def _finite(array: Vector, what: str) -> list[float]:
    """Return an array's entries in C order.

    Raises:
        ProtocolError: one of them is not finite.
    """
    flat = np.asarray(array, np.float64).ravel()
    wrong = np.flatnonzero(~np.isfinite(flat))
    if wrong.size:
        first = int(wrong[0])
        text = f"{what} is not finite: {flat[first]} at entry {first}; JSON has no such number."
        raise ProtocolError("InvalidOutput", text, 500)
    found: list[float] = flat.tolist()
    return found


def _shown(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= _LISTED else f"{text[:_LISTED]}..."
