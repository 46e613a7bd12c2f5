"""Differences between people: width, depth and height of the body, fat, and the uptake of each tissue.

Mean SUVs follow Wang et al., Standardized uptake value atlas, Mol Imaging Biol 2007;9:83-90.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["MEAN_SUV", "Individual"]

#: Mean SUV (body weight) of each tissue, averaged over people.
MEAN_SUV: dict[str, float] = {
    "skin": 0.85, "fat": 0.26, "muscle": 0.62, "visceral fat": 0.42, "marrow": 1.3, "vertebra": 2.0, "disc": 0.65,
    "cord": 1.7, "lung": 0.42, "air": 0.15, "blood": 1.45, "mediastinum": 0.95, "myocardium": 4.6, "liver": 2.15,
    "spleen": 1.85, "stomach": 1.8, "bowel": 1.35, "pancreas": 1.35, "kidney": 2.9, "urine": 11.0, "bladder": 28.0,
    "prostate": 1.4, "gray matter": 11.0, "white matter": 4.8, "ventricle": 1.6, "cerebellum": 8.5, "brain stem": 5.0,
    "gland": 2.3, "tonsil": 4.2, "mucosa": 1.9, "tongue": 1.5, "larynx": 2.1, "thyroid": 1.4, "eye": 0.5,
    "eye muscle": 2.6, "skull": 0.75, "oesophagus": 1.6, "rectum": 1.5,
}  # fmt: skip


@dataclass(frozen=True)
class Individual:
    """One person.

    Args:
        girth: width relative to the usual.
        depth: depth from front to back, relative to the usual.
        height: height relative to the usual.
        fat: thickness of the fat under the skin, relative to the usual.
        suv: mean SUV (body weight) of each tissue of ``MEAN_SUV``.
    """

    girth: float
    depth: float
    height: float
    fat: float
    suv: dict[str, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Individual:
        """Draws a random person."""
        girth, depth, height = 1 + rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.012]
        suv = {tissue: mean * float(np.exp(0.09 * rng.standard_normal())) for tissue, mean in MEAN_SUV.items()}
        # Myocardium, urine and bladder vary much more between people than solid organs.
        for tissue, spread in {"myocardium": 0.25, "urine": 0.25, "bladder": 0.2}.items():
            suv[tissue] *= float(np.exp(spread * rng.uniform(-1, 1)))
        return cls(float(girth), float(depth), float(height), float(rng.uniform(0.75, 1.35)), suv)
