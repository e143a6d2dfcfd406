import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import NegativeQueue


def faces(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None] * torch.ones(2)


def pushed(queue: NegativeQueue, *numbers: int, labelled: bool = True) -> NegativeQueue:
    queue.push(faces(*numbers), -faces(*numbers), torch.tensor(numbers) if labelled else None)
    return queue


def held(queue: NegativeQueue) -> list[int]:
    student, teacher, labels = queue.contents()
    assert torch.equal(student, -teacher) and len(student) == len(labels) == len(queue)
    return student[:, 0].int().tolist()


def test_first_in_first_out_with_wraparound() -> None:
    queue = NegativeQueue(5, 2)
    assert held(queue) == []
    assert held(pushed(queue, 1, 2, 3)) == [1, 2, 3]
    assert held(pushed(queue, 4, 5, 6)) == [2, 3, 4, 5, 6]
    assert queue.contents()[2].tolist() == [2, 3, 4, 5, 6]
    assert held(pushed(queue, 7, 8, 9)) == [5, 6, 7, 8, 9]
    assert held(pushed(queue, *range(10, 22))) == [17, 18, 19, 20, 21]  # a batch larger than the queue
    assert held(pushed(queue, 22)) == [18, 19, 20, 21, 22]
    assert queue.contents()[2].tolist() == [18, 19, 20, 21, 22]


def test_unlabelled_faces_overwrite_labels() -> None:
    queue = pushed(pushed(NegativeQueue(3, 2), 1, 2, 3), 4, labelled=False)
    assert queue.contents()[2].tolist() == [2, 3, -1]


def test_state_dict_round_trip_continues_alike() -> None:
    first, second = pushed(pushed(NegativeQueue(4, 2), 1, 2, 3), 4, 5), NegativeQueue(4, 2)
    second.load_state_dict(first.state_dict())
    assert held(second) == [2, 3, 4, 5]
    assert held(pushed(second, 6)) == held(pushed(first, 6)) == [3, 4, 5, 6]


def test_contents_are_copies_without_a_graph() -> None:
    queue = NegativeQueue(2, 2)
    student = faces(1, 2).requires_grad_()
    queue.push(student, -student)
    before = queue.contents()[0]
    pushed(queue, 3, 4)
    assert before[:, 0].tolist() == [1, 2] and not before.requires_grad


def test_bad_input() -> None:
    queue = NegativeQueue(2, 2)
    with pytest.raises(GdrdError, match="queue of size 2"):
        queue.push(torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(GdrdError, match="shape"):
        queue.push(torch.zeros(2, 2), torch.zeros(1, 2))
    with pytest.raises(GdrdError, match="one label per face"):
        queue.push(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(GdrdError, match="queue of 0"):
        NegativeQueue(0, 2)
    assert len(queue) == 0
