"""Sends a DICOM study to an archive and gets it back: is it one study, with the same SUV and masks?

    make dicom-peers                      a series of the folder TUMORGEN_DATA
    make dicom-peers SERIES=FOLDER        another DICOM PET series

Needs Debian's orthanc and dcmtk. Ends with 1 if anything differs. The figures go to docs/soak.md by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk
from orthanc_server import Orthanc, running

from TumorGenCore import Box, TumorGenerator, TumorRequest, write_dicom_study
from TumorGenCore.version import software_version
from TumorGenCore.volumes.read import read_volume


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("TUMORGEN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    parser.add_argument("--series", type=Path, default=default / "dicom" / "CCTH-A01", help="folder of a PET series")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name, running() as server:
        folder = Path(name)
        image, mask, factor = _make_study(options.series, folder / "study")
        seconds = -time.monotonic()
        server.store(folder / "study")
        seconds += time.monotonic()
        back = _retrieve(server, folder / "back")
        figures = {
            "TumorGen": software_version(),
            "Orthanc": server.get("/system")["Version"],
            "files sent": len(list((folder / "study").rglob("*.dcm"))),
            "seconds to send": round(seconds, 1),
            **{name: len(server.get(f"/{name}")) for name in ("patients", "studies", "series", "instances")},
            **_differences(back, image, mask, factor),
        }
    print(json.dumps(figures, indent=1))
    wrong = figures["patients"] != 1 or figures["studies"] != 1 or figures["series"] != 3
    wrong |= figures["instances"] != figures["files sent"] or figures["largest SUV error in half steps"] > 1
    return int(wrong or any(figures[f"Dice by {reader}"] != 1 for reader in ("highdicom", "rt-utils")))


def _make_study(series: Path, folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Inserts a tumor and writes its study; returns its SUV, its mask and the factor to SUV."""
    volume = read_volume(series)
    grid = volume.image.GetSize()
    center = volume.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in grid])
    box = Box(tuple(center), (60.0, 60.0, 60.0))
    tumor = TumorGenerator.from_pretrained().insert(volume, box, TumorRequest(suv_max=9.0), seed=1)
    write_dicom_study(folder, tumor.image, tumor.mask, tumor.provenance, series)
    factor = volume.units.suv_factor
    return sitk.GetArrayFromImage(tumor.image) * float(factor), sitk.GetArrayFromImage(tumor.mask) > 0, factor


def _retrieve(server: Orthanc, folder: Path) -> Path:
    """Gets every object back by REST, into a folder for each kind."""
    for instance in server.get("/instances"):
        content = server.content(f"/instances/{instance}/file")
        kind = server.get(f"/instances/{instance}/simplified-tags")["Modality"]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / f"{instance}.dcm").write_bytes(content)
    return folder


def _differences(back: Path, suv: np.ndarray, mask: np.ndarray, factor: float) -> dict[str, Any]:
    import rt_utils

    volume = read_volume(back / "PT")
    found = sitk.GetArrayFromImage(volume.image) * float(volume.units.suv_factor)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (back / "PT").iterdir()]
    headers.sort(key=lambda header: header.InstanceNumber)
    half_steps = np.array([float(header.RescaleSlope) for header in headers]) * factor / 2
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(back / "PT"))
    by_gdcm = sitk.GetArrayFromImage(sitk.ReadImage(names)) * factor
    (seg,), (rtstruct,) = ((back / kind).iterdir() for kind in ("SEG", "RTSTRUCT"))
    frames = highdicom.seg.segread(seg).get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in headers], assert_missing_frames_are_empty=True
    )
    contours = rt_utils.RTStructBuilder.create_from(str(back / "PT"), str(rtstruct))
    outlined = np.moveaxis(contours.get_roi_mask_by_name("synthetic tumor 1"), -1, 0)
    errors = [np.abs(read - suv) / half_steps[:, None, None] for read in (found, by_gdcm)]
    return {
        "factor to SUV, relative error": abs(volume.units.suv_factor / factor - 1),
        # Reading and writing in 32 bits adds up to 32767 * 2^-23 steps.
        "largest SUV error in half steps": float(max(error.max() for error in errors)) - 2 * 32767 * 2.0**-23,
        "tumor voxels": int(mask.sum()),
        "Dice by highdicom": _dice(frames[..., 0] > 0, mask),
        "Dice by rt-utils": _dice(outlined, mask),
    }


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


if __name__ == "__main__":
    sys.exit(main())
