"""Tab "Super-resolution": what the generative teacher makes of one small face, step by step, from four seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gdrd_lab.app.gallery import Face, once, recognisers
from gdrd_lab.app.html import notes, picture, picture_link, progress, row
from gdrd_lab.app.state import View
from gdrd_lab.datasets.base import to_images, to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.evaluation.metrics.image_quality import identity
from gdrd_lab.models.registry import shipped_generative
from gdrd_lab.plots import face_strip
from gdrd_lab.transforms.resize import downscale, resize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline

SEEDS = 4
TRAINED = (8, 32)  # resolutions that the shipped generative teacher was trained on
INVENTED = "The added detail is plausible but invented: super-resolution does not recover a person's face."


@once
def generative() -> SuperResolutionPipeline:
    """Return the shipped generative teacher."""
    from gdrd_lab.models.diffusion.pipeline import load_generative

    return load_generative(shipped_generative())


@dataclass(frozen=True)
class Generated:
    """Four super-resolved faces after ``step`` steps."""

    step: int
    faces: torch.Tensor  # (4, 3, S, S) in [0, 1]
    bicubic: torch.Tensor  # (1, 3, S, S), the bicubic enlargement
    agreement: np.ndarray  # (4,) cosine of SFace's embeddings of each face and of the high-resolution face
    bicubic_agreement: float


def chosen(view: View, first: Face, second: Face) -> tuple[Face, int]:
    """Return the face that the view chooses, and the seed of its degradation."""
    return (first, view.seeds[0]) if view.whose == "first" else (second, view.seeds[1])


def generated(view: View, first: Face, second: Face) -> Iterator[Generated]:
    """Super-resolve the chosen face at the view's resolution; yield after every step."""
    face, seed = chosen(view, first, second)
    pipeline, reference_model = generative(), recognisers()[0]
    if view.resolution >= pipeline.size:
        what = f"A face of {view.resolution} px is not smaller than the output of super-resolution ({pipeline.size} px)"
        raise GdrdError(what, "Move the resolution slider to 32 px or below")
    lr, hr = reduced(face.image, view.degradation, seed), to_tensor([face.image])
    bicubic = resize(lr, pipeline.size)
    baseline = float(identity(reference_model, hr, bicubic)[0])
    seeds = [view.noise_seed + k for k in range(SEEDS)]
    for step, faces in enumerate(pipeline.denoise(lr.expand(SEEDS, -1, -1, -1), view.steps, seeds), 1):
        agreement = identity(reference_model, hr.expand(SEEDS, -1, -1, -1), faces)
        yield Generated(step, faces, bicubic, agreement, baseline)


def show(view: View, first: Face, second: Face) -> Iterator[tuple[str, str]]:
    """Yield the content of the tab after every step: progress and four faces, and two pictures under a slider."""
    for found in generated(view, first, second):
        inputs = row(_inputs(view, first, second, found.bicubic_agreement), "Input")
        yield seeds_html(view, found, inputs), slider_html(found)


def before(view: View, first: Face, second: Face) -> tuple[str, str]:
    """Return the content of the tab before anything is generated: the small face and its bicubic enlargement."""
    pictures = _inputs(view, first, second)
    return notes(remarks(view)) + row(pictures, "Press Generate to see four possible faces"), ""


def remarks(view: View) -> list[str]:
    """Return the warnings at this resolution."""
    low, high = TRAINED
    outside = f"Outside the trained range: the generative teacher was trained on {low} to {high} px."
    return [INVENTED] if low <= view.resolution <= high else [INVENTED, outside]


def seeds_html(view: View, found: Generated, inputs: str) -> str:
    """Return the inputs (HTML), the progress, and the four faces with their agreement."""
    pictures = [
        picture(picture_link(image), f"seed {view.noise_seed + k}: identity agreement {value:.2f}")
        for k, (image, value) in enumerate(zip(to_images(found.faces), found.agreement, strict=True))
    ]
    steps = progress(found.step / view.steps, "Denoising", f"Step {found.step} of {view.steps}")
    title = f"Four seeds: mean agreement {found.agreement.mean():.2f}; bicubic {found.bicubic_agreement:.2f}"
    return notes(remarks(view)) + inputs + steps + row(pictures, title)


def slider_html(found: Generated) -> str:
    """Return the bicubic enlargement over the face of the first seed, divided at a slider."""
    bicubic, made = (picture_link(to_images(faces)[0]) for faces in (found.bicubic, found.faces))
    return (
        '<div class="gdrd-group"><h2>Bicubic (left) and generated (right)</h2><div class="gdrd-curtain">'
        f'<img src="{made}" alt="generated face, first seed">'
        f'<img class="over" src="{bicubic}" alt="bicubic enlargement">'
        '<input type="range" min="0" max="100" value="50" aria-label="Share of the bicubic enlargement shown" '
        "oninput=\"this.parentNode.style.setProperty('--cut', this.value + '%')\"></div></div>"
    )


def figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the input, bicubic, the four seeds and the high-resolution face as a file."""
    face, seed = chosen(view, first, second)
    *_, last = generated(view, first, second)
    images = [face.degraded(view.degradation, seed), *to_images(last.bicubic), *to_images(last.faces)]
    images.append(to_images(downscale(to_tensor([face.image]), last.faces.shape[-1]))[0])
    names = [f"{view.resolution} px", f"bicubic\n{last.bicubic_agreement:.2f}"]
    names += [f"seed {view.noise_seed + k}\n{value:.2f}" for k, value in enumerate(last.agreement)]
    title = f"Super-resolution in {view.steps} steps; SFace's agreement with the original face"
    return face_strip({"face": images}, [*names, "original"], title=title)


def _inputs(view: View, first: Face, second: Face, agreement: float | None = None) -> list[str]:
    face, seed = chosen(view, first, second)
    lr = reduced(face.image, view.degradation, seed)
    score = "" if agreement is None else f": identity agreement {agreement:.2f}"
    enlarged = to_images(resize(lr, generative().size))[0]
    return [
        picture(picture_link(face.image), "original face, hidden from the model"),
        picture(picture_link(to_images(lr)[0]), f"input, {view.resolution} px", css="pixelated"),
        picture(picture_link(enlarged), f"bicubic{score}"),
    ]
