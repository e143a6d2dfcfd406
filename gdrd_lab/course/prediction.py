"""Predict, then run: the reader guesses first; one figure then shows the guess and the result."""

from collections.abc import Mapping
from typing import Any

from ipywidgets import HTML, FloatSlider, Layout, VBox
from matplotlib.figure import Figure

from gdrd_lab.course.display import show, show_text
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots import guesses


class Prediction:
    """Sliders for a guess. Each starts at a stated default, so that a notebook also runs without a reader.

    ``defaults`` has a guess from ``low`` to ``high`` for each quantity; ``unit`` is the label of the figure's axis.
    """

    def __init__(
        self, question: str, defaults: Mapping[str, float], *,
        low: float = 0.0, high: float = 1.0, step: float = 0.01, unit: str = "",
    ) -> None:  # fmt: skip
        outside = [name for name, value in defaults.items() if not low <= value <= high]
        if not defaults or outside:
            which = f" for {outside[0]}" if outside else ""
            what = f"The question has no default guess from {low:g} to {high:g}{which}"
            raise GdrdError(what, "Give one for each quantity")
        self.question, self.unit, self.defaults = question, unit, dict(defaults)
        look = {"style": {"description_width": "16em"}, "layout": Layout(width="38em")}
        self.sliders = {
            name: FloatSlider(value=value, min=low, max=high, step=step, description=name, **look)
            for name, value in defaults.items()
        }
        self.widget = VBox([HTML(f"<b>Predict:</b> {question}"), *self.sliders.values()])

    @property
    def guess(self) -> dict[str, float]:
        """The present guess."""
        return {name: float(slider.value) for name, slider in self.sliders.items()}

    @property
    def moved(self) -> bool:
        """Whether the reader has moved a slider."""
        return self.guess != self.defaults

    def ask(self) -> None:
        """Display the sliders; without JupyterLab, the question and its stated default."""
        text = ", ".join(f"{name}: {value:g}" for name, value in self.defaults.items())
        show_text(self.widget, f"Predict: {self.question.rstrip('.')}. Stated default guess: {text}.")

    def figure(self, result: Mapping[str, float]) -> Figure:
        """Return the figure of guess and result."""
        if set(result) != set(self.defaults):
            what = f"The result has {', '.join(result)} where the question asked for {', '.join(self.defaults)}"
            raise GdrdError(what, "Measure each quantity that was asked for")
        return guesses(self.question, self.guess, result, unit=self.unit, moved=self.moved)

    def reveal(self, result: Mapping[str, float]) -> None:
        """Display the guess against the result."""
        show(self.figure(result))


def predict(question: str, defaults: Mapping[str, float], **options: Any) -> Prediction:
    """Display sliders for a guess; ``reveal(result)`` of the returned ``Prediction`` shows guess and result."""
    prediction = Prediction(question, defaults, **options)
    prediction.ask()
    return prediction
