"""Slides: what of a lesson is on them, and that a browser shows and turns them without a network."""

import base64
import io
import runpy
from pathlib import Path

import pytest
from helpers.browser import running_browser
from PIL import Image

SLIDES = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "slides.py"))


def picture() -> str:
    Image.new("RGB", (300, 200), (0, 90, 200)).save(made := io.BytesIO(), "PNG")
    return base64.b64encode(made.getvalue()).decode()


def lesson() -> dict:
    def text(*lines: str) -> dict:
        return {"cell_type": "markdown", "source": ["\n".join(lines)]}

    def code(*outputs: dict) -> dict:
        return {"cell_type": "code", "source": ["x"], "outputs": [{"data": data} for data in outputs]}

    figure = {"image/png": picture(), "text/plain": 'One "bar".'}
    return {
        "cells": [
            text("# 00 A lesson", "", "**Goals.** See *one* thing.", "", "**Time.** Long.", "",
                 "## The result", "First.", "", "Second."),
            code(figure, {"text/html": "<p>asked</p>"}),
            text("More words.", "", "$$a = \\cos b$$"),
            text("## Exercises", "### Exercise 1: hard", "Do it."),
            code(figure),
            text("## Summary", "- One.", "- Two.", "", "**Limits.** Many.", "", "## Questionnaire", "1. Why?", "",
                 "<details><summary>Answers</summary>", "", "1. So.", "", "</details>", "", "## Further reading",
                 "- A book."),
        ]
    }  # fmt: skip


def test_goals_openings_formulas_figures_summary_and_questions_are_on_slides() -> None:
    made = list(SLIDES["pages"](lesson()["cells"]))
    assert len(made) == 6
    goals, result, figure, formula, summary, questions = made
    assert "<h1>00 A lesson</h1>" in goals and "See <em>one</em> thing." in goals and "Long" not in goals
    assert "<h2>The result</h2>" in result and "First." in result and "Second." not in result
    assert 'alt="One &quot;bar&quot;."' in figure and f"base64,{picture()}" in figure
    assert "<math" in formula and "$" not in formula and "More words" not in formula
    assert "Two." in summary and "Limits" not in summary
    assert "Why?" in questions and "So." not in questions
    assert not [slide for slide in made if "Exercise" in slide or "A book" in slide]


def test_a_slide_does_not_end_in_a_colon() -> None:
    paragraphs = {"Two tests:\n\n1. One.\n2. Two.\n\nMore.": ["One.", "Two."], "What follows is a cell:\n": ["cell."]}
    for text, ends in paragraphs.items():
        (made,) = SLIDES["slide"]("A section", text, opening=True)
        assert all(end in made for end in ends) and "More" not in made
        assert not made.removesuffix("</p>\n").endswith(":")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_browser_shows_the_slides_and_turns_them(width: int, dark: bool, tmp_path: Path) -> None:
    place = tmp_path / "00.html"
    place.write_text(SLIDES["deck"](lesson()), encoding="utf-8")
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": width, "height": 720}, color_scheme="dark" if dark else "light")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(place.as_uri())
        assert page.title() == "00 A lesson"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('img').naturalWidth") == 300
        for key, number in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
            page.keyboard.press(key)
            page.wait_for_function(f"Math.abs(pages[{number}].getBoundingClientRect().top) < 2")
        assert not [url for url in asked if not url.startswith(("file:", "data:"))]
