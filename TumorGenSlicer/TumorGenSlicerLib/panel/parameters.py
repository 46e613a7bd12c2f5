"""The panel's typed settings, stored in a parameter node of the scene and bound to the widgets of the .ui file."""

import enum
import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.in_organ import lesion_diameter_mm
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.logic import RunOptions

__all__ = [
    "Device",
    "MeasuredRegion",
    "Parameters",
    "Size",
    "Solver",
    "Uptake",
    "previewRequest",
    "runOptions",
    "takeRequest",
    "tumorRequest",
    "wantedDiameterMm",
]

#: Largest values, and smallest SUV, that the panel's widgets take; and the decimals that they show.
MOST_SEED, MOST_STEPS = 2**31 - 1, 100
LEAST_SUV, MOST_SUV, SUV_DECIMALS = 0.1, 200.0, 2
LEAST_RATIO, MOST_RATIO, RATIO_DECIMALS = 0.1, 100.0, 2
MOST_FILL, FILL_DECIMALS = 60.0, 1
MOST_ML, ML_DECIMALS = 2000.0, 2
MOST_MM, MM_DECIMALS = 150.0, 1
MOST_LESIONS = 20

#: Words of the settings that the panel may hold only in part.
_WORDS = {
    "seed": "seed",
    "steps": "steps",
    "suv_max": "SUVmax",
    "suv_mean": "SUVmean",
    "suv_peak": "SUVpeak",
    "to_background": "lesion to background",
    "to_reference": "lesion to reference",
    "fill": "fill",
    "volume_ml": "volume",
    "diameter_mm": "diameter",
}


class _KnownNames(enum.EnumMeta):
    """An enumeration with a member ``DEFAULT``, which every unknown name means: a scene may be of another version."""

    def __getitem__(cls, name: str) -> Any:
        return cls.__members__.get(name, cls.__members__["DEFAULT"])


class Device(enum.Enum, metaclass=_KnownNames):
    """Device that the networks run on; the value is the core's name for it."""

    AUTOMATIC = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"
    DEFAULT = "auto"

    def label(self) -> str:
        """The text in the panel's list."""
        return {"auto": "Automatic", "cpu": "Processor", "cuda": "NVIDIA graphics card", "mps": "Apple graphics"}[
            self.value
        ]


class Solver(enum.Enum, metaclass=_KnownNames):
    """Method that integrates from noise to tumor; the value is the core's name for it."""

    EULER = "euler"
    HEUN = "heun"
    ADAMS = "adams"
    DEFAULT = "adams"

    def label(self) -> str:
        """The text in the panel's list."""
        return {
            "euler": "Euler (first order)",
            "heun": "Heun (twice the time)",
            "adams": "Adams (second order)",
        }[self.value]


class Uptake(enum.Enum, metaclass=_KnownNames):
    """Measure of uptake that the tumor is to reach; the value is its name in ``TumorRequest``."""

    MODEL = ""
    MAX = "suv_max"
    MEAN = "suv_mean"
    PEAK = "suv_peak"
    BACKGROUND = "to_background"
    REFERENCE = "to_reference"
    DEFAULT = ""

    @property
    def isRatio(self) -> bool:
        """Whether it is a ratio to another SUV."""
        return self in (Uptake.BACKGROUND, Uptake.REFERENCE)

    def label(self) -> str:
        """The text in the panel's list."""
        return {
            "": "As the model makes it",
            "suv_max": "SUVmax",
            "suv_mean": "SUVmean",
            "suv_peak": "SUVpeak",
            "to_background": "Lesion to background",
            "to_reference": "Lesion to reference",
        }[self.value]


class Size(enum.Enum, metaclass=_KnownNames):
    """Measure of size that the tumor is to reach; the value is its name in ``TumorRequest``."""

    SHARE = "fill"
    VOLUME = "volume_ml"
    DIAMETER = "diameter_mm"
    DEFAULT = "fill"

    def label(self) -> str:
        """The text in the panel's list."""
        return {"fill": "Share of the box", "volume_ml": "Volume", "diameter_mm": "Diameter"}[self.value]


@dataclass(frozen=True)
class MeasuredRegion:
    """A measured reference region.

    Args:
        name: its name.
        suv: its mean SUV.
    """

    name: str
    suv: float


@parameterNodeWrapper
class Parameters:
    """Settings of a run.

    Args:
        inputVolume: the PET volume.
        box: the ROI that the tumor grows in; the boxes that were placed together with it get a tumor, too.
        placeSegmentation: segmentation with the segment to place boxes in.
        placeSegment: ID of this segment; empty if none is chosen.
        placeCount: how many boxes to place; 0 draws the number.
        seed: seed of the first variant; the others count up from it.
        variants: how many tumors to make.
        uptake: see ``Uptake``.
        uptakeSuv: SUV that the measure ``uptake`` is to reach.
        uptakeRatio: ratio that it is to reach, if it is one.
        referenceSegmentation: segmentation with the reference region of a ratio.
        referenceSegment: ID of its segment; empty if none is chosen.
        size: see ``Size``; of the next three only the one that it names counts, and 0 leaves the size to the model.
        fillPercent: share of the box that the tumor is to fill.
        volumeMl: volume of the tumor.
        diameterMm: diameter of a ball with the volume of the tumor.
        livePreview: show a quick tumor whenever the box changes.
        steps: sampling steps per tumor.
        solver: see ``Solver``.
        device: see ``Device``.
        model: bundle name or folder; empty means the default bundle.
        suvFactor: SUV per unit of the volume; 0 means automatic.
        leastQuality: lowest quality of several variants, 0 to 100; new tumors replace poorer ones.
        softMask: also add the mask's probabilities as a volume.
        outline: show the mask's outline while comparing.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    box: slicer.vtkMRMLMarkupsROINode
    placeSegmentation: slicer.vtkMRMLSegmentationNode
    placeSegment: str = ""
    placeCount: Annotated[int, WithinRange(0, MOST_LESIONS)] = 1
    seed: Annotated[int, WithinRange(0, MOST_SEED)] = 0
    variants: Annotated[int, WithinRange(1, 20)] = 1
    uptake: Uptake = Uptake.DEFAULT
    uptakeSuv: Annotated[float, WithinRange(LEAST_SUV, MOST_SUV)] = 8.0
    uptakeRatio: Annotated[float, WithinRange(LEAST_RATIO, MOST_RATIO)] = 4.0
    referenceSegmentation: slicer.vtkMRMLSegmentationNode
    referenceSegment: str = ""
    size: Size = Size.DEFAULT
    fillPercent: Annotated[float, WithinRange(0.0, MOST_FILL)] = 0.0
    volumeMl: Annotated[float, WithinRange(0.0, MOST_ML)] = 0.0
    diameterMm: Annotated[float, WithinRange(0.0, MOST_MM)] = 0.0
    livePreview: bool = False
    steps: Annotated[int, WithinRange(1, MOST_STEPS)] = 10
    solver: Solver = Solver.DEFAULT
    device: Device = Device.DEFAULT
    model: str = ""
    suvFactor: Annotated[float, WithinRange(0.0, 1e6)] = 0.0
    leastQuality: Annotated[int, WithinRange(0, 100)] = round(100 * GOOD_QUALITY)
    softMask: bool = False
    outline: bool = True


def tumorRequest(parameters: Parameters, reference: MeasuredRegion | None = None) -> TumorRequest:
    """Returns the request. The least quality is for several variants; a single tumor is always that of its seed.

    Args:
        parameters: the parameters.
        reference: the measured reference region, if the uptake is a ratio to one.

    Raises:
        InvalidRequestError: a value is not valid, or there is no reference region.
    """
    targets = _size(parameters)
    if parameters.uptake is not Uptake.MODEL:
        value = parameters.uptakeRatio if parameters.uptake.isRatio else parameters.uptakeSuv
        targets[parameters.uptake.value] = value
    if parameters.uptake is Uptake.REFERENCE:
        if reference is None:
            raise InvalidRequestError("Choose a segmentation and a segment as the reference region.")
        targets |= {"reference_suv": reference.suv, "reference": reference.name}
    return TumorRequest(
        steps=parameters.steps,
        solver=parameters.solver.value,
        least_quality=parameters.leastQuality / 100 if parameters.variants > 1 else None,
        **targets,
    )


def wantedDiameterMm(parameters: Parameters) -> float | None:
    """Returns the diameter, mm, of a ball with the volume that is wanted; None if the size is left open."""
    return lesion_diameter_mm(TumorRequest(**_size(parameters)))


def _size(parameters: Parameters) -> dict[str, Any]:
    """Returns the wanted size, by its name in ``TumorRequest``; None leaves it to the model."""
    sizes = {
        Size.SHARE: parameters.fillPercent / 100,
        Size.VOLUME: parameters.volumeMl,
        Size.DIAMETER: parameters.diameterMm,
    }
    return {parameters.size.value: sizes[parameters.size] or None}


def takeRequest(
    parameters: Parameters, request: TumorRequest, seed: int, reference: MeasuredRegion | None = None
) -> list[str]:
    """Sets the parameters to those of one tumor. Values beyond the panel's ranges become the nearest ones in them.

    Args:
        parameters: gets the values.
        request: request for the tumor.
        seed: its seed.
        reference: the measured reference region that the panel has; a ratio to another one becomes an SUV.

    Returns:
        What the panel cannot hold, as sentences.
    """
    parameters.variants = 1
    parameters.seed = min(seed, MOST_SEED)
    parameters.steps = min(request.steps or parameters.steps, MOST_STEPS)
    parameters.solver = Solver(request.solver or Solver.DEFAULT.value)
    remarks = []
    if request.to_reference is not None and request.reference_suv is not None and not _isSame(reference, request):
        suv = request.to_reference * request.reference_suv
        remarks.append(
            "The reference region in the panel is not that of the tumor. The panel takes the SUVmean that the ratio "
            f"means, {suv:.3g}."
        )
        request = replace(request, to_reference=None, reference_suv=None, reference=None, suv_mean=suv)
    parameters.uptake = Uptake(request.uptake or "")
    if request.uptake and parameters.uptake.isRatio:
        parameters.uptakeRatio = _within(getattr(request, request.uptake), LEAST_RATIO, MOST_RATIO, RATIO_DECIMALS)
    elif request.uptake:
        parameters.uptakeSuv = _within(getattr(request, request.uptake), LEAST_SUV, MOST_SUV, SUV_DECIMALS)
    parameters.size = Size(request.size or Size.DEFAULT.value)
    parameters.fillPercent = _within(100 * (request.fill or 0), 0, MOST_FILL, FILL_DECIMALS)
    parameters.volumeMl = _within(request.volume_ml or 0, 0, MOST_ML, ML_DECIMALS)
    parameters.diameterMm = _within(request.diameter_mm or 0, 0, MOST_MM, MM_DECIMALS)
    asked = {"seed": seed, **request.as_dict()}
    taken = {"seed": parameters.seed, **tumorRequest(parameters, reference).as_dict()}
    return remarks + [
        f"The panel takes {word} {taken.get(name, 0):.15g} instead of {asked[name]:.15g}."
        for name, word in _WORDS.items()
        if name in asked and not math.isclose(taken.get(name, 0), asked[name], rel_tol=1e-9)
    ]


def previewRequest(request: TumorRequest) -> TumorRequest:
    """Returns the request of a preview: few steps, the solver that needs the fewest, no redraw."""
    steps = min(PREVIEW_STEPS, request.steps or PREVIEW_STEPS)
    return replace(request, steps=steps, solver="adams", least_quality=None)


def _isSame(reference: MeasuredRegion | None, request: TumorRequest) -> bool:
    """Whether a region has the mean SUV to which the ratio of a request refers."""
    return reference is not None and request.reference_suv == reference.suv


def runOptions(parameters: Parameters) -> RunOptions:
    """Returns the options of runs and previews."""
    return RunOptions(
        model=parameters.model or DEFAULT_BUNDLE,
        device=parameters.device.value,
        suvFactor=parameters.suvFactor or None,
        softMask=parameters.softMask,
    )


def _within(value: float | None, least: float, most: float, decimals: int) -> float:
    return round(min(max(value or 0.0, least), most), decimals)
