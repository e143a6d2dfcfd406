"""L_cls: margin classification of identities (ArcFace, CosFace); unlabelled faces are left out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_positive


class _MarginLoss(nn.Module):
    """Mean cross-entropy over the labelled faces of a batch, around one of pytorch-metric-learning's losses."""

    def __init__(self, criterion: nn.Module, classes: int, embedding_size: int) -> None:
        super().__init__()
        self.classes = classes
        self.embedding_size = embedding_size
        self.criterion = criterion  # holds W (embedding_size, classes), which trains with the student

    @property
    def prototypes(self) -> Tensor:
        """Class directions (classes, embedding_size), rows of unit length."""
        weight: Tensor = self.criterion.W  # type: ignore[assignment]
        return F.normalize(weight.T, dim=1)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of the faces with a label, in [0, inf); exactly 0, with a gradient of 0, without any.

        Args:
            embeddings: (N, embedding_size), of any length.
            labels: (N,) integers, 0 to classes - 1, or -1 where the identity is unknown.

        Raises:
            GdrdError: another shape, or a label out of range.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_size:
            raise GdrdError(
                f"Embeddings have shape {tuple(embeddings.shape)}", f"Pass (N, {self.embedding_size}) as configured"
            )
        check_labels(labels, len(embeddings))
        weight: Tensor = self.criterion.W  # type: ignore[assignment]
        labels = labels.to(embeddings.device)
        labelled = labels >= 0
        if not bool(labelled.any()):
            # Both operands keep their place in the graph, so that backward and gradient reduction find them.
            return (embeddings * 0).sum().to(weight.dtype) + (weight * 0).sum()
        highest = int(labels.max())
        if highest >= self.classes:
            raise GdrdError(f"Label {highest} is beyond {self.classes} classes", "Renumber the identities from 0")
        # The library casts its weights for good to the dtype it is given: under autocast they would turn to bfloat16.
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.criterion(embeddings[labelled].to(weight.dtype), labels[labelled].long())


def _check_sizes(classes: int, embedding_size: int, scale: float) -> None:
    if classes < 2:
        raise GdrdError(f"Classification was asked for {classes} classes", "Train on at least two identities")
    if embedding_size < 1:
        raise GdrdError(f"The embedding size is {embedding_size}", "Choose at least 1")
    check_positive(scale, "scale")


class ArcFace(_MarginLoss):
    """Additive angular margin: L = -log softmax_y(s cos(theta_c + m [c = y])), theta_c the angle to class c.

    Args:
        classes: C >= 2 identities.
        embedding_size: d.
        margin: m in degrees (28.6 is the paper's 0.5 rad).
        scale: s > 0.

    Raises:
        GdrdError: fewer than two classes or a scale that is not above zero.

    Source: ArcFace (arXiv 1801.07698), equation 3; pytorch-metric-learning's ArcFaceLoss.
    """

    def __init__(self, classes: int, embedding_size: int, *, margin: float = 28.6, scale: float = 64.0) -> None:
        from gdrd_lab.losses.margins import BoundedArcFaceLoss

        _check_sizes(classes, embedding_size, scale)
        criterion = BoundedArcFaceLoss(classes, embedding_size, margin=margin, scale=scale)
        super().__init__(criterion, classes, embedding_size)


class CosFace(_MarginLoss):
    """Additive cosine margin: L = -log softmax_y(s (cos(theta_c) - m [c = y])), theta_c the angle to class c.

    Args:
        classes: C >= 2 identities.
        embedding_size: d.
        margin: m, a difference of cosines.
        scale: s > 0.

    Raises:
        GdrdError: fewer than two classes or a scale that is not above zero.

    Source: CosFace (arXiv 1801.09414), equation 4; pytorch-metric-learning's CosFaceLoss.
    """

    def __init__(self, classes: int, embedding_size: int, *, margin: float = 0.35, scale: float = 64.0) -> None:
        from gdrd_lab.losses.margins import CosFaceLoss

        _check_sizes(classes, embedding_size, scale)
        super().__init__(CosFaceLoss(classes, embedding_size, margin=margin, scale=scale), classes, embedding_size)
