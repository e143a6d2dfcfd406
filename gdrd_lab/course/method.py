"""A drawing of the method with the route of every student in it; the losses come from the recipes."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gdrd_lab.plots.figures import COLOURS, DPI, GREY, INK, SMALL, TEXT, set_alt_text
from gdrd_lab.training import recipes
from gdrd_lab.training.config import HeadConfig

BOXES = {  # left, bottom, second line, whether it is trained here on small faces
    "generative teacher": (0, 72, "diffusion, super-resolution", False),
    "backbone": (36, 72, "stage 1, then frozen", True),
    "head": (72, 72, "stage 2", True),
    "SFace": (36, 42, "reads the sharp face", False),
    "assistant": (36, 10, "SFace on small faces", True),
    "student": (72, 10, "pruned assistant", True),
}


def method_figure() -> Figure:
    """Draw who teaches whom by which losses: above in the paper's order, below without stage 1."""
    arrows = {
        ("generative teacher", "backbone"): "L_{gen}",
        ("backbone", "head"): "",
        ("SFace", "head"): losses_from_sface(recipes.cpu().head),
        ("SFace", "assistant"): losses_from_sface(recipes.assistant().head),
        ("SFace", "student"): losses_from_sface(recipes.best().head),
        ("assistant", "student"): "L_{kd}",
    }
    figure = Figure(figsize=(7.4, 4.8), dpi=DPI, layout="constrained")
    axes = figure.add_subplot(xlim=(-1, 101), ylim=(0, 100))
    axes.axis("off")
    patches = {}
    for name, (x, y, second, trained) in BOXES.items():
        colour = COLOURS[int(trained)]
        look: dict[str, Any] = {"linewidth": 1.8, "edgecolor": colour, "facecolor": (colour, 0.12)}
        patches[name] = axes.add_patch(FancyBboxPatch((x, y), 28, 14, "round,pad=0,rounding_size=1.5", **look))
        axes.text(x + 14, y + 7, f"{name}\n{second}", ha="center", va="center", fontsize=SMALL, color=INK)
    for (first, last), losses in arrows.items():
        (ax, ay, *_), (bx, by, *_) = BOXES[first], BOXES[last]
        look = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4}
        ends = {"patchA": patches[first], "patchB": patches[last], "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (bx + 14, by + 7), (ax + 14, ay + 7), arrowprops=look | ends, zorder=0)
        place = ((ax + bx) / 2 + 14, (ay + by) / 2 + 7 + (4.5 if ay == by else 0))
        back = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if losses and ay != by else None
        axes.text(
            *place, f"${losses}$" if losses else "", ha="center", va="center", fontsize=TEXT, color=INK, bbox=back
        )
    routes = {94: "paper-student: begins as student, then the paper's order", 30: "assistant and student:\nno stage 1"}
    for height, text in routes.items():
        axes.text(0, height, text, fontsize=TEXT, color=INK, weight="bold", va="center")
    axes.text(0, 2, "Blue: teachers. Orange: trained here, on small faces. Letters: losses.", fontsize=SMALL, color=INK)
    told = "; ".join(f"{a} to {b}{f' by {losses}' if losses else ''}" for (a, b), losses in arrows.items())
    clean = told.replace("{", "").replace("}", "").replace("\\mathrm", "")
    return set_alt_text(
        figure, f"Who teaches whom, by arrows: {clean}. {'. '.join(routes.values())}.".replace("\n", " ")
    )


def losses_from_sface(head: HeadConfig) -> str:
    """Return the losses by which SFace teaches in a recipe's second stage, in LaTeX."""
    names = {"rcd": "L_{rcd}", "kd": "L_{kd}", "cls": "L_{cls}", "crd_memory": r"\mathrm{CRD}"}
    return " + ".join(text for name, text in names.items() if getattr(head, f"weight_{name}"))
