"""One cache and one fingerprint: any change of an input changes the name, and a damaged entry is made again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from torch import nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import cached, checksum, fingerprint


@dataclass(frozen=True)
class Settings:
    steps: int = 100
    sides: tuple[int, ...] = (8, 16)


@dataclass(frozen=True)
class Others:
    steps: int = 100
    sides: tuple[int, ...] = (8, 16)


class Net(nn.Module):
    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, stride=stride)
        self.register_buffer("mean", torch.zeros(2), persistent=False)
        self.config = Settings()


def weights(value: float = 0.5, stride: int = 1) -> Net:
    net = Net(stride)
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    return net


def test_a_fingerprint_tells_kinds_and_borders_apart() -> None:
    parts = [
        (),
        (None,),
        ("",),
        (b"",),
        ("a", "b"),
        ("ab",),
        (["a", "b"],),
        (["a"], "b"),
        (1,),
        ("1",),
        (True,),
        (1.5,),
        (np.array([1, 2]),),
        (np.array([1, 2], np.int32),),
        (np.array([[1, 2]]),),
        (torch.tensor([1, 2]),),
        (torch.tensor([1, 2], dtype=torch.bfloat16),),
        (Settings(),),
        (Others(),),
        (replace(Settings(), steps=101),),
        (replace(Settings(), sides=(16, 8)),),
        ({"a": 1},),
        ({"a": 2},),
        ({"a", "b"},),
        ("\udcff",),
    ]
    names = [fingerprint(*part) for part in parts]
    assert len(set(names)) == len(parts) and all(len(name) == 32 and int(name, 16) >= 0 for name in names)


def test_what_has_the_same_content_has_the_same_fingerprint() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"b", "a"}) == fingerprint({"a", "b"}) and fingerprint(np.int64(3)) == fingerprint(3)
    grid = np.arange(6).reshape(2, 3)
    assert fingerprint(grid.T) == fingerprint(grid.T.copy()) != fingerprint(grid)
    assert fingerprint(Settings()) == fingerprint(Settings(100, (8, 16)))
    assert fingerprint(np.array(["a", None], object)) == fingerprint(np.array(["a", None], object))


def test_every_weight_buffer_and_setting_of_a_network_counts() -> None:
    name = fingerprint(weights())
    assert fingerprint(weights()) == name
    changed = weights()
    with torch.no_grad():
        changed.conv.weight[0, 0, 1, 1] += 1e-6
    buffered, set_otherwise = weights(), weights()
    buffered.mean[0] = 1  # not in state_dict
    set_otherwise.config = Settings(101)
    names = [fingerprint(net) for net in (changed, buffered, set_otherwise, weights(stride=2), weights(0.25))]
    assert len({name, *names}) == 6


def test_a_path_stands_for_its_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "a", tmp_path / "two" / "a"
    for file in (one, two):
        file.parent.mkdir()
        file.write_bytes(b"content")
    assert fingerprint(one) == fingerprint(two) and fingerprint(one.parent) == fingerprint(two.parent)
    before, times = fingerprint(one), (two.stat().st_atime_ns, two.stat().st_mtime_ns)
    two.write_bytes(b"CONTENT")
    os.utime(two, ns=times)  # the same size and time of change
    assert fingerprint(two) != before and fingerprint(one.parent) != fingerprint(two.parent)
    one.rename(one.with_name("b"))
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")
    with pytest.raises(GdrdError, match="cannot be read"):
        fingerprint(one)


def test_what_has_no_content_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no fingerprint"):
        fingerprint(object())

    class Own:
        def fingerprint(self) -> str:
            return "mine"

    assert fingerprint(Own()) == fingerprint(Own()) != fingerprint("mine")


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    code = "from gdrd_lab.io.cache import fingerprint; print(fingerprint({'b', 'a'}, {'x': 1.5}, 'é', [None]))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == fingerprint({"a", "b"}, {"x": 1.5}, "é", [None])


class Counted:
    """A result that says how often it was made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> bytes:
        self.made += 1
        return b"result"

    def cached(self, key: str = "k") -> bytes:
        return cached("things", key, self, Path.read_bytes, lambda file, value: file.write(value))


def test_a_result_is_made_once(own_cache: Path) -> None:
    counted = Counted()
    assert counted.cached() == counted.cached() == b"result" and counted.made == 1
    assert counted.cached("other") == b"result" and counted.made == 2
    assert len(list((own_cache / "things").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"resul", b"resulT", b"another thing altogether"])
def test_a_damaged_entry_is_made_again_and_says_so(damage: bytes, own_cache: Path) -> None:
    counted = Counted()
    counted.cached()
    (entry,) = (own_cache / "things").iterdir()
    entry.write_bytes(damage)
    with pytest.warns(UserWarning, match=r"things/k-.* is damaged .* and is made again"):
        assert counted.cached() == b"result"
    assert counted.made == 2 and counted.cached() == b"result" and counted.made == 2
    assert [file.name for file in (own_cache / "things").iterdir()] == [entry.name]


def test_an_entry_that_cannot_be_opened_is_made_again(own_cache: Path) -> None:
    def refuse(path: Path) -> bytes:
        if not good:
            raise GdrdError("Of another format", "Make it again")
        return path.read_bytes()

    good = [True]
    arguments = ("things", "k", lambda: b"x", refuse, lambda file, value: file.write(value))
    cached(*arguments)
    good.clear()
    with pytest.warns(UserWarning, match="Of another format"), pytest.raises(GdrdError, match="Of another format"):
        cached(*arguments)


@pytest.fixture
def unwritable(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    file = own_cache / "file"
    file.write_text("a file where a folder should be")  # permissions do not stop root
    monkeypatch.setenv("GDRD_CACHE", str(file))
    yield file


def test_without_a_cache_folder_it_works_and_says_so_once(unwritable: Path) -> None:
    counted = Counted()
    with pytest.warns(
        UserWarning, match=r"The cache folder .*file cannot be written .*is not kept. Set GDRD_CACHE"
    ) as told:
        assert counted.cached() == b"result"
    assert counted.made == 1 and len(told) == 1 and "\n" not in str(told[0].message)


def test_a_full_disk_loses_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("GDRD_CACHE", str(own_cache))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    counted = Counted()
    with pytest.warns(UserWarning, match="No space left"):
        assert counted.cached() == b"result"
    assert counted.made == 1 and not list((own_cache / "things").iterdir())


def test_an_error_of_the_result_itself_is_not_taken_for_the_disk(own_cache: Path) -> None:
    def refuse(file: BinaryIO, value: bytes) -> None:
        raise GdrdError("There is no face", "Give one")

    with pytest.raises(GdrdError, match="There is no face"):
        cached("things", "k", lambda: b"", Path.read_bytes, refuse)
    assert not list((own_cache / "things").iterdir())


def test_a_checksum_is_read_again_when_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    before = checksum(file)
    assert checksum(file) == before
    file.write_bytes(b"2")
    assert checksum(file) != before
    shutil.copy(file, tmp_path / "b")
    assert checksum(file) == checksum(tmp_path / "b")
