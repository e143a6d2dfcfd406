"""Tab "Search": the first face, small, ranked against the sharp faces of the gallery by teacher and student."""

from typing import Any

import numpy as np

from gdrd_lab.app.gallery import Face, Gallery, recognisers, synthetic_gallery
from gdrd_lab.app.html import columns, notes, picture, picture_link, row
from gdrd_lab.app.state import View

SHOWN = 10
LIMITS = "The thresholds of the tab Compare do not hold here: there both faces are small."


def ranked(view: View, probe: Face, gallery: Gallery, recogniser: Any) -> list[tuple[int, float]]:
    """Return the number and score of every sharp face of the gallery except the probe itself, highest score first."""
    embedding = probe.embedding(recogniser, view.degradation, view.seeds[0])
    scores = gallery.known[recogniser.name].embeddings[-1] @ embedding
    itself = probe.example if gallery is synthetic_gallery() else None
    return [(int(k), float(scores[k])) for k in np.argsort(-scores, kind="stable") if k != itself]


def mates(probe: Face, gallery: Gallery) -> set[int] | None:
    """Return the faces of the gallery that show the probe's person; None if nobody knows."""
    drawn = gallery is synthetic_gallery()
    if probe.example is None and not drawn:
        return None
    if probe.example is None or not drawn:
        return set()  # a photograph among synthetic people, or the reverse
    return set(np.flatnonzero(gallery.faces.labels == gallery.faces.labels[probe.example]).tolist())


def show(view: View, probe: Face, gallery: Gallery) -> tuple[str, ...]:
    """Return the content of the tab: the probe, and the list of each recogniser (HTML)."""
    same, parts = mates(probe, gallery), []
    small = picture(picture_link(probe.degraded(view.degradation, view.seeds[0])), probe.name, css="pixelated")
    for recogniser in recognisers():
        found = ranked(view, probe, gallery, recogniser)
        place = next((k for k, (face, _) in enumerate(found, 1) if face in (same or ())), None)
        title = f"{recogniser.name}: " + (
            f"the right person is at rank {place} of {len(found)}" if place else "nearest"
        )
        pictures = []
        for k, (face, score) in enumerate(found[:SHOWN], 1):
            true = face in (same or ())
            text = f"{k}. {gallery.faces.keys[face]}: {score:.2f}{', same person' if true else ''}"
            pictures.append(picture(gallery.thumbnails[face], text, 92, "marked" if true else ""))
        parts.append(row(pictures, title))
    unknown = [] if same is None or same else ["The person of the first face is not in this gallery."]
    return (row([small], f"First face at {view.resolution} px") + notes([LIMITS, *unknown]) + columns(parts),)
