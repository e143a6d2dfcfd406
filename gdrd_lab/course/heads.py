"""Heads trained on the features of a frozen backbone, computed once: fast enough to compare losses in a lesson."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.evaluation.metrics.verification import auc
from gdrd_lab.losses.distillation import cosine_distillation_loss
from gdrd_lab.losses.relational import RelationalContrastiveLoss
from gdrd_lab.training import recipes

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class KdAndRcd(nn.Module):
    """w_kd L_kd + w_rcd L_rcd with the weights of the recipe ``cpu``; a module, because it trains relation networks."""

    def __init__(self, embedding_size: int = 128) -> None:
        super().__init__()
        config = recipes.cpu().head
        self.weights = (config.weight_kd, config.weight_rcd)
        self.relation = RelationalContrastiveLoss(embedding_size, temperature=config.temperature, chunk=None)

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted sum for a batch of unit embeddings (N, d) and labels (N,)."""
        kd, rcd = self.weights
        return kd * cosine_distillation_loss(student, teacher) + rcd * self.relation(student, teacher, labels)


def fit_head(
    head: nn.Module, features: Tensor, targets: Tensor, labels: Tensor, loss: Loss, *,
    steps: int = 100, batch_size: int = 48, learning_rate: float = 2e-3, seed: int = 0,
) -> list[float]:  # fmt: skip
    """Train a head, and the loss if it is a module with parameters; return the loss of every step.

    The head maps features (N, C, g, g) of the frozen backbone to raw embeddings (N, d). ``targets`` (N, d) are the
    discriminative teacher's embeddings of the HR faces, ``labels`` (N,) their identities.
    """
    own = list(loss.parameters()) if isinstance(loss, nn.Module) else []
    optimizer = torch.optim.AdamW([*head.parameters(), *own], lr=learning_rate, weight_decay=0.05)
    random = np.random.default_rng(seed)
    head.train()
    history = []
    for _ in range(steps):
        rows = torch.from_numpy(random.choice(len(features), min(batch_size, len(features)), replace=False))
        value = loss(F.normalize(head(features[rows]), dim=1), targets[rows], labels[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        history.append(float(value.detach()))
    head.eval()
    return history


@torch.no_grad()
def evaluate_head(head: nn.Module, features: Tensor, targets: Tensor, labels: np.ndarray) -> dict[str, float]:
    """Return cosine to the teacher, correlation of the scores with its scores, and AUC over all pairs of new people."""
    embeddings = F.normalize(head(features), dim=1)
    first, second = np.triu_indices(len(embeddings), 1)
    ours, theirs = ((e @ e.T).numpy()[first, second] for e in (embeddings, targets))
    return {
        "cosine to teacher": float((embeddings * targets).sum(1).mean()),
        "relations": float(np.corrcoef(ours, theirs)[0, 1]),
        "AUC": auc(ours, labels[first] == labels[second]),
    }
