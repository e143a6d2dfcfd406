"""Checkpoints: atomic, strict, free of pickle."""

from pathlib import Path

import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.io import weights_folder as checkpoint
from gdrd_lab.training.checkpoint import (
    TrainingState,
    checkpoints,
    flatten_optimizer,
    unflatten_optimizer,
    weight_average,
)


def test_optimiser_state_survives_the_round_trip(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    tensors, rest = flatten_optimizer(optimizer.state_dict())
    checkpoint.write_folder(tmp_path / "c", {"optimizer": tensors}, {"optimizer": rest})
    found, metadata = checkpoint.read_folder(tmp_path / "c")
    restored = unflatten_optimizer(found["optimizer"], metadata["optimizer"])
    original = optimizer.state_dict()
    assert restored["state"].keys() == original["state"].keys()
    for index, values in original["state"].items():
        for name, value in values.items():
            assert torch.equal(restored["state"][index][name], value)
    torch.optim.AdamW(layer.parameters()).load_state_dict(restored)
    assert {file.suffix for file in (tmp_path / "c").iterdir()} == {".safetensors", ".json"}


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.write_folder(tmp_path / "c", {"w": {"x": torch.ones(2)}}, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(GdrdError, match=r"No space left on device.*Free disk space.*nothing was lost"):
        checkpoint.write_folder(tmp_path / "c", {"w": {"x": torch.zeros(2)}}, {"step": 2})
    tensors, metadata = checkpoint.read_folder(tmp_path / "c")
    assert metadata["step"] == 1 and torch.equal(tensors["w"]["x"], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_overwriting_is_whole(tmp_path: Path) -> None:
    checkpoint.write_folder(tmp_path / "c", {"w": {"x": torch.ones(2)}, "extra": {"y": torch.ones(1)}}, {"step": 1})
    checkpoint.write_folder(tmp_path / "c", {"w": {"x": torch.zeros(2)}}, {"step": 2})
    tensors, metadata = checkpoint.read_folder(tmp_path / "c")
    assert set(tensors) == {"w"} and metadata["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99}'])
def test_unreadable_facts_are_named(tmp_path: Path, content: str) -> None:
    checkpoint.write_folder(tmp_path / "c", {"w": {"x": torch.ones(2)}}, {})
    (tmp_path / "c" / "facts.json").write_text(content)
    with pytest.raises(GdrdError, match=r"damaged|format"):
        checkpoint.read_folder(tmp_path / "c")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    state = TrainingState(layer, weight_average(layer, 0.9), torch.optim.AdamW(layer.parameters()))
    for step in (5, 10, 15):
        state.save(tmp_path, step, {}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-0000010", "step-0000015"]
