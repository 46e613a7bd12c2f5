"""Detection: does a segmenter find the tumors of a whole scan, and does it find anything else?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.agreement import dice
from TumorGenCore.method.devices import autocast
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.config import SegmenterRun
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.tumor_masks import case_tumors
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["FIGURES", "SearchedScan", "detection_figures", "find_tumors", "made_small", "own_size"]

#: Measures of one scan.
FIGURES = ("dice", "sensitivity", "false_positives")
#: Least share of a lesion that counts as found; least volume of a true lesion and of a false positive, ml.
FOUND_SHARE = 0.1
LEAST_TRUE_ML, LEAST_FALSE_ML = 0.1, 0.3
#: Margin on each side of the boxes for lesions made small, as a share of the patch; larger margins give smaller boxes.
CONTEXT_SHARES = (0.35, 0.27, 0.19)
#: Smallest extent to aim at, mm.
SMALLEST_MM = 10.0


@dataclass(frozen=True)
class SearchedScan:
    """A scan to search; arrays (k, j, i) on an isotropic grid.

    Args:
        name: name of the scan.
        patient: patient of the scan.
        kind: ``own``: a whole scan; ``small``: a patch with a shrunk lesion.
        suv: uptake.
        truth: the tumors.
        ignored: disease that counts neither as tumor nor as false finding, and voxels outside the scan.
        voxel_ml: volume of a voxel.
    """

    name: str
    patient: str
    kind: str
    suv: NDArray[np.float32]
    truth: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    voxel_ml: float

    @property
    def volume_ml(self) -> float:
        """Volume of the tumors, ml."""
        return float(self.truth.sum() * self.voxel_ml)


def own_size(case: Case, spacing_mm: float) -> SearchedScan:
    """Returns the whole scan of a case; the parts of its contours without tracer uptake are ignored.

    Args:
        case: one scan.
        spacing_mm: spacing of the isotropic grid.
    """
    grid = Grid.from_image(case.image)
    middle = grid.index_to_lps((np.asarray(grid.size_ijk) - 1) / 2)
    size_mm = np.asarray(grid.size_ijk) * grid.spacing_mm
    box = Box(tuple(middle.tolist()), tuple(size_mm.tolist()), grid.direction)
    size = np.ceil(size_mm / spacing_mm).astype(int)
    patch = WorkingPatch.of_size(box, (int(size[0]), int(size[1]), int(size[2])), spacing_mm)
    truth = patch.sample(case_tumors(case)) > 0.5
    ignored = (patch.sample(case.mask) > 0.5) & ~truth | ~patch.inside(grid)
    return SearchedScan(case.name, case.patient, "own", patch.sample(case.image), truth, ignored, spacing_mm**3 / 1000)


def made_small(
    case: Case, patch: PatchSettings, offsets: BoxOffsets, size: int, count: int, seed: int
) -> list[SearchedScan]:
    """Makes the lesions of a case small and places them into its healthy tissue, like transplanted training examples.

    Args:
        case: case with tumors and healthy tissue; the result is empty without either.
        patch: provides the spacing.
        offsets: box offsets of the examples.
        size: edge of the patches, voxels.
        count: number of attempts; there are fewer patches if a lesion fits nowhere.
        seed: decides the patches.
    """
    if not case.lesions or len(case.healthy_lps) == 0:
        return []
    settings = ExampleSettings(transplant_share=1.0, smallest_mm=SMALLEST_MM)
    made = []
    for n in range(count):
        context_mm = CONTEXT_SHARES[n % len(CONTEXT_SHARES)] * size * patch.spacing_mm
        maker = ExampleMaker([case], PatchSettings(patch.spacing_mm, context_mm), offsets, settings, seed)
        example = maker.example(n, size)
        if not example.transplanted:
            continue
        truth = example.mask > 0.5
        ignored = (example.patch.sample(case.mask) > 0.5) & ~truth
        voxel_ml = float(np.prod(example.patch.grid.spacing_mm)) / 1000
        name = f"{case.name} small {n + 1}"
        made.append(SearchedScan(name, case.patient, "small", example.suv, truth, ignored, voxel_ml))
    return made


@torch.inference_mode()
def find_tumors(network: torch.nn.Module, run: SegmenterRun, suv: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Segments a scan in overlapping windows of the patch size of the training.

    Args:
        network: network of the segmenter, on its device.
        run: settings of its training.
        suv: SUV, (k, j, i), at the spacing of its training.
    """
    device = next(network.parameters()).device
    x = run.scale.to_network(torch.from_numpy(suv)[None, None]).to(device)
    windows = SlidingWindowInferer((run.patch_size,) * 3, sw_batch_size=4, overlap=0.5, mode="gaussian")
    with autocast(device):
        logits = windows(x, network)
    found: NDArray[np.bool_] = (logits[0, 0].float() > 0).cpu().numpy()  # type: ignore[call-overload, index]
    return found


def detection_figures(found: NDArray[np.bool_], scan: SearchedScan) -> dict[str, float]:
    """Measures the detection in a scan.

    Args:
        found: the segmenter's finding, (k, j, i) on the grid of the scan.
        scan: scan with its tumors.

    Returns:
        ``dice`` of all tumors, ``sensitivity`` (share of the lesions found) and ``false_positives``, the number of
        pieces that touch neither a tumor nor ignored voxels.
    """
    pieces, count = ndimage.label(found)
    touched = np.unique(pieces[(scan.truth | scan.ignored) & found])
    sizes = np.bincount(pieces.ravel(), minlength=count + 1) * scan.voxel_ml
    false = [n for n in range(1, count + 1) if n not in touched and sizes[n] >= LEAST_FALSE_ML]
    lesions, many = ndimage.label(scan.truth)
    volumes = np.bincount(lesions.ravel(), minlength=many + 1)
    shares = np.bincount(lesions.ravel(), found.ravel(), many + 1)[1:] / np.maximum(volumes[1:], 1)
    counted = shares[volumes[1:] * scan.voxel_ml >= LEAST_TRUE_ML]
    return {
        "dice": dice(found & ~scan.ignored, scan.truth),
        "sensitivity": float((counted >= FOUND_SHARE).mean()) if len(counted) else 0.0,
        "false_positives": float(len(false)),
    }
