"""Embeddings in a parquet file: one row per face."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.embed import require_finite
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write


def write_embeddings(
    path: Path, faces: FaceDataset, embeddings: np.ndarray, model: str, resolution: int | None
) -> None:
    """Write columns key, identity (-1: unknown) and embedding (N, d); model and resolution go to the metadata.

    Bytes of a name that are not UTF-8 are written as their hexadecimal value.
    """
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
    try:
        table = pq.read_table(path)
        vectors = table["embedding"].combine_chunks()
        embeddings = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        return table["key"].to_pylist(), table["identity"].to_numpy(), embeddings, metadata
    except (OSError, KeyError, pa.ArrowException) as error:
        what = f"{path} is not a file of embeddings ({str(error)[:100]})"
        raise GdrdError(what, "Make one with `gdrd embed`") from error


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
