"""A finished run of `tumorgen synthesize` with a tiny bundle: two patients in three scans, each with a CT.

The files of the scans have names of persons, which no export may tell.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from cohort_folders import made_run


def ct_of(pet: Path, path: Path, spacing_mm: float) -> Path:
    """Writes a CT in HU over the same place as a PET, in cubes of this edge."""
    image = sitk.ReadImage(str(pet))
    hu = sitk.Cast(sitk.Clamp(image * 100 - 1000, upperBound=1500), sitk.sitkInt16)
    size = [int(n * edge / spacing_mm) for n, edge in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = sitk.Image(size, sitk.sitkInt16)
    grid.SetSpacing([spacing_mm] * 3)
    grid.SetOrigin(image.GetOrigin())
    sitk.WriteImage(sitk.Resample(hu, grid, sitk.Transform(), sitk.sitkLinear, -1000), str(path))
    return path


@pytest.fixture(scope="session")
def _finished(tiny_cases: Path, tiny_bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for name, source in (("MillerAnna1", "P1-a"), ("MillerAnna2", "P1-b"), ("SmithJohn", "P2")):
        shutil.copy(tiny_cases / f"{source}_image.nii.gz", folder / f"{name}.nii.gz")
    ct_of(folder / "MillerAnna1.nii.gz", folder / "MillerAnna1_ct.nii.gz", 4.0)
    ct_of(folder / "MillerAnna2.nii.gz", folder / "MillerAnna2_ct.nii.gz", 4.0)
    ct_of(folder / "SmithJohn.nii.gz", folder / "SmithJohn_ct.mha", 3.0)
    table = (
        "image,name,box,count,tumors,suv_factor,ct\n"
        'MillerAnna1.nii.gz,p1-a,"-25,20,-40,40,44,48",2,,1,MillerAnna1_ct.nii.gz\n'
        "MillerAnna2.nii.gz,p1-b,,1,2,1,MillerAnna2_ct.nii.gz\n"
        "SmithJohn.nii.gz,p2,,1,1,1,SmithJohn_ct.mha\n"
    )
    return made_run(folder, table, tiny_bundle_folder)


@pytest.fixture
def made(_finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, which a test may damage."""
    return Path(shutil.copytree(_finished, tmp_path / "made"))
