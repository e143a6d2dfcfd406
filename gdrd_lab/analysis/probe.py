"""What features know: how well a linear map from them predicts something, on faces it was not fitted on."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError


def pooled(features: Tensor, side: int = 4) -> np.ndarray:
    """Average a feature map (N, C, h, w) over a grid of at most ``side`` x ``side`` cells: float64 (N, C cells)."""
    side = min(side, features.shape[-1])
    return F.adaptive_avg_pool2d(features.float(), side).flatten(1).cpu().numpy().astype(np.float64)


def linear_probe(
    features: np.ndarray, targets: np.ndarray, train: np.ndarray, *, penalty: float = 1.0, components: int = 64
) -> float:
    """Share of the targets' variance that ridge regression explains on held-out rows: R^2, 1 best, 0 for the mean.

    R^2 = 1 - sum (y - y')^2 / sum (y - mean of the training rows)^2, over the held-out rows and all columns of y

    The features are standardised and reduced to their ``components`` main directions on the training rows, so that a
    wide feature has no more numbers to fit with than a narrow one.

    Args:
        features: (N, D).
        targets: (N, d), such as the discriminative teacher's embeddings.
        train: (N,) bool, rows to fit on; the others are judged. Keep a person's faces on one side.
        penalty: ridge penalty per training row on the components, each of unit variance.
        components: at most as many as training rows less one.

    Raises:
        GdrdError: a side has fewer than two rows.

    Source: linear probes, Alain and Bengio (arXiv 1610.01644).
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = np.asarray(train, bool)
    if min(train.sum(), (~train).sum()) < 2:
        raise GdrdError(f"{train.sum()} rows to fit and {(~train).sum()} to judge", "Give at least two of each")
    count = min(components, int(train.sum()) - 1, features.shape[1])
    model = make_pipeline(
        StandardScaler(),
        PCA(count, whiten=True, svd_solver="full"),
        Ridge(alpha=penalty * float(train.sum())),
    )
    model.fit(features[train], targets[train])
    error = np.square(targets[~train] - model.predict(features[~train])).sum()
    total = np.square(targets[~train] - targets[train].mean(0)).sum()
    return float(1 - error / total)
