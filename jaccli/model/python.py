"""A model out of the user's own Python function, behind `--allow-python`.

Boundary: the only place that runs code a spec names.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from jaccli.errors import ComputationError, SpecError, did_you_mean, expected
from jaccli.spec import PythonModel, Spec

LABEL = "f"
"""The output's name where the function returns one array."""


def load_function(
    spec: Spec, model: PythonModel, allowed: bool
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return the function that `model.target` names, as one of named inputs to named outputs.

    Raises:
        SpecError: running it is not permitted, or there is no such function.
        ComputationError: its module fails as it is imported, or the function when it is called.
    """
    if not allowed:
        message = f"{model.target!r} is Python code, which runs only with --allow-python."
        raise SpecError(spec.problem("model.python", message, "Allow it if you trust the file."))
    module_name, _, name = model.target.rpartition(":")
    module = _import(spec, model, module_name)
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        message = f"{module_name} has no function {name!r}."
        raise SpecError(spec.problem("model.python", message, did_you_mean(name, names)))

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            returned = function(**inputs)
        except Exception as error:
            raise ComputationError(_describe(error, model.target)) from error
        return _outputs(returned, model, spec)

    return call


def _import(spec: Spec, model: PythonModel, name: str) -> ModuleType:
    """Import `file.py` (relative to the spec's folder) or `package.module`."""
    try:
        if name.endswith(".py"):
            return _import_file(model.folder / name)
        for folder in (str(model.folder.resolve()), str(Path.cwd())):
            if folder not in sys.path:
                sys.path.insert(0, folder)
        return importlib.import_module(name)
    except FileNotFoundError as error:
        missing = f"no such file: {name!r}."
        raise SpecError(spec.problem("model.python", missing)) from error
    except ModuleNotFoundError as error:
        # The module itself is missing, or one that it imports.
        if error.name is not None and (name + ".").startswith(error.name + "."):
            message = f"no module named {error.name!r}."
            raise SpecError(spec.problem("model.python", message)) from error
        raise ComputationError(_describe(error, name)) from error
    except (Exception, SystemExit) as error:
        raise ComputationError(_describe(error, name)) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name."""
    location = importlib.util.spec_from_file_location(path.stem, path)
    if location is None or location.loader is None or not path.is_file():
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(location)
    sys.modules.setdefault(path.stem, module)
    location.loader.exec_module(module)
    return module


def _describe(error: BaseException, target: str) -> str:
    """Return one line: where the user's code failed, and why."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/site-packages/" not in frame.filename]
    frame = own[-1] if own else None
    where = f"{Path(frame.filename).name}:{frame.lineno}: " if frame and len(own) > 1 else ""
    reason = str(error).strip().split("\n")[0]
    return f"{target}: {where}{type(error).__name__}: {reason}"


def _outputs(returned: Any, model: PythonModel, spec: Spec) -> dict[str, Any]:
    """Return what the function gave as arrays by name.

    Raises:
        ComputationError: it gave something else.
        SpecError: it gave no output of a name that is selected.
    """
    import jax.numpy as jnp

    named = returned if isinstance(returned, dict) else {LABEL: returned}
    try:
        arrays = {str(name): jnp.asarray(value) for name, value in named.items()}
    except (TypeError, ValueError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in named.values()}))
        message = f"{model.target}: returned {kinds} in place of an array or a dict of arrays."
        raise ComputationError(message) from error
    if not arrays:
        raise ComputationError(f"{model.target}: returned a dict without outputs.")
    unknown = [name for name in model.outputs or () if name not in arrays]
    if unknown:
        message = f"no output named {unknown[0]!r}."
        raise SpecError(spec.problem("select", message, expected(arrays)))
    return {name: arrays[name] for name in model.outputs or arrays}
