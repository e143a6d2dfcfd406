"""Embeddings in a parquet file: one row per face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset


def write_embeddings(
    path: Path, faces: FaceDataset, embeddings: np.ndarray, model: str, resolution: int | None
) -> None:
    """Write columns key, identity (-1: unknown) and embedding; the model and resolution go to the file's metadata.

    Args:
        path: parquet file; written atomically.
        faces: N faces.
        embeddings: float32 (N, d).
        model: the recogniser's name.
        resolution: side the faces were reduced to, or None.

    Raises:
        GdrdError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1))
    columns = {
        "key": pa.array(list(faces.keys)),
        "identity": pa.array(np.asarray(faces.labels, np.int64)),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
    }
    metadata = {"model": model, "data": faces.name, "resolution": str(resolution or "native")}
    with atomic_write(path) as file:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)


def read_embeddings(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, str]]:
    """Read keys, identities (N,), embeddings (N, d) and the metadata that ``write_embeddings`` wrote.

    Raises:
        GdrdError: the file is missing or is no such file.
    """
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
            f"{path} is no file of embeddings ({str(error)[:100]})", "Make one with `gdrd embed`"
        ) from error
