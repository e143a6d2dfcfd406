"""Faces aligned at the low resolution: the whole photograph is reduced first, as a distant camera does it."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from tqdm.auto import tqdm

from gdrd_lab.alignment.template import similarity, template
from gdrd_lab.alignment.yunet import Aligner, crop
from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, to_images, to_tensor
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import lfw_accuracy
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.io.paths import commit
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale

SETTING = "aligned at the low resolution"


def align_reduced(
    photographs: FaceDataset, resolution: int, progress: bool = True, aligner: Aligner | None = None
) -> tuple[ArrayFaces, np.ndarray]:
    """Reduce each photograph until its face is ``resolution`` pixels wide, then find and align the face there.

    The width is that of the aligned crop: a crop at this resolution neither enlarges nor reduces the photograph.

    Args:
        photographs: N photographs that are not aligned, such as ``lfw(options=ReadOptions(align="never"))``; of several
            faces the one nearest to the centre is taken.

    Returns:
        The faces (grey where none was found), and which faces were found, (N,) bool.
    """
    aligner = aligner or Aligner()
    faces = np.full((len(photographs), resolution, resolution, 3), 128, np.uint8)
    found = np.zeros(len(photographs), bool)
    for index in tqdm(range(len(photographs)), desc=f"{resolution} px", disable=not progress, leave=False):
        image = photographs[index]
        try:
            zoom = np.hypot(*similarity(aligner.choose(image, "central").landmarks, template(resolution))[:, 0])
            small = image if zoom >= 1 else to_images(downscale(to_tensor([image]), round(len(image) * zoom)))[0]
            faces[index] = crop(small, aligner.choose(small, "central").landmarks, resolution)
            found[index] = True
        except GdrdError:
            continue
    return ArrayFaces(faces, photographs.labels, photographs.keys, photographs.name), found


def verify_photographs(
    recognisers: Sequence[Recogniser],
    photographs: FaceDataset,
    pairs: Pairs,
    resolutions: Sequence[int],
    options: EmbedOptions = EmbedOptions(),
) -> list[Score]:
    """Measure accuracy and detection rate; a pair with a face that was not found counts as decided wrongly."""
    scores, code = [], commit()
    for resolution in resolutions:
        faces, found = align_reduced(photographs, resolution, options.progress)
        missed = ~(found[pairs.first] & found[pairs.second])
        rate = float(found.mean())
        rows = [("detection rate", rate, float(np.sqrt(rate * (1 - rate) / len(found))), len(found))]
        for recogniser in recognisers:
            embeddings = embed_all(recogniser, faces, None, options)
            similar = pair_scores(embeddings, embeddings, pairs)
            similar[missed] = np.where(pairs.genuine[missed], -2.0, 2.0)  # outside the range of a cosine
            result = lfw_accuracy(similar, pairs.genuine, pairs.fold)
            measured = [*rows, ("accuracy", result.mean, result.standard_error, len(similar))]
            place = (recogniser.name, photographs.name, SETTING, resolution, asdict(Degradation(resolution)))
            scores += [Score(*place, *row, options.seed, code, 0.0) for row in measured]
    return scores
