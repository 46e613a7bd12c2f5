"""Checks that a change of the code keeps every bit of the tumors.

    python Testing/benchmarks/same_bits.py --output before.json                        (before the change)
    python Testing/benchmarks/same_bits.py --output after.json --before before.json    (after it)

Records hashes of 22 insertions and of three runs of several variants. With --before it also prints each difference from
that record, and exits with 1 if there is one. Make both records on one machine and do not commit them: bits depend on
processor, thread count and libraries. Variants that are sampled together may differ by rounding, so their record holds
only the masks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator, TumorRequest, VariantRun, best_first, read_volume
from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.phantom.phantom import make_phantom, phantom_box
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

DATA = Path(os.environ.get("TUMORGEN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
THREADS = 2
#: Longest edge of a box around a real tumor, mm.
MOST_EDGE_MM = 150.0


@dataclass(frozen=True)
class Insertion:
    """One tumor to record."""

    name: str
    volume: PetVolume
    box: Box
    seed: int
    request: TumorRequest = field(default_factory=TumorRequest)
    model: str = DEFAULT_BUNDLE


def main() -> int:
    """Writes the record; returns 1 if it differs from the one of ``--before``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the scans (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="file for the new record (JSON)")
    parser.add_argument("--before", type=Path, help="record from before the change, to compare with")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(THREADS)
    phantom = PetVolume(make_phantom(0, spacing_mm=(4.07, 4.07, 3.0)), PetUnits("SUV", 1.0, "given"))
    made = {one.name: recorded(one) for one in insertions(options.data, phantom)}
    made |= {f"variants in the {site}": together(phantom, site, seeds) for site, seeds in TOGETHER.items()}
    options.output.write_text(json.dumps(made, indent=1) + "\n")
    if options.before is None:
        return 0
    before = json.loads(options.before.read_text())
    different = [
        f"{name}: {part}" for name in before for part in before[name] if before[name][part] != made[name][part]
    ]
    for line in different:
        print(f"differs: {line}")
    print(f"{len(before)} entries compared with {options.before}: {len(different)} differences")
    return 1 if different else 0


def insertions(data: Path, phantom: PetVolume) -> Iterator[Insertion]:
    """Yields scans and phantom with turned boxes, a box past the edge, uptakes, fills, solvers, pixel types, specks."""
    lung, liver = phantom_box("right lung"), phantom_box("liver")
    for n in ("001", "010", "024"):
        yield Insertion(f"sarcoma {n}", sarcoma(data, n), around(data, n), 1)
    scan, grid = sarcoma(data, "002"), Grid.from_image(sarcoma(data, "002").image)
    turned = Box(around(data, "002").center_lps, (60.0, 50.0, 40.0), turn(30))
    yield Insertion("sarcoma 002, turned, SUVmax", scan, turned, 2, TumorRequest(suv_max=7.0))
    _, j, k = grid.size_ijk
    yield Insertion("sarcoma 002, past the edge", scan, cube(grid, (2, j // 2, k // 2)), 3)
    yield Insertion("liver", phantom, liver, 0)
    yield Insertion("lung", phantom, lung, 1)
    yield Insertion("lung, small", phantom, lung, 5, TumorRequest(fill=0.04))
    yield Insertion("liver, large", phantom, liver, 6, TumorRequest(fill=0.16))
    yield Insertion("liver, SUVmean", phantom, liver, 7, TumorRequest(suv_mean=6.0))
    yield Insertion("lung, fill and SUVmax", phantom, lung, 8, TumorRequest(fill=0.1, suv_max=12.0))
    yield Insertion("lung, turned twice", phantom, Box(lung.center_lps, (50.0, 50.0, 30.0), turn(45) @ turn(20, 0)), 9)
    whole = PetVolume(sitk.Cast(phantom.image * 1000, sitk.sitkInt16), PetUnits("unknown", 0.001, "given"))
    yield Insertion("lung, whole numbers", whole, lung, 10)
    yield Insertion("lung, Heun", phantom, lung, 11, TumorRequest(4, "heun"))
    yield Insertion("liver, Euler", phantom, liver, 12, TumorRequest(10, "euler"))
    yield Insertion("liver, Adams", phantom, liver, 13, TumorRequest(4, "adams"))
    yield Insertion("lung, four-step bundle", phantom, lung, 14, model="pet-fdg-v2-4step")
    body = read_volume(data / "whole_body" / "QIN-HEADNECK-01-0139_image.nii.gz", 1.0)
    yield Insertion("whole body", body, cube(Grid.from_image(body.image), (84, 84, 300)), 15)
    series = read_volume(data / "dicom" / "CCTH-A01")
    grid = Grid.from_image(series.image)
    turned = Box(cube(grid, (64, 64, 150)).center_lps, (45.0, 35.0, 40.0), turn(15, 1))
    yield Insertion("DICOM, turned, SUVmax", series, turned, 16, TumorRequest(suv_max=9.0))
    yield Insertion("DICOM, fill", series, cube(grid, (50, 64, 180), 50.0), 17, TumorRequest(fill=0.08))
    yield Insertion("neck, a speck at first", phantom, phantom_box("neck"), 6)
    yield Insertion("axilla, a speck at first", phantom, phantom_box("right axilla"), 13)


#: Sites of the phantom, and the seeds of several variants there.
TOGETHER = {"right lung": range(20, 24), "liver": range(20, 24), "neck": range(5, 9)}


def recorded(one: Insertion) -> dict[str, Any]:
    """Inserts the tumor; returns hashes of its image, mask and mask probability, and its quality."""
    tumor = generator_of(one.model).insert(one.volume, one.box, one.request, seed=one.seed)
    print(f"{one.name}: {int(sitk.GetArrayViewFromImage(tumor.mask).sum())} voxels", flush=True)
    images = {"image": tumor.image, "mask": tumor.mask, "probability": tumor.mask_probability}
    return {**{name: sha256(image) for name, image in images.items()}, "quality": tumor.quality.total}


def together(phantom: PetVolume, site: str, seeds: range) -> dict[str, Any]:
    """Returns hashes of the masks of several variants by their seeds; new tumors replace poor ones."""
    generator = generator_of(DEFAULT_BUNDLE)
    run = VariantRun(generator, generator.prepare(phantom, phantom_box(site)), TumorRequest(least_quality=0.95), seeds)
    print(f"variants in the {site}", flush=True)
    return {str(variant.seed): sha256(variant.mask) for variant in best_first(run)}


_loaded: dict[str, TumorGenerator] = {}


def generator_of(model: str) -> TumorGenerator:
    """Returns the model on the CPU; loads it once."""
    if model not in _loaded:
        _loaded[model] = TumorGenerator.from_pretrained(model, "cpu")
    return _loaded[model]


def sarcoma(data: Path, number: str) -> PetVolume:
    """Reads the scan of a patient with a sarcoma, in SUV."""
    return read_volume(data / "sts" / f"STS_{number}_image.nii.gz", 1.0)


def around(data: Path, number: str) -> Box:
    """Returns a rough box around the patient's tumor."""
    mask = sitk.ReadImage(str(data / "sts" / f"STS_{number}_mask.nii.gz"))
    voxels = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)
    low, high = voxels.min(axis=0)[::-1], voxels.max(axis=0)[::-1]
    center = mask.TransformContinuousIndexToPhysicalPoint(((low + high) / 2).tolist())
    edges = np.minimum((high - low + 1) * np.array(mask.GetSpacing()) + 20, MOST_EDGE_MM)
    return Box(tuple(np.round(center, 1).tolist()), tuple(np.round(edges, 1).tolist()))


def cube(grid: Grid, index_ijk: tuple[int, int, int], edge_mm: float = 40.0) -> Box:
    """Returns a cube around a voxel."""
    return Box(tuple(grid.index_to_lps(np.array(index_ijk)).tolist()), (edge_mm,) * 3)


def turn(degrees: float, axis: int = 2) -> np.ndarray:
    """Returns the 3x3 rotation about one of the axes."""
    angle, (a, b) = np.deg2rad(degrees), [(1, 2), (0, 2), (0, 1)][axis]
    rotation = np.eye(3)
    rotation[a, a] = rotation[b, b] = np.cos(angle)
    rotation[a, b], rotation[b, a] = -np.sin(angle), np.sin(angle)
    return rotation


def sha256(image: sitk.Image) -> str:
    """Returns the hash of the voxels of an image."""
    return hashlib.sha256(sitk.GetArrayViewFromImage(image).tobytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
