"""oneDNN convolutions give the same numbers in less time."""

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from TumorGenCore import TumorGenerator
from TumorGenCore.method.cpu import onednn
from TumorGenCore.method.cpu.onednn import OneDnnConv3d, use_onednn


@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": 2, "padding": 1}, {"bias": False}, {"dilation": 2}])
def test_the_result_and_the_gradient_are_those_of_the_plain_layer(settings):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv3d(4, 6, 3, **settings))
    fast = use_onednn(copy.deepcopy(plain))
    assert isinstance(fast[0], OneDnnConv3d)
    x = torch.randn(1, 4, 9, 10, 11)
    ours, theirs = fast(x), plain(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(fast[0].weight.grad, plain[0].weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("edges", [(2, 2, 2), (2, 4, 4), (4, 4, 2), (4, 4, 4)])
def test_the_gradient_in_bfloat16_is_the_one_in_float32_on_the_smallest_grids_too(edges):
    torch.manual_seed(0)
    layer = use_onednn(nn.Sequential(nn.Conv3d(32, 32, 3, padding=1)))
    x = torch.randn(4, 32, *edges)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            made = layer(x)
        made.float().square().sum().backward()
        gradients.append(layer[0].weight.grad.clone())
        layer.zero_grad()
    assert (gradients[1] - gradients[0]).norm() < 0.05 * gradients[0].norm()


@pytest.mark.usefixtures("onednn_bfloat16")
def test_in_bfloat16_the_result_is_autocasts_own_and_follows_the_weights():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv3d(4, 6, 3, padding=1))
    fast = use_onednn(copy.deepcopy(plain))
    x = torch.randn(1, 4, 6, 6, 6)
    for _ in range(2):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(fast(x), plain(x))
        other = {name: torch.randn_like(value) for name, value in plain.state_dict().items()}
        plain.load_state_dict(other)
        fast.load_state_dict(other)
    assert list(fast.state_dict()) == ["0.weight", "0.bias"]


def test_weights_keep_their_names_and_are_shared():
    layer = nn.Conv3d(2, 3, 1)
    network = use_onednn(nn.Sequential(layer))
    assert list(network.state_dict()) == ["0.weight", "0.bias"]
    assert network[0].weight is layer.weight


def test_layers_it_cannot_do_are_left():
    network = use_onednn(nn.Sequential(nn.Conv3d(1, 1, 3, padding=1, padding_mode="reflect"), nn.Conv2d(1, 1, 3)))
    assert [type(layer) for layer in network] == [nn.Conv3d, nn.Conv2d]


def test_other_precisions_take_pytorchs_own_way():
    network = use_onednn(nn.Sequential(nn.Conv3d(2, 3, 3)))
    assert network.double()(torch.ones(1, 2, 4, 4, 4, dtype=torch.float64)).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.float()(torch.ones(1, 2, 4, 4, 4)).dtype == torch.bfloat16


def test_an_old_pytorch_computes_the_same_without_what_it_lacks(monkeypatch):
    layer, x = nn.Conv3d(3, 5, 3, padding=1), torch.randn(2, 3, 6, 5, 4)
    monkeypatch.setattr(onednn, "IS_OLD_TORCH", True)
    monkeypatch.setattr(onednn, "_HAS_PACKED", False)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda: None)  # as in PyTorch 2.2, it takes no device
    for context in (torch.inference_mode(), torch.enable_grad()):
        with context:
            torch.testing.assert_close(OneDnnConv3d.sharing(layer)(x), layer(x), atol=1e-5, rtol=1e-5)


def test_an_insertion_never_takes_the_slow_way(tiny_bundle_folder):
    bundle = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu").bundle
    z, box, t = torch.zeros(1, 4, 4, 4, 4), torch.ones(1, 1, 4, 4, 4), torch.zeros(1)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as seen:
        bundle.vae.encode(torch.zeros(1, 1, 16, 16, 16))
        features = bundle.vae.decode_with_features(z)[1]
        bundle.vector_field(torch.cat([z, box], 1), z, box, t)
        bundle.mask_refiner(box, features)
    names = {event.key for event in seen.key_averages()}
    assert "mkldnn::_convolution_pointwise" in names
    assert "aten::slow_conv3d_forward" not in names
