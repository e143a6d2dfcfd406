"""Alignment puts landmarks where the template has them, whatever the photograph's size, place or turn."""

import os
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, encoded, noise_face, save, scenery
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE, similarity, template
from gdrd_lab.alignment.yunet import Aligner, align_many, crop, landmark_offset, square
from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.folder import align_folder
from gdrd_lab.datasets.registry import LARGEST_OFFSET, SAMPLE
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

FACES = os.environ.get("GDRD_FACES")
needs_faces = pytest.mark.skipif(not FACES, reason="real faces are not here: set GDRD_FACES to their folder")


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


def group() -> np.ndarray:
    """Three faces in a row, the middle one largest."""
    image = np.full((400, 900, 3), 110, np.uint8)
    image[150:350, 0:200] = drawn_face(200, 0)
    image[50:350, 250:550] = drawn_face(300, 1)
    image[150:350, 650:850] = drawn_face(200, 2)
    return image


def test_similarity_is_the_least_squares_one() -> None:
    transform = pytest.importorskip("skimage.transform")
    random = np.random.default_rng(0)
    for _ in range(20):
        source, target = random.normal(size=(2, 5, 2)) * 50
        ours = similarity(source, target)
        # Umeyama's solution by singular value decomposition; a mirrored best fit is no similarity for either.
        theirs = transform.SimilarityTransform.from_estimate(source, target)
        np.testing.assert_allclose(ours, theirs.params[:2], atol=1e-8)


def test_similarity_recovers_a_known_one_and_never_mirrors() -> None:
    turn = np.array([[0, -2], [2, 0]])
    matrix = similarity(TEMPLATE, TEMPLATE @ turn.T + [5, -7])
    np.testing.assert_allclose(matrix, [[0, -2, 5], [2, 0, -7]], atol=1e-9)
    mirrored = similarity(TEMPLATE, TEMPLATE * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_template_scales_with_pixel_corners() -> None:
    np.testing.assert_allclose(template(112), TEMPLATE)
    # The corner of the image is at -0.5 at any size.
    np.testing.assert_allclose((template(56) + 0.5) * 2, TEMPLATE + 0.5)


def test_crop_at_the_template_changes_nothing() -> None:
    face = noise_face(0)
    np.testing.assert_array_equal(crop(face, TEMPLATE), face)


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_crop_that_shrinks_averages_instead_of_skipping(factor: int) -> None:
    large = noise_face(1, 112 * factor)
    got = crop(large, template(112 * factor)).astype(float)
    blocks = large.reshape(112, factor, 112, factor, 3).mean((1, 3))
    assert np.abs(got - blocks).mean() < 3
    # Taking single pixels instead would leave the noise at full strength.
    assert got.std() < 1.2 * blocks.std() < large.std()


def test_eyes_and_mouth_land_on_the_template(aligner: Aligner) -> None:
    face = aligner.align(drawn_face(300))
    assert face.shape == (112, 112, 3) and face.dtype == np.uint8
    found = aligner.detect(face)
    assert len(found) == 1
    assert np.abs(found[0].landmarks - TEMPLATE).max() < 5


@pytest.mark.parametrize("size", [32, 40, 112, 200, 640, 2500])
def test_face_is_found_at_any_size_and_mapped_back(size: int, aligner: Aligner) -> None:
    (face,) = aligner.detect(drawn_face(size))
    eyes = face.landmarks[:2] / size
    np.testing.assert_allclose(eyes, [[0.4, 0.45], [0.6, 0.45]], atol=0.045)
    assert 0.7 <= face.score <= 1


@pytest.mark.parametrize("size", [60, 200, 900])
def test_tight_crops_are_found_by_a_margin(size: int, aligner: Aligner) -> None:
    whole = drawn_face(size * 2)
    tight = np.ascontiguousarray(whole[int(0.36 * size) : int(1.56 * size), int(0.5 * size) : int(1.5 * size)])
    assert len(aligner.detect(tight)) == 1


def test_small_face_in_a_large_picture_is_found(aligner: Aligner) -> None:
    image = np.full((3000, 4000, 3), 110, np.uint8)
    image[1400:1500, 3000:3100] = drawn_face(100)
    (face,) = aligner.detect(image)
    np.testing.assert_allclose(face.landmarks[0], [3040, 1445], atol=8)


@pytest.mark.parametrize("shape", [(80, 100), (300, 400)])
def test_a_face_of_15_pixels_is_found_in_small_and_in_larger_photographs(
    shape: tuple[int, int], aligner: Aligner
) -> None:
    """YuNet does not find it as it is."""
    image = np.full((*shape, 3), 110, np.uint8)
    image[20:44, 30:54] = drawn_face(24)
    assert not aligner.detect_at(image, 1)
    (face,) = aligner.detect(image)
    np.testing.assert_allclose(face.landmarks[0], [39.6, 30.8], atol=1.5)


def test_what_is_found_at_once_is_not_enlarged(aligner: Aligner, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = []
    search = Aligner.detect_at
    watched = lambda self, image, *how: (scales.append(how[0]), search(self, image, *how))[1]  # noqa: E731
    monkeypatch.setattr(Aligner, "detect_at", watched)
    assert aligner.detect(drawn_face(300)) and scales == [1]
    assert not aligner.detect(scenery(300)) and scales[1:] == [1, 1, 4]


def test_detections_run_from_left_to_right_and_are_chosen_by_name_or_number(aligner: Aligner) -> None:
    image = group()
    found = aligner.detect(image)
    assert [face.box[0] < 250 for face in found] == [True, False, False] and len(found) == 3
    assert aligner.choose(image, "largest").box[0] == found[1].box[0]
    assert aligner.choose(image, "central").box[0] == found[1].box[0]
    assert aligner.choose(image, 2).box[0] == found[2].box[0]
    assert aligner.choose(image[:, :600], "central").box[0] == pytest.approx(found[1].box[0], abs=4)


def test_several_faces_are_refused_with_their_number(aligner: Aligner) -> None:
    with pytest.raises(GdrdError, match=r'3 faces were found in the image\. Choose one: "largest", "central"'):
        aligner.align(group())
    for wrong in (3, -1, "smallest"):
        with pytest.raises(GdrdError, match="There is no face"):
            aligner.align(group(), wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(200, 300), (10, 20_000), (20_000, 10), (8, 8), (32, 640)])
def test_no_face_is_one_clear_line(shape: tuple[int, int], aligner: Aligner) -> None:
    with pytest.raises(GdrdError, match="No face was found"):
        aligner.align(scenery(*shape))


@pytest.mark.parametrize("image", [np.zeros((20, 20)), np.zeros((20, 20, 3)), np.zeros((0, 20, 3), np.uint8)])
def test_wrong_arrays_are_refused(image: np.ndarray, aligner: Aligner) -> None:
    with pytest.raises(GdrdError, match="must be uint8"):
        aligner.detect(image)


def test_size_of_the_result(aligner: Aligner) -> None:
    small, large = aligner.align(drawn_face(300), size=56), aligner.align(drawn_face(300), size=112)
    half = np.asarray(Image.fromarray(large).resize((56, 56), Image.Resampling.BOX)).astype(float)
    assert small.shape == (56, 56, 3) and np.abs(small - half).mean() < 2


def test_threads_share_an_aligner_and_it_can_be_sent_to_a_process(aligner: Aligner) -> None:
    images = [drawn_face(size) for size in (150, 220, 310, 400)]
    expected = [aligner.align(image) for image in images]
    wrong: list[int] = []

    def work(shift: int) -> None:
        for step in range(8):
            index = (step + shift) % 4
            if not np.array_equal(aligner.align(images[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(aligner)).align(images[0]), expected[0])


def test_align_many_keeps_the_order_and_yields_errors_in_place() -> None:
    aligned = noise_face(2)
    sources = [encoded(drawn_face(200)), b"", encoded(scenery()), encoded(aligned), encoded(drawn_face(150, 1))]
    got = list(align_many(sources, align="auto", progress=False))
    assert [isinstance(item, GdrdError) for item in got] == [False, True, True, False, False]
    assert "empty" in str(got[1]) and "No face" in str(got[2])
    np.testing.assert_array_equal(got[3], aligned)


def test_align_folder_keeps_names_and_says_what_was_left_out(tmp_path: Path) -> None:
    source, out, options = tmp_path / "photos", tmp_path / "faces", ReadOptions("always", progress=False)
    save(source / "ann" / "one.jpg", drawn_face(200))
    save(source / "bob" / "two.png", drawn_face(260, 1))
    save(source / "bob" / "field.png", scenery())
    save(source / "bob" / "group.png", group())
    done, refused = align_folder(source, out, options)
    assert done == 2 and [name for name, _ in refused] == ["bob/field", "bob/group"]
    assert sorted(file.relative_to(out).as_posix() for file in out.rglob("*.*")) == ["ann/one.png", "bob/two.png"]
    assert read_image(out / "ann" / "one.png").shape == (112, 112, 3)
    assert align_folder(source, out, replace(options, face_selection="central"))[0] == 3
    with pytest.raises(GdrdError, match="lies in"):
        align_folder(source, source / "faces", options)


@needs_faces
def test_real_faces_are_found_and_centred(aligner: Aligner) -> None:
    files = sorted(Path(str(FACES), "lfw").glob("*/*.jpg"))[::400]
    for file in files:
        image = read_image(file)
        face = crop(image, aligner.choose(image, "central").landmarks)
        again = min(aligner.detect(face), key=lambda found: float(np.abs(found.landmarks - TEMPLATE).max()))
        assert np.abs(again.landmarks - TEMPLATE).mean() < 4, file.name


@needs_faces
def test_aligned_training_faces_stay_where_they_are(aligner: Aligner) -> None:
    files = sorted(Path(str(FACES), "celebahq25k").glob("*.jpg"))[::1500]
    offsets = [aligner.choose(read_image(file), "central").landmarks - TEMPLATE for file in files]
    assert np.abs(np.median(offsets, 0).mean(0)).max() < 1.5


@pytest.mark.parametrize("size", [4, 8, 16, 64, 112])
def test_a_small_face_keeps_its_pixels(size: int, aligner: Aligner) -> None:
    face = noise_face(0, size)
    np.testing.assert_array_equal(aligner.face(face), face)
    with pytest.raises(GdrdError, match="No face was found"):
        aligner.face(face, "always")


def test_a_crop_that_is_not_square_is_padded_with_its_border(aligner: Aligner) -> None:
    face = noise_face(0, 24)[:, :20]
    padded = aligner.face(face)
    assert padded.shape == (24, 24, 3)
    np.testing.assert_array_equal(padded[:, 2:22], face)
    np.testing.assert_array_equal(padded[:, 0], face[:, 0])
    np.testing.assert_array_equal(padded[:, 23], face[:, 19])
    np.testing.assert_array_equal(square(noise_face(0, 6)[:5])[5], noise_face(0, 6)[4])


def test_a_photograph_is_aligned_unless_told_otherwise(aligner: Aligner) -> None:
    photograph = drawn_face(113)
    np.testing.assert_array_equal(aligner.face(photograph), aligner.align(photograph))
    np.testing.assert_array_equal(aligner.face(photograph, "never"), photograph)


def test_aligned_faces_are_told_from_others() -> None:
    photographs = [drawn_face(size) for size in (150, 200, 250, 300)]
    aligner = Aligner()
    assert landmark_offset([aligner.align(image) for image in photographs], aligner) < LARGEST_OFFSET  # type: ignore[operator]
    assert landmark_offset(photographs) > LARGEST_OFFSET  # type: ignore[operator]
    assert landmark_offset(photographs[:2]) is None and landmark_offset([noise_face(0)] * 5) is None


@pytest.mark.parametrize("size", [64, 112])
def test_synthetic_faces_look_aligned(size: int) -> None:
    assert landmark_offset(synthetic_faces(12, 2, size).images) < 2.5  # type: ignore[operator]


@needs_faces
@pytest.mark.parametrize(
    ("folder", "side", "aligned"),
    [
        ("celeba10k/*/*.jpg", 112, True),
        ("celebahq25k/*.jpg", 112, True),
        ("utkface/*.jpg", 112, True),
        ("yaleb/*/*.png", 112, True),
        ("lfw/*/*.jpg", 176, False),
        ("lfw/*/*.jpg", 140, False),
    ],
)
def test_real_faces_look_aligned_or_not(folder: str, side: int, aligned: bool) -> None:
    files = sorted(Path(str(FACES)).glob(folder))
    for start in range(3):
        images = [read_image(file) for file in files[start * 7 :: len(files) // SAMPLE]]
        margin = (images[0].shape[0] - side) // 2
        centres = [image[margin : margin + side, margin : margin + side] for image in images]
        offset = landmark_offset(centres)
        assert (
            (offset is None or offset < LARGEST_OFFSET) if aligned else offset is not None and offset > LARGEST_OFFSET
        )
