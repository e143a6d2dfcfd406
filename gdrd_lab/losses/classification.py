"""L_cls: margin classification of identities (ArcFace, CosFace) on the labelled faces."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_positive


class _MarginLoss(nn.Module):
    """Mean cross-entropy over the labelled faces of a batch, around one of pytorch-metric-learning's losses."""

    criterion: Any

    def __init__(self, kind: str, classes: int, embedding_size: int, margin: float, scale: float) -> None:
        from pytorch_metric_learning import losses  # imports scipy, which takes a second

        super().__init__()
        if classes < 2:
            raise GdrdError(f"Classification was asked for {classes} classes", "Train on at least two identities")
        if embedding_size < 1:
            raise GdrdError(f"The embedding size is {embedding_size}", "Choose at least 1")
        check_positive(scale, "scale")
        self.classes, self.embedding_size = classes, embedding_size
        # It holds W (embedding_size, classes), which trains with the student.
        self.criterion = getattr(losses, kind)(classes, embedding_size, margin=margin, scale=scale)

    @property
    def prototypes(self) -> Tensor:
        """Class directions (classes, embedding_size), rows of unit length."""
        return F.normalize(self.criterion.W.T, dim=1)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of the labelled faces, in [0, inf); exactly 0, with zero gradients, if there are none.

        Args:
            embeddings: (N, embedding_size), of any length.
            labels: (N,) integers, 0 to classes - 1, or -1 where the identity is unknown.

        Raises:
            GdrdError: the shapes are wrong, or a label is out of range.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_size:
            remedy = f"Pass (N, {self.embedding_size}) as configured"
            raise GdrdError(f"Embeddings have shape {tuple(embeddings.shape)}", remedy)
        check_labels(labels, len(embeddings))
        weight: Tensor = self.criterion.W
        labels = labels.to(embeddings.device)
        labelled = labels >= 0
        if not labelled.any():
            # Both operands stay in the graph, where backward and the exchange of gradients expect them.
            return (embeddings * 0).sum().to(weight.dtype) + (weight * 0).sum()
        highest = int(labels.max())
        if highest >= self.classes:
            raise GdrdError(f"Label {highest} is beyond {self.classes} classes", "Renumber the identities from 0")
        # The library converts its weights permanently to the input's dtype; under autocast they would become bfloat16.
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.criterion(embeddings[labelled].to(weight.dtype), labels[labelled].long())


def _bounded_angles(cosines: Tensor) -> Tensor:
    """Return arccos without its infinite slope at +-1, which would make the whole step NaN."""
    return torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))


class ArcFace(_MarginLoss):
    """Additive angular margin: L = -log softmax_y(s cos(theta_c + m [c = y])), theta_c the angle to class c.

    Args:
        classes: C >= 2 identities.
        embedding_size: d.
        margin: m in degrees (28.6 is the paper's 0.5 rad).
        scale: s > 0.

    Raises:
        GdrdError: there are fewer than two classes, or the scale is not above zero.

    Source: ArcFace (arXiv 1801.07698), equation 3; pytorch-metric-learning's ArcFaceLoss.

    Example:
        >>> loss = ArcFace(classes=3, embedding_size=2)
        >>> loss(torch.ones(2, 2), torch.tensor([-1, -1])).item()  # no labelled face
        0.0
    """

    def __init__(self, classes: int, embedding_size: int, *, margin: float = 28.6, scale: float = 64.0) -> None:
        super().__init__("ArcFaceLoss", classes, embedding_size, margin, scale)
        self.criterion.get_angles = _bounded_angles


class CosFace(_MarginLoss):
    """Additive cosine margin: L = -log softmax_y(s (cos(theta_c) - m [c = y])), theta_c the angle to class c.

    Args:
        margin: m, a difference of cosines; the other arguments and the errors are as for ``ArcFace``.

    Source: CosFace (arXiv 1801.09414), equation 4; pytorch-metric-learning's CosFaceLoss.

    Example:
        >>> loss = CosFace(classes=3, embedding_size=2)
        >>> loss(torch.ones(2, 2), torch.tensor([0, 2])).shape
        torch.Size([])
    """

    def __init__(self, classes: int, embedding_size: int, *, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__("CosFaceLoss", classes, embedding_size, margin, scale)
