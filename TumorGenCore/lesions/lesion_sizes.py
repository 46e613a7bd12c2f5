"""How large lesions are, and how many a scan has, by organ: small laws from published lesions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from TumorGenCore.lesions.ball import ball_diameter_mm
from TumorGenCore.volumes.label_names import matching_names

__all__ = ["BREAST", "LAWS", "LUNG", "WHOLE_BODY", "LesionLaw", "law_of_organ"]

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LesionLaw:
    """Sizes and numbers of the lesions of one kind.

    Args:
        organ: word for the organ; empty for the whole body.
        volumes_ml: share of lesions, and the volume that no lesion of that share exceeds, rising.
        numbers: share of the scans with a lesion, and the most lesions that a scan of that share has, rising.
        source: where the figures come from.
    """

    organ: str
    volumes_ml: Points
    numbers: Points
    source: str

    def draw_diameter(self, rng: np.random.Generator) -> float:
        """Draws an equivalent diameter, mm: that of a ball with the volume of a lesion.

        Volumes between two shares are drawn evenly on a logarithmic scale; none is beyond the first and the last one.
        """
        shares, volumes = np.array(self.volumes_ml).T
        volume_ml = math.exp(np.interp(rng.uniform(shares[0], shares[-1]), shares, np.log(volumes)))
        return ball_diameter_mm(volume_ml)

    def even(self) -> LesionLaw:
        """Returns the same law with as many lesions of each size: even on a logarithmic scale, from end to end."""
        ends = ((0.0, self.volumes_ml[0][1]), (1.0, self.volumes_ml[-1][1]))
        return replace(self, volumes_ml=ends)

    def draw_number(self, rng: np.random.Generator) -> int:
        """Draws how many lesions a scan has, at least 1."""
        shares, numbers = np.array(self.numbers).T
        return int(numbers[np.searchsorted(shares, rng.uniform(0, shares[-1]))])


#: 455 thoracic tumors in 225 scans of 189 patients; Testing/benchmarks/lesion_laws.py computes the figures.
LUNG = LesionLaw(
    organ="lung",
    volumes_ml=(
        (0.01, 0.571), (0.05, 0.891), (0.1, 1.369), (0.25, 3.958), (0.5, 15.561), (0.75, 81.611), (0.9, 257.449),
        (0.95, 330.875), (0.99, 691.7),
    ),
    numbers=((0.489, 1), (0.751, 2), (0.876, 3), (0.938, 4), (0.96, 5), (0.987, 6), (0.991, 7), (0.996, 9), (1.0, 10)),
    source="FDG-avid lung tumors of the NCI Image Data Commons (Murugesan et al., Sci. Data 2024; Zenodo 8352041), "
    "without the patients of Resources/Training/shapes-judging.csv",
)  # fmt: skip

#: 70 breast tumors in 50 scans of 22 patients, from the same source.
BREAST = LesionLaw(
    organ="breast",
    volumes_ml=(
        (0.01, 1.187), (0.05, 2.391), (0.1, 2.445), (0.25, 4.816), (0.5, 11.001), (0.75, 18.165), (0.9, 37.229),
        (0.95, 108.942), (0.99, 116.601),
    ),
    numbers=((0.6, 1), (1.0, 2)),
    source=LUNG.source.replace("lung tumors", "breast tumors"),
)  # fmt: skip

#: Volumes of 4,282 lesions of 461 patients. No table says how many lesions a single organ has, so the number is that of
#: the lung.
WHOLE_BODY = LesionLaw(
    organ="",
    volumes_ml=(
        (0.01, 1.033), (0.05, 1.132), (0.1, 1.269), (0.25, 1.792), (0.5, 3.446), (0.75, 10.314), (0.9, 40.861),
        (0.95, 102.368), (0.99, 463.118),
    ),
    numbers=LUNG.numbers,
    source="autoPET FDG lesions (Gatidis et al., Sci. Data 2022, 9, 601), per-lesion tables of 10.5281/zenodo.19936563",
)  # fmt: skip

LAWS = (WHOLE_BODY, LUNG, BREAST)


def law_of_organ(organ: str) -> LesionLaw:
    """Returns the law for an organ, which is that of the whole body if no organ of its own has one.

    Args:
        organ: name of the organ, such as ``lung_upper_lobe_left``.
    """
    return next((law for law in LAWS if law.organ and matching_names(law.organ, [organ])), WHOLE_BODY)
