"""The cache folder: the user's alone, and never a reason to fail."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from jaccli.storage import disk_cache

RECORD = {"operator": "fwd", "reason": "it was é the fastest"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_read_and_nothing_else_is_there(cache_home: Path) -> None:
    disk_cache.write("tuned", "key", RECORD)
    assert disk_cache.read("tuned", "key") == RECORD
    assert disk_cache.read("tuned", "other") is None
    assert disk_cache.read("others", "key") is None
    assert [p.name for p in (cache_home / "jaccli" / "tuned").iterdir()] == ["key.json"]


def test_a_later_record_takes_the_place_of_an_earlier_one() -> None:
    for record in (RECORD, {}, {"a": [1, None]}):
        disk_cache.write("tuned", "key", record)
        assert disk_cache.read("tuned", "key") == record


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_folder_is_the_user_s_alone(cache_home: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        disk_cache.write("tuned", "key", RECORD)
    finally:
        os.umask(before)
    assert mode(cache_home / "jaccli") == mode(cache_home / "jaccli" / "tuned") == 0o700


def test_a_folder_that_others_may_read_is_closed(cache_home: Path) -> None:
    folder = cache_home / "jaccli" / "tuned"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        path.chmod(0o755)
    assert disk_cache.folder("tuned") == folder
    assert mode(folder) == mode(folder.parent) == 0o700


def somebody_else_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_cache.write("tuned", "key", RECORD)
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)


def a_link(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = home / "elsewhere" / "tuned"
    elsewhere.mkdir(parents=True)
    (elsewhere / "key.json").write_text('{"operator": "planted"}')
    (home / "jaccli").symlink_to(elsewhere.parent, target_is_directory=True)


def a_link_inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "elsewhere").mkdir(parents=True)
    (home / "elsewhere" / "key.json").write_text('{"operator": "planted"}')
    (home / "jaccli").mkdir()
    (home / "jaccli" / "tuned").symlink_to(home / "elsewhere", target_is_directory=True)


def a_dangling_link(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "jaccli").symlink_to(home / "nowhere")


def a_file_in_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "jaccli").write_text("not a folder")


def a_file_as_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("not a folder")


def no_permission(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is made."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)


def no_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: _raise(RuntimeError("no home")))


def _raise(error: Exception) -> Path:
    raise error


Spoil = Callable[[Path, pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    "spoil",
    [
        somebody_else_s,
        a_link,
        a_link_inside,
        a_dangling_link,
        a_file_in_its_place,
        a_file_as_home,
        no_permission,
        no_home,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_without_a_folder_of_one_s_own_there_is_no_memory_and_no_error(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
) -> None:
    spoil(cache_home, monkeypatch)
    assert disk_cache.folder("tuned") is None
    assert disk_cache.read("tuned", "key") is None
    disk_cache.write("tuned", "key", RECORD)
    assert disk_cache.read("tuned", "key") is None


def test_nothing_is_written_through_a_link(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_link(cache_home, monkeypatch)
    disk_cache.write("tuned", "new", RECORD)
    assert [p.name for p in (cache_home / "elsewhere" / "tuned").iterdir()] == ["key.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": 1', b"[1, 2]", b'"text"', b"null", b"3", b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "open", "cut", "list", "text", "null", "number", "bytes", "deep"],
)
def test_what_is_no_record_is_as_if_it_were_not_there(cache_home: Path, content: bytes) -> None:
    disk_cache.write("tuned", "key", RECORD)
    path = cache_home / "jaccli" / "tuned" / "key.json"
    path.write_bytes(content)
    assert disk_cache.read("tuned", "key") is None
    disk_cache.write("tuned", "key", RECORD)
    assert disk_cache.read("tuned", "key") == RECORD


def test_arrays_are_read_whole_or_not_at_all_whatever_byte_is_damaged(cache_home: Path) -> None:
    arrays = {"rows": np.arange(3), "way": np.str_("fwd")}
    disk_cache.write_arrays("colorings", "key", arrays)
    path = cache_home / "jaccli" / "colorings" / "key.npz"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for value in (0, 255, whole[at] ^ 1):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            found = disk_cache.read_arrays("colorings", "key")
            assert found is None or all(
                np.array_equal(found[name], arrays[name]) for name in found.keys() & arrays.keys()
            )
    path.write_bytes(whole)
    assert disk_cache.read_arrays("colorings", "key") == {
        "rows": pytest.approx([0, 1, 2]),
        "way": "fwd",
    }


def test_a_folder_in_the_place_of_a_record_is_no_error(cache_home: Path) -> None:
    (cache_home / "jaccli" / "tuned" / "key.json").mkdir(parents=True)
    assert disk_cache.read("tuned", "key") is None
    disk_cache.write("tuned", "key", RECORD)
    assert [p.name for p in (cache_home / "jaccli" / "tuned").iterdir()] == ["key.json"]


def test_a_full_disk_is_no_error_and_leaves_the_old_record(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_cache.write("tuned", "key", RECORD)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    disk_cache.write("tuned", "key", {"operator": "rev"})
    assert disk_cache.read("tuned", "key") == RECORD
    assert [p.name for p in (cache_home / "jaccli" / "tuned").iterdir()] == ["key.json"]


@pytest.mark.parametrize("given", ["", "relative/cache", "./cache", "~/cache"])
def test_a_home_that_is_not_absolute_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """As the XDG specification asks."""
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    assert disk_cache.folder("tuned") == tmp_path / "user" / ".cache" / "jaccli" / "tuned"
    assert [path.name for path in tmp_path.iterdir()] == ["user"]


def test_a_home_that_is_the_root_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    assert disk_cache.home() is None
    assert disk_cache.folder("tuned") is None


def test_the_cache_can_be_turned_off(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_cache.write("tuned", "key", RECORD)
    monkeypatch.setenv(disk_cache.OFF, "1")
    assert disk_cache.read("tuned", "key") is None
    disk_cache.write("tuned", "other", RECORD)
    monkeypatch.delenv(disk_cache.OFF)
    assert disk_cache.read("tuned", "other") is None
    assert disk_cache.read("tuned", "key") == RECORD


def test_blobs_are_read_as_they_were_written() -> None:
    for content in (b"", b"\0" * 100, bytes(range(256)) * 99):
        assert disk_cache.write_blob("programs", "key", content)
        assert disk_cache.read_blob("programs", "key") == content
    assert disk_cache.read_blob("programs", "other") is None


def test_of_too_many_bytes_the_longest_unused_go(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "LIMIT", 1000)
    for age, name in enumerate("abcd"):
        assert disk_cache.write_blob("programs", name, b"x" * 200)
        os.utime(cache_home / "jaccli" / "programs" / f"{name}.bin", (0, 1000 + age))
    assert disk_cache.read_blob("programs", "a") is not None  # used now
    assert disk_cache.write_blob("programs", "e", b"x" * 200)
    found = sorted(path.stem for path in (cache_home / "jaccli" / "programs").iterdir())
    assert found == ["a", "c", "d", "e"]
    assert not disk_cache.write_blob("programs", "large", b"x" * 251)


def test_records_and_arrays_are_bounded_too(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_cache.write_arrays("colorings", "old", {"colors": np.zeros(100, np.uint8)})
    folder = cache_home / "jaccli" / "colorings"
    monkeypatch.setattr(disk_cache, "LIMIT", 2 * (folder / "old.npz").stat().st_size)
    os.utime(folder / "old.npz", (1, 1))
    for name in "ab":
        disk_cache.write_arrays("colorings", name, {"colors": np.zeros(100, np.uint8)})
    assert sorted(path.name for path in folder.iterdir()) == ["a.npz", "b.npz"]


def test_a_blob_is_read_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the time of its use."""
    disk_cache.write_blob("programs", "key", b"content")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert disk_cache.read_blob("programs", "key") == b"content"


def test_what_was_never_finished_goes_in_the_end(cache_home: Path) -> None:
    disk_cache.write_blob("programs", "key", b"content")
    folder = cache_home / "jaccli" / "programs"
    for name, age in ((".old", 0), (".new", None)):
        (folder / name).touch()
        if age is not None:
            os.utime(folder / name, (age, age))
    disk_cache.write_blob("programs", "other", b"content")
    assert sorted(p.name for p in folder.iterdir()) == [".new", "key.bin", "other.bin"]


def test_threads_that_write_one_key_leave_one_whole_blob(cache_home: Path) -> None:
    contents = [bytes([number]) * 10_000 for number in range(8)]

    def write(content: bytes) -> bytes | None:
        assert disk_cache.write_blob("programs", "key", content)
        return disk_cache.read_blob("programs", "key")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, contents * 4)) <= set(contents)
    assert [p.name for p in (cache_home / "jaccli" / "programs").iterdir()] == ["key.bin"]


def test_every_folder_that_is_used_is_shown_and_cleared() -> None:
    package = Path(disk_cache.__file__).parent.parent
    found = {
        name
        for path in package.rglob("*.py")
        if "jaccli.storage import disk_cache" in (text := path.read_text(encoding="utf-8"))
        for name in re.findall(r'^_FOLDER = "(\w+)"', text, re.MULTILINE)
    }
    assert found == set(disk_cache.KINDS)
