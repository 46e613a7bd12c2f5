"""The panel's settings: typed, kept in a parameter node of the scene, bound to the widgets of the .ui file."""

import enum
from dataclasses import replace
from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.logic import RunOptions

__all__ = ["Device", "Parameters", "Solver", "Uptake", "previewRequest", "runOptions", "tumorRequest"]


class Device(enum.Enum):
    """Where the networks compute; the value is the core's name for it."""

    AUTOMATIC = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """The text in the panel's list."""
        return {"auto": "Automatic", "cpu": "Processor", "cuda": "NVIDIA graphics card", "mps": "Apple graphics"}[
            self.value
        ]


class Solver(enum.Enum):
    """How the way from noise to tumor is walked; the value is the core's name for it."""

    EULER = "euler"
    HEUN = "heun"
    ADAMS = "adams"

    def label(self) -> str:
        """The text in the panel's list."""
        return {
            "euler": "Euler (first order)",
            "heun": "Heun (twice the time)",
            "adams": "Adams (second order)",
        }[self.value]


class Uptake(enum.Enum):
    """How hot the tumor shall be; the value is the core's name for what is asked of it."""

    MODEL = ""
    MAX = "max"
    MEAN = "mean"

    def label(self) -> str:
        """The text in the panel's list."""
        return {"": "As the model makes it", "max": "SUVmax", "mean": "SUVmean"}[self.value]


@parameterNodeWrapper
class Parameters:
    """What a run is asked for.

    Args:
        inputVolume: the PET volume.
        box: the ROI that the tumor grows in.
        seed: of the first variant; the others count up from it.
        variants: how many tumors to make.
        uptake: see ``Uptake``.
        uptakeSuv: the SUV that ``uptake`` shall reach.
        fillPercent: share of the box that the tumor shall fill; 0 leaves it to the model.
        livePreview: show a quick tumor whenever the box is changed.
        steps: sampling steps of each.
        solver: see ``Solver``.
        device: see ``Device``.
        model: a bundle's name or folder; empty is the default bundle.
        suvFactor: SUV per unit of the volume; 0 finds it out.
        leastQuality: of several variants, 0 to 100; poorer ones are drawn again.
        softMask: also add the mask's probabilities as a volume.
        outline: show the mask's outline while comparing.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    box: slicer.vtkMRMLMarkupsROINode
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = 0
    variants: Annotated[int, WithinRange(1, 20)] = 1
    uptake: Uptake = Uptake.MODEL
    uptakeSuv: Annotated[float, WithinRange(0.1, 200.0)] = 8.0
    fillPercent: Annotated[float, WithinRange(0.0, 60.0)] = 0.0
    livePreview: bool = False
    steps: Annotated[int, WithinRange(1, 100)] = 10
    solver: Solver = Solver.ADAMS
    device: Device = Device.AUTOMATIC
    model: str = ""
    suvFactor: Annotated[float, WithinRange(0.0, 1e6)] = 0.0
    leastQuality: Annotated[int, WithinRange(0, 100)] = round(100 * GOOD_QUALITY)
    softMask: bool = False
    outline: bool = True


def tumorRequest(parameters: Parameters) -> TumorRequest:
    """What the tumors shall be like. The quality counts among several variants; a single tumor is that of its seed.

    Raises:
        InvalidRequestError: a value that cannot be used.
    """
    uptake = {Uptake.MAX: "suv_max", Uptake.MEAN: "suv_mean"}.get(parameters.uptake)
    return TumorRequest(
        steps=parameters.steps,
        solver=parameters.solver.value,
        fill=parameters.fillPercent / 100 or None,
        least_quality=parameters.leastQuality / 100 if parameters.variants > 1 else None,
        **({} if uptake is None else {uptake: parameters.uptakeSuv}),
    )


def previewRequest(parameters: Parameters) -> TumorRequest:
    """The same in few steps, of the solver that needs the fewest; nothing is drawn again."""
    steps = min(PREVIEW_STEPS, parameters.steps)
    return replace(tumorRequest(parameters), steps=steps, solver="adams", least_quality=None)


def runOptions(parameters: Parameters) -> RunOptions:
    """How runs and previews are made."""
    return RunOptions(
        model=parameters.model or DEFAULT_BUNDLE,
        device=parameters.device.value,
        suvFactor=parameters.suvFactor or None,
        softMask=parameters.softMask,
    )
