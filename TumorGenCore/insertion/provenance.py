"""Where a synthetic image came from: what is needed to make it again, and nothing that names a person or a file."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime

import numpy as np
import SimpleITK as sitk

from TumorGenCore.insertion.uptake_control import UptakeTarget
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.version import software_version
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.voxels import read_region, read_slabs

__all__ = ["STATEMENT", "Provenance", "hash_volume", "make_provenance"]

#: JSON-ready; lists are flat, matrices row by row.
Provenance = dict[str, str | int | float | list[float]]

STATEMENT = "Synthetic, not for diagnosis"


def hash_volume(image: sitk.Image) -> str:
    """SHA-256 of pixel type, size, geometry and voxels: equal exactly for equal volumes, whatever file they are in."""
    geometry = (*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
    voxel_type = read_region(image, (0, 0, 0), (1, 1, 1)).dtype
    digest = hashlib.sha256(f"{voxel_type.str} {image.GetSize()}".encode())
    digest.update(struct.pack(f"<{len(geometry)}d", *geometry))
    for _, slab in read_slabs(image):
        digest.update(slab.data)
    return digest.hexdigest()


def make_provenance(
    *,
    input_hash: str,
    units: PetUnits,
    box: Box,
    seed: int,
    sampling: Sampling,
    bundle_name: str,
    bundle_version: str,
    bundle_hash: str,
    device: str,
    created: datetime,
    target: UptakeTarget | None = None,
    uptake_gain: float = 1.0,
    fill: float | None = None,
    paste: str = "change",
    refine: bool = True,
    fit_mask: bool = True,
    restored: float = 0.0,
) -> Provenance:
    """The record that travels with a result, in JSON beside files, NRRD keys and node attributes.

    Args:
        input_hash: ``hash_volume`` of the input volume, before insertion.
        units: the input's units.
        box: where the tumor was inserted.
        seed: of the noise.
        sampling: steps, solver, times, and the mask's noise where it is not the usual one.
        bundle_name: of the model bundle, with its version and the hash of its weights.
        bundle_version: see ``bundle_name``.
        bundle_hash: see ``bundle_name``.
        device: on which the networks ran, such as "cpu".
        created: when the tumor was made, with its time zone.
        target: the uptake asked for, if any.
        uptake_gain: by which the tumor's uptake was scaled for it.
        fill: the share of the box's volume that was asked to be tumor, if any.
        paste, refine, fit_mask: see ``TumorGenerator``; named only where they are not the usual way.
        restored: amount of ``ResolutionRecovery``; named where there is one.
    """
    return {
        "statement": STATEMENT,
        "synthetic": True,
        "software": "TumorGen",
        "software_version": software_version(),
        "bundle_name": bundle_name,
        "bundle_version": bundle_version,
        "bundle_hash": bundle_hash,
        "seed": int(seed),
        "steps": sampling.steps,
        "solver": sampling.solver,
        "time_grid": "uniform" if sampling.is_uniform else sampling.grid(),
        **({} if sampling.mask_noise == 1 else {"mask_noise": sampling.mask_noise}),
        "device": device,
        **({} if target is None else {f"target_suv_{target.measure}": float(target.suv)}),
        "uptake_gain": float(uptake_gain),
        **({} if fill is None else {"target_fill": float(fill)}),
        **({} if paste == "change" else {"paste": paste}),
        **({} if refine else {"refined": "no"}),
        **({} if restored == 0 else {"resolution_restored": float(restored)}),
        **({} if fit_mask else {"mask_fitted": "no"}),
        "box_center_lps": list(box.center_lps),
        "box_size_mm": list(box.size_mm),
        "box_axes": np.ravel(box.axes).tolist(),
        "input_sha256": input_hash,
        "input_units": units.name,
        "suv_factor": float(units.suv_factor),
        "suv_factor_source": units.source,
        "created_utc": created.astimezone(UTC).isoformat(timespec="seconds"),
    }
