"""The camera as the first photograph: each frame is scored by the functions of the tab "Compare", and is not kept."""

import base64
from html import escape

from gdrd_lab.app.gallery import Face
from gdrd_lab.app.html import columns, picture, picture_link, row, table
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.compare import HEADINGS, compared, score_rows
from gdrd_lab.app.uploads import MOST_PIXELS, find_faces, one_at_a_time
from gdrd_lab.app.verdict import known_pairs, sentence
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

SHOWN = 4  # columns of the table of scores that fit beside the picture
LONGEST = 1_000_000  # characters of a frame


def frame_face(frame: str) -> Face:
    """Return the largest face of a frame, which is a data link of a JPEG."""
    kind, _, content = frame.partition(",")
    try:
        if kind != "data:image/jpeg;base64" or len(content) > LONGEST:
            raise ValueError
        image = read_image(base64.b64decode(content), MOST_PIXELS)
    except ValueError as error:
        raise GdrdError("The frame is not a JPEG of at most 1 MB", "Start the camera again") from error
    return find_faces(image).face


def show(view: View, frame: str, second: Face) -> str:
    """Return the face of a frame at the view's resolution and its scores against the second face, or one sentence."""
    try:
        face = one_at_a_time(frame_face, frame)
    except GdrdError as error:
        return f"<p>{escape(error.what)}.</p>"
    comparison, known = compared(view, face, second), known_pairs(view, face, second)
    said = sentence(view, face, second, {name: score for name, (score,) in comparison.scores.items()}, known)
    text = f"camera at {view.resolution} x {view.resolution} pixels"
    small = picture(picture_link(face.degraded(view.degradation, view.seeds[0])), text, 210, "pixelated large")
    scores = table(HEADINGS[:SHOWN], [cells[:SHOWN] for cells in score_rows(comparison, view, known)])
    return columns([row([small]), f'<div><p class="gdrd-verdict">{said}</p>{scores}</div>'])
