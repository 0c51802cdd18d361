"""Libraries that some formats need, each an optional extra."""

from __future__ import annotations

from importlib import import_module

from jaccli.errors import UsageError, install


def require(form: str, module: str, extra: str) -> None:
    """Refuse a format, before anything is computed, where the library that it needs is missing.

    Raises:
        UsageError: it is not installed, or cannot be imported.
    """
    try:
        import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UsageError(f"{form}: {package} is needed: {error}.", hint=install(extra)) from error
