"""Control: requested and reached fill and uptake, at sites that the training did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.markdown import number, percent, table_lines
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.statistics import mean_of_known, median_of_known
from TumorGenCore.insertion.forewarnings import request_warnings
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.targets import misses
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.volumes.geometry import Grid

__all__ = ["FILLS", "SUVS", "control_lines", "measure_control"]

#: Requested shares of the box volume.
FILLS = (0.02, 0.04, 0.08, 0.16, 0.3)
#: Requested SUVmax.
SUVS = (2.0, 5.0, 10.0, 20.0, 30.0)


def measure_control(generator: TumorGenerator, sites: Sequence[Site], seed: int = 0) -> dict:
    """Requests each of ``FILLS`` and ``SUVS`` at each site.

    Args:
        generator: the bundle on its device.
        sites: sites that the training did not see.
        seed: seed of every tumor.

    Returns:
        ``fill`` and ``suv_max``, each a list of rows: ``asked`` is the requested value, ``forewarned`` the share of
        sites where TumorGen says before the work that the place cannot take it, ``reached`` the median of the results
        at the other sites, ``within`` the share of them within 5 %. For SUVmax, ``gain`` is the median factor on the
        uptake of the tumor; 1 means that the tumor grew as hot as requested. ``fill`` is empty for a bundle without
        controls.
    """
    prepared = [generator.prepare(site.image, site.box, suv_factor=1) for site in sites]

    def made(request: TumorRequest) -> list[Tumor | None]:
        """One tumor for each site; None where the place cannot take the request."""
        return [
            None if request_warnings(request, box, box.tissue_suv) else generator.generate(box, request, seed=seed)
            for box in prepared
        ]

    found: dict = {"sites": len(sites), "fill": [], "suv_max": []}
    if generator.bundle.vector_field.control_channels:
        for asked in FILLS:
            fills = [
                _fill(tumor, site) for tumor, site in zip(made(TumorRequest(fill=asked)), sites, strict=True) if tumor
            ]
            found["fill"].append(_row(asked, fills, len(sites)))
    for asked in SUVS:
        tumors = [tumor for tumor in made(TumorRequest(suv_max=asked)) if tumor]
        gain = median_of_known([tumor.pasted.gain for tumor in tumors])
        found["suv_max"].append({**_row(asked, [_suv_max(tumor) for tumor in tumors], len(sites)), "gain": gain})
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
            percent(row["forewarned"]),
            number(row.get("gain")),
        ]
        for key in names
        for row in found[key]
    ]
    return [
        "## Control",
        "",
        f"The requested value of one tumor at each of {found['sites']} healthy and phantom sites, the median of the "
        "values reached, and the share of sites within 5 % of the request. *Forewarned*: share of sites where TumorGen "
        "says before the work that the place cannot take the request; these are left out of the other figures. `gain`: "
        "factor on the uptake that the tumor adds; 1 means that the tumor grew as hot as requested.",
        "",
        *table_lines(["", "requested", "reached", "within 5 %", "forewarned", "gain"], rows),
    ]


def _row(asked: float, reached: Sequence[float], sites: int) -> dict:
    within = [not misses(value, asked) for value in reached]
    return {
        "asked": asked,
        "forewarned": 1 - len(reached) / sites,
        "reached": median_of_known(reached),
        "within": mean_of_known(within),
    }


def _fill(result: Tumor, site: Site) -> float:
    voxel_mm3 = np.prod(Grid.from_image(site.image).spacing_mm)
    return float(sitk.GetArrayViewFromImage(result.mask).sum() * voxel_mm3 / np.prod(site.box.size_mm))


def _suv_max(result: Tumor) -> float:
    inside = sitk.GetArrayViewFromImage(result.mask) > 0
    return float(sitk.GetArrayViewFromImage(result.image)[inside].max()) if inside.any() else 0.0
