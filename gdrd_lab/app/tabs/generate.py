"""Tab "Super-resolution": what the generative teacher makes of one small face, step by step, from four seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gdrd_lab.app import models
from gdrd_lab.app.face import Face
from gdrd_lab.app.html import notes, picture, picture_link, row
from gdrd_lab.app.state import View
from gdrd_lab.datasets.base import to_images, to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.evaluation.metrics.image_quality import identity
from gdrd_lab.plots.figures import face_strip
from gdrd_lab.transforms.resize import downscale, resize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS = 4
TRAINED = (8, 32)  # resolutions the shipped generative teacher was trained on
INVENTED = "What it adds is plausible, not true: super-resolution does not recover a person's face."


@dataclass(frozen=True)
class Generated:
    """Four super-resolved faces after ``step`` of ``steps`` steps.

    Args:
        step: how many steps are done.
        steps: of how many.
        faces: (4, 3, S, S) in [0, 1].
        bicubic: (1, 3, S, S), the plain enlargement.
        agreement: cosine of SFace's embeddings of each face and of the sharp one, (4,).
        plain: the same for the enlargement.
    """

    step: int
    steps: int
    faces: torch.Tensor
    bicubic: torch.Tensor
    agreement: np.ndarray
    plain: float


def chosen(view: View, first: Face, second: Face) -> tuple[Face, int]:
    """Return the face that the view looks at, and the seed of its degradation."""
    return (first, view.seeds[0]) if view.whose == "first" else (second, view.seeds[1])


def generated(view: View, first: Face, second: Face) -> Iterator[Generated]:
    """Super-resolve the chosen face at the view's resolution; yields after every step.

    Raises:
        GdrdError: the face is as sharp as the output already.
    """
    face, seed = chosen(view, first, second)
    pipeline, reference_model = models.generative(), models.recognisers()[0]
    if view.resolution >= pipeline.size:
        raise GdrdError(
            f"At {view.resolution} px the face is as sharp as super-resolution makes it ({pipeline.size} px)",
            "Move the resolution slider to 32 px or below",
        )
    lr, hr = reduced(face.image, view.degradation, seed), to_tensor([face.image])
    bicubic = resize(lr, pipeline.size)
    plain = float(identity(reference_model, hr, bicubic)[0])
    seeds = [view.noise_seed + k for k in range(SEEDS)]
    for step, faces in enumerate(pipeline.denoise(lr.expand(SEEDS, -1, -1, -1), view.steps, seeds), 1):
        agreement = identity(reference_model, hr.expand(SEEDS, -1, -1, -1), faces)
        yield Generated(step, view.steps, faces, bicubic, agreement, plain)


def show(view: View, first: Face, second: Face) -> Iterator[tuple[str, str]]:
    """Yield what the tab shows after every step: progress and four seeds (HTML), and the slider over two pictures."""
    face, seed = chosen(view, first, second)
    known = ""
    for found in generated(view, first, second):
        known = known or row(_known(view, face, seed, found.plain), "What is known")
        yield seeds_html(view, found, known), slider_html(found)


def before(view: View, first: Face, second: Face) -> tuple[str, str]:
    """Return what the tab shows before anything is made: the small face and its plain enlargement."""
    face, seed = chosen(view, first, second)
    pictures = _known(view, face, seed)
    return notes(remarks(view)) + row(pictures, "Press Generate to see four possible faces"), ""


def remarks(view: View) -> list[str]:
    """Return what has to be said about this resolution."""
    lr, high = TRAINED
    lines = [INVENTED]
    if not lr <= view.resolution <= high:
        lines.append(f"Outside the trained range: the generative teacher learned {lr} to {high} px.")
    return lines


def seeds_html(view: View, found: Generated, known: str) -> str:
    """Return what is known (HTML), progress, and the four faces with SFace's agreement."""
    pictures = [
        picture(picture_link(image), f"seed {view.noise_seed + k}: identity agreement {value:.2f}", css="seed")
        for k, (image, value) in enumerate(zip(to_images(found.faces), found.agreement, strict=True))
    ]
    share = round(100 * found.step / found.steps)
    progress = (
        f'<div class="gdrd-progress" role="progressbar" aria-valuenow="{share}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-label="Denoising"><span style="width:{share}%"></span></div><p>Step {found.step} of {found.steps}</p>'
    )
    spread = f"Four seeds: agreement {found.agreement.mean():.2f} on average, plain enlargement {found.plain:.2f}"
    return notes(remarks(view)) + known + progress + row(pictures, spread)


def slider_html(found: Generated) -> str:
    """Return the plain enlargement over the first seed's face, divided where a slider stands."""
    plain, made = (picture_link(to_images(faces)[0]) for faces in (found.bicubic, found.faces))
    return (
        '<div class="gdrd-group"><h4>Bicubic (left) and generated (right)</h4><div class="gdrd-curtain">'
        f'<img src="{made}" alt="generated face, first seed"><img class="over" src="{plain}" alt="bicubic enlargement">'
        '<input type="range" min="0" max="100" value="50" aria-label="How much of the bicubic enlargement is shown" '
        "oninput=\"this.parentNode.style.setProperty('--cut', this.value + '%')\"></div></div>"
    )


def figure(view: View, first: Face, second: Face) -> Figure:
    """Draw low resolution, bicubic, the four seeds and the sharp face as a file."""
    face, seed = chosen(view, first, second)
    *_, last = generated(view, first, second)
    images = [face.small(view.degradation, seed), *to_images(last.bicubic), *to_images(last.faces)]
    images.append(to_images(downscale(to_tensor([face.image]), last.faces.shape[-1]))[0])
    names = [f"{view.resolution} px", f"bicubic\n{last.plain:.2f}"]
    names += [f"seed {view.noise_seed + k}\n{value:.2f}" for k, value in enumerate(last.agreement)]
    title = f"Super-resolution in {view.steps} steps; SFace's agreement with the sharp face"
    return face_strip({"face": images}, [*names, "sharp"], title=title)


def _known(view: View, face: Face, seed: int, plain: float | None = None) -> list[str]:
    lr = reduced(face.image, view.degradation, seed)
    said = "" if plain is None else f": identity agreement {plain:.2f}"
    size = models.generative().size
    return [
        picture(picture_link(face.image), "sharp face, which it does not see"),
        picture(picture_link(to_images(lr)[0]), f"input, {view.resolution} px", css="sharp"),
        picture(picture_link(to_images(resize(lr, size))[0]), f"bicubic enlargement{said}"),
    ]
