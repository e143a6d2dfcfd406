"""Linear probes: how well a linear map of features predicts a target on faces that it was not fitted on."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError


def pooled(features: Tensor, grid: int = 4) -> np.ndarray:
    """Average a feature map (N, C, h, w) over a grid of at most ``grid`` x ``grid`` cells: float64 (N, C cells)."""
    grid = min(grid, features.shape[-1])
    return F.adaptive_avg_pool2d(features.float(), grid).flatten(1).cpu().numpy().astype(np.float64)


def linear_probe(
    features: np.ndarray, targets: np.ndarray, train: np.ndarray, *, penalty: float = 1.0, components: int = 64
) -> float:
    """Return R^2 on test rows of ridge regression from features (N, D) to targets (N, d); 0 is as good as their mean.

    R^2 = 1 - sum (y - y')^2 / sum (y - mean of the training rows)^2, over the test rows and all columns of y

    ``train`` (N,) bool marks the training rows; a person's faces must be in one part. The features are standardised and
    reduced to ``components`` principal components of the training rows, so that wide and narrow features have the same
    number of parameters. Source: linear probes, Alain and Bengio (arXiv 1610.01644).
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = np.asarray(train, bool)
    if min(train.sum(), (~train).sum()) < 2:
        raise GdrdError(f"{train.sum()} training rows and {(~train).sum()} test rows", "Give at least two of each")
    if not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise GdrdError("The features or the targets are not finite", "Check the weights of the networks")
    count = min(components, int(train.sum()) - 1, features.shape[1])
    reduce = PCA(count, whiten=True, svd_solver="full")
    model = make_pipeline(StandardScaler(), reduce, Ridge(alpha=penalty * float(train.sum())))
    model.fit(features[train], targets[train])
    error = np.square(targets[~train] - model.predict(features[~train])).sum()
    total = np.square(targets[~train] - targets[train].mean(0)).sum()
    return float(1 - error / total)


def adapter_errors(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], *, ridge: float = 1e-3
) -> tuple[float, float]:
    """Return the mean squared errors (training, test) of the best linear adapter from features to a target.

    Each part holds features (N, C, g, g) and their target (N, D, h, w). The adapter is a bilinear resize and a 1 x 1
    convolution with bias, as in stage 1, fitted by least squares. Targets are standardised by the channel statistics of
    the training part, so that the mean has a training error of 1.
    """
    deviation, mean = torch.std_mean(train[1].double(), dim=(0, 2, 3), correction=0)

    def rows(features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        shrinks = features.shape[-1] > target.shape[-1]
        size = (target.shape[-2], target.shape[-1])
        resized = F.interpolate(features.float(), size, mode="bilinear", antialias=shrinks, align_corners=False)
        x = resized.permute(0, 2, 3, 1).flatten(0, 2).double()
        y = (target.permute(0, 2, 3, 1).flatten(0, 2).double() - mean) / deviation.clamp_min(1e-9)
        return x, y

    (x, y), (other_x, other_y) = rows(*train), rows(*test)
    centre = x.mean(0)
    x, other_x = x - centre, other_x - centre
    offset = y.mean(0)
    gram = x.T @ x
    gram.diagonal().add_(ridge * len(x) * float(x.square().mean()))
    weight = torch.linalg.solve(gram, x.T @ (y - offset))
    return tuple(float((b - offset - a @ weight).square().mean()) for a, b in ((x, y), (other_x, other_y)))  # type: ignore[return-value]
