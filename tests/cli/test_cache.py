"""`jaccli cache`: what is there, and how it goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaccli.storage import disk_cache

Call = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent


def fill() -> None:
    disk_cache.write("tuned", "a", {"operator": "fwd"})
    disk_cache.write("tuned", "b", {})
    assert disk_cache.write_blob("programs", "c", b"x" * 2048)


def test_show_says_how_much_of_what_is_where(jaccli: Call, cache_home: Path) -> None:
    fill()
    assert jaccli("cache", "show").stdout == (
        f"folder     {cache_home}/jaccli\n"
        "programs        1 entry      2.0 KiB  compiled programs\n"
        "tuned           2 entries       21 B  modes that were the fastest\n"
        "colorings       0 entries        0 B  colorings of sparse derivatives\n"
        "total           3 entries    2.1 KiB\n"
    )


def test_show_as_json(jaccli: Call, cache_home: Path) -> None:
    fill()
    assert json.loads(jaccli("cache", "show", "--format", "json").stdout) == {
        "action": "show",
        "folder": f"{cache_home}/jaccli",
        "off": False,
        "entries": 3,
        "bytes": 2048 + 32 + 21,
        "kinds": {
            "programs": {"entries": 1, "bytes": 2080},
            "tuned": {"entries": 2, "bytes": 21},
            "colorings": {"entries": 0, "bytes": 0},
        },
    }


def test_show_makes_no_folder(jaccli: Call, cache_home: Path) -> None:
    assert "total           0 entries" in jaccli("cache", "show").stdout
    assert not cache_home.exists()


def test_clear_removes_all_and_says_so(jaccli: Call, cache_home: Path) -> None:
    fill()
    (cache_home / "jaccli" / "tuned" / ".unfinished").touch()
    assert jaccli("cache", "clear").stdout.splitlines()[-1] == (
        "removed         3 entries    2.1 KiB"
    )
    assert list(cache_home.iterdir()) == []
    assert (
        jaccli("cache", "clear").stdout.splitlines()[-1] == "removed         0 entries        0 B"
    )


def test_clear_leaves_what_is_not_the_cache_s(
    jaccli: Call, cache_home: Path, tmp_path: Path
) -> None:
    fill()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folder = cache_home / "jaccli"
    (folder / "tuned" / "link").symlink_to(precious / "file")
    (folder / "tuned" / "folder").mkdir()
    (folder / "notes").touch()
    jaccli("cache", "clear")
    assert (precious / "file").exists()
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) == [
        "notes",
        "tuned",
        "tuned/folder",
        "tuned/link",
    ]


@pytest.mark.parametrize("action", ["show", "clear"])
@pytest.mark.parametrize("inside", [".", "tuned"])
def test_a_link_in_its_place_is_refused(
    jaccli: Call, cache_home: Path, tmp_path: Path, action: str, inside: str
) -> None:
    precious = tmp_path / "precious" / "tuned"
    precious.mkdir(parents=True)
    (precious / "file").touch()
    link = cache_home / "jaccli" / inside
    link.parent.mkdir(parents=True)
    link.symlink_to(precious if inside == "tuned" else precious.parent)
    refused = jaccli("cache", action, check=False)
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr == (
        f"jaccli: {cache_home}/jaccli: not a folder of your own, so that nothing is kept there.\n"
        "Move it away, or set XDG_CACHE_HOME to another folder.\n"
    )
    assert (precious / "file").exists()


def test_somebody_else_s_folder_is_refused(
    jaccli: Call, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    assert jaccli("cache", "clear", check=False).exit_code == 3
    assert len(list(cache_home.rglob("*.*"))) == 3


def test_a_cache_that_is_off_can_be_cleared(jaccli: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    monkeypatch.setenv("JACCLI_NO_CACHE", "1")
    assert "off        JACCLI_NO_CACHE is set" in jaccli("cache", "show").stdout
    assert json.loads(jaccli("cache", "clear", "--format", "json").stdout)["entries"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "jaccli cache: missing argument 'show|clear'.\nTry 'jaccli cache --help'.\n"),
        (("wipe",), "jaccli: cache: unknown action 'wipe'.\nExpected one of 'show', 'clear'.\n"),
        (
            ("show", "--format", "xml"),
            "jaccli: --format: unknown value 'xml'.\n"
            "Expected one of 'table', 'plain', 'json', 'none'.\n",
        ),
    ],
    ids=["nothing", "action", "format"],
)
def test_wrong_use_is_explained(jaccli: Call, arguments: tuple[str, ...], message: str) -> None:
    refused = jaccli("cache", *arguments, check=False)
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", message)


def test_neither_jax_nor_numpy_is_imported() -> None:
    code = (
        "import sys; from jaccli.cli.main import run; run(['cache', 'show']);"
        "sys.exit(any(name in sys.modules for name in ('jax', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
