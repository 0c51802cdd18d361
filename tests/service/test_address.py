"""URLs of services, and the folder of a user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jaccli.errors import ComputationError, UsageError
from jaccli.service import address

URLS = {
    "unix:/run/a.sock": "unix:/run/a.sock",
    "unix:///run/a.sock": "unix:/run/a.sock",
    "http://localhost:8000": "http://localhost:8000",
    "http://127.0.0.1:80/": "http://127.0.0.1:80",
    "http://[::1]:8000": "http://[::1]:8000",
}


@pytest.mark.parametrize("url", URLS)
def test_urls_of_services(url: str) -> None:
    assert str(address.parse(url)) == URLS[url]


@pytest.mark.parametrize(
    "url",
    [
        "unix:", "unix:a.sock", "unix", "http:", "http://", "http://host", "http://host:",
        "http://host:0", "http://host:65536", "http://host:8_0", "http://host:٣", "http://:80",
        "http://a:b:80", "http://user@host:80", "http://host/x:80", "https://host:443", "/a.sock",
        "host:80", "AUTO", "http://host:80/x", "http://a b:80", "http://[]:80",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_service(url: str) -> None:
    with pytest.raises(UsageError) as error:
        address.parse(url)
    assert str(error.value) == (
        f"--server: {url!r} is no address of a service.\n"
        "Expected unix:/path/to.sock, http://HOST:PORT, auto, or start."
    )


def test_a_socket_whose_name_is_too_long() -> None:
    address.parse("unix:/" + "a" * 106)
    with pytest.raises(UsageError, match="has 107 bytes at most"):
        address.parse("unix:/" + "a" * 107)


def test_the_default_socket_is_in_the_runtime_folder_or_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    assert address.default_socket() == "/run/user/7/jaccli/service.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert address.default_socket() == f"/var/tmp/jaccli-{os.geteuid()}/service.sock"
    monkeypatch.delenv("TMPDIR")
    assert address.default_socket() == f"/tmp/jaccli-{os.geteuid()}/service.sock"


def test_the_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "jaccli"
    assert not address.check_folder(str(folder))
    assert not folder.exists()
    before = os.umask(0)
    try:
        assert address.check_folder(str(folder), make=True)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert address.check_folder(str(folder), make=True)
    assert address.check_folder(str(folder))


def test_a_folder_that_is_not_the_users_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def why(name: str, *, make: bool = False) -> str:
        with pytest.raises(ComputationError) as error:
            address.check_folder(str(tmp_path / name), make=make)
        begin = f"{tmp_path / name}: the folder of the service's socket "
        assert str(error.value).startswith(begin)
        return str(error.value).removeprefix(begin)

    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o750)
    assert why("link") == why("file") == why("link", make=True) == "is not a folder."
    assert why("open") == "is open to others (chmod 700 makes it yours alone)."
    assert why("nowhere/x", make=True) == "cannot be made: there is no folder for it."
    assert why("file/x") == "cannot be used: not a directory."
    monkeypatch.setattr(address.os, "geteuid", lambda: 12345)
    assert why("mine") == "belongs to someone else."


def test_there_is_a_default_only_where_a_socket_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert address.default() is None
    address.check_folder(address.default_folder(), make=True)
    assert address.default() is None
    Path(address.default_socket()).touch()
    assert str(address.default()) == f"unix:{tmp_path}/jaccli/service.sock"
