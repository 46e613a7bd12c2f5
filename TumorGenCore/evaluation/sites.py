"""Sites of an evaluation, and measures of the tumors there: agreement of mask and uptake, size, variety over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.evaluation.crops import block_around
from TumorGenCore.evaluation.statistics import mean_of_known
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.agreement import contrast, dice, uptake_dice
from TumorGenCore.method.pseudo_mask import tight_box
from TumorGenCore.phantom.phantom import PHANTOM_SITES, make_phantom, phantom_box
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.training.data.tumor_masks import case_tumors
from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["GROUPS", "Shown", "Site", "evaluate_site", "phantom_sites", "rough_box", "sites_of"]

#: Margin of the evaluation's boxes around a real tumor, mm per face.
ROUGH_MARGIN_MM = 10.0
#: Margin around the box for measurements, voxels.
_MARGIN_VOXELS = 4


Group = Literal["tumor", "healthy", "phantom"]


@dataclass(frozen=True)
class Site:
    """A place where an evaluation inserts tumors.

    Args:
        name: name in reports.
        group: ``tumor`` (the box lies over a real tumor), ``healthy`` (tissue of a patient) or ``phantom``.
        image: the scan, SUV.
        box: the box.
        real: the patient's real tumors, 0/1, if the box lies over one.
        patient: patient of the scan.
    """

    name: str
    group: Group
    image: sitk.Image
    box: Box
    real: sitk.Image | None = None
    patient: str = "phantom"


#: Sites and the tumors inserted there, one per seed.
Shown = Sequence[tuple[Site, list[Tumor]]]
#: The groups in the order of the report.
GROUPS: tuple[Group, ...] = ("tumor", "healthy", "phantom")


def sites_of(case: Case, healthy: int = 1, edge_mm: float = 40.0, seed: int = 0) -> list[Site]:
    """Returns a site around the case's largest tumor, in a rough box, and sites at random healthy places.

    Args:
        case: a case; without tumors or healthy tissue it lacks the sites of that group.
        healthy: number of healthy sites.
        edge_mm: edge of the boxes there.
        seed: decides the healthy places.
    """
    sites = []
    if case.lesions:
        lesion = max(case.lesions, key=lambda item: item.volume_ml)
        box = rough_box(lesion, float(np.mean(case.image.GetSpacing())))
        sites.append(Site(f"{case.name} tumor", "tumor", case.image, box, case_tumors(case), case.patient))
    rng = np.random.default_rng([seed, len(case.healthy_lps)])
    for n in range(healthy if len(case.healthy_lps) else 0):
        box = _healthy_box(case, edge_mm, rng)
        sites.append(Site(f"{case.name} healthy {n + 1}", "healthy", case.image, box, None, case.patient))
    return sites


def rough_box(lesion: Lesion, voxel_mm: float, axes: NDArray | None = None) -> Box:
    """Returns a box like a user's: the tightest box around a tumor, 10 mm larger at each face.

    Args:
        lesion: lesion, which lies completely inside.
        voxel_mm: edge of its voxels.
        axes: 3x3, the columns are the box axes in LPS; by default those of the patient.
    """
    tight = tight_box(lesion.points_lps, np.eye(3) if axes is None else axes, voxel_mm)
    x, y, z = (edge + 2 * ROUGH_MARGIN_MM for edge in tight.size_mm)
    return Box(tight.center_lps, (x, y, z), tight.axes)


def phantom_sites(seed: int = 0) -> list[Site]:
    """Returns all named sites of a digital phantom, in organs and trunk, which crops of patients may lack.

    Args:
        seed: seed of the phantom.
    """
    image = make_phantom(seed)
    return [Site(f"phantom {name}", "phantom", image, phantom_box(name)) for name in PHANTOM_SITES]


def evaluate_site(
    generator: TumorGenerator, site: Site, seeds: range, steps: int | None = None
) -> tuple[dict, list[Tumor]]:
    """Inserts a tumor with every seed and measures it.

    Args:
        generator: the bundle on its device.
        site: the site.
        seeds: seeds, one tumor each.
        steps: steps of the sampler; None takes the number of the bundle.

    Returns:
        Values of the site, None if no tumor grew, and the tumors, one per seed. Means over the seeds are

        - ``uptake_dice`` and ``contrast`` of the mask, see ``lesions.agreement``;
        - ``volume_ml`` and ``suv_max``.

        ``volume_variation`` is the standard deviation of the volumes over their mean. ``seed_dice`` is the overlap of
        the masks of different seeds; 1 means no variety.
    """
    prepared = generator.prepare(site.image, site.box, suv_factor=1)
    results = generator.generate_many(prepared, TumorRequest(steps=steps), seeds=seeds)
    grid = Grid.from_image(site.image)
    around, _ = block_around(site.box, grid, _MARGIN_VOXELS)
    masks = [sitk.GetArrayViewFromImage(r.mask)[around] > 0 for r in results]
    box = site.box.mask(grid)[around]
    images = [sitk.GetArrayViewFromImage(r.image)[around] for r in results]
    measured = [_measure(image, mask, box) for image, mask in zip(images, masks, strict=True)]
    figures = {key: mean_of_known([m[key] for m in measured]) for key in ("uptake_dice", "contrast", "suv_max")}
    volumes = [float(m.sum() * np.prod(site.image.GetSpacing())) / 1000 for m in masks]
    figures["volume_ml"] = mean_of_known(volumes)
    figures["volume_variation"] = float(np.std(volumes) / np.mean(volumes)) if max(volumes) > 0 else None
    figures["seed_dice"] = mean_of_known([dice(a, b) for a, b in combinations(masks, 2)])
    return figures, results


def _measure(suv: NDArray, mask: NDArray[np.bool_], box: NDArray[np.bool_]) -> dict:
    if not mask.any():
        return {"uptake_dice": 0.0, "contrast": None, "suv_max": None}
    return {
        "uptake_dice": uptake_dice(suv, mask, box),
        "contrast": contrast(suv, mask, box),
        "suv_max": float(suv[mask].max()),
    }


def _healthy_box(case: Case, edge_mm: float, rng: np.random.Generator) -> Box:
    """Returns a box at a healthy place: the first of twenty that lies inside the body, or the best of them."""
    best, most = None, -1.0
    for _ in range(20):
        center = case.healthy_lps[rng.integers(len(case.healthy_lps))]
        box = Box((center[0], center[1], center[2]), (edge_mm, edge_mm, edge_mm))
        inside = box.mask(Grid.from_image(case.image))
        share = float((sitk.GetArrayViewFromImage(case.image)[inside] > 0.2).mean())
        if share > most:
            best, most = box, share
        if share > 0.9:
            break
    assert best is not None
    return best
