"""Control: requested and reached values of every target, at sites that the training did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.evaluation.markdown import number, percent, table_lines
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.statistics import mean_of_known, median_of_known
from TumorGenCore.insertion.forewarnings import target_warnings
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.request import SIZES, TumorRequest
from TumorGenCore.insertion.targets import misses
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.ball import ball_diameter_mm
from TumorGenCore.lesions.measures import LesionMeasures, measure_images

__all__ = ["ASKED", "control_lines", "measure_control"]

#: Requested values of each target. Fill and SUVmax have a range; the others become a fill or an SUV, so one value is
#: enough to show that the way there is right.
ASKED: dict[str, tuple[float, ...]] = {
    "fill": (0.02, 0.04, 0.08, 0.16, 0.3),
    "volume_ml": (5.0,),
    "diameter_mm": (20.0,),
    "suv_max": (2.0, 5.0, 10.0, 20.0, 30.0),
    "suv_peak": (8.0,),
    "to_background": (4.0,),
    "to_reference": (3.0,),
}
#: Mean SUV of the reference region: about that of a liver, which the crops of patients need not hold.
_REFERENCE_SUV = 2.0
_NAMES = {
    "fill": "fill of the box",
    "volume_ml": "volume, ml",
    "diameter_mm": "equivalent diameter, mm",
    "suv_max": "SUVmax",
    "suv_peak": "SUVpeak",
    "to_background": "lesion to background",
    "to_reference": f"lesion to a reference of SUV {_REFERENCE_SUV:g}",
}
#: For each target, its value from the measures of the tumor in a box.
_REACHED: dict[str, Callable[[LesionMeasures, PreparedBox], float]] = {
    "fill": lambda measures, box: measures.volume_ml / box.box.volume_ml,
    "volume_ml": lambda measures, _: measures.volume_ml,
    "diameter_mm": lambda measures, _: ball_diameter_mm(measures.volume_ml),
    "suv_max": lambda measures, _: measures.suv_max,
    "suv_peak": lambda measures, _: measures.suv_peak,
    "to_background": lambda measures, box: measures.suv_mean / box.tissue_suv,
    "to_reference": lambda measures, _: measures.suv_mean / _REFERENCE_SUV,
}


def measure_control(generator: TumorGenerator, sites: Sequence[Site], seed: int = 0) -> dict:
    """Requests each value of ``ASKED`` at each site.

    Args:
        generator: the bundle on its device.
        sites: sites that the training did not see.
        seed: seed of every tumor.

    Returns:
        The number of ``sites``, and for each target a list of rows: ``asked`` is the requested value, ``forewarned``
        the share of sites where TumorGen says before the work that the place cannot take it, ``refused`` the share
        where it then makes no tumor, ``reached`` the median of the results at the sites without a word, ``within`` the
        share of them within 5 %. For an uptake, ``gain`` is the median factor on the uptake of the tumor; 1 means that
        the tumor grew as hot as requested. The lists of sizes are empty for a bundle without controls.
    """
    prepared = [generator.prepare(site.image, site.box, suv_factor=1) for site in sites]
    found: dict = {"sites": len(sites)}
    for name, values in ASKED.items():
        can_be_asked = name not in SIZES or generator.bundle.vector_field.control_channels
        found[name] = [_row(generator, prepared, name, value, seed) for value in values] if can_be_asked else []
    return found


def control_lines(found: dict) -> list[str]:
    """Returns the section of the report as Markdown; ``found`` is the result of ``measure_control``."""
    rows = [
        [
            _NAMES[key],
            number(row["asked"]),
            number(row["reached"]),
            percent(row["within"]),
            percent(row["forewarned"]),
            percent(row["refused"]),
            number(row.get("gain")),
        ]
        for key in _NAMES
        for row in found[key]
    ]
    return [
        "## Control",
        "",
        f"The requested value of one tumor at each of {found['sites']} healthy and phantom sites, the median of the "
        "values reached, and the share of sites within 5 % of the request. *Forewarned*: share of sites where TumorGen "
        "says before the work that the place cannot take the request; these are left out of the other figures. "
        "*Refused*: share of sites where it also makes no tumor. `gain`: factor on the uptake that the tumor adds; 1 "
        "means that the tumor grew as hot as requested.",
        "",
        *table_lines(["", "requested", "reached", "within 5 %", "forewarned", "refused", "gain"], rows),
    ]


def _row(generator: TumorGenerator, prepared: Sequence[PreparedBox], name: str, asked: float, seed: int) -> dict:
    request = TumorRequest.parse({name: asked, **({"reference_suv": _REFERENCE_SUV} if name == "to_reference" else {})})
    taken, refused = list[Tumor](), 0
    for box in prepared:
        try:
            if not target_warnings(box.targets(request), box, box.tissue_suv):
                taken.append(generator.generate(box, request, seed=seed))
        except InvalidRequestError:
            refused += 1
    reached = [_reached(tumor, name) for tumor in taken]
    gain = {} if name in SIZES else {"gain": median_of_known([tumor.pasted.gain for tumor in taken])}
    return {
        "asked": asked,
        "forewarned": 1 - len(taken) / len(prepared),
        "refused": refused / len(prepared),
        "reached": median_of_known(reached),
        "within": mean_of_known([not misses(value, asked) for value in reached]),
        **gain,
    }


def _reached(tumor: Tumor, name: str) -> float:
    if not tumor.pasted.tumor.any():
        return 0.0
    return _REACHED[name](measure_images(tumor.image, tumor.mask), tumor.prepared)
