"""Code of a notebook cell that makes the numbers of a view again, with functions of the package alone."""

from __future__ import annotations

from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.attention import STEPS, sizes
from gdrd_lab.evaluation.calibration import RESOLUTIONS

_FACES = """\
from gdrd_lab.evaluation.calibration import calibration_faces
from gdrd_lab.models.registry import load_model

faces = calibration_faces()  # the page's embedded faces
teacher, student = load_model("sface"), load_model("student")
"""
_OWN = """\
# The page kept no copy of your photographs: give the files here. face = number from the left, or "largest".
from gdrd_lab.alignment.yunet import Aligner
from gdrd_lab.io.images import read_image

first = Aligner().align(read_image("first.jpg"), which="largest")
second = Aligner().align(read_image("second.jpg"), which="largest")
"""


def cell(view: View, own: bool = False) -> str:
    """Return the code for the view's tab; its last line leaves the numbers in ``result``.

    Args:
        view: the page's state; of the tab "take" the comparison is written.
        own: faces of the user's own stand in for the embedded ones.
    """
    makers = {"across": _across, "generate": _generate, "attention": _attention, "map": _map}
    return makers.get(view.tab, _compare)(view, own)


def _pair(view: View, own: bool) -> str:
    return _FACES + (_OWN if own else f"first, second = faces[{view.first}], faces[{view.second}]\n")


def _degradation(view: View) -> str:
    names = ("blur", "noise", "illumination", "occlusion")
    parts = [f"resolution={view.resolution}", *(f"{n}={getattr(view, n)!r}" for n in names if getattr(view, n))]
    return f"Degradation({', '.join(parts + ([f'jpeg={view.jpeg}'] if view.jpeg else []))})"


def _compare(view: View, own: bool) -> str:
    return f"""{_pair(view, own)}
from gdrd_lab.evaluation.calibration import calibrate
from gdrd_lab.evaluation.compare import compare
from gdrd_lab.transforms.degradation import Degradation

networks = [teacher, student]
pair = compare(first, second, networks, [{view.resolution}], {_degradation(view)}, seeds={view.seeds})
limits = {{network.name: calibrate(network).threshold({view.resolution}) for network in networks}}
result = {{name: (values[0], limits[name]) for name, values in pair.scores.items()}}
result  # score and threshold at a false match rate of 1 percent
"""


def _across(view: View, own: bool) -> str:
    slow = """\
from gdrd_lab.models.super_resolved import SuperResolved
from gdrd_lab.models.registry import shipped_generative
from gdrd_lab.models.diffusion.pipeline import load_generative

networks.append(SuperResolved(load_generative(shipped_generative()), teacher, steps=1))
"""
    return f"""{_pair(view, own)}
from gdrd_lab.evaluation.compare import compare
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.plots.figures import Curve, accuracy_curves

networks = [teacher, student]
{slow if view.slow else ""}sizes = {sorted({*RESOLUTIONS, view.resolution})}
pair = compare(first, second, networks, sizes, {_degradation(view)}, seeds={view.seeds})
result = pair.scores
curves = [Curve(name, "this pair", sizes, values) for name, values in result.items()]
accuracy_curves(curves, title="Score of this pair across resolutions", metric="cosine score", chance=None)
"""


def _looked_at(view: View) -> str:
    number = 0 if view.whose == "first" else 1
    return f"face, seed = {view.whose}, {view.seeds[number]}"


def _generate(view: View, own: bool) -> str:
    return f"""{_pair(view, own)}
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.evaluation.metrics.image_quality import identity
from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.plots.figures import face_strip
from gdrd_lab.models.registry import shipped_generative
from gdrd_lab.models.diffusion.pipeline import load_generative

{_looked_at(view)}
low, sharp = reduced(face, {_degradation(view)}, seed), to_tensor([face])
generative, seeds = load_generative(shipped_generative()), [{view.noise_seed} + k for k in range(4)]
made = generative(low.expand(4, -1, -1, -1), steps={view.steps}, seeds=seeds)
result = identity(teacher, sharp.expand(4, -1, -1, -1), made).tolist()  # agreement of each seed with the sharp face
face_strip({{"made": list(made.permute(0, 2, 3, 1).numpy())}}, [f"{{value:.2f}}" for value in result])
"""


def _attention(view: View, own: bool) -> str:
    other = "second" if view.whose == "first" else "first"
    other_seed = view.seeds[1 if view.whose == "first" else 0]
    target = "None"
    if view.target != "itself":
        target = f"network.embed(reduced({other}, degradation, {other_seed}))"
    return f"""{_pair(view, own)}
from dataclasses import replace

from gdrd_lab.analysis.cam import class_activation_map, deletion, insertion, with_random_weights
from gdrd_lab.plots.maps import attention_figure, overlay
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.datasets.base import to_images

{_looked_at(view)}
result, rows = {{}}, {{}}
for trained in (teacher, student):
    for name, network in ((trained.name, trained), (f"{{trained.name}}, random weights", with_random_weights(trained))):
        rows[name] = []
        for size in {sizes(view)}:
            degradation = replace({_degradation(view)}, resolution=size)
            low = reduced(face, degradation, seed)
            found = class_activation_map(network, low, {target})[0]
            rows[name].append(overlay(to_images(low)[0], found))
            if size == {view.resolution}:
                result[name] = [curve(trained, low[0], found, {STEPS}).area for curve in (deletion, insertion)]
attention_figure(rows, [f"{{size}} px" for size in {sizes(view)}])
"""


def _map(view: View, own: bool) -> str:
    make = f"umap_map(flat, {view.map_seed})" if view.method == "UMAP" else "pca_map(flat)"
    own_faces = """\
# The page kept no copy of your photographs: name their folder here.
from gdrd_lab.datasets.folder import FolderFaces

faces = FolderFaces("photographs", which="largest")
"""
    return f"""{_FACES}{own_faces if own else ""}
from gdrd_lab.plots.maps import map_figure
from gdrd_lab.analysis.projection import nearest, pca_map, trustworthiness, umap_map
from gdrd_lab.evaluation.calibration import calibrate

result = {{}}
for network in (teacher, student):
    known = calibrate(network, faces)
    flat = known.embeddings.reshape(-1, known.embeddings.shape[-1])
    place = known.resolutions.index(known.nearest({view.resolution}))
    points = {make}.points.reshape(*known.embeddings.shape[:2], 2)
    near = nearest(known.embeddings[-1], {view.chosen}, 5, known.embeddings[place])
    result[network.name] = (points[place], trustworthiness(known.embeddings[place], points[place]), near.tolist())
map_figure(points[place], faces.labels, title="{view.method} of student", path=points[:, {view.chosen}])
"""
