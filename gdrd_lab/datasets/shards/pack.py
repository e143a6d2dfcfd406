"""Packing: any face source to WebDataset shards of aligned faces, in several processes, resumable, with checksums."""

import io
import multiprocessing
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset, ReadOptions, identities_of, to_images, to_tensor
from gdrd_lab.datasets.embed import QUIET, embed_all
from gdrd_lab.datasets.fingerprint import names_fingerprint
from gdrd_lab.datasets.shards.index import DIGITS, ShardIndex, index_content, index_path
from gdrd_lab.datasets.shards.manifest import (
    Source,
    is_done,
    open_manifest,
    shard_ranges,
    source_digest,
    write_manifest,
)
from gdrd_lab.datasets.shards.reader import EncodedFaces, ShardFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write, write_atomically
from gdrd_lab.io.cache import checksum, keyed
from gdrd_lab.io.images import read_image
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.resize import downscale

FORMAT = 1


@dataclass(frozen=True)
class PackConfig:
    """How faces are packed.

    Args:
        faces_per_shard: faces tried per shard, 1 or more; those that cannot be used leave it smaller.
        quality: JPEG quality of faces that had to be aligned or decoded, 1 to 100; 0 writes PNG, without loss. Images
            that are face crops already are copied byte for byte.
        embed: name of a recogniser ("sface") whose embeddings are stored with the faces; None for none.
        side: pack small, to be carried to another machine: every face is reduced to this many pixels and stored as WebP
            of ``quality`` without a .cls member, its identity in the index alone; None: faces as they are.
    """

    faces_per_shard: int = 5000
    quality: int = 95
    embed: str | None = None
    side: int | None = None

    def __post_init__(self) -> None:
        if self.faces_per_shard < 1:
            raise GdrdError(f"{self.faces_per_shard} faces per shard are too few", "Give 1 or more, such as 5000")
        if not 0 <= self.quality <= 100:
            raise GdrdError(f"A JPEG quality of {self.quality} does not exist", "Give 1 to 100, or 0 for PNG")
        if self.side is not None and not (16 <= self.side <= 1024 and self.quality):
            raise GdrdError("Small packs have faces of 16 to 1024 px and a quality", "Give such as side=64, quality=75")

    def record(self) -> dict[str, Any]:
        """Return the settings for the manifest; a side of None is left out, as earlier versions did."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("side", None)}


def pack(
    source: Source | FaceDataset, out: Path, config: PackConfig = PackConfig(), workers: int = 1, progress: bool = True
) -> dict[str, Any]:
    """Write faces to ``out/faces-000000.tar`` and so on, an index beside each, and ``out/manifest.json``, the result.

    In a shard face number n is ``00000000n.jpg`` (or .png) with its identity in ``00000000n.cls`` (-1: unknown), in the
    order of the source. A shard appears under its name only when it is whole, and the manifest, written after each, has
    its SHA-256. Faces that cannot be used are left out and named in the manifest. The same call continues an earlier
    one; shards whose images, keys or identities have changed in the source are packed again, with a warning.
    """
    if workers < 1:
        raise GdrdError(f"{workers} processes cannot pack", "Give 1 or more")
    faces = source.open(out) if isinstance(source, Source) else source
    recogniser = _load(config)
    reading = None  # how images are aligned; where the set does not say, pixels are compared
    if isinstance(faces, EncodedFaces):
        reading = {"align": faces.options.align, "face_selection": faces.options.face_selection}
    metadata = {
        "format": FORMAT,
        "config": config.record(),
        "source": faces.name,
        "tried": len(faces),
        "keys": names_fingerprint(faces),
        "reading": reading,
        "teacher": keyed(recogniser) if recogniser is not None else None,
    }
    manifest = open_manifest(out, metadata)
    manifest |= {"origin": source.record() if isinstance(source, Source) else None, "complete": False}
    write_manifest(out, manifest)  # a folder that cannot be written is reported before the work
    ranges = shard_ranges(len(faces), config.faces_per_shard)
    todo = _todo(faces, out, manifest, ranges, progress)
    with tqdm(total=len(faces), desc="packing", unit="face", disable=not progress) as bar:
        bar.update(len(faces) - sum(len(ranges[name]) for name in todo))
        for name, entry in _work(_Worker(faces, out, config, recogniser), todo, workers):
            manifest["shards"][name] = entry
            write_manifest(out, manifest)
            bar.update(len(ranges[name]))
    entries = manifest["shards"] = dict(sorted(manifest["shards"].items()))
    manifest |= {what: sum(entry[what] for entry in entries.values()) for what in ("faces", "left_out")}
    if not manifest["faces"]:
        reasons = [reason for entry in entries.values() for reason in entry["reasons"]]
        raise GdrdError(f"Not one of {len(faces)} images gave a face ({(reasons or ['none'])[0]})", "Name other images")
    manifest["complete"] = True
    write_manifest(out, manifest)
    return manifest


def faces_that_fit(megabytes: float, faces: FaceDataset, config: PackConfig) -> int:
    """Return how many faces make a shard of at most about so many megabytes, from the sizes of up to 64 faces."""
    worker = _Worker(faces, Path(), config, None)
    sample = [worker.encoded(index)[0] for index in range(0, len(faces), -(-len(faces) // 64))]
    blocks = [1 - (-len(content) // tarfile.BLOCKSIZE) + (0 if config.side else 2) for content in sample]
    return max(1, int(megabytes * 1e6 / (tarfile.BLOCKSIZE * np.mean(blocks) + 32)))


def _load(config: PackConfig) -> Recogniser | None:
    return load_model(config.embed) if config.embed else None


def _todo(
    faces: FaceDataset, out: Path, manifest: dict[str, Any], ranges: dict[str, range], progress: bool
) -> list[str]:
    """Return the shards that are missing or whose source has changed."""
    done, shards = [name for name in ranges if is_done(out, name, manifest)], manifest["shards"]
    bar = tqdm(done, desc="comparing with the source", unit="shard", disable=not progress or not done)
    changed = [name for name in bar if shards[name].get("source") != source_digest(faces, ranges[name])]
    if changed:
        again = f"{len(changed)} shards are packed again, among them {changed[0]}"
        warnings.warn(f"Images of {faces.name} have changed since they were packed: {again}", stacklevel=3)
    fresh = set(done) - set(changed)
    return [name for name in ranges if name not in fresh]


def _work(worker: "_Worker", todo: Sequence[str], workers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if workers == 1:
        yield from ((name, worker.pack(name)) for name in todo)
        return
    # Fresh processes: forked ones would inherit the state of torch's and OpenCV's threads.
    context = multiprocessing.get_context("spawn")
    start = partial(_start_worker, worker.faces, worker.out, worker.config)
    with ProcessPoolExecutor(min(workers, len(todo) or 1), context, start) as pool:
        jobs = {pool.submit(_run_worker, name): name for name in todo}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool as error:
            raise GdrdError("A process that packs was killed", "Use fewer --workers, which need less memory") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What one process holds while it packs shards."""

    def __init__(self, faces: FaceDataset, out: Path, config: PackConfig, recogniser: Recogniser | None) -> None:
        self.faces, self.out, self.config, self.recogniser = faces, out, config, recogniser
        self.identities = identities_of(faces)
        self.ranges = shard_ranges(len(faces), config.faces_per_shard)

    def pack(self, name: str) -> dict[str, Any]:
        """Write one shard and its index; return its entry in the manifest."""
        path, rows = self.out / name, self.ranges[name]
        source = source_digest(self.faces, rows)
        offsets, sizes, resolutions, reasons = [], [], [], []
        labels: list[int] = []
        with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row in rows:
                try:
                    content, ending, resolution = self.encoded(row)
                except GdrdError as error:
                    reasons.append(f"{self.faces.keys[row]}: {error.what}")
                    continue
                key, label = f"{rows.start + len(labels):0{DIGITS}d}", int(self.faces.labels[row])
                offsets.append(_add(tar, f"{key}{ending}", content))
                if not self.config.side:
                    _add(tar, f"{key}.cls", str(label).encode())
                sizes.append(len(content))
                labels.append(label)
                resolutions.append(resolution)
        names = {label: self.identities[label] for label in sorted(set(labels)) if label >= 0}
        places = np.array(offsets, np.uint64), np.array(sizes, np.uint32)
        parts = *places, np.array(labels, np.int64), np.array(resolutions, np.uint16)
        embeddings, teacher = None, None
        if self.recogniser is not None:
            embeddings, teacher = np.zeros((0, self.recogniser.embedding_size)), keyed(self.recogniser)
            if labels:
                embeddings = embed_all(self.recogniser, ShardFaces([path], ReadOptions(align="never")), None, QUIET)
        index = ShardIndex(rows.start, *parts, names, teacher)
        write_atomically(index_path(path), index_content(index, path, embeddings))
        return {
            "faces": len(labels),
            "bytes": path.stat().st_size,
            "sha256": checksum(path),
            "source": source,
            "left_out": len(reasons),
            "reasons": reasons[:20],
        }

    def encoded(self, index: int) -> tuple[bytes, str, int]:
        """Return a face's image file, its ending and its resolution; a JPEG or PNG file of a face crop is copied."""
        if isinstance(self.faces, EncodedFaces) and not self.config.side:
            content = self.faces.content(index)
            if ending := _copied_ending(content, self.faces):
                # A damaged image is found here and not in the middle of a training.
                return content, ending, max(read_image(content).shape)
        file, pixels = io.BytesIO(), self.faces[index]
        if self.config.side:
            image = Image.fromarray(to_images(downscale(to_tensor([pixels]), self.config.side))[0])
            image.save(file, "WEBP", quality=self.config.quality, method=6)
            return file.getvalue(), ".webp", image.width
        image = Image.fromarray(pixels)
        kind, ending = ("JPEG", ".jpg") if self.config.quality else ("PNG", ".png")
        image.save(file, kind, quality=self.config.quality, subsampling=0)  # PNG ignores both
        return file.getvalue(), ending, image.width


_worker: list[_Worker] = []  # of this process, made once by the pool


def _start_worker(faces: FaceDataset, out: Path, config: PackConfig) -> None:
    if config.embed:
        torch.set_num_threads(1)  # one process per core
    _worker[:] = [_Worker(faces, out, config, _load(config))]


def _run_worker(name: str) -> dict[str, Any]:
    return _worker[0].pack(name)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Add a file with fixed owner and time, so that the same faces give the same bytes; return where it starts."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    start = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(info, io.BytesIO(content))
    return start


def _copied_ending(content: bytes, faces: EncodedFaces) -> str | None:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            upright = not image.getexif().get(0x0112, 1) > 1
            plain = faces.takes_whole(image.height, image.width) and image.mode == "RGB" and upright
            return {"JPEG": ".jpg", "PNG": ".png"}[str(image.format)] if plain else None
    except Exception:  # not such an image: reading the face gives the reason
        return None
