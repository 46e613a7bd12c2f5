"""dciodvfy of dicom3tools finds no error but SyntheticData, which it does not know."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
import SimpleITK as sitk
from study_cases import a_lump, a_result, record, some_real_slices, write_series

from TumorGenCore import write_dicom_study
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import units_of_image
from TumorGenCore.volumes.volume import PetVolume

#: (0008,001C) is in DICOM since 2023.
UNKNOWN_TO_IT = "(0x0008,0x001c)"


def errors(path: Path) -> set[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return {line for line in lines if line.startswith("Error") and UNKNOWN_TO_IT not in line}


@pytest.fixture
def need_dciodvfy():
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy: apt-get install dicom3tools")


@pytest.mark.parametrize("kind", ["made", "real", "none"])
def test_no_error_beyond_those_of_the_source(need_dciodvfy, kind, request, tmp_path):
    series = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "none":
            image = sitk.Image([14, 12, 9], sitk.sitkFloat32) + 2.0
            volume = PetVolume(image, units_of_image(image, 1.0))
        else:
            if kind == "real":
                series = some_real_slices(request.getfixturevalue("shared_data"), tmp_path / "series")
            else:
                series = write_series(tmp_path / "series")
            volume = read_volume(series)
    result, masks = a_result(volume, a_lump(volume.image.GetSize()[::-1]))
    write_dicom_study(tmp_path / "study", result, masks, record(volume), series)
    assert errors(tmp_path / "study" / "seg.dcm") == set()
    assert errors(tmp_path / "study" / "rtstruct.dcm") == set()
    slices = sorted((tmp_path / "study" / "pet").iterdir())
    for path in slices[:: len(slices) // 4]:
        assert errors(path) == set(), path.name
