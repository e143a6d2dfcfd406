import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import RelationalContrastiveLoss, RelationModule

SIZE = 6


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    """Thousands of tiny operations: on a busy machine threads waiting for each other cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def faces(seed: int, rows: int = 5, size: int = SIZE) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def built(**options: Any) -> RelationalContrastiveLoss:
    torch.manual_seed(3)
    sizes = {"hidden_size": 7, "relation_size": 4, "temperature": 0.2, "chunk": 2}
    loss = RelationalContrastiveLoss(SIZE, **(sizes | options)).double()
    for module in (loss.teacher_relations, loss.cross_relations):
        if module.shift is not None:
            torch.nn.init.normal_(module.shift)
    return loss


def relation(module: RelationModule, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    w1, w2 = module.first.weight.detach().numpy(), module.second.weight.detach().numpy()
    hidden = w1 @ (first - second)
    if module.shift is not None:
        hidden = hidden + module.shift.detach().numpy()
    out = w2 @ np.maximum(hidden, 0)
    if module.shift is not None:
        out = out + module.second.bias.detach().numpy()
    return out


def reference(
    loss: Callable[..., Any], student: Any, teacher: Any, labels: Any = None, queued: Any = (), queued_labels: Any = ()
) -> tuple[float, float]:
    """The two terms from the formula, one triple (i, j, k) at a time."""
    student, teacher, queued = ([row / np.linalg.norm(row) for row in x] for x in (student, teacher, queued))
    count = len(student)
    candidates = [*student, *queued]
    identities = [*labels, *queued_labels] if labels is not None else [-1] * len(candidates)
    positive, negative, pairs = 0.0, 0.0, 0

    def h(u: np.ndarray, v: np.ndarray) -> float:
        cosine = float(u @ v) / (np.linalg.norm(u) * np.linalg.norm(v))
        return 1 / (1 + math.exp(-cosine / loss.temperature))

    for i in range(min(loss.anchors or count, count)):
        for j in range(count):
            if j == i:
                continue
            pairs += 1
            target = relation(loss.teacher_relations, teacher[i], teacher[j])
            positive -= math.log(h(target, relation(loss.cross_relations, teacher[i], student[j])))
            terms = []
            for k, candidate in enumerate(candidates):
                if k in (i, j) or identities[k] == identities[j] >= 0:
                    continue
                terms.append(-math.log(1 - h(target, relation(loss.cross_relations, teacher[i], candidate))))
            negative += sum(terms) / max(len(terms), 1) if loss.mean_over_negatives else sum(terms)
    return positive / pairs, negative / pairs


def gradients(loss: Callable[..., Any], student: Any, teacher: Any, labels: Any = None) -> list[torch.Tensor]:
    student = student.clone().requires_grad_()
    value = loss(student, teacher, labels)
    return [value.detach(), *torch.autograd.grad(value, [student, *loss.parameters()])]


LABELS = torch.tensor([0, 1, 0, -1, -1])


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize(
    "options", [{}, {"bias": True}, {"anchors": 3}, {"mean_over_negatives": True}, {"chunk": None}], ids=str
)
def test_both_terms_follow_the_formula(options: Any, labels: Any) -> None:
    loss, student, teacher = built(**options), faces(0), faces(1)
    expected = reference(loss, student.numpy(), teacher.numpy(), None if labels is None else labels.tolist())
    positive, negative = loss.terms(student, teacher, labels)
    assert (positive.item(), negative.item()) == pytest.approx(expected, rel=1e-10)
    assert loss(student, teacher, labels).item() == pytest.approx(sum(expected), rel=1e-10)


@pytest.mark.parametrize("labels", [None, LABELS])
def test_queue_gives_further_negatives(labels: Any) -> None:
    loss = built(queue_size=6)
    batches = [(faces(10 + b, 4), faces(20 + b, 4), torch.tensor([0, 1, 2, -1])) for b in range(2)]
    for student, teacher, old in batches:
        loss(student, teacher, old)
    assert len(loss.queue) == 6
    queued = torch.cat([b[0] for b in batches])[2:]
    queued_labels = torch.cat([b[2] for b in batches])[2:].tolist()
    names = None if labels is None else labels.tolist()
    expected = reference(loss, faces(0).numpy(), faces(1).numpy(), names, queued.numpy(), queued_labels)
    found = tuple(term.item() for term in loss.terms(faces(0), faces(1), labels))
    assert found == pytest.approx(expected, rel=1e-6)  # the queue holds float32 until .double()
    without = reference(loss, faces(0).numpy(), faces(1).numpy(), names)
    assert found[1] > without[1] + 0.1


def test_queue_grows_in_training_only_and_backward_survives_the_push() -> None:
    loss = built(queue_size=8)
    for step in range(4):
        value = loss(faces(step).requires_grad_(), faces(9))
        value.backward()
    assert len(loss.queue) == 8
    before = loss.queue.pushed.item()
    loss.eval()(faces(0), faces(1))
    loss.train().terms(faces(0), faces(1))
    assert loss.queue.pushed.item() == before


def test_state_dict_holds_the_queue() -> None:
    first = built(queue_size=8)
    first(faces(0), faces(1), LABELS)
    second = built(queue_size=8)
    second.load_state_dict(first.state_dict())
    for step in range(2):
        assert torch.equal(first(faces(2 + step), faces(4), LABELS), second(faces(2 + step), faces(4), LABELS))


def test_value_where_the_student_is_the_teacher_and_the_modules_are_one() -> None:
    loss, teacher = built(temperature=0.5), faces(1)
    loss.cross_relations = copy.deepcopy(loss.teacher_relations)
    positive, _ = loss.terms(3 * teacher, teacher)
    assert positive.item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-9)
    # No positive relation can be nearer than cos = 1: that value is the floor.
    assert loss.terms(faces(0), teacher)[0] > positive


def test_two_faces_have_no_negatives() -> None:
    positive, negative = built().terms(faces(0, 2), faces(1, 2))
    assert negative.item() == 0 and positive > 0


def test_labels_only_take_negatives_away() -> None:
    loss = built()
    everyone = loss.terms(faces(0), faces(1))
    unknown = loss.terms(faces(0), faces(1), torch.full((5,), -1))
    alike = loss.terms(faces(0), faces(1), torch.zeros(5, dtype=torch.int64))
    assert torch.equal(torch.stack(everyone), torch.stack(unknown))
    assert alike[0] == everyone[0] and alike[1] == 0


@pytest.mark.parametrize("options", [{"queue_size": 5}, {"bias": True, "mean_over_negatives": True}], ids=str)
def test_gradcheck_for_student_and_relation_modules(options: Any) -> None:
    loss = built(**options).eval()
    if loss.queue is not None:
        loss.queue.push(faces(7), faces(8))
    student = faces(0).requires_grad_()
    names, values = zip(*loss.named_parameters(), strict=True)

    def value(student: Any, *parameters: Any) -> Any:
        return torch.func.functional_call(loss, dict(zip(names, parameters, strict=True)), (student, faces(1), LABELS))

    assert torch.autograd.gradcheck(value, (student, *values))


def test_teacher_gets_no_gradient_and_everything_else_does() -> None:
    loss = built()
    student, teacher = faces(0).requires_grad_(), faces(1).requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in loss.parameters())


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
def test_chunk_changes_neither_value_nor_gradient(chunk: int) -> None:
    whole = gradients(built(chunk=None, queue_size=4), faces(0), faces(1), LABELS)
    parts = gradients(built(chunk=chunk, queue_size=4), faces(0), faces(1), LABELS)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)


def test_equal_faces_give_finite_gradients() -> None:
    teacher = faces(1).float()
    teacher[1] = teacher[0]
    found = gradients(built().float(), teacher, teacher)
    assert all(g.isfinite().all() for g in found)


def test_small_temperature_does_not_overflow() -> None:
    found = gradients(built(temperature=1e-3).float(), faces(0).float(), faces(1).float())
    assert all(g.isfinite().all() for g in found) and found[0] > 1


def test_autocast_changes_nothing() -> None:
    loss = built().float()
    student, teacher = faces(0).bfloat16(), faces(1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(student.requires_grad_(), teacher)
    expected = gradients(loss, student.detach(), teacher)
    assert inside.dtype == torch.float32
    # The backward pass, which recomputes the chunks, runs outside autocast as it does in training.
    found = [inside.detach(), *torch.autograd.grad(inside, [student, *loss.parameters()])]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_nan_is_passed_on() -> None:
    student = faces(0)
    student[0, 0] = torch.nan
    assert built()(student, faces(1), LABELS).isnan()


def test_training_lowers_the_loss_and_brings_relations_together() -> None:
    loss, teacher = built(), faces(1)
    student = faces(0).requires_grad_()
    optimiser = torch.optim.Adam([student, *loss.parameters()], lr=0.05)
    start = loss(student, teacher).item()
    for _ in range(100):
        optimiser.zero_grad()
        loss(student, teacher).backward()
        optimiser.step()
    assert loss(student, teacher).item() < 0.7 * start


class LargestTensor(TorchDispatchMode):
    """Watches every tensor that any operation makes, in the forward and the backward pass."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return out


def memory(queued: int, chunk: int | None, count: int = 32, size: int = 16) -> tuple[int, int]:
    """(bytes of the largest tensor ever made, bytes kept for the backward pass), with ``queued`` negatives."""
    loss = RelationalContrastiveLoss(size, hidden_size=16, relation_size=16, queue_size=queued, chunk=chunk)
    loss.queue.push(faces(5, queued, size).float(), faces(6, queued, size).float())
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    watch = LargestTensor()
    with watch:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = loss(faces(0, count, size).float().requires_grad_(), faces(1, count, size).float())
        value.backward()
    return watch.largest, sum(saved.values())


def test_memory_grows_linearly_with_the_negatives_and_stays_far_below_the_full_tensor() -> None:
    small, middle, large = (memory(queued, chunk=2) for queued in (256, 512, 1024))
    for kind in (0, 1):
        first, second = middle[kind] - small[kind], large[kind] - middle[kind]
        assert 0 < second <= 2.05 * first  # twice the negatives, twice the growth: linear
    # float32: chunk x (N + K) x max(N, hidden, relation)
    assert large[0] <= 4 * 2 * (32 + 1024) * 32
    assert large[0] < 4 * 32**2 * 1024 * 16 / 200  # batch^2 x K x d
    assert large[1] < 4 * 32**2 * 1024  # what is kept is below even batch^2 x K


def test_chunks_are_what_keeps_memory_low() -> None:
    chunked, whole = memory(256, chunk=1), memory(256, chunk=None)
    assert whole[0] > 20 * chunked[0] and whole[1] > 20 * chunked[1]


@pytest.mark.parametrize(
    ("student", "teacher", "says"),
    [
        ((5, SIZE), (4, SIZE), "shape"),
        ((5, SIZE), (5, SIZE + 1), "head of that size"),
        ((5, SIZE + 1), (5, SIZE + 1), "loss of size 6"),
        ((1, SIZE), (1, SIZE), "two faces"),
        ((SIZE,), (SIZE,), "N, d"),
        ((0, SIZE), (0, SIZE), "non-empty"),
    ],
)
def test_bad_input_gives_one_clear_line(student: Any, teacher: Any, says: str) -> None:
    with pytest.raises(GdrdError, match=says) as caught:
        built()(torch.zeros(student, dtype=torch.float64), torch.zeros(teacher, dtype=torch.float64))
    assert "\n" not in str(caught.value)


def test_bad_labels() -> None:
    with pytest.raises(GdrdError, match="one label per face"):
        built()(faces(0), faces(1), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(GdrdError, match="integers"):
        built()(faces(0), faces(1), torch.zeros(5))


@pytest.mark.parametrize("options", [{"temperature": 0}, {"queue_size": -1}, {"anchors": 0}, {"chunk": 0}], ids=str)
def test_bad_configuration(options: Any) -> None:
    with pytest.raises(GdrdError):
        built(**options)
    with pytest.raises(GdrdError):
        RelationModule(0)
