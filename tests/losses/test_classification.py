import copy
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import ArcFace, CosFace

CLASSES, SIZE = 4, 6
LOSSES = [ArcFace, CosFace]


def embeddings(rows: int = 5) -> torch.Tensor:
    return torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(loss: Callable[..., Any], **options: Any) -> Any:
    torch.manual_seed(1)
    return loss(CLASSES, SIZE, **options).double()


LABELS = torch.tensor([2, 0, -1, 3, 0])


def reference(
    loss: Callable[..., Any], x: np.ndarray, labels: list[int], weight: np.ndarray, margin: float, scale: float
) -> float:
    losses = []
    for row, label in zip(x, labels, strict=True):
        if label < 0:
            continue
        logits = []
        for c in range(weight.shape[1]):
            w = weight[:, c]
            cosine = float(row @ w) / (np.linalg.norm(row) * np.linalg.norm(w))
            if c == label and loss is ArcFace:
                angle = math.acos(cosine)
                # Past 180 degrees less the margin the cosine would rise again: a straight line goes on instead.
                cosine = math.cos(angle + margin) if angle <= math.pi - margin else cosine - margin * math.sin(margin)
            elif c == label:
                cosine -= margin
            logits.append(scale * cosine)
        top = max(logits)
        losses.append(top + math.log(sum(math.exp(z - top) for z in logits)) - logits[label])
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("loss", "option", "margin"), [(ArcFace, 28.6, math.radians(28.6)), (CosFace, 0.35, 0.35)])
def test_value_follows_the_formula_and_leaves_unlabelled_faces_out(
    loss: Callable[..., Any], option: Any, margin: float
) -> None:
    criterion = built(loss, margin=option, scale=8.0)
    weight = criterion.criterion.W.detach().numpy()
    expected = reference(loss, embeddings().numpy(), LABELS.tolist(), weight, margin, 8.0)
    assert criterion(embeddings(), LABELS).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_margin_makes_the_task_harder(loss: Callable[..., Any]) -> None:
    with_margin, without = built(loss, scale=8.0), built(loss, margin=0.0, scale=8.0)
    labels = torch.zeros(5, dtype=torch.int64)
    x = without.prototypes[0].detach() + 0.1 * embeddings()
    assert with_margin(x, labels) > 2 * without(x, labels)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_labelled_face_gives_exact_zero_with_a_gradient(loss: Callable[..., Any]) -> None:
    criterion, x = built(loss), embeddings().requires_grad_()
    value = criterion(x, torch.full((5,), -1))
    value.backward()
    assert value.item() == 0 and value.shape == ()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert torch.equal(criterion.criterion.W.grad, torch.zeros(SIZE, CLASSES, dtype=torch.float64))


@pytest.mark.parametrize("loss", LOSSES)
def test_unlabelled_faces_get_no_gradient_and_gradcheck_passes(loss: Callable[..., Any]) -> None:
    criterion, x = built(loss, scale=8.0), embeddings().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: criterion(e, LABELS), (x,))
    criterion(x, LABELS).backward()
    assert torch.equal(x.grad[2], torch.zeros(SIZE, dtype=torch.float64))
    assert (x.grad[[0, 1, 3, 4]].abs().sum(1) > 0).all()
    assert criterion.criterion.W.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sign", [1, -1])
def test_gradient_is_finite_where_an_embedding_lies_on_its_class(loss: Callable[..., Any], sign: float) -> None:
    criterion = built(loss)
    criterion.criterion.W.data = torch.eye(SIZE, dtype=torch.float64)[:, :CLASSES].contiguous()
    x = (sign * torch.eye(SIZE, dtype=torch.float64)[:1]).requires_grad_()
    criterion(x, torch.tensor([0])).backward()
    assert x.grad.isfinite().all() and criterion.criterion.W.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_stay_float32_under_autocast(loss: Callable[..., Any]) -> None:
    torch.manual_seed(1)
    criterion = loss(CLASSES, SIZE)
    x = embeddings().float()
    with torch.autocast("cpu", torch.bfloat16):
        value = criterion(x.bfloat16(), LABELS)
    assert criterion.criterion.W.dtype == torch.float32 and value.dtype == torch.float32
    assert value.item() == pytest.approx(criterion(x.bfloat16().float(), LABELS).item(), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_state_dict_round_trip_and_sizes(loss: Callable[..., Any]) -> None:
    first, second = built(loss), copy.deepcopy(built(loss))
    assert [tuple(p.shape) for p in first.parameters()] == [(SIZE, CLASSES)]
    torch.nn.init.zeros_(second.criterion.W)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(embeddings(), LABELS), first(embeddings(), LABELS))
    torch.testing.assert_close(first.prototypes.norm(dim=1), torch.ones(CLASSES, dtype=torch.float64))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("shape", "labels", "says"),
    [
        ((5, SIZE + 1), [0] * 5, r"Pass \(N, 6\)"),
        ((5,), [0] * 5, r"Pass \(N, 6\)"),
        ((5, SIZE), [0] * 4, "one label per face"),
        ((5, SIZE), [0.0] * 5, "integers"),
        ((5, SIZE), [0, 1, 2, 3, 4], "Label 4 is beyond 4 classes"),
    ],
)
def test_bad_input_gives_one_clear_line(loss: Callable[..., Any], shape: Any, labels: Any, says: str) -> None:
    with pytest.raises(GdrdError, match=says) as caught:
        built(loss)(torch.zeros(shape, dtype=torch.float64), torch.tensor(labels))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_configuration(loss: Callable[..., Any]) -> None:
    for sizes, options in (((1, SIZE), {}), ((CLASSES, 0), {}), ((CLASSES, SIZE), {"scale": 0.0})):
        with pytest.raises(GdrdError):
            loss(*sizes, **options)


def test_the_metric_learning_library_is_imported_late() -> None:
    code = "import sys, gdrd_lab.losses; sys.exit('pytorch_metric_learning' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
