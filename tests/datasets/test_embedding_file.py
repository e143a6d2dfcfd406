"""Embeddings in a parquet file: what was written comes back, and nothing that is not a number is written."""

import os
from pathlib import Path

import numpy as np
import pytest

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embedding_file import read_embeddings, write_embeddings
from gdrd_lab.errors import GdrdError

EMBEDDINGS = np.eye(3, 4, dtype=np.float32)


def three(*keys: str, name: str = "three") -> ArrayFaces:
    return ArrayFaces(np.zeros((3, 8, 8, 3), np.uint8), np.array([1, -1, 0]), keys or None, name)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "made" / "e.parquet", three("a", "b/c", "ü"), EMBEDDINGS, "net", None)
    keys, identities, embeddings, metadata = read_embeddings(tmp_path / "made" / "e.parquet")
    assert keys == ["a", "b/c", "ü"] and identities.tolist() == [1, -1, 0]
    np.testing.assert_array_equal(embeddings, EMBEDDINGS)
    assert metadata == {"model": "net", "data": "three", "resolution": "native"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_not_written(value: float, tmp_path: Path) -> None:
    embeddings = EMBEDDINGS.copy()
    embeddings[1, 2] = value
    with pytest.raises(GdrdError, match="The embeddings of net are not finite for 1 of 3 faces"):
        write_embeddings(tmp_path / "e.parquet", three(), embeddings, "net", 16)
    assert not list(tmp_path.iterdir())


def test_embeddings_of_other_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="2 embeddings came with 3 faces"):
        write_embeddings(tmp_path / "e.parquet", three(), EMBEDDINGS[:2], "net", 16)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    write_embeddings(tmp_path / "e.parquet", three(odd, "b", "c", name=odd), EMBEDDINGS, "net", 16)
    keys, _, _, metadata = read_embeddings(tmp_path / "e.parquet")
    assert keys[0] == metadata["data"] == "caf\\xe9"


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_text("nothing")
    for path in (tmp_path / "e.parquet", tmp_path / "none.parquet"):
        with pytest.raises(GdrdError, match="is not a file of embeddings") as caught:
            read_embeddings(path)
        assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GdrdError, match="could not be written"):
        write_embeddings(tmp_path / "file" / "e.parquet", three(), EMBEDDINGS, "net", 16)
