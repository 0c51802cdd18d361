"""What a command is asked: a frozen object, each field of which is an option.

The fields are all that there is to say of a command's options.  From them follow the options of the
command line with their help and completion, the parameters of the HTTP API and its description, and
the keywords in Python.  A command accepts what its request has a field for, and nothing else.

A request is no dataclass: to create one of 16 fields takes 1.3 ms, which every call would pay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from sys import float_info
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from jaccli.errors import UsageError, expected
from jaccli.spec.overrides import Override, option_node

KINDS: dict[str, type] = {
    "str": str, "str | None": str,
    "int": int, "int | None": int,
    "float": float, "float | None": float,
    "bool": bool,
    "tuple[str, ...]": tuple, "tuple[Override, ...]": tuple,
}  # fmt: skip
"""What a field's annotation stands for on the command line; a tuple is of an option that is given
several times."""


class Option(NamedTuple):
    """An option, or an argument if it has no `flags`.

    `path` is the spec's entry that its value replaces; `read` is for what takes more.  What is
    `over_http` is a parameter of the HTTP API too: the other options concern the files and the
    terminal of who calls.  What is not `is_typed` is given in Python alone.  A field's name and
    kind are those of the request that has it.
    """

    flags: tuple[str, ...]
    help: str
    panel: str = ""
    metavar: str = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    path: tuple[str, ...] = ()
    read: Callable[[str, Any], Iterable[Override]] | None = None
    over_http: bool = False
    is_typed: bool = True
    name: str = ""
    kind: type = str

    @property
    def flag(self) -> str:
        """The option as messages call it: `--output`."""
        return self.flags[-1]

    def overrides(self, value: Any) -> Iterable[Override]:
        """Return what the option's value changes in the spec."""
        if self.read:
            return self.read(self.flag, value)
        if not self.path:
            return ()
        return (Override(self.path, option_node(self.flag, value)),)

    def complete(self, incomplete: str) -> list[str]:
        """Return the choices that begin as typed, for the shell's completion."""
        return [choice for choice in self.choices if choice.startswith(incomplete)]

    def check(self, value: Any) -> None:
        """Refuse a number that is out of range, before anything is read.

        Raises:
            UsageError: it is.
        """
        if value is None or self.least is None:
            return
        most = float_info.max if self.most is None else self.most
        if not self.least <= value <= most:
            bound = "or more" if self.most is None else f"to {self.most:g}"
            hint = f"Expected {self.least:g} {bound}."
            raise UsageError(f"{self.flags[0]}: {value!r} is out of range.", hint=hint)


def option(*flags: str, help: str, panel: str = "", **rest: Any) -> Any:
    """Return a field of a request that is an option; `rest` as in `Option`."""
    return Option(flags, help, panel, **rest)


def argument(metavar: str, help: str, default: Any = None) -> Any:
    """Return a field of a request that is an argument."""
    return Option((), help, metavar=metavar, default=default)


def untyped(default: Any) -> Any:
    """Return a field of a request that is given in Python alone."""
    return Option((), "", default=default, is_typed=False)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(option, argument, untyped)
)
class Request:
    """What a command is asked.  A subclass has a field for each option that it honours."""

    options: ClassVar[Mapping[str, Option]] = {}

    def __init_subclass__(cls) -> None:
        own = {}
        inherited = dict(cls.options)
        for name, annotation in cls.__annotations__.items():
            inherited.pop(name, None)  # a field without an option drops it
            if isinstance(given := cls.__dict__.get(name), Option):
                kind = KINDS[annotation]
                default = given.default
                if default is None and kind in (bool, tuple):
                    default = kind()
                own[name] = given._replace(name=name, kind=kind, default=default)
                setattr(cls, name, default)
        cls.options = {**inherited, **own}

    def __init__(self, **given: Any) -> None:
        unknown = given.keys() - self.options.keys()
        if unknown:
            raise TypeError(f"{min(unknown)!r} is no option of this command.")
        self.__dict__.update(given)
        for name, value in given.items():
            self.options[name].check(value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a request never changes.")

    def given(self) -> Iterator[tuple[Option, Any]]:
        """Yield the options that were given, with their values; `--chunk 0` is given, too."""
        for name, value in self.__dict__.items():
            if value is not None and value is not False and value != ():
                yield self.options[name], value

    def overrides(self) -> list[Override]:
        """Return what the options change in the spec: `--set` first, so that options win."""
        given = sorted(self.given(), key=lambda pair: pair[0].name != "set")
        typed = [override for option, value in given for override in option.overrides(value)]
        return [*typed, *getattr(self, "changes", ())]


def check_choice(request: Request, name: str) -> None:
    """Refuse a value that is none of an option's choices.

    Raises:
        UsageError: it is none.
    """
    option, value = request.options[name], getattr(request, name)
    if value is not None and value not in option.choices:
        raise UsageError(f"{option.flag}: unknown value {value!r}.", hint=expected(option.choices))
