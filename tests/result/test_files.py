"""Files appear whole or not at all, and what must not be written is refused beforehand."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli import choices
from jaccli.errors import ComputationError, UsageError
from jaccli.result import BlockShape, check_layout, check_target, publishing, read, write
from jaccli.result.io import registry
from jaccli.result.view import whole
from jaccli.storage import atomic

from .samples import POLAR, block, jacobian, result_of, same

RESULT = jacobian((2,), (3,))
SUFFIXES = [".npy", ".npz", ".csv", ".json", ".mtx"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which no temporary file may be left behind."""
    yield tmp_path
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".jaccli")] == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_written_with_the_permissions_of_the_umask(folder: Path, suffix: str) -> None:
    before = os.umask(0o027)
    try:
        write(RESULT, folder / f"r{suffix}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / f"r{suffix}").stat().st_mode) == 0o640
    assert os.listdir(folder) == [f"r{suffix}"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_midway_leaves_no_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, error: BaseException, existing: bool
) -> None:
    target = folder / f"r{suffix}"
    if existing:
        target.write_text("before")
    form = registry.format_of(suffix)
    real = form.write

    def failing(view: Any, layout: str, stream: Any) -> None:
        real(view, layout, stream)
        raise error

    monkeypatch.setattr(form, "write", failing)
    with pytest.raises((ComputationError, KeyboardInterrupt)) as caught:
        write(RESULT, target, force=existing)
    if isinstance(error, OSError):
        assert str(caught.value) == f"{target}: cannot be written: No space left on device."
    assert os.listdir(folder) == ([target.name] if existing else [])
    assert not existing or target.read_text() == "before"


def test_a_full_disk_at_the_end_leaves_no_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ComputationError):
        write(RESULT, folder / "r.npy")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(atomic.os, "link", _no_links)
    target = folder / "r.npy"

    def write_slowly() -> None:
        with publishing(target) as stream:
            stream.write(b"ours")
            target.write_text("theirs")

    with pytest.raises(UsageError) as error:
        write_slowly()
    assert str(error.value) == (
        f"{target}: exists already.\nChoose another name, or replace it with --force."
    )
    assert target.read_text() == "theirs"


def _no_links(source: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_full_device_is_one_paragraph() -> None:
    for suffix in SUFFIXES:
        with pytest.raises(ComputationError) as error, publishing(Path("/dev/full")) as stream:
            registry.format_of(suffix).write(whole(RESULT), "blocks", stream)
        assert str(error.value) == "/dev/full: cannot be written: No space left on device."


def test_without_hard_links_files_are_whole_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic.os, "link", _no_links)
    write(RESULT, folder / "r.npy")
    assert np.array_equal(np.load(folder / "r.npy"), RESULT.blocks[0].values)

    def failing(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(atomic.os, "replace", failing)
    with pytest.raises(ComputationError):
        write(RESULT, folder / "s.npy")
    assert os.listdir(folder) == ["r.npy"]


def test_force_replaces_and_keeps_the_permissions(folder: Path) -> None:
    target = folder / "r.npy"
    target.write_text("before")
    target.chmod(0o600)
    write(RESULT, target, force=True)
    assert np.array_equal(np.load(target), RESULT.blocks[0].values)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_link_is_written_through_with_force(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    link, target = folder / "link.npy", folder / "elsewhere" / "target.npy"
    for content in ("before", None):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        if content is None:
            target.unlink()
        with pytest.raises(UsageError):
            check_target(link)
        with pytest.raises(UsageError):
            write(RESULT, link)
        check_target(link, force=True)
        write(RESULT, link, force=True)
        assert link.is_symlink()
        assert np.array_equal(np.load(target), RESULT.blocks[0].values)


def test_devices_and_pipes_are_written_directly(folder: Path) -> None:
    check_target("/dev/null")
    write(RESULT, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    for suffix in SUFFIXES:
        pipe = folder / f"pipe{suffix}"
        os.mkfifo(pipe)
        check_target(pipe)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda p=pipe, r=received: r.append(p.read_bytes()))
        reader.start()
        write(RESULT, pipe)
        reader.join()
        (folder / f"copy{suffix}").write_bytes(received[0])
        (values,) = read(folder / f"copy{suffix}").arrays.values()
        assert same(values, RESULT.blocks[0].values)


def test_targets_are_refused_before_computing(folder: Path) -> None:
    (folder / "there.npy").touch()
    (folder / "folder.npy").mkdir()
    accepted = f"Expected one of {', '.join(choices.SUFFIXES)}."
    messages = {
        "there.npy": "exists already.\nChoose another name, or replace it with --force.",
        "folder.npy": "this is a folder.\nExpected the name of a file.",
        "no/r.npy": f"there is no folder '{folder / 'no'}'.\nCreate it first.",
        "there.npy/r.npy": f"there is no folder '{folder / 'there.npy'}'.\nCreate it first.",
        "r.txt": f"unknown suffix '.txt'.\n{accepted}",
        "r": f"the name has no suffix.\n{accepted}",
        ".npy": f"the name has no suffix.\n{accepted}",
    }
    for name, message in messages.items():
        with pytest.raises(UsageError) as error:
            check_target(folder / name)
        assert str(error.value) == f"{folder / name}: {message}"
    check_target(folder / "there.npy", force=True)
    check_target(folder / "R.NPY")
    with pytest.raises(UsageError):
        check_target(folder / "folder.npy", force=True)


def test_a_folder_that_is_not_writable_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is forbidden to root, so the trial goes where nothing can be.
    monkeypatch.setattr(atomic, "_temporary", lambda target: f"{target}/trial")
    with pytest.raises(UsageError) as error:
        check_target(folder / "r.npy")
    assert str(error.value) == (
        f"{folder / 'r.npy'}: the folder '{folder}' is not writable: no such file or directory."
    )


def test_a_name_that_is_too_long_is_one_paragraph(folder: Path) -> None:
    target = folder / f"{'r' * 300}.npy"
    with pytest.raises(ComputationError) as error:
        write(RESULT, target)
    assert str(error.value) == f"{target}: cannot be written: File name too long."


def test_layouts_are_refused_from_shapes_alone() -> None:
    one = BlockShape("y", ("x",), (4,), ((3,),))
    two = [one, BlockShape("y", ("w",), (4,), ((3, 2),))]
    check_layout(".npy", "blocks", "jacobian", [one], 7)
    check_layout(".npy", "matrix", "jacobian", two, 7)
    check_layout(".csv", "blocks", "jacobian", two, None)
    check_layout(".csv", "blocks", "evaluate", [BlockShape("y", (), (4, 5), ())], 7)
    for suffix in (".npz", ".json"):
        check_layout(suffix, "matrix", "jacobian", two, 7)
    refusals = [
        (
            (".npy", "blocks", "jacobian", two, None),
            "npy: one array only, and the result has 2 blocks: 'y.x', 'y.w'.\n"
            "Use .npz for all of them, or --layout matrix to join them into one array.",
        ),
        (
            (".csv", "matrix", "jacobian", two, 7),
            "csv: two axes at most, and the matrix layout of the result has the shape (7, 4, 9).\n"
            "Use --layout long, .npz or .json, or print one part of it with --show.",
        ),
        (
            (".mtx", "blocks", "jacobian", two, 7),
            "mtx: two axes at most, and the matrix layout of the result has the shape (7, 4, 9).\n"
            "Use .npz or .json.",
        ),
    ]
    for arguments, message in refusals:
        with pytest.raises(UsageError) as error:
            check_layout(*arguments)
        assert str(error.value) == message


def test_several_blocks_are_refused_as_npy_and_nothing_is_written(folder: Path) -> None:
    with pytest.raises(UsageError):
        write(POLAR, folder / "r.npy")
    assert os.listdir(folder) == []
    write(POLAR, folder / "r.npy", layout="matrix")
    assert np.load(folder / "r.npy").tolist() == [[0.6, 0.8], [-0.16, 0.12]]


def test_arrays_in_any_order_of_memory_are_written_as_they_read(folder: Path) -> None:
    values = np.arange(24.0).reshape(4, 3, 2).transpose(2, 0, 1)[:, ::2]
    result = result_of("jacobian", block("y", ("x",), values, (2, 2), (3,)))
    for suffix in (".npy", ".npz", ".json"):
        write(result, folder / f"r{suffix}")
        (back,) = read(folder / f"r{suffix}").arrays.values()
        assert np.array_equal(back, values)
