"""Settings of a training run, kept in one JSON file: everything that decides its result."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from TumorGenCore.bundle.folders import models_root
from TumorGenCore.bundle.laws import FillLaw, NoiseLaw, UptakeLaw
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.former_names import with_present_names
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.volumes.patch import PatchSettings
from TumorGenCore.volumes.safe_write import replacing

__all__ = [
    "AnyRun",
    "AutoencoderRun",
    "DataSettings",
    "GeneratorRun",
    "RivalRun",
    "SegmenterRun",
    "default_config",
    "read_config",
    "write_config",
]

T = TypeVar("T")

#: Generator settings of versions up to 0.4.1, each with the only value that this version trains.
_FORMER_SWITCHES: dict[str, Any] = {"box_channel": True, "condition": "before", "time_sampling": "logit-normal"}
_PLAIN: dict[Any, Any] = {int: int, float: (int, float), str: str}


@dataclass(frozen=True)
class DataSettings:
    """Which cases a run uses, and how it splits them into training and validation.

    Args:
        names: cases to use; null uses all.
        patient_pattern: regular expression matched on the case name; its first group is the patient.
        validation_share: share of patients held out, 0 to 1.
        split_seed: seed of the split.
        always_train: patients that are never held out.
        exclude_lps_mm: boxes (x0, x1, y0, y1, z0, z1; LPS mm) by case name; their tissue does not count as healthy.
        shapes: folder of a shape library below the folder of the cases; empty for none.
    """

    names: list[str] | None = None
    patient_pattern: str = r"^(.+)$"
    validation_share: float = 0.2
    split_seed: int = 0
    always_train: list[str] = field(default_factory=list)
    exclude_lps_mm: dict[str, list[list[float]]] = field(default_factory=dict)
    shapes: str = ""


@dataclass(frozen=True)
class AutoencoderRun:
    """Settings of `tumorgen train autoencoder`.

    Args:
        data, loop, examples: cases, training length and augmentation.
        scale: conversion of SUV to the network scale.
        patch: working patch.
        offsets: box offsets of BA-PMG.
        channels, num_res_blocks, latent_channels, norm_num_groups, space_to_depth, use_convtranspose: arguments of
            ``PetVAE``.
        patch_size: voxels along each axis of a training patch.
        batch_size: patches per step.
        mse_weight, gradient_weight, kl_weight: weights of the loss terms; the weight of the L1 term is 1.
    """

    data: DataSettings = field(default_factory=DataSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    scale: NetworkScale = field(default_factory=NetworkScale)
    patch: PatchSettings = field(default_factory=PatchSettings)
    offsets: BoxOffsets = field(default_factory=lambda: BoxOffsets(0.15, 4.0))
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    channels: list[int] = field(default_factory=lambda: [24, 48])
    num_res_blocks: list[int] = field(default_factory=lambda: [1, 2])
    latent_channels: int = 4
    norm_num_groups: int = 8
    space_to_depth: int = 2
    use_convtranspose: bool = True
    patch_size: int = 48
    batch_size: int = 4
    mse_weight: float = 0.0
    gradient_weight: float = 0.5
    kl_weight: float = 1e-6


@dataclass(frozen=True)
class GeneratorRun:
    """Settings of `tumorgen train generator`, which trains SC-VFE and VMR together.

    Args:
        data, loop, examples: cases, training length and augmentation.
        offsets: box offsets of BA-PMG.
        channels, num_res_blocks, attention_levels, num_head_channels, norm_num_groups: arguments of ``VectorField``.
        refiner_channels: channels of ``MaskRefiner``.
        buckets: by patch edge in voxels: number of cached examples, examples per step, share of the steps.
        validation_examples: number of cached examples of the held-out cases, with the middle patch edge.
        refiner_examples: examples that train the refiner in a step, on a latent grid of 12^3 cells; fewer on larger
            grids.
        mask_error_cells: how far the training moves masks off the tumor (``misplaced_mask``), latent cells.
        refiner_only: train the mask refiner alone, on whole batches. The vector field stays as it is in the bundle of
            ``--start-from``.
        lambda_1, lambda_2, lambda_3: weights of Eq. 7.
        box_weight: weight of errors inside the box; errors outside have the weight 1.
        tumor_weight: additional weight inside the tumor, which is a small part of most boxes.
        controlled: the network accepts controls for fill and uptake (``method.controls``).
        uncontrolled_share: share of examples without any control.
        control_dropout: chance that one of the other examples lacks a given control.
        sampling, uptake, fill, noise: entries of the bundle's metadata: how to sample it, uptake and fill of its tumors
            if the user does not ask for any, and the noise of their uptake.
        most_turn_degrees, most_shift_mm: entries of the bundle's patch, see ``PatchSettings``; examples are shifted as
            much.
        lesion_thumbnails: store thumbnails of the training lesions in the bundle, to detect copies of them.
        version: version of the bundle.
        notes: description, authors, license and data_source for the bundle's metadata.
    """

    data: DataSettings = field(default_factory=DataSettings)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(learning_rate=1e-3, validate_steps=500))
    offsets: BoxOffsets = field(default_factory=lambda: BoxOffsets(0.15, 4.0))
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    channels: list[int] = field(default_factory=lambda: [32, 64, 128])
    num_res_blocks: int = 1
    attention_levels: list[bool] = field(default_factory=lambda: [False, False, True])
    num_head_channels: int = 32
    norm_num_groups: int = 8
    refiner_channels: int = 16
    buckets: dict[str, list[float]] = field(
        default_factory=lambda: {"32": [2000, 24, 0.45], "48": [1200, 10, 0.35], "64": [500, 5, 0.2]}
    )
    validation_examples: int = 32
    refiner_examples: int = 2
    mask_error_cells: float = 0.0
    refiner_only: bool = False
    lambda_1: float = 1.0
    lambda_2: float = 0.1
    lambda_3: float = 1.0
    box_weight: float = 4.0
    tumor_weight: float = 0.0
    controlled: bool = True
    uncontrolled_share: float = 0.4
    control_dropout: float = 0.25
    sampling: Sampling = field(default_factory=Sampling)
    uptake: UptakeLaw = field(default_factory=UptakeLaw)
    fill: FillLaw = field(default_factory=FillLaw)
    noise: NoiseLaw = field(default_factory=NoiseLaw)
    most_turn_degrees: float = 60.0
    most_shift_mm: float = 5.0
    lesion_thumbnails: bool = True
    version: str = "1.0.0"
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RivalRun(GeneratorRun):
    """Settings of `tumorgen train rival`: the settings of a generator and the kind of rival.

    Args:
        kind: a key of ``training.stages.rival.STAGES``.
        gan_channels: features of the GAN, see ``HierarchicalGan``.
    """

    kind: str = "diffusion"
    gan_channels: int = 48


@dataclass(frozen=True)
class SegmenterRun:
    """Settings of `tumorgen train segmenter`. It learns from real tumors only, with masks like those of the generator.

    Args:
        data, loop, examples: cases, training length and augmentation.
        scale: conversion of SUV to the network scale.
        patch: working patch.
        offsets: box offsets of BA-PMG.
        channels: features of each level; the network halves the patch from level to level.
        patch_size: voxels along each axis of a training patch.
        batch_size: patches of that size per step; batches of other sizes have about as many voxels.
        own_size_share: share of patches that show tumors at their own size. Such a patch may cut a tumor off.
        other_sizes: other patch edges, each used as often as ``patch_size``. Small patches show small tumors, large
            patches show large tumors whole.
    """

    data: DataSettings = field(default_factory=DataSettings)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=2500, learning_rate=1e-3))
    scale: NetworkScale = field(default_factory=NetworkScale)
    patch: PatchSettings = field(default_factory=PatchSettings)
    offsets: BoxOffsets = field(default_factory=lambda: BoxOffsets(0.15, 4.0))
    examples: ExampleSettings = field(default_factory=lambda: ExampleSettings(transplant_share=0.0))
    channels: list[int] = field(default_factory=lambda: [16, 32, 64, 128])
    patch_size: int = 48
    batch_size: int = 4
    own_size_share: float = 0.0
    other_sizes: list[int] = field(default_factory=list)


#: Settings of any stage.
AnyRun = AutoencoderRun | GeneratorRun | SegmenterRun


def default_config(name: str) -> Path:
    """Path of a configuration in the repository's ``Resources/Training``; an installed package may lack this folder."""
    return models_root().parent / "Training" / f"{name}.json"


def write_config(run: Any, path: Path) -> None:
    """Writes the settings of a run, a dataclass, as JSON; creates the folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:  # A resumed run reads this file.
        temporary.write_text(json.dumps(dataclasses.asdict(run), indent=2) + "\n")


def read_config(kind: type[T], path: Path) -> T:
    """Reads the settings of a run; settings that the file lacks keep their defaults.

    Raises:
        TrainingDataError: the file is not JSON, has an unknown setting, or a value is invalid or of the wrong kind.
    """
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise TrainingDataError(f"The configuration {Path(path).name} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise TrainingDataError(f"The configuration {Path(path).name} must be a JSON object of settings.")
    return _build(kind, values, "")


def _build(kind: type[T], values: dict[str, Any], where: str) -> T:
    hints = typing.get_type_hints(kind)
    values = with_present_names(values)
    if issubclass(kind, GeneratorRun):
        values = _without_switches(values)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise TrainingDataError(f"The configuration has unknown settings {unknown} in {where or 'its top level'}.")
    arguments = {}
    for name, value in values.items():
        kind_of_value = dict if dataclasses.is_dataclass(hints[name]) else _PLAIN.get(hints[name], object)
        if not isinstance(value, kind_of_value):
            raise TrainingDataError(f"The configuration's {name} is {value!r}, a value of the wrong kind.")
        if name == "notes":
            value = with_present_names(value)
        if dataclasses.is_dataclass(hints[name]):
            value = _build(typing.cast(type, hints[name]), value, name)
        elif isinstance(value, list) and typing.get_origin(hints[name]) is tuple:
            value = tuple(value)
        arguments[name] = value
    try:
        return kind(**arguments)
    except ValueError as error:
        raise TrainingDataError(f"The configuration has invalid {where or 'values'}: {error}") from error


def _without_switches(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of a generator without ``_FORMER_SWITCHES``, which older files may still have."""
    for name, only in _FORMER_SWITCHES.items():
        if values.get(name, only) != only:
            raise TrainingDataError(
                f"The configuration's {name} is {values[name]!r}; this version trains with {only!r} only. Remove the "
                "setting; `tumorgen ablate` compares its values."
            )
    return {name: value for name, value in values.items() if name not in _FORMER_SWITCHES}
