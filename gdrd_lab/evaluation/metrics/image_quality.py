"""Quality of super-resolved faces against the high-resolution face: pixels (PSNR), structure (SSIM), identity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.datasets.embed import EmbedOptions, embed_faces, face_seeds
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.results import read_rows
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale, resize

if TYPE_CHECKING:
    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline

# Generates faces (N, 3, S, S) from low-resolution faces (N, 3, r, r) and one seed per face.
Generate = Callable[[Tensor, Sequence[int]], Tensor]
HIGHEST_PSNR = 100.0


@dataclass(frozen=True)
class Quality:
    """Means over faces, then over seeds; each spread is the standard deviation over seeds (0 for a single seed).

    ``kid`` says how far the outputs lie, as a set, from the sharp faces (see ``kernel_distance``); None: not measured.
    """

    psnr: float
    psnr_spread: float
    ssim: float
    ssim_spread: float
    identity: float
    identity_spread: float
    faces: int
    seeds: tuple[int, ...]
    kid: float | None = None
    kid_spread: float = 0.0

    def cells(self) -> tuple[str, str, str, str]:
        """Return PSNR, SSIM, identity and KID for a table, each as mean and spread."""
        return (
            f"{self.psnr:.2f} ± {self.psnr_spread:.2f}",
            f"{self.ssim:.3f} ± {self.ssim_spread:.3f}",
            f"{self.identity:.3f} ± {self.identity_spread:.3f}",
            "" if self.kid is None else f"{self.kid:.3f} ± {self.kid_spread:.3f}",
        )


def psnr(hr: Tensor, output: Tensor) -> np.ndarray:
    """Return the peak signal-to-noise ratio of each face, -10 log10(mean squared error), at most 100 dB."""
    _same_shape(hr, output)
    error = (hr.double() - output.double()).square().mean(dim=(1, 2, 3))
    return (-10 * error.clamp_min(10 ** (-HIGHEST_PSNR / 10)).log10()).cpu().numpy()


def ssim(hr: Tensor, output: Tensor) -> np.ndarray:
    """Return the structural similarity of each face, -1 to 1 (Wang et al., IEEE TIP 2004, section III)."""
    from skimage.metrics import structural_similarity

    _same_shape(hr, output)
    if hr.shape[-1] < 11:
        raise GdrdError(f"SSIM needs faces of 11 px or more, not {hr.shape[-1]}", "Compare larger outputs")
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # the paper's
    pairs = zip(hr.double().cpu().numpy(), output.double().cpu().numpy(), strict=True)
    return np.array([structural_similarity(a, b, channel_axis=0, data_range=1.0, **window) for a, b in pairs])


def identity(recogniser: Recogniser, hr: Tensor, output: Tensor) -> np.ndarray:
    """Cosine between the recogniser's embeddings of each high-resolution face and of its output, -1 to 1."""
    return (embed_faces(recogniser, hr) * embed_faces(recogniser, output)).sum(1)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the squared maximum mean discrepancy of two sets of unit embeddings (N, d) of the same N faces in order.

    MMD^2 = mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j)  over i != j,  k(a, b) = (a b + 1)^3

    0 in the mean if both sets are drawn alike; a face is never compared with itself. This is the kernel inception
    distance with a recogniser in Inception's place. Source: Binkowski et al. (arXiv 1801.01401), section 3.
    """
    count = len(first)
    if count < 2 or len(second) != count:
        raise GdrdError(f"Sets of {count} and {len(second)} faces", "Give two or more faces, and as many of each kind")

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        kernel = (a.astype(np.float64) @ b.T.astype(np.float64) + 1) ** 3
        return float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))

    return mean(first, first) + mean(second, second) - 2 * mean(first, second)


def bicubic(size: int) -> Generate:
    """Return the baseline that invents nothing: bicubic resizing to ``size`` px."""
    return lambda lr, seeds: resize(lr, size)


@torch.inference_mode()
def quality(
    generate: Generate,
    dataset: FaceDataset,
    degradation: Degradation,
    recogniser: Recogniser,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    options: EmbedOptions = EmbedOptions(batch_size=32),
) -> Quality:
    """Compare generated faces with the high-resolution ones, over several seeds.

    ``generate`` is for example ``lambda lr, seeds: pipeline(lr, steps=4, seeds=seeds)``. Its input is the same for
    every seed; ``options`` give the batch size, the seed of the degradation and the progress bar.
    """
    if not len(dataset) or not seeds:
        raise GdrdError("There are no faces or no seeds", "Give at least one of each")
    values = np.zeros((3, len(seeds), len(dataset)))
    sharp = np.zeros((len(dataset), recogniser.embedding_size), np.float32)
    made = np.zeros((len(seeds), *sharp.shape), np.float32)
    total = len(seeds) * len(dataset)
    with tqdm(total=total, desc="quality", unit="face", disable=not options.progress, leave=False) as bar:
        for indices, faces in batches(dataset, options.batch_size):
            lr = degradation(faces, seeds=face_seeds(options.seed, indices))
            sharp[indices] = embed_faces(recogniser, faces)
            for s, seed in enumerate(seeds):
                output = generate(lr, face_seeds(seed, indices)).clamp(0, 1)
                reference = downscale(faces, output.shape[-1])
                values[0, s, indices] = psnr(reference, output)
                values[1, s, indices] = ssim(reference, output)
                made[s, indices] = embed_faces(recogniser, output)
                values[2, s, indices] = (sharp[indices] * made[s, indices]).sum(1)
                bar.update(len(indices))
    means = values.mean(axis=2)
    spreads = means.std(axis=1, ddof=1) if len(seeds) > 1 else np.zeros(3)
    (p, s, i), (dp, ds, di) = means.mean(axis=1).tolist(), spreads.tolist()
    kid = [kernel_distance(sharp, output) for output in made] if len(dataset) > 1 else []
    far = float(np.mean(kid)) if kid else None
    return Quality(p, dp, s, ds, i, di, len(dataset), tuple(seeds), far, float(np.std(kid, ddof=1)) if kid[1:] else 0.0)


@dataclass(frozen=True)
class QualityRow:
    """The quality of one method at one input resolution, on one face set."""

    data: str
    resolution: int
    method: str
    quality: Quality


def compare_steps(
    pipeline: "SuperResolutionPipeline",
    dataset: FaceDataset,
    recogniser: Recogniser,
    *,
    resolutions: Sequence[int] = (8, 16),
    steps: Sequence[int] = (1, 4, 20),
    seeds: Sequence[int] = (0, 1, 2),
    options: EmbedOptions = EmbedOptions(batch_size=32),
) -> list[QualityRow]:
    """Compare the generative teacher's faces, by number of denoising steps, with bicubic resizing to its size."""

    def sampled(count: int) -> Generate:
        return lambda lr, of: pipeline(lr, steps=count, seeds=of)

    methods = [("bicubic", bicubic(pipeline.size), seeds[:1])]
    methods += [(f"{count} step" + "s" * (count > 1), sampled(count), seeds) for count in steps]
    out = []
    for resolution in resolutions:
        for name, generate, chosen in methods:
            found = quality(generate, dataset, Degradation(resolution), recogniser, seeds=chosen, options=options)
            out.append(QualityRow(dataset.name, resolution, name, found))
    return out


def read_quality(path: Path | str) -> list[QualityRow]:
    """Read the rows that ``results.write_rows`` wrote."""

    def build(quality: dict[str, Any], **row: Any) -> QualityRow:
        return QualityRow(**row, quality=Quality(**{**quality, "seeds": tuple(quality["seeds"])}))

    return read_rows(path, build, "quality results", "gdrd quality")


def _same_shape(hr: Tensor, output: Tensor) -> None:
    if hr.shape != output.shape:
        raise GdrdError(f"Faces {tuple(hr.shape)} and {tuple(output.shape)} differ in size", "Resize one to the other")
