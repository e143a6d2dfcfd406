"""Files and folders appear whole or not at all, and trouble with the disk is one line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_folder, atomic_write, write_atomically


def put_file(path: Path, text: str = "new") -> None:
    write_atomically(path, text.encode())


def put_folder(path: Path, text: str = "new") -> None:
    with atomic_folder(path) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "file").write_text(text)


def content(path: Path) -> str:
    return (path / "part" / "file" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("put", [put_file, put_folder])
def test_it_is_replaced_as_a_whole(put: Callable[..., None], tmp_path: Path) -> None:
    target = tmp_path / "made" / "target"
    put(target, "old")
    put(target, "new")
    assert content(target) == "new" and [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("put", [put_file, put_folder])
def test_a_full_disk_leaves_the_earlier_one(
    put: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "target", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GdrdError, match=r"target could not be written \(No space left on device\). Free disk space"):
        put(tmp_path / "target")
    assert content(tmp_path / "target") == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("put", [put_file, put_folder])
def test_a_place_that_cannot_be_written_is_one_line(put: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GdrdError, match="could not be written") as caught:
        put(tmp_path / "file" / "target")
    assert "\n" not in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("open_it", [atomic_write, atomic_folder])
def test_an_error_in_the_block_leaves_nothing(open_it: Callable, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_it(tmp_path / "target"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_of_any_new_file_and_names_may_be_long_or_odd(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        put_file(tmp_path / "target")
    finally:
        os.umask(old)
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o640
    for name in ("ü" * 120, os.fsdecode(b"caf\xe9.png"), "two\nlines"):
        put_file(tmp_path / name)
        assert content(tmp_path / name) == "new"
