"""The notebook cell that computes the numbers of a view again, with the public functions of the package."""

from collections.abc import Mapping
from typing import TypeAlias

from gdrd_lab.app.methods import SHIPPED
from gdrd_lab.app.session import Photograph
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.cam import STEPS, sizes
from gdrd_lab.app.tabs.generate import SEEDS
from gdrd_lab.evaluation.calibration import RESOLUTIONS

Own: TypeAlias = Mapping[int, Photograph]

_FACES = """\
import gdrd_lab as gl
{imports}

faces = gl.synthetic_faces(identities=20, per_identity=3, size=112)  # the synthetic faces of the app
teacher, student = gl.load_model("sface"), gl.load_model("student")
"""
_OWN_PAIR = "# The app kept no copy of your photograph: name its file. The leftmost face has the number 0.\n"
_OWN_FOLDER = """\
# The app kept no copy of your photographs: name their folder here.
faces = gl.load_dataset("photographs", options=gl.ReadOptions(face_selection="largest"))
"""


def cell(view: View, own: Mapping[int, Photograph] | None = None, own_gallery: bool = False) -> str:
    """Return the code of the view's tab; it leaves the numbers in ``result``. ``own`` are the uploads by slot."""
    if view.tab == "map":
        return _map(view, own_gallery)
    if view.tab == "search":
        return _search(view, own or {}, own_gallery)
    makers = {"across": _across, "generate": _generate, "cam": _cam}
    return makers.get(view.tab, _compare)(view, own or {})


def _start(imports: str, view: View, own: Own) -> str:
    lines, read = [_OWN_PAIR] if own else [], "from gdrd_lab.io.images import read_image\n"
    for slot, (name, example) in enumerate((("first", view.first), ("second", view.second))):
        source = f"faces[{example}]"
        if slot in own and own[slot].numbers:
            source = f'gl.align("{name}.jpg", face_selection={own[slot].numbers[own[slot].picked]})'
        elif slot in own:  # taken as an aligned face
            lines, source = [*lines, read], f'read_image("{name}.png")'
        lines.append(f"{name} = {source}\n")
    return _FACES.format(imports=imports) + "".join(lines)


def _degradation(view: View, resolution: str = "") -> str:
    values = {name: getattr(view, name) for name in ("blur", "noise", "illumination", "occlusion", "jpeg")}
    values["camera"] = "" if view.camera == "clean" else view.camera
    changes = [f", {name}={value!r}" for name, value in values.items() if value]
    return f"gl.Degradation({resolution or view.resolution}{''.join(changes)})"


def _compare(view: View, own: Own) -> str:
    imports, known = "from gdrd_lab.evaluation.calibration import calibrate", "calibrate(network)"
    if own:  # photographs are read against real people
        imports, known = (
            "from gdrd_lab.evaluation.real_people import real_people",
            f"real_people(network, {view.camera!r})",
        )
    return f"""{_start(imports, view, own)}
{_networks(view)}degradation = {_degradation(view)}
pair = gl.compare(first, second, networks, [{view.resolution}], degradation, seeds={view.seeds})
thresholds = {{network.name: {known}.threshold({view.resolution}, {view.far}) for network in networks[:2]}}
result = {{name: (values[0], thresholds.get(name)) for name, values in pair.scores.items()}}
result  # score, and threshold at a false match rate of {view.rate}
"""


def _networks(view: View) -> str:
    lines = "networks = [teacher, student]\n"
    if view.third != "none":
        place = view.third if view.third in SHIPPED else "PATH"  # which the page does not tell
        lines += f"networks.append(gl.load_model({f'{view.third}={place}'!r}))\n"
    return lines


def _across(view: View, own: Own) -> str:
    slow = 'networks.append(gl.load_model("super-resolved"))\n' if view.slow else ""
    return f"""{_start("from gdrd_lab.plots import Curve, accuracy_curves", view, own)}
{_networks(view)}{slow}sizes = {sorted({*RESOLUTIONS, view.resolution})}
result = gl.compare(first, second, networks, sizes, {_degradation(view)}, seeds={view.seeds}).scores
curves = [Curve(name, "this pair", sizes, values) for name, values in result.items()]
accuracy_curves(curves, title="Score of this pair across resolutions", metric="cosine score", chance=None)
"""


def _search(view: View, own: Own, own_gallery: bool) -> str:
    return f"""{_start("", view, own)}{_OWN_FOLDER if own_gallery else ""}
probe, result = {_degradation(view)}(gl.to_tensor([first]), seeds=[{view.seeds[0]}]), {{}}
for network in (teacher, student):
    sharp = gl.embed_all(network, faces, gl.Degradation(112))
    result[network.name] = (sharp @ network.embed(probe)[0].numpy()).tolist()
{{name: sorted(zip(scores, faces.keys), reverse=True)[:10] for name, scores in result.items()}}
"""


def _chosen(view: View) -> str:
    return f"face, seed = {view.whose}, {view.seeds[0 if view.whose == 'first' else 1]}"


def _generate(view: View, own: Own) -> str:
    imports = """\
from gdrd_lab.evaluation.metrics.image_quality import identity
from gdrd_lab.plots import face_strip"""
    return f"""{_start(imports, view, own)}
{_chosen(view)}
hr = gl.to_tensor([face])
lr = {_degradation(view)}(hr, seeds=[seed])
seeds = [{view.noise_seed} + k for k in range({SEEDS})]
generated = gl.load_model("super-resolved").pipeline(lr.expand({SEEDS}, -1, -1, -1), {view.steps}, seeds)
result = identity(teacher, hr.expand({SEEDS}, -1, -1, -1), generated).tolist()  # agreement with the original face
face_strip({{"generated": list(gl.to_images(generated))}}, [f"{{value:.2f}}" for value in result])
"""


def _cam(view: View, own: Own) -> str:
    imports = """\
from gdrd_lab.analysis.cam import class_activation_map, deletion, insertion, with_random_weights
from gdrd_lab.plots import face_strip, overlay"""
    other = target = goal = ""
    if view.target != "itself":
        name, seed = ("second", view.seeds[1]) if view.whose == "first" else ("first", view.seeds[0])
        other = f"            other = degradation(gl.to_tensor([{name}]), seeds=[{seed}])\n"
        target, goal = ", network.embed(other)", ", trained.embed(other)[0]"
    return f"""{_start(imports, view, own)}
{_chosen(view)}
result, rows = {{}}, {{}}
for trained in (teacher, student):
    for name, network in ((trained.name, trained), (f"{{trained.name}}, random weights", with_random_weights(trained))):
        rows[name] = []
        for size in {sizes(view)}:
            degradation = {_degradation(view, "size")}
            lr = degradation(gl.to_tensor([face]), seeds=[seed])
{other}            cam = class_activation_map(network, lr{target})[0]
            rows[name].append(overlay(gl.to_images(lr)[0], cam))
            if size == {view.resolution}:
                result[name] = [curve(trained, lr[0], cam, {STEPS}{goal}).area for curve in (deletion, insertion)]
face_strip(rows, [f"{{size}} px" for size in {sizes(view)}])
"""


def _map(view: View, own: bool) -> str:
    imports = """\
from gdrd_lab.analysis.projection import nearest, pca_map, trustworthiness, umap_map
from gdrd_lab.evaluation.calibration import calibrate
from gdrd_lab.plots import map_figure"""
    make = f"umap_map(flat, {view.map_seed})" if view.method == "UMAP" else "pca_map(flat)"
    return f"""{_FACES.format(imports=imports)}{_OWN_FOLDER if own else ""}
result = {{}}
for network in (teacher, student):
    known = calibrate(network{", faces" if own else ""})
    flat = known.embeddings.reshape(-1, known.embeddings.shape[-1])
    place = known.resolutions.index(known.nearest({view.resolution}))
    points = {make}.points.reshape(*known.embeddings.shape[:2], 2)
    near = nearest(known.embeddings[-1], {view.chosen}, 5, known.embeddings[place])
    result[network.name] = (points[place], trustworthiness(known.embeddings[place], points[place]), near.tolist())
map_figure(points[place], faces.labels, title="{view.method} of student", path=points[:, {view.chosen}])
"""
