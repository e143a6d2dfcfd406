"""How far a probe can be trusted: the errors that remain as the pairs of lowest quality are discarded."""

import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch

from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.datasets.embed import EmbedOptions, face_seeds, require_finite
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import bootstrap, error_versus_discard, spread
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.sweep import Row, Score, Setting
from gdrd_lab.io.paths import commit
from gdrd_lab.models.recogniser import Recogniser, RecogniserNetwork, check_faces
from gdrd_lab.transforms.degradation import Degradation

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FAR = 0.01


def discard_scores(
    recognisers: Sequence[Recogniser],
    dataset: FaceDataset,
    pairs: Pairs,
    resolutions: Sequence[int],
    options: EmbedOptions = EmbedOptions(),
) -> list[Score]:
    """Measure the false non-match rate at FAR 0.01 with shares of the genuine pairs discarded; both faces degraded.

    The quality of a pair is the lower one of its two faces (``models.recogniser.probe_quality``).
    """
    scores, code = [], commit()
    for recogniser in recognisers:
        if not isinstance(recogniser, RecogniserNetwork):
            remedy = "Choose sface, a student or the assistant"
            raise GdrdError(f"{recogniser.name} gives no quality: its embeddings have length 1 only", remedy)
        for resolution in resolutions:
            began, degradation = time.perf_counter(), Degradation(resolution)
            raw = _raw(recogniser, dataset, degradation, options)
            unit, length = require_finite(raw, recogniser.name), np.linalg.norm(raw, axis=1)
            similar, quality = pair_scores(unit, unit, pairs), np.minimum(length[pairs.first], length[pairs.second])
            rows = _errors(similar, pairs.genuine, quality, options.seed)
            place = (recogniser.name, dataset.name, str(Setting.SAME), resolution, asdict(degradation))
            seconds = round(time.perf_counter() - began, 3)
            scores += [Score(*place, *row, options.seed, code, seconds) for row in rows]
    return scores


def _errors(scores: np.ndarray, genuine: np.ndarray, quality: np.ndarray, seed: int) -> list[Row]:
    """Return a row for each share, with the standard error of a bootstrap over pairs."""
    out: list[Row] = []
    for share in SHARES:

        def rate(rows: np.ndarray, truth: np.ndarray, share: float = share) -> float:
            drawn = rows.astype(int)
            return float(error_versus_discard(scores[drawn], truth, quality[drawn], FAR, [share])[0])

        everyone, pairs = np.arange(len(scores)), int(genuine.sum())
        resampled = bootstrap(rate, everyone, genuine, samples=100, seed=seed)
        name, left = f"FNMR with {100 * share:g} % discarded, FAR={FAR:g}", pairs - int(share * pairs)
        out.append((name, rate(everyone, genuine), spread(resampled), left))
    return out


@torch.inference_mode()
def _raw(network: RecogniserNetwork, dataset: FaceDataset, how: Degradation, options: EmbedOptions) -> np.ndarray:
    """Return the embeddings (N, d) before they are brought to unit length."""
    out = np.zeros((len(dataset), network.embedding_size), np.float32)
    device = next(network.parameters()).device
    for indices, faces in batches(dataset, options.batch_size):
        low = how(faces, seeds=face_seeds(options.seed, indices))
        out[indices] = network(check_faces(low.to(device))).float().cpu().numpy()
    return out
