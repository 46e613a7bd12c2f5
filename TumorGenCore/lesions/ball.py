"""The ball with the volume of a lesion, whose diameter is the equivalent diameter. No module of weight is imported."""

from __future__ import annotations

import math

__all__ = ["ball_diameter_mm", "ball_volume_ml"]


def ball_diameter_mm(volume_ml: float) -> float:
    """Diameter, mm, of a ball with a volume, ml."""
    return math.cbrt(6000 * volume_ml / math.pi)


def ball_volume_ml(diameter_mm: float) -> float:
    """Volume, ml, of a ball with a diameter, mm."""
    return math.pi / 6000 * diameter_mm**3
