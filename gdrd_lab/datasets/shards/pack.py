"""Packing: any face source to WebDataset shards of aligned faces, in several processes, resumable, with checksums."""

from __future__ import annotations

import io
import multiprocessing
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.datasets.base import ReadOptions, to_tensor
from gdrd_lab.datasets.listing import list_images
from gdrd_lab.datasets.shards.index import DIGITS, ShardIndex, index_content, index_path
from gdrd_lab.datasets.shards.manifest import checksum, fingerprint, is_done, name_of, open_manifest, write_manifest
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write, write_atomically

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.recogniser import Recogniser

FORMAT = 1


@dataclass(frozen=True)
class PackConfig:
    """How faces are packed.

    Args:
        faces_per_shard: faces tried per shard; those that cannot be used leave it smaller.
        quality: JPEG quality of faces that had to be aligned or decoded, 1 to 100; 0 writes PNG, without loss. Images
            that are aligned already are copied as they are, byte for byte.
        embed: name of a recogniser ("sface") whose embeddings are cached with the faces; None for none.
    """

    faces_per_shard: int = 5000
    quality: int = 95
    embed: str | None = None


class FolderImages(EncodedFaces):
    """The images of a folder, each read and aligned when it is asked for; identities are their folders."""

    def __init__(self, path: Path, options: ReadOptions = ReadOptions()) -> None:
        super().__init__(path.resolve().name, options)
        found = list_images(path)
        self._files, self.keys, self.labels, self.identities = found.files, found.keys, found.labels, found.identities
        self.left_out, self.notes = found.left_out, found.notes

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        try:
            return self._files[index].read_bytes()
        except OSError as error:
            raise GdrdError(f"The image cannot be read ({error.strerror})", "Check the disk") from error


def pack(
    faces: FaceDataset, out: Path, config: PackConfig | None = None, workers: int = 1, progress: bool = True
) -> dict[str, Any]:
    """Write ``out/faces-000000.tar`` and on, an index beside each, and ``out/manifest.json``; go on if some are there.

    In a shard face number n is ``00000000n.jpg`` (or .png) with its identity in ``00000000n.cls`` (-1: unknown), in the
    order of ``faces``. A shard appears under its name only when it is whole, and the manifest, written after each, has
    its SHA-256. Faces that cannot be used are left out and named in the manifest.

    Args:
        faces: the source; ``EncodedFaces`` hand on bytes that need no work.
        out: folder.
        config: how.
        workers: processes; 1 works in this one.
        progress: show a progress bar.

    Returns:
        The manifest.

    Raises:
        GdrdError: the folder holds a pack of something else, the disk is full, or no face can be used.
    """
    from tqdm.auto import tqdm

    config = config or PackConfig()
    metadata = {
        "format": FORMAT,
        "config": asdict(config),
        "source": faces.name,
        "tried": len(faces),
        "keys": fingerprint(faces),
    }
    manifest = open_manifest(out, metadata)
    starts = range(0, len(faces), config.faces_per_shard)
    todo = [number for number in range(len(starts)) if not is_done(out, name_of(number), manifest)]
    with tqdm(total=len(faces), desc="packing", unit="face", disable=not progress) as bar:
        bar.update(sum(len(_range(number, config, faces)) for number in range(len(starts)) if number not in set(todo)))
        for number, entry in _work(faces, out, config, todo, workers):
            manifest["shards"][name_of(number)] = entry
            write_manifest(out, manifest)
            bar.update(len(_range(number, config, faces)))
    manifest["shards"] = dict(sorted(manifest["shards"].items()))
    manifest["faces"] = sum(entry["faces"] for entry in manifest["shards"].values())
    manifest["left_out"] = sum(entry["left_out"] for entry in manifest["shards"].values())
    if not manifest["faces"]:
        reasons = [reason for entry in manifest["shards"].values() for reason in entry["reasons"]]
        raise GdrdError(f"Not one of {len(faces)} images gave a face ({(reasons or ['none'])[0]})", "Name other images")
    manifest["complete"] = True
    write_manifest(out, manifest)
    return manifest


def _work(
    faces: FaceDataset, out: Path, config: PackConfig, todo: Sequence[int], workers: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    if workers <= 1:
        worker = _Worker(faces, out, config)
        yield from ((number, worker.pack(number)) for number in todo)
        return
    # Fresh processes: forked ones would inherit the state of torch's and OpenCV's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (faces, out, config)) as pool:
        jobs = {pool.submit(_run_worker, number): number for number in todo}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What one process holds while it packs shards."""

    def __init__(self, faces: FaceDataset, out: Path, config: PackConfig) -> None:
        self.faces, self.out, self.config = faces, out, config
        self.recogniser: Recogniser | None = None
        if config.embed:
            from gdrd_lab.models.registry import load_model

            self.recogniser = load_model(config.embed)

    def pack(self, number: int) -> dict[str, Any]:
        """Write one shard and its index; return its entry in the manifest."""
        offsets, sizes, labels, embeddings, reasons = [], [], [], [], []
        path, first = self.out / name_of(number), number * self.config.faces_per_shard
        waiting: list[np.ndarray] = []
        kept = 0
        with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for index in _range(number, self.config, self.faces):
                try:
                    content, ending = self._encoded(index)
                except GdrdError as error:
                    reasons.append(f"{self.faces.keys[index]}: {error.what}")
                    continue
                name, label = f"{first + kept:0{DIGITS}d}", int(self.faces.labels[index])
                kept += 1
                offsets.append(_add(tar, f"{name}{ending}", content))
                _add(tar, f"{name}.cls", str(label).encode())
                sizes.append(len(content))
                labels.append(label)
                if self.recogniser is not None:
                    waiting.append(_decode(content))
                    if len(waiting) == 64:
                        embeddings.append(self._embed(waiting))
                        waiting = []
        if waiting:
            embeddings.append(self._embed(waiting))
        size = path.stat().st_size
        teacher = self.recogniser.name if self.recogniser is not None else None
        whole = ShardIndex(
            first, np.array(offsets, np.uint64), np.array(sizes, np.uint32), np.array(labels, np.int64), teacher
        )
        known = np.concatenate(embeddings) if embeddings else np.zeros((0, 1)) if teacher else None
        write_atomically(index_path(path), index_content(whole, size, known))
        return {
            "faces": kept,
            "bytes": size,
            "sha256": checksum(path),
            "left_out": len(reasons),
            "reasons": reasons[:20],
        }

    def _encoded(self, index: int) -> tuple[bytes, str]:
        """A face's image file, as it is where it is an aligned JPEG or PNG already, and its ending."""
        from PIL import Image

        if isinstance(self.faces, EncodedFaces):
            content = self.faces.content(index)
            if (ending := _aligned_ending(content, self.faces.size)) and self.faces.takes_as_it_is:
                _decode(content)  # a damaged image is met here and not in the middle of a training
                return content, ending
        file = io.BytesIO()
        image = Image.fromarray(self.faces[index])
        if self.config.quality:
            image.save(file, "JPEG", quality=self.config.quality, subsampling=0)
            return file.getvalue(), ".jpg"
        image.save(file, "PNG")
        return file.getvalue(), ".png"

    def _embed(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        assert self.recogniser is not None
        with torch.inference_mode():
            return self.recogniser.embed(to_tensor(faces)).float().numpy()


_worker: list[_Worker] = []  # of this process, made once by the pool


def _start_worker(faces: FaceDataset, out: Path, config: PackConfig) -> None:
    if config.embed:
        import torch

        torch.set_num_threads(1)  # one process per core
    _worker[:] = [_Worker(faces, out, config)]


def _run_worker(number: int) -> dict[str, Any]:
    return _worker[0].pack(number)


def _range(number: int, config: PackConfig, faces: FaceDataset) -> range:
    first = number * config.faces_per_shard
    return range(first, min(first + config.faces_per_shard, len(faces)))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Add a file with fixed owner and time, so that the same faces give the same bytes; return where it starts."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    start = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(info, io.BytesIO(content))
    return start


def _aligned_ending(content: bytes, size: int) -> str | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            plain = image.size == (size, size) and image.mode == "RGB" and not image.getexif().get(0x0112, 1) > 1
            return {"JPEG": ".jpg", "PNG": ".png"}[str(image.format)] if plain else None
    except Exception:  # no such image: the face set's own reading says what is wrong
        return None


def _decode(content: bytes) -> np.ndarray:
    from gdrd_lab.io.images import read_image

    return read_image(content)
