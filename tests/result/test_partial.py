"""Files that grow in parts: what is noted is there, and nothing else counts."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.errors import ComputationError, SourceError, UsageError
from jaccli.result import Partial, check_partial, has_partial
from jaccli.result.io.resumable import data_of, journal_of
from tests.result.damage import damaged

VALUES = np.arange(24.0).reshape(6, 4)
IDENTITY = {"spec": "abc", "chunk": 2}


def begun(target: Path, *, resume: bool = False, **identity: Any) -> Partial:
    return Partial(target, VALUES.shape, VALUES.dtype, IDENTITY | identity, resume=resume)


def write(partial: Partial, *parts: int) -> None:
    for part in parts:
        rows = VALUES[2 * part : 2 * part + 2]
        partial.write(part, lambda file, at=8 * part, rows=rows: file.write_rows(at, rows))


def finished(target: Path) -> Any:
    return np.load(target, allow_pickle=False)


def test_the_target_appears_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0, 1)
        assert not target.exists()
        assert has_partial(target)
        write(partial, 2)
        partial.publish(force=False)
    np.testing.assert_array_equal(finished(target), VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["J.npy"]


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "K.npy", tmp_path / "J.npy"
    real.write_bytes(b"before")
    real.chmod(0o640)
    link.symlink_to("elsewhere/K.npy")
    with begun(link) as partial:
        write(partial, 0, 1)
    assert has_partial(link)
    assert has_partial(real)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["J.npy"]
    with begun(link, resume=True) as partial:
        write(partial, 2)
        with pytest.raises(UsageError):
            partial.publish(force=False)
    assert real.read_bytes() == b"before"
    with begun(link, resume=True) as partial:
        assert partial.done == {0, 1, 2}
        partial.publish(force=True)
    assert link.is_symlink()
    np.testing.assert_array_equal(finished(real), VALUES)
    assert real.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in real.parent.iterdir()] == ["K.npy"]


def test_columns_stand_in_rows(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        for part, start in enumerate((0, 3, 1)):
            columns = VALUES[:, start : start + 2 - (start == 3)]
            partial.write(
                part, lambda file, at=start, columns=columns: file.write_columns(at, 4, columns)
            )
        partial.publish(force=False)
    np.testing.assert_array_equal(finished(target), VALUES)


def test_what_is_noted_is_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0, 2)
    with begun(target, resume=True) as partial:
        assert partial.done == {0, 2}
        write(partial, 1)
        partial.publish(force=False)
    np.testing.assert_array_equal(finished(target), VALUES)


@pytest.mark.parametrize("torn", [b"1", b"", b"\x00"])
def test_a_note_that_was_being_written_does_not_count(tmp_path: Path, torn: bytes) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0)
    with journal_of(target).open("ab") as journal:
        journal.write(torn)
    with begun(target, resume=True) as partial:
        assert partial.done == {0}
        write(partial, 1)
    with begun(target, resume=True) as partial:
        assert partial.done == {0, 1}


@pytest.mark.parametrize("cut", [0, 5])
def test_an_account_without_a_first_line_is_begun_again(tmp_path: Path, cut: int) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0)
    journal_of(target).write_bytes(journal_of(target).read_bytes()[:cut])
    with begun(target, resume=True) as partial:
        assert partial.done == set()


def test_another_computation_is_not_mixed_in(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0)
    before = data_of(target).read_bytes()
    with pytest.raises(UsageError) as caught:
        begun(target, resume=True, spec="other")
    assert str(caught.value) == (
        f"{target}: what an earlier run has begun is not this: spec was 'abc' and is 'other'.\n"
        "Go on with what was given then, or begin again with --force."
    )
    assert data_of(target).read_bytes() == before


def test_without_resume_nothing_begun_is_lost(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    begun(target).close()
    with pytest.raises(UsageError) as caught:
        check_partial(target, resume=False, force=False)
    assert str(caught.value) == (
        f"{target}: an earlier run has begun this file.\n"
        "Go on with --resume, or begin again with --force."
    )
    check_partial(target, resume=True, force=False)
    check_partial(target, resume=False, force=True)


def test_a_full_disk_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0)

        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(ComputationError) as caught:
                write(partial, 1)
    assert str(caught.value) == (
        f"{target}: cannot be written: no space left on device; the whole needs 192 B. "
        "1 chunk is kept.\nFree some space and go on with --resume."
    )
    with begun(target, resume=True) as partial:
        assert partial.done == {0}
        write(partial, 1, 2)
        partial.publish(force=False)
    np.testing.assert_array_equal(finished(target), VALUES)


def test_a_disk_that_is_too_small_is_refused_before_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(ComputationError) as caught:
        begun(tmp_path / "J.npy")
    assert str(caught.value) == (
        f"{tmp_path / 'J.npy'}: the disk has 100 B free, and the result needs 192 B."
    )
    assert not list(tmp_path.iterdir())


def test_one_process_at_a_time_writes_a_target(tmp_path: Path) -> None:
    """A lock is of an open file: what holds for processes holds within one."""
    target = tmp_path / "J.npy"
    message = f"{target}: another process is writing it."
    with begun(target) as partial:
        write(partial, 0)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        for resume in (False, True):
            with pytest.raises(ComputationError) as error:
                begun(target, resume=resume)
            assert str(error.value) == message
            with pytest.raises(ComputationError) as error:
                check_partial(target, resume=resume, force=True)
            assert str(error.value) == message
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with begun(target, resume=True) as partial:
        assert partial.done == {0}


def test_who_waited_for_the_lock_does_not_write_over_the_file(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0, 1, 2)
        partial.publish(force=False)
    with pytest.raises(UsageError, match="exists already"):
        Partial(target, VALUES.shape, VALUES.dtype, IDENTITY, resume=False, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["J.npy"]


def test_a_file_that_may_not_be_so_large_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(ComputationError) as error:
            begun(tmp_path / "J.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(error.value) == (
        f"{tmp_path / 'J.npy'}: cannot be written: file too large; the whole needs 192 B.\n"
        "Raise the limit of file sizes (ulimit -f)."
    )
    assert not list(tmp_path.iterdir())


def test_damage_of_what_is_begun_is_one_sentence(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    with begun(target) as partial:
        write(partial, 0, 1)
    whole = {path: path.read_bytes() for path in (data_of(target), journal_of(target))}
    for seed in range(300):
        for path, content in whole.items():
            path.write_bytes(content)
        path = random.Random(seed).choice(list(whole))
        path.write_bytes(damaged(seed, [whole[path]]))
        said = ""
        try:
            begun(target, resume=True).close()
        except (SourceError, UsageError) as error:
            said = str(error)
        assert not said or "with --force." in said, seed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_and_has_room_again_is_gone_on_with(small_disk: Path) -> None:
    target = small_disk / "J.npy"
    values = np.arange(6_000.0).reshape(3, 2_000)

    def begin(*, resume: bool) -> Partial:
        return Partial(target, values.shape, values.dtype, IDENTITY, resume=resume)

    def put(partial: Partial, row: int) -> None:
        partial.write(row, lambda file: file.write_rows(2_000 * row, values[row : row + 1]))

    with begin(resume=False) as partial:
        put(partial, 0)
        with (small_disk / "fill").open("wb") as fill, contextlib.suppress(OSError):
            fill.write(bytes(1 << 20))
        for _ in range(2):
            with pytest.raises(ComputationError) as error:
                put(partial, 1)
            assert str(error.value) == (
                f"{target}: cannot be written: no space left on device; the whole needs 46.9 KiB. "
                "1 chunk is kept.\nFree some space and go on with --resume."
            )
    (small_disk / "fill").unlink()
    with begin(resume=True) as partial:
        assert partial.done == {0}
        put(partial, 1)
        put(partial, 2)
        partial.publish(force=False)
    np.testing.assert_array_equal(finished(target), values)
