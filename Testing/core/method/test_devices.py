"""Choice of the device: the error for a missing device names it."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.method import devices
from TumorGenCore.method.devices import pick_device


def test_the_processor_is_always_here():
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "", "cpu:x", "cuda:x"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(InvalidRequestError, match="is not available here; use auto or one of: cpu"):
        pick_device(name)


def test_a_graphics_card_is_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InvalidRequestError, match="'cuda:1' is not available here"):
        pick_device("cuda:1")


def test_apple_graphics_need_a_pytorch_that_convolves_volumes_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device() == torch.device("mps")
    monkeypatch.setattr(devices, "IS_OLD_TORCH", True)
    assert pick_device() == torch.device("cpu")
    with pytest.raises(InvalidRequestError, match="'mps' is not available here"):
        pick_device("mps")
