"""What a request means in one box: an SUV to reach, and a share of the box to fill.

The request stays what the user wants. Ratios depend on the tissue around the box, and volumes on the size of the box,
so they are resolved once for each box; everything that grows, pastes and judges a tumor works on the result. This
module imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.ball import ball_volume_ml
from TumorGenCore.volumes.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FillTarget", "Targets", "UptakeTarget", "resolved"]


@dataclass(frozen=True)
class UptakeTarget:
    """An uptake to reach.

    Args:
        measure: ``max``, ``mean`` or ``peak``, over the tumor's mask.
        suv: the SUV to reach.
        origin: what the user asked for, if it was a ratio; for messages.
    """

    measure: Literal["max", "mean", "peak"]
    suv: float
    origin: str = ""

    def of(self, uptake: NDArray) -> float:
        """Measures the uptake of a tumor.

        Args:
            uptake: SUV of its voxels, any shape; for ``peak`` the means over spheres around them
                (``sphere_means``).
        """
        return float(uptake.mean() if self.measure == "mean" else uptake.max())

    @property
    def name(self) -> str:
        """Its name for messages."""
        return f"SUV{self.measure}"

    @property
    def value(self) -> str:
        """Its value for messages."""
        return f"{self.suv:g}" + f" ({self.origin})" * bool(self.origin)


@dataclass(frozen=True)
class FillTarget:
    """A size to reach.

    Args:
        share: share of the box's volume that is to become tumor, 0 to 1.
        origin: what the user asked for, if it was another measure of size; for messages.
    """

    share: float
    origin: str = ""


@dataclass(frozen=True)
class Targets:
    """What a tumor in one box is to reach; None leaves it to the model bundle."""

    uptake: UptakeTarget | None = None
    size: FillTarget | None = None

    @property
    def fill(self) -> float | None:
        """Share of the box's volume that is to become tumor."""
        return None if self.size is None else self.size.share


def resolved(request: TumorRequest, tissue_suv: float, box: Box) -> Targets:
    """Returns what a request means in a box.

    Args:
        request: the user's request.
        tissue_suv: median SUV of the tissue around the box; 0 if there is none.
        box: the box.

    Raises:
        InvalidRequestError: there is no tissue for a ratio to the background, or the box is too small for the volume.
    """
    return Targets(_uptake(request, tissue_suv), _size(request, box))


def _uptake(request: TumorRequest, tissue_suv: float) -> UptakeTarget | None:
    if request.suv_max is not None:
        return UptakeTarget("max", float(request.suv_max))
    if request.suv_mean is not None:
        return UptakeTarget("mean", float(request.suv_mean))
    if request.suv_peak is not None:
        return UptakeTarget("peak", float(request.suv_peak))
    if request.to_reference is not None and request.reference_suv is not None:
        origin = f"{request.to_reference:g} times the mean of {request.reference or 'the reference'}"
        return UptakeTarget("mean", float(request.to_reference * request.reference_suv), origin)
    if request.to_background is None:
        return None
    if not tissue_suv > 0:
        raise InvalidRequestError(
            "There is only air around the box, so a ratio to the background means nothing here. Move the box into the "
            "body, or ask for an SUV."
        )
    return UptakeTarget(
        "mean", float(request.to_background * tissue_suv), f"{request.to_background:g} times the tissue around the box"
    )


def _size(request: TumorRequest, box: Box) -> FillTarget | None:
    if request.fill is not None:
        return FillTarget(request.fill)
    if request.diameter_mm is not None:
        volume = ball_volume_ml(request.diameter_mm)
        wanted = f"{request.diameter_mm:g} mm diameter, {volume:.3g} ml"
    elif request.volume_ml is not None:
        volume = float(request.volume_ml)
        wanted = f"{volume:.3g} ml"
    else:
        return None
    if volume >= box.volume_ml:
        raise InvalidRequestError(
            f"A tumor of {wanted} does not fit into this box of {box.volume_ml:.3g} ml. Ask for less, or draw a "
            "larger box."
        )
    return FillTarget(volume / box.volume_ml, wanted)
