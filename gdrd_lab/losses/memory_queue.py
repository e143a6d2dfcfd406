"""A first-in first-out queue of embeddings, which gives more negatives than a batch holds."""

import torch
from torch import Tensor, nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_pair


class NegativeQueue(nn.Module):
    """The last ``size`` faces seen: teacher embedding, student embedding and label (-1 where unknown).

    All contents are buffers, so a checkpoint holds them and a resumed training has the same negatives. Construct
    DistributedDataParallel with ``broadcast_buffers=False``: each process has its own queue.

    Args:
        size: faces kept, at least 1.
        embedding_size: d.

    Raises:
        GdrdError: a size is below 1.

    Example:
        >>> queue = NegativeQueue(size=2, embedding_size=3)
        >>> queue.push(torch.eye(3), torch.eye(3))
        >>> len(queue)
        2
    """

    teacher: Tensor
    student: Tensor
    labels: Tensor
    pushed: Tensor

    def __init__(self, size: int, embedding_size: int) -> None:
        super().__init__()
        if size < 1 or embedding_size < 1:
            raise GdrdError(f"A queue of {size} embeddings of size {embedding_size}", "Choose at least 1 for both")
        self.register_buffer("teacher", torch.zeros(size, embedding_size))
        self.register_buffer("student", torch.zeros(size, embedding_size))
        self.register_buffer("labels", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))  # faces ever pushed

    def __len__(self) -> int:
        """Faces held now, 0 to ``size``."""
        return min(int(self.pushed), len(self.labels))

    @torch.no_grad()
    def push(self, student: Tensor, teacher: Tensor, labels: Tensor | None = None) -> None:
        """Store a batch in place of the oldest faces; of a batch larger than the queue only the last faces are kept.

        Args:
            student: (N, d), detached here.
            teacher: (N, d), detached here.
            labels: (N,) integers, or None where no identity is known.

        Raises:
            GdrdError: the shapes differ from each other or from the queue's.
        """
        check_pair(student, teacher, "N, d", "embeddings")
        if student.shape[1] != self.student.shape[1]:
            what = f"Embeddings of size {student.shape[1]} do not fit a queue of size {self.student.shape[1]}"
            raise GdrdError(what, "Build the loss with the teacher's embedding size")
        if labels is not None:
            check_labels(labels, len(student))
        size, count = len(self.labels), len(student)
        kept = min(count, size)
        slots = (torch.arange(count - kept, count, device=self.labels.device) + self.pushed) % size
        self.student[slots] = student[-kept:].to(self.student)
        self.teacher[slots] = teacher[-kept:].to(self.teacher)
        self.labels[slots] = -1 if labels is None else labels[-kept:].to(self.labels)
        self.pushed += count

    def contents(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return copies of (student (K, d), teacher (K, d), labels (K,)) of the K faces held, oldest first."""
        held, size = len(self), len(self.labels)
        # Indexing copies. The next push writes in place and must not change what a backward pass still needs.
        slots = (torch.arange(held, device=self.labels.device) + self.pushed - held) % size
        return self.student[slots], self.teacher[slots], self.labels[slots]
