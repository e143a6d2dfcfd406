"""Uploads: read, aligned, deleted; bad ones answered in a sentence; sessions apart from each other."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.bad_uploads import bad_uploads
from helpers.drawn_faces import drawn_face
from PIL import Image

from gdrd_lab.app import callbacks, uploads
from gdrd_lab.app.gallery import example, examples, recognisers
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import View
from gdrd_lab.app.uploads import own_gallery
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS

BAD = bad_uploads()


@pytest.fixture
def arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that uploads arrive in."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


def put(folder: Path, name: str, content: bytes) -> Path:
    place = folder / "0a1b2c" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    return place


def face_file(number: int = 0, side: int = 160, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(examples()[number]).resize((side, side)).save(file, kind)
    return file.getvalue()


def test_there_are_many_kinds_of_bad_uploads() -> None:
    assert len(BAD) >= 30


@pytest.mark.parametrize("name", list(BAD))
def test_bad_upload_is_answered_in_a_sentence_and_deleted(name: str, arrived: Path) -> None:
    place = put(arrived, name, BAD[name])
    before = Session()
    with pytest.raises(GdrdError) as answer:
        uploads.add_upload(before, 0, str(place))
    text = str(answer.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 250
    assert str(arrived) not in text and "Traceback" not in text
    assert not place.exists() and not place.parent.exists()
    assert before.faces == {}


def test_upload_is_aligned_and_its_file_is_gone(arrived: Path) -> None:
    place = put(arrived, "me.png", face_file(0))
    session = Session()
    uploads.add_upload(session, 0, str(place))
    assert session.faces[0].image.shape == (112, 112, 3) and session.faces[0].example is None
    assert not place.exists() and list(arrived.iterdir()) == []
    kept = session.photographs[0]
    assert len(kept.preview) < 200_000 and kept.faces[0] is session.faces[0]  # the photograph itself is not kept
    shown = uploads.found_html(session, 0)
    assert "1 face found" in shown and "gdrd-frame" in shown


def test_an_aligned_face_of_112_px_is_taken_whatever_the_detector_says(arrived: Path) -> None:
    face = examples()[4]
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    assert np.array_equal(uploads.aligned_face(put(arrived, "a.png", file.getvalue())), face)


def test_several_faces_are_offered_and_one_is_picked(arrived: Path) -> None:
    wide = Image.new("RGB", (700, 320), "grey")
    for k, side in ((0, 200), (3, 280)):
        wide.paste(Image.fromarray(examples()[k]).resize((side, side)), (20 + 340 * (k > 0), 20))
    file = io.BytesIO()
    wide.save(file, "PNG")
    session = Session()
    same, emptied, shown, choice = callbacks.upload(1, session, {"path": str(put(arrived, "two.png", file.getvalue()))})
    assert same is session and emptied is None
    assert len(session.photographs[1].boxes) == 2 and "2 faces found" in shown
    assert (choice.visible and choice.choices == [("1", 1), ("2", 2)]) or [c[1] for c in choice.choices] == [1, 2]
    largest = session.faces[1].image
    callbacks.pick(1, session, 1)
    assert not np.array_equal(session.faces[1].image, largest)
    callbacks.pick(1, session, 2)
    assert np.array_equal(session.faces[1].image, largest)
    with pytest.raises(GdrdError, match="no face 9"):
        callbacks.pick(1, session, 9)


def test_sessions_do_not_share_faces(arrived: Path) -> None:
    one, two = Session(), Session()
    uploads.add_upload(one, 0, str(put(arrived, "a.png", face_file(0))))
    uploads.add_upload(two, 0, str(put(arrived, "b.png", face_file(30))))
    assert not np.array_equal(one.faces[0].image, two.faces[0].image)
    mine, fresh = callbacks.faces_of(View(), one)[0], callbacks.faces_of(View(), Session())[0]
    assert mine is one.faces[0] and fresh is example(0)
    one.put(0, None)
    assert one.faces == {} and two.faces


def test_a_file_elsewhere_is_read_but_never_deleted(arrived: Path, tmp_path: Path) -> None:
    place = tmp_path / "mine.png"
    place.write_bytes(face_file(0))
    uploads.forget(arrived / ".." / "mine.png")
    uploads.forget(place)
    assert place.exists()


def test_too_large_a_file_is_refused_unread(arrived: Path) -> None:
    place = put(arrived, "big.png", b"\0" * (uploads.MAX_BYTES + 1))
    with pytest.raises(GdrdError, match="the limit is 20 MB"):
        uploads.read_upload(place)
    assert not place.exists()


def test_own_photographs_become_a_gallery_and_their_files_go(arrived: Path) -> None:
    paths = [str(put(arrived, f"p{k // 2}_{k}.png", face_file(k, 112))) for k in range(6)]
    paths.append(str(put(arrived, "words.png", b"no image")))
    names = [Path(path).name for path in paths]
    *steps, (html, gallery) = own_gallery(paths, names, recognisers())
    assert gallery is not None and gallery.faces.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert [gallery.person(label) for label in (0, 2, -1)] == ["p0", "p2", "unknown person"]
    for k, (shown, none) in enumerate(steps[: len(paths)], 1):
        assert f"Reading photograph {k} of {len(paths)}" in shown and none is None
    for size, (shown, _) in zip(RESOLUTIONS, steps[len(paths) :], strict=False):
        assert f"SFace embeds 6 faces at {size} px" in shown
    assert "The map shows 6 faces of yours" in html and "words.png was left out: The image cannot be read as" in html
    assert html.count("<li>") == 1 and list(arrived.iterdir()) == []
    few = own_gallery([str(put(arrived, name, b"no image")) for name in ("a.png", "b.png")], ["a", "b"], recognisers())
    for _ in range(2):
        next(few)
    shown, _ = next(few)
    with pytest.raises(GdrdError, match=r"Only 0 of 2 files can be used. Give at least 4"):
        next(few)
    assert "a was left out" in shown and "b was left out" in shown  # each with its reason
    many = [str(put(arrived, f"{k}.png", b"x")) for k in range(uploads.MAX_FILES + 1)]
    with pytest.raises(GdrdError, match=r"501 files are too many for the app. Give at most 500"):
        list(own_gallery(many, many, recognisers()))
    assert list(arrived.iterdir()) == []


def test_photographs_that_nobody_waits_for_are_deleted_too(arrived: Path) -> None:
    paths = [str(put(arrived, f"{k}.png", face_file(k, 112))) for k in range(5)]
    steps = own_gallery(paths, paths, recognisers())
    next(steps)
    steps.close()
    assert list(arrived.iterdir()) == []


def test_the_same_picture_counts_once_in_a_gallery(arrived: Path) -> None:
    paths = [str(put(arrived, f"{k}.png", face_file(min(k, 3), 112))) for k in range(5)]
    names = ["a_1.png", "b_1.png", "b_2.png", "c_1.png", "c_2.png"]
    *_, (html, gallery) = own_gallery(paths, names, recognisers())
    assert gallery is not None and gallery.faces.keys == ["a_1.png", "b_1.png", "b_2.png", "c_1.png"]
    assert "c_2.png was left out: it shows the same picture as c_1.png." in html


@pytest.mark.parametrize("side", [112, 160])
@pytest.mark.parametrize("colour", ["black", "white", (30, 60, 90)])
def test_an_image_of_one_colour_is_no_face(side: int, colour: str | tuple[int, int, int], arrived: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    for use in (uploads.aligned_face, lambda path: uploads.add_upload(Session(), 0, path)):
        with pytest.raises(GdrdError, match="all pixels of the image have the same colour"):
            use(str(put(arrived, "flat.png", file.getvalue())))
    assert list(arrived.iterdir()) == []


def test_drawn_people_are_found_by_the_picker_too(arrived: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(drawn_face()).save(file, "PNG")
    session = Session()
    uploads.add_upload(session, 0, str(put(arrived, "drawn.png", file.getvalue())))
    assert session.faces[0].width


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("number", [0, 21, 42])
def test_a_turned_face_is_refused_with_a_hint(quarters: int, number: int, arrived: Path) -> None:
    with Image.open(io.BytesIO(face_file(number))) as face:
        turned = io.BytesIO()
        face.rotate(90 * quarters).save(turned, "PNG")
    with pytest.raises(GdrdError, match=r"or on its side. Turn the photograph upright|shows a face upright"):
        uploads.add_upload(Session(), 0, str(put(arrived, "turned.png", turned.getvalue())))


@pytest.mark.parametrize("side", [112, 600, 2000])  # large faces have low confidence
def test_no_upright_face_is_taken_for_a_turned_one(side: int) -> None:
    faces = [np.asarray(Image.fromarray(face).resize((side, side))) for face in examples().images[:: 1 + side // 100]]
    assert not any(uploads._turned(face) for face in faces)


def test_large_photographs_of_many_users_take_bounded_memory_and_give_it_back(tmp_path: Path) -> None:
    """Four 16-bit PNG of 13 megapixels at once, after a JPEG of the same size."""
    Image.fromarray(np.full((3600, 3600), 30_000, np.uint16)).save(tmp_path / "deep.png", compress_level=1)
    Image.fromarray(drawn_face(600)).resize((3600, 3600)).save(tmp_path / "face.jpg")
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from gdrd_lab.app.session import Session
from gdrd_lab.app.uploads import add_upload
from gdrd_lab.errors import GdrdError
from gdrd_lab.machine import keep_freed_memory

def use(name):
    try:
        add_upload(Session(), 0, {str(tmp_path)!r} + "/" + name)
    except GdrdError as error:
        return str(error)

def memory(kind):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(kind))

keep_freed_memory()
assert use("face.jpg") is None
before = memory("VmRSS")
with ThreadPoolExecutor(4) as pool:
    assert all("No face" in answer for answer in pool.map(use, ["deep.png"] * 4))
print(memory("VmRSS") - before, memory("VmHWM") - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, peak = map(float, done.stdout.split())
    assert kept < 40 and peak < 150, (kept, peak)
