"""The panel's typed settings, stored in a parameter node of the scene and bound to the widgets of the .ui file."""

import enum
import math
from dataclasses import replace
from typing import Annotated, Any

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.logic import RunOptions

__all__ = ["Device", "Parameters", "Solver", "Uptake", "previewRequest", "runOptions", "takeRequest", "tumorRequest"]

#: Largest values, and smallest SUV, that the panel's widgets take; and the decimals that they show.
MOST_SEED, MOST_STEPS = 2**31 - 1, 100
LEAST_SUV, MOST_SUV, SUV_DECIMALS = 0.1, 200.0, 2
MOST_FILL, FILL_DECIMALS = 60.0, 1


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
    """Measure of uptake that the tumor is to reach; the value is the core's name for it."""

    MODEL = ""
    MAX = "max"
    MEAN = "mean"
    DEFAULT = ""

    def label(self) -> str:
        """The text in the panel's list."""
        return {"": "As the model makes it", "max": "SUVmax", "mean": "SUVmean"}[self.value]


@parameterNodeWrapper
class Parameters:
    """Settings of a run.

    Args:
        inputVolume: the PET volume.
        box: the ROI that the tumor grows in.
        seed: seed of the first variant; the others count up from it.
        variants: how many tumors to make.
        uptake: see ``Uptake``.
        uptakeSuv: SUV that the measure ``uptake`` is to reach.
        fillPercent: share of the box that the tumor is to fill; 0 leaves it to the model.
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
    seed: Annotated[int, WithinRange(0, MOST_SEED)] = 0
    variants: Annotated[int, WithinRange(1, 20)] = 1
    uptake: Uptake = Uptake.DEFAULT
    uptakeSuv: Annotated[float, WithinRange(LEAST_SUV, MOST_SUV)] = 8.0
    fillPercent: Annotated[float, WithinRange(0.0, MOST_FILL)] = 0.0
    livePreview: bool = False
    steps: Annotated[int, WithinRange(1, MOST_STEPS)] = 10
    solver: Solver = Solver.DEFAULT
    device: Device = Device.DEFAULT
    model: str = ""
    suvFactor: Annotated[float, WithinRange(0.0, 1e6)] = 0.0
    leastQuality: Annotated[int, WithinRange(0, 100)] = round(100 * GOOD_QUALITY)
    softMask: bool = False
    outline: bool = True


def tumorRequest(parameters: Parameters) -> TumorRequest:
    """Returns the request. The least quality is for several variants; a single tumor is always that of its seed.

    Raises:
        InvalidRequestError: a value is not valid.
    """
    suv = {parameters.uptake: parameters.uptakeSuv}
    return TumorRequest(
        steps=parameters.steps,
        solver=parameters.solver.value,
        fill=parameters.fillPercent / 100 or None,
        least_quality=parameters.leastQuality / 100 if parameters.variants > 1 else None,
        suv_max=suv.get(Uptake.MAX),
        suv_mean=suv.get(Uptake.MEAN),
    )


def takeRequest(parameters: Parameters, request: TumorRequest, seed: int) -> list[str]:
    """Sets the parameters to those of one tumor. Values beyond the panel's ranges become the nearest ones in them.

    Returns:
        What the panel cannot hold, as sentences.
    """
    parameters.variants = 1
    parameters.seed = min(seed, MOST_SEED)
    parameters.steps = min(request.steps or parameters.steps, MOST_STEPS)
    parameters.solver = Solver(request.solver or Solver.DEFAULT.value)
    target = request.target
    parameters.uptake = Uptake(target.measure if target else "")
    if target:
        parameters.uptakeSuv = round(min(max(target.suv, LEAST_SUV), MOST_SUV), SUV_DECIMALS)
    parameters.fillPercent = round(min(100 * (request.fill or 0), MOST_FILL), FILL_DECIMALS)
    asked = {"seed": seed, **request.as_dict()}
    taken = {"seed": parameters.seed, **tumorRequest(parameters).as_dict()}
    words = {"seed": "seed", "steps": "steps", "suv_max": "SUVmax", "suv_mean": "SUVmean", "fill": "fill"}
    return [
        f"The panel takes {word} {taken[name]:.15g} instead of {asked[name]:.15g}."
        for name, word in words.items()
        if name in asked and not math.isclose(taken[name], asked[name], rel_tol=1e-9)
    ]


def previewRequest(parameters: Parameters) -> TumorRequest:
    """Returns the request of a preview: few steps, the solver that needs the fewest, no redraw."""
    steps = min(PREVIEW_STEPS, parameters.steps)
    return replace(tumorRequest(parameters), steps=steps, solver="adams", least_quality=None)


def runOptions(parameters: Parameters) -> RunOptions:
    """Returns the options of runs and previews."""
    return RunOptions(
        model=parameters.model or DEFAULT_BUNDLE,
        device=parameters.device.value,
        suvFactor=parameters.suvFactor or None,
        softMask=parameters.softMask,
    )
