"""Reads an input as TumorGen's commands do, and says how that ended."""

from __future__ import annotations

import functools
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from good_inputs import grid_image, write_bundle

from TumorGenCore.errors import CancelledError, TumorGenError, UnknownUnitsWarning, VolumeWarning
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.markups import read_box
from TumorGenCore.volumes.read import read_mask, read_volume

__all__ = ["READERS", "Reading", "prepare", "read_input"]

#: The work on a provenance is canceled after this time of the processor, as a user may; it may ask for many steps.
_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Reading:
    """How the reading of an input ended.

    Args:
        status: "read", "warned", "refused" or "unnamed" (an error that is not TumorGen's).
        message: of the error.
        warnings: messages of the warnings.
        value: what was read, in plain arrays and numbers.
        out_of_memory: whether memory was missing on the way.
        peak_mib: by how much the memory grew meanwhile.
    """

    status: str
    message: str = ""
    warnings: tuple[str, ...] = ()
    value: dict[str, Any] = field(default_factory=dict)
    out_of_memory: bool = False
    peak_mib: float = 0.0


def read_input(kind: str, path: Path) -> Reading:
    """Reads an input of a kind (``good_inputs.SHARES``)."""
    before = _memory_mib(reset=True)
    value: dict[str, Any] = {}
    message, error = "", None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = READERS[kind](path)
        except Exception as problem:
            error = problem
            message = f"{type(problem).__name__}: {problem}"
    # Files other than DICOM never say their units, so that warning tells nothing about the file.
    ignored = () if kind == "dicom" else (UnknownUnitsWarning,)
    said = tuple(
        str(w.message) for w in caught if issubclass(w.category, VolumeWarning) and not issubclass(w.category, ignored)
    )
    told = (*said, *value.pop("told", ()))
    if error is None:
        status = "warned" if told else "read"
    else:
        status = "refused" if isinstance(error, TumorGenError) else "unnamed"
    return Reading(status, message, told, value, _lacked_memory(error), _memory_mib() - before)


def _lacked_memory(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, MemoryError) or _lacked_memory(error.__cause__))


def _memory_mib(reset: bool = False) -> float:
    """Largest memory of this process in MiB, since it was reset. Linux only."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _volume(path: Path) -> dict[str, Any]:
    volume = read_volume(path)
    return {
        "voxels": sitk.GetArrayFromImage(volume.image),
        "matrix": Grid.from_image(volume.image).index_to_lps_matrix,
        "factor": volume.units.suv_factor,
    }


def _mask(path: Path) -> dict[str, Any]:
    return {"voxels": np.array(read_mask(path, Grid.from_image(grid_image())))}


def _roi(path: Path) -> dict[str, Any]:
    return asdict(read_box(path))


def _manifest(path: Path) -> dict[str, Any]:
    from TumorGenCore.cohort.manifest import read_manifest

    rows = read_manifest(path)
    return {"rows": [asdict(row) for row in rows]}


def _bundle(path: Path) -> dict[str, Any]:
    from TumorGenCore.bundle.model_bundle import load_bundle

    bundle = load_bundle(path)
    settings = ("scale", "patch", "sampling", "uptake", "fill", "noise", "tuning")
    weights = {
        f"{name}.safetensors": {key: tensor.numpy() for key, tensor in getattr(bundle, name).state_dict().items()}
        for name in ("vae", "vector_field", "mask_refiner")
    }
    if bundle.training_lesions is not None:
        known = {key: values for key, values in vars(bundle.training_lesions).items() if values is not None}
        weights["training_lesions.safetensors"] = known
    means = {"latent_mean": bundle.latent_mean, "latent_deviation": bundle.latent_deviation}
    return {"settings": {name: asdict(getattr(bundle, name)) for name in settings} | means, "weights": weights}


def prepare() -> None:
    """Loads what reading loads on first use, so that it counts neither as time nor as memory of an input."""
    import pydicom.pixels  # noqa: F401

    import TumorGenCore.cohort.manifest  # noqa: F401

    _generator()


@functools.cache
def _generator() -> Any:
    from TumorGenCore import TumorGenerator

    with tempfile.TemporaryDirectory() as folder:
        return TumorGenerator.from_pretrained(write_bundle(Path(folder)), device="cpu")


def _provenance(path: Path) -> dict[str, Any]:
    from TumorGenCore.insertion.again import differences, make_again
    from TumorGenCore.insertion.provenance import read_provenance
    from TumorGenCore.volumes.suv import PetUnits
    from TumorGenCore.volumes.volume import PetVolume

    generator = _generator()
    end = time.process_time() + _PATIENCE_S
    record = read_provenance(path)
    volume = PetVolume(grid_image(), PetUnits("unknown", float(record.get("suv_factor", 1.0)), "given"))
    try:
        made = make_again(record, volume, generator, should_cancel=lambda: time.process_time() > end)
    except CancelledError:
        return {"told": ("canceled",)}
    return {"told": tuple(differences(record, made)), "sha256": [tumor.sha256 for tumor in made.tumors]}


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "nifti": _volume,
    "nifti-gz": _volume,
    "nrrd": _volume,
    "mask": _mask,
    "metaimage": _volume,
    "dicom": _volume,
    "roi": _roi,
    "manifest": _manifest,
    "metadata": _bundle,
    "weights": _bundle,
    "provenance": _provenance,
}
