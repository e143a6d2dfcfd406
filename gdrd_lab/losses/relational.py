"""L_rcd: cross-resolution relational contrastive distillation, in memory linear in the number of negatives."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_pair, check_positive, full_precision
from gdrd_lab.losses.memory_queue import NegativeQueue


class RelationModule(nn.Module):
    """The relation of two embeddings, a unit vector: v_ij = normalise(W2 ReLU(W1 (e_i - e_j))).

    W1 (e_i - e_j) = W1 e_i - W1 e_j: ``project`` runs once per embedding, ``relate`` once per pair.

    Args:
        embedding_size: d.
        hidden_size: rows of W1.
        relation_size: rows of W2.
        bias: add a bias to both layers. Without one, as in the formula, a relation depends on the direction of
            e_i - e_j but not on its length.

    Raises:
        GdrdError: a size is below 1.

    Source: CRRCD (arXiv 2409.02555), feature relation module.

    Example:
        >>> RelationModule(128)(torch.ones(4, 1, 128), torch.zeros(1, 5, 128)).shape
        torch.Size([4, 5, 128])
    """

    def __init__(
        self, embedding_size: int, hidden_size: int = 128, relation_size: int = 128, *, bias: bool = False
    ) -> None:
        super().__init__()
        if min(embedding_size, hidden_size, relation_size) < 1:
            sizes = f"{embedding_size}, {hidden_size}, {relation_size}"
            raise GdrdError(f"A relation module of sizes {sizes}", "Choose at least 1")
        self.first = nn.Linear(embedding_size, hidden_size, bias=False)
        self.shift = nn.Parameter(torch.zeros(hidden_size)) if bias else None
        self.second = nn.Linear(hidden_size, relation_size, bias=bias)

    def project(self, embeddings: Tensor) -> Tensor:
        """Return W1 e (..., hidden_size) of embeddings e (..., d)."""
        return self.first(embeddings)

    def relate(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the relations (..., relation_size) of projected embeddings (..., hidden_size), broadcast."""
        difference = first - second if self.shift is None else first - second + self.shift
        # Without a bias, two equal embeddings give the zero vector, whose cosine with any other is 0.
        return F.normalize(self.second(F.relu(difference)), dim=-1, eps=1e-6)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the relations (..., relation_size), of unit length, of embeddings (..., d) and (..., d), broadcast."""
        return self.relate(self.project(first), self.project(second))


class RelationalContrastiveLoss(nn.Module):
    """Make each teacher-to-student relation agree with its teacher-to-teacher relation and differ from those of others.

    With unit embeddings e, two relation modules F_t and F_ts, v_ij^t = F_t(e_i^t, e_j^t), v_ij^ts = F_ts(e_i^t, e_j^s)
    and the critic h(u, v) = sigmoid(cos(u, v) / tau):

        L_rcd = - mean_ij log h(v_ij^t, v_ij^ts) - mean_ij sum_k log[1 - h(v_ij^t, v_ik^ts)]

    i runs over the anchors, j over the batch without i, k over the batch without i and j and over the queue. (k = i is
    left out because e_i^t - e_i^s vanishes as the student learns and then has no direction.) In [0, inf); where
    student = teacher and F_t = F_ts the first term is -log sigmoid(1 / tau). Embeddings are normalised here; the
    teacher's are detached. F_t and F_ts train with the student: give their parameters to the optimiser.

    Memory: O((N + K) hidden) for the projected embeddings and O(c (N + K) (N + hidden + relation)) for each chunk of c
    anchors, which the backward pass recomputes; never batch^2 x K x d.

    Several processes: N is the batch of all of them. Each computes its share of the anchors i against all j and k; the
    mean of their values is L_rcd of the whole batch. Gradients flow to the faces of every process, so the gradient
    equals that of one process.

    Args:
        embedding_size: d of both teacher and student.
        hidden_size: width inside the relation modules.
        relation_size: size of a relation vector.
        bias: give the relation modules biases (see ``RelationModule``).
        temperature: tau > 0. 0.1 is this project's choice; the paper's value is not known.
        queue_size: K, faces of earlier batches whose student embeddings are further negatives; 0 for none.
        anchors: i runs over the first ``anchors`` faces of the (shuffled) batch; None for all.
        chunk: anchors computed at a time. It changes memory and time, not the result; None takes all at once and
            keeps activations instead of recomputing them (fastest, if O(N^2 (N + K)) fits).
        mean_over_negatives: average over k instead of summing, so that the two terms weigh the same for any batch and
            queue; the paper's formula sums.

    Raises:
        GdrdError: a size, the temperature, the number of anchors or the chunk is out of range.

    Source: CRRCD (arXiv 2409.02555), relational contrastive distillation, as used by GDRD (arXiv 2409.06371).

    Example:
        >>> loss = RelationalContrastiveLoss(128)
        >>> loss(torch.randn(4, 128), torch.randn(4, 128)).shape
        torch.Size([])
    """

    def __init__(
        self,
        embedding_size: int,
        *,
        hidden_size: int = 128,
        relation_size: int = 128,
        bias: bool = False,
        temperature: float = 0.1,
        queue_size: int = 0,
        anchors: int | None = None,
        chunk: int | None = 16,
        mean_over_negatives: bool = False,
    ) -> None:
        super().__init__()
        check_positive(temperature, "temperature")
        for value, name in ((anchors, "number of anchors"), (chunk, "chunk of anchors")):
            if value is not None:
                check_positive(value, name)
        if queue_size < 0:
            raise GdrdError(f"The queue size is {queue_size}", "Choose 0 for no queue, or a number of faces")
        self.embedding_size, self.temperature = embedding_size, temperature
        self.anchors, self.chunk, self.mean_over_negatives = anchors, chunk, mean_over_negatives
        self.teacher_relations = RelationModule(embedding_size, hidden_size, relation_size, bias=bias)
        self.cross_relations = RelationModule(embedding_size, hidden_size, relation_size, bias=bias)
        self.queue = NegativeQueue(queue_size, embedding_size) if queue_size else None

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return L_rcd as a scalar and, in training mode, push the batch into the queue.

        Args:
            student: (N, d) embeddings of the low-resolution faces, N >= 2.
            teacher: (N, d) embeddings of the same faces at high resolution.
            labels: (N,) identities, -1 unknown. If given, a face k of j's identity is not a negative for j. This option
                is the project's own: in the formula every k != j is a negative.

        Raises:
            GdrdError: the shapes differ, the embedding size is not as configured, or there are fewer than two faces.
        """
        whole = self._gathered(student, teacher, labels)
        positive, negative = self._at_full_precision(*whole)
        if self.queue is not None and self.training:
            self.queue.push(whole[0].detach(), whole[1], whole[2])
        return positive + negative

    def terms(self, student: Tensor, teacher: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the two terms of L_rcd, (positive, negative), each >= 0, and leave the queue as it is."""
        return self._at_full_precision(*self._gathered(student, teacher, labels))

    def _gathered(
        self, student: Tensor, teacher: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Check a batch and return the unit embeddings and labels of the faces of all processes."""
        check_pair(student, teacher, "N, d", "embeddings")
        if student.shape[1] != self.embedding_size:
            what = f"Embeddings of size {student.shape[1]} came to a loss of size {self.embedding_size}"
            raise GdrdError(what, "Build the loss with the teacher's embedding size")
        if len(student) < 2:
            raise GdrdError("Relations need two faces in a batch, not one", "Use larger batches")
        if labels is not None:
            check_labels(labels, len(student))
            labels = distributed.gather(labels.to(student.device))
        ours, theirs = (F.normalize(full_precision(part), dim=1) for part in (student, teacher.detach()))
        return distributed.gather(ours), distributed.gather(theirs), labels

    def _at_full_precision(self, student: Tensor, teacher: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        # The critic's logarithms need float32 in any precision of the networks.
        with torch.autocast(student.device.type, enabled=False):
            return self._terms(student, teacher, labels)

    def _terms(self, student: Tensor, teacher: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        count = len(student)
        anchors = min(self.anchors or count, count)
        identities = _distinct(labels, count, student.device)
        candidates, candidate_identities = student, identities
        if self.queue is not None:
            queued, _, queued_labels = self.queue.contents()
            candidates = torch.cat([student, queued.to(student)])
            hidden_labels = torch.full_like(queued_labels, -1) if labels is None else queued_labels
            candidate_identities = torch.cat([identities, _distinct(hidden_labels, len(queued), student.device, count)])
        allowed = identities[:, None] != candidate_identities[None, :]  # (N, N + K): k != j, nor of j's identity

        cross = self.cross_relations.project
        inputs = self.teacher_relations.project(teacher), cross(teacher), cross(candidates), allowed
        positive, negative = student.new_zeros(()), student.new_zeros(())
        parts, share = distributed.world_size(), 1.0
        own = torch.arange(distributed.rank(), anchors, parts, device=student.device)
        if not len(own):  # more processes than anchors: this one still takes part in the exchange of gradients
            own, share = own.new_zeros(1), 0.0
        for rows in own.split(self.chunk or anchors):
            if self.chunk is None or not torch.is_grad_enabled():
                sums = self._chunk_sums(rows, *inputs)
            else:
                sums = checkpoint(self._chunk_sums, rows, *inputs, use_reentrant=False, preserve_rng_state=False)
            positive, negative = positive + sums[0], negative + sums[1]
        pairs = anchors * (count - 1)
        return positive * (parts * share / pairs), negative * (parts * share / pairs)

    def _chunk_sums(
        self, rows: Tensor, teacher: Tensor, cross_teacher: Tensor, cross_student: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sums of both terms over i in ``rows`` and over j."""
        count, total = allowed.shape
        reference = self.teacher_relations.relate(teacher[rows, None], teacher[None])  # (c, N, r)
        relations = self.cross_relations.relate(cross_teacher[rows, None], cross_student[None])  # (c, N + K, r)
        logits = reference @ relations.transpose(1, 2) / self.temperature  # (c, N, N + K)
        other = rows[:, None] != torch.arange(total, device=rows.device)  # (c, N + K): not the anchor itself
        own = torch.diagonal(logits, dim1=1, dim2=2)  # (c, N): k = j
        positive = (_softplus(-own) * other[:, :count]).sum()  # -log h
        mask = allowed & other[:, None, :] & other[:, :count, None]
        negative = (_softplus(logits) * mask).sum(2)  # -log (1 - h)
        if self.mean_over_negatives:
            negative = negative / mask.sum(2).clamp_min(1)
        return positive, negative.sum()


def _softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)) = -log sigmoid(-x); torch's logsigmoid is tens of times slower on small tensors."""
    return F.softplus(x, threshold=40)


def _distinct(labels: Tensor | None, count: int, device: torch.device, offset: int = 0) -> Tensor:
    """Return labels (count,) in which each unknown one, -1, is a negative number of its own, from -2 - offset down."""
    unknown = -2 - offset - torch.arange(count, device=device)
    return unknown if labels is None else torch.where(labels.to(device) < 0, unknown, labels.to(device).long())
