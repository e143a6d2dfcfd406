"""A drawing of the method with the route of every student in it; the losses come from the recipes."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gdrd_lab.plots.figures import COLOURS, DPI, GREY, INK, SMALL, TEXT, set_alt_text
from gdrd_lab.training import recipes
from gdrd_lab.training.config import HeadConfig

LOSSES = {"rcd": "L_{rcd}", "kd": "L_{kd}", "cls": "L_{cls}", "crd_memory": "CRD", "assistant": "L_{kd}"}
TEACHER, TRAINED = COLOURS[0], COLOURS[1]


def losses_of(config: HeadConfig, names: Sequence[str] = ("rcd", "kd", "cls", "crd_memory")) -> str:
    """Return the losses that a recipe's second stage takes from SFace, or the named ones, in order."""
    used = [LOSSES[name] for name in names if getattr(config, f"weight_{name}")]
    return "$" + " + ".join(f"\\mathrm{{{name}}}" if name == "CRD" else name for name in used) + "$"


def method_figure() -> Figure:
    """Draw who teaches whom: the paper's order, the assistant, and the shipped student; boxes, and losses on arrows."""
    paper, assistant, best = recipes.cpu().head, recipes.assistant().head, recipes.best().head
    figure = Figure(figsize=(7.6, 5.0), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-1, 101), ylim=(0, 101))
    axes.axis("off")
    _route(axes, 97, "paper-student: the whole method, in the paper's order")
    _box(axes, 0, 78, "generative teacher\ndiffusion, super-resolution", TEACHER)
    _box(axes, 36, 78, "backbone\nstage 1, then frozen", TRAINED)
    _box(axes, 72, 78, "head\nstage 2", TRAINED)
    _arrow(axes, (28, 84), (36, 84), "$L_{gen}$")
    _arrow(axes, (64, 84), (72, 84), "")
    _box(axes, 72, 58, "SFace\nreads the sharp face", TEACHER)
    _arrow(axes, (86, 70), (86, 78), losses_of(paper), 0)
    _route(axes, 47, "assistant and student: no generative teacher, no stage 1")
    _box(axes, 0, 28, "SFace\nreads the sharp face", TEACHER)
    _box(axes, 36, 28, "assistant\nSFace on small faces", TRAINED)
    _box(axes, 72, 28, "student\npruned, then trained", TRAINED)
    _arrow(axes, (28, 34), (36, 34), losses_of(assistant).replace(" + ", "$\n$"))
    _arrow(axes, (64, 34), (72, 34), losses_of(best, ["assistant"]))
    axes.plot([14, 14, 86], [28, 17, 17], color=GREY, linewidth=1.4)
    _arrow(axes, (86, 17), (86, 28), "")
    axes.text(50, 18.5, losses_of(best), ha="center", va="bottom", fontsize=TEXT, color=INK)
    key = "Blue: teachers. Orange: networks that are trained on small faces. Letters on arrows: losses."
    axes.text(0, 4, key, fontsize=SMALL, color=INK)
    figure.suptitle("Who teaches whom", fontsize=TEXT + 1, color=INK)
    told = (
        "Who teaches whom. First route, paper-student: in stage 1 the generative teacher, a diffusion model, teaches the "
        f"backbone by L_gen; the backbone is frozen; in stage 2 SFace teaches the head by {_plain(losses_of(paper))}. "
        f"Second route: SFace, trained on by {_plain(losses_of(assistant))}, becomes the assistant; the student is pruned "
        f"from the assistant and learns its embeddings of the same small face, and SFace's of the sharp face by "
        f"{_plain(losses_of(best))}. The second route has no generative teacher and no stage 1."
    )
    return set_alt_text(figure, told)


def _plain(losses: str) -> str:
    return losses.replace("$", "").replace("\\mathrm", "").replace("{", "").replace("}", "")


def _route(axes: Axes, y: float, text: str) -> None:
    axes.text(0, y, text, fontsize=TEXT, color=INK, weight="bold", va="top")


def _box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    look = {"boxstyle": "round,pad=0,rounding_size=1.5", "linewidth": 1.8, "edgecolor": colour}
    axes.add_patch(FancyBboxPatch((x, y), 28, 12, facecolor=(colour, 0.12), **look))
    axes.text(x + 14, y + 6, text, ha="center", va="center", fontsize=SMALL, color=INK)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str, above: float = 2) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4})
    middle = ((start[0] + end[0]) / 2 - (1 if not above else 0), (start[1] + end[1]) / 2 + above)
    across = "center" if above else "right"
    axes.text(*middle, text, ha=across, va="bottom" if above else "center", fontsize=TEXT, color=INK)
