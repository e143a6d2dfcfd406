"""How far a probe can be trusted: the errors that remain as the pairs of lowest quality are discarded."""

import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch

from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.embed import EmbedOptions, degraded_batches, require_finite
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import error_versus_discard
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.io.paths import commit
from gdrd_lab.models.recogniser import Recogniser, RecogniserNetwork, check_faces
from gdrd_lab.transforms.degradation import Degradation

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FAR = 0.01


@torch.inference_mode()
def discard_scores(
    recognisers: Sequence[Recogniser],
    dataset: FaceDataset,
    pairs: Pairs,
    resolutions: Sequence[int],
    options: EmbedOptions = EmbedOptions(),
) -> list[Score]:
    """Measure the false non-match rate at FAR 0.01 with shares of the genuine pairs discarded; both faces degraded.

    The quality of a pair is the lower one of its two faces, which is that of ``models.recogniser.probe_quality``.
    """
    scores, code, genuine = [], commit(), int(pairs.genuine.sum())
    for recogniser in recognisers:
        if not isinstance(recogniser, RecogniserNetwork):
            remedy = "Choose sface, a student or the assistant"
            raise GdrdError(f"{recogniser.name} gives no quality: its embeddings have length 1 only", remedy)
        device = next(recogniser.parameters()).device
        for how in map(Degradation, resolutions):
            began, raw = time.perf_counter(), np.zeros((len(dataset), recogniser.embedding_size), np.float32)
            for indices, faces in degraded_batches(dataset, how, options):
                raw[indices] = recogniser(check_faces(faces.to(device))).float().cpu().numpy()
            unit, length = require_finite(raw, recogniser.name), np.linalg.norm(raw, axis=1)
            similar, quality = pair_scores(unit, unit, pairs), np.minimum(length[pairs.first], length[pairs.second])
            errors = error_versus_discard(similar, pairs.genuine, quality, FAR, SHARES)
            seconds = round(time.perf_counter() - began, 3)
            place = (recogniser.name, dataset.name, str(Setting.SAME), how.resolution or 0, asdict(how))
            for share, rate in zip(SHARES, errors.tolist(), strict=True):
                name, left = f"FNMR with {100 * share:g} % discarded, FAR={FAR:g}", genuine - int(share * genuine)
                error = float(np.sqrt(rate * (1 - rate) / left))
                scores.append(Score(*place, name, rate, error, left, options.seed, code, seconds))
    return scores
