"""One tumor of a training pipeline: grown until it is good, or left out; and the note about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from TumorGenCore.errors import InvalidBoxError, InvalidRequestError
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.insertion.redraw import other_seeds
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.insertion.variants import VariantRun
from TumorGenCore.volumes.geometry import Box, ras_to_lps
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["Attempt", "no_place", "try_tumor"]


@dataclass(frozen=True)
class Attempt:
    """A tumor, or why there is none.

    Args:
        tumor: the tumor; None if it was left out.
        note: what it is, ready for JSON.
    """

    tumor: Tumor | None
    note: dict[str, Any]


def try_tumor(generator: TumorGenerator, volume: PetVolume, box: Box, request: TumorRequest, seed: int) -> Attempt:
    """Grows a tumor in a box; up to two other seeds replace a poor one.

    Args:
        generator: generator of the tumor.
        volume: the scan.
        box: its place, along L, P and S.
        request: wanted properties, with the least quality.
        seed: first seed.

    Raises:
        InvalidRequestError: the model cannot do this, in whatever place.
    """
    generator.check(request, (seed,))
    try:
        prepared = generator.prepare(volume, box)
        (variant,) = VariantRun(generator, prepared, request, (seed,), redraw_seeds=other_seeds(seed))
    except (InvalidBoxError, InvalidRequestError) as error:  # Another place may be able to take it.
        return Attempt(None, _note(request, seed, box, reason=str(error)))
    (tumor,) = variant.tumors
    reason = variant.poor or ("" if tumor.pasted.tumor.any() else "No tumor grew in this box.")
    note = _note(request, tumor.seed, box, reason, quality=float(tumor.quality.total))
    return Attempt(None if reason else tumor, note)


def no_place(request: TumorRequest, seed: int) -> Attempt:
    """Returns what is said about a tumor for which there is no place."""
    reason = (
        "No place was found: a box must lie in the scan, mostly in the body, and apart from labels and other boxes."
    )
    return Attempt(None, _note(request, seed, None, reason))


def _note(request: TumorRequest, seed: int, box: Box | None, reason: str, quality: float | None = None) -> dict:
    return {
        "inserted": not reason,
        "synthetic": not reason,
        "statement": "" if reason else STATEMENT,
        "seed": seed,
        "box_ras_mm": None if box is None else [*ras_to_lps(box.center_lps).tolist(), *box.size_mm],
        "quality": quality,
        "request": request.as_dict(),
        "reason": reason,
    }
