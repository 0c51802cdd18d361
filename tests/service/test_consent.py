"""What a client lets a service read and write."""

from __future__ import annotations

from typing import Any

import pytest

from jaccli.service.client.access import AccessDenied, Consent

ARGUMENTS = [
    "jacobian", "specs/a.yaml", "-o", "out/J.npy", "--at", "x=@data/x.npy", "--out-dir", "results/",
]  # fmt: skip
SPEC = b"base: above.yaml\ninputs: {w: {file: ../w.npz}}\noutput: {path: deep/K.csv}\n"

ALLOWED: list[tuple[Any, ...]] = [
    ("read", "-"),
    ("read", "specs/a.yaml"),
    ("read", "specs/above.yaml"),
    ("identity", "specs/above.yaml"),
    ("content", "data/x.npy"),
    ("content", "specs/../w.npz"),
    ("check_writable", "out/J.npy", False),
    ("has_partial", "out/J.npy"),
    ("is_special", "specs/deep/K.csv"),
    ("make_folder", "results/"),
    ("check_writable", "results/a.npz", True),
    ("check_writable", "results/a.hessian.npz", True),
    ("check_writable", "results/stdin.npz", True),
]
REFUSED: list[tuple[Any, ...]] = [
    ("read", "/etc/passwd"),
    ("read", "/etc/"),
    ("content", "specs/a.yaml"),
    ("content", "data/y.npy"),
    ("content", "/home/me/.ssh/id_rsa"),
    ("identity", "/etc/shadow"),
    ("check_writable", "/home/me/.profile", True),
    ("check_writable", "results/.profile", True),
    ("check_writable", "results/deep/a", True),
    ("check_writable", "results/other.npz", True),
    ("make_folder", "other"),
    ("make_folder", "results/deeper"),
    ("is_special", ""),
]


@pytest.fixture
def consent() -> Consent:
    made = Consent(ARGUMENTS)
    made.learn(SPEC)
    return made


@pytest.mark.parametrize("question", ALLOWED, ids=repr)
def test_what_the_user_has_named_is_looked_at(consent: Consent, question: tuple[Any, ...]) -> None:
    consent.check(question)


@pytest.mark.parametrize("question", REFUSED, ids=repr)
def test_anything_else_is_refused(consent: Consent, question: tuple[Any, ...]) -> None:
    with pytest.raises(AccessDenied) as error:
        consent.check(question)
    asked = f"the service asks for {question[1]!r}, which neither arguments nor specs name"
    assert str(error.value) == asked
