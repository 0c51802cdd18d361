"""What a request is: frozen, exact about its options, and all that an option is known by."""

from __future__ import annotations

import inspect

import pytest

from jaccli.commands import COMMANDS
from jaccli.commands.check import CheckRequest
from jaccli.commands.compare import CompareRequest
from jaccli.commands.derivative import JacobianRequest, JVPRequest
from jaccli.commands.request import Request
from jaccli.errors import UsageError
from jaccli.spec import Override


def test_a_request_never_changes() -> None:
    request = JacobianRequest(mode="fwd")
    with pytest.raises(AttributeError, match="never changes"):
        request.mode = "rev"  # type: ignore[misc]
    assert request.mode == "fwd"


def test_what_is_not_given_is_the_default() -> None:
    request = CompareRequest(a="x.npy", b="y.npy")
    assert (request.norm, request.atol, request.rtol) == ("entry", 0.0, None)
    assert {option.name for option, _ in request.given()} == {"a", "b"}


def test_a_command_takes_its_own_options_alone() -> None:
    assert JVPRequest(vector=("1",)).vector == ("1",)
    with pytest.raises(TypeError, match="'vector' is no option of this command"):
        JacobianRequest(vector=("1",))
    with pytest.raises(TypeError, match="'modes' is no option"):
        JacobianRequest(modes="fwd")  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused_at_once(value: int) -> None:
    with pytest.raises(UsageError, match=f"--probes: {value} is out of range"):
        CheckRequest(probes=value)


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_tolerance_is_a_number_from_0_on(value: float) -> None:
    with pytest.raises(UsageError, match=r"--rtol: .* is out of range"):
        CheckRequest(rtol=value)


def test_set_comes_first_so_that_options_win() -> None:
    request = JacobianRequest(mode="fwd", set=("mode=rev", "dtype=float32"))
    paths = [override.path for override in request.overrides()]
    assert paths == [("mode",), ("dtype",), ("mode",)]
    assert request.overrides()[-1].node.value == "fwd"


def test_changes_of_python_come_last() -> None:
    change = Override(("mode",), JacobianRequest(mode="rev").overrides()[0].node)
    request = JacobianRequest(mode="fwd", changes=(change,))
    assert [override.node.value for override in request.overrides()] == ["fwd", "rev"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_can_be_looked_up(name: str) -> None:
    """Flags are of one option alone, every option says what it is for, and the class what for."""
    request_type = COMMANDS[name].request()
    assert issubclass(request_type, Request)
    assert inspect.getdoc(request_type)
    flags = [flag for option in request_type.options.values() for flag in option.flags]
    assert len(flags) == len(set(flags))
    for option in request_type.options.values():
        assert not option.is_typed or option.help.endswith(".")


def test_an_option_of_one_name_means_the_same_everywhere() -> None:
    """What is said once is one object: a flag has one metavar wherever it stands."""
    metavars: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for option in command.request().options.values():
            for flag in option.flags:
                metavars.setdefault(flag, set()).add(option.metavar)
    assert {flag for flag, names in metavars.items() if len(names) > 1} == set()
