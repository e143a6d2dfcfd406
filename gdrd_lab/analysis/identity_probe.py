"""How much of the discriminative teacher's embedding a linear map reads from features of low-resolution faces."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from gdrd_lab.analysis.probe import pooled
from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import auc
from gdrd_lab.evaluation.results import read_rows
from gdrd_lab.models.diffusion.features import captured, encoder_blocks, generative_features
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.recogniser import Recogniser, RecogniserNetwork
from gdrd_lab.transforms.resize import downscale

# Reads features (N, D) of faces (N, 3, r, r), by name of the block.
Reader = Callable[[Tensor], dict[str, np.ndarray]]


@dataclass(frozen=True)
class ProbeRow:
    """The probe of one block of a network at one timestep, on one face set."""

    data: str
    resolution: int
    network: str
    block: str
    timestep: int  # 0 for networks that know no time
    auc: float
    people: int  # whom the probe was not fitted on
    faces: int  # of these people


def identity_auc(
    features: np.ndarray, targets: np.ndarray, fitted: np.ndarray, labels: np.ndarray, penalty: float = 1.0
) -> float:
    """Return the AUC of all pairs of faces whose embeddings a ridge regression predicts from their features.

    W = argmin mean |x W - y|^2 + penalty |W|^2 over the fitted rows, by which x is standardised. Scores: cos(x W, x' W)

    Args:
        features: (N, D) of low-resolution faces.
        targets: (N, d) embeddings of the same faces in high resolution.
        fitted: (N,) bool, the rows that the map is fitted on; the others, of other people, are compared.
        labels: (N,) identities.
        penalty: strength of the ridge.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = np.asarray(fitted, bool)
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty * float(fitted.sum()), solver="cholesky"))
    predicted = model.fit(features[fitted], targets[fitted]).predict(features[~fitted])
    predicted /= np.linalg.norm(predicted, axis=1, keepdims=True)
    first, second = np.triu_indices(len(predicted), 1)
    known = labels[~fitted]
    return auc((predicted @ predicted.T)[first, second], known[first] == known[second])


def diffusion_reader(pipeline: SuperResolutionPipeline, timestep: int) -> Reader:
    """Return the reader of all encoder blocks of a generative teacher, without noise, on a grid of 4 x 4 cells."""

    def read(lr: Tensor) -> dict[str, np.ndarray]:
        blocks = encoder_blocks(pipeline.unet)
        return {block: pooled(generative_features(pipeline, lr, timestep=timestep, block=block)) for block in blocks}

    return read


def recogniser_reader(network: RecogniserNetwork, blocks: Sequence[str]) -> Reader:
    """Return the reader of submodules of a recogniser, on a grid of 4 x 4 cells."""

    @torch.no_grad()
    def read(lr: Tensor) -> dict[str, np.ndarray]:
        with ExitStack() as hooks:
            found = {block: hooks.enter_context(captured(network, block)) for block in blocks}
            network.embed(lr)
        return {block: pooled(features[0]) for block, features in found.items()}

    return read


def pixels(lr: Tensor) -> dict[str, np.ndarray]:
    """Read the pixels themselves."""
    return {"pixels": lr.flatten(1).numpy()}


def untrained(pipeline: SuperResolutionPipeline, seed: int = 0) -> SuperResolutionPipeline:
    """Return a generative teacher of the same shape with random weights."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        unet = type(pipeline.unet).from_config(pipeline.unet.config).eval()
    return type(pipeline)(unet, pipeline.scheduler, pipeline.size, pipeline.unshuffle, pipeline.residual_scale)


def probe_identity(
    readers: Mapping[tuple[str, int], Reader],
    fit: FaceDataset,
    judge: FaceDataset,
    teacher: Recogniser,
    resolution: int = 16,
    progress: bool = True,
) -> list[ProbeRow]:
    """Probe features of faces at one resolution, read by ``readers`` by (network, timestep).

    The map is fitted on ``fit`` and its mirror images and judged on ``judge``, whose people must be others.
    """
    if len(fit) < 2 or len(np.unique(judge.labels)) < 2:
        raise GdrdError("The probe needs two faces to fit and two people to judge", "Give a larger set or split")
    fitted = np.arange(2 * len(fit) + len(judge)) < 2 * len(fit)
    labels = np.concatenate([fit.labels, fit.labels, judge.labels])
    low, embedded = [], []  # the sharp faces are not kept: thousands of them would fill the memory
    for faces in _parts(fit, judge):
        low.append(downscale(faces, resolution))
        embedded.append(teacher.embed(faces).numpy())
    targets = np.concatenate(embedded)
    people, rows = len(np.unique(judge.labels)), []
    for (network, timestep), reader in tqdm(readers.items(), desc="probe", disable=not progress, leave=False):
        read = [reader(lr) for lr in low]
        for block in read[0]:
            features = np.concatenate([part[block] for part in read]).astype(np.float32)
            value = identity_auc(features, targets, fitted, labels)
            rows.append(ProbeRow(judge.name, resolution, network, block, timestep, value, people, len(judge)))
    return rows


def _parts(fit: FaceDataset, judge: FaceDataset) -> Iterator[Tensor]:
    """Yield the faces in batches: those to fit, their mirror images, those to judge."""
    for dataset, mirrored in ((fit, False), (fit, True), (judge, False)):
        yield from (faces.flip(-1) if mirrored else faces for _, faces in batches(dataset, 64))


def best_block(rows: Sequence[ProbeRow], network: str) -> ProbeRow:
    """Return the block and timestep from which most is read, of one network."""
    return max((row for row in rows if row.network == network), key=lambda row: row.auc)


def read_probe(path: Path | str) -> list[ProbeRow]:
    """Read the rows that ``results.write_rows`` wrote."""
    return read_rows(path, ProbeRow, "probe", "gdrd probe")
