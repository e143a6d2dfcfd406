"""Embeddings in a parquet file: one row per face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.datasets.embed import require_finite
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset


def write_embeddings(
    path: Path, faces: FaceDataset, embeddings: np.ndarray, model: str, resolution: int | None
) -> None:
    """Write columns key, identity (-1: unknown) and embedding; the model and resolution go to the file's metadata.

    Bytes of a name that are not UTF-8 are written as their hexadecimal value.

    Args:
        faces: N faces.
        embeddings: float32 (N, d).
        resolution: resolution that the faces were reduced to, in pixels, or None.

    Example:
        >>> import tempfile
        >>> from gdrd_lab.datasets.synthetic import synthetic_faces
        >>> faces, embeddings = synthetic_faces(2, 1, size=16), np.eye(2, dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_embeddings(Path(folder, "e.parquet"), faces, embeddings, "student", 16)
        ...     keys, identities, found, metadata = read_embeddings(Path(folder, "e.parquet"))
        >>> identities.tolist(), found.tolist(), metadata["model"]
        ([0, 1], [[1.0, 0.0], [0.0, 1.0]], 'student')
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    embeddings = require_finite(embeddings, model)
    if len(embeddings) != len(faces):
        raise GdrdError(f"{len(embeddings)} embeddings came with {len(faces)} faces", "Give one for each face")
    flat = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1))
    columns = {
        "key": pa.array([_text(key) for key in faces.keys], pa.string()),
        "identity": pa.array(np.asarray(faces.labels, np.int64)),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
    }
    metadata = {"model": model, "data": _text(faces.name), "resolution": str(resolution or "native")}
    with atomic_write(path) as file:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)


def read_embeddings(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, str]]:
    """Read keys, identities (N,), embeddings (N, d) and the metadata that ``write_embeddings`` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        vectors = table["embedding"].combine_chunks()
        embeddings = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        return table["key"].to_pylist(), table["identity"].to_numpy(), embeddings, metadata
    except (OSError, KeyError, pa.ArrowException) as error:
        raise GdrdError(
            f"{path} is not a file of embeddings ({str(error)[:100]})", "Make one with `gdrd embed`"
        ) from error


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
