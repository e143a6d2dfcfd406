"""The state of one user's page: one object that all events of the page share, and change key by key."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gdrd_lab.app.gallery import Face, Gallery
from gdrd_lab.app.state import Tab, View
from gdrd_lab.errors import GdrdError


@dataclass(frozen=True)
class Photograph:
    """What is kept of an uploaded photograph: its faces, and a small picture to choose among them."""

    preview: str  # data link of the small picture
    boxes: np.ndarray  # (K, 4) left, top, width and height of each face as shares of the picture, from left to right
    faces: tuple[Face, ...]  # the K aligned faces; one face without a box if the picture was taken as aligned
    numbers: tuple[int, ...] = ()  # (K,) of each face among all faces found, counted from the left and from 0
    picked: int = 0  # place of the face that is used
    left_out: int = 0  # smaller faces that are not offered

    @property
    def face(self) -> Face:
        """The face that is used."""
        return self.faces[self.picked]


class Session:
    """The state of one user. Other users cannot reach it. Gradio deletes it an hour after the page is closed."""

    def __init__(self) -> None:
        """Start with the default settings and without uploads."""
        self.uploads: dict[int | str, Photograph | Gallery | None] = {}  # by slot: 0, 1 or "gallery"
        self.view = View()  # the newest settings
        self.origin: Tab = "compare"  # the last tab before "Download", which its link opens
        self.cell_of: Tab = "compare"  # whose notebook cell is shown
        self.changes = 0  # a result is stale if anything was changed after its number was given
        self.results: dict[str, tuple[Any, Any]] = {}  # by kind: what it was made for, and the last one
        self.projection: tuple[Literal["PCA", "UMAP"], int] = "PCA", 0  # method and seed of the map shown last
        self.progress = ""  # of the maps that the user waits for (HTML)
        self.times: dict[str, float] = {}  # when the page sent each setting
        self.tickets: dict[int | str, int] = {}  # of the newest upload of each slot
        self.lock = threading.RLock()

    def __deepcopy__(self, memo: object) -> "Session":
        return Session()  # Gradio copies the initial value for each user

    @property
    def photographs(self) -> dict[int, Photograph]:
        """The user's photographs by slot."""
        return {k: item for k, item in self.uploads.items() if isinstance(k, int) and isinstance(item, Photograph)}

    @property
    def faces(self) -> dict[int, Face]:
        """The faces in use by slot."""
        return {slot: photograph.face for slot, photograph in self.photographs.items()}

    @property
    def gallery(self) -> Gallery | None:
        """The user's own faces for the map."""
        return found if isinstance(found := self.uploads.get("gallery"), Gallery) else None

    def update(self, time: float, settings: Mapping[str, Any]) -> tuple[View, int]:
        """Take over settings sent at ``time`` unless newer ones came first; return the view and the change's number."""
        with self.lock:
            fresh = {name: value for name, value in settings.items() if time >= self.times.get(name, 0)}
            self.view = replace(self.view, **fresh)
            self.times |= dict.fromkeys(fresh, time)
            self.origin = self.origin if self.view.tab == "download" else self.view.tab
            self.changes += 1
            return self.view, self.changes

    def ticket(self, slot: int | str) -> int:
        """Return the ticket of a new upload; those given before for the slot are void."""
        with self.lock:
            self.tickets[slot] = self.tickets.get(slot, 0) + 1
            return self.tickets[slot]

    def put(self, slot: int | str, upload: Photograph | Gallery | None, ticket: int | None = None) -> None:
        """Use an upload, unless its ticket is void; None goes back to the synthetic faces."""
        with self.lock:
            if (ticket or self.ticket(slot)) == self.tickets[slot]:
                if slot in self.uploads:
                    self.results.clear()  # they may hold the upload that was there
                self.uploads = {**self.uploads, slot: upload}
                self.changes += 1

    def pick(self, slot: int, number: int) -> None:
        """Use another face of the photograph in ``slot``; faces are counted from the left and from 1."""
        with self.lock:
            photograph = self.photographs[slot]
            if number - 1 not in photograph.numbers:
                choices = ", ".join(str(k + 1) for k in photograph.numbers)
                raise GdrdError(f"There is no face {number}", f"Choose {choices}")
            self.uploads = {**self.uploads, slot: replace(photograph, picked=photograph.numbers.index(number - 1))}
            self.changes += 1

    def result(self, kind: str, made_for: Any) -> Any:
        """Return the last result of a kind if it was made for this; None otherwise."""
        key, content = self.results.get(kind, (None, None))
        return content if key == made_for else None
