"""Control: requested and reached fill and uptake, at sites that the training did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.markdown import number, percent, table_lines
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.targets import TARGET_TOLERANCE
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.volumes.geometry import Grid

__all__ = ["FILLS", "SUVS", "control_lines", "measure_control"]

#: Requested shares of the box volume.
FILLS = (0.04, 0.08, 0.16)
#: Requested SUVmax.
SUVS = (5.0, 10.0, 20.0)


def measure_control(generator: TumorGenerator, sites: Sequence[Site], seed: int = 0) -> dict:
    """Requests each of ``FILLS`` and ``SUVS`` at each site.

    Args:
        generator: the bundle on its device.
        sites: sites that the training did not see.
        seed: seed of every tumor.

    Returns:
        ``fill`` and ``suv_max``, each a list of rows: ``asked`` is the requested value, ``reached`` the median of the
        results, ``within`` the share of sites within 5 %. For SUVmax, ``gain`` is the median factor on the uptake of
        the tumor; 1 means that the tumor grew as hot as requested. ``fill`` is empty for a bundle without controls.
    """
    prepared = [generator.prepare(site.image, site.box, suv_factor=1) for site in sites]
    found: dict = {"sites": len(sites), "fill": [], "suv_max": []}
    if generator.bundle.vector_field.control_channels:
        for asked in FILLS:
            made = [generator.generate(box, TumorRequest(fill=asked), seed=seed) for box in prepared]
            reached = [_fill(result, site) for result, site in zip(made, sites, strict=True)]
            found["fill"].append(_row(asked, reached))
    for asked in SUVS:
        made = [generator.generate(box, TumorRequest(suv_max=asked), seed=seed) for box in prepared]
        reached = [_suv_max(result) for result in made]
        gains = [result.pasted.gain for result in made]
        found["suv_max"].append({**_row(asked, reached), "gain": float(np.median(gains))})
    return found


def control_lines(found: dict) -> list[str]:
    """Returns the section of the report as Markdown; ``found`` is the result of ``measure_control``."""
    names = {"fill": "fill of the box", "suv_max": "SUVmax"}
    rows = [
        [
            names[key],
            number(row["asked"]),
            number(row["reached"]),
            percent(row["within"]),
            number(row.get("gain")),
        ]
        for key in names
        for row in found[key]
    ]
    return [
        "## Control",
        "",
        f"The requested value of one tumor at each of {found['sites']} healthy and phantom sites, the median of the "
        "values reached, and the share of sites within 5 % of the request. `gain`: factor on the uptake that the tumor "
        "adds; 1 means that the tumor grew as hot as requested.",
        "",
        *table_lines(["", "requested", "reached", "within 5 %", "gain"], rows),
    ]


def _row(asked: float, reached: Sequence[float]) -> dict:
    within = np.abs(np.asarray(reached) / asked - 1) <= TARGET_TOLERANCE + 1e-6
    return {"asked": asked, "reached": float(np.median(reached)), "within": float(within.mean())}


def _fill(result: Tumor, site: Site) -> float:
    voxel_mm3 = np.prod(Grid.from_image(site.image).spacing_mm)
    return float(sitk.GetArrayViewFromImage(result.mask).sum() * voxel_mm3 / np.prod(site.box.size_mm))


def _suv_max(result: Tumor) -> float:
    inside = sitk.GetArrayViewFromImage(result.mask) > 0
    return float(sitk.GetArrayViewFromImage(result.image)[inside].max()) if inside.any() else 0.0
