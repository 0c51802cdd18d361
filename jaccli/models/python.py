"""A model out of the user's own Python function, behind `--allow-python`.

Boundary: the only place that runs code a spec names.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from jaccli.errors import ComputationError, SpecError, did_you_mean, expected
from jaccli.models.source_files import folders
from jaccli.spec import PythonModel, Spec
from jaccli.spec.nested_inputs import heads, nested
from jaccli.spec.schema_types import NAME
from jaccli.storage import files
from jaccli.tracer_errors import explanation, user_line

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
    if allowed:
        files.require_local("--allow-python")
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

    _check_inputs(spec, model, function)

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            with redirect_stdout(sys.stderr):  # standard output is for results
                returned = function(**nested(inputs))
        except Exception as error:
            raise ComputationError(_describe(error, model.target)) from error
        return _outputs(returned, model, spec)

    return call


def _check_inputs(spec: Spec, model: PythonModel, function: Callable[..., Any]) -> None:
    """Compare the names of the inputs with those that the function takes, where these are known.

    Raises:
        SpecError: an input that it does not take, or one that it needs and does not get.
    """
    try:
        declared = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of what is not written in Python
        return
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [each.name for each in declared if each.kind in named]
    given = heads(spec.inputs)
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in declared)
    problems = [
        spec.problem(
            f"inputs.{name}",
            f"{model.target} takes no input named {name!r}.",
            did_you_mean(name, known),
        )
        for name in given
        if name not in known and not takes_all
    ]
    needed = [each.name for each in declared if each.kind in named and each.default is each.empty]
    missing = [name for name in needed if name not in given]
    if missing:
        names = " and ".join(map(repr, missing))
        message = (
            f"{model.target} needs {'the input' if len(missing) == 1 else 'the inputs'} {names}."
        )
        hint = f"Give it a value: under inputs, or --at {missing[0]}=VALUE."
        problems.append(spec.problem("inputs", message, hint))
    if problems:
        raise SpecError(*problems)


def _import(spec: Spec, model: PythonModel, name: str) -> ModuleType:
    """Import `file.py` (relative to the spec's folder) or `package.module`."""
    path = model.folder / name if name.endswith(".py") else None
    if path is not None and not path.is_file():
        raise SpecError(spec.problem("model.python", f"no such file: {name!r}."))
    for folder in folders(model):
        if str(folder.resolve()) not in sys.path:
            sys.path.insert(0, str(folder.resolve()))
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module(name) if path is None else _import_file(path)
    except ModuleNotFoundError as error:
        # The module itself is missing, or one that it imports.
        itself = error.name is not None and (name + ".").startswith(error.name + ".")
        if path is None and itself:
            message = f"no module named {error.name!r}."
            raise SpecError(spec.problem("model.python", message)) from error
        raise ComputationError(_describe(error, name)) from error
    except (Exception, SystemExit) as error:
        raise ComputationError(_describe(error, name)) from error


class _Anew(SourceFileLoader):
    """Reads the file each time.

    Python would take what it compiled of one that had the same size in the same second.
    """

    def path_stats(self, path: Any) -> Any:
        """Say that nothing is known of the file, so that no compiled one is looked for."""
        raise OSError(path)


def _import_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name."""
    path = path.absolute()
    loader = _Anew(path.stem, str(path))
    location = importlib.util.spec_from_file_location(path.stem, path, loader=loader)
    assert location is not None
    assert location.loader is not None
    module = importlib.util.module_from_spec(location)
    # What it defines may look its own module up there.
    registered = sys.modules.setdefault(path.stem, module)
    try:
        location.loader.exec_module(module)
    except BaseException:
        if registered is module:
            del sys.modules[path.stem]
        raise
    return module


def _describe(error: BaseException, target: str) -> str:
    """Return one line: where the user's code failed, and why."""
    explained = explanation(error)
    if explained is not None:
        return f"{target}: {explained}"
    reason = str(error).strip().split("\n")[0]
    at = user_line(error)
    where = at.place if at else ""
    if isinstance(error, SyntaxError) and error.filename:
        where, reason = f"{Path(error.filename).name}:{error.lineno}", error.msg
    return ": ".join(part for part in (target, where, type(error).__name__, reason) if part)


def _outputs(returned: Any, model: PythonModel, spec: Spec) -> dict[str, Any]:
    """Return what the function gave as arrays by name.

    Raises:
        ComputationError: it gave something else.
        SpecError: it gave no output of a name that is selected.
    """
    import jax.numpy as jnp

    named = returned if isinstance(returned, dict) else {LABEL: returned}
    arrays = {}
    for name, value in named.items():
        if not isinstance(name, str) or not NAME.match(name):
            message = f"{model.target}: returned an output {name!r}, which is not a name."
            raise ComputationError(message)
        try:
            arrays[name] = jnp.asarray(value)
        except (TypeError, ValueError, OverflowError) as error:
            what = f"the output {name!r} is" if named is returned else "returned a value"
            message = f"{model.target}: {what} of type {type(value).__name__}, not an array."
            raise ComputationError(message) from error
    if not arrays:
        raise ComputationError(f"{model.target}: returned a dict without outputs.")
    unknown = [name for name in model.outputs or () if name not in arrays]
    if unknown:
        message = f"no output named {unknown[0]!r}."
        raise SpecError(spec.problem("select", message, expected(arrays)))
    return {name: arrays[name] for name in model.outputs or arrays}
