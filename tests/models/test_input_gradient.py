"""The rewritten network gives the same values and the same gradient of its input."""

import torch
from torch import Tensor, nn

from gdrd_lab.models import input_gradient
from gdrd_lab.models.input_gradient import for_input_gradient
from gdrd_lab.models.recogniser import frozen
from gdrd_lab.models.sface import SFace


def value_and_gradient(network: nn.Module, faces: Tensor) -> tuple[Tensor, Tensor]:
    faces = faces.clone().requires_grad_(True)
    value = network(faces)
    (gradient,) = torch.autograd.grad((value * torch.arange(value.shape[1])).sum(), [faces])
    return value.detach(), gradient


def test_values_and_input_gradients_stay_the_same() -> None:
    torch.manual_seed(0)
    network = frozen(SFace())
    for parameter in network.parameters():
        parameter += 0.05 * torch.rand_like(parameter)  # each channel has a slope of its own
    before = network.state_dict()
    quick = for_input_gradient(network)
    kinds = {type(part) for part in quick.modules()}
    assert {input_gradient.FrozenPReLU, input_gradient.Subsampled} <= kinds and nn.PReLU not in kinds
    faces = torch.rand(2, 3, 112, 112)
    for ours, theirs in zip(value_and_gradient(quick, faces), value_and_gradient(network, faces), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))
    assert not any(parameter.requires_grad for parameter in quick.parameters()) and not quick.training
    assert all(
        value is network.state_dict()[name] or torch.equal(value, network.state_dict()[name])
        for name, value in before.items()
    )


def test_networks_without_such_parts_are_copied() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.PReLU(1), nn.ReLU())
    quick = for_input_gradient(network)
    faces = torch.rand(2, 3, 8, 8)
    with torch.no_grad():  # and stored like the copy: PyTorch has other algorithms for gradients and other layouts
        network.to(memory_format=torch.channels_last)
        assert quick is not network and torch.equal(quick(faces), network(faces))
