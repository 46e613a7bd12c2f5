"""Settings of the augmentation that makes training examples; see ``examples``."""

from __future__ import annotations

from dataclasses import dataclass

from TumorGenCore.lesions.avid_part import METABOLIC_SHARE

__all__ = ["ExampleSettings"]


@dataclass(frozen=True)
class ExampleSettings:
    """What the augmentation may do.

    Args:
        transplant_share: share of transplanted tumors among the examples, shaped ones included.
        shaped_share: share of shaped tumors among the transplanted ones, if there are shapes.
        carried_share: share of the shaped tumors whose uptake comes from another tumor.
        smallest_mm: smallest tumor extent to aim at, mm.
        least_contrast: donors below this contrast (see ``Lesion``) are not transplanted.
        resolution_mm: full width at half maximum to which shrunk tumors are blurred again, (low, high).
        uptake_median, uptake_spread: log-normal law of the 95th percentile SUV of a transplanted tumor of 1 ml.
        uptake_growth: the median grows with the volume (ml) to this power, because larger tumors are hotter.
        gain_spread: log-normal spread of a factor on the SUV of the whole patch.
        metabolic_share: the tumor is the part of its contour above this share of the 95th percentile; 0 keeps the
            whole contour.
        least_rise: least ratio of the tumor's 95th percentile to the median in the rest of the box. Fainter examples
            are drawn again, because a reader would see no tumor in them.
        least_suv: least 95th percentile in the tumor, for the same reason.
        least_scale: least scale of real examples; below it the anatomy around the tumor would be unnaturally small.
        warp: donors are stretched and bent by about this share of their extent, so that no shape repeats.
        host_exponent: how often a case provides healthy tissue grows with its volume to this power. 0 treats all cases
            alike; 1 is proportional to the volume.
        cubic: resample scans by cubic B-splines; otherwise linearly, which blurs edges when voxels are large.
    """

    transplant_share: float = 0.6
    shaped_share: float = 0.0
    carried_share: float = 0.5
    smallest_mm: float = 13.0
    least_contrast: float = 0.75
    resolution_mm: tuple[float, float] = (5.0, 7.5)
    uptake_median: float = 7.0
    uptake_spread: float = 0.5
    uptake_growth: float = 0.12
    gain_spread: float = 0.2
    metabolic_share: float = METABOLIC_SHARE
    least_rise: float = 1.6
    least_suv: float = 2.0
    least_scale: float = 0.45
    warp: float = 0.12
    host_exponent: float = 0.75
    cubic: bool = False
